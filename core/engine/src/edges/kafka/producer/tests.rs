//! Over librdkafka's own mock broker.

use bytes::Bytes;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::*;

fn message() -> OutMessage {
    OutMessage {
        topic: "out".into(),
        partition: Some(0),
        key: None,
        value: Some(Bytes::from_static(b"v")),
        timestamp: NOW,
        headers: Vec::new(),
    }
}

/// Found by reading: where the group's coordinator said it, the job ended.
#[test]
fn a_producer_that_the_cluster_forgot_is_followed_by_a_new_one() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("out", 1, 1).unwrap();
    let settings = Settings::new(cluster.bootstrap_servers());
    let forgot = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING;
    let of = TopicPartition { topic: "in".into(), partition: 0 };
    for (id, asked) in
        [("a", RDKafkaApiKey::AddPartitionsToTxn), ("b", RDKafkaApiKey::TxnOffsetCommit)]
    {
        let spec =
            ProducerSpec { transactional_id: Some(id.to_owned()), transaction_timeout_ms: 60_000 };
        let mut producer = KafkaProducer::new(&settings, &Arc::default(), &spec).unwrap();
        producer.init().unwrap();
        producer.begin().unwrap();
        cluster.request_errors(asked, &[forgot]);
        producer.send(message()).unwrap();
        let ended = if asked == RDKafkaApiKey::TxnOffsetCommit {
            producer.send_offsets("g", &[(of.clone(), 3)].into())
        } else {
            producer.commit()
        };
        let error = ended.unwrap_err();
        assert_eq!(error.kind, LogErrorKind::NotTaken, "{id}: {error}");
        assert!(error.what.contains("transactional.id.expiration.ms"), "{id}: {error}");
    }
}

/// Found by reading: who may not read an input any more was told to grant WRITE on it,
/// and which topics are written.
#[test]
fn offsets_that_are_refused_name_their_partition() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("in", 2, 1).unwrap();
    cluster.create_topic("out", 1, 1).unwrap();
    let settings = Settings::new(cluster.bootstrap_servers());
    let spec =
        ProducerSpec { transactional_id: Some("a".to_owned()), transaction_timeout_ms: 60_000 };
    let mut producer = KafkaProducer::new(&settings, &Arc::default(), &spec).unwrap();
    producer.init().unwrap();
    producer.begin().unwrap();
    producer.send(message()).unwrap();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::TxnOffsetCommit, &[denied]);
    let of = |partition| TopicPartition { topic: "in".into(), partition };
    let error = producer.send_offsets("g", &[(of(0), 3), (of(1), 4)].into()).unwrap_err();
    assert_eq!(error.kind, LogErrorKind::Denied, "{error}");
    assert!(error.what.contains(" in[0](Broker: Topic authorization failed)"), "{error}");
    assert!(error.what.ends_with("; grant READ on this topic to its user"), "{error}");
    assert!(!error.what.contains("it writes"), "{error}");
}

/// Found by reading: such a message was waited for once more, which found none: an
/// epoch counted as delivered without it.
#[test]
fn a_message_that_was_let_go_of_is_not_waited_for_again() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("out", 1, 1).unwrap();
    let mut settings = Settings::new(cluster.bootstrap_servers());
    settings.set("retries", "1");
    let spec = ProducerSpec { transactional_id: None, transaction_timeout_ms: 60_000 };
    let mut producer = KafkaProducer::new(&settings, &Arc::default(), &spec).unwrap();
    let few = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    cluster.request_errors(RDKafkaApiKey::Produce, &[few; 5]);
    producer.send(message()).unwrap();
    let error = producer.flush().unwrap_err();
    assert_eq!(error.kind, LogErrorKind::NotTaken, "{error}");
}

/// Found by reading: a job at least once looked for who had taken it over.
#[test]
fn a_producer_without_transactions_is_fenced_by_nobody() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("out", 1, 1).unwrap();
    let settings = Settings::new(cluster.bootstrap_servers());
    let spec = ProducerSpec { transactional_id: None, transaction_timeout_ms: 60_000 };
    let mut producer = KafkaProducer::new(&settings, &Arc::default(), &spec).unwrap();
    let old = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    cluster.request_errors(RDKafkaApiKey::Produce, &[old]);
    producer.send(message()).unwrap();
    let error = producer.flush().unwrap_err();
    assert_eq!(error.kind, LogErrorKind::NotTaken, "{error}");
}

/// Found by reading: a sink topic that was deleted under a job came back empty.
#[test]
fn a_topic_that_is_gone_is_not_made_anew() {
    let cluster = MockCluster::new(1).unwrap();
    let mut settings = Settings::new(cluster.bootstrap_servers());
    settings.set("topic.metadata.propagation.max.ms", "0");
    let spec = ProducerSpec { transactional_id: None, transaction_timeout_ms: 60_000 };
    let mut producer = KafkaProducer::new(&settings, &Arc::default(), &spec).unwrap();
    producer.send(message()).unwrap();
    let error = producer.flush().unwrap_err();
    assert_eq!(error.kind, LogErrorKind::Fatal, "{error}");
    assert!(error.what.contains("to out") && error.what.contains("nknown"), "{error}");
}

/// Found by reading: librdkafka empties the queue of a client that it holds for lost, as of
/// one that may not write, and an epoch counted as delivered without what was in it.
#[test]
fn what_a_client_that_is_lost_let_go_of_is_not_delivered() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("out", 1, 1).unwrap();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &[denied]);
    let settings = Settings::new(cluster.bootstrap_servers());
    let spec = ProducerSpec { transactional_id: None, transaction_timeout_ms: 60_000 };
    let mut producer = KafkaProducer::new(&settings, &Arc::default(), &spec).unwrap();
    let sent = producer.send(message());
    let error = sent.and_then(|()| producer.flush()).unwrap_err();
    assert_eq!(error.kind, LogErrorKind::Denied, "{error}");
    assert!(error.what.contains("grant WRITE on the topics"), "{error}");
}

/// Found by a random schedule on a real broker: who had not heard the answer and asked
/// again was told that the producer is ready, as of a mistake.
#[test]
fn a_producer_is_initialized_as_often_as_it_is_asked() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("out", 1, 1).unwrap();
    let settings = Settings::new(cluster.bootstrap_servers());
    let spec =
        ProducerSpec { transactional_id: Some("a".to_owned()), transaction_timeout_ms: 60_000 };
    let mut producer = KafkaProducer::new(&settings, &Arc::default(), &spec).unwrap();
    producer.init().unwrap();
    producer.init().unwrap();
    producer.begin().unwrap();
    producer.send(message()).unwrap();
    producer.commit().unwrap();
}
