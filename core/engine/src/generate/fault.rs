//! What can go wrong while a feed is made.

use std::str::FromStr;

use crate::operator::time::parse_duration;

/// One thing that goes wrong. Times are milliseconds after the start of the
/// feed; topics are 0 (views) and 1 (engagements).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A partition gives nothing for a while, then its backlog at once.
    Stall { topic: u8, partition: u32, from: i64, length: i64 },
    /// Each record of a partition arrives later by so much.
    Slow { topic: u8, partition: u32, by: i64 },
    /// Nothing is produced to a partition for a while.
    Idle { topic: u8, partition: u32, from: i64, length: i64 },
    /// A producer cannot send for a while, then sends its backlog.
    Outage { producer: u32, from: i64, length: i64 },
    /// A producer's clock is off by so much (negative: it is behind).
    Clock { producer: u32, from: i64, length: i64, by: i64 },
}

/// A text that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no fault: write stall:engagements[2]@18m+5m, slow:views[1]+20s, \
     idle:views[3]@10m+10m, outage:1@30m+4m or clock:5@40m+10m=-95s"
)]
pub struct BadFault(pub String);

fn partition(text: &str) -> Option<(u8, u32)> {
    let (topic, number) = text.strip_suffix(']')?.split_once('[')?;
    let topic = match topic {
        "views" => 0,
        "engagements" => 1,
        _ => return None,
    };
    Some((topic, number.parse().ok()?))
}

fn duration(text: &str) -> Option<i64> {
    parse_duration(text).ok()
}

/// `FROM+LENGTH`.
fn range(text: &str) -> Option<(i64, i64)> {
    let (from, length) = text.split_once('+')?;
    let (from, length) = (duration(from)?, duration(length)?);
    (from >= 0 && length > 0).then_some((from, length))
}

fn parse(text: &str) -> Option<Fault> {
    let (kind, rest) = text.trim().split_once(':')?;
    if kind == "slow" {
        let (lane, by) = rest.split_once('+')?;
        let (topic, partition) = partition(lane)?;
        return Some(Fault::Slow { topic, partition, by: duration(by).filter(|&by| by > 0)? });
    }
    let (what, when) = rest.split_once('@')?;
    match kind {
        "stall" | "idle" => {
            let ((topic, partition), (from, length)) = (partition(what)?, range(when)?);
            Some(if kind == "stall" {
                Fault::Stall { topic, partition, from, length }
            } else {
                Fault::Idle { topic, partition, from, length }
            })
        }
        "outage" => {
            let (from, length) = range(when)?;
            Some(Fault::Outage { producer: what.parse().ok()?, from, length })
        }
        "clock" => {
            let (when, by) = when.split_once('=')?;
            let (from, length) = range(when)?;
            Some(Fault::Clock { producer: what.parse().ok()?, from, length, by: duration(by)? })
        }
        _ => None,
    }
}

impl FromStr for Fault {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        parse(text).ok_or_else(|| BadFault(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_error_message_is_read() {
        let BadFault(_) = "x".parse::<Fault>().unwrap_err();
        assert_eq!(
            "stall:engagements[2]@18m+5m".parse(),
            Ok(Fault::Stall { topic: 1, partition: 2, from: 1_080_000, length: 300_000 })
        );
        assert_eq!(
            "clock:5@40m+10m=-95s".parse(),
            Ok(Fault::Clock { producer: 5, from: 2_400_000, length: 600_000, by: -95_000 })
        );
        for text in ["slow:views[1]+20s", "idle:views[3]@10m+10m", "outage:1@30m+4m"] {
            assert!(text.parse::<Fault>().is_ok(), "{text}");
        }
        for text in
            ["", "stall:likes[0]@1m+1m", "stall:views[0]@1m", "slow:views[0]+-1s", "outage:x@1m+1m"]
        {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
