//! `joinscope run --write` against a real broker: what a reader sees after
//! crashes at the protocol's points, under each guarantee.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::time::{Duration, Instant};

use joinscope_core::edges::fault::POINTS;
use joinscope_core::edges::log::Log as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use super::live::{Feed, stop, told};
use super::support::*;

const PARTITIONS: i32 = 2;

/// Jobs on the cluster that all tests share: their offsets stand under their names.
pub static JOBS: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

/// A job of its own: topics, pipeline with this guarantee, sink.
pub fn job(name: &str, guarantee: &str) -> Feed {
    JOBS.lock().unwrap().push(name.to_owned());
    make_topic(&format!("{name}-out"), PARTITIONS, &[]);
    let feed = Feed::new(name);
    with_guarantee(&feed, guarantee);
    feed
}

/// Writes the guarantee and the sink's format into the pipeline.
pub fn with_guarantee(feed: &Feed, guarantee: &str) {
    let text = std::fs::read_to_string(feed.path("p.toml")).unwrap();
    let text = text
        .replace("[delivery]\n", &format!("[delivery]\nguarantee = \"{guarantee}\"\n"))
        .replace("[sink]\n", "[sink]\nformat = \"json\"\n");
    std::fs::write(feed.path("p.toml"), text).unwrap();
}

/// What an independent reader sees of a topic: by example, how often.
pub fn seen(topic: &str, isolation: &str) -> BTreeMap<String, u32> {
    seen_at(&kafka().brokers, topic, isolation)
}

/// As [`seen`], on another cluster.
pub fn seen_at(brokers: &str, topic: &str, isolation: &str) -> BTreeMap<String, u32> {
    let mut config = ClientConfig::new();
    let reader: BaseConsumer = config
        .set("bootstrap.servers", brokers)
        .set("group.id", format!("reader-of-{topic}"))
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation)
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    reader.assign(&all).unwrap();
    let mut examples = BTreeMap::new();
    let mut open = PARTITIONS;
    while open > 0 {
        match reader.poll(PATIENCE).expect("it ends") {
            Ok(message) => {
                let headers = message.headers().unwrap();
                let example = headers.iter().find(|h| h.key == "joinscope.example").unwrap();
                let name = String::from_utf8(example.value.unwrap().to_vec()).unwrap();
                let value: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
                assert!(value["value"]["views"]["k"].is_string(), "{value}");
                *examples.entry(name).or_default() += 1;
            }
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{error}"),
        }
    }
    examples
}

/// What the engine without faults gives out over the arrival log that the job left.
pub fn oracle(feed: &Feed) -> BTreeMap<String, u32> {
    let again = feed.path("oracle");
    let _ = std::fs::remove_dir_all(&again);
    let said: Said = joinscope()
        .arg("run")
        .arg(feed.path("p.toml"))
        .arg("--recording")
        .arg(feed.dir().join("arrivals"))
        .arg("--out")
        .arg(&again)
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut examples = BTreeMap::new();
    for line in told("outputs", &again).lines() {
        let output: Value = serde_json::from_str(line).unwrap();
        *examples.entry(output["example"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    examples
}

/// Sends until the job stops at its point, then SIGKILL.
pub fn killed_at(feed: &mut Feed, faults: &str) {
    let mut child: Child =
        feed.command(&["--write"]).env("JOINSCOPE_FAULTS", faults).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (tell, stopped) = std::sync::mpsc::sync_channel(1);
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        for line in stderr.lines() {
            let line = line.unwrap();
            said += &line;
            said.push('\n');
            if line.contains("stopped at") {
                let _ = tell.send(());
            }
        }
        said
    });
    let deadline = Instant::now() + Duration::from_mins(3);
    while stopped.try_recv().is_err() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "{faults}: it ended: {}",
            reader.join().unwrap()
        );
        assert!(Instant::now() < deadline, "{faults}: never reached");
        feed.send(6);
        std::thread::sleep(Duration::from_millis(60));
    }
    signal(&child, "KILL");
    child.wait().unwrap();
    reader.join().unwrap();
}

