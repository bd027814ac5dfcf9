//! Random lists of rows and watermarks: the operators against plain models of
//! the rules, with several subtasks, hot keys, and the engine's own restore
//! into any number of shards. (Against the released classes: tests/parity.)

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::datastream::FlinkDataStream;
use super::key::{KeyForm, KeyGroups, timer_order};
use super::sql::FlinkSql;
use super::*;
use crate::join::{Operator, Watermarks};
use crate::key::{Key, KeyValue};
use crate::state::double::Double;
use crate::state::{Due, Row};

#[derive(Clone, Copy, Debug)]
enum Op {
    Row {
        key: usize,
        side: usize,
        behind: i64,
    },
    /// The watermark follows the largest time by so much.
    Advance(i64),
    /// A checkpoint, and so many shards from it.
    Restore(usize),
}

fn op(keys: usize) -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => (0..keys, 0..2usize, -4..25i64)
            .prop_map(|(key, side, behind)| Op::Row { key, side, behind }),
        4 => (0..20i64).prop_map(Op::Advance),
        1 => (1..4usize).prop_map(Op::Restore),
    ]
}

/// In the order of their timers.
fn keys() -> Vec<Key> {
    let texts = ["a", "b", "ab", "a key that is longer than a slot holds"];
    let mut keys: Vec<Key> = texts.iter().map(|text| Key::new(KeyValue::String(text))).collect();
    keys.extend([Key::new(KeyValue::Null), Key::new(KeyValue::Int(7))]);
    keys.sort_by(|a, b| timer_order(a.canonical(), b.canonical()));
    keys
}

fn settings(
    kind: Kind,
    (lower, upper): (i64, i64),
    min_cleanup: i64,
    parallelism: u16,
) -> Settings {
    Settings {
        left: 0,
        right: 1,
        lower,
        upper,
        kind,
        output_time: OutputTime::Larger,
        min_cleanup,
        parallelism,
        max_parallelism: 128,
        disorder: 10,
    }
}

/// Outputs by row number, left first; and the verdicts that fell.
#[derive(Debug, Default, PartialEq)]
struct Given {
    outputs: Vec<(Option<u64>, Option<u64>)>,
    decided: BTreeMap<u64, Verdict>,
    removed: BTreeSet<u64>,
}

impl Given {
    fn take(&mut self, effects: Vec<Effect>) {
        let mut effects: Vec<(Option<Due>, Effect)> =
            effects.into_iter().map(|effect| (effect.order(), effect)).collect();
        effects.sort_by_key(|(order, _)| *order);
        for (_, effect) in effects {
            match effect {
                Effect::Pair { primary, secondary, .. } => {
                    self.outputs.push((Some(primary.row), Some(secondary.row)));
                }
                Effect::Pad { row, .. } if row.input == 0 => {
                    self.outputs.push((Some(row.row), None));
                }
                Effect::Pad { row, .. } => self.outputs.push((None, Some(row.row))),
                Effect::Decided { row, verdict, .. } => {
                    assert_eq!(self.decided.insert(row, verdict), None, "{row} decided twice");
                }
                Effect::Removed { row } => assert!(self.removed.insert(row), "{row} left twice"),
                Effect::Example { .. } => panic!("Flink folds nothing"),
            }
        }
    }
}

/// A cached row: (row, time, matched).
type Cached = (u64, i64, bool);

/// Rules B, as they stand.
struct Model {
    settings: Settings,
    groups: KeyGroups,
    keys: Vec<Key>,
    watermark: i64,
    /// By (key, side): time, then arrival.
    caches: BTreeMap<(usize, usize), Vec<Cached>>,
    pending: BTreeMap<(usize, usize), i64>,
    /// (subtask, side).
    expiration: BTreeMap<(u16, usize), i64>,
    given: Given,
}

impl Model {
    fn size(&self, side: usize) -> i64 {
        if side == 0 { self.settings.upper } else { -self.settings.lower }
    }

    fn pads(&self, side: usize) -> bool {
        let kind = self.settings.kind;
        if side == 0 { kind.pads_primary() } else { kind.pads_secondary() }
    }

    fn cutoff(&self, side: usize) -> i64 {
        if self.watermark == i64::MAX {
            return i64::MAX;
        }
        self.watermark.max(0) - self.size(side) - 1
    }

    fn output(&mut self, side: usize, own: u64, other: Option<u64>) {
        let pair = if side == 0 { (Some(own), other) } else { (other, Some(own)) };
        self.given.outputs.push(pair);
    }

    fn unmatched(&mut self, key: usize, side: usize, row: u64) {
        let pads = self.pads(side);
        if pads {
            self.output(side, row, None);
        }
        let unkeyed = self.keys[key].is_null() && !pads;
        let verdict = if unkeyed { Verdict::Unkeyed } else { Verdict::Unmatched };
        self.given.decided.insert(row, verdict);
    }

