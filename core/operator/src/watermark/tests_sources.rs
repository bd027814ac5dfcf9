//! The tracker under Flink's rules: what source subtasks do, case by case, and
//! at random against a model that goes the way of Flink's classes, channel by
//! channel.

use proptest::prelude::*;

use super::*;
use crate::pipeline::{Semantics, WatermarkSpec};

const MIN: i64 = i64::MIN;

/// An input whose partitions are read by these subtasks.
fn input(idle: Option<i64>, parallelism: u32, owners: &[u32]) -> TrackerInput {
    TrackerInput {
        spec: WatermarkSpec { idle_timeout: idle, ..WatermarkSpec::default() },
        partitions: owners.len() as u32,
        semantics: Semantics::FlinkDataStream,
        sources: Sources { parallelism, owners: owners.to_vec() },
    }
}

/// Takes a record as the engine does.
fn record(t: &mut Tracker, lane: u32, time: i64, now: i64) {
    while let Some(due) = t.next_due(now) {
        t.fire(due, now as u64);
    }
    t.observe(lane, time, now, now as u64);
}

#[test]
fn a_subtask_without_a_partition_holds_the_join_back_for_ever() {
    let mut t = Tracker::new(vec![input(None, 4, &[1]), input(None, 4, &[3, 0, 1, 2])]);
    for now in 0..50 {
        for lane in 0..5 {
            record(&mut t, lane, 1_000 + now, now);
        }
    }
    assert_eq!((t.input(0), t.input(1), t.join()), (MIN, 1_048, MIN));
    let holder = t.holder().unwrap();
    assert_eq!((holder.why, holder.lane, t.lanes()), (Why::NoPartition, 5, 5));
    let held = WithoutPartition { input: 0, subtask: 0, more: 2 };
    assert_eq!(t.without_partition(holder.lane), Some(held));
    assert_eq!((t.lane(5), t.without_partition(4)), (None, None));
    let loaded = vec![input(None, 4, &[1]), input(None, 4, &[3, 0, 1, 2])];
    assert_eq!(Tracker::load(loaded, &t.save()).unwrap().holder(), Some(holder));
    // The end of every source is that of this one too.
    assert!(t.close());
    assert_eq!(t.join(), i64::MAX);
}

#[test]
fn an_idle_timeout_frees_the_join_of_a_subtask_without_a_partition() {
    let mut t = Tracker::new(vec![input(Some(100), 2, &[1])]);
    record(&mut t, 0, 1_000, 0);
    record(&mut t, 0, 1_050, 99);
    assert_eq!(t.join(), MIN);
    assert_eq!(t.next_due(99), None);
    let due = t.next_due(100).unwrap();
    assert_eq!(due, Due { at_ms: 100, kind: DueKind::Idle { lane: 1 } });
    assert!(t.fire(due, 2));
    assert_eq!((t.join(), t.next_due(150)), (1_049, None));
    assert_eq!(t.holder().unwrap().lane, 0);
}

/// `StatusWatermarkValve`: a channel that is not aligned does not count.
#[test]
fn a_subtask_that_came_back_behind_does_not_hold_the_others() {
    let run = |semantics, owners: &[u32]| {
        let input = TrackerInput { semantics, ..input(Some(100), 2, owners) };
        let mut t = Tracker::new(vec![input]);
        record(&mut t, 0, 1_000, 0);
        record(&mut t, 1, 1_000, 0);
        record(&mut t, 0, 2_000, 90);
        let mut joins = Vec::new();
        let then = [(0, 2_001, 100), (1, 1_500, 110), (0, 3_000, 120), (1, 3_500, 130)];
        for (lane, time, now) in then.into_iter().chain([(0, 4_000, 140)]) {
            record(&mut t, lane, time, now);
            joins.push(t.join());
        }
        joins
    };
    let two = [0, 1];
    assert_eq!(run(Semantics::FlinkDataStream, &two), [2_000, 2_000, 2_999, 2_999, 3_499]);
    // Both partitions in one subtask, or our own rules: it is waited for.
    let waits = [2_000, 2_000, 2_000, 2_999, 3_499];
    assert_eq!(run(Semantics::Clean, &two), waits);
    let one = TrackerInput { sources: Sources::default(), ..input(Some(100), 1, &two) };
    let mut t = Tracker::new(vec![one]);
    for (lane, time, now) in [(0, 1_000, 0), (1, 1_000, 0), (0, 2_000, 90), (0, 2_001, 100)] {
        record(&mut t, lane, time, now);
    }
    for ((lane, time, now), join) in
        [(1, 1_500, 110), (0, 3_000, 120), (1, 3_500, 130), (0, 4_000, 140)]
            .into_iter()
            .zip(&waits[1..])
    {
        record(&mut t, lane, time, now);
        assert_eq!(t.join(), *join);
    }
}

