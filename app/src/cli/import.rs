//! `joinscope import …`: recordings made of other files.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, Subcommand, ValueEnum};
use joinscope_core::edges::recording::{
    Compression, ImportJsonl, ImportUnit, Info, import_exported, import_jsonl, import_kcat,
    import_parquet, is_exported,
};
use serde_json::json;

use super::cluster::plural;
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
    Parquet(Parquet),
    Kcat(Kcat),
}

/// Makes a recording of JSON lines (also compressed with zstd)
///
/// The value of each record is its line. Its partition is the one that Kafka's
/// own producer chooses (murmur2 of the key's bytes: a string as UTF-8, a number
/// as its decimal text); records whose key is null or missing take turns over
/// the partitions. A key or timestamp that no line has is refused. Arrival order
/// is the order of the file; times are kept as they are, also where they go back.
#[derive(Args)]
#[command(after_help = "Example:
  joinscope import jsonl changes.jsonl.zst --topic changes --key path --arrival committed_ms \\
    --timestamp authored_ms --partitions 8 -o changes.mcap")]
pub struct Jsonl {
    /// The lines (- is not taken: name /dev/stdin for a pipe)
    file: PathBuf,
    /// Topic that the records are said to be of
    #[arg(long)]
    topic: String,
    /// Field of the key, or a path to it (a.b)
    #[arg(long, value_name = "FIELD")]
    key: String,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    to: To,
}

/// Makes a recording of a Parquet file
///
/// Of one that `recording export` wrote: the recording as it was. Of any other
/// table (with --topic and --key): a record for each row, its value the row as
/// JSON (null columns left out, times as RFC 3339, binary as hex), partitions and
/// order as `import jsonl` makes them.
#[derive(Args)]
#[command(after_help = "Examples:
  joinscope import parquet feed.parquet -o feed.mcap
  joinscope import parquet clicks.parquet --topic clicks --key user_id --timestamp at \\
    --unit rfc3339 -o clicks.mcap")]
pub struct Parquet {
    /// The Parquet file
    file: PathBuf,
    /// Topic that the rows are said to be of; without it the file is an exported
    /// recording
    #[arg(long, requires = "key")]
    topic: Option<String>,
    /// Column of the key, or a path into one (a.b)
    #[arg(long, value_name = "COLUMN", requires = "topic")]
    key: Option<String>,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    to: To,
}

/// Makes a recording of what `kcat -C -J` printed (also compressed with zstd)
///
/// Topics, partitions, offsets, timestamps and headers are kept; arrival order is
/// the order of the file, arrival time the record's timestamp. kcat prints keys
/// and values as text: binary ones do not survive it, `joinscope record` keeps them.
#[derive(Args)]
#[command(after_help = "Example:
  kcat -b localhost:9092 -C -J -e -t views > views.jsonl
  joinscope import kcat views.jsonl -o views.mcap")]
pub struct Kcat {
    /// What kcat printed
    file: PathBuf,
    #[command(flatten)]
    to: To,
}

/// Where a row says its times, and into how many partitions rows go.
#[derive(Args)]
struct Times {
    /// Field of the arrival time; by default the timestamp, else now
    #[arg(long, value_name = "FIELD")]
    arrival: Option<String>,
    /// Field of the record timestamp
    #[arg(long, value_name = "FIELD")]
    timestamp: Option<String>,
    /// In what the two fields give their times: numbers, also with a fraction, or
    /// (rfc3339) texts
    #[arg(long, value_enum, default_value = "ms")]
    unit: Unit,
    /// Partitions of the topic
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    partitions: u32,
}

/// Where it goes.
#[derive(Args)]
struct To {
    /// The recording that is made; a file that is there is never written over
    #[arg(short, long, value_name = "RECORDING")]
    output: PathBuf,
    /// How its chunks are compressed
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

fn options(topic: &str, key: &str, times: &Times, to: &To) -> ImportJsonl {
    ImportJsonl {
        topic: topic.to_owned(),
        key: Some(key.to_owned()),
        arrival: times.arrival.clone(),
        timestamp: times.timestamp.clone(),
        unit: match times.unit {
            Unit::S => ImportUnit::Seconds,
            Unit::Ms => ImportUnit::Millis,
            Unit::Us => ImportUnit::Micros,
            Unit::Ns => ImportUnit::Nanos,
            Unit::Rfc3339 => ImportUnit::Rfc3339,
        },
        partitions: times.partitions,
        compression: to.compression,
    }
}

/// Runs the verb.
pub fn run(args: &Import) -> anyhow::Result<Answer> {
    let (info, to) = match &args.from {
        From::Jsonl(from) => {
            let options = options(&from.topic, &from.key, &from.times, &from.to);
            let info =
                follow("bytes", |job| import_jsonl(&from.file, &options, &from.to.output, job))?;
            (info, &from.to)
        }
        From::Parquet(from) => (parquet(from)?, &from.to),
        From::Kcat(from) => {
            let to = &from.to;
            let info =
                follow("bytes", |job| import_kcat(&from.file, to.compression, &to.output, job))?;
            (info, to)
        }
    };
    say(&info, to)
}

fn parquet(from: &Parquet) -> anyhow::Result<Info> {
    let to = &from.to;
    if let (Some(topic), Some(key)) = (&from.topic, &from.key) {
        let options = options(topic, key, &from.times, to);
        return follow("row", |job| import_parquet(&from.file, &options, &to.output, job));
    }
    ensure!(
        is_exported(&from.file)?,
        "{} is not an exported recording: say which topic its rows are to be, and which column is \
         the key (--topic views --key view_id)",
        from.file.display()
    );
    follow("row", |job| import_exported(&from.file, to.compression, &to.output, job))
}

fn say(info: &Info, to: &To) -> anyhow::Result<Answer> {
    let mut topics: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for partition in &info.partitions {
        let topic = topics.entry(&partition.topic_partition.topic).or_default();
        topic.0 += 1;
        topic.1 += partition.records;
    }
    let mut out = super::stdout::lock();
    if to.json {
        let topics: serde_json::Map<String, serde_json::Value> = topics
            .into_iter()
            .map(|(topic, (n, records))| {
                (topic.to_owned(), json!({"partitions": n, "records": records}))
            })
            .collect();
        let answer = json!({
            "recording": super::stdout::path(&to.output),
            "records": info.records,
            "topics": topics,
            "bytes": info.file_bytes,
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(
            out,
            "{} of {} into {} ({:.1} MB)",
            plural(info.records, "record"),
            plural(info.partitions.len() as u64, "partition"),
            to.output.display(),
            info.file_bytes as f64 / 1e6
        )?;
    }
    Ok(Answer::Yes)
}
