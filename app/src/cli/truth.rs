//! `joinscope truth`: a run held against the independent batch join.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use clap::Args;
use joinscope_core::analyses::truth::{self, Because, Progress, Reconciliation};

use super::Answer;
use super::cluster::{Bar, plural};

/// Holds a run against an independent batch join over the whole recording
///
/// Every difference must follow from the run's own verdicts: a record that was
/// late, one that came when its partner had left, a row that was still open.
/// Exit code 1 if one does not.
#[derive(Args)]
#[command(after_help = "Example:\n  joinscope truth runs/feed --limit 20")]
pub struct Truth {
    /// The run's folder
    run: PathBuf,
    /// Where the recording lies now, if it moved
    #[arg(long)]
    recording: Option<PathBuf>,
    /// Differences to list
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Truth) -> anyhow::Result<Answer> {
    let run = super::runs::open_over(&args.run, args.recording.as_deref())?;
    let mut bar = Bar::new();
    let report = truth::of_run(&run, &AtomicBool::new(false), &mut |at: Progress| {
        bar.show(at.read, at.of, "reading the run".to_owned());
    });
    bar.clear();
    let mut report = report.with_context(|| args.run.display().to_string())?;
    report.differences.truncate(args.limit);
    let mut out = super::stdout::lock();
    if args.json {
        serde_json::to_writer(&mut out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&report, &mut out)?;
    }
    Ok(if report.agrees() { Answer::Yes } else { Answer::No })
}

fn print(report: &Reconciliation, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "truth {}, run {}, the same {}; differences: {} explained, {} unexplained",
        plural(report.truth, "output"),
        report.run,
        report.same,
        report.explained,
        report.unexplained
    )?;
    for (what, count) in &report.counts {
        writeln!(out, "  {what:<24} {count}")?;
    }
    for difference in &report.differences {
        let because = match difference.because {
            Some(Because::Late { .. }) => "late",
            Some(Because::Gone { .. }) => "gone",
            Some(Because::Open { .. }) => "open",
            None => "UNEXPLAINED",
        };
        writeln!(
            out,
            "{} ({because}) {}: {}",
            difference.kind.name(),
            difference.output,
            difference.text
        )?;
    }
    Ok(())
}
