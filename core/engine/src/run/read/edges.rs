//! Where buckets of a range begin, as arrivals.

use super::segment::Segment;
use super::{Moment, Run};
use crate::operator::record::Arrival;
use crate::run::error::Result;
use crate::run::layout::Part;
use crate::run::pyramid::BLOCK_SHIFT;
use crate::run::summary::Section;
use crate::run::types::{Axis, Range};

/// Up to so many arrivals a range is resolved exactly.
pub(super) const EXACT: u64 = 1 << 18;
/// Blocks within which time jumps by more than a bucket that are resolved exactly.
const JUMPS: usize = 64;

/// The columns that say when records arrived.
const TIMES: [&str; 2] = ["arrival", "arrival_ms"];

/// Arrival time and event-time watermark at each 256th arrival.
pub(super) struct Ticks {
    /// Number of the first.
    pub first: u64,
    /// (arrival time, event-time watermark before that arrival).
    pub ticks: Vec<(i64, i64)>,
}

impl Ticks {
    /// The last tick at or before an arrival.
    pub fn at(&self, arrival: Arrival) -> Option<(i64, i64)> {
        let at = (arrival >> BLOCK_SHIFT).checked_sub(self.first)?;
        self.ticks.get((at as usize).min(self.ticks.len().checked_sub(1)?)).copied()
    }
}

impl Run {
    /// Ticks of the segments that arrivals `from..to` lie in.
    pub(super) fn ticks(&self, now: &Moment, from: u64, to: u64) -> Result<Ticks> {
        let mut found = Ticks { first: 0, ticks: Vec::new() };
        let begin = now.segments.partition_point(|s| s.summary.end_arrival <= from);
        // The tick at or before `from` may lie in the segment before.
        let begin = match now.segments.get(begin) {
            Some(s) if s.summary.first_arrival > from >> BLOCK_SHIFT << BLOCK_SHIFT => {
                begin.saturating_sub(1)
            }
            _ => begin,
        };
        let told = now.segments.iter().skip(begin).enumerate();
        for (_, segment) in told.take_while(|(i, s)| *i == 0 || s.summary.first_arrival < to) {
            segment.expect(self.cache(), Section::Ticks);
        }
        for (i, segment) in now.segments.iter().enumerate().skip(begin) {
            if segment.summary.first_arrival >= to && i > begin {
                break;
            }
            if i == begin {
                found.first = segment.summary.first_arrival.div_ceil(1 << BLOCK_SHIFT);
            }
            let ticks = segment.ticks(self.cache(), 0, u64::MAX)?;
            found.ticks.extend(ticks.into_iter().map(|(ms, watermark, _)| (ms, watermark)));
        }
        Ok(found)
    }

    /// First arrival of each of `buckets` equal parts of a range, and the end
    /// of the last: `buckets + 1` arrivals that never fall.
    pub(super) fn edges(&self, now: &Moment, range: Range, buckets: usize) -> Result<Vec<u64>> {
        let span = i128::from(range.to) - i128::from(range.from);
        let values = (0..=buckets as i128)
            .map(|i| (i128::from(range.from) + span.max(0) * i / (buckets as i128).max(1)) as i64);
        let end = now.arrivals();
        match range.axis {
            Axis::Arrival => Ok(values.map(|v| v.clamp(0, end as i64) as u64).collect()),
            Axis::ArrivalTime => self.time_edges(now, &values.collect::<Vec<_>>()),
            Axis::EventTime => self.watermark_edges(now, &values.collect::<Vec<_>>()),
        }
    }

