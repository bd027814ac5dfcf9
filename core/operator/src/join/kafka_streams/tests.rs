//! What single traces are too small to show: the short walk against the one to
//! the letter, restores, tasks beside one another, verdicts.

use std::collections::BTreeMap;

use super::task::Task;
use super::*;
use crate::join::{Operator, Reason, Reason as R, Watermarks};
use crate::key::{Key, KeyValue};
use crate::pipeline::{Join, Kind, LatePolicy, OutputTime, Released, Secondary, Semantics};
use crate::state::Due;
use crate::verdict::{Verdict, Verdict as V};

const LEFT: u8 = 0;
const RIGHT: u8 = 1;
const WATERMARKS: Watermarks<'static> = Watermarks { join: i64::MIN, inputs: &[] };

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % n
    }

    fn between(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below((hi - lo + 1) as u64) as i64
    }

    fn settings(&mut self) -> Settings {
        let (mut before, mut after) = (self.between(-2, 8), self.between(-2, 8));
        if before + after < 0 {
            (before, after) = (-after, -before);
        }
        Settings {
            kind: [StreamKind::Inner, StreamKind::Left, StreamKind::Outer, StreamKind::Outer]
                [self.below(4) as usize],
            before,
            after,
            grace: self.between(0, 6),
            emit_interval: [0, 0, 7][self.below(3) as usize],
            store: [WindowStore::RocksDb, WindowStore::Memory][self.below(2) as usize],
            max_task_idle: [None, Some(-1), Some(0), Some(9)][self.below(4) as usize],
            on_invalid: InvalidTime::Skip,
            exchanged: false,
        }
    }

    /// Rows of a few keys out of order, by (wall clock, row).
    fn rows(&mut self, n: u64, partitions: u64) -> Vec<(i64, Row)> {
        let (mut now, mut wall) = (self.between(0, 30), 0);
        (0..n)
            .map(|arrival| {
                now += [0, 0, 1, 2, 9][self.below(5) as usize];
                wall += self.between(0, 5);
                let key = [KeyValue::String("a"), KeyValue::String("b"), KeyValue::Int(3)]
                    [self.below(3) as usize];
                let null = self.below(20) == 0;
                let mut row = row(
                    self.below(2) as u8,
                    if null { KeyValue::Null } else { key },
                    (now + self.between(-12, 3)).max(if self.below(20) == 0 { -9 } else { 0 }),
                    arrival,
                );
                row.partition = self.below(partitions) as i32;
                if self.below(25) == 0 {
                    row.corrections = marks::NO_VALUE;
                }
                (wall, row)
            })
            .collect()
    }
}

fn row(input: u8, key: KeyValue<'_>, time: i64, arrival: u64) -> Row {
    Row {
        key: Key::new(key),
        input,
        time,
        arrival,
        row: arrival,
        partition: 0,
        offset: arrival as i64,
        labels: 0,
        matched: false,
        corrections: 0,
        folded: Vec::new(),
    }
}

fn join(settings: Settings) -> KafkaStreams {
    KafkaStreams::new(settings, Sides { left: LEFT, right: RIGHT }).unwrap()
}

fn feed(join: &mut KafkaStreams, wall: i64, row: Row, out: &mut Vec<Effect>) {
    join.clock(wall, row.arrival, out).unwrap();
    join.row(row, None, WATERMARKS, out).unwrap();
}

/// A left join of 5 ms after, with grace.
fn left(grace: i64) -> Settings {
    Settings {
        kind: StreamKind::Left,
        before: 0,
        after: 5,
        grace,
        emit_interval: 0,
        store: WindowStore::RocksDb,
        max_task_idle: None,
        on_invalid: InvalidTime::Skip,
        exchanged: false,
    }
}

#[test]
fn the_short_walk_is_the_walk_step_by_step() {
    let mut random = Random(3);
    let mut pads = 0;
    for _ in 0..4000 {
        let settings = random.settings();
        let rows = random.rows(60, 1);
        let (mut short, mut long) = (join(settings), join(settings));
        long.tasks.push(Some(Box::new(Task { far: true, ..Task::new(0, &long.shared) })));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for (wall, row) in rows {
            feed(&mut short, wall, row.clone(), &mut a);
            feed(&mut long, wall, row, &mut b);
            assert_eq!(a, b);
            let min = |join: &KafkaStreams| join.tasks[0].as_ref().map(|task| task.tracker.min);
            assert_eq!(min(&short), min(&long), "{settings:?}");
        }
        pads += a.iter().filter(|effect| matches!(effect, Effect::Pad { .. })).count();
    }
    assert!(pads > 20_000, "{pads}");
}

