//! What a restart of a Flink job (2.3.0) makes of the event-time watermarks.
//!
//! Nothing of them is in a checkpoint: a source keeps its splits with their
//! offsets and nothing else (`SourceOperator#snapshotState`), so its watermark
//! generators and what it makes of several partitions
//! (`WatermarkOutputMultiplexer`, `WatermarkAssignerOperator` in SQL) are made
//! anew, as is the valve of each task (`StatusWatermarkValve`) and what the join
//! combines (12-released-joins, A7). At an unchanged parallelism each source
//! subtask has its partitions back (`RoundRobinOperatorStateRepartitioner#repartitionState`
//! leaves such a state as it was). Of this A7 is proved against the released classes;
//! the sources' part is read in the source, not run.

use super::tracker::Tracker;
use super::tree::MinTree;
use crate::record::Arrival;

impl Tracker {
    /// The job is stopped with a savepoint and started again, before the record of
    /// `arrival`: no event-time watermark is known, no lane is idle, and idle
    /// timeouts and periodic emissions count from `now_ms`. What was due by then
    /// was carried out before ([`Tracker::next_due`]).
    pub fn restart(&mut self, now_ms: i64, arrival: Arrival) {
        for lane in &mut self.lanes {
            lane.watermark = i64::MIN;
            lane.max_seen = i64::MIN;
            lane.last_active = now_ms;
            lane.since = 0;
            (lane.seen, lane.idle, lane.held) = (false, false, false);
        }
        for subtask in &mut self.subtasks {
            subtask.tree = MinTree::new(subtask.lanes.len());
            subtask.active = subtask.lanes.len() as u32;
            (subtask.current, subtask.emitted) = (i64::MIN, i64::MIN);
            subtask.idle = false;
        }
        for input in &mut self.inputs {
            let subtasks = &self.subtasks[input.subtasks()];
            input.emitted = i64::MIN;
            (input.tick, input.waiting) = (i64::MAX, 0);
            input.idle = subtasks.iter().all(|subtask| subtask.lanes.is_empty());
            input.awake = input.channels as u32;
            input.aligned = MinTree::new(input.channels);
        }
        self.join = i64::MIN;
        self.start = Some(now_ms);
        self.holder = None;
        self.settle_holder(arrival);
        self.wind_timers();
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::pipeline::{Semantics, WatermarkSpec};
    use crate::watermark::{Sources, TrackerInput};

    fn inputs(random: &mut ChaCha8Rng, semantics: Semantics) -> Vec<TrackerInput> {
        let parallelism = random.random_range(1..4u32);
        (0..2)
            .map(|_| {
                let partitions = random.random_range(1..4u32);
                let spec = WatermarkSpec {
                    max_out_of_orderness: random.random_range(0..20),
                    idle_timeout: random.random_bool(0.6).then_some(40),
                    emit_interval: random.random_bool(0.3).then_some(25),
                    ..WatermarkSpec::default()
                };
                let owners = (0..partitions).map(|p| p % parallelism).collect();
                let sources = Sources { parallelism, owners };
                TrackerInput { spec, partitions, semantics, sources }
            })
            .collect()
    }

    /// What can be seen of a tracker, but since when things are so.
    fn seen(tracker: &Tracker) -> String {
        let lanes: Vec<_> = (0..tracker.lanes())
            .filter_map(|lane| tracker.lane(lane))
            .map(|lane| (lane.watermark, lane.max_seen, lane.idle, lane.last_active_ms))
            .collect();
        let inputs: Vec<_> =
            (0..2).map(|input| (tracker.input(input), tracker.input_idle(input))).collect();
        let holder = tracker.holder().map(|holder| (holder.lane, holder.why));
        format!("{} {inputs:?} {lanes:?} {holder:?}", tracker.join())
    }

    fn step(tracker: &mut Tracker, lane: u32, time: i64, now: i64, arrival: Arrival) -> String {
        let mut said = String::new();
        while let Some(due) = tracker.next_due(now) {
            let moved = tracker.fire(due, arrival);
            said += &format!("{due:?} {moved} {} | ", seen(tracker));
        }
        let moved = tracker.observe(lane, time, now, arrival);
        said + &format!("{moved} {}", seen(tracker))
    }

    #[test]
    fn a_restarted_tracker_goes_on_as_one_that_begins_there() {
        let mut moved_on = 0;
        for seed in 0..300u64 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let semantics = [Semantics::FlinkSql, Semantics::FlinkDataStream][seed as usize % 2];
            let inputs = inputs(&mut random, semantics);
            let mut tracker = Tracker::new(inputs.clone());
            let (mut now, mut arrival) = (1_000i64, 0);
            for _ in 0..random.random_range(0..60) {
                now += random.random_range(0..20);
                let lane = random.random_range(0..tracker.lanes());
                step(&mut tracker, lane, now - random.random_range(0..60), now, arrival);
                arrival += 1;
            }
            now += random.random_range(0..80);
            while let Some(due) = tracker.next_due(now) {
                tracker.fire(due, arrival);
            }
            tracker.restart(now, arrival);
            let mut fresh = Tracker::new(inputs.clone());
            assert_eq!(fresh.next_due(now), None, "seed {seed}");
            assert_eq!(seen(&tracker), seen(&fresh), "seed {seed}");
            assert_eq!(tracker.join(), i64::MIN);
            for n in 0..60 {
                now += random.random_range(0..20);
                let lane = random.random_range(0..tracker.lanes());
                let time = now - random.random_range(0..60);
                let ours = step(&mut tracker, lane, time, now, arrival);
                assert_eq!(ours, step(&mut fresh, lane, time, now, arrival), "seed {seed}, {n}");
                if n % 20 == 7 {
                    // And comes back from a checkpoint.
                    tracker = Tracker::load(inputs.clone(), &tracker.save()).unwrap();
                    assert_eq!(seen(&tracker), seen(&fresh), "seed {seed}, {n}");
                }
                arrival += 1;
            }
            moved_on += u32::from(tracker.join() > i64::MIN);
        }
        assert!(moved_on > 100, "{moved_on}");
    }
}
