//! `joinscope recording info`: what a recording holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use joinscope_core::edges::recording::{self, ArrivalOrder, Cut, PartitionInfo, Recording};
use joinscope_operator::time::{format_duration, rfc3339_ms};
use serde_json::{Value, json};

use super::Answer;
use super::cluster::{plural, thousands};
use super::recording::open_recording;
use super::verdicts::plain;

/// Ranges that a recording is without and that are named, each in its line.
const NAMED: usize = 5;

/// What a recording holds: topics, partitions, times, gaps, schemas, and where
/// it was cut if it was
#[derive(Args)]
#[command(after_help = "Example:\n  joinscope recording info feed.mcap")]
pub struct Info {
    /// A recording: a file, or a folder of segments (`record --roll-size`, or the arrival
    /// log of a live run)
    recording: PathBuf,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Info) -> anyhow::Result<Answer> {
    let recording = open_recording(&args.recording)?;
    let mut out = super::stdout::lock();
    if args.json {
        writeln!(out, "{}", as_json(&recording))?;
    } else {
        out.write_all(as_text(&recording).as_bytes())?;
    }
    Ok(Answer::Yes)
}

/// Partitions by topic.
fn topics(info: &recording::Info) -> BTreeMap<&str, Vec<&PartitionInfo>> {
    let mut topics: BTreeMap<&str, Vec<&PartitionInfo>> = BTreeMap::new();
    for partition in &info.partitions {
        topics.entry(&partition.topic_partition.topic).or_default().push(partition);
    }
    for list in topics.values_mut() {
        list.sort_by_key(|p| p.topic_partition.partition);
    }
    topics
}

/// A cut, for machines.
pub fn cut_json(cut: &Cut) -> Value {
    let next: serde_json::Map<String, Value> =
        cut.next_offsets.iter().map(|(p, next)| (p.to_string(), json!(next))).collect();
    json!({
        "byte": cut.byte,
        "why": cut.why,
        "complete": cut.complete,
        "records": cut.records,
        "last_arrival": cut.last_arrival,
        "next_offsets": next,
    })
}

fn partition_json(p: &PartitionInfo) -> Value {
    json!({
        "partition": p.topic_partition.partition,
        "records": p.records,
        "start_offset": p.start_offset,
        "end_offset": p.end_offset,
        "first_offset": p.first_offset,
        "last_offset": p.last_offset,
        "arrival_ms": p.arrival_ms,
        "timestamps": p.timestamps,
        "gaps": p.gaps.count,
        "missing_offsets": p.gaps.offsets,
        "gap_list": p.gaps.listed,
    })
}

fn as_json(recording: &Recording) -> Value {
    let info = recording.info();
    let topics: serde_json::Map<String, Value> = topics(info)
        .into_iter()
        .map(|(topic, list)| {
            let value = json!({
                "partitions": list.len(),
                "records": list.iter().map(|p| p.records).sum::<u64>(),
                "topic_id": info.topic_ids.get(topic),
                "by_partition": list.iter().map(|p| partition_json(p)).collect::<Vec<_>>(),
            });
            (topic.to_owned(), value)
        })
        .collect();
    json!({
        "records": info.records,
        "topics": topics,
        "digest": recording.digest(),
        "arrivals": info.arrivals,
        "arrival_ms": info.arrival_ms,
        "timestamps": info.timestamps,
        "arrival_order": info.arrival_order.as_str(),
        "approximate": info.approximate,
        "live_from": info.live_from,
        "clock_events": info.clock_events,
        "cluster": info.cluster_id,
        "schemas": recording.schemas().iter().map(|s| json!({"id": s.id, "type": s.kind})).collect::<Vec<_>>(),
        "bytes": info.file_bytes,
        "uncompressed_bytes": info.uncompressed_bytes,
        "compression": info.compression,
        "chunks": info.chunks,
        "recorder": info.recorder,
        "redaction": info.redaction,
        "notes": info.notes,
        "cut": info.cut.as_ref().map(cut_json),
    })
}

/// What a slice past damage is without, one by one.
pub(super) fn missing(noted: &str) -> Vec<String> {
    let ranges: Vec<&str> = noted.split("; ").collect();
    let mut lines: Vec<String> = ranges.iter().take(NAMED).map(|r| (*r).to_owned()).collect();
    if let Some(more @ 1..) = ranges.len().checked_sub(NAMED) {
        lines.push(format!("… and {} more, which --json names", thousands(more as u64)));
    }
    lines
}

