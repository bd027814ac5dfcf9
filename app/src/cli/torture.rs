//! `joinscope torture`: random jobs through random faults on the simulated
//! cluster, and the ten things that must hold after each.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use clap::Args;
use joinscope_core::analyses::guarantees::schedule::Schedule;
use joinscope_core::analyses::guarantees::torture::{Torture as Spec, smallest, torture};
use serde_json::json;

use super::Answer;
use super::cluster::thousands;

/// Random jobs through random faults on a simulated cluster
///
/// After each the sink topics, progress, offsets, digest and books are held against
/// a run without faults. A case that fails is made smaller and printed as the one
/// command that runs it again. Exit code 1 if one fails.
///
/// Example: joinscope torture --schedules 500 --seed 1
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Torture {
    /// How many cases
    #[arg(long, value_name = "N", default_value_t = 500)]
    schedules: u64,
    /// The same seed gives the same cases, in one version of this program
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the case with this number
    #[arg(long, value_name = "K")]
    only: Option<u64>,
    /// At most so many records in a case
    #[arg(long, value_name = "N")]
    records: Option<usize>,
    /// Instead of the case's own schedule (JSON, as a failing case prints it)
    #[arg(long, value_name = "JSON", value_parser = schedule, requires = "only")]
    faults: Option<Schedule>,
    /// Cases at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

fn schedule(text: &str) -> Result<Schedule, String> {
    serde_json::from_str(text).map_err(|e| format!("no schedule: {e}"))
}

pub fn run(args: &Torture) -> anyhow::Result<Answer> {
    let began = Instant::now();
    let count = if args.only.is_some() { 1 } else { args.schedules };
    let spec = Spec {
        seed: args.seed,
        first: args.only.unwrap_or(0),
        count,
        records: args.records,
        schedule: args.faults.clone(),
        threads: args.threads,
    };
    let shown = std::io::stderr().is_terminal();
    let outcome = torture(&spec, &|done| {
        if shown && done.is_multiple_of(20) {
            // Nobody may be there to read it.
            let _ = write!(std::io::stderr(), "\r{done} of {count}");
        }
    })
    .map_err(|what| anyhow::anyhow!(what))?;
    if shown {
        let _ = writeln!(std::io::stderr());
    }
    let failed = outcome
        .failed
        .map(|failed| if args.faults.is_some() { failed } else { smallest(failed, |_| {}) });
    let seconds = began.elapsed().as_secs_f64();
    let crashes: u64 = outcome.crashes.values().sum();
    let mut out = super::stdout::lock();
    if args.json {
        let failed = failed.as_ref().map(|failed| {
            let violations: Vec<_> =
                failed.violations.iter().map(|v| json!({"rule": v.rule, "what": v.what})).collect();
            json!({"command": failed.command(), "violations": violations})
        });
        let line = json!({
            "seed": args.seed,
            "schedules": outcome.cases,
            "incarnations": outcome.incarnations,
            "crashes": outcome.crashes,
            "guarantees": outcome.guarantees,
            "seconds": seconds,
            "failed": failed,
        });
        writeln!(out, "{line}")?;
    } else {
        writeln!(
            out,
            "{} schedules, {} incarnations, {} ended on purpose, {seconds:.1} s",
            thousands(outcome.cases),
            thousands(outcome.incarnations),
            thousands(crashes)
        )?;
        if let Some(guarantee) = outcome.guarantee {
            writeln!(out, "{guarantee:?}")?;
        }
        for moment in &outcome.moments {
            let epoch = moment.epoch.map_or_else(String::new, |n| n.to_string());
            let process = moment.incarnation + 1;
            writeln!(out, "  process {process}  {:<12} {epoch:>6}  {}", moment.what, moment.text)?;
        }
        for (point, n) in &outcome.crashes {
            writeln!(out, "  {n:>7}  {point}")?;
        }
        if let Some(failed) = &failed {
            writeln!(out, "\nfailed:")?;
            for violation in &failed.violations {
                writeln!(out, "  {} (4-commit, {})", violation.what, violation.rule)?;
            }
            writeln!(out, "run it again: {}", failed.command())?;
        } else {
            writeln!(out, "everything held")?;
        }
    }
    Ok(if failed.is_some() { Answer::No } else { Answer::Yes })
}
