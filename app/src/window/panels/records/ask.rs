//! What the records table asks: a page of rows, and the listing of those that a
//! filter lets through, sorted, as a job with partial results.

use joinscope_core::edges::recording::Recording;
use joinscope_core::run::explain::Whys;
use joinscope_core::run::{Query, RowView, RunError, SortBy, SortColumn, VerdictSet};
use joinscope_operator::condition::field_at;
use joinscope_operator::record::{Record, RecordName};
use joinscope_operator::verdict::Verdict;

use crate::cli::filter::Filter;
use crate::cli::values::Values;
use crate::window::listing::Report;
use crate::window::range::ArrivalRange;
use crate::window::sorting::{Fields, Sorter};
use crate::window::store::Run;
use crate::window::text::from_bytes;

/// Rows that a page holds at most.
pub const MOST: usize = 200;
/// Rows whose values are sorted by are read at once.
const CHUNK: usize = 65_536;

/// What rows are sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    Arrival,
    Store(SortBy),
    /// A field of the value.
    Field(String),
}

/// What they are sorted by, and which way.
pub type Sorted = crate::window::listing::Sorted<By>;

/// Which rows the table shows, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub revision: u64,
    pub verdicts: VerdictSet,
    pub search: Option<String>,
    /// Conditions as `verdicts --where` takes them.
    pub conditions: Option<String>,
    /// Only records of these arrivals.
    pub range: Option<ArrivalRange>,
    /// `None`: as they arrived.
    pub sort: Option<Sorted>,
}

impl Source {
    /// Whether no index leads to the rows.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.search.is_some()
            || self.conditions.is_some()
            || self.range.is_some()
            || self.sort.is_some()
    }

    /// Whether it asks for the same rows in the same order, perhaps of a newer
    /// state of the run: lines that were read stand until newer ones come.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        Self { revision: other.revision, ..self.clone() } == *other
    }

    /// Whether it leaves rows out.
    #[must_use]
    pub fn filters(&self) -> bool {
        !self.verdicts.is_empty()
            || self.search.is_some()
            || self.conditions.is_some()
            || self.range.is_some()
    }
}

/// A page of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub source: Source,
    /// Position in the table.
    pub first: u64,
    pub count: usize,
    /// The rows themselves, where a listing gave them.
    pub rows: Option<Vec<u64>>,
    /// With the records' values, from the recording.
    pub values: bool,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub enum Line {
    Row {
        row: Box<RowView>,
        why: String,
        value: Option<serde_json::Value>,
    },
    /// A record of a recording that has no run.
    Record {
        position: u64,
        name: RecordName,
        record: Record,
    },
}

impl Line {
    /// What selects it.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Row { row, .. } => row.row,
            Self::Record { position, .. } => *position,
        }
    }

    /// Its decoded value, where it was read.
    #[must_use]
    pub fn value(&self) -> Option<&serde_json::Value> {
        match self {
            Self::Row { value, .. } => value.as_ref(),
            Self::Record { .. } => None,
        }
    }

    /// Where the cursor goes when it is selected.
    #[must_use]
    pub fn arrival(&self) -> u64 {
        match self {
            Self::Row { row, .. } => row.arrival,
            Self::Record { position, .. } => *position,
        }
    }
}

/// The answer.
pub struct Page {
    /// Rows in the whole table.
    pub len: u64,
    pub lines: Vec<Line>,
}

/// Reads a page of a run.
pub fn of_run(run: &Run, q: &Question) -> Result<Page, String> {
    let rows = rows(run, q).map_err(|e| e.to_string())?;
    let len = match &q.source {
        s if s.is_listed() => 0,
        s if s.verdicts.is_empty() => run.rows(),
        s => run.count(s.verdicts),
    };
    let mut whys = Whys::new(run);
    let mut values =
        if q.values { Some(Values::of_run(run).map_err(|e| e.to_string())?) } else { None };
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let why = whys.of(&row).map_err(|e| e.to_string())?;
        let value =
            values.as_mut().map(|v| v.of(&row)).transpose().map_err(|e| format!("{e:#}"))?;
        lines.push(Line::Row { row: Box::new(row), why, value });
    }
    Ok(Page { len, lines })
}

