//! `joinscope bench window`: the window's figures over one run, in a process of
//! its own, so that its memory is its own.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::Answer;
use crate::window::{Measured, Panel, measure};

/// Measures opening a run, frame work and answers of the window, without a display
///
/// Frame work is the CPU time of one pass and its tessellation, 1600×1000, the
/// cursor moved each frame by a seeded path. Bounds at 10 million records: frame
/// work 8 ms at p99, answers 100 ms at p99, name and books after 1 s, everything
/// after 3 s.
#[derive(Args)]
#[command(after_help = "Example:
  joinscope bench window runs/3")]
pub struct BenchWindow {
    /// A run folder
    run: PathBuf,
    /// How many are measured
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,
    /// Of the cursor's path
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Brings this panel to the front of the default layout first; may be repeated
    #[arg(long = "panel", value_name = "PANEL")]
    panels: Vec<Panel>,
    /// Another run, compared with in the panel compare
    #[arg(long, value_name = "RUN")]
    compare: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &BenchWindow) -> anyhow::Result<Answer> {
    let f = measure(&Measured {
        run: &args.run,
        frames: args.frames as usize,
        seed: args.seed,
        panels: &args.panels,
        compare: args.compare.as_deref(),
    })?;
    let mut out = super::stdout::lock();
    if args.json {
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