/// `WatermarkToDataOutput#emitWatermark`: active again only when it rises.
#[test]
fn a_record_behind_what_was_given_out_wakes_no_subtask() {
    let run = |semantics| {
        let with = |idle| TrackerInput { semantics, ..input(idle, 1, &[0]) };
        let mut t = Tracker::new(vec![with(Some(100)), with(None)]);
        record(&mut t, 0, 1_000, 0);
        record(&mut t, 1, 1_000, 0);
        record(&mut t, 1, 2_000, 100);
        assert_eq!((t.input_idle(0), t.join()), (true, 1_999));
        record(&mut t, 0, 500, 110);
        assert!(!t.lane(0).unwrap().idle);
        let slept = t.input_idle(0);
        record(&mut t, 1, 3_000, 120);
        let join = t.join();
        record(&mut t, 0, 2_500, 130);
        assert!(!t.input_idle(0));
        record(&mut t, 1, 4_000, 140);
        (slept, join, t.join())
    };
    assert_eq!(run(Semantics::FlinkDataStream), (true, 2_999, 2_999));
    assert_eq!(run(Semantics::Clean), (false, 1_999, 2_499));
}

/// `StatusWatermarkValve`'s channel.
#[derive(Clone)]
struct Channel {
    watermark: i64,
    idle: bool,
    aligned: bool,
}

struct Valve {
    channels: Vec<Channel>,
    last: i64,
    idle: bool,
}

impl Valve {
    fn new(n: usize) -> Self {
        let channel = Channel { watermark: MIN, idle: false, aligned: true };
        Self { channels: vec![channel; n], last: MIN, idle: false }
    }

    fn least(&mut self) {
        let aligned = self.channels.iter().filter(|c| c.aligned);
        if let Some(min) = aligned.map(|c| c.watermark).min() {
            self.last = self.last.max(min);
        }
    }

    fn watermark(&mut self, channel: usize, to: i64) {
        let c = &mut self.channels[channel];
        if self.idle || c.idle || to <= c.watermark {
            return;
        }
        c.watermark = to;
        c.aligned |= to >= self.last;
        self.least();
    }

    fn status(&mut self, channel: usize, idle: bool) {
        let c = &mut self.channels[channel];
        if idle == c.idle {
            return;
        }
        c.idle = idle;
        let watermark = c.watermark;
        if !idle {
            c.aligned = watermark >= self.last;
            self.idle = false;
            return;
        }
        c.aligned = false;
        let all = self.channels.iter().all(|c| c.idle);
        if watermark == self.last {
            if all {
                let max = self.channels.iter().map(|c| c.watermark).max();
                self.last = self.last.max(max.unwrap_or(MIN));
            } else {
                self.least();
            }
        }
        self.idle = all;
    }
}

/// `SourceOperator`.
#[derive(Clone)]
struct Source {
    lanes: Vec<usize>,
    /// `CombinedWatermarkStatus`.
    combined: i64,
    /// `WatermarkToDataOutput`.
    given: i64,
    idle: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Split {
    max: Option<i64>,
    idle: bool,
    last: i64,
}

struct Model {
    inputs: Vec<TrackerInput>,
    splits: Vec<Split>,
    /// By input.
    sources: Vec<Vec<Source>>,
    valves: Vec<Valve>,
    start: Option<i64>,
    clock: i64,
    join: i64,
}

impl Model {
    fn new(inputs: &[TrackerInput]) -> Self {
        let mut lane = 0;
        let mut sources = Vec::new();
        for input in inputs {
            let none = Source { lanes: Vec::new(), combined: MIN, given: MIN, idle: false };
            let mut own = vec![none; input.sources.parallelism as usize];
            for owner in &input.sources.owners {
                own[*owner as usize].lanes.push(lane);
                lane += 1;
            }
            sources.push(own);
        }
        Self {
            valves: sources.iter().map(|own| Valve::new(own.len())).collect(),
            splits: vec![Split { max: None, idle: false, last: 0 }; lane],
            sources,
            inputs: inputs.to_vec(),
            start: None,
            clock: 0,
            join: MIN,
        }
    }

