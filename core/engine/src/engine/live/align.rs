//! Event-time alignment: a partition whose event time runs more than `max_drift`
//! ahead of the slowest that still has records in the log is paused, until the
//! slowest has come nearer.
//!
//! A partition that has nothing to give, as one whose next records are in a
//! transaction that is open, cannot be waited for, so it does not count; the
//! slowest of those that count is never paused, so the run never stands still.

use crate::edges::kafka::TailLane;
use crate::engine::source::Heads;
use crate::operator::pipeline::Pipeline;

#[derive(Debug)]
pub(super) struct Align {
    /// By partition: the smallest `max_drift` of the inputs that it feeds.
    drift: Vec<Option<i64>>,
}

impl Align {
    pub fn new(pipeline: &Pipeline, lanes: &[TailLane]) -> Self {
        let drift = lanes.iter().map(|lane| {
            let inputs = pipeline.inputs.iter().filter(|i| i.topic == lane.partition.topic);
            inputs.filter_map(|input| input.watermark.max_drift).min()
        });
        Self { drift: drift.collect() }
    }

    /// What is to change: a partition, and whether it is paused from now on.
    pub fn changes(&self, lanes: &[TailLane], heads: &Heads) -> Vec<(u32, bool)> {
        if self.drift.iter().all(Option::is_none) {
            return Vec::new();
        }
        let mut slowest = i64::MAX;
        for (i, lane) in lanes.iter().enumerate().filter(|(_, lane)| lane.can_give()) {
            // One that has given nothing yet may be anywhere.
            let head = heads.of(i as u32).unwrap_or(if lane.paused { i64::MAX } else { i64::MIN });
            slowest = slowest.min(head);
        }
        let mut changes = Vec::new();
        for (i, lane) in lanes.iter().enumerate() {
            let Some(drift) = self.drift[i] else { continue };
            let ahead = match heads.of(i as u32) {
                Some(head) if slowest != i64::MAX => head.saturating_sub(slowest),
                _ => i64::MIN,
            };
            // Taken up again a little later than it was paused: else it would
            // be paused and taken up with every batch.
            let paused = if lane.paused { ahead > drift - drift / 4 } else { ahead > drift };
            if paused != lane.paused {
                changes.push((i as u32, paused));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::record::TopicPartition;

    fn lane(lag: i64, paused: bool) -> TailLane {
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        TailLane { partition, next: 0, end: lag, paused, newest_ms: None, waits_since_ms: None }
    }

    #[test]
    fn who_is_too_far_ahead_of_the_slowest_that_can_give_waits() {
        let align = Align { drift: vec![Some(100), Some(100), None] };
        let heads = Heads::new(3);
        let lags = [lane(9, false), lane(9, false), lane(9, false)];
        assert_eq!(align.changes(&lags, &heads), [], "nothing is known of any");
        heads.tell(0, 1_000);
        assert_eq!(align.changes(&lags, &heads), [(0, true)], "1 may be anywhere");
        heads.tell(1, 950);
        heads.tell(2, 900);
        assert_eq!(align.changes(&lags, &heads), []);
        heads.tell(0, 1_001);
        assert_eq!(align.changes(&lags, &heads), [(0, true)]);
        // Without a limit of its own a partition is never paused.
        heads.tell(2, 5_000);
        assert_eq!(align.changes(&lags, &heads), []);
        heads.tell(0, 2_000);
        assert_eq!(align.changes(&lags, &heads), [(0, true)]);
        let paused = [lane(9, true), lane(9, false), lane(9, false)];
        heads.tell(1, 1_924);
        assert_eq!(align.changes(&paused, &heads), [], "76 ahead");
        heads.tell(1, 1_925);
        assert_eq!(align.changes(&paused, &heads), [(0, false)]);
        // The slow one has no more: nobody waits for it.
        heads.tell(0, 9_000);
        let caught_up = [lane(9, true), lane(0, false), lane(0, false)];
        assert_eq!(align.changes(&caught_up, &heads), [(0, false)]);
    }

    /// Found by reading: all others were paused for as long as the transaction was open.
    #[test]
    fn who_waits_for_a_transaction_is_not_waited_for() {
        let align = Align { drift: vec![Some(100), Some(100)] };
        let heads = Heads::new(2);
        heads.tell(0, 1_000);
        let waiting = TailLane { waits_since_ms: Some(7), ..lane(9, false) };
        assert_eq!(align.changes(&[lane(9, false), lane(9, false)], &heads), [(0, true)]);
        assert_eq!(align.changes(&[lane(9, true), waiting.clone()], &heads), [(0, false)]);
        // Once it has ended it counts again, wherever it stands.
        heads.tell(1, 500);
        assert_eq!(align.changes(&[lane(9, false), waiting], &heads), []);
        assert_eq!(align.changes(&[lane(9, false), lane(9, false)], &heads), [(0, true)]);
    }
}
