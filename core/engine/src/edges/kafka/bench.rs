//! What librdkafka alone consumes: the yardstick for `record`.

use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::range::{Start, Until};
use super::record::{BATCH, Gathering};
use super::sys::Code;
use super::{Isolation, KafkaError, Settings};

/// What was consumed, and how long it took from the first request on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Consumed {
    pub records: u64,
    /// Keys and values.
    pub bytes: u64,
    pub seconds: f64,
}

/// Reads all that the topics hold now through one queue and does nothing with it
/// but add up lengths: the client, its settings, the batches and the pace are
/// those of `record --arrival read`.
///
/// # Errors
/// As `record`'s.
pub fn consume_alone(
    settings: &Settings,
    topics: &[String],
    patience: Duration,
    memory: u64,
) -> Result<Consumed, KafkaError> {
    let cluster = Cluster::connect(settings, topics, Isolation::ReadUncommitted, patience)?;
    let mut lanes = cluster.lanes(&Start::Earliest, &Until::Now)?;
    let client = cluster.reader(1, lanes.len(), memory)?;
    let queue = client.queue();
    let mut batch = client.batch(BATCH);
    let mut gathering = Gathering::default();
    let begin = Instant::now();
    let mut last = begin;
    let mut open = 0;
    for lane in lanes.iter().filter(|lane| !lane.finished()) {
        open += 1;
        client
            .start(&lane.partition.topic, lane.partition.partition, lane.start, &queue)
            .map_err(|code| KafkaError::of_code(&lane.partition, Some(lane.start), code, ""))?;
    }
    let mut consumed = Consumed::default();
    let mut ids = std::collections::HashMap::new();
    while open > 0 {
        gathering.read(&queue, &mut batch, true);
        if !batch.is_empty() {
            last = Instant::now();
        } else if last.elapsed() > patience {
            return Err(KafkaError::Stalled {
                seconds: patience.as_secs(),
                waiting: format!("{open} partitions"),
                why: "no record came".into(),
            });
        }
        for message in batch.iter() {
            let lane = *ids.entry((message.topic_id(), message.partition())).or_insert_with(|| {
                let topic = message.topic();
                lanes.iter().position(|lane| {
                    *lane.partition.topic == *topic
                        && lane.partition.partition == message.partition()
                })
            });
            let Some(lane) = lane.map(|i| &mut lanes[i]) else { continue };
            let next = match message.code() {
                Ok(()) => {
                    consumed.records += 1;
                    consumed.bytes += message.key().map_or(0, <[u8]>::len) as u64
                        + message.value().map_or(0, <[u8]>::len) as u64;
                    message.offset() + 1
                }
                Err(Code::PARTITION_EOF) => message.offset(),
                Err(code) if code.is_connection() => continue,
                Err(code) => {
                    let text = message.error_text();
                    return Err(KafkaError::of_code(&lane.partition, None, code, &text));
                }
            };
            let was = lane.finished();
            lane.advance(next);
            open -= usize::from(!was && lane.finished());
        }
    }
    consumed.seconds = begin.elapsed().as_secs_f64();
    Ok(consumed)
}