/// Goes on to the end of what was sent, and ends in order.
pub fn finished(feed: &mut Feed) -> Value {
    feed.send(10);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.json()
}

#[test]
fn outputs_reach_the_sink_and_only_what_is_committed_is_seen() {
    let mut feed = job("delivered", "exactly-once");
    feed.send(100);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    feed.send(50);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    let live = said.json();
    assert_eq!(live["records"], feed.sent, "{}", said.err);
    assert!(live["committed"].as_u64().unwrap() > 0, "{live}");
    feed.replayed(&live);
    let seen = seen("delivered-out", "read_committed");
    assert_eq!(seen, oracle(&feed));
    assert_eq!(seen.values().sum::<u32>() as u64, live["outputs"].as_u64().unwrap());
    // The offsets are there for tools that show lag.
    let log = joinscope_core::edges::kafka::KafkaLog::new(
        joinscope_core::edges::kafka::Settings::new(kafka().brokers.clone()),
        PATIENCE,
    );
    let of = joinscope_operator::record::TopicPartition {
        topic: "delivered-views".into(),
        partition: 0,
    };
    assert_eq!(log.committed("delivered", std::slice::from_ref(&of)).unwrap()[&of], 75);
}

/// Pads of the last views are due when the partition that never gave anything is
/// idle: by the clock alone, and no record follows.
#[test]
fn what_the_clock_sets_off_is_committed_without_another_record() {
    let mut feed = job("ticked", "exactly-once");
    feed.send(20);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    // Far ahead in event time, on every partition but one of plays.
    for (topic, partition) in [("ticked-views", 0), ("ticked-views", 1), ("ticked-plays", 0)] {
        let value = format!("{{\"k\":\"last\",\"t\":{}}}", super::live::now_ms() + 60_000);
        let value = Some(value.as_bytes());
        let timestamp = super::live::now_ms();
        let sent = Sent { partition, timestamp, value, ..Sent::default() };
        give(&feed.producer, topic, &sent);
        feed.sent += 1;
    }
    let visible = until("all views to be given out", || {
        let seen = seen("ticked-out", "read_committed");
        (seen.len() >= 20).then_some(seen)
    });
    assert!(child.try_wait().unwrap().is_none());
    let said = stop(child);
    let live = said.json();
    feed.replayed(&live);
    let expected = oracle(&feed);
    assert!(visible.keys().all(|example| expected.contains_key(example)));
    assert_eq!(seen("ticked-out", "read_committed"), expected);
}

#[test]
fn exactly_once_whatever_point_it_is_killed_at() {
    let points = [
        "send@20",
        "prepare.delta@2",
        "prepare.sync@2",
        "prepare.rename@2",
        "prepared@2",
        "commit.progress@2",
        "commit.offsets@2",
        "commit.send@2",
        "commit.answered@2",
        "collect@2",
    ];
    let mut feed = job("points", "exactly-once");
    for point in points {
        killed_at(&mut feed, &format!("{point}=stop"));
    }
    let live = finished(&mut feed);
    assert_eq!(live["records"], feed.sent);
    let (seen, expected) = (seen("points-out", "read_committed"), oracle(&feed));
    assert!(expected.len() as u64 >= feed.sent / 3, "{} outputs", expected.len());
    assert_eq!(seen, expected);
    feed.replayed(&live);
}

