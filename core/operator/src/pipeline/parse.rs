//! From TOML to a checked [`Pipeline`] (10-command-line, "A pipeline").

use std::sync::Arc;

use super::condition;
use super::error::{PipelineError, nearest};
use super::model::{
    Delivery, Emit, EventTime, Examples, FieldIs, FieldPath, Format, Guarantee, Input, InputIndex,
    Join, KeyField, Kind, Label, LatePolicy, OutputTime, Pipeline, Scalar, SchemaFile, Secondary,
    Sink, SinkFormat, TimeUnit, WatermarkSpec,
};
use super::released;
use super::section::{Reader, Section};
use super::tree::{self, Node, Origin, Table, Value};
use crate::record::{TOPIC_NAME, is_topic_name};

/// Inputs and labels have bits in 64-bit masks.
const MAX_INPUTS: usize = 64;
/// A pipeline is written by hand; what is larger is something else.
const MAX_BYTES: usize = 1 << 20;
/// The default of `watermark.emit_interval`, ms (Flink's auto-watermark interval).
const EMIT_INTERVAL: i64 = 200;
/// The default of `delivery.checkpoint_interval`, ms.
const CHECKPOINT_INTERVAL: i64 = 1_000;

pub(super) fn parse(
    text: &str,
    file: &str,
    sets: &[(String, String)],
) -> Result<Pipeline, PipelineError> {
    let mut r = Reader { file, text, sets, problems: Vec::new() };
    let start = Origin::File(0..0);
    if text.len() > MAX_BYTES {
        r.problem(&start, "this is larger than 1 MiB", "a pipeline is a short TOML file");
        return r.finish(None);
    }
    let mut root = match tree::read(text) {
        Ok(root) => root,
        Err((message, span)) => {
            r.problem(&Origin::File(span), message, "correct the TOML");
            return r.finish(None);
        }
    };
    for (index, (path, value)) in sets.iter().enumerate() {
        if let Err((what, help)) = tree::set(&mut root, index, path, value) {
            r.problem(&Origin::Set(index), what, help);
        }
    }
    let pipeline = whole(&mut r, &root, file);
    r.finish(pipeline)
}

fn whole(r: &mut Reader<'_>, root: &Table, file: &str) -> Option<Pipeline> {
    let top = Section { path: String::new(), table: root, origin: Origin::File(0..0) };
    top.only(r, &["name", "inputs", "join", "examples", "delivery", "sink"]);
    let name = match top.text(r, "name") {
        Some((name, node)) if name.trim().is_empty() => {
            r.problem(&node.origin, "\"name\" is empty", "name the pipeline");
            name
        }
        Some((name, _)) => name,
        // Without a name a pipeline is called as its file is.
        None => stem(file).to_owned(),
    };
    let inputs = inputs(r, &top);
    // Also those that could not be read: each mistake is reported once.
    let names: Vec<&str> = match top.node("inputs").map(|n| &n.value) {
        Some(Value::Table(all)) => all.0.iter().map(|e| e.name.as_str()).collect(),
        _ => Vec::new(),
    };
    let examples_section = top.section(r, "examples");
    let emit = examples_section.as_ref().map(|s| {
        let emits = [
            ("on-match", Emit::OnMatch),
            ("on-close", Emit::OnClose),
            ("early-and-correct", Emit::EarlyAndCorrect),
        ];
        s.choice(r, "emit", &emits).unwrap_or(Emit::OnClose)
    });
    let join = match top.need(r, "join", "write a section [join] with primary and with") {
        Some(_) => top.section(r, "join").and_then(|s| join(r, &s, &names, emit)),
        None => None,
    };
    let examples = examples_section.zip(emit).map(|(s, emit)| examples(r, &s, &names, emit));
    let delivery = match top.section(r, "delivery") {
        Some(s) => delivery(r, &s),
        None => Delivery {
            guarantee: Guarantee::default(),
            checkpoint_interval: CHECKPOINT_INTERVAL,
            job: None,
        },
    };
    let sink = top.section(r, "sink").and_then(|s| {
        let sink = sink(r, &s)?;
        let aside = matches!(&join, Some(j) if j.late == LatePolicy::SideOutput);
        if aside && sink.late_topic.is_none() {
            let help = "name the topic for late records, or write join.late = \"drop\"";
            r.problem(&s.origin, "\"sink.late_topic\" is missing", help);
        }
        Some(sink)
    });
    Some(Pipeline { name, inputs, join: join?, examples, delivery, sink })
}

fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    if stem.is_empty() { "pipeline" } else { stem }
}

