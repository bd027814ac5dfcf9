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
        "SET 'state.backend.type' = 'rocksdb';\nSET 'execution.buffer-timeout.interval' = '0 ms';\n{}{}\
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

/// A running job at parallelism 1, watched through the `JobManager`.
pub struct Watched<'a> {
    cluster: &'a Cluster,
    /// The join's.
    taken: Metric,
    /// The smaller one of the join's two inputs.
    join: Metric,
    /// What the sources of left and right have put out.
    sources: [Metric; 2],
}

/// A metric of a vertex's one subtask: its path.
struct Metric(String);

impl Metric {
    fn value(&self, cluster: &Cluster) -> Option<i64> {
        cluster.rest(&self.0)[0]["value"].as_str()?.parse().ok()
    }
}

/// How long a watermark that a source has put out takes to the join at most:
/// buffers are sent at once, and nothing else goes on.
const ON_THE_WAY: Duration = Duration::from_millis(200);

impl<'a> Watched<'a> {
    /// Waits until a job gives its metrics.
    pub fn new(cluster: &'a Cluster, job: &str) -> Self {
        let path = format!("/jobs/{job}");
        wait("the job's metrics", || {
            let vertices = cluster.rest(&path)["vertices"].clone();
            let metric = |of: &str, operator: &str, end: &str| {
                let vertex = vertices
                    .as_array()?
                    .iter()
                    .find(|vertex| vertex["name"].as_str().is_some_and(|name| name.contains(of)))?;
                let path = format!("{path}/vertices/{}/subtasks/0/metrics", vertex["id"].as_str()?);
                let names = cluster.rest(&path);
                let mut names = names.as_array()?.iter().filter_map(|metric| metric["id"].as_str());
                let name = names.find(|name| name.starts_with(operator) && name.ends_with(end))?;
                let name = name.replace('[', "%5B").replace(']', "%5D");
                Some(Metric(format!("{path}?get={name}")))
            };
            let source = |topic: &str| metric(topic, "Calc", "currentOutputWatermark");
            Some(Self {
                cluster,
                taken: metric("IntervalJoin", "IntervalJoin", ".numRecordsIn")?,
                join: metric("IntervalJoin", "IntervalJoin", ".currentInputWatermark")?,
                sources: [source(".lefts ")?, source(".rights ")?],
            })
        })
    }

    /// Waits until the join has taken so many records, the sources have put out
    /// these event-time watermarks, and the smaller one has come to the join.
    pub fn until(&self, taken: usize, watermarks: [Option<i64>; 2]) {
        wait(&format!("{taken} records at {watermarks:?}"), || {
            let there = self.taken.value(self.cluster)?;
            assert!(there <= taken as i64, "{there} records, {taken} were sent");
            let is = |metric: &Metric, wanted: Option<i64>| {
                wanted.is_none() || metric.value(self.cluster) == wanted
            };
            let [left, right] = watermarks;
            let both = left.zip(right).map(|(left, right)| left.min(right));
            let sources = is(&self.sources[0], left) && is(&self.sources[1], right);
            (there == taken as i64 && sources && is(&self.join, both)).then_some(())
        });
        std::thread::sleep(ON_THE_WAY);
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
