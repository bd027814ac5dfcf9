//! `joinscope torture`: random jobs through random faults on the simulated
//! cluster, and the ten things that must hold after each.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use clap::Args;
use joinscope_core::analyses::guarantees::schedule::Schedule;
use joinscope_core::analyses::guarantees::torture::{Torture as Spec, smallest, torture};
use joinscope_core::edges::fault::POINTS;
use serde_json::json;

use super::Answer;
use super::cluster::{plural, thousands};

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
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
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
    let schedule: Schedule = serde_json::from_str(text).map_err(|e| format!("no schedule: {e}"))?;
    let named = schedule.incidents.iter().flat_map(|i| i.meanwhile.iter().chain(&i.at));
    // One that is never passed would hold for nothing.
    for (point, ..) in named {
        if !POINTS.contains(&point.as_str()) {
            return Err(format!(
                "\"{point}\" is no point of the protocol: write one of {}",
                POINTS.join(", ")
            ));
        }
    }
    Ok(schedule)
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
            "{}, {}, {} ended on purpose, {seconds:.1} s",
            plural(outcome.cases, "schedule"),
            plural(outcome.incarnations, "incarnation"),
            thousands(crashes)
        )?;
        if let Some(guarantee) = outcome.guarantees.keys().next().filter(|_| count == 1) {
            writeln!(out, "{guarantee}")?;
        }
        for moment in &outcome.moments {
            let epoch = moment.epoch.map_or_else(String::new, |n| n.to_string());
            let process = moment.incarnation + 1;
            let (what, text) = (moment.what, &moment.text);
            let line = format!("  process {process}  {what:<12} {epoch:>6}  {text}");
            writeln!(out, "{}", line.trim_end())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by trying it: a point that is none was never passed, and everything held.
    #[test]
    fn a_schedule_names_points_that_there_are() {
        let of = |at: &str| {
            schedule(&format!(
                r#"{{"incidents":[{{"calls":[],"at":{at}}}],"order":null,"in_step":true}}"#
            ))
        };
        let good = of(r#"["prepared",2,"crash"]"#).unwrap();
        assert_eq!(good.incidents.len(), 1);
        let bad = of(r#"["nowhere",2,"crash"]"#).unwrap_err();
        assert!(bad.starts_with("\"nowhere\" is no point of the protocol: "), "{bad}");
        assert!(bad.contains("start.init, ") && bad.ends_with(", kept"), "{bad}");
        assert!(schedule("{").unwrap_err().starts_with("no schedule: "));
    }
}
