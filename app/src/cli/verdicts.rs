//! `joinscope verdicts`: what became of every record, in arrival order.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use joinscope_core::run::explain::{NOT_AT_HAND, Whys};
use joinscope_core::run::{RowView, Run, VerdictSet};
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::time::{format_duration, rfc3339_ms};
use serde_json::json;

use super::Answer;
use super::cluster::{Bar, plural, thousands};
use super::filter::Filter;
use super::run::warn;
use super::runs::no_recording;
use super::values::Values;

// Not as comments: what stands in backticks, as comments have names, a shell runs.
const EXAMPLE: &str =
    "Example: joinscope verdicts runs/1 --where \"verdict=late, late_by>5s\" --limit 20";
const CONDITIONS: &str = "Conditions joined by commas or \"and\": verdict=late|expired, \
    input=views, topic=views, partition=0, record=views[0]@12, key=42, late_by>5s, \
    event_time>=2026-01-01T00:00:00Z, arrival<1000, outputs>1, padded=true, key~part, \
    value.kind=like (a field of the value, read from the recording)";

/// The verdicts of a run, in arrival order.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub struct Verdicts {
    /// The run's folder
    run: PathBuf,
    /// Where the recording lies now, if it moved
    #[arg(long, value_name = "RECORDING")]
    recording: Option<PathBuf>,
    #[arg(long = "where", value_name = "EXPR", help = CONDITIONS)]
    filter: Option<Filter>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Rows that are read at once.
const PAGE: usize = 4_096;

pub fn run(args: &Verdicts) -> anyhow::Result<Answer> {
    let run = super::runs::open_over(&args.run, args.recording.as_deref())?;
    let filter = args.filter.clone().unwrap_or_default();
    filter.check(&run)?;
    let values = if filter.needs_values() { Values::needed(&run)? } else { Values::none() };
    let mut out = BufWriter::new(super::stdout::lock());
    let mut whys = Whys::new(&run);
    if !args.json {
        writeln!(
            out,
            "{:>11}  {:<28} {:<22} {:<24} {:>10}  {:<11}  why",
            "arrival", "record", "key", "event time", "late by", "verdict"
        )?;
    }
    let (mut left, mut unsaid) = (args.limit.unwrap_or(u64::MAX), false);
    each_row(&run, &filter, values, |row| {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        let why = whys.of(row).context("the run cannot be read")?;
        unsaid |= why == NOT_AT_HAND;
        if args.json {
            json_line(&mut out, &run, row, &why)?;
        } else {
            table_line(&mut out, run.pipeline(), row, &why)?;
        }
        Ok(left > 0)
    })?;
    out.flush()?;
    if unsaid {
        warn(&no_recording(&run));
    }
    Ok(Answer::Yes)
}

/// Rows that meet the filter, in row order, until `each` says enough.
fn each_row(
    run: &Run,
    filter: &Filter,
    mut values: Values,
    mut each: impl FnMut(&RowView) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut bar = Bar::new();
    // A bar among lines of a terminal would tear them: it ends at the first.
    let (terminal, mut quiet) = (std::io::stdout().is_terminal(), false);
    let looked = look_through(run, filter, |page, at, total| {
        for row in page {
            if filter.meets(run, row, &mut values)? {
                if terminal && !quiet {
                    bar.clear();
                    quiet = true;
                }
                if !each(row)? {
                    return Ok(false);
                }
            }
        }
        if !quiet {
            let words = format!("{} of {}", thousands(at), plural(total, "row"));
            bar.show(at, total, words);
        }
        Ok(true)
    });
    bar.clear();
    looked
}

/// All rows that may meet the filter, page by page, with how many there were by
/// then and are in all, until `each` says enough.
fn look_through(
    run: &Run,
    filter: &Filter,
    mut each: impl FnMut(&[RowView], u64, u64) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let (set, pinned) = (filter.verdicts(), filter.pinned(run)?);
    let total = pinned.as_ref().map_or_else(|| run.count(set), |rows| rows.len() as u64);
    let mut at = 0;
    loop {
        // An index leads to the rows of a key, a record or a verdict; otherwise
        // all are looked at.
        let page = match &pinned {
            Some(rows) => {
                let rest = rows.get(at as usize..).unwrap_or_default();
                run.views(&rest[..rest.len().min(PAGE)])?
            }
            None if set == VerdictSet::ALL => run.page(at, PAGE)?,
            None => run.views(&run.nth_from(set, at, PAGE)?)?,
        };
        if page.is_empty() {
            return Ok(());
        }
        at += page.len() as u64;
        if !each(&page, at, total)? {
            return Ok(());
        }
    }
}

/// The record, and as which input it was taken where its topic feeds several.
fn named(pipeline: &Pipeline, row: &RowView) -> String {
    let several = pipeline.inputs_of(&row.record.topic).nth(1).is_some();
    match pipeline.inputs.get(usize::from(row.input)).filter(|_| several) {
        Some(input) => format!("{} as {}", row.record, input.name),
        None => row.record.to_string(),
    }
}

fn table_line(
    out: &mut impl Write,
    pipeline: &Pipeline,
    row: &RowView,
    why: &str,
) -> std::io::Result<()> {
    let key = row.key.as_ref().map(|k| plain(&k.to_string(), 22)).unwrap_or_default();
    let time = row.event_time.map(rfc3339_ms).unwrap_or_default();
    let late = row.late_by.map(format_duration).unwrap_or_default();
    writeln!(
        out,
        "{:>11}  {:<28} {key:<22} {time:<24} {late:>10}  {:<11}  {}",
        row.arrival,
        named(pipeline, row),
        row.verdict.name(),
        plain(why, 200)
    )
}

/// A text that cannot disturb a terminal, cut to `most` characters.
pub(super) fn plain(text: &str, most: usize) -> String {
    let mut shown: String =
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(most).collect();
    if text.chars().nth(most).is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

fn json_line(out: &mut impl Write, run: &Run, row: &RowView, why: &str) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, &json_of(run, row, why)?).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// A verdict as 10-command-line writes it.
pub fn json_of(run: &Run, row: &RowView, why: &str) -> anyhow::Result<serde_json::Value> {
    let outputs =
        if row.outputs == 0 { Vec::new() } else { run.output_numbers_of(row.row, 0, usize::MAX)? };
    let mut line = json!({
        "arrival": row.arrival,
        "record": row.record.to_string(),
        "input": run.pipeline().inputs.get(usize::from(row.input)).map(|i| i.name.to_string()),
        "event_time": row.event_time,
        "watermark": row.watermark,
        "verdict": row.verdict.name(),
        "outputs": outputs,
        "late_by": row.late_by,
        "decided": row.decided,
        "removed": row.removed,
        "why": why,
    });
    if row.padded
        && let Some(object) = line.as_object_mut()
    {
        object.insert("padded".to_owned(), true.into());
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_can_be_pasted_into_a_shell() {
        let mut command = Verdicts::augment_args(clap::Command::new("verdicts").term_width(200));
        let help = command.render_long_help().to_string();
        assert!(!help.contains('`'), "{help}");
        let example = help.split("--where \"").nth(1).and_then(|rest| rest.split('"').next());
        assert!(example.unwrap().parse::<Filter>().is_ok(), "{example:?}");
        assert!(help.contains("event_time>=2026-01-01T00:00:00Z"), "{help}");
    }
}
