//! What the tables and the state panel ask, held against the plain model.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Model, Spec, model, on_disk};
use super::questions::whole;
use crate::operator::verdict::Verdict;
use crate::run::{Axis, Range, Run, RunError, SortBy, SortColumn, StateNow};

/// Rows that rest in the state just after an arrival.
fn resting(m: &Model, at: u64) -> Vec<usize> {
    let rests = |i: &usize| {
        let row = &m.rows[*i];
        row.arrival <= at
            && row.at_arrival == Verdict::Open
            && row.removed.is_none_or(|removed| at < removed)
    };
    (0..m.rows.len()).filter(rests).collect()
}

/// Ticks by which rows outlive their event time, by input.
const SHIFTS: [i64; 2] = [1_000, -7];

fn due(m: &Model, i: usize) -> i64 {
    m.rows[i].time.saturating_add(SHIFTS[usize::from(m.rows[i].input)])
}

/// The index says what looking through the state says, and when keys leave.
fn ask_index(m: &Model, indexed: &Run, looked: &StateNow, at: u64) {
    let mut counted = Vec::new();
    let no = AtomicBool::new(false);
    indexed
        .state_now(at, &SHIFTS, &no, |now| {
            counted.push(now);
            true
        })
        .unwrap();
    assert_eq!(counted.iter().collect::<Vec<_>>(), [looked]);
    let rests = resting(m, at);
    for heavy in looked.heaviest.iter().take(20) {
        let key = m.rows[heavy.row as usize].key.clone().unwrap();
        let own = rests.iter().filter(|i| m.rows[**i].key.as_ref() == Some(&key));
        let dues: Vec<i64> = own.map(|i| due(m, *i)).collect();
        let leaves = indexed.leaving_of_key(&key, heavy.row, at, &SHIFTS).unwrap().unwrap();
        assert_eq!(Some(leaves.first), dues.iter().copied().min());
        assert_eq!(Some(leaves.last), dues.iter().copied().max());
        assert!(leaves.whole);
    }
    let cancelled = indexed.state_now(at, &SHIFTS, &AtomicBool::new(true), |_| true);
    assert!(rests.is_empty() || matches!(cancelled, Err(RunError::Cancelled)));
}

fn ask_state(m: &Model, run: &Run, at: u64) -> StateNow {
    let shifts = SHIFTS;
    let mut last = StateNow::default();
    run.state_now(at, &shifts, &AtomicBool::new(false), |now| {
        assert!(now.rows >= last.rows && now.of == run.books(Some(at)).unwrap().state_rows);
        last = now;
        true
    })
    .unwrap();
    let rows = resting(m, at);
    assert!(last.whole);
    assert_eq!(last.rows, rows.len() as u64);
    let mut by_key: HashMap<String, u64> = HashMap::new();
    for i in &rows {
        *by_key.entry(format!("{:?}", m.rows[*i].key)).or_default() += 1;
    }
    assert_eq!(last.keys, by_key.len() as u64);
    for heavy in last.heaviest.iter().take(50) {
        assert_eq!(heavy.rows, by_key[&format!("{:?}", m.rows[heavy.row as usize].key)]);
    }
    let most = by_key.values().copied().max();
    assert_eq!(last.heaviest.first().map(|h| h.rows), most);
    let mut dues: Vec<(i64, u64)> = rows.iter().map(|i| (due(m, *i), *i as u64)).collect();
    dues.sort_unstable();
    dues.truncate(500);
    assert_eq!(last.next.iter().map(|l| (l.due, l.row)).collect::<Vec<_>>(), dues);
    let cancelled = run.state_now(at, &shifts, &AtomicBool::new(true), |_| true);
    assert!(rows.is_empty() || matches!(cancelled, Err(RunError::Cancelled)));
    last
}

