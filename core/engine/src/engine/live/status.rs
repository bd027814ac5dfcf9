//! What a live source tells whoever watches it. The reading tells it as it goes;
//! while it has to wait (a commit does not come through, a batch is not taken),
//! what the clock and the cluster say goes on.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::edges::kafka::{Beside, TailLane};
use crate::operator::record::TopicPartition;

/// Shared by the source and those who watch; a look is a copy.
#[derive(Debug, Default)]
pub struct LiveStatus(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    standing: Standing,
    /// When the reading said so.
    at: Option<Instant>,
    /// Of the reading that is open.
    beside: Option<Beside>,
    /// Of the newest reading.
    denied: bool,
}

/// How a live source stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    pub lanes: Vec<TailLane>,
    /// The arrival log of an earlier start is being followed.
    pub replaying: bool,
    /// No broker answers: seconds since the last answer, and why.
    pub away: Option<(u64, String)>,
    /// Partitions that the topics have got since the start: not read.
    pub unread: Vec<TopicPartition>,
    /// The reading ended because this user may not read: another start would end so too.
    pub denied: bool,
    /// Seconds for which the join has not asked for more, so that nothing is read.
    pub unasked_s: u64,
    /// Wall clock, ms since the Unix epoch.
    pub now_ms: i64,
}

impl Standing {
    /// Offsets in the log that were not yet taken.
    #[must_use]
    pub fn lag_records(&self) -> u64 {
        self.lanes.iter().map(TailLane::lag).sum()
    }

    /// For how long a lane has waited for a transaction, ms; 0 where it does not.
    #[must_use]
    pub fn waited_ms(&self, lane: &TailLane) -> u64 {
        let waited = lane.waits_since_ms.map_or(0, |since| self.now_ms.saturating_sub(since));
        waited.max(0).unsigned_abs()
    }

    /// How old the newest record taken is where more are waiting: the most of
    /// all partitions, ms. 0 where nothing waits.
    #[must_use]
    pub fn lag_ms(&self) -> u64 {
        let lags = self.lanes.iter().filter(|lane| lane.lag() > 0);
        let ages = lags.filter_map(|lane| lane.newest_ms.map(|ms| self.now_ms.saturating_sub(ms)));
        ages.max().unwrap_or(0).max(0).unsigned_abs()
    }
}

impl LiveStatus {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands now, whenever the reading last said so.
    #[must_use]
    pub fn get(&self) -> Standing {
        let told = self.lock();
        let mut standing = Standing { denied: told.denied, ..told.standing.clone() };
        let Some(at) = told.at else { return standing };
        let passed = at.elapsed();
        standing.now_ms = standing.now_ms.saturating_add(passed.as_millis() as i64);
        let Some(beside) = &told.beside else { return standing };
        standing.unasked_s = passed.as_secs();
        for (lane, end) in beside.ends() {
            if let Some(lane) = standing.lanes.get_mut(lane as usize) {
                lane.end = lane.end.max(end);
                if end > lane.next {
                    lane.waits_since_ms = None;
                }
            }
        }
        let health = beside.health();
        let said = standing.away.take().map(|(_, why)| why);
        standing.away = health
            .away_since
            .map(|since| (since.elapsed().as_secs(), said.unwrap_or_else(|| beside.why_away())));
        standing.unread = health.unread;
        standing
    }

    /// A reading begins; what is known beside it.
    pub(super) fn begins(&self, beside: Beside) {
        let mut told = self.lock();
        (told.beside, told.denied) = (Some(beside), false);
    }

    /// The cluster does not let it read on.
    pub(super) fn denied(&self) {
        self.lock().denied = true;
    }

    pub(super) fn set(&self, standing: Standing) {
        let mut told = self.lock();
        told.standing = standing;
        told.at = Some(Instant::now());
    }

    /// The reading is over: nobody looks at the cluster for it any more.
    pub(super) fn ends(&self) {
        let mut told = self.lock();
        told.beside = None;
        told.standing.away = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::edges::kafka::Health;

    fn standing() -> Standing {
        let lane = |partition| TailLane {
            partition: TopicPartition { topic: "views".into(), partition },
            next: 10,
            end: 12,
            paused: false,
            newest_ms: Some(1_000),
            waits_since_ms: (partition == 1).then_some(1_200),
        };
        Standing { lanes: vec![lane(0), lane(1)], now_ms: 1_500, ..Standing::default() }
    }

    #[test]
    fn lag_and_time_go_on_while_the_reading_says_nothing() {
        let status = LiveStatus::default();
        assert_eq!(status.get(), Standing::default(), "nothing is known");
        status.begins(Beside::default());
        status.set(standing());
        let first = status.get();
        assert_eq!(first.lag_records(), 4);
        std::thread::sleep(Duration::from_millis(20));
        assert!(status.get().lag_ms() >= 520, "{}", status.get().lag_ms());
        // The cluster was asked since: one log has grown, another answer is older.
        status.begins(Beside::of(Health::default(), "", &[(0, 40), (1, 3), (9, 1)]));
        assert_eq!(status.get().lag_records(), 32);
        assert!(status.get().lanes[1].waits_since_ms.is_some());
        // The transaction that the other waited for has ended.
        status.begins(Beside::of(Health::default(), "", &[(1, 12)]));
        assert_eq!(status.get().lanes[1].waits_since_ms, None);
        assert_eq!(status.get().away, None);
    }

    #[test]
    fn a_cluster_that_goes_away_meanwhile_is_known() {
        let status = LiveStatus::default();
        status.set(standing());
        let since = Instant::now().checked_sub(Duration::from_secs(9)).unwrap();
        let health = Health { away_since: Some(since), ..Health::default() };
        status.begins(Beside::of(health, "connection refused", &[]));
        assert_eq!(status.get().away, Some((9, "connection refused".to_owned())));
        // Whoever reads no more does not know.
        status.denied();
        status.ends();
        assert_eq!(status.get().away, None);
        assert_eq!(status.get().lag_records(), 4);
        // Nor why, once it is read again.
        assert!(status.get().denied);
        status.begins(Beside::default());
        assert!(!status.get().denied);
    }
}
