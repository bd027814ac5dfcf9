//! The calls into librdkafka on real messages, those of its own mock broker:
//! `scripts/unsafe.sh` runs them under Valgrind.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings as rd;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::{Batch, Client, Code, Message, layout};

const PATIENCE: Duration = Duration::from_mins(1);
const TOPIC: &str = "odd";

/// What was sent; the offset is its number.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sent {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp: i64,
}

/// Every mix of null, empty and full keys, values and headers.
fn odd(n: usize) -> Vec<Sent> {
    let bytes = |i: usize| match i % 4 {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some(vec![0]),
        _ => Some((0..(i % 300)).map(|b| b as u8).collect()),
    };
    (0..n)
        .map(|i| Sent {
            key: bytes(i),
            value: bytes(i / 4),
            headers: (0..(i / 16) % 4)
                .map(|h| {
                    (if h == 2 { String::new() } else { format!("h{}", h / 2) }, bytes(i / 64 + h))
                })
                .collect(),
            timestamp: 1_000_000 + i as i64,
        })
        .collect()
}

fn send(brokers: &str, compression: &str, sent: &[Sent]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.codec", compression)
        .set("linger.ms", "5")
        .create()
        .unwrap();
    for sent in sent {
        let mut record = BaseRecord::<[u8], [u8]>::to(TOPIC).partition(0).timestamp(sent.timestamp);
        record.key = sent.key.as_deref();
        record.payload = sent.value.as_deref();
        let headers = sent.headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header { key, value: value.as_deref() })
        });
        if !sent.headers.is_empty() {
            record = record.headers(headers);
        }
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).unwrap();
}

/// What a message says, by our reading; the direct one and librdkafka's agree.
fn said(message: Message<'_>) -> Sent {
    let raw = message.raw();
    // Before librdkafka parses the headers, which it then keeps.
    let none = message.has_no_headers();
    let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message lives as long as its batch.
    let (beside, timestamp, broker) = unsafe {
        (
            layout::beside(raw),
            rd::rd_kafka_message_timestamp(raw, &raw mut kind),
            rd::rd_kafka_message_broker_id(raw),
        )
    };
    let beside = beside.expect("the bindings carry the version that is written down");
    assert_eq!(
        (beside.timestamp_type, beside.timestamp, beside.broker),
        (kind as i32, timestamp, broker)
    );
    let mut headers = Vec::new();
    message
        .headers(|key, value| {
            headers.push((String::from_utf8(key.to_vec()).unwrap(), value.map(<[u8]>::to_vec)));
        })
        .unwrap();
    assert_eq!(none, headers.is_empty(), "offset {}", message.offset());
    // Also when they were parsed before, an answer is never wrong.
    assert!(!message.has_no_headers() || headers.is_empty());
    Sent {
        key: message.key().map(<[u8]>::to_vec),
        value: message.value().map(<[u8]>::to_vec),
        headers,
        timestamp: message.timestamp().0.unwrap(),
    }
}

fn client(brokers: &str) -> Client {
    let properties = [
        ("bootstrap.servers", brokers),
        ("enable.partition.eof", "true"),
        ("fetch.wait.max.ms", "10"),
    ];
    let own = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Client::new(&own, |_| false).unwrap()
}

#[test]
fn what_is_read_directly_is_what_librdkafka_says() {
    // Under Valgrind a fiftieth of the speed.
    let n = 4_000;
    for compression in ["none", "lz4"] {
        let cluster = MockCluster::new(1).unwrap();
        let brokers = cluster.bootstrap_servers();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        let sent = odd(n);
        send(&brokers, compression, &sent);

        // Of another client, which is gone by the time that its batch is filled.
        let mut batch: Batch = client(&brokers).batch(64);
        let client = client(&brokers);
        let queue = client.queue();
        client.start(TOPIC, 0, 0, &queue).unwrap();
        let begin = Instant::now();
        let (mut came, mut ended, mut turn) = (Vec::new(), false, false);
        while !(ended && came.len() == n) {
            assert!(begin.elapsed() < PATIENCE, "{} of {n} came", came.len());
            turn = !turn;
            if turn {
                queue.read(&mut batch, 64, Duration::from_millis(100));
            } else {
                queue.gather(&mut batch, 64, Duration::from_millis(5));
            }
            for message in batch.iter() {
                match message.code() {
                    Ok(()) => {
                        assert_eq!(message.offset(), came.len() as i64);
                        came.push(said(message));
                    }
                    Err(Code::PARTITION_EOF) => ended = message.offset() == n as i64,
                    Err(code) => assert!(code.is_connection(), "{}", message.error_text()),
                }
            }
        }
        for (i, (came, sent)) in came.iter().zip(&sent).enumerate() {
            assert_eq!(came, sent, "{compression}, record {i}");
        }
        // The batch, the queue and the client in the wrong order: each keeps what it needs.
        drop(client);
        drop(queue);
        drop(batch);
    }
}

#[test]
fn a_client_that_cannot_be_made_says_why_and_hides_secrets() {
    let make = |name: &str, value: &str| {
        let properties = [(name.to_owned(), value.to_owned())];
        Client::new(&properties, |name| name.contains("password")).map(drop).unwrap_err()
    };
    assert!(make("no.such.property", "1").contains("no.such.property"));
    assert!(make("client.id", "a\0b").contains("NUL"));
    let error = make("enable.ssl.password", "hunter2");
    assert!(!error.contains("hunter2"), "{error}");
}
