//! Partitions that wait for a transaction: nothing behind their last stable offset can
//! be read before it ends, however far their logs go.
//!
//! Facts of librdkafka 2.12.1: the end of a log that it knows without asking is the high
//! watermark, also under `read_committed` (the last stable offset of the same answer,
//! `rktp_ls_offset`, it gives to nobody); and that a partition is at the end of what can
//! be read it says once for each position (`rd_kafka_fetch_reply_handle_partition`).
//! Records that came since may wait in its queue: only a broker's answer says that
//! nothing can come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::tail::TailLane;

/// So long a partition stands before a broker is asked; and a reading that did not ask
/// for more for so long knows nothing from before: what came meanwhile waits.
const MOMENT: Duration = Duration::from_secs(1);
/// An answer counts for so long. While it matters it is asked for each second.
const FRESH: Duration = Duration::from_secs(5);

/// By lane: the last stable offset, and when it was asked for.
pub(super) type Answers = BTreeMap<u32, (i64, Instant)>;

#[derive(Clone, Default)]
struct At {
    /// Where it was last said to be at the end of what can be read.
    end: Option<i64>,
    /// Where it stands though the log goes on, and since when.
    stands: Option<(i64, Instant)>,
    /// Where it waits, and since when, ms since the Unix epoch.
    waits: Option<(i64, i64)>,
}

pub(super) struct Stable {
    lanes: Vec<At>,
    /// When the reading last asked for more.
    read: Option<Instant>,
    /// Older answers do not count.
    from: Option<Instant>,
}

impl Stable {
    pub fn new(lanes: usize) -> Self {
        Self { lanes: vec![At::default(); lanes], read: None, from: None }
    }

    /// Nothing of this lane could be read before `next` was there.
    pub fn ended(&mut self, lane: u32, next: i64) {
        if let Some(at) = self.lanes.get_mut(lane as usize) {
            at.end = Some(next);
        }
    }

    /// The reading asks for more.
    pub fn reads(&mut self, now: Instant) {
        let last = self.read.replace(now);
        if last.is_some_and(|last| now.duration_since(last) >= MOMENT) {
            self.from = Some(now);
        }
    }

    /// Lanes of which a broker is to be asked for the last stable offset.
    pub fn doubtful(&mut self, lanes: &[TailLane], now: Instant) -> Vec<u32> {
        let mut doubtful = Vec::new();
        for (number, (at, lane)) in (0..).zip(self.lanes.iter_mut().zip(lanes)) {
            let stands = lane.lag() > 0 && at.end == Some(lane.next);
            let known = at.stands.filter(|(next, _)| *next == lane.next);
            at.stands = stands.then(|| known.unwrap_or((lane.next, now)));
            if at.stands.is_some_and(|(_, since)| now.duration_since(since) >= MOMENT) {
                doubtful.push(number);
            }
        }
        doubtful
    }

