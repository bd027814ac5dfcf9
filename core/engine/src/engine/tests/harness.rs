//! A pipeline and records written as text, and what a run made of them.

use std::path::Path;
use std::sync::Arc;

use crate::engine::step::{CheckpointEntry, ClockKind, Durable, OutputKind, Sink, SinkError, Step};
use crate::engine::{
    AtEnd, Batches, ClockInput, Control, Given, RunError, RunSpec, Source, SourceError, Summary,
    run,
};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::{Record, TimestampType, TopicPartition};
use crate::operator::verdict::Verdict;

/// Views, and plays up to 100 ms after them; out-of-orderness 10 ms, one
/// partition each unless the records name more.
pub(super) const PIPELINE: &str = r#"
name = "test"
[inputs.views]
topic = "views"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "10ms" }
[inputs.plays]
topic = "plays"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "10ms" }
[join]
primary = "views"
with.plays = { after = "0s", until = "100ms" }
kind = "left"
[delivery]
checkpoint_interval = "1s"
"#;

/// Records in arrival order, cut into batches of `batch`.
#[derive(Clone)]
pub(super) struct Listed {
    pub partitions: Vec<TopicPartition>,
    pub records: Vec<Record>,
    pub batch: usize,
    /// Next offset of each partition.
    offsets: Vec<i64>,
    /// An error after so many batches.
    pub fails_after: Option<usize>,
    /// A panic in place of the batch behind so many.
    pub panics_after: Option<usize>,
    pub clock: Vec<ClockInput>,
    /// Partitions, the last ones, that were not there from the beginning.
    pub later: Vec<u32>,
    pub live: bool,
    /// It says where its partitions end, as a recording does.
    pub knows_ends: bool,
}

impl Listed {
    /// One record a line: `arrival_ms topic[partition] key time`, e.g.
    /// `5 views[0] a 100`. Key and time `-`: the field is missing; in place of
    /// both: `null` (tombstone) or `broken`. A line `+ topic[partition]` names a
    /// partition that may stay empty.
    pub(super) fn parse(text: &str) -> Self {
        let mut listed = Self {
            partitions: Vec::new(),
            records: Vec::new(),
            batch: 3,
            offsets: Vec::new(),
            fails_after: None,
            panics_after: None,
            clock: Vec::new(),
            later: Vec::new(),
            live: false,
            knows_ends: false,
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let source = listed.source(words[1]);
            if words[0] == "+" {
                continue;
            }
            let value = match words[2] {
                "null" => None,
                "broken" => Some("{".to_owned()),
                key => {
                    let mut fields = Vec::new();
                    if key != "-" {
                        fields.push(format!("\"k\":\"{key}\""));
                    }
                    if words[3] != "-" {
                        fields.push(format!("\"t\":{}", words[3]));
                    }
                    Some(format!("{{{}}}", fields.join(",")))
                }
            };
            listed.push(source, words[0].parse().unwrap(), value);
        }
        listed
    }

    fn source(&mut self, name: &str) -> u32 {
        let (topic, partition) = name.trim_end_matches(']').split_once('[').unwrap();
        let wanted = TopicPartition { topic: topic.into(), partition: partition.parse().unwrap() };
        if let Some(at) = self.partitions.iter().position(|p| *p == wanted) {
            return at as u32;
        }
        self.partitions.push(wanted);
        self.offsets.push(0);
        self.partitions.len() as u32 - 1
    }

    pub(super) fn push(&mut self, source: u32, arrival_ms: i64, value: Option<String>) {
        let source_offset = &mut self.offsets[source as usize];
        let offset = *source_offset;
        *source_offset += 1;
        self.records.push(Record {
            arrival: self.records.len() as u64,
            arrival_ns: arrival_ms * 1_000_000,
            source,
            offset,
            timestamp: None,
            timestamp_type: TimestampType::None,
            leader_epoch: None,
            key: None,
            value: value.map(Into::into),
            headers: Vec::new(),
        });
    }
}

impl Source for Listed {
    fn partitions(&self) -> &[TopicPartition] {
        &self.partitions
    }

