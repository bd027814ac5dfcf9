//! Checkpoints hold exactly the live rows, and give them back to any number of
//! shards.

use std::path::Path;

use joinscope_core::edges::rocksdb::{self, CheckpointMeta, Store, StoreError};
use joinscope_core::operator::key::{Key, KeyValue};
use joinscope_core::operator::state::{Cold as _, Folded, Row};

use crate::world::{RETENTION, World, due, options, tiers};

pub fn restore(run: &Path, epoch: u64) -> Result<(Store, Vec<Row>), StoreError> {
    let (store, restored) = Store::restore(run, epoch, options())?;
    let mut rows = Vec::new();
    restored.rows(&store, |chunk| {
        rows.extend(chunk);
        Ok(())
    })?;
    Ok((store, rows))
}

pub fn checkpoint(store: &Store, world: &mut World, epoch: u64) -> rocksdb::Written {
    let frozen = store.freeze(epoch).unwrap();
    let deltas = world.deltas();
    store.commit(frozen, &deltas, world.meta(epoch)).unwrap()
}

#[test]
fn every_checkpoint_gives_back_the_rows_of_its_moment() {
    for (seed, shards, spills) in [(1, 1, true), (2, 2, true), (3, 7, true), (4, 3, false)] {
        let run = tempfile::tempdir().unwrap();
        let store = Store::create(run.path(), options()).unwrap();
        let mut world = World::new(seed, shards, spills);
        let mut cold = tiers(&store, shards);
        let mut expected = Vec::new();
        for epoch in 1..=8 {
            world.epoch(&mut cold, 800);
            let written = checkpoint(&store, &mut world, epoch);
            assert!(written.bytes <= written.total_bytes);
            expected.push((world.rows(), world.meta(epoch)));
        }
        assert_eq!(spills, run.path().join("state/cold").is_dir());
        drop((cold, store));
        assert_eq!(rocksdb::list(run.path()).unwrap(), (1..=8).collect::<Vec<_>>());
        for epoch in (1..=8u64).rev() {
            let (rows, meta) = &expected[epoch as usize - 1];
            assert!(rows.len() > 300, "{}", rows.len());
            assert_eq!(rocksdb::verify(run.path(), epoch).unwrap(), *meta);
            let (store, restored) = restore(run.path(), epoch).unwrap();
            assert_eq!(restored, *rows, "seed {seed} epoch {epoch}");
            drop(store);
            assert_eq!(rocksdb::list(run.path()).unwrap().last(), Some(&epoch));
        }
    }
}

fn row(time: i64, arrival: u64) -> Row {
    Row {
        key: Key::new(KeyValue::Int(1)),
        input: 0,
        time,
        arrival,
        row: arrival,
        partition: 0,
        offset: 1,
        labels: 0,
        matched: false,
        corrections: 0,
        folded: Vec::new(),
    }
}

/// Thousands of records are folded into each: what did not fit in memory shall fit
/// on its way back.
#[test]
fn large_rows_are_given_back_a_few_at_a_time() {
    let run = tempfile::tempdir().unwrap();
    let store = Store::create(run.path(), options()).unwrap();
    let mut cold = store.cold(0);
    let folded =
        Folded { input: 1, time: 0, arrival: 0, row: 0, partition: 0, offset: 0, labels: 0 };
    let rows: Vec<_> =
        (0..300).map(|n| Row { folded: vec![folded.clone(); 2_000], ..row(n as i64, n) }).collect();
    let put: Vec<_> = rows.iter().map(|row| (due(row), row.clone())).collect();
    cold.put(&put).unwrap();
    let frozen = store.freeze(1).unwrap();
    let meta = CheckpointMeta { epoch: 1, state_rows: 300, ..CheckpointMeta::default() };
    store.commit(frozen, &[], meta).unwrap();
    drop((cold, store));
    let (store, restored) = Store::restore(run.path(), 1, options()).unwrap();
    let (mut back, mut most) = (Vec::new(), 0);
    let take = |rows: Vec<Row>| {
        most = most.max(rows.len());
        back.extend(rows);
        Ok(())
    };
    restored.rows(&store, take).unwrap();
    assert!(most < 100, "{most} rows of 100 kB at once");
    assert!(back == rows, "{} rows", back.len());
}

/// Also what is due at the end of time, and may still lie in the cold tier's files.
#[test]
fn after_the_last_watermark_nothing_is_given_back() {
    let run = tempfile::tempdir().unwrap();
    let store = Store::create(run.path(), options()).unwrap();
    let mut cold = store.cold(0);
    let row = row(i64::MAX - RETENTION, 1);
    cold.put(&[(due(&row), row)]).unwrap();
    let mut gone = Vec::new();
    cold.take_due(i64::MAX, &mut gone).unwrap();
    assert_eq!(gone.len(), 1);
    let frozen = store.freeze(1).unwrap();
    let meta = CheckpointMeta { epoch: 1, watermark: i64::MAX, ..CheckpointMeta::default() };
    store.commit(frozen, &[], meta).unwrap();
    drop((cold, store));
    assert!(restore(run.path(), 1).unwrap().1.is_empty());
}

