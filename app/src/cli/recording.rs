//! `joinscope recording …`: what can be done with a recording.

use clap::{Args, Subcommand};

use super::{Answer, publish};

/// Looks at recordings, cuts them, sends them back to a cluster
#[derive(Args)]
pub struct Recording {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Publish(publish::Publish),
}

/// Runs the verb.
pub fn run(args: &Recording) -> anyhow::Result<Answer> {
    match &args.verb {
        Verb::Publish(args) => publish::run(args),
    }
}
