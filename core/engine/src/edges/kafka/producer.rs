//! A producer with transactions, as the delivery protocol uses it.
//!
//! Facts of librdkafka that this rests on (11-peers): delivery events need a
//! thread of their own while a commit runs; commit, abort and init take the
//! transaction's own time limit; after a fatal error only its first cause says
//! whether the producer was fenced.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::util::Timeout;

use super::Settings;
use super::log::{about, group_client, list};
use crate::edges::log::{LogError, LogErrorKind, LogProducer, OutMessage, ProducerSpec};
use crate::operator::record::TopicPartition;

/// What a code means to the protocol, where the call itself does not say more.
pub(super) fn kind_of(code: RDKafkaErrorCode) -> LogErrorKind {
    use RDKafkaErrorCode as E;
    match code {
        E::Fenced | E::ProducerFenced | E::InvalidProducerEpoch => LogErrorKind::Fenced,
        E::OperationTimedOut | E::MessageTimedOut | E::RequestTimedOut => LogErrorKind::TimedOut,
        E::MessageSizeTooLarge | E::InvalidMessageSize => LogErrorKind::TooLarge,
        E::TopicAuthorizationFailed
        | E::GroupAuthorizationFailed
        | E::ClusterAuthorizationFailed
        | E::TransactionalIdAuthorizationFailed
        | E::Authentication
        | E::SaslAuthenticationFailed => LogErrorKind::Denied,
        E::OffsetOutOfRange | E::AutoOffsetReset => LogErrorKind::OutOfRange,
        E::BrokerTransportFailure
        | E::AllBrokersDown
        | E::CoordinatorLoadInProgress
        | E::CoordinatorNotAvailable
        | E::NotCoordinator
        | E::NotEnoughReplicas
        | E::NotEnoughReplicasAfterAppend
        | E::LeaderNotAvailable
        | E::NotLeaderForPartition
        | E::ConcurrentTransactions
        | E::QueueFull => LogErrorKind::Retriable,
        _ => LogErrorKind::Fatal,
    }
}

/// What a user lacks, to go behind an error's text.
pub(super) fn right(code: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as E;
    match code {
        E::TopicAuthorizationFailed => "; grant WRITE and DESCRIBE on this topic to its user",
        E::TransactionalIdAuthorizationFailed => {
            "; grant WRITE and DESCRIBE on this transactional id to its user"
        }
        E::GroupAuthorizationFailed => "; grant READ on this group to its user",
        E::ClusterAuthorizationFailed => {
            "; grant CREATE on the cluster (or on the topic) to its user, or make the topic"
        }
        _ => "",
    }
}

