//! A recording back to a cluster: keys, values, headers, partitions and
//! timestamps as they were.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

use super::cluster::Cluster;
use super::codes::right_to_make;
use super::deliveries::{Deliveries, Published};
use super::error::unmade;
use super::sys::Code;
use super::times::sendable;
use super::{Isolation, KafkaError, KafkaLog, Settings};
use crate::edges::recording::{PartitionInfo, Recording};
use crate::operator::figures::plural;
use crate::operator::record::{Record, TimestampType, TopicPartition};

/// How fast records are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As far apart as their arrival times.
    Recorded,
    #[default]
    Fast,
}

/// What is to be published.
#[derive(Clone, Debug)]
pub struct PublishSpec {
    pub settings: Settings,
    /// Of the recording's topics; all if empty.
    pub topics: Vec<String>,
    pub pace: Pace,
    /// Makes the topics that are not there.
    pub create_topics: bool,
    /// Replicas of topics that are made; `None`: the broker's default.
    pub replicas: Option<i32>,
    pub patience: Duration,
}

/// What publishing would do: known by asking, before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishPlan {
    pub cluster_id: Option<String>,
    pub topics: Vec<PlannedTopic>,
}

/// One topic of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTopic {
    pub name: String,
    pub records: u64,
    /// The recording's highest partition number plus one.
    pub partitions: i32,
    /// The cluster's; `None`: no such topic.
    pub there: Option<i32>,
    /// What becomes of its timestamps.
    pub times: Times,
}

/// What becomes of a topic's timestamps. A broker replaces those of a batch by its
/// own time where the topic's `message.timestamp.type` is `LogAppendTime`, whatever
/// the producer sent (Kafka's `LogValidator`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    #[default]
    Kept,
    /// Kept, but recorded as the broker's, and from now on the producer's.
    NoLongerTheBrokers,
    /// The topic's brokers put theirs in their place.
    Replaced,
    /// The user may not ask for the topic's settings.
    NotKnown,
}

impl PlannedTopic {
    /// What is to be known of its timestamps before anything is sent, and what to do.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let topic = &self.name;
        match self.times {
            Times::Kept => None,
            Times::NoLongerTheBrokers => Some(format!(
                "topic {topic} was recorded with LogAppendTime, and keeps time as CreateTime on \
                 this cluster: the recorded times are sent and kept, but as a producer's"
            )),
            Times::Replaced => Some(format!(
                "topic {topic} has message.timestamp.type=LogAppendTime on this cluster: its \
                 brokers put the time of arrival in place of every recorded timestamp; to keep \
                 them, set message.timestamp.type=CreateTime there first (kafka-configs.sh \
                 --alter --entity-type topics --entity-name {topic} --add-config \
                 message.timestamp.type=CreateTime), or let --create-topics make the topic on a \
                 cluster without it"
            )),
            Times::NotKnown => Some(format!(
                "whether topic {topic} keeps the recorded timestamps is not known: this user may \
                 not ask (grant DESCRIBE_CONFIGS on it)"
            )),
        }
    }
}

impl PublishPlan {
    fn has(&self, topic: &str) -> bool {
        self.topics.iter().any(|planned| planned.name == topic)
    }

    pub fn records(&self) -> u64 {
        self.topics.iter().map(|topic| topic.records).sum()
    }

    /// What is to be known before anything is sent.
    pub fn warnings(&self) -> Vec<String> {
        self.topics.iter().filter_map(PlannedTopic::warning).collect()
    }
}

/// What was published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishOutcome {
    pub sent: u64,
    /// Acknowledged by the cluster.
    pub delivered: u64,
    pub failed: u64,
    /// Why, with how many, and the first of them by name.
    pub failures: BTreeMap<String, (u64, String)>,
    /// Records that were sent with another timestamp: of 0 with 1, and of −1 with −2, ms,
    /// since Kafka's client takes 0 for "now", and −1 says that there is none.
    pub timestamps_moved: u64,
    pub created: Vec<String>,
    pub stopped: bool,
    /// Why it ended before the recording did: it cannot be read on, or holds what cannot
    /// be sent.
    pub broken: Option<String>,
    /// Of the topics that were published, each partition of the recording.
    pub partitions: Vec<Published>,
}

