//! The tracker at random against a plain model.

use proptest::prelude::*;

use super::*;
use crate::pipeline::Semantics;

const MIN: i64 = i64::MIN;

/// The rules as they stand in the document, looked up anew each time; those of
/// Flink are in `tests_sources.rs`.
struct Model {
    inputs: Vec<TrackerInput>,
    /// (input, largest, idle, last active)
    lanes: Vec<(usize, Option<i64>, bool, i64)>,
    current: Vec<i64>,
    emitted: Vec<i64>,
    /// Times that the clock has reached.
    start: Option<i64>,
    clock: i64,
    join: i64,
}

impl Model {
    fn new(inputs: &[TrackerInput]) -> Self {
        let lanes = inputs.iter().enumerate();
        let lanes = lanes.flat_map(|(i, input)| (0..input.partitions).map(move |_| i));
        Self {
            lanes: lanes.map(|i| (i, None, false, 0)).collect(),
            current: vec![MIN; inputs.len()],
            emitted: vec![MIN; inputs.len()],
            inputs: inputs.to_vec(),
            start: None,
            clock: 0,
            join: MIN,
        }
    }

    fn settle(&mut self) {
        let mut join: Option<i64> = None;
        for (i, input) in self.inputs.iter().enumerate() {
            let mark = |lane: &(usize, Option<i64>, bool, i64)| {
                lane.1.map_or(MIN, |max| max - input.spec.max_out_of_orderness - 1)
            };
            let active = self.lanes.iter().filter(|lane| lane.0 == i && !lane.2);
            let Some(to) = active.map(mark).min() else { continue };
            self.current[i] = self.current[i].max(to);
            if input.spec.emit_interval.is_none() {
                self.emitted[i] = self.current[i];
            }
            join = Some(join.map_or(self.emitted[i], |join| join.min(self.emitted[i])));
        }
        self.join = self.join.max(join.unwrap_or(MIN));
    }

    /// Walks the clock millisecond by millisecond.
    fn walk(&mut self, now: i64) -> Vec<Due> {
        let mut fired = Vec::new();
        let Some(start) = self.start else {
            self.start = Some(now);
            self.clock = now;
            self.lanes.iter_mut().filter(|lane| !lane.2).for_each(|lane| lane.3 = now);
            return self.due_at(now, now);
        };
        // What is due at a time happens once, before the first record from then on.
        while self.clock < now {
            self.clock += 1;
            fired.extend(self.due_at(self.clock, start));
        }
        fired
    }

    fn due_at(&mut self, now: i64, start: i64) -> Vec<Due> {
        let mut fired = Vec::new();
        for lane in 0..self.lanes.len() {
            let (input, _, idle, last) = self.lanes[lane];
            let timeout = self.inputs[input].spec.idle_timeout;
            if !idle && timeout.is_some_and(|timeout| now - last >= timeout) {
                self.lanes[lane].2 = true;
                fired.push(Due { at_ms: now, kind: DueKind::Idle { lane: lane as u32 } });
                self.settle();
            }
        }
        for i in 0..self.inputs.len() {
            if let Some(interval) = self.inputs[i].spec.emit_interval
                && (now - start) % interval == 0
                && self.current[i] > self.emitted[i]
            {
                self.emitted[i] = self.current[i];
                fired.push(Due { at_ms: now, kind: DueKind::Periodic { input: i as u8 } });
                self.settle();
            }
        }
        fired
    }
}

