//! `joinscope record`: topics into a recording.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::{Args, ValueEnum};
use joinscope_core::edges::kafka::{self, Isolation, Outcome, RecordSpec, Roll, Start, Until};
use joinscope_core::edges::recording::{
    ArrivalOrder, Compression, PartitionInfo, RedactTarget, Redaction, parts_of,
};
use joinscope_operator::record::{TOPIC_NAME, is_topic_name};
use serde_json::json;

use super::cluster::{Bar, ClusterArgs, plural, thousands};
use super::redact::{HowArgs, rules_as_json};
use super::run::size;
use super::{Answer, duration, interrupt};

/// Records topics, without writing anything to the cluster
///
/// Every partition is read, without a consumer group. Ctrl-C ends it with what was
/// read, a whole recording. Exit code 1: a rule of --redact fitted no record; 2: it
/// could not begin, or broke off, and what was read before is kept.
///
/// Examples:
///   joinscope record --brokers localhost:9092 --topics views,engagements -o feed.mcap
///   joinscope record --brokers kafka:9093 --config client.properties --topics views \
///     --from 2026-11-02T08:00:00Z --until 2026-11-02T09:00:00Z -o hour.mcap
///   joinscope record --brokers localhost:9092 --topics views,engagements \
///     --until stopped --roll-size 1GiB --roll-time 1h -o feed
/// where client.properties is, for a cluster that speaks TLS:
///   security.protocol=SSL
///   ssl.ca.location=ca.pem
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Record {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Topics to record, all partitions of each, separated by commas or spaces
    #[arg(long, required = true, num_args = 1.., value_delimiter = ',', value_name = "TOPIC")]
    topics: Vec<String>,
    /// The recording that is made: a file, or with --roll-size or --roll-time a folder;
    /// what is there is never written over
    #[arg(short, long, value_name = "RECORDING")]
    output: PathBuf,
    /// earliest, latest, a time (RFC 3339 or ms), or offsets: topic[partition]@offset,…
    #[arg(long, value_name = "START", default_value = "earliest")]
    from: Start,
    /// now (the end offsets at the start), stopped (Ctrl-C), a time (RFC 3339 or ms), or
    /// offsets (exclusive)
    #[arg(long, value_name = "END", default_value = "now")]
    until: Until,
    /// At most so many records
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// read-uncommitted: also what open and aborted transactions wrote
    #[arg(long, value_enum, default_value = "read-uncommitted")]
    isolation: IsolationName,
    /// Order and time of arrival of what was in the log: its partitions merged
    /// by record timestamp, or as it is read
    #[arg(long, value_enum, default_value = "timestamp")]
    arrival: ArrivalName,
    /// A schema registry (Confluent's API): the schemas that records name are
    /// kept in the recording
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// How its chunks are compressed
    #[arg(long, value_name = "lz4|zstd[:LEVEL]|none", default_value = "lz4", value_parser = compression)]
    compression: Compression,
    /// Goes on in the next segment once one holds so many bytes, before they are compressed
    /// (512MiB, 2GiB, …). The output is a folder then: 00000000.mcap and so on, each a
    /// recording by itself, and the folder is one wherever a recording is asked for (an
    /// incident file alone needs one file: `joinscope recording slice FOLDER -o FILE`).
    /// The folder and that file have different digests: runs over them do not count as
    /// runs over the same recording
    #[arg(long, value_name = "SIZE", value_parser = roll_size)]
    roll_size: Option<u64>,
    /// Goes on in the next segment so long after the first record of one (1h, 30m, …);
    /// where no record comes no segment is made
    #[arg(long, value_name = "DURATION", value_parser = duration::above_zero)]
    roll_time: Option<i64>,
    /// What the file must never hold: a field of JSON values or a path into them
    /// (user.email), $key, $value or $header.NAME, with TOPIC: before it if only
    /// one topic is meant. Dropped, masked, or replaced by a keyed hash under which
    /// equal values stay equal, so that joins still work; may be repeated. The key
    /// is read from --hash-key-file or from `JOINSCOPE_REDACT_KEY`, else made at
    /// random, and stored nowhere. It is done in the order given; what leaves nothing
    /// to a later one (user, then user.email) is refused
    #[arg(long, value_name = "drop|mask|hash=FIELD", value_parser = redaction)]
    redact: Vec<(RedactTarget, Redaction)>,
    #[command(flatten)]
    how: HowArgs,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// A size that is more than nothing.
fn roll_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("it must be more than 0".to_owned()),
        bytes => Ok(bytes),
    }
}

impl Record {
    fn roll(&self) -> Option<Roll> {
        let every = self.roll_time.map(|ms| Duration::from_millis(ms.unsigned_abs()));
        (self.roll_size.is_some() || every.is_some())
            .then_some(Roll { bytes: self.roll_size, every })
    }