/// `make torture`: `JOINSCOPE_SCHEDULES` schedules (200), each a random point of
/// a random epoch; the seed of one that fails is printed (`JOINSCOPE_SEED`).
#[test]
#[ignore = "long: make torture"]
fn exactly_once_through_random_crashes() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (schedules, first) = (number("JOINSCOPE_SCHEDULES", 200), number("JOINSCOPE_SEED", 1));
    for seed in first..first + schedules {
        eprintln!("JOINSCOPE_SEED={seed} JOINSCOPE_SCHEDULES=1");
        let mut state = seed;
        let mut draw = |n: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let mut feed = job(&format!("torture-{seed}"), "exactly-once");
        for _ in 0..=draw(3) {
            // What every epoch passes once.
            let once = |point: &&&str| {
                (point.starts_with("prepare")
                    || point.starts_with("commit")
                    || **point == "collect")
                    && **point != "commit.again"
            };
            let epochs: Vec<_> = POINTS.iter().filter(once).collect();
            let point = match draw(4) {
                0 => format!("send@{}=stop", 1 + draw(60)),
                _ => format!("{}@{}=stop", epochs[draw(epochs.len())], 1 + draw(4)),
            };
            killed_at(&mut feed, &point);
        }
        let live = finished(&mut feed);
        assert_eq!(live["records"], feed.sent, "seed {seed}");
        let topic = format!("torture-{seed}-out");
        assert_eq!(seen(&topic, "read_committed"), oracle(&feed), "seed {seed}");
        feed.replayed(&live);
        for topic in ["views", "plays", "out"] {
            delete_topic(&format!("torture-{seed}-{topic}"));
        }
    }
}

#[test]
fn at_least_once_loses_nothing() {
    let mut feed = job("least", "at-least-once");
    for point in ["send@30", "prepared@2", "commit.marked@2"] {
        killed_at(&mut feed, &format!("{point}=stop"));
    }
    let live = finished(&mut feed);
    assert_eq!(live["records"], feed.sent);
    let (seen, expected) = (seen("least-out", "read_committed"), oracle(&feed));
    assert!(expected.keys().all(|example| seen.contains_key(example)), "nothing is lost");
    assert!(seen.keys().all(|example| expected.contains_key(example)), "nothing is invented");
}

#[test]
fn at_most_once_gives_nothing_twice() {
    let mut feed = job("most", "at-most-once");
    for point in ["offsets@12", "prepared@2"] {
        killed_at(&mut feed, &format!("{point}=stop"));
    }
    finished_or_lost(&mut feed);
    let seen = seen("most-out", "read_committed");
    assert!(!seen.is_empty() && seen.values().all(|n| *n == 1), "{seen:?}");
    let expected = oracle(&feed);
    assert!(seen.keys().all(|example| expected.contains_key(example)), "nothing is invented");
}

/// Records are lost, so their number is not known.
fn finished_or_lost(feed: &mut Feed) {
    let mut child = feed.start(&["--write"]);
    feed.send(20);
    feed.await_log(&mut child);
    let said = stop(child);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn a_second_process_of_a_job_is_told_who_has_it() {
    let mut feed = job("taken", "exactly-once");
    feed.send(20);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let said: Said = feed.command(&["--write"]).output().unwrap().into();
    assert_eq!(said.code, Some(4), "{}", said.err);
    let who = format!("is being run by process {} on ", child.id());
    assert!(said.err.contains("taken") && said.err.contains(&who), "{}", said.err);
    let pid = child.id();
    assert_eq!(stop(child).code, Some(0));
    // From another folder nothing is there to go on from, and who has it is said.
    let said: Said = joinscope()
        .arg("run")
        .arg(feed.path("p.toml"))
        .args(["--brokers", &feed.brokers, "--write", "--out"])
        .arg(feed.path("elsewhere"))
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    let who = format!("its last progress is of process {pid} on ");
    assert!(said.err.contains(&who), "{}", said.err);
    assert!(!said.err.contains("--rebuild"), "{}", said.err);
}

/// Batches as large as ever were refused whole, and the message that was named was
/// the first of them.
#[test]
fn a_tight_sink_topic_takes_what_fits_and_what_does_not_is_named() {
    JOBS.lock().unwrap().push("tight".to_owned());
    make_topic("tight-out", PARTITIONS, &[("max.message.bytes", "2000")]);
    let mut feed = Feed::new("tight");
    with_guarantee(&feed, "exactly-once");
    feed.send(400);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let small = seen("tight-out", "read_committed");
    assert_eq!(small, oracle(&feed));
    assert!(small.len() >= 200, "{}", small.len());

    // Noise, so that no compression helps.
    let mut state = 7u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + (state >> 40) as u8 % 26)
    });
    let noise: String = noise.take(9_000).collect();
    let t = super::live::now_ms();
    for (topic, value) in [
        ("tight-views", format!("{{\"k\":\"big\",\"t\":{t},\"x\":\"{noise}\"}}")),
        ("tight-plays", format!("{{\"k\":\"big\",\"t\":{t}}}")),
    ] {
        let value = Some(value.as_bytes());
        give(&feed.producer, topic, &Sent { timestamp: t, value, ..Sent::default() });
    }
    feed.send(40);
    let mut child = feed.start(&["--write"]);
    until("the job to give up", || child.try_wait().unwrap());
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    let named = "(example tight-views[0]@200+tight-plays[0]@200, ";
    assert!(said.err.contains(named), "{}", said.err);
    assert!(said.err.contains("the topic takes 2000 (max.message.bytes)"), "{}", said.err);
}

