//! Checkpoints that are made anew by replaying the arrival log.

use std::path::Path;
use std::sync::Arc;

use super::schedule::What;
use super::tests::{Between, at, lives, lives_with, pipeline, schedule, setup};
use super::tests_recovery::{idling, refused, ticking};
use super::world::Setup;
use crate::edges::log::sim::SimLog;
use crate::engine::delivery::{JobError, JobEvent};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::TopicPartition;

/// Changes a byte in the middle of a file of the newest committed checkpoint.
fn flip(folder: &Path, epoch: u64) {
    let rows = folder.join(format!("checkpoints/{epoch}/rows"));
    let tables = std::fs::read_dir(rows).unwrap().flatten().map(|e| e.path());
    let table = tables.into_iter().find(|p| p.extension().is_some_and(|e| e == "sst")).unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(table, bytes).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_said_and_made_anew_when_asked() {
    let text = refused("exactly-once", |_, folder| flip(folder, 3));
    assert!(text.contains("checkpoint 3") && text.contains("--rebuild"), "{text}");
    for order in [None, Some(3)] {
        let mut crash = schedule(vec![at("prepared", 4, What::Crash)]);
        crash.order = order;
        let then: Between = Arc::new(|_: &SimLog, folder: &Path, n| {
            if n == 1 {
                flip(folder, 3);
            }
        });
        let setup = Setup { rebuild: true, ..setup("exactly-once") };
        let (_, lived, found) = lives_with(setup, &crash, Some(then));
        assert_eq!(found, [], "{:?}", lived[1].outcome);
    }
}

/// What a job asked to make its checkpoint anew ends with.
fn rebuilt(setup: Setup) -> JobError {
    let then: Between = Arc::new(|_: &SimLog, folder: &Path, n| {
        if n == 1 {
            flip(folder, 3);
        }
    });
    let setup = Setup { rebuild: true, ..setup };
    let crash = schedule(vec![at("prepared", 4, What::Crash)]);
    let (_, mut lived, _) = lives_with(setup, &crash, Some(then));
    assert_eq!(lived.len(), 2);
    lived.pop().unwrap().outcome.unwrap_err()
}

#[test]
fn a_checkpoint_is_not_made_anew_where_outputs_could_be_given_twice() {
    // The arrival log ends before what was delivered.
    let error = rebuilt(Setup { log_left: Some(10), ..setup("exactly-once") });
    let text = error.to_string();
    assert!(matches!(error, JobError::Refused(_)), "{text}");
    assert!(text.contains("has 10 of the") && text.contains("given twice"), "{text}");
    // No barrier falls where the progress record stands: nothing says that the
    // state is the same.
    let text = pipeline("exactly-once").to_toml();
    let (from, to) = ("checkpoint_interval = \"100ms\"", "checkpoint_interval = \"80ms\"");
    assert!(text.contains(from), "{text}");
    let next = Arc::new(Pipeline::parse(&text.replace(from, to), "next.toml").unwrap());
    let error = rebuilt(Setup { next_pipelines: vec![next], ..setup("exactly-once") });
    let text = error.to_string();
    assert!(matches!(error, JobError::Rebuilt { .. }) && text.contains("no barrier"), "{text}");
    // Without a progress record nothing says what to suppress.
    let text = rebuilt(setup("at-least-once")).to_string();
    assert!(text.contains("checkpoint 3") && !text.contains("--rebuild"), "{text}");
}

/// Found by reading: at-most-once took all that was delivered as lost, and cut the
/// whole arrival log away; at-least-once gave out what lay behind before anything was
/// compared, and a crash on the way left a job that nothing could go on with.
#[test]
fn a_checkpoint_is_made_anew_under_the_guarantee_that_it_was_delivered_under() {
    for guarantee in ["at-least-once", "at-most-once"] {
        let next = vec![pipeline(guarantee)];
        let error = rebuilt(Setup { next_pipelines: next, ..setup("exactly-once") });
        let text = error.to_string();
        assert!(matches!(error, JobError::Refused(_)), "{guarantee}: {text}");
        let now = format!("delivery.guarantee is {guarantee} now");
        assert!(text.contains("checkpoint 3") && text.contains(&now), "{text}");
    }
}

/// Found by reading: under another interval a rebuild leaves a checkpoint of the
/// delivered epoch's number that is not that epoch's, and nothing made it anew again.
#[test]
fn a_rebuild_that_came_out_otherwise_can_be_done_again() {
    let text = pipeline("exactly-once").to_toml();
    let (from, to) = ("checkpoint_interval = \"100ms\"", "checkpoint_interval = \"80ms\"");
    assert!(text.contains(from), "{text}");
    let other = Arc::new(Pipeline::parse(&text.replace(from, to), "next.toml").unwrap());
    let next_pipelines = vec![other, pipeline("exactly-once")];
    let then: Between = Arc::new(|_: &SimLog, folder: &Path, n| {
        if n == 1 {
            flip(folder, 3);
        }
        assert!(n < 2 || folder.join("checkpoints/3").is_dir());
    });
    let setup = Setup { rebuild: true, next_pipelines, ..setup("exactly-once") };
    let crashes = schedule(vec![at("prepared", 4, What::Crash), at("collect", 3, What::Crash)]);
    let (_, lived, found) = lives_with(setup, &crashes, Some(then));
    assert_eq!(found, [], "{:?}", lived.last().map(|life| &life.outcome));
    assert_eq!(lived.len(), 3);
    assert!(lived[2].outcome.is_ok(), "{:?}", lived[2].outcome);
}

/// Found by reading: where the job had begun was looked for in the topics, so that no
/// job could be rebuilt whose retention was shorter than its life.
#[test]
fn what_retention_deleted_since_it_was_delivered_is_rebuilt_from_the_log() {
    let then: Between = Arc::new(|cluster: &SimLog, folder: &Path, n| {
        if n == 1 {
            flip(folder, 3);
            // Of each partition fifteen were delivered.
            for (topic, partition, first) in [("views", 0, 0), ("views", 1, 3), ("likes", 0, 7)] {
                let of = TopicPartition { topic: topic.into(), partition };
                cluster.delete_before(&of, first + 15);
            }
        }
    });
    let setup = Setup { rebuild: true, ..setup("exactly-once") };
    let crash = schedule(vec![at("prepared", 4, What::Crash)]);
    let (_, lived, found) = lives_with(setup, &crash, Some(then));
    assert_eq!(found, [], "{:?}", lived[1].outcome);
    assert_eq!(lived.len(), 2);
    assert!(lived[1].outcome.is_ok(), "{:?}", lived[1].outcome);
}

/// Found by reading: what only the clock set off behind the barrier up to which
/// nothing leaves, at the same arrival, was held back as well, and was lost; and the
/// next barrier at that arrival was held against the digest of this one.
#[test]
fn a_rebuild_gives_what_the_clock_alone_set_off_behind_what_was_delivered() {
    let setup = Setup { rebuild: true, ..idling("exactly-once", "left") };
    let (world, lived, found) = lives(setup.clone(), &ticking(vec![]));
    assert_eq!(found, []);
    let epochs = lived[0].passed.iter().find(|(point, _)| *point == "prepared").unwrap().1;
    let records = world.order().order.len() as u64;
    let gone: Between = Arc::new(|_: &SimLog, folder: &Path, n| {
        if n == 1 {
            std::fs::remove_dir_all(folder.join("checkpoints")).unwrap();
        }
    });
    let mut at_the_last_record = 0;
    for point in ["prepared", "commit.answered"] {
        for back in 0..5 {
            let crash = ticking(vec![at(point, epochs.saturating_sub(back).max(2), What::Crash)]);
            let (world, lived, found) = lives_with(setup.clone(), &crash, Some(Arc::clone(&gone)));
            let ends: Vec<_> = lived.iter().map(|life| &life.outcome).collect();
            assert_eq!(found, [], "{point}, {back} before the end: {ends:#?}");
            let told = super::input::lock(&world.told);
            let until = told.iter().find_map(|told| match told.event {
                JobEvent::Rebuilding { arrival } => Some(arrival),
                _ => None,
            });
            assert!(until.is_some(), "{point}, {back} before the end: {ends:#?}");
            at_the_last_record += u32::from(until == Some(records));
        }
    }
    assert!(at_the_last_record > 1, "the clock alone ended too few epochs");
}
