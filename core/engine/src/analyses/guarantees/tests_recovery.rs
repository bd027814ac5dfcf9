//! The recovery table of 4-commit, row by row, and bugs that must be caught.

use std::path::Path;
use std::sync::Arc;

use super::check::Violation;
use super::schedule::{Incident, Schedule, What};
use super::tests::{Between, at, holds, lives, lives_with, pipeline, schedule, setup};
use super::world::Setup;
use crate::edges::fault::POINTS;
use crate::edges::log::sim::{Call, Fault, SimLog};
use crate::engine::delivery::{Bugs, JobError, JobEvent};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::TopicPartition;

fn calls(calls: Vec<(Call, u64, Fault)>) -> Incident {
    Incident { calls, ..Incident::default() }
}

#[test]
fn at_least_and_at_most_once_survive_a_crash_at_every_point() {
    for guarantee in ["at-least-once", "at-most-once"] {
        for point in POINTS {
            let nth = if point.starts_with("start") || point == "restore" { 1 } else { 3 };
            let what = if point.len() % 2 == 0 { What::Crash } else { What::PowerLoss(5) };
            holds(guarantee, &schedule(vec![at(point, nth, what)]));
        }
    }
}

#[test]
fn at_least_once_repeats_and_at_most_once_loses_what_the_crash_hit() {
    let crash = schedule(vec![at("prepare.delta", 4, What::Crash)]);
    let (world, _, found) = lives(setup("at-least-once"), &crash);
    assert_eq!(found, []);
    let written = world.cluster.stored("out").unwrap().len();
    assert!(written > 103, "nothing was repeated: {written}");
    let crash = schedule(vec![at("prepare.delta", 4, What::Crash)]);
    let (world, _, found) = lives(setup("at-most-once"), &crash);
    assert_eq!(found, []);
    assert!(world.order().order.len() < 160, "no record was lost");
}

/// Found by the random schedules: at most once, the last epochs stayed in the
/// producer of a job that ended while the cluster was away; and an epoch whose
/// messages were not delivered was lost without a word.
#[test]
fn what_waits_in_a_producer_is_waited_for_and_what_is_not_delivered_is_said() {
    for guarantee in ["at-least-once", "at-most-once"] {
        for nth in [6, 9] {
            holds(guarantee, &schedule(vec![calls(vec![(Call::Flush, nth, Fault::Down(5))])]));
            for fault in [Fault::Lost, Fault::Landed] {
                holds(guarantee, &schedule(vec![calls(vec![(Call::Produce, nth, fault)])]));
            }
        }
    }
}

/// Found by the random schedules: what the clock had set off before the first
/// record was taken over by a start from the beginning, and was not on the disk.
#[test]
fn a_start_from_the_beginning_takes_over_nothing() {
    let mut case = super::random::case(7, 317, Some(71)).unwrap();
    case.schedule = serde_json::from_str(
        r#"{"incidents":[{"calls":[],"at":["offsets",7,"crash"]},
            {"calls":[],"at":["prepare.sync",1,{"power-loss":467265}]}],
            "order":584652,"in_step":false,"ticks":58}"#,
    )
    .unwrap();
    assert_eq!(super::torture::run_case(&case).unwrap().0, []);
}

#[test]
fn what_a_power_loss_leaves_is_enough() {
    for point in ["prepare.links", "prepare.manifest", "prepare.renamed", "prepared"] {
        for (i, seed) in (0..3).enumerate() {
            let other = ["commit.send", "commit.answered", "commit.marked"][i];
            let twice =
                vec![at(point, 3, What::PowerLoss(seed)), at(other, 2, What::PowerLoss(seed))];
            let lived = holds("exactly-once", &schedule(twice));
            assert_eq!(lived.len(), 3);
        }
    }
}

#[test]
fn a_zombie_is_fenced_and_names_who_took_over() {
    for point in ["send", "prepare.rename", "prepared", "commit.send", "commit.marked"] {
        let lived = holds("exactly-once", &schedule(vec![at(point, 4, What::Zombie)]));
        assert_eq!(lived.len(), 2, "{point}");
        let error = lived[0].outcome.as_ref().unwrap_err();
        assert!(matches!(error, JobError::Replaced { .. }), "{point}: {error}");
        assert!(error.to_string().contains("touches nothing"), "{error}");
    }
}