    /// What `CombinedWatermarkStatus#updateCombinedWatermark` would make of the splits
    /// now; whether all are idle.
    fn allowed(&self, i: usize, s: usize) -> (i64, bool) {
        let spec = self.inputs[i].spec;
        let less = i64::from(self.inputs[i].semantics != Semantics::FlinkSql);
        let mark =
            |split: &Split| split.max.map_or(MIN, |max| max - spec.max_out_of_orderness - less);
        let lanes = self.sources[i][s].lanes.iter();
        let own: Vec<Split> = lanes.map(|lane| self.splits[*lane]).collect();
        let all_idle = own.iter().all(|split| split.idle);
        let to = if all_idle {
            own.iter().map(mark).max()
        } else {
            own.iter().filter(|split| !split.idle).map(mark).min()
        };
        (self.sources[i][s].combined.max(to.unwrap_or(MIN)), all_idle)
    }

    /// It is asked where something is given out: at a tick, if emission is periodic.
    fn combine(&mut self, i: usize, s: usize) {
        self.sources[i][s].combined = self.allowed(i, s).0;
    }

    /// `WatermarkToDataOutput#emitWatermark`.
    fn emit(&mut self, i: usize, s: usize) {
        let source = &mut self.sources[i][s];
        if source.combined <= source.given {
            return;
        }
        source.given = source.combined;
        if std::mem::replace(&mut source.idle, false) {
            self.valves[i].status(s, false);
        }
        self.valves[i].watermark(s, self.sources[i][s].given);
    }

    fn mark_idle(&mut self, i: usize, s: usize) {
        self.emit(i, s);
        self.sources[i][s].idle = true;
        self.valves[i].status(s, true);
    }

    /// Rule A2.
    fn settle(&mut self) {
        let active = self.valves.iter().filter(|valve| !valve.idle).map(|valve| valve.last).min();
        let all = self.valves.iter().map(|valve| valve.last).max();
        self.join = self.join.max(active.or(all).unwrap_or(MIN));
    }

    fn source_of(&self, lane: usize) -> (usize, usize) {
        let found = self.sources.iter().enumerate().find_map(|(i, own)| {
            Some((i, own.iter().position(|source| source.lanes.contains(&lane))?))
        });
        found.unwrap()
    }

    fn row(&mut self, lane: usize, time: i64, now: i64) {
        let (i, s) = self.source_of(lane);
        let TrackerInput { spec, semantics, .. } = self.inputs[i];
        let sql = semantics == Semantics::FlinkSql;
        let before = self.allowed(i, s).0;
        let split = &mut self.splits[lane];
        let rises = split.max.is_none_or(|max| time > max);
        if split.idle && !rises && sql && spec.emit_interval.is_none() {
            // `DefaultWatermarkGenerator#onEvent` gives nothing out.
            return;
        }
        let max = split.max.map_or(time, |max| max.max(time));
        *split = Split { max: Some(max), idle: false, last: now };
        let after = self.allowed(i, s).0;
        let at_once = match spec.emit_interval {
            None => true,
            // B16.
            Some(interval) => {
                sql && after > before && after > self.sources[i][s].given.max(0) + interval
            }
        };
        if at_once {
            self.combine(i, s);
            self.emit(i, s);
        }
    }

    /// Walks the clock millisecond by millisecond.
    fn walk(&mut self, now: i64) -> Vec<Due> {
        if self.start.is_none() {
            self.start = Some(now);
            self.clock = now;
            self.splits.iter_mut().for_each(|split| split.last = now);
            return Vec::new();
        }
        let mut fired = Vec::new();
        while self.clock < now {
            self.clock += 1;
            self.due_at(self.clock, &mut fired);
        }
        fired
    }

