//! The command line: one file a verb. Exit codes: 0 done; 1 it ran and the
//! answer is no; 2 misuse or bad input.

mod bench;
mod bench_record;
mod bench_window;
mod cluster;
mod explain;
pub mod filter;
mod follow;
mod generate;
mod import;
mod info;
mod interrupt;
mod operator;
pub mod outputs;
mod pipeline;
mod publish;
mod record;
mod recording;
pub mod run;
mod runs;
mod screenshot;
mod slice;
mod truth;
pub mod values;
pub mod verdicts;
mod verify;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An oscilloscope for stream joins: records what Kafka topics hold, joins it
/// locally, and says for every record what happened to it and why.
#[derive(Parser)]
#[command(
    name = "joinscope",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    /// Opens the window on a recording (.mcap), a pipeline (.toml) or a run
    /// folder; without it, on the start page
    file: Option<PathBuf>,
    /// What draws the window; by default wgpu where it finds an adapter
    #[arg(long, value_enum)]
    renderer: Option<crate::window::Renderer>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    Bench(bench::Bench),
    Generate(generate::Generate),
    Import(import::Import),
    Explain(explain::Explain),
    Operator(operator::Operator),
    Outputs(outputs::Outputs),
    Pipeline(pipeline::Pipeline),
    Record(record::Record),
    Recording(recording::Recording),
    Run(run::Run),
    Screenshot(screenshot::Screenshot),
    Truth(truth::Truth),
    Verdicts(verdicts::Verdicts),
}

/// What a verb answers when it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, or yes.
    Yes,
    /// It ran, and the answer is no.
    No,
}

/// Parses the arguments and runs the verb.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.verb {
        Some(Verb::Bench(args)) => bench::run(&args),
        Some(Verb::Generate(args)) => generate::run(&args),
        Some(Verb::Import(args)) => import::run(&args),
        Some(Verb::Explain(args)) => explain::run(&args),
        Some(Verb::Operator(args)) => operator::run(&args),
        Some(Verb::Outputs(args)) => outputs::run(&args),
        Some(Verb::Pipeline(args)) => pipeline::run(&args),
        Some(Verb::Record(args)) => record::run(&args),
        Some(Verb::Recording(args)) => recording::run(&args),
        Some(Verb::Run(args)) => run::run(&args),
        Some(Verb::Screenshot(args)) => screenshot::run(&args),
        Some(Verb::Truth(args)) => truth::run(&args),
        Some(Verb::Verdicts(args)) => verdicts::run(&args),
        None => crate::window::open(cli.file, cli.renderer).map(|()| Answer::Yes),
    };
    finish(result)
}

/// A closed pipe (`joinscope … | head`) is not an error.
fn finish(result: anyhow::Result<Answer>) -> ExitCode {
    match result {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // stderr may be gone too; there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "joinscope: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
