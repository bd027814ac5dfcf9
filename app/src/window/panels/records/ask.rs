//! What the records table asks: a page of rows under a filter, and a search as
//! a job with partial results.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::window::store::Run;
use joinscope_core::edges::recording::Recording;
use joinscope_core::run::explain::Whys;
use joinscope_core::run::{Query, RowView, VerdictSet};
use joinscope_operator::record::{Record, RecordName};

use crate::window::cx::Cx;
use crate::window::jobs::Slot;

/// Rows that a page holds at most.
pub const MOST: usize = 200;

/// Which rows the table shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub revision: u64,
    pub verdicts: VerdictSet,
    pub search: Option<String>,
}

/// A page of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub source: Source,
    /// Position in the table.
    pub first: u64,
    pub count: usize,
    /// The rows themselves, where a search gave them.
    pub rows: Option<Vec<u64>>,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub enum Line {
    Row {
        row: RowView,
        why: String,
    },
    /// A record of a recording that has no run.
    Record {
        position: u64,
        name: RecordName,
        record: Record,
    },
}

impl Line {
    /// What selects it.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Row { row, .. } => row.row,
            Self::Record { position, .. } => *position,
        }
    }

    /// Where the cursor goes when it is selected.
    #[must_use]
    pub fn arrival(&self) -> u64 {
        match self {
            Self::Row { row, .. } => row.arrival,
            Self::Record { position, .. } => *position,
        }
    }
}

/// The answer.
pub struct Page {
    /// Rows in the whole table.
    pub len: u64,
    pub lines: Vec<Line>,
}

/// Reads a page of a run.
pub fn of_run(run: &Run, q: &Question) -> Result<Page, String> {
    let rows = rows(run, q).map_err(|e| e.to_string())?;
    let len = match &q.source.search {
        Some(_) => 0,
        None if q.source.verdicts.is_empty() => run.rows(),
        None => run.count(q.source.verdicts),
    };
    let mut whys = Whys::new(run);
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let why = whys.of(&row).map_err(|e| e.to_string())?;
        lines.push(Line::Row { row, why });
    }
    Ok(Page { len, lines })
}

fn rows(run: &Run, q: &Question) -> joinscope_core::run::Result<Vec<RowView>> {
    if let Some(rows) = &q.rows {
        return run.views(rows);
    }
    let set = q.source.verdicts;
    if set.is_empty() {
        return run.page(q.first, q.count);
    }
    run.views(&run.nth_from(set, q.first, q.count)?)
}

/// Reads a page of a recording.
pub fn of_recording(recording: &Recording, q: &Question) -> Result<Page, String> {
    let records = recording.page(q.first, q.count).map_err(|e| e.to_string())?;
    let lines = records.into_iter().zip(q.first..).map(|(record, position)| Line::Record {
        position,
        name: recording.name_of(&record),
        record,
    });
    Ok(Page { len: recording.len(), lines: lines.collect() })
}

/// A search and what it has found so far.
#[derive(Default)]
pub struct Found {
    source: Option<Source>,
    slot: Slot<(u64, Source), ()>,
    number: u64,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cancel: AtomicBool,
    progress: Mutex<Progress>,
}

#[derive(Clone, Debug, Default)]
struct Progress {
    rows: Vec<u64>,
    looked_at: u64,
    of: u64,
}

impl Found {
    /// Begins the search of `source`, ends the one before.
    pub fn ask(&mut self, cx: &Cx<'_>, source: &Source) {
        if self.source.as_ref() == Some(source) {
            return;
        }
        self.stop();
        self.source = Some(source.clone());
        let (Some(text), Some(doc)) = (source.search.clone(), &cx.doc.run) else { return };
        let run = doc.run.clone();
        self.shared = Arc::default();
        self.number += 1;
        let shared = Arc::clone(&self.shared);
        let query = Query { verdicts: source.verdicts, text: Some(text), ..Query::default() };
        self.slot.ask(cx.jobs, (self.number, source.clone()), move |_| {
            let mut on_partial = |found: joinscope_core::run::Found| {
                let mut p = shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
                p.rows.extend(found.rows);
                (p.looked_at, p.of) = (found.looked_at, found.of);
                true
            };
            match run.search(&query, &shared.cancel, &mut on_partial) {
                Ok(()) | Err(joinscope_core::run::RunError::Cancelled) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        });
    }

    /// Ends the search; what was found stays.
    pub fn stop(&self) {
        self.shared.cancel.store(true, Ordering::Release);
    }

    fn with<R>(&self, read: impl FnOnce(&Progress) -> R) -> R {
        read(&self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[must_use]
    pub fn len(&self) -> u64 {
        self.with(|p| p.rows.len() as u64)
    }

    #[must_use]
    pub fn contains(&self, row: u64) -> bool {
        self.with(|p| p.rows.binary_search(&row).is_ok())
    }

    /// Position of a row among those found.
    #[must_use]
    pub fn place(&self, row: u64) -> Option<u64> {
        self.with(|p| p.rows.binary_search(&row).ok().map(|n| n as u64))
    }

    /// Rows at these positions.
    #[must_use]
    pub fn rows(&self, first: u64, count: usize) -> Vec<u64> {
        self.with(|p| p.rows.iter().skip(first as usize).take(count).copied().collect())
    }

    /// Percent looked at, while it is running.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        let searching = self.source.as_ref().is_some_and(|s| s.search.is_some());
        if !searching || !self.slot.is_open() {
            return None;
        }
        self.with(|p| Some((p.looked_at * 100).checked_div(p.of).unwrap_or(0)))
    }

    /// Why it stopped, where it failed.
    #[must_use]
    pub fn error(&mut self) -> Option<String> {
        self.slot.answer()?.result.as_ref().err().cloned()
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        self.stop();
    }
}