    fn records(&self, topics: &[Arc<str>]) -> Option<u64> {
        let wanted = |r: &&Record| topics.contains(&self.partitions[r.source as usize].topic);
        Some(self.records.iter().filter(wanted).count() as u64)
    }

    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let mut records: Vec<Record> = self
            .records
            .iter()
            .filter(|r| topics.contains(&self.partitions[r.source as usize].topic))
            .cloned()
            .collect();
        let last = from.checked_sub(1).map(|last| records[last as usize].arrival);
        records.drain(..from as usize);
        let mut clock: Vec<ClockInput> =
            self.clock.iter().copied().filter(|c| Some(c.precedes) > last).collect();
        let mut batches: Vec<Result<Given, SourceError>> = records
            .chunks(self.batch)
            .map(|chunk| {
                let end = chunk.last().map_or(0, |r| r.arrival);
                let later = clock.split_off(clock.partition_point(|c| c.precedes <= end));
                let clock = std::mem::replace(&mut clock, later);
                Ok(Given { records: chunk.to_vec(), clock })
            })
            .collect();
        batches.push(Ok(Given { records: Vec::new(), clock }));
        if let Some(after) = self.fails_after {
            batches.truncate(after);
            batches.push(Err(SourceError("the disk is gone".into())));
        }
        let (mut given, most) = (0, self.panics_after.unwrap_or(usize::MAX));
        Ok(Box::new(batches.into_iter().inspect(move |_| {
            assert!(given < most, "told to");
            given += 1;
        })))
    }

    fn last_offsets(&self) -> Option<Vec<Option<i64>>> {
        self.knows_ends.then(|| {
            self.offsets.iter().map(|next| next.checked_sub(1).filter(|last| *last >= 0)).collect()
        })
    }

    fn later(&self) -> Vec<u32> {
        self.later.clone()
    }

    fn is_live(&self) -> bool {
        self.live
    }
}

/// Keeps every step.
#[derive(Default)]
pub(super) struct Kept {
    pub steps: Vec<Step>,
    pub barriers: Vec<u64>,
    /// Steps before each barrier.
    pub steps_at_barrier: Vec<usize>,
    pub checkpoints: Vec<CheckpointEntry>,
    /// Fails at the step of this number.
    pub fails_at: Option<usize>,
    /// Panics there instead.
    pub panics: bool,
    /// Cancels the run at its first step.
    pub cancels: Option<Control>,
}

impl Sink for Kept {
    fn step(&mut self, step: Step) -> Result<(), SinkError> {
        if self.fails_at == Some(self.steps.len()) {
            assert!(!self.panics, "told to");
            return Err(SinkError("no space left on device".into()));
        }
        if let Some(control) = &self.cancels {
            control.cancel();
        }
        self.steps.push(step);
        Ok(())
    }

    fn barrier(&mut self, at: u64) -> Result<Option<Durable>, SinkError> {
        assert_eq!(at, self.steps.last().map_or(0, |s| s.end));
        self.barriers.push(at);
        self.steps_at_barrier.push(self.steps.len());
        Ok(None)
    }

    fn checkpoint(&mut self, entry: CheckpointEntry) -> Result<(), SinkError> {
        assert_eq!(self.barriers.last(), Some(&entry.arrival));
        self.checkpoints.push(entry);
        Ok(())
    }
}

pub(super) fn spec(pipeline: &str, source: Listed) -> RunSpec {
    RunSpec {
        pipeline: Arc::new(Pipeline::parse(pipeline, "test.toml").unwrap()),
        source: Arc::new(source),
        folder: None,
        at_end: AtEnd::Open,
        seed: 0,
        restarts: Vec::new(),
        memory: 64 << 20,
        shards: 1,
        checkpoint_records: 1_000_000,
        resume: None,
    }
}

pub(super) fn with_folder(mut spec: RunSpec, folder: &Path, records: u64) -> RunSpec {
    spec.folder = Some(folder.to_owned());
    spec.checkpoint_records = records;
    spec
}

/// A run that must end well.
pub(super) fn done(spec: RunSpec) -> (Summary, Kept) {
    let mut kept = Kept::default();
    let summary = run(spec, &mut kept, &Control::new()).unwrap();
    (summary, kept)
}

pub(super) fn fails(spec: RunSpec) -> (RunError, Kept) {
    let mut kept = Kept::default();
    let error = run(spec, &mut kept, &Control::new()).unwrap_err();
    (error, kept)
}

