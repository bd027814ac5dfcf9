//! `pipeline check`: would this pipeline find anything in this recording?

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::edges::recording::{Recording, RecordingError};
use crate::engine::{delivery, sources};
use crate::operator::codec::{CodecError, InputDecoder};
use crate::operator::figures::plural;
use crate::operator::pipeline::{InputIndex, Pipeline};
use crate::operator::record::{Record, RecordName};

/// Records of each input that are looked at.
pub const LOOK: u64 = 10_000;
/// Records that are read at most to know the keys of the other side.
const KEYS_LOOK: u64 = 2_000_000;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckReport {
    pub missing: Vec<Missing>,
    /// Of the inputs whose topics are there, in pipeline order.
    pub inputs: Vec<InputCheck>,
    /// Records read to know the keys.
    pub keys_looked_at: u64,
    /// What Flink's source subtasks make of the recording's partitions, where that
    /// holds an input back for ever.
    pub sources: Vec<String>,
    /// Why a job that writes the outputs to a cluster would be refused, where the
    /// pipeline says that they are to be written.
    pub delivery: Vec<String>,
}

/// A topic that the recording lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub input: Arc<str>,
    pub topic: Arc<str>,
    /// The recording's topics, the nearest name first.
    pub nearest: Vec<Arc<str>>,
}

/// The first records of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputCheck {
    pub input: Arc<str>,
    pub topic: Arc<str>,
    pub looked_at: u64,
    /// Null values; not counted below.
    pub tombstones: u64,
    pub decoded: u64,
    pub timed: u64,
    pub keyed: u64,
    /// By the input's `where`.
    pub kept: u64,
    /// Rows that reach the join: decoded, timed, kept and keyed.
    pub rows: u64,
    /// Of the rows, those whose key was seen on the other side.
    pub found: u64,
    /// Of the others, those whose key differs from one seen there only in case,
    /// whitespace or type.
    pub nearly: u64,
    /// The first record that failed each check, and why.
    pub examples: Vec<(&'static str, RecordName, String)>,
}

/// Why a check could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("{0}")]
    Recording(#[from] RecordingError),
    #[error("{0}")]
    Codec(#[from] CodecError),
    #[error("cancelled")]
    Cancelled,
}

/// Looks at the first [`LOOK`] records of each input.
///
/// # Errors
/// The recording cannot be read, a schema cannot be used, or `go_on` said no.
pub fn check(
    pipeline: &Pipeline,
    recording: &Recording,
    mut go_on: impl FnMut() -> bool,
) -> Result<CheckReport, CheckError> {
    let topics: HashSet<Arc<str>> =
        recording.partitions().iter().map(|p| p.topic.clone()).collect();
    let sources = sources::warnings(pipeline, recording.partitions());
    let delivery = unwritable(pipeline);
    let mut report = CheckReport { sources, delivery, ..CheckReport::default() };
    let mut there = Vec::new();
    for (i, input) in pipeline.inputs.iter().enumerate() {
        if topics.contains(&input.topic) {
            there.push(i as InputIndex);
        } else {
            report.missing.push(Missing {
                input: input.name.clone(),
                topic: input.topic.clone(),
                nearest: by_distance(&input.topic, topics.iter()),
            });
        }
    }
    let mut decoders = BTreeMap::new();
    for input in &there {
        let decoder = InputDecoder::new(pipeline, *input, recording.schemas())?;
        decoders.insert(*input, decoder);
    }
    let mut samples: BTreeMap<InputIndex, Vec<(u64, u64)>> = BTreeMap::new();
    let mut last = 0;
    for (input, decoder) in &mut decoders {
        let spec = &pipeline.inputs[usize::from(*input)];
        let mut found = InputCheck::new(spec.name.clone(), spec.topic.clone());
        let topic = [spec.topic.clone()];
        'topic: for batch in recording.batches(Some(&topic), 0) {
            if !go_on() {
                return Err(CheckError::Cancelled);
            }
            for record in &batch? {
                if found.looked_at == LOOK {
                    break 'topic;
                }
                last = last.max(record.arrival);
                if let Some(key) = found.look(decoder, record, recording) {
                    samples.entry(*input).or_default().push(key);
                }
            }
        }
        report.inputs.push(found);
    }
    let keys = keys(pipeline, recording, &mut decoders, last, &mut report, &mut go_on)?;
    for (found, input) in report.inputs.iter_mut().zip(&there) {
        let others: Vec<&Keys> = keys
            .iter()
            .filter(|(other, _)| {
                **other != *input
                    && (pipeline.join.primary == *input || pipeline.join.primary == **other)
            })
            .map(|(_, keys)| keys)
            .collect();
        for (exact, normal) in samples.get(input).into_iter().flatten() {
            if others.iter().any(|k| k.exact.contains(exact)) {
                found.found += 1;
            } else if others.iter().any(|k| k.normal.contains(normal)) {
                found.nearly += 1;
            }
        }
    }
    Ok(report)
}

