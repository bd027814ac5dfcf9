//! What a verdict owes to a modelled restart: after it the event-time watermark
//! begins anew, and rows are taken that it had passed (12-released-joins, A7, B10,
//! C9).

use super::candidates::Candidate;
use super::judge::Judge;
use crate::operator::pipeline::Semantics;
use crate::operator::record::Arrival;
use crate::operator::time::{format_duration, rfc3339_ms};
use crate::run::Run;
use crate::run::error::Result;
use crate::run::types::RowView;

/// Restarts without which a row would not have been taken, or not been kept.
struct Forgot {
    first: Arrival,
    last: Arrival,
    /// The event-time watermark that was forgotten, as it stood after the arrival
    /// before `first`; it may have gone further until the restart.
    stood: i64,
}

/// A sentence more where the row, or one that it matched, is there because of a
/// restart; empty where none is.
pub(super) fn said(
    run: &Run,
    judge: &Judge,
    row: &RowView,
    candidates: &[Candidate],
) -> Result<String> {
    if let Some(forgot) = of(run, judge, row)? {
        return Ok(format!(" {}", forgot.sentence(judge, row, "it")));
    }
    for candidate in candidates.iter().filter(|c| c.matched) {
        if let Some(forgot) = of(run, judge, &candidate.row)? {
            let name = candidate.record.to_string();
            return Ok(format!(" {}", forgot.sentence(judge, &candidate.row, &name)));
        }
    }
    Ok(String::new())
}

fn of(run: &Run, judge: &Judge, row: &RowView) -> Result<Option<Forgot>> {
    let now = run.now();
    let restarts = &now.manifest.start.restarts;
    let before = &restarts[..restarts.partition_point(|restart| *restart <= row.arrival)];
    let (Some(last), Some(time)) = (before.last(), row.event_time) else { return Ok(None) };
    if !Judge::taken(row) {
        return Ok(None);
    }
    // The newest alone, if what that forgot is enough: the watermark never goes back
    // but at a restart.
    for first in before.iter().rev() {
        let Some(arrival) = first.checked_sub(1) else { continue };
        let Some(stood) = run.watermarks_at(arrival)?.join else { continue };
        let passed = match judge.semantics() {
            // Rule B4.2.
            Semantics::FlinkSql => {
                !row.reason.not_kept() && stood.max(0) >= judge.matched_until(row.input, time)
            }
            // Rule C3.
            Semantics::FlinkDataStream => time < stood,
            Semantics::Clean | Semantics::KafkaStreams => false,
        };
        if passed {
            return Ok(Some(Forgot { first: *first, last: *last, stood }));
        }
    }
    Ok(None)
}

impl Forgot {
    fn sentence(&self, judge: &Judge, row: &RowView, name: &str) -> String {
        let Self { first, last, stood } = self;
        let when = if first == last {
            format!("at the restart before arrival {last}")
        } else {
            format!("at the restarts from the one before arrival {first} to the one before {last}")
        };
        let at = rfc3339_ms(*stood);
        if judge.semantics() == Semantics::FlinkSql {
            return format!(
                "Flink SQL kept {name} only because it forgot the event-time watermark {when}: that had stood at {at}, no longer before the end of its interval."
            );
        }
        let late = format_duration(stood.saturating_sub(row.event_time.unwrap_or(*stood)));
        format!(
            "Flink took {name} only because it forgot the event-time watermark {when}: that had stood at {at}, {late} past it."
        )
    }
}
