//! What a live source tells whoever watches it.

use std::sync::{Mutex, PoisonError};

use crate::edges::kafka::TailLane;
use crate::operator::record::TopicPartition;

/// Shared by the source and those who watch; a look is a copy.
#[derive(Debug, Default)]
pub struct LiveStatus(Mutex<Standing>);

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
    /// Wall clock, ms since the Unix epoch.
    pub now_ms: i64,
}

impl Standing {
    /// Offsets in the log that were not yet taken.
    #[must_use]
    pub fn lag_records(&self) -> u64 {
        self.lanes.iter().map(TailLane::lag).sum()
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
    #[must_use]
    pub fn get(&self) -> Standing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, standing: Standing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}
