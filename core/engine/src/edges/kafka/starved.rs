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

/// The first of the silent lanes whose log (its end, by lane) goes on behind what
/// was taken, in words.
pub(super) fn why(lanes: &[Lane], ends: &BTreeMap<u32, i64>) -> Option<String> {
    ends.iter().find_map(|(lane, end)| {
        let lane = lanes.get(*lane as usize)?;
        let end = lane.stop.map_or(*end, |stop| stop.min(*end));
        (end > lane.next).then(|| {
            let (partition, next, seconds) = (&lane.partition, lane.next, STARVED.as_secs());
            format!(
                "{partition}@{next}: nothing came for {seconds} s, though the log goes on to {end}"
            )
        })
    })
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
        let why = |ends: &[(u32, i64)]| why(&lanes, &ends.iter().copied().collect());
        assert_eq!(why(&[]), None);
        // The end itself, an end from before, what lies behind a recording's own end.
        assert_eq!(why(&[(0, 5), (1, 3), (2, 9)]), None);
        let said = why(&[(0, 5), (1, 6)]).unwrap();
        assert!(said.starts_with("t[1]@5: nothing came") && said.ends_with("to 6"), "{said}");
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
