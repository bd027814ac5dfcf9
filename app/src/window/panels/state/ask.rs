//! What the state panel asks: lines over the range in sight, and a page of keys
//! or rows with their expiry.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use joinscope_core::run::{HeavyKey, KeyLeaves, Leaves, RowView, Run, StateNow};
use joinscope_operator::pipeline::Semantics;

use super::Order;
use crate::window::export::{Data, Row};

/// Lines over a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinesQuestion {
    pub revision: u64,
    pub range: joinscope_core::run::Range,
    pub buckets: usize,
}

/// What stands in a page's places.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Keys(Vec<HeavyKey>),
    Leaving(Vec<Leaves>),
}

impl Content {
    pub fn of(now: &StateNow, order: Order, seen: &Range<u64>) -> Self {
        let part = |len: usize| seen.start as usize..(seen.end as usize).min(len);
        match order {
            Order::Keys => {
                Self::Keys(now.heaviest.get(part(now.heaviest.len())).unwrap_or_default().to_vec())
            }
            Order::Leaving => {
                Self::Leaving(now.next.get(part(now.next.len())).unwrap_or_default().to_vec())
            }
        }
    }
}

/// A page at an arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct PageQuestion {
    pub revision: u64,
    pub at: u64,
    pub content: Content,
}

/// One line: a row, and what there is of its key.
#[derive(Clone, Debug)]
pub struct Line {
    pub row: RowView,
    /// Of the key at the arrival; 1 where rows are listed.
    pub rows: u64,
    /// Not all of a key's rows were looked at.
    pub more: bool,
    /// The largest event-time watermark that keeps the first, and the last of
    /// its rows, ms.
    pub due: (i64, i64),
}

/// The answer.
#[derive(Debug)]
pub struct Page {
    pub lines: Vec<Line>,
    /// The join's event-time watermark just after the arrival, ms.
    pub watermark: Option<i64>,
}

/// Whether the expiry that is said is the one that the run went by.
#[must_use]
pub fn expiry_is_known(run: &Run) -> bool {
    run.pipeline().join.semantics == Semantics::Clean
}

/// Reads a page.
pub fn page(run: &Run, q: &PageQuestion) -> Result<Page, String> {
    let failed = |e: joinscope_core::run::RunError| e.to_string();
    let shifts = run.pipeline().join.shifts(run.pipeline().inputs.len());
    let lines = match &q.content {
        Content::Leaving(leaving) => {
            let rows: Vec<u64> = leaving.iter().map(|l| l.row).collect();
            let views = run.views(&rows).map_err(failed)?;
            let lines = views.into_iter().zip(leaving).map(|(row, leaves)| Line {
                row,
                rows: 1,
                more: false,
                due: (leaves.due, leaves.due),
            });
            lines.collect()
        }
        Content::Keys(keys) => {
            let mut lines = Vec::with_capacity(keys.len());
            let rows: Vec<u64> = keys.iter().map(|k| k.row).collect();
            for (row, heavy) in run.views(&rows).map_err(failed)?.into_iter().zip(keys) {
                let Some(key) = row.key.clone() else { continue };
                let own = run.leaving_of_key(&key, heavy.row, q.at, &shifts).map_err(failed)?;
                // Where too many are to be looked at, the newest stands for them.
                let one = || {
                    let shift = shifts.get(usize::from(row.input)).copied().unwrap_or(0);
                    let due = row.event_time.unwrap_or(i64::MIN).saturating_add(shift);
                    KeyLeaves { first: due, last: due, whole: false }
                };
                let own = own.unwrap_or_else(one);
                let (more, due) = (!own.whole, (own.first, own.last));
                lines.push(Line { row, rows: heavy.rows, more, due });
            }
            lines
        }
    };
    let watermark = run.watermarks_at(q.at).map_err(failed)?.join;
    Ok(Page { lines, watermark })
}

/// The whole state at an arrival.
pub fn whole(run: &Run, at: u64, cancel: &AtomicBool) -> Result<StateNow, String> {
    let shifts = run.pipeline().join.shifts(run.pipeline().inputs.len());
    let mut found = StateNow::default();
    let told = |now| {
        found = now;
        true
    };
    run.state_now(at, &shifts, cancel, told).map_err(|e| e.to_string())?;
    Ok(found)
}

const COLUMNS: [&str; 6] = ["key", "rows", "record", "event_time", "leaves_first", "leaves_last"];

/// A line as a row of a file; `known`: [`expiry_is_known`], else the panel does not say
/// it either.
pub fn file_row(line: &Line, known: bool) -> Row {
    let key = line.row.key.as_ref().map(joinscope_core::run::explain::key_to_json);
    let leaves = |ms: i64| serde_json::Value::from(known.then_some(ms));
    let cells = vec![
        key.unwrap_or_default(),
        line.rows.into(),
        line.row.record.to_string().into(),
        line.row.event_time.into(),
        leaves(line.due.0),
        leaves(line.due.1),
    ];
    Row::named(&COLUMNS, cells)
}

/// What is listed, as rows of a file.
pub struct Listed {
    run: Run,
    now: StateNow,
    order: Order,
}

impl Listed {
    pub fn new(run: Run, now: StateNow, order: Order) -> Self {
        Self { run, now, order }
    }
}

impl Data for Listed {
    fn len(&self) -> u64 {
        match self.order {
            Order::Keys => self.now.heaviest.len() as u64,
            Order::Leaving => self.now.next.len() as u64,
        }
    }

    fn columns(&self) -> Vec<String> {
        COLUMNS.map(str::to_owned).to_vec()
    }

    fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String> {
        let seen = first..(first + n as u64).min(self.len());
        let content = Content::of(&self.now, self.order, &seen);
        let page = page(&self.run, &PageQuestion { revision: 0, at: self.now.arrival, content })?;
        let known = expiry_is_known(&self.run);
        Ok(page.lines.iter().map(|line| file_row(line, known)).collect())
    }
}
