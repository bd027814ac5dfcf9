//! Joinscope: an oscilloscope for stream joins. The window and the command
//! line are two faces of this one program.

mod cli;
mod window;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
