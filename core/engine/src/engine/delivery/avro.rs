//! Outputs as Avro (`sink.format = "avro-registry"`): one schema, made from the
//! inputs' own, and bodies in Confluent's framing.
//!
//! A record of `time`, `value` and, where the pipeline folds, `labels`. In
//! `value` each input is null or its record; a folded secondary is a list. An
//! input whose pipeline names an Avro schema has that schema's record; one
//! without (JSON, or ids of a registry alone) has its JSON as a string.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use apache_avro::Schema;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::naming::sides;
use super::rewrite::Written;
use crate::engine::step::{Output, OutputKind};
use crate::operator::codec::{InputDecoder, SchemaRef, SchemaSource};
use crate::operator::pipeline::{Format, Input, Pipeline};
use crate::operator::record::Record;

/// The schema of a pipeline's outputs.
///
/// # Errors
/// Two inputs define one name differently, or a schema cannot be read.
pub fn output_schema(pipeline: &Pipeline) -> Result<String, String> {
    let name = avro_name(&pipeline.name);
    let mut defined = BTreeMap::new();
    let mut fields = Vec::new();
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for (i, input) in pipeline.inputs.iter().enumerate() {
        let of = match own(input) {
            None => json!("string"),
            Some(text) => {
                let schema = serde_json::from_str(text)
                    .map_err(|e| format!("input \"{}\": its schema: {e}", input.name))?;
                embed(schema, "", &mut defined)
                    .map_err(|what| format!("input \"{}\": {what}", input.name))?
            }
        };
        let field = avro_name(&input.name);
        if let Some(other) = names.insert(field.clone(), &input.name) {
            return Err(format!(
                "inputs \"{other}\" and \"{}\" have one name in Avro ({field}): rename one",
                input.name
            ));
        }
        let folded = pipeline.folds() && usize::from(pipeline.join.primary) != i;
        fields.push(if folded {
            json!({"name": field, "type": {"type": "array", "items": of}, "default": []})
        } else {
            json!({"name": field, "type": ["null", of], "default": null})
        });
    }
    let mut all = vec![
        json!({"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}}),
        json!({"name": "value", "type":
            {"type": "record", "name": format!("{name}_value"), "fields": fields}}),
    ];
    let labels = pipeline.examples.iter().flat_map(|examples| &examples.labels);
    let labels: Vec<Value> =
        labels.map(|label| json!({"name": avro_name(&label.name), "type": "int"})).collect();
    if !labels.is_empty() {
        let of = json!({"type": "record", "name": format!("{name}_labels"), "fields": labels});
        all.push(json!({"name": "labels", "type": ["null", of], "default": null}));
    }
    let text = json!({"type": "record", "name": format!("{name}_output"), "fields": all});
    let text = text.to_string();
    Schema::parse_str(&text).map_err(|e| format!("the schema of the outputs: {e}"))?;
    Ok(text)
}

/// The schema that the pipeline itself names for an input.
fn own(input: &Input) -> Option<&str> {
    let named = input.schema.as_ref().and_then(|schema| schema.text.as_deref());
    named.filter(|_| input.format != Format::Json)
}

/// Letters, digits and underscores.
fn avro_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let text: String = name.chars().map(plain).collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("_{text}") } else { text }
}

/// A schema as part of another, where a name may be defined only once.
fn embed(
    schema: Value,
    namespace: &str,
    defined: &mut BTreeMap<String, Value>,
) -> Result<Value, String> {
    let mut object = match schema {
        Value::Array(union) => {
            let of = union.into_iter().map(|schema| embed(schema, namespace, defined));
            return of.collect::<Result<Vec<_>, _>>().map(Value::Array);
        }
        Value::Object(object) => object,
        name => return Ok(name),
    };
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut space = namespace.to_owned();
    if matches!(text("type").as_deref(), Some("record" | "error" | "enum" | "fixed")) {
        let name = text("name").unwrap_or_default();
        space = match (name.rsplit_once('.'), text("namespace")) {
            (Some((space, _)), _) => space.to_owned(),
            (None, Some(space)) => space,
            (None, None) => space,
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        let full = if space.is_empty() { last.to_owned() } else { format!("{space}.{last}") };
        let definition = Value::Object(object.clone());
        match defined.get(&full) {
            Some(known) if *known == definition => return Ok(full.into()),
            Some(_) => {
                return Err(format!(
                    "its schema defines {full} otherwise than that of an input before it does: \
                     rename one of them"
                ));
            }
            None => defined.insert(full, definition),
        };
    }
    for key in ["type", "items", "values"] {
        if let Some(inner) = object.get_mut(key) {
            *inner = embed(inner.take(), &space, defined)?;
        }
    }
    for field in object.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(inner) = field.get_mut("type") {
            *inner = embed(inner.take(), &space, defined)?;
        }
    }
    Ok(Value::Object(object))
}

