//! `joinscope import …`: recordings made of other files.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use joinscope_core::edges::recording::{Compression, ImportJsonl, ImportUnit, import_jsonl};
use serde_json::json;

use super::cluster::thousands;
use super::follow::follow;
use super::{Answer, record};

/// Makes a recording of a file
#[derive(Args)]
pub struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Subcommand)]
enum From {
    Jsonl(Jsonl),
}

/// Makes a recording of JSON lines (also compressed with zstd)
///
/// The value of each record is its line. Its partition is the one that Kafka's
/// own producer chooses (murmur2 of the key's bytes: a string as UTF-8, a number
/// as its decimal text); records whose key is null or missing take turns over
/// the partitions. Arrival order is the order of the file; times are kept as
/// they are, also where they go back.
#[derive(Args)]
#[command(after_help = "Example:
  joinscope import jsonl changes.jsonl.zst --topic changes --key path --arrival committed_ms \\
    --timestamp authored_ms --partitions 8 -o changes.mcap")]
pub struct Jsonl {
    file: PathBuf,
    #[arg(long)]
    topic: String,
    /// Field of the key, or a path to it (a.b)
    #[arg(long, value_name = "FIELD")]
    key: String,
    /// Field of the arrival time; by default the timestamp, else now
    #[arg(long, value_name = "FIELD")]
    arrival: Option<String>,
    /// Field of the record timestamp
    #[arg(long, value_name = "FIELD")]
    timestamp: Option<String>,
    /// In what the two fields give their times
    #[arg(long, value_enum, default_value = "ms")]
    unit: Unit,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    partitions: u32,
    #[arg(short, long, value_name = "RECORDING")]
    output: PathBuf,
    #[arg(long, value_name = "lz4|zstd[:LEVEL]|none", default_value = "lz4", value_parser = record::compression)]
    compression: Compression,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Unit {
    S,
    Ms,
    Us,
    Ns,
    Rfc3339,
}

/// Runs the verb.
pub fn run(args: &Import) -> anyhow::Result<Answer> {
    let From::Jsonl(args) = &args.from;
    let options = ImportJsonl {
        topic: args.topic.clone(),
        key: Some(args.key.clone()),
        arrival: args.arrival.clone(),
        timestamp: args.timestamp.clone(),
        unit: match args.unit {
            Unit::S => ImportUnit::Seconds,
            Unit::Ms => ImportUnit::Millis,
            Unit::Us => ImportUnit::Micros,
            Unit::Ns => ImportUnit::Nanos,
            Unit::Rfc3339 => ImportUnit::Rfc3339,
        },
        partitions: args.partitions,
        compression: args.compression,
    };
    let info = follow("bytes", |job| import_jsonl(&args.file, &options, &args.output, job))?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let answer = json!({
            "recording": args.output,
            "records": info.records,
            "topics": {&args.topic: {"partitions": args.partitions, "records": info.records}},
            "bytes": info.file_bytes,
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(
            out,
            "{} records of {} partitions into {} ({:.1} MB)",
            thousands(info.records),
            args.partitions,
            args.output.display(),
            info.file_bytes as f64 / 1e6
        )?;
    }
    Ok(Answer::Yes)
}
