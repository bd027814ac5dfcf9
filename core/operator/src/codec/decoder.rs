//! One input's decoder: the checks of 3-semantics, step 2, in their order.

use std::fmt;
use std::sync::Arc;

use super::avro::{Plan, Registry};
use super::failure::{Failure, Why};
use super::needs::{Needs, Slots};
use super::value::Got;
use super::{CodecError, Decoded, DecodedRow, SchemaSource, SchemaText, json};
use crate::key::{Key, KeyValue};
use crate::pipeline::{Format, Input, InputIndex, Pipeline};
use crate::record::Record;
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
    /// One schema for all records.
    Avro(Arc<Plan>),
    Registry(Registry),
}

/// What [`InputDecoder::probe`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    pub decoded: bool,
    pub event_time: Option<i64>,
    pub key: Option<Key>,
    /// By the input's `where`.
    pub kept: bool,
}

/// What [`InputDecoder::shown`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub value: serde_json::Value,
    /// A field of it, or all, nests too deep to be taken apart, or half of a pair of
    /// escapes stands in it: it is given as its text.
    pub in_texts: bool,
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
        let (Some(spec), Some(needs)) =
            (pipeline.inputs.get(usize::from(input)), Needs::new(pipeline, input))
        else {
            let what = format!("the pipeline has only {} inputs", pipeline.inputs.len());
            return Err(CodecError { input: input.to_string(), what });
        };
        let body = body(spec, &needs, schemas)
            .map_err(|what| CodecError { input: spec.name.to_string(), what })?;
        Ok(Self { name: spec.name.clone(), needs, body })
    }

    /// What the join needs of the record, or the first check that failed.
    pub fn decode(&mut self, record: &Record) -> Decoded {
        match self.examine(record) {
            Ok(row) => Decoded::Row(row),
            Err(Failure { verdict, event_time, .. }) => Decoded::Failed { verdict, event_time },
        }
    }

    /// Why the record gives no row, or one without a key, as the second half of
    /// a sentence; empty if it gives one that has all.
    pub fn explain_failure(&mut self, record: &Record) -> String {
        let why = match self.examine(record) {
            Ok(row) if row.key.is_null() => self.no_key(record),
            Ok(_) => None,
            Err(failure) => Some(failure.why),
        };
        why.map_or_else(String::new, |why| why.text(&self.needs, &self.name))
    }

    /// Why a row has no key.
    fn no_key(&mut self, record: &Record) -> Option<Why> {
        if record.value.is_none() {
            let own = self.needs.key.is_some();
            return Some(if own { Why::NullValue } else { Why::NoKafkaKey });
        }
        let mut slots = Slots::new();
        let needs = self.fields(record, &mut slots).ok()?;
        key(needs, &slots, record).err()
    }

    /// Every check by itself, whatever the others say: what `pipeline check`
    /// counts.
    pub fn probe(&mut self, record: &Record) -> Probe {
        let mut slots = Slots::new();
        let Ok(needs) = self.fields(record, &mut slots) else { return Probe::default() };
        let event_time = event_time(needs, &slots, record).ok();
        let key = key(needs, &slots, record).ok();
        let kept = filtered(needs, &slots).is_none();
        Probe { decoded: true, event_time, key, kept }
    }

    /// The whole value, for display.
    ///
    /// # Errors
    /// Why it cannot be shown as JSON.
    pub fn to_json(&mut self, record: &Record) -> Result<serde_json::Value, String> {
        let Some(value) = &record.value else { return Ok(serde_json::Value::Null) };
        let avro = |plan: &Plan, body: &[u8]| plan.show(body).map_err(|e| e.to_string());
        match &mut self.body {
            Body::Json => serde_json::from_slice(value).map_err(|e| e.to_string()),
            Body::Avro(plan) => avro(plan, value),
            Body::Registry(registry) => {
                let (plan, body) =
                    registry.open(record, value, &self.needs.wants).map_err(|e| e.to_string())?;
                avro(plan?, body)
            }
        }
    }

    /// As [`Self::to_json`], for whoever looks for one field of it: JSON that the join
    /// takes can be shown, whatever stands in it.
    ///
    /// # Errors
    /// Why it cannot be shown as JSON.
    pub fn shown(&mut self, record: &Record) -> Result<Shown, String> {
        let why = match self.to_json(record) {
            Ok(value) => return Ok(Shown { value, in_texts: false }),
            Err(why) => why,
        };
        let text = record.value.as_ref().filter(|_| matches!(self.body, Body::Json));
        let value = text.and_then(|text| json::in_texts(text)).ok_or(why)?;
        Ok(Shown { value, in_texts: true })
    }

    /// Puts the fields that the join needs into `slots`, which are empty, or says the
    /// check before them that failed.
    fn fields<'a>(
        &'a mut self,
        record: &'a Record,
        slots: &mut Slots<'a>,
    ) -> Result<&'a Needs, Failure> {
        let Self { needs, body, .. } = self;
        let fail = |verdict, why| Failure { verdict, event_time: None, why };
        let Some(value) = &record.value else {
            return Err(fail(Verdict::Tombstone, Why::NullValue));
        };
        slots.resize_with(needs.paths.len(), || Got::Missing);
        match body {
            Body::Json => {
                let text = std::str::from_utf8(value)
                    .map_err(|e| fail(Verdict::Undecodable, Why::Utf8(e, framed(value))))?;
                json::extract(text, &needs.wants, slots)
                    .map_err(|e| fail(Verdict::Undecodable, Why::Json(e, framed(value))))?;
            }
            Body::Avro(plan) => plan
                .extract(value, slots)
                .map_err(|e| fail(Verdict::Undecodable, Why::Avro(e, framed(value))))?,
            Body::Registry(registry) => {
                let (plan, body) = registry
                    .open(record, value, &needs.wants)
                    .map_err(|e| fail(Verdict::Undecodable, Why::Framing(e)))?;
                let plan =
                    plan.map_err(|why| fail(Verdict::Undecodable, Why::Schema(why.to_owned())))?;
                plan.extract(body, slots)
                    .map_err(|e| fail(Verdict::Undecodable, Why::Avro(e, false)))?;
            }
        }
        Ok(needs)
    }

    #[inline]
    fn examine(&mut self, record: &Record) -> Result<DecodedRow, Failure> {
        if record.value.is_none() && self.needs.null_values() {
            return self.null_value(record);
        }
        let mut slots = Slots::new();
        let needs = self.fields(record, &mut slots)?;
        let event_time = event_time(needs, &slots, record).map_err(|why| Failure {
            verdict: Verdict::Untimed,
            event_time: None,
            why,
        })?;
        let fail = |verdict, why| Failure { verdict, event_time: Some(event_time), why };
        if let Some(why) = filtered(needs, &slots) {
            return Err(fail(Verdict::Filtered, why));
        }
        let key = match key(needs, &slots, record) {
            Ok(key) => key,
            Err(why) if needs.null_keys() && why.is_null() => Key::new(KeyValue::Null),
            Err(why) => return Err(fail(Verdict::Unkeyed, why)),
        };
        let mut labels = 0;
        for (bit, slot, values) in &needs.labels {
            if values.iter().any(|v| slots[*slot].is(v)) {
                labels |= 1 << bit;
            }
        }
        Ok(DecodedRow { event_time, key, null_value: false, labels })
    }

    /// A record without a value, which has the time and key of the record alone.
    fn null_value(&self, record: &Record) -> Result<DecodedRow, Failure> {
        let needs = &self.needs;
        let event_time = event_time(needs, &[], record).map_err(|why| Failure {
            verdict: Verdict::Tombstone,
            event_time: None,
            why,
        })?;
        let key = match (needs.key, &record.key) {
            (None, Some(key)) => Key::from_kafka(key),
            _ => Key::new(KeyValue::Null),
        };
        Ok(DecodedRow { event_time, key, null_value: true, labels: 0 })
    }
}