/// How an input's record becomes its part of a body.
enum Side {
    /// Its JSON, as a string.
    Text,
    /// Its bytes, as they are.
    Body,
    /// Under the reader's schema, whatever it was written under.
    Read(Box<Schema>, HashMap<SchemaRef, Result<Written, String>>),
}

/// Makes bodies of outputs.
pub(super) struct Bodies {
    sides: Vec<Side>,
    schemas: Arc<dyn SchemaSource + Send + Sync>,
    id: u32,
}

impl Bodies {
    /// `id`: the schema's in the registry.
    ///
    /// # Errors
    /// As [`output_schema`].
    pub fn new(
        pipeline: &Pipeline,
        schemas: Arc<dyn SchemaSource + Send + Sync>,
        id: u32,
    ) -> Result<Self, String> {
        output_schema(pipeline)?;
        let side = |input: &Input| match (own(input), input.format) {
            (None, _) | (_, Format::Json) => Ok(Side::Text),
            (Some(_), Format::Avro) => Ok(Side::Body),
            (Some(text), Format::AvroRegistry) => {
                let schema = Schema::parse_str(text).map_err(|e| e.to_string())?;
                Ok(Side::Read(Box::new(schema), HashMap::new()))
            }
        };
        let sides = pipeline.inputs.iter().map(side).collect::<Result<_, String>>()?;
        Ok(Self { sides, schemas, id })
    }

    /// The framed body of an output; `inputs` and `records` are those behind it.
    ///
    /// # Errors
    /// A record is not of its schema.
    pub fn of(
        &mut self,
        pipeline: &Pipeline,
        decoders: &mut [InputDecoder],
        output: &Output,
        inputs: &[u8],
        records: &[Record],
    ) -> Result<Vec<u8>, String> {
        let mut body = vec![0];
        body.extend(self.id.to_be_bytes());
        long(&mut body, output.time);
        let places = sides(pipeline, output.kind, inputs, Into::into);
        for (i, input) in pipeline.inputs.iter().enumerate() {
            let place = places.get(&*input.name).unwrap_or(&Value::Null);
            let folded = pipeline.folds() && usize::from(pipeline.join.primary) != i;
            let at: Vec<usize> = match place {
                Value::Array(all) => all.iter().filter_map(position).collect(),
                one => position(one).into_iter().collect(),
            };
            if folded {
                if !at.is_empty() {
                    long(&mut body, at.len() as i64);
                }
            } else {
                long(&mut body, i64::from(!at.is_empty()));
            }
            for record in at.into_iter().filter_map(|at| records.get(at)) {
                self.record(i, &mut decoders[i], record, &mut body)
                    .map_err(|what| format!("input \"{}\": {what}", input.name))?;
            }
            if folded {
                long(&mut body, 0);
            }
        }
        let labels = pipeline.examples.as_ref().map_or(&[][..], |examples| &examples.labels);
        if !labels.is_empty() {
            let has = output.kind == OutputKind::Example;
            long(&mut body, has.into());
            for bit in (0..labels.len()).filter(|_| has) {
                long(&mut body, i64::from(output.labels >> bit & 1 == 1));
            }
        }
        Ok(body)
    }

    fn record(
        &mut self,
        input: usize,
        decoder: &mut InputDecoder,
        record: &Record,
        body: &mut Vec<u8>,
    ) -> Result<(), String> {
        let value = record.value.as_deref().unwrap_or_default();
        match &mut self.sides[input] {
            Side::Text => {
                let shown = decoder.to_json(record).map(|json| json.to_string());
                let text = shown.or_else(|why| as_it_came(value).ok_or(why))?;
                long(body, text.len() as i64);
                body.extend(text.as_bytes());
            }
            Side::Body => body.extend(value),
            Side::Read(reader, written) => {
                let (name, bytes) =
                    SchemaRef::of(record).ok_or("a record without Confluent's framing")?;
                let reader: &Schema = reader;
                let schemas = &*self.schemas;
                let writer = || Written::of(schemas, name, reader);
                let written = written.entry(name).or_insert_with(writer);
                let written = written.as_ref().map_err(Clone::clone)?;
                body.extend_from_slice(&written.read(bytes, reader)?);
            }
        }
        Ok(())
    }
}

/// A value that is JSON, though none that can be taken apart: it nests too deep, or half
/// of a pair of escapes stands in it. The join needs no such field.
fn as_it_came(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Some(text.trim_ascii().to_owned())
}

fn position(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|at| usize::try_from(at).ok())
}

/// Avro's long: zigzag, then seven bits a byte. Unions, lists and texts begin so.
fn long(body: &mut Vec<u8>, n: i64) {
    let mut left = (n << 1 ^ n >> 63).cast_unsigned();
    while left > 0x7f {
        body.push(left as u8 | 0x80);
        left >>= 7;
    }
    body.push(left as u8);
}

