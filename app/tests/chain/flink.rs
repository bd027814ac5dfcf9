//! Flink SQL jobs over a real Kafka.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::rows::{Case, sorted};

/// Kinds of the protocol, and their names in SQL.
pub const KINDS: [(&str, &str); 4] =
    [("inner", "JOIN"), ("left", "LEFT JOIN"), ("right", "RIGHT JOIN"), ("full", "FULL JOIN")];

/// An interval of so many ms, also a negative one, to be added.
fn interval(ms: i64) -> String {
    let sign = if ms < 0 { '-' } else { '+' };
    let ms = ms.unsigned_abs();
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!(
        "{sign} INTERVAL '{days} {hours:02}:{minutes:02}:{seconds:02}.{ms:03}' DAY TO SECOND(3)"
    )
}

/// The tables; `bounded`: jobs end at what is there when they start.
pub fn tables(cluster: &Cluster, rows: &Case, bounded: bool) -> String {
    let table = |topic: &str| {
        let end = if bounded {
            "'scan.bounded.mode' = 'latest-offset'"
        } else {
            // Behind each row, as a trace has it, not at the next tick.
            "'scan.watermark.emit.strategy' = 'on-event'"
        };
        format!(
            "CREATE TABLE {topic} (id STRING, k STRING, ts BIGINT, t AS TO_TIMESTAMP_LTZ(ts, 3), \
             WATERMARK FOR t AS t {}) WITH ('connector' = 'kafka', 'topic' = '{topic}', \
             'properties.bootstrap.servers' = '{}', 'format' = 'json', \
             'scan.startup.mode' = 'earliest-offset', {end});\n",
            interval(-rows.delay),
            cluster.brokers
        )
    };
    format!(
        "SET 'state.backend.type' = 'rocksdb';\n{}{}\
         CREATE TABLE joined (job STRING, l STRING, r STRING) WITH ('connector' = 'kafka', \
         'topic' = 'joined', 'properties.bootstrap.servers' = '{}', 'format' = 'json');\n",
        table("lefts"),
        table("rights"),
        cluster.brokers
    )
}

/// The statement that starts a job of a kind.
pub fn insert(rows: &Case, kind: &str, parallelism: u32) -> String {
    let (_, join) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
    format!(
        "SET 'parallelism.default' = '{parallelism}';\n\
         INSERT INTO joined SELECT '{kind} {parallelism}', lefts.id, rights.id \
         FROM lefts {join} rights ON lefts.k = rights.k \
         AND rights.t BETWEEN lefts.t {} AND lefts.t {};\n",
        interval(rows.lower),
        interval(rows.upper)
    )
}

/// What a job put out, sorted.
pub fn given(all: &[Value], kind: &str, parallelism: u32) -> Vec<String> {
    let job = format!("{kind} {parallelism}");
    let of_job = all.iter().filter(|row| row["job"] == job.as_str());
    sorted(of_job.map(|row| crate::rows::pair(&row["l"], &row["r"])))
}

/// The join of a running job, watched through the `JobManager`.
pub struct Watched<'a> {
    cluster: &'a Cluster,
    vertex: String,
    /// Names of the metrics of its one subtask.
    inputs: [String; 2],
}

impl<'a> Watched<'a> {
    /// Waits until the join of a job gives its metrics.
    pub fn new(cluster: &'a Cluster, job: &str) -> Self {
        let path = format!("/jobs/{job}");
        wait("the join's metrics", || {
            let vertices = cluster.rest(&path)["vertices"].clone();
            let join = vertices.as_array()?.iter().find(|vertex| {
                vertex["name"].as_str().is_some_and(|name| name.contains("IntervalJoin"))
            })?;
            let vertex = format!("{path}/vertices/{}/subtasks/0/metrics", join["id"].as_str()?);
            let names = cluster.rest(&vertex);
            let named = |end: &str| {
                names.as_array()?.iter().find_map(|metric| {
                    let name = metric["id"].as_str()?;
                    (name.contains("IntervalJoin") && name.ends_with(end)).then(|| name.to_owned())
                })
            };
            let inputs = [named("currentInput1Watermark")?, named("currentInput2Watermark")?];
            Some(Self { cluster, vertex, inputs })
        })
    }

    /// Waits until the join has taken so many records and come to these
    /// event-time watermarks of left and right.
    pub fn until(&self, taken: usize, watermarks: [Option<i64>; 2]) {
        let [left, right] = &self.inputs;
        let escape = |name: &str| name.replace('[', "%5B").replace(']', "%5D");
        let path = format!("{}?get=numRecordsIn,{},{}", self.vertex, escape(left), escape(right));
        let mut last = Value::Null;
        wait(&format!("{taken} records at {watermarks:?}; the job says {last}"), || {
            last = self.cluster.rest(&path);
            let value = |name: &str| -> Option<i64> {
                let metrics = last.as_array()?;
                let metric = metrics.iter().find(|metric| metric["id"] == name)?;
                metric["value"].as_str()?.parse().ok()
            };
            let taken_there = value("numRecordsIn")?;
            assert!(taken_there <= taken as i64, "{taken_there} records, {taken} were sent");
            let there = [value(left)?, value(right)?];
            (taken_there == taken as i64
                && there.iter().zip(watermarks).all(|(t, w)| w.is_none_or(|w| *t == w)))
            .then_some(())
        });
    }
}

/// Asks until there is an answer.
pub fn wait<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited two minutes for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