#[test]
fn the_engines_restore_brings_everything_back() {
    let mut random = Random(5);
    for _ in 0..800 {
        let settings = random.settings();
        let (mut plain, mut restored) = (join(settings), join(settings));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let mut held: BTreeMap<Due, Row> = BTreeMap::new();
        for (wall, row) in random.rows(60, 3) {
            let at = row.arrival;
            feed(&mut plain, wall, row.clone(), &mut a);
            feed(&mut restored, wall, row, &mut b);
            if random.below(9) == 0 {
                let (input, partition) = (random.below(2) as u8, random.below(3) as i32);
                let end = LogEnd { input, partition, reached: random.below(3) > 0, now_ms: wall };
                plain.log_end(end, at, &mut a).unwrap();
                restored.log_end(end, at, &mut b).unwrap();
            }
            assert_eq!(a, b, "{settings:?}");
            if random.below(3) == 0 {
                restored.copy_ahead(random.below(4) as usize);
            }
            if random.below(6) == 0 {
                restored.checkpoint(&mut held);
                assert_eq!(held.len() as u64, restored.size().0);
            }
            if random.below(12) == 0 {
                restored.checkpoint(&mut held);
                let saved = Operator::save(&restored);
                restored = join(settings);
                // In either order, rows in any order.
                let mut rows: Vec<Row> = held.values().cloned().collect();
                if random.below(2) == 0 {
                    rows.reverse();
                    Operator::load(&mut restored, &saved).unwrap();
                    restored.restore(rows).unwrap();
                } else {
                    restored.restore(rows).unwrap();
                    Operator::load(&mut restored, &saved).unwrap();
                }
            }
        }
        assert_eq!(plain.dropped(), restored.dropped());
    }
}

impl KafkaStreams {
    /// Takes a delta into what a checkpoint holds.
    fn checkpoint(&mut self, held: &mut BTreeMap<Due, Row>) {
        let delta = self.take_changes().into_delta();
        for due in delta.removed() {
            assert!(held.remove(&due).is_some(), "it was not held");
        }
        held.extend(delta.rows());
    }
}

/// A live run's epoch may end by the clock alone, right behind a restore.
#[test]
fn a_checkpoint_before_the_first_event_says_what_the_one_before_it_said() {
    let waits = Settings { max_task_idle: Some(9), ..left(0) };
    let (mut first, mut out) = (join(waits), Vec::new());
    let mut held = BTreeMap::new();
    feed(&mut first, 1, row(RIGHT, KeyValue::Int(1), 7, 0), &mut out);
    let end = LogEnd { input: RIGHT, partition: 1, reached: true, now_ms: 2 };
    first.log_end(end, 1, &mut out).unwrap();
    first.checkpoint(&mut held);
    let saved = Operator::save(&first);
    let mut again = join(waits);
    Operator::load(&mut again, &saved).unwrap();
    again.restore(held.values().cloned().collect()).unwrap();
    again.checkpoint(&mut held);
    assert_eq!(held.len(), 1);
    let text = |saved: &[u8]| String::from_utf8_lossy(saved).into_owned();
    assert_eq!(text(&Operator::save(&again)), text(&saved));
    assert!(text(&saved).contains("\"right_first\":true"), "{}", text(&saved));
}

