//! What the engine gives out as it goes: one [`Step`] for each batch of
//! arrivals, several of one that has very many outputs, in arrival order, to a
//! [`Sink`] that keeps it.

use smallvec::SmallVec;

use crate::edges::log::OutMessage;
use crate::operator::join::Reason;
use crate::operator::record::{Arrival, TopicPartition};
use crate::operator::verdict::Verdict;

/// Consecutive arrivals and all that they set off.
#[derive(Debug, Default)]
pub struct Step {
    pub facts: Facts,
    /// In the order in which they fell.
    pub decisions: Vec<Decision>,
    /// Made by [`Sink::revise`] alone, by arrival.
    pub revisions: Vec<Revision>,
    /// In output order; numbers are consecutive over the run.
    pub outputs: Vec<Output>,
    /// The records behind `outputs`, output after output, each as it names its
    /// rows; empty unless [`Sink::names`].
    pub named: Vec<Named>,
    /// What a [`Maker`] made of the outputs and of what was late, each with its
    /// processing time, ms; `None`: no maker had the step.
    pub made: Option<Result<Vec<(i64, OutMessage)>, SinkError>>,
    pub clock: Vec<ClockEvent>,
    /// `Tracker::save()` as it was before the named arrival; at least one for
    /// every 8,192 arrivals.
    pub trackers: Vec<(Arrival, Vec<u8>)>,
    pub state: Vec<StateSample>,
    /// Arrivals up to this one (exclusive) are whole with this step.
    pub end: Arrival,
}

impl Step {
    /// Cuts off what the arrivals from `at` on set off: the step ends there.
    pub(crate) fn split_off(&mut self, at: Arrival) -> Self {
        fn cut<T>(list: &mut Vec<T>, at: Arrival, of: impl Fn(&T) -> Arrival) -> Vec<T> {
            list.split_off(list.partition_point(|item| of(item) < at))
        }
        let rows = self.facts.arrival.partition_point(|arrival| *arrival < at);
        let end = self.end;
        self.end = at.min(end);
        let kept = self.outputs.iter().take_while(|output| output.at < at);
        let named: usize = kept.map(|output| output.records.len()).sum();
        Self {
            facts: self.facts.split_off(rows),
            decisions: cut(&mut self.decisions, at, |d| d.at),
            revisions: cut(&mut self.revisions, at, |r| r.at),
            outputs: cut(&mut self.outputs, at, |o| o.at),
            named: self.named.split_off(named.min(self.named.len())),
            made: None,
            clock: cut(&mut self.clock, at, |c| c.precedes),
            trackers: cut(&mut self.trackers, at, |t| t.0),
            state: cut(&mut self.state, at, |s| s.arrival),
            end,
        }
    }
}

/// What is known of each row at its arrival: one entry a row, in row order,
/// the first being row `first_row`.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub first_row: u64,
    pub arrival: Vec<Arrival>,
    /// Processing time of the arrival, ms; never goes back.
    pub arrival_ms: Vec<i64>,
    pub input: Vec<u8>,
    pub partition: Vec<i32>,
    pub offset: Vec<i64>,
    /// ms; `i64::MIN`: none.
    pub event_time: Vec<i64>,
    /// The join's event-time watermark before the record moved it, ms;
    /// `i64::MIN`: none yet.
    pub watermark: Vec<i64>,
    /// A [`Verdict`] code: what was already final when it arrived, `Open` if
    /// it reached the join.
    pub at_arrival: Vec<u8>,
    /// `Key::hash64` and `Key::normal_hash`; 0 without a key.
    pub key_hash: Vec<u64>,
    pub normal_hash: Vec<u64>,
    /// End of the row's canonical key in `keys`; empty without a key.
    pub key_end: Vec<u32>,
    pub keys: Vec<u8>,
}

impl Facts {
    #[must_use]
    pub fn len(&self) -> usize {
        self.arrival.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.arrival.is_empty()
    }

