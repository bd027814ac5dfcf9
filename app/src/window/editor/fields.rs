//! The form of a pipeline: which settings it shows, read from the TOML and
//! written back into it.

use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// Settings that stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub title: String,
    pub fields: Vec<Field>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub label: String,
    pub path: Vec<String>,
    /// As the TOML has it; empty where it is left out.
    pub value: String,
    pub kind: Kind,
    /// What holds where it is left out.
    pub default: &'static str,
}

impl Field {
    /// `inputs.views.watermark.idle_timeout`
    #[must_use]
    pub fn setting(&self) -> String {
        self.path.join(".")
    }
}

/// What a setting may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// `30s`, `5m`.
    Duration,
    /// One of these; the empty one leaves it out.
    Choice(Vec<String>),
    /// A whole number.
    Number,
    /// A value as TOML has it: `"like"`, `3`, `["like", "share"]`; a word alone is
    /// text.
    Value,
    /// A new setting of the section at the path, `name = value`; this says one
    /// that could stand there.
    Entry(&'static str),
}

const FORMATS: [&str; 3] = ["json", "avro", "avro-registry"];
const UNITS: [&str; 5] = ["s", "ms", "us", "ns", "rfc3339"];
const KINDS: [&str; 4] = ["inner", "left", "right", "full"];
const SEMANTICS: [&str; 4] = ["clean", "flink-sql", "flink-datastream", "kafka-streams"];
const LATE: [&str; 3] = ["drop", "join", "side-output"];
const OUTPUT_TIMES: [&str; 2] = ["larger", "primary"];
const SENT: [&str; 2] = ["every-advance", "periodic"];
const SINKS: [&str; 2] = ["json", "avro-registry"];
const ORDERS: [&str; 2] = ["given", "smallest-timestamp"];
const EMITS: [&str; 3] = ["on-match", "on-close", "early-and-correct"];
const GUARANTEES: [&str; 3] = ["exactly-once", "at-least-once", "at-most-once"];

/// The form of a document.
#[must_use]
pub fn groups(doc: &DocumentMut) -> Vec<Group> {
    let root = doc.as_table();
    let names: Vec<String> = match root.get("inputs").and_then(Item::as_table_like) {
        Some(inputs) => inputs.iter().map(|(name, _)| name.to_owned()).collect(),
        None => Vec::new(),
    };
    let group = |title: &str, fields: Vec<Field>| Group { title: title.to_owned(), fields };
    let mut groups = vec![group("Pipeline", vec![text(root, &["name"], "name", "as the file")])];
    for name in &names {
        groups.push(input(root, name));
    }
    groups.push(join(root, &names));
    groups.push(group("Examples: folded into one row", examples(root)));
    let delivery = |key: &'static str| ["delivery", key];
    groups.push(group(
        "Delivery",
        vec![
            choice(root, &delivery("guarantee"), "guarantee", &GUARANTEES, "exactly-once"),
            duration(root, &delivery("checkpoint_interval"), "checkpoint interval", "1s"),
            text(root, &delivery("job"), "job", "the pipeline's name"),
        ],
    ));
    let sink = |key: &'static str| ["sink", key];
    groups.push(group(
        "Sink",
        vec![
            text(root, &sink("topic"), "topic", "none: outputs stay in the run"),
            choice(root, &sink("format"), "format", &SINKS, "json"),
            text(root, &sink("late_topic"), "topic of late records", "none"),
        ],
    ));
    groups
}

/// Without any of them outputs are pairs.
fn examples(root: &Table) -> Vec<Field> {
    let default = if root.contains_key("examples") { "on-close" } else { "not folded" };
    let mut fields = vec![choice(root, &["examples", "emit"], "emit", &EMITS, default)];
    fields.extend(entries(root, &["examples", "labels"], "label", Kind::Text));
    let path = ["examples", "labels"].map(str::to_owned).to_vec();
    fields.push(new_entry(path, "another label", "like = INPUT.FIELD = VALUE"));
    fields
}

/// The settings of a section whose names are the user's.
fn entries(root: &Table, path: &[&str], label: &str, kind: Kind) -> Vec<Field> {
    let Some(section) = find(root, path).and_then(Item::as_table_like) else { return Vec::new() };
    let field = |(name, _): (&str, &Item)| {
        let mut whole: Vec<&str> = path.to_vec();
        whole.push(name);
        let shown = match (&kind, find(root, &whole).and_then(Item::as_value)) {
            (Kind::Value, Some(value)) => as_typed(value),
            _ => value_at(root, &whole),
        };
        Field { value: shown, ..field(root, &whole, &format!("{label} {name}"), kind.clone(), "") }
    };
    section.iter().map(field).collect()
}

