//! Topics that get partitions while a job or a live run goes on, and are read whole
//! from its next start on.

use rdkafka::admin::{AdminOptions, NewPartitions};

use super::deliver::{job, killed_at, oracle, seen};
use super::live::{Feed, now_ms, stop};
use super::support::*;

/// The topic has so many partitions from now on, for whoever asks.
fn grow(topic: &str, partitions: usize) {
    let more = NewPartitions::new(topic, partitions);
    for made in block(admin().create_partitions([&more], &AdminOptions::new())).unwrap() {
        made.unwrap();
    }
    until("the partitions to be there", || {
        let asked = admin();
        let known = asked.inner().fetch_metadata(Some(topic), PATIENCE).ok()?;
        (known.topics().first()?.partitions().len() == partitions).then_some(())
    });
}

/// `n` records into partition 2 of a topic, with keys `FROM`, `FROM + 1`, ….
fn into_new(topic: &str, from: u64, n: u64) {
    let timestamp = now_ms();
    for i in from..from + n {
        let value = format!("{{\"k\":\"new-{i}\",\"t\":{timestamp}}}");
        let value = Some(value.as_bytes());
        produce(topic, &[Sent { partition: 2, timestamp, value, ..Sent::default() }]);
    }
}

#[test]
fn a_job_reads_new_partitions_from_its_next_start_on_through_kills() {
    let mut feed = job("grown", "exactly-once");
    feed.send(40);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    grow("grown-views", 3);
    grow("grown-plays", 3);
    into_new("grown-views", 0, 4);
    into_new("grown-plays", 0, 4);
    let live = stop(child).json();
    assert_eq!(live["records"], feed.sent, "the run that was there reads what it began with");

    feed.sent += 8;
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert_eq!(said.json()["records"], feed.sent, "{}", said.err);
    for topic in ["grown-views", "grown-plays"] {
        let new = format!(
            "{topic}[2] is new since the job began: it is read from its first offset, 0, and its \
             records may be late"
        );
        assert!(said.err.contains(&new), "{}", said.err);
    }

    for (n, point) in ["start.commit=stop", "prepare.renamed@2=stop", "commit.answered@2=stop"]
        .into_iter()
        .enumerate()
    {
        into_new("grown-views", 10 + n as u64, 1);
        into_new("grown-plays", 10 + n as u64, 1);
        feed.sent += 2;
        killed_at(&mut feed, point);
    }
    // More of them, found by a start that is killed.
    grow("grown-views", 4);
    killed_at(&mut feed, "start.commit=stop");
    feed.send(10);
    let mut child = feed.start(&["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    let live = said.json();
    assert_eq!(live["records"], feed.sent, "{}", said.err);
    assert!(!said.err.contains("grown-views[2] is new"), "said once: {}", said.err);
    assert!(said.err.contains("grown-views[3] is new"), "{}", said.err);
    let (given, expected) = (seen("grown-out", "read_committed"), oracle(&feed));
    assert_eq!(given, expected);
    assert!(given.keys().any(|example| example.contains("grown-views[2]@")), "{given:?}");
    feed.replayed(&live);
}

#[test]
fn the_other_guarantees_read_them_too() {
    for (name, guarantee) in [("least-grown", "at-least-once"), ("most-grown", "at-most-once")] {
        let mut feed = job(name, guarantee);
        feed.send(20);
        let mut child = feed.start(&["--write"]);
        feed.await_arrivals(&mut child, feed.sent);
        assert_eq!(stop(child).code, Some(0));
        grow(&format!("{name}-views"), 3);
        into_new(&format!("{name}-views"), 0, 3);
        feed.sent += 3;
        let mut child = feed.start(&["--write"]);
        feed.await_arrivals(&mut child, feed.sent);
        let live = stop(child).json();
        assert_eq!(live["records"], feed.sent, "{name}");
        assert_eq!(seen(&format!("{name}-out"), "read_committed"), oracle(&feed), "{name}");
        feed.replayed(&live);
    }
}

#[test]
fn a_run_that_writes_nothing_reads_them_as_well() {
    let mut feed = Feed::new("wider");
    feed.send(20);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    grow("wider-plays", 3);
    into_new("wider-plays", 0, 3);
    stop(child);
    feed.sent += 3;
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    let live = said.json();
    assert_eq!(live["records"], feed.sent, "{}", said.err);
    let new = "wider-plays[2] is new since the last start: it is read from its first offset, 0";
    assert!(said.err.contains(new), "{}", said.err);
    feed.replayed(&live);
}
