//! The rows of 4-commit's recovery table, by SIGKILL of a job on a real broker.
//!
//! | where it stops | test |
//! | --- | --- |
//! | mid-epoch, or while N.tmp is written | `deliver::exactly_once_whatever_point_it_is_killed_at`; every further step: [`the_steps_between_and_a_start_that_is_killed`] |
//! | N.prepared, commit not sent | the same two |
//! | commit sent, no answer | `cluster_faults::killed_while_a_commit_is_not_answered`; the job lives: `proxied::exactly_once_through_delays_losses_and_cuts` |
//! | committed, not marked; while collecting | the first two |
//! | retriable error or timeout from commit | `cluster_faults::a_broker_that_stands_still_is_waited_for_and_the_job_goes_on`, `log::a_commit_is_repeated_until_the_broker_is_back_and_each_record_is_there_once`, `proxied::exactly_once_through_delays_losses_and_cuts` |
//! | an error that requires abort | `deliver::a_tight_sink_topic_takes_what_fits_and_what_does_not_is_named` |
//! | transaction timed out | `log::a_transaction_that_timed_out_looks_like_a_twin`, `guarantees::a_sleep_a_zombie_and_an_unanswered_commit_are_the_same_on_both` |
//! | a zombie wakes | [`a_zombie_that_wakes_names_its_twin`] |
//! | checkpoint E missing or corrupt | [`a_checkpoint_that_is_gone_is_made_anew_when_asked`] |
//! | input offset gone, topic id changed, progress gone | [`what_does_not_fit_the_state_is_refused`], [`state_that_the_cluster_knows_nothing_of_is_refused`] |
//! | more partitions | `partitions::a_job_reads_new_partitions_from_its_next_start_on_through_kills`, [`a_changed_pipeline_is_refused_and_a_new_partition_is_said`] |
//! | pipeline changed | the same |
//! | the other guarantees | `deliver::at_least_once_loses_nothing`, `deliver::at_most_once_gives_nothing_twice`, [`the_other_guarantees_at_further_points`], `proxied::at_least_once_through_delays_losses_and_cuts` |

use std::process::{Command, Stdio};

use joinscope_core::run::Run;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminOptions, NewPartitions};

use super::deliver::{finished, job, killed_at, oracle, seen};
use super::live::{Feed, stop};
use super::support::*;

/// Another start, which must not go on; what it said.
fn refused(feed: &Feed, code: i32) -> String {
    let said: Said = feed.command(&["--write"]).output().unwrap().into();
    assert_eq!(said.code, Some(code), "{}", said.err);
    said.err
}

#[test]
fn the_steps_between_and_a_start_that_is_killed() {
    let mut feed = job("steps", "exactly-once");
    for point in [
        "start.init",
        "start.read",
        "start.commit",
        "prepare.links@2",
        "restore",
        "prepare.manifest@2",
        "start.commit",
        "prepare.renamed@2",
        "commit.marked@2",
        "start.read",
        "kept@2",
    ] {
        killed_at(&mut feed, &format!("{point}=stop"));
    }
    let live = finished(&mut feed);
    assert_eq!(live["records"], feed.sent);
    assert_eq!(seen("steps-out", "read_committed"), oracle(&feed));
    feed.replayed(&live);
}

#[test]
fn the_other_guarantees_at_further_points() {
    let mut feed = job("least-steps", "at-least-once");
    for point in ["prepare.sync@2", "prepare.renamed@2", "commit.send@2", "commit.answered@2"] {
        killed_at(&mut feed, &format!("{point}=stop"));
    }
    let live = finished(&mut feed);
    assert_eq!(live["records"], feed.sent);
    let (given, expected) = (seen("least-steps-out", "read_committed"), oracle(&feed));
    assert!(given.keys().eq(expected.keys()), "lost or invented: {given:?}\n{expected:?}");

    let mut feed = job("most-steps", "at-most-once");
    for point in ["prepare.renamed@2", "commit.marked@2", "send@9"] {
        killed_at(&mut feed, &format!("{point}=stop"));
    }
    let child = feed.start(&["--write"]);
    feed.send(20);
    // Records are lost, so their number is not known.
    until("an output of the last process", || {
        (seen("most-steps-out", "read_committed").len() > 10).then_some(())
    });
    assert_eq!(stop(child).code, Some(0));
    let (given, expected) = (seen("most-steps-out", "read_committed"), oracle(&feed));
    assert!(given.values().all(|n| *n == 1), "{given:?}");
    assert!(given.keys().all(|example| expected.contains_key(example)), "nothing is invented");
}

