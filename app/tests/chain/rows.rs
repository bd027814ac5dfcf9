//! What the engines are given: rows of two topics, `lefts` and `rights`, drawn
//! at random or taken from a shipped sample, as a recording, a pipeline, traces.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use joinscope_core::edges::recording::{Recording, Writer, WriterOptions};
use joinscope_operator::codec::{Decoded, InputDecoder};
use joinscope_operator::key::{Key, KeyValue};
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::record::{Record, TimestampType, TopicPartition};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::cluster::{answer, joinscope};

/// One record of one input.
#[derive(Clone, Debug)]
pub struct Row {
    pub left: bool,
    pub partition: i32,
    pub key: String,
    /// Event time, ms.
    pub time: i64,
    /// When it arrives, ms.
    pub arrives: i64,
    /// Its name as a record.
    pub id: String,
}

/// Case in arrival order, and the join that they are for. All times in ms.
#[derive(Clone, Debug)]
pub struct Case {
    pub rows: Vec<Row>,
    /// A pair matches iff `l + lower <= r <= l + upper`.
    pub lower: i64,
    pub upper: i64,
    /// Of the event-time watermarks.
    pub delay: i64,
}

pub const TOPICS: [&str; 2] = ["rights", "lefts"];
const START: i64 = 1_700_000_000_000;

impl Row {
    pub fn topic(&self) -> &'static str {
        TOPICS[usize::from(self.left)]
    }

    pub fn side(&self) -> &'static str {
        if self.left { "L" } else { "R" }
    }

    /// Its value in Kafka.
    pub fn value(&self) -> Value {
        json!({ "id": self.id, "k": self.key, "ts": self.time })
    }
}

impl Case {
    /// `n` rows of 15 keys, out of order by less than `disorder` ms, of which
    /// `delay` is covered: none is late if it is the larger.
    pub fn random(seed: u64, n: i64, partitions: i32, disorder: i64, delay: i64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rows = (0..n)
            .map(|n| {
                let key = rng.random_range(0..15);
                Row {
                    left: rng.random_bool(0.5),
                    partition: key % partitions,
                    key: format!("k{key}"),
                    time: START + n * 100 - rng.random_range(0..disorder),
                    arrives: START + n * 100,
                    id: String::new(),
                }
            })
            .collect();
        Self { rows, lower: -2000, upper: 5000, delay }.named()
    }

    /// The rows of a shipped sample that reach its join, their keys as text.
    pub fn sample(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-data").join(name);
        let recording = Recording::open(&folder.join(format!("{name}.mcap"))).unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        let pipeline = Pipeline::parse(&text, name).unwrap();
        let inputs: Vec<u8> = (0..pipeline.inputs.len() as u8).collect();
        let mut decoders: Vec<InputDecoder> = inputs
            .iter()
            .map(|input| InputDecoder::new(&pipeline, *input, recording.schemas()).unwrap())
            .collect();
        let mut rows = Vec::new();
        for record in recording.batches(None, 0).flat_map(Result::unwrap) {
            let from = &recording.partitions()[record.source as usize];
            for &input in &inputs {
                if pipeline.inputs[usize::from(input)].topic != from.topic {
                    continue;
                }
                let Decoded::Row(row) = decoders[usize::from(input)].decode(&record) else {
                    continue;
                };
                rows.push(Row {
                    left: input == pipeline.join.primary,
                    partition: from.partition,
                    key: text_of(&row.key),
                    time: row.event_time,
                    arrives: record.arrival_ms(),
                    id: String::new(),
                });
            }
        }
        let [with] = &pipeline.join.with[..] else { panic!("{name} has one secondary") };
        let delay = pipeline.inputs[0].watermark.max_out_of_orderness;
        Self { rows, lower: with.after, upper: with.until, delay }.named()
    }

    /// The first so many.
    pub fn first(mut self, n: usize) -> Self {
        self.rows.truncate(n);
        self
    }

    /// Only those that no engine can take for late, however partitions are read
    /// beside one another: ahead of their own partition's event-time watermark.
    pub fn without_late(mut self) -> Self {
        let (mut newest, delay) = (HashMap::new(), self.delay);
        self.rows.retain(|row| {
            let newest = newest.entry((row.left, row.partition)).or_insert(i64::MIN);
            let in_time = row.time > newest.saturating_sub(delay);
            *newest = row.time.max(*newest);
            in_time
        });
        self.named()
    }

    /// By event time; and the rows that come behind them, for each partition
    /// three of a key of their own, so much later that everything before them can
    /// be closed. The first two leave no queue of the task without a row that is
    /// later than all before, so that it takes these; at the third the second in
    /// which it looks for closed windows once is over.
    pub fn in_order(mut self) -> (Self, Self) {
        self.rows.sort_by_key(|row| row.time);
        for (n, row) in self.rows.iter_mut().enumerate() {
            row.arrives = START + n as i64;
        }
        let last = self.rows.last().expect("rows").clone();
        let partitions = 1 + self.rows.iter().map(|row| row.partition).max().unwrap_or(0);
        let far = last.time + self.upper.abs() + self.lower.abs() + self.delay + 1;
        let before = self.rows.len();
        for partition in 0..partitions {
            let begin = last.arrives + 6000 * i64::from(partition);
            for (left, time, after) in
                [(true, far, 2000), (false, far, 2001), (true, far + 1, 4000)]
            {
                self.rows.push(Row {
                    left,
                    partition,
                    key: "closing".to_owned(),
                    time,
                    arrives: begin + after,
                    id: String::new(),
                });
            }
        }
        let all = self.named();
        let mut closing = all.clone();
        closing.rows.drain(..before);
        (all, closing)
    }

