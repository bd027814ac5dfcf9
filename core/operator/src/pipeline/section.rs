//! Reading one table of a pipeline: known keys, types, and problems with their
//! places.

use super::error::{PipelineError, Place, Problem, any_of, line_and_column, nearest};
use super::tree::{Node, Origin, Table, Value};
use crate::time::parse_duration;

/// Collects what is wrong, so that one look at the file is enough.
pub(super) struct Reader<'a> {
    pub file: &'a str,
    pub text: &'a str,
    pub sets: &'a [(String, String)],
    pub problems: Vec<Problem>,
}

/// Past so many, more problems help nobody.
const MAX_PROBLEMS: usize = 100;

impl Reader<'_> {
    pub fn problem(&mut self, at: &Origin, what: impl Into<String>, help: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            let place = self.place(at);
            self.problems.push(Problem { place, what: what.into(), help: help.into() });
        }
    }

    fn place(&self, at: &Origin) -> Place {
        match at {
            Origin::File(span) => {
                let (line, column) = line_and_column(self.text, span.start);
                Place::File { file: self.file.to_owned(), line, column }
            }
            Origin::Set(index) => Place::Set(
                self.sets
                    .get(*index)
                    .map(|(path, value)| format!("{path}={value}"))
                    .unwrap_or_default(),
            ),
        }
    }

    /// What was found, if nothing is wrong.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, PipelineError> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => {
                self.problems.sort_by(|a, b| a.place.cmp(&b.place));
                Err(PipelineError { problems: self.problems })
            }
        }
    }
}

/// One table of the file and what it is called.
#[derive(Clone)]
pub(super) struct Section<'t> {
    /// `inputs.views`; empty for the file itself.
    pub path: String,
    pub table: &'t Table,
    pub origin: Origin,
}

impl<'t> Section<'t> {
    pub fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Reports every key that is not known.
    pub fn only(&self, r: &mut Reader<'_>, known: &[&str]) {
        for entry in &self.table.0 {
            if known.contains(&entry.name.as_str()) {
                continue;
            }
            let help = match nearest(&entry.name, known.iter().copied()) {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => format!("known here: {}", any_of(known)),
            };
            let shown: String = entry.name.chars().take(64).collect();
            r.problem(&entry.origin, format!("unknown key \"{}\"", self.at(&shown)), help);
        }
    }

    pub fn node(&self, key: &str) -> Option<&'t Node> {
        self.table.get(key)
    }

    /// The part `key`, reported where it is missing.
    pub fn need(&self, r: &mut Reader<'_>, key: &str, help: &str) -> Option<&'t Node> {
        let node = self.node(key);
        if node.is_none() {
            r.problem(&self.origin, format!("\"{}\" is missing", self.at(key)), help);
        }
        node
    }

    pub fn section(&self, r: &mut Reader<'_>, key: &str) -> Option<Section<'t>> {
        let node = self.node(key)?;
        match &node.value {
            Value::Table(table) => {
                Some(Section { path: self.at(key), table, origin: self.key_origin(key, node) })
            }
            other => {
                let what = format!("\"{}\" is {}, not a table", self.at(key), other.type_name());
                let help = format!("write a section [{}] or {{ … }}", self.at(key));
                r.problem(&node.origin, what, help);
                None
            }
        }
    }

    /// Where the key stands: a table of dotted parts has no better place.
    fn key_origin(&self, key: &str, node: &Node) -> Origin {
        let entry = self.table.0.iter().find(|e| e.name == key);
        entry.map_or_else(|| node.origin.clone(), |e| e.origin.clone())
    }

    /// The text of `key`, `None` where it is not there or no text (reported).
    pub fn text(&self, r: &mut Reader<'_>, key: &str) -> Option<(String, &'t Node)> {
        let node = self.node(key)?;
        self.text_of(r, key, node).map(|text| (text, node))
    }

    pub fn text_of(&self, r: &mut Reader<'_>, key: &str, node: &Node) -> Option<String> {
        match (&node.value, &node.raw) {
            (Value::Text(text), _) => Some(text.clone()),
            (Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Other(_), Some(raw)) => {
                Some(raw.clone())
            }
            (other, _) => {
                let what = format!("\"{}\" is {}, not a text", self.at(key), other.type_name());
                r.problem(&node.origin, what, format!("write {key} = \"…\""));
                None
            }
        }
    }

    /// One of `choices`, by name; `None` where it is not there or none of them.
    pub fn choice<T: Copy>(
        &self,
        r: &mut Reader<'_>,
        key: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let (text, node) = self.text(r, key)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let help = match nearest(&text, names.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"? ({})", any_of(&names)),
            None => format!("write {}", any_of(&names)),
        };
        let shown: String = text.chars().take(64).collect();
        r.problem(&node.origin, format!("\"{}\" is \"{shown}\"", self.at(key)), help);
        None
    }

    /// A duration in ms that is at least `least`; `None` where it is not there
    /// or none.
    pub fn duration(&self, r: &mut Reader<'_>, key: &str, least: i64) -> Option<i64> {
        let node = self.node(key)?;
        let text = match (&node.value, &node.raw) {
            (Value::Int(n), None) => {
                let what = format!("\"{}\" is an integer without a unit", self.at(key));
                r.problem(&node.origin, what, format!("write {key} = \"{n}ms\" or \"{n}s\""));
                return None;
            }
            _ => self.text_of(r, key, node)?,
        };
        match parse_duration(&text) {
            Err(error) => {
                let error = error.to_string();
                let (what, help) = error.split_once(": ").unwrap_or((&error, "write \"60s\""));
                r.problem(&node.origin, format!("\"{}\": {what}", self.at(key)), help);
                None
            }
            Ok(ms) if ms < least => {
                let what = format!("\"{}\" is {text}", self.at(key));
                let help = if least == 0 { "it may not be negative" } else { "it must be above 0" };
                r.problem(&node.origin, what, help);
                None
            }
            // Adding bounds to times must leave room for the times.
            Ok(ms) if ms.unsigned_abs() > MAX_DURATION => {
                let what = format!("\"{}\" is {text}", self.at(key));
                r.problem(&node.origin, what, "at most a million years are taken");
                None
            }
            Ok(ms) => Some(ms),
        }
    }
}

const MAX_DURATION: u64 = 1_000_000 * 366 * 86_400_000;