    /// Cuts off the entries from the `n`-th on.
    fn split_off(&mut self, n: usize) -> Self {
        let keys = n.checked_sub(1).map_or(0, |last| self.key_end[last]);
        let mut key_end = self.key_end.split_off(n);
        for end in &mut key_end {
            *end -= keys;
        }
        Self {
            first_row: self.first_row + n as u64,
            arrival: self.arrival.split_off(n),
            arrival_ms: self.arrival_ms.split_off(n),
            input: self.input.split_off(n),
            partition: self.partition.split_off(n),
            offset: self.offset.split_off(n),
            event_time: self.event_time.split_off(n),
            watermark: self.watermark.split_off(n),
            at_arrival: self.at_arrival.split_off(n),
            key_hash: self.key_hash.split_off(n),
            normal_hash: self.normal_hash.split_off(n),
            key_end,
            keys: self.keys.split_off(keys as usize),
        }
    }

    /// Empty again, to go on from `first_row`; what it grew to is kept.
    pub(crate) fn restart(&mut self, first_row: u64) {
        let Self {
            first_row: first,
            arrival,
            arrival_ms,
            input,
            partition,
            offset,
            event_time,
            watermark,
            at_arrival,
            key_hash,
            normal_hash,
            key_end,
            keys,
        } = self;
        *first = first_row;
        arrival.clear();
        arrival_ms.clear();
        input.clear();
        partition.clear();
        offset.clear();
        event_time.clear();
        watermark.clear();
        at_arrival.clear();
        key_hash.clear();
        normal_hash.clear();
        key_end.clear();
        keys.clear();
    }

    /// The canonical key of the `i`-th entry, empty where it has none.
    #[must_use]
    pub fn key(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.key_end[i - 1] as usize };
        &self.keys[start..self.key_end[i] as usize]
    }
}

/// A verdict that fell or a row that left the state, or both at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub row: u64,
    /// The arrival that set it off.
    pub at: Arrival,
    pub verdict: Option<Verdict>,
    pub reason: Reason,
    /// The row is not in the state from `at` on.
    pub removed: bool,
    /// The arrival of the record that made the verdict fall: the first match,
    /// or the one that moved the event-time watermark past the row.
    pub cause: Arrival,
}

/// Under `late = "join"`: a row that was not kept found nothing and was
/// `unmatched` at once; now a later row comes that would have matched it, and
/// it is `expired` (3-semantics, "The verdict").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    pub row: u64,
    pub input: u8,
    /// When it became `unmatched`.
    pub was: Arrival,
    /// The later row's arrival.
    pub at: Arrival,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OutputKind {
    Pair = 0,
    Pad = 1,
    Example = 2,
}

/// One output row; its records are named by their row numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub n: u64,
    /// The arrival that set it off.
    pub at: Arrival,
    pub epoch: u64,
    /// ms.
    pub time: i64,
    pub kind: OutputKind,
    /// A pair: both rows in pipeline order. A pad: the row. An example: the
    /// primary row, then the folded ones by (event time, arrival).
    pub records: SmallVec<[u64; 2]>,
    pub labels: u64,
    /// 0: the first; `k`: the k-th correction.
    pub correction: u32,
}

/// A record behind an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// Position in the pipeline's inputs.
    pub input: u8,
    pub partition: i32,
    pub offset: i64,
}

/// Something that the clock decided, before the arrival that it precedes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockEvent {
    pub precedes: Arrival,
    /// Processing time, ms.
    pub at_ms: i64,
    pub kind: ClockKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// A lane of the watermark tracker went idle.
    Idle { lane: u32 },
    /// A lane gave a record again.
    Active { lane: u32 },
    /// A periodic event-time watermark that moved something.
    Periodic { input: u8 },
    /// The end of an epoch that had an effect.
    Epoch { n: u64 },
}

/// Rows and bytes of state just after an arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSample {
    pub arrival: Arrival,
    /// In all tiers.
    pub rows: u64,
    /// Of those in memory.
    pub bytes: u64,
    /// Rows that rest on disk alone.
    pub cold: u64,
}

