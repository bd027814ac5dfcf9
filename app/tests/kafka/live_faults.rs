//! What can go wrong under a live run, and what it says.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use joinscope_core::edges::recording::Recording;
use rdkafka::TopicPartitionList;
use rdkafka::admin::AdminOptions;
use rdkafka::producer::Producer as _;

use super::deliver::{finished, job, oracle, seen};
use super::live::{Feed, now_ms, stop};
use super::support::*;

#[test]
fn what_cannot_be_read_is_said_at_once() {
    let feed = Feed::over("nowhere", kafka().brokers.clone(), producer(&[]));
    let said: Said = feed.command(&[]).output().unwrap().into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("topic nowhere-plays is not on the cluster"), "{}", said.err);
    assert!(!feed.dir().exists(), "nothing is left");
    let nobody = Feed::over("nobody", "127.0.0.1:1".to_owned(), producer(&[]));
    let said: Said = nobody.command(&[]).output().unwrap().into();
    assert_eq!(said.code, Some(3), "a supervisor tries again: {}", said.err);
    assert!(said.err.contains("no broker of 127.0.0.1:1 answers"), "{}", said.err);
    // So it does where a schema registry is away.
    let feed = Feed::new("unschooled");
    let said: Said = feed.command(&["--registry", "http://127.0.0.1:1"]).output().unwrap().into();
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("registry http://127.0.0.1:1: does not answer"), "{}", said.err);
    assert!(!feed.dir().exists(), "nothing is left");
    // Nor of one that the topics are there for, and that cannot be run.
    let said: Said = feed.command(&["--set", "inputs.views.format=avro"]).output().unwrap().into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("needs the schema of its records"), "{}", said.err);
    assert!(!feed.dir().exists(), "nothing is left");
    let said: Said = joinscope().arg("run").arg(feed.path("p.toml")).output().unwrap().into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("--recording R, or --brokers"), "{}", said.err);
}

#[test]
fn a_topic_made_anew_ends_the_run_and_is_not_gone_on_with() {
    let mut feed = Feed::new("anew");
    feed.send(20);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    delete_topic("anew-plays");
    make_topic("anew-plays", 2, &[]);
    // Longer than our position: the client itself would not notice.
    feed.send(100);
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("anew-plays") && said.err.contains("was deleted"), "{}", said.err);
    let said: Said = feed.command(&[]).output().unwrap().into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("made anew"), "{}", said.err);
    assert!(said.err.contains("begin a new run"), "{}", said.err);
}

#[test]
fn records_that_retention_removed_are_not_passed_over_in_silence() {
    let mut feed = Feed::new("removed");
    feed.send(40);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    stop(child);
    feed.send(40);
    let mut until = TopicPartitionList::new();
    until.add_partition_offset("removed-views", 0, rdkafka::Offset::Offset(30)).unwrap();
    block(admin().delete_records(&until, &AdminOptions::new())).unwrap();
    let said: Said = feed.command(&[]).output().unwrap().into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("removed-views[0]@20"), "{}", said.err);
    assert!(said.err.contains("retention removed it"), "{}", said.err);
}

/// Found by reading: what the checkpoint had and the log had lost was taken a second
/// time.
#[test]
fn a_log_that_a_power_loss_left_behind_the_checkpoint_is_gone_on_with() {
    let mut feed = Feed::new("left-behind");
    feed.send(200);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    stop(child);
    let segment = feed.dir().join("arrivals/00000000.mcap");
    let file = std::fs::File::options().write(true).open(&segment).unwrap();
    file.set_len(segment.metadata().unwrap().len() / 2).unwrap();
    assert!(Recording::open(&segment).unwrap().len() < feed.sent);
    for _ in 0..2 {
        let mut child = feed.start(&[]);
        feed.send(30);
        feed.await_arrivals(&mut child, feed.sent);
        let said = stop(child);
        assert_eq!(said.json()["records"], feed.sent, "each record once: {}", said.err);
    }
}

