//! A damaged checkpoint is told, by file; a full disk leaves what was whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use joinscope_core::edges::rocksdb::{self, Store, StoreError};

use crate::checkpoints::{checkpoint, restore};
use crate::world::{World, options, tiers};

/// A run with three checkpoints, cold tier and all, and their rows.
fn run_with_three(run: &Path) -> Vec<Vec<joinscope_core::operator::state::Row>> {
    let store = Store::create(run, options()).unwrap();
    let mut world = World::new(21, 2, true);
    let mut cold = tiers(&store, 2);
    (1..=3)
        .map(|epoch| {
            world.epoch(&mut cold, 600);
            checkpoint(&store, &mut world, epoch);
            world.rows()
        })
        .collect()
}

/// Every file of a checkpoint that its manifest lists, and the manifest.
fn files_of(checkpoint: &Path) -> Vec<PathBuf> {
    let mut files = vec![checkpoint.join("manifest.json")];
    for part in ["rows", "cold"] {
        for entry in fs::read_dir(checkpoint.join(part)).unwrap() {
            files.push(entry.unwrap().path());
        }
    }
    files
}

/// Replaces a file (not the content that other checkpoints link).
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_a_cut_and_a_missing_file_are_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let expected = run_with_three(run);
    let newest = run.join("checkpoints/3");
    let files = files_of(&newest);
    assert!(files.iter().filter(|f| f.extension().is_some_and(|e| e == "sst")).count() >= 3);
    for file in &files {
        let good = fs::read(file).unwrap();
        let mut flipped = good.clone();
        let middle = good.len() / 2;
        if !good.is_empty() {
            flipped[middle] ^= 0x10;
        }
        let mut longer = good.clone();
        longer.push(0);
        let damages: [(&str, Option<Vec<u8>>); 4] = [
            ("missing", None),
            ("cut", Some(good[..middle].to_vec())),
            ("flipped", Some(flipped)),
            ("longer", Some(longer)),
        ];
        for (what, bytes) in damages {
            match bytes {
                Some(bytes) if bytes == good => continue,
                Some(bytes) => replace(file, &bytes),
                None => fs::remove_file(file).unwrap(),
            }
            let error = restore(run, 3).err().unwrap_or_else(|| panic!("{what}: {file:?}"));
            match &error {
                StoreError::Damaged { epoch: 3, path, others, .. } => {
                    assert_eq!((path, others), (file, &vec![1, 2]), "{what}");
                }
                other => panic!("{what} {file:?}: {other}"),
            }
            assert!(error.to_string().ends_with("; the others are 1, 2"), "{error}");
            fs::write(file, &good).unwrap();
        }
    }
    // Nothing was changed by the attempts: all three restore, newest first.
    for epoch in (1..=3u64).rev() {
        assert_eq!(restore(run, epoch).unwrap().1, expected[epoch as usize - 1]);
    }
}

/// Found by reading: each start read its checkpoint against its checksums twice.
#[test]
fn what_was_found_whole_is_not_read_against_its_checksums_again() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    run_with_three(run);
    rocksdb::verify(run, 3).unwrap();
    // It goes bad meanwhile.
    let is_table = |file: &PathBuf| file.extension().is_some_and(|e| e == "sst");
    let table = files_of(&run.join("checkpoints/3")).into_iter().find(is_table).unwrap();
    let mut bytes = fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    replace(&table, &bytes);
    let sums = "its checksum does not match";
    let error = Store::restore(run, 3, options()).err().unwrap().to_string();
    assert!(error.contains(sums), "{error}");
    let error = Store::restore_verified(run, 3, options()).err().map(|e| e.to_string());
    assert!(!error.as_ref().is_some_and(|error| error.contains(sums)), "{error:?}");
}

#[test]
fn an_earlier_checkpoint_restores_where_the_newest_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let expected = run_with_three(run);
    replace(&run.join("checkpoints/3/manifest.json"), b"{}");
    assert!(matches!(restore(run, 3), Err(StoreError::Damaged { .. })));
    assert_eq!(restore(run, 2).unwrap().1, expected[1]);
    assert_eq!(rocksdb::list(run).unwrap(), vec![1, 2]);
}