fn ask_lines(m: &Model, run: &Run, from: u64, to: u64, buckets: usize) {
    let range = Range { axis: Axis::Arrival, from: from as i64, to: to as i64 };
    let lines = run.state_lines(range, buckets).unwrap();
    let samples: Vec<_> = m.steps.iter().flat_map(|s| &s.state).collect();
    for b in 0..buckets as u64 {
        let edge = |b: u64| from + (to - from) * b / buckets as u64;
        let (low, high) = (edge(b), edge(b + 1));
        // Rows are counted …
        let counts: Vec<i64> = (low..high).map(|at| resting(m, at).len() as i64).collect();
        let line = lines.rows[b as usize];
        if let (Some(min), Some(max)) = (counts.iter().min(), counts.iter().max()) {
            let line = line.unwrap();
            assert_eq!((line.min, line.max), (*min, *max), "rows of bucket {b}");
        } else if let Some(line) = line {
            let before = resting(m, low - 1).len() as i64;
            assert_eq!((line.min, line.max), (before, before), "rows of bucket {b}");
        }
        // … and bytes are those of the samples.
        let within: Vec<i64> = samples
            .iter()
            .filter(|s| s.arrival >= low && s.arrival < high)
            .map(|s| s.bytes as i64)
            .collect();
        let line = lines.memory_bytes[b as usize];
        // The first bucket also knows what was before it.
        if let (Some(min), Some(max)) = (within.iter().min(), within.iter().max()) {
            let line = line.unwrap();
            assert!(line.max >= *max && line.min <= *min);
            assert!(b == 0 || (line.min, line.max) == (*min, *max), "bytes of bucket {b}");
        } else if let Some(line) = line {
            let before = samples.iter().rfind(|s| s.arrival < low).unwrap();
            assert_eq!((line.min, line.max), (before.bytes as i64, before.bytes as i64));
            // No more than there are.
            let (cold, rows) = (lines.disk_rows[b as usize], lines.rows[b as usize].unwrap());
            let want = (rows.min.min(before.cold as i64), rows.max.min(before.cold as i64));
            assert_eq!(cold.map(|cold| (cold.min, cold.max)), Some(want));
        }
        // On disk the checkpoints are the samples, each at its last record.
        let within = m.checkpoints.iter().filter(|c| (low..high).contains(&(**c - 1)));
        let mut held: Vec<Option<u64>> = within.map(|c| on_disk(*c)).collect();
        if held.is_empty() {
            let before = m.checkpoints.iter().rfind(|c| **c - 1 < low);
            held.extend(before.map(|c| on_disk(*c)));
        }
        let held: Vec<i64> = held.into_iter().flatten().map(|n| n as i64).collect();
        let line = lines.disk_bytes[b as usize].map(|line| (line.min, line.max));
        let want = held.iter().min().zip(held.iter().max());
        assert_eq!(line, want.map(|(min, max)| (*min, *max)), "on disk in bucket {b}");
    }
}

fn ask_columns(m: &Model, run: &Run, random: &mut ChaCha8Rng) {
    let mut rows: Vec<u64> =
        (0..200).map(|_| random.random_range(0..m.rows.len()) as u64).collect();
    rows.sort_unstable();
    rows.dedup();
    let SortColumn::Numbers(times) = run.sort_column(&rows, SortBy::EventTime).unwrap() else {
        panic!("times are numbers")
    };
    let SortColumn::Numbers(late) = run.sort_column(&rows, SortBy::LateBy).unwrap() else {
        panic!("delays are numbers")
    };
    let SortColumn::Numbers(verdicts) = run.sort_column(&rows, SortBy::Verdict).unwrap() else {
        panic!("verdicts are numbers")
    };
    let SortColumn::Numbers(inputs) = run.sort_column(&rows, SortBy::Input).unwrap() else {
        panic!("inputs are numbers")
    };
    let SortColumn::Bytes { ends, bytes } = run.sort_column(&rows, SortBy::Key).unwrap() else {
        panic!("keys are bytes")
    };
    for (i, view) in run.views(&rows).unwrap().iter().enumerate() {
        assert_eq!(times[i], view.event_time.unwrap_or(i64::MIN));
        assert_eq!(late[i], view.late_by.unwrap_or(i64::MIN));
        assert_eq!(verdicts[i], view.verdict as i64);
        assert_eq!(inputs[i], i64::from(view.input));
        let from = i.checked_sub(1).map_or(0, |before| ends[before]) as usize;
        let own = &bytes[from..ends[i] as usize];
        assert_eq!(own, view.key.as_ref().map_or(&[][..], |k| k.canonical()));
    }
    assert!(run.sort_column(&[m.rows.len() as u64], SortBy::Key).is_err());
    let times = run.output_times(3, 40).unwrap();
    let want: Vec<i64> = m.outputs.iter().skip(3).take(40).map(|o| o.time).collect();
    assert_eq!(times, want);
}

