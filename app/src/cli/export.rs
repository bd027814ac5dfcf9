//! `joinscope recording export`: a recording as a Parquet file.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use joinscope_core::edges::recording;
use serde_json::json;

use super::Answer;
use super::cluster::plural;
use super::follow::follow;
use super::recording::{open_recording, say_cut};

/// Writes a recording as a Parquet file: a row for each record, with arrival,
/// topic, partition, offset, timestamp, key, value and headers
///
/// `joinscope import parquet` makes the recording of it again (without the clock
/// of a live run).
#[derive(Args)]
#[command(after_help = "Examples:
  joinscope recording export feed.mcap -o feed.parquet
  duckdb -c \"select topic, count(*) from 'feed.parquet' group by topic\"")]
pub struct Export {
    /// The recording to read
    recording: PathBuf,
    /// The Parquet file that is made; one that is there is never written over
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Only these topics
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "TOPIC")]
    topics: Vec<String>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Export) -> anyhow::Result<Answer> {
    let recording = open_recording(&args.recording)?;
    say_cut(&recording, &args.recording);
    let records = follow("record", |job| {
        recording::export_parquet(&recording, &args.topics, &args.output, job)
    })?;
    let bytes = args.output.metadata().map_or(0, |m| m.len());
    let mut out = super::stdout::lock();
    if args.json {
        writeln!(
            out,
            "{}",
            json!({"file": super::stdout::path(&args.output), "records": records, "bytes": bytes})
        )?;
    } else {
        writeln!(
            out,
            "{} into {} ({:.1} MB)",
            plural(records, "record"),
            args.output.display(),
            bytes as f64 / 1e6
        )?;
    }
    Ok(Answer::Yes)
}
