//! The questions of the design's table, measured on a run.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::error::Result;
use super::read::Run;
use super::types::{Axis, Direction, Query, Range, SortBy, SortColumn, VerdictSet};
use crate::operator::verdict::Verdict;

/// One question: how long its answers took, milliseconds.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct QuestionTime {
    pub question: &'static str,
    /// The design's bound for a cold answer.
    pub bound_ms: f64,
    /// Neither the store nor the system has anything of the run in memory.
    pub disk_p50_ms: f64,
    pub disk_p99_ms: f64,
    /// Nothing in the store's own cache before each question.
    pub cold_p50_ms: f64,
    pub cold_p99_ms: f64,
    /// The same question again.
    pub warm_p50_ms: f64,
    pub warm_p99_ms: f64,
}

/// Asks each question of the table `rounds` times at places spread over the
/// run, each first from the disk, then with the store's cache empty, then again.
///
/// # Errors
/// The run cannot be read.
pub fn bench_questions(run: &Run, rounds: usize) -> Result<Vec<QuestionTime>> {
    let rows = run.rows().max(1);
    let arrivals = run.arrivals().max(1);
    let outputs = run.outputs().max(1);
    let lanes: Vec<u32> = (0..run.manifest().start.lanes.len() as u32).collect();
    let place = |round: usize, of: u64| {
        // Weyl's sequence: spread evenly, the same every time.
        (round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % of
    };
    let unmatched = VerdictSet::of(Verdict::Unmatched);
    let rare = VerdictSet::of(Verdict::Late).with(Verdict::Undecodable);
    let whole = Range { axis: Axis::Arrival, from: 0, to: arrivals as i64 };
    let part = |round: usize| {
        let width = [arrivals / 3, arrivals / 30, 300_000, 5_000][round % 4].max(1);
        let from = place(round, arrivals.saturating_sub(width).max(1)) as i64;
        Range { axis: Axis::Arrival, from, to: from + width as i64 }
    };
    let times = run.arrival_time_range()?.unwrap_or((0, 1));
    let in_time = Range { axis: Axis::ArrivalTime, from: times.0, to: times.1 };
    let row = |round: usize| run.row(place(round, rows));
    let mut all = Vec::new();
    let mut ask = |question, bound_ms, mut one: &mut dyn FnMut(usize) -> Result<()>| {
        all.push(measure(run, question, bound_ms, rounds, &mut one)?);
        Ok::<_, super::RunError>(())
    };

    ask("page of 100 rows", 20.0, &mut |i| run.page(place(i, rows), 100).map(drop))?;
    let names: Vec<_> = (0..rounds).map(|i| row(i).map(|r| r.record)).collect::<Result<_>>()?;
    ask("record by name", 20.0, &mut |i| run.find(&names[i]).map(drop))?;
    let n = run.count(unmatched).max(1);
    ask("n-th of a verdict", 10.0, &mut |i| run.nth(unmatched, place(i, n)).map(drop))?;
    ask("next of a verdict", 10.0, &mut |i| {
        run.next(rare, place(i, rows), Direction::Forward).map(drop)
    })?;
    let keys: Vec<_> = (0..rounds).map(row).collect::<Result<_>>()?;
    ask("rows of a key", 100.0, &mut |i| match &keys[i].key {
        Some(key) => run.rows_of_key(key, keys[i].event_time.unwrap_or(0), 100).map(drop),
        None => Ok(()),
    })?;
    ask("outputs of a record", 20.0, &mut |i| run.outputs_of(place(i, rows)).map(drop))?;
    ask("records of an output", 20.0, &mut |i| {
        let output = run.output(place(i, outputs))?;
        run.views(&output.rows).map(drop)
    })?;
    ask("event-time watermarks at an arrival", 10.0, &mut |i| {
        run.watermarks_at(place(i, arrivals)).map(drop)
    })?;
    ask("densities, whole run", 20.0, &mut |_| run.density(whole, &lanes, 1600).map(drop))?;
    ask("densities, a part", 20.0, &mut |i| run.density(part(i), &lanes, 1600).map(drop))?;
    ask("densities, arrival time", 20.0, &mut |_| run.density(in_time, &lanes, 1600).map(drop))?;
    ask("lines, whole run", 20.0, &mut |_| run.lines(whole, &lanes, 1600).map(drop))?;
    ask("lines, a part", 20.0, &mut |i| run.lines(part(i), &lanes, 1600).map(drop))?;
    ask("books and state at an arrival", 50.0, &mut |i| {
        run.books(Some(place(i, arrivals))).map(drop)
    })?;
    ask("state of a key at an arrival", 50.0, &mut |i| match &keys[i].key {
        Some(key) => run.state_of_key(key, place(i + 7, arrivals)).map(drop),
        None => Ok(()),
    })?;
    Ok(all)
}

/// How many rows a second a text search looks at.
///
/// # Errors
/// The run cannot be read.
pub fn bench_search(run: &Run) -> Result<f64> {
    let query = Query { text: Some("no such text".into()), ..Query::default() };
    rate(run, || run.search_all(&query, &AtomicBool::new(false)).map(drop))
}

/// How many rows a second a filter by verdict and lateness looks at.
///
/// # Errors
/// The run cannot be read.
pub fn bench_filter(run: &Run) -> Result<f64> {
    let query = Query {
        verdicts: VerdictSet::of(Verdict::Late),
        late_by_at_least: Some(1_000),
        ..Query::default()
    };
    rate(run, || run.search_all(&query, &AtomicBool::new(false)).map(drop))
}

/// How many rows a second are put in the order of their event times.
///
/// # Errors
/// The run cannot be read.
pub fn bench_sort(run: &Run) -> Result<f64> {
    /// As many as a search reports at once.
    const PART: u64 = 32_768;
    rate(run, || {
        let (mut all, mut at) = (Vec::new(), 0);
        while at < run.rows() {
            let part: Vec<u64> = (at..run.rows().min(at + PART)).collect();
            if let SortColumn::Numbers(times) = run.sort_column(&part, SortBy::EventTime)? {
                all.extend(times.into_iter().zip(part));
            }
            at += PART;
        }
        all.sort_unstable();
        drop(std::hint::black_box(all));
        Ok(())
    })
}

/// Rows of the run a second, where `all` goes through every one.
fn rate(run: &Run, all: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = Instant::now();
    all()?;
    Ok(run.rows() as f64 / before.elapsed().as_secs_f64().max(1e-9))
}

fn measure(
    run: &Run,
    question: &'static str,
    bound_ms: f64,
    rounds: usize,
    one: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<QuestionTime> {
    let mut disk = Vec::with_capacity(rounds);
    let mut cold = Vec::with_capacity(rounds);
    let mut warm = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let mut timed = |times: &mut Vec<f64>| {
            let before = Instant::now();
            one(round)?;
            times.push(before.elapsed().as_secs_f64() * 1000.0);
            Ok::<_, super::RunError>(())
        };
        run.forget_files()?;
        timed(&mut disk)?;
        run.forget();
        timed(&mut cold)?;
        timed(&mut warm)?;
    }
    let quantile = |times: &mut Vec<f64>, q: f64| {
        times.sort_by(f64::total_cmp);
        let at = ((times.len() as f64 * q).ceil() as usize).saturating_sub(1);
        times.get(at).copied().unwrap_or(0.0)
    };
    Ok(QuestionTime {
        question,
        bound_ms,
        disk_p50_ms: quantile(&mut disk, 0.5),
        disk_p99_ms: quantile(&mut disk, 0.99),
        cold_p50_ms: quantile(&mut cold, 0.5),
        cold_p99_ms: quantile(&mut cold, 0.99),
        warm_p50_ms: quantile(&mut warm, 0.5),
        warm_p99_ms: quantile(&mut warm, 0.99),
    })
}
