//! What the state panel gives to a file: what its table lists, or the lines over
//! time that its picture shows.

use joinscope_core::run::MinMax;

use super::{State, ask};
use crate::window::cx::Cx;
use crate::window::export::{Data, Listed, Source};

/// Pieces that the range in sight is cut into.
const PIECES: usize = 1_000;

/// `from` and `to` are on the clock of the axis: arrivals, or ms; `to` is past
/// the last. Of each figure the least and the most within the piece; on disk is what the
/// newest checkpoint holds, empty where that is not known.
const COLUMNS: [&str; 10] = [
    "from",
    "to",
    "rows_min",
    "rows_max",
    "memory_bytes_min",
    "memory_bytes_max",
    "disk_rows_min",
    "disk_rows_max",
    "disk_bytes_min",
    "disk_bytes_max",
];

impl State {
    /// What is listed at the cursor.
    #[must_use]
    pub fn data(&self, cx: &Cx<'_>) -> Option<Source> {
        let run = cx.doc.run.as_ref()?.run.clone();
        let (at, order) = (cx.cursor.at(), self.order);
        let known = self.looking.whole.clone().filter(|now| now.arrival == at);
        Some(Box::new(move |meter| {
            let now = match known {
                Some(now) => now,
                // The panel is not in sight, or the cursor has just moved.
                None => ask::whole(&run, at, &meter.cancel())?,
            };
            Ok(Box::new(ask::Listed::new(run, now, order)) as Box<dyn Data>)
        }))
    }

    /// The lines over the range in sight.
    #[must_use]
    pub fn lines_data(cx: &Cx<'_>) -> Option<Source> {
        let run = cx.doc.run.as_ref()?.run.clone();
        let range = cx.axis(0.0, 1.0).range();
        Some(Listed::source(&COLUMNS, move || {
            let span = i128::from(range.to) - i128::from(range.from);
            let pieces = PIECES.min(usize::try_from(span).unwrap_or(PIECES)).max(1);
            let lines = run.state_lines(range, pieces).map_err(|e| e.to_string())?;
            let edge = |piece: usize| {
                (i128::from(range.from) + span * piece as i128 / pieces as i128) as i64
            };
            let figures = [&lines.rows, &lines.memory_bytes, &lines.disk_rows, &lines.disk_bytes];
            let mut rows = Vec::with_capacity(pieces);
            for piece in 0..pieces {
                let of = figures.map(|line| line.get(piece).copied().flatten());
                if of.iter().all(Option::is_none) {
                    continue;
                }
                let mut row = vec![edge(piece).into(), edge(piece + 1).into()];
                for value in of {
                    row.push(value.map(|v: MinMax| v.min).into());
                    row.push(value.map(|v| v.max).into());
                }
                rows.push(row);
            }
            Ok(rows)
        }))
    }
}
