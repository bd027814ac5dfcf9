//! Topics that do not fit the state any more on a cluster without topic ids, and what
//! at-most-once says that it lost.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::schedule::{Incident, What};
use super::tests::{Between, at, lives, lives_with, pipeline, schedule, setup};
use super::tests_recovery::refused;
use crate::edges::log::Log as _;
use crate::edges::log::sim::{Call, Fault, SimLog};
use crate::engine::delivery::{JobEvent, progress_topic};

/// What the job remembers of a topic, otherwise than it was.
fn remembers(folder: &Path, topic: &str, as_was: Value) {
    let path = folder.join("delivery.json");
    let mut mark: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(mark["topics"][topic]["partitions"], 2, "{mark}");
    mark["topics"][topic] = as_was;
    std::fs::write(path, mark.to_string()).unwrap();
}

#[test]
fn fewer_partitions_than_the_job_began_with_are_refused() {
    for topic in ["likes", "out"] {
        let text = refused("at-least-once", move |_, folder| {
            remembers(folder, topic, json!({ "id": null, "partitions": 3 }));
        });
        let what = format!("topic \"{topic}\" has 2 partitions and had 3 when the job began");
        assert!(text.contains(&what) && text.contains("delivery.job"), "{text}");
    }
}

/// Found by reading: on a cluster, whose brokers say the same of a topic that they do not
/// know yet, such a start asked for ever where the progress topic ends.
#[test]
fn a_progress_topic_that_is_gone_is_said_under_another_guarantee_too() {
    for guarantee in ["at-least-once", "at-most-once"] {
        let then: Between = Arc::new(|cluster: &SimLog, _: &Path, n| {
            if n == 1 {
                cluster.delete_topic(&progress_topic("case"));
            }
        });
        let mut setup = setup("exactly-once");
        setup.next_pipelines = vec![pipeline(guarantee)];
        let crash = schedule(vec![at("prepared", 4, What::Crash)]);
        let (_, lived, _) = lives_with(setup, &crash, Some(then));
        assert_eq!(lived.len(), 2, "{guarantee}");
        let text = lived[1].outcome.as_ref().unwrap_err().to_string();
        assert!(text.contains("topic joinscope-progress-case knows nothing of it"), "{text}");
    }
}

#[test]
fn a_log_that_ends_before_the_state_is_refused() {
    let text = refused("at-least-once", |cluster, folder| {
        cluster.make_anew("likes");
        // Nothing but its offsets tells.
        remembers(folder, "likes", json!({ "id": null, "partitions": 2 }));
    });
    assert!(text.starts_with("likes[") && text.contains("the log holds 0 to 0"), "{text}");
    assert!(text.contains("it was cut or made anew"), "{text}");
    assert!(text.contains("Nothing is skipped by itself"), "{text}");
}

#[test]
fn at_most_once_lists_each_record_that_it_lost() {
    let crash = schedule(vec![at("prepare.delta", 4, What::Crash)]);
    let (world, lived, found) = lives(setup("at-most-once"), &crash);
    assert_eq!(found, []);
    assert_eq!(lived.len(), 2);
    let told = super::input::lock(&world.told);
    let lost = told.iter().filter_map(|told| match &told.event {
        JobEvent::Lost(lost) => Some(lost),
        _ => None,
    });
    let ranges: Vec<(String, i64, i64)> = lost
        .flatten()
        .map(|lost| (format!("{}[{}]", lost.topic, lost.partition), lost.from, lost.to))
        .collect();
    assert!(ranges.iter().all(|(_, from, to)| from < to), "{ranges:?}");
    // Each partition once, and as many records as the job never took (none of this
    // input's offsets is empty).
    let mut partitions: Vec<&str> = ranges.iter().map(|(of, ..)| of.as_str()).collect();
    partitions.sort_unstable();
    partitions.dedup();
    assert_eq!(partitions.len(), ranges.len(), "{ranges:?}");
    let listed: i64 = ranges.iter().map(|(_, from, to)| to - from).sum();
    let missed = 160 - world.order().order.len() as i64;
    assert!(missed > 0);
    assert_eq!(listed, missed, "{ranges:?}");
}

/// Found by reading: a group without members loses its offsets a week after the last
/// one, and what had been taken behind the checkpoint was taken once more.
#[test]
fn at_most_once_takes_nothing_twice_when_the_group_has_no_offsets_any_more() {
    let then: Between = Arc::new(|cluster: &SimLog, _: &Path, n| {
        if n == 1 {
            cluster.client().delete_group("case").unwrap();
        }
    });
    let crash = schedule(vec![at("prepare.delta", 4, What::Crash)]);
    let (world, lived, found) = lives_with(setup("at-most-once"), &crash, Some(then));
    assert_eq!(found, [], "{:?}", lived[1].outcome);
    assert!(lived[1].outcome.is_ok(), "{:?}", lived[1].outcome);
    assert!(world.order().order.len() < 160, "no record was lost");
}

/// Found by reading: it was said where the last wait for an epoch's outputs failed, not
/// where handing one over did.
#[test]
fn at_most_once_says_that_outputs_may_be_lost_whatever_call_failed() {
    // Of an epoch's a dozen outputs eight leave at once, the others with the wait.
    for nth in 4..10 {
        let lost = vec![(Call::Produce, nth, Fault::Lost)];
        let lost = schedule(vec![Incident { calls: lost, ..Incident::default() }]);
        let (world, _, found) = lives(setup("at-most-once"), &lost);
        assert_eq!(found, [], "{nth}");
        let told = super::input::lock(&world.told);
        let aborted = told.iter().filter_map(|told| match &told.event {
            JobEvent::Aborted { why } => Some(why.as_str()),
            _ => None,
        });
        let why: Vec<&str> = aborted.collect();
        assert!(!why.is_empty(), "{nth}");
        for why in why {
            assert!(why.contains("; some of the outputs of epoch "), "{nth}: {why}");
        }
    }
}