#[test]
fn a_zombie_that_wakes_names_its_twin() {
    let mut feed = job("zombie", "exactly-once");
    feed.send(40);
    let mut zombie = feed.start(&["--write"]);
    feed.await_arrivals(&mut zombie, feed.sent);
    // It has something to commit when it wakes.
    feed.send(20);
    signal(&zombie, "STOP");
    let twin_dir = feed.path("twin");
    let copied = Command::new("cp").arg("-a").arg(feed.dir()).arg(&twin_dir).status();
    assert!(copied.unwrap().success());
    feed.send(40);
    let mut twin = joinscope()
        .arg("run")
        .arg(feed.path("p.toml"))
        .args(["--brokers", &feed.brokers, "--timeout", "10s", "--json", "--write", "--out"])
        .arg(&twin_dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the twin to take all", || {
        let ended = twin.try_wait().unwrap().is_some();
        (ended || Run::open(&twin_dir).map_or(0, |run| run.arrivals()) >= feed.sent).then_some(())
    });
    let before = seen("zombie-out", "read_committed");
    signal(&zombie, "CONT");
    // Whatever it had under way is refused, and so is what comes now.
    feed.send(10);
    until("the zombie to end", || zombie.try_wait().unwrap());
    let said: Said = zombie.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(4), "{}", said.err);
    let who = format!("was taken over by process {} on ", twin.id());
    assert!(said.err.contains(&who) && said.err.contains("touches nothing"), "{}", said.err);
    until("the twin to take what came since", || {
        let ended = twin.try_wait().unwrap().is_some();
        (ended || Run::open(&twin_dir).map_or(0, |run| run.arrivals()) >= feed.sent).then_some(())
    });
    let live = stop(twin).json();
    assert_eq!(live["records"], feed.sent);
    // The job's folder is the twin's now.
    std::fs::remove_dir_all(feed.dir()).unwrap();
    std::fs::rename(&twin_dir, feed.dir()).unwrap();
    let after = seen("zombie-out", "read_committed");
    assert!(before.iter().all(|(example, n)| after.get(example) == Some(n)), "{before:?}");
    assert_eq!(after, oracle(&feed));
}

#[test]
fn a_checkpoint_that_is_gone_is_made_anew_when_asked() {
    let mut feed = job("unkept", "exactly-once");
    killed_at(&mut feed, "commit.answered@4=stop");
    let checkpoints = feed.dir().join("checkpoints");
    for entry in std::fs::read_dir(&checkpoints).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    let before = seen("unkept-out", "read_committed");
    assert!(!before.is_empty());
    let why = refused(&feed, 2);
    assert!(why.contains("cannot be used") && why.contains("--rebuild"), "{why}");
    assert_eq!(seen("unkept-out", "read_committed"), before, "nothing was written");
    feed.send(10);
    let mut child = feed.start(&["--write", "--rebuild"]);
    feed.await_arrivals(&mut child, feed.sent);
    let live = stop(child).json();
    assert_eq!(live["records"], feed.sent);
    assert_eq!(seen("unkept-out", "read_committed"), oracle(&feed));
}

#[test]
fn what_does_not_fit_the_state_is_refused() {
    let mut feed = job("unfit", "exactly-once");
    feed.send(40);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    assert_eq!(stop(child).code, Some(0));
    let before = seen("unfit-out", "read_committed");

    feed.send(40);
    let mut gone = TopicPartitionList::new();
    gone.add_partition_offset("unfit-views", 0, rdkafka::Offset::Offset(30)).unwrap();
    block(admin().delete_records(&gone, &AdminOptions::new())).unwrap();
    let why = refused(&feed, 2);
    assert!(why.contains("unfit-views[0]: the job goes on at offset 20"), "{why}");
    assert!(why.contains("retention deleted input"), "{why}");

    delete_topic("unfit-views");
    make_topic("unfit-views", 2, &[]);
    let why = refused(&feed, 2);
    assert!(why.contains("topic \"unfit-views\" was made anew"), "{why}");

    assert_eq!(seen("unfit-out", "read_committed"), before, "nothing was written");
}

#[test]
fn state_that_the_cluster_knows_nothing_of_is_refused() {
    let mut feed = job("forgotten", "exactly-once");
    killed_at(&mut feed, "commit.answered@2=stop");
    delete_topic("joinscope-progress-forgotten");
    let why = refused(&feed, 2);
    assert!(why.contains("topic joinscope-progress-forgotten knows nothing of it"), "{why}");
}

#[test]
fn a_changed_pipeline_is_refused_and_a_new_partition_is_said() {
    let mut feed = job("changed", "exactly-once");
    killed_at(&mut feed, "commit.answered@2=stop");
    let pipeline = feed.path("p.toml");
    let text = std::fs::read_to_string(&pipeline).unwrap();
    assert!(text.contains("until = \"500ms\"") && text.contains("\"300ms\""), "{text}");
    std::fs::write(&pipeline, text.replace("until = \"500ms\"", "until = \"600ms\"")).unwrap();
    let why = refused(&feed, 2);
    assert!(why.contains("made by another pipeline: [join] differs"), "{why}");
    // How often it commits is not what the state is.
    std::fs::write(&pipeline, text.replace("\"300ms\"", "\"400ms\"")).unwrap();
    let more = NewPartitions::new("changed-plays", 3);
    for made in block(admin().create_partitions([&more], &AdminOptions::new())).unwrap() {
        made.unwrap();
    }
    feed.send(10);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    let live = said.json();
    assert_eq!(live["records"], feed.sent, "{}", said.err);
    assert!(said.err.contains("changed-plays[2] is new since the job began"), "{}", said.err);
    assert_eq!(seen("changed-out", "read_committed"), oracle(&feed));
}
