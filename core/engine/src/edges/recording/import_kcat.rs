//! A recording made of what kcat prints with `-C -J`: one JSON object for each
//! record, which says its topic, partition and offset itself.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::import::{imported, no_topic_name, now_ns};
use super::lines::Lines;
use super::{Compression, Info, Job, RecordingError, Writer};
use crate::operator::record::{Header, Record, TimestampType, TopicPartition, is_topic_name};

/// Makes a recording of kcat's output (zstd-compressed or not). Topics,
/// partitions, offsets, timestamps, headers and null keys and values are kept;
/// a payload that kcat decoded (`-s avro`) is kept as JSON text. Arrival order is
/// the order of the file; arrival time is the record's timestamp, where it has
/// one that fits, else the time of the import. Progress is in bytes of the file.
///
/// # Errors
/// A line that is not what kcat prints, or offsets of a partition that do not
/// increase — each with its line number —, an output that exists, or cancelled.
/// Then there is no output.
pub fn import_kcat(
    from: &Path,
    compression: Compression,
    to: &Path,
    job: &mut Job<'_>,
) -> Result<Info, RecordingError> {
    let mut lines = Lines::open(from)?;
    let mut writer = Writer::create(to, imported(from, compression))?;
    let now = now_ns();
    let mut arrival = 0;
    while let Some((number, line)) = lines.next()? {
        let read = read(line);
        let (partition, mut record) = read.map_err(|what| lines.bad(number, what))?;
        record.source = writer.partition(partition)?;
        record.arrival = arrival;
        record.arrival_ns = record
            .timestamp
            .and_then(|ms| ms.checked_mul(1_000_000))
            .filter(|ns| *ns >= 0)
            .unwrap_or(now);
        writer.add(&record).map_err(|error| match error {
            RecordingError::Record { record, what } => {
                lines.bad(number, format!("{record}: {what}"))
            }
            other => other,
        })?;
        arrival += 1;
        lines.step(job)?;
    }
    writer.finish()
}

/// A line; arrival and source are not yet set.
fn read(line: &[u8]) -> Result<(TopicPartition, Record), String> {
    let value: BTreeMap<String, Value> = serde_json::from_slice(line).map_err(|error| {
        format!("is not what `kcat -C -J` prints: {error} (binary payloads are not JSON: record the topic instead)")
    })?;
    let missing = |name: &str, what: &str| {
        format!("has no {what} \"{name}\": is it what `kcat -C -J` prints?")
    };
    let whole = |name: &str| {
        value.get(name).and_then(Value::as_i64).ok_or_else(|| missing(name, "whole number"))
    };
    let topic = value.get("topic").and_then(Value::as_str).filter(|t| !t.is_empty());
    let topic = topic.ok_or_else(|| missing("topic", "text"))?;
    if !is_topic_name(topic) {
        return Err(no_topic_name(topic));
    }
    let partition = i32::try_from(whole("partition")?).ok().filter(|p| *p >= 0);
    let partition = partition.ok_or_else(|| "its partition is out of range".to_owned())?;
    let timestamp_type = match value.get("tstype").and_then(Value::as_str) {
        Some("create") => TimestampType::Create,
        Some("logappend") => TimestampType::LogAppend,
        _ => TimestampType::None,
    };
    let timestamp = value.get("ts").and_then(Value::as_i64).filter(|ts| *ts != -1);
    let timestamp = timestamp.filter(|_| timestamp_type != TimestampType::None);
    let record = Record {
        arrival: 0,
        arrival_ns: 0,
        source: 0,
        offset: whole("offset")?,
        timestamp,
        timestamp_type: if timestamp.is_some() { timestamp_type } else { TimestampType::None },
        leader_epoch: None,
        key: bytes(value.get("key")),
        value: bytes(value.get("payload")),
        headers: headers(value.get("headers"))?,
    };
    Ok((TopicPartition { topic: topic.into(), partition }, record))
}

/// A text is its bytes; what kcat decoded is JSON.
fn bytes(value: Option<&Value>) -> Option<Bytes> {
    match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(Bytes::copy_from_slice(text.as_bytes())),
        Some(other) => Some(Bytes::from(other.to_string())),
    }
}

/// Names and values in turns, or (newer kcat) an object for each.
fn headers(value: Option<&Value>) -> Result<Vec<Header>, String> {
    let odd = || "its headers are not what kcat prints".to_owned();
    let Some(list) = value.filter(|v| !v.is_null()) else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(odd)?;
    let header = |key: &Value, value: Option<&Value>| {
        Some(Header { key: key.as_str()?.to_owned().into(), value: bytes(value) })
    };
    if let Some(Value::Object(_)) = list.first() {
        let of = |object: &Map<String, Value>| header(object.get("key")?, object.get("value"));
        return list.iter().map(|o| o.as_object().and_then(of).ok_or_else(odd)).collect();
    }
    let pairs = list.chunks(2);
    pairs.map(|pair| header(&pair[0], pair.get(1)).ok_or_else(odd)).collect()
}