    /// Which lanes wait, by what the brokers answered of the doubtful ones. What is to be
    /// said of it: each wait when it begins and when it ends.
    pub fn judge(
        &mut self,
        lanes: &mut [TailLane],
        answers: &Answers,
        now: Instant,
        now_ms: i64,
    ) -> Vec<String> {
        let from = self.from;
        let counts = |asked: Instant| {
            now.duration_since(asked) < FRESH && from.is_none_or(|from| asked >= from)
        };
        let mut said = Vec::new();
        for (number, (at, lane)) in (0_u32..).zip(self.lanes.iter_mut().zip(lanes.iter_mut())) {
            let answer = answers.get(&number).copied();
            let over = at.waits.is_some_and(|(next, _)| {
                at.stands.is_none_or(|(stands, _)| stands != next)
                    || answer.is_some_and(|(stable, _)| stable > next)
            });
            if over && let Some((next, _)) = at.waits.take() {
                said.push(format!(
                    "{}@{next}: the transaction that it waited for is over: it is read on",
                    lane.partition
                ));
            }
            lane.waits_since_ms = None;
            let (Some((next, since)), Some((stable, asked))) = (at.stands, answer) else {
                continue;
            };
            // An answer that counts no more: nobody knows, and it waits as far as is said.
            if stable > next || !counts(asked) {
                continue;
            }
            let waited = now.duration_since(since);
            if at.waits.is_none() {
                said.push(format!(
                    "{}@{next} has waited for an open transaction for {} s: what lies behind \
                     it is read once the transaction ends; no other partition waits for this \
                     one meanwhile",
                    lane.partition,
                    waited.as_secs()
                ));
            }
            let since_ms = now_ms.saturating_sub(waited.as_millis() as i64);
            lane.waits_since_ms = Some(at.waits.get_or_insert((next, since_ms)).1);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::record::TopicPartition;

    /// One partition, looked at every half second.
    struct Case {
        stable: Stable,
        lanes: [TailLane; 1],
        answers: Answers,
        begin: Instant,
    }

    impl Case {
        fn new(next: i64, end: i64) -> Self {
            let partition = TopicPartition { topic: "t".into(), partition: 3 };
            let lane = TailLane {
                partition,
                next,
                end,
                paused: false,
                newest_ms: None,
                waits_since_ms: None,
            };
            let (lanes, begin) = ([lane], Instant::now());
            Self { stable: Stable::new(1), lanes, answers: Answers::new(), begin }
        }

        fn at(&self, ms: u64) -> Instant {
            self.begin + Duration::from_millis(ms)
        }

        fn answered(&mut self, stable: i64, ms: u64) {
            let asked = self.at(ms);
            self.answers.insert(0, (stable, asked));
        }

        /// Whether a broker is asked, since when it waits, and what is said.
        fn look(&mut self, ms: u64) -> (bool, Option<i64>, Vec<String>) {
            let now = self.at(ms);
            self.stable.reads(now);
            let asked = !self.stable.doubtful(&self.lanes, now).is_empty();
            if !asked {
                self.answers.clear();
            }
            let now_ms = 1_000_000 + ms as i64;
            let said = self.stable.judge(&mut self.lanes, &self.answers, now, now_ms);
            (asked, self.lanes[0].waits_since_ms, said)
        }
    }

    #[test]
    fn who_stands_at_the_last_stable_offset_waits_until_it_moves() {
        let mut case = Case::new(5, 9);
        case.stable.ended(0, 5);
        assert_eq!(case.look(0), (false, None, vec![]), "it may be on its way");
        assert_eq!(case.look(500), (false, None, vec![]));
        assert_eq!(case.look(1_000), (true, None, vec![]), "nobody has answered yet");
        case.answered(5, 1_100);
        let (asked, since, said) = case.look(1_500);
        assert!(asked && since == Some(1_000_000) && !case.lanes[0].can_give(), "{since:?}");
        assert!(
            said[0].starts_with("t[3]@5 has waited for an open transaction for 1 s"),
            "{said:?}"
        );
        // Said once; more of the same transaction changes nothing.
        case.lanes[0].end = 40;
        case.answered(5, 1_900);
        assert_eq!(case.look(2_000), (true, Some(1_000_000), vec![]));
        assert_eq!(case.lanes[0].lag(), 35);
        // It ends: the broker knows it before the records are here.
        case.answered(40, 2_400);
        let (_, since, said) = case.look(2_500);
        assert!(since.is_none() && case.lanes[0].can_give());
        assert_eq!(said, ["t[3]@5: the transaction that it waited for is over: it is read on"]);
        case.lanes[0].next = 40;
        assert_eq!(case.look(3_000), (false, None, vec![]));
    }

    #[test]
    fn records_that_came_end_the_wait_and_another_has_its_own_time() {
        let mut case = Case::new(5, 9);
        case.stable.ended(0, 5);
        for ms in [0, 500, 1_000] {
            case.look(ms);
        }
        case.answered(5, 1_100);
        assert_eq!(case.look(1_500).2.len(), 1);
        // Read on, up to the next transaction that is open.
        case.lanes[0].next = 8;
        case.stable.ended(0, 8);
        let (asked, since, said) = case.look(2_000);
        assert!(!asked && since.is_none() && said[0].contains("@5") && said.len() == 1, "{said:?}");
        case.look(2_500);
        case.look(3_000);
        case.answered(8, 3_100);
        let (_, since, said) = case.look(3_500);
        assert!(since == Some(1_002_000) && said[0].contains("@8 has waited"), "{said:?}");
    }

    /// An end that was said is none any more once the log has gone on.
    #[test]
    fn what_may_wait_in_the_client_is_not_taken_for_a_transaction() {
        let mut case = Case::new(5, 9);
        for ms in [0, 500, 1_000, 1_500] {
            assert_eq!(case.look(ms), (false, None, vec![]), "it is on its way: no end was said");
        }
        case.stable.ended(0, 5);
        for ms in [2_000, 2_500, 3_000] {
            case.look(ms);
        }
        case.answered(9, 3_100);
        assert_eq!(case.look(3_500), (true, None, vec![]));
    }

    #[test]
    fn an_answer_that_is_old_or_from_before_a_standstill_says_nothing() {
        let mut case = Case::new(5, 9);
        case.stable.ended(0, 5);
        for ms in [0, 500, 1_000] {
            case.look(ms);
        }
        case.answered(5, 1_100);
        assert!(case.look(1_500).1.is_some());
        // A commit took two seconds: the transaction may have ended meanwhile.
        assert_eq!(case.look(3_500), (true, None, vec![]));
        assert!(case.lanes[0].can_give());
        case.answered(5, 3_600);
        assert_eq!(case.look(4_000), (true, Some(1_000_000), vec![]), "since then, said once");
        for ms in (4_500..8_600).step_by(500) {
            assert!(case.look(ms).1.is_some(), "{ms}");
        }
        // The broker answers no more.
        assert_eq!(case.look(8_900), (true, None, vec![]));
    }
}
