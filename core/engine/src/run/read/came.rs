//! Partitions that came later: from when on they count, for whoever leads a tracker
//! over a run's arrivals again.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use smallvec::SmallVec;

use super::{Moment, Run};
use crate::operator::record::Arrival;
use crate::operator::watermark::{Due, Tracker};
use crate::run::bytes::{i64_at, u64_at};
use crate::run::error::Result;
use crate::run::summary::{CLOCK_WIDTH, Section};

/// The clock's entry of a lane that is active from then on.
const ACTIVE: u8 = 1;

/// A partition that is there from now on.
struct New {
    before: Arrival,
    at_ms: i64,
    topic: Arc<str>,
    partition: i32,
    /// In the inputs that its topic feeds.
    lanes: SmallVec<[u32; 2]>,
}

/// Those that came, in their order.
pub(super) struct Came(Peekable<IntoIter<New>>);

/// What happened to the tracker before a record.
pub(super) enum Led {
    /// The clock decided this.
    Fired(Due),
    /// A partition came.
    Came,
}

impl Came {
    /// Carries out the next of what comes before the record of an arrival, if there is
    /// still something: in order of time what the clock has due, and who came.
    pub fn lead(&mut self, tracker: &mut Tracker, arrival: Arrival, now_ms: i64) -> Option<Led> {
        loop {
            let next = self.0.peek().filter(|new| new.before <= arrival);
            let until = next.map_or(now_ms, |new| new.at_ms.min(now_ms));
            if let Some(due) = tracker.next_due(until) {
                tracker.fire(due, arrival);
                return Some(Led::Fired(due));
            }
            let new = self.0.next_if(|new| new.before <= arrival)?;
            // Whoever is there has been active: a snapshot knows who came before it.
            let own = |lane: &u32| tracker.lane(*lane);
            let comes = new.lanes.iter().filter_map(own).any(|own| own.last_active_ms == i64::MIN);
            if comes {
                tracker.appear(new.lanes, new.at_ms, arrival);
                return Some(Led::Came);
            }
        }
    }
}

impl Run {
    /// The partitions that came before one of the arrivals `from..=to`.
    pub(super) fn came(&self, now: &Moment, from: Arrival, to: Arrival) -> Result<Came> {
        let mut found: Vec<New> = Vec::new();
        let (first, later) = now.manifest.start.parts();
        // What precedes the first arrival of a segment may stand in the one before it.
        let begin = now.segments.partition_point(|s| s.summary.end_arrival < from);
        let end = now.segments.partition_point(|s| s.summary.first_arrival <= to);
        let any = !later.is_empty();
        for segment in now.segments[begin..end.max(begin)].iter().filter(|_| any) {
            let n = segment.len(Section::Clock, CLOCK_WIDTH);
            let bytes = segment.entries(self.cache(), Section::Clock, CLOCK_WIDTH, 0, n)?;
            for event in bytes.chunks_exact(CLOCK_WIDTH).filter(|event| event[16] == ACTIVE) {
                let (before, at_ms) = (u64_at(event, 0), i64_at(event, 8));
                let lane = u64_at(event, 17) as u32;
                let own = (lane as usize).checked_sub(first.len()).and_then(|n| later.get(n));
                let Some(own) = own.filter(|_| (from..=to).contains(&before)) else { continue };
                let same = |new: &New| {
                    (new.before, new.at_ms) == (before, at_ms)
                        && (&new.topic, new.partition) == (&own.topic, own.partition)
                };
                if found.last().is_none_or(|new| !same(new)) {
                    found.push(New {
                        before,
                        at_ms,
                        topic: Arc::clone(&own.topic),
                        partition: own.partition,
                        lanes: SmallVec::new(),
                    });
                }
                if let Some(new) = found.last_mut() {
                    new.lanes.push(lane);
                }
            }
        }
        Ok(Came(found.into_iter().peekable()))
    }
}
