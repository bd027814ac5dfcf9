//! A producer with transactions, as the delivery protocol uses it.
//!
//! Facts of librdkafka that this rests on (11-peers): delivery events need a
//! thread of their own while a commit runs; commit, abort and init take the
//! transaction's own time limit; after a fatal error only its first cause says
//! whether the producer was fenced.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::util::Timeout;

use super::Settings;
use super::bounded::{end, within};
use super::cluster::now_ms;
use super::codes::{in_transaction, kind_of, let_go_of, right, right_to_commit};
use super::error::unmade;
use super::groups::{group_client, list};
use super::limits::{Limits, batch_size};
use super::log::about;
use super::times::sendable;
use super::undelivered::{Context, Failure, Failures, is_of_a_batch};
use crate::edges::log::{LogError, LogErrorKind, LogProducer, NOW, OutMessage, ProducerSpec};
use crate::operator::record::TopicPartition;

/// Messages of a refused batch are told within this time: those that still wait
/// behind it leave no more, so it is not waited for them.
const TOLD: Duration = Duration::from_secs(1);

pub(super) struct KafkaProducer {
    producer: Arc<ThreadedProducer<Context>>,
    config: ClientConfig,
    failures: Arc<Failures>,
    settings: Settings,
    /// By name: clients that are asked who the group is; none ever joins it.
    groups: HashMap<String, BaseConsumer>,
    transactional: bool,
    /// A call has all the time that a transaction has; then the client is given up.
    patience: Duration,
    /// Calls in a row that ran out of time.
    timed_out: u32,
    /// A call never came back: the client takes no other.
    hangs: bool,
    /// The client has its transactional id.
    is_ready: bool,
    name: String,
    /// That the open transaction writes: an error names none of them.
    topics: BTreeSet<Arc<str>>,
}

/// Between two looks whether a client that is waited for is lost: it sends nothing more
/// (`rd_kafka_set_fatal_error0` of 2.12.1).
const LOOK: Duration = Duration::from_millis(500);
/// Beyond the time limit that a call has by itself.
const MARGIN: Duration = Duration::from_secs(5);
/// Nobody waits longer for an abort: whoever comes next, or the transaction's own time
/// limit, ends it too.
const ABORT: Duration = Duration::from_secs(10);
/// Calls in a row that ran out of time until the client is given up.
const TIMED_OUT: u32 = 3;
/// The call that is about the topics that are read.
const OFFSETS: &str = "send offsets";
/// What stands behind a topic's name where librdkafka lists partitions
/// (`rd_kafka_topic_partition_list_str` of 2.12.1): an id that it does not have.
const NO_ID: &str = "((null))[";

fn client(
    config: &ClientConfig,
    failures: &Arc<Failures>,
) -> Result<ThreadedProducer<Context>, LogError> {
    let made = config.create_with_context(Context(Arc::clone(failures)));
    made.map_err(|e| LogError::new(LogErrorKind::Fatal, format!("producer: {}", unmade(&e))))
}

