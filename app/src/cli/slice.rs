//! `joinscope recording slice`: a part of a recording.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use joinscope_core::edges::recording::{
    self, Compression, Missing, Recording, RecordingError, Salvaged, SliceTime,
};
use joinscope_operator::record::{RecordName, TopicPartition};
use joinscope_operator::time::parse_rfc3339;
use serde_json::{Value, json};

use super::cluster::{plural, thousands};
use super::follow::follow;
use super::recording::{open_recording, say_cut};
use super::run::warn;
use super::{Answer, record};

/// Writes a part of a recording into a new one: by time, offsets, topics, keys.
/// Arrival numbers, schemas and metadata are kept
#[derive(Args)]
#[command(after_help = "Examples:
  joinscope recording slice feed.mcap --from 2026-11-02T08:15:00Z \\
    --until 2026-11-02T08:25:00Z -o stall.mcap
  joinscope recording slice feed.mcap --offsets 'views[0]@1000..2000' --topics views -o some.mcap
  joinscope recording slice feed.mcap --key 1020000 --key 1020001 -o two-keys.mcap
  joinscope recording slice damaged.mcap --past-damage -o whole.mcap")]
pub struct Slice {
    /// The recording to read
    recording: PathBuf,
    /// The recording that is made; a file that is there is never written over
    #[arg(short, long, value_name = "RECORDING")]
    output: PathBuf,
    /// Only these topics
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "TOPIC")]
    topics: Vec<String>,
    /// From this arrival time on (RFC 3339, or ms since 1970)
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    from: Option<i64>,
    /// Before this arrival time
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    until: Option<i64>,
    /// --from and --until mean record timestamps
    #[arg(long)]
    by_timestamp: bool,
    /// Offsets of one partition, the end exclusive; may be repeated. Other
    /// partitions of that topic are left out
    #[arg(long, value_name = "TOPIC[PARTITION]@FROM..TO", value_parser = offsets)]
    offsets: Vec<(TopicPartition, i64, i64)>,
    /// Only records with this Kafka key (as text); may be repeated
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// lz4, zstd[:LEVEL] or none; by default as the recording
    #[arg(long, value_name = "lz4|zstd[:LEVEL]|none", value_parser = record::compression)]
    compression: Option<Compression>,
    /// Takes what is whole of a damaged or cut recording, and says which offsets
    /// are missing and why; they are a gap of the new recording. Where its beginning
    /// is damaged, its end says the same, if that is whole
    #[arg(long)]
    past_damage: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// RFC 3339, or milliseconds.
pub fn time(text: &str) -> Result<i64, String> {
    text.parse().ok().or_else(|| parse_rfc3339(text)).ok_or_else(|| {
        "write RFC 3339 (2026-11-02T08:15:00Z) or milliseconds since 1970".to_owned()
    })
}

fn offsets(text: &str) -> Result<(TopicPartition, i64, i64), String> {
    let read = || {
        let (first, to) = text.split_once("..")?;
        let first: RecordName = first.parse().ok()?;
        let to = to.parse().ok().filter(|to| *to > first.offset)?;
        let partition = TopicPartition { topic: first.topic, partition: first.partition };
        Some((partition, first.offset, to))
    };
    read().ok_or_else(|| "write TOPIC[PARTITION]@FROM..TO, e.g. views[0]@1000..2000".to_owned())
}

/// The recording; where its beginning is damaged, by its end, if that is asked for.
fn opened(args: &Slice) -> anyhow::Result<Recording> {
    match open_recording(&args.recording) {
        Err(error @ RecordingError::Beginning { .. }) if args.past_damage => {
            let recording = Recording::open_past_damage(&args.recording)?;
            warn(&error.to_string());
            Ok(recording)
        }
        opened => Ok(opened?),
    }
}

/// Runs the verb.
pub fn run(args: &Slice) -> anyhow::Result<Answer> {
    let recording = opened(args)?;
    say_cut(&recording, &args.recording);
    let wanted = recording::Slice {
        topics: args.topics.clone(),
        time: if args.by_timestamp { SliceTime::Timestamp } else { SliceTime::Arrival },
        from_ms: args.from,
        until_ms: args.until,
        offsets: args.offsets.clone(),
        keys: args.keys.iter().map(|k| k.clone().into_bytes()).collect(),
    };
    let Salvaged { info, missing, besides } = follow("record", |job| {
        let (to, compression) = (&args.output, args.compression);
        if args.past_damage {
            return recording::slice_past_damage(&recording, &wanted, to, compression, job);
        }
        let info = recording::slice(&recording, &wanted, to, compression, job)?;
        Ok(Salvaged { info, missing: Vec::new(), besides: Vec::new() })
    })
    .with_context(|| format!("slicing {}", args.recording.display()))?;
    let mut out = super::stdout::lock();
    if args.json {
        let answer = json!({
            "recording": super::stdout::path(&args.output),
            "records": info.records,
            "of": recording.len(),
            "arrivals": info.arrivals,
            "bytes": info.file_bytes,
            "missing": missing.iter().map(missing_json).collect::<Vec<_>>(),
            "missing_besides": besides,
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(
            out,
            "{} of {} into {}",
            thousands(info.records),
            plural(recording.len(), "record"),
            args.output.display()
        )?;
        for range in &missing {
            writeln!(out, "missing: {range}")?;
        }
        for what in &besides {
            writeln!(out, "missing: {what}")?;
        }
        if args.past_damage && missing.is_empty() && besides.is_empty() {
            writeln!(out, "nothing is missing")?;
        }
    }
    Ok(Answer::Yes)
}

fn missing_json(missing: &Missing) -> Value {
    json!({
        "partition": missing.partition.to_string(),
        "first": missing.first,
        "last": missing.last,
        "records": missing.records,
        "why": missing.why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_times_are_read() {
        let (partition, from, to) = offsets("views[0]@1000..2000").unwrap();
        assert_eq!((partition.to_string().as_str(), from, to), ("views[0]", 1000, 2000));
        for bad in ["views[0]@5..5", "views@1..2", "views[0]@1", ""] {
            assert!(offsets(bad).is_err(), "{bad}");
        }
        assert_eq!(time("-5"), Ok(-5));
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(1_000));
        assert!(time("noon").is_err());
    }
}
