//! What is known of a recording without reading its records.

use std::collections::BTreeMap;
use std::fmt;

use crate::operator::figures::are;
use crate::operator::record::{Arrival, TopicPartition};

/// Where the order of a recording's records comes from (5-recording, Arrival).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArrivalOrder {
    /// The order and time in which records were read.
    #[default]
    Read,
    /// Partitions merged by record timestamp, smallest head first; arrival
    /// time = record timestamp, raised to the one before where smaller.
    Timestamp,
    /// The order of the lines of an imported file.
    File,
    /// Made by the generator.
    Generated,
}

impl ArrivalOrder {
    /// As it stands in the metadata.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Timestamp => "timestamp",
            Self::File => "file",
            Self::Generated => "generated",
        }
    }

    /// The inverse of [`ArrivalOrder::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Timestamp, Self::File, Self::Generated]
            .into_iter()
            .find(|order| order.as_str() == text)
    }
}

/// What is known of a recording as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    pub records: u64,
    /// In the order of [`Record::source`](crate::operator::record::Record).
    pub partitions: Vec<PartitionInfo>,
    pub arrival_order: ArrivalOrder,
    /// The arrival order is not what the cluster saw: a merge by timestamps
    /// that producers set (`CreateTime`).
    pub approximate: bool,
    /// Records from this arrival on came while recording: order and time are real.
    pub live_from: Option<Arrival>,
    pub cluster_id: Option<String>,
    /// Topic ids by topic.
    pub topic_ids: BTreeMap<String, String>,
    /// First and last arrival number.
    pub arrivals: Option<(Arrival, Arrival)>,
    /// Smallest and largest arrival time, ms.
    pub arrival_ms: Option<(i64, i64)>,
    /// Smallest and largest record timestamp, ms.
    pub timestamps: Option<(i64, i64)>,
    /// Schemas kept in the file.
    pub schemas: usize,
    /// Decisions of a live run's clock (channel `joinscope/arrivals`).
    pub clock_events: u64,
    pub chunks: usize,
    pub file_bytes: u64,
    /// Key, value and header bytes before compression, with their envelopes.
    pub uncompressed_bytes: u64,
    /// "lz4", "zstd" or "" (none).
    pub compression: String,
    /// Program and version that wrote it.
    pub recorder: String,
    /// How fields were redacted, where they were.
    pub redaction: Option<String>,
    /// What else the writer noted (how it was generated, imported, sliced).
    pub notes: BTreeMap<String, String>,
    /// The file ends early or was never finished.
    pub cut: Option<Cut>,
}

/// What is known of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionInfo {
    pub topic_partition: TopicPartition,
    pub records: u64,
    /// The range that was recorded: from `start_offset` (inclusive) to
    /// `end_offset` (exclusive), as the broker gave them, else those of the
    /// records. `None`: unknown, no record.
    pub start_offset: Option<i64>,
    pub end_offset: Option<i64>,
    /// Offsets of the first and last record.
    pub first_offset: Option<i64>,
    pub last_offset: Option<i64>,
    /// Smallest and largest arrival time, ms.
    pub arrival_ms: Option<(i64, i64)>,
    /// Smallest and largest record timestamp, ms.
    pub timestamps: Option<(i64, i64)>,
    pub gaps: Gaps,
    /// It was not there from the beginning: the channel `joinscope/arrivals` says from
    /// where on it is.
    pub later: bool,
}

impl Info {
    /// Of [`Info::notes`]: it is the arrival log of a live run.
    pub const LIVE: &str = "live";
}

impl PartitionInfo {
    pub(super) fn new(topic_partition: TopicPartition) -> Self {
        Self {
            topic_partition,
            records: 0,
            start_offset: None,
            end_offset: None,
            first_offset: None,
            last_offset: None,
            arrival_ms: None,
            timestamps: None,
            gaps: Gaps::default(),
            later: false,
        }
    }
}

/// Offsets without a record (compaction, control records, a slice's filter).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// How many there are.
    pub count: u64,
    /// Offsets missing in all.
    pub offsets: u64,
    /// The first of them as [from, to), at most [`Gaps::LISTED`].
    pub listed: Vec<(i64, i64)>,
}

impl Gaps {
    /// How many gaps a partition lists by their offsets.
    pub const LISTED: usize = 100;

    pub(super) fn add(&mut self, from: i64, to: i64) {
        if from >= to {
            return;
        }
        self.count += 1;
        self.offsets = self.offsets.saturating_add(to.abs_diff(from));
        if self.listed.len() < Self::LISTED {
            self.listed.push((from, to));
        }
    }

    /// Adds those that follow.
    pub(super) fn append(&mut self, later: Self) {
        self.count = self.count.saturating_add(later.count);
        self.offsets = self.offsets.saturating_add(later.offsets);
        self.listed.extend(later.listed);
        self.listed.truncate(Self::LISTED);
    }
}

/// Where a file stops being whole, and what is intact before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The first byte that is not part of the intact recording.
    pub byte: u64,
    pub why: String,
    /// All records are before it: only what stands behind them is not usable.
    pub complete: bool,
    /// Records before it.
    pub records: u64,
    pub last_arrival: Option<Arrival>,
    /// Each partition's offset after its last intact record; `None`: no record.
    pub next_offsets: Vec<(TopicPartition, Option<i64>)>,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cut at byte {}: {}; {} record{} before it {} whole",
            self.byte,
            self.why,
            self.records,
            if self.records == 1 { "" } else { "s" },
            are(self.records)
        )?;
        if let Some(arrival) = self.last_arrival {
            write!(f, ", up to arrival {arrival}")?;
        }
        let mut separator = " (";
        for (partition, next) in
            self.next_offsets.iter().filter(|(_, next)| next.is_some()).take(16)
        {
            write!(f, "{separator}{partition} up to offset {}", next.unwrap_or_default() - 1)?;
            separator = ", ";
        }
        if separator == ", " {
            f.write_str(if self.next_offsets.len() > 16 { ", …)" } else { ")" })?;
        }
        Ok(())
    }
}
