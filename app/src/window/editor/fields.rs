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
}

const FORMATS: [&str; 3] = ["json", "avro", "avro-registry"];
const UNITS: [&str; 5] = ["s", "ms", "us", "ns", "rfc3339"];
const KINDS: [&str; 4] = ["inner", "left", "right", "full"];
const SEMANTICS: [&str; 4] = ["clean", "flink-sql", "flink-datastream", "kafka-streams"];
const LATE: [&str; 3] = ["drop", "join", "side-output"];
const OUTPUT_TIMES: [&str; 2] = ["larger", "primary"];
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
    let mut groups = Vec::new();
    for name in &names {
        groups.push(input(root, name));
    }
    groups.push(join(root, &names));
    if root.contains_key("examples") {
        let fields = vec![choice(root, &["examples", "emit"], "emit", &EMITS, "on-close")];
        groups.push(Group { title: "Examples".to_owned(), fields });
    }
    let fields = vec![
        choice(root, &["delivery", "guarantee"], "guarantee", &GUARANTEES, "exactly-once"),
        duration(root, &["delivery", "checkpoint_interval"], "checkpoint interval", "1s"),
    ];
    groups.push(Group { title: "Delivery".to_owned(), fields });
    groups
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
    fields.push(duration(root, &mark("max_drift"), "largest drift", "none"));
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
    Group { title: "Join".to_owned(), fields }
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
        return;
    }
    match table.get_mut(last).and_then(Item::as_value_mut) {
        Some(there) => {
            let decor = there.decor().clone();
            *there = Value::from(value);
            *there.decor_mut() = decor;
        }
        None => {
            table.insert(last, toml_edit::value(value));
        }
    }
}
