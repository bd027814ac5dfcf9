//! What happens to a row: the operator interface that every semantics has.

pub mod clean;
pub mod flink;
pub mod kafka_streams;

use crate::record::Arrival;
use crate::state::{Changes, Due, Folded, Row, StateError};
use crate::verdict::Verdict;

/// Why a verdict fell, beyond its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    #[default]
    Plain = 0,
    /// Unmatched and put out with nulls.
    Padded = 1,
    /// Already past its last possible partner at arrival: probed, not kept.
    NotKept = 2,
    /// Not kept, and put out with nulls at once.
    NotKeptPadded = 3,
    /// First matched where one of the two had expired, which cleanup had not
    /// reached (`flink-sql`).
    JoinedExpired = 4,
    /// Lost while alive, without a pad: its side's cache was cleared, as none
    /// of its times above 0 was left (`flink-sql`, at or below the epoch).
    Cleared = 5,
    /// Kafka Streams did not store it: older than what its side's store keeps,
    /// so that nothing that came later could find it. `cause` of a row without
    /// a match is the arrival that moved that store's time.
    NotStored = 16,
    /// Not stored, and put out with nulls.
    NotStoredPadded = 17,
    /// Kafka Streams put it out with nulls at its arrival: out of order by more
    /// than its window reaches on (`after` for the left side), whatever the grace.
    PaddedAtOnce = 18,
    /// Put out with nulls, and then joined with a row that came later.
    PaddedAndJoined = 19,
    /// Its key is null, and Kafka Streams put it out with nulls.
    NullKeyPadded = 20,
}

impl Reason {
    const ALL: [Self; 11] = [
        Self::Plain,
        Self::Padded,
        Self::NotKept,
        Self::NotKeptPadded,
        Self::JoinedExpired,
        Self::Cleared,
        Self::NotStored,
        Self::NotStoredPadded,
        Self::PaddedAtOnce,
        Self::PaddedAndJoined,
        Self::NullKeyPadded,
    ];

    /// The reason of a stored code, the inverse of `as u8`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == code)
    }

    /// Whether the row was put out with nulls.
    #[must_use]
    pub fn padded(self) -> bool {
        match self {
            Self::Padded
            | Self::NotKeptPadded
            | Self::NotStoredPadded
            | Self::PaddedAtOnce
            | Self::PaddedAndJoined
            | Self::NullKeyPadded => true,
            Self::Plain | Self::NotKept | Self::JoinedExpired | Self::Cleared | Self::NotStored => {
                false
            }
        }
    }

    /// Whether rows that came later could not find it, as it was never kept.
    #[must_use]
    pub fn not_kept(self) -> bool {
        matches!(
            self,
            Self::NotKept | Self::NotKeptPadded | Self::NotStored | Self::NotStoredPadded
        )
    }
}

/// What one input event set off, in the order of 3-semantics.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A pair: one of the two rested in the state, the row at hand matched it.
    Pair { primary: Ref, secondary: Ref, time: i64 },
    /// A row without a match, put out with nulls. `due` is its place among the
    /// pads and closed examples of one arrival, over all shards (for `flink-sql`
    /// the timer's time, then the order in which the subtask put it out);
    /// `None`: it comes where it came.
    Pad { row: Ref, due: Option<Due>, time: i64 },
    /// A folded example; `correction` is 0 for the first, `k` for the k-th
    /// correction. `folded` is by (event time, arrival, input); `labels` are
    /// those of the primary row and of all that is folded. `due` is `None` for
    /// one that does not wait for its close (`early-and-correct`).
    Example {
        primary: Ref,
        folded: Vec<Folded>,
        labels: u64,
        correction: u32,
        due: Option<i64>,
        time: i64,
    },
    /// The verdict of a row fell. `cause` is the arrival of the first match
    /// (for both rows of a pair: that of the other one), or the arrival at
    /// which the event-time watermark passed the row.
    Decided { row: u64, verdict: Verdict, reason: Reason, cause: Arrival },
    /// The row is not in the state from now on; for a row that is not kept,
    /// right at its arrival. Of one that is kept nothing is said.
    Removed { row: u64 },
}

impl Effect {
    /// Where an output stands among those of one arrival, over all inputs and
    /// shards: first, in the order in which they came, those with `None`
    /// (pairs, early examples, corrections, pads that do not wait); then pads and closed examples
    /// by what is given here. A stable sort by this is the order of 3-semantics.
    #[must_use]
    pub fn order(&self) -> Option<Due> {
        match self {
            Self::Pad { due, .. } => *due,
            Self::Example { primary, due, .. } => {
                Some(Due { due: (*due)?, arrival: primary.arrival, input: primary.input })
            }
            _ => None,
        }
    }
}

/// A record in an output: enough to name it without asking the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ref {
    pub input: u8,
    pub row: u64,
    pub arrival: Arrival,
    pub partition: i32,
    pub offset: i64,
    pub time: i64,
}