/// Asks the cluster what publishing would do; changes nothing.
///
/// # Errors
/// The cluster cannot be reached; a topic is not in the recording, or has too
/// few partitions there.
pub fn plan(recording: &Recording, spec: &PublishSpec) -> Result<PublishPlan, KafkaError> {
    let mut wanted: BTreeMap<String, PlannedTopic> = BTreeMap::new();
    for partition in &recording.info().partitions {
        let TopicPartition { topic, partition: number } = &partition.topic_partition;
        if !spec.topics.is_empty() && !spec.topics.iter().any(|t| **t == **topic) {
            continue;
        }
        let planned = wanted.entry(topic.to_string()).or_insert_with(|| PlannedTopic {
            name: topic.to_string(),
            records: 0,
            partitions: 0,
            there: None,
            times: Times::default(),
        });
        planned.records += partition.records;
        planned.partitions = planned.partitions.max(number.saturating_add(1));
    }
    if let Some(missing) = spec.topics.iter().find(|t| !wanted.contains_key(*t)) {
        let known: Vec<&str> = recording
            .partitions()
            .iter()
            .map(|p| &*p.topic)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        return Err(KafkaError::Publish(format!(
            "topic {missing} is not in the recording, which has {}",
            known.join(", ")
        )));
    }
    if wanted.is_empty() {
        return Err(KafkaError::Publish("the recording has no topic".to_owned()));
    }
    let names: Vec<String> = wanted.keys().cloned().collect();
    let cluster =
        Cluster::reach(&spec.settings, &names, Isolation::ReadUncommitted, spec.patience)?;
    for described in &cluster.topics {
        let Some(topic) = wanted.get_mut(&described.name) else { continue };
        match &described.error {
            None => topic.there = Some(described.partitions.len() as i32),
            Some((Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PARTITION, _)) => {}
            Some(_) => return Err(cluster.why_not(described)),
        }
    }
    for topic in wanted.values() {
        if let Some(there) = topic.there.filter(|there| *there < topic.partitions) {
            return Err(KafkaError::Publish(format!(
                "topic {} has {} on the cluster, the recording has {}: add partitions there, or publish under a cluster without it",
                topic.name,
                partitions(there),
                topic.partitions
            )));
        }
    }
    let mut topics: Vec<PlannedTopic> = wanted.into_values().collect();
    look_at_times(recording, spec, &mut topics)?;
    Ok(PublishPlan { cluster_id: cluster.id.clone(), topics })
}

/// `1 partition`, `8 partitions`.
fn partitions(n: i32) -> String {
    plural(u64::from(n.unsigned_abs()), "partition")
}

/// Says of each topic what becomes of its timestamps.
fn look_at_times(
    recording: &Recording,
    spec: &PublishSpec,
    topics: &mut [PlannedTopic],
) -> Result<(), KafkaError> {
    let there = topics.iter().filter(|topic| topic.there.is_some());
    let there: Vec<String> = there.map(|topic| topic.name.clone()).collect();
    let settings = if there.is_empty() {
        BTreeMap::new()
    } else {
        KafkaLog::new(spec.settings.clone(), spec.patience)
            .topic_settings(&there, "message.timestamp.type")
    };
    for topic in topics.iter_mut().filter(|topic| topic.records > 0) {
        let kind = settings.get(&topic.name).map(String::as_str);
        topic.times = match kind {
            Some("LogAppendTime") => Times::Replaced,
            None if topic.there.is_some() => Times::NotKnown,
            // One that is made keeps them.
            _ if is_the_brokers(recording, &topic.name)? => Times::NoLongerTheBrokers,
            _ => Times::Kept,
        };
    }
    Ok(())
}

/// Whether a topic's timestamps were set by its brokers, by its first record.
fn is_the_brokers(recording: &Recording, topic: &str) -> Result<bool, KafkaError> {
    let topics: [Arc<str>; 1] = [topic.into()];
    let first = recording.batches(Some(&topics), 0).next().transpose()?;
    let first = first.as_ref().and_then(|records| records.first());
    Ok(first.is_some_and(|record| record.timestamp_type == TimestampType::LogAppend))
}

