//! What the clock bar knows of the whole run: the arrival clock, and how many
//! records of which verdict came when.

use std::sync::Arc;

use crate::window::store::Run;
use joinscope_core::edges::recording::Recording;
use joinscope_core::run::{Axis as RunAxis, Density, Range};

use crate::window::app::App;
use crate::window::cursor::{ClockMap, never_back};
use crate::window::failures::read_part;
use crate::window::jobs::Slot;
use crate::window::selection::Selection;

/// Points of the arrival clock; between them it is straight.
const POINTS: usize = 4096;
/// Looks into a recording that has no run.
const SAMPLES: u64 = 128;

/// Questions of the clock bar.
#[derive(Default)]
pub struct Strip {
    clock: Slot<u64, ClockMap>,
    /// The same over what is in sight, finer.
    fine: Slot<(u64, (u64, u64)), ClockMap>,
    taken: Option<(u64, Option<(u64, u64)>)>,
    /// The join's event-time watermark by arrival.
    events: Slot<u64, ClockMap>,
    /// The same at the cursor, exactly.
    event_now: Slot<(u64, u64), Option<i64>>,
    /// Event time of the selected row.
    own: Slot<(u64, u64), Option<i64>>,
    /// Arrival time of the cursor, exactly.
    now: Slot<(u64, u64), i64>,
    /// What stands in the field that asks for a time zone.
    pub(super) zone: String,
    /// What stands in the field that asks where to go.
    pub(super) typed: String,
    /// What stands in the field that asks for a speed.
    pub(super) speed: String,
    pub(super) density: Slot<(u64, Range, usize), Arc<Density>>,
}

