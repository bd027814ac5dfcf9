//! What the panel asks: lines over the range in sight, with what is worth
//! drawing of many partitions, and how everything stood at the cursor.

use joinscope_core::run::{Density, Lines, ManifestStart, MinMax, Range, VerdictSet, WatermarksAt};
use joinscope_operator::record::Arrival;
use joinscope_operator::verdict::Verdict;

use crate::window::store::Run;

/// Partitions of an input that are drawn one by one; above it, a band.
pub const FEW: usize = 12;
/// Drawn of a band's partitions besides: those that lag most.
const WORST: usize = 3;
/// Late records that are drawn each at its place.
const POINTS: u64 = 1_500;

/// Lines over a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    pub revision: u64,
    pub range: Range,
    pub buckets: usize,
    /// First and last arrival in sight.
    pub view: (Arrival, Arrival),
    /// Drawn whatever happens: it holds the rest back, or is selected.
    pub lane: Option<u32>,
}

/// One line: what it had at the start and the end of each bucket, ms.
pub type Line = Vec<Option<MinMax>>;

/// An input with too many partitions to draw each.
#[derive(Clone, Debug)]
pub struct Band {
    pub low: Vec<Option<i64>>,
    pub median: Vec<Option<i64>>,
    pub high: Vec<Option<i64>>,
}

/// A late record: arrival, arrival time and event time, ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Late {
    pub row: u64,
    pub arrival: Arrival,
    pub arrival_ms: i64,
    pub event_time: i64,
}

/// A partition that gave nothing for long: buckets, the first in, the last out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    pub lane: u32,
    pub from: usize,
    pub to: usize,
    /// ms, by the arrival clock.
    pub long: i64,
}

/// What is drawn.
pub struct Drawn {
    pub lanes: Vec<(u32, Line)>,
    pub bands: Vec<Band>,
    pub inputs: Vec<Line>,
    pub join: Line,
    pub arrival_ms: Line,
    pub silences: Vec<Silence>,
    /// At most [`POINTS`], evenly taken.
    pub late: Vec<Late>,
    /// All of them in the range.
    pub late_count: u64,
    /// Late records by bucket.
    pub late_density: Vec<u64>,
}

/// Reads what is drawn.
pub fn drawn(run: &Run, q: &Question) -> Result<Drawn, String> {
    let start = run.manifest().start;
    let all: Vec<u32> = (0..start.lanes.len() as u32).collect();
    let lines = run.lines(q.range, &all, q.buckets).map_err(|e| e.to_string())?;
    let density = run.density(q.range, &all, q.buckets).map_err(|e| e.to_string())?;
    let (lanes, bands) = split(&start, &lines, q.lane);
    let (late, late_count) = late(run, q.view).map_err(|e| e.to_string())?;
    Ok(Drawn {
        lanes,
        bands,
        silences: silences(run, &start, &density, &lines.arrival_ms),
        late_density: late_by_bucket(&density),
        inputs: lines.inputs,
        join: lines.join,
        arrival_ms: lines.arrival_ms,
        late,
        late_count,
    })
}

fn late_by_bucket(density: &Density) -> Vec<u64> {
    let mut counts = vec![0; density.buckets];
    for lane in 0..density.lanes.len() {
        for (bucket, count) in counts.iter_mut().enumerate() {
            *count += u64::from(density.at(lane, bucket)[Verdict::Late as usize]);
        }
    }
    counts
}

/// Lines of few partitions; of many a band, the ones that lag most and `wanted`.
fn split(
    start: &ManifestStart,
    lines: &Lines,
    wanted: Option<u32>,
) -> (Vec<(u32, Line)>, Vec<Band>) {
    let infos = &start.lanes;
    let (mut shown, mut bands) = (Vec::new(), Vec::new());
    for input in 0..start.inputs.len() {
        let of_input: Vec<usize> = (0..lines.lanes.len())
            .filter(|i| {
                infos.get(lines.lanes[*i] as usize).is_some_and(|l| usize::from(l.input) == input)
            })
            .collect();
        let drawn = if of_input.len() <= FEW {
            of_input
        } else {
            bands.push(band(&of_input, lines));
            worst(&of_input, lines, wanted)
        };
        shown.extend(drawn.into_iter().map(|i| (lines.lanes[i], lines.lane_lines[i].clone())));
    }
    (shown, bands)
}

