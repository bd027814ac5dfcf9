//! `joinscope explain`: one record of a run, in sentences.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use joinscope_core::run::Run;
use joinscope_core::run::explain::{Explanation, NOT_AT_HAND, explain};
use joinscope_operator::figures::plural;
use joinscope_operator::record::RecordName;
use joinscope_operator::time::{format_duration, rfc3339_ms};
use joinscope_operator::verdict::Verdict;

use super::Answer;
use super::run::warn;
use super::runs::no_recording;
use super::verdicts::plain;

/// Why a record has its verdict, and what would have been enough for another
///
/// The verdict in a sentence, its numbers, the candidates and why each did or did
/// not match, what followed, and the smallest setting that changes the verdict.
///
/// Example: joinscope explain runs/1 "engagements[2]@1401"
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Explain {
    /// The run's folder
    run: PathBuf,
    /// topic[partition]@offset
    record: RecordName,
    /// Where the recording lies now, if it moved
    #[arg(long, value_name = "RECORDING")]
    recording: Option<PathBuf>,
    /// Only as this input took it (two inputs may read one topic)
    #[arg(long, value_name = "NAME")]
    input: Option<String>,
    /// One JSON object a line, one for each input
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Explain) -> anyhow::Result<Answer> {
    let run = super::runs::open_over(&args.run, args.recording.as_deref())?;
    let input = match &args.input {
        None => None,
        Some(name) => match run.pipeline().input_named(name) {
            Some(input) => Some(input),
            None => bail!("the pipeline has no input \"{name}\"; it has {}", inputs(&run)),
        },
    };
    let rows = run.find(&args.record)?;
    if rows.is_empty() {
        bail!("the run has not taken in {}: {}", args.record, not_taken(&run, &args.record));
    }
    let mut out = BufWriter::new(super::stdout::lock());
    let (mut shown, mut unsaid) = (0, false);
    for row in rows.iter().filter(|row| input.is_none_or(|input| input == row.input)) {
        let explained = explain(&run, row.row)?;
        unsaid |= explained.sentence.contains(NOT_AT_HAND);
        if args.json {
            serde_json::to_writer(&mut out, &explained.to_json(&run))
                .map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else {
            if shown > 0 {
                writeln!(out)?;
            }
            text(&mut out, &run, &explained, rows.len() > 1)?;
        }
        shown += 1;
    }
    if shown == 0 {
        bail!(
            "{} does not feed the input \"{}\"",
            args.record,
            args.input.as_deref().unwrap_or("")
        );
    }
    out.flush()?;
    if unsaid {
        warn(&no_recording(&run));
    }
    Ok(Answer::Yes)
}

fn inputs(run: &Run) -> String {
    run.pipeline().inputs.iter().map(|i| i.name.to_string()).collect::<Vec<_>>().join(", ")
}

/// Why a record may not be there.
fn not_taken(run: &Run, name: &RecordName) -> String {
    let topics = run.pipeline().topics();
    if !topics.contains(&name.topic) {
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        return format!("its pipeline reads {}", topics.join(", "));
    }
    let Some(recording) = run.recording() else {
        return format!("whether it was recorded cannot be said: {}", no_recording(run));
    };
    let partition = recording.info().partitions.iter().find(|p| {
        p.topic_partition.topic == name.topic && p.topic_partition.partition == name.partition
    });
    match partition.and_then(|p| Some((p.first_offset?, p.last_offset?))) {
        Some((first, last)) => format!(
            "{}[{}] was recorded from offset {first} to {last}, and the run took in {} in all",
            name.topic,
            name.partition,
            plural(run.arrivals(), "record")
        ),
        None => format!("{}[{}] has no records in it", name.topic, name.partition),
    }
}

/// Columns of the figures' labels, at least.
const LABEL: usize = 22;

/// The figures, by their labels.
fn numbers(e: &Explanation) -> Vec<(&str, String)> {
    let row = &e.row;
    let mut numbers: Vec<(&str, String)> = Vec::new();
    if let Some(time) = row.event_time {
        numbers.push(("Event time", rfc3339_ms(time)));
    }
    let watermark = row.watermark.map_or_else(|| "none yet".to_owned(), rfc3339_ms);
    numbers.push(("Watermark then", watermark));
    numbers.push(("Arrival", format!("{} · {}", row.arrival, rfc3339_ms(row.arrival_ms))));
    if let Some(late) = row.late_by {
        numbers.push(("Late by", format_duration(late)));
    }
    if let Some(key) = &row.key {
        numbers.push(("Key", key.to_string()));
    }
    numbers.extend(e.numbers.iter().map(|(name, figure)| (name.as_str(), figure.to_string())));
    if let Some(decided) = row.decided.filter(|d| *d != row.arrival) {
        numbers.push(("Verdict fell at", format!("arrival {decided}")));
    }
    if let Some(removed) = row.removed.filter(|_| row.kept) {
        numbers.push(("Left the state at", format!("arrival {removed}")));
    }
    numbers
}

fn text(out: &mut impl Write, run: &Run, e: &Explanation, by_input: bool) -> std::io::Result<()> {
    let row = &e.row;
    let input = if by_input { format!(" as {}", e.input) } else { String::new() };
    writeln!(out, "{}{input} · {}", row.record, row.verdict)?;
    writeln!(out, "{}\n", plain(e.sentence.trim(), 4_000))?;
    let numbers = numbers(e);
    // An input's name may be long.
    let longest = numbers.iter().map(|(name, _)| name.chars().count()).max();
    let width = longest.unwrap_or(0).max(LABEL);
    for (name, figure) in &numbers {
        writeln!(out, "  {name:<width$} {}", plain(figure, 200))?;
    }
    if !e.candidates.is_empty() {
        writeln!(out, "\nCandidates")?;
        for c in &e.candidates {
            let apart = c.distance_ms.map(signed).unwrap_or_default();
            writeln!(out, "  {:<28} {apart:>12}  {}", c.record.to_string(), plain(&c.why, 120))?;
        }
        if e.more_candidates > 0 {
            writeln!(out, "  and {} more", e.more_candidates)?;
        }
    }
    if !e.enough.is_empty() {
        let heading = match row.verdict {
            Verdict::Late => "It would not have been late with one of",
            _ => "The verdict would have been another with one of",
        };
        writeln!(out, "\n{heading}")?;
        for x in &e.enough {
            writeln!(
                out,
                "  {:<34} {:<12} --set {}={}\n    {}",
                x.text,
                x.bound(),
                x.path,
                x.value,
                x.effect
            )?;
        }
    }
    if row.outputs > 0 {
        writeln!(out, "\nWhat followed")?;
        let labels =
            run.pipeline().examples.as_ref().map(|x| x.labels.as_slice()).unwrap_or_default();
        for o in &e.outputs {
            let labels: Vec<String> = labels
                .iter()
                .enumerate()
                .map(|(bit, l)| format!(", {} = {}", plain(&l.name, 60), o.labels >> bit & 1))
                .collect();
            let correction = match o.correction {
                0 => String::new(),
                k => format!(", correction {k}"),
            };
            writeln!(out, "  output {}, epoch {}{correction}{}", o.n, o.epoch, labels.concat())?;
        }
        let more = row.outputs.saturating_sub(e.outputs.len() as u64);
        if more > 0 {
            writeln!(out, "  and {more} more")?;
        }
    }
    Ok(())
}

/// `−3m 05s`, `+1.2 s`.
fn signed(ms: i64) -> String {
    if ms > 0 { format!("+{}", format_duration(ms)) } else { format_duration(ms) }
}