#[test]
fn what_an_application_leaves_out_has_its_turn_in_the_queue() {
    let left_out = |input, time, arrival| Row {
        matched: true,
        corrections: marks::LEFT_OUT,
        ..row(input, KeyValue::Null, time, arrival)
    };
    let waits = Settings { max_task_idle: Some(9_999), ..left(0) };
    let (mut taken, mut out) = (join(waits), Vec::new());
    feed(&mut taken, 0, row(LEFT, KeyValue::Int(1), 10, 0), &mut out);
    assert!(out.is_empty(), "{out:?}");
    feed(&mut taken, 0, left_out(RIGHT, 12, 1), &mut out);
    feed(&mut taken, 0, row(RIGHT, KeyValue::Int(1), 11, 2), &mut out);
    assert!(out.is_empty(), "it waits for a left one, behind another: {out:?}");
    // And over a restore.
    let mut held = BTreeMap::new();
    taken.checkpoint(&mut held);
    let saved = Operator::save(&taken);
    let mut taken = join(waits);
    Operator::load(&mut taken, &saved).unwrap();
    taken.restore(held.into_values().collect()).unwrap();
    feed(&mut taken, 0, left_out(LEFT, 20, 3), &mut out);
    let pairs = out.iter().filter(|effect| matches!(effect, Effect::Pair { .. })).count();
    assert_eq!((pairs, taken.size().0), (1, 3), "{out:?}");
    // In the order given there is no queue.
    let mut given = join(left(0));
    feed(&mut given, 0, left_out(LEFT, 10, 0), &mut out);
    assert_eq!(given.size().0, 0);
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let mut join = join(left(0));
    let error = Operator::load(&mut join, b"[1").unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn each_partition_is_a_task_of_its_own() {
    let mut join = join(left(0));
    let (mut out, k) = (Vec::new(), KeyValue::String("k"));
    let at = |input, time, arrival, partition| Row { partition, ..row(input, k, time, arrival) };
    feed(&mut join, 0, at(LEFT, 10, 0, 0), &mut out);
    feed(&mut join, 0, at(LEFT, 11, 1, 7), &mut out);
    // Neither its key nor its stream time is that of task 0.
    feed(&mut join, 0, at(RIGHT, 12, 2, 7), &mut out);
    feed(&mut join, 0, at(LEFT, 99, 3, 7), &mut out);
    let outputs: Vec<(u64, u64)> = out
        .iter()
        .filter_map(|effect| match effect {
            Effect::Pair { primary, secondary, .. } => Some((primary.row, secondary.row)),
            Effect::Pad { row, .. } => panic!("{row:?}"),
            _ => None,
        })
        .collect();
    assert_eq!(outputs, [(1, 2)]);
    let error = join.row(at(LEFT, 10, 4, -1), None, WATERMARKS, &mut out).unwrap_err();
    assert!(error.to_string().contains("partition -1"), "{error}");
    let error = join.row(row(5, k, 10, 4), None, WATERMARKS, &mut out).unwrap_err();
    assert!(error.to_string().contains("input 5"), "{error}");
}

/// The verdict of each row: exactly one, or none while it may still change.
fn verdicts(effects: &[Effect]) -> BTreeMap<u64, (Verdict, Reason, u64)> {
    let mut verdicts = BTreeMap::new();
    for effect in effects {
        if let Effect::Decided { row, verdict, reason, cause } = *effect {
            assert!(verdicts.insert(row, (verdict, reason, cause)).is_none(), "{row} twice");
        }
    }
    verdicts
}

#[test]
fn verdicts_say_what_kafka_streams_did() {
    let mut join = join(Settings { store: WindowStore::Memory, ..left(15) });
    let mut out = Vec::new();
    let (k, x, y) = (KeyValue::String("k"), KeyValue::String("x"), KeyValue::String("y"));
    // Retention is 20.
    for (arrival, (input, key, time)) in [
        (LEFT, k, 100),             // 0
        (LEFT, k, 90),              // 1: padded at once (95 < 100), then joined by 2
        (RIGHT, k, 92),             // 2
        (LEFT, k, 80),              // 3: padded at once and not stored (100 - 20)
        (LEFT, x, 94),              // 4: padded at once, never joined
        (LEFT, y, 99),              // 5: waits, padded when its window has closed
        (LEFT, KeyValue::Null, 99), // 6
        (RIGHT, KeyValue::Null, 9), // 7
        (LEFT, k, -4),              // 8
        (RIGHT, k, 70),             // 9: stored (92 - 20 < 92 - 20 is not so), unmatched
        (LEFT, y, 200),             // 10: closes and outlives all left rows
        (RIGHT, y, 202),            // 11
        (RIGHT, k, 85),             // 12: 202 - 20 >= 85: not stored, unmatched
    ]
    .into_iter()
    .enumerate()
    {
        feed(&mut join, 0, row(input, key, time, arrival as u64), &mut out);
    }
    let told = verdicts(&out);
    let expected = [
        (0, V::Unmatched, R::Padded, 10),
        (1, V::Joined, R::PaddedAndJoined, 2),
        (2, V::Joined, R::Plain, 1),
        (3, V::Unmatched, R::NotStoredPadded, 0),
        (4, V::Unmatched, R::PaddedAtOnce, 10),
        (5, V::Unmatched, R::Padded, 10),
        (6, V::Unmatched, R::NullKeyPadded, 6),
        (7, V::Unkeyed, R::Plain, 7),
        (8, V::Untimed, R::Plain, 8),
        (9, V::Unmatched, R::NotStored, 2),
        (10, V::Joined, R::Plain, 11),
        (11, V::Joined, R::Plain, 10),
        (12, V::Unmatched, R::NotStored, 11),
    ];
    for (row, verdict, reason, cause) in expected {
        assert_eq!(told.get(&row), Some(&(verdict, reason, cause)), "row {row}");
    }
}

#[test]
fn every_row_is_decided_once_and_leaves_when_time_has_gone_on() {
    let mut random = Random(11);
    for _ in 0..400 {
        let mut settings = random.settings();
        settings.max_task_idle = None;
        let mut join = join(settings);
        let mut out = Vec::new();
        for (wall, row) in random.rows(80, 2) {
            feed(&mut join, wall, row, &mut out);
        }
        // Each store sees a much later row; the last one that waits stays.
        for (n, time) in [(0, 1_000_000), (1, 2_000_000), (2, 3_000_000)] {
            for (i, (input, partition)) in
                [(LEFT, 0), (RIGHT, 0), (LEFT, 1), (RIGHT, 1)].into_iter().enumerate()
            {
                let arrival = 80 + n * 4 + i as u64;
                let wall = 1_000_000 + arrival as i64 * 1000;
                let key = KeyValue::Int(100 + arrival as i64);
                let row = Row { partition, ..row(input, key, time, arrival) };
                feed(&mut join, wall, row, &mut out);
            }
        }
        let told = verdicts(&out);
        for row in 0..80 {
            assert!(told.contains_key(&row), "row {row}, {settings:?}");
        }
        let gone = |row: &&Effect| matches!(row, Effect::Removed { row } if *row < 80);
        assert_eq!(out.iter().filter(gone).count(), 80);
        assert!(join.size().0 <= 12, "{settings:?}");
    }
}

#[test]
fn a_pipelines_join_in_kafka_streams_words() {
    let pipeline = |kind, with: &[(u8, i64, i64)]| Join {
        primary: 1,
        with: with.iter().map(|&(input, after, until)| Secondary { input, after, until }).collect(),
        kind,
        semantics: Semantics::KafkaStreams,
        released: Released { grace: Some(3), ..Released::default() },
        late: LatePolicy::Drop,
        output_time: OutputTime::Larger,
    };
    let (settings, inputs) = Settings::of(&pipeline(Kind::Left, &[(0, -2, 5)])).unwrap();
    assert_eq!((settings.before, settings.after, settings.grace), (2, 5, 3));
    assert_eq!((settings.kind, inputs), (StreamKind::Left, Sides { left: 1, right: 0 }));
    // A right join is the left join of the two exchanged.
    let (settings, inputs) = Settings::of(&pipeline(Kind::Right, &[(0, -2, 5)])).unwrap();
    assert_eq!((settings.before, settings.after, settings.exchanged), (5, 2, true));
    assert_eq!((settings.kind, inputs), (StreamKind::Left, Sides { left: 0, right: 1 }));
    let mut join = KafkaStreams::new(settings, inputs).unwrap();
    let mut out = Vec::new();
    feed(&mut join, 0, row(1, KeyValue::Int(1), 10, 0), &mut out);
    feed(&mut join, 0, row(0, KeyValue::Int(1), 8, 1), &mut out);
    feed(&mut join, 0, row(0, KeyValue::Int(1), 16, 2), &mut out);
    feed(&mut join, 1000, row(0, KeyValue::Int(2), 99, 3), &mut out);
    let pairs: Vec<(u8, u8)> = out
        .iter()
        .filter_map(|effect| match effect {
            Effect::Pair { primary, secondary, .. } => Some((primary.input, secondary.input)),
            _ => None,
        })
        .collect();
    assert_eq!(pairs, [(1, 0)]);
    let padded = out.iter().any(|e| matches!(e, Effect::Pad { row, .. } if row.row == 2));
    assert!(padded, "the secondary row is put out with the primary null");
    let error = Settings::of(&pipeline(Kind::Left, &[(0, 0, 1), (2, 0, 1)])).unwrap_err();
    assert!(error.to_string().starts_with("2 inputs under join.with"), "{error}");
    let mut ungraced = pipeline(Kind::Left, &[(0, 0, 1)]);
    ungraced.released.grace = None;
    assert_eq!(Settings::of(&ungraced).unwrap_err(), BadSettings::NoGrace);
}
