//! `joinscope outputs`: the joined rows of a run, in output order.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use joinscope_core::engine::step::OutputKind;
use joinscope_core::run::explain::key_to_json;
use joinscope_core::run::{OutputView, RowView};
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::time::rfc3339_ms;
use serde_json::{Map, Value, json};

use super::Answer;
use super::values::Values;
use super::verdicts::plain;

/// The joined rows of a run, in output order.
///
/// Example: joinscope outputs runs/1 --limit 10 --json
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Outputs {
    /// The run's folder
    run: PathBuf,
    /// Begin with this output
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// One JSON object a line, with the values of all records behind it
    #[arg(long)]
    json: bool,
}

const PAGE: usize = 1_024;

pub fn run(args: &Outputs) -> anyhow::Result<Answer> {
    let run = super::runs::open(&args.run)?;
    let mut values = if args.json { Values::said(&run)? } else { Values::none() };
    let mut out = BufWriter::new(std::io::stdout().lock());
    if !args.json {
        writeln!(out, "{:>10}  {:<24}  {:<22}  records", "output", "time", "key")?;
    }
    let end = run.outputs().min(args.from.saturating_add(args.limit.unwrap_or(u64::MAX)));
    let mut at = args.from;
    while at < end {
        let page = run.output_page(at, PAGE.min((end - at) as usize))?;
        if page.is_empty() {
            break;
        }
        at += page.len() as u64;
        let mut rows: Vec<u64> = page.iter().flat_map(|o| o.rows.iter().copied()).collect();
        rows.sort_unstable();
        rows.dedup();
        let views = run.views(&rows)?;
        let find = |row: &u64| rows.binary_search(row).ok().and_then(|i| views.get(i));
        for output in &page {
            let rows: Vec<&RowView> = output.rows.iter().filter_map(find).collect();
            if args.json {
                let line = json_of(run.pipeline(), output, &rows, &mut values)?;
                serde_json::to_writer(&mut out, &line).map_err(std::io::Error::from)?;
                writeln!(out)?;
            } else {
                table_line(&mut out, run.pipeline(), output, &rows)?;
            }
        }
    }
    out.flush()?;
    Ok(Answer::Yes)
}

fn table_line(
    out: &mut impl Write,
    pipeline: &Pipeline,
    output: &OutputView,
    rows: &[&RowView],
) -> std::io::Result<()> {
    let key = rows.first().and_then(|r| r.key.as_ref()).map(ToString::to_string);
    let names: Vec<String> = rows.iter().map(|r| r.record.to_string()).collect();
    let labels = pipeline.examples.iter().flat_map(|x| x.labels.iter().enumerate());
    let labels: Vec<String> =
        labels.map(|(bit, l)| format!("  {} = {}", l.name, output.labels >> bit & 1)).collect();
    let correction = match output.correction {
        0 => String::new(),
        k => format!("  correction {k}"),
    };
    writeln!(
        out,
        "{:>10}  {:<24}  {:<22}  {}{correction}{}",
        output.n,
        rfc3339_ms(output.time),
        plain(&key.unwrap_or_default(), 22),
        names.join(" + "),
        labels.concat()
    )
}

/// An output as 10-command-line writes it.
pub fn json_of(
    pipeline: &Pipeline,
    output: &OutputView,
    rows: &[&RowView],
    values: &mut Values,
) -> anyhow::Result<Value> {
    let folded = output.kind == OutputKind::Example;
    let mut records = Map::new();
    let mut decoded = Map::new();
    for (i, input) in pipeline.inputs.iter().enumerate() {
        let of: Vec<&&RowView> = rows.iter().filter(|r| usize::from(r.input) == i).collect();
        let primary = usize::from(pipeline.join.primary) == i;
        let (names, own) = if folded && !primary {
            let names: Vec<Value> = of.iter().map(|r| r.record.to_string().into()).collect();
            let own = of.iter().map(|r| values.of(r)).collect::<anyhow::Result<Vec<_>>>()?;
            (names.into(), own.into())
        } else if let [one] = of[..] {
            (one.record.to_string().into(), values.of(one)?)
        } else if output.kind == OutputKind::Pair
            || (output.kind == OutputKind::Pad && !primary && !pad_of_primary(pipeline, rows))
        {
            // A pair has only its two inputs; a secondary's pad its own and the primary.
            continue;
        } else {
            (Value::Null, Value::Null)
        };
        records.insert(input.name.to_string(), names);
        decoded.insert(input.name.to_string(), own);
    }
    let (example, corrects) = names(pipeline, output, rows);
    let mut line = json!({
        "n": output.n,
        "time": output.time,
        "key": rows.first().and_then(|r| r.key.as_ref()).map(key_to_json),
        "records": records,
        "value": decoded,
        "example": example,
        "corrects": corrects,
        "epoch": output.epoch,
    });
    let labels = pipeline.examples.as_ref().map(|x| x.labels.as_slice()).unwrap_or_default();
    if !labels.is_empty()
        && let Some(line) = line.as_object_mut()
    {
        let labels: Map<String, Value> = labels
            .iter()
            .enumerate()
            .map(|(bit, l)| (l.name.clone(), (output.labels >> bit & 1).into()))
            .collect();
        line.insert("labels".to_owned(), labels.into());
    }
    Ok(line)
}

fn pad_of_primary(pipeline: &Pipeline, rows: &[&RowView]) -> bool {
    rows.first().is_some_and(|r| r.input == pipeline.join.primary)
}

/// The name of an example, unique and stable (10-command-line, "What a sink
/// topic gets"), and the one that it corrects.
fn names(pipeline: &Pipeline, output: &OutputView, rows: &[&RowView]) -> (String, Option<String>) {
    let name = |row: &&RowView| row.record.to_string();
    match output.kind {
        OutputKind::Pair => (rows.iter().map(name).collect::<Vec<_>>().join("+"), None),
        OutputKind::Pad => (rows.first().map(name).unwrap_or_default(), None),
        OutputKind::Example => {
            let primary = rows.iter().find(|r| r.input == pipeline.join.primary);
            let first = primary.map(name).unwrap_or_default();
            match output.correction {
                0 => (first, None),
                k => (format!("{first}#{k}"), Some(first)),
            }
        }
    }
}