#[test]
fn a_run_goes_on_from_a_checkpoint_in_another_number_of_shards() {
    let run = tempfile::tempdir().unwrap();
    let mut store = Store::create(run.path(), options()).unwrap();
    let mut world = World::new(9, 2, true);
    let mut epoch = 0;
    for shards in [2, 7, 1, 3] {
        if epoch > 0 {
            drop(store);
            let (again, rows) = restore(run.path(), epoch).unwrap();
            assert_eq!(rows, world.rows());
            let rows = rows.into_iter().map(|row| (due(&row), row)).collect();
            world.reshard(rows, shards);
            store = again;
        }
        let mut cold = tiers(&store, shards);
        for _ in 0..3 {
            epoch += 1;
            world.epoch(&mut cold, 500);
            checkpoint(&store, &mut world, epoch);
        }
    }
    drop(store);
    assert_eq!(restore(run.path(), epoch).unwrap().1, world.rows());
}

#[test]
fn what_the_watermark_passed_leaves_the_disk() {
    let run = tempfile::tempdir().unwrap();
    let store = Store::create(run.path(), options()).unwrap();
    let mut world = World::new(5, 1, true);
    let mut cold = tiers(&store, 1);
    let mut largest = 0;
    let mut last = 0;
    for epoch in 1..=30 {
        world.epoch(&mut cold, 1_500);
        let written = checkpoint(&store, &mut world, epoch);
        store.collect(3).unwrap();
        if epoch <= 10 {
            largest = largest.max(written.total_bytes);
        }
        last = written.total_bytes;
    }
    // The state is as large as ever; thirty epochs passed through it.
    assert!(last < 4 * largest, "{last} bytes after {largest}");
    assert_eq!(rocksdb::list(run.path()).unwrap(), vec![1, 29, 30]);
}

#[test]
fn an_incremental_checkpoint_links_what_it_shares() {
    let run = tempfile::tempdir().unwrap();
    let store = Store::create(run.path(), options()).unwrap();
    let mut world = World::new(6, 1, false);
    let delta = world.arrivals(50_000);
    let frozen = store.freeze(1).unwrap();
    let first = store.commit(frozen, &[delta], world.meta(1)).unwrap();
    // The little that changed since is all that is written.
    world.epoch(&mut tiers(&store, 1), 200);
    let second = checkpoint(&store, &mut world, 2);
    assert!(second.bytes * 20 < first.bytes, "{second:?} after {first:?}");
    assert!(second.total_bytes > first.total_bytes);
    drop(store);
    assert_eq!(restore(run.path(), 2).unwrap().1, world.rows());
}

#[test]
fn a_checkpoint_that_is_not_there_names_those_that_are() {
    let run = tempfile::tempdir().unwrap();
    let store = Store::create(run.path(), options()).unwrap();
    let mut world = World::new(7, 1, false);
    checkpoint(&store, &mut world, 4);
    drop(store);
    let error = restore(run.path(), 5).err().unwrap();
    assert!(matches!(&error, StoreError::Missing { have, .. } if have == &[4]), "{error}");
    assert!(error.to_string().contains("it has 4"), "{error}");
}

#[test]
fn other_rows_than_a_checkpoint_says_are_damage() {
    let run = tempfile::tempdir().unwrap();
    let store = Store::create(run.path(), options()).unwrap();
    let mut world = World::new(7, 1, false);
    checkpoint(&store, &mut world, 1);
    world.epoch(&mut tiers(&store, 1), 200);
    let meta = CheckpointMeta { state_rows: 7_000, ..world.meta(2) };
    let frozen = store.freeze(2).unwrap();
    store.commit(frozen, &world.deltas(), meta).unwrap();
    drop(store);
    let error = restore(run.path(), 2).err().unwrap();
    assert!(matches!(&error, StoreError::Damaged { epoch: 2, .. }), "{error}");
    assert!(error.to_string().ends_with("rows of 7000; the others are 1"), "{error}");
}

#[test]
fn two_runs_cannot_share_a_folder() {
    let run = tempfile::tempdir().unwrap();
    let store = Store::create(run.path(), options()).unwrap();
    let mut world = World::new(7, 1, false);
    checkpoint(&store, &mut world, 1);
    let error = Store::restore(run.path(), 1, options()).err().unwrap();
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
    // The first is unharmed.
    checkpoint(&store, &mut world, 2);
}

/// Prints what the layout on disk gains; a figure, not a test of speed.
#[test]
#[ignore = "a measurement: cargo test --test state measure -- --ignored --nocapture"]
fn measure() {
    let folder = tempfile::tempdir().unwrap();
    for found in rocksdb::measure(folder.path(), 1_000_000).unwrap() {
        println!("{found}");
    }
}