impl From<&Row> for Ref {
    fn from(row: &Row) -> Self {
        Self {
            input: row.input,
            row: row.row,
            arrival: row.arrival,
            partition: row.partition,
            offset: row.offset,
            time: row.time,
        }
    }
}

/// The event-time watermarks at one moment; `i64::MIN` before the first,
/// `i64::MAX` after the end.
#[derive(Clone, Copy, Debug)]
pub struct Watermarks<'a> {
    pub join: i64,
    /// By input; released semantics look at these.
    pub inputs: &'a [i64],
}

/// Whether the log behind a partition of an input has more than was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    pub input: u8,
    pub partition: i32,
    /// It has nothing more; `false`: it may have, or has again.
    pub reached: bool,
    /// Processing time, ms.
    pub now_ms: i64,
}

/// A join as a pure state machine over the rows of one shard.
pub trait Operator: Send {
    /// Takes one row. `late_by` is there only under `late = "join"`; dropped
    /// late rows never come here. The arrival at hand is the row's.
    ///
    /// A record of a topic that feeds several inputs comes once for each, in
    /// the pipeline's order, before the event-time watermark moves.
    ///
    /// The row takes part in the order given by [`Effect::order`]; its
    /// [`Effect::Decided`] and [`Effect::Removed`] follow the output that they
    /// belong to.
    ///
    /// # Errors
    /// The state could not be read or written.
    fn row(
        &mut self,
        row: Row,
        late_by: Option<i64>,
        watermarks: Watermarks<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError>;

    /// The join's event-time watermark moved at arrival `now` (or by the clock,
    /// before it); rows that it passed leave, by (due, arrival, input). To be
    /// called before the next row. With nothing due it costs a comparison.
    ///
    /// # Errors
    /// The state could not be read or written.
    fn advance(
        &mut self,
        now: Arrival,
        watermarks: Watermarks<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError>;

    /// Processing time moved to `now_ms`, ms; it never goes back. To be called
    /// before the row at arrival `at`, and before [`Operator::row`] only: the
    /// arrival time of a recording stands in for the wall clock. Only the
    /// semantics in which the clock of the join itself shows look at it.
    ///
    /// # Errors
    /// The state could not be read or written.
    fn clock(
        &mut self,
        _now_ms: i64,
        _at: Arrival,
        _out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        Ok(())
    }

    /// What is known of the log behind a partition changed, at arrival `at` (or
    /// by the clock, before it). Only the semantics that waits for partitions
    /// looks at it.
    ///
    /// # Errors
    /// The state could not be read or written.
    fn log_end(
        &mut self,
        _end: LogEnd,
        _at: Arrival,
        _out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        Ok(())
    }

    /// The engine that it stands for is stopped with a savepoint and started again:
    /// what the release does not checkpoint is forgotten, rows and timers stay.
    /// The watermarks begin anew ([`Watermarks`], `i64::MIN`). Nothing comes out.
    /// Who asks for it has seen to it that the semantics has such a restart.
    fn restart(&mut self) {}

    /// Rows of keys with these hashes come next (some 64 of them): what is
    /// known of them is brought near, which is several times faster together
    /// than one by one. A hint: nothing follows from it.
    fn near(&self, _hashes: &[u64]) {}

    /// Does some of the work of the next [`Operator::take_changes`]: to be called
    /// now and then between barriers where the join should not stand still at
    /// one for long. What changed last, `leave` rows, may change again and is
    /// left. Nothing else follows from it.
    fn copy_ahead(&mut self, leave: usize);

    /// What changed since the last call, for a checkpoint: here is a barrier.
    fn take_changes(&mut self) -> Changes;

    /// What it keeps besides rows, for the same checkpoint as the delta: a few
    /// hundred bytes, whole each time. Empty: nothing.
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Brings back what [`Operator::save`] gave, before the first row.
    ///
    /// # Errors
    /// The bytes are of another operator, or damaged.
    fn load(&mut self, _saved: &[u8]) -> Result<(), StateError> {
        Ok(())
    }

    /// The join's event-time watermark of the checkpoint whose rows are brought
    /// back next. Only a join that keeps rows which it has passed looks at it.
    fn passed(&mut self, _watermark: i64) {}

    /// Brings back rows of a checkpoint (any number of calls before the first
    /// row). The next delta takes them as held by that checkpoint: it names them
    /// only if they change or leave.
    ///
    /// # Errors
    /// The state could not be written.
    fn restore(&mut self, rows: Vec<Row>) -> Result<(), StateError>;

    /// Rows in all tiers, and the bytes that those in memory take.
    fn size(&self) -> (u64, u64);

    /// Of those rows, the ones that rest on disk alone.
    fn cold_rows(&self) -> u64 {
        0
    }
}
