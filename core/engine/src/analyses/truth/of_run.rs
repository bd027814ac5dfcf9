//! A run in its folder held against the truth.

use std::sync::atomic::{AtomicBool, Ordering};

use super::claims::{ClaimedOutput, Claims};
use super::error::TruthError;
use super::reconcile::reconcile;
use super::report::Reconciliation;
use super::rows::Rows;
use crate::operator::pipeline::Semantics;
use crate::run::{Run, RunError};

/// Rows or outputs asked for at once.
const PAGE: usize = 65_536;

/// How far [`of_run`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows and outputs of the run read so far, and of how many.
    pub read: u64,
    pub of: u64,
}

/// Reads a whole run and its recording and holds one against the other. Takes
/// some 150 bytes of memory a row. Blocks; `progress` is called now and then.
///
/// # Errors
/// The run or its recording cannot be read, or `cancel` was set.
pub fn of_run(
    run: &Run,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Reconciliation, TruthError> {
    let semantics = run.pipeline().join.semantics;
    if semantics != Semantics::Clean {
        return Err(TruthError::Run(format!(
            "it was run under {semantics}, whose differences from the batch join are its rules and \
             not all in its verdicts: hold it against a clean run with joinscope semantics or diff"
        )));
    }
    let recording = run.recording().ok_or_else(|| {
        let path = run.manifest().start.recording.path;
        TruthError::Run(format!(
            "its recording {} is not there: say where it is now with --recording",
            path.display()
        ))
    })?;
    let claims = claims(run, cancel, progress)?;
    let rows = Rows::load(run.pipeline(), &recording, run.arrivals())?;
    if cancel.load(Ordering::Relaxed) {
        return Err(TruthError::Cancelled);
    }
    reconcile(run.pipeline(), &rows, &claims)
}

/// What the run says.
fn claims(
    run: &Run,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Claims, TruthError> {
    let (rows, outputs) = (run.rows(), run.outputs());
    let mut claims = Claims { end: end(run)?, ..Claims::default() };
    let mut read = 0;
    let mut step = |more: usize| {
        read += more as u64;
        progress(Progress { read, of: rows + outputs });
        if cancel.load(Ordering::Relaxed) { Err(TruthError::Cancelled) } else { Ok(()) }
    };
    while (claims.len() as u64) < rows {
        let page = run.page(claims.len() as u64, PAGE)?;
        if page.is_empty() {
            return Err(TruthError::Run(format!("it has only {} rows of {rows}", claims.len())));
        }
        for row in &page {
            claims.input.push(row.input);
            claims.partition.push(row.record.partition);
            claims.offset.push(row.record.offset);
            claims.watermark.push(row.watermark.unwrap_or(i64::MIN));
            claims.verdict.push(row.verdict);
            claims.open.push(row.kept && row.removed.is_none());
        }
        step(page.len())?;
    }
    while (claims.outputs.len() as u64) < outputs {
        let page = run.output_page(claims.outputs.len() as u64, PAGE)?;
        if page.is_empty() {
            let have = claims.outputs.len();
            return Err(TruthError::Run(format!("it has only {have} outputs of {outputs}")));
        }
        step(page.len())?;
        claims.outputs.extend(page.into_iter().map(|output| ClaimedOutput {
            rows: output.rows,
            kind: output.kind.into(),
            labels: output.labels,
            correction: output.correction,
            time: output.time,
        }));
    }
    Ok(claims)
}

/// The join's event-time watermark at the end of what is published.
fn end(run: &Run) -> Result<Option<i64>, TruthError> {
    let now = run.now();
    if now.manifest.start.at_end == "close" && run.state() == crate::run::RunState::Done {
        return Ok(Some(i64::MAX));
    }
    if run.arrivals() == 0 {
        return Ok(None);
    }
    Ok(Some(run.last_watermark()?.unwrap_or(i64::MIN)))
}

impl From<RunError> for TruthError {
    fn from(error: RunError) -> Self {
        Self::Run(error.to_string())
    }
}
