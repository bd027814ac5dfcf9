//! The matrix as rows of a file: a row for each guarantee, with every number and
//! the records behind it.

use joinscope_core::analyses::guarantees::matrix::{Column as Mode, Copy, Matrix};
use serde_json::Value;

use super::Guarantees;
use crate::window::cx::Cx;
use crate::window::export::{Data, Row, Source};
use crate::window::jobs::Answer;

/// Those that end in `_of` name the input records behind the number, an output
/// after the other.
const COLUMNS: [&str; 19] = [
    "guarantee",
    "faults",
    "checkpoint_interval_ms",
    "examples",
    "duplicates",
    "losses",
    "untrue",
    "aborted",
    "latency_p50_ms",
    "latency_p99_ms",
    "latency_max_ms",
    "written_bytes",
    "processed",
    "processes",
    "stopped",
    "duplicates_of",
    "losses_of",
    "untrue_of",
    "aborted_of",
];

struct Modes(std::sync::Arc<Answer<super::Question, Matrix>>);

impl Guarantees {
    /// What an export writes; nothing is compared yet: nothing.
    #[must_use]
    pub fn data(&mut self, cx: &Cx<'_>) -> Option<Source> {
        let answer = self.ask(cx)?;
        answer.result.as_ref().ok()?;
        Some(Box::new(move |_| Ok(Box::new(Modes(answer)) as Box<dyn Data>)))
    }
}

fn cells(matrix: &Matrix, mode: &Mode) -> Vec<Value> {
    let seen = &mode.read_committed;
    let behind = [&seen.duplicates, &seen.losses, &seen.untrue, &mode.read_uncommitted.aborted];
    let of = |copies: &[Copy]| {
        let each: Vec<String> = copies.iter().map(|c| c.records.join(" + ")).collect();
        Value::from(each.join("; "))
    };
    let mut cells: Vec<Value> = vec![
        mode.mode.as_str().into(),
        matrix.faults.as_str().into(),
        matrix.checkpoint_interval.into(),
        matrix.examples.into(),
    ];
    cells.extend(behind.map(|copies| Value::from(copies.len())));
    cells.extend([mode.latency.p50, mode.latency.p99, mode.latency.max].map(Value::from));
    cells.extend([
        mode.written_bytes.into(),
        mode.processed.into(),
        mode.incarnations.into(),
        mode.stopped.clone().into(),
    ]);
    cells.extend(behind.map(|copies| of(copies)));
    cells
}

impl Data for Modes {
    fn len(&self) -> u64 {
        self.0.result.as_ref().map_or(0, |matrix| matrix.columns.len() as u64)
    }

    fn columns(&self) -> Vec<String> {
        COLUMNS.map(str::to_owned).to_vec()
    }

    fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String> {
        let matrix = self.0.result.as_ref().map_err(Clone::clone)?;
        let modes = matrix.columns.iter().skip(first as usize).take(n);
        modes
            .map(|mode| {
                let json = serde_json::to_value(mode).map_err(|e| e.to_string())?;
                Ok(Row { json, cells: cells(matrix, mode) })
            })
            .collect()
    }
}
