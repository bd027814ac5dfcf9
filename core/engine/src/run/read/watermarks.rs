//! Event-time watermarks at any arrival: the nearest snapshot of the tracker,
//! then the same tracker over the arrivals in between.

use std::borrow::Cow;
use std::ops::Range;

use super::tables::Columns;
use super::{Moment, Run};
use crate::operator::record::Arrival;
use crate::operator::watermark::{Tracker, TrackerInput};
use crate::run::bytes::u64_at;
use crate::run::error::{Result, RunError};
use crate::run::summary::{Section, TRACKER_WIDTH};
use crate::run::types::{HolderAt, LaneAt, WatermarksAt};
use crate::run::write::{LaneTable, moves_watermark};

fn some(time: i64) -> Option<i64> {
    (time != i64::MIN).then_some(time)
}

/// Rows as a tracker is led over them: all rows of an arrival move the event-time
/// watermark together.
pub(super) struct Moving<'a> {
    pub arrival: Cow<'a, [u64]>,
    pub ms: &'a [i64],
    pub times: &'a [i64],
    pub verdicts: &'a [u8],
    inputs: &'a [u8],
    partitions: &'a [i32],
    table: &'a LaneTable,
}

impl<'a> Moving<'a> {
    pub const COLUMNS: [&'static str; 6] =
        ["arrival", "arrival_ms", "input", "partition", "event_time", "verdict"];

    /// Without the arrival, which is the row's number where each topic feeds one input.
    const COUNTED: [&'static str; 5] =
        ["arrival_ms", "input", "partition", "event_time", "verdict"];

    /// The columns that [`Moving::from_row`] takes.
    pub fn columns(table: &LaneTable) -> &'static [&'static str] {
        if table.row_is_arrival { &Self::COUNTED } else { &Self::COLUMNS }
    }

    pub fn of(t: &'a Columns, table: &'a LaneTable) -> Result<Self> {
        Self::with(t, table, Cow::Borrowed(t.u64s("arrival")?))
    }

    /// Rows that follow each other, `first` the first of them.
    pub fn from_row(t: &'a Columns, table: &'a LaneTable, first: u64) -> Result<Self> {
        if !table.row_is_arrival {
            return Self::of(t, table);
        }
        Self::with(t, table, (first..first + t.len() as u64).collect())
    }

    fn with(t: &'a Columns, table: &'a LaneTable, arrival: Cow<'a, [u64]>) -> Result<Self> {
        Ok(Self {
            arrival,
            ms: t.i64s("arrival_ms")?,
            times: t.i64s("event_time")?,
            verdicts: t.u8s("verdict")?,
            inputs: t.u8s("input")?,
            partitions: t.i32s("partition")?,
            table,
        })
    }

    /// The rows of each arrival.
    pub fn arrivals(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut at = 0;
        self.arrival.chunk_by(|a, b| a == b).map(move |rows| {
            at += rows.len();
            at - rows.len()..at
        })
    }

    #[inline]
    pub fn lane(&self, row: usize) -> Option<u32> {
        self.table.lane(self.inputs[row], self.partitions[row])
    }

    /// Lanes and event times of those rows that move their lane.
    pub fn lanes(&self, rows: Range<usize>) -> impl Iterator<Item = (u32, i64)> {
        let moves =
            |row: &usize| self.times[*row] != i64::MIN && moves_watermark(self.verdicts[*row]);
        rows.filter(moves).filter_map(|row| Some((self.lane(row)?, self.times[row])))
    }
}

impl Run {
    /// Event-time watermarks of all lanes, inputs and the join just after an
    /// arrival, and who holds the join's back.
    ///
    /// # Errors
    /// There is no such arrival, or the store cannot be read.
    pub fn watermarks_at(&self, arrival: Arrival) -> Result<WatermarksAt> {
        let now = self.now();
        let (tracker, arrival_ms) = self.tracker_after(&now, arrival)?;
        let lanes = (0..tracker.lanes()).filter_map(|lane| tracker.lane(lane));
        let lanes = lanes
            .map(|lane| LaneAt {
                watermark: some(lane.watermark),
                max_seen: lane.max_seen,
                idle: lane.idle,
                since: lane.max_seen.map(|_| lane.since),
                last_active_ms: some(lane.last_active_ms),
            })
            .collect();
        let inputs = now.manifest.start.inputs.len();
        let begun = now.manifest.start.stretch(arrival, now.arrivals()).start;
        Ok(WatermarksAt {
            restarted: (begun > 0).then_some(begun),
            arrival,
            arrival_ms,
            lanes,
            inputs: (0..inputs).map(|i| some(tracker.input(i as u8))).collect(),
            join: some(tracker.join()),
            holder: tracker.holder().map(|holder| HolderAt {
                lane: holder.lane,
                since: holder.since,
                why: holder.why,
                without: tracker.without_partition(holder.lane),
            }),
        })
    }

