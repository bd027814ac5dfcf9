//! What the outputs table asks: a page of outputs with the names of their
//! records, and the listing of those that a filter lets through, sorted.

use std::collections::HashMap;

use joinscope_core::engine::step::OutputKind;
use joinscope_core::run::{OutputView, RowView, SortColumn};
use joinscope_operator::condition::{field_at, field_text};
use serde_json::Value;

use crate::cli::filter::JsonFilter;
use crate::cli::outputs::json_of;
use crate::cli::values::Values;
use crate::window::listing::Report;
use crate::window::range::ArrivalRange;
use crate::window::sorting::{Fields, Sorter};
use crate::window::store::Run;
use crate::window::text::and_more;

/// Records named in a line; more are counted.
pub const NAMED: usize = 4;
/// Outputs looked at between two reports.
const CHUNK: u64 = 4_096;

/// Kinds of outputs, as a filter chooses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// As `kind_name` calls them.
    pub const NAMES: [&'static str; 4] = ["pair", "with nulls", "example", "correction"];

    fn of(output: &OutputView) -> u8 {
        match (output.kind, output.correction) {
            (OutputKind::Pair, _) => 0,
            (OutputKind::Pad, _) => 1,
            (OutputKind::Example, 0) => 2,
            (OutputKind::Example, _) => 3,
        }
    }

    /// Empty: all.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn has(self, kind: usize) -> bool {
        self.0 >> kind & 1 != 0
    }

    #[must_use]
    pub fn toggled(self, kind: usize) -> Self {
        Self(self.0 ^ 1 << kind)
    }
}

/// What outputs are sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    Number,
    Time,
    Kind,
    /// A field of the output as `outputs --json` writes it.
    Field(String),
}

/// What they are sorted by, and which way.
pub type Sorted = crate::window::listing::Sorted<By>;

/// Which outputs the table shows, and in which order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    pub revision: u64,
    pub kinds: Kinds,
    /// In the key or in the name of a record.
    pub search: Option<String>,
    /// Conditions on the fields of `outputs --json`.
    pub conditions: Option<String>,
    /// Only outputs that these arrivals set off.
    pub range: Option<ArrivalRange>,
    pub sort: Option<Sorted>,
}

impl Source {
    #[must_use]
    pub fn filters(&self) -> bool {
        !self.kinds.is_empty()
            || self.search.is_some()
            || self.conditions.is_some()
            || self.range.is_some()
    }

    /// Whether the outputs do not stand as they came.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.filters() || self.sort.is_some()
    }

    /// The same question of perhaps a newer state of the run.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        Self { revision: other.revision, ..self.clone() } == *other
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub source: Source,
    pub first: u64,
    pub count: usize,
    /// The outputs themselves, where a listing gave them.
    pub listed: Option<Vec<u64>>,
    /// With the values of their records.
    pub values: bool,
    /// So many records of each are named.
    pub named: usize,
}

pub struct Page {
    pub lines: Vec<Line>,
}

/// One output.
#[derive(Clone, Debug)]
pub struct Line {
    pub output: OutputView,
    /// As many as were asked for.
    pub records: Vec<String>,
    /// Records besides those.
    pub more: u64,
    pub key: String,
    /// As `outputs --json` writes it, where its fields are shown.
    pub json: Option<Value>,
}

impl Line {
    /// Its records, and how many more there are.
    #[must_use]
    pub fn named(&self, between: &str) -> String {
        self.records.join(between) + &and_more(self.more, between)
    }
}

/// Outputs by their numbers, in that order.
fn outputs(run: &Run, numbers: &[u64]) -> Result<Vec<OutputView>, String> {
    let mut found = Vec::with_capacity(numbers.len());
    let mut at = 0;
    while at < numbers.len() {
        let mut end = at + 1;
        while end < numbers.len() && numbers[end] == numbers[end - 1] + 1 {
            end += 1;
        }
        found.extend(run.output_page(numbers[at], end - at).map_err(|e| e.to_string())?);
        at = end;
    }
    Ok(found)
}

