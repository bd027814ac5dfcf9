//! `joinscope recording merge`: several recordings as one.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use joinscope_core::edges::recording::{self, Compression, Recording};
use serde_json::json;

use super::cluster::{plural, thousands};
use super::follow::follow;
use super::recording::{open_recording, say_cut};
use super::{Answer, record};

/// Makes one recording of several: by arrival time, then in the order in which
/// they are named; arrival numbers are given anew
///
/// A record that several files hold (the same topic[partition]@offset) is one, if
/// timestamp, key, value and headers agree; else nothing is written. Offsets
/// increase within a partition: a record waits for those before it, whichever
/// file holds them.
#[derive(Args)]
#[command(after_help = "Examples:
  joinscope recording merge views.mcap engagements.mcap -o feed.mcap
  joinscope recording merge monday.mcap tuesday.mcap wednesday.mcap -o week.mcap")]
pub struct Merge {
    /// Two recordings or more
    // Two at once would have to follow one another without an option between.
    #[arg(required = true, num_args = 1.., value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// The recording that is made; a file that is there is never written over
    #[arg(short, long, value_name = "RECORDING")]
    output: PathBuf,
    /// lz4, zstd[:LEVEL] or none; by default as the first recording
    #[arg(long, value_name = "lz4|zstd[:LEVEL]|none", value_parser = record::compression)]
    compression: Option<Compression>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Merge) -> anyhow::Result<Answer> {
    if args.recordings.len() < 2 {
        anyhow::bail!("merge takes 2 recordings or more, and one is named");
    }
    let mut files = Vec::with_capacity(args.recordings.len());
    for path in &args.recordings {
        let file = open_recording(path)?;
        say_cut(&file, path);
        files.push(file);
    }
    let merged =
        follow("record", |job| recording::merge(&files, &args.output, args.compression, job))?;
    let mut out = super::stdout::lock();
    if args.json {
        let answer = json!({
            "recording": super::stdout::path(&args.output),
            "records": merged.info.records,
            "of": files.iter().map(Recording::len).collect::<Vec<_>>(),
            "duplicates": merged.duplicates,
            "bytes": merged.info.file_bytes,
        });
        writeln!(out, "{answer}")?;
    } else {
        let twice = match merged.duplicates {
            0 => String::new(),
            n => format!("; {} were in more than one", thousands(n)),
        };
        writeln!(
            out,
            "{} of {} into {}{twice}",
            plural(merged.info.records, "record"),
            plural(files.len() as u64, "recording"),
            args.output.display()
        )?;
    }
    Ok(Answer::Yes)
}
