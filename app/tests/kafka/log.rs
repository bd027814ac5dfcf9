//! What the delivery protocol relies on, held against a real broker (11-peers).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use joinscope_core::edges::kafka::{Isolation, KafkaLog, Settings};
use joinscope_core::edges::log::{
    Fetched, Log, LogError, LogErrorKind, LogProducer, NOW, OutMessage, ProducerSpec,
};
use joinscope_core::edges::recording::partition_of_key;
use joinscope_operator::record::{Header, TopicPartition};

use super::support::*;

fn log() -> KafkaLog {
    KafkaLog::new(Settings::new(kafka().brokers.clone()), PATIENCE)
}

fn transactional(log: &dyn Log, id: &str, timeout_ms: u32) -> Box<dyn LogProducer> {
    let spec =
        ProducerSpec { transactional_id: Some(id.to_owned()), transaction_timeout_ms: timeout_ms };
    log.producer(&spec).unwrap()
}

/// A coordinator that is still loading is asked again.
fn again<T>(mut ask: impl FnMut() -> Result<T, LogError>) -> T {
    until("an answer", || match ask() {
        Ok(answer) => Some(answer),
        Err(error) => {
            let kinds = [LogErrorKind::Retriable, LogErrorKind::TimedOut];
            assert!(kinds.contains(&error.kind), "{error}");
            None
        }
    })
}

fn message(topic: &str, value: &str) -> OutMessage {
    OutMessage {
        topic: topic.into(),
        partition: Some(0),
        key: Some(value.to_owned().into()),
        value: Some(value.to_owned().into()),
        timestamp: 1_700_000_000_000,
        headers: vec![Header { key: "h".into(), value: Some(value.to_owned().into()) }],
    }
}

fn at(topic: &str) -> TopicPartition {
    TopicPartition { topic: topic.into(), partition: 0 }
}

fn values(fetched: &Fetched) -> Vec<String> {
    let text = |m: &joinscope_core::edges::log::InMessage| {
        String::from_utf8(m.value.as_ref().unwrap().to_vec()).unwrap()
    };
    fetched.messages.iter().map(text).collect()
}

#[test]
fn transactions_are_seen_as_they_end() {
    let log = log();
    log.create_topic("log-tx", 1, false).unwrap();
    log.create_topic("log-tx", 1, false).unwrap();
    let state = &log.topics(&["log-tx", "log-none"]).unwrap();
    assert_eq!((state[0].partitions, state[1].partitions), (1, 0));
    assert!(state[0].id.is_some() && log.cluster_id().is_some());
    let of = at("log-tx");
    let mut producer = transactional(&log, "log-tx", 60_000);
    producer.init().unwrap();
    for (values, commit) in [(["a", "b"], true), (["x", "y"], false), (["c", "d"], true)] {
        producer.begin().unwrap();
        for value in values {
            producer.send(message("log-tx", value)).unwrap();
        }
        // An abort drops what was not sent yet.
        producer.flush().unwrap();
        if commit { producer.commit().unwrap() } else { producer.abort().unwrap() }
    }
    producer.begin().unwrap();
    producer.send(message("log-tx", "open")).unwrap();
    producer.flush().unwrap();
    // a b marker x y marker c d marker open: control records take offsets.
    let committed = log.fetch(&of, 0, 100, Isolation::ReadCommitted).unwrap();
    assert_eq!(values(&committed), ["a", "b", "c", "d"]);
    assert_eq!(committed.next, 9, "behind the markers, before what is open");
    assert_eq!(committed.messages[0].headers[0].value.as_deref(), Some(&b"a"[..]));
    let all = log.fetch(&of, 3, 100, Isolation::ReadUncommitted).unwrap();
    assert_eq!(values(&all), ["x", "y", "c", "d", "open"]);
    assert_eq!(log.bounds(&of, Isolation::ReadCommitted).unwrap(), (0, 9), "last stable offset");
    assert_eq!(log.bounds(&of, Isolation::ReadUncommitted).unwrap().1, 10);
    let some = log.fetch(&of, 0, 1, Isolation::ReadCommitted).unwrap();
    assert!(!some.messages.is_empty());
    producer.abort().unwrap();
    let end = log.fetch(&of, 9, 100, Isolation::ReadCommitted).unwrap();
    assert_eq!((values(&end), end.next), (Vec::new(), 11));
    let error = log.fetch(&of, 500, 10, Isolation::ReadCommitted).unwrap_err();
    assert_eq!(error.kind, LogErrorKind::OutOfRange, "{error}");
}

