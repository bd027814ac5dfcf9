//! `joinscope recording …`: what can be done with a recording.

use std::path::Path;

use clap::{Args, Subcommand};
use joinscope_core::edges::recording;

use super::run::warn;
use super::{Answer, export, info, merge, publish, redact, slice, verify};

/// Looks at recordings, checks, cuts, merges, redacts and exports them, sends
/// them back to a cluster
#[derive(Args)]
pub struct Recording {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Info(info::Info),
    Verify(verify::Verify),
    Slice(slice::Slice),
    Merge(merge::Merge),
    Redact(redact::Redact),
    Export(export::Export),
    Publish(publish::Publish),
}

/// Says where a recording was cut, if it was.
pub fn say_cut(recording: &recording::Recording, path: &Path) {
    if let Some(cut) = &recording.info().cut {
        warn(&format!("{}: {cut}", path.display()));
    }
}

/// Runs the verb.
pub fn run(args: &Recording) -> anyhow::Result<Answer> {
    match &args.verb {
        Verb::Info(args) => info::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Slice(args) => slice::run(args),
        Verb::Merge(args) => merge::run(args),
        Verb::Redact(args) => redact::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Publish(args) => publish::run(args),
    }
}
