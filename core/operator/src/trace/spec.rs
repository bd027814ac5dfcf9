//! The spec line of a trace: which join, and its settings.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::TraceError;
use crate::pipeline::Kind;

/// A trace's first line.
#[derive(Debug)]
pub struct Spec {
    pub name: Option<String>,
    pub join: JoinSpec,
}

/// What joins.
#[derive(Debug)]
pub enum JoinSpec {
    Clean(IntervalSpec),
    FlinkSql(IntervalSpec),
    FlinkDataStream(IntervalSpec),
    KafkaStreams(StreamsSpec),
}

/// The joins on `l.ts + lower <= r.ts <= l.ts + upper`.
#[derive(Clone, Debug)]
pub struct IntervalSpec {
    pub kind: Kind,
    /// Both ends included; upside down if two strict bounds leave nothing.
    pub lower: i64,
    pub upper: i64,
    /// `table.exec.interval-join.min-cleanup-interval`, ms; for `flink-sql`.
    pub min_cleanup: i64,
    /// Key groups; for `flink-*`.
    pub max_parallelism: u16,
    /// After each event the number of timers.
    pub debug: bool,
    /// Whether records carry a timestamp; for `flink-*`.
    pub record_ts: bool,
}

/// `kafka-streams`: `l.ts - before <= r.ts <= l.ts + after`.
#[derive(Clone, Debug)]
pub struct StreamsSpec {
    /// `outer` is [`Kind::Full`]; never `Right`.
    pub kind: Kind,
    /// Each may be negative; their sum is not.
    pub before: i64,
    pub after: i64,
    /// Not negative, ms.
    pub grace: i64,
    /// How often the join looks for closed windows, ms of wall clock.
    pub emit_interval: i64,
    /// Wall clock at the start, ms.
    pub clock: i64,
    pub store: StreamsStore,
    /// `None`: rows are taken in the order given; else a task's own order.
    pub max_task_idle: Option<i64>,
    pub on_invalid: OnInvalid,
}

/// Where the windows of a Kafka Streams join rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamsStore {
    #[default]
    RocksDb,
    Memory,
}

/// What Kafka Streams does with a negative timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnInvalid {
    /// `FailOnInvalidTimestamp`, its default.
    #[default]
    Fail,
    /// `LogAndSkipOnInvalidTimestamp`.
    Skip,
}

