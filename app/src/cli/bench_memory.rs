//! `joinscope bench memory`: peak memory of a run beside that of one over a
//! recording many times as long, with as many live rows.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use serde_json::json;

use super::Answer;
use super::bench_load::{Load, folder, remove, run_whole, say};
use super::cluster::thousands;

/// Live rows of the two runs may differ by this share, so that memory is
/// compared at one size of state.
const ALIKE: f64 = 0.02;

/// Runs the reference load at two lengths and prints the peak memory of each
///
/// The load has 1.9 million live views once two million have come, however long
/// it is: from there on memory should not grow. Each run is a process of its own
/// with --memory 512MiB, its state and verdicts on disk; the recordings and the
/// longer run need about 250 bytes of disk for each view.
#[derive(Args)]
#[command(after_help = "Example:
  joinscope bench memory --views 4000000 --times 10")]
pub struct BenchMemory {
    /// Views of the shorter load; below 2,500,000 its state is not yet full
    #[arg(long, value_name = "N", default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(2_500_000..))]
    views: u64,
    /// How many times as long the other one is
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=1000))]
    times: u64,
    /// Where the loads and the runs lie [default: joinscope-bench in the
    /// system's temporary folder]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// One run.
struct Run {
    records: u64,
    live: u64,
    peak: u64,
    seconds: f64,
}

/// Runs the verb.
pub fn run(args: &BenchMemory) -> anyhow::Result<Answer> {
    let folder = folder(args.folder.as_deref());
    let mut runs = Vec::with_capacity(2);
    for views in [args.views, args.views.saturating_mul(args.times)] {
        let Load { recording, pipeline } = Load::make(&folder, views)?;
        say(&format!("running {} views …", thousands(views)));
        let out = folder.join("run-memory");
        let answer = run_whole(&pipeline, &recording, &out)?;
        remove(&out)?;
        let number = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
        runs.push(Run {
            records: number(&answer["records"]),
            live: number(&answer["state"]["rows"]),
            peak: number(&answer["peak_memory_bytes"]),
            seconds: answer["seconds"].as_f64().unwrap_or(0.0),
        });
    }
    let [short, long] = &runs[..] else { return Ok(Answer::No) };
    let live = long.live as f64 / short.live.max(1) as f64;
    ensure!(
        (live - 1.0).abs() <= ALIKE,
        "the runs end with {} and {} live rows: their memory cannot be compared",
        thousands(short.live),
        thousands(long.live)
    );
    let growth = long.peak as f64 / short.peak.max(1) as f64;
    let mut out = super::stdout::lock();
    if args.json {
        let entry = |run: &Run| {
            json!({
                "records": run.records,
                "live_rows": run.live,
                "peak_memory_bytes": run.peak,
                "seconds": run.seconds,
            })
        };
        let answer = json!({ "short": entry(short), "long": entry(long), "growth": growth });
        writeln!(out, "{answer}")?;
        return Ok(Answer::Yes);
    }
    for run in &runs {
        writeln!(
            out,
            "{:>12} records, {:>9} live rows at the end: peak memory {:>6} MB, {:.1} s",
            thousands(run.records),
            thousands(run.live),
            thousands(run.peak / 1_000_000),
            run.seconds
        )?;
    }
    writeln!(
        out,
        "{:.1} times the records, {growth:.2} times the memory",
        long.records as f64 / short.records.max(1) as f64
    )?;
    Ok(Answer::Yes)
}
