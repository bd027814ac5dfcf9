//! The rules one by one; all of them at random are in `tests_model.rs`.

use super::*;
use crate::pipeline::{Semantics, WatermarkSpec};

const MIN: i64 = i64::MIN;

pub(super) fn input(
    out_of_orderness: i64,
    idle: Option<i64>,
    emit: Option<i64>,
    n: u32,
) -> TrackerInput {
    TrackerInput {
        spec: WatermarkSpec {
            max_out_of_orderness: out_of_orderness,
            idle_timeout: idle,
            emit_interval: emit,
            max_drift: None,
            max_ahead: None,
        },
        partitions: n,
        semantics: Semantics::Clean,
        sources: Sources::default(),
    }
}

/// Takes a record as the engine does; what the clock decided before it.
fn record(t: &mut Tracker, lane: u32, time: i64, now: i64, arrival: u64) -> Vec<Due> {
    let mut fired = Vec::new();
    while let Some(due) = t.next_due(now) {
        t.fire(due, arrival);
        fired.push(due);
    }
    t.observe(lane, time, now, arrival);
    fired
}

#[test]
fn a_partition_is_behind_its_maximum_by_the_disorder_and_one() {
    let mut t = Tracker::new(vec![input(10, None, None, 1)]);
    assert_eq!(t.join(), MIN);
    assert!(t.observe(0, 100, 0, 0));
    assert_eq!((t.join(), t.lane(0).unwrap().watermark), (89, 89));
    assert!(!t.observe(0, 50, 1, 1), "an older record moves nothing");
    assert_eq!(t.lane(0).unwrap().max_seen, Some(100));
    assert_eq!(t.lane(0).unwrap().since, 0);
    assert_eq!(t.lane(0).unwrap().last_active_ms, 1, "but counts as activity");
    assert!(t.observe(0, 101, 2, 2));
    assert_eq!((t.join(), t.lane(0).unwrap().since), (90, 2));
}

#[test]
fn where_all_are_idle_flink_takes_the_maximum_and_ours_stays() {
    let joined = |semantics| {
        let with = |n| TrackerInput { semantics, ..input(10, Some(100), None, n) };
        let mut t = Tracker::new(vec![with(2), with(1)]);
        record(&mut t, 0, 1000, 0, 0);
        record(&mut t, 1, 2000, 0, 1);
        record(&mut t, 2, 1500, 0, 2);
        let before = t.join();
        while let Some(due) = t.next_due(100) {
            t.fire(due, 3);
        }
        (before, t.input(0), t.join())
    };
    assert_eq!(joined(Semantics::Clean), (989, 1989, 1489));
    assert_eq!(joined(Semantics::FlinkDataStream), (989, 1989, 1989));
    // SQL takes no further millisecond off.
    assert_eq!(joined(Semantics::FlinkSql), (990, 1990, 1990));
}

#[test]
fn inputs_take_the_minimum_of_partitions_and_the_join_that_of_inputs() {
    let mut t = Tracker::new(vec![input(0, None, None, 2), input(0, None, None, 1)]);
    assert!(!t.observe(0, 11, 0, 0));
    assert!(!t.observe(2, 5, 0, 1));
    assert_eq!(t.input(0), MIN, "a partition that gave nothing holds its input at the minimum");
    assert_eq!(t.holder(), Some(Holder { lane: 1, since: 0, why: Why::NothingYet }));
    assert!(t.observe(1, 21, 0, 2));
    assert_eq!((t.input(0), t.input(1), t.join()), (10, 4, 4));
    assert_eq!(t.holder(), Some(Holder { lane: 2, since: 2, why: Why::Slowest }));
    assert!(t.observe(2, 31, 0, 3));
    assert_eq!(t.join(), 10);
    assert_eq!(t.holder(), Some(Holder { lane: 0, since: 3, why: Why::Slowest }));
}

