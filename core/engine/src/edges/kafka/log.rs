//! A cluster as the delivery protocol sees it ([`Log`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::bounded::end;
use super::cluster::Cluster;
use super::codes::{kind_of, right_to_make};
use super::error::unmade;
use super::groups::Groups;
use super::limits::Limits;
use super::producer::KafkaProducer;
use super::sys::{Code, Message, TopicDescription};
use super::{Isolation, KafkaError, Settings};
use crate::edges::log::{
    Fetched, InMessage, Log, LogError, LogErrorKind, LogProducer, OutMessage, ProducerSpec,
    TopicState,
};
use crate::operator::record::{Header, TopicPartition};

/// Bytes that a fetch may hold in librdkafka, about.
const MEMORY: u64 = 16 << 20;

/// A cluster, for reading, committing and producing. Connections are made when
/// they are first needed.
pub struct KafkaLog {
    settings: Settings,
    patience: Duration,
    /// By isolation: it is a client's property.
    uncommitted: Mutex<Option<Arc<Cluster>>>,
    committed: Mutex<Option<Arc<Cluster>>>,
    groups: Groups,
    limits: Arc<Limits>,
}

impl KafkaLog {
    /// `patience`: how long a question waits for brokers that do not answer.
    #[must_use]
    pub fn new(settings: Settings, patience: Duration) -> Self {
        Self {
            groups: Groups::new(settings.clone(), patience),
            settings,
            patience,
            uncommitted: Mutex::default(),
            committed: Mutex::default(),
            limits: Arc::default(),
        }
    }

    /// Asks what these topics take: no batch of a producer made from now on is larger
    /// than that, and what they refuse is named with it. Where the user may not ask
    /// (`DESCRIBE_CONFIGS`), batches are as large as ever.
    pub fn fit(&mut self, topics: &[String]) {
        self.limits = Arc::new(self.limits_of(topics));
    }

    fn place(&self, isolation: Isolation) -> MutexGuard<'_, Option<Arc<Cluster>>> {
        let place = match isolation {
            Isolation::ReadUncommitted => &self.uncommitted,
            Isolation::ReadCommitted => &self.committed,
        };
        place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the cluster. Where that fails for now, the next question has a client of its
    /// own: one was seen to say for minutes that all brokers are down, which were not.
    pub(super) fn ask<T>(
        &self,
        isolation: Isolation,
        question: impl FnOnce(&Cluster) -> Result<T, KafkaError>,
    ) -> Result<T, LogError> {
        let cluster = self.cluster(isolation)?;
        question(&cluster).map_err(|error| {
            let error = log_error(&error);
            if matches!(error.kind, LogErrorKind::Retriable | LogErrorKind::TimedOut) {
                let mut place = self.place(isolation);
                if place.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &cluster)) {
                    *place = None;
                }
                end(cluster);
            }
            error
        })
    }

    fn cluster(&self, isolation: Isolation) -> Result<Arc<Cluster>, LogError> {
        let mut place = self.place(isolation);
        if let Some(cluster) = &*place {
            return Ok(Arc::clone(cluster));
        }
        // A question about no topic at all is answered without any broker.
        let any = ["__consumer_offsets".to_owned()];
        let cluster = Cluster::reach(&self.settings, &any, isolation, self.patience)
            .map_err(|e| log_error(&e))?;
        Ok(Arc::clone(place.insert(Arc::new(cluster))))
    }

    /// One request of an administrator.
    pub(super) fn administer<T>(
        &self,
        ask: impl AsyncFnOnce(&Admin, &AdminOptions) -> Result<T, ClientError>,
    ) -> Result<T, Refusal> {
        let unknown = |what: String| (RDKafkaErrorCode::Unknown, what);
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Critical);
        config.extend(self.settings.properties(&[("client.id", "joinscope")], &[]));
        let admin: Admin = config.create().map_err(|e| unknown(unmade(&e)))?;
        let options = AdminOptions::new()
            .request_timeout(Some(self.patience))
            .operation_timeout(Some(self.patience));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|e| unknown(e.to_string()))?;
        runtime.block_on(ask(&admin, &options)).map_err(|e| {
            (e.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown), e.to_string())
        })
    }
}

