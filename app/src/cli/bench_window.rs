//! `joinscope bench --window RUN`: the window's figures over one run (6-window),
//! without a display.

use std::io::Write as _;
use std::path::Path;

use super::Answer;
use crate::window::measure;

/// Frames that are measured.
const FRAMES: usize = 1_000;

/// Measures opening `run`, frame work and answers of the window.
pub fn run(run: &Path, json: bool) -> anyhow::Result<Answer> {
    let f = measure(run, FRAMES, 1)?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(&f)?)?;
        return Ok(Answer::Yes);
    }
    let line =
        |what: &str, value: f64, bound: &str| format!("{what:<34}{value:>9.2} ms  {bound}\n");
    let text = [
        format!("records{:>36}\n", f.records),
        line("opened: name and books", f.open_first_ms, "at most 1,000"),
        line("opened: no request open", f.open_whole_ms, "at most 3,000"),
        line("frame work, median", f.frame_p50_ms, ""),
        line("frame work, p99", f.frame_p99_ms, "at most 8"),
        line("frame work, most", f.frame_most_ms, ""),
        line("answers to a moved cursor, median", f.answer_p50_ms, ""),
        line("answers to a moved cursor, p99", f.answer_p99_ms, "at most 100"),
        format!("anonymous memory{:>27.0} MB\n", f.rss_anon as f64 / 1e6),
        format!("vertices, most{:>29}     at most 200,000\n", f.vertices_most),
    ];
    write!(out, "{}", text.concat())?;
    Ok(Answer::Yes)
}
