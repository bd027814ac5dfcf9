//! What random cases of the join are too small to reach.

use std::collections::BTreeSet;

use super::*;
use crate::key::KeyValue;
use crate::state::double::Double;
use crate::state::tiers::Tiers;

pub fn row(key: i64, time: i64, arrival: u64) -> Row {
    Row {
        key: Key::new(KeyValue::Int(key)),
        input: 0,
        time,
        arrival,
        row: arrival,
        partition: 0,
        offset: 0,
        labels: 0,
        matched: false,
        corrections: 0,
        folded: Vec::new(),
    }
}

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    *seed >> 33
}

fn drain(memory: &mut Memory, watermark: i64) -> Vec<Due> {
    std::iter::from_fn(|| {
        memory.passes(watermark);
        let (id, tag) = memory.next_due(watermark)?;
        let due = memory.due_of(memory.get(id));
        memory.release((id, tag), due.due);
        Some(due)
    })
    .collect()
}

#[test]
fn a_hot_key_takes_rows_in_any_order_and_gives_them_by_time() {
    let mut memory = Memory::new(vec![1000], 1000);
    let (mut seed, mut times) = (7, BTreeSet::new());
    for arrival in 0..200_000 {
        let time = (random(&mut seed) % 1_000_000) as i64;
        times.insert((time, arrival));
        memory.insert(row(1, time, arrival)).unwrap();
    }
    let key = Key::new(KeyValue::Int(1));
    for _ in 0..100 {
        let lo = (random(&mut seed) % 1_000_000) as i64;
        let hi = lo + (random(&mut seed) % 2000) as i64;
        let mut found = Vec::new();
        memory.find(&key, std::iter::once((0, lo, hi)), &mut found);
        let found: Vec<(i64, u64)> =
            found.iter().map(|&id| (memory.get(id).time, memory.get(id).arrival)).collect();
        let expected: Vec<(i64, u64)> = times.range((lo, 0)..=(hi, u64::MAX)).copied().collect();
        assert_eq!(found, expected);
    }
    let dues: Vec<(i64, u64)> =
        drain(&mut memory, i64::MAX).iter().map(|due| (due.due - 1000, due.arrival)).collect();
    assert!(dues.iter().eq(times.iter()));
    assert!(memory.is_empty() && memory.take_changes().into_delta().rows().count() == 0);
    let few = 64 * 1024;
    assert!(memory.bytes() < few, "{} bytes for nothing", memory.bytes());
}

/// Without barriers the list of changed rows does not grow without end.
#[test]
fn changes_are_found_after_a_long_time_without_a_barrier() {
    let mut memory = Memory::new(vec![10], 10);
    for arrival in 0..5_000 {
        memory.insert(row(arrival as i64, arrival as i64, arrival)).unwrap();
        drain(&mut memory, arrival as i64);
    }
    assert!(memory.rows.changed.is_none());
    let delta = memory.take_changes().into_delta();
    assert_eq!(delta.rows().count(), memory.len());
    assert!(delta.removed().count() == 0, "they were in no checkpoint");
    assert_eq!(memory.take_changes().into_delta().rows().count(), 0);
    let left = drain(&mut memory, i64::MAX);
    assert!(!left.is_empty());
    let delta = memory.take_changes().into_delta();
    assert!(delta.removed().count() == 0 && delta.earliest == i64::MAX, "they go all at once");
}

/// A checkpoint is told one by one of rows that leave under Flink's timers.
#[test]
fn rows_that_leave_are_named_where_no_watermark_says_so() {
    // Flink's timer at time + 10 goes off at that watermark already.
    let of_flink = (Memory::of_flink(vec![10], 10), 6, 6, i64::MIN);
    let clean = (Memory::new(vec![10], 10), 5, 0, 15);
    for (mut memory, left, named, earliest) in [of_flink, clean] {
        for arrival in 0..10 {
            memory.insert(row(arrival as i64, arrival as i64, arrival)).unwrap();
        }
        assert_eq!(memory.take_changes().into_delta().rows().count(), 10);
        assert_eq!(drain(&mut memory, 15).len(), left);
        let delta = memory.take_changes().into_delta();
        assert_eq!((delta.removed().count(), delta.earliest), (named, earliest));
    }
}

/// A row that was copied ahead of a barrier and expired before it is in no delta, nor
/// is one that is due only at the end of time and leaves there.
#[test]
fn what_was_copied_and_expired_is_not_written() {
    let mut memory = Memory::new(vec![10], 10);
    for (arrival, time) in [0, 1, 2, 100, i64::MAX].into_iter().enumerate() {
        memory.insert(row(arrival as i64, time, arrival as u64)).unwrap();
    }
    memory.copy_ahead(0, 100);
    assert_eq!(drain(&mut memory, 12).len(), 2);
    let delta = memory.take_changes().into_delta();
    let dues: Vec<i64> = delta.rows().map(|(due, _)| due.due).collect();
    assert_eq!(dues, [12, 110, i64::MAX]);
    assert_eq!(drain(&mut memory, i64::MAX).len(), 3);
    let delta = memory.take_changes().into_delta();
    assert_eq!(delta.rows().count(), 0);
    let removed: Vec<i64> = delta.removed().map(|due| due.due).collect();
    assert_eq!((delta.earliest, &removed[..]), (i64::MAX, &[i64::MAX][..]));
}

#[test]
fn timers_of_rows_that_went_down_are_forgotten() {
    // Rows that stay for a long time, in a memory that holds a few.
    let cold = Double::default();
    let memory = Memory::new(vec![1 << 30], 1 << 30);
    let mut tiers = Tiers::new(memory, 100_000, Some(Box::new(cold.clone())));
    let (mut seed, mut expected) = (3, Vec::new());
    for arrival in 0..30_000 {
        let time = (random(&mut seed) % 1_000_000) as i64;
        tiers.insert(row(arrival as i64, time, arrival)).unwrap();
        expected.push((time, arrival));
    }
    let (rows, bytes) = tiers.size();
    assert_eq!(rows, 30_000);
    assert!(bytes <= 100_000, "{bytes}");
    assert!(cold.rows.lock().unwrap().len() > 28_000);
    let mut got = Vec::new();
    for watermark in [1 << 30, (1 << 30) + 500_000, i64::MAX] {
        tiers
            .leave(watermark, |leaving| got.push((leaving.row.time, leaving.row.arrival)))
            .unwrap();
    }
    expected.sort_unstable();
    assert_eq!(got, expected);
    assert_eq!(tiers.size().0, 0);
}

#[test]
fn bytes_of_long_keys_and_folded_rows_are_counted_and_given_back() {
    let mut memory = Memory::new(vec![10], 10);
    let empty = memory.bytes();
    let mut long = row(0, 5, 0);
    long.key = Key::new(KeyValue::String(&"k".repeat(10_000)));
    memory.insert(long).unwrap();
    assert!(memory.bytes() > empty + 10_000);
    let before = memory.bytes();
    let folded =
        Folded { input: 1, time: 0, arrival: 1, row: 1, partition: 0, offset: 0, labels: 0 };
    for _ in 0..100 {
        memory.fold(0, folded.clone());
    }
    assert!(memory.bytes() >= before + 100 * size_of::<Folded>());
    assert_eq!(drain(&mut memory, i64::MAX).len(), 1);
    assert_eq!(memory.rows.heap, 0);
}
