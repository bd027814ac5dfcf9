//! Which records of the topics are taken.

use std::str::FromStr;

use crate::operator::record::{RecordName, TopicPartition};

/// Where reading begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the first offset that the log holds.
    #[default]
    Earliest,
    /// At the end: only what comes from now on.
    Latest,
    /// At the first record of each partition whose timestamp is at least this
    /// (ms). Timestamps set by producers may go back: later records may be older.
    Time(i64),
    /// At these offsets; partitions that are not named begin at the first offset.
    Offsets(Vec<(TopicPartition, i64)>),
}

/// Where reading ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// At the end offsets read at the start (`read_committed`: the last stable
    /// offsets).
    #[default]
    Now,
    /// When told to (Ctrl-C).
    Stopped,
    /// Before the first record of each partition whose timestamp is at least
    /// this (ms), as the broker finds it; a time to come is waited for.
    Time(i64),
    /// Before these offsets, which are waited for; partitions that are not
    /// named end at the end offsets read at the start.
    Offsets(Vec<(TopicPartition, i64)>),
}

/// A text that names no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" is neither {words}, nor a time (RFC 3339 or ms), nor offsets (topic[partition]@offset,…)"
)]
pub struct BadRange {
    text: String,
    words: &'static str,
}

impl FromStr for Start {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        Ok(match text.trim() {
            "earliest" => Self::Earliest,
            "latest" => Self::Latest,
            text => match time_or_offsets(text) {
                Some(TimeOrOffsets::Time(ms)) => Self::Time(ms),
                Some(TimeOrOffsets::Offsets(offsets)) => Self::Offsets(offsets),
                None => {
                    return Err(BadRange { text: text.into(), words: "earliest nor latest" });
                }
            },
        })
    }
}

impl FromStr for Until {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        Ok(match text.trim() {
            "now" => Self::Now,
            "stopped" => Self::Stopped,
            text => match time_or_offsets(text) {
                Some(TimeOrOffsets::Time(ms)) => Self::Time(ms),
                Some(TimeOrOffsets::Offsets(offsets)) => Self::Offsets(offsets),
                None => return Err(BadRange { text: text.into(), words: "now nor stopped" }),
            },
        })
    }
}

enum TimeOrOffsets {
    Time(i64),
    Offsets(Vec<(TopicPartition, i64)>),
}

fn time_or_offsets(text: &str) -> Option<TimeOrOffsets> {
    if let Ok(ms) = text.parse::<i64>() {
        return (ms >= 0).then_some(TimeOrOffsets::Time(ms));
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(TimeOrOffsets::Time(time.as_millisecond()));
    }
    text.split(',')
        .map(|name| {
            let RecordName { topic, partition, offset } = name.parse().ok()?;
            (offset >= 0).then_some((TopicPartition { topic, partition }, offset))
        })
        .collect::<Option<Vec<_>>>()
        .map(TimeOrOffsets::Offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_words_times_or_offsets() {
        assert_eq!("earliest".parse(), Ok(Start::Earliest));
        assert_eq!("stopped".parse(), Ok(Until::Stopped));
        assert_eq!("1700000000000".parse(), Ok(Start::Time(1_700_000_000_000)));
        assert_eq!("2023-11-14T22:13:20Z".parse(), Ok(Until::Time(1_700_000_000_000)));
        let offsets = vec![
            (TopicPartition { topic: "a".into(), partition: 0 }, 5),
            (TopicPartition { topic: "b.c".into(), partition: 12 }, 0),
        ];
        assert_eq!("a[0]@5, b.c[12]@0".parse(), Ok(Start::Offsets(offsets)));
        for bad in ["", "yesterday", "now", "-5", "a[0]", "a[0]@-1", "a[0]@1,,"] {
            let error = bad.parse::<Start>().unwrap_err().to_string();
            assert!(error.contains("earliest") && error.contains(bad.trim()), "{error}");
        }
    }
}