/// Found by reading: a start whose own progress record was committed only when asked
/// again makes a new producer; a twin that had taken over before that was fenced, and
/// its epochs were delivered a second time.
#[test]
fn a_start_that_makes_a_new_producer_looks_who_has_the_job_now() {
    for fault in [Fault::Lost, Fault::Landed] {
        let at = Some(("commit.again".to_owned(), 1, What::Zombie));
        let again = Incident { calls: vec![(Call::Commit, 1, fault)], at, ..Incident::default() };
        let lived = holds("exactly-once", &schedule(vec![again]));
        assert_eq!(lived.len(), 2, "{fault:?}");
        let error = lived[0].outcome.as_ref().unwrap_err();
        assert!(matches!(error, JobError::Replaced { .. }), "{fault:?}: {error}");
        assert!(lived[1].outcome.is_ok(), "{fault:?}: {:?}", lived[1].outcome);
    }
}

/// Found by the random schedules: the zombie's call was lost instead of answered
/// with 'fenced', and it looked for its twin's checkpoint in its own folder.
#[test]
fn a_zombie_that_times_out_names_who_took_over_as_well() {
    let mut case = super::random::case(2, 2838, Some(75)).unwrap();
    case.schedule = serde_json::from_str(
        r#"{"incidents":[{"calls":[],"at":["commit.progress",2,"zombie"]},
            {"calls":[["produce",8,"lost"]],"at":null}],
            "order":null,"in_step":false,"ticks":19}"#,
    )
    .unwrap();
    assert_eq!(super::torture::run_case(&case).unwrap().0, []);
}

#[test]
fn a_transaction_that_timed_out_in_sleep_is_done_again() {
    for point in ["send", "prepared", "commit.progress", "commit.send"] {
        let sleep = schedule(vec![at(point, 4, What::Sleep)]);
        let (world, lived, found) = lives(setup("exactly-once"), &sleep);
        assert_eq!(found, [], "{point}: {:?}", lived[0].outcome);
        let restarts = lived[0].outcome.as_ref().unwrap().restarts;
        // Nobody took the job over: no other instance is blamed for it.
        let timed_out = |told: &super::world::Told| {
            matches!(&told.event, JobEvent::Aborted { why }
                if why.starts_with("the transaction timed out"))
        };
        let said = super::input::lock(&world.told).iter().any(timed_out);
        assert!(said || point != "commit.send", "{point}");
        // Before, the transaction may not have reached the broker yet.
        assert!(restarts == 1 || point != "commit.send" && restarts == 0, "{point}: {restarts}");
        // What it took before it went on from a checkpoint counts too.
        let taken = lived[0].taken;
        // (In the first step already, nothing had gone through.)
        let again = restarts == 1 && point != "send";
        assert!(taken >= 160 + u64::from(again), "{point}: {taken}");
    }
}

/// Found by reading: the predecessor, which had crashed, was taken for somebody who had
/// taken the job over since, so that the start ended.
#[test]
fn a_start_whose_first_transaction_timed_out_blames_nobody() {
    // The broker is away under the start's own progress record, for longer than that
    // transaction may be open.
    let away = calls(vec![(Call::Commit, 1, Fault::Restart(u32::MAX))]);
    let then = schedule(vec![at("prepared", 4, What::Crash), away]);
    let (world, lived, found) = lives(setup("exactly-once"), &then);
    assert_eq!(found, [], "{:?}", lived.last().map(|life| &life.outcome));
    assert_eq!(lived.len(), 2);
    assert_eq!(lived[1].outcome.as_ref().unwrap().restarts, 1);
    let timed_out = |told: &super::world::Told| {
        matches!(&told.event, JobEvent::Aborted { why }
            if why.starts_with("the transaction timed out"))
    };
    assert!(super::input::lock(&world.told).iter().any(timed_out));
}

