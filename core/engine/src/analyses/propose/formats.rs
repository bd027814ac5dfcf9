//! Which format a topic's values have.

use serde_json::Value;

use crate::edges::recording::Recording;
use crate::operator::codec::{InputDecoder, SchemaSource as _};
use crate::operator::pipeline::{Format, Pipeline};
use crate::operator::record::Record;

/// What the values of a topic look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    Json,
    /// Confluent framing with an Avro schema that the recording has.
    AvroRegistry,
    /// Confluent framing, but the recording lacks the schemas.
    FramedWithoutSchema,
    /// Confluent framing with a schema that is not Avro.
    OtherSchema,
    /// Nothing that this version reads by itself; plain Avro would need a schema.
    Unknown,
}

impl Looks {
    pub fn format(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::AvroRegistry | Self::FramedWithoutSchema | Self::OtherSchema => {
                Format::AvroRegistry
            }
            Self::Unknown => Format::Avro,
        }
    }
}

/// Reads whole values of a topic, whatever their format.
pub(super) struct Readers {
    json: Option<InputDecoder>,
    avro: Option<InputDecoder>,
}

impl Readers {
    pub fn new(recording: &Recording) -> Self {
        let decoder = |format: &str| {
            let input = |name: &str| {
                format!(
                    "[inputs.{name}]\ntopic = \"{name}\"\nformat = \"{format}\"\nkey = \"$key\"\nevent_time = \"$timestamp\"\n"
                )
            };
            let text = format!(
                "{}{}[join]\nprimary = \"a\"\nwith.b = {{ until = \"0s\" }}\n",
                input("a"),
                input("b")
            );
            let pipeline = Pipeline::parse(&text, "").ok()?;
            InputDecoder::new(&pipeline, 0, recording.schemas()).ok()
        };
        Self { json: decoder("json"), avro: decoder("avro-registry") }
    }

    /// The value as JSON and what it looks like.
    pub fn read(&mut self, record: &Record, recording: &Recording) -> (Looks, Option<Value>) {
        let Some(bytes) = &record.value else { return (Looks::Unknown, None) };
        if let Some(Ok(value)) = self.json.as_mut().map(|d| d.to_json(record))
            && value.is_object()
        {
            return (Looks::Json, Some(value));
        }
        if let [0, a, b, c, d, _, ..] = bytes[..] {
            let id = u32::from_be_bytes([a, b, c, d]);
            match recording.schemas().by_id(id) {
                None => return (Looks::FramedWithoutSchema, None),
                Some(schema) if schema.kind.unread().is_some() => {
                    return (Looks::OtherSchema, None);
                }
                Some(_) => {}
            }
            if let Some(Ok(value)) = self.avro.as_mut().map(|d| d.to_json(record)) {
                return (Looks::AvroRegistry, Some(value));
            }
        }
        (Looks::Unknown, None)
    }
}
