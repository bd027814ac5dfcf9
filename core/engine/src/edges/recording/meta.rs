//! The metadata records of a recording. Each carries a CRC-32 of itself, since
//! MCAP protects metadata only by the CRC over the whole data section.
//!
//! - `joinscope/recording`, at the start: format version, recorder, cluster,
//!   topic ids, arrival order, redaction, notes.
//! - `joinscope/reached`, between chunks of an arrival log: of partitions, up to
//!   which offset (exclusive) all was taken where no record says it.
//! - `joinscope/end`, at the end: the same as at the start, with totals, partitions
//!   (ranges, times, gaps), digest. It stands in for the start where that is damaged.
//! - `joinscope/index`, at the end: for each chunk its place and the range of
//!   offsets of each partition in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ArrivalOrder, Gaps, Info, PartitionInfo};
use crate::operator::record::TopicPartition;

pub const START: &str = "joinscope/recording";
pub const REACHED: &str = "joinscope/reached";
pub const END: &str = "joinscope/end";
pub const INDEX: &str = "joinscope/index";
pub const SCHEMA_PREFIX: &str = "joinscope/schema/";
pub const PROFILE: &str = "joinscope";
/// Channel of what a live run's clock decided.
pub const ARRIVALS_TOPIC: &str = "joinscope/arrivals";
/// The format that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Chunks of one index record, at most.
pub const INDEX_CHUNKS: usize = 4096;
/// Partitions of its chunks in all, at most (some 30 bytes each), unless one chunk has
/// more: a record of the container is read up to 512 MiB.
pub const INDEX_SPANS: usize = 1 << 20;

/// The entries of a metadata record.
pub type Map = BTreeMap<String, String>;

fn crc(name: &str, map: &Map) -> String {
    let mut hasher = crc32fast::Hasher::new();
    let mut put = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    put(name);
    for (key, value) in map.iter().filter(|(key, _)| *key != "crc32") {
        put(key);
        put(value);
    }
    format!("{:08x}", hasher.finalize())
}

/// Adds the CRC.
pub fn seal(name: &str, mut map: Map) -> Map {
    let crc = crc(name, &map);
    map.insert("crc32".to_owned(), crc);
    map
}

/// Whether the CRC is right.
pub fn sealed(name: &str, map: &Map) -> bool {
    map.get("crc32").is_some_and(|found| *found == crc(name, map))
}

/// One partition, as JSON in `joinscope/end`.
#[derive(Serialize, Deserialize)]
struct PartitionJson {
    topic: String,
    partition: i32,
    records: u64,
    start_offset: Option<i64>,
    end_offset: Option<i64>,
    first_offset: Option<i64>,
    last_offset: Option<i64>,
    arrival_ms: Option<(i64, i64)>,
    timestamps: Option<(i64, i64)>,
    gaps: u64,
    missing_offsets: u64,
    gap_list: Vec<(i64, i64)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    later: bool,
}

/// What is known when writing begins (and may be refined until the end).
pub fn start_map(info: &Info) -> Map {
    let mut map = Map::new();
    let mut put = |key: &str, value: String| map.insert(key.to_owned(), value);
    put("format_version", FORMAT_VERSION.to_string());
    put("recorder", info.recorder.clone());
    put("arrival_order", info.arrival_order.as_str().to_owned());
    put("approximate", info.approximate.to_string());
    if let Some(id) = &info.cluster_id {
        put("cluster_id", id.clone());
    }
    if let Some(arrival) = info.live_from {
        put("live_from", arrival.to_string());
    }
    if let Some(redaction) = &info.redaction {
        put("redaction", redaction.clone());
    }
    put("topic_ids", serde_json::to_string(&info.topic_ids).unwrap_or_default());
    put("notes", serde_json::to_string(&info.notes).unwrap_or_default());
    map
}

