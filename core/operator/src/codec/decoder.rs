//! One input's decoder: the checks of 3-semantics, step 2, in their order.

use std::fmt;
use std::sync::Arc;

use super::needs::{Needs, Slots};
use super::value::{Got, NoTime};
use super::{CodecError, Decoded, DecodedRow, SchemaSource, json};
use crate::key::Key;
use crate::pipeline::{Format, InputIndex, Pipeline, TimeUnit};
use crate::record::Record;
use crate::time::{format_duration, rfc3339_ms};
use crate::verdict::Verdict;

/// Decodes the records of one input. One for each thread: clone it.
#[derive(Clone)]
pub struct InputDecoder {
    name: Arc<str>,
    needs: Needs,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Json,
}

/// Why a record gives no row; turned into words only where somebody asks.
struct Failure {
    verdict: Verdict,
    event_time: Option<i64>,
    why: Why,
}

enum Why {
    NullValue,
    Utf8(std::str::Utf8Error),
    Json(serde_json::Error),
    Time(NoTime, &'static str),
    NoTimestamp,
    OutOfReach(i64),
    Ahead(i64, i64),
    Filtered(usize, &'static str),
    NoKafkaKey,
    NoKey(&'static str),
}

impl fmt::Debug for InputDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputDecoder").field("input", &self.name).finish_non_exhaustive()
    }
}

impl InputDecoder {
    /// A decoder for input number `input` of the pipeline.
    ///
    /// # Errors
    /// The input does not exist, or its schema cannot be used.
    pub fn new(
        pipeline: &Pipeline,
        input: InputIndex,
        schemas: Arc<dyn SchemaSource + Send + Sync>,
    ) -> Result<Self, CodecError> {
        let bad = |what: String| CodecError { input: input.to_string(), what };
        let (Some(spec), Some(needs)) =
            (pipeline.inputs.get(usize::from(input)), Needs::new(pipeline, input))
        else {
            return Err(bad(format!("the pipeline has only {} inputs", pipeline.inputs.len())));
        };
        let _ = &schemas;
        let body = match spec.format {
            Format::Json => Body::Json,
            Format::Avro | Format::AvroRegistry => {
                return Err(bad("avro is not built yet".to_owned()));
            }
        };
        Ok(Self { name: spec.name.clone(), needs, body })
    }

    /// What the join needs of the record, or the first check that failed.
    pub fn decode(&mut self, record: &Record) -> Decoded {
        match self.examine(record) {
            Ok(row) => Decoded::Row(row),
            Err(Failure { verdict, event_time, .. }) => Decoded::Failed { verdict, event_time },
        }
    }

    /// Why the record gives no row, as the second half of a sentence; empty if
    /// it gives one.
    pub fn explain_failure(&mut self, record: &Record) -> String {
        match self.examine(record) {
            Ok(_) => String::new(),
            Err(failure) => failure.why.text(&self.needs, &self.name),
        }
    }

    /// The whole value, for display.
    ///
    /// # Errors
    /// Why it cannot be shown as JSON.
    pub fn to_json(&mut self, record: &Record) -> Result<serde_json::Value, String> {
        let Some(value) = &record.value else { return Ok(serde_json::Value::Null) };
        match &self.body {
            Body::Json => serde_json::from_slice(value).map_err(|e| e.to_string()),
        }
    }

