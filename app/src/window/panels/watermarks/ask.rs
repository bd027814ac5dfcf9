//! What the panel asks: lines over the range in sight, with what is worth
//! drawing of many partitions, and how everything stood at the cursor.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use joinscope_core::run::{
    Axis, Density, Lines, ManifestStart, MinMax, Query, Range, VerdictSet, WatermarksAt,
};
use joinscope_operator::record::{Arrival, RecordName};
use joinscope_operator::verdict::Verdict;
use joinscope_operator::watermark::Why;

use super::draw::name_in;
use super::hindmost::hindmost;
use super::reach::{Beyond, Reach};
use crate::window::store::Run;

/// Partitions of an input that are drawn one by one; above it, a band.
pub const FEW: usize = 12;
/// Drawn of a band's partitions besides: those that lag most.
const WORST: usize = 3;
/// Gaps in the offsets of a partition that are shown.
const GAPS: usize = 8;
/// Silences that are told of: at the end of a run all partitions are silent, and
/// what came before is still shown.
const SILENCES: usize = 24;
/// Late records that are drawn each at its place.
const POINTS: u64 = 1_500;

/// Lines over a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub revision: u64,
    pub range: Range,
    pub buckets: usize,
    /// First and last arrival in sight.
    pub view: (Arrival, Arrival),
    /// Drawn whatever happens: the one that holds the rest back, the selected
    /// record's, the pinned one.
    pub wanted: Vec<u32>,
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

/// Offsets of a partition that the recording does not have, between two records
/// that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub lane: u32,
    /// Arrivals of the records before and after it.
    pub arrivals: (Arrival, Arrival),
    /// First and last of the missing offsets.
    pub offsets: (i64, i64),
}

/// What is drawn.
pub struct Drawn {
    pub lanes: Vec<(u32, Line)>,
    /// What they are called, in their order.
    pub names: Vec<(u32, String)>,
    pub bands: Vec<Band>,
    pub inputs: Vec<Line>,
    pub join: Line,
    pub arrival_ms: Line,
    /// First arrival of each bucket, and the end.
    pub arrivals: Vec<Arrival>,
    pub gaps: Vec<Gap>,
    pub silences: Vec<Silence>,
    /// At most [`POINTS`], evenly taken.
    pub late: Vec<Late>,
    /// All of them in the range.
    pub late_count: u64,
    /// Late records by bucket.
    pub late_density: Vec<u64>,
    /// What the vertical scale covers, and what it does not.
    pub reach: Reach,
    pub beyond: Beyond,
}

/// Reads what is drawn.
pub fn drawn(run: &Run, q: &Question) -> Result<Drawn, String> {
    let start = run.manifest().start;
    let all: Vec<u32> = (0..start.lanes.len() as u32).collect();
    let mut lines = run.lines(q.range, &all, q.buckets).map_err(|e| e.to_string())?;
    on_the_clock(&mut lines);
    let (lanes, bands) = split(&start, &lines, &q.wanted);
    // Of thousands of partitions those that are drawn can be said to be silent.
    let shown: Vec<u32> = lanes.iter().map(|l| l.0).collect();
    let density = run.density(q.range, &shown, q.buckets).map_err(|e| e.to_string())?;
    let one = vec![0; all.len()];
    let whole = run.density_of_groups(q.range, &one, 1, q.buckets).map_err(|e| e.to_string())?;
    let (late, late_count) = late(run, q.view).map_err(|e| e.to_string())?;
    let mut silences = silences(run, &start, &density, &lines.arrival_ms);
    exact(run, &lines.arrivals, &mut silences).map_err(|e| e.to_string())?;
    let mut drawn = Drawn {
        lanes,
        names: shown.iter().map(|lane| (*lane, name_in(&start, *lane))).collect(),
        bands,
        silences,
        late_density: (0..whole.buckets)
            .map(|b| u64::from(whole.at(0, b)[Verdict::Late as usize]))
            .collect(),
        gaps: gaps(run, &start, &shown).map_err(|e| e.to_string())?,
        inputs: lines.inputs,
        arrivals: lines.arrivals,
        join: lines.join,
        arrival_ms: lines.arrival_ms,
        late,
        late_count,
        reach: Reach::ALL,
        beyond: Beyond::default(),
    };
    drawn.reach = Reach::of_drawn(&drawn);
    drawn.beyond = Beyond::of(&drawn.reach, &lines.lanes, &lines.lane_lines, &drawn);
    Ok(drawn)
}

