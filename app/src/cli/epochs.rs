//! `joinscope epochs`: a job's epochs as they went.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use joinscope_core::engine::delivery::epochs::{Fate, epochs};
use joinscope_core::run::Run;
use joinscope_operator::time::{format_duration, rfc3339_ms};

use super::Answer;

/// The epochs of a live job that writes, through every process that it took
///
/// Of each: which arrivals it covers, when its checkpoint was on the disk, when it
/// was committed, what was aborted, and where a process ended without a word.
///
/// Example: joinscope epochs runs/live-feed
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Epochs {
    /// The run's folder
    run: PathBuf,
    /// One JSON object a line on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Epochs) -> anyhow::Result<Answer> {
    let found = epochs(&args.run)?;
    if found.is_empty() {
        // Not a run at all, or one that writes nothing.
        Run::open(&args.run)?;
        bail!(
            "{}: has no epochs of a job: they are noted where a run writes its outputs to a \
             cluster (joinscope run --brokers B --write)",
            args.run.display()
        );
    }
    let mut out = BufWriter::new(super::stdout::lock());
    for epoch in &found {
        if args.json {
            serde_json::to_writer(&mut out, epoch).map_err(std::io::Error::from)?;
            writeln!(out)?;
            continue;
        }
        let name = match epoch.epoch {
            0 => "–".to_owned(),
            n => n.to_string(),
        };
        let records = match epoch.to {
            Some(to) => format!("{}..{to}", epoch.from),
            None => format!("{}..", epoch.from),
        };
        let fate = match epoch.fate {
            Fate::Prepared => "prepared",
            Fate::Committed => "committed",
            Fate::Aborted => "aborted",
            Fate::Crashed => "crashed",
            Fate::Adopted => "committed (the next process found it so)",
        };
        let took = match (epoch.prepared_ms, epoch.ended_ms) {
            (Some(from), Some(to)) => format!(" after {}", format_duration((to - from).max(0))),
            _ => String::new(),
        };
        let why = epoch.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        writeln!(
            out,
            "{}  process {}  epoch {name:<6} arrivals {records:<22} {fate}{took}{why}",
            rfc3339_ms(epoch.prepared_ms.unwrap_or(epoch.began_ms)),
            epoch.process,
        )?;
    }
    out.flush()?;
    Ok(Answer::Yes)
}
