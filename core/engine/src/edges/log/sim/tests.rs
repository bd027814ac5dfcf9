//! What a real broker does (11-peers), the simulated one must do.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::*;
use crate::edges::kafka::Isolation::{ReadCommitted, ReadUncommitted};
use crate::edges::log::{Log, LogErrorKind, LogProducer, ProducerSpec};

fn part(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.into(), partition }
}

fn message(text: &str) -> OutMessage {
    OutMessage {
        topic: "out".into(),
        partition: Some(0),
        key: None,
        value: Some(Bytes::from(text.to_owned())),
        timestamp: 5,
        headers: Vec::new(),
    }
}

fn cluster() -> SimLog {
    let sim = SimLog::new();
    sim.client().create_topic("out", 2, false).unwrap();
    sim.client().create_topic("in", 1, false).unwrap();
    sim
}

fn transactional(client: &SimClient) -> Box<dyn LogProducer> {
    let spec = ProducerSpec {
        transactional_id: Some("joinscope-a".to_owned()),
        transaction_timeout_ms: 60_000,
    };
    let mut producer = client.producer(&spec).unwrap();
    producer.init().unwrap();
    producer
}

fn texts(client: &SimClient, isolation: crate::edges::kafka::Isolation) -> Vec<String> {
    let fetched = client.fetch(&part("out", 0), 0, 1000, isolation).unwrap();
    let text = |m: InMessage| String::from_utf8(m.value.unwrap().to_vec()).unwrap();
    fetched.messages.into_iter().map(text).collect()
}

fn kind<T>(result: Result<T, LogError>) -> LogErrorKind {
    result.err().map(|error| error.kind).unwrap()
}

#[test]
fn read_committed_sees_whole_transactions_and_control_records_take_offsets() {
    let sim = cluster();
    let client = sim.client();
    let mut producer = transactional(&client);
    producer.begin().unwrap();
    producer.send(message("a")).unwrap();
    producer.flush().unwrap();
    assert_eq!(texts(&client, ReadUncommitted), ["a"]);
    assert_eq!(texts(&client, ReadCommitted), [""; 0]);
    assert_eq!(client.bounds(&part("out", 0), ReadCommitted).unwrap(), (0, 0));
    // A plain record behind an open transaction stays hidden.
    let mut plain = client
        .producer(&ProducerSpec { transactional_id: None, transaction_timeout_ms: 0 })
        .unwrap();
    plain.send(message("p")).unwrap();
    plain.flush().unwrap();
    assert_eq!(texts(&client, ReadCommitted), [""; 0]);
    producer.commit().unwrap();
    assert_eq!(texts(&client, ReadCommitted), ["a", "p"]);
    producer.begin().unwrap();
    producer.send(message("b")).unwrap();
    producer.flush().unwrap();
    producer.abort().unwrap();
    assert_eq!(texts(&client, ReadCommitted), ["a", "p"]);
    assert_eq!(texts(&client, ReadUncommitted), ["a", "p", "b"]);
    // a, p, commit, b, abort
    assert_eq!(client.bounds(&part("out", 0), ReadCommitted).unwrap(), (0, 5));
    let fates: Vec<_> = sim.stored("out").iter().map(|s| s.fate).collect();
    assert_eq!(fates, [Fate::Committed, Fate::Committed, Fate::Aborted]);
}

#[test]
fn a_new_producer_fences_the_old_and_aborts_what_it_left() {
    let sim = cluster();
    let (old, new) = (sim.client(), sim.client());
    let mut zombie = transactional(&old);
    zombie.begin().unwrap();
    zombie.send(message("z")).unwrap();
    zombie.flush().unwrap();
    let mut producer = transactional(&new);
    assert_eq!(client_end(&new), 2, "z and the control record that aborted it");
    assert_eq!(kind(zombie.commit()), LogErrorKind::Fenced);
    zombie.send(message("y")).unwrap();
    assert_eq!(kind(zombie.flush()), LogErrorKind::Fenced);
    producer.begin().unwrap();
    producer.send(message("n")).unwrap();
    producer.commit().unwrap();
    assert_eq!(texts(&new, ReadCommitted), ["n"]);
}