impl KafkaProducer {
    pub fn new(
        settings: &Settings,
        limits: &Arc<Limits>,
        spec: &ProducerSpec,
    ) -> Result<Self, LogError> {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Critical);
        let timeout = spec.transaction_timeout_ms.to_string();
        let batch = batch_size(limits).to_string();
        let defaults = [
            ("client.id", "joinscope"),
            ("compression.type", "lz4"),
            // Fuller batches cost broker and client less; a commit does not wait for it.
            ("linger.ms", "20"),
            ("batch.size", batch.as_str()),
            // A commit waits for what is on its way: no more than a fraction of a
            // second of it.
            ("queue.buffering.max.messages", "30000"),
            // Where offsets are sent while their coordinator moves, librdkafka asks for it
            // again only when a connection comes or goes (rd_kafka_coord_req_fsm): a
            // quiet one goes after so long, by default never.
            ("connections.max.idle.ms", "10000"),
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
            // One that is deleted meanwhile is for the next start to name; librdkafka's
            // producers let the brokers make it anew (`allow_auto_create_topics`).
            ("allow.auto.create.topics", "false"),
        ];
        if let Some(id) = &spec.transactional_id {
            forced.push(("transactional.id", id));
            forced.push(("transaction.timeout.ms", &timeout));
        }
        config.extend(settings.properties(&defaults, &forced));
        let failures = Arc::new(Failures::new(Arc::clone(limits)));
        Ok(Self {
            producer: Arc::new(client(&config, &failures)?),
            config,
            failures,
            settings: settings.clone(),
            groups: HashMap::new(),
            transactional: spec.transactional_id.is_some(),
            topics: BTreeSet::new(),
            patience: Duration::from_millis(spec.transaction_timeout_ms.into()) + MARGIN,
            timed_out: 0,
            hangs: false,
            is_ready: false,
            name: spec.transactional_id.clone().unwrap_or_else(|| "the producer".to_owned()),
        })
    }

    /// After a call that nobody answered in time. Once is a cluster that is away; again
    /// and again may be a client that knows no broker any more (see [`super::bounded`]):
    /// what the cluster has of the transaction then says a new one, which ends it.
    fn judged(&mut self, answer: Result<(), LogError>) -> Result<(), LogError> {
        let Err(mut error) = answer else {
            self.timed_out = 0;
            return Ok(());
        };
        if error.kind == LogErrorKind::TimedOut {
            self.timed_out += 1;
            if self.timed_out >= TIMED_OUT {
                error.kind = LogErrorKind::NotTaken;
            }
        }
        Err(error)
    }

    /// Goes on with a client that has done nothing yet.
    fn renew(&mut self) -> Result<(), LogError> {
        let new = Arc::new(client(&self.config, &self.failures)?);
        end(std::mem::replace(&mut self.producer, new));
        self.is_ready = false;
        Ok(())
    }

    /// The client hangs in a call.
    fn given_up(&self, doing: &str) -> LogError {
        let text =
            format!("{}: {doing}: the Kafka client gives no answer and is given up", self.name);
        LogError::new(LogErrorKind::NotTaken, text)
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
        let is_offsets = doing == OFFSETS;
        let wanted = if is_offsets { right_to_commit } else { right };
        let mut wants = wanted(code);
        // What made the client useless is said only here.
        if let Some((cause, reason)) = self.producer.client().fatal_error() {
            kind = match kind_of(cause) {
                kind @ (LogErrorKind::Fenced | LogErrorKind::Denied | LogErrorKind::NotTaken) => {
                    kind
                }
                _ => LogErrorKind::Fatal,
            };
            (text, wants) = (reason, wanted(cause));
        }
        // See [`let_go_of`].
        if kind == LogErrorKind::Fenced && !self.transactional {
            kind = LogErrorKind::NotTaken;
        }
        if kind == LogErrorKind::RequiresAbort {
            let (mut cause, mut failure) = (code, self.failure());
            // A transaction is told of it before its messages are
            // (`rd_kafka_msgbatch_handle_Produce_result`).
            if failure.is_none() && is_of_a_batch(code) {
                self.all_told();
                failure = self.failure();
            }
            if let Some(failure) = failure {
                cause = failure.code;
                text = format!("{text} ({failure})");
            }
            match in_transaction(cause) {
                // No further attempt has more rights.
                LogErrorKind::Denied => (kind, wants) = (LogErrorKind::Denied, right(cause)),
                LogErrorKind::NotTaken => kind = LogErrorKind::NotTaken,
                _ => {}
            }
        }
        let is_denied = code == RDKafkaErrorCode::TopicAuthorizationFailed;
        if self.transactional && is_denied && !is_offsets {
            let topics: Vec<&str> = self.topics.iter().map(|topic| &**topic).collect();
            text = format!("{text} (it writes {})", topics.join(", "));
        }
        let text = text.replace(NO_ID, "[");
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

    /// What was not delivered; of a refused batch, when all of it was told.
    fn failure(&self) -> Option<Failure> {
        let first = self.failures.take()?;
        if !is_of_a_batch(first.code) {
            return Some(first);
        }
        self.all_told();
        Some(self.failures.with_later(first))
    }

    /// Waits for what became of a refused batch. Its messages are told one by one, on
    /// another thread; a message counts as on its way until it was told.
    fn all_told(&self) {
        if let Err(error) = self.producer.flush(TOLD) {
            tracing::debug!("{}: after a refused batch: {error}", self.name);
        }
    }

    /// What was not delivered, as an error.
    fn undelivered(&self) -> Result<(), LogError> {
        let Some(failure) = self.failure() else { return Ok(()) };
        let code = failure.code;
        let kind = if self.transactional { in_transaction(code) } else { let_go_of(code) };
        Err(LogError::new(kind, format!("{}: not delivered: {failure}{}", self.name, right(code))))
    }
}