/// `clean` takes the settings of the other semantics that have no meaning to
/// it, so that one trace can go through all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own fields")]
struct IntervalLine {
    #[serde(rename = "semantics")]
    _semantics: String,
    kind: String,
    name: Option<String>,
    lower_ms: i64,
    upper_ms: i64,
    #[serde(default = "yes")]
    lower_inclusive: bool,
    #[serde(default = "yes")]
    upper_inclusive: bool,
    #[serde(default)]
    min_cleanup_ms: i64,
    #[serde(default = "one")]
    max_parallelism: u16,
    #[serde(default)]
    debug: bool,
    #[serde(default = "yes")]
    record_ts: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamsLine {
    #[serde(rename = "semantics")]
    _semantics: String,
    kind: String,
    name: Option<String>,
    before_ms: i64,
    after_ms: i64,
    grace_ms: i64,
    #[serde(default = "second")]
    emit_interval_ms: i64,
    #[serde(default)]
    clock_ms: i64,
    #[serde(default)]
    store: StreamsStore,
    max_task_idle_ms: Option<i64>,
    #[serde(default)]
    on_invalid: OnInvalid,
}

fn yes() -> bool {
    true
}

fn one() -> u16 {
    1
}

fn second() -> i64 {
    1000
}

/// Flink's largest: `KeyGroupRangeAssignment`, `UPPER_BOUND_MAX_PARALLELISM`.
const MOST_KEY_GROUPS: u16 = 1 << 15;

fn bad<T>(what: String) -> Result<T, TraceError> {
    Err(TraceError::Line(what))
}

impl Spec {
    /// `None` if the line is not a spec.
    pub fn parse(line: &str) -> Result<Option<Self>, TraceError> {
        let value: Value = serde_json::from_str(line)?;
        let Some(semantics) = value.get("semantics") else { return Ok(None) };
        let (name, join) = match semantics.as_str() {
            Some("clean") => interval(line).map(|(name, spec)| (name, JoinSpec::Clean(spec)))?,
            Some("flink-sql") => {
                interval(line).map(|(name, spec)| (name, JoinSpec::FlinkSql(spec)))?
            }
            Some("flink-datastream") => {
                let (name, spec) = interval(line)?;
                if spec.kind != Kind::Inner {
                    return bad("kind: the interval join of Flink's DataStream API is \"inner\" only; flink-sql has left, right and full".to_owned());
                }
                (name, JoinSpec::FlinkDataStream(spec))
            }
            Some("kafka-streams") => {
                streams(line).map(|(name, spec)| (name, JoinSpec::KafkaStreams(spec)))?
            }
            _ => {
                return bad(format!(
                    "semantics {semantics}: write \"clean\", \"flink-sql\", \"flink-datastream\" or \"kafka-streams\""
                ));
            }
        };
        Ok(Some(Self { name, join }))
    }
}

fn read<T: DeserializeOwned>(line: &str) -> Result<T, TraceError> {
    Ok(serde_json::from_str(line)?)
}

fn interval(line: &str) -> Result<(Option<String>, IntervalSpec), TraceError> {
    let line: IntervalLine = read(line)?;
    if line.lower_ms > line.upper_ms {
        return bad(format!(
            "lower_ms {} is above upper_ms {}: exchange them",
            line.lower_ms, line.upper_ms
        ));
    }
    if line.min_cleanup_ms < 0 {
        return bad(format!("min_cleanup_ms {}: write 0 or more", line.min_cleanup_ms));
    }
    if !(1..=MOST_KEY_GROUPS).contains(&line.max_parallelism) {
        return bad(format!(
            "max_parallelism {}: write 1 to {MOST_KEY_GROUPS}",
            line.max_parallelism
        ));
    }
    let kind = match line.kind.as_str() {
        "inner" => Kind::Inner,
        "left" => Kind::Left,
        "right" => Kind::Right,
        "full" => Kind::Full,
        other => return bad(format!("kind \"{other}\": write inner, left, right or full")),
    };
    let spec = IntervalSpec {
        kind,
        // A strict bound is the inclusive one moved by 1 ms (also rule C1).
        lower: line.lower_ms.saturating_add(i64::from(!line.lower_inclusive)),
        upper: line.upper_ms.saturating_sub(i64::from(!line.upper_inclusive)),
        min_cleanup: line.min_cleanup_ms,
        max_parallelism: line.max_parallelism,
        debug: line.debug,
        record_ts: line.record_ts,
    };
    Ok((line.name, spec))
}

fn streams(line: &str) -> Result<(Option<String>, StreamsSpec), TraceError> {
    let line: StreamsLine = read(line)?;
    if line.before_ms.checked_add(line.after_ms).is_none_or(|sum| sum < 0) {
        return bad(format!(
            "before_ms {} and after_ms {}: their sum must be 0 or more",
            line.before_ms, line.after_ms
        ));
    }
    if line.grace_ms < 0 {
        return bad(format!("grace_ms {}: write 0 or more", line.grace_ms));
    }
    if line.emit_interval_ms < 0 {
        return bad(format!("emit_interval_ms {}: write 0 or more", line.emit_interval_ms));
    }
    let kind = match line.kind.as_str() {
        "inner" => Kind::Inner,
        "left" => Kind::Left,
        "outer" => Kind::Full,
        other => return bad(format!("kind \"{other}\": write inner, left or outer")),
    };
    let spec = StreamsSpec {
        kind,
        before: line.before_ms,
        after: line.after_ms,
        grace: line.grace_ms,
        emit_interval: line.emit_interval_ms,
        clock: line.clock_ms,
        store: line.store,
        max_task_idle: line.max_task_idle_ms,
        on_invalid: line.on_invalid,
    };
    Ok((line.name, spec))
}