/// On the arrival clock a bucket's time is its own, also where nothing arrives:
/// the lag grows through a silence instead of jumping at its begin.
pub fn on_the_clock(lines: &mut Lines) {
    let range = lines.range;
    if range.axis != Axis::ArrivalTime {
        return;
    }
    let span = i128::from(range.to) - i128::from(range.from);
    let buckets = lines.buckets.max(1) as i128;
    let edge = |i: usize| (i128::from(range.from) + span * i as i128 / buckets) as i64;
    for (i, ms) in lines.arrival_ms.iter_mut().enumerate() {
        if ms.is_some() {
            *ms = Some(MinMax { min: edge(i), max: edge(i + 1).min(range.to - 1) });
        }
    }
}

/// Gaps in the offsets of some lanes, as far as the recording lists them.
fn gaps(run: &Run, start: &ManifestStart, lanes: &[u32]) -> joinscope_core::run::Result<Vec<Gap>> {
    let Some(recording) = run.recording() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for lane in lanes {
        let Some(info) = start.lanes.get(*lane as usize) else { continue };
        let partition = recording.info().partitions.iter().find(|p| {
            p.topic_partition.topic == info.topic && p.topic_partition.partition == info.partition
        });
        let Some(partition) = partition else { continue };
        let arrival = |offset| -> joinscope_core::run::Result<Option<Arrival>> {
            let topic = info.topic.clone();
            let name = RecordName { topic, partition: info.partition, offset };
            let rows = run.find(&name)?;
            Ok(rows.first().map(|r| r.arrival))
        };
        for (from, to) in partition.gaps.listed.iter().take(GAPS) {
            // What is missing before the first or after the last is no gap.
            if let (Some(before), Some(after)) = (arrival(from - 1)?, arrival(*to)?) {
                let gap = Gap { lane: *lane, arrivals: (before, after), offsets: (*from, to - 1) };
                found.push(gap);
            }
        }
    }
    Ok(found)
}

/// Lines of few partitions; of many a band, the ones that lag most and `wanted`.
fn split(start: &ManifestStart, lines: &Lines, wanted: &[u32]) -> (Vec<(u32, Line)>, Vec<Band>) {
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

fn worst(of_input: &[usize], lines: &Lines, wanted: &[u32]) -> Vec<usize> {
    let end = |i: &usize| lines.lane_lines[*i].iter().flatten().last().map(|m| m.max);
    let mut sorted = of_input.to_vec();
    sorted.sort_by_key(|i| (end(i), *i));
    let mut drawn: Vec<usize> = sorted.into_iter().take(WORST).collect();
    for i in of_input {
        if wanted.contains(&lines.lanes[*i]) && !drawn.contains(i) {
            drawn.push(*i);
        }
    }
    drawn
}

fn band(of_input: &[usize], lines: &Lines) -> Band {
    let mut band = Band { low: Vec::new(), median: Vec::new(), high: Vec::new() };
    for bucket in 0..lines.buckets {
        let mut values: Vec<i64> = of_input
            .iter()
            .filter_map(|i| lines.lane_lines[*i].get(bucket).copied().flatten().map(|m| m.max))
            .collect();
        band.low.push(values.iter().min().copied());
        band.high.push(values.iter().max().copied());
        let middle = values.len() / 2;
        let median = (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1);
        band.median.push(median);
    }
    band
}

/// A silence is told of from here on, also where the idle timeout is longer: until
/// that is over the partition holds the join back.
const TOLD: i64 = 30_000;

/// A shorter one is said in no figure that is not 0.
const SHORTEST: i64 = 1_000;

/// Ranges in which a partition gave nothing for longer than a twentieth of what is
/// in sight and than its idle timeout, or [`TOLD`] if that is less.
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
        let least = timeout.unwrap_or(0).min(TOLD).max(whole / 20).max(SHORTEST);
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
    found.truncate(SILENCES);
    found
}