    fn examine(&mut self, record: &Record) -> Result<DecodedRow, Failure> {
        let needs = &self.needs;
        let fail = |verdict, why| Failure { verdict, event_time: None, why };
        let Some(value) = &record.value else {
            return Err(fail(Verdict::Tombstone, Why::NullValue));
        };
        let mut slots: Slots<'_> = smallvec::smallvec![Got::Missing; needs.paths.len()];
        match &self.body {
            Body::Json => {
                let text = std::str::from_utf8(value)
                    .map_err(|e| fail(Verdict::Undecodable, Why::Utf8(e)))?;
                json::extract(text, &needs.wants, &mut slots)
                    .map_err(|e| fail(Verdict::Undecodable, Why::Json(e)))?;
            }
        }
        let event_time =
            event_time(needs, &slots, record).map_err(|why| fail(Verdict::Untimed, why))?;
        let fail = |verdict, why| Failure { verdict, event_time: Some(event_time), why };
        for (i, (slot, values)) in needs.filter.iter().enumerate() {
            let got = &slots[*slot];
            if !values.iter().any(|v| got.is(v)) {
                return Err(fail(Verdict::Filtered, Why::Filtered(i, got.kind())));
            }
        }
        let key = match (needs.key, &record.key) {
            (Some(slot), _) => slots[slot]
                .key()
                .ok_or_else(|| fail(Verdict::Unkeyed, Why::NoKey(slots[slot].kind())))?,
            (None, Some(key)) => Key::from_kafka(key),
            (None, None) => return Err(fail(Verdict::Unkeyed, Why::NoKafkaKey)),
        };
        let mut labels = 0;
        for (bit, slot, values) in &needs.labels {
            if values.iter().any(|v| slots[*slot].is(v)) {
                labels |= 1 << bit;
            }
        }
        Ok(DecodedRow { event_time, key, labels })
    }
}

fn event_time(needs: &Needs, slots: &Slots<'_>, record: &Record) -> Result<i64, Why> {
    let time = match needs.time {
        Some((slot, unit)) => {
            let got = &slots[slot];
            got.event_time(unit).map_err(|no| Why::Time(no, got.kind()))?
        }
        None => record.timestamp.ok_or(Why::NoTimestamp)?,
    };
    if time < needs.earliest || time > needs.latest {
        return Err(Why::OutOfReach(time));
    }
    if let Some(most) = needs.max_ahead {
        let ahead = time.saturating_sub(record.arrival_ms());
        if ahead > most {
            return Err(Why::Ahead(ahead, most));
        }
    }
    Ok(time)
}

impl Why {
    fn text(&self, needs: &Needs, input: &str) -> String {
        let name = |slot: usize| needs.paths[slot].join(".");
        let time = || needs.time.map(|(slot, _)| name(slot)).unwrap_or_default();
        match self {
            Self::NullValue => "its value is null".to_owned(),
            Self::Utf8(e) => format!("its value is not UTF-8 from byte {} on", e.valid_up_to()),
            Self::Json(e) => format!("its value is not JSON: {e}"),
            Self::Time(NoTime::Missing, kind) => {
                format!("the field {} of its event time is {kind}", time())
            }
            Self::Time(NoTime::NotText, kind) => {
                format!("{} is {kind}, not an RFC 3339 text", time())
            }
            Self::Time(NoTime::NotRfc3339, _) => {
                format!("{} is not an RFC 3339 time with an offset", time())
            }
            Self::Time(NoTime::NotNumber, kind) => {
                let unit = needs.time.map_or(TimeUnit::Milliseconds, |(_, unit)| unit);
                format!("{} is {kind}, not a number of {}", time(), unit.name())
            }
            Self::Time(NoTime::OutOfRange, _) => {
                format!("{} does not fit into 64 bits of milliseconds", time())
            }
            Self::NoTimestamp => "it has no Kafka timestamp".to_owned(),
            Self::OutOfReach(ms) => format!(
                "its event time {} is so far out that adding the join's interval leaves 64 bits",
                rfc3339_ms(*ms)
            ),
            Self::Ahead(ahead, most) => format!(
                "its event time is {} ahead of its arrival, more than inputs.{input}.watermark.max_ahead = {}",
                format_duration(*ahead),
                format_duration(*most)
            ),
            Self::Filtered(i, kind) => {
                let (slot, values) = &needs.filter[*i];
                let field = name(*slot);
                match *kind {
                    "missing" | "null" => {
                        format!("{field} is {kind}, and inputs.{input}.where asks for it")
                    }
                    _ if values.len() == 1 => {
                        format!("{field} is not the one that inputs.{input}.where keeps")
                    }
                    _ => format!("{field} is not among those that inputs.{input}.where keeps"),
                }
            }
            Self::NoKafkaKey => "its Kafka key is null".to_owned(),
            Self::NoKey(kind) => {
                let field = needs.key.map(name).unwrap_or_default();
                match *kind {
                    "missing" | "null" => format!("its key {field} is {kind}"),
                    _ => format!("its key {field} is {kind}, which is no key"),
                }
            }
        }
    }
}
