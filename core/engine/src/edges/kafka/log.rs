//! A cluster as the delivery protocol sees it ([`Log`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::cluster::Cluster;
use super::codes::{kind_of, right};
use super::limits::Limits;
use super::producer::KafkaProducer;
use super::sys::{Code, Message};
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
    /// Clients of groups, by name.
    groups: Mutex<BTreeMap<String, Arc<BaseConsumer>>>,
    limits: Arc<Limits>,
}

impl KafkaLog {
    /// `patience`: how long a question waits for brokers that do not answer.
    #[must_use]
    pub fn new(settings: Settings, patience: Duration) -> Self {
        Self {
            settings,
            patience,
            uncommitted: Mutex::default(),
            committed: Mutex::default(),
            groups: Mutex::default(),
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
        let admin: Admin = config.create().map_err(|e| unknown(e.to_string()))?;
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

    /// A client of a group that it never joins: it asks for and commits offsets.
    fn group(&self, group: &str) -> Result<Arc<BaseConsumer>, LogError> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = groups.get(group) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(group_client(&self.settings, group)?);
        groups.insert(group.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    /// As in [`KafkaLog::ask`]: a client that knows no broker any more finds no coordinator.
    fn let_go(&self, group: &str, client: Arc<BaseConsumer>) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if groups.get(group).is_some_and(|kept| Arc::ptr_eq(kept, &client)) {
            groups.remove(group);
        }
        end(client);
    }
}

/// Nobody waits for a client's end.
fn end(client: impl Send + 'static) {
    let _ = std::thread::Builder::new().name("old-client".to_owned()).spawn(move || drop(client));
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

/// See [`KafkaLog::group`].
pub(super) fn group_client(settings: &Settings, group: &str) -> Result<BaseConsumer, LogError> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Critical);
    let forced = [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("allow.auto.create.topics", "false"),
    ];
    config.extend(settings.properties(&[("client.id", "joinscope")], &forced));
    config
        .create()
        .map_err(|e: ClientError| LogError::new(LogErrorKind::Fatal, format!("group {group}: {e}")))
}

/// Offsets as librdkafka takes them.
pub(super) fn list(
    offsets: &BTreeMap<TopicPartition, i64>,
) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, offset) in offsets {
        list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(*offset))
            .map_err(|e| LogError::new(LogErrorKind::Fatal, format!("{partition}@{offset}: {e}")))?;
    }
    Ok(list)
}

/// What a reader's error means to the protocol.
fn log_error(error: &KafkaError) -> LogError {
    let kind = match error {
        KafkaError::NoBroker { .. } | KafkaError::Stalled { .. } => LogErrorKind::Retriable,
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
        let described = self.ask(Isolation::ReadUncommitted, |cluster| cluster.describe(names))?;
        names
            .iter()
            .map(|name| {
                let topic = described.iter().find(|topic| topic.name == **name);
                let mut state = TopicState { name: (*name).into(), id: None, partitions: 0 };
                match topic.map(|topic| (topic, &topic.error)) {
                    Some((topic, None)) => {
                        state.id.clone_from(&topic.id);
                        state.partitions = topic.partitions.len() as i32;
                    }
                    Some((_, Some((Code::TOPIC_AUTHORIZATION, _)))) => {
                        return Err(LogError::new(
                            LogErrorKind::Denied,
                            format!("topic {name}: this user may not see it: grant DESCRIBE"),
                        ));
                    }
                    _ => {}
                }
                Ok(state)
            })
            .collect()
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
        let client = self.group(group)?;
        let mut wanted = TopicPartitionList::with_capacity(of.len());
        for partition in of {
            wanted.add_partition(&partition.topic, partition.partition);
        }
        let found = client.committed_offsets(wanted, self.patience).map_err(|e| {
            let code = e.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            self.let_go(group, client);
            LogError::new(
                kind_of(code),
                format!("the offsets of group {group}: {e}{}", right(code)),
            )
        })?;
        let found = found.elements();
        for entry in &found {
            let Err(e) = entry.error() else { continue };
            let code = e.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            let of = TopicPartition { topic: entry.topic().into(), partition: entry.partition() };
            let what = format!("the offset of group {group} for {of}: {e}{}", right(code));
            return Err(LogError::new(kind_of(code), what));
        }
        Ok(found
            .iter()
            .filter_map(|entry| {
                let Offset::Offset(offset) = entry.offset() else { return None };
                let topic = entry.topic().into();
                Some((TopicPartition { topic, partition: entry.partition() }, offset))
            })
            .collect())
    }

    fn commit_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let client = self.group(group)?;
        client.commit(&list(offsets)?, CommitMode::Sync).map_err(|e| {
            let code = e.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            let what = format!("offsets of group {group} are not committed: {e}{}", right(code));
            self.let_go(group, client);
            LogError::new(kind_of(code), what)
        })
    }

    fn create_topic(&self, name: &str, partitions: i32, compacted: bool) -> Result<(), LogError> {
        let failed = |code: RDKafkaErrorCode, what: String| {
            let so = if compacted { " (with cleanup.policy=compact)" } else { "" };
            let what = format!("topic {name}{so} cannot be made: {what}{}", right(code));
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
    use rdkafka::mocking::MockCluster;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

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

    /// Found by reading: it counted as none, so that a job at most once took it again.
    #[test]
    fn an_offset_that_is_not_told_is_not_taken_for_none() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("in", 1, 1).unwrap();
        let log = KafkaLog::new(Settings::new(cluster.bootstrap_servers()), PATIENCE);
        let of = |partition| TopicPartition { topic: "in".into(), partition };
        assert_eq!(log.committed("g", &[of(0)]), Ok(BTreeMap::new()));
        // The mock broker refuses it by itself, among others.
        let error = log.committed("g", &[of(0), of(7)]).unwrap_err();
        assert!(error.what.contains("group g for in[7]: "), "{error}");
    }

    /// Found by reading: it was fatal, so that a job at most once ended.
    #[test]
    fn offsets_whose_coordinator_is_away_go_to_another_client() {
        let mut settings = Settings::new("127.0.0.1:1"); // Nobody listens there.
        settings.set("session.timeout.ms", "500");
        let log = KafkaLog::new(settings, Duration::from_secs(1));
        let first = log.group("g").unwrap();
        let of = TopicPartition { topic: "t".into(), partition: 0 };
        let error = log.commit_offsets("g", &[(of, 3)].into()).unwrap_err();
        assert_eq!(error.kind, LogErrorKind::Retriable, "{error}");
        assert!(!Arc::ptr_eq(&first, &log.group("g").unwrap()));
    }
}
