//! The columns of the records table: what the user chose, and what stands in
//! each.

use joinscope_core::run::{RowView, SortBy};
use joinscope_operator::condition::{field_at, field_text};
use joinscope_operator::time::format_duration;

use super::ask::{By, Sorted};
use crate::window::cx::Cx;
use crate::window::panels::choose::Choice;
use crate::window::table::{Cell, Column, Head, TIME, VERDICT};
use crate::window::text::{line, thousands};

/// A column that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Col {
    Arrival,
    Arrived,
    Record,
    Input,
    Key,
    EventTime,
    Watermark,
    LateBy,
    Verdict,
    Decided,
    Removed,
    Outputs,
    Why,
    /// A field of the value, by its path.
    Field(String),
}

impl Choice for Col {
    const ALL: &'static [Self] = &Self::ALL;
    const FIRST: &'static [Self] = &Self::FIRST;

    fn title(&self) -> &str {
        self.title()
    }

    fn name(&self) -> String {
        self.name()
    }

    fn field(path: String) -> Self {
        Self::Field(path)
    }

    fn path(&self) -> Option<&str> {
        match self {
            Self::Field(path) => Some(path),
            _ => None,
        }
    }

    /// Fields of the value before the reason, the rest in the menu's order.
    fn place(&self) -> usize {
        match self {
            Self::Why => usize::MAX,
            Self::Field(_) => usize::MAX - 1,
            column => Self::ALL.iter().position(|known| known == column).unwrap_or(0),
        }
    }
}

impl Col {
    /// All but fields of the value, in the order of the menu.
    pub const ALL: [Self; 13] = [
        Self::Arrival,
        Self::Arrived,
        Self::Record,
        Self::Input,
        Self::Key,
        Self::EventTime,
        Self::Watermark,
        Self::LateBy,
        Self::Verdict,
        Self::Decided,
        Self::Removed,
        Self::Outputs,
        Self::Why,
    ];

    /// What is shown until the user chooses.
    pub const FIRST: [Self; 7] = [
        Self::Arrival,
        Self::Record,
        Self::Key,
        Self::EventTime,
        Self::LateBy,
        Self::Verdict,
        Self::Why,
    ];

    pub fn title(&self) -> &str {
        match self {
            Self::Arrival => "Arrival",
            Self::Arrived => "Arrived",
            Self::Record => "Record",
            Self::Input => "Input",
            Self::Key => "Key",
            Self::EventTime => "Event time",
            Self::Watermark => "Watermark then",
            Self::LateBy => "Late by",
            Self::Verdict => "Verdict",
            Self::Decided => "Decided at",
            Self::Removed => "Left state at",
            Self::Outputs => "Outputs",
            Self::Why => "Why",
            Self::Field(path) => path,
        }
    }

    /// Its name in files: that of `verdicts --json` where there is one.
    pub fn name(&self) -> String {
        match self {
            Self::Arrival => "arrival".to_owned(),
            Self::Arrived => "arrival_ms".to_owned(),
            Self::Record => "record".to_owned(),
            Self::Input => "input".to_owned(),
            Self::Key => "key".to_owned(),
            Self::EventTime => "event_time".to_owned(),
            Self::Watermark => "watermark".to_owned(),
            Self::LateBy => "late_by".to_owned(),
            Self::Verdict => "verdict".to_owned(),
            Self::Decided => "decided".to_owned(),
            Self::Removed => "removed".to_owned(),
            Self::Outputs => "outputs".to_owned(),
            Self::Why => "why".to_owned(),
            Self::Field(path) => format!("value.{path}"),
        }
    }

    /// `date`: room for a date before a time, points.
    pub fn column(&self, date: f32) -> Column {
        match self {
            Self::Arrival | Self::Decided | Self::Removed => Column::figure("", 76.0),
            // 3m 36.364s
            Self::LateBy => Column::figure("", 94.0),
            Self::Outputs => Column::figure("", 60.0),
            Self::Record => Column::soft("", 190.0, 110.0),
            Self::Key => Column::soft("", 110.0, 64.0),
            Self::Field(_) => Column::soft("", 110.0, 52.0),
            Self::Arrived | Self::EventTime | Self::Watermark => Column::firm("", TIME).wider(date),
            Self::Verdict => Column::firm("", VERDICT),
            Self::Input => Column::soft("", 92.0, 60.0),
            Self::Why => Column::rest(""),
        }
    }

    /// What pressing its title sorts by.
    pub fn sorts_by(&self) -> Option<By> {
        Some(match self {
            Self::Arrival | Self::Arrived => By::Arrival,
            Self::Record => By::Store(SortBy::Record),
            Self::Input => By::Store(SortBy::Input),
            Self::Key => By::Store(SortBy::Key),
            Self::EventTime => By::Store(SortBy::EventTime),
            Self::LateBy => By::Store(SortBy::LateBy),
            Self::Verdict => By::Store(SortBy::Verdict),
            Self::Field(path) => By::Field(path.clone()),
            Self::Watermark | Self::Decided | Self::Removed | Self::Outputs | Self::Why => {
                return None;
            }
        })
    }

