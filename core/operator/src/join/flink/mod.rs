//! The interval joins of Flink 2.3.0, by the rules of 12-released-joins.
//!
//! Both are pure state machines over rows of one shard: [`sql::FlinkSql`]
//! (rules B) and [`datastream::FlinkDataStream`] (rules C). The operator's
//! current watermark is what [`Watermarks::join`](super::Watermarks) says; who
//! feeds the operator combines it as Flink does ([`watermark`], rules A). A
//! restart of Flink (rule A7) is a new operator from the rows of the last
//! checkpoint, or the same one told to [`restart`](super::Operator::restart); the
//! engine's own restore brings back the rest as well.

pub mod datastream;
pub mod key;
pub mod sql;
#[cfg(test)]
mod tests;
pub mod watermark;

use super::{Effect, Reason, Ref};
use crate::pipeline::{InputIndex, Kind, OutputTime, Pipeline};
use crate::verdict::Verdict;

/// An interval join of Flink: `l + lower <= r <= l + upper`, ms, both ends
/// included. It has one secondary input; a pipeline with more is a chain.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The primary input.
    pub left: InputIndex,
    pub right: InputIndex,
    pub lower: i64,
    pub upper: i64,
    pub kind: Kind,
    pub output_time: OutputTime,
    /// `table.exec.interval-join.min-cleanup-interval`, ms (rule B17).
    pub min_cleanup: i64,
    pub parallelism: u16,
    pub max_parallelism: u16,
    /// How far event times are out of order, ms, about: for the size of things.
    pub disorder: i64,
}

impl Settings {
    /// What a pipeline asks for; `None` if it has not exactly one secondary input.
    #[must_use]
    pub fn of(pipeline: &Pipeline) -> Option<Self> {
        let [with] = pipeline.join.with[..] else { return None };
        let disorder = pipeline.inputs.iter().map(|i| i.watermark.max_out_of_orderness).max();
        let released = &pipeline.join.released;
        // At most 32,768 of them: the parser has seen to it.
        let count = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        Some(Self {
            left: pipeline.join.primary,
            right: with.input,
            lower: with.after,
            upper: with.until,
            kind: pipeline.join.kind,
            output_time: pipeline.join.output_time,
            min_cleanup: released.min_cleanup,
            parallelism: count(released.parallelism),
            max_parallelism: count(released.max_parallelism),
            disorder: disorder.unwrap_or(0),
        })
    }

    /// By input: what is added to a row's time for something of its side.
    fn shifts(&self, left: i64, right: i64) -> Vec<i64> {
        let mut shifts = vec![0; usize::from(self.left.max(self.right)) + 1];
        shifts[usize::from(self.left)] = left;
        shifts[usize::from(self.right)] = right;
        shifts
    }

    /// 0 for a left row, 1 for a right one; `None` for a row of another input.
    #[inline]
    fn side(&self, input: InputIndex) -> Option<usize> {
        if input == self.left {
            Some(0)
        } else if input == self.right {
            Some(1)
        } else {
            None
        }
    }

    #[inline]
    fn input(&self, side: usize) -> InputIndex {
        if side == 0 { self.left } else { self.right }
    }

    /// The pair of a row of `side` and one of the other side.
    #[inline]
    fn pair(&self, side: usize, own: Ref, other: Ref) -> Effect {
        let (primary, secondary) = if side == 0 { (own, other) } else { (other, own) };
        let time = match self.output_time {
            OutputTime::Larger => primary.time.max(secondary.time),
            OutputTime::Primary => primary.time,
        };
        Effect::Pair { primary, secondary, time }
    }

    /// A row of an input that the join does not name.
    fn stranger(&self, input: InputIndex) -> crate::state::StateError {
        crate::state::StateError(format!(
            "a row of input {input}, which the join does not name: it has {} and {}",
            self.left, self.right
        ))
    }
}

/// A row is in a pair, for the first time.
#[inline]
fn joined(row: &Ref, with: &Ref, reason: Reason) -> Effect {
    Effect::Decided { row: row.row, verdict: Verdict::Joined, reason, cause: with.arrival }
}
