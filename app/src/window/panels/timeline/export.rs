//! The bars as rows of a file: one for each row of the panel and bar, with its
//! records by verdict.

use joinscope_operator::verdict::Verdict;
use serde_json::Value;

use super::{Row, Timeline};
use crate::window::cx::Cx;
use crate::window::export::{Listed, Source};
use crate::window::panels::watermarks::say::called_in;

/// `from` and `to` are on the clock of the axis: arrivals, or ms; `to` is past
/// the last.
const COLUMNS: [&str; 14] = [
    "row",
    "from",
    "to",
    "records",
    "joined",
    "unmatched",
    "late",
    "expired",
    "undecodable",
    "unkeyed",
    "untimed",
    "tombstone",
    "filtered",
    "open",
];

impl Timeline {
    /// What an export writes: what is drawn.
    #[must_use]
    pub fn data(&mut self, cx: &Cx<'_>) -> Option<Source> {
        let start = &cx.doc.run.as_ref()?.manifest.start;
        let known = self.known(cx)?;
        let q = known.question();
        let span = i128::from(q.range.to) - i128::from(q.range.from);
        let edge = |bucket: usize| {
            (i128::from(q.range.from) + span * bucket as i128 / q.buckets.max(1) as i128) as i64
        };
        let mut rows: Vec<Vec<Value>> = Vec::new();
        for counts in &known.drawn().rows {
            let name = match counts.row {
                Row::Input(input) => {
                    start.inputs.get(usize::from(input)).map(|i| i.name.to_string())
                }
                Row::Lane(lane) => Some(called_in(start, lane)),
            };
            let name = name.unwrap_or_default();
            for (bucket, by_verdict) in counts.buckets.iter().enumerate() {
                let records: u64 = by_verdict.iter().map(|n| u64::from(*n)).sum();
                if records == 0 {
                    continue;
                }
                let mut row: Vec<Value> = vec![
                    name.as_str().into(),
                    edge(bucket).into(),
                    edge(bucket + 1).into(),
                    records.into(),
                ];
                row.extend(COLUMNS[4..].iter().map(|column| {
                    let verdict = Verdict::ALL.into_iter().find(|v| v.name() == *column);
                    Value::from(verdict.map_or(0, |v| by_verdict[v as usize]))
                }));
                rows.push(row);
            }
        }
        Some(Listed::source(&COLUMNS, move || Ok(rows)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_column() {
        for verdict in Verdict::ALL {
            assert!(COLUMNS.contains(&verdict.name()), "{verdict}");
        }
    }
}
