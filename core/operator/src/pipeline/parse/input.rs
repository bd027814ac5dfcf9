//! The sections `[inputs.NAME]`: topic, format, key, event time, its watermark and
//! which records are kept.

use std::sync::Arc;

use super::super::condition;
use super::super::model::{
    EventTime, FieldIs, FieldPath, Format, Input, KeyField, Scalar, SchemaFile, TimeUnit,
    WatermarkSpec,
};
use super::super::section::{Reader, Section};
use super::super::tree::{Node, Origin, Value};
use super::topic_is_legal;

/// Inputs and labels have bits in 64-bit masks.
const MAX_INPUTS: usize = 64;
/// The default of `watermark.emit_interval`, ms (Flink's auto-watermark interval).
const EMIT_INTERVAL: i64 = 200;

pub(super) fn inputs(r: &mut Reader<'_>, top: &Section<'_>) -> Vec<Input> {
    let help = "write a section [inputs.NAME] for each topic that is read";
    if top.need(r, "inputs", help).is_none() {
        return Vec::new();
    }
    let Some(all) = top.section(r, "inputs") else { return Vec::new() };
    if all.table.0.is_empty() {
        r.problem(&all.origin, "\"inputs\" has no input", help);
    }
    if let Some(extra) = all.table.0.get(MAX_INPUTS) {
        r.problem(&extra.origin, "there are more than 64 inputs", "at most 64 are taken");
        return Vec::new();
    }
    let mut found = Vec::new();
    for entry in &all.table.0 {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if entry.name.is_empty() || entry.name.len() > 64 || !entry.name.chars().all(plain) {
            let shown: String = entry.name.chars().take(64).collect();
            let what = format!("\"{shown}\" cannot name an input");
            r.problem(&entry.origin, what, "use up to 64 letters, digits, _ and -");
        }
        if let Some(section) = all.section(r, &entry.name) {
            found.extend(input(r, &section, &entry.name));
        }
    }
    found
}

fn input(r: &mut Reader<'_>, s: &Section<'_>, name: &str) -> Option<Input> {
    s.only(r, &["topic", "format", "key", "event_time", "schema", "watermark", "where"]);
    let topic = s
        .need(r, "topic", "name the Kafka topic")
        .and_then(|node| Some((s.text_of(r, "topic", node)?, node)))
        .filter(|(topic, node)| topic_is_legal(r, s, "topic", topic, &node.origin));
    let format = s.need(r, "format", "write json, avro or avro-registry").and_then(|node| {
        if matches!(&node.value, Value::Text(text) if text == "protobuf-registry") {
            let what = format!("\"{}\" is \"protobuf-registry\"", s.at("format"));
            let help = "this version reads json, avro and avro-registry, not Protobuf";
            r.problem(&node.origin, what, help);
            return None;
        }
        let formats = [
            ("json", Format::Json),
            ("avro", Format::Avro),
            ("avro-registry", Format::AvroRegistry),
        ];
        s.choice(r, "format", &formats)
    });
    let key = s
        .need(r, "key", "name the field of the join key, or write \"$key\" for the Kafka key")
        .and_then(|node| {
            let text = s.text_of(r, "key", node)?;
            if text == "$key" {
                return Some(KeyField::Kafka);
            }
            path(r, &s.at("key"), &text, &node.origin, "\"$key\"").map(KeyField::Field)
        });
    let event_time = s
        .need(r, "event_time", "write { field = \"ts\", unit = \"ms\" } or \"$timestamp\"")
        .and_then(|node| event_time(r, s, node));
    let schema = s.text(r, "schema").and_then(|(text, node)| {
        if format == Some(Format::Json) {
            let what = format!("\"{}\" has no meaning with format json", s.at("schema"));
            r.problem(&node.origin, what, "leave it out, or choose an Avro format");
            return None;
        }
        if text.trim().is_empty() {
            r.problem(&node.origin, format!("\"{}\" is empty", s.at("schema")), "name a file");
            return None;
        }
        // A schema may stand in the pipeline itself: runs keep it so.
        let inline = text.trim_start().starts_with(['{', '[']);
        Some(if inline {
            SchemaFile { path: String::new(), text: Some(text) }
        } else {
            SchemaFile { path: text, text: None }
        })
    });
    let watermark = s.section(r, "watermark").map(|w| watermark(r, &w)).unwrap_or_default();
    let filter = s.section(r, "where").map(|w| filter(r, &w)).unwrap_or_default();
    Some(Input {
        name: name.into(),
        topic: Arc::from(topic?.0),
        format: format?,
        key: key?,
        event_time: event_time?,
        schema,
        watermark,
        filter,
    })
}

fn path(
    r: &mut Reader<'_>,
    key: &str,
    text: &str,
    at: &Origin,
    special: &str,
) -> Option<FieldPath> {
    if text.starts_with('$') {
        let what = format!("\"{key}\" is \"{text}\"");
        r.problem(at, what, format!("write {special} or the name of a field"));
        return None;
    }
    condition::field_path(text)
        .map_err(|why| {
            r.problem(at, format!("\"{key}\" {why}"), "write field names joined by dots");
        })
        .ok()
}