/// Found by reading: a run stopped for it when it had so many that some go.
#[test]
fn a_damaged_checkpoint_does_not_keep_others_from_going() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let store = Store::create(run, options()).unwrap();
    let mut world = World::new(22, 1, false);
    let mut cold = tiers(&store, 1);
    for epoch in 1..=5 {
        world.epoch(&mut cold, 100);
        checkpoint(&store, &mut world, epoch);
    }
    replace(&run.join("checkpoints/1/manifest.json"), b"{}");
    assert_eq!(store.collect(3).unwrap(), [3]);
    assert_eq!(rocksdb::list(run).unwrap(), [1, 2, 4, 5]);
    assert!(store.collect(3).unwrap().is_empty());
}

#[test]
fn half_a_checkpoint_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let expected = run_with_three(run);
    // As a crash leaves it: everything but the rename.
    fs::rename(run.join("checkpoints/3"), run.join("checkpoints/3.tmp")).unwrap();
    assert_eq!(rocksdb::list(run).unwrap(), vec![1, 2]);
    let (store, rows) = restore(run, 2).unwrap();
    assert_eq!(rows, expected[1]);
    assert!(!run.join("checkpoints/3.tmp").exists());
    drop(store);
}

/// Checkpoints until the disk is full; says how that ended. Returns the rows of
/// each checkpoint that was taken.
fn until_full(run: &Path) -> (Vec<Vec<joinscope_core::operator::state::Row>>, StoreError) {
    let store = Store::create(run, options()).unwrap();
    let mut world = World::new(33, 1, false);
    let mut taken = Vec::new();
    for epoch in 1..=400 {
        world.epoch(&mut [store.cold(0)], 6_000);
        let deltas = world.deltas();
        let result =
            store.freeze(epoch).and_then(|frozen| store.commit(frozen, &deltas, world.meta(epoch)));
        match result {
            Ok(_) => taken.push(world.rows()),
            Err(error) => return (taken, error),
        }
    }
    panic!("the disk did not fill up");
}

fn check_full(run: &Path, taken: &[Vec<joinscope_core::operator::state::Row>], error: &StoreError) {
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
    assert!(error.to_string().contains("free space"), "{error}");
    let epochs: Vec<u64> = (1..=taken.len() as u64).collect();
    assert_eq!(rocksdb::list(run).unwrap(), epochs);
    let half = fs::read_dir(run.join("checkpoints")).unwrap().count();
    assert_eq!(half, taken.len(), "nothing half-written is left");
    for epoch in epochs {
        rocksdb::verify(run, epoch).unwrap();
    }
}

/// On a real small file system where this machine lets us mount one.
#[test]
fn a_full_disk_is_said_and_earlier_checkpoints_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
        .arg(dir.path())
        .output()
        .is_ok_and(|out| out.status.success());
    if !mounted {
        eprintln!("not root: only the limit on file sizes is tried");
        return;
    }
    let run = dir.path().join("run");
    let result = std::panic::catch_unwind(|| {
        let (taken, error) = until_full(&run);
        assert!(taken.len() >= 2, "{}", taken.len());
        check_full(&run, &taken, &error);
        // Room again: the run goes on from its newest checkpoint.
        fs::remove_dir_all(run.join("state")).unwrap();
        for epoch in 1..taken.len() {
            fs::remove_dir_all(run.join(format!("checkpoints/{epoch}"))).unwrap();
        }
        let (store, rows) = restore(&run, taken.len() as u64).unwrap();
        assert_eq!(Some(&rows), taken.last());
        drop(store);
    });
    let unmounted = Command::new("umount").arg(dir.path()).status().is_ok_and(|s| s.success());
    assert!(unmounted);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// A file that may not grow further is the same to us as a full disk; any user
/// can try it.
#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let test = std::env::current_exe().unwrap();
    let out = Command::new("sh")
        .args(["-c", "ulimit -f 100; trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(test)
        .args(["--exact", "faults::in_a_limited_process", "--ignored", "--nocapture"])
        .env("STATE_TEST_RUN", dir.path().join("run"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run by a_file_that_may_not_grow_is_a_full_disk, under its limit"]
fn in_a_limited_process() {
    let run = PathBuf::from(std::env::var_os("STATE_TEST_RUN").unwrap());
    let (taken, error) = until_full(&run);
    check_full(&run, &taken, &error);
    if let Some(rows) = taken.last() {
        assert_eq!(restore(&run, taken.len() as u64).unwrap().1, *rows);
    }
}