fn client_end(client: &SimClient) -> i64 {
    client.bounds(&part("out", 0), ReadCommitted).unwrap().1
}

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted_and_its_producer_fenced() {
    let sim = cluster();
    let client = sim.client();
    let mut producer = transactional(&client);
    producer.begin().unwrap();
    producer.send(message("a")).unwrap();
    producer.flush().unwrap();
    sim.advance_to(59_999);
    producer.send(message("b")).unwrap();
    producer.flush().unwrap();
    sim.advance_to(60_000);
    assert_eq!(kind(producer.commit()), LogErrorKind::Fenced);
    assert_eq!(texts(&client, ReadCommitted), [""; 0]);
}

#[test]
fn a_broker_that_restarts_keeps_the_open_transaction_and_each_message_once() {
    let sim = cluster();
    let client = sim.client();
    let away = |call| Script::new().with(call, 1, Fault::Restart(12_000));
    sim.script(away(Call::Commit));
    let mut producer = transactional(&client);
    producer.begin().unwrap();
    producer.send(message("a")).unwrap();
    assert_eq!(kind(producer.commit()), LogErrorKind::TimedOut);
    assert_eq!(sim.now_ms(), 12_000);
    assert_eq!(texts(&client, ReadCommitted), [""; 0], "the transaction is still open");
    producer.commit().unwrap();
    assert_eq!(texts(&client, ReadCommitted), ["a"]);
    assert_eq!(sim.stored("out")[0].visible_ms, Some(12_000));
    // What is on its way is sent once more, and is there once.
    sim.script(away(Call::Flush));
    let before = sim.written_bytes();
    let mut plain = client
        .producer(&ProducerSpec { transactional_id: None, transaction_timeout_ms: 0 })
        .unwrap();
    plain.send(message("pp")).unwrap();
    plain.flush().unwrap();
    assert_eq!(texts(&client, ReadCommitted), ["a", "pp"]);
    assert_eq!((sim.now_ms(), sim.written_bytes() - before), (24_000, 4));
    // Whatever else is asked meanwhile is asked again.
    sim.script(away(Call::Topics));
    assert_eq!(kind(client.topics(&["out"])), LogErrorKind::Retriable);
    client.topics(&["out"]).unwrap();
}

#[test]
fn a_commit_without_an_answer_is_asked_for_again() {
    for (fault, after_first) in [(Fault::Lost, 0), (Fault::Landed, 1), (Fault::Late(3), 0)] {
        let sim = cluster();
        let client = sim.client();
        sim.script(Script::new().with(Call::Commit, 1, fault));
        let mut producer = transactional(&client);
        producer.begin().unwrap();
        producer.send(message("a")).unwrap();
        assert_eq!(kind(producer.commit()), LogErrorKind::TimedOut);
        assert_eq!(texts(&client, ReadCommitted).len(), after_first, "{fault:?}");
        producer.commit().unwrap();
        assert_eq!(texts(&client, ReadCommitted), ["a"], "{fault:?}");
    }
}

#[test]
fn a_late_end_hits_a_later_transaction_of_the_same_producer() {
    let sim = cluster();
    let client = sim.client();
    sim.script(Script::new().with(Call::Commit, 1, Fault::Late(2)));
    let mut producer = transactional(&client);
    producer.begin().unwrap();
    producer.send(message("a")).unwrap();
    producer.commit().unwrap_err();
    producer.commit().unwrap();
    producer.begin().unwrap();
    producer.send(message("b")).unwrap();
    producer.send(message("c")).unwrap();
    producer.send(message("d")).unwrap();
    producer.flush().unwrap();
    // b and c were committed by the end that came late, d is in the next one.
    assert_eq!(texts(&client, ReadCommitted), ["a", "b", "c"]);
}

#[test]
fn a_late_end_comes_before_or_behind_the_next_init() {
    for (fault, seen) in [(Fault::Late(9), 1), (Fault::TooLate(9), 0)] {
        let sim = cluster();
        let client = sim.client();
        sim.script(Script::new().with(Call::Commit, 1, fault));
        let mut producer = transactional(&client);
        producer.begin().unwrap();
        producer.send(message("a")).unwrap();
        producer.commit().unwrap_err();
        let mut next = transactional(&client);
        assert_eq!(texts(&client, ReadCommitted).len(), seen, "{fault:?}");
        next.begin().unwrap();
        for _ in 0..20 {
            next.send(message("n")).unwrap();
        }
        next.flush().unwrap();
        assert_eq!(texts(&client, ReadCommitted).len(), seen, "{fault:?}");
    }
}