#[cfg(test)]
mod tests {
    use apache_avro::reader::datum::GenericDatumReader;

    use super::*;
    use crate::operator::codec::{Decoded, NoSchemas};
    use crate::operator::pipeline::SchemaFile;

    fn pipeline(folds: bool) -> Pipeline {
        let examples = if folds {
            "[examples]\nemit = \"on-close\"\nlabels = { liked = \"likes.n = 1\" }\n"
        } else {
            ""
        };
        let text = format!(
            "name = \"a feed\"\n\
             [inputs.views]\ntopic = \"v\"\nformat = \"avro\"\nschema = \"v.avsc\"\nkey = \"k\"\n\
             event_time = {{ field = \"t\", unit = \"ms\" }}\n\
             watermark = {{ max_out_of_orderness = \"1s\" }}\n\
             [inputs.likes]\ntopic = \"l\"\nformat = \"json\"\nkey = \"k\"\n\
             event_time = {{ field = \"t\", unit = \"ms\" }}\n\
             watermark = {{ max_out_of_orderness = \"1s\" }}\n\
             [join]\nprimary = \"views\"\nwith.likes = {{ after = \"0s\", until = \"1s\" }}\n\
             kind = \"left\"\n{examples}[sink]\ntopic = \"out\"\nformat = \"avro-registry\"\n"
        );
        let mut pipeline = Pipeline::parse(&text, "p.toml").unwrap();
        let view = r#"{"type":"record","name":"View","namespace":"feed","fields":[
            {"name":"k","type":"string"},{"name":"t","type":"long"}]}"#;
        let (path, text) = ("v.avsc".to_owned(), Some(view.to_owned()));
        pipeline.inputs[0].schema = Some(SchemaFile { path, text });
        pipeline
    }

    #[test]
    fn the_schema_is_made_of_the_inputs_own() {
        let schema: Value = serde_json::from_str(&output_schema(&pipeline(true)).unwrap()).unwrap();
        assert_eq!(schema["name"], "a_feed_output");
        let value = &schema["fields"][1]["type"]["fields"];
        assert_eq!(value[0]["type"][1]["name"], "View");
        assert_eq!(value[1]["type"]["items"], "string");
        assert_eq!(schema["fields"][2]["type"][1]["fields"][0]["name"], "liked");
        assert_eq!(output_schema(&pipeline(false)).unwrap().matches("labels").count(), 0);
    }

    #[test]
    fn a_name_is_defined_once_and_differently_never() {
        let mut same = pipeline(false);
        same.inputs[1].schema = same.inputs[0].schema.clone();
        same.inputs[1].format = Format::Avro;
        let schema = output_schema(&same).unwrap();
        assert_eq!(schema.matches("\"fields\"").count(), 3, "{schema}");
        assert!(schema.contains("\"feed.View\""), "{schema}");
        let other = r#"{"type":"record","name":"feed.View","fields":[]}"#;
        same.inputs[1].schema.as_mut().unwrap().text = Some(other.to_owned());
        let error = output_schema(&same).unwrap_err();
        assert!(error.contains("\"likes\"") && error.contains("feed.View"), "{error}");
    }

    #[test]
    fn json_that_cannot_be_taken_apart_is_carried_as_it_came() {
        let pipeline = pipeline(false);
        let schemas: Arc<dyn SchemaSource + Send + Sync> = Arc::new(NoSchemas);
        let mut bodies = Bodies::new(&pipeline, Arc::clone(&schemas), 7).unwrap();
        let mut decoder = InputDecoder::new(&pipeline, 1, schemas).unwrap();
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for field in [deep, r#""\ud800""#.to_owned()] {
            let text = format!("{{\"k\":\"a\",\"t\":5,\"x\":{field}}}");
            let record = Record { value: Some(format!(" {text}\n").into()), ..Record::default() };
            assert!(matches!(decoder.decode(&record), Decoded::Row(_)), "{text}");
            let mut body = Vec::new();
            bodies.record(1, &mut decoder, &record, &mut body).unwrap();
            assert!(body.ends_with(text.as_bytes()), "{text}");
        }
        assert_eq!(as_it_came(b"\0\0\0\0\x07k"), None);
    }

    #[test]
    fn longs_are_avro_s() {
        let all = [0, 1, -1, 63, -64, 64, -65, 1_700_000_000_123, i64::MAX, i64::MIN];
        let long_schema = Schema::parse_str("\"long\"").unwrap();
        for n in all {
            let mut body = Vec::new();
            long(&mut body, n);
            let read = GenericDatumReader::builder(&long_schema).build().unwrap();
            let value = read.read_value(&mut &body[..]).unwrap();
            assert_eq!(value, apache_avro::types::Value::Long(n));
        }
    }
}