/// Why a sink could not take a step.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// Work that makes durable what a sink was given.
pub type Durable = Box<dyn FnOnce(&Prepared) -> Result<(), SinkError> + Send>;

/// A checkpoint that is on the disk, and no older one was let go for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prepared {
    pub entry: CheckpointEntry,
    /// Next offset to read, by partition; those that gave nothing are left out.
    pub offsets: Vec<(TopicPartition, i64)>,
    /// The run's digest up to here, hex.
    pub digest: String,
}

/// Makes of a step, before its turn at the sink has come, what depends on the
/// step alone ([`Step::made`]).
pub type Maker = Box<dyn FnMut(&mut Step) + Send>;

/// Where steps go: the run store, or nothing in a benchmark.
pub trait Sink: Send {
    /// Takes the next step.
    ///
    /// # Errors
    /// It could not be kept; the run stops.
    fn step(&mut self, step: Step) -> Result<(), SinkError>;

    /// Called with each step before its books are made and before
    /// [`Sink::step`]: a verdict that the join state cannot know (`expired`)
    /// is put right here, in `step.decisions` and `step.revisions`, and nothing
    /// else is changed.
    ///
    /// # Errors
    /// What is needed to judge could not be read; the run stops.
    fn revise(&mut self, _step: &mut Step) -> Result<(), SinkError> {
        Ok(())
    }

    /// The run stops here at a breakpoint (`true`): what it was given is to be
    /// readable; or it goes on (`false`).
    ///
    /// # Errors
    /// It could not be kept; the run stops.
    fn stopped(&mut self, _stopped: bool) -> Result<(), SinkError> {
        Ok(())
    }

    /// Whether [`Step::named`] is wanted. Asked once, when the run begins.
    fn names(&self) -> bool {
        false
    }

    /// Each on a thread of its own; they take the steps in turn, and the sink
    /// still gets them in their order. Asked once, when the run begins.
    fn makers(&mut self) -> Vec<Maker> {
        Vec::new()
    }

    /// A real snapshot begins here: the steps so far end at arrival `at`, and
    /// a store that is cut at `at` later must lose nothing of them and keep
    /// nothing of what follows (it closes its segment). The next epoch's steps
    /// may come before the [`Sink::checkpoint`] of the same arrival. What makes
    /// them durable may be given back: it is done beside the next epoch's work.
    ///
    /// # Errors
    /// It could not be kept; the run stops.
    fn barrier(&mut self, _at: Arrival) -> Result<Option<Durable>, SinkError> {
        Ok(None)
    }

    /// The checkpoint of the last barrier was taken, at `entry.arrival`, and what
    /// the barrier gave back was done: all before it is to be durable and readable when this returns.
    ///
    /// # Errors
    /// It could not be made durable; the run stops.
    fn checkpoint(&mut self, entry: CheckpointEntry) -> Result<(), SinkError>;
}

/// A checkpoint that was taken.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CheckpointEntry {
    /// Its number: the epoch that ended there. Where a run was stopped it is the one
    /// at hand; larger than those of all checkpoints before in any case.
    pub epoch: u64,
    /// Records before this arrival are in it.
    pub arrival: Arrival,
    /// Rows before this number.
    pub row: u64,
    /// Outputs before this number.
    pub output: u64,
    pub arrival_ms: i64,
    pub state_rows: u64,
    pub state_bytes: u64,
    /// Bytes written for it (shared files not counted again).
    pub written_bytes: u64,
    /// Bytes of all its files, shared ones too; none: not known (an older program took
    /// it, or the run store was never told of it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Milliseconds by phase: write the delta, RocksDB checkpoint, fsync and rename.
    pub delta_ms: u64,
    pub snapshot_ms: u64,
    pub sync_ms: u64,
    /// Microseconds for which the join stood still for it, from the first shard
    /// that reached the barrier until all went on.
    #[serde(default)]
    pub pause_us: u64,
    /// Folder, relative to the run's.
    pub path: String,
    /// Closed segments of the run store that are in it; the run store knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u64>,
}
