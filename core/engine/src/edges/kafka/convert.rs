//! From librdkafka's messages to records.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};

use super::KafkaError;
use super::lanes::Lane;
use super::sys::{Batch, Code, Message};
use crate::operator::record::{Header, Record};

/// What a batch held, in the order in which it was read.
pub(super) enum Taken {
    /// Arrival number and time are not yet set.
    Record(Record),
    /// Every offset of the lane before this one was given or is not there.
    End { lane: u32, next: i64 },
}

/// Finds lanes by message, and copies records out of batches.
pub(super) struct Converter {
    by_name: HashMap<(String, i32), u32>,
    by_id: HashMap<(usize, i32), u32>,
    last: Option<((usize, i32), u32)>,
    /// Headers whose names are not UTF-8 (their odd bytes are replaced).
    pub odd_headers: u64,
}

impl Converter {
    pub fn new(lanes: &[Lane]) -> Self {
        let name = |lane: &Lane| (lane.partition.topic.to_string(), lane.partition.partition);
        Self {
            by_name: lanes.iter().enumerate().map(|(i, l)| (name(l), i as u32)).collect(),
            by_id: HashMap::new(),
            last: None,
            odd_headers: 0,
        }
    }

    /// The message's lane; `None` for what concerns no partition of ours.
    fn lane(&mut self, message: Message<'_>) -> Option<u32> {
        let id = (message.topic_id(), message.partition());
        if let Some((known, lane)) = self.last
            && known == id
        {
            return Some(lane);
        }
        let lane = if let Some(lane) = self.by_id.get(&id) {
            *lane
        } else {
            let lane = *self.by_name.get(&(message.topic(), message.partition()))?;
            if id.0 != 0 {
                self.by_id.insert(id, lane);
            }
            lane
        };
        self.last = Some((id, lane));
        Some(lane)
    }

    /// Gives each record of the batch, and ends of partitions, to `take`. Keys
    /// and values of a batch share one block of memory.
    ///
    /// # Errors
    /// An error among the messages that ends the reading, or `take`'s own.
    pub fn each(
        &mut self,
        batch: &Batch,
        lanes: &[Lane],
        mut take: impl FnMut(Taken) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        let mut sizes = 0;
        for message in batch.iter().filter(|m| m.code().is_ok()) {
            sizes += message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len);
        }
        let mut block = BytesMut::with_capacity(sizes);
        for message in batch.iter() {
            let lane = self.lane(message);
            match (message.code(), lane) {
                (Ok(()), Some(lane)) => {
                    let record = self.record(message, lane, &mut block, lanes)?;
                    take(Taken::Record(record))?;
                }
                (Err(Code::PARTITION_EOF), Some(lane)) => {
                    take(Taken::End { lane, next: message.offset() })?;
                }
                // Connections come and go; the client tries again.
                (Err(code), _) if code.is_connection() => {
                    tracing::info!("{}", message.error_text());
                }
                (Err(code), Some(lane)) => {
                    let partition = &lanes[lane as usize].partition;
                    let offset = Some(message.offset()).filter(|offset| *offset >= 0);
                    return Err(KafkaError::of_code(
                        partition,
                        offset,
                        code,
                        &message.error_text(),
                    ));
                }
                (Err(code), None) => {
                    return Err(KafkaError::Topic {
                        topic: message.topic(),
                        what: format!("{code}: {}", message.error_text()),
                    });
                }
                // Of no partition that was asked for: cannot be.
                (Ok(()), None) => {}
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        message: Message<'_>,
        lane: u32,
        block: &mut BytesMut,
        lanes: &[Lane],
    ) -> Result<Record, KafkaError> {
        let mut slice = |bytes: Option<&[u8]>| -> Option<Bytes> {
            bytes.map(|bytes| {
                block.extend_from_slice(bytes);
                block.split().freeze()
            })
        };
        let (key, value) = (slice(message.key()), slice(message.value()));
        let mut headers = Vec::new();
        let mut odd = 0;
        message
            .headers(|key, value| {
                let name = String::from_utf8_lossy(key);
                odd += u64::from(matches!(name, std::borrow::Cow::Owned(_)));
                headers.push(Header {
                    key: name.into_owned(),
                    value: value.map(Bytes::copy_from_slice),
                });
            })
            .map_err(|code| {
                KafkaError::partition(
                    &lanes[lane as usize].partition,
                    Some(message.offset()),
                    format!("its headers cannot be read ({code})"),
                )
            })?;
        self.odd_headers += odd;
        let (timestamp, timestamp_type) = message.timestamp();
        Ok(Record {
            arrival: 0,
            arrival_ns: 0,
            source: lane,
            offset: message.offset(),
            timestamp,
            timestamp_type,
            leader_epoch: message.leader_epoch(),
            key,
            value,
            headers,
        })
    }
}
