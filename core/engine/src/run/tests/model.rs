//! A random run, kept whole in memory.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smallvec::SmallVec;

use crate::engine::step::{
    CheckpointEntry, ClockEvent, ClockKind, Decision, Facts, Output, OutputKind, Prepared, Sink,
    StateSample, Step,
};
use crate::operator::join::Reason;
use crate::operator::key::{Key, KeyValue};
use crate::operator::pipeline::Pipeline;
use crate::operator::verdict::{Counts, Verdict};
use crate::operator::watermark::{DueKind, Sources, Tracker, TrackerInput};
use crate::run::{Books, InputInfo, LaneInfo, ManifestStart, Writer};

pub struct Spec {
    pub seed: u64,
    pub arrivals: u64,
    /// Both inputs read one topic.
    pub one_topic: bool,
    pub partitions: u32,
    pub batch: u64,
    pub checkpoint_every: Option<u64>,
    pub segment: u64,
}

#[derive(Clone, Debug)]
pub struct ModelRow {
    pub arrival: u64,
    pub ms: i64,
    pub input: u8,
    pub partition: i32,
    pub lane: u32,
    pub offset: i64,
    pub time: i64,
    pub watermark: i64,
    pub at_arrival: Verdict,
    pub key: Option<Key>,
    pub verdict: Verdict,
    pub decided: Option<u64>,
    pub removed: Option<u64>,
    pub reason: Reason,
    pub cause: Option<u64>,
}

/// Watermarks just after an arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Marks {
    pub lanes: Vec<(i64, Option<i64>, bool, i64)>,
    pub inputs: Vec<i64>,
    pub join: i64,
    pub holder: Option<(u32, u64)>,
}

pub struct Model {
    pub start: ManifestStart,
    pub pipeline: Pipeline,
    pub steps: Vec<Step>,
    pub rows: Vec<ModelRow>,
    pub outputs: Vec<Output>,
    pub clock: Vec<ClockEvent>,
    pub marks: Vec<Marks>,
    /// Arrivals at which checkpoints are taken, after the step that ends there.
    pub checkpoints: Vec<u64>,
    pub segment: u64,
}

pub fn pipeline_text(one_topic: bool) -> String {
    let second = if one_topic { "a" } else { "b" };
    format!(
        r#"name = "random"
[inputs.left]
topic = "a"
format = "json"
key = "k"
event_time = {{ field = "t", unit = "ms" }}
watermark = {{ max_out_of_orderness = "50ms", idle_timeout = "3s" }}
[inputs.right]
topic = "{second}"
format = "json"
key = "k"
event_time = {{ field = "t", unit = "ms" }}
watermark = {{ max_out_of_orderness = "20ms" }}
[join]
primary = "left"
with.right = {{ after = "0s", until = "1s" }}
kind = "left"
"#
    )
}

fn key(random: &mut ChaCha8Rng) -> Key {
    match random.random_range(0..10) {
        0 => Key::new(KeyValue::String(["HOT", " hot", "Hot "][random.random_range(0..3)])),
        1 | 2 => Key::new(KeyValue::String("hot")),
        3 => Key::new(KeyValue::Int(random.random_range(0..20))),
        4 => Key::new(KeyValue::String(&random.random_range(0..20).to_string())),
        5 => Key::new(KeyValue::Bool(random.random())),
        _ => Key::new(KeyValue::String(&format!("key-{}", random.random_range(0..500)))),
    }
}

