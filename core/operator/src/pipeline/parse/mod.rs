//! From TOML to a checked [`Pipeline`] (10-command-line, "A pipeline"): the file as
//! a whole, and what becomes of the outputs.

mod input;
mod join;

use super::condition;
use super::error::PipelineError;
use super::model::{
    Delivery, Emit, Examples, FieldIs, Guarantee, Label, LatePolicy, Pipeline, Sink, SinkFormat,
};
use super::section::{Reader, Section};
use super::tree::{self, Origin, Table, Value};
use crate::record::{TOPIC_NAME, is_topic_name};
use input::inputs;
use join::{join, known_input};

/// A pipeline is written by hand; what is larger is something else.
const MAX_BYTES: usize = 1 << 20;
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
    let formats = [("json", SinkFormat::Json), ("avro-registry", SinkFormat::AvroRegistry)];
    let format = s.choice(r, "format", &formats).unwrap_or(SinkFormat::Json);
    s.need(r, "topic", "name the topic that takes the outputs")?;
    Some(Sink { topic: name?, late_topic, format })
}