fn inputs(r: &mut Reader<'_>, top: &Section<'_>) -> Vec<Input> {
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

fn topic_is_legal(
    r: &mut Reader<'_>,
    s: &Section<'_>,
    key: &str,
    topic: &str,
    at: &Origin,
) -> bool {
    let legal = is_topic_name(topic);
    if !legal {
        let shown: String = topic.chars().take(64).collect();
        let what = format!("\"{}\" is \"{shown}\", which no Kafka topic is called", s.at(key));
        r.problem(at, what, TOPIC_NAME);
    }
    legal
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
    let mut found = Vec::new();
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
                found.extend(filter(r, &inner).into_iter().map(|mut f| {
                    f.path.splice(0..0, names.iter().cloned());
                    f
                }));
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
        found.push(FieldIs { path: names, values });
    }
    if found.iter().any(|f| f.path.len() > 32) {
        r.problem(&s.origin, format!("\"{}\" is too deep", s.path), "at most 32 names are taken");
        found.clear();
    }
    found
}

fn scalar(r: &mut Reader<'_>, s: &Section<'_>, key: &str, node: &Node) -> Option<Scalar> {
    match &node.value {
        Value::Text(text) => Some(Scalar::String(text.clone())),
        Value::Int(n) => Some(Scalar::Int(*n)),
        Value::Float(n) if n.is_finite() => Some(Scalar::Float(*n)),
        Value::Bool(b) => Some(Scalar::Bool(*b)),
        other => {
            let what = format!("\"{}\" has {} among its values", s.at(key), other.type_name());
            r.problem(&node.origin, what, "write texts, numbers, true or false");
            None
        }
    }
}

fn join(r: &mut Reader<'_>, s: &Section<'_>, names: &[&str], emit: Option<Emit>) -> Option<Join> {
    let known = ["primary", "with", "kind", "semantics", "late", "output_time"];
    let all: Vec<&str> = known.iter().chain(&released::SETTINGS).copied().collect();
    s.only(r, &all);
    let semantics = released::semantics(r, s);
    let released = released::settings(r, s);
    let primary = s.need(r, "primary", "name the input whose rows lead").and_then(|node| {
        let text = s.text_of(r, "primary", node)?;
        known_input(r, &s.at("primary"), &text, names, &node.origin)
    });
    let help = "write with.NAME = { after = \"0s\", until = \"30m\" } for each other input";
    let with = s.need(r, "with", help).and_then(|_| s.section(r, "with"));
    let with_origin = with.as_ref().map_or_else(|| s.origin.clone(), |w| w.origin.clone());
    let with = with.map(|w| secondaries(r, &w, names, primary)).unwrap_or_default();
    if s.node("with").is_some() && with.is_empty() && r.problems.is_empty() {
        r.problem(&with_origin, "\"join.with\" names no input", help);
    }
    let folds = emit.is_some_and(Emit::folds);
    let kinds = [
        ("inner", Kind::Inner),
        ("left", Kind::Left),
        ("right", Kind::Right),
        ("full", Kind::Full),
    ];
    let kind = match s.choice(r, "kind", &kinds) {
        Some(kind) => {
            if let (true, Some(node)) = (folds && kind != Kind::Left, s.node("kind")) {
                let what = "examples are folded, which needs kind = \"left\"";
                let help = "write kind = \"left\", or examples.emit = \"on-match\"";
                r.problem(&node.origin, what, help);
            }
            kind
        }
        None if folds => Kind::Left,
        None => Kind::Inner,
    };
    let policies = [
        ("drop", LatePolicy::Drop),
        ("join", LatePolicy::Join),
        ("side-output", LatePolicy::SideOutput),
    ];
    let late = s.choice(r, "late", &policies).unwrap_or_default();
    let times = [("larger", OutputTime::Larger), ("primary", OutputTime::Primary)];
    let output_time = s.choice(r, "output_time", &times).unwrap_or_default();
    let primary = primary?;
    for (index, name) in names.iter().enumerate() {
        let index = index as InputIndex;
        if index != primary && !with.iter().any(|w| w.input == index) && r.problems.is_empty() {
            let what = format!("the input \"{name}\" is neither primary nor in \"join.with\"");
            r.problem(&with_origin, what, format!("add with.{name}, or leave the input out"));
        }
    }
    let join = Join { primary, with, kind, semantics, released, late, output_time };
    released::check(r, s, &join, names, folds);
    Some(join)
}