/// Found by reading: another output of the batch was named for it.
#[test]
fn an_output_whose_time_the_topic_does_not_take_is_named() {
    JOBS.lock().unwrap().push("far".to_owned());
    make_topic("far-out", PARTITIONS, &[("message.timestamp.after.max.ms", "3600000")]);
    let mut feed = Feed::new("far");
    with_guarantee(&feed, "exactly-once");
    feed.send(40);
    // Of a device whose clock is wrong: the record's own timestamp is not.
    let now = super::live::now_ms();
    let value = format!("{{\"k\":\"far\",\"t\":{}}}", now + 7_200_000);
    for topic in ["far-views", "far-plays"] {
        let value = Some(value.as_bytes());
        give(&feed.producer, topic, &Sent { timestamp: now, value, ..Sent::default() });
    }
    feed.send(4);
    let mut child = feed.start(&["--write"]);
    until("the job to give up", || child.try_wait().unwrap());
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    let named = "bytes to far-out (example far-views[0]@20+far-plays[0]@20, records ";
    assert!(said.err.contains(named), "{}", said.err);
    for what in ["message.timestamp.after.max.ms", "watermark.max_ahead"] {
        assert!(said.err.contains(what), "{what}: {}", said.err);
    }
}

#[test]
fn a_progress_topic_that_deletes_is_said() {
    let mut feed = job("loose", "exactly-once");
    make_topic("joinscope-progress-loose", 1, &[("cleanup.policy", "delete")]);
    feed.send(20);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let what = "topic joinscope-progress-loose has cleanup.policy=delete: ";
    assert!(said.err.contains(what), "{}", said.err);
}

#[test]
fn a_sink_topic_with_fewer_replicas_than_it_wants_is_said() {
    JOBS.lock().unwrap().push("few".to_owned());
    make_topic("few-out", PARTITIONS, &[("min.insync.replicas", "2")]);
    let mut feed = Feed::new("few");
    with_guarantee(&feed, "exactly-once");
    feed.send(20);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let what = "topic few-out: partition 0 has 1 of the 2 replicas that its min.insync.replicas";
    assert!(said.err.contains(what), "{}", said.err);
    // A broker of today takes one in sync for enough.
    assert_eq!(seen("few-out", "read_committed"), oracle(&feed));
}

#[test]
fn a_second_process_without_write_is_told_too() {
    let mut feed = Feed::new("taken-quietly");
    feed.send(20);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    let said: Said = feed.command(&[]).output().unwrap().into();
    assert_eq!(said.code, Some(4), "{}", said.err);
    assert!(said.err.contains(&format!("(process {})", child.id())), "{}", said.err);
    assert_eq!(stop(child).code, Some(0));
}
