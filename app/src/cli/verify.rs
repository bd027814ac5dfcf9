//! `joinscope recording verify`: whether a recording is what was written.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use joinscope_core::edges::recording::{Problem, verify};
use serde_json::{Value, json};

use super::Answer;
use super::cluster::{plural, thousands};
use super::follow::follow;

/// Reads a recording through and checks every byte: all CRCs, arrival order,
/// offsets, indices, totals, digest; of a folder each segment, and that they follow one
/// another. Exit code 1 if something is wrong
///
/// A live run that is killed leaves a segment of its arrival log cut off, and its next
/// start goes on in another: that is said, and sound, where no record is missing between
/// the two.
#[derive(Args)]
#[command(after_help = "Example:\n  joinscope recording verify feed.mcap")]
pub struct Verify {
    /// A recording: a file, or a folder of segments (`record --roll-size`, or the arrival
    /// log of a live run)
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
        let problems: Vec<_> = verified.problems.iter().map(problem_json).collect();
        let answer = json!({
            "sound": verified.sound(),
            "records": verified.info.records,
            "chunks": verified.info.chunks,
            "digest": verified.digest,
            "stated_digest": verified.stated_digest,
            "missing": verified.info.notes.get("missing"),
            "cuts": verified.cuts.iter().map(problem_json).collect::<Vec<_>>(),
            "problems": problems,
            "problem_count": verified.problem_count,
        });
        writeln!(out, "{answer}")?;
    } else {
        for said in verified.cuts.iter().chain(&verified.problems) {
            writeln!(out, "{}", line(said))?;
        }
        let more = verified.problem_count - verified.problems.len() as u64;
        if more > 0 {
            writeln!(out, "… and {} more", thousands(more))?;
        }
        if let Some(missing) = verified.info.notes.get("missing") {
            writeln!(out, "it is known to be without")?;
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

fn problem_json(problem: &Problem) -> Value {
    let mut said = json!({"byte": problem.byte, "what": problem.what});
    if let Some(segment) = &problem.segment {
        said["segment"] = json!(segment);
    }
    said
}

/// A problem behind its place; one of a whole segment, or of all, has no byte.
fn line(Problem { segment, byte, what }: &Problem) -> String {
    let byte = (*byte > 0).then(|| format!("byte {}", thousands(*byte)));
    let said = segment.clone().into_iter().chain(byte).collect::<Vec<_>>().join(", ");
    if said.is_empty() { what.clone() } else { format!("{said}: {what}") }
}