#[test]
fn a_twin_fences_the_older_one_and_ends_what_it_left_open() {
    let log = log();
    log.create_topic("log-twin", 1, false).unwrap();
    let mut older = transactional(&log, "log-twin", 60_000);
    older.init().unwrap();
    older.begin().unwrap();
    older.send(message("log-twin", "zombie")).unwrap();
    older.flush().unwrap();
    let mut twin = transactional(&log, "log-twin", 60_000);
    twin.init().unwrap();
    twin.begin().unwrap();
    twin.send(message("log-twin", "twin")).unwrap();
    twin.commit().unwrap();
    let error = older.commit().unwrap_err();
    assert_eq!(error.kind, LogErrorKind::Fenced, "{error}");
    let error = older.begin().unwrap_err();
    assert_eq!(error.kind, LogErrorKind::Fenced, "{error}");
    let seen = log.fetch(&at("log-twin"), 0, 10, Isolation::ReadCommitted).unwrap();
    assert_eq!(values(&seen), ["twin"]);
}

#[test]
fn a_transaction_that_timed_out_looks_like_a_twin() {
    let log = log();
    log.create_topic("log-slow", 1, false).unwrap();
    let mut producer = transactional(&log, "log-slow", 1_500);
    producer.init().unwrap();
    producer.begin().unwrap();
    producer.send(message("log-slow", "late")).unwrap();
    producer.flush().unwrap();
    // The message, and the marker of the abort.
    until("the coordinator to end it", || {
        let (_, end) = again(|| log.bounds(&at("log-slow"), Isolation::ReadCommitted));
        (end == 2).then_some(())
    });
    let error = producer.commit().unwrap_err();
    assert_eq!(error.kind, LogErrorKind::Fenced, "{error}");
    let mut next = transactional(&log, "log-slow", 1_500);
    next.init().unwrap();
    next.begin().unwrap();
    next.send(message("log-slow", "again")).unwrap();
    next.commit().unwrap();
    let seen = log.fetch(&at("log-slow"), 0, 10, Isolation::ReadCommitted).unwrap();
    assert_eq!(values(&seen), ["again"]);
}

#[test]
fn offsets_are_committed_with_a_transaction_or_without() {
    let log = log();
    log.create_topic("log-offsets", 2, false).unwrap();
    let of = [at("log-offsets"), TopicPartition { topic: "log-offsets".into(), partition: 1 }];
    assert_eq!(again(|| log.committed("log-g", &of)), BTreeMap::new());
    let offsets = |n: i64| BTreeMap::from([(of[0].clone(), n)]);
    again(|| log.commit_offsets("log-g", &offsets(3)));
    assert_eq!(log.committed("log-g", &of).unwrap(), offsets(3));
    let mut producer = transactional(&log, "log-offsets", 60_000);
    producer.init().unwrap();
    producer.begin().unwrap();
    producer.send(message("log-offsets", "a")).unwrap();
    producer.send_offsets("log-g", &offsets(7)).unwrap();
    producer.abort().unwrap();
    assert_eq!(log.committed("log-g", &of).unwrap(), offsets(3));
    producer.begin().unwrap();
    producer.send(message("log-offsets", "b")).unwrap();
    producer.send_offsets("log-g", &offsets(9)).unwrap();
    producer.commit().unwrap();
    assert_eq!(log.committed("log-g", &of).unwrap(), offsets(9));
}

/// Kafka's client takes 0 for "now": an output of 1970 had the time at which it was sent.
#[test]
fn times_that_cannot_be_sent_become_the_next_ones() {
    let log = log();
    make_topic("log-times", 1, &[("retention.ms", "-1")]);
    let spec = ProducerSpec { transactional_id: None, transaction_timeout_ms: 60_000 };
    let mut producer = log.producer(&spec).unwrap();
    let began = super::live::now_ms();
    for timestamp in [0, -1, -3, 7, NOW] {
        producer.send(OutMessage { timestamp, ..message("log-times", "x") }).unwrap();
    }
    producer.flush().unwrap();
    let fetched = log.fetch(&at("log-times"), 0, 100, Isolation::ReadUncommitted).unwrap();
    let times: Vec<i64> = fetched.messages.iter().map(|m| m.timestamp.unwrap()).collect();
    assert_eq!(times[..4], [1, -2, -3, 7]);
    assert!((began..=super::live::now_ms()).contains(&times[4]), "{times:?}");
}