prop_compose! {
    fn some_input()(
        disorder in 0i64..5,
        idle in prop::option::of(1i64..20),
        emit in prop::option::weighted(0.4, 1i64..10),
        partitions in 0u32..4,
    ) -> TrackerInput { super::tests::input(disorder, idle, emit, partitions) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn as_the_model_says(
        mut inputs in prop::collection::vec(some_input(), 1..4),
        semantics in prop::sample::select(vec![Semantics::Clean, Semantics::KafkaStreams]),
        records in prop::collection::vec(
            (prop::collection::vec((0u32..12, -20i64..60), 1..3), 0i64..9, any::<bool>()),
            0..60,
        ),
    ) {
        inputs.iter_mut().for_each(|input| input.semantics = semantics);
        let mut t = Tracker::new(inputs.clone());
        let mut model = Model::new(&inputs);
        let (mut now, mut last) = (0, MIN);
        for (arrival, (mut lanes, later, save)) in records.into_iter().enumerate() {
            now += later;
            if save {
                t = Tracker::load(inputs.clone(), &t.save()).unwrap();
            }
            let mut fired = Vec::new();
            while let Some(due) = t.next_due(now) {
                let before = t.join();
                prop_assert_eq!(t.fire(due, arrival as u64), t.join() > before);
                fired.push(due);
            }
            prop_assert_eq!(fired, model.walk(now));
            if t.lanes() == 0 {
                continue;
            }
            // A topic may feed several inputs: a lane of each, the join moves once.
            lanes.iter_mut().for_each(|(lane, _)| *lane %= t.lanes());
            lanes.sort_by_key(|(lane, _)| model.lanes[*lane as usize].0);
            lanes.dedup_by_key(|(lane, _)| model.lanes[*lane as usize].0);
            let before = t.join();
            let moved = t.observe_all(lanes.iter().copied(), now, arrival as u64);
            prop_assert_eq!(moved, t.join() > before);
            for (lane, time) in lanes {
                let own = &mut model.lanes[lane as usize];
                *own = (own.0, Some(own.1.map_or(time, |max| max.max(time))), false, now);
            }
            model.settle();
            prop_assert_eq!(t.join(), model.join);
            prop_assert!(t.join() >= last);
            last = t.join();
            for (i, lane) in model.lanes.iter().enumerate() {
                let got = t.lane(i as u32).unwrap();
                let own = (got.input as usize, got.max_seen, got.idle, got.last_active_ms);
                prop_assert_eq!(own, *lane);
            }
            for i in 0..inputs.len() {
                prop_assert_eq!(t.input(i as u8), model.emitted[i]);
            }
            // The lane that is named is one of the least advanced of the input
            // that gives the least.
            if let Some(holder) = t.holder() {
                let lane = t.lane(holder.lane).unwrap();
                prop_assert!(!lane.idle);
                let active = |i: &usize| !t.input_idle(*i as u8);
                let least = (0..inputs.len()).filter(active).map(|i| t.input(i as u8)).min();
                prop_assert_eq!(Some(t.input(lane.input)), least);
                let others = (0..t.lanes()).filter_map(|i| t.lane(i));
                prop_assert!(others
                    .filter(|other| other.input == lane.input && !other.idle)
                    .all(|other| other.watermark >= lane.watermark));
            } else {
                prop_assert!((0..t.lanes()).all(|i| t.lane(i).unwrap().idle));
            }
        }
    }

    /// As if they had been known from the beginning, and as the model says: a tracker
    /// that learns of partitions by restores, one after another.
    #[test]
    fn partitions_that_come_later_are_as_the_model_says(
        inputs in prop::collection::vec(some_input(), 1..3),
        later in prop::collection::vec(0u8..2, 1..4),
        steps in prop::collection::vec((0u32..9, 0u32..12, -20i64..60, 0i64..9), 0..60),
    ) {
        let later: Vec<u8> = later.into_iter().map(|i| i % inputs.len() as u8).collect();
        let mut t = Tracker::new(inputs.clone());
        let mut whole = Tracker::grown(inputs.clone(), &later);
        let mut model = Model::new(&inputs);
        model.lanes.extend(later.iter().map(|input| (usize::from(*input), None, true, MIN)));
        let (first, mut known, mut there) = (t.lanes(), 0, 0);
        let (mut now, mut last) = (0, MIN);
        for (arrival, (what, lane, time, after)) in (0u64..).zip(steps) {
            now += after;
            let mut fired = Vec::new();
            while let Some(due) = t.next_due(now) {
                t.fire(due, arrival);
                prop_assert_eq!(whole.next_due(now), Some(due));
                whole.fire(due, arrival);
                fired.push(due);
            }
            prop_assert_eq!(whole.next_due(now), None);
            prop_assert_eq!(fired, model.walk(now));
            match what {
                0 if known < later.len() => {
                    known += 1;
                    t = Tracker::load_grown(inputs.clone(), &later[..known], &t.save()).unwrap();
                }
                1 if there < known => {
                    let lane = first + there as u32;
                    t.appear([lane], now, arrival);
                    whole.appear([lane], now, arrival);
                    let own = &mut model.lanes[lane as usize];
                    *own = (own.0, None, false, now);
                    there += 1;
                }
                _ if first + there as u32 > 0 => {
                    let lane = lane % (first + there as u32);
                    t.observe(lane, time, now, arrival);
                    whole.observe(lane, time, now, arrival);
                    let own = &mut model.lanes[lane as usize];
                    *own = (own.0, Some(own.1.map_or(time, |max| max.max(time))), false, now);
                }
                _ => {}
            }
            model.settle();
            prop_assert_eq!(t.join(), model.join);
            prop_assert!(t.join() >= last, "it went back");
            last = t.join();
            prop_assert_eq!((whole.join(), whole.holder()), (t.join(), t.holder()));
            for i in 0..t.lanes() {
                let lane = t.lane(i);
                prop_assert_eq!(whole.lane(i), lane);
                let got = lane.unwrap();
                let own = (got.input as usize, got.max_seen, got.idle, got.last_active_ms);
                prop_assert_eq!(own, model.lanes[i as usize]);
            }
        }
    }
}