#[test]
fn idle_partitions_do_not_hold_and_come_back_without_going_back() {
    let mut t = Tracker::new(vec![input(0, Some(100), None, 2)]);
    record(&mut t, 0, 50, 1000, 0);
    assert_eq!(record(&mut t, 0, 60, 1099, 1), [], "one ms before the timeout");
    let idle = Due { at_ms: 1100, kind: DueKind::Idle { lane: 1 } };
    // Counted from the first arrival, as it never gave anything; at the time
    // of the record, but before it.
    assert_eq!(record(&mut t, 0, 61, 1100, 2), [idle]);
    assert_eq!(t.join(), 60);
    assert!(t.lane(1).unwrap().idle);
    record(&mut t, 1, 20, 1101, 3);
    assert!(!t.lane(1).unwrap().idle);
    assert_eq!(t.join(), 60, "never back");
    assert_eq!(t.holder(), Some(Holder { lane: 1, since: 3, why: Why::CameBack }));
    record(&mut t, 0, 90, 1102, 4);
    assert_eq!(t.join(), 60, "it holds until it has caught up");
    record(&mut t, 1, 80, 1103, 5);
    assert_eq!(t.join(), 79);
    assert_eq!(t.holder().unwrap().why, Why::Slowest);
}

#[test]
fn an_input_that_is_all_idle_is_left_out_and_if_all_are_it_stays() {
    let mut t = Tracker::new(vec![input(0, Some(10), None, 1), input(0, Some(50), None, 1)]);
    record(&mut t, 0, 100, 0, 0);
    record(&mut t, 1, 900, 0, 1);
    assert_eq!(t.join(), 99);
    record(&mut t, 1, 901, 10, 2);
    assert!(t.input_idle(0));
    assert_eq!(t.join(), 900);
    let fired: Vec<Due> = std::iter::from_fn(|| {
        let due = t.next_due(1000)?;
        t.fire(due, 3);
        Some(due)
    })
    .collect();
    assert_eq!(fired, [Due { at_ms: 60, kind: DueKind::Idle { lane: 1 } }]);
    assert_eq!((t.join(), t.holder()), (900, None));
    t.observe(0, 500, 1000, 3);
    assert_eq!(t.join(), 900);
}