    /// What a tracker of the run is made with; the inputs of lanes that came later.
    fn tracker_inputs(&self, now: &Moment) -> (Vec<TrackerInput>, Vec<u8>) {
        let (first, later) = now.manifest.start.parts();
        let pipeline = &self.inner.pipeline;
        let input = |i: usize| {
            let own = first.iter().filter(|lane| usize::from(lane.input) == i);
            let partitions: Vec<i32> = own.map(|lane| lane.partition).collect();
            TrackerInput::of(pipeline, i as u8, &partitions)
        };
        let inputs = (0..pipeline.inputs.len()).filter_map(input).collect();
        (inputs, later.iter().map(|lane| lane.input).collect())
    }

    /// The tracker at the run's beginning.
    pub(super) fn first_tracker(&self, now: &Moment) -> Tracker {
        let (inputs, later) = self.tracker_inputs(now);
        Tracker::grown(inputs, &later)
    }

    /// The tracker as it is after an arrival, and that arrival's time.
    pub(super) fn tracker_after(&self, now: &Moment, arrival: Arrival) -> Result<(Tracker, i64)> {
        let last = now
            .segment_of_arrival(arrival)
            .ok_or_else(|| RunError::NoSuch(format!("the run has no arrival {arrival}")))?;
        let (mut tracker, mut from) = self.tracker_before(now, last, arrival)?;
        let mut arrival_ms = i64::MIN;
        let mut came = self.came(now, from, arrival)?;
        let mut number = now.segment_of_arrival(from).unwrap_or(last);
        while number <= last {
            let segment = &now.segments[number];
            let s = &segment.summary;
            let to = (arrival + 1).min(s.end_arrival);
            let t = self.rows_of_segment(now, segment, from, to, &Moving::COLUMNS)?;
            let moving = Moving::of(&t, &now.lanes)?;
            for rows in moving.arrivals() {
                let at = moving.arrival[rows.start];
                arrival_ms = moving.ms[rows.start];
                while came.lead(&mut tracker, at, arrival_ms).is_some() {}
                if now.manifest.start.restarts_at(at) {
                    tracker.restart(arrival_ms, at);
                }
                tracker.observe_all(moving.lanes(rows), arrival_ms, at);
            }
            from = to;
            number += 1;
        }
        Ok((tracker, arrival_ms))
    }

    /// The newest snapshot at or before an arrival, and the arrival it precedes.
    pub(super) fn tracker_before(
        &self,
        now: &Moment,
        last: usize,
        at: Arrival,
    ) -> Result<(Tracker, Arrival)> {
        let (inputs, later) = self.tracker_inputs(now);
        for number in (0..=last).rev() {
            let segment = &now.segments[number];
            let all = 0..segment.len(Section::Trackers, TRACKER_WIDTH);
            let after = segment.partition_point(
                self.cache(),
                Section::Trackers,
                TRACKER_WIDTH,
                all,
                |e| u64_at(e, 0) <= at,
            )?;
            let Some(found) = after.checked_sub(1) else { continue };
            let entry =
                segment.entries(self.cache(), Section::Trackers, TRACKER_WIDTH, found, after)?;
            let (from, len) = (u64_at(&entry, 8), u64_at(&entry, 16));
            let bytes = segment.bytes(
                self.cache(),
                Section::TrackerBytes,
                from,
                from.saturating_add(len),
            )?;
            let tracker = Tracker::load_grown(inputs, &later, &bytes)
                .map_err(|e| RunError::corrupt(&segment.index().path, e.to_string()))?;
            return Ok((tracker, u64_at(&entry, 0)));
        }
        Ok((Tracker::grown(inputs, &later), 0))
    }
}