impl LogProducer for KafkaProducer {
    fn init(&mut self) -> Result<(), LogError> {
        // A client takes it once.
        if self.is_ready {
            self.renew()?;
        }
        let asked = self.producer.init_transactions(Timeout::Never);
        let error = match asked.map_err(|e| self.error("init", &e)) {
            Err(e) if matches!(e.kind, LogErrorKind::TimedOut | LogErrorKind::Retriable) => e,
            other => {
                self.is_ready = other.is_ok();
                return other;
            }
        };
        // Nothing has begun: the next attempt has a client of its own.
        self.renew()?;
        Err(error)
    }

    fn begin(&mut self) -> Result<(), LogError> {
        if self.hangs {
            return Err(self.given_up("begin"));
        }
        self.failures.take();
        self.topics.clear();
        self.producer.begin_transaction().map_err(|e| self.error("begin", &e))
    }

    fn send(&mut self, message: OutMessage) -> Result<(), LogError> {
        self.undelivered()?;
        if self.transactional && !self.topics.contains(&message.topic) {
            self.topics.insert(Arc::clone(&message.topic));
        }
        let at = if message.timestamp == NOW { now_ms() } else { sendable(message.timestamp) };
        // Nobody says the time of a message that was not delivered
        // (`rd_kafka_message_timestamp`): it goes with it.
        let mut record =
            BaseRecord::<[u8], [u8], usize>::with_opaque_to(&message.topic, at as usize)
                .timestamp(at);
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
        loop {
            let flushed = self.producer.flush(LOOK);
            // It empties its queue, and tells that as what an abort lets go of.
            if self.producer.client().fatal_error().is_some() {
                return Err(self.error("flush", &ClientError::Flush(RDKafkaErrorCode::Fatal)));
            }
            match flushed {
                Err(e) if e.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut) => {}
                Err(e) => return Err(self.error("flush", &e)),
                Ok(()) => return self.undelivered(),
            }
        }
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
        let (producer, offsets) = (Arc::clone(&self.producer), list(offsets)?);
        let answer = within(self.patience, move || {
            producer.send_offsets_to_transaction(&offsets, &metadata, Timeout::Never)
        });
        let Some(answer) = answer else {
            self.hangs = true;
            return Err(self.given_up(OFFSETS));
        };
        let answer = answer.map_err(|e| self.error(OFFSETS, &e));
        self.judged(answer)
    }

    fn commit(&mut self) -> Result<(), LogError> {
        let answer = self.producer.commit_transaction(Timeout::Never);
        let answer = answer.map_err(|e| self.error("commit", &e));
        self.judged(answer)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        let producer = Arc::clone(&self.producer);
        let abort = move || producer.abort_transaction(Timeout::Never);
        let aborted = match within(ABORT, abort) {
            Some(answer) => answer.map_err(|e| self.error("abort", &e)),
            None => Err(self.given_up("abort")),
        };
        self.failures.take();
        aborted
    }
}

#[cfg(test)]
mod tests;
