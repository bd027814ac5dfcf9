//! What `joinscope run` prints of a run that ended: books, rates, event-time
//! watermark, digest.

use std::fmt::Write as _;
use std::path::Path;

use joinscope_core::engine::{InputBooks, Summary};
use joinscope_core::process::process_cpu;
use joinscope_operator::pipeline::Semantics;
use joinscope_operator::time::rfc3339_ms;
use joinscope_operator::verdict::Verdict;
use serde_json::{Map, json};

use super::super::cluster::{plural, thousands};

/// The contract of `run --json`.
pub fn as_json(summary: &Summary, dir: &Path) -> serde_json::Value {
    let books: Map<String, serde_json::Value> = summary
        .books
        .iter()
        .map(|InputBooks { input, counts }| {
            let counts: Map<String, serde_json::Value> = Verdict::ALL
                .into_iter()
                .map(|v| (v.name().to_owned(), counts.get(v).into()))
                .collect();
            (input.to_string(), counts.into())
        })
        .collect();
    let stages: Map<String, serde_json::Value> = summary
        .stages
        .iter()
        .map(|stage| (stage.name.to_owned(), stage.busy.as_secs_f64().into()))
        .collect();
    json!({
        "records": summary.records,
        "outputs": summary.outputs,
        "books": books,
        "digest": Some(&summary.digest).filter(|digest| !digest.is_empty()),
        "seconds": summary.seconds,
        "records_per_second": summary.records_per_second,
        "peak_memory_bytes": summary.peak_memory_bytes,
        "watermark": (summary.watermark != i64::MIN).then_some(summary.watermark),
        "state": { "rows": summary.state_rows, "bytes": summary.state_bytes },
        "checkpoints": summary.checkpoints,
        "ended": summary.ended,
        "stages": stages,
        "cpu_seconds": process_cpu().as_secs_f64(),
        "run": super::super::stdout::path(dir),
    })
}

pub fn as_text(summary: &Summary, semantics: Semantics, dir: &Path) -> String {
    let mut text = String::new();
    let verdicts: Vec<Verdict> = Verdict::ALL
        .into_iter()
        .filter(|v| summary.books.iter().any(|b| b.counts.get(*v) > 0))
        .collect();
    let width = summary.books.iter().map(|b| b.input.chars().count()).max().unwrap_or(0);
    let _ = write!(text, "{:width$}", "");
    for verdict in &verdicts {
        let _ = write!(text, " {:>14}", verdict.name());
    }
    text.push('\n');
    for InputBooks { input, counts } in &summary.books {
        let _ = write!(text, "{input:width$}");
        for verdict in &verdicts {
            let _ = write!(text, " {:>14}", thousands(counts.get(*verdict)));
        }
        text.push('\n');
    }
    let watermark = match summary.watermark {
        i64::MIN => "none yet".to_owned(),
        i64::MAX => "closed".to_owned(),
        ms => rfc3339_ms(ms),
    };
    let _ = writeln!(
        text,
        "\n{}, {} in {:.2} s ({} records/s), peak memory {} MB",
        plural(summary.records, "record"),
        plural(summary.outputs, "output"),
        summary.seconds,
        thousands(summary.records_per_second as u64),
        thousands(summary.peak_memory_bytes / 1_000_000)
    );
    let _ = writeln!(text, "event-time watermark {watermark}");
    if semantics.release().is_some() {
        let _ = writeln!(text, "semantics {semantics}");
    }
    // A run that ended at a breakpoint has none.
    if !summary.digest.is_empty() {
        let _ = writeln!(text, "digest {}", summary.digest);
    }
    let _ = writeln!(text, "run {}", dir.display());
    text
}