fn new_entry(path: Vec<String>, label: &str, like: &'static str) -> Field {
    let (label, value) = (label.to_owned(), String::new());
    Field { label, path, value, kind: Kind::Entry(like), default: "" }
}

/// A value as someone types it: text without quotes where nothing else is meant
/// by it.
fn as_typed(value: &Value) -> String {
    match value {
        Value::String(text) if text.value().parse::<Value>().is_err() => text.value().clone(),
        other => other.clone().decorated("", "").to_string(),
    }
}

fn input(root: &Table, name: &str) -> Group {
    let at = |key: &'static str| ["inputs", name, key];
    let mut fields = vec![
        text(root, &at("topic"), "topic", ""),
        choice(root, &at("format"), "format", &FORMATS, ""),
        text(root, &at("key"), "key", ""),
    ];
    let time = ["inputs", name, "event_time"];
    if find(root, &time).is_some_and(|item| item.as_str().is_some()) {
        fields.push(text(root, &time, "event time", ""));
    } else {
        fields.push(text(root, &["inputs", name, "event_time", "field"], "event time", ""));
        let unit = ["inputs", name, "event_time", "unit"];
        fields.push(choice(root, &unit, "event-time unit", &UNITS, "ms"));
    }
    let mark = |key: &'static str| ["inputs", name, "watermark", key];
    fields.push(duration(root, &mark("max_out_of_orderness"), "out-of-orderness", "0s"));
    fields.push(duration(root, &mark("idle_timeout"), "idle timeout", "never"));
    fields.push(choice(root, &mark("emit"), "watermarks are sent", &SENT, "every-advance"));
    fields.push(duration(root, &mark("emit_interval"), "sent every", "200ms"));
    fields.push(duration(root, &mark("max_drift"), "largest drift", "none"));
    fields.push(duration(root, &mark("max_ahead"), "largest lead over arrival", "none"));
    fields.push(text(root, &at("schema"), "schema", "the recording's"));
    fields.extend(entries(root, &at("where"), "where", Kind::Value));
    let path = at("where").map(str::to_owned).to_vec();
    fields.push(new_entry(path, "only records where", "kind = [\"like\", \"share\"]"));
    Group { title: format!("Input {name}"), fields }
}

fn join(root: &Table, names: &[String]) -> Group {
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let primary = value_at(root, &["join", "primary"]);
    let mut fields = vec![
        choice(root, &["join", "primary"], "primary", &all, ""),
        choice(root, &["join", "kind"], "kind", &KINDS, "inner"),
    ];
    for name in names.iter().filter(|n| **n != primary) {
        let label = |end: &str| format!("{name} {end}");
        let at = |key: &'static str| ["join", "with", name.as_str(), key];
        fields.push(Field { label: label("from"), ..duration(root, &at("after"), "", "0s") });
        fields.push(Field { label: label("until"), ..duration(root, &at("until"), "", "") });
    }
    fields.push(choice(root, &["join", "semantics"], "semantics", &SEMANTICS, "clean"));
    fields.push(choice(root, &["join", "late"], "late records", &LATE, "drop"));
    let time = choice(root, &["join", "output_time"], "output time", &OUTPUT_TIMES, "larger");
    fields.push(time);
    fields.extend(released(root));
    Group { title: "Join".to_owned(), fields }
}

/// What released semantics look at, those that the chosen one does; and what
/// stands there although it does not.
fn released(root: &Table) -> Vec<Field> {
    let at = |key: &'static str| ["join", key];
    let semantics = value_at(root, &at("semantics"));
    let (streams, flink) = (semantics == "kafka-streams", semantics.starts_with("flink"));
    let all = [
        (streams, duration(root, &at("grace"), "grace", "")),
        (semantics == "flink-sql", duration(root, &at("min_cleanup"), "least cleanup", "0s")),
        (flink, number(root, &at("parallelism"), "parallelism", "1")),
        (flink, number(root, &at("max_parallelism"), "key groups", "128")),
        (streams, choice(root, &at("input_order"), "input order", &ORDERS, "given")),
    ];
    all.into_iter().filter(|(used, f)| *used || !f.value.is_empty()).map(|(_, f)| f).collect()
}

