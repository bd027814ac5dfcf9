//! A whole Kafka Streams application on a real Kafka.
//!
//! It logs each row in the very order in which its task gave it to the join,
//! with the wall clock that the join saw, so that nothing is left to chance: the
//! operator, fed the same, must put out the same in the same order. What the
//! log does not say: when a task waited for an empty partition (only the order
//! that came of it), and what the stores held.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::cluster::{Cluster, script};
use crate::rows::{Case, operator, pair, same, sorted};

/// The join of the application.
#[derive(Clone, Copy)]
pub struct Join<'a> {
    /// `inner`, `left` or `outer`.
    pub kind: &'a str,
    pub grace: i64,
}

/// The application's own account, by task.
pub struct Account {
    tasks: BTreeMap<i64, Vec<Value>>,
}

/// Runs it until it has taken all rows; `meanwhile` runs beside it.
pub fn run(cluster: &Cluster, rows: &Case, join: Join<'_>, meanwhile: impl FnOnce()) -> Account {
    let out = cluster.dir.join("streams.jsonl");
    let state = cluster.dir.join("streams");
    let number = |n: i64| n.to_string();
    let mut command = script("parity/driver.sh");
    command.args(["application", "--brokers", &cluster.brokers, "--left", "lefts"]);
    command.args(["--right", "rights", "--kind", join.kind, "--time", "ts", "--log", "yes"]);
    command.args(["--before", &number(-rows.lower), "--after", &number(rows.upper)]);
    command.args(["--grace", &number(join.grace)]);
    command.args(["--expect", &rows.rows.len().to_string()]);
    command.arg("--out").arg(&out).arg("--dir").arg(&state);
    // It ends with its stdin, which stays open as long as this test.
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    meanwhile();
    assert!(
        {
            let deadline = std::time::Instant::now() + std::time::Duration::from_mins(5);
            loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status.success();
                }
                if std::time::Instant::now() > deadline {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    panic!("the application did not take all rows within five minutes");
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        },
        "the application failed; its message is above"
    );
    let mut tasks: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    for line in std::fs::read_to_string(&out).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        tasks.entry(line["task"].as_i64().unwrap()).or_default().push(line);
    }
    std::fs::remove_dir_all(&state).unwrap();
    Account { tasks }
}

impl Account {
    /// What came out of all tasks, sorted.
    pub fn pairs(&self) -> Vec<String> {
        sorted(self.tasks.values().flat_map(|lines| out(lines)))
    }

    /// Feeds each task's rows and clock to the operator: what comes out must be
    /// what came out there, in that order. Gives the number of outputs.
    pub fn prove(&self, cluster: &Cluster, rows: &Case, join: Join<'_>) -> usize {
        let mut outputs = 0;
        let taken: usize = self.tasks.values().map(|lines| ins(lines).count()).sum();
        assert_eq!(taken, rows.rows.len(), "rows that the application says it took");
        for (task, lines) in &self.tasks {
            let mut clock = ins(lines).next().map_or(0, |line| line["clock"].as_i64().unwrap());
            let spec = json!({
                "semantics": "kafka-streams", "kind": join.kind, "clock_ms": clock,
                "before_ms": -rows.lower, "after_ms": rows.upper, "grace_ms": join.grace,
            });
            let mut trace = format!("{spec}\n");
            for row in ins(lines) {
                let now = row["clock"].as_i64().unwrap();
                if now > clock {
                    clock = now;
                    trace += &format!("{}\n", json!({ "clock": now }));
                }
                let mut row = row.clone();
                let fields = row.as_object_mut().unwrap();
                fields.remove("task");
                fields.remove("clock");
                trace += &format!("{row}\n");
            }
            let (there, ours) = (out(lines), operator(&cluster.dir, &trace));
            let first = there.iter().zip(&ours).position(|(a, b)| a != b);
            let at = first.unwrap_or(there.len().min(ours.len()));
            assert!(
                there == ours,
                "{} join, task {task}: output {at} of {} is {:?}, ours (of {}) {:?}",
                join.kind,
                there.len(),
                there.get(at),
                ours.len(),
                ours.get(at)
            );
            outputs += ours.len();
        }
        outputs
    }

    /// The same multiset.
    pub fn is(&self, expected: &[String], what: &str) {
        same(&self.pairs(), expected, what);
    }
}

fn ins(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().filter(|line| line.get("in").is_some())
}

fn out(lines: &[Value]) -> Vec<String> {
    lines.iter().filter_map(|line| line.get("out")).map(|out| pair(&out["l"], &out["r"])).collect()
}