fn event_time(r: &mut Reader<'_>, s: &Section<'_>, node: &Node) -> Option<EventTime> {
    let key = s.at("event_time");
    match &node.value {
        Value::Text(text) if text == "$timestamp" => Some(EventTime::Timestamp),
        Value::Text(text) => {
            let what = format!("\"{key}\" is \"{text}\"");
            let help = format!("write {{ field = \"{text}\", unit = \"ms\" }} or \"$timestamp\"");
            r.problem(&node.origin, what, help);
            None
        }
        Value::Table(_) => {
            let t = s.section(r, "event_time")?;
            t.only(r, &["field", "unit"]);
            let units = [
                ("s", TimeUnit::Seconds),
                ("ms", TimeUnit::Milliseconds),
                ("us", TimeUnit::Microseconds),
                ("ns", TimeUnit::Nanoseconds),
                ("rfc3339", TimeUnit::Rfc3339),
            ];
            let unit = if t.node("unit").is_some() {
                t.choice(r, "unit", &units)
            } else {
                Some(TimeUnit::Milliseconds)
            };
            let field = t.need(r, "field", "name the field of the event time")?;
            let text = t.text_of(r, "field", field)?;
            let path = path(r, &t.at("field"), &text, &field.origin, "\"$timestamp\"")?;
            Some(EventTime::Field { path, unit: unit? })
        }
        other => {
            let what = format!("\"{key}\" is {}", other.type_name());
            r.problem(
                &node.origin,
                what,
                "write { field = \"ts\", unit = \"ms\" } or \"$timestamp\"",
            );
            None
        }
    }
}

fn watermark(r: &mut Reader<'_>, s: &Section<'_>) -> WatermarkSpec {
    s.only(
        r,
        &[
            "max_out_of_orderness",
            "idle_timeout",
            "emit",
            "emit_interval",
            "max_drift",
            "max_ahead",
        ],
    );
    let periodic =
        s.choice(r, "emit", &[("every-advance", false), ("periodic", true)]).unwrap_or_default();
    let interval = s.duration(r, "emit_interval", 1);
    if let (false, Some(node)) = (periodic, s.node("emit_interval")) {
        let what =
            format!("\"{}\" has no meaning without emit = \"periodic\"", s.at("emit_interval"));
        r.problem(&node.origin, what, "write emit = \"periodic\", or leave the interval out");
    }
    WatermarkSpec {
        max_out_of_orderness: s.duration(r, "max_out_of_orderness", 0).unwrap_or(0),
        idle_timeout: s.duration(r, "idle_timeout", 1),
        emit_interval: periodic.then(|| interval.unwrap_or(EMIT_INTERVAL)),
        max_drift: s.duration(r, "max_drift", 1),
        max_ahead: s.duration(r, "max_ahead", 0),
    }
}

fn filter(r: &mut Reader<'_>, s: &Section<'_>) -> Vec<FieldIs> {
    let mut found: Vec<FieldIs> = Vec::new();
    for entry in &s.table.0 {
        let Some(names) = path(r, &s.at(&entry.name), &entry.name, &entry.origin, "\"$key\"")
        else {
            continue;
        };
        let values = match &entry.node.value {
            // A dotted key: `where.user.country = "CH"`.
            Value::Table(inner) => {
                let inner =
                    Section { path: s.at(&entry.name), table: inner, origin: entry.origin.clone() };
                for mut below in filter(r, &inner) {
                    below.path.splice(0..0, names.iter().cloned());
                    ask(r, s, &entry.origin, &mut found, below);
                }
                continue;
            }
            Value::List(items) => {
                items.iter().filter_map(|n| scalar(r, s, &entry.name, n)).collect()
            }
            _ => Vec::from_iter(scalar(r, s, &entry.name, &entry.node)),
        };
        if matches!(&entry.node.value, Value::List(items) if items.is_empty()) {
            let what = format!("\"{}\" is an empty list, which keeps nothing", s.at(&entry.name));
            r.problem(&entry.node.origin, what, "list the values to keep");
        }
        ask(r, s, &entry.origin, &mut found, FieldIs { path: names, values });
    }
    if found.iter().any(|f| f.path.len() > 32) {
        r.problem(&s.origin, format!("\"{}\" is too deep", s.path), "at most 32 names are taken");
        found.clear();
    }
    found
}

/// Adds a condition. A field may be written in two ways (`"user.country"`, and
/// `country` under `user`), and two conditions on it would keep nothing.
fn ask(
    r: &mut Reader<'_>,
    s: &Section<'_>,
    at: &Origin,
    found: &mut Vec<FieldIs>,
    condition: FieldIs,
) {
    if found.iter().any(|f| f.path == condition.path) {
        let shown: String = condition.path.join(".").chars().take(64).collect();
        let what = format!("\"{}\" stands twice", s.at(&shown));
        r.problem(at, what, "write it once, with a list of the values to keep");
        return;
    }
    found.push(condition);
}

fn scalar(r: &mut Reader<'_>, s: &Section<'_>, key: &str, node: &Node) -> Option<Scalar> {
    match &node.value {
        Value::Text(text) => Some(Scalar::String(text.clone())),
        Value::Int(n) => Some(Scalar::Int(*n)),
        Value::Float(n) if n.is_finite() => Some(Scalar::Float(*n)),
        Value::Bool(b) => Some(Scalar::Bool(*b)),
        other => {
            let has = match other {
                Value::Float(n) => n.to_string().to_lowercase(),
                other => other.type_name().to_owned(),
            };
            let what = format!("\"{}\" has {has} among its values", s.at(key));
            r.problem(&node.origin, what, "write texts, numbers, true or false");
            None
        }
    }
}
