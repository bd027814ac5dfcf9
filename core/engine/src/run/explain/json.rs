//! An explanation for machines.

use serde_json::{Map, Value, json};

use super::Explanation;
use crate::operator::key::{Key, KeyValue};
use crate::run::Run;

/// A key as JSON: integers, texts and booleans as they are, bytes in hex.
#[must_use]
pub fn key(key: &Key) -> Value {
    match key.value() {
        KeyValue::Null => Value::Null,
        KeyValue::Int(n) => n.into(),
        KeyValue::String(s) => s.into(),
        KeyValue::Bool(b) => b.into(),
        KeyValue::Bytes(_) => key.to_string().into(),
    }
}

pub(super) fn of(run: &Run, e: &Explanation) -> Value {
    let row = &e.row;
    let numbers: Map<String, Value> =
        e.numbers.iter().map(|(name, figure)| (name.clone(), figure.to_string().into())).collect();
    let labels = run.pipeline().examples.as_ref().map(|x| x.labels.as_slice()).unwrap_or_default();
    let candidates: Vec<Value> = e
        .candidates
        .iter()
        .map(|c| {
            json!({
                "record": c.record.to_string(),
                "input": run.pipeline().inputs.get(usize::from(c.row.input)).map(|i| i.name.to_string()),
                "key": c.row.key.as_ref().map(key),
                "event_time": c.row.event_time,
                "distance": c.distance_ms,
                "verdict": c.row.verdict.name(),
                "matched": c.matched,
                "why": c.why,
            })
        })
        .collect();
    let enough: Vec<Value> = e
        .enough
        .iter()
        .map(|x| {
            json!({
                "setting": x.path, "value": x.value, "ms": x.ms,
                "at_least": x.at_least, "effect": x.effect,
            })
        })
        .collect();
    let outputs: Vec<Value> = e
        .outputs
        .iter()
        .map(|o| {
            let set: Map<String, Value> = labels
                .iter()
                .enumerate()
                .map(|(bit, l)| (l.name.clone(), (o.labels >> bit & 1).into()))
                .collect();
            json!({
                "n": o.n, "time": o.time, "at": o.at, "epoch": o.epoch,
                "correction": o.correction, "labels": set,
            })
        })
        .collect();
    json!({
        "record": row.record.to_string(),
        "arrival": row.arrival,
        "arrival_time": row.arrival_ms,
        "input": e.input,
        "key": row.key.as_ref().map(key),
        "event_time": row.event_time,
        "watermark": row.watermark,
        "late_by": row.late_by,
        "verdict": row.verdict.name(),
        "padded": row.padded,
        "decided": row.decided,
        "removed": row.removed,
        "cause": row.cause,
        "sentence": e.sentence,
        "numbers": numbers,
        "candidates": candidates,
        "more_candidates": e.more_candidates,
        "enough": enough,
        "outputs": outputs,
        "outputs_count": row.outputs,
    })
}
