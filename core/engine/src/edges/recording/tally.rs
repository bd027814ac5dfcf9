//! What is counted while records go by, the rules of their order, and the
//! digest; the same for writing, for reading a cut file and for verifying.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3;

use super::clock::ClockEntryKind;
use super::envelope::Brief;
use super::{Info, PartitionInfo, Schemas};
use crate::operator::record::{Arrival, TopicPartition};

/// The message records of a recording, as they stand in its chunks: their bytes
/// and their hash.
#[derive(Default)]
pub struct Content {
    pub bytes: u64,
    hasher: Xxh3,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Content {
    /// Takes the next message records.
    pub fn take(&mut self, messages: &[u8]) {
        self.bytes += messages.len() as u64;
        self.hasher.update(messages);
    }
}

/// Running totals over the records of a recording.
#[derive(Debug, Default)]
pub struct Tally {
    pub partitions: Vec<PartitionInfo>,
    pub records: u64,
    pub arrivals: Option<(Arrival, Arrival)>,
    pub arrival_ms: Option<(i64, i64)>,
    pub timestamps: Option<(i64, i64)>,
    pub clock_events: u64,
    pub content: Content,
    /// Numbers of the partitions by name, of so many of them: of those that were there
    /// when one was last asked for by name.
    names: (HashMap<String, usize>, usize),
}

#[inline]
fn widen(range: &mut Option<(i64, i64)>, value: i64) {
    *range = Some(match *range {
        None => (value, value),
        Some((low, high)) => (low.min(value), high.max(value)),
    });
}

impl Tally {
    /// Arrival numbers increase, offsets increase within their partition.
    #[inline]
    pub fn check(&self, source: u32, brief: &Brief) -> Result<(), String> {
        let partition = &self.partitions[source as usize];
        check_order(partition, self.arrivals.map(|(_, last)| last), partition.last_offset, brief)
    }

    /// Counts what a live run's clock said.
    pub fn hear(&mut self, said: &ClockEntryKind) {
        self.clock_events += 1;
        let ClockEntryKind::Added(name) = said else { return };
        if let Some(partition) = self.by_name(name) {
            partition.later = true;
        }
    }

    /// Notes that a partition was read up to an offset (exclusive).
    pub fn reached(&mut self, name: &str, end: i64) {
        if let Some(partition) = self.by_name(name) {
            partition.end_offset = partition.end_offset.max(Some(end));
        }
    }

    fn by_name(&mut self, name: &str) -> Option<&mut PartitionInfo> {
        let (names, of) = &mut self.names;
        for (number, partition) in self.partitions.iter().enumerate().skip(*of) {
            names.entry(partition.topic_partition.to_string()).or_insert(number);
        }
        *of = self.partitions.len();
        self.partitions.get_mut(*names.get(name)?)
    }

    /// Counts a record that was checked.
    #[inline]
    pub fn observe(&mut self, source: u32, arrival_ns: i64, brief: &Brief) {
        let arrival_ms = arrival_ns.div_euclid(1_000_000);
        self.records += 1;
        self.arrivals = Some((self.arrivals.map_or(brief.arrival, |a| a.0), brief.arrival));
        widen(&mut self.arrival_ms, arrival_ms);
        let partition = &mut self.partitions[source as usize];
        partition.records += 1;
        widen(&mut partition.arrival_ms, arrival_ms);
        if let Some(timestamp) = brief.timestamp {
            widen(&mut self.timestamps, timestamp);
            widen(&mut partition.timestamps, timestamp);
        }
        if let Some(last) = partition.last_offset {
            partition.gaps.add(last.saturating_add(1), brief.offset);
        } else {
            partition.first_offset = Some(brief.offset);
            if let Some(start) = partition.start_offset {
                partition.gaps.add(start, brief.offset);
            }
        }
        partition.last_offset = Some(brief.offset);
    }