/// Reads a page.
pub fn page(run: &Run, q: &Question) -> Result<Page, String> {
    let outputs = match &q.listed {
        Some(numbers) => outputs(run, numbers)?,
        None => run.output_page(q.first, q.count).map_err(|e| e.to_string())?,
    };
    let mut values = if q.values { Some(values_of(run)?) } else { None };
    let most = if q.values { usize::MAX } else { q.named };
    let known = records_of(run, &outputs, most)?;
    let mut lines = Vec::with_capacity(outputs.len());
    for output in outputs {
        let rows: Vec<&RowView> = output.rows.iter().filter_map(|row| known.get(row)).collect();
        let json = values.as_mut().map(|v| json_of(run.pipeline(), &output, &rows, v));
        let json = json.transpose().map_err(|e| format!("{e:#}"))?;
        let records = rows.iter().take(q.named).map(|r| r.record.to_string()).collect();
        let more = output.rows.len().saturating_sub(q.named) as u64;
        let key = rows.iter().find_map(|r| r.key.as_ref()).map(ToString::to_string);
        lines.push(Line { output, records, more, key: key.unwrap_or_default(), json });
    }
    Ok(Page { lines })
}

fn values_of(run: &Run) -> Result<Values, String> {
    Values::of_run(run).map_err(|e| format!("{e:#}"))
}