    fn due_at(&mut self, now: i64, fired: &mut Vec<Due>) {
        let start = self.start.unwrap();
        for lane in 0..self.splits.len() {
            let (i, s) = self.source_of(lane);
            let Some(timeout) = self.inputs[i].spec.idle_timeout else { continue };
            if self.splits[lane].idle || now - self.splits[lane].last < timeout {
                continue;
            }
            self.splits[lane].idle = true;
            if self.allowed(i, s).1 {
                self.combine(i, s);
                self.mark_idle(i, s);
            } else if self.inputs[i].spec.emit_interval.is_none() {
                self.combine(i, s);
                self.emit(i, s);
            }
            self.settle();
            fired.push(Due { at_ms: now, kind: DueKind::Idle { lane: lane as u32 } });
        }
        let mut lane = self.splits.len() as u32;
        for i in 0..self.inputs.len() {
            let own = 0..self.sources[i].len();
            let empty: Vec<usize> = own.filter(|s| self.sources[i][*s].lanes.is_empty()).collect();
            if empty.is_empty() {
                continue;
            }
            if self.inputs[i].spec.idle_timeout.is_some_and(|timeout| now - start == timeout) {
                empty.into_iter().for_each(|s| self.mark_idle(i, s));
                self.settle();
                fired.push(Due { at_ms: now, kind: DueKind::Idle { lane } });
            }
            lane += 1;
        }
        for i in 0..self.inputs.len() {
            let own = 0..self.sources[i].len();
            let waits = own.clone().any(|s| self.allowed(i, s).0 > self.sources[i][s].given);
            if let Some(interval) = self.inputs[i].spec.emit_interval
                && (now - start) % interval == 0
                && waits
            {
                for s in own {
                    self.combine(i, s);
                    self.emit(i, s);
                }
                self.settle();
                fired.push(Due { at_ms: now, kind: DueKind::Periodic { input: i as u8 } });
            }
        }
    }
}

prop_compose! {
    fn some_input()(
        disorder in 0i64..5,
        idle_timeout in prop::option::weighted(0.8, 1i64..20),
        emit_interval in prop::option::weighted(0.3, 1i64..10),
        parallelism in 1u32..5,
        owners in prop::collection::vec(0u32..4, 1..5),
    ) -> TrackerInput {
        let owners: Vec<u32> = owners.into_iter().map(|owner| owner % parallelism).collect();
        let mut input = input(idle_timeout, parallelism, &owners);
        input.spec.max_out_of_orderness = disorder;
        input.spec.emit_interval = emit_interval;
        input
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn as_flinks_classes_do(
        mut inputs in prop::collection::vec(some_input(), 1..4),
        semantics in prop::sample::select(vec![Semantics::FlinkSql, Semantics::FlinkDataStream]),
        records in prop::collection::vec((0u32..12, -20i64..60, 0i64..9, any::<bool>()), 0..80),
    ) {
        inputs.iter_mut().for_each(|input| input.semantics = semantics);
        let mut t = Tracker::new(inputs.clone());
        let mut model = Model::new(&inputs);
        let mut now = 0;
        for (arrival, (lane, time, later, save)) in records.into_iter().enumerate() {
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
            let lane = lane % t.lanes();
            let before = t.join();
            let moved = t.observe(lane, time, now, arrival as u64);
            prop_assert_eq!(moved, t.join() > before);
            model.row(lane as usize, time, now);
            model.settle();
            prop_assert_eq!(t.join(), model.join);
            for (i, valve) in model.valves.iter().enumerate() {
                prop_assert_eq!((t.input(i as u8), t.input_idle(i as u8)), (valve.last, valve.idle));
            }
            for (i, split) in model.splits.iter().enumerate() {
                let got = t.lane(i as u32).unwrap();
                let got = Split { max: got.max_seen, idle: got.idle, last: got.last_active_ms };
                prop_assert_eq!(got, *split);
            }
            match t.holder() {
                None => prop_assert!(model.valves.iter().all(|valve| valve.idle)),
                Some(holder) => {
                    let without = t.without_partition(holder.lane);
                    prop_assert_eq!(without.is_some(), holder.why == Why::NoPartition);
                    let input = t
                        .lane(holder.lane)
                        .map(|lane| lane.input)
                        .or(without.map(|without| without.input))
                        .unwrap();
                    let active = model.valves.iter().filter(|valve| !valve.idle);
                    let least = active.map(|valve| valve.last).min();
                    prop_assert_eq!(Some(t.input(input)), least);
                    prop_assert!(!t.input_idle(input));
                }
            }
        }
    }
}
