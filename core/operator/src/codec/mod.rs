//! From a record's bytes to what the join needs of it: event time, key, whether
//! the input's `where` keeps it, and which labels it satisfies. Only those
//! fields are extracted; payload bytes are carried, not rebuilt.
//!
//! The checks come in the order of 3-semantics, step 2; the first that fails is
//! the verdict: `tombstone`, `undecodable`, `untimed`, `filtered`, `unkeyed`.
//!
//! What the formats mean here:
//! - A whole record is read before it is believed: bytes after its end, text
//!   that is not UTF-8, a length that lies make it `undecodable`, also in fields
//!   that the join does not need. JSON may nest as deep as it likes, Avro 256 levels.
//! - JSON: where a name stands twice, the last one counts. Integers within
//!   64 bits are integer keys; all other numbers are no keys.
//! - Event times are numbers in the pipeline's unit, or RFC 3339 texts; a
//!   fraction is cut towards the past. Where an Avro schema says
//!   `timestamp-millis`, `-micros` or `-nanos` (also `local-`), the schema's unit
//!   counts, since the writer knew; a plain int or long has the pipeline's unit.
//! - Avro enums are texts, `bytes` and `fixed` are bytes, maps are taken for
//!   objects; a union is whatever its branch is.

mod avro;
mod decoder;
mod failure;
mod framing;
#[doc(hidden)]
pub mod fuzz;
mod json;
mod needs;
mod plain;
#[cfg(test)]
mod tests;
mod value;

pub use avro::{branch_of, parse_schema};
pub use decoder::{InputDecoder, Probe, Shown};
pub use framing::SchemaRef;

use crate::key::Key;
use crate::record::Arrival;
use crate::verdict::Verdict;

/// What decoding found in one record for one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The record may reach the join.
    Row(DecodedRow),
    /// The first check that failed (3-semantics, step 2): `Tombstone`,
    /// `Undecodable`, `Untimed`, `Filtered` or `Unkeyed`.
    /// `event_time` is there from `Filtered` on: those two still move the
    /// event-time watermark and count as activity.
    Failed { verdict: Verdict, event_time: Option<i64> },
}

/// A decoded row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedRow {
    /// Milliseconds since the Unix epoch.
    pub event_time: i64,
    /// [`crate::key::KeyValue::Null`] only under a released semantics.
    pub key: Key,
    /// The record's value is null; only under `kafka-streams`.
    pub null_value: bool,
    /// Bit `i`: satisfies `examples.labels[i]`.
    pub labels: u64,
}

/// The language of a registry's schema (its `schemaType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaKind {
    #[default]
    Avro,
    /// Not decoded.
    Protobuf,
    /// Not decoded.
    JsonSchema,
}

impl SchemaKind {
    /// Of a registry's `schemaType`, which leaves Avro out.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "PROTOBUF" => Self::Protobuf,
            "JSON" => Self::JsonSchema,
            // What is neither is refused as the Avro that it is not.
            _ => Self::Avro,
        }
    }

    /// Why values behind such a schema are not decoded, and what to do; `None`:
    /// they are.
    #[must_use]
    pub fn unread(self) -> Option<&'static str> {
        match self {
            Self::Avro => None,
            Self::Protobuf => Some(
                "is Protobuf, which this version does not decode: leave the topic out, or join a copy of it in Avro or JSON",
            ),
            Self::JsonSchema => Some(
                "is a JSON Schema, and JSON in Confluent's framing is not decoded: leave the topic out, or join a copy of it in Avro or unframed JSON",
            ),
        }
    }
}

/// A schema as a registry or a recording keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaText {
    pub kind: SchemaKind,
    pub text: String,
    /// Texts of the schemas that it refers to, and those that they refer to.
    pub references: Vec<String>,
    /// The first record that it counts for. A live run took those before it in without
    /// it, and a replay is to decode what the live run did.
    pub from: Arrival,
}

/// Where writer schemas come from.
pub trait SchemaSource {
    /// The schema of a Confluent id; `None`: it is not known.
    fn by_id(&self, id: u32) -> Option<SchemaText>;

    /// The schema with a GUID ([`SchemaRef::Guid`]); `None`: it is not known.
    fn by_guid(&self, guid: SchemaRef) -> Option<SchemaText> {
        let _ = guid;
        None
    }

    /// The schema that a record names.
    fn named(&self, name: SchemaRef) -> Option<SchemaText> {
        match name {
            SchemaRef::Id(id) => self.by_id(id),
            SchemaRef::Guid(_) => self.by_guid(name),
        }
    }

    /// The schema of the plain Avro bodies of a topic, where the source knows
    /// one; the input's own `schema` file goes before it.
    fn for_topic(&self, topic: &str) -> Option<SchemaText> {
        let _ = topic;
        None
    }
}

/// A source without schemas.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSchemas;

impl SchemaSource for NoSchemas {
    fn by_id(&self, _: u32) -> Option<SchemaText> {
        None
    }
}

/// An input that cannot be decoded at all; says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("input \"{input}\": {what}")]
pub struct CodecError {
    pub input: String,
    pub what: String,
}
