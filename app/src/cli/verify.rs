//! `joinscope recording verify`: whether a recording is what was written.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use joinscope_core::edges::recording::verify;
use serde_json::json;

use super::Answer;
use super::cluster::{plural, thousands};
use super::follow::follow;

/// Reads a recording through and checks every byte: all CRCs, arrival order,
/// offsets, indices, totals, digest. Exit code 1 if something is wrong
#[derive(Args)]
#[command(after_help = "Example:\n  joinscope recording verify feed.mcap")]
pub struct Verify {
    /// A recording; of a live run's arrival log one of its files
    recording: PathBuf,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Verify) -> anyhow::Result<Answer> {
    let verified = follow("bytes", |job| verify(&args.recording, job))?;
    let mut out = super::stdout::lock();
    if args.json {
        let problems: Vec<_> =
            verified.problems.iter().map(|p| json!({"byte": p.byte, "what": p.what})).collect();
        let answer = json!({
            "sound": verified.sound(),
            "records": verified.info.records,
            "chunks": verified.info.chunks,
            "digest": verified.digest,
            "stated_digest": verified.stated_digest,
            "missing": verified.info.notes.get("missing"),
            "problems": problems,
            "problem_count": verified.problem_count,
        });
        writeln!(out, "{answer}")?;
    } else {
        for problem in &verified.problems {
            writeln!(out, "byte {}: {}", thousands(problem.byte), problem.what)?;
        }
        let more = verified.problem_count - verified.problems.len() as u64;
        if more > 0 {
            writeln!(out, "… and {} more", thousands(more))?;
        }
        if let Some(missing) = verified.info.notes.get("missing") {
            writeln!(out, "it was sliced past damage, and is without")?;
            for range in super::info::missing(missing) {
                writeln!(out, "  {range}")?;
            }
        }
        let verdict = if verified.sound() { "sound" } else { "NOT sound" };
        writeln!(
            out,
            "{verdict}: {} in {}, digest {}",
            plural(verified.info.records, "intact record"),
            plural(verified.info.chunks as u64, "chunk"),
            verified.digest
        )?;
    }
    Ok(if verified.sound() { Answer::Yes } else { Answer::No })
}
