//! One random case: a pipeline and the records that it runs over.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use joinscope_core::engine::{Batches, Given, Source, SourceError};
use joinscope_core::operator::pipeline::Pipeline;
use joinscope_core::operator::record::{Record, TimestampType, TopicPartition};

use super::random::Random;

pub struct Case {
    pub seed: u64,
    pub text: String,
    pub pipeline: Arc<Pipeline>,
    pub source: Arc<List>,
    /// A record behind the event-time watermark is possible.
    pub disorder: bool,
}

/// Records from memory.
pub struct List {
    pub partitions: Vec<TopicPartition>,
    pub records: Vec<Record>,
}

impl Source for List {
    fn partitions(&self) -> &[TopicPartition] {
        &self.partitions
    }

    fn records(&self, topics: &[Arc<str>]) -> Option<u64> {
        Some(self.of(topics).count() as u64)
    }

    fn last_offsets(&self) -> Option<Vec<Option<i64>>> {
        let mut lasts = vec![None; self.partitions.len()];
        for record in &self.records {
            lasts[record.source as usize] = Some(record.offset);
        }
        Some(lasts)
    }

    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let records: Vec<Record> = self.of(topics).skip(from as usize).cloned().collect();
        // Batches of uneven size: where they end must not matter.
        let mut batches: Vec<Result<Given, SourceError>> = Vec::new();
        let mut rest = &records[..];
        let mut size = 1;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(size.min(rest.len()));
            batches.push(Ok(Given { records: now.to_vec(), clock: Vec::new() }));
            rest = later;
            size = size % 17 + 3;
        }
        Ok(Box::new(batches.into_iter()))
    }
}

impl List {
    fn of<'a>(&'a self, topics: &'a [Arc<str>]) -> impl Iterator<Item = &'a Record> {
        self.records
            .iter()
            .filter(|record| topics.contains(&self.partitions[record.source as usize].topic))
    }
}

/// What decides a case besides its records.
#[allow(clippy::struct_excessive_bools)]
struct Shape {
    secondaries: usize,
    /// The first secondary reads the primary's topic.
    own_topic: bool,
    kafka_key: bool,
    folds: bool,
    disorder: bool,
}

impl Case {
    /// `largest`: how many records at most. Even seeds are in order.
    pub fn new(seed: u64, largest: u64) -> Self {
        let mut random = Random::new(seed);
        let shape = Shape {
            secondaries: 1 + (random.below(3) / 2) as usize + random.below(2) as usize,
            own_topic: random.chance(15),
            kafka_key: random.chance(20),
            folds: random.chance(35),
            disorder: !seed.is_multiple_of(2),
        };
        let text = pipeline(&mut random, &shape);
        let pipeline = Pipeline::parse(&text, "case.toml")
            .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
        let source = records(&mut random, &shape, largest);
        Self {
            seed,
            text,
            pipeline: Arc::new(pipeline),
            source: Arc::new(source),
            disorder: shape.disorder,
        }
    }
}

fn pipeline(random: &mut Random, shape: &Shape) -> String {
    let mut text = String::from("name = \"case\"\n");
    let mut with = String::new();
    let mut labels = String::new();
    let key = if shape.kafka_key { "$key" } else { "k" };
    // The disorder that records(…) makes is below 60 ms.
    let allowed = if shape.disorder { random.below(40) } else { 200 };
    for input in 0..=shape.secondaries {
        let topic = if input == 1 && shape.own_topic { 0 } else { input };
        let _ = writeln!(text, "[inputs.i{input}]\ntopic = \"t{topic}\"\nformat = \"json\"");
        let _ = writeln!(text, "key = \"{key}\"\nevent_time = {{ field = \"ts\", unit = \"ms\" }}");
        let mut watermark = format!("max_out_of_orderness = \"{allowed}ms\"");
        // Idleness and a mixture of speeds can make rows late.
        if shape.disorder && random.chance(50) {
            let _ = write!(watermark, ", idle_timeout = \"{}ms\"", 1 + random.below(150));
        }
        if random.chance(25) {
            let every = 1 + random.below(60);
            let _ = write!(watermark, ", emit = \"periodic\", emit_interval = \"{every}ms\"");
        }
        if random.chance(10) {
            let _ = write!(watermark, ", max_ahead = \"{}ms\"", random.below(400));
        }
        let _ = writeln!(text, "watermark = {{ {watermark} }}");
        if random.chance(25) {
            text.push_str("where = { kind = [\"a\", \"b\"] }\n");
        }
        if input > 0 {
            let after = match random.below(5) {
                0 => 0,
                1 => random.between(-1, 1),
                _ => random.between(-80, 60),
            };
            let until = after
                + if random.chance(20) { random.between(0, 1) } else { random.between(0, 150) };
            let _ = writeln!(
                with,
                "with.i{input} = {{ after = \"{after}ms\", until = \"{until}ms\" }}"
            );
            for kind in ["a", "b"] {
                let _ = write!(labels, "l{input}{kind} = \"i{input}.kind = {kind}\", ");
            }
        }
    }
    if random.chance(30) {
        labels.push_str("own = \"i0.kind = a\", ");
    }
    let kind = if shape.folds { "left" } else { random.pick(&["inner", "left", "right", "full"]) };
    let late = *random.pick(&["drop", "drop", "join", "join", "side-output"]);
    let time = *random.pick(&["larger", "primary"]);
    let _ = writeln!(
        text,
        "[join]\nprimary = \"i0\"\n{with}kind = \"{kind}\"\nlate = \"{late}\"\noutput_time = \"{time}\""
    );
    if shape.folds {
        let emit = *random.pick(&["on-close", "early-and-correct"]);
        let labels = labels.trim_end_matches(", ");
        let _ = writeln!(text, "[examples]\nemit = \"{emit}\"\nlabels = {{ {labels} }}");
    }
    let _ = writeln!(text, "[delivery]\ncheckpoint_interval = \"{}ms\"", 5 + random.below(200));
    if late == "side-output" {
        text.push_str("[sink]\ntopic = \"out\"\nformat = \"json\"\nlate_topic = \"late\"\n");
    }
    text
}