    fn row(&mut self, key: usize, side: usize, time: i64, row: u64) {
        let (other, subtask) = (1 - side, self.groups.subtask(&self.keys[key]));
        let (lo, hi) = (time - self.size(other), time + self.size(side));
        let mut matched = false;
        if self.expiration.get(&(subtask, other)).copied().unwrap_or(0) < hi {
            let cutoff = self.cutoff(other);
            self.expiration.insert((subtask, other), cutoff);
            let mut cache = self.caches.remove(&(key, other)).unwrap_or_default();
            for (at, was, joined) in &mut cache {
                if lo <= *was && *was <= hi && !self.keys[key].is_null() {
                    self.output(side, row, Some(*at));
                    (*joined, matched) = (true, true);
                    self.given.decided.insert(*at, Verdict::Joined);
                    self.given.decided.insert(row, Verdict::Joined);
                }
                if *was <= cutoff {
                    if !*joined {
                        self.unmatched(key, other, *at);
                    }
                    self.given.removed.insert(*at);
                }
            }
            cache.retain(|(_, was, _)| *was > cutoff);
            self.caches.insert((key, other), cache);
        }
        if self.watermark.max(0) < hi {
            let cache = self.caches.entry((key, side)).or_default();
            cache.push((row, time, matched));
            cache.sort_by_key(|&(row, time, _)| (time as u64, row));
            let timer = hi + self.settings.min_cleanup + 1;
            self.pending.entry((key, side)).or_insert(timer);
        } else {
            if !matched {
                self.unmatched(key, side, row);
            }
            self.given.removed.insert(row);
        }
    }

    fn advance(&mut self, to: i64) {
        self.watermark = to;
        let timers = |model: &Self| {
            let due = model.pending.iter().filter(|&(_, &time)| time <= to);
            // Pads of one timer's time come by subtask, which have no order.
            let by = |key: usize| (model.groups.subtask(&model.keys[key]), key);
            due.map(|(&(key, _), &time)| (time, by(key))).min()
        };
        while let Some((time, (subtask, key))) = timers(self) {
            for side in [1, 0] {
                if self.pending.get(&(key, side)) != Some(&time) {
                    continue;
                }
                let cutoff = self.cutoff(side);
                self.expiration.insert((subtask, side), cutoff);
                let cache = self.caches.remove(&(key, side)).unwrap_or_default();
                let (gone, rest): (Vec<_>, Vec<_>) =
                    cache.into_iter().partition(|(_, was, _)| *was <= cutoff);
                for (row, _, matched) in gone {
                    if !matched {
                        self.unmatched(key, side, row);
                    }
                    self.given.removed.insert(row);
                }
                let mut earliest = -1;
                for &(_, was, _) in &rest {
                    if was < earliest || earliest < 0 {
                        earliest = was;
                    }
                }
                if earliest > 0 {
                    let size = self.size(side) + self.settings.min_cleanup;
                    self.pending.insert((key, side), earliest + size + 1);
                    self.caches.insert((key, side), rest);
                } else {
                    self.pending.remove(&(key, side));
                    for (row, _, matched) in rest {
                        if !matched {
                            self.given.decided.insert(row, Verdict::Unmatched);
                        }
                        self.given.removed.insert(row);
                    }
                }
            }
        }
    }

    fn timers(&self) -> usize {
        let set: BTreeSet<(usize, i64)> =
            self.pending.iter().map(|(&(key, _), &time)| (key, time)).collect();
        set.len()
    }
}

fn row(keys: &[Key], key: usize, side: usize, time: i64, number: u64) -> Row {
    Row {
        key: keys[key].clone(),
        input: side as u8,
        time,
        arrival: number,
        row: number,
        partition: 0,
        offset: number as i64,
        labels: 0,
        matched: false,
        corrections: 0,
        folded: Vec::new(),
    }
}

/// What the operators of all shards keep.
fn checkpoint(shards: &mut [impl Operator], held: &mut BTreeMap<Due, Row>) -> Vec<u8> {
    let mut saved = Vec::new();
    for shard in shards {
        let delta = shard.take_changes().into_delta();
        for due in delta.removed() {
            assert!(held.remove(&due).is_some(), "{due:?} was not held");
        }
        held.extend(delta.rows());
        saved.extend(shard.save());
    }
    saved
}

