//! How the last event-time watermark lets the state go: in steps, so that what
//! all live rows set off together is never in memory at once.
//!
//! Rows leave by the largest watermark that keeps them, so watermarks on the way
//! to the last one let the same rows go in the same order; where they lie is
//! free. A sample of the rows taken in says where about equally many leave. A run that
//! goes on from a checkpoint has that of the rows at rest, so its steps are the same.

use crate::operator::pipeline::InputIndex;
use crate::operator::state::Row;

/// About so many rows leave in one step.
const STEP: usize = 8192;

/// One row in so many is in the sample.
const EVERY: u64 = 256;

/// A row at rest that is in the sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampled {
    row: u64,
    input: InputIndex,
    /// Event time, ms.
    time: i64,
}

impl Sampled {
    /// `None`: it is not in the sample.
    #[inline]
    pub fn of(row: &Row) -> Option<Self> {
        let Row { row, input, time, .. } = *row;
        row.is_multiple_of(EVERY).then_some(Self { row, input, time })
    }
}

/// A sample of the watermarks up to which rows are kept.
#[derive(Debug)]
pub(super) struct Stairs {
    /// By input, what lies between a row's event time and the last watermark
    /// that keeps it; `None`: the join goes to its last watermark in one step.
    shifts: Option<Vec<i64>>,
    sample: Vec<i64>,
    /// So many are looked through for those that have left.
    full: usize,
}

impl Stairs {
    pub fn new(shifts: Option<Vec<i64>>) -> Self {
        Self { shifts, sample: Vec::new(), full: 1024 }
    }

    /// Row number `row` goes to the join while the watermark is `watermark`.
    #[inline]
    pub fn take(&mut self, row: u64, input: u8, time: i64, watermark: i64) {
        if row.is_multiple_of(EVERY)
            && let Some(shift) = self.shifts.as_ref().and_then(|s| s.get(usize::from(input)))
        {
            self.sample.push(time.saturating_add(*shift));
            if self.sample.len() >= self.full {
                self.sample.retain(|&due| due >= watermark);
                self.full = (self.sample.len() * 2).max(1024);
            }
        }
    }

    /// Takes in what a checkpoint whose watermark is `watermark` gave back.
    pub fn restore(&mut self, rest: Vec<Sampled>, watermark: i64) {
        for Sampled { row, input, time } in rest {
            self.take(row, input, time, watermark);
        }
    }

    /// The watermarks between `from` and `to`, both apart, rising.
    pub fn between(&mut self, from: i64, to: i64) -> Vec<i64> {
        let mut dues = std::mem::take(&mut self.sample);
        dues.retain(|&due| from < due && due < to);
        dues.sort_unstable();
        let mut steps: Vec<i64> = dues.into_iter().step_by(STEP / EVERY as usize).skip(1).collect();
        steps.dedup();
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_let_about_equally_many_rows_go() {
        let mut stairs = Stairs::new(Some(vec![100, -5]));
        for row in 0..100 * STEP as u64 {
            stairs.take(row, (row % 512 / 256) as u8, (row / 10) as i64, i64::MIN);
        }
        let steps = stairs.between(40_000, i64::MAX);
        assert!((45..=55).contains(&steps.len()), "{}", steps.len());
        assert!(steps.is_sorted_by(|a, b| a < b));
        assert!(steps.windows(2).all(|w| (w[1] - w[0] - 819).abs() < 60), "{steps:?}");
    }

    #[test]
    fn what_has_left_is_forgotten_and_one_time_is_one_step() {
        let mut stairs = Stairs::new(Some(vec![0]));
        for row in 0..10_000 * EVERY {
            stairs.take(row, 0, row as i64, row as i64 - 1_000);
        }
        assert!(stairs.sample.len() <= 1024);
        let mut same = Stairs::new(Some(vec![0]));
        (0..50 * STEP as u64).for_each(|row| same.take(row, 0, 7, 0));
        assert_eq!(same.between(0, i64::MAX), [7]);
        assert!(Stairs::new(None).between(0, i64::MAX).is_empty());
    }
}