/// How long the silences were by the run itself: buckets tell it no finer than they
/// are wide, and what is told must not depend on the width of a picture.
fn exact(
    run: &Run,
    arrivals: &[Arrival],
    found: &mut [Silence],
) -> joinscope_core::run::Result<()> {
    /// So many arrivals before its end at most the partition's next record is looked for.
    const NEAR: u64 = 1 << 15;
    let end = arrivals.last().copied().unwrap_or(0);
    let never = AtomicBool::new(false);
    let mut known: Vec<WatermarksAt> = Vec::new();
    for silence in &mut *found {
        let place = |bucket: usize| arrivals.get(bucket).copied().unwrap_or(end);
        let lasts = silence.to + 1 >= arrivals.len();
        // An arrival within it: what the partition gave last lies before, the next after.
        let within = if lasts {
            end
        } else {
            let middle = place(silence.from.midpoint(silence.to));
            middle.max(place(silence.to).saturating_sub(NEAR))
        };
        let Some(before) = within.checked_sub(1) else { continue };
        // Those that last until the end, and that is most, share one moment.
        if !known.iter().any(|w| w.arrival == before) {
            known.push(run.watermarks_at(before)?);
        }
        let Some(at) = known.iter().find(|w| w.arrival == before) else { continue };
        let begin = at.lanes.get(silence.lane as usize).and_then(|l| l.last_active_ms);
        let next = if lasts {
            Some(at.arrival_ms)
        } else {
            let query = Query {
                lanes: vec![silence.lane],
                arrivals: Some((within, end.saturating_sub(1))),
                limit: Some(1),
                ..Query::default()
            };
            let rows = run.search_all(&query, &never)?;
            run.views(&rows)?.first().map(|row| row.arrival_ms)
        };
        let (Some(begin), Some(next)) = (begin, next) else { continue };
        let long = next.saturating_sub(begin);
        // Counts of a block may be shared out to the wrong buckets: then the arrival does
        // not lie within, and the buckets know better.
        if long > silence.long / 2 {
            silence.long = long;
        }
    }
    found.sort_by_key(|s| std::cmp::Reverse(s.long));
    Ok(())
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

/// How everything stood just after an arrival, and a while before it.
pub struct At {
    pub now: WatermarksAt,
    pub before: Option<WatermarksAt>,
    /// Arrival times of the arrivals that may be named, ms.
    pub times: BTreeMap<Arrival, i64>,
}

/// A while, ms.
const WHILE: i64 = 60_000;

/// Exact times of the arrivals since which a lane holds the join back or is ahead.
fn named(run: &Run, now: &WatermarksAt) -> joinscope_core::run::Result<BTreeMap<Arrival, i64>> {
    /// Of lanes that are ahead; the one that is said is among the furthest.
    const MOST: usize = 4;
    let mut ahead: Vec<(i64, Arrival)> = now
        .lanes
        .iter()
        .filter_map(|lane| Some((lane.max_seen?.saturating_sub(now.arrival_ms), lane.since?)))
        .filter(|(by, _)| *by > 0)
        .collect();
    ahead.sort_unstable_by_key(|by| std::cmp::Reverse(*by));
    let ahead = ahead.into_iter().take(MOST).map(|(_, since)| since);
    let named = ahead.chain(now.holder.map(|h| h.since));
    named.map(|arrival| run.arrival_ms(arrival).map(|ms| (arrival, ms))).collect()
}

/// Reads how everything stood at an arrival.
pub fn at(run: &Run, arrival: Arrival) -> Result<At, String> {
    let read = || -> joinscope_core::run::Result<At> {
        let now = run.watermarks_at(arrival)?;
        let times = named(run, &now)?;
        // Only who is behind the others needs to be told slow from skewed.
        let holder = now.holder.filter(|h| h.why == Why::Slowest);
        if holder.is_none_or(|h| hindmost(&now, h.lane).is_none()) {
            return Ok(At { now, before: None, times });
        }
        let earlier = run.arrival_at_ms(now.arrival_ms.saturating_sub(WHILE))?;
        // What stood before a restart is nothing to measure by.
        let earlier = now.restarted.map_or(earlier, |restart| earlier.max(restart));
        let before = if earlier < arrival { Some(run.watermarks_at(earlier)?) } else { None };
        Ok(At { now, before, times })
    };
    read().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use joinscope_core::run::{InputInfo, LaneInfo};

    #[test]
    fn of_many_partitions_the_worst_and_the_wanted_are_drawn_over_a_band() {
        let n = 40u32;
        let start = ManifestStart {
            inputs: vec![InputInfo {
                name: "a".into(),
                topic: "a".into(),
                max_out_of_orderness: 0,
            }],
            lanes: (0..n as i32)
                .map(|p| LaneInfo { input: 0, topic: "a".into(), partition: p })
                .collect(),
            ..ManifestStart::default()
        };
        let line = |lane: u32| {
            let at = i64::from(lane) * 100;
            vec![None, Some(MinMax { min: at, max: at + 10 })]
        };
        let range = Range { axis: Axis::Arrival, from: 0, to: 2 };
        let lines = Lines {
            range,
            buckets: 2,
            lanes: (0..n).collect(),
            lane_lines: (0..n).map(line).collect(),
            inputs: Vec::new(),
            join: Vec::new(),
            arrival_ms: Vec::new(),
            arrivals: Vec::new(),
        };
        let (shown, bands) = split(&start, &lines, &[30, 1]);
        let lanes: Vec<u32> = shown.iter().map(|l| l.0).collect();
        assert_eq!(lanes, [0, 1, 2, 30], "three lag most, one is wanted besides");
        let band = &bands[0];
        assert_eq!(band.low, [None, Some(10)]);
        assert_eq!(band.median, [None, Some(2_010)]);
        assert_eq!(band.high, [None, Some(3_910)]);
    }
}