/// Reads what [`start_map`] wrote; `None`: something is missing or no number, or it is
/// of a newer format.
pub fn read_start(map: &Map, info: &mut Info) -> Option<()> {
    let version: u32 = map.get("format_version")?.parse().ok()?;
    if version > FORMAT_VERSION {
        return None;
    }
    info.recorder.clone_from(map.get("recorder")?);
    info.arrival_order = ArrivalOrder::parse(map.get("arrival_order")?)?;
    info.approximate = map.get("approximate")?.parse().ok()?;
    info.cluster_id = map.get("cluster_id").cloned();
    info.live_from = map.get("live_from").map(|n| n.parse()).transpose().ok()?;
    info.redaction = map.get("redaction").cloned();
    info.topic_ids = serde_json::from_str(map.get("topic_ids")?).ok()?;
    info.notes = serde_json::from_str(map.get("notes")?).ok()?;
    Some(())
}

fn range_text(range: Option<(impl ToString, impl ToString)>) -> String {
    range.map_or(String::new(), |(a, b)| format!("{} {}", a.to_string(), b.to_string()))
}

fn read_range<T: std::str::FromStr>(text: &str) -> Option<Option<(T, T)>> {
    if text.is_empty() {
        return Some(None);
    }
    let (a, b) = text.split_once(' ')?;
    Some(Some((a.parse().ok()?, b.parse().ok()?)))
}

/// What is known when all is written.
pub fn end_map(info: &Info, digest: &str) -> Map {
    let partitions: Vec<PartitionJson> = info
        .partitions
        .iter()
        .map(|p| PartitionJson {
            topic: p.topic_partition.topic.to_string(),
            partition: p.topic_partition.partition,
            records: p.records,
            start_offset: p.start_offset,
            end_offset: p.end_offset,
            first_offset: p.first_offset,
            last_offset: p.last_offset,
            arrival_ms: p.arrival_ms,
            timestamps: p.timestamps,
            gaps: p.gaps.count,
            missing_offsets: p.gaps.offsets,
            gap_list: p.gaps.listed.clone(),
            later: p.later,
        })
        .collect();
    let mut map = start_map(info);
    let mut put = |key: &str, value: String| map.insert(key.to_owned(), value);
    put("records", info.records.to_string());
    put("clock_events", info.clock_events.to_string());
    put("chunks", info.chunks.to_string());
    put("uncompressed_bytes", info.uncompressed_bytes.to_string());
    put("compression", info.compression.clone());
    put("arrivals", range_text(info.arrivals));
    put("arrival_ms", range_text(info.arrival_ms));
    put("timestamps", range_text(info.timestamps));
    put("partitions", serde_json::to_string(&partitions).unwrap_or_default());
    put("digest", digest.to_owned());
    map
}

/// Reads what [`end_map`] wrote; the digest.
pub fn read_end(map: &Map, info: &mut Info) -> Option<String> {
    read_start(map, info)?;
    info.records = map.get("records")?.parse().ok()?;
    info.clock_events = map.get("clock_events")?.parse().ok()?;
    info.chunks = map.get("chunks")?.parse().ok()?;
    info.uncompressed_bytes = map.get("uncompressed_bytes")?.parse().ok()?;
    info.compression.clone_from(map.get("compression")?);
    info.arrivals = read_range(map.get("arrivals")?)?;
    info.arrival_ms = read_range(map.get("arrival_ms")?)?;
    info.timestamps = read_range(map.get("timestamps")?)?;
    let partitions: Vec<PartitionJson> = serde_json::from_str(map.get("partitions")?).ok()?;
    info.partitions = partitions
        .into_iter()
        .map(|p| PartitionInfo {
            topic_partition: TopicPartition { topic: p.topic.into(), partition: p.partition },
            records: p.records,
            start_offset: p.start_offset,
            end_offset: p.end_offset,
            first_offset: p.first_offset,
            last_offset: p.last_offset,
            arrival_ms: p.arrival_ms,
            timestamps: p.timestamps,
            gaps: Gaps { count: p.gaps, offsets: p.missing_offsets, listed: p.gap_list },
            later: p.later,
        })
        .collect();
    map.get("digest").cloned()
}