fn rows(run: &Run, q: &Question) -> joinscope_core::run::Result<Vec<RowView>> {
    if let Some(rows) = &q.rows {
        return run.views(rows);
    }
    let set = q.source.verdicts;
    if set.is_empty() {
        return run.page(q.first, q.count);
    }
    run.views(&run.nth_from(set, q.first, q.count)?)
}

/// Reads a page of a recording.
pub fn of_recording(recording: &Recording, q: &Question) -> Result<Page, String> {
    let records = recording.page(q.first, q.count).map_err(|e| e.to_string())?;
    let lines = records.into_iter().zip(q.first..).map(|(record, position)| Line::Record {
        position,
        name: recording.name_of(&record),
        record,
    });
    Ok(Page { len: recording.len(), lines: lines.collect() })
}

/// What a row is as JSON: as `verdicts --json` writes it, with key and value.
pub fn as_json(run: &Run, row: u64) -> Result<String, String> {
    let view = run.row(row).map_err(|e| e.to_string())?;
    let why = Whys::new(run).of(&view).map_err(|e| e.to_string())?;
    let mut values = Values::of_run(run).map_err(|e| format!("{e:#}"))?;
    let json = object(run, &view, &why, Some(&mut values))?;
    serde_json::to_string_pretty(&json).map_err(|e| e.to_string())
}

/// A record of a recording that has no run, as JSON: a value that is JSON as it is, another
/// as text.
pub fn record_as_json(name: &RecordName, record: &Record) -> String {
    let value = record.value.as_deref().map(|bytes| {
        serde_json::from_slice(bytes).unwrap_or_else(|_| serde_json::Value::from(from_bytes(bytes)))
    });
    let headers = record.headers.iter().map(|header| {
        let value = header.value.as_deref().map(from_bytes);
        serde_json::json!({ "key": header.key, "value": value })
    });
    let json = serde_json::json!({
        "arrival": record.arrival,
        "arrival_ms": record.arrival_ms(),
        "record": name.to_string(),
        "timestamp": record.timestamp,
        "key": record.key.as_deref().map(from_bytes),
        "value": value,
        "headers": headers.collect::<Vec<_>>(),
    });
    format!("{json:#}")
}

/// A row as an object of a file.
pub fn object(
    run: &Run,
    view: &RowView,
    why: &str,
    values: Option<&mut Values>,
) -> Result<serde_json::Value, String> {
    let failed = |e: anyhow::Error| format!("{e:#}");
    let mut json = crate::cli::verdicts::json_of(run, view, why).map_err(failed)?;
    if let Some(object) = json.as_object_mut() {
        let key = view.key.as_ref().map(joinscope_core::run::explain::key_to_json);
        object.insert("key".to_owned(), key.unwrap_or_default());
        object.insert("arrival_ms".to_owned(), view.arrival_ms.into());
        if let Some(values) = values {
            object.insert("value".to_owned(), values.of(view).map_err(failed)?);
        }
    }
    Ok(json)
}

