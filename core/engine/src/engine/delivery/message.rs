//! What a sink topic gets (10-command-line): outputs as messages.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Values;
use super::avro::Bodies;
use crate::edges::log::OutMessage;
use crate::engine::step::{Named, Output, OutputKind, SinkError, Step};
use crate::operator::codec::{Decoded, InputDecoder, SchemaSource};
use crate::operator::key::{Key, KeyValue};
use crate::operator::pipeline::{Format, LatePolicy, Pipeline, Sink, SinkFormat};
use crate::operator::record::{Header, Record, RecordName};
use crate::operator::verdict::Verdict;

/// Makes messages of a step's outputs.
pub struct Messages {
    pipeline: Arc<Pipeline>,
    topic: Arc<str>,
    late_topic: Option<Arc<str>>,
    decoders: Vec<InputDecoder>,
    values: Box<dyn Values>,
    /// `None`: as JSON.
    avro: Option<Bodies>,
}

/// Where the outputs go.
///
/// # Errors
/// The pipeline does not say.
pub fn sink_of(pipeline: &Pipeline) -> Result<&Sink, String> {
    pipeline.sink.as_ref().ok_or_else(|| {
        "the pipeline has no [sink]: name the topic that the outputs go to, \
         such as [sink] topic = \"examples\" format = \"json\""
            .to_owned()
    })
}

impl Messages {
    /// `schema_id`: of the outputs, where the sink takes Avro.
    ///
    /// # Errors
    /// The pipeline has no sink, its outputs have no schema, or an input cannot
    /// be decoded.
    pub fn new(
        pipeline: Arc<Pipeline>,
        schemas: &Arc<dyn SchemaSource + Send + Sync>,
        values: Box<dyn Values>,
        schema_id: u32,
    ) -> Result<Self, String> {
        let sink = sink_of(&pipeline)?;
        let avro = match sink.format {
            SinkFormat::Json => None,
            SinkFormat::AvroRegistry => {
                Some(Bodies::new(&pipeline, Arc::clone(schemas), schema_id)?)
            }
        };
        let late = pipeline.join.late == LatePolicy::SideOutput;
        let decoders = (0..pipeline.inputs.len())
            .map(|input| InputDecoder::new(&pipeline, input as u8, Arc::clone(schemas)))
            .collect::<Result<_, _>>()
            .map_err(|e| e.to_string())?;
        Ok(Self {
            topic: sink.topic.as_str().into(),
            late_topic: sink.late_topic.as_deref().filter(|_| late).map(Into::into),
            decoders,
            values,
            avro,
            pipeline: Arc::clone(&pipeline),
        })
    }

    /// The topics that are written.
    pub fn topics(pipeline: &Pipeline) -> Vec<String> {
        let late = pipeline.join.late == LatePolicy::SideOutput;
        let sink = pipeline.sink.iter();
        sink.flat_map(|s| [Some(s.topic.clone()), s.late_topic.clone().filter(|_| late)])
            .flatten()
            .collect()
    }

    /// Gives `to` the messages of a step, each with the processing time (ms) of
    /// the arrival that set it off: outputs in their order, then what was late.
    ///
    /// # Errors
    /// A record behind an output is not there any more, or `to` failed.
    pub fn of_step(
        &mut self,
        step: &Step,
        mut to: impl FnMut(i64, OutMessage) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let facts = &step.facts;
        let when = |at: u64| {
            let i = facts.arrival.partition_point(|a| *a < at).min(facts.len().saturating_sub(1));
            facts.arrival_ms.get(i).copied()
        };
        let mut named = &step.named[..];
        for output in &step.outputs {
            let (own, rest) = named.split_at(output.records.len().min(named.len()));
            named = rest;
            let message = self.of_output(output, own)?;
            to(when(output.at).unwrap_or(output.time), message)?;
        }
        if let Some(topic) = self.late_topic.clone() {
            for i in (0..facts.len()).filter(|i| facts.at_arrival[*i] == Verdict::Late as u8) {
                let named = Named {
                    input: facts.input[i],
                    partition: facts.partition[i],
                    offset: facts.offset[i],
                };
                let message = self.late(&topic, named)?;
                to(facts.arrival_ms[i], message)?;
            }
        }
        Ok(())
    }