pub(super) type Admin = AdminClient<DefaultClientContext>;
/// Why a request as a whole came to nothing.
pub(super) type Refusal = (RDKafkaErrorCode, String);
/// By name, what became of it.
type Removed<N> = Vec<Result<N, (N, RDKafkaErrorCode)>>;

/// What became of removing something; `gone`: it was not there.
fn removed<N>(
    done: Result<Removed<N>, Refusal>,
    gone: impl Fn(RDKafkaErrorCode) -> bool,
    name: &str,
) -> Result<(), LogError> {
    let failed = |code, what: String| {
        LogError::new(kind_of(code), format!("{name} cannot be deleted: {what}"))
    };
    for result in done.map_err(|(code, what)| failed(code, what))? {
        match result {
            Err((_, code)) if !gone(code) => return Err(failed(code, code.to_string())),
            _ => {}
        }
    }
    Ok(())
}

/// What a reader's error means to the protocol.
fn log_error(error: &KafkaError) -> LogError {
    let kind = match error {
        KafkaError::NoBroker { .. } | KafkaError::TopicAway { .. } | KafkaError::Stalled { .. } => {
            LogErrorKind::Retriable
        }
        KafkaError::Refused { .. } | KafkaError::Untrusted { .. } => LogErrorKind::Denied,
        KafkaError::Partition { code: Some(code), .. } => match Code(*code) {
            Code::AUTO_OFFSET_RESET | Code::OFFSET_OUT_OF_RANGE => LogErrorKind::OutOfRange,
            Code::TOPIC_AUTHORIZATION => LogErrorKind::Denied,
            code if code.is_passing() => LogErrorKind::Retriable,
            // That it is there was asked before: a broker that comes back does not
            // know of it at once.
            Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PARTITION | Code::UNKNOWN_PARTITION => {
                LogErrorKind::Retriable
            }
            _ => LogErrorKind::Fatal,
        },
        _ => LogErrorKind::Fatal,
    };
    LogError::new(kind, error.to_string())
}

impl Log for KafkaLog {
    fn cluster_id(&self) -> Option<String> {
        self.cluster(Isolation::ReadUncommitted).ok()?.id.clone()
    }

    fn topics(&self, names: &[&str]) -> Result<Vec<TopicState>, LogError> {
        // One that is named twice is refused as a whole (`rd_kafka_DescribeTopics`).
        let mut each = names.to_vec();
        each.sort_unstable();
        each.dedup();
        let described = self.ask(Isolation::ReadUncommitted, |cluster| cluster.settled(&each))?;
        let found = |name: &&str| described.iter().find(|topic| topic.name == **name);
        names.iter().map(|name| state_of(name, found(name))).collect()
    }

    fn bounds(&self, of: &TopicPartition, isolation: Isolation) -> Result<(i64, i64), LogError> {
        self.ask(isolation, |cluster| cluster.offsets(of))
    }

    fn fetch(
        &self,
        of: &TopicPartition,
        from: i64,
        max: usize,
        isolation: Isolation,
    ) -> Result<Fetched, LogError> {
        let cluster = self.cluster(isolation)?;
        let client = cluster.reader(1, 1, MEMORY).map_err(|e| log_error(&e))?;
        let queue = client.queue();
        let mut batch = client.batch(max.clamp(1, 4096));
        client
            .start(&of.topic, of.partition, from, &queue)
            .map_err(|code| log_error(&KafkaError::of_code(of, Some(from), code, "")))?;
        let mut fetched = Fetched { messages: Vec::new(), next: from };
        let mut heard = Instant::now();
        let mut at_end = false;
        while !at_end && fetched.messages.len() < max {
            queue.read(&mut batch, 4096, Duration::from_millis(100));
            if batch.is_empty() && heard.elapsed() > self.patience {
                return Err(LogError::new(
                    LogErrorKind::TimedOut,
                    format!(
                        "{of}@{}: nothing came for {} s; does the broker answer?",
                        fetched.next,
                        self.patience.as_secs()
                    ),
                ));
            }
            for message in batch.iter() {
                match message.code() {
                    Ok(()) => {
                        heard = Instant::now();
                        fetched.next = message.offset().saturating_add(1);
                        fetched.messages.push(copy(message).map_err(|code| {
                            log_error(&KafkaError::of_code(of, Some(message.offset()), code, ""))
                        })?);
                    }
                    Err(Code::PARTITION_EOF) => {
                        fetched.next = fetched.next.max(message.offset());
                        at_end = true;
                    }
                    // Connections come and go; the client tries again.
                    Err(code) if code.is_connection() => {}
                    Err(code) => {
                        let text = message.error_text();
                        let error = KafkaError::of_code(of, Some(fetched.next), code, &text);
                        return Err(log_error(&error));
                    }
                }
            }
        }
        client.stop(&of.topic, of.partition);
        Ok(fetched)
    }