#[test]
fn headers_go_as_they_are() {
    let log = log();
    make_topic("log-headers", 1, &[("retention.ms", "-1")]);
    let spec = ProducerSpec { transactional_id: None, transaction_timeout_ms: 60_000 };
    let mut producer = log.producer(&spec).unwrap();
    let header = |key: &'static str, value: Option<&'static [u8]>| Header {
        key: key.into(),
        value: value.map(Into::into),
    };
    let headers = vec![
        header("h", Some(b"1")),
        header("none", None),
        header("h", Some(b"")),
        header("", None),
    ];
    let sent = OutMessage { headers: headers.clone(), ..message("log-headers", "x") };
    producer.send(sent).unwrap();
    // A tombstone without a key.
    let bare = OutMessage { key: None, value: None, ..message("log-headers", "y") };
    producer.send(OutMessage { headers: Vec::new(), ..bare }).unwrap();
    producer.flush().unwrap();
    let fetched = log.fetch(&at("log-headers"), 0, 100, Isolation::ReadUncommitted).unwrap();
    assert_eq!(fetched.messages[0].headers, headers);
    let bare = &fetched.messages[1];
    assert_eq!((&bare.key, &bare.value, bare.headers.len()), (&None, &None, 0));
}

#[test]
fn keys_go_where_java_sends_them() {
    let log = log();
    log.create_topic("log-keys", 7, false).unwrap();
    let spec = ProducerSpec { transactional_id: None, transaction_timeout_ms: 60_000 };
    let mut producer = log.producer(&spec).unwrap();
    let keys: Vec<String> = (0..50).map(|i| format!("key {i}")).collect();
    for key in &keys {
        let message = OutMessage { partition: None, ..message("log-keys", key) };
        producer.send(message).unwrap();
    }
    producer.flush().unwrap();
    let mut seen = 0;
    for partition in 0..7 {
        let of = TopicPartition { topic: Arc::from("log-keys"), partition };
        let fetched = log.fetch(&of, 0, 100, Isolation::ReadUncommitted).unwrap();
        for key in values(&fetched) {
            assert_eq!(partition_of_key(key.as_bytes(), 7), partition, "{key}");
            seen += 1;
        }
    }
    assert_eq!(seen, keys.len());
}

#[test]
fn what_is_too_large_says_so_and_wants_an_abort() {
    let log = log();
    make_topic("log-large", 1, &[("max.message.bytes", "2000")]);
    let mut producer = transactional(&log, "log-large", 60_000);
    producer.init().unwrap();
    producer.begin().unwrap();
    let mut state = 7u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(33 + (state >> 40) as u8 % 89)
    });
    let noise: String = noise.take(4000).collect();
    let sent = producer.send(message("log-large", &noise));
    let error = sent.and_then(|()| producer.commit()).unwrap_err();
    assert!(
        matches!(error.kind, LogErrorKind::TooLarge | LogErrorKind::RequiresAbort),
        "{:?} {error}",
        error.kind
    );
    assert!(error.what.contains("log-large"), "{error}");
    producer.abort().unwrap();
    // The same producer would skip sequence numbers: the protocol takes a new one.
    let mut producer = transactional(&log, "log-large", 60_000);
    producer.init().unwrap();
    producer.begin().unwrap();
    producer.send(message("log-large", "small")).unwrap();
    producer.commit().unwrap();
    let seen = log.fetch(&at("log-large"), 0, 10, Isolation::ReadCommitted).unwrap();
    assert_eq!(values(&seen), ["small"]);
}

#[test]
fn a_commit_is_repeated_until_the_broker_is_back_and_each_record_is_there_once() {
    let own = Own::start("commit");
    let log = KafkaLog::new(Settings::new(own.brokers.clone()), PATIENCE);
    log.create_topic("log-back", 1, false).unwrap();
    let mut producer = transactional(&log, "log-back", 60_000);
    producer.init().unwrap();
    producer.begin().unwrap();
    for i in 0..20 {
        producer.send(message("log-back", &format!("{i:02}"))).unwrap();
    }
    producer.flush().unwrap();
    own.kill();
    let (done, wait) = std::sync::mpsc::sync_channel(1);
    let commit = std::thread::spawn(move || {
        let mut times = 1;
        while let Err(error) = producer.commit() {
            let again = [LogErrorKind::Retriable, LogErrorKind::TimedOut];
            assert!(again.contains(&error.kind), "{:?} {error}", error.kind);
            times += 1;
        }
        done.send(times).unwrap();
    });
    assert!(wait.recv_timeout(Duration::from_secs(2)).is_err(), "it waits");
    own.revive();
    wait.recv_timeout(Duration::from_mins(1)).unwrap();
    commit.join().unwrap();
    let seen = log.fetch(&at("log-back"), 0, 100, Isolation::ReadCommitted).unwrap();
    let expected: Vec<String> = (0..20).map(|i| format!("{i:02}")).collect();
    assert_eq!(values(&seen), expected);
}
