//! What becomes of the records that are published, by partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::Message as _;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use crate::edges::recording::PartitionInfo;
use crate::operator::record::{RecordName, TopicPartition};

/// What became of one partition's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub partition: TopicPartition,
    /// Those of the recording.
    pub records: u64,
    /// Those that the cluster acknowledged.
    pub delivered: u64,
    /// What is to be sent once more; `None`: all of it is there.
    pub rest: Option<Rest>,
}

/// Offsets of the recording: not all of these records are on the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    pub from: i64,
    /// The first behind the recording's last.
    pub to: i64,
    /// Some of these were delivered: sent from `from` on, they are there twice.
    pub mixed: bool,
}

/// How far one partition is.
#[derive(Debug, Default)]
struct Lane {
    sent: u64,
    delivered: u64,
    /// Sent, without an answer yet.
    open: BTreeSet<i64>,
    first_refused: Option<i64>,
    last_sent: Option<i64>,
    last_delivered: Option<i64>,
}

impl Lane {
    fn sent(&mut self, offset: i64) {
        self.sent += 1;
        self.last_sent = self.last_sent.max(Some(offset));
    }

    fn delivered(&mut self, offset: i64) {
        self.open.remove(&offset);
        self.delivered += 1;
        self.last_delivered = self.last_delivered.max(Some(offset));
    }

    fn refused(&mut self, offset: i64) {
        self.open.remove(&offset);
        self.first_refused = Some(self.first_refused.map_or(offset, |first| first.min(offset)));
    }

    fn rest(&self, of: &PartitionInfo) -> Option<Rest> {
        let next = self.last_sent.map(|last| last.saturating_add(1)).or(of.first_offset);
        let unsent = next.filter(|_| self.sent < of.records);
        let starts = [self.first_refused, self.open.first().copied(), unsent];
        let from = starts.into_iter().flatten().min()?;
        let to = of.last_offset.unwrap_or(from).max(from).saturating_add(1);
        Some(Rest { from, to, mixed: self.last_delivered.is_some_and(|last| last > from) })
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub delivered: u64,
    pub failures: BTreeMap<String, (u64, String)>,
    lanes: BTreeMap<TopicPartition, Lane>,
    /// Where the lanes of a topic are known by its name alone.
    names: BTreeMap<String, Arc<str>>,
}

impl Counts {
    fn lane(&mut self, partition: &TopicPartition) -> &mut Lane {
        self.lanes.entry(partition.clone()).or_default()
    }

    /// Handed over to the client.
    pub fn sent(&mut self, partition: &TopicPartition, offset: i64) {
        if !self.names.contains_key(&*partition.topic) {
            let topic = Arc::clone(&partition.topic);
            self.names.insert(topic.to_string(), topic);
        }
        let lane = self.lane(partition);
        lane.sent(offset);
        lane.open.insert(offset);
    }

    /// The client did not take it.
    pub fn not_taken(&mut self, partition: &TopicPartition, offset: i64, error: &ClientError) {
        self.lane(partition).sent(offset);
        self.refused(partition, offset, error);
    }

    fn refused(&mut self, partition: &TopicPartition, offset: i64, error: &ClientError) {
        self.lane(partition).refused(offset);
        let reason = match error.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => error.to_string(),
        };
        let TopicPartition { topic, partition } = partition.clone();
        // Reasons are a client's or broker's codes: few.
        let first = || (0, RecordName { topic, partition, offset }.to_string());
        self.failures.entry(reason).or_insert_with(first).0 += 1;
    }

    fn told(&mut self, topic: &str, partition: i32, offset: i64, error: Option<&ClientError>) {
        let topic = self.names.get(topic).map_or_else(|| topic.into(), Arc::clone);
        let of = TopicPartition { topic, partition };
        match error {
            None => {
                self.delivered += 1;
                self.lane(&of).delivered(offset);
            }
            Some(error) => self.refused(&of, offset, error),
        }
    }

    /// What became of these partitions' records.
    pub fn by_partition<'a>(&self, of: impl Iterator<Item = &'a PartitionInfo>) -> Vec<Published> {
        let none = Lane::default();
        of.map(|of| {
            let lane = self.lanes.get(&of.topic_partition).unwrap_or(&none);
            Published {
                partition: of.topic_partition.clone(),
                records: of.records,
                delivered: lane.delivered,
                rest: lane.rest(of),
            }
        })
        .collect()
    }
}

/// Is told of every record that was sent; each goes with its offset in the recording.
#[derive(Default)]
pub(super) struct Deliveries {
    counts: Mutex<Counts>,
}

impl Deliveries {
    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: ClientError, reason: &str) {
        tracing::info!("{error}: {reason}");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, offset: usize) {
        let (message, error) = match result {
            Ok(message) => (message, None),
            Err((error, message)) => (message, Some(error)),
        };
        self.counts().told(message.topic(), message.partition(), offset as i64, error);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;
    use crate::edges::recording::Gaps;

    fn views(partition: i32) -> TopicPartition {
        TopicPartition { topic: "views".into(), partition }
    }

    fn info(partition: i32, records: u64, offsets: Option<(i64, i64)>) -> PartitionInfo {
        PartitionInfo {
            topic_partition: views(partition),
            records,
            start_offset: None,
            end_offset: None,
            first_offset: offsets.map(|(first, _)| first),
            last_offset: offsets.map(|(_, last)| last),
            arrival_ms: None,
            timestamps: None,
            gaps: Gaps::default(),
            later: false,
        }
    }

    fn rest(counts: &Counts, of: &PartitionInfo) -> Option<(i64, i64, bool)> {
        let published = counts.by_partition([of].into_iter());
        published[0].rest.map(|rest| (rest.from, rest.to, rest.mixed))
    }

    #[test]
    fn what_is_to_be_sent_once_more_begins_where_the_first_is_missing() {
        let timed_out = ClientError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        let mut counts = Counts::default();
        let all = info(0, 5, Some((10, 14)));
        assert_eq!(rest(&counts, &all), Some((10, 15, false)), "nothing was sent");
        for offset in 10..13 {
            counts.sent(&views(0), offset);
        }
        assert_eq!(rest(&counts, &all), Some((10, 15, false)), "nobody answered");
        counts.told("views", 0, 10, None);
        counts.told("views", 0, 11, None);
        assert_eq!(rest(&counts, &all), Some((12, 15, false)));
        counts.told("views", 0, 12, None);
        assert_eq!(rest(&counts, &all), Some((13, 15, false)), "the rest was not sent");
        counts.sent(&views(0), 13);
        counts.sent(&views(0), 14);
        counts.told("views", 0, 13, Some(&timed_out));
        assert_eq!(rest(&counts, &all), Some((13, 15, false)));
        counts.told("views", 0, 14, None);
        assert_eq!(rest(&counts, &all), Some((13, 15, true)), "14 is there");
        assert_eq!(counts.delivered, 4);
        let first = counts.failures.values().next().unwrap();
        assert_eq!(first, &(1, "views[0]@13".to_owned()));
        // Another partition, whose record was too large for the client.
        counts.not_taken(&views(1), 3, &timed_out);
        assert_eq!(rest(&counts, &info(1, 1, Some((3, 3)))), Some((3, 4, false)));
        assert_eq!(counts.failures.values().next().unwrap().0, 2);
        // All of it is there, whatever offsets are left out.
        counts.sent(&views(2), 7);
        counts.told("views", 2, 7, None);
        assert_eq!(rest(&counts, &info(2, 1, Some((7, 7)))), None);
        assert_eq!(rest(&counts, &info(3, 0, None)), None, "an empty one");
    }
}