/// What was given out, a line each: outputs as `out at kind records time`, then
/// for each row `record verdict decided removed`, `-` where there is none.
pub(super) fn tell<'a>(
    pipeline: &str,
    listed: &Listed,
    steps: impl IntoIterator<Item = &'a Step>,
) -> String {
    let pipeline = Pipeline::parse(pipeline, "test.toml").unwrap();
    let mut names = Vec::new();
    let mut rows: Vec<(String, Verdict, Option<u64>, Option<u64>)> = Vec::new();
    let mut out = Vec::new();
    let mut outputs = 0;
    for step in steps {
        for i in 0..step.facts.len() {
            let input = &pipeline.inputs[step.facts.input[i] as usize];
            let (partition, offset) = (step.facts.partition[i], step.facts.offset[i]);
            assert_eq!(step.facts.first_row + i as u64, names.len() as u64);
            assert!(listed.partitions.iter().any(|p| p.topic == input.topic));
            names.push(format!("{}[{partition}]@{offset}", input.name));
            let verdict = Verdict::from_code(step.facts.at_arrival[i]).unwrap();
            let at = (verdict != Verdict::Open).then_some(step.facts.arrival[i]);
            rows.push((names.last().unwrap().clone(), verdict, at, None));
        }
        for d in &step.decisions {
            let row = &mut rows[d.row as usize];
            if let Some(verdict) = d.verdict {
                assert_eq!(row.1, Verdict::Open, "decided twice: {}", row.0);
                (row.1, row.2) = (verdict, Some(d.at));
            }
            if d.removed {
                assert_eq!(row.3, None, "removed twice: {}", row.0);
                row.3 = Some(d.at);
            }
        }
        for o in &step.outputs {
            assert_eq!(o.n, outputs);
            outputs += 1;
            let kind = match o.kind {
                OutputKind::Pair => "pair",
                OutputKind::Pad => "pad",
                OutputKind::Example => "example",
            };
            let records: Vec<_> = o.records.iter().map(|r| names[*r as usize].clone()).collect();
            let more = if o.correction > 0 { format!(" #{}", o.correction) } else { String::new() };
            out.push(format!("{} {kind} {} t={}{more}", o.at, records.join("+"), o.time));
        }
    }
    let at = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
    out.extend(rows.into_iter().map(|(name, verdict, decided, removed)| {
        format!("{name} {verdict} {} {}", at(decided), at(removed))
    }));
    out.join("\n")
}

/// The clock's decisions, a line each: `precedes at_ms what`.
pub(super) fn tell_clock(steps: &[Step]) -> String {
    let lines: Vec<String> = steps
        .iter()
        .flat_map(|s| &s.clock)
        .map(|c| {
            let what = match c.kind {
                ClockKind::Idle { lane } => format!("idle {lane}"),
                ClockKind::Active { lane } => format!("active {lane}"),
                ClockKind::Periodic { input } => format!("periodic {input}"),
                ClockKind::Epoch { n } => format!("epoch {n}"),
            };
            format!("{} {} {what}", c.precedes, c.at_ms)
        })
        .collect();
    lines.join("\n")
}

/// Panics with the first line that differs.
pub(super) fn same(ours: &str, expected: &str, what: &str) {
    for (i, (a, b)) in ours.lines().zip(expected.lines()).enumerate() {
        assert_eq!(a, b, "{what}, line {i}");
    }
    assert_eq!(ours.lines().count(), expected.lines().count(), "{what}");
}

pub(super) fn lines(text: &str) -> String {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Runs `input` with 1, 2 and 7 shards; each must tell `expected`.
pub(super) fn check_with(pipeline: &str, at_end: AtEnd, input: &str, expected: &str) {
    let listed = Listed::parse(input);
    let mut digests = Vec::new();
    for shards in [1, 2, 7] {
        let mut spec = spec(pipeline, listed.clone());
        spec.shards = shards;
        spec.at_end = at_end;
        let (summary, kept) = done(spec);
        assert_eq!(tell(pipeline, &listed, &kept.steps), lines(expected), "{shards} shards");
        digests.push(summary.digest);
    }
    assert!(digests.windows(2).all(|d| d[0] == d[1]));
}

pub(super) fn check(input: &str, expected: &str) {
    check_with(PIPELINE, AtEnd::Open, input, expected);
}
