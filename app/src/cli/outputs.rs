//! `joinscope outputs`: the joined rows of a run, in output order.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use joinscope_core::engine::delivery::{example_name, sides};
use joinscope_core::run::explain::key_to_json;
use joinscope_core::run::{OutputView, RowView};
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::record::RecordName;
use joinscope_operator::time::rfc3339_ms;
use serde_json::{Map, Value, json};

use super::Answer;
use super::values::Values;
use super::verdicts::plain;

/// The joined rows of a run, in output order
///
/// Example: joinscope outputs runs/1 --limit 10 --json
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Outputs {
    /// The run's folder
    run: PathBuf,
    /// Where the recording lies now, if it moved
    #[arg(long, value_name = "RECORDING")]
    recording: Option<PathBuf>,
    /// Begin with this output
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// One JSON object a line, with the values of all records behind it; a field of one
    /// that nests deeper than 127 levels is given as its JSON text
    #[arg(long)]
    json: bool,
}

const PAGE: usize = 1_024;

pub fn run(args: &Outputs) -> anyhow::Result<Answer> {
    let run = super::runs::open_over(&args.run, args.recording.as_deref())?;
    let mut values = if args.json { Values::said(&run)? } else { Values::none() };
    let mut out = BufWriter::new(super::stdout::lock());
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
    let labels = pipeline.labels().iter().enumerate();
    let labels: Vec<String> = labels
        .map(|(bit, l)| format!("  {} = {}", plain(&l.name, 60), output.labels >> bit & 1))
        .collect();
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
    let inputs: Vec<u8> = rows.iter().map(|row| row.input).collect();
    let names: Vec<RecordName> = rows.iter().map(|row| row.record.clone()).collect();
    let mut own = rows.iter().map(|row| values.of(row)).collect::<anyhow::Result<Vec<_>>>()?;
    let records = sides(pipeline, output.kind, &inputs, |i| names[i].to_string().into());
    let decoded = sides(pipeline, output.kind, &inputs, |i| own[i].take());
    let which = (output.kind, output.correction);
    let (example, corrects) = example_name(pipeline, which, &inputs, &names);
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
    let labels = pipeline.labels();
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
