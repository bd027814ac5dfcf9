//! The lines as rows of a file: one for each line and piece of the range in
//! sight, all partitions among them.

use joinscope_core::run::{MinMax, Range};

use super::Watermarks;
use super::say::called_in;
use crate::window::cx::Cx;
use crate::window::export::{Listed, Source};

/// Pieces that the range in sight is cut into.
const PIECES: usize = 500;

const COLUMNS: [&str; 6] = [
    "line",
    "arrival",
    "arrival_time_ms_from",
    "arrival_time_ms_to",
    "watermark_ms_from",
    "watermark_ms_to",
];

impl Watermarks {
    /// What an export writes.
    #[must_use]
    pub fn data(cx: &Cx<'_>) -> Option<Source> {
        let run = cx.doc.run.as_ref()?.run.clone();
        let range: Range = cx.axis(0.0, 1.0).range();
        Some(Listed::source(&COLUMNS, move || {
            let start = run.manifest().start;
            let lanes: Vec<u32> = (0..start.lanes.len() as u32).collect();
            let lines = run.lines(range, &lanes, PIECES).map_err(|e| e.to_string())?;
            let mut rows = Vec::new();
            let mut put = |name: &str, line: &[Option<MinMax>]| {
                for (i, value) in line.iter().enumerate() {
                    let (Some(value), Some(Some(ms))) = (value, lines.arrival_ms.get(i)) else {
                        continue;
                    };
                    rows.push(vec![
                        name.into(),
                        lines.arrivals.get(i).copied().into(),
                        ms.min.into(),
                        ms.max.into(),
                        value.min.into(),
                        value.max.into(),
                    ]);
                }
            };
            put("join", &lines.join);
            for (input, line) in start.inputs.iter().zip(&lines.inputs) {
                put(&input.name, line);
            }
            for (lane, line) in lines.lanes.iter().zip(&lines.lane_lines) {
                put(&called_in(&start, *lane), line);
            }
            Ok(rows)
        }))
    }
}