    /// How many segments there are, where it rolls.
    fn segments(&self) -> Option<usize> {
        self.roll().and_then(|_| Some(parts_of(&self.output).ok()?.len()))
    }
}

/// `hash=user`: what becomes of which field.
fn redaction(text: &str) -> Result<(RedactTarget, Redaction), String> {
    let (how, field) = text.split_once('=').unwrap_or(("", text));
    let how = match how {
        "drop" => Redaction::Drop,
        "mask" => Redaction::Mask,
        "hash" => Redaction::Hash,
        _ => return Err("write drop=FIELD, mask=FIELD or hash=FIELD".to_owned()),
    };
    Ok((field.parse()?, how))
}

#[derive(Clone, Copy, ValueEnum)]
enum IsolationName {
    #[value(alias = "read_uncommitted")]
    ReadUncommitted,
    #[value(alias = "read_committed")]
    ReadCommitted,
}

#[derive(Clone, Copy, ValueEnum)]
enum ArrivalName {
    Timestamp,
    Read,
}

/// What records may take in memory between the brokers and the file.
const MEMORY: u64 = 256 << 20;

/// A compression's name, with a level or without.
pub fn compression(text: &str) -> Result<Compression, String> {
    match text.split_once(':').unwrap_or((text, "3")) {
        ("none", _) => Ok(Compression::None),
        ("lz4", _) => Ok(Compression::Lz4),
        ("zstd", level) => match level.parse() {
            Ok(level @ 1..=22) => Ok(Compression::Zstd(level)),
            _ => Err("a zstd level is 1 to 22".to_owned()),
        },
        _ => Err("write lz4, zstd, zstd:LEVEL or none".to_owned()),
    }
}

/// Runs the verb.
pub fn run(args: &Record) -> anyhow::Result<Answer> {
    if let Some(topic) = args.topics.iter().find(|topic| !is_topic_name(topic)) {
        bail!("--topics: \"{topic}\" is what no Kafka topic is called: {TOPIC_NAME}");
    }
    let redact = match args.redact.as_slice() {
        [] if args.how.is_given() => {
            bail!(
                "nothing is to be redacted: name it with --redact drop=FIELD, mask=FIELD or hash=FIELD"
            )
        }
        [] => None,
        rules => Some(args.how.policy(rules.to_vec())?),
    };
    let settings = args.cluster.settings()?;
    let registry = settings.registry(args.registry.as_deref());
    let spec = RecordSpec {
        settings,
        topics: args.topics.clone(),
        start: args.from.clone(),
        until: args.until.clone(),
        limit: args.limit,
        isolation: match args.isolation {
            IsolationName::ReadUncommitted => Isolation::ReadUncommitted,
            IsolationName::ReadCommitted => Isolation::ReadCommitted,
        },
        order: match args.arrival {
            ArrivalName::Timestamp => ArrivalOrder::Timestamp,
            ArrivalName::Read => ArrivalOrder::Read,
        },
        registry,
        patience: args.cluster.timeout,
        memory: MEMORY,
        compression: args.compression,
        redact,
        roll: args.roll(),
    };
    let stop = interrupt::stop_flag()?;
    let begin = Instant::now();
    let mut bar = Bar::new();
    let outcome = kafka::record(&spec, &args.output, &stop, &mut |progress| {
        let phase = if progress.live { " (live)" } else { "" };
        let words = plural(progress.records, "record") + phase;
        bar.show(progress.done, progress.backlog, words);
    });
    bar.clear();
    let outcome = outcome?;
    let seconds = begin.elapsed().as_secs_f64();
    let mut out = super::stdout::lock();
    if args.json {
        writeln!(out, "{}", as_json(args, &outcome, seconds))?;
    } else {
        out.write_all(as_text(args, &outcome, seconds).as_bytes())?;
    }
    out.flush()?;
    Ok(met(args, &outcome))
}

/// Whether every rule of the redaction redacted something; one that did not may
/// be misspelt, and what it meant is then in the file.
fn met(args: &Record, outcome: &Outcome) -> Answer {
    let mut answer = Answer::Yes;
    for (rule, _) in outcome.redacted.iter().filter(|(_, records)| *records == 0) {
        answer = Answer::No;
        // stderr may be gone; the exit code says it too.
        let _ = writeln!(
            std::io::stderr(),
            "no record had \"{rule}\", so nothing was redacted by it: check how it is spelt, and \
             remove {} if it holds what it must not",
            args.output.display()
        );
    }
    answer
}

/// Partitions by topic.
fn topics(outcome: &Outcome) -> BTreeMap<&str, Vec<&PartitionInfo>> {
    let mut topics: BTreeMap<&str, Vec<&PartitionInfo>> = BTreeMap::new();
    for partition in &outcome.info.partitions {
        topics.entry(&partition.topic_partition.topic).or_default().push(partition);
    }
    topics
}