pub fn model(spec: &Spec) -> Model {
    let text = pipeline_text(spec.one_topic);
    let pipeline = Pipeline::parse(&text, "random.toml").unwrap();
    let topics = ["a", if spec.one_topic { "a" } else { "b" }];
    let start = ManifestStart {
        pipeline_file: "random.toml".into(),
        pipeline_text: text,
        at_end: "open".into(),
        inputs: [("left", topics[0]), ("right", topics[1])]
            .map(|(name, topic)| InputInfo {
                name: name.into(),
                topic: topic.into(),
                max_out_of_orderness: 50,
            })
            .to_vec(),
        lanes: (0..2u8)
            .flat_map(|input| (0..spec.partitions as i32).map(move |p| (input, p)))
            .map(|(input, partition)| LaneInfo {
                input,
                topic: topics[input as usize].into(),
                partition,
            })
            .collect(),
        ..ManifestStart::default()
    };
    let mut m = Model {
        start,
        pipeline,
        steps: Vec::new(),
        rows: Vec::new(),
        outputs: Vec::new(),
        clock: Vec::new(),
        marks: Vec::new(),
        checkpoints: Vec::new(),
        segment: spec.segment,
    };
    let mut random = ChaCha8Rng::seed_from_u64(spec.seed);
    let inputs: Vec<TrackerInput> = m
        .pipeline
        .inputs
        .iter()
        .map(|i| TrackerInput {
            spec: i.watermark,
            partitions: spec.partitions,
            semantics: m.pipeline.join.semantics,
            sources: Sources::default(),
        })
        .collect();
    let mut tracker = Tracker::new(inputs);
    let mut ms = 1_700_000_000_000i64;
    let mut offsets = vec![0i64; spec.partitions as usize * 2];
    // Rows in the state, and whether their verdict has fallen.
    let mut live: Vec<(u64, bool)> = Vec::new();
    let (mut at, mut last_tracker) = (0, 0);
    while at < spec.arrivals {
        let mut end = (at + random.random_range(1..=spec.batch)).min(spec.arrivals);
        if let Some(every) = spec.checkpoint_every {
            end = end.min((at / every + 1) * every);
        }
        let mut step = Step { end, ..Step::default() };
        step.facts.first_row = m.rows.len() as u64;
        if at == 0 || at >= last_tracker + 700 {
            step.trackers.push((at, tracker.save()));
            last_tracker = at;
        }
        for arrival in at..end {
            ms += match random.random_range(0..1000) {
                0 => 10_000,
                1..500 => 0,
                _ => random.random_range(0..5),
            };
            while let Some(due) = tracker.next_due(ms) {
                if let DueKind::Idle { lane } = due.kind {
                    let kind = ClockKind::Idle { lane };
                    let event = ClockEvent { precedes: arrival, at_ms: due.at_ms, kind };
                    step.clock.push(event);
                    m.clock.push(event);
                }
                tracker.fire(due, arrival);
            }
            let watermark = tracker.join();
            let topic = if spec.one_topic { 0 } else { random.random_range(0..2usize) };
            // The last partition of a topic is seldom fed.
            let partition = if spec.partitions > 1 && random.random_range(0..300) > 0 {
                random.random_range(0..spec.partitions - 1)
            } else {
                spec.partitions - 1
            };
            let offset = &mut offsets[topic * spec.partitions as usize + partition as usize];
            *offset += random.random_range(1..3);
            let offset = *offset;
            let fed: &[u8] = if spec.one_topic { &[0, 1] } else { &[topic as u8] };
            let fate = random.random_range(0..60);
            let time = ms - random.random_range(0..100);
            let shared_key = key(&mut random);
            let first = m.rows.len();
            for input in fed {
                let lane = u32::from(*input) * spec.partitions + partition;
                let late = watermark != i64::MIN && time < watermark;
                let at_arrival = match fate {
                    0 => Verdict::Undecodable,
                    1 => Verdict::Tombstone,
                    2 => Verdict::Untimed,
                    3 => Verdict::Filtered,
                    4 => Verdict::Unkeyed,
                    _ if late => Verdict::Late,
                    _ => Verdict::Open,
                };
                let has_time = fate > 2;
                let own = (fate > 4).then(|| shared_key.clone());
                let row = m.rows.len() as u64;
                let f = &mut step.facts;
                f.arrival.push(arrival);
                f.arrival_ms.push(ms);
                f.input.push(*input);
                f.partition.push(partition as i32);
                f.offset.push(offset);
                f.event_time.push(if has_time { time } else { i64::MIN });
                f.watermark.push(watermark);
                f.at_arrival.push(at_arrival as u8);
                f.key_hash.push(own.as_ref().map_or(0, Key::hash64));
                f.normal_hash.push(own.as_ref().map_or(0, Key::normal_hash));
                if let Some(key) = &own {
                    f.keys.extend_from_slice(key.canonical());
                }
                f.key_end.push(f.keys.len() as u32);
                let open = at_arrival == Verdict::Open;
                m.rows.push(ModelRow {
                    arrival,
                    ms,
                    input: *input,
                    partition: partition as i32,
                    lane,
                    offset,
                    time: if has_time { time } else { i64::MIN },
                    watermark,
                    at_arrival,
                    key: own,
                    verdict: at_arrival,
                    decided: (!open).then_some(arrival),
                    removed: None,
                    reason: Reason::Plain,
                    cause: (!open).then_some(arrival),
                });
                if open {
                    live.push((row, false));
                }
            }
            m.decide(&mut random, arrival, &mut live, &mut step);
            let moving = m.rows[first..].iter().filter(|row| row.time != i64::MIN);
            tracker.observe_all(moving.map(|row| (row.lane, row.time)), ms, arrival);
            m.marks.push(marks(&tracker));
            if random.random_range(0..400) == 0 {
                let rows = live.len() as u64;
                step.state.push(StateSample { arrival, rows, bytes: rows * 10 + 1, cold: rows });
            }
        }
        m.steps.push(step);
        if spec.checkpoint_every.is_some_and(|every| end % every == 0) {
            m.checkpoints.push(end);
        }
        at = end;
    }
    m
}

fn marks(tracker: &Tracker) -> Marks {
    Marks {
        lanes: (0..tracker.lanes())
            .map(|l| tracker.lane(l).unwrap())
            .map(|l| (l.watermark, l.max_seen, l.idle, l.last_active_ms))
            .collect(),
        inputs: (0..2).map(|i| tracker.input(i)).collect(),
        join: tracker.join(),
        holder: tracker.holder().map(|h| (h.lane, h.since)),
    }
}