#[test]
fn an_error_that_requires_abort_is_tried_once_more_and_then_named() {
    for call in [Call::Commit, Call::Offsets, Call::Produce] {
        let nth = if call == Call::Produce { 9 } else { 4 };
        let once = schedule(vec![calls(vec![(call, nth, Fault::Refused)])]);
        let lived = holds("exactly-once", &once);
        assert_eq!(lived[0].outcome.as_ref().unwrap().restarts, 1, "{call:?}");
    }
    // Always at the same output: no second attempt helps.
    let between: Between = Arc::new(|cluster: &SimLog, _: &Path, _| {
        cluster.set_largest("out", 180);
    });
    let (_, lived, _) = lives_with(setup("exactly-once"), &schedule(vec![]), Some(between));
    let error = lived[0].outcome.as_ref().unwrap_err();
    assert!(matches!(error, JobError::Output { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("example ") && text.contains("max.message.bytes"), "{text}");
}

#[test]
fn whoever_watches_a_job_hears_which_commit_it_waits_for_and_why() {
    for (call, nth, what) in
        [(Call::Commit, 4, "the commit of epoch "), (Call::Init, 1, "an answer of the cluster (")]
    {
        let away = schedule(vec![calls(vec![(call, nth, Fault::Down(3))])]);
        let (world, _, found) = lives(setup("exactly-once"), &away);
        assert_eq!(found, [], "{call:?}");
        let told = super::input::lock(&world.told);
        let waits: Vec<&str> = told.iter().filter_map(|t| t.waits_for.as_deref()).collect();
        let whole = |said: &&str| said.starts_with(what) && said.ends_with(')');
        assert!(waits.iter().any(whole), "{call:?}: {waits:?}");
    }
}

/// What the second incarnation says when `between` happened before it.
pub(super) fn refused(
    guarantee: &str,
    between: impl Fn(&SimLog, &Path) + Send + Sync + 'static,
) -> String {
    let crash = schedule(vec![at("prepared", 4, What::Crash)]);
    let then: Between = Arc::new(move |cluster: &SimLog, folder: &Path, n| {
        if n == 1 {
            between(cluster, folder);
        }
    });
    let (_, lived, _) = lives_with(setup(guarantee), &crash, Some(then));
    assert_eq!(lived.len(), 2);
    lived[1].outcome.as_ref().unwrap_err().to_string()
}

#[test]
fn a_full_disk_stops_the_job_by_name_and_it_goes_on_when_there_is_room() {
    for guarantee in ["exactly-once", "at-least-once", "at-most-once"] {
        for point in POINTS.iter().filter(|point| point.starts_with("prepare.")) {
            let lived = holds(guarantee, &schedule(vec![at(point, 3, What::DiskFull)]));
            assert_eq!(lived.len(), 2, "{guarantee} {point}");
            let error = lived[0].outcome.as_ref().unwrap_err().to_string();
            assert!(error.contains("no space left on device"), "{error}");
        }
    }
}

/// A job whose inputs can be idle, and whose rows stay open at the end.
pub(super) fn idling(guarantee: &str, kind: &str) -> Setup {
    let text = pipeline(guarantee).to_toml();
    let idle = "max_out_of_orderness = \"20ms\"";
    assert!(text.contains(idle) && text.contains("kind = \"left\""), "{text}");
    let text = text
        .replace(idle, &format!("{idle}, idle_timeout = \"150ms\""))
        .replace("kind = \"left\"", &format!("kind = \"{kind}\""));
    let pipeline = Arc::new(Pipeline::parse(&text, "ticking.toml").unwrap());
    Setup { pipeline, at_end: crate::engine::AtEnd::Open, ..setup(guarantee) }
}

/// Time goes on without records, and the wall clock is set.
pub(super) fn ticking(incidents: Vec<Incident>) -> Schedule {
    Schedule {
        ticks: Some(20),
        in_step: false,
        clock_steps: vec![(40, 3_000), (80, -4_000), (120, 500)],
        ..schedule(incidents)
    }
}

/// Ticks of its own, through a crash at each point where only the clock may have
/// had an effect since the last record.
#[test]
fn barriers_fall_by_the_clock_and_what_they_committed_is_gone_on_from() {
    for guarantee in ["exactly-once", "at-least-once", "at-most-once"] {
        for kind in ["left", "inner"] {
            let setup = idling(guarantee, kind);
            let (world, lived, found) = lives(setup.clone(), &ticking(vec![]));
            assert_eq!(found, [], "{guarantee} {kind}");
            let epochs = lived[0].passed.iter().find(|(point, _)| *point == "prepared").unwrap().1;
            let records = world.order().order.len() as u64;
            assert_eq!(records, 160);
            // More than one barrier at the last arrival: the clock alone set them off.
            let told = super::input::lock(&world.told);
            let committed = told.iter().filter(|t| matches!(t.event, JobEvent::Committed { .. }));
            assert!(committed.count() as u64 >= epochs, "{epochs}");
            drop(told);
            for point in ["prepared", "commit.answered", "collect", "kept"] {
                for back in 0..4 {
                    let nth = epochs.saturating_sub(back).max(1);
                    let usable = !(guarantee == "at-most-once" && point.starts_with("commit"));
                    if usable {
                        for what in [What::Crash, What::PowerLoss(back)] {
                            let schedule = ticking(vec![at(point, nth, what)]);
                            let (_, lived, found) = lives(setup.clone(), &schedule);
                            let ends: Vec<_> = lived.iter().map(|life| &life.outcome).collect();
                            assert_eq!(found, [], "{guarantee} {kind} {point}@{nth}: {ends:#?}");
                        }
                    }
                }
            }
        }
    }
}

fn part(topic: &str) -> TopicPartition {
    TopicPartition { topic: topic.into(), partition: 0 }
}

#[test]
fn what_does_not_fit_any_more_is_refused_and_nothing_is_reset() {
    for guarantee in ["exactly-once", "at-least-once"] {
        let text = refused(guarantee, |cluster, _| cluster.delete_before(&part("views"), 40));
        assert!(text.contains("views[0]") && text.contains("retention deleted"), "{text}");
        let text = refused(guarantee, |cluster, _| cluster.make_anew("likes"));
        assert!(text.contains("\"likes\" was made anew"), "{text}");
        let text = refused(guarantee, |cluster, _| cluster.delete_topic("out"));
        assert!(text.contains("\"out\" is not on the cluster: create it"), "{text}");
    }
    let text = refused("exactly-once", |cluster, _| {
        cluster.delete_topic(&crate::engine::delivery::progress_topic("case"));
    });
    assert!(text.contains("knows nothing of it") && text.contains("another folder"), "{text}");
}

/// Found by reading: a job that was killed behind its last checkpoint could not go on
/// once retention had removed what its log alone was to be followed for.
#[test]
fn what_retention_deleted_of_what_the_log_has_is_followed_from_there() {
    for guarantee in ["exactly-once", "at-least-once"] {
        let then: Between = Arc::new(|cluster: &SimLog, _: &Path, n| {
            if n == 1 {
                // The state goes on at 15, the log at 20 or later.
                cluster.delete_before(&part("views"), 18);
            }
        });
        let crash = schedule(vec![at("prepared", 4, What::Crash)]);
        let (_, lived, found) = lives_with(setup(guarantee), &crash, Some(then));
        assert_eq!(found, [], "{guarantee}: {:?}", lived[1].outcome);
        assert_eq!(lived.len(), 2);
        assert!(lived[1].outcome.is_ok(), "{guarantee}: {:?}", lived[1].outcome);
    }
}

#[test]
fn a_folder_that_has_nothing_of_the_job_names_who_ran_it_last() {
    let text = refused("exactly-once", |_, folder| {
        std::fs::remove_dir_all(folder.join("checkpoints")).unwrap();
        std::fs::remove_file(folder.join("delivery.json")).unwrap();
    });
    let who = "its last progress is of process 1 on the harness (owner ";
    assert!(text.contains("checkpoint 3") && text.contains(who), "{text}");
    assert!(text.contains("--out") && !text.contains("--rebuild"), "{text}");
}

#[test]
fn another_pipeline_is_refused_but_interval_and_guarantee_may_change() {
    let changed = |from: &str, to: &str, guarantee: &str| {
        let text = pipeline("exactly-once").to_toml();
        assert!(text.contains(from), "{text}");
        let next = Arc::new(Pipeline::parse(&text.replace(from, to), "next.toml").unwrap());
        let mut setup = setup(guarantee);
        setup.next_pipelines = vec![next];
        let crash = schedule(vec![at("prepared", 4, What::Crash)]);
        let (_, mut lived, _) = lives(setup, &crash);
        lived.pop().unwrap().outcome
    };
    let error = changed("until = \"150ms\"", "until = \"140ms\"", "exactly-once").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("[join] differs") && text.contains("may change"), "{text}");
    let end = changed(
        "checkpoint_interval = \"100ms\"",
        "checkpoint_interval = \"37ms\"",
        "exactly-once",
    );
    assert!(end.unwrap().committed > 12);
    let end =
        changed("guarantee = \"exactly-once\"", "guarantee = \"at-least-once\"", "exactly-once");
    assert!(end.unwrap().committed >= 7);
}

/// What the progress topic says is of before the job ran at-least-once: until
/// the state has a progress record of its own, it must not count.
#[test]
fn from_at_least_once_to_exactly_once_an_old_progress_record_does_not_count() {
    let mut setup = setup("exactly-once");
    setup.next_pipelines = vec![pipeline("at-least-once"), pipeline("exactly-once")];
    let crashes = schedule(vec![
        at("prepared", 2, What::Crash),
        at("commit.marked", 4, What::Crash),
        at("start.commit", 1, What::Crash),
        at("prepared", 1, What::Crash),
    ]);
    let (world, lived, _) = lives(setup, &crashes);
    assert_eq!(lived.len(), 5);
    assert!(lived[4].outcome.is_ok(), "{:?}", lived[4].outcome);
    let told = super::input::lock(&world.told);
    let from: Vec<u64> = told
        .iter()
        .filter_map(|told| match told.event {
            JobEvent::Restored { epoch, .. } => Some(epoch),
            _ => None,
        })
        .collect();
    assert_eq!(from[..2], [0, 1]);
    assert!(from[2] > 1 && from[2..] == [from[2]; 3], "{from:?}");
}

/// Whether some of these schedules show it.
fn caught(setup: &Setup, schedules: impl IntoIterator<Item = Schedule>) -> Vec<Violation> {
    schedules
        .into_iter()
        .map(|schedule| lives(setup.clone(), &schedule).2)
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

#[test]
fn a_skipped_fsync_is_caught() {
    let losses =
        || (0..8).map(|seed| schedule(vec![at("commit.answered", 3, What::PowerLoss(seed))]));
    assert_eq!(caught(&setup("exactly-once"), losses()), []);
    for part in ["manifest.json", ".sst"] {
        let planted = Setup { forget_syncs_of: Some(part.to_owned()), ..setup("exactly-once") };
        assert!(!caught(&planted, losses()).is_empty(), "{part}");
    }
}

#[test]
fn a_commit_before_its_time_a_wrong_checkpoint_and_a_producer_reused_are_caught() {
    let cases = [
        (
            "at-least-once",
            Bugs { commit_early: true, ..Bugs::default() },
            at("commit.send", 3, What::Crash),
        ),
        (
            "exactly-once",
            Bugs { adopt_newest: true, ..Bugs::default() },
            at("commit.send", 3, What::Crash),
        ),
        (
            "exactly-once",
            Bugs { reuse_producer: true, ..Bugs::default() },
            Incident {
                calls: vec![(Call::Commit, 4, Fault::Late(8))],
                at: Some(("prepare.delta".to_owned(), 4, What::Crash)),
                ..Incident::default()
            },
        ),
    ];
    for (guarantee, bugs, incident) in cases {
        let schedule = schedule(vec![incident]);
        holds(guarantee, &schedule);
        let planted = Setup { bugs, ..setup(guarantee) };
        let found = caught(&planted, [schedule]);
        assert!(!found.is_empty(), "{bugs:?}");
    }
}

#[test]
fn five_hundred_random_schedules_hold() {
    use super::torture::{Torture, torture};
    let spec = Torture { seed: 1, first: 0, count: 500, records: None, schedule: None, threads: 2 };
    let outcome = torture(&spec, &|_| {}).unwrap();
    if let Some(failed) = &outcome.failed {
        panic!("{:#?}\n{}", failed.violations, failed.command());
    }
    assert_eq!(outcome.cases, 500);
    // Every point ended somebody, every guarantee was at it.
    assert!(outcome.crashes.values().sum::<u64>() > 300, "{:?}", outcome.crashes);
    assert!(outcome.crashes.len() >= POINTS.len() - 2, "{:?}", outcome.crashes);
    assert_eq!(outcome.guarantees.len(), 3);
}

#[test]
fn a_failing_schedule_is_made_small_and_named() {
    use super::torture::{Torture, smallest, torture};
    let spec = Torture { seed: 3, first: 0, count: 200, records: None, schedule: None, threads: 1 };
    // Found by looking at cases one by one under a planted bug.
    let bugs = Bugs { adopt_newest: true, ..Bugs::default() };
    let failed = (0..spec.count).find_map(|n| {
        let mut case = super::random::case(spec.seed, n, None).unwrap();
        case.setup.bugs = bugs;
        let (violations, ..) = super::torture::run_case(&case).unwrap();
        (!violations.is_empty()).then(|| super::torture::Failed {
            seed: spec.seed,
            n,
            records: case.setup.input.records.len(),
            schedule: case.schedule,
            violations,
        })
    });
    let failed = failed.expect("the bug was not caught");
    let small = smallest(failed.clone(), |case| case.setup.bugs = bugs);
    assert!(small.records <= failed.records);
    assert_eq!(small.schedule.incidents.len(), 1, "{small:?}");
    let command = small.command();
    assert!(command.starts_with("joinscope torture --seed 3 --only "), "{command}");
    // Without the bug the same schedule holds.
    let again = Torture {
        first: small.n,
        count: 1,
        records: Some(small.records),
        schedule: Some(small.schedule),
        ..spec
    };
    assert!(torture(&again, &|_| {}).unwrap().failed.is_none());
}