    /// The digest: XXH3-128 of all message records in order, then the names of
    /// the partitions in channel order, then the schemas by id, and where they count
    /// from if that is not the beginning. Not covered:
    /// compression, where chunks end, metadata.
    pub fn digest(&self, schemas: &Schemas) -> String {
        let mut hasher = self.content.hasher.clone();
        for partition in &self.partitions {
            hasher.update(partition.topic_partition.to_string().as_bytes());
            hasher.update(&[0]);
        }
        for schema in schemas.iter() {
            hasher.update(&schema.id.to_le_bytes());
            for text in [&schema.kind, &schema.schema] {
                hasher.update(text.as_bytes());
                hasher.update(&[0]);
            }
            for reference in &schema.references {
                hasher.update(reference.name.as_bytes());
                hasher.update(&[0]);
                hasher.update(reference.schema.as_bytes());
                hasher.update(&[0]);
            }
            if schema.from > 0 {
                hasher.update(b"from");
                hasher.update(&schema.from.to_le_bytes());
            }
        }
        format!("{:032x}", hasher.digest128())
    }

    /// The partitions with the ends of their ranges: as given, else as seen.
    pub fn finished_partitions(&self) -> Vec<PartitionInfo> {
        let mut partitions = self.partitions.clone();
        for p in &mut partitions {
            if let (Some(last), Some(end)) = (p.last_offset, p.end_offset) {
                p.gaps.add(last.saturating_add(1), end);
            } else if let (None, Some(start), Some(end)) =
                (p.last_offset, p.start_offset, p.end_offset)
            {
                p.gaps.add(start, end);
            }
            p.start_offset = p.start_offset.or(p.first_offset);
            // What was noted on the way may lie before the last record.
            p.end_offset = p.end_offset.max(p.last_offset.map(|last| last.saturating_add(1)));
        }
        partitions
    }

    /// Puts the totals into `info`.
    pub fn fill(&self, info: &mut Info) {
        info.records = self.records;
        info.partitions = self.finished_partitions();
        info.arrivals = self.arrivals;
        info.arrival_ms = self.arrival_ms;
        info.timestamps = self.timestamps;
        info.uncompressed_bytes = self.content.bytes;
        info.clock_events = self.clock_events;
    }

    /// Where each partition stands.
    pub fn next_offsets(&self) -> Vec<(TopicPartition, Option<i64>)> {
        self.partitions
            .iter()
            .map(|p| (p.topic_partition.clone(), p.last_offset.map(|last| last.saturating_add(1))))
            .collect()
    }
}

/// The rules of order, given the last arrival and the partition's last offset.
#[inline]
pub fn check_order(
    partition: &PartitionInfo,
    last_arrival: Option<Arrival>,
    last_offset: Option<i64>,
    brief: &Brief,
) -> Result<(), String> {
    if let Some(last) = last_arrival.filter(|&last| brief.arrival <= last) {
        return Err(format!("arrival {} after arrival {last}: it must increase", brief.arrival));
    }
    if let Some(last) = last_offset.filter(|&last| brief.offset <= last) {
        return Err(format!(
            "{}: offset {} after offset {last}: it must increase within a partition",
            partition.topic_partition, brief.offset
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_found_by_name_also_those_that_come_later() {
        let mut tally = Tally::default();
        for n in 0..3 {
            for partition in [2 * n, 2 * n + 1] {
                let partition = TopicPartition { topic: "t".into(), partition };
                tally.partitions.push(PartitionInfo::new(partition));
            }
            tally.hear(&ClockEntryKind::Added(format!("t[{}]", 2 * n)));
            tally.hear(&ClockEntryKind::Added(format!("t[{}]", 2 * n + 2)));
            tally.reached(&format!("t[{}]", 2 * n + 1), 7);
            tally.reached("t[1]", 5 + i64::from(n));
            tally.reached("crc32", 9);
        }
        let later = tally.partitions.iter().map(|p| p.later);
        assert!(later.eq([true, false, true, false, true, false]));
        let ends = tally.partitions.iter().map(|p| p.end_offset);
        assert!(ends.eq([None, Some(7), None, Some(7), None, Some(7)]));
        assert_eq!(tally.clock_events, 6);
    }
}