    /// Names them as the records that they become.
    fn named(mut self) -> Self {
        let mut offsets: HashMap<(bool, i32), u64> = HashMap::new();
        for row in &mut self.rows {
            let offset = offsets.entry((row.left, row.partition)).or_default();
            row.id = format!("{}[{}]@{offset}", row.topic(), row.partition);
            *offset += 1;
        }
        self
    }

    /// As a recording in a folder.
    pub fn record(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.mcap"));
        if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
        let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
        let mut sources: HashMap<(bool, i32), u32> = HashMap::new();
        for (arrival, row) in self.rows.iter().enumerate() {
            let source = *sources.entry((row.left, row.partition)).or_insert_with(|| {
                let topic = Arc::from(row.topic());
                writer.partition(TopicPartition { topic, partition: row.partition }).unwrap()
            });
            let offset = row.id.rsplit_once('@').unwrap().1.parse().unwrap();
            let record = Record {
                arrival: arrival as u64,
                arrival_ns: row.arrives * 1_000_000,
                source,
                offset,
                timestamp: Some(row.time),
                timestamp_type: TimestampType::Create,
                leader_epoch: None,
                key: Some(row.key.clone().into_bytes().into()),
                value: Some(row.value().to_string().into_bytes().into()),
                headers: Vec::new(),
            };
            writer.add(&record).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    /// The pairs and pads of `joinscope run` under a semantics, sorted; for
    /// `clean`, what the batch join agrees with.
    pub fn run(&self, folder: &Path, recording: &Path, semantics: &str, more: &str) -> Vec<String> {
        let pipeline = folder.join("pipeline.toml");
        std::fs::write(&pipeline, self.pipeline(semantics, more)).unwrap();
        let out = folder.join("run");
        let mut run = joinscope();
        run.arg("run").arg(&pipeline).arg("--recording").arg(recording).arg("--out").arg(&out);
        answer(run.args(["--at-end", "close", "--json"]));
        if semantics == "clean" {
            answer(joinscope().arg("truth").arg(&out));
        }
        let outputs = answer(joinscope().arg("outputs").arg(&out).args(["--json"]));
        std::fs::remove_dir_all(&out).unwrap();
        sorted(outputs.lines().map(|line| {
            let output: Value = serde_json::from_str(line).unwrap();
            let records = &output["records"];
            pair(&records["lefts"], &records["rights"])
        }))
    }

    fn pipeline(&self, semantics: &str, more: &str) -> String {
        let input = |topic: &str| {
            format!(
                "[inputs.{topic}]\ntopic = \"{topic}\"\nformat = \"json\"\nkey = \"k\"\n\
                 event_time = {{ field = \"ts\", unit = \"ms\" }}\n\
                 watermark = {{ max_out_of_orderness = \"{}ms\" }}\n",
                self.delay
            )
        };
        format!(
            "name = \"chain\"\n{}{}[join]\nprimary = \"lefts\"\n\
             with.rights = {{ after = \"{}ms\", until = \"{}ms\" }}\nsemantics = \"{semantics}\"\n\
             {more}\n[delivery]\ncheckpoint_interval = \"1h\"\n",
            input("lefts"),
            input("rights"),
            self.lower,
            self.upper
        )
    }

    /// As one task sees them that gets each row in arrival order and, behind
    /// it, the event-time watermark of its side.
    pub fn trace(&self, semantics: &str, kind: &str, end: bool) -> String {
        let spec = json!({
            "semantics": semantics, "kind": kind, "lower_ms": self.lower, "upper_ms": self.upper,
        });
        let mut text = format!("{spec}\n");
        for row in &self.rows {
            let (side, time) = (row.side(), row.time);
            let event = json!({ "in": side, "key": row.key, "ts": time, "id": row.id });
            text += &format!("{event}\n{}\n", json!({ "wm": side, "ts": time - self.delay }));
        }
        if end {
            text += "{\"end\":true}\n";
        }
        text
    }
}

/// Type and value: an integer and its decimal text are two keys.
fn text_of(key: &Key) -> String {
    match key.value() {
        KeyValue::Int(n) => format!("i{n}"),
        KeyValue::String(text) => format!("s{text}"),
        other => format!("{other:?}"),
    }
}

/// What `joinscope operator` gives for a trace: `(left, right)` of each output.
pub fn operator(folder: &Path, trace: &str) -> Vec<String> {
    let file = folder.join("trace.jsonl");
    std::fs::write(&file, trace).unwrap();
    let lines = answer(joinscope().arg("operator").stdin(std::fs::File::open(&file).unwrap()));
    lines
        .lines()
        .filter_map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line.get("error").is_none(), "{line}");
            let out = line.get("out")?;
            Some(pair(&out["l"], &out["r"]))
        })
        .collect()
}

/// An output in one line; a missing side is `-`.
pub fn pair(left: &Value, right: &Value) -> String {
    format!("{} {}", left.as_str().unwrap_or("-"), right.as_str().unwrap_or("-"))
}

pub fn sorted(pairs: impl Iterator<Item = String>) -> Vec<String> {
    let mut pairs: Vec<String> = pairs.collect();
    pairs.sort();
    pairs
}

/// Fails with the first differences, not with a hundred thousand lines.
pub fn same(there: &[String], expected: &[String], what: &str) {
    if there == expected {
        return;
    }
    let only = |a: &[String], b: &[String]| {
        let b: std::collections::HashSet<&String> = b.iter().collect();
        a.iter().filter(|line| !b.contains(line)).take(5).cloned().collect::<Vec<_>>()
    };
    panic!(
        "{what}: {} outputs, expected {}; only there {:?}; missing {:?}",
        there.len(),
        expected.len(),
        only(there, expected),
        only(expected, there)
    );
}