fn sql_case(settings: Settings, keys: &[Key], base: i64, ops: &[Op]) {
    let groups = KeyGroups {
        parallelism: settings.parallelism,
        max_parallelism: settings.max_parallelism,
        form: KeyForm::Sql,
    };
    let mut model = Model {
        settings,
        groups,
        keys: keys.to_vec(),
        watermark: i64::MIN,
        caches: BTreeMap::new(),
        pending: BTreeMap::new(),
        expiration: BTreeMap::new(),
        given: Given::default(),
    };
    let mut shards = vec![FlinkSql::new(settings)];
    let (mut held, mut given) = (BTreeMap::new(), Given::default());
    let (mut largest, mut number) = (base, 0);
    for &op in ops.iter().chain([&Op::Advance(i64::MIN)]) {
        let mut effects = Vec::new();
        match op {
            Op::Row { key, side, behind } => {
                let time = largest - behind;
                largest = largest.max(time);
                let watermarks = Watermarks { join: model.watermark, inputs: &[] };
                let at = usize::from(groups.subtask(&keys[key])) % shards.len();
                let row = row(keys, key, side, time, number);
                shards[at].row(row, None, watermarks, &mut effects).unwrap();
                model.row(key, side, time, number);
                number += 1;
            }
            Op::Advance(behind) => {
                let to = largest.saturating_sub(behind);
                if to > model.watermark {
                    model.advance(to);
                    let watermarks = Watermarks { join: to, inputs: &[] };
                    for shard in &mut shards {
                        shard.advance(number, watermarks, &mut effects).unwrap();
                    }
                }
            }
            Op::Restore(count) => {
                let saved = checkpoint(&mut shards, &mut held);
                let past = |due: &Due| due.due < model.watermark;
                assert!(!held.keys().any(past), "a checkpoint drops it");
                shards = (0..count).map(|_| FlinkSql::new(settings)).collect();
                for (number, shard) in shards.iter_mut().enumerate() {
                    shard.load(&saved).unwrap();
                    let own = |row: &&Row| usize::from(groups.subtask(&row.key)) % count == number;
                    shard.restore(held.values().filter(own).cloned().collect()).unwrap();
                }
            }
        }
        if number % 3 > 0 {
            shards.iter_mut().for_each(|shard| shard.copy_ahead(number as usize % 2));
        }
        given.take(effects);
        assert_eq!(given, model.given, "after {op:?}");
        let timers: usize = shards.iter().map(FlinkSql::timers).sum();
        assert_eq!(timers, model.timers(), "after {op:?}");
    }
    let rest: u64 = shards.iter().map(|shard| shard.size().0).sum();
    assert_eq!((rest, given.decided.len() as u64), (0, number), "the end takes all");
}

/// Rules C, as they stand: a row is gone once an advance reaches its timer.
fn datastream_case(settings: Settings, keys: &[Key], base: i64, ops: &[Op]) {
    let cold = Double::default();
    let new = || FlinkDataStream::new(settings, 3_000, Some(Box::new(cold.clone())));
    let (mut join, mut held) = (new(), BTreeMap::new());
    let mut model: Vec<(usize, usize, Cached)> = Vec::new();
    let (mut given, mut expected) = (Given::default(), Given::default());
    let (mut largest, mut watermark, mut number) = (base, i64::MIN, 0);
    for &op in ops {
        let mut effects = Vec::new();
        match op {
            Op::Row { key, side, behind } => {
                let time = largest - behind;
                largest = largest.max(time);
                let watermarks = Watermarks { join: watermark, inputs: &[] };
                join.row(row(keys, key, side, time, number), None, watermarks, &mut effects)
                    .unwrap();
                // Rule C1 before rule C3.
                let verdict = if keys[key].is_null() {
                    Some(Verdict::Unkeyed)
                } else {
                    (time < watermark).then_some(Verdict::Late)
                };
                if let Some(verdict) = verdict {
                    expected.decided.insert(number, verdict);
                    expected.removed.insert(number);
                } else {
                    let mut own = (number, time, false);
                    let mut found: Vec<&mut Cached> = model
                        .iter_mut()
                        .filter(|(k, s, _)| *k == key && *s != side)
                        .map(|(_, _, cached)| cached)
                        .filter(|(_, other, _)| {
                            let (l, r) = if side == 0 { (time, *other) } else { (*other, time) };
                            l + settings.lower <= r && r <= l + settings.upper
                        })
                        .collect();
                    found.sort_by_key(|(row, time, _)| (*time as u64, *row));
                    for (other, _, joined) in found {
                        let pair = (Some(number), Some(*other));
                        let pair = if side == 0 { pair } else { (pair.1, pair.0) };
                        expected.outputs.push(pair);
                        (*joined, own.2) = (true, true);
                        expected.decided.insert(*other, Verdict::Joined);
                        expected.decided.insert(number, Verdict::Joined);
                    }
                    model.push((key, side, own));
                }
                number += 1;
            }
            Op::Advance(behind) => {
                let to = largest.saturating_sub(behind);
                if to > watermark {
                    watermark = to;
                    let watermarks = Watermarks { join: to, inputs: &[] };
                    join.advance(number, watermarks, &mut effects).unwrap();
                    let timer = FlinkDataStream::timers(&settings);
                    model.retain(|&(_, side, (row, time, matched))| {
                        let stays = time + timer[side] > to;
                        if !stays {
                            expected.removed.insert(row);
                            if !matched {
                                expected.decided.insert(row, Verdict::Unmatched);
                            }
                        }
                        stays
                    });
                }
            }
            Op::Restore(_) => {
                checkpoint(std::slice::from_mut(&mut join), &mut held);
                assert!(!held.keys().any(|due| due.due < watermark), "a checkpoint drops it");
                let below = cold.rows.lock().unwrap().keys().any(|due| due.due < watermark);
                assert!(!below, "a restore leaves it out");
                join = new();
                join.passed(watermark);
                join.restore(held.values().cloned().collect()).unwrap();
            }
        }
        if number % 3 > 0 {
            join.copy_ahead(number as usize % 2);
        }
        given.take(effects);
        assert_eq!(given, expected, "after {op:?}");
        assert_eq!(join.size().0, model.len() as u64);
    }
}