fn number(root: &Table, path: &[&str], label: &str, default: &'static str) -> Field {
    field(root, path, label, Kind::Number, default)
}

fn field(root: &Table, path: &[&str], label: &str, kind: Kind, default: &'static str) -> Field {
    Field {
        label: label.to_owned(),
        path: path.iter().map(|p| (*p).to_owned()).collect(),
        value: value_at(root, path),
        kind,
        default,
    }
}

fn text(root: &Table, path: &[&str], label: &str, default: &'static str) -> Field {
    field(root, path, label, Kind::Text, default)
}

fn duration(root: &Table, path: &[&str], label: &str, default: &'static str) -> Field {
    field(root, path, label, Kind::Duration, default)
}

fn choice(root: &Table, path: &[&str], label: &str, of: &[&str], default: &'static str) -> Field {
    let of = of.iter().map(|v| (*v).to_owned()).collect();
    field(root, path, label, Kind::Choice(of), default)
}

fn find<'t>(root: &'t Table, path: &[&str]) -> Option<&'t Item> {
    let (first, rest) = path.split_first()?;
    let mut item = root.get(first)?;
    for key in rest {
        item = item.as_table_like()?.get(key)?;
    }
    Some(item)
}

/// What stands there, without quotes.
fn value_at(root: &Table, path: &[&str]) -> String {
    match find(root, path).and_then(Item::as_value) {
        Some(Value::String(text)) => text.value().clone(),
        Some(other) => other.to_string().trim().to_owned(),
        None => String::new(),
    }
}

/// Writes a setting where it stands, or where it belongs; an empty one is taken
/// out. What stands around it stays.
pub fn set(doc: &mut DocumentMut, path: &[String], value: &str) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut table: &mut dyn TableLike = doc.as_table_mut();
    for (depth, key) in parents.iter().enumerate() {
        if !table.contains_key(key) {
            if value.is_empty() {
                return;
            }
            // Sections stand in the file as sections, what they hold in a line.
            let new = if depth == 0 {
                Item::Table(Table::new())
            } else {
                Item::Value(InlineTable::new().into())
            };
            table.insert(key, new);
        }
        let Some(next) = table.get_mut(key).and_then(Item::as_table_like_mut) else { return };
        table = next;
    }
    if value.is_empty() {
        table.remove(last);
        tidy(doc, parents);
        return;
    }
    let new = typed(path, value);
    match table.get_mut(last).and_then(Item::as_value_mut) {
        Some(there) => {
            let decor = there.decor().clone();
            *there = new;
            *there.decor_mut() = decor;
        }
        None => {
            table.insert(last, Item::Value(new));
        }
    }
}

/// Sections that mean something by being there, and hold nothing more, go.
fn tidy(doc: &mut DocumentMut, parents: &[String]) {
    for depth in (1..=parents.len()).rev() {
        let path: Vec<&str> = parents[..depth].iter().map(String::as_str).collect();
        let means = matches!(
            path[..],
            ["examples" | "sink" | "delivery"] | ["examples", "labels"] | ["inputs", _, "where"]
        );
        let empty = find(doc.as_table(), &path)
            .and_then(Item::as_table_like)
            .is_some_and(TableLike::is_empty);
        let Some((last, above)) = path.split_last().filter(|_| means && empty) else { return };
        let mut table: &mut dyn TableLike = doc.as_table_mut();
        for key in above {
            let Some(next) = table.get_mut(key).and_then(Item::as_table_like_mut) else { return };
            table = next;
        }
        table.remove(last);
    }
}

/// What was typed, as the setting has it.
fn typed(path: &[String], text: &str) -> Value {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["join", "parallelism" | "max_parallelism"] => match text.trim().parse::<i64>() {
            Ok(n) => n.into(),
            Err(_) => text.into(),
        },
        ["inputs", _, "where", _] => text.parse::<Value>().unwrap_or_else(|_| text.into()),
        _ => text.into(),
    }
}

/// The name and the value of a new setting, as typed: `kind = ["like"]`.
#[must_use]
pub fn entry(typed: &str) -> Option<(String, String)> {
    let (name, value) = typed.split_once('=')?;
    let name = name.trim().trim_matches('"').to_owned();
    let value = value.trim().to_owned();
    (!name.is_empty() && !value.is_empty()).then_some((name, value))
}