    fn name(&self, named: &Named) -> RecordName {
        RecordName {
            topic: Arc::clone(&self.pipeline.inputs[usize::from(named.input)].topic),
            partition: named.partition,
            offset: named.offset,
        }
    }

    fn of_output(&mut self, output: &Output, named: &[Named]) -> Result<OutMessage, SinkError> {
        let names: Vec<RecordName> = named.iter().map(|n| self.name(n)).collect();
        let records = self.values.records(&names)?;
        let inputs: Vec<u8> = named.iter().map(|n| n.input).collect();
        let which = (output.kind, output.correction);
        let (example, corrects) = example_name(&self.pipeline, which, &inputs, &names);
        let key = match (inputs.first(), records.first()) {
            (Some(input), Some(record)) => self.key(*input, record),
            _ => None,
        };
        let value = match &mut self.avro {
            Some(bodies) => {
                let made = bodies.of(&self.pipeline, &mut self.decoders, output, &inputs, &records);
                made.map_err(|what| SinkError(format!("example {example} as Avro: {what}")))?
            }
            None => self.json(output, &inputs, &records),
        };
        let mut headers = headers(&example, &names, Some(output.epoch));
        headers.extend(corrects.map(|of| header("joinscope.corrects", of)));
        Ok(OutMessage {
            topic: Arc::clone(&self.topic),
            partition: None,
            key,
            value: Some(Bytes::from(value)),
            timestamp: output.time,
            headers,
        })
    }

    fn json(&mut self, output: &Output, inputs: &[u8], records: &[Record]) -> Vec<u8> {
        let mut texts = Vec::with_capacity(records.len());
        for (input, record) in inputs.iter().zip(records) {
            texts.push(self.text(*input, record));
        }
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let mut out = String::with_capacity(bytes + 128);
        // Writing to a String cannot fail.
        let _ = write!(out, "{{\"time\":{},\"value\":{{", output.time);
        // What stands for each input, by its place among the records.
        let places = sides(&self.pipeline, output.kind, inputs, Into::into);
        let text = |place: &Value| {
            let place = place.as_u64().and_then(|at| texts.get(at as usize));
            place.map_or("null", |text| text)
        };
        for (i, (input, place)) in places.iter().enumerate() {
            let _ = write!(out, "{}{}:", if i == 0 { "" } else { "," }, quoted(input));
            if let Value::Array(all) = place {
                for (i, place) in all.iter().enumerate() {
                    out.push(if i == 0 { '[' } else { ',' });
                    out.push_str(text(place));
                }
                out.push_str(if all.is_empty() { "[]" } else { "]" });
            } else {
                out.push_str(text(place));
            }
        }
        out.push('}');
        let labels = self.pipeline.examples.as_ref().map(|x| x.labels.as_slice());
        let labels = labels.filter(|l| !l.is_empty() && output.kind == OutputKind::Example);
        if let Some(labels) = labels {
            for (bit, label) in labels.iter().enumerate() {
                let before = if bit == 0 { ",\"labels\":{" } else { "," };
                let set = output.labels >> bit & 1;
                let _ = write!(out, "{before}{}:{set}", quoted(&label.name));
            }
            out.push('}');
        }
        out.push('}');
        out.into_bytes()
    }

