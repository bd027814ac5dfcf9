//! What the inspector asks: everything about the one thing that is selected.

use joinscope_core::edges::recording::Recording;
use joinscope_core::run::explain::{Explanation, explain};
use joinscope_core::run::{OutputView, RowView};
use joinscope_operator::codec::InputDecoder;
use joinscope_operator::record::{Arrival, Record, RecordName};
use joinscope_operator::verdict::Verdict;

use crate::window::selection::Selection;
use crate::window::store::Run;

/// Outputs of a record that are listed; more are counted.
const OUTPUTS: usize = 50;
/// Rows that a record decided that are listed; more are counted.
const EFFECTS: usize = 8;
/// Records of an output that are listed; more are counted.
const RECORDS: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    pub revision: u64,
    pub selection: Selection,
}

/// What is known of the selection.
pub enum Inspected {
    Row(Box<Row>),
    Output(Box<Output>),
    /// A record of a recording without a run.
    Record(Box<Value>),
}

/// A record as one input took it.
pub struct Row {
    pub view: RowView,
    pub input: String,
    pub explained: Explanation,
    /// Arrivals at which something became of it, with their arrival times, ms.
    pub then: Vec<(Arrival, i64)>,
    /// The later record with which the verdict fell.
    pub cause: Option<RecordName>,
    pub outputs: Vec<OutputView>,
    /// Rows whose verdict it made fall: how many, and the first of them.
    pub effects: (u64, Vec<RowView>),
    /// `None`: the recording is not where it was.
    pub value: Option<Value>,
}

/// An output and its records.
pub struct Output {
    pub view: OutputView,
    pub records: Vec<RowView>,
    pub more: usize,
}

/// A record's bytes and what they say.
pub struct Value {
    pub name: RecordName,
    pub record: Record,
    /// Pretty JSON, or why there is none.
    pub decoded: Result<String, String>,
}

/// Answers for a run.
pub fn of_run(
    run: &Run,
    recording: Option<&Recording>,
    selection: Selection,
) -> Result<Inspected, String> {
    match selection {
        Selection::Row(row) => row_of(run, recording, row).map(|r| Inspected::Row(Box::new(r))),
        Selection::Output(n) => output_of(run, n).map(|o| Inspected::Output(Box::new(o))),
    }
}

/// Answers for a recording without a run.
pub fn of_recording(recording: &Recording, selection: Selection) -> Result<Inspected, String> {
    let Selection::Row(position) = selection else {
        return Err("a recording has no outputs".to_owned());
    };
    let record = recording.page(position, 1).map_err(|e| e.to_string())?.pop();
    let record = record.ok_or_else(|| format!("there is no record {position}"))?;
    let name = recording.name_of(&record);
    let decoded = as_json(&record);
    Ok(Inspected::Record(Box::new(Value { name, record, decoded })))
}

fn row_of(run: &Run, recording: Option<&Recording>, row: u64) -> Result<Row, String> {
    let row = run.row(row).map_err(|e| e.to_string())?;
    let input = run.pipeline().inputs.get(usize::from(row.input));
    // Of a verdict that fell with the record's own arrival it is what was there before:
    // the sentence says so, and it decided nothing.
    let cause = match row.cause.filter(|c| *c != row.arrival && row.decided == Some(*c)) {
        None => None,
        Some(arrival) => {
            let rows = run.rows_of_arrival(arrival).map_err(|e| e.to_string())?;
            rows.into_iter().next().map(|r| r.record)
        }
    };
    let mut then = Vec::new();
    for at in [row.removed, row.unmatched_since, row.decided].into_iter().flatten() {
        let rows = run.rows_of_arrival(at).map_err(|e| e.to_string())?;
        then.extend(rows.first().map(|r| (at, r.arrival_ms)));
    }
    let mut outputs = run.outputs_of(row.row).map_err(|e| e.to_string())?;
    outputs.truncate(OUTPUTS);
    let (count, decided) = run.decided_by(row.arrival, EFFECTS).map_err(|e| e.to_string())?;
    let decided = run.views(&decided).map_err(|e| e.to_string())?;
    Ok(Row {
        input: input.map(|i| i.name.to_string()).unwrap_or_default(),
        explained: explain(run, row.row).map_err(|e| e.to_string())?,
        then,
        cause,
        outputs,
        effects: (count, decided),
        value: match recording {
            Some(recording) => value(run, recording, &row)?,
            None => None,
        },
        view: row,
    })
}

fn value(run: &Run, recording: &Recording, row: &RowView) -> Result<Option<Value>, String> {
    let record = recording.record(&row.record).map_err(|e| e.to_string())?;
    let Some(record) = record else { return Ok(None) };
    let decoded = InputDecoder::new(run.pipeline(), row.input, recording.schemas())
        .map_err(|e| e.to_string())
        .and_then(|mut decoder| decoder.to_json(&record))
        .and_then(|json| serde_json::to_string_pretty(&json).map_err(|e| e.to_string()))
        // Why is in the sentence; a second reading may say it in other words.
        .map_err(|why| {
            let told = row.verdict == Verdict::Undecodable;
            if told { "It cannot be decoded; its bytes are:".to_owned() } else { why }
        });
    Ok(Some(Value { name: row.record.clone(), record, decoded }))
}

/// Without a pipeline nobody says what the bytes are: JSON is tried.
fn as_json(record: &Record) -> Result<String, String> {
    let Some(value) = &record.value else { return Err("null".to_owned()) };
    let json: serde_json::Value = serde_json::from_slice(value)
        .map_err(|_| "not JSON: a pipeline says how to read it".to_owned())?;
    serde_json::to_string_pretty(&json).map_err(|e| e.to_string())
}

fn output_of(run: &Run, n: u64) -> Result<Output, String> {
    let output = run.output(n).map_err(|e| e.to_string())?;
    let listed: Vec<u64> = output.rows.iter().take(RECORDS).copied().collect();
    let records = run.views(&listed).map_err(|e| e.to_string())?;
    let more = output.rows.len().saturating_sub(RECORDS);
    Ok(Output { view: output, records, more })
}