/// The job of a listing: filters, then sorts; both in parts.
pub fn list(run: &Run, source: &Source, report: &Report) -> Result<(), String> {
    let text = |e: RunError| e.to_string();
    if u32::try_from(run.rows()).is_err() {
        return Err("more than 4 G records are neither filtered nor sorted".to_owned());
    }
    let filter = source.conditions.as_deref().map(str::parse::<Filter>).transpose()?;
    let mut query = filter.as_ref().map(|f| f.query(run)).unwrap_or_default();
    if filter.is_some() {
        let wanted = if source.verdicts.is_empty() { VerdictSet::ALL } else { source.verdicts };
        query.verdicts = both(query.verdicts, wanted);
        if query.verdicts.is_empty() {
            // Conditions that contradict each other.
            report.replace(Vec::new(), true, 1, 1);
            return Ok(());
        }
    } else {
        query.verdicts = source.verdicts;
    }
    query.text.clone_from(&source.search);
    if let Some(range) = source.range {
        let (first, last) = query.arrivals.unwrap_or((0, u64::MAX - 1));
        query.arrivals = Some((first.max(range.from()), last.min(range.to())));
    }
    let all = query == Query::default();
    let mut rows = Vec::new();
    if !all || filter.is_some() {
        let sorted = source.sort.is_some();
        let kept = Keep { run, filter: filter.as_ref(), sorted };
        kept.search(&query, report, &mut rows)?;
    }
    let Some(sort) = &source.sort else {
        if all && filter.is_none() {
            report.replace((0..run.rows() as u32).collect(), true, 1, 1);
        }
        return Ok(());
    };
    if all && filter.is_none() {
        rows = (0..run.rows() as u32).collect();
    }
    if sort.by == By::Arrival {
        if sort.descending {
            rows.reverse();
        }
        report.replace(rows, !sort.descending, 1, 1);
        return Ok(());
    }
    let mut sorter = Sorter::new(sort.descending);
    let mut values = match &sort.by {
        By::Field(_) => Some(Values::of_run(run).map_err(|e| format!("{e:#}"))?),
        _ => None,
    };
    let of = rows.len() as u64;
    // Looking a value up takes far longer than reading a column.
    let chunk = if values.is_some() { CHUNK / 64 } else { CHUNK };
    let mut at = 0;
    for part in rows.chunks(chunk) {
        report.go_on()?;
        let numbers: Vec<u64> = part.iter().map(|row| u64::from(*row)).collect();
        let column = match (&sort.by, &mut values) {
            (By::Store(by), _) => run.sort_column(&numbers, *by).map_err(text)?,
            (By::Field(path), Some(values)) => field_column(run, &numbers, path, values)?,
            _ => return Ok(()),
        };
        at += part.len() as u64;
        sorter.report(part, column, report, (at, of))?;
    }
    if of == 0 {
        report.replace(Vec::new(), false, 1, 1);
    }
    Ok(())
}

fn both(a: VerdictSet, b: VerdictSet) -> VerdictSet {
    let both = |v: &Verdict| a.contains(*v) && b.contains(*v);
    Verdict::ALL.into_iter().filter(both).collect()
}

/// The search of a listing.
struct Keep<'a> {
    run: &'a Run,
    filter: Option<&'a Filter>,
    /// What is found is sorted afterwards: nothing is shown before.
    sorted: bool,
}

impl Keep<'_> {
    fn search(&self, query: &Query, report: &Report, rows: &mut Vec<u32>) -> Result<(), String> {
        let mut values = match self.filter {
            Some(f) if f.needs_values() => {
                Values::of_run(self.run).map_err(|e| format!("{e:#}"))?
            }
            _ => Values::none(),
        };
        if self.filter.is_some_and(Filter::needs_values) && !values.are_there() {
            let at = self.run.manifest().start.recording.path;
            return Err(format!(
                "fields of the value are read from the recording, which is not at {}: open it \
                 from where it is now",
                at.display()
            ));
        }
        let mut failed = None;
        let searched = self.run.search(query, report.cancel(), |found| {
            let (looked_at, of) = (found.looked_at, found.of);
            match self.kept(found.rows, &mut values, report) {
                Ok(kept) => {
                    if self.sorted {
                        rows.extend(kept);
                        report.progress(looked_at, of);
                    } else {
                        report.add(kept, looked_at, of);
                    }
                    true
                }
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        });
        match (failed, searched) {
            (Some(error), _) => Err(error),
            (None, searched) => searched.map_err(|e| e.to_string()),
        }
    }

    /// Of the rows that the store found, those that meet all conditions.
    fn kept(
        &self,
        rows: Vec<u64>,
        values: &mut Values,
        report: &Report,
    ) -> Result<Vec<u32>, String> {
        /// Rows that are looked at as a whole at once.
        const PART: usize = 1_024;
        let Some(filter) = self.filter else {
            return Ok(rows.into_iter().map(|row| row as u32).collect());
        };
        let mut kept = Vec::new();
        for part in rows.chunks(PART) {
            report.go_on()?;
            for row in &self.run.views(part).map_err(|e| e.to_string())? {
                if filter.meets(self.run, row, values).map_err(|e| format!("{e:#}"))? {
                    kept.push(row.row as u32);
                }
            }
        }
        Ok(kept)
    }
}

/// A field of the values of rows, to sort by.
fn field_column(
    run: &Run,
    rows: &[u64],
    path: &str,
    values: &mut Values,
) -> Result<SortColumn, String> {
    let mut fields = Fields::default();
    for row in run.views(rows).map_err(|e| e.to_string())? {
        let value = values.of(&row).map_err(|e| format!("{e:#}"))?;
        fields.push(field_at(&value, path));
    }
    Ok(fields.column())
}
