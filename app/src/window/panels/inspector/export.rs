//! What the inspector says of the selection, as rows of a file.

use serde_json::Value;

use super::Inspector;
use super::ask::{self, Inspected};
use crate::window::cx::Cx;
use crate::window::export::{Listed, Source};
use crate::window::store::Run;

const COLUMNS: [&str; 2] = ["what", "value"];

type Facts = Vec<(&'static str, Value)>;

impl Inspector {
    /// What an export writes; nothing is selected: nothing.
    #[must_use]
    pub fn data(&mut self, cx: &Cx<'_>) -> Option<Source> {
        let selection = cx.selection?;
        let run = cx.doc.run.as_ref().map(|r| r.run.clone());
        let recording = cx.doc.recording.as_ref().map(|r| r.recording.clone());
        // What it says last may be of something that was selected before.
        let answer = self
            .slot
            .answer()
            .filter(|a| a.question.selection == selection && cx.doc.is_about(a.question.revision));
        Some(Listed::source(&COLUMNS, move || {
            let asked;
            let inspected = match (answer.as_ref().map(|a| &a.result), &run, &recording) {
                (Some(Ok(known)), ..) => known,
                (_, Some(run), _) => {
                    asked = ask::of_run(run, recording.as_ref(), selection)?;
                    &asked
                }
                (_, None, Some(recording)) => {
                    asked = ask::of_recording(recording, selection)?;
                    &asked
                }
                (_, None, None) => return Ok(Vec::new()),
            };
            let facts = match (inspected, &run) {
                (Inspected::Row(row), Some(run)) => of_row(row, run),
                (Inspected::Row(_), None) => Vec::new(),
                (Inspected::Output(output), _) => of_output(output),
                (Inspected::Record(value), _) => of_value(value),
            };
            Ok(facts.into_iter().map(|(what, value)| vec![what.into(), value]).collect())
        }))
    }
}

fn of_row(row: &ask::Row, run: &Run) -> Facts {
    let view = &row.view;
    let mut facts: Facts = vec![
        ("record", view.record.to_string().into()),
        ("input", row.input.as_str().into()),
        ("arrival", view.arrival.into()),
        ("arrival_time_ms", view.arrival_ms.into()),
        ("event_time_ms", view.event_time.into()),
        ("verdict", view.verdict.name().into()),
        ("explanation", row.explained.to_json(run).to_string().into()),
    ];
    facts.extend(row.cause.iter().map(|c| ("decided by", c.to_string().into())));
    facts.extend(row.outputs.iter().map(|o| ("output", o.n.into())));
    facts.extend(row.effects.1.iter().map(|r| ("decided", r.record.to_string().into())));
    facts.extend(row.value.iter().flat_map(of_value));
    facts
}

fn of_output(output: &ask::Output) -> Facts {
    let view = &output.view;
    let mut facts: Facts =
        vec![("output", view.n.into()), ("arrival", view.at.into()), ("time_ms", view.time.into())];
    facts.extend(output.records.iter().map(|r| ("record", r.record.to_string().into())));
    facts
}

fn of_value(value: &ask::Value) -> Facts {
    let record = &value.record;
    let text = |bytes: &[u8]| Value::from(crate::window::text::from_bytes(bytes));
    let mut facts: Facts = vec![("name", value.name.to_string().into())];
    facts.push(("timestamp_ms", record.timestamp.into()));
    facts.push(("kafka key", record.key.as_deref().map(text).unwrap_or_default()));
    let decoded = value.decoded.clone().unwrap_or_else(|why| why);
    facts.push(("value", decoded.into()));
    facts
}
