//! What the clock decided in a run, as its store keeps it. In a live run, and in a
//! replay of its log, not all of that follows from arrival times: a partition that
//! is held does not go idle, one that came later counts from where the log says so,
//! and time goes on behind the last record.

use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use super::{Moment, Run};
use crate::operator::record::Arrival;
use crate::operator::watermark::{Due, DueKind, Tracker};
use crate::run::bytes::{i64_at, u64_at};
use crate::run::error::Result;
use crate::run::summary::{CLOCK_WIDTH, Section};
use crate::run::types::LaneInfo;

/// What the clock decided, before the arrival that it precedes.
#[derive(Debug)]
pub(super) struct Decided {
    pub precedes: Arrival,
    pub at_ms: i64,
    pub what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Idle(u32),
    /// Not idle any more: the lanes of one partition, which move the join together.
    Active(SmallVec<[u32; 2]>),
    Periodic(u8),
}

impl Decided {
    /// Whether a lane is not idle any more.
    pub fn wakes(&self, lane: u32) -> bool {
        matches!(&self.what, What::Active(lanes) if lanes.contains(&lane))
    }

    pub fn carry_out(&self, tracker: &mut Tracker) {
        let (at_ms, arrival) = (self.at_ms, self.precedes);
        match &self.what {
            What::Idle(lane) => tracker.set_idle(*lane, true, at_ms, arrival),
            What::Active(lanes) => tracker.appear(lanes.iter().copied(), at_ms, arrival),
            What::Periodic(input) => {
                let kind = DueKind::Periodic { input: *input };
                tracker.fire(Due { at_ms, kind }, arrival)
            }
        };
    }
}

impl Run {
    /// What the clock decided before the arrivals of a range, in its order; what ends
    /// an epoch moves nothing and is not among it.
    pub(super) fn clocked(&self, now: &Moment, of: Range<Arrival>) -> Result<Vec<Decided>> {
        let lanes = &now.manifest.start.lanes;
        let cache = self.cache();
        let mut found: Vec<Decided> = Vec::new();
        // What precedes a segment's first arrival may stand at the end of the one
        // before it.
        let first = now.segments.partition_point(|s| s.summary.end_arrival < of.start);
        for segment in now.segments.iter().skip(first) {
            if segment.summary.first_arrival >= of.end {
                break;
            }
            let all = 0..segment.len(Section::Clock, CLOCK_WIDTH);
            let before = |arrival: Arrival| {
                let earlier = |entry: &[u8]| u64_at(entry, 0) < arrival;
                segment.partition_point(cache, Section::Clock, CLOCK_WIDTH, all.clone(), earlier)
            };
            let (from, to) = (before(of.start)?, before(of.end)?);
            let entries = segment.entries(cache, Section::Clock, CLOCK_WIDTH, from, to)?;
            for entry in entries.chunks_exact(CLOCK_WIDTH) {
                add(&mut found, entry, lanes);
            }
        }
        Ok(found)
    }

    /// The join's event-time watermark at the end of what is published, ms: after the
    /// last arrival and what the clock decided behind it. `None`: at its minimum.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_watermark(&self) -> Result<Option<i64>> {
        let now = self.now();
        let end = now.arrivals();
        let mut tracker = match end.checked_sub(1) {
            Some(last) => self.tracker_after(&now, last)?.0,
            None => self.first_tracker(&now),
        };
        for decided in self.clocked(&now, end..end.saturating_add(1))? {
            decided.carry_out(&mut tracker);
        }
        Ok(Some(tracker.join()).filter(|join| *join != i64::MIN))
    }
}

fn add(found: &mut Vec<Decided>, entry: &[u8], lanes: &[LaneInfo]) {
    let (precedes, at_ms, argument) = (u64_at(entry, 0), i64_at(entry, 8), u64_at(entry, 17));
    let what = match entry[16] {
        0 => What::Idle(argument as u32),
        1 => {
            let lane = argument as u32;
            if let Some(Decided { precedes: p, at_ms: ms, what: What::Active(these) }) =
                found.last_mut()
                && (*p, *ms) == (precedes, at_ms)
                && these.first().is_some_and(|first| of_one_partition(lanes, *first, lane))
            {
                these.push(lane);
                return;
            }
            What::Active(smallvec![lane])
        }
        2 => What::Periodic(argument as u8),
        _ => return,
    };
    found.push(Decided { precedes, at_ms, what });
}

fn of_one_partition(lanes: &[LaneInfo], one: u32, other: u32) -> bool {
    match (lanes.get(one as usize), lanes.get(other as usize)) {
        (Some(one), Some(other)) => (&one.topic, one.partition) == (&other.topic, other.partition),
        _ => false,
    }
}
