//! `joinscope run --brokers`: live, without a trace on the cluster, and
//! afterwards an ordinary run over its arrival log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use joinscope_core::edges::recording::{ClockEntryKind, Recording};
use joinscope_core::run::{Run, RunState};
use rdkafka::producer::{BaseProducer, Producer as _};
use serde_json::Value;

use super::support::*;

/// Views and plays of a test, and a pipeline over them.
pub struct Feed {
    pub folder: tempfile::TempDir,
    views: String,
    plays: String,
    pub brokers: String,
    pub producer: BaseProducer,
    /// Records sent.
    pub sent: u64,
}

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

impl Feed {
    /// Topics `NAME-views` of two partitions and `NAME-plays` of two.
    pub fn new(name: &str) -> Self {
        make_topic(&format!("{name}-views"), 2, &[]);
        make_topic(&format!("{name}-plays"), 2, &[]);
        Self::over(name, kafka().brokers.clone(), producer(&[]))
    }

    pub fn over(name: &str, brokers: String, producer: BaseProducer) -> Self {
        let (views, plays) = (format!("{name}-views"), format!("{name}-plays"));
        let folder = tempfile::tempdir().unwrap();
        let input = |name: &str, topic: &str| {
            format!(
                "[inputs.{name}]\ntopic = \"{topic}\"\nformat = \"json\"\nkey = \"k\"\n\
                 event_time = {{ field = \"t\", unit = \"ms\" }}\n\
                 watermark = {{ max_out_of_orderness = \"200ms\", idle_timeout = \"1s\" }}\n"
            )
        };
        let text = format!(
            "name = \"{name}\"\n{}{}[join]\nprimary = \"views\"\n\
             with.plays = {{ after = \"0s\", until = \"500ms\" }}\nkind = \"left\"\n\
             [delivery]\ncheckpoint_interval = \"300ms\"\n[sink]\ntopic = \"{name}-out\"\n",
            input("views", &views),
            input("plays", &plays)
        );
        std::fs::write(folder.path().join("p.toml"), text).unwrap();
        Self { folder, views, plays, brokers, producer, sent: 0 }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn dir(&self) -> PathBuf {
        self.path("run")
    }

    /// `n` views and as many plays of each second one; plays only in partition 0.
    pub fn send(&mut self, n: u64) {
        for i in 0..n {
            let time = now_ms();
            let key = format!("{}-{i}", self.sent);
            let value = |t: i64| format!("{{\"k\":\"{key}\",\"t\":{t}}}");
            let (view, play) = (value(time), value(time + 100));
            let sent = |partition: i32, value: &str| {
                let topic = if partition < 0 { &self.plays } else { &self.views };
                let sent = Sent {
                    partition: partition.max(0),
                    timestamp: time,
                    value: Some(value.as_bytes()),
                    ..Sent::default()
                };
                give(&self.producer, topic, &sent);
            };
            sent((i % 2) as i32, &view);
            if i % 2 == 0 {
                sent(-1, &play);
            }
        }
        self.producer.flush(4 * PATIENCE).unwrap();
        self.sent += n + n.div_ceil(2);
    }

    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = joinscope();
        command
            .arg("run")
            .arg(self.path("p.toml"))
            .args(["--brokers", &self.brokers, "--timeout", "10s", "--json", "--out"])
            .arg(self.dir())
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn start(&self, more: &[&str]) -> Child {
        self.command(more).spawn().unwrap()
    }

    /// Waits until so many arrivals are published in the run's folder.
    pub fn await_arrivals(&self, child: &mut Child, n: u64) {
        let deadline = Instant::now() + Duration::from_mins(3);
        loop {
            let ended = child.try_wait().unwrap();
            let arrivals = Run::open(&self.dir()).map_or(0, |run| run.arrivals());
            if ended.is_none() && arrivals >= n {
                return;
            }
            if ended.is_some() || Instant::now() >= deadline {
                let _ = child.kill();
                let mut said = String::new();
                std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
                panic!("{arrivals} of {n} arrivals, the run (ended: {ended:?}) said: {said}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until all that the topics hold is in the arrival log: of a job that loses
    /// records nobody knows how many arrive.
    pub fn await_log(&self, child: &mut Child) {
        let mut sent = BTreeMap::new();
        for topic in [&self.views, &self.plays] {
            for partition in 0..2 {
                let ends = self.producer.client().fetch_watermarks(topic, partition, PATIENCE);
                let (_, end) = ends.unwrap();
                if end > 0 {
                    sent.insert(format!("{topic}[{partition}]"), end - 1);
                }
            }
        }
        until("all records in the log", || {
            assert!(child.try_wait().unwrap().is_none(), "the run ended");
            let log = Recording::open(&self.dir().join("arrivals")).ok()?;
            let partitions = log.info().partitions.iter();
            let last: BTreeMap<String, i64> = partitions
                .filter_map(|p| Some((p.topic_partition.to_string(), p.last_offset?)))
                .collect();
            (last == sent).then_some(())
        });
    }

    /// The log replayed: the same digest, outputs and verdicts. Its summary.
    pub fn replayed(&self, live: &Value) -> Value {
        let again = self.path("again");
        let _ = std::fs::remove_dir_all(&again);
        let replay: Said = joinscope()
            .arg("run")
            .arg(self.path("p.toml"))
            .arg("--recording")
            .arg(self.dir().join("arrivals"))
            .args(["--json", "--out"])
            .arg(&again)
            .output()
            .unwrap()
            .into();
        let replay = replay.json();
        for field in ["records", "outputs", "books", "digest", "watermark"] {
            assert_eq!(replay[field], live[field], "{field}");
        }
        for verb in ["outputs", "verdicts"] {
            let (a, b) = (told(verb, &self.dir()), told(verb, &again));
            assert!(!a.is_empty(), "{verb}");
            assert!(a == b, "{verb} differ");
        }
        replay
    }
}

/// Ends a live run with a signal; what it said.
pub fn stop(child: Child) -> Said {
    signal(&child, "INT");
    child.wait_with_output().unwrap().into()
}

/// All that a verb says about a run.
pub fn told(verb: &str, run: &Path) -> String {
    let said: Said = joinscope().arg(verb).arg(run).arg("--json").output().unwrap().into();
    assert_eq!(said.code, Some(0), "{verb}: {}", said.err);
    said.out
}

#[test]
fn a_live_run_changes_nothing_and_replays_byte_for_byte() {
    let mut feed = Feed::new("lively");
    feed.send(300);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, 450);
    assert_eq!(Run::open(&feed.dir()).unwrap().state(), RunState::Running);
    for _ in 0..5 {
        feed.send(40);
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    // Nothing comes any more: idle partitions let the watermark go, rows close.
    feed.await_arrivals(&mut child, feed.sent);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    feed.send(10);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    let live = said.json();
    assert_eq!(live["records"], feed.sent);
    assert_eq!(live["ended"], "done");
    assert_eq!(live["lag"]["records"], 0);
    assert!(live["checkpoints"].as_u64().unwrap() > 4, "{live}");
    let views = &live["books"]["views"];
    assert!(views["joined"].as_u64().unwrap() >= 250, "{live}");
    assert!(views["unmatched"].as_u64().unwrap() >= 200, "closed by idleness: {live}");

    feed.replayed(&live);
    let log = Recording::open(&feed.dir().join("arrivals")).unwrap();
    assert!(log.info().clock_events > 10, "{:?}", log.info().clock_events);
    assert_eq!(log.info().cut, None);
    let explained: Said = joinscope()
        .arg("explain")
        .arg(feed.dir())
        .arg("lively-views[0]@0")
        .output()
        .unwrap()
        .into();
    assert_eq!(explained.code, Some(0), "{}", explained.err);
    assert!(explained.out.contains("lively-plays[0]@0"), "{}", explained.out);

    // On the cluster: no group, no topic, no transaction.
    let made = ["lively-out", "joinscope-progress-lively"];
    assert!(!topic_names().iter().any(|topic| made.contains(&topic.as_str())));
    let groups = admin().inner().fetch_group_list(None, PATIENCE).unwrap();
    assert!(groups.groups().iter().all(|g| !g.name().contains("lively")));
    let transactions =
        tool(&["TransactionsCommand", "--bootstrap-server", &kafka().brokers, "list"]);
    assert!(!transactions.contains("lively"), "{transactions}");
}

#[test]
fn killed_it_goes_on_from_its_checkpoint_and_its_log() {
    let mut feed = Feed::new("killed-live");
    feed.send(200);
    for _ in 0..2 {
        let mut child = feed.start(&[]);
        feed.await_arrivals(&mut child, feed.sent);
        feed.send(100);
        std::thread::sleep(std::time::Duration::from_millis(200));
        signal(&child, "KILL");
        child.wait().unwrap();
        feed.send(50);
    }
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    let live = said.json();
    assert_eq!(live["records"], feed.sent, "each record once: {}", said.err);
    assert!(said.err.contains("goes on from the checkpoint"), "{}", said.err);
    feed.replayed(&live);

    // A stop is as good as a kill.
    let mut child = feed.start(&[]);
    feed.send(30);
    feed.await_arrivals(&mut child, feed.sent);
    let live = stop(child).json();
    assert_eq!(live["records"], feed.sent);
    feed.replayed(&live);
    let refused: Said = feed.command(&["--from", "latest"]).output().unwrap().into();
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("goes on where it stands"), "{}", refused.err);
    // No further start helps: a supervisor is to leave it.
    let other = ["--set", "inputs.views.watermark.max_out_of_orderness=300ms"];
    let refused: Said = feed.command(&other).output().unwrap().into();
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let what = "was made by another pipeline: [inputs.views] differs";
    assert!(refused.err.contains(what), "{}", refused.err);
}

#[test]
fn a_partition_too_far_ahead_is_paused_and_nothing_turns_late() {
    let mut feed = Feed::new("aligned");
    // Ten records a second of event time, an hour of it, each topic for itself.
    let begin = now_ms() - 3_600_000;
    let n = 36_000;
    for topic in ["aligned-views", "aligned-plays"] {
        for i in 0..n {
            let time = begin + i * 100;
            let value = format!("{{\"k\":\"{i}\",\"t\":{time}}}");
            let value = Some(value.as_bytes());
            give(&feed.producer, topic, &Sent { timestamp: time, value, ..Sent::default() });
        }
        feed.producer.flush(PATIENCE).unwrap();
    }
    feed.sent = 2 * n as u64;
    let drift = ["--set", "inputs.views.watermark.max_drift=60s"];
    let plays = ["--set", "inputs.plays.watermark.max_drift=60s"];
    let mut child = feed.start(&[drift, plays].concat());
    feed.await_arrivals(&mut child, feed.sent);
    let live = stop(child).json();
    let late = |input: &str| live["books"][input]["late"].as_u64().unwrap();
    assert_eq!((late("views"), late("plays")), (0, 0), "{live}");
    assert!(live["books"]["views"]["joined"].as_u64().unwrap() > 35_000, "{live}");
    let log = Recording::open(&feed.dir().join("arrivals")).unwrap();
    let events = log.clock_events().unwrap();
    let count = |kind: fn(&ClockEntryKind) -> bool| events.iter().filter(|e| kind(&e.kind)).count();
    let paused = count(|kind| matches!(kind, ClockEntryKind::Paused(_)));
    let resumed = count(|kind| matches!(kind, ClockEntryKind::Resumed(_)));
    assert!(paused > 0 && resumed == paused, "{paused} pauses, {resumed} ends");
}

#[test]
fn how_it_stands_is_served() {
    let mut feed = Feed::new("served");
    feed.send(20);
    let address = free_address();
    let mut child = feed.start(&["--metrics", &address]);
    feed.await_arrivals(&mut child, feed.sent);
    let page = until("the figures", || {
        let page = page(&address, "/metrics")?;
        let line = format!("joinscope_records_total{{job_name=\"served\"}} {}", feed.sent);
        page.lines().any(|l| l == line).then_some(page)
    });
    let lag = "joinscope_lag_records{job_name=\"served\",topic=\"served-views\",partition=\"1\"} 0";
    assert!(page.lines().any(|l| l == lag), "{page}");
    assert_eq!(stop(child).code, Some(0));
}

#[test]
fn a_start_can_be_chosen() {
    let mut feed = Feed::new("chosen");
    feed.send(20);
    let mut child = feed.start(&["--from", "latest"]);
    // Its log is there once it is known where it begins.
    until("the log", || feed.dir().join("arrivals/00000000.mcap").exists().then_some(()));
    feed.send(2);
    feed.await_arrivals(&mut child, 3);
    let live = stop(child).json();
    assert_eq!(live["records"], 3);
    feed.replayed(&live);
}

/// Found by reading: a partition that had given nothing before the kill was read from
/// its first offset afterwards.
#[test]
fn a_start_that_was_chosen_counts_after_a_kill_too() {
    let mut feed = Feed::new("chosen-once");
    feed.send(20);
    let mut child = feed.start(&["--from", "latest"]);
    until("the log", || feed.dir().join("arrivals/00000000.mcap").exists().then_some(()));
    signal(&child, "KILL");
    child.wait().unwrap();
    feed.send(2);
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, 3);
    let live = stop(child).json();
    assert_eq!(live["records"], 3);
    feed.replayed(&live);
}

#[test]
fn it_stops_at_a_breakpoint_and_goes_on_from_there() {
    let mut feed = Feed::new("breaking");
    feed.send(200);
    let args = ["--break", "key=0-120", "--at-end", "close"];
    let stopped: Said = feed.command(&args).output().unwrap().into();
    assert_eq!(stopped.code, Some(1), "{}", stopped.err);
    assert!(stopped.err.contains("--at-end close is of no effect"), "{}", stopped.err);
    let told: serde_json::Value = serde_json::from_str(&stopped.out).unwrap();
    assert_eq!(told["ended"], "stopped");
    assert!(stopped.err.contains("key=0-120, breaking-"), "{}", stopped.err);
    let run = Run::open(&feed.dir()).unwrap();
    assert_eq!(run.state(), RunState::Stopped);
    let last = run.rows_of_arrival(run.arrivals() - 1).unwrap();
    assert_eq!(last[0].key.as_ref().unwrap().to_string(), "0-120");
    assert!(run.arrivals() < feed.sent);
    drop(run);
    // The same command without the breakpoint goes on as if it had never stopped.
    let mut child = feed.start(&[]);
    feed.await_arrivals(&mut child, feed.sent);
    let live = stop(child).json();
    assert_eq!(live["records"], feed.sent);
    feed.replayed(&live);

    for (more, why) in [
        (["--break", "value.k=x"], "run over its arrival log afterwards"),
        (["--break=key=1", "--write"], "cannot be used with"),
    ] {
        let refused: Said = feed.command(&more).output().unwrap().into();
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(refused.err.contains(why), "{}", refused.err);
    }
}