/// Publishes as planned. `stop` ends it after what was handed over is delivered;
/// `progress` gets (sent, total) several times a second.
///
/// # Errors
/// A topic is missing and may not be made. Records that the cluster refuses are no error
/// but are counted; nor is what comes up when some were sent ([`PublishOutcome::broken`]).
pub fn publish(
    recording: &Recording,
    spec: &PublishSpec,
    plan: &PublishPlan,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PublishOutcome, KafkaError> {
    let missing: Vec<&PlannedTopic> = plan.topics.iter().filter(|t| t.there.is_none()).collect();
    if let Some(first) = missing.first().filter(|_| !spec.create_topics) {
        return Err(KafkaError::Publish(format!(
            "topic {} is not on the cluster: make it (with {}), or let --create-topics do so",
            first.name,
            partitions(first.partitions)
        )));
    }
    let created = create(spec, &missing)?;
    let producer: BaseProducer<Deliveries> = config(spec)
        .create_with_context(Deliveries::default())
        .map_err(|error| KafkaError::Publish(unmade(&error)))?;
    let total = plan.records();
    let mut outcome = PublishOutcome { created, ..PublishOutcome::default() };
    let sent = send(recording, spec, plan, &producer, &mut outcome, stop, &mut |sent| {
        progress(sent, total);
    });
    // Also after an error: what was handed over gets its answer (or times out).
    let deadline = Instant::now() + spec.patience + Duration::from_secs(5);
    while producer.in_flight_count() > 0 && Instant::now() < deadline {
        producer.poll(Duration::from_millis(50));
    }
    let counts = std::mem::take(&mut *producer.context().counts());
    outcome.broken = sent.err().map(|error| error.to_string());
    let published = |of: &&PartitionInfo| plan.has(&of.topic_partition.topic);
    outcome.partitions = counts.by_partition(recording.info().partitions.iter().filter(published));
    outcome.delivered = counts.delivered;
    outcome.failures = counts.failures;
    outcome.failed = outcome.failures.values().map(|(n, _)| n).sum();
    let unanswered = outcome.sent - outcome.delivered - outcome.failed;
    if unanswered > 0 {
        outcome.failed += unanswered;
        outcome
            .failures
            .insert("no answer from the cluster".to_owned(), (unanswered, "unknown".to_owned()));
    }
    progress(outcome.sent, total);
    Ok(outcome)
}

fn config(spec: &PublishSpec) -> ClientConfig {
    let mut config = ClientConfig::new();
    // Errors are told by deliveries; the library's own log stays quiet.
    config.set_log_level(RDKafkaLogLevel::Critical);
    let patience = spec.patience.as_millis().max(1000).to_string();
    let defaults = [
        ("client.id", "joinscope"),
        ("compression.type", "lz4"),
        ("linger.ms", "5"),
        ("message.timeout.ms", patience.as_str()),
        // The broker decides what is too large.
        ("message.max.bytes", "1000000000"),
    ];
    let forced = [
        // Order within a partition is kept whatever is sent again.
        ("enable.idempotence", "true"),
        ("acks", "all"),
        // What is delivered is counted.
        ("delivery.report.only.error", "false"),
        // Topics are made here when that is asked for, not by who sends to one that is gone.
        ("allow.auto.create.topics", "false"),
    ];
    config.extend(spec.settings.properties(&defaults, &forced));
    config
}

/// Makes the missing topics, one partition for each of the recording's, with
/// retention off: the records' timestamps are old, and a cluster would remove
/// them at once.
fn create(spec: &PublishSpec, missing: &[&PlannedTopic]) -> Result<Vec<String>, KafkaError> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |what: String| KafkaError::Publish(format!("topics cannot be made: {what}"));
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Critical);
    config.extend(spec.settings.properties(&[("client.id", "joinscope")], &[]));
    let admin: AdminClient<_> = config.create().map_err(|e| failed(unmade(&e)))?;
    let topics: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|topic| {
            let replicas = TopicReplication::Fixed(spec.replicas.unwrap_or(-1));
            NewTopic::new(&topic.name, topic.partitions, replicas)
                .set("retention.ms", "-1")
                .set("message.timestamp.type", "CreateTime")
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(spec.patience))
        .operation_timeout(Some(spec.patience));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|e| failed(e.to_string()))?;
    let results = runtime
        .block_on(admin.create_topics(&topics, &options))
        .map_err(|e| failed(e.to_string()))?;
    results
        .into_iter()
        .map(|result| {
            let why = |(topic, code)| failed(format!("{topic}: {code}{}", right_to_make(code)));
            result.map_err(why)
        })
        .collect()
}