impl Model {
    /// Lets verdicts fall and rows leave at random, now and then very many.
    fn decide(
        &mut self,
        random: &mut ChaCha8Rng,
        arrival: u64,
        live: &mut Vec<(u64, bool)>,
        step: &mut Step,
    ) {
        let times = match random.random_range(0..500) {
            0 => live.len() * 9 / 10,
            n => n % 3,
        };
        for _ in 0..times.min(live.len()) {
            let at = match random.random_range(0..4) {
                0 => live.len() - 1,
                1 => random.random_range(0..live.len()),
                _ => random.random_range(0..live.len().min(5)),
            };
            let (row, decided) = live[at];
            let removed = random.random_range(0..3) > 0;
            if decided && !removed {
                continue;
            }
            let cause = self.rows[random.random_range(0..self.rows.len())].arrival;
            let mut d =
                Decision { row, at: arrival, verdict: None, reason: Reason::Plain, removed, cause };
            let model = &mut self.rows[row as usize];
            if !decided {
                let verdict = [Verdict::Joined, Verdict::Unmatched, Verdict::Expired]
                    [random.random_range(0..3)];
                d.verdict = Some(verdict);
                if verdict == Verdict::Unmatched {
                    d.reason = Reason::Padded;
                }
                model.verdict = verdict;
                model.decided = Some(arrival);
                model.reason = d.reason;
                model.cause = Some(cause);
            }
            if removed {
                model.removed = Some(arrival);
                live.remove(at);
            } else {
                live[at].1 = true;
            }
            step.decisions.push(d);
            for _ in 0..random.random_range(0..3) {
                let mut records: SmallVec<[u64; 2]> = SmallVec::from_slice(&[row]);
                for _ in 0..random.random_range(0..4) {
                    let other = random.random_range(0..self.rows.len()) as u64;
                    if !records.contains(&other) {
                        records.push(other);
                    }
                }
                let kinds = [OutputKind::Pair, OutputKind::Pad, OutputKind::Example];
                let output = Output {
                    n: self.outputs.len() as u64,
                    at: arrival,
                    epoch: arrival / 100,
                    time: random.random_range(-5..5),
                    kind: kinds[random.random_range(0..3)],
                    records,
                    labels: random.random(),
                    correction: random.random_range(0..3),
                };
                self.outputs.push(output.clone());
                step.outputs.push(output);
            }
        }
    }

    /// The books by counting everything.
    pub fn books(&self, at: u64) -> Books {
        let mut books = Books { inputs: vec![Counts::default(); 2], ..Books::default() };
        for row in self.rows.iter().filter(|r| r.arrival <= at) {
            let decided = row.decided.is_some_and(|d| d <= at);
            let verdict = if decided { row.verdict } else { Verdict::Open };
            books.inputs[row.input as usize].add(verdict, 1);
            let rests = row.at_arrival == Verdict::Open && row.removed.is_none_or(|r| at < r);
            books.state_rows += u64::from(rests);
        }
        books.outputs = self.outputs.iter().filter(|o| o.at <= at).count() as u64;
        let mut samples = self.steps.iter().flat_map(|s| &s.state);
        books.state_bytes = samples.rfind(|s| s.arrival <= at).map_or(0, |s| s.bytes);
        books
    }

    pub fn writer(&self, dir: &std::path::Path) -> Writer {
        let mut writer = Writer::create(dir, self.start.clone(), true).unwrap();
        writer.set_segment_arrivals(self.segment);
        writer
    }

    /// Gives the steps from arrival `from` on to a writer, up to arrival `to`.
    pub fn feed(&self, writer: &mut Writer, from: u64, to: u64) {
        for step in &self.steps {
            if step.end <= from || step.end > to {
                continue;
            }
            writer.step(clone(step)).unwrap();
            if self.checkpoints.contains(&step.end) {
                writer.barrier(step.end).unwrap().unwrap()(&Prepared::default()).unwrap();
                let (arrival, disk_bytes) = (step.end, on_disk(step.end));
                let entry = CheckpointEntry { arrival, disk_bytes, ..CheckpointEntry::default() };
                writer.checkpoint(entry).unwrap();
            }
        }
    }
}

/// What a checkpoint holds on disk; of some it is not known.
pub fn on_disk(arrival: u64) -> Option<u64> {
    (!arrival.is_multiple_of(4)).then_some(arrival * 7 % 1_000)
}

fn clone(step: &Step) -> Step {
    Step {
        facts: Facts { ..step.facts.clone() },
        decisions: step.decisions.clone(),
        revisions: step.revisions.clone(),
        outputs: step.outputs.clone(),
        named: Vec::new(),
        made: None,
        clock: step.clock.clone(),
        trackers: step.trackers.clone(),
        state: step.state.clone(),
        end: step.end,
    }
}
