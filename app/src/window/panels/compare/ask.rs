//! What the compare panel asks: the other run, the job that looks for what
//! differs, a page of it, both lines, and both sentences about a record.

use std::collections::HashMap;
use std::ops::Range as Places;
use std::path::{Path, PathBuf};

use joinscope_core::analyses::compare::{self, Matching, Named, SettingDiff};
use joinscope_core::run::explain::{Whys, explain};
use joinscope_core::run::{Axis as RunAxis, Lines, OutputView, Range, RowView};
use joinscope_operator::verdict::Verdict;

use super::job::{Line, Sides};
use crate::window::doc::RunDoc;
use crate::window::panels::watermarks::on_the_clock;
use crate::window::store::Run;

/// Bytes that the answers of the other run may take.
const CACHE: usize = 32 << 20;

/// The other run, and in what it was run differently.
pub struct Other {
    pub doc: RunDoc,
    pub settings: Vec<SettingDiff>,
}

/// Opens the other run.
pub fn other(run: &Run, path: &Path) -> Result<Other, String> {
    let here = |path: &Path| std::fs::canonicalize(path).ok();
    if here(run.dir()) == here(path) && here(path).is_some() {
        return Err("This is the run itself: choose another one to compare it with".to_owned());
    }
    let other = Run::open_with_cache(path, CACHE).map_err(|e| e.to_string())?;
    if let Some(recording) = run.recording() {
        // Where it was run over another one, values are read from that.
        let _ = other.locate(recording.path());
    }
    let settings = compare::settings(run, &other);
    Ok(Other { doc: RunDoc::new(other), settings })
}

/// Lines of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct PageQuestion {
    /// Of the comparison.
    pub number: u64,
    /// Place of the first in the table.
    pub first: u64,
    pub lines: Vec<Line>,
}

/// What one run says about a record or an output; `None`: it has it not.
#[derive(Clone, Debug)]
pub struct Said {
    pub row: RowView,
    /// Of the record: why its verdict is what it is.
    pub why: String,
    /// Of an example: its labels and how many records it folds.
    pub example: Option<(u64, usize)>,
}

/// A line of the table as both runs see it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: Line,
    pub here: Option<Said>,
    pub there: Option<Said>,
    /// The other record of a pair.
    pub with: Option<String>,
}

impl Seen {
    /// The record, as the run sees it that has it.
    pub fn row(&self) -> Option<&RowView> {
        self.here.as_ref().or(self.there.as_ref()).map(|said| &said.row)
    }
}

/// Reads lines of the table; the rows of each run in one go.
pub fn page(
    here: &Run,
    there: &Run,
    matching: &Matching,
    q: &PageQuestion,
) -> Result<Vec<Seen>, String> {
    let sides: Vec<Sides> = q.lines.iter().map(|line| sides(*line, matching)).collect();
    let rows_of = |there: bool| {
        let own = sides.iter().filter_map(|s| if there { s.there } else { s.here });
        own.chain(q.lines.iter().filter_map(|line| second(*line, there))).collect::<Vec<_>>()
    };
    let (mut a, mut b) = (Side::of(here, &rows_of(false))?, Side::of(there, &rows_of(true))?);
    let seen = |(line, rows): (&Line, &Sides)| {
        let with = match line {
            Line::Output(true, _) => second(*line, true).and_then(|row| b.views.get(&row)),
            _ => second(*line, false).and_then(|row| a.views.get(&row)),
        };
        Ok(Seen {
            line: *line,
            with: with.map(|row| row.record.to_string()),
            here: a.said(*line, rows.here, matching.until)?,
            there: b.said(*line, rows.there, matching.until)?,
        })
    };
    q.lines.iter().zip(&sides).map(seen).collect()
}

/// The row of a line in either run.
fn sides(line: Line, matching: &Matching) -> Sides {
    match line {
        Line::Record(changed) => Sides::of(changed.kind.from.is_none(), changed.row, matching),
        Line::Output(only_there, named) => {
            let first = named.rows().first().copied().unwrap_or(0);
            Sides::of(only_there, first, matching)
        }
    }
}

/// The other row of a pair, in the run that has the pair.
fn second(line: Line, there: bool) -> Option<u64> {
    match line {
        Line::Output(only_there, Named::Pair(_, second)) if only_there == there => Some(second),
        _ => None,
    }
}

/// A run, and its rows that are asked for.
struct Side<'a> {
    run: &'a Run,
    whys: Whys,
    views: HashMap<u64, RowView>,
}

impl<'a> Side<'a> {
    fn of(run: &'a Run, rows: &[u64]) -> Result<Self, String> {
        let views = run.views(rows).map_err(|e| e.to_string())?;
        let views = rows.iter().copied().zip(views).collect();
        Ok(Self { run, whys: Whys::new(run), views })
    }

    /// `until`: both runs have it up to there.
    fn said(
        &mut self,
        line: Line,
        row: Option<u64>,
        until: Option<u64>,
    ) -> Result<Option<Said>, String> {
        let Some(mut row) = row.and_then(|row| self.views.get(&row).cloned()) else {
            return Ok(None);
        };
        let why = self.whys.of(&row).map_err(|e| e.to_string())?;
        if let Some(until) = until {
            // As it stood where the shorter run ended.
            row.verdict = row.verdict_at(until.saturating_sub(1)).unwrap_or(Verdict::Open);
        }
        let is_example = matches!(line, Line::Output(_, Named::Example(_)));
        let example = if is_example { example(self.run, row.row)? } else { None };
        Ok(Some(Said { row, why, example }))
    }
}

