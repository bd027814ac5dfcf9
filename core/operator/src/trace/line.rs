//! The lines of a trace.

use serde::Deserialize;
use serde_json::Value;

use super::TraceError;
use crate::key::{Key, KeyValue};
use crate::pipeline::Kind;

/// What joins, and how.
#[derive(Debug)]
pub struct Spec {
    pub name: Option<String>,
    pub kind: Kind,
    /// Both ends included.
    pub lower: i64,
    pub upper: i64,
    pub debug: bool,
}

/// `clean` takes the settings of the other semantics that have no meaning to
/// it, so that one trace can go through all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecLine {
    semantics: String,
    kind: String,
    name: Option<String>,
    lower_ms: i64,
    upper_ms: i64,
    #[serde(default = "yes")]
    lower_inclusive: bool,
    #[serde(default = "yes")]
    upper_inclusive: bool,
    #[serde(default)]
    debug: bool,
    #[serde(rename = "min_cleanup_ms")]
    _min_cleanup_ms: Option<i64>,
    #[serde(rename = "max_parallelism")]
    _max_parallelism: Option<u32>,
    #[serde(rename = "record_ts")]
    _record_ts: Option<bool>,
}

fn yes() -> bool {
    true
}

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
    /// Wall clock, which `clean` does not look at.
    Clock,
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
    #[serde(alias = "end", alias = "snapshot", alias = "checkpoint")]
    flag: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockLine {
    #[serde(rename = "clock")]
    _clock: i64,
}

impl Spec {
    /// `None` if the line is not a spec.
    pub fn parse(line: &str) -> Result<Option<Self>, TraceError> {
        let value: Value = serde_json::from_str(line)?;
        let Some(semantics) = value.get("semantics") else { return Ok(None) };
        if semantics != "clean" {
            return Err(TraceError::Line(format!(
                "semantics {semantics}: this program has \"clean\""
            )));
        }
        let line: SpecLine = serde_json::from_str(line)?;
        debug_assert_eq!(line.semantics, "clean");
        if line.lower_ms > line.upper_ms {
            return Err(TraceError::Line(format!(
                "lower_ms {} is above upper_ms {}: exchange them",
                line.lower_ms, line.upper_ms
            )));
        }
        let kind = match line.kind.as_str() {
            "inner" => Kind::Inner,
            "left" => Kind::Left,
            "right" => Kind::Right,
            "full" => Kind::Full,
            other => {
                return Err(TraceError::Line(format!(
                    "kind \"{other}\": write inner, left, right or full"
                )));
            }
        };
        Ok(Some(Self {
            name: line.name,
            kind,
            // A strict bound is the inclusive one moved by 1 ms.
            lower: line.lower_ms.saturating_add(i64::from(!line.lower_inclusive)),
            upper: line.upper_ms.saturating_sub(i64::from(!line.upper_inclusive)),
            debug: line.debug,
        }))
    }
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
            read::<ClockLine>(line)?;
            Self::Clock
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
