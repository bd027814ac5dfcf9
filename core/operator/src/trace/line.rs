//! The events of a trace.

use serde::Deserialize;
use serde_json::Value;

use super::TraceError;
use crate::key::{Key, KeyValue};

/// The two inputs: `L` is the primary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Side {
    L,
    R,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::L => "L",
            Self::R => "R",
        }
    }
}

#[derive(Debug)]
pub enum Event {
    Row(RowEvent),
    Watermark {
        side: Side,
        time: i64,
    },
    Idle {
        side: Side,
        idle: bool,
    },
    End,
    Snapshot,
    Checkpoint,
    /// Wall clock, absolute, ms. Only `kafka-streams` looks at it.
    Clock(i64),
}

#[derive(Debug)]
pub struct RowEvent {
    pub side: Side,
    pub id: String,
    /// `None`: null.
    pub key: Option<Key>,
    pub time: Option<i64>,
    pub null_value: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowLine {
    #[serde(rename = "in")]
    side: Side,
    #[serde(deserialize_with = "Option::deserialize")]
    key: Option<Value>,
    #[serde(deserialize_with = "Option::deserialize")]
    ts: Option<i64>,
    id: String,
    #[serde(default)]
    null_value: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WatermarkLine {
    wm: Side,
    ts: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdleLine {
    idle: Side,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActiveLine {
    active: Side,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlagLine {
    // So that an error names what may stand there.
    #[serde(rename = "end", alias = "snapshot", alias = "checkpoint")]
    flag: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockLine {
    clock: i64,
}

impl Event {
    pub fn parse(line: &str) -> Result<Self, TraceError> {
        let value: Value = serde_json::from_str(line)?;
        let has = |name: &str| value.get(name).is_some();
        let event = if has("in") {
            Self::Row(RowEvent::new(read(line)?)?)
        } else if has("wm") {
            let WatermarkLine { wm, ts } = read(line)?;
            Self::Watermark { side: wm, time: ts }
        } else if has("idle") {
            Self::Idle { side: read::<IdleLine>(line)?.idle, idle: true }
        } else if has("active") {
            Self::Idle { side: read::<ActiveLine>(line)?.active, idle: false }
        } else if has("clock") {
            Self::Clock(read::<ClockLine>(line)?.clock)
        } else {
            let event = if has("end") {
                Self::End
            } else if has("snapshot") {
                Self::Snapshot
            } else if has("checkpoint") {
                Self::Checkpoint
            } else {
                return Err(TraceError::Line(
                    "no line of a trace: write a spec (\"semantics\"), or an event with \"in\", \"wm\", \"idle\", \"active\", \"end\", \"snapshot\", \"checkpoint\" or \"clock\""
                        .to_owned(),
                ));
            };
            if !read::<FlagLine>(line)?.flag {
                return Err(TraceError::Line("an event that is false: write true".to_owned()));
            }
            event
        };
        Ok(event)
    }
}

fn read<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, TraceError> {
    Ok(serde_json::from_str(line)?)
}

impl RowEvent {
    fn new(line: RowLine) -> Result<Self, TraceError> {
        let key = match &line.key {
            None => None,
            Some(Value::String(key)) => Some(KeyValue::String(key)),
            Some(Value::Bool(key)) => Some(KeyValue::Bool(*key)),
            Some(Value::Number(key)) if key.is_i64() => key.as_i64().map(KeyValue::Int),
            Some(other) => {
                return Err(TraceError::Line(format!(
                    "key {other}: write a text, an integer, a boolean or null"
                )));
            }
        };
        Ok(Self {
            side: line.side,
            id: line.id,
            key: key.map(Key::new),
            time: line.ts,
            null_value: line.null_value,
        })
    }
}
