//! `joinscope recording …`: what can be done with a recording.

use clap::{Args, Subcommand};

use super::{Answer, info, publish, slice, verify};

/// Looks at recordings, checks them, cuts them, sends them back to a cluster
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
    Publish(publish::Publish),
}

/// Runs the verb.
pub fn run(args: &Recording) -> anyhow::Result<Answer> {
    match &args.verb {
        Verb::Info(args) => info::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Slice(args) => slice::run(args),
        Verb::Publish(args) => publish::run(args),
    }
}