    pub fn head(&self, sorted: Option<&Sorted>) -> Head {
        let by = self.sorts_by();
        let sort = Sorted::said(sorted, by.as_ref(), by == Some(By::Arrival));
        Head { title: Some(self.title().to_owned()), sort }
    }

    /// What stands in a row's cell. Names, keys and the like come elided.
    pub fn cell(&self, row: &RowShown<'_>, cx: &Cx<'_>) -> Cell {
        let v = row.view;
        let time = |ms: Option<i64>| ms.map_or(Cell::Empty, |ms| Cell::Time(cx.times.exact(ms)));
        let number = |n: Option<u64>| n.map_or(Cell::Empty, |n| Cell::Mono(thousands(n)));
        let elided = |shown: &str, whole: String| Cell::Elided { shown: shown.to_owned(), whole };
        match self {
            Self::Arrival => number(Some(v.arrival)),
            Self::Arrived => time(Some(v.arrival_ms)),
            Self::Record => elided(row.name, v.record.to_string()),
            Self::Input => Cell::Words(row.input.to_owned()),
            Self::Key => elided(row.key, v.key.as_ref().map(key_line).unwrap_or_default()),
            Self::EventTime => time(v.event_time),
            Self::Watermark => time(v.watermark),
            Self::LateBy => v.late_by.map_or(Cell::Empty, |ms| Cell::Mono(late_by(ms))),
            Self::Verdict => Cell::Verdict(row.verdict),
            Self::Decided => number(v.decided),
            Self::Removed => number(v.removed),
            Self::Outputs => number(Some(v.outputs)),
            // What fell later is not said yet.
            Self::Why if row.verdict != v.verdict => Cell::Empty,
            Self::Why => Cell::Words(row.why.to_owned()),
            Self::Field(path) => match row.value.and_then(|value| field_at(value, path)) {
                None => Cell::Empty,
                Some(field) => Cell::Mono(line(&field_text(field)).into_owned()),
            },
        }
    }
}

/// A lateness with as many places as its neighbours in a column: `3m 18.290s`.
#[must_use]
pub fn late_by(ms: i64) -> String {
    match (ms / 60_000, ms % 60_000 / 1_000, ms % 1_000) {
        (0, 1.., part) => format!("{}.{part:03} s", ms / 1_000),
        (minutes @ 1..60, seconds, part) => format!("{minutes}m {seconds:02}.{part:03}s"),
        _ => format_duration(ms),
    }
}

/// A key on one line, escaped.
pub fn key_line(key: &joinscope_operator::key::Key) -> String {
    line(&key.to_string()).into_owned()
}

/// A row with what of it is shown.
pub struct RowShown<'a> {
    pub view: &'a RowView,
    pub why: &'a str,
    pub value: Option<&'a serde_json::Value>,
    /// As it stood at the cursor.
    pub verdict: joinscope_operator::verdict::Verdict,
    pub name: &'a str,
    pub key: &'a str,
    pub input: &'a str,
}

/// Paths of the fields of values, down to three names, each once, in order.
pub fn paths<'v>(values: impl Iterator<Item = &'v serde_json::Value>) -> Vec<String> {
    /// Paths that are offered at most.
    const MOST: usize = 60;
    fn walk(value: &serde_json::Value, path: &str, depth: usize, found: &mut Vec<String>) {
        let serde_json::Value::Object(fields) = value else { return };
        for (name, value) in fields {
            // A name with a dot in it has no path.
            if name.contains('.') || name.is_empty() || found.len() >= MOST {
                continue;
            }
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if value.is_object() && depth < 3 {
                walk(value, &path, depth + 1, found);
            } else if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for value in values {
        walk(value, "", 1, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latenesses_of_a_column_have_their_places_under_each_other() {
        let said = [0, 250, 1_200, 60_000, 198_290, 3_599_999, 3_600_000, 97_200_000].map(late_by);
        let want = [
            "0 s",
            "250 ms",
            "1.200 s",
            "1m 00.000s",
            "3m 18.290s",
            "59m 59.999s",
            "1 h",
            "1d 03h",
        ];
        assert_eq!(said, want);
    }

    #[test]
    fn fields_are_offered_once_by_their_paths() {
        let values = [
            serde_json::json!({"id": 1, "user": {"name": "a", "tags": [1]}, "a.b": 1}),
            serde_json::json!({"id": 2, "kind": "x"}),
            serde_json::json!("text"),
        ];
        assert_eq!(paths(values.iter()), ["id", "user.name", "user.tags", "kind"]);
    }
}