fn range(times: Option<(i64, i64)>) -> String {
    times.map_or("–".to_owned(), |(from, to)| {
        let length = format_duration(to.saturating_sub(from));
        format!("{} to {} ({length})", rfc3339_ms(from), rfc3339_ms(to))
    })
}

fn order(info: &recording::Info) -> String {
    let mut text = match info.arrival_order {
        ArrivalOrder::Read => "as records were read",
        ArrivalOrder::Timestamp => "partitions merged by record timestamp",
        ArrivalOrder::File => "as the lines of the imported file",
        ArrivalOrder::Generated => "as generated",
    }
    .to_owned();
    if info.approximate {
        text.push_str(", which producers set (approximate)");
    }
    if let Some(first) = info.live_from {
        let _ = write!(text, "; live from arrival {} on", thousands(first));
    }
    text
}

fn as_text(recording: &Recording) -> String {
    let info = recording.info();
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut line = |name: &str, value: String| {
        // Names and notes are whatever a file's maker wrote.
        let (name, value) = (plain(name, usize::MAX), plain(&value, usize::MAX));
        let _ = writeln!(text, "{name:<12} {value}");
    };
    let how = if info.compression.is_empty() { "plain" } else { &info.compression };
    let ratio = info.uncompressed_bytes as f64 / (info.file_bytes as f64).max(1.0);
    line("recording", recording.path().display().to_string());
    line("records", thousands(info.records));
    line(
        "size",
        format!(
            "{:.1} MB, {}, {ratio:.1} times compressed",
            info.file_bytes as f64 / 1e6,
            plural(info.chunks as u64, &format!("{how} chunk")),
        ),
    );
    line("arrivals", range(info.arrival_ms));
    line("timestamps", range(info.timestamps));
    line("order", order(info));
    line("digest", recording.digest().to_owned());
    line("recorder", info.recorder.clone());
    if let Some(cluster) = &info.cluster_id {
        line("cluster", cluster.clone());
    }
    if info.schemas > 0 {
        let ids: Vec<_> =
            recording.schemas().iter().map(|s| format!("{} {}", s.kind, s.id)).collect();
        line("schemas", ids.join(", "));
    }
    if info.clock_events > 0 {
        line("clock", format!("{} of the live run", plural(info.clock_events, "event")));
    }
    if let Some(redaction) = &info.redaction {
        line("redaction", redaction.clone());
    }
    for (key, value) in &info.notes {
        match key.as_str() {
            "missing" => missing(value).into_iter().for_each(|range| line(key, range)),
            _ if value.is_empty() => {}
            _ => line(key, value.clone()),
        }
    }
    if let Some(cut) = &info.cut {
        line("CUT", cut.to_string());
    }
    for (topic, list) in topics(info) {
        let records: u64 = list.iter().map(|p| p.records).sum();
        let topic = plain(topic, usize::MAX);
        let (records, partitions) =
            (plural(records, "record"), plural(list.len() as u64, "partition"));
        let _ = writeln!(text, "\n{topic}: {records}, {partitions}");
        for p in list {
            let _ = write!(
                text,
                "  [{}] {:>13} record{}",
                p.topic_partition.partition,
                thousands(p.records),
                // The figures stand below one another.
                if p.records == 1 { "" } else { "s" }
            );
            if let (Some(start), Some(end)) = (p.start_offset, p.end_offset) {
                let _ = write!(text, ", offsets {start} to {end}");
            }
            if p.gaps.count > 0 {
                let _ = write!(
                    text,
                    ", {} missing in {}",
                    plural(p.gaps.offsets, "offset"),
                    plural(p.gaps.count, "gap")
                );
            }
            let _ = writeln!(text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_missing_ranges_the_first_are_named_each_in_its_line() {
        assert_eq!(
            missing("views[0]@3..5 (2 records): damaged"),
            ["views[0]@3..5 (2 records): damaged"]
        );
        let all: Vec<String> = (0..7).map(|n| format!("views[{n}]@3..5: damaged")).collect();
        let lines = missing(&all.join("; "));
        assert_eq!(lines[..NAMED], all[..NAMED]);
        assert_eq!(lines[NAMED..], ["… and 2 more, which --json names"]);
        assert_eq!(missing(&all[..NAMED].join("; ")), all[..NAMED]);
    }
}
