//! One partition that is read: where it began, where it is, where it ends.

use crate::operator::record::TopicPartition;

/// Offsets are those of the log; ends are exclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    pub partition: TopicPartition,
    pub start: i64,
    /// What was in the log at the start ends here (or where reading ends, if
    /// that is sooner).
    pub backlog: i64,
    /// Where reading ends; `None`: not before it is told to.
    pub stop: Option<i64>,
    /// The next offset: all before it was seen or is not there.
    pub next: i64,
}

impl Lane {
    /// All that was in the log at the start has been seen.
    pub fn past_backlog(&self) -> bool {
        self.next >= self.backlog
    }

    pub fn finished(&self) -> bool {
        self.stop.is_some_and(|stop| self.next >= stop)
    }

    /// Whether the record at `offset` belongs to what is taken.
    #[inline]
    pub fn takes(&self, offset: i64) -> bool {
        offset >= self.start && self.stop.is_none_or(|stop| offset < stop)
    }

    /// Everything before `next` is done with. It never goes back.
    pub fn advance(&mut self, next: i64) {
        self.next = self.next.max(next);
    }

    /// Reading ends before `end`, or here if it is further already. Of what was in
    /// the log at the start, no more is then waited for.
    pub fn stop_at(&mut self, end: i64) {
        let stop = end.max(self.next);
        self.stop = Some(stop);
        self.backlog = self.backlog.min(stop);
    }

    /// The end of what was recorded.
    pub fn end(&self) -> i64 {
        match self.stop {
            Some(stop) if self.next >= stop => stop,
            _ => self.next,
        }
    }

    /// Offsets of the backlog: all, and those done with.
    pub fn backlog_progress(&self) -> (u64, u64) {
        let all = self.backlog.saturating_sub(self.start).max(0);
        let done = self.next.min(self.backlog).saturating_sub(self.start).clamp(0, all);
        (all.unsigned_abs(), done.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_within_the_backlog_ends_it() {
        let mut lane = Lane {
            partition: TopicPartition { topic: "t".into(), partition: 0 },
            start: 0,
            backlog: 100,
            stop: None,
            next: 40,
        };
        let mut further = lane.clone();
        lane.stop_at(60);
        assert!(!lane.past_backlog() && lane.takes(59) && !lane.takes(60));
        lane.advance(60);
        assert!(lane.past_backlog() && lane.finished());
        assert_eq!((lane.end(), lane.backlog_progress()), (60, (60, 60)));
        // What was read already stays.
        further.stop_at(10);
        assert!(further.past_backlog() && further.finished());
        assert_eq!(further.end(), 40);
    }
}
