//! What a sink topic gets (10-command-line): outputs as messages.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use smallvec::SmallVec;

use super::Values;
use super::avro::Bodies;
use super::naming::{
    Side, each_side, example_name, key_text, put_example, put_key, put_names, put_number,
};
use super::piece::{Draft, Piece};
use crate::edges::log::OutMessage;
use crate::engine::step::{Named, Output, OutputKind, SinkError, Step};
use crate::operator::codec::{Decoded, InputDecoder, SchemaSource};
use crate::operator::key::Key;
use crate::operator::pipeline::{Format, LatePolicy, Pipeline, Sink, SinkFormat};
use crate::operator::record::{Header, Record, RecordName};
use crate::operator::verdict::Verdict;

const EXAMPLE: &str = "joinscope.example";
const RECORDS: &str = "joinscope.records";

/// Makes messages of a step's outputs.
pub struct Messages {
    pipeline: Arc<Pipeline>,
    topic: Arc<str>,
    late_topic: Option<Arc<str>>,
    /// By input: its topic, and its name as JSON writes it, with the colon.
    topics: Vec<Arc<str>>,
    names: Vec<String>,
    decoders: Vec<InputDecoder>,
    values: Box<dyn Values>,
    /// `None`: as JSON.
    avro: Option<Bodies>,
}