fn known_input(
    r: &mut Reader<'_>,
    key: &str,
    name: &str,
    names: &[&str],
    at: &Origin,
) -> Option<InputIndex> {
    let found = names.iter().position(|n| *n == name);
    if found.is_none() {
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("the inputs are {}", names.join(", ")),
        };
        let shown: String = name.chars().take(64).collect();
        r.problem(at, format!("\"{key}\" names \"{shown}\", which is no input"), help);
    }
    found.map(|i| i as InputIndex)
}

fn secondaries(
    r: &mut Reader<'_>,
    with: &Section<'_>,
    names: &[&str],
    primary: Option<InputIndex>,
) -> Vec<Secondary> {
    let mut found = Vec::new();
    for entry in &with.table.0 {
        let shown: String = entry.name.chars().take(64).collect();
        let input = known_input(r, "join.with", &shown, names, &entry.origin);
        if input.is_some() && input == primary {
            let what = format!("\"{shown}\" is the primary and in \"join.with\"");
            let help = "for a self-join write a second input on the same topic";
            r.problem(&entry.origin, what, help);
        }
        let Some(section) = with.section(r, &entry.name) else { continue };
        section.only(r, &["after", "until"]);
        let after = if section.node("after").is_some() {
            section.duration(r, "after", i64::MIN)
        } else {
            Some(0)
        };
        let until = section
            .need(r, "until", "write how long after the primary it may come, such as \"30m\"")
            .and_then(|_| section.duration(r, "until", i64::MIN));
        let (Some(after), Some(until)) = (after, until) else { continue };
        if after > until {
            let write = crate::time::duration_setting;
            let what = format!(
                "the interval of \"{shown}\" is upside down: it starts {} after the primary and ends {} after it",
                write(after),
                write(until)
            );
            let help =
                format!("swap them: after = \"{}\", until = \"{}\"", write(until), write(after));
            r.problem(&section.origin, what, help);
        }
        found.extend(input.map(|input| Secondary { input, after, until }));
    }
    found
}

fn examples(r: &mut Reader<'_>, s: &Section<'_>, names: &[&str], emit: Emit) -> Examples {
    s.only(r, &["emit", "labels"]);
    let mut labels = Vec::new();
    if let Some(section) = s.section(r, "labels") {
        if let Some(extra) = section.table.0.get(64) {
            r.problem(&extra.origin, "there are more than 64 labels", "at most 64 are taken");
            return Examples { emit, labels };
        }
        for entry in &section.table.0 {
            if entry.name.trim().is_empty() {
                r.problem(&entry.origin, "a label has no name", "name it");
            }
            let Some(text) = section.text_of(r, &entry.name, &entry.node) else { continue };
            let key = section.at(&entry.name);
            match condition::label(&text) {
                Ok((input, path, value)) => {
                    if let Some(input) = known_input(r, &key, input, names, &entry.node.origin) {
                        let condition = FieldIs { path, values: vec![value] };
                        labels.push(Label { name: entry.name.clone(), input, condition });
                    }
                }
                Err(why) => {
                    let help = "write \"INPUT.FIELD = VALUE\", such as \"engagements.kind = like\"";
                    r.problem(
                        &entry.node.origin,
                        format!("\"{key}\" is not a condition: {why}"),
                        help,
                    );
                }
            }
        }
    }
    Examples { emit, labels }
}

fn delivery(r: &mut Reader<'_>, s: &Section<'_>) -> Delivery {
    s.only(r, &["guarantee", "checkpoint_interval", "job"]);
    let guarantees = [
        ("exactly-once", Guarantee::ExactlyOnce),
        ("at-least-once", Guarantee::AtLeastOnce),
        ("at-most-once", Guarantee::AtMostOnce),
    ];
    Delivery {
        guarantee: s.choice(r, "guarantee", &guarantees).unwrap_or_default(),
        checkpoint_interval: s.duration(r, "checkpoint_interval", 1).unwrap_or(CHECKPOINT_INTERVAL),
        job: s.text(r, "job").map(|(job, _)| job),
    }
}

fn sink(r: &mut Reader<'_>, s: &Section<'_>) -> Option<Sink> {
    s.only(r, &["topic", "late_topic", "format"]);
    let mut topic = |key: &str| {
        let (text, node) = s.text(r, key)?;
        topic_is_legal(r, s, key, &text, &node.origin).then_some(text)
    };
    let late_topic = topic("late_topic");
    let name = topic("topic");
    s.need(r, "topic", "name the topic that takes the outputs")?;
    let formats = [("json", SinkFormat::Json), ("avro-registry", SinkFormat::AvroRegistry)];
    let format = s.choice(r, "format", &formats).unwrap_or(SinkFormat::Json);
    Some(Sink { topic: name?, late_topic, format })
}
