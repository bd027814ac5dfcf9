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
    let mut rows: Vec<u64> =
        outputs.iter().flat_map(|o| o.rows.iter().take(NAMED).copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    let views = run.views(&rows).map_err(|e| e.to_string())?;
    let known: HashMap<u64, RowView> = views.into_iter().map(|v| (v.row, v)).collect();
    let mut lines = Vec::with_capacity(outputs.len());
    for output in outputs {
        let named: Vec<&RowView> =
            output.rows.iter().take(NAMED).filter_map(|row| known.get(row)).collect();
        let mut records: Vec<String> = named.iter().map(|r| r.record.to_string()).collect();
        if output.rows.len() > NAMED {
            records.push(format!("{} more", thousands((output.rows.len() - NAMED) as u64)));
        }
        let key = named.iter().find_map(|r| r.key.as_ref()).map(ToString::to_string);
        lines.push(Line { output, records, key: key.unwrap_or_default() });
    }
    Ok(Page { lines })
}
