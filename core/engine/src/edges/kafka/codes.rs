//! What librdkafka's and the brokers' codes mean to the delivery protocol.

use rdkafka::error::RDKafkaErrorCode;

use crate::edges::log::LogErrorKind;

/// What a code means to the protocol, where the call itself does not say more.
pub(super) fn kind_of(code: RDKafkaErrorCode) -> LogErrorKind {
    use RDKafkaErrorCode as E;
    match code {
        E::Fenced | E::ProducerFenced | E::InvalidProducerEpoch => LogErrorKind::Fenced,
        E::OperationTimedOut | E::MessageTimedOut | E::RequestTimedOut => LogErrorKind::TimedOut,
        E::MessageSizeTooLarge | E::InvalidMessageSize => LogErrorKind::TooLarge,
        // The same record is refused again: it is tried once more, then named.
        E::InvalidTimestamp | E::InvalidRecord | E::InvalidDifferentRecord => {
            LogErrorKind::RequiresAbort
        }
        E::TopicAuthorizationFailed
        | E::GroupAuthorizationFailed
        | E::ClusterAuthorizationFailed
        | E::TransactionalIdAuthorizationFailed
        | E::Authentication
        | E::SaslAuthenticationFailed => LogErrorKind::Denied,
        E::OffsetOutOfRange | E::AutoOffsetReset => LogErrorKind::OutOfRange,
        // A coordinator lets go of an id that had no transaction for
        // transactional.id.expiration.ms (`TransactionStateManager` of Kafka 4.3.1), and a
        // partition's leader of a producer. No transaction is open then; a new producer is
        // given another id, and the progress topic says from where it goes on. librdkafka
        // holds the client for lost where the group's coordinator says so
        // (`rd_kafka_txn_handle_TxnOffsetCommit`), else the transaction.
        E::InvalidProducerIdMapping | E::UnknownProducerId => LogErrorKind::NotTaken,
        // A broker that the cluster's metadata name no more is let go of with what waits
        // for it (`_DESTROY_BROKER`), and offsets whose coordinator has been away for
        // session.timeout.ms are given up (`_WAIT_COORD`, rd_kafka_cgrp_timeout_scan):
        // both say no more than that the cluster is away.
        E::BrokerTransportFailure
        | E::AllBrokersDown
        | E::Resolve
        | E::DestroyBroker
        | E::WaitingForCoordinator
        | E::TimedOutQueue
        | E::NetworkException
        | E::NotController
        | E::KafkaStorageError
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

/// What it means outside a transaction that a message was not delivered: the client has
/// let go of it, so whoever asks again asks about nothing. Nobody else has the id of a
/// producer without transactions: an epoch that the broker takes for an old one
/// (`ProducerAppendInfo#checkProducerEpoch` of Kafka), as librdkafka begins a new one after
/// each refusal, is one of its own, and another client has another id.
pub(super) fn let_go_of(code: RDKafkaErrorCode) -> LogErrorKind {
    match kind_of(code) {
        LogErrorKind::TimedOut | LogErrorKind::Retriable | LogErrorKind::Fenced => {
            LogErrorKind::NotTaken
        }
        kind => kind,
    }
}

/// What it means to an open transaction that a message of it was not delivered.
pub(super) fn in_transaction(code: RDKafkaErrorCode) -> LogErrorKind {
    match kind_of(code) {
        kind @ (LogErrorKind::TooLarge | LogErrorKind::Fenced | LogErrorKind::Denied) => kind,
        LogErrorKind::TimedOut | LogErrorKind::Retriable | LogErrorKind::NotTaken => {
            LogErrorKind::NotTaken
        }
        _ => LogErrorKind::RequiresAbort,
    }
}

/// What a user lacks, or what else is to be known, to go behind an error's text.
pub(super) fn right(code: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as E;
    match code {
        E::TopicAuthorizationFailed => "; grant WRITE and DESCRIBE on this topic to its user",
        E::TransactionalIdAuthorizationFailed => {
            "; grant WRITE and DESCRIBE on this transactional id to its user"
        }
        E::GroupAuthorizationFailed => "; grant READ on this group to its user",
        // Who asks for a producer's id (`KafkaApis#handleInitProducerIdRequest` of Kafka).
        E::ClusterAuthorizationFailed => {
            "; grant WRITE on the topics that are written to its user (a broker before Kafka 2.8 \
             wants IDEMPOTENT_WRITE on the cluster)"
        }
        E::InvalidProducerIdMapping | E::UnknownProducerId => {
            "; the cluster knows this producer no more, as one that was idle for \
             transactional.id.expiration.ms (by default a week): a new one goes on from the last \
             epoch that was committed"
        }
        _ => "",
    }
}

/// As [`right`], of a call about a group's offsets: who commits them needs to read their
/// topics, not to write them (`KafkaApis#handleOffsetCommitRequest` and
/// `#handleTxnOffsetCommitRequest` of Kafka), and nobody else may be in the group
/// (`ClassicGroup#validateOffsetCommit`).
pub(super) fn right_to_commit(code: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as E;
    match code {
        E::TopicAuthorizationFailed => "; grant READ on this topic to its user",
        E::UnknownMemberId | E::IllegalGeneration => {
            "; somebody else consumes in this group, whose name is the job's: end that consumer, \
             or give the job another delivery.job"
        }
        code => right(code),
    }
}

/// As [`right`], of making a topic: who may not is told so of the topic, where the cluster
/// knows it or not (`ControllerApis#createTopics` of Kafka).
pub(super) fn right_to_make(code: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as E;
    match code {
        E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed => {
            "; grant CREATE on the cluster (or on the topic) to its user, or make the topic"
        }
        E::InvalidReplicationFactor => {
            "; fewer brokers are up than it is to have replicas (default.replication.factor, where \
             nothing else is asked for): start the others, or make the topic"
        }
        E::PolicyViolation => "; a policy of the cluster does not take it so: make the topic",
        code => right(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_no_broker_took_in_time_may_be_taken_later() {
        use RDKafkaErrorCode as E;
        // As a broker's partition without its replicas is met: by its time alone.
        for code in [E::MessageTimedOut, E::NotEnoughReplicas, E::LeaderNotAvailable] {
            assert_eq!(in_transaction(code), LogErrorKind::NotTaken, "{code}");
        }
        // Without a transaction too: nobody sends it again but who goes on from before it.
        for code in [E::MessageTimedOut, E::NotEnoughReplicas, E::BrokerTransportFailure] {
            assert_eq!(let_go_of(code), LogErrorKind::NotTaken, "{code}");
        }
        // Found by reading: a job at least once looked for who had taken it over, in a topic
        // that only jobs exactly once have, for ever.
        for code in [E::InvalidProducerEpoch, E::Fenced, E::ProducerFenced] {
            assert_eq!(let_go_of(code), LogErrorKind::NotTaken, "{code}");
        }
        assert_eq!(let_go_of(E::InvalidTopic), LogErrorKind::Fatal);
        assert_eq!(let_go_of(E::MessageSizeTooLarge), LogErrorKind::TooLarge);
        assert_eq!(in_transaction(E::MessageSizeTooLarge), LogErrorKind::TooLarge);
        assert_eq!(in_transaction(E::InvalidProducerEpoch), LogErrorKind::Fenced);
        assert_eq!(in_transaction(E::TopicAuthorizationFailed), LogErrorKind::Denied);
        assert_eq!(in_transaction(E::InvalidRecord), LogErrorKind::RequiresAbort);
    }

    /// Found by reading: a job at most once ended when its group's coordinator had been
    /// away for 45 s, and offsets whose broker went out of the metadata twice in a row
    /// were taken for a record that no topic takes.
    #[test]
    fn a_cluster_that_is_away_is_asked_again_however_librdkafka_says_so() {
        use RDKafkaErrorCode as E;
        for code in [
            E::WaitingForCoordinator,
            E::DestroyBroker,
            E::TimedOutQueue,
            E::Resolve,
            E::BrokerTransportFailure,
            E::NotCoordinator,
            E::NotController,
            E::KafkaStorageError,
            E::NetworkException,
        ] {
            assert_eq!(kind_of(code), LogErrorKind::Retriable, "{code}");
            assert_eq!(in_transaction(code), LogErrorKind::NotTaken, "{code}");
        }
        for code in [E::UnknownMemberId, E::InvalidTopic, E::InvalidConfig] {
            assert_eq!(kind_of(code), LogErrorKind::Fatal, "{code}");
        }
    }

    /// Found by reading: who may not make the progress topic was told to grant WRITE on it,
    /// and who may write no topic to grant CREATE.
    #[test]
    fn what_is_lacking_is_that_of_the_call() {
        use RDKafkaErrorCode as E;
        for (said, what) in [
            (right_to_make(E::TopicAuthorizationFailed), "grant CREATE"),
            (right_to_make(E::ClusterAuthorizationFailed), "grant CREATE"),
            (right_to_make(E::InvalidReplicationFactor), "start the others"),
            (right_to_make(E::PolicyViolation), "make the topic"),
            (right(E::TopicAuthorizationFailed), "grant WRITE and DESCRIBE on this topic"),
            (right(E::ClusterAuthorizationFailed), "grant WRITE on the topics"),
            (right_to_commit(E::TopicAuthorizationFailed), "grant READ on this topic"),
            (right_to_commit(E::UnknownMemberId), "another delivery.job"),
        ] {
            assert!(said.starts_with("; ") && said.contains(what), "{what}: {said}");
        }
        assert_eq!(right_to_make(E::OperationTimedOut), "");
    }
}