    /// A value as JSON: what is JSON is carried as it came.
    fn text<'r>(&mut self, input: u8, record: &'r Record) -> Cow<'r, str> {
        let json = self.pipeline.inputs[usize::from(input)].format == Format::Json;
        if let Some(value) = record.value.as_ref().filter(|_| json) {
            let whole = serde_json::from_slice::<&RawValue>(value);
            return whole.map_or("null", RawValue::get).into();
        }
        let shown = self.decoders[usize::from(input)].to_json(record);
        shown.unwrap_or(Value::Null).to_string().into()
    }

    /// A late record goes aside as it came.
    fn late(&mut self, topic: &Arc<str>, named: Named) -> Result<OutMessage, SinkError> {
        let name = self.name(&named);
        let record = self.values.records(std::slice::from_ref(&name))?.into_iter().next();
        let record = record.ok_or_else(|| SinkError(format!("{name} is not there any more")))?;
        let key = self.key(named.input, &record);
        let mut all = record.headers;
        all.extend(headers(&name.to_string(), std::slice::from_ref(&name), None));
        Ok(OutMessage {
            topic: Arc::clone(topic),
            partition: None,
            key,
            value: record.value,
            timestamp: record.timestamp.unwrap_or(record.arrival_ns.div_euclid(1_000_000)),
            headers: all,
        })
    }

    fn key(&mut self, input: u8, record: &Record) -> Option<Bytes> {
        match self.decoders[usize::from(input)].decode(record) {
            Decoded::Row(row) => key_text(&row.key),
            Decoded::Failed { .. } => None,
        }
    }
}

fn quoted(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn header(key: &str, value: impl Into<String>) -> Header {
    Header { key: key.to_owned(), value: Some(Bytes::from(value.into())) }
}

fn headers(example: &str, names: &[RecordName], epoch: Option<u64>) -> Vec<Header> {
    let mut records = String::new();
    for (i, name) in names.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(records, "{}{name}", if i == 0 { "" } else { "," });
    }
    let mut headers =
        vec![header("joinscope.example", example), header("joinscope.records", records)];
    headers.extend(epoch.map(|epoch| header("joinscope.epoch", epoch.to_string())));
    headers
}

/// The join key as text: numbers in decimal, strings and bytes as they are.
#[must_use]
pub fn key_text(key: &Key) -> Option<Bytes> {
    match key.value() {
        KeyValue::Null => None,
        KeyValue::Int(n) => Some(Bytes::from(n.to_string())),
        KeyValue::Bool(b) => Some(Bytes::from(b.to_string())),
        KeyValue::String(s) => Some(Bytes::from(s.to_owned())),
        KeyValue::Bytes(b) => Some(Bytes::from(b.to_vec())),
    }
}

/// The name of an example, unique and stable (10-command-line, "What a sink
/// topic gets"), and the one that it corrects. `inputs` and `names` are those
/// of the records behind it, in its own order.
#[must_use]
pub fn example_name(
    pipeline: &Pipeline,
    (kind, correction): (OutputKind, u32),
    inputs: &[u8],
    names: &[RecordName],
) -> (String, Option<String>) {
    match kind {
        OutputKind::Pair => {
            (names.iter().map(ToString::to_string).collect::<Vec<_>>().join("+"), None)
        }
        OutputKind::Pad => (names.first().map(ToString::to_string).unwrap_or_default(), None),
        OutputKind::Example => {
            let primary = inputs.iter().position(|input| *input == pipeline.join.primary);
            let first = primary.and_then(|i| names.get(i)).map(ToString::to_string);
            let first = first.unwrap_or_default();
            match correction {
                0 => (first, None),
                k => (format!("{first}#{k}"), Some(first)),
            }
        }
    }
}

/// What stands for each input in an output's value: the one record, null for a
/// missing side, a list of what was folded. `inputs` are those of the records
/// behind it; `value` gives the i-th one's.
pub fn sides(
    pipeline: &Pipeline,
    kind: OutputKind,
    inputs: &[u8],
    mut value: impl FnMut(usize) -> Value,
) -> Map<String, Value> {
    let mut sides = Map::new();
    for (i, input) in pipeline.inputs.iter().enumerate() {
        let of: Vec<usize> = (0..inputs.len()).filter(|at| usize::from(inputs[*at]) == i).collect();
        let primary = usize::from(pipeline.join.primary) == i;
        let side = if kind == OutputKind::Example && !primary {
            of.into_iter().map(&mut value).collect::<Vec<_>>().into()
        } else if let [one] = of[..] {
            value(one)
        } else if kind == OutputKind::Pair
            || (kind == OutputKind::Pad
                && !primary
                && inputs.first().is_none_or(|input| *input != pipeline.join.primary))
        {
            // A pair has only its two inputs; a secondary's pad its own and the primary.
            continue;
        } else {
            Value::Null
        };
        sides.insert(input.name.to_string(), side);
    }
    sides
}