fn send(
    recording: &Recording,
    spec: &PublishSpec,
    plan: &PublishPlan,
    producer: &BaseProducer<Deliveries>,
    outcome: &mut PublishOutcome,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64),
) -> Result<(), KafkaError> {
    let topics: Vec<Arc<str>> =
        plan.topics.iter().map(|topic| topic.name.as_str().into()).collect();
    let (begin, mut first_ns) = (Instant::now(), None);
    for batch in recording.batches(Some(&topics), 0) {
        for record in batch? {
            if spec.pace == Pace::Recorded {
                let after = record.arrival_ns - *first_ns.get_or_insert(record.arrival_ns);
                let at = begin + Duration::from_nanos(after.max(0).unsigned_abs());
                while let Some(wait) = at.checked_duration_since(Instant::now()) {
                    if wait.is_zero() || stop.load(Ordering::Relaxed) {
                        break;
                    }
                    producer.poll(wait.min(Duration::from_millis(50)));
                    progress(outcome.sent);
                }
            }
            if stop.load(Ordering::Relaxed) {
                outcome.stopped = true;
                return Ok(());
            }
            let partition = &recording.partitions()[record.source as usize];
            send_one(&record, partition, producer, outcome, stop)?;
            if outcome.sent.is_multiple_of(512) {
                producer.poll(Duration::ZERO);
                progress(outcome.sent);
            }
        }
    }
    Ok(())
}

fn send_one(
    record: &Record,
    partition: &TopicPartition,
    producer: &BaseProducer<Deliveries>,
    outcome: &mut PublishOutcome,
    stop: &AtomicBool,
) -> Result<(), KafkaError> {
    // −1 is Kafka's "none".
    let timestamp = record.timestamp.map_or(-1, sendable);
    let moved = record.timestamp.is_some_and(|ms| ms != timestamp);
    let offset = record.offset;
    let mut message =
        BaseRecord::<[u8], [u8], usize>::with_opaque_to(&partition.topic, offset as usize)
            .partition(partition.partition)
            .timestamp(timestamp);
    if let Some(key) = &record.key {
        message = message.key(key);
    }
    if let Some(value) = &record.value {
        message = message.payload(value);
    }
    if !record.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for header in &record.headers {
            if header.key.contains('\0') {
                return Err(KafkaError::partition(
                    partition,
                    Some(offset),
                    "a header's name holds a NUL character, which librdkafka cannot send",
                ));
            }
            let value = header.value.as_deref();
            headers = headers.insert(Header { key: &header.key, value });
        }
        message = message.headers(headers);
    }
    loop {
        match producer.send(message) {
            Ok(()) => {
                outcome.sent += 1;
                outcome.timestamps_moved += u64::from(moved);
                producer.context().counts().sent(partition, offset);
                return Ok(());
            }
            Err((ClientError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(10));
                if stop.load(Ordering::Relaxed) {
                    // Also where this is the last record: it was not sent.
                    outcome.stopped = true;
                    return Ok(());
                }
                message = back;
            }
            Err((error, _)) => {
                outcome.sent += 1;
                producer.context().counts().not_taken(partition, offset, &error);
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by reading: with a producer's file that wants to hear of errors alone, all that
    /// was published counted as not answered.
    #[test]
    fn what_is_delivered_is_told_whatever_the_file_says() {
        let mut settings = Settings::new("127.0.0.1:1");
        settings.set("delivery.report.only.error", "true");
        settings.set("linger.ms", "7");
        let spec = PublishSpec {
            settings,
            topics: Vec::new(),
            pace: Pace::Fast,
            create_topics: false,
            replicas: None,
            patience: Duration::from_secs(3),
        };
        let config = config(&spec);
        assert_eq!(config.get("delivery.report.only.error"), Some("false"));
        assert_eq!(config.get("allow.auto.create.topics"), Some("false"));
        assert_eq!(config.get("linger.ms"), Some("7"), "the file's wins over a default");
        assert_eq!(config.get("message.timeout.ms"), Some("3000"));
    }
}