fn records(random: &mut Random, shape: &Shape, largest: u64) -> List {
    let mut partitions = Vec::new();
    for topic in 0..=shape.secondaries {
        for partition in 0..=random.below(3) as i32 {
            let topic: Arc<str> = format!("t{topic}").into();
            partitions.push(TopicPartition { topic, partition });
        }
    }
    // A topic that no input reads: its records are not there for the run.
    partitions.push(TopicPartition { topic: "other".into(), partition: 0 });
    let mut offsets = vec![0i64; partitions.len()];
    let keys = 1 + random.below(6);
    let start = *random.pick(&[0i64, -300, 1_700_000_000_000]);
    let mut now = start;
    let mut list = Vec::new();
    let poison = random.below(8);
    for arrival in 0..=random.below(largest) {
        // Now and then the recorder's clock steps back.
        now += if random.chance(3) { -random.between(0, 30) } else { random.between(0, 12) };
        if random.chance(2) {
            now += random.between(100, 400);
        }
        let at = random.below(partitions.len() as u64) as usize;
        let back = match shape.disorder {
            false => random.below(60),
            true if random.chance(15) => random.below(300),
            true => random.below(50),
        } as i64;
        offsets[at] += random.between(1, 2);
        let key = key(random, keys);
        list.push(Record {
            arrival,
            arrival_ns: now * 1_000_000 + random.between(0, 999_999),
            source: at as u32,
            offset: offsets[at],
            timestamp: Some(now - back),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: (!random.chance(3)).then(|| Bytes::from(key.clone())),
            value: value(random, &key, now - back, poison),
            headers: Vec::new(),
        });
    }
    List { partitions, records: list }
}

/// JSON of a key: numbers, and texts that look like them.
fn key(random: &mut Random, keys: u64) -> String {
    let n = random.below(keys);
    if n.is_multiple_of(3) { format!("\"{n}\"") } else { n.to_string() }
}

fn value(random: &mut Random, key: &str, time: i64, poison: u64) -> Option<Bytes> {
    let kind = random.pick(&["a", "b", "c"]);
    let text = if random.chance(poison) {
        match random.below(8) {
            0 => return None,
            1 => "{\"k\":1,\"ts\":".to_owned(),
            2 => format!("{{\"k\":{key},\"kind\":\"{kind}\"}}"),
            3 => format!("{{\"k\":{key},\"kind\":\"{kind}\",\"ts\":9223372036854775807}}"),
            4 => format!("{{\"ts\":{time},\"kind\":\"{kind}\"}}"),
            5 => format!("{{\"ts\":{time},\"kind\":\"{kind}\",\"k\":1.5}}"),
            6 => format!("{{\"ts\":{time},\"kind\":\"{kind}\",\"k\":null}}"),
            _ => format!("{{\"ts\":\"{time}\",\"kind\":\"{kind}\",\"k\":{key}}}"),
        }
    } else {
        format!("{{\"k\":{key},\"ts\":{time},\"kind\":\"{kind}\",\"more\":[1,{{\"k\":2}}]}}")
    };
    Some(Bytes::from(text))
}