    fn committed(
        &self,
        group: &str,
        of: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        self.groups.committed(group, of)
    }

    fn commit_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError> {
        self.groups.commit(group, offsets)
    }

    fn create_topic(&self, name: &str, partitions: i32, compacted: bool) -> Result<(), LogError> {
        let failed = |code: RDKafkaErrorCode, what: String| {
            let so = if compacted { " (with cleanup.policy=compact)" } else { "" };
            let what = format!("topic {name}{so} cannot be made: {what}{}", right_to_make(code));
            LogError::new(kind_of(code), what)
        };
        // The brokers' own number of replicas.
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        if compacted {
            topic = topic.set("cleanup.policy", "compact");
        }
        let made =
            self.administer(async |admin, options| admin.create_topics([&topic], options).await);
        let made = made.map_err(|(code, what)| failed(code, what))?;
        for result in made {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(failed(code, code.to_string())),
            }
        }
        // It is made when every broker that is asked knows of it.
        let begin = Instant::now();
        while self.topics(&[name])?.iter().all(|topic| topic.partitions == 0) {
            if begin.elapsed() > self.patience {
                return Err(failed(RDKafkaErrorCode::OperationTimedOut, "nobody knows it".into()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        let done =
            self.administer(async |admin, options| admin.delete_topics(&[name], options).await);
        let gone = |code| code == RDKafkaErrorCode::UnknownTopicOrPartition;
        removed(done, gone, &format!("topic {name}"))
    }

    fn delete_group(&self, group: &str) -> Result<(), LogError> {
        let done =
            self.administer(async |admin, options| admin.delete_groups(&[group], options).await);
        let gone = |code| code == RDKafkaErrorCode::GroupIdNotFound;
        removed(done, gone, &format!("group {group}"))
    }

    fn producer(&self, spec: &ProducerSpec) -> Result<Box<dyn LogProducer>, LogError> {
        Ok(Box::new(KafkaProducer::new(&self.settings, &self.limits, spec)?))
    }
}

/// What the cluster says of a topic, as the protocol takes it. Only one that it does not
/// know is not there; who may not see it, or asks while its brokers come back, is told so.
fn state_of(name: &str, described: Option<&TopicDescription>) -> Result<TopicState, LogError> {
    let mut state = TopicState { name: name.into(), id: None, partitions: 0 };
    match described.map(|topic| (topic, &topic.error)) {
        None | Some((_, Some((Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PARTITION, _)))) => {}
        Some((topic, None)) => {
            state.id.clone_from(&topic.id);
            state.partitions = topic.partitions.len() as i32;
        }
        Some((_, Some((Code::TOPIC_AUTHORIZATION, _)))) => {
            let what = format!("topic {name}: this user may not see it: grant DESCRIBE");
            return Err(LogError::new(LogErrorKind::Denied, what));
        }
        Some((_, Some((code, text)))) => {
            return Err(log_error(&KafkaError::of_topic(name, *code, text)));
        }
    }
    Ok(state)
}

fn copy(message: Message<'_>) -> Result<InMessage, Code> {
    let mut headers = Vec::new();
    message.headers(|key, value| {
        headers.push(Header {
            key: String::from_utf8_lossy(key).into_owned().into(),
            value: value.map(Bytes::copy_from_slice),
        });
    })?;
    Ok(InMessage {
        offset: message.offset(),
        timestamp: message.timestamp().0,
        key: message.key().map(Bytes::copy_from_slice),
        value: message.value().map(Bytes::copy_from_slice),
        headers,
    })
}

/// What a message is, for an error's text.
pub(super) fn about(message: &OutMessage) -> String {
    let size =
        message.key.as_ref().map_or(0, Bytes::len) + message.value.as_ref().map_or(0, Bytes::len);
    let example = message.headers.iter().find(|header| header.key == "joinscope.example");
    let name = example
        .and_then(|header| header.value.as_deref())
        .map(|name| format!(" {}", String::from_utf8_lossy(name)))
        .unwrap_or_default();
    format!("{}{name} ({size} bytes)", message.topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_moves_is_asked_again_and_a_refusal_is_not() {
        let of = TopicPartition { topic: "t".into(), partition: 0 };
        let kind = |code| log_error(&KafkaError::of_code(&of, Some(3), Code(code), "")).kind;
        // A broker that has just started, seen at the progress topic's end.
        assert_eq!(kind(6), LogErrorKind::Retriable);
        assert_eq!(kind(Code::TRANSPORT.0), LogErrorKind::Retriable);
        // A leader that left the metadata while it was asked, or stands still: ended the job.
        assert_eq!(kind(Code::DESTROY_BROKER.0), LogErrorKind::Retriable);
        assert_eq!(kind(Code::TIMED_OUT_QUEUE.0), LogErrorKind::Retriable);
        assert_eq!(kind(Code::OFFSET_OUT_OF_RANGE.0), LogErrorKind::OutOfRange);
        assert_eq!(kind(Code::TOPIC_AUTHORIZATION.0), LogErrorKind::Denied);
        assert_eq!(kind(Code::UNKNOWN_TOPIC_OR_PARTITION.0), LogErrorKind::Retriable);
        assert_eq!(kind(Code::LOG_TRUNCATION.0), LogErrorKind::Fatal);
    }

    /// Found by reading: a topic whose leader was being chosen was taken for one that is
    /// not on the cluster, so that the job ended instead of waiting.
    #[test]
    fn only_a_topic_that_the_cluster_does_not_know_is_not_there() {
        let of = |code: i32| {
            let error = Some((Code(code), "said".to_owned()));
            let (partitions, replicas) = (Vec::new(), Vec::new());
            let name = "t".to_owned();
            state_of("t", Some(&TopicDescription { name, id: None, partitions, replicas, error }))
        };
        let gone = TopicState { name: "t".into(), id: None, partitions: 0 };
        for code in [Code::UNKNOWN_TOPIC_OR_PARTITION, Code::UNKNOWN_TOPIC] {
            assert_eq!(of(code.0).as_ref(), Ok(&gone), "{code}");
        }
        assert_eq!(state_of("t", None), Ok(gone));
        let kind = |code| of(code).unwrap_err().kind;
        for code in [5, 6, 7, 56, Code::TRANSPORT.0, Code::TIMED_OUT.0, Code::DESTROY_BROKER.0] {
            assert_eq!(kind(code), LogErrorKind::Retriable, "{}", Code(code));
        }
        assert_eq!(kind(Code::TOPIC_AUTHORIZATION.0), LogErrorKind::Denied);
        // A name that is none.
        let error = of(17).unwrap_err();
        assert_eq!(error, LogError::new(LogErrorKind::Fatal, "topic t: said"));
    }

    /// Found by reading: guarantees over a real cluster showed a password whose property
    /// was spelt wrong.
    #[test]
    fn a_property_that_is_not_taken_is_said_without_its_value() {
        let mut settings = Settings::new("127.0.0.1:1");
        settings.set("sasl.pasword", "hunter2");
        let log = KafkaLog::new(settings, Duration::from_secs(1));
        let of = TopicPartition { topic: "t".into(), partition: 0 };
        let spec = ProducerSpec { transactional_id: None, transaction_timeout_ms: 60_000 };
        for error in [
            log.create_topic("t", 1, false).unwrap_err(),
            log.topics(&["t"]).unwrap_err(),
            log.committed("g", &[of]).unwrap_err(),
            log.producer(&spec).err().unwrap(),
        ] {
            assert_eq!(error.kind, LogErrorKind::Fatal, "{error}");
            assert!(error.what.contains("\"sasl.pasword\""), "{error}");
            assert!(!error.what.contains("hunter2"), "{error}");
        }
    }
}