/// A row whose timer is at the watermark waits in memory for the next one: whoever
/// goes back to a checkpoint takes what rests below to be due from the watermark on.
#[test]
fn what_the_watermark_has_reached_stays_in_memory() {
    let cold = Double::default();
    let new = || {
        let settings = settings(Kind::Inner, (0, 10), 0, 1);
        FlinkDataStream::new(settings, 1, Some(Box::new(cold.clone())))
    };
    let at = |join: i64| Watermarks { join, inputs: &[] };
    let keys = [Key::new(KeyValue::Int(7))];
    let (mut join, mut effects) = (new(), Vec::new());
    // Nothing leaves at it.
    join.advance(0, at(100), &mut effects).unwrap();
    for (side, number) in [(1, 0), (0, 1)] {
        join.row(row(&keys, 0, side, 100, number), None, at(100), &mut effects).unwrap();
    }
    assert_eq!((join.size().0, join.cold_rows()), (2, 1));
    let mut held = BTreeMap::new();
    checkpoint(std::slice::from_mut(&mut join), &mut held);
    let mut again = new();
    again.passed(100);
    again.restore(held.into_values().collect()).unwrap();
    assert_eq!((again.size().0, again.cold_rows()), (2, 1));
    again.advance(2, at(101), &mut effects).unwrap();
    assert_eq!((again.size().0, again.cold_rows()), (1, 1));
    assert!(effects.contains(&Effect::Removed { row: 0 }));
}

/// A watermark moves, then a row comes, with the same arrival: the subtask of key 5 is
/// assigned by both, and the shards that do not have it keep what was before.
#[test]
fn a_subtask_is_taken_from_the_shard_that_has_it() {
    let row = |key, side, behind| Op::Row { key, side, behind };
    let ops = [
        row(2, 1, 5),
        row(5, 0, 0),
        row(0, 0, -10),
        Op::Advance(3),
        Op::Restore(3),
        row(2, 1, 0),
        Op::Restore(1),
        row(5, 1, 14),
    ];
    sql_case(settings(Kind::Inner, (-6, 4), 3, 2), &keys(), 0, &ops);
}

/// The keys of a case; if it is a hot one, one key for all rows.
fn hotter(hot: bool, mut ops: Vec<Op>) -> (Vec<Key>, Vec<Op>) {
    if !hot {
        return (keys(), ops);
    }
    for op in &mut ops {
        if let Op::Row { key, .. } = op {
            *key = 0;
        }
    }
    (keys()[1..2].to_vec(), ops)
}

proptest! {
    #![proptest_config(Config { cases: 300, ..Config::default() })]

    #[test]
    fn flink_sql_does_what_its_rules_say(
        kind in prop::sample::select(vec![Kind::Inner, Kind::Left, Kind::Right, Kind::Full]),
        (a, b) in (-12..12i64, -12..12i64),
        min_cleanup in prop::sample::select(vec![0, 0, 3, 40]),
        parallelism in 1..5u16,
        base in prop::sample::select(vec![0, 5, 1000, -10]),
        hot in any::<bool>(),
        ops in prop::collection::vec(op(6), 1..250),
    ) {
        let (keys, ops) = hotter(hot, ops);
        sql_case(settings(kind, (a.min(b), a.max(b)), min_cleanup, parallelism), &keys, base, &ops);
    }

    #[test]
    fn flink_datastream_does_what_its_rules_say(
        (a, b) in (-12..12i64, -12..12i64),
        base in prop::sample::select(vec![0, 1000, -10]),
        hot in any::<bool>(),
        ops in prop::collection::vec(op(6), 1..250),
    ) {
        let (keys, ops) = hotter(hot, ops);
        datastream_case(settings(Kind::Inner, (a.min(b), a.max(b)), 0, 1), &keys, base, &ops);
    }
}