/// Where the outputs go.
///
/// # Errors
/// The pipeline does not say, or it reads what it writes.
pub fn sink_of(pipeline: &Pipeline) -> Result<&Sink, String> {
    let sink = pipeline.sink.as_ref().ok_or_else(|| {
        "the pipeline has no [sink]: name the topic that the outputs go to, \
         such as [sink] topic = \"examples\" format = \"json\""
            .to_owned()
    })?;
    for topic in Messages::topics(pipeline) {
        if let Some(input) = pipeline.inputs.iter().find(|input| *input.topic == *topic) {
            return Err(format!(
                "[sink] writes topic \"{topic}\", which input \"{}\" reads: what is written \
                 would come back as input, without end; name another topic",
                input.name
            ));
        }
    }
    Ok(sink)
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
            // Of its own: what threads share costs each of them.
            topics: pipeline.inputs.iter().map(|input| (*input.topic).into()).collect(),
            names: pipeline.inputs.iter().map(|i| format!("{}:", quoted(&i.name))).collect(),
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
        // Of the output at hand, each decoded where the one before it lay.
        let mut records = Vec::new();
        let mut piece = Piece::default();
        for output in &step.outputs {
            let (own, rest) = named.split_at(output.records.len().min(named.len()));
            named = rest;
            let now_ms = when(output.at).unwrap_or(output.time);
            let made = self.of_output(output, own, now_ms, &mut records, &mut piece);
            if made.is_err() || piece.is_full() {
                piece.give(&mut to)?;
            }
            made?;
        }
        piece.give(&mut to)?;
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
            topic: Arc::clone(&self.topics[usize::from(named.input)]),
            partition: named.partition,
            offset: named.offset,
        }
    }

    fn of_output(
        &mut self,
        output: &Output,
        named: &[Named],
        now_ms: i64,
        records: &mut Vec<Record>,
        piece: &mut Piece,
    ) -> Result<(), SinkError> {
        records.resize_with(named.len(), Record::default);
        let names: SmallVec<[RecordName; 2]> = named.iter().map(|n| self.name(n)).collect();
        let inputs: SmallVec<[u8; 8]> = named.iter().map(|n| n.input).collect();
        for (name, record) in names.iter().zip(&mut *records) {
            self.values.record(name, record)?;
        }
        let records: &[Record] = records;
        let which = (output.kind, output.correction);
        let key = match (inputs.first(), records.first()) {
            (Some(input), Some(record)) => self.key(*input, record),
            _ => None,
        };
        let key = key.and_then(|key| match piece.part(|out| put_key(out, &key)) {
            (at, true) => Some(at),
            (_, false) => None,
        });
        let value = match &mut self.avro {
            Some(bodies) => {
                let made = bodies.of(&self.pipeline, &mut self.decoders, output, &inputs, records);
                let made = made.map_err(|what| {
                    let (example, _) = example_name(&self.pipeline, which, &inputs, &names);
                    SinkError(format!("example {example} as Avro: {what}"))
                })?;
                piece.part(|out| out.extend_from_slice(&made)).0
            }
            None => piece.part(|out| self.json(output, &inputs, records, out)).0,
        };
        let (example, first) =
            piece.part(|out| put_example(out, &self.pipeline, which, &inputs, &names));
        let (records, ()) = piece.part(|out| put_names(out, &names, b','));
        let (epoch, ()) = piece.part(|out| put_number(out, output.epoch));
        let corrects = first.map(|first| example.start..example.start + first);
        let mut headers: SmallVec<[_; 4]> = SmallVec::new();
        headers.push((EXAMPLE, example));
        headers.push((RECORDS, records));
        headers.push(("joinscope.epoch", epoch));
        headers.extend(corrects.map(|first| ("joinscope.corrects", first)));
        piece.add(Draft {
            now_ms,
            topic: Arc::clone(&self.topic),
            key,
            value,
            timestamp: output.time,
            headers,
        });
        Ok(())
    }

    fn json(&mut self, output: &Output, inputs: &[u8], records: &[Record], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":");
        put_number(out, output.time);
        out.extend_from_slice(b",\"value\":{");
        let pipeline = Arc::clone(&self.pipeline);
        let mut any = false;
        each_side(&pipeline, output.kind, inputs, |input, side| {
            if std::mem::replace(&mut any, true) {
                out.push(b',');
            }
            out.extend_from_slice(self.names[input].as_bytes());
            let mut put = |at: usize, out: &mut Vec<u8>| match records.get(at) {
                Some(record) => self.text(inputs[at], record, out),
                None => out.extend_from_slice(b"null"),
            };
            match side {
                Side::One(at) => put(at, out),
                Side::Missing => out.extend_from_slice(b"null"),
                Side::Folded(all) => {
                    out.push(b'[');
                    for (i, at) in all.into_iter().enumerate() {
                        if i > 0 {
                            out.push(b',');
                        }
                        put(at, out);
                    }
                    out.push(b']');
                }
            }
        });
        out.push(b'}');
        let labels = pipeline.examples.as_ref().map(|x| x.labels.as_slice());
        let labels = labels.filter(|l| !l.is_empty() && output.kind == OutputKind::Example);
        if let Some(labels) = labels {
            for (bit, label) in labels.iter().enumerate() {
                out.extend_from_slice(if bit == 0 { b",\"labels\":{" } else { b"," });
                out.extend_from_slice(quoted(&label.name).as_bytes());
                out.extend_from_slice(if output.labels >> bit & 1 == 1 { b":1" } else { b":0" });
            }
            out.push(b'}');
        }
        out.push(b'}');
    }

    /// A value as JSON. What is JSON is carried as it came, without the space
    /// around it: that it is JSON throughout was seen when its row was decoded.
    fn text(&mut self, input: u8, record: &Record, out: &mut Vec<u8>) {
        let json = self.pipeline.inputs[usize::from(input)].format == Format::Json;
        if let Some(value) = record.value.as_ref().filter(|_| json) {
            out.extend_from_slice(value.trim_ascii());
            return;
        }
        let shown = self.decoders[usize::from(input)].to_json(record);
        out.extend_from_slice(shown.unwrap_or(Value::Null).to_string().as_bytes());
    }

    /// A late record goes aside as it came.
    fn late(&mut self, topic: &Arc<str>, named: Named) -> Result<OutMessage, SinkError> {
        let name = self.name(&named);
        let mut record = Record::default();
        self.values.record(&name, &mut record)?;
        let key = self.key(named.input, &record).and_then(|key| key_text(&key));
        let mut headers = record.headers;
        let name = Bytes::from(name.to_string());
        headers.extend([EXAMPLE, RECORDS].map(|key| header(key, name.clone())));
        Ok(OutMessage {
            topic: Arc::clone(topic),
            partition: None,
            key,
            value: record.value,
            timestamp: record.timestamp.unwrap_or(record.arrival_ns.div_euclid(1_000_000)),
            headers,
        })
    }

    fn key(&mut self, input: u8, record: &Record) -> Option<Key> {
        match self.decoders[usize::from(input)].decode(record) {
            Decoded::Row(row) => Some(row.key),
            Decoded::Failed { .. } => None,
        }
    }
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn header(key: &'static str, value: Bytes) -> Header {
    Header { key: key.into(), value: Some(value) }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::engine::step::Facts;
    use crate::operator::codec::NoSchemas;
    use crate::operator::record::TimestampType;

    /// Gives every record back: its value tells its name, with space around it.
    struct Told;

    impl Values for Told {
        fn record(&mut self, name: &RecordName, into: &mut Record) -> Result<(), SinkError> {
            if name.offset == 404 {
                return Err(SinkError(format!("{name} is gone")));
            }
            let value = format!(" \t{{\"k\": \"é{}\", \"t\":5}}\r\n", name.offset % 10);
            *into = Record {
                arrival: 0,
                arrival_ns: 7_000_000,
                source: 0,
                offset: name.offset,
                timestamp: Some(77),
                timestamp_type: TimestampType::Create,
                leader_epoch: None,
                key: None,
                value: (name.offset != 13).then(|| value.into()),
                headers: vec![
                    header("own", "h".into()),
                    header("own", "i".into()),
                    Header { key: "none".into(), value: None },
                ],
            };
            Ok(())
        }
    }

    fn messages(more: &str) -> Messages {
        let input = |name: &str| {
            format!(
                "[inputs.{name}]\ntopic = \"{name}-topic\"\nformat = \"json\"\nkey = \"k\"\n\
                 event_time = {{ field = \"t\", unit = \"ms\" }}\n\
                 watermark = {{ max_out_of_orderness = \"1s\" }}\n"
            )
        };
        let text = format!(
            "name = \"p\"\n{}{}[join]\nprimary = \"a\"\n\
             with.b = {{ after = \"0s\", until = \"1s\" }}\n{more}\
             [sink]\ntopic = \"out\"\nformat = \"json\"\n{}",
            input("a"),
            input("b"),
            if more.contains("side-output") { "late_topic = \"aside\"\n" } else { "" },
        );
        let pipeline = Arc::new(Pipeline::parse(&text, "p.toml").unwrap());
        let schemas: Arc<dyn SchemaSource + Send + Sync> = Arc::new(NoSchemas);
        Messages::new(pipeline, &schemas, Box::new(Told), 0).unwrap()
    }

    fn output(kind: OutputKind, rows: u64, (labels, correction): (u64, u32)) -> Output {
        let records = (0..rows).collect();
        Output { n: 0, at: 3, epoch: 12, time: -5, kind, records, labels, correction }
    }

    fn named(input: u8, offset: i64) -> Named {
        Named { input, partition: 2, offset }
    }

    /// Time, topic, key, value and headers of each.
    fn told(messages: &mut Messages, step: &Step) -> (Vec<String>, Option<String>) {
        let text = |bytes: &Option<Bytes>| match bytes {
            Some(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            None => "null".to_owned(),
        };
        let mut all = Vec::new();
        let done = messages.of_step(step, |now_ms, m| {
            let headers: Vec<String> =
                m.headers.iter().map(|h| format!("{}={}", h.key, text(&h.value))).collect();
            let (key, value) = (text(&m.key), text(&m.value));
            let timestamp = m.timestamp;
            let headers = headers.join(" ").replace("joinscope.", "");
            all.push(format!("{now_ms} {} {key} {value} {timestamp} {headers}", m.topic));
            Ok(())
        });
        (all, done.err().map(|e| e.0))
    }

    #[test]
    fn pairs_and_pads_and_what_was_late_as_the_command_line_says() {
        let mut messages = messages("kind = \"full\"\nlate = \"side-output\"\n");
        let step = Step {
            facts: Facts {
                arrival: vec![2, 3, 4],
                arrival_ms: vec![20, 30, 40],
                input: vec![0, 1, 1],
                partition: vec![2; 3],
                offset: vec![1, 2, 13],
                at_arrival: vec![0, Verdict::Open as u8, Verdict::Late as u8],
                ..Facts::default()
            },
            outputs: vec![
                output(OutputKind::Pair, 2, (0, 0)),
                output(OutputKind::Pad, 1, (0, 0)),
                output(OutputKind::Pad, 1, (0, 0)),
            ],
            named: vec![named(0, 11), named(1, 22), named(0, 33), named(1, 44)],
            ..Step::default()
        };
        let value = |n| format!("{{\"k\": \"é{n}\", \"t\":5}}");
        let expected = [
            format!(
                "30 out é1 {{\"time\":-5,\"value\":{{\"a\":{},\"b\":{}}}}} -5 \
                 example=a-topic[2]@11+b-topic[2]@22 records=a-topic[2]@11,b-topic[2]@22 epoch=12",
                value(1),
                value(2)
            ),
            format!(
                "30 out é3 {{\"time\":-5,\"value\":{{\"a\":{},\"b\":null}}}} -5 \
                 example=a-topic[2]@33 records=a-topic[2]@33 epoch=12",
                value(3)
            ),
            format!(
                "30 out é4 {{\"time\":-5,\"value\":{{\"a\":null,\"b\":{}}}}} -5 \
                 example=b-topic[2]@44 records=b-topic[2]@44 epoch=12",
                value(4)
            ),
            "40 aside null null 77 own=h own=i none=null example=b-topic[2]@13 \
             records=b-topic[2]@13"
                .to_owned(),
        ];
        assert_eq!(told(&mut messages, &step), (expected.to_vec(), None));
    }

    #[test]
    fn an_example_folds_has_labels_and_names_what_it_corrects() {
        let mut messages = messages(
            "[examples]\nemit = \"early-and-correct\"\n\
             labels = { hit = \"b.t = 5\" }\n",
        );
        let mut first = output(OutputKind::Example, 1, (0, 0));
        first.records = smallvec![0];
        let step = Step {
            outputs: vec![first, output(OutputKind::Example, 3, (1, 2))],
            named: vec![named(0, 11), named(0, 11), named(1, 22), named(1, 25)],
            ..Step::default()
        };
        let value = |n| format!("{{\"k\": \"é{n}\", \"t\":5}}");
        let expected = [
            format!(
                "-5 out é1 {{\"time\":-5,\"value\":{{\"a\":{},\"b\":[]}},\"labels\":{{\"hit\":0}}}} \
                 -5 example=a-topic[2]@11 records=a-topic[2]@11 epoch=12",
                value(1)
            ),
            format!(
                "-5 out é1 {{\"time\":-5,\"value\":{{\"a\":{},\"b\":[{},{}]}},\
                 \"labels\":{{\"hit\":1}}}} -5 example=a-topic[2]@11#2 \
                 records=a-topic[2]@11,b-topic[2]@22,b-topic[2]@25 epoch=12 corrects=a-topic[2]@11",
                value(1),
                value(2),
                value(5)
            ),
        ];
        assert_eq!(told(&mut messages, &step), (expected.to_vec(), None));
    }

    #[test]
    fn many_come_in_their_order_and_what_is_gone_ends_them_there() {
        let mut messages = messages("");
        let n = 5_000;
        let mut step = Step {
            outputs: (0..n).map(|_| output(OutputKind::Pad, 1, (0, 0))).collect(),
            named: (0..n).map(|i| named(0, 1_000 + i)).collect(),
            ..Step::default()
        };
        let (all, error) = told(&mut messages, &step);
        assert_eq!((all.len() as i64, error), (n, None));
        for (i, line) in all.iter().enumerate() {
            assert!(line.contains(&format!("records=a-topic[2]@{} ", 1_000 + i)), "{i}: {line}");
        }
        step.named[4_321].offset = 404;
        let (some, error) = told(&mut messages, &step);
        assert_eq!((some.len(), error.as_deref()), (4_321, Some("a-topic[2]@404 is gone")));
        assert_eq!(some, all[..4_321]);
    }
}