    /// For each time the first arrival at or after it.
    fn time_edges(&self, now: &Moment, times: &[i64]) -> Result<Vec<u64>> {
        let end = now.arrivals();
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            return Ok(Vec::new());
        };
        let begin = now.segments.partition_point(|s| s.summary.last_ms < *first);
        let stop = now.segments.partition_point(|s| s.summary.last_ms < *last);
        let Some(segment) = now.segments.get(begin) else { return Ok(vec![end; times.len()]) };
        let from = segment.summary.first_arrival;
        let to = now.segments.get(stop).map_or(end, |s| s.summary.end_arrival);
        let ticks = self.ticks(now, from, to)?;
        // Arrivals of the first tick at or after a time, and of the one before it.
        let bounds = |time: i64| {
            let at = ticks.ticks.partition_point(|t| t.0 < time) as u64;
            let high = ((ticks.first + at) << BLOCK_SHIFT).min(to);
            let low = if at == 0 { from } else { (ticks.first + at - 1) << BLOCK_SHIFT };
            (low.max(from).min(high), high)
        };
        let exact_from = bounds(*first).0;
        let exact_to = bounds(*last).1;
        if exact_to - exact_from <= EXACT {
            let ms = self.arrival_times(now, exact_from, exact_to)?;
            return Ok(times
                .iter()
                .map(|time| exact_from + ms.partition_point(|t| t < time) as u64)
                .collect());
        }
        // Behind the last tick time goes on to the end.
        let past = now.segments.get(stop).or(now.segments.last());
        let past = past.map_or(*last, |s| s.summary.last_ms);
        let width = (i128::from(*last) - i128::from(*first)) / times.len() as i128;
        let mut jumps = 0;
        let mut known = None;
        let parts: Vec<_> = times
            .iter()
            .map(|time| {
                let (low, high) = bounds(*time);
                let before = ticks.at(low).map_or(*time, |t| t.0);
                let after = if high >= to { past } else { ticks.at(high).map_or(*time, |t| t.0) };
                let ends = time == first || time == last;
                let jump = i128::from(after) - i128::from(before) > width && jumps < JUMPS;
                if (ends || jump) && known != Some(low) {
                    jumps += 1;
                    known = Some(low);
                }
                (low, high, ends || jump)
            })
            .collect();
        self.expect_times(now, parts.iter().filter(|p| p.2).map(|p| (p.0, p.1)))?;
        let mut known: Option<(u64, Vec<i64>)> = None;
        let mut edges = Vec::with_capacity(times.len());
        for (time, (low, high, exactly)) in times.iter().zip(parts) {
            if !exactly {
                edges.push(high);
                continue;
            }
            if known.as_ref().is_none_or(|k| k.0 != low) {
                known = Some((low, self.arrival_times(now, low, high)?));
            }
            let within = known.as_ref().map_or(0, |k| k.1.partition_point(|t| t < time));
            edges.push(low + within as u64);
        }
        for i in 1..edges.len() {
            edges[i] = edges[i].max(edges[i - 1]);
        }
        Ok(edges)
    }

    /// Has the disk begin with the arrival times of several ranges of arrivals.
    fn expect_times(
        &self,
        now: &Moment,
        ranges: impl Iterator<Item = (Arrival, Arrival)>,
    ) -> Result<()> {
        let mut wanted: Vec<(&Segment, std::ops::Range<u64>)> = Vec::new();
        for (from, to) in ranges.filter(|(from, to)| from < to) {
            let Some(number) = now.segment_of_arrival(from) else { continue };
            let s = &now.segments[number].summary;
            let rows = self.rows_about(now, from)?.start..self.rows_about(now, to - 1)?.end;
            let rows = rows.start - s.first_row..rows.end.min(s.end_row) - s.first_row;
            if wanted.last().is_none_or(|w| w.1 != rows || w.0.summary.number != s.number) {
                wanted.push((&now.segments[number], rows));
            }
        }
        self.inner.tables.expect(Part::Rows, &TIMES, wanted.iter().cloned());
        Ok(())
    }

    /// Arrival times of arrivals `from..to`.
    pub(super) fn arrival_times(&self, now: &Moment, from: u64, to: u64) -> Result<Vec<i64>> {
        let mut times = Vec::with_capacity((to - from) as usize);
        let mut before = None;
        self.rows_between(now, from, to, &TIMES, |t| {
            for (arrival, ms) in t.u64s("arrival")?.iter().zip(t.i64s("arrival_ms")?) {
                if before != Some(*arrival) {
                    before = Some(*arrival);
                    times.push(*ms);
                }
            }
            Ok(())
        })?;
        Ok(times)
    }

    /// Columns of the rows of arrivals `from..to`, segment by segment.
    pub(super) fn rows_between(
        &self,
        now: &Moment,
        from: u64,
        to: u64,
        columns: &[&str],
        mut each: impl FnMut(&super::tables::Columns) -> Result<()>,
    ) -> Result<()> {
        let begin = self.row_of_arrival(now, from)?;
        let end = self.row_of_arrival(now, to)?;
        let mut at = begin;
        while at < end {
            let Some(number) = now.segment_of_row(at) else { break };
            let segment = &now.segments[number];
            let s = &segment.summary;
            let stop = end.min(s.end_row);
            let rows = at - s.first_row..stop - s.first_row;
            let t = self.inner.tables.read_range(segment, Part::Rows, columns, &rows)?;
            each(&t)?;
            at = stop;
        }
        Ok(())
    }

    /// Columns of the rows of arrivals `from..to` of one segment, which holds the
    /// first of them; what lies behind its end is left out.
    pub(super) fn rows_of_segment(
        &self,
        now: &Moment,
        segment: &Segment,
        from: u64,
        to: u64,
        columns: &[&str],
    ) -> Result<super::tables::Columns> {
        let s = &segment.summary;
        let rows = self.row_of_arrival(now, from)? - s.first_row
            ..self.row_of_arrival(now, to)?.min(s.end_row) - s.first_row;
        self.inner.tables.read_range(segment, Part::Rows, columns, &rows)
    }

    /// The arrival time of an arrival, ms.
    ///
    /// # Errors
    /// There is no such arrival, or the store cannot be read.
    pub fn arrival_ms(&self, arrival: Arrival) -> Result<i64> {
        let now = self.now();
        let times = self.arrival_times(&now, arrival, arrival.saturating_add(1))?;
        times.first().copied().ok_or_else(|| {
            crate::run::RunError::NoSuch(format!("the run has no arrival {arrival}"))
        })
    }

    /// The first arrival at or after an arrival time; the end if there is none.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn arrival_at_ms(&self, ms: i64) -> Result<Arrival> {
        let now = self.now();
        let edges = self.time_edges(&now, &[ms])?;
        Ok(edges.first().copied().unwrap_or(now.arrivals()))
    }

    /// First and last arrival time of what is published, ms.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn arrival_time_range(&self) -> Result<Option<(i64, i64)>> {
        let now = self.now();
        let Some(last) = now.segments.iter().rev().find(|s| s.summary.rows() > 0) else {
            return Ok(None);
        };
        let first = self.arrival_times(&now, 0, 1)?;
        Ok(first.first().map(|first| (*first, last.summary.last_ms)))
    }
}
