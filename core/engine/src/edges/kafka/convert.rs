//! From librdkafka's messages to records.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::{Bytes, BytesMut};

use super::KafkaError;
use super::lanes::Lane;
use super::sys::{Batch, Code, Message};
use crate::edges::recording::Draft;
use crate::operator::record::{Header, Record};

/// What a batch held, in the order in which it was read.
pub(super) enum Taken<'a> {
    Record(u32, Message<'a>),
    /// Every offset of the lane before this one was given or is not there.
    End {
        lane: u32,
        next: i64,
    },
}

/// A record's headers, as they lie in its message.
pub(super) type Headers<'a> = Vec<(Cow<'a, str>, Option<&'a [u8]>)>;

/// A message as it goes into a recording, arrival number and time not yet set.
#[inline]
pub(super) fn draft(message: Message<'_>, lane: u32) -> Draft<'_> {
    let (timestamp, timestamp_type) = message.timestamp();
    Draft {
        arrival: 0,
        arrival_ns: 0,
        source: lane,
        offset: message.offset(),
        timestamp,
        timestamp_type,
        leader_epoch: message.leader_epoch(),
        key: message.key(),
        value: message.value(),
    }
}

/// Memory that the keys and values of a batch share.
pub(super) struct Block(BytesMut);

fn length(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

impl Block {
    pub fn of(batch: &Batch) -> Self {
        let records = batch.iter().filter(|message| message.code().is_ok());
        Self(BytesMut::with_capacity(records.map(|m| length(m.key()) + length(m.value())).sum()))
    }

    /// For one record only.
    pub fn of_one(draft: &Draft<'_>) -> Self {
        Self(BytesMut::with_capacity(length(draft.key) + length(draft.value)))
    }

    fn copy(&mut self, bytes: Option<&[u8]>) -> Option<Bytes> {
        bytes.map(|bytes| {
            self.0.extend_from_slice(bytes);
            self.0.split().freeze()
        })
    }

    /// Copies a draft, whose message then may go.
    pub fn record(&mut self, of: Draft<'_>, headers: Headers<'_>) -> Record {
        Record {
            arrival: of.arrival,
            arrival_ns: of.arrival_ns,
            source: of.source,
            offset: of.offset,
            timestamp: of.timestamp,
            timestamp_type: of.timestamp_type,
            leader_epoch: of.leader_epoch,
            key: self.copy(of.key),
            value: self.copy(of.value),
            headers: headers
                .into_iter()
                .map(|(key, value)| Header {
                    key: key.into_owned().into(),
                    value: value.map(Bytes::copy_from_slice),
                })
                .collect(),
        }
    }
}

/// Finds lanes by message, and reads batches.
pub(super) struct Converter {
    by_name: HashMap<(String, i32), u32>,
    by_id: HashMap<(usize, i32), u32>,
    last: Option<((usize, i32), u32)>,
    /// What helps whoever reads where a log is truncated.
    truncated: &'static str,
    /// Headers whose names are not UTF-8 (their odd bytes are replaced).
    pub odd_headers: u64,
}

impl Converter {
    /// `truncated`: what helps whoever reads where a log is truncated.
    pub fn new(lanes: &[Lane], truncated: &'static str) -> Self {
        let name = |lane: &Lane| (lane.partition.topic.to_string(), lane.partition.partition);
        Self {
            by_name: lanes.iter().enumerate().map(|(i, l)| (name(l), i as u32)).collect(),
            by_id: HashMap::new(),
            last: None,
            truncated,
            odd_headers: 0,
        }
    }

    /// Another client reads from now on: topics have other ids there.
    pub fn forget_ids(&mut self) {
        self.by_id.clear();
        self.last = None;
    }

    /// The message's lane; `None` for what concerns no partition of ours.
    #[inline]
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

    /// Gives each record of the batch, and ends of partitions, to `take`.
    ///
    /// # Errors
    /// An error among the messages that ends the reading, or `take`'s own.
    #[inline]
    pub fn each<'b>(
        &mut self,
        batch: &'b Batch,
        lanes: &[Lane],
        mut take: impl FnMut(&mut Self, Taken<'b>) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        for message in batch.iter() {
            let lane = self.lane(message);
            match (message.code(), lane) {
                (Ok(()), Some(lane)) => {
                    take(self, Taken::Record(lane, message))?;
                }
                (Err(Code::PARTITION_EOF), Some(lane)) => {
                    take(self, Taken::End { lane, next: message.offset() })?;
                }
                // Connections come and go; the client tries again.
                (Err(code), _) if code.is_connection() => {
                    tracing::info!("{}", message.error_text());
                }
                (Err(code), Some(lane)) => {
                    let partition = &lanes[lane as usize].partition;
                    let offset = Some(message.offset()).filter(|offset| *offset >= 0);
                    let text = message.error_text();
                    let error = KafkaError::of_code(partition, offset, code, &text);
                    return Err(error.if_truncated(self.truncated));
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

    /// A message's headers.
    ///
    /// # Errors
    /// They cannot be read.
    #[inline]
    pub fn headers<'b>(
        &mut self,
        message: Message<'b>,
        lane: &Lane,
    ) -> Result<Headers<'b>, KafkaError> {
        let mut headers = Vec::new();
        if message.has_no_headers() {
            return Ok(headers);
        }
        message
            .headers(|key, value| {
                let name = String::from_utf8_lossy(key);
                self.odd_headers += u64::from(matches!(name, Cow::Owned(_)));
                headers.push((name, value));
            })
            .map_err(|code| {
                KafkaError::partition(
                    &lane.partition,
                    Some(message.offset()),
                    format!("its headers cannot be read ({code})"),
                )
            })?;
        Ok(headers)
    }
}
