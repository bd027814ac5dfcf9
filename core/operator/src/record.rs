//! Kafka records and their names.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

/// The position of a record in the order in which the engine took records in:
/// 0, 1, 2, … without holes within a run.
pub type Arrival = u64;

/// `topic[partition]@offset`, the name of a record everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordName {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

/// A text that is not a record name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" does not name a record: write topic[partition]@offset, e.g. views[0]@12")]
pub struct BadRecordName(pub String);

impl FromStr for RecordName {
    type Err = BadRecordName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            // A thousands separator, as the window prints it, is accepted.
            let (rest, offset) = text.trim().rsplit_once('@')?;
            let (topic, partition) = rest.strip_suffix(']')?.rsplit_once('[')?;
            if topic.is_empty() {
                return None;
            }
            Some(Self {
                topic: topic.into(),
                partition: partition.parse().ok()?,
                offset: offset.replace(',', "").parse().ok()?,
            })
        };
        parse().ok_or_else(|| BadRecordName(text.to_owned()))
    }
}

/// One partition of one topic; a source lists those it has and records refer
/// to them by their position in that list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// What a topic may be called, for messages.
pub const TOPIC_NAME: &str = "use up to 249 letters, digits, dots, _ and -";

/// Kafka's own rule for the names of topics.
#[must_use]
pub fn is_topic_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 249
        && !matches!(text, "." | "..")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// What a record's timestamp means (Kafka's `TimestampType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The record has no timestamp.
    #[default]
    None,
    /// The producer's time.
    Create,
    /// The broker's time.
    LogAppend,
}

/// One header; a record may carry several of the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Borrowed where the program itself names it: of millions of outputs each has some.
    pub key: Cow<'static, str>,
    pub value: Option<Bytes>,
}

/// One Kafka record with everything that Kafka keeps of it; by default the first of
/// its source, without time, key and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Position in the arrival order of its source (a slice of a recording
    /// keeps the numbers of the whole: there they have holes).
    pub arrival: Arrival,
    /// Arrival time, nanoseconds since the Unix epoch.
    pub arrival_ns: i64,
    /// Index into the source's list of [`TopicPartition`]s.
    pub source: u32,
    pub offset: i64,
    /// Milliseconds since the Unix epoch; `None` with [`TimestampType::None`].
    pub timestamp: Option<i64>,
    pub timestamp_type: TimestampType,
    pub leader_epoch: Option<i32>,
    pub key: Option<Bytes>,
    /// `None` is a tombstone, which differs from an empty value.
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
}

impl Record {
    /// Bytes of its key, value and headers.
    #[must_use]
    pub fn payload(&self) -> usize {
        let of = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|h| h.key.len() + of(&h.value)).sum();
        of(&self.key) + of(&self.value) + headers
    }

    /// Arrival time in milliseconds since the Unix epoch, rounded down.
    #[must_use]
    pub fn arrival_ms(&self) -> i64 {
        self.arrival_ns.div_euclid(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_called_as_kafka_lets_them_be() {
        let longest = "x".repeat(249);
        for name in ["views", "a.b_c-D0", "...", longest.as_str()] {
            assert!(is_topic_name(name), "{name}");
        }
        let longer = "x".repeat(250);
        for name in ["", ".", "..", "a b", "a/b", "ä", "a[0]", longer.as_str()] {
            assert!(!is_topic_name(name), "{name}");
        }
    }

    #[test]
    fn names_round_trip() {
        for text in ["views[0]@12", "a.b-c[17]@0", "odd[1][2]@9223372036854775807"] {
            assert_eq!(text.parse::<RecordName>().unwrap().to_string(), text);
        }
        assert_eq!("views[0]@48,117".parse::<RecordName>().unwrap().offset, 48_117);
        for text in ["", "views", "views[0]", "views@3", "[0]@1", "views[x]@1", "views[0]@"] {
            assert!(text.parse::<RecordName>().is_err(), "{text}");
        }
    }
}
