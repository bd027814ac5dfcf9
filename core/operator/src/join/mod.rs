//! What happens to a row: the operator interface that every semantics has.

pub mod clean;
pub mod flink;

use crate::record::Arrival;
use crate::state::{Delta, Due, Folded, Row, StateError};
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
    /// The row rests in the state from now on.
    Kept { row: u64 },
    /// The row is not in the state from now on; for a row that is not kept,
    /// right at its arrival.
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

    /// Rows of keys with these hashes come next (some 64 of them): what is
    /// known of them is brought near, which is several times faster together
    /// than one by one. A hint: nothing follows from it.
    fn near(&self, _hashes: &[u64]) {}

    /// What changed since the last call, for a checkpoint.
    fn take_delta(&mut self) -> Delta;

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
