//! What the questions of a run are answered with.

use std::sync::Arc;

use crate::engine::step::OutputKind;
use crate::operator::join::Reason;
use crate::operator::key::Key;
use crate::operator::record::{Arrival, RecordName};
use crate::operator::verdict::{Counts, Verdict};
pub use crate::operator::watermark::{Why, WithoutPartition};

/// A set of verdicts, as the chips of a filter choose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VerdictSet(u16);

impl VerdictSet {
    pub const EMPTY: Self = Self(0);
    pub const ALL: Self = Self((1 << Verdict::ALL.len()) - 1);

    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        Self(1 << verdict as u16)
    }

    #[must_use]
    pub fn with(self, verdict: Verdict) -> Self {
        Self(self.0 | 1 << verdict as u16)
    }

    #[must_use]
    pub fn without(self, verdict: Verdict) -> Self {
        Self(self.0 & !(1 << verdict as u16))
    }

    #[must_use]
    pub fn contains(self, verdict: Verdict) -> bool {
        self.0 & 1 << verdict as u16 != 0
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Verdict> for VerdictSet {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        verdicts.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// One row: a record for one input, what was known of it at its arrival and
/// what fell later.
#[derive(Clone, Debug, PartialEq)]
pub struct RowView {
    pub row: u64,
    pub arrival: Arrival,
    /// Processing time of the arrival, ms.
    pub arrival_ms: i64,
    /// Position in the pipeline's inputs.
    pub input: u8,
    /// Position in [`super::Manifest::lanes`].
    pub lane: u32,
    pub record: RecordName,
    pub key: Option<Key>,
    /// ms.
    pub event_time: Option<i64>,
    /// The join's event-time watermark before the record moved it, ms.
    pub watermark: Option<i64>,
    /// ms behind `watermark`; only if behind it.
    pub late_by: Option<i64>,
    /// As it stands at the end of what is published.
    pub verdict: Verdict,
    /// The arrival at which the verdict fell; `None` while open.
    pub decided: Option<Arrival>,
    /// Where the verdict was revised: the arrival at which the row had become
    /// unmatched at first.
    pub unmatched_since: Option<Arrival>,
    /// The arrival at which the row left the state. A row that was never in
    /// the state has `None` and is [`RowView::kept`] false.
    pub removed: Option<Arrival>,
    /// Whether the row has ever rested in the state.
    pub kept: bool,
    /// Put out with nulls.
    pub padded: bool,
    pub reason: Reason,
    /// The arrival of the record that made the verdict fall.
    pub cause: Option<Arrival>,
    /// Where the verdict was revised: what [`RowView::cause`] was before.
    pub first_cause: Option<Arrival>,
    /// Outputs that name the row.
    pub outputs: u64,
}

impl RowView {
    /// The verdict as it stood just after arrival `cursor`; `None` before the
    /// row arrived.
    #[must_use]
    pub fn verdict_at(&self, cursor: Arrival) -> Option<Verdict> {
        if cursor < self.arrival {
            return None;
        }
        let has_fallen = |at: Option<Arrival>| at.is_some_and(|at| at <= cursor);
        Some(if has_fallen(self.decided) {
            self.verdict
        } else if has_fallen(self.unmatched_since) {
            Verdict::Unmatched
        } else {
            Verdict::Open
        })
    }

    /// Whether the row rests in the state just after arrival `cursor`.
    #[must_use]
    pub fn in_state_at(&self, cursor: Arrival) -> bool {
        self.kept && self.arrival <= cursor && self.removed.is_none_or(|removed| cursor < removed)
    }
}

/// One output row.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputView {
    pub n: u64,
    /// The arrival that set it off.
    pub at: Arrival,
    pub epoch: u64,
    /// ms.
    pub time: i64,
    pub kind: OutputKind,
    /// Row numbers. A pair: both in pipeline order. A pad: the row. An
    /// example: the primary, then the folded ones by (event time, arrival).
    pub rows: Vec<u64>,
    /// Bit `i`: label `i` holds.
    pub labels: u64,
    /// 0: the first; `k`: the k-th correction.
    pub correction: u32,
}

/// Which way to look for the next row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// The rows of a key and of its normalised form.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRows {
    /// Rows whose key is equal.
    pub exact_count: u64,
    /// Rows whose key differs only in case, surrounding whitespace or type
    /// (those that are equal not counted).
    pub normal_count: u64,
    /// The nearest of both in event time, nearest first. At most as many as
    /// asked for.
    pub rows: Vec<RowView>,
    /// How finely the index knows event times, ms: one that is left out may be
    /// nearer than one of these by up to twice that. 0, unless event times of one
    /// segment span more than 34 years.
    pub coarse_ms: u64,
}