fn ask_offsets(m: &Model, run: &Run, at: u64) {
    let next = run.next_offsets(at).unwrap();
    for (lane, next) in next.into_iter().enumerate() {
        let own = m.rows.iter().filter(|r| r.lane as usize == lane && r.arrival < at);
        assert_eq!(next, own.map(|r| r.offset + 1).max(), "lane {lane} before {at}");
    }
}

fn ask_effects(m: &Model, run: &Run, at: u64) {
    let want: Vec<u64> = (0..m.rows.len())
        .filter(|i| {
            let row = &m.rows[*i];
            row.arrival != at && row.decided == Some(at) && row.cause == Some(at)
        })
        .map(|i| i as u64)
        .collect();
    let (count, rows) = run.decided_by(at, 3).unwrap();
    assert_eq!(count, want.len() as u64, "decided by {at}");
    assert_eq!(rows, want[..want.len().min(3)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn tables_and_state_agree_with_the_model(
        seed in any::<u64>(),
        arrivals in 50u64..6_000,
        one_topic in any::<bool>(),
        partitions in 1u32..5,
        batch in prop_oneof![2u64..50, 100u64..5_000],
        segment in prop_oneof![37u64..4_000, Just(262_144u64)],
    ) {
        let checkpoint_every = None;
        let spec =
            Spec { seed, arrivals, one_topic, partitions, batch, checkpoint_every, segment };
        let m = model(&spec);
        let dir = tempfile::tempdir().unwrap();
        let run = whole(&m, &dir.path().join("run"));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let arrivals = run.arrivals();
        let indexed = Run::open_with_cache(run.dir(), 1 << 20).unwrap();
        let cancelled = indexed.index_state(&AtomicBool::new(true));
        assert!(matches!(cancelled, Err(RunError::Cancelled)));
        assert!(indexed.index_state(&AtomicBool::new(false)).unwrap());
        for _ in 0..4 {
            let at = random.random_range(0..arrivals);
            let looked = ask_state(&m, &run, at);
            ask_index(&m, &indexed, &looked, at);
            ask_offsets(&m, &run, at);
            let from = random.random_range(0..arrivals);
            ask_lines(&m, &run, from.min(at), from.max(at) + 1, random.random_range(1..40));
        }
        ask_offsets(&m, &run, arrivals);
        ask_columns(&m, &run, &mut random);
        for row in m.rows.iter().filter(|r| r.cause == r.decided).take(20) {
            ask_effects(&m, &run, row.decided.unwrap_or(0));
        }
    }
}

#[test]
fn bytes_on_disk_go_in_steps_from_checkpoint_to_checkpoint() {
    let spec = Spec {
        seed: 5,
        arrivals: 3_000,
        one_topic: false,
        partitions: 2,
        batch: 90,
        checkpoint_every: Some(250),
        segment: 600,
    };
    let m = model(&spec);
    assert_eq!(m.checkpoints.len(), 12);
    assert_eq!([1, 2].map(|n| on_disk(n * 250).is_some()), [true, false]);
    let dir = tempfile::tempdir().unwrap();
    let run = whole(&m, &dir.path().join("run"));
    let end = run.arrivals();
    for (from, to, buckets) in [(0, end, 7), (0, end, 400), (1_100, 2_300, 31), (end - 1, end, 5)] {
        ask_lines(&m, &run, from, to, buckets);
    }
}

/// The index of a run that goes on is not asked about what came after it.
#[test]
fn a_run_that_has_grown_is_looked_through() {
    let spec = Spec {
        seed: 11,
        arrivals: 3_000,
        one_topic: true,
        partitions: 2,
        batch: 100,
        checkpoint_every: None,
        segment: 500,
    };
    let m = model(&spec);
    let dir = tempfile::tempdir().unwrap();
    let mut writer = m.writer(&dir.path().join("run"));
    let half = m.steps[m.steps.len() / 2].end;
    m.feed(&mut writer, 0, half);
    let run = Run::open(writer.dir()).unwrap();
    let before = run.arrivals();
    assert!(before > 0 && run.index_state(&AtomicBool::new(false)).unwrap());
    m.feed(&mut writer, half, u64::MAX);
    assert!(run.refresh().unwrap() && run.arrivals() > before);
    ask_state(&m, &run, run.arrivals() - 1);
    // What fell since is in a new index.
    assert!(run.index_state(&AtomicBool::new(false)).unwrap());
    let looked = ask_state(&m, &run, before);
    ask_index(&m, &run, &looked, before);
}
