//! What the outputs table asks: a page of outputs with the names of their records.

use std::collections::HashMap;

use joinscope_core::run::{OutputView, RowView};

use crate::window::store::Run;
use crate::window::text::thousands;

/// Records named in a line; more are counted.
const NAMED: usize = 4;

#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub revision: u64,
    pub first: u64,
    pub count: usize,
}

pub struct Page {
    pub lines: Vec<Line>,
}

/// One output.
#[derive(Clone, Debug)]
pub struct Line {
    pub output: OutputView,
    pub records: Vec<String>,
    pub key: String,
}

/// Reads a page.
pub fn page(run: &Run, q: &Question) -> Result<Page, String> {
    let outputs = run.output_page(q.first, q.count).map_err(|e| e.to_string())?;
    let mut known: HashMap<u64, RowView> = HashMap::new();
    let mut lines = Vec::with_capacity(outputs.len());
    for output in outputs {
        let mut records = Vec::new();
        let mut key = String::new();
        for row in output.rows.iter().take(NAMED) {
            if !known.contains_key(row) {
                let read = run.page(*row, 1).map_err(|e| e.to_string())?.pop();
                known.extend(read.map(|r| (*row, r)));
            }
            if let Some(row) = known.get(row) {
                records.push(row.record.to_string());
                key = row.key.as_ref().map(ToString::to_string).unwrap_or_default();
            }
        }
        if output.rows.len() > NAMED {
            records.push(format!("{} more", thousands((output.rows.len() - NAMED) as u64)));
        }
        lines.push(Line { output, records, key });
    }
    Ok(Page { lines })
}
