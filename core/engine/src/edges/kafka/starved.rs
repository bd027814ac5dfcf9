//! Partitions that give nothing though their logs grow.
//!
//! A fact of librdkafka 2.12.1: where a partition has no leader for a moment and
//! then the same one again (a broker was fenced and came back), and the second
//! news comes before the partition has left that broker, it ends up at no broker
//! and stays there for ever (`rd_kafka_toppar_broker_update` returns early; its
//! pull request 5593). The client is well otherwise and says nothing. Only a new
//! one reads the partition again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::lanes::Lane;

/// A partition that gives nothing for so long, though its log has grown and
/// nothing else waits, is read anew.
const STARVED: Duration = Duration::from_secs(10);

/// When each lane last gave something.
pub(super) struct Heard(Vec<Instant>);

impl Heard {
    pub fn new(lanes: usize) -> Self {
        Self(vec![Instant::now(); lanes])
    }

    /// This lane gave something.
    pub fn of(&mut self, lane: u32) {
        if let Some(heard) = self.0.get_mut(lane as usize) {
            *heard = Instant::now();
        }
    }

    /// Lanes that have been silent for long.
    pub fn silent(&self) -> impl Iterator<Item = u32> {
        let now = Instant::now();
        let silent = move |heard: &Instant| now.duration_since(*heard) > STARVED;
        self.0.iter().enumerate().filter(move |(_, h)| silent(h)).map(|(lane, _)| lane as u32)
    }
}

/// What a log is known to hold has so long to come: it may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// Lanes whose logs go on behind what was taken: from which offset, and since when that
/// is known.
#[derive(Default)]
pub(super) struct Behind(BTreeMap<u32, (i64, Instant)>);

impl Behind {
    /// The first of the silent lanes whose log (its end, by lane) has gone on behind what
    /// was taken for some time, in words. To be asked where nothing that was read waits.
    pub fn why(&mut self, lanes: &[Lane], ends: &BTreeMap<u32, i64>) -> Option<String> {
        let now = Instant::now();
        ends.iter().find_map(|(number, end)| {
            let lane = lanes.get(*number as usize)?;
            let (next, end) = (lane.next, lane.stop.map_or(*end, |stop| stop.min(*end)));
            if end <= next {
                self.0.remove(number);
                return None;
            }
            let known = self.0.entry(*number).or_insert((next, now));
            if known.0 != next {
                *known = (next, now);
            }
            (now.duration_since(known.1) >= ON_ITS_WAY).then(|| {
                let (partition, seconds) = (&lane.partition, STARVED.as_secs());
                format!(
                    "{partition}@{next}: nothing came for {seconds} s, though the log goes on to {end}"
                )
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::record::TopicPartition;

    #[test]
    fn only_a_log_that_goes_on_is_read_anew() {
        let lane = |partition, next, stop| Lane {
            partition: TopicPartition { topic: "t".into(), partition },
            start: 0,
            backlog: 5,
            stop,
            next,
        };
        let lanes = [lane(0, 5, None), lane(1, 5, None), lane(2, 5, Some(5))];
        let of = |ends: &[(u32, i64)]| -> BTreeMap<u32, i64> { ends.iter().copied().collect() };
        let long_ago = Instant::now().checked_sub(2 * ON_ITS_WAY).unwrap();
        let mut behind = Behind::default();
        // What was asked for twice, some time apart.
        let mut why = |lanes: &[Lane], ends: &[(u32, i64)]| {
            assert_eq!(behind.why(lanes, &of(ends)), None, "it may be on its way");
            behind.0.values_mut().for_each(|known| known.1 = long_ago);
            behind.why(lanes, &of(ends))
        };
        assert_eq!(why(&lanes, &[]), None);
        // The end itself, an end from before, what lies behind a recording's own end.
        assert_eq!(why(&lanes, &[(0, 5), (1, 3), (2, 9)]), None);
        let said = why(&lanes, &[(0, 5), (1, 6)]).unwrap();
        assert!(said.starts_with("t[1]@5: nothing came") && said.ends_with("to 6"), "{said}");
        // It came, and more was written meanwhile, which has its own time.
        let later = [lane(0, 5, None), lane(1, 6, None)];
        assert!(why(&later, &[(1, 8)]).is_some_and(|said| said.starts_with("t[1]@6")));
        // It came, and nothing else did: what comes then has its own time, too.
        assert_eq!(why(&later, &[(1, 6)]), None);
        assert!(why(&later, &[(1, 7)]).is_some());
    }

    #[test]
    fn a_lane_is_silent_until_it_gives_something() {
        let mut heard = Heard::new(2);
        assert_eq!(heard.silent().count(), 0);
        let long_ago = Instant::now().checked_sub(2 * STARVED).unwrap();
        heard.0.fill(long_ago);
        heard.of(1);
        assert_eq!(heard.silent().collect::<Vec<_>>(), [0]);
    }
}