/// Found by reading: a segment whose head a power loss took ended each start after it.
#[test]
fn a_segment_that_a_power_loss_left_without_a_head_is_passed_over() {
    let mut feed = Feed::new("headless");
    feed.send(50);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    stop(child);
    std::fs::write(feed.dir().join("arrivals/00000001.mcap"), [0; 4096]).unwrap();
    feed.send(30);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert!(said.err.contains("00000001.mcap: removed"), "{}", said.err);
    let live = said.json();
    assert_eq!(live["records"], feed.sent);
    feed.replayed(&live);
}

/// A partition that ends in a commit marker, and that retention empties: the log begins
/// behind the position of its last record, and nothing was lost.
#[test]
fn markers_that_retention_removed_are_no_loss() {
    let mut feed = Feed::new("markers");
    feed.send(10);
    let transactional = producer(&[("transactional.id", "markers-tx")]);
    transactional.init_transactions(PATIENCE).unwrap();
    transactional.begin_transaction().unwrap();
    let value = format!("{{\"k\":\"last\",\"t\":{}}}", now_ms());
    let value = Some(value.as_bytes());
    give(&transactional, "markers-views", &Sent { timestamp: 1, value, ..Sent::default() });
    transactional.flush(PATIENCE).unwrap();
    transactional.commit_transaction(PATIENCE).unwrap();
    feed.sent += 1;
    // Offsets 0 to 5 hold records, 6 the marker.
    until("the marker", || {
        let (_, end) =
            feed.producer.client().fetch_watermarks("markers-views", 0, PATIENCE).ok()?;
        (end == 7).then_some(())
    });
    let address = free_address();
    let mut child = feed.start(&["--metrics", &address]);
    feed.await_arrivals(&mut child, feed.sent);
    // It comes to the end behind the marker, too.
    served(
        &address,
        "joinscope_lag_records{job_name=\"markers\",topic=\"markers-views\",partition=\"0\"} 0",
    );
    stop(child);
    let mut until = TopicPartitionList::new();
    until.add_partition_offset("markers-views", 0, rdkafka::Offset::Offset(7)).unwrap();
    block(admin().delete_records(&until, &AdminOptions::new())).unwrap();
    feed.send(10);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert_eq!(said.json()["records"], feed.sent, "{}", said.err);
}

#[test]
fn a_cluster_that_goes_away_is_waited_for() {
    let own = Own::start("away");
    own.make_topic("away-views", 2);
    own.make_topic("away-plays", 2);
    let mut feed = Feed::over("away", own.brokers.clone(), own.producer());
    feed.send(30);
    let address = free_address();
    let mut child = feed.start(&["--metrics", &address]);
    feed.await_arrivals(&mut child, feed.sent);
    own.kill();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(12) {
        assert!(child.try_wait().unwrap().is_none(), "it waits");
        std::thread::sleep(Duration::from_millis(200));
    }
    served(&address, "joinscope_brokers_answer{job_name=\"away\"} 0");
    own.revive();
    feed.send(30);
    feed.await_arrivals(&mut child, feed.sent);
    // It looks every three seconds whether somebody answers.
    served(&address, "joinscope_brokers_answer{job_name=\"away\"} 1");
    let said = stop(child);
    let live = said.json();
    assert_eq!(live["records"], feed.sent);
    assert!(said.err.contains("no broker answers"), "{}", said.err);
    assert!(said.err.contains("the brokers answer again"), "{}", said.err);
    feed.replayed(&live);
}

/// The first one waits for a commit that does not come through.
#[test]
fn a_second_signal_ends_it_at_once_and_nothing_is_lost() {
    let mut feed = job("told-twice", "exactly-once");
    feed.send(20);
    let mut command = feed.command(&["--write"]);
    let mut child = command.env("JOINSCOPE_FAULTS", "commit.send=stop").spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut heard = |what: &str| assert!(lines.any(|line| line.contains(what)), "{what}");
    heard("stopped at commit.send");
    signal(&child, "TERM");
    heard("once more ends at once");
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    signal(&child, "INT");
    let ended = until("its end", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(130));
    let live = finished(&mut feed);
    assert_eq!(live["records"], feed.sent);
    assert_eq!(seen("told-twice-out", "read_committed"), oracle(&feed));
}
