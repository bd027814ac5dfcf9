//! SIGKILL at any moment leaves the newest whole checkpoint to restore.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use joinscope_core::edges::rocksdb::{self, Store};

use crate::checkpoints::{checkpoint, restore};
use crate::world::{Random, World, options, tiers};

const SEED: u64 = 77;
const SHARDS: usize = 2;
const EVENTS: u64 = 400;
const EPOCHS: u64 = 12;

#[test]
#[ignore = "the process that a_kill_loses_no_whole_checkpoint kills"]
fn the_one_that_is_killed() {
    let run = PathBuf::from(std::env::var_os("STATE_TEST_RUN").unwrap());
    let store = Store::create(&run, options()).unwrap();
    let mut world = World::new(SEED, SHARDS, true);
    let mut cold = tiers(&store, SHARDS);
    for epoch in 1..10_000 {
        world.epoch(&mut cold, EVENTS);
        checkpoint(&store, &mut world, epoch);
    }
}

fn start(run: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::the_one_that_is_killed", "--ignored"])
        .env("STATE_TEST_RUN", run)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until `done`, while the child lives.
fn wait(child: &mut Child, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        assert!(Instant::now() < deadline, "the child got nowhere");
        std::thread::yield_now();
    }
}

#[test]
fn a_kill_loses_no_whole_checkpoint() {
    // What each epoch's checkpoint must hold: the same seed, without a kill.
    let mut expected = Vec::new();
    {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), options()).unwrap();
        let mut world = World::new(SEED, SHARDS, true);
        let mut cold = tiers(&store, SHARDS);
        for _ in 0..EPOCHS + 8 {
            world.epoch(&mut cold, EVENTS);
            // Only the rows: what is handed over does not change them.
            drop(world.deltas());
            expected.push(world.rows());
        }
    }
    let mut random = Random(1);
    let mut torn = 0;
    for round in 0..EPOCHS {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let mut child = start(&run);
        let epoch = 1 + round;
        let (whole, half) = (
            run.join(format!("checkpoints/{epoch}")),
            run.join(format!("checkpoints/{epoch}.tmp")),
        );
        // In the middle of the next checkpoint, at various depths into it.
        wait(&mut child, || whole.is_dir() || half.is_dir());
        let inside = match random.below(4) {
            0 => half.join("cold"),
            1 => half.join("rows"),
            2 => half.join("manifest.json"),
            _ => half.clone(),
        };
        wait(&mut child, || inside.exists() || whole.is_dir());
        child.kill().unwrap();
        child.wait().unwrap();

        let found = rocksdb::list(&run).unwrap();
        let names = fs::read_dir(run.join("checkpoints")).unwrap();
        torn += names
            .filter(|e| e.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|x| x == "tmp")))
            .count();
        assert!(found.len() as u64 >= round, "{found:?} in round {round}");
        for epoch in &found {
            rocksdb::verify(&run, *epoch).unwrap();
        }
        if let Some(newest) = found.last() {
            let (store, rows) = restore(&run, *newest).unwrap();
            assert_eq!(rows, expected[*newest as usize - 1], "epoch {newest}");
            assert!(!run.join(format!("checkpoints/{}.tmp", newest + 1)).exists());
            drop(store);
        }
    }
    assert!(torn >= EPOCHS as usize / 3, "only {torn} kills hit the middle of a checkpoint");
}
