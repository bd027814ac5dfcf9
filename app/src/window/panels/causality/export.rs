//! The diagram as rows of a file: its records, outputs and epochs, each when it
//! happened, and what is out of order.

use serde_json::Value;

use super::Causality;
use super::story::{Kind, Story};
use crate::window::cx::Cx;
use crate::window::export::{Listed, Source};

/// `verdict` also says which order is turned around; `cause` is the record or
/// the arrival behind it.
const COLUMNS: [&str; 7] =
    ["kind", "name", "arrival", "event_time_ms", "arrival_time_ms", "verdict", "cause"];

impl Causality {
    /// What an export writes: what is drawn.
    #[must_use]
    pub fn data(&mut self, cx: &Cx<'_>) -> Option<Source> {
        let answer = self.story.answer()?;
        if answer.question.0 != cx.doc.revision || Self::subject(cx) != Some(answer.question.1) {
            return None;
        }
        let rows = rows(answer.result.as_ref().ok()?);
        Some(Listed::source(&COLUMNS, move || Ok(rows)))
    }
}

fn rows(story: &Story) -> Vec<Vec<Value>> {
    let name = |row: u64| {
        let found = story.rows.iter().find(|r| r.row == row);
        found.map(|r| r.record.to_string())
    };
    let records = story.rows.iter().map(|r| {
        vec![
            "record".into(),
            r.record.to_string().into(),
            r.arrival.into(),
            r.event_time.into(),
            r.arrival_ms.into(),
            r.verdict.name().into(),
            r.cause.filter(|c| *c != r.arrival).into(),
        ]
    });
    let outputs = story.outputs.iter().map(|o| {
        let of: Vec<String> = o.output.rows.iter().filter_map(|row| name(*row)).collect();
        vec![
            "output".into(),
            format!("output {}", o.output.n).into(),
            o.output.at.into(),
            o.output.time.into(),
            o.at_ms.into(),
            Value::Null,
            of.join(" ").into(),
        ]
    });
    let epochs = story.epochs.iter().map(|e| {
        let none = Value::Null;
        let ends = e.ends_ms.into();
        vec!["epoch".into(), e.n.into(), none.clone(), none.clone(), ends, none.clone(), none]
    });
    let inversions = story.inversions.iter().map(|i| {
        let kind = match i.kind {
            Kind::Arrival => "by arrival",
            Kind::EventTime => "by event time",
        };
        vec![
            "inversion".into(),
            name(i.row).into(),
            Value::Null,
            Value::Null,
            Value::Null,
            kind.into(),
            name(i.against).into(),
        ]
    });
    records.chain(outputs).chain(epochs).chain(inversions).collect()
}