/// The last example of a primary row: its labels, and records folded.
fn example(run: &Run, row: u64) -> Result<Option<(u64, usize)>, String> {
    let outputs = run.outputs_of(row).map_err(|e| e.to_string())?;
    let own = |o: &&OutputView| o.rows.first() == Some(&row);
    let last = outputs.iter().filter(own).max_by_key(|o| o.correction);
    Ok(last.map(|o| (o.labels, o.rows.len().saturating_sub(1))))
}

/// The event-time watermarks of both joins over what is in sight.
#[derive(Clone, Debug, PartialEq)]
pub struct LinesQuestion {
    pub revision: u64,
    pub other: PathBuf,
    /// Of each run, on its own.
    pub ranges: [Range; 2],
    pub buckets: usize,
}

/// Reads both.
pub fn lines(here: &Run, there: &Run, q: &LinesQuestion) -> Result<[Lines; 2], String> {
    let of = |run: &Run, range: Range| {
        let mut lines = run.lines(range, &[], q.buckets).map_err(|e| e.to_string())?;
        on_the_clock(&mut lines);
        Ok::<_, String>(lines)
    };
    Ok([of(here, q.ranges[0])?, of(there, q.ranges[1])?])
}

/// Which ranges are asked for. Where both runs number their arrivals alike they
/// are the same; otherwise the other run is asked by its own clock.
pub fn ranges(
    axis: &crate::window::axis::Axis,
    view: (u64, u64),
    clock: &crate::window::cursor::ClockMap,
    by_name: bool,
) -> [Range; 2] {
    use crate::window::axis::Scale;
    let by_arrival = Range {
        axis: RunAxis::Arrival,
        from: view.0 as i64,
        to: (view.1 as i64).saturating_add(1),
    };
    // What stands at another run's event-time watermark is no place of this one.
    let own = if axis.scale == Scale::EventTime { by_arrival } else { axis.range() };
    if !by_name {
        return [own, own];
    }
    let time = |arrival: u64| clock.time(arrival as f64);
    let from = time(view.0).floor() as i64;
    let to = (time(view.1).ceil() as i64).saturating_add(1);
    [own, Range { axis: RunAxis::ArrivalTime, from, to }]
}

/// How a join's event-time watermark stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stood {
    /// ms behind the arrival.
    Lag(i64),
    /// It had not moved yet.
    Nowhere,
    /// The run has no arrival there.
    Absent,
}

/// How both watermarks stood just after an arrival of this run. In the other run that
/// is the arrival of that number or, where they are matched `by_name`, the last one of
/// by then.
pub fn stood(here: &Run, there: &Run, at: u64, by_name: bool) -> Result<[Stood; 2], String> {
    let read = || -> joinscope_core::run::Result<[Stood; 2]> {
        let other = if by_name {
            let after = here.arrival_ms(at)?.saturating_add(1);
            let next =
                Range { axis: RunAxis::ArrivalTime, from: after, to: after.saturating_add(1) };
            let next = there.lines(next, &[], 1)?.arrivals.first().copied();
            next.and_then(|next| next.checked_sub(1))
        } else {
            Some(at).filter(|at| *at < there.arrivals())
        };
        let of = |run: &Run, at: u64| {
            run.watermarks_at(at).map(|w| match w.join {
                Some(join) => Stood::Lag(w.arrival_ms.saturating_sub(join)),
                None => Stood::Nowhere,
            })
        };
        Ok([of(here, at)?, other.map_or(Ok(Stood::Absent), |at| of(there, at))?])
    };
    read().map_err(|e| e.to_string())
}

/// What both runs say about one record, in sentences.
#[derive(Clone, Debug)]
pub struct Both {
    /// Its name.
    pub record: String,
    pub here: Option<(Verdict, String)>,
    pub there: Option<(Verdict, String)>,
    /// In the other run: its row and its arrival.
    pub partner: Option<(u64, u64)>,
    /// The other run ended before it came.
    pub beyond: bool,
}

/// Explains a row of this run in both, as the table has it: where one run did not
/// end, as it stood there.
pub fn both(here: &Run, there: &Run, matching: &Matching, row: u64) -> Result<Both, String> {
    let said = |run: &Run, row: u64| {
        explain(run, row).map(|e| (e.row, e.sentence)).map_err(|e| e.to_string())
    };
    let stood = |row: &RowView, sentence: String| {
        let until = matching.until.and_then(|until| row.verdict_at(until.saturating_sub(1)));
        match until.filter(|verdict| *verdict != row.verdict) {
            Some(verdict) => {
                (verdict, format!("{verdict} where the shorter run ends; later: {sentence}"))
            }
            None => (row.verdict, sentence),
        }
    };
    let mine = said(here, row)?;
    let theirs = matching.in_b(row).map(|row| said(there, row)).transpose()?;
    Ok(Both {
        record: mine.0.record.to_string(),
        partner: theirs.as_ref().map(|(row, _)| (row.row, row.arrival)),
        beyond: theirs.is_none() && matching.until.is_some_and(|until| mine.0.arrival >= until),
        here: Some(stood(&mine.0, mine.1)),
        there: theirs.map(|(row, sentence)| stood(&row, sentence)),
    })
}

/// Places of the table that are asked for: more than is in sight, at whole
/// tens, so that scrolling by a row asks nothing new.
pub fn around(seen: &Places<u64>) -> (u64, usize) {
    /// Lines that a page holds at most.
    const MOST: u64 = 200;
    let first = seen.start.saturating_sub(10) / 10 * 10;
    let count = (seen.end.saturating_sub(first)).next_multiple_of(10) + 10;
    (first, count.min(MOST) as usize)
}