#[test]
fn at_one_time_idleness_by_lane_then_periodic_by_input() {
    let mut t = Tracker::new(vec![
        input(0, Some(100), Some(50), 2),
        input(0, None, Some(100), 1),
        input(0, Some(100), None, 1),
    ]);
    assert_eq!(record(&mut t, 0, 10, 0, 0), []);
    assert_eq!(record(&mut t, 2, 10, 60, 1), []);
    let kinds: Vec<(i64, DueKind)> =
        record(&mut t, 2, 11, 100, 2).into_iter().map(|due| (due.at_ms, due.kind)).collect();
    let expected = [
        (100, DueKind::Idle { lane: 0 }),
        (100, DueKind::Idle { lane: 1 }),
        (100, DueKind::Idle { lane: 3 }),
        (100, DueKind::Periodic { input: 1 }),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn periodic_emission_comes_at_its_times_and_only_with_something_to_give() {
    let mut t = Tracker::new(vec![input(0, None, Some(200), 1)]);
    assert_eq!(record(&mut t, 0, 10, 1000, 0), []);
    assert_eq!(t.join(), MIN);
    assert_eq!(t.holder().unwrap().why, Why::NextEmission);
    let tick = |at_ms| Due { at_ms, kind: DueKind::Periodic { input: 0 } };
    // A record at a tick comes after it.
    assert_eq!(record(&mut t, 0, 20, 1200, 1), [tick(1200)]);
    assert_eq!(t.join(), 9);
    assert_eq!(record(&mut t, 0, 15, 1500, 2), [tick(1400)]);
    assert_eq!(t.join(), 19);
    // Years without anything new are no ticks.
    assert_eq!(record(&mut t, 0, 30, 1_000_000_000_001, 3), []);
    assert_eq!(record(&mut t, 0, 31, 1_000_000_000_200, 4), [tick(1_000_000_000_200)]);
}

#[test]
fn sql_gives_out_at_once_what_a_row_advances_by_more_than_the_interval() {
    let sql =
        |n| TrackerInput { semantics: Semantics::FlinkSql, ..input(0, Some(1_000), Some(200), n) };
    let mut t = Tracker::new(vec![sql(1)]);
    let tick = |at_ms| Due { at_ms, kind: DueKind::Periodic { input: 0 } };
    // Counted from 0 where nothing was given out.
    assert_eq!(record(&mut t, 0, 200, 1000, 0), []);
    assert_eq!(t.join(), MIN);
    assert_eq!(record(&mut t, 0, 201, 1001, 1), []);
    assert_eq!(t.join(), 201);
    assert_eq!(record(&mut t, 0, 401, 1002, 2), [], "no more than the interval");
    assert_eq!((t.join(), t.holder().unwrap().why), (201, Why::NextEmission));
    assert_eq!(record(&mut t, 0, 402, 1003, 3), []);
    assert_eq!((t.join(), t.holder().unwrap().why), (402, Why::Slowest));
    assert_eq!(record(&mut t, 0, 410, 1200, 4), [], "nothing is left for the tick");
    assert_eq!(record(&mut t, 0, 411, 1400, 5), [tick(1400)]);
    assert_eq!(t.join(), 410);
    // A partition that goes idle is no row.
    let mut t = Tracker::new(vec![sql(2)]);
    record(&mut t, 0, 100, 0, 0);
    record(&mut t, 1, 9_000, 500, 1);
    assert_eq!(t.join(), MIN);
    let fired: Vec<Due> = std::iter::from_fn(|| {
        let due = t.next_due(1_000)?;
        t.fire(due, 2);
        Some(due)
    })
    .collect();
    let idle = Due { at_ms: 1_000, kind: DueKind::Idle { lane: 0 } };
    assert_eq!(fired, [tick(600), idle, tick(1_000)]);
    assert_eq!(t.join(), 9_000);
    // No other semantics does it.
    for semantics in Semantics::ALL.into_iter().filter(|s| *s != Semantics::FlinkSql) {
        let mut t = Tracker::new(vec![TrackerInput { semantics, ..sql(1) }]);
        record(&mut t, 0, 1_000_000, 1000, 0);
        assert_eq!(t.join(), MIN);
    }
}

#[test]
fn an_input_without_partitions_counts_as_idle() {
    let mut t = Tracker::new(vec![input(0, None, None, 0), input(0, None, None, 1)]);
    assert!(t.observe(0, 5, 0, 0));
    assert_eq!(t.join(), 4);
    assert!(!t.observe(7, 5, 0, 0), "a lane that does not exist");
}

#[test]
fn the_last_watermark_closes() {
    let mut t = Tracker::new(vec![input(0, None, None, 2)]);
    assert!(t.close());
    assert!(!t.close());
    assert_eq!(t.join(), i64::MAX);
    assert!(!t.observe(0, 5, 0, 0));
}

#[test]
fn extremes_do_not_wrap() {
    let mut t = Tracker::new(vec![input(i64::MAX, Some(i64::MAX), Some(i64::MAX), 1)]);
    record(&mut t, 0, i64::MIN, i64::MAX - 1, 0);
    record(&mut t, 0, i64::MAX, i64::MAX, 1);
    let loaded = Tracker::load(vec![input(i64::MAX, Some(i64::MAX), Some(i64::MAX), 1)], &t.save());
    assert_eq!(loaded.unwrap().save(), t.save());
}

#[test]
fn inputs_of_one_topic_wake_together() {
    // A topic feeds both; the first allows no disorder, the second 7.
    for swap in [false, true] {
        let (a, b) = if swap { (7, 0) } else { (0, 7) };
        let mut t = Tracker::new(vec![input(a, Some(10), None, 1), input(b, Some(10), None, 1)]);
        while let Some(due) = t.next_due(0) {
            t.fire(due, 0);
        }
        assert!(t.observe_all([(0, 100), (1, 100)], 0, 0));
        assert_eq!(t.join(), 92);
        let mut fired = 0;
        while let Some(due) = t.next_due(50) {
            t.fire(due, 1);
            fired += 1;
        }
        assert_eq!((fired, t.input_idle(0), t.input_idle(1)), (2, true, true));
        // The first to wake is alone for nobody to see.
        let stays = t.join();
        assert!(t.observe_all([(0, 150), (1, 150)], 50, 1));
        assert_eq!(t.join(), 142, "not what the faster input alone would give");
        assert!(stays < 142);
        let holder = t.holder().unwrap();
        assert_eq!((holder.lane, holder.since), (u32::from(!swap), 1));
    }
}

#[test]
fn inputs_of_one_topic_are_held_together() {
    let mut t = Tracker::new(vec![input(0, Some(10), None, 1), input(7, Some(10), None, 1)]);
    t.next_due(0);
    t.observe_all([(0, 100), (1, 100)], 0, 0);
    while let Some(due) = t.next_due(50) {
        t.fire(due, 2);
    }
    let stays = t.join();
    // Both are awake: the join may not follow the first of them alone.
    assert!(!t.hold([0, 1], true, 50, 2));
    assert_eq!(t.join(), stays);
}

/// Lanes of partitions that a topic got later stand behind all others, and hold
/// nothing back before they are there.
#[test]
fn a_partition_that_comes_later_holds_back_from_then_on_and_nothing_goes_back() {
    let inputs = || vec![input(0, Some(100), None, 1), input(0, Some(100), None, 1)];
    let mut before = Tracker::new(inputs());
    record(&mut before, 0, 50, 0, 0);
    record(&mut before, 1, 60, 0, 1);
    assert_eq!((before.join(), before.lanes()), (49, 2));

    let mut t = Tracker::load_grown(inputs(), &[0, 1], &before.save()).unwrap();
    assert_eq!((t.join(), t.lanes(), t.holder()), (49, 4, before.holder()));
    let new = t.lane(2).unwrap();
    assert_eq!((new.input, new.partition, new.idle, new.max_seen), (0, 1, true, None));
    assert_eq!(new.last_active_ms, MIN, "it is not there");
    assert_eq!(t.lane(3).unwrap().input, 1);
    // Not there yet: the log of before is still followed.
    record(&mut t, 0, 55, 10, 2);
    assert_eq!(t.join(), 54);

    assert!(!t.appear([2], 20, 3));
    let holder = t.holder().unwrap();
    assert_eq!((holder.lane, holder.since, holder.why), (2, 3, Why::NothingYet));
    record(&mut t, 0, 90, 21, 3);
    record(&mut t, 1, 90, 22, 4);
    assert_eq!(t.join(), 54, "held, and not gone back");
    record(&mut t, 2, 10, 23, 5);
    assert_eq!(t.join(), 54, "its record is late as it is");
    record(&mut t, 2, 70, 24, 6);
    assert_eq!(t.join(), 69);

    // One that gives nothing is idle after the timeout, counted from when it came.
    assert!(!t.appear([3], 30, 7));
    let fired = record(&mut t, 2, 80, 100, 7);
    assert_eq!(fired, []);
    record(&mut t, 0, 95, 110, 8);
    record(&mut t, 1, 95, 110, 9);
    let fired = record(&mut t, 2, 95, 130, 10);
    assert_eq!(fired, [Due { at_ms: 130, kind: DueKind::Idle { lane: 3 } }]);
    assert_eq!(t.join(), 94);

    // What was there before cannot be missing, and what is there cannot be too much.
    let one = || vec![input(0, None, None, 1)];
    let error = Tracker::load_grown(inputs(), &[0], &Tracker::new(one()).save()).unwrap_err();
    assert_eq!(error, TrackerError::Lanes { saved: 1, given: 3 });
    let error = Tracker::load_grown(inputs(), &[0], &t.save()).unwrap_err();
    assert_eq!(error, TrackerError::Lanes { saved: 4, given: 3 });
}

/// Rules A2 and A3: what a channel gives out, what its valve does once it is idle, and
/// the input's idleness are a line each for the join.
#[test]
fn an_input_of_flink_that_goes_idle_moves_the_join_in_steps() {
    let after = |semantics| {
        let with = |idle, n| TrackerInput { semantics, ..input(0, idle, None, n) };
        let mut t = Tracker::new(vec![with(Some(100), 2), with(None, 1)]);
        for (arrival, (lane, time)) in (0u64..).zip([(0, 2_001), (1, 1_001), (2, 9_001)]) {
            record(&mut t, lane, time, 0, arrival);
        }
        let mut told: Vec<(bool, Vec<i64>, i64)> = Vec::new();
        while let Some(due) = t.next_due(100) {
            let moved = t.fire(due, 3);
            told.push((moved, t.steps().to_vec(), t.join()));
        }
        told
    };
    let told = |steps| vec![(false, Vec::new(), 1_000), (true, steps, 9_000)];
    assert_eq!(after(Semantics::FlinkDataStream), told(vec![2_000]));
    assert_eq!(after(Semantics::Clean), told(Vec::new()));
}

/// A tick of Flink combines the splits as they are then
/// (`ProgressiveTimestampsAndWatermarks#emitImmediateWatermark`): what they allowed
/// for a moment between two ticks nobody has seen.
#[test]
fn a_partition_that_comes_back_before_the_tick_holds_what_waits_for_it() {
    let joined = |semantics, back: i64| {
        let inputs = || vec![TrackerInput { semantics, ..input(0, Some(150), Some(100), 2) }];
        let mut t = Tracker::new(inputs());
        let mut joins = Vec::new();
        // The second partition goes idle at 150 and comes back at 220.
        let records = [(0, 1_000, 0), (1, 1_000, 0), (0, 1_100, 140), (0, 2_000, 210)];
        let then = [(1, back, 220), (0, 2_001, 310)];
        for (arrival, (lane, time, now)) in (0u64..).zip(records.into_iter().chain(then)) {
            record(&mut t, lane, time, now, arrival);
            t = Tracker::load(inputs(), &t.save()).unwrap();
            joins.push(t.join());
        }
        joins
    };
    let flink = |back| joined(Semantics::FlinkDataStream, back);
    assert_eq!(flink(900), [MIN, MIN, 999, 1_099, 1_099, 1_099]);
    assert_eq!(flink(1_200), [MIN, MIN, 999, 1_099, 1_099, 1_199]);
    assert_eq!(flink(2_500), [MIN, MIN, 999, 1_099, 1_099, 1_999]);
    // Our own rules give out what was allowed once.
    assert_eq!(joined(Semantics::Clean, 900)[5], 1_999);
}

/// `DefaultWatermarkGenerator#onEvent`: a record that raises nothing gives nothing out,
/// and so leaves its split idle. A periodic generator gives out what it has.
#[test]
fn in_sql_a_record_behind_its_own_partition_does_not_wake_it() {
    let after = |semantics, emit| {
        let mut t = Tracker::new(vec![TrackerInput { semantics, ..input(0, Some(100), emit, 2) }]);
        let records = [(0, 1_000, 0), (1, 1_000, 0), (1, 2_000, 90), (1, 2_001, 101)];
        let then = [(0, 900, 110), (1, 3_000, 120)];
        for (arrival, (lane, time, now)) in (0u64..).zip(records.into_iter().chain(then)) {
            record(&mut t, lane, time, now, arrival);
        }
        let lane = t.lane(0).unwrap();
        let stood = (t.join(), lane.idle, lane.last_active_ms);
        // One that raises it does.
        record(&mut t, 0, 1_001, 130, 6);
        assert!(!t.lane(0).unwrap().idle);
        stood
    };
    assert_eq!(after(Semantics::FlinkSql, None), (3_000, true, 0));
    assert_eq!(after(Semantics::FlinkSql, Some(10)), (2_001, false, 110));
    assert_eq!(after(Semantics::FlinkDataStream, None), (2_000, false, 110));
}

#[test]
fn bad_bytes_are_refused() {
    let inputs = || vec![input(5, Some(10), None, 3)];
    let mut t = Tracker::new(inputs());
    record(&mut t, 1, 77, 1000, 9);
    let saved = t.save();
    for n in 0..saved.len() {
        assert!(Tracker::load(inputs(), &saved[..n]).is_err(), "cut at {n}");
    }
    let mut longer = saved.clone();
    longer.push(0);
    assert_eq!(Tracker::load(inputs(), &longer).unwrap_err(), TrackerError::Damaged);
    let mut newer = saved.clone();
    newer[0] = 9;
    assert_eq!(Tracker::load(inputs(), &newer).unwrap_err(), TrackerError::Version(9));
    let fewer = Tracker::load(vec![input(5, None, None, 2)], &saved).unwrap_err();
    assert_eq!(fewer, TrackerError::Lanes { saved: 3, given: 2 });
    for (i, bit) in (1..saved.len()).flat_map(|i| (0..8).map(move |bit| (i, bit))) {
        let mut flipped = saved.clone();
        flipped[i] ^= 1 << bit;
        if let Ok(mut t) = Tracker::load(inputs(), &flipped) {
            record(&mut t, 0, 100, 2000, 10);
        }
    }
}