#[test]
fn offsets_travel_with_the_transaction() {
    let sim = cluster();
    let client = sim.client();
    let mut producer = transactional(&client);
    let at = |n| BTreeMap::from([(part("in", 0), n)]);
    producer.begin().unwrap();
    producer.send_offsets("g", &at(7)).unwrap();
    assert_eq!(kind(client.committed("g", &[part("in", 0)])), LogErrorKind::TimedOut);
    producer.abort().unwrap();
    assert_eq!(client.committed("g", &[part("in", 0)]).unwrap(), BTreeMap::new());
    producer.begin().unwrap();
    producer.send_offsets("g", &at(8)).unwrap();
    producer.commit().unwrap();
    assert_eq!(client.committed("g", &[part("in", 0)]).unwrap(), at(8));
    client.commit_offsets("g", &at(9)).unwrap();
    assert_eq!(client.committed("g", &[part("in", 0)]).unwrap(), at(9));
}

#[test]
fn a_dead_process_writes_nothing_more() {
    let sim = cluster();
    let client = sim.client();
    let mut plain = client
        .producer(&ProducerSpec { transactional_id: None, transaction_timeout_ms: 0 })
        .unwrap();
    for n in 0..11 {
        plain.send(message(&n.to_string())).unwrap();
    }
    client.kill();
    assert_eq!(kind(plain.flush()), LogErrorKind::Fatal);
    // One batch had gone out; the rest was in its memory.
    assert_eq!(texts(&sim.client(), ReadCommitted).len(), 8);
}

#[test]
fn a_cluster_that_is_down_answers_again() {
    let sim = cluster();
    let client = sim.client();
    sim.script(Script::new().with(Call::Commit, 1, Fault::Down(3)));
    let mut producer = transactional(&client);
    producer.begin().unwrap();
    producer.send(message("a")).unwrap();
    for _ in 0..3 {
        assert_eq!(kind(producer.commit()), LogErrorKind::Retriable);
    }
    producer.commit().unwrap();
    assert_eq!(texts(&client, ReadCommitted), ["a"]);
}

#[test]
fn retention_topics_made_anew_and_sizes() {
    let sim = cluster();
    let client = sim.client();
    let put =
        |offset| InMessage { offset, timestamp: None, key: None, value: None, headers: Vec::new() };
    for offset in [0, 1, 5, 6] {
        sim.append(&part("in", 0), put(offset)).unwrap();
    }
    assert_eq!(kind(sim.append(&part("in", 0), put(6))), LogErrorKind::Fatal);
    let first = client.fetch(&part("in", 0), 1, 2, ReadCommitted).unwrap();
    assert_eq!((first.messages.len(), first.next), (2, 6));
    sim.delete_before(&part("in", 0), 5);
    assert_eq!(client.bounds(&part("in", 0), ReadCommitted).unwrap(), (5, 7));
    assert_eq!(kind(client.fetch(&part("in", 0), 1, 9, ReadCommitted)), LogErrorKind::OutOfRange);
    let id = |client: &SimClient| client.topics(&["in"]).unwrap()[0].id.clone();
    let before = id(&client);
    sim.make_anew("in");
    assert_ne!(id(&client), before);
    assert_eq!(client.bounds(&part("in", 0), ReadCommitted).unwrap(), (0, 0));
    assert_eq!(client.topics(&["nowhere"]).unwrap()[0].partitions, 0);
    sim.set_largest("out", 3);
    let mut plain = client
        .producer(&ProducerSpec { transactional_id: None, transaction_timeout_ms: 0 })
        .unwrap();
    assert_eq!(kind(plain.send(message("four"))), LogErrorKind::TooLarge);
    plain.send(message("abc")).unwrap();
}

#[test]
fn keys_choose_partitions_as_javas_producer_does() {
    let sim = cluster();
    let client = sim.client();
    client.create_topic("wide", 8, false).unwrap();
    let mut plain = client
        .producer(&ProducerSpec { transactional_id: None, transaction_timeout_ms: 0 })
        .unwrap();
    for n in 0..50 {
        let key = Bytes::from(format!("key-{n}"));
        let partition = None;
        plain
            .send(OutMessage { topic: "wide".into(), partition, key: Some(key), ..message("x") })
            .unwrap();
    }
    plain.flush().unwrap();
    let stored = sim.stored("wide");
    assert_eq!(stored.len(), 50);
    for found in stored {
        let key = found.message.key.unwrap();
        assert_eq!(found.partition, crate::edges::recording::partition_of_key(&key, 8));
    }
}