fn as_json(args: &Record, outcome: &Outcome, seconds: f64) -> serde_json::Value {
    let sum = |list: &[&PartitionInfo], of: fn(&PartitionInfo) -> u64| -> u64 {
        list.iter().map(|p| of(p)).sum()
    };
    let topics: serde_json::Map<String, serde_json::Value> = topics(outcome)
        .into_iter()
        .map(|(topic, list)| {
            let entry = json!({
                "partitions": list.len(),
                "records": sum(&list, |p| p.records),
                "gaps": sum(&list, |p| p.gaps.count),
                "missing_offsets": sum(&list, |p| p.gaps.offsets),
            });
            (topic.to_owned(), entry)
        })
        .collect();
    json!({
        "recording": super::stdout::path(&args.output),
        "records": outcome.info.records,
        "topics": topics,
        "cluster": outcome.info.cluster_id,
        "arrival": outcome.info.arrival_order.as_str(),
        "approximate": outcome.info.approximate,
        "live_from": outcome.info.live_from,
        "schemas": outcome.info.schemas,
        "unknown_schemas": outcome.unknown_schemas.keys().collect::<Vec<_>>(),
        "unasked_schemas": outcome.unasked_schemas,
        "stopped": outcome.stopped,
        "redacted": rules_as_json(&outcome.redacted),
        "left_out": outcome.left_out,
        "bytes": outcome.info.file_bytes,
        "segments": args.segments(),
        "seconds": seconds,
        "records_per_second": outcome.info.records as f64 / seconds.max(1e-9),
    })
}

fn as_text(args: &Record, outcome: &Outcome, seconds: f64) -> String {
    use std::fmt::Write as _;
    let info = &outcome.info;
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{words}");
    };
    line(format_args!(
        "{} into {} ({:.1} MB{}) in {seconds:.1} s, {} a second{}",
        plural(info.records, "record"),
        args.output.display(),
        info.file_bytes as f64 / 1e6,
        args.segments().map_or(String::new(), |n| format!(", {}", plural(n as u64, "segment"))),
        thousands((info.records as f64 / seconds.max(1e-9)) as u64),
        // Where Ctrl-C is the end that was asked for, nothing was missed.
        if outcome.stopped && args.until != Until::Stopped {
            "; stopped before the end of the range"
        } else {
            ""
        },
    ));
    for (topic, list) in topics(outcome) {
        let records: u64 = list.iter().map(|p| p.records).sum();
        let (gaps, missing) =
            list.iter().fold((0, 0), |(g, m), p| (g + p.gaps.count, m + p.gaps.offsets));
        let gaps = match gaps {
            0 => String::new(),
            _ => format!(
                "; {} in {} with no record (compaction, control records{})",
                plural(missing, "offset"),
                plural(gaps, "gap"),
                match args.isolation {
                    IsolationName::ReadCommitted => ", aborted transactions",
                    IsolationName::ReadUncommitted => "",
                }
            ),
        };
        line(format_args!(
            "  {topic}: {} of {}{gaps}",
            plural(records, "record"),
            plural(list.len() as u64, "partition")
        ));
    }
    if info.arrival_order == ArrivalOrder::Timestamp {
        line(format_args!(
            "Arrival: partitions merged by record timestamp{}; {} raised to the time before",
            if info.approximate { ", which producers set (approximate)" } else { "" },
            plural(outcome.raised, "record"),
        ));
    }
    if let Some(first) = info.live_from {
        line(format_args!("Live from arrival {} on", thousands(first)));
    }
    if outcome.unusable_timestamps > 0 {
        line(format_args!(
            "{} without a timestamp that could be an arrival time",
            plural(outcome.unusable_timestamps, "record")
        ));
    }
    if outcome.odd_headers > 0 {
        line(format_args!(
            "{} not in UTF-8: odd bytes were replaced",
            plural(outcome.odd_headers, "header name")
        ));
    }
    for (field, n) in &outcome.redacted {
        line(format_args!("{field}: redacted in {}", plural(*n, "record")));
    }
    if outcome.left_out > 0 {
        line(format_args!("Left out: {} whose values are no JSON", thousands(outcome.left_out)));
    }
    if info.schemas > 0 {
        line(format_args!("{} kept", plural(info.schemas as u64, "schema")));
    }
    for (id, why) in &outcome.unknown_schemas {
        line(format_args!("Schema {id} is not in the registry: {why}"));
    }
    if outcome.unasked_schemas > 0 {
        line(format_args!(
            "{} keys and values name schemas that the registry was not asked for, after many that \
             it does not know",
            thousands(outcome.unasked_schemas)
        ));
    }
    text
}