/// The records of outputs, at most `most` of each.
fn records_of(
    run: &Run,
    outputs: &[OutputView],
    most: usize,
) -> Result<HashMap<u64, RowView>, String> {
    let mut rows: Vec<u64> =
        outputs.iter().flat_map(|o| o.rows.iter().take(most).copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    let views = run.views(&rows).map_err(|e| e.to_string())?;
    Ok(views.into_iter().map(|v| (v.row, v)).collect())
}

/// The whole of an output, for the clipboard.
pub fn as_json(run: &Run, n: u64) -> Result<String, String> {
    let source = Source::default();
    let q = Question { source, first: n, count: 1, listed: None, values: true, named: NAMED };
    let line = page(run, &q)?.lines.pop().ok_or_else(|| format!("there is no output {n}"))?;
    serde_json::to_string_pretty(&line.json).map_err(|e| e.to_string())
}

/// The job of a listing: filters, then sorts; both in parts.
pub fn list(run: &Run, source: &Source, report: &Report) -> Result<(), String> {
    let of = run.outputs();
    if u32::try_from(of).is_err() {
        return Err("more than 4 G outputs are neither filtered nor sorted".to_owned());
    }
    let filter = source.conditions.as_deref().map(str::parse::<JsonFilter>).transpose()?;
    let search = source.search.as_ref().map(|s| s.to_lowercase());
    if source.sort.as_ref().is_none_or(|s| s.by == By::Number) {
        let mut kept = Vec::new();
        let descending = source.sort.is_some();
        each_chunk(of, report, |first, n, looked| {
            let (own, _) =
                look(run, source, (filter.as_ref(), search.as_deref()), first, n, false)?;
            if descending {
                kept.extend(own);
                report.progress(looked, of);
            } else {
                report.add(own, looked, of);
            }
            Ok(())
        })?;
        if descending {
            kept.reverse();
            report.replace(kept, false, of.max(1), of.max(1));
        } else if of == 0 {
            report.replace(Vec::new(), true, 1, 1);
        }
        return Ok(());
    }
    let Some(sort) = &source.sort else { return Ok(()) };
    let mut sorter = Sorter::new(sort.descending);
    let by_field = matches!(sort.by, By::Field(_));
    each_chunk(of, report, |first, n, looked| {
        let asked = (filter.as_ref(), search.as_deref());
        let (own, seen) = look(run, source, asked, first, n, by_field)?;
        let column = match &sort.by {
            By::Time => {
                let times = run.output_times(first, n).map_err(|e| e.to_string())?;
                let at = |n: &u32| times.get((u64::from(*n) - first) as usize).copied();
                SortColumn::Numbers(own.iter().map(|n| at(n).unwrap_or(i64::MIN)).collect())
            }
            By::Kind | By::Number => {
                let kinds = seen.iter().map(|s| i64::from(Kinds::of(&s.output)));
                SortColumn::Numbers(kinds.collect())
            }
            By::Field(path) => {
                let mut fields = Fields::default();
                for s in &seen {
                    fields.push(s.json.as_ref().and_then(|json| field_at(json, path)));
                }
                fields.column()
            }
        };
        sorter.report(&own, column, report, (looked, of))
    })
}

/// Calls `work` with the first, the number, and the end of each chunk.
fn each_chunk(
    of: u64,
    report: &Report,
    mut work: impl FnMut(u64, u64, u64) -> Result<(), String>,
) -> Result<(), String> {
    let mut at = 0;
    while at < of {
        report.go_on()?;
        let n = CHUNK.min(of - at);
        work(at, n, at + n)?;
        at += n;
    }
    Ok(())
}

/// An output that was let through.
struct Seen {
    output: OutputView,
    json: Option<Value>,
}

/// Of a chunk, those that the filter lets through; `whole`: with their JSON.
fn look(
    run: &Run,
    source: &Source,
    (filter, search): (Option<&JsonFilter>, Option<&str>),
    first: u64,
    n: u64,
    whole: bool,
) -> Result<(Vec<u32>, Vec<Seen>), String> {
    let plain = !source.filters() && !whole;
    let by_time = source.sort.as_ref().is_some_and(|s| s.by == By::Time);
    if plain && (by_time || source.sort.as_ref().is_none_or(|s| s.by == By::Number)) {
        return Ok(((first as u32..(first + n) as u32).collect(), Vec::new()));
    }
    let mut outputs = run.output_page(first, n as usize).map_err(|e| e.to_string())?;
    outputs.retain(|o| source.kinds.is_empty() || source.kinds.has(usize::from(Kinds::of(o))));
    outputs.retain(|o| source.range.is_none_or(|range| range.contains(o.at)));
    let needs_json = whole || filter.is_some();
    let records = if needs_json || search.is_some() {
        records_of(run, &outputs, usize::MAX)?
    } else {
        HashMap::new()
    };
    let needs_values = whole_values(source) || filter.is_some_and(JsonFilter::needs_values);
    let mut values = if needs_values { values_of(run)? } else { Values::none() };
    let (mut numbers, mut seen) = (Vec::new(), Vec::new());
    for output in outputs {
        let rows: Vec<&RowView> = output.rows.iter().filter_map(|r| records.get(r)).collect();
        if search.is_some_and(|s| !rows.iter().any(|r| mentions(r, s))) {
            continue;
        }
        let json = if needs_json {
            let json = json_of(run.pipeline(), &output, &rows, &mut values);
            Some(json.map_err(|e| format!("{e:#}"))?)
        } else {
            None
        };
        if let (Some(filter), Some(json)) = (filter, &json)
            && !filter.meets(json)
        {
            continue;
        }
        numbers.push(output.n as u32);
        seen.push(Seen { output, json });
    }
    Ok((numbers, seen))
}

/// Whether it is sorted by what only the recording has.
fn whole_values(source: &Source) -> bool {
    matches!(&source.sort, Some(Sorted { by: By::Field(path), .. }) if path.starts_with("value"))
}

fn mentions(row: &RowView, search: &str) -> bool {
    let key = row.key.as_ref().map(|k| k.to_string().to_lowercase());
    key.is_some_and(|k| k.contains(search))
        || row.record.to_string().to_lowercase().contains(search)
}

/// The text of a field for a cell.
pub fn cell_text(json: &Value, path: &str) -> Option<String> {
    field_at(json, path).filter(|v| !v.is_null()).map(field_text)
}