fn worst(of_input: &[usize], lines: &Lines, wanted: Option<u32>) -> Vec<usize> {
    let end = |i: &usize| lines.lane_lines[*i].iter().flatten().last().map(|m| m.max);
    let mut sorted = of_input.to_vec();
    sorted.sort_by_key(|i| (end(i), *i));
    let mut drawn: Vec<usize> = sorted.into_iter().take(WORST).collect();
    let wanted = of_input.iter().copied().find(|i| Some(lines.lanes[*i]) == wanted);
    drawn.extend(wanted.filter(|w| !drawn.contains(w)));
    drawn
}

fn band(of_input: &[usize], lines: &Lines) -> Band {
    let mut band = Band { low: Vec::new(), median: Vec::new(), high: Vec::new() };
    for bucket in 0..lines.buckets {
        let mut values: Vec<i64> = of_input
            .iter()
            .filter_map(|i| lines.lane_lines[*i].get(bucket).copied().flatten().map(|m| m.max))
            .collect();
        values.sort_unstable();
        band.low.push(values.first().copied());
        band.median.push(values.get(values.len() / 2).copied());
        band.high.push(values.last().copied());
    }
    band
}

/// Ranges in which a partition gave nothing for longer than its idle timeout,
/// or, without one, than a twentieth of what is in sight.
fn silences(run: &Run, start: &ManifestStart, density: &Density, clock: &Line) -> Vec<Silence> {
    let ms = |bucket: usize| clock.get(bucket).copied().flatten();
    let whole = match (clock.iter().flatten().next(), clock.iter().flatten().last()) {
        (Some(a), Some(b)) => b.max.saturating_sub(a.min),
        _ => 0,
    };
    let mut found = Vec::new();
    for (i, lane) in density.lanes.iter().enumerate() {
        let info = start.lanes.get(*lane as usize);
        let timeout = info
            .and_then(|l| run.pipeline().inputs.get(usize::from(l.input)))
            .and_then(|input| input.watermark.idle_timeout);
        let least = timeout.unwrap_or(0).max(whole / 20);
        let mut from = None;
        for bucket in 0..=density.buckets {
            let empty = bucket < density.buckets && density.at(i, bucket).iter().all(|n| *n == 0);
            match (empty, from) {
                (true, None) => from = Some(bucket),
                (false, Some(first)) => {
                    from = None;
                    let begin = ms(first).map(|m| m.min);
                    let end = ms(bucket.min(density.buckets - 1)).map(|m| m.max);
                    let (Some(begin), Some(end)) = (begin, end) else { continue };
                    let long = end.saturating_sub(begin);
                    if long > least {
                        found.push(Silence { lane: *lane, from: first, to: bucket, long });
                    }
                }
                _ => {}
            }
        }
    }
    // One partition's silence says something; if all are silent, nothing came.
    found.sort_by_key(|s| std::cmp::Reverse(s.long));
    found.truncate(8);
    found
}

fn late(run: &Run, view: (Arrival, Arrival)) -> joinscope_core::run::Result<(Vec<Late>, u64)> {
    let set = VerdictSet::of(Verdict::Late);
    let first = run.rank(set, crate::window::store::first_row_of(run, view.0)?)?;
    let end = run.rank(set, crate::window::store::first_row_of(run, view.1.saturating_add(1))?)?;
    let count = end.saturating_sub(first);
    let taken = count.min(POINTS);
    let rows: Vec<u64> = if taken == count {
        run.nth_from(set, first, taken as usize)?
    } else {
        let mut rows = Vec::with_capacity(taken as usize);
        for i in 0..taken {
            rows.extend(run.nth(set, first + i * count / taken)?);
        }
        rows
    };
    let late = |v: joinscope_core::run::RowView| {
        Some(Late {
            row: v.row,
            arrival: v.arrival,
            arrival_ms: v.arrival_ms,
            event_time: v.event_time?,
        })
    };
    Ok((run.views(&rows)?.into_iter().filter_map(late).collect(), count))
}

/// How everything stood just after an arrival.
pub fn at(run: &Run, arrival: Arrival) -> Result<WatermarksAt, String> {
    run.watermarks_at(arrival).map_err(|e| e.to_string())
}
