//! `joinscope bench window`: the window's figures over one run, in a process of
//! its own, so that its memory is its own.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::Answer;
use super::cluster::thousands;
use crate::window::{Measured, Panel, measure};

/// Measures opening a run, frame work and answers of the window, without a display
///
/// Frame work is the CPU time of one pass and its tessellation, 1600×1000. In each
/// frame one thing is moved by a seeded path: the cursor, what the time axes show,
/// the wheel over a table, in turn. Bounds at 10 million records: frame work 8 ms at
/// p99, answers 100 ms at p99, name and books after 1 s, everything after 3 s,
/// anonymous memory 300 MB, 200,000 vertices in a frame. What is above its bound is
/// marked so; the exit code is 0 all the same. `joinscope bench` leaves a run of
/// about 12 million records in its folder, joinscope-bench/run in the system's
/// temporary folder.
#[derive(Args)]
#[command(after_help = "Examples:
  joinscope bench window runs/3
  joinscope bench --brief --rounds 1 && joinscope bench window /tmp/joinscope-bench/run")]
pub struct BenchWindow {
    /// A run folder
    run: PathBuf,
    /// How many are measured
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,
    /// Of the path by which the cursor, the axes and the table are moved
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

/// A figure of [`measure`] as it is printed.
struct Line {
    field: &'static str,
    what: &'static str,
    unit: Unit,
    /// What it may be at 10 million records, in the field's own unit.
    most: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Ms,
    /// Of bytes.
    Megabytes,
    Count,
}

const LINES: [Line; 9] = [
    line("open_first_ms", "opened: name and books", Unit::Ms, Some(1_000.0)),
    line("open_whole_ms", "opened: no request open", Unit::Ms, Some(3_000.0)),
    line("frame_p50_ms", "frame work, median", Unit::Ms, None),
    FRAME,
    line("frame_most_ms", "frame work, most", Unit::Ms, None),
    line("answer_p50_ms", "answers to a move, median", Unit::Ms, None),
    ANSWER,
    line("rss_anon", "anonymous memory", Unit::Megabytes, Some(300e6)),
    line("vertices_most", "vertices, most", Unit::Count, Some(200_000.0)),
];
const FRAME: Line = line("frame_p99_ms", "frame work, p99", Unit::Ms, Some(8.0));
const ANSWER: Line = line("answer_p99_ms", "answers to a move, p99", Unit::Ms, Some(100.0));

const fn line(field: &'static str, what: &'static str, unit: Unit, most: Option<f64>) -> Line {
    Line { field, what, unit, most }
}

impl Unit {
    fn shown(self, value: f64) -> String {
        match self {
            Self::Ms => format!("{value:.2} ms"),
            Self::Megabytes => format!("{} MB", whole(value / 1e6)),
            Self::Count => whole(value),
        }
    }
}

fn whole(value: f64) -> String {
    thousands(value.round() as u64)
}

impl Line {
    fn text(&self, what: &str, figures: &Value) -> String {
        let value = figures[self.field].as_f64().unwrap_or(f64::NAN);
        let mut text = format!("{what:<34}{:>12}", self.unit.shown(value));
        if let Some(most) = self.most {
            let most_shown = match self.unit {
                Unit::Ms | Unit::Count => whole(most),
                Unit::Megabytes => whole(most / 1e6),
            };
            text.push_str(&format!("  at most {most_shown}"));
            if value > most {
                text.push_str("  ABOVE THE BOUND");
            }
        }
        text.push('\n');
        text
    }
}

fn tell(figures: &Value) -> String {
    let records = thousands(figures["records"].as_u64().unwrap_or(0));
    let mut text = format!("{:<34}{records:>12}\n", "records");
    for line in &LINES {
        text.push_str(&line.text(line.what, figures));
    }
    for part in figures["parts"].as_array().into_iter().flatten() {
        let doing = part["doing"].as_str().unwrap_or_default();
        for line in [&FRAME, &ANSWER] {
            text.push_str(&line.text(&format!("{doing}: {}", line.what), part));
        }
    }
    text
}

/// Runs the verb.
pub fn run(args: &BenchWindow) -> anyhow::Result<Answer> {
    let figures = measure(&Measured {
        run: &args.run,
        frames: args.frames as usize,
        seed: args.seed,
        panels: &args.panels,
        compare: args.compare.as_deref(),
    })?;
    let figures = serde_json::to_value(&figures)?;
    let mut out = super::stdout::lock();
    if args.json {
        writeln!(out, "{figures}")?;
    } else {
        write!(out, "{}", tell(&figures))?;
    }
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_above_its_bound_is_marked() {
        let part = |doing: &str, ms: f64| json!({ "doing": doing, "frame_p99_ms": ms, "answer_p99_ms": 12.0 });
        let figures = json!({
            "records": 12_045_678,
            "open_first_ms": 999.0, "open_whole_ms": 3_000.5,
            "frame_p50_ms": 9.0, "frame_p99_ms": 8.01, "frame_most_ms": 20.0,
            "answer_p50_ms": 3.0, "answer_p99_ms": 100.0,
            "rss_anon": 300_400_000, "vertices_most": 200_000,
            "parts": [part("scrubbing", 7.0), part("zooming", 8.02), part("scrolling", 1.0)],
        });
        let text = tell(&figures);
        let marked = text.lines().filter(|l| l.ends_with("at most 3,000  ABOVE THE BOUND")).count();
        assert_eq!(marked, 1, "{text}");
        let above: Vec<&str> = text.lines().filter(|l| l.contains("ABOVE")).collect();
        let begin =
            ["opened: no request open", "frame work, p99", "anonymous memory", "zooming: f"];
        assert_eq!(above.len(), begin.len(), "{text}");
        assert!(above.iter().zip(begin).all(|(l, begin)| l.starts_with(begin)), "{text}");
        assert!(text.contains("300 MB  at most 300  ABOVE"), "{text}");
        assert!(text.contains("  12,045,678\n") && text.contains("200,000  at most 200,000\n"));
        assert_eq!(text.lines().count(), 1 + LINES.len() + 6);
    }
}
