//! The whole chain, once: rows in a real Kafka, a real Flink SQL interval join
//! in a cluster of its own, its output back in Kafka. No row is late, so the
//! multiset is that of `flink-sql` and of `clean`, for every kind, at
//! parallelism 1 and 2.
//!
//! Not part of every test run, for it fetches 345 MB and starts four JVMs:
//! `make parity`, or `cargo test … --test chain -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../parity/trace.rs"]
#[allow(dead_code)]
mod trace;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use trace::{Trace, ours};

const LOWER_MS: i64 = -2000;
const UPPER_MS: i64 = 5000;
/// Of the SQL watermark; the rows are less than that out of order.
const DELAY_MS: i64 = 1000;
const KINDS: [(&str, &str); 4] =
    [("inner", "JOIN"), ("left", "LEFT JOIN"), ("right", "RIGHT JOIN"), ("full", "FULL JOIN")];

/// Kafka and Flink of this test alone; gone when it ends, however it ends.
struct Cluster {
    dir: PathBuf,
    brokers: String,
}

fn script(name: &str) -> Command {
    let mut command =
        Command::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(name));
    command.stderr(Stdio::inherit());
    command
}

fn answer(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Cluster {
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("joinscope-chain-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let pid = std::process::id().to_string();
        let start = |name: &str, folder: &str| {
            let folder = dir.join(folder);
            answer(script(name).arg("start").arg("--dir").arg(folder).args(["--with", &pid]))
        };
        let brokers = start("kafka/kafka.sh", "kafka");
        start("flink/flink.sh", "flink");
        Self { dir, brokers }
    }

    fn tool(&self, tool: &str) -> Command {
        let mut command = script("kafka/kafka.sh");
        command.args(["tool", tool, "--bootstrap-server", &self.brokers]);
        command
    }

    fn topic(&self, name: &str, partitions: &str) {
        answer(self.tool("TopicCommand").args([
            "--create",
            "--topic",
            name,
            "--partitions",
            partitions,
        ]));
    }

    /// Partitioned by key, so that each partition's order is the given one.
    fn produce(&self, topic: &str, rows: &[&Value]) {
        let mut child = self
            .tool("ConsoleProducer")
            .args([
                "--topic",
                topic,
                "--reader-property",
                "parse.key=true",
                "--reader-property",
                "key.separator=|",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for row in rows {
            let value = json!({ "id": row["id"], "k": row["key"], "ts": row["ts"] });
            writeln!(stdin, "{}|{value}", row["key"].as_str().unwrap()).unwrap();
        }
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }

    fn sql(&self, text: &str) {
        let file = self.dir.join("job.sql");
        std::fs::write(&file, text).unwrap();
        answer(
            script("flink/flink.sh").arg("sql").arg("--dir").arg(self.dir.join("flink")).arg(file),
        );
    }

    fn consume(&self, topic: &str) -> Vec<Value> {
        let mut command = self.tool("ConsoleConsumer");
        command.args(["--topic", topic, "--from-beginning", "--timeout-ms", "20000"]);
        // It says on stderr that the time is over; that is how it ends.
        let output = command.stderr(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stop = |name: &str, folder: &Path| {
            let _ = script(name).arg("stop").arg("--dir").arg(folder).status();
        };
        stop("flink/flink.sh", &self.dir.join("flink"));
        stop("kafka/kafka.sh", &self.dir.join("kafka"));
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// 600 rows of 15 keys, out of order by less than the watermark's delay.
fn rows() -> Vec<Value> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..600)
        .map(|n: i64| {
            let side = if rng.random_bool(0.5) { "L" } else { "R" };
            let key = format!("k{}", rng.random_range(0..15));
            let time = 1_700_000_000_000 + n * 100 - rng.random_range(0..DELAY_MS - 100);
            json!({ "in": side, "key": key, "ts": time, "id": format!("{side}{n}") })
        })
        .collect()
}

/// The rows, each followed by the watermark of its side, as one task sees them
/// that reads both topics in the order in which they were written.
fn trace(semantics: &str, kind: &str, rows: &[Value]) -> Trace {
    let mut events = Vec::new();
    for row in rows {
        let mark = json!({ "wm": row["in"], "ts": row["ts"].as_i64().unwrap() - DELAY_MS });
        events.extend([row.clone(), mark]);
    }
    events.push(json!({ "end": true }));
    let spec = json!({
        "semantics": semantics, "kind": kind, "lower_ms": LOWER_MS, "upper_ms": UPPER_MS,
    });
    Trace { spec, events }
}

fn sorted(pairs: impl Iterator<Item = (Value, Value)>) -> Vec<String> {
    let mut pairs: Vec<String> = pairs.map(|(l, r)| format!("{l} {r}")).collect();
    pairs.sort();
    pairs
}

fn pairs(trace: &Trace) -> Vec<String> {
    let lines = ours(trace);
    sorted(lines.iter().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let out = line.get("out")?;
        Some((out["l"].clone(), out["r"].clone()))
    }))
}

fn statements(brokers: &str) -> String {
    let table = |topic: &str| {
        format!(
            "CREATE TABLE {topic} (id STRING, k STRING, ts BIGINT, t AS TO_TIMESTAMP_LTZ(ts, 3), \
             WATERMARK FOR t AS t - INTERVAL '{}' SECOND) WITH ('connector' = 'kafka', \
             'topic' = '{topic}', 'properties.bootstrap.servers' = '{brokers}', 'format' = 'json', \
             'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');\n",
            DELAY_MS / 1000
        )
    };
    let mut text = String::from("SET 'state.backend.type' = 'rocksdb';\n");
    text += &table("lefts");
    text += &table("rights");
    text += &format!(
        "CREATE TABLE joined (job STRING, l STRING, r STRING) WITH ('connector' = 'kafka', \
         'topic' = 'joined', 'properties.bootstrap.servers' = '{brokers}', 'format' = 'json');\n"
    );
    for parallelism in [1, 2] {
        text += &format!("SET 'parallelism.default' = '{parallelism}';\n");
        for (kind, join) in KINDS {
            text += &format!(
                "INSERT INTO joined SELECT '{kind} {parallelism}', lefts.id, rights.id \
                 FROM lefts {join} rights ON lefts.k = rights.k \
                 AND rights.t BETWEEN lefts.t - INTERVAL '{}' SECOND \
                 AND lefts.t + INTERVAL '{}' SECOND;\n",
                -LOWER_MS / 1000,
                UPPER_MS / 1000
            );
        }
    }
    text
}

#[test]
#[ignore = "fetches Flink (345 MB) and starts it and a Kafka: make parity"]
fn a_real_flink_sql_job_over_a_real_kafka_gives_the_same() {
    let rows = rows();
    let expected = KINDS.map(|(kind, _)| {
        let expected = pairs(&trace("flink-sql", kind, &rows));
        assert_eq!(expected, pairs(&trace("clean", kind, &rows)), "{kind}");
        assert!(expected.len() > 500, "{kind}: {} is too little to say anything", expected.len());
        expected
    });
    let cluster = Cluster::start();
    for (topic, side) in [("lefts", "L"), ("rights", "R")] {
        cluster.topic(topic, "2");
        let rows: Vec<&Value> = rows.iter().filter(|row| row["in"] == side).collect();
        cluster.produce(topic, &rows);
    }
    cluster.topic("joined", "1");
    cluster.sql(&statements(&cluster.brokers));
    let given = cluster.consume("joined");

    for ((kind, _), expected) in KINDS.iter().zip(&expected) {
        for parallelism in [1, 2] {
            let job = format!("{kind} {parallelism}");
            let of_job = given.iter().filter(|row| row["job"] == job.as_str());
            let there = sorted(of_job.map(|row| (row["l"].clone(), row["r"].clone())));
            assert_eq!(&there, expected, "the job {job}");
        }
    }
}
