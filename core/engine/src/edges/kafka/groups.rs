//! Offsets of groups that nobody ever joins: asked for, and committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::Settings;
use super::bounded::end;
use super::codes::{kind_of, right_to_commit};
use super::error::unmade;
use crate::edges::log::{LogError, LogErrorKind};
use crate::operator::record::TopicPartition;

/// Clients of groups, each made when it is first needed.
pub(super) struct Groups {
    settings: Settings,
    patience: Duration,
    /// By the group's name.
    clients: Mutex<BTreeMap<String, Arc<BaseConsumer>>>,
}

impl Groups {
    /// `patience`: how long a question waits for brokers that do not answer.
    pub fn new(settings: Settings, patience: Duration) -> Self {
        Self { settings, patience, clients: Mutex::default() }
    }

    fn client(&self, group: &str) -> Result<Arc<BaseConsumer>, LogError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(group) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(group_client(&self.settings, group)?);
        clients.insert(group.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    /// A client that knows no broker any more finds no coordinator: the next question has
    /// one of its own.
    fn let_go(&self, group: &str, client: Arc<BaseConsumer>) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.get(group).is_some_and(|kept| Arc::ptr_eq(kept, &client)) {
            clients.remove(group);
        }
        end(client);
    }

    /// See [`Log::committed`](crate::edges::log::Log::committed).
    pub fn committed(
        &self,
        group: &str,
        of: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        let client = self.client(group)?;
        let mut wanted = TopicPartitionList::with_capacity(of.len());
        for partition in of {
            wanted.add_partition(&partition.topic, partition.partition);
        }
        let found = client.committed_offsets(wanted, self.patience).map_err(|e| {
            let code = code_of(&e);
            self.let_go(group, client);
            let what = format!("the offsets of group {group}: {e}{}", right_to_commit(code));
            LogError::new(kind_of(code), what)
        })?;
        let found = found.elements();
        for entry in &found {
            let Err(e) = entry.error() else { continue };
            let code = code_of(&e);
            let of = TopicPartition { topic: entry.topic().into(), partition: entry.partition() };
            let right = right_to_commit(code);
            let what = format!("the offset of group {group} for {of}: {e}{right}");
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

    /// See [`Log::commit_offsets`](crate::edges::log::Log::commit_offsets).
    pub fn commit(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let client = self.client(group)?;
        let Err(mut error) = client.commit(&list(offsets)?, CommitMode::Sync) else {
            return Ok(());
        };
        let mut of = String::new();
        if is_an_answer(code_of(&error)) {
            let Some((partition, offset, refused)) = first_refused(&client, offsets)? else {
                return Ok(());
            };
            (of, error) = (format!(" for {partition}@{offset}"), refused);
        }
        let code = code_of(&error);
        self.let_go(group, client);
        let right = right_to_commit(code);
        let what = format!("offsets of group {group} are not committed{of}: {error}{right}");
        Err(LogError::new(kind_of(code), what))
    }
}

fn code_of(error: &ClientError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}

/// Whether the coordinator said it, and not only that it is away.
fn is_an_answer(code: RDKafkaErrorCode) -> bool {
    !matches!(kind_of(code), LogErrorKind::Retriable | LogErrorKind::TimedOut)
}

/// The first partition whose offset the coordinator refuses, with that offset; `None`:
/// it takes each of them by now. Asked one by one, as of several librdkafka tells the last
/// refusal only, and says it of those that were taken too (`rd_kafka_handle_OffsetCommit`,
/// `rd_kafka_cgrp_update_committed_offsets` of 2.12.1).
fn first_refused<'o>(
    client: &BaseConsumer,
    offsets: &'o BTreeMap<TopicPartition, i64>,
) -> Result<Option<(&'o TopicPartition, i64, ClientError)>, LogError> {
    for (partition, offset) in offsets {
        let alone = list(&BTreeMap::from([(partition.clone(), *offset)]))?;
        if let Err(error) = client.commit(&alone, CommitMode::Sync) {
            return Ok(Some((partition, *offset, error)));
        }
    }
    Ok(None)
}

/// A client of a group that it never joins: it asks for and commits offsets.
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
        .map_err(|e| LogError::new(LogErrorKind::Fatal, format!("group {group}: {}", unmade(&e))))
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

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    fn of(partition: i32) -> TopicPartition {
        TopicPartition { topic: "in".into(), partition }
    }

    /// Found by reading: it counted as none, so that a job at most once took it again.
    #[test]
    fn an_offset_that_is_not_told_is_not_taken_for_none() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("in", 1, 1).unwrap();
        let groups = Groups::new(Settings::new(cluster.bootstrap_servers()), PATIENCE);
        assert_eq!(groups.committed("g", &[of(0)]), Ok(BTreeMap::new()));
        // The mock broker refuses it by itself, among others.
        let error = groups.committed("g", &[of(0), of(7)]).unwrap_err();
        assert!(error.what.contains("group g for in[7]: "), "{error}");
    }

    /// Found by reading: of several partitions nobody was told which one it was.
    #[test]
    fn the_partition_whose_offset_is_refused_is_named() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("in", 2, 1).unwrap();
        let groups = Groups::new(Settings::new(cluster.bootstrap_servers()), PATIENCE);
        // The mock broker refuses it by itself, among others.
        let error = groups.commit("g", &[(of(0), 3), (of(1), 4), (of(7), 5)].into()).unwrap_err();
        assert_eq!(error.kind, LogErrorKind::Fatal, "{error}");
        let said = "offsets of group g are not committed for in[7]@5: ";
        assert!(error.what.starts_with(said), "{error}");
        // The others are.
        let taken: BTreeMap<_, _> = [(of(0), 3), (of(1), 4)].into();
        assert_eq!(groups.committed("g", &[of(0), of(1)]), Ok(taken));
        // Who may not is told what for.
        let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[denied; 2]);
        let error = groups.commit("g", &[(of(0), 5), (of(1), 6)].into()).unwrap_err();
        assert_eq!(error.kind, LogErrorKind::Denied, "{error}");
        assert!(error.what.contains("for in[0]@5: "), "{error}");
        assert!(error.what.ends_with("grant READ on this topic to its user"), "{error}");
        // What is refused no more when it is asked for alone is committed.
        cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[denied]);
        assert_eq!(groups.commit("g", &[(of(0), 7), (of(1), 8)].into()), Ok(()));
        let taken: BTreeMap<_, _> = [(of(0), 7), (of(1), 8)].into();
        assert_eq!(groups.committed("g", &[of(0), of(1)]), Ok(taken));
    }

    /// Found by reading: it was fatal, so that a job at most once ended.
    #[test]
    fn offsets_whose_coordinator_is_away_go_to_another_client() {
        let mut settings = Settings::new("127.0.0.1:1"); // Nobody listens there.
        settings.set("session.timeout.ms", "500");
        let groups = Groups::new(settings, Duration::from_secs(1));
        let first = groups.client("g").unwrap();
        let error = groups.commit("g", &[(of(0), 3)].into()).unwrap_err();
        assert_eq!(error.kind, LogErrorKind::Retriable, "{error}");
        assert!(!Arc::ptr_eq(&first, &groups.client("g").unwrap()));
    }
}