/// What was not delivered since the last look: the first of it.
#[derive(Default)]
struct Failures(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl Failures {
    fn take(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[derive(Clone, Default)]
struct Context(Arc<Failures>);

impl ClientContext for Context {
    fn error(&self, error: ClientError, reason: &str) {
        tracing::info!(target: "librdkafka", "{error}: {reason}");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else { return };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        // An abort empties the queue.
        if matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) {
            return;
        }
        let size = message.payload_len() + message.key_len();
        let what = format!("a message of {size} bytes to {}: {code}", message.topic());
        let mut first = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert((code, what));
    }
}

pub(super) struct KafkaProducer {
    producer: ThreadedProducer<Context>,
    failures: Arc<Failures>,
    settings: Settings,
    /// By name: clients that are asked who the group is; none ever joins it.
    groups: HashMap<String, BaseConsumer>,
    transactional: bool,
    name: String,
    /// That the open transaction writes: an error names none of them.
    topics: BTreeSet<Arc<str>>,
}

impl KafkaProducer {
    pub fn new(settings: &Settings, spec: &ProducerSpec) -> Result<Self, LogError> {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Critical);
        let timeout = spec.transaction_timeout_ms.to_string();
        let defaults = [
            ("client.id", "joinscope"),
            ("compression.type", "lz4"),
            // Fuller batches cost broker and client less; a commit does not wait for it.
            ("linger.ms", "20"),
            // A commit waits for what is on its way: no more than a fraction of a
            // second of it.
            ("queue.buffering.max.messages", "30000"),
            // The broker decides what is too large.
            ("message.max.bytes", "1000000000"),
        ];
        let mut forced = vec![
            ("enable.idempotence", "true"),
            ("acks", "all"),
            // Nothing is to be done about what was written.
            ("delivery.report.only.error", "true"),
            // As Java's: librdkafka's own default breaks co-partitioning.
            ("partitioner", "murmur2_random"),
        ];
        if let Some(id) = &spec.transactional_id {
            forced.push(("transactional.id", id));
            forced.push(("transaction.timeout.ms", &timeout));
        }
        config.extend(settings.properties(&defaults, &forced));
        let context = Context::default();
        let failures = Arc::clone(&context.0);
        let producer = config
            .create_with_context(context)
            .map_err(|e| LogError::new(LogErrorKind::Fatal, format!("producer: {e}")))?;
        Ok(Self {
            producer,
            failures,
            settings: settings.clone(),
            groups: HashMap::new(),
            transactional: spec.transactional_id.is_some(),
            topics: BTreeSet::new(),
            name: spec.transactional_id.clone().unwrap_or_else(|| "the producer".to_owned()),
        })
    }

    /// An error of a call: first whether it needs an abort, then whether it can
    /// be tried again, else it is fatal.
    fn error(&self, doing: &str, error: &ClientError) -> LogError {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let (mut kind, mut text) = (kind_of(code), error.to_string());
        if let ClientError::Transaction(error) = error {
            text = error.string();
            kind = if matches!(kind, LogErrorKind::Fenced | LogErrorKind::Denied) {
                kind
            } else if error.txn_requires_abort() {
                LogErrorKind::RequiresAbort
            } else if kind == LogErrorKind::TimedOut {
                kind
            } else if error.is_retriable() {
                LogErrorKind::Retriable
            } else {
                LogErrorKind::Fatal
            };
        }
        let mut wants = right(code);
        // What made the client useless is said only here.
        if let Some((cause, reason)) = self.producer.client().fatal_error() {
            kind = match kind_of(cause) {
                LogErrorKind::Fenced => LogErrorKind::Fenced,
                LogErrorKind::Denied => LogErrorKind::Denied,
                _ => LogErrorKind::Fatal,
            };
            (text, wants) = (reason, right(cause));
        }
        if kind == LogErrorKind::RequiresAbort
            && let Some((cause, what)) = self.failures.take()
        {
            text = format!("{text} ({what})");
            // No further attempt has more rights.
            if kind_of(cause) == LogErrorKind::Denied {
                (kind, wants) = (LogErrorKind::Denied, right(cause));
            }
        }
        if self.transactional && code == RDKafkaErrorCode::TopicAuthorizationFailed {
            let topics: Vec<&str> = self.topics.iter().map(|topic| &**topic).collect();
            text = format!("{text} (it writes {})", topics.join(", "));
        }
        LogError::new(kind, format!("{}: {doing}: {text}{wants}", self.name))
    }

    /// A transaction that met an error takes nothing more, and only its end says
    /// which: an attempt at it, which cannot succeed.
    fn not_sent(&self, error: &ClientError) -> LogError {
        let over = error.rdkafka_error_code() == Some(RDKafkaErrorCode::State);
        if self.transactional
            && over
            && let Err(met) = self.producer.commit_transaction(Timeout::Never)
        {
            return self.error("send", &met);
        }
        self.error("send", error)
    }

    /// What was not delivered, as an error.
    fn undelivered(&self) -> Result<(), LogError> {
        let Some((code, what)) = self.failures.take() else { return Ok(()) };
        let kind = match kind_of(code) {
            LogErrorKind::TooLarge => LogErrorKind::TooLarge,
            LogErrorKind::Fenced => LogErrorKind::Fenced,
            LogErrorKind::Denied => LogErrorKind::Denied,
            _ if self.transactional => LogErrorKind::RequiresAbort,
            kind => kind,
        };
        Err(LogError::new(kind, format!("{}: not delivered: {what}{}", self.name, right(code))))
    }
}

impl LogProducer for KafkaProducer {
    fn init(&mut self) -> Result<(), LogError> {
        self.producer.init_transactions(Timeout::Never).map_err(|e| self.error("init", &e))
    }

    fn begin(&mut self) -> Result<(), LogError> {
        self.failures.take();
        self.topics.clear();
        self.producer.begin_transaction().map_err(|e| self.error("begin", &e))
    }

    fn send(&mut self, message: OutMessage) -> Result<(), LogError> {
        self.undelivered()?;
        if self.transactional && !self.topics.contains(&message.topic) {
            self.topics.insert(Arc::clone(&message.topic));
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(&message.topic).timestamp(message.timestamp);
        if let Some(partition) = message.partition {
            record = record.partition(partition);
        }
        if let Some(key) = &message.key {
            record = record.key(key);
        }
        if let Some(value) = &message.value {
            record = record.payload(value);
        }
        if !message.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(message.headers.len());
            record = record.headers(message.headers.iter().fold(headers, |headers, header| {
                headers.insert(Header { key: &header.key, value: header.value.as_deref() })
            }));
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((ClientError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    std::thread::sleep(Duration::from_millis(2));
                    self.undelivered()?;
                    record = back;
                }
                Err((error, _)) => {
                    let mut error = self.not_sent(&error);
                    error.what = format!("{}: {}", error.what, about(&message));
                    return Err(error);
                }
            }
        }
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.producer.flush(Timeout::Never).map_err(|e| self.error("flush", &e))?;
        self.undelivered()
    }

    fn send_offsets(
        &mut self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError> {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.to_owned(), group_client(&self.settings, group)?);
        }
        let metadata = self.groups.get(group).and_then(BaseConsumer::group_metadata);
        let Some(metadata) = metadata else {
            let what = format!("{}: group {group} has no metadata", self.name);
            return Err(LogError::new(LogErrorKind::Fatal, what));
        };
        self.producer
            .send_offsets_to_transaction(&list(offsets)?, &metadata, Timeout::Never)
            .map_err(|e| self.error("send offsets", &e))
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.producer.commit_transaction(Timeout::Never).map_err(|e| self.error("commit", &e))
    }

    fn abort(&mut self) -> Result<(), LogError> {
        let aborted =
            self.producer.abort_transaction(Timeout::Never).map_err(|e| self.error("abort", &e));
        self.failures.take();
        aborted
    }
}