/// One partition of one input: a lane of the event-time watermark tracker.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LaneInfo {
    pub input: u8,
    pub topic: Arc<str>,
    pub partition: i32,
}

/// A lane at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneAt {
    /// ms; `None`: none yet.
    pub watermark: Option<i64>,
    /// The largest event time seen, ms.
    pub max_seen: Option<i64>,
    pub idle: bool,
    /// The arrival that moved it last.
    pub since: Option<Arrival>,
    /// Arrival time of its last record, ms; of one that gave none, where its time
    /// began. `None`: nothing has begun, or its partition is not there yet.
    pub last_active_ms: Option<i64>,
}

/// The lane that holds the rest back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderAt {
    /// No lane of the run where `without` is one.
    pub lane: u32,
    /// The arrival since which it has held.
    pub since: Arrival,
    pub why: Why,
    /// Source subtasks of Flink without a partition, which it is then.
    pub without: Option<WithoutPartition>,
}

/// Event-time watermarks just after one arrival, ms.
#[derive(Clone, Debug, PartialEq)]
pub struct WatermarksAt {
    pub arrival: Arrival,
    /// Processing time, ms.
    pub arrival_ms: i64,
    pub lanes: Vec<LaneAt>,
    pub inputs: Vec<Option<i64>>,
    pub join: Option<i64>,
    pub holder: Option<HolderAt>,
    /// The last modelled restart by then: before this arrival all began anew.
    pub restarted: Option<Arrival>,
}

/// The scale that a range is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Arrival numbers.
    Arrival,
    /// Arrival time, ms.
    ArrivalTime,
    /// The join's event-time watermark at an arrival, ms; arrivals before there
    /// was one are nowhere on it.
    EventTime,
}

/// `from <= x < to` on one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    pub axis: Axis,
    pub from: i64,
    pub to: i64,
}

/// Counts by verdict for each lane and bucket. Where a bucket spans many
/// arrivals a block of the pyramid counts where its first arrival lies; the
/// blocks are never larger than a bucket unless that is below 256 arrivals.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    pub range: Range,
    pub buckets: usize,
    /// As asked for.
    pub lanes: Vec<u32>,
    /// `counts[lane * buckets + bucket]`, indexed by verdict code.
    pub counts: Vec<[u32; 10]>,
}

impl Density {
    /// The counts of the `lane`-th of the asked lanes in a bucket.
    #[must_use]
    pub fn at(&self, lane: usize, bucket: usize) -> &[u32; 10] {
        &self.counts[lane * self.buckets + bucket]
    }
}

/// Smallest and largest value within a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinMax {
    pub min: i64,
    pub max: i64,
}

/// Event-time watermarks over a range: for each bucket the value that the line
/// had at its start and at its end (lines never fall), `None` before the first, and
/// where a modelled restart lies in it, at which all begins anew.
/// The join's value at an edge is that at the next arrival, so what the clock
/// decided before it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    pub range: Range,
    pub buckets: usize,
    /// As asked for; `lane_lines[i]` belongs to `lanes[i]`. A lane's line is
    /// the largest event time seen − out-of-orderness − 1.
    pub lanes: Vec<u32>,
    pub lane_lines: Vec<Vec<Option<MinMax>>>,
    pub inputs: Vec<Vec<Option<MinMax>>>,
    pub join: Vec<Option<MinMax>>,
    /// Arrival time, ms, of the first and the last arrival up to the bucket's end.
    pub arrival_ms: Vec<Option<MinMax>>,
    /// First arrival of each bucket (`buckets + 1` entries; the last is the end).
    pub arrivals: Vec<Arrival>,
}