impl Strip {
    /// Another document was opened.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Asks for the arrival clock of what is open, and takes it in.
pub fn ask_clock(app: &mut App) {
    let revision = app.doc.revision;
    match (&app.doc.run, &app.doc.recording) {
        (Some(run), _) => {
            let run = run.run.clone();
            app.strip.clock.ask(&app.jobs, revision, move |_| of_run(&run));
        }
        (None, Some(r)) => {
            let recording = r.recording.clone();
            app.strip.clock.ask(&app.jobs, revision, move |_| of_recording(&recording));
        }
        _ => return,
    }
    let Some(answer) = app.strip.clock.answer() else { return };
    let fine = ask_fine(app);
    let taken = (answer.question, fine.as_ref().map(|f| f.question.1));
    if app.strip.taken == Some(taken) {
        return;
    }
    app.strip.taken = Some(taken);
    match (&answer.result, fine.as_ref().map(|f| &f.result)) {
        (Ok(clock), Some(Ok(fine))) => app.clock = clock.refined(fine),
        (Ok(clock), None) => app.clock = clock.clone(),
        (Err(error), _) | (_, Some(Err(error))) => {
            app.errors.add("Reading the arrival clock", error);
        }
    }
}

/// Asks for the join's event-time watermark as a clock; empty until it is read,
/// or where it never moved.
pub fn event_clock(app: &mut App) -> ClockMap {
    let Some(run) = app.doc.run.as_ref().map(|r| r.run.clone()) else { return ClockMap::default() };
    app.strip.events.ask(&app.jobs, app.doc.revision, move |_| events_of(&run));
    let Some(answer) = app.strip.events.answer() else { return ClockMap::default() };
    if answer.question != app.doc.revision {
        return ClockMap::default();
    }
    read_part(&app.ctx, &answer.result).unwrap_or_default()
}

fn events_of(run: &Run) -> Result<ClockMap, String> {
    let len = run.arrivals();
    if len == 0 {
        return Ok(ClockMap::default());
    }
    let range = Range { axis: RunAxis::Arrival, from: 0, to: len as i64 };
    let lines = run.lines(range, &[], POINTS.min(len as usize)).map_err(|e| e.to_string())?;
    let mut points: Vec<(u64, i64)> = Vec::new();
    for (times, arrival) in lines.join.iter().zip(&lines.arrivals) {
        // Before it has moved it is nowhere.
        if let Some(times) = times {
            points.push((*arrival, times.min));
        }
    }
    if let Some(last) = lines.join.iter().flatten().last() {
        points.push((len - 1, last.max));
    }
    points.dedup_by_key(|p| p.0);
    Ok(ClockMap::new(never_back(points)))
}

/// The join's event-time watermark at the cursor, ms, exactly; `None`: it has
/// not moved yet, or is not read.
pub(super) fn cursor_event_ms(app: &mut App) -> Option<i64> {
    let run = app.doc.run.as_ref().filter(|_| app.cursor.len() > 0)?.run.clone();
    let question = (app.doc.revision, app.cursor.at());
    app.strip.event_now.ask(&app.jobs, question, move |(_, at)| {
        run.watermarks_at(*at).map(|w| w.join).map_err(|e| e.to_string())
    });
    let answer = app.strip.event_now.answer()?;
    // While it is read, the last one: the figure does not flicker.
    read_part(&app.ctx, &answer.result).flatten()
}

/// Event time of the selected row, ms.
pub(super) fn selected_event_ms(app: &mut App) -> Option<i64> {
    let Some(Selection::Row(row)) = app.selection else { return None };
    let run = app.doc.run.as_ref()?.run.clone();
    let question = (app.doc.revision, row);
    app.strip.own.ask(&app.jobs, question, move |(_, row)| {
        run.row(*row).map(|r| r.event_time).map_err(|e| e.to_string())
    });
    let answer = app.strip.own.answer().filter(|a| a.question == question)?;
    read_part(&app.ctx, &answer.result).flatten()
}

type Fine = Arc<crate::window::jobs::Answer<(u64, (u64, u64)), ClockMap>>;

/// Points of the clock over what is in sight, so that single records stand
/// where their times are.
fn ask_fine(app: &mut App) -> Option<Fine> {
    let (run, view) = (app.doc.run.as_ref()?.run.clone(), app.view?);
    let revision = app.doc.revision;
    if app.cursor.len() > POINTS as u64 {
        app.strip.fine.ask(&app.jobs, (revision, view), move |(_, view)| stretch(&run, *view));
    }
    app.strip.fine.answer().filter(|f| f.question.0 == revision)
}

fn of_run(run: &Run) -> Result<ClockMap, String> {
    match run.arrivals().checked_sub(1) {
        Some(last) => stretch(run, (0, last)),
        None => Ok(ClockMap::default()),
    }
}

/// The clock between two arrivals, both in.
fn stretch(run: &Run, (first, last): (u64, u64)) -> Result<ClockMap, String> {
    let len = last.saturating_sub(first) + 1;
    let range = Range { axis: RunAxis::Arrival, from: first as i64, to: last as i64 + 1 };
    let buckets = POINTS.min(len as usize);
    let lines = run.lines(range, &[], buckets).map_err(|e| e.to_string())?;
    let mut points = Vec::with_capacity(buckets + 1);
    for (i, times) in lines.arrival_ms.iter().enumerate() {
        if let (Some(times), Some(arrival)) = (times, lines.arrivals.get(i)) {
            points.push((*arrival, times.min));
        }
    }
    if let Some(times) = lines.arrival_ms.iter().flatten().last() {
        // A bucket ends with the arrival after it, where there is one.
        points.push(((last + 1).min(run.arrivals().saturating_sub(1)), times.max));
    }
    // Two points of one arrival would make the clock stand twice.
    points.dedup_by_key(|p| p.0);
    let mut event: Vec<(u64, i64)> = Vec::new();
    for (i, join) in lines.join.iter().enumerate() {
        if let (Some(join), Some(arrival)) = (join, lines.arrivals.get(i)) {
            event.push((*arrival, join.min));
        }
    }
    if let Some(join) = lines.join.last().copied().flatten() {
        event.push(((last + 1).min(run.arrivals().saturating_sub(1)), join.max));
    }
    event.dedup_by_key(|p| p.0);
    let bounds = run.pipeline().inputs.iter().map(|i| i.watermark.max_out_of_orderness);
    // Records stand up to that ahead of it, and partitions apart from each other.
    let bound = bounds.max().unwrap_or(0);
    let mut slack = bound.saturating_add(bound / 4).saturating_add(1_000);
    // The newest may stand further from where the watermark ends.
    if let Some((_, end)) = event.last()
        && last + 1 == run.arrivals()
    {
        let lanes = run.lane_ends().map_err(|e| e.to_string())?;
        let newest = lanes.iter().filter_map(|(high, _)| *high).max();
        slack = slack.max(newest.map_or(0, |newest| newest.saturating_sub(*end)));
    }
    Ok(ClockMap::new(points).with_event_time(event, slack))
}

fn of_recording(recording: &Recording) -> Result<ClockMap, String> {
    let len = recording.len();
    let mut points: Vec<(u64, i64)> = Vec::new();
    let mut at = |n: u64| -> Result<(), String> {
        let page = recording.page(n, 1).map_err(|e| e.to_string())?;
        if let Some(record) = page.first() {
            // Processing time never goes back.
            let floor = points.last().map_or(i64::MIN, |p| p.1);
            points.push((n, record.arrival_ms().max(floor)));
        }
        Ok(())
    };
    if len > 0 {
        let step = (len / SAMPLES).max(1);
        for n in (0..len - 1).step_by(step as usize) {
            at(n)?;
        }
        at(len - 1)?;
    }
    Ok(ClockMap::new(points))
}

/// Arrival time of the cursor, ms: exact once it is read, else between two
/// points of the clock.
pub(super) fn cursor_ms(app: &mut App) -> i64 {
    let at = app.cursor.at();
    let near = app.clock.time(at as f64).round() as i64;
    if app.cursor.len() == 0 {
        return near;
    }
    let question = (app.doc.revision, at);
    match (&app.doc.run, &app.doc.recording) {
        (Some(run), _) => {
            let run = run.run.clone();
            app.strip.now.ask(&app.jobs, question, move |(_, at)| {
                run.arrival_ms(*at).map_err(|e| e.to_string())
            });
        }
        (None, Some(r)) => {
            let recording = r.recording.clone();
            app.strip.now.ask(&app.jobs, question, move |(_, at)| {
                let page = recording.page(*at, 1).map_err(|e| e.to_string())?;
                page.first()
                    .map(joinscope_operator::record::Record::arrival_ms)
                    .ok_or_else(|| format!("the recording has no arrival {at}"))
            });
        }
        _ => {}
    }
    let answer = app.strip.now.answer().filter(|answer| answer.question == question);
    let exact = answer.and_then(|answer| read_part(&app.ctx, &answer.result));
    exact.unwrap_or(near)
}
