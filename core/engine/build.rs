//! Compiles `envelope.proto` without `protoc`: Rust types, and the
//! `FileDescriptorSet` that stands in the schema record of every recording.

use std::path::PathBuf;

use protox::prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = "src/edges/recording";
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={folder}/envelope.proto");
    let descriptors = protox::Compiler::new([folder])?
        .include_imports(true)
        .include_source_info(false)
        .open_file("envelope.proto")?
        .file_descriptor_set();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    std::fs::write(out.join("envelope.fds"), descriptors.encode_to_vec())?;
    prost_build::compile_fds(descriptors)?;
    Ok(())
}