/// The books at one moment: counts by input, and what rests in the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// By input.
    pub inputs: Vec<Counts>,
    pub outputs: u64,
    /// Rows in the state.
    pub state_rows: u64,
    /// Bytes of state at the last sample up to then.
    pub state_bytes: u64,
}

/// State of one key at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyState {
    /// Those that rest in the state, in row order; the newest if there are
    /// more than asked for.
    pub rows: Vec<RowView>,
    /// Whether all of the key's rows were looked at: a key with very many
    /// rows is looked at from the newest back, up to a bound.
    pub whole: bool,
}

/// What a table shows: all given conditions hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Empty: all.
    pub verdicts: VerdictSet,
    /// Bit `i`: input `i`; 0: all.
    pub inputs: u64,
    /// Empty: all.
    pub lanes: Vec<u32>,
    /// Keys equal to this one.
    pub key: Option<Key>,
    /// In the key's text or in the record's name, whatever the case.
    pub text: Option<String>,
    /// First and last arrival, both in.
    pub arrivals: Option<(Arrival, Arrival)>,
    /// First and last event time, ms, both in.
    pub event_time: Option<(i64, i64)>,
    /// At least this far behind the event-time watermark, ms.
    pub late_by_at_least: Option<i64>,
    /// Stop after this many hits.
    pub limit: Option<u64>,
}

/// What a search has found so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Row numbers found since the last report, in row order.
    pub rows: Vec<u64>,
    /// Rows looked at so far, and of how many.
    pub looked_at: u64,
    pub of: u64,
}

/// What rows are sorted by; by arrival they stand already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortBy {
    EventTime,
    LateBy,
    /// In the order of [`Verdict::ALL`].
    Verdict,
    /// Whole numbers as numbers, texts by their bytes.
    Key,
    /// Topic, partition, offset.
    Record,
    /// In the pipeline's order.
    Input,
}

/// A value for each row, to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortColumn {
    /// `i64::MIN`: none.
    Numbers(Vec<i64>),
    /// Ends of the rows' bytes in `bytes`; empty: none.
    Bytes { ends: Vec<u64>, bytes: Vec<u8> },
}

/// The state over a range, by bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct StateLines {
    pub range: Range,
    pub buckets: usize,
    /// Rows in all tiers.
    pub rows: Vec<Option<MinMax>>,
    /// Bytes of the rows in memory.
    pub memory_bytes: Vec<Option<MinMax>>,
    /// Rows that rest on disk alone.
    pub disk_rows: Vec<Option<MinMax>>,
    /// Bytes of the newest checkpoint's files; none before the first, and where that is
    /// not known.
    pub disk_bytes: Vec<Option<MinMax>>,
}

/// A key in the state: one of its rows (the newest), and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeavyKey {
    pub row: u64,
    pub rows: u64,
}

/// A row in the state, and the largest event-time watermark that keeps it, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaves {
    pub due: i64,
    pub row: u64,
}

/// The largest event-time watermarks that keep the first, and the last of a key's
/// rows in the state, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLeaves {
    pub first: i64,
    pub last: i64,
    /// All of the key's rows were looked at.
    pub whole: bool,
}

/// What rests in the state at one moment, as far as found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateNow {
    pub arrival: Arrival,
    /// Rows found so far, and of how many.
    pub rows: u64,
    pub of: u64,
    /// Keys that differ, so far.
    pub keys: u64,
    /// Those with the most rows, most first.
    pub heaviest: Vec<HeavyKey>,
    /// The rows that leave first.
    pub next: Vec<Leaves>,
    /// All were found.
    pub whole: bool,
}