/// The condition of `where` that leaves the record out.
fn filtered(needs: &Needs, slots: &Slots<'_>) -> Option<Why> {
    needs.filter.iter().enumerate().find_map(|(i, (slot, values))| {
        let got = &slots[*slot];
        let kept = values.iter().any(|v| got.is(v));
        (!kept).then(|| Why::Filtered(i, got.kind()))
    })
}

fn key(needs: &Needs, slots: &Slots<'_>, record: &Record) -> Result<Key, Why> {
    match (needs.key, &record.key) {
        (Some(slot), _) => slots[slot].key().ok_or_else(|| Why::NoKey(slots[slot].kind())),
        (None, Some(key)) => Ok(Key::from_kafka(key)),
        (None, None) => Err(Why::NoKafkaKey),
    }
}

fn event_time(needs: &Needs, slots: &[Got<'_>], record: &Record) -> Result<i64, Why> {
    let time = match needs.time {
        Some((slot, unit)) => {
            let got = &slots[slot];
            got.event_time(unit).map_err(|no| Why::Time(no, got.kind()))?
        }
        None => record.timestamp.ok_or(Why::NoTimestamp)?,
    };
    if time < needs.least() {
        return Err(Why::BelowLeast(time));
    }
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

/// Whether a value looks like Confluent's framing, which plain Avro has not.
fn framed(value: &[u8]) -> bool {
    value.len() > 5 && value[0] == 0
}

fn body(
    spec: &Input,
    needs: &Needs,
    schemas: Arc<dyn SchemaSource + Send + Sync>,
) -> Result<Body, String> {
    let own = match &spec.schema {
        Some(file) => Some(SchemaText {
            text: file.text.clone().ok_or_else(|| format!("{} was not loaded", file.path))?,
            ..SchemaText::default()
        }),
        None => None,
    };
    let file = || match &spec.schema {
        Some(file) if !file.path.is_empty() => file.path.clone(),
        _ => "its schema".to_owned(),
    };
    if let Some(schema) = &own
        && let Some(path) =
            Plan::lacking(schema, &needs.paths).map_err(|e| format!("{}: {e}", file()))?
    {
        return Err(format!("{} has no field {}", file(), path.join(".")));
    }
    match spec.format {
        Format::Json => Ok(Body::Json),
        Format::AvroRegistry => Ok(Body::Registry(Registry::new(schemas, own))),
        Format::Avro => {
            let schema = own.or_else(|| schemas.for_topic(&spec.topic)).ok_or_else(|| {
                format!(
                    "format \"avro\" needs the schema of its records: write schema = \"FILE.avsc\" under [inputs.{}], or format = \"avro-registry\" if they carry Confluent schema ids",
                    spec.name
                )
            })?;
            let plan =
                Plan::new(&schema, None, &needs.wants).map_err(|e| format!("{}: {e}", file()))?;
            Ok(Body::Avro(Arc::new(plan)))
        }
    }
}