/// See [`CheckReport::delivery`].
fn unwritable(pipeline: &Pipeline) -> Vec<String> {
    if pipeline.sink.is_none() {
        return Vec::new();
    }
    let sink = delivery::sink_of(pipeline).err();
    sink.into_iter().chain(delivery::check_job(pipeline).err()).collect()
}

/// Hashes of the keys of one input.
#[derive(Default)]
struct Keys {
    exact: HashSet<u64>,
    normal: HashSet<u64>,
}

/// The keys of every input up to the last record looked at, at least.
fn keys(
    pipeline: &Pipeline,
    recording: &Recording,
    decoders: &mut BTreeMap<InputIndex, InputDecoder>,
    last: u64,
    report: &mut CheckReport,
    go_on: &mut impl FnMut() -> bool,
) -> Result<BTreeMap<InputIndex, Keys>, CheckError> {
    let mut keys: BTreeMap<InputIndex, Keys> = BTreeMap::new();
    let topics = pipeline.topics();
    let mut looked = 0;
    for batch in recording.batches(Some(&topics), 0) {
        if !go_on() {
            return Err(CheckError::Cancelled);
        }
        let batch = batch?;
        looked += batch.len() as u64;
        for record in &batch {
            let topic = &recording.partitions()[record.source as usize].topic;
            for input in pipeline.inputs_of(topic) {
                let Some(decoder) = decoders.get_mut(&input) else { continue };
                if let Some((exact, normal)) = row_key(decoder, record) {
                    let keys = keys.entry(input).or_default();
                    keys.exact.insert(exact);
                    keys.normal.insert(normal);
                }
            }
        }
        // Somewhat further than the samples: partners come later.
        let past = batch.last().is_some_and(|r| r.arrival > last.saturating_mul(2));
        if looked >= KEYS_LOOK || past {
            break;
        }
    }
    report.keys_looked_at = looked;
    Ok(keys)
}

fn row_key(decoder: &mut InputDecoder, record: &Record) -> Option<(u64, u64)> {
    let probe = decoder.probe(record);
    let key = probe.key.filter(|_| probe.event_time.is_some() && probe.kept)?;
    Some((key.hash64(), key.normal_hash()))
}

impl InputCheck {
    fn new(input: Arc<str>, topic: Arc<str>) -> Self {
        Self {
            input,
            topic,
            looked_at: 0,
            tombstones: 0,
            decoded: 0,
            timed: 0,
            keyed: 0,
            kept: 0,
            rows: 0,
            found: 0,
            nearly: 0,
            examples: Vec::new(),
        }
    }

    /// Counts one record; its key, if it is a row.
    fn look(
        &mut self,
        decoder: &mut InputDecoder,
        record: &Record,
        recording: &Recording,
    ) -> Option<(u64, u64)> {
        self.looked_at += 1;
        if record.value.is_none() {
            self.tombstones += 1;
            return None;
        }
        let probe = decoder.probe(record);
        self.decoded += u64::from(probe.decoded);
        self.timed += u64::from(probe.event_time.is_some());
        self.keyed += u64::from(probe.key.is_some());
        self.kept += u64::from(probe.kept);
        let failed = match (&probe.event_time, &probe.key) {
            _ if !probe.decoded => Some("undecodable"),
            (None, _) => Some("untimed"),
            _ if !probe.kept => Some("filtered"),
            (_, None) => Some("unkeyed"),
            _ => None,
        };
        if let Some(failed) = failed {
            if self.examples.iter().all(|(known, ..)| *known != failed) {
                let why = decoder.explain_failure(record);
                self.examples.push((failed, recording.name_of(record), why));
            }
            return None;
        }
        self.rows += 1;
        probe.key.map(|key| (key.hash64(), key.normal_hash()))
    }

    /// Records with a value.
    fn values(&self) -> u64 {
        self.looked_at - self.tombstones
    }
}

