//! The TOML of a pipeline with the place of every part, and the overrides
//! (`--set path=value`) put into it before anything is checked.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::nearest;

/// Where a part was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    /// Bytes of the file.
    File(Range<usize>),
    /// Position among the overrides.
    Set(usize),
}

impl Origin {
    /// Of settings that do not go together the one that an override gave; the file
    /// was well without it.
    pub fn blamed<'o>(&'o self, others: impl IntoIterator<Item = &'o Self>) -> &'o Self {
        others.into_iter().find(|other| matches!(other, Self::Set(_))).unwrap_or(self)
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub origin: Origin,
    pub value: Value,
    /// How an override wrote it: `--set inputs.views.topic=2024` means a text.
    pub raw: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(Table),
    /// Something that no setting takes; the name of its type.
    Other(&'static str),
}

impl Value {
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a number with a point",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(name) => name,
        }
    }
}

/// Entries in the order in which they were first written.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub Vec<Entry>);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub name: String,
    pub origin: Origin,
    pub node: Node,
}

impl Table {
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.0.iter().find(|e| e.name == name).map(|e| &e.node)
    }
}

/// The tree of a TOML text, or the parser's message and its place.
pub(super) fn read(text: &str) -> Result<Table, (String, Range<usize>)> {
    match DeTable::parse(text) {
        Ok(table) => Ok(table_of(table.get_ref())),
        Err(error) => {
            let message = error.message().trim().replace('\n', ", ");
            Err((message, error.span().unwrap_or(0..0)))
        }
    }
}

fn table_of(table: &DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(name, value)| Entry {
            name: name.get_ref().to_string(),
            origin: Origin::File(name.span()),
            node: node_of(value),
        })
        .collect();
    // The crate orders by name; the order of the file is the order of its places.
    entries.sort_by_key(|e| match &e.origin {
        Origin::File(span) => span.start,
        Origin::Set(_) => usize::MAX,
    });
    Table(entries)
}

fn node_of(value: &Spanned<DeValue<'_>>) -> Node {
    let inner = match value.get_ref() {
        DeValue::String(s) => Value::Text(s.to_string()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
            .map_or(Value::Other("an integer beyond 64 bits"), Value::Int),
        DeValue::Float(n) => match n.as_str().parse() {
            Ok(n) => Value::Float(n),
            Err(_) => Value::Other("a number with a point"),
        },
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::List(items.iter().map(node_of).collect()),
        DeValue::Table(table) => Value::Table(table_of(table)),
    };
    Node { origin: Origin::File(value.span()), value: inner, raw: None }
}

/// Puts override number `index` into the tree.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn set(
    root: &mut Table,
    index: usize,
    path: &str,
    text: &str,
) -> Result<(), (String, String)> {
    let names: Vec<&str> = path.split('.').map(str::trim).collect();
    if names.iter().any(|n| n.is_empty()) || names.len() > 32 {
        return Err((
            format!("\"{path}\" is not the path of a setting"),
            "write names joined by dots, such as join.with.engagements.until=1h".to_owned(),
        ));
    }
    if let ["inputs", input, ..] = names[..] {
        let known: Vec<&str> = match root.get("inputs").map(|n| &n.value) {
            Some(Value::Table(inputs)) => inputs.0.iter().map(|e| e.name.as_str()).collect(),
            _ => Vec::new(),
        };
        if !known.contains(&input) {
            let help = match nearest(input, known.iter().copied()) {
                Some(name) => format!("did you mean inputs.{name}?"),
                None => format!("the inputs are {}", known.join(", ")),
            };
            return Err((format!("the pipeline has no input \"{input}\""), help));
        }
    }
    let node = value_of(index, text);
    put(root, index, &names, node)
}

fn put(
    table: &mut Table,
    index: usize,
    names: &[&str],
    node: Node,
) -> Result<(), (String, String)> {
    // A name may hold dots: `where = { "user.country" = "CH" }`.
    let mut cuts = (1..=names.len()).rev().map(|n| names.split_at(n));
    let known = cuts.find(|(own, _)| table.get(&own.join(".")).is_some());
    let (own, rest) = known.unwrap_or_else(|| names.split_at(1.min(names.len())));
    let name = own.join(".");
    let at = table.0.iter().position(|e| e.name == name).unwrap_or_else(|| {
        let empty = Value::Table(Table::default());
        table.0.push(Entry {
            name: name.clone(),
            origin: Origin::Set(index),
            node: Node { origin: Origin::Set(index), value: empty, raw: None },
        });
        table.0.len() - 1
    });
    let entry = &mut table.0[at];
    if rest.is_empty() {
        entry.origin = Origin::Set(index);
        entry.node = node;
        return Ok(());
    }
    match &mut entry.node.value {
        Value::Table(inner) => put(inner, index, rest, node),
        other => Err((
            format!("\"{name}\" is {}, which has no parts", other.type_name()),
            format!("end the path at {name}"),
        )),
    }
}

/// A TOML value where the text is one, else the text itself: `120s`, `left`.
fn value_of(index: usize, text: &str) -> Node {
    let document = format!("v = {text}\n");
    let value = match read(&document) {
        Ok(Table(mut entries)) if entries.len() == 1 => entries.remove(0).node.value,
        _ => Value::Text(text.to_owned()),
    };
    Node { origin: Origin::Set(index), value: placed(value, index), raw: Some(text.to_owned()) }
}

/// The places inside an override's value are the override itself.
fn placed(value: Value, index: usize) -> Value {
    let node =
        |n: Node| Node { origin: Origin::Set(index), value: placed(n.value, index), raw: n.raw };
    match value {
        Value::List(items) => Value::List(items.into_iter().map(node).collect()),
        Value::Table(Table(entries)) => Value::Table(Table(
            entries
                .into_iter()
                .map(|e| Entry { name: e.name, origin: Origin::Set(index), node: node(e.node) })
                .collect(),
        )),
        other => other,
    }
}