impl CheckReport {
    /// Why the answer is no; empty: it is yes.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for m in &self.missing {
            let near: Vec<String> = m.nearest.iter().take(3).map(ToString::to_string).collect();
            let near = if near.is_empty() {
                "it has no topics".to_owned()
            } else {
                format!("the nearest it has: {}", near.join(", "))
            };
            reasons
                .push(format!("input {}: the recording has no topic {}; {near}", m.input, m.topic));
        }
        for i in &self.inputs {
            if i.values() == 0 {
                continue;
            }
            let why = |failed: &str| {
                i.examples
                    .iter()
                    .find(|(name, ..)| *name == failed)
                    .map(|(_, record, why)| format!(" ({record}: {why})"))
                    .unwrap_or_default()
            };
            let n = plural(i.values(), "record");
            if i.decoded == 0 {
                reasons.push(format!(
                    "input {}: none of {n} decodes{}",
                    i.input,
                    why("undecodable")
                ));
            } else if i.timed == 0 {
                reasons.push(format!(
                    "input {}: none of {n} has an event time{}",
                    i.input,
                    why("untimed")
                ));
            } else if i.keyed == 0 {
                reasons.push(format!("input {}: none of {n} has a key{}", i.input, why("unkeyed")));
            } else if i.kept == 0 {
                reasons.push(format!(
                    "input {}: where leaves out all of {n}{}",
                    i.input,
                    why("filtered")
                ));
            }
        }
        let rows = self.inputs.iter().all(|i| i.rows > 0) && self.inputs.len() > 1;
        if reasons.is_empty() && rows && self.inputs.iter().all(|i| i.found == 0) {
            let nearly: u64 = self.inputs.iter().map(|i| i.nearly).sum();
            let hint = if nearly > 0 {
                format!(
                    "; {nearly} would be but for case, whitespace or type: are the keys texts on one side and numbers on the other?"
                )
            } else {
                "; do both sides name the same key?".to_owned()
            };
            reasons.push(format!("no key is found on both sides{hint}"));
        }
        reasons
    }

    /// What does not make the answer no but should be known.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for i in self.inputs.iter().filter(|i| i.values() == 0) {
            warnings.push(format!("input {}: no record of {} has a value", i.input, i.topic));
        }
        warnings.extend_from_slice(&self.sources);
        warnings.extend(self.delivery.iter().map(|why| format!("run --write is refused: {why}")));
        warnings
    }

    #[must_use]
    pub fn ok(&self) -> bool {
        self.reasons().is_empty()
    }

    /// For machines; shares are of the records with a value.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let share =
            |n: u64, of: u64| if of == 0 { Value::Null } else { (n as f64 / of as f64).into() };
        let missing: Vec<Value> = self
            .missing
            .iter()
            .map(|m| {
                let nearest: Vec<&str> = m.nearest.iter().map(|t| &**t).collect();
                json!({"input": &*m.input, "topic": &*m.topic, "nearest": nearest})
            })
            .collect();
        let inputs: Vec<Value> = self
            .inputs
            .iter()
            .map(|i| {
                let examples: Vec<Value> = i
                    .examples
                    .iter()
                    .map(|(verdict, record, why)| {
                        json!({"verdict": verdict, "record": record.to_string(), "why": why})
                    })
                    .collect();
                json!({
                    "input": &*i.input,
                    "topic": &*i.topic,
                    "looked_at": i.looked_at,
                    "tombstones": i.tombstones,
                    "decode": share(i.decoded, i.values()),
                    "time": share(i.timed, i.values()),
                    "key": share(i.keyed, i.values()),
                    "where": share(i.kept, i.values()),
                    "found": share(i.found, i.rows),
                    "nearly_found": share(i.nearly, i.rows),
                    "examples": examples,
                })
            })
            .collect();
        json!({
            "ok": self.ok(),
            "reasons": self.reasons(),
            "warnings": self.warnings(),
            "missing": missing,
            "inputs": inputs,
            "keys_looked_at": self.keys_looked_at,
        })
    }
}

/// Topics by how near their names are.
fn by_distance<'a>(name: &str, topics: impl Iterator<Item = &'a Arc<str>>) -> Vec<Arc<str>> {
    let mut topics: Vec<Arc<str>> = topics.cloned().collect();
    topics.sort_by_key(|t| (strsim::damerau_levenshtein(name, t), t.clone()));
    topics
}
