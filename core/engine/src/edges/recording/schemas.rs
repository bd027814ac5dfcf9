//! The schemas that a recording carries, so that it replays offline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::operator::codec::{SchemaKind, SchemaRef, SchemaSource, SchemaText};
use crate::operator::record::Arrival;

/// A schema of a registry, as a recording keeps it: an attachment
/// `joinscope/schema/ID` whose content is this as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSchema {
    /// The registry's id (Confluent framing).
    pub id: u32,
    /// "AVRO", "PROTOBUF" or "JSON".
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: String,
    /// All that it refers to and all that those refer to, each after what it
    /// refers to itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<SchemaReference>,
    /// Confluent's GUID, where the registry gives one (framing by header).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// The first record that it counts for; more than 0 in the arrival log of a live run,
    /// which took those before it in without it.
    #[serde(default, skip_serializing_if = "is_first")]
    pub from: Arrival,
}

fn is_first<A: Default + PartialEq>(arrival: &A) -> bool {
    *arrival == A::default()
}

/// A schema that another one refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaReference {
    /// The name by which the other refers to it.
    pub name: String,
    pub subject: String,
    pub version: u32,
    /// Its text, so that nothing has to be looked up.
    pub schema: String,
}

/// All schemas of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schemas {
    by_id: BTreeMap<u32, StoredSchema>,
}

impl Schemas {
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&StoredSchema> {
        self.by_id.get(&id)
    }

    /// By id.
    pub fn iter(&self) -> impl Iterator<Item = &StoredSchema> {
        self.by_id.values()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Adds a schema; `false` if another one has the id.
    pub fn insert(&mut self, schema: StoredSchema) -> bool {
        if let Some(known) = self.by_id.get(&schema.id) {
            *known == schema
        } else {
            self.by_id.insert(schema.id, schema);
            true
        }
    }
}

impl StoredSchema {
    fn text(&self) -> SchemaText {
        SchemaText {
            kind: SchemaKind::of(&self.kind),
            text: self.schema.clone(),
            references: self.references.iter().map(|r| r.schema.clone()).collect(),
            from: self.from,
        }
    }
}

impl SchemaSource for Schemas {
    fn by_id(&self, id: u32) -> Option<SchemaText> {
        self.get(id).map(StoredSchema::text)
    }

    fn by_guid(&self, guid: SchemaRef) -> Option<SchemaText> {
        let is = |schema: &&StoredSchema| schema.guid.as_ref().is_some_and(|g| guid.is_guid(g));
        // A live run that learns of another one goes on with what it has.
        self.iter().filter(is).min_by_key(|schema| schema.from).map(StoredSchema::text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_found_by_its_guid() {
        let mut schemas = Schemas::default();
        let guid = |last: u8| format!("3f2504e0-4f89-11d3-9a0c-0305e82c33{last:02x}");
        for id in 1..4 {
            let schema = format!("\"s{id}\"");
            let guid = (id > 1).then(|| guid(id as u8));
            schemas.insert(StoredSchema { id, schema, guid, ..StoredSchema::default() });
        }
        let mut bytes = [
            0x3f, 0x25, 0x04, 0xe0, 0x4f, 0x89, 0x11, 0xd3, 0x9a, 0x0c, 0x03, 0x05, 0xe8, 0x2c,
            0x33, 0x03,
        ];
        assert_eq!(schemas.named(SchemaRef::Guid(bytes)).unwrap().text, "\"s3\"");
        bytes[15] = 1;
        assert_eq!(schemas.named(SchemaRef::Guid(bytes)), None);
        assert_eq!(schemas.named(SchemaRef::Id(1)).unwrap().text, "\"s1\"");
        // Of two, the one that a live run had first.
        bytes[15] = 9;
        for (id, from) in [(7, 20), (8, 10)] {
            let (schema, guid) = (format!("\"s{id}\""), Some(guid(9)));
            schemas.insert(StoredSchema { id, schema, guid, from, ..StoredSchema::default() });
        }
        let found = schemas.named(SchemaRef::Guid(bytes)).unwrap();
        assert_eq!((found.text.as_str(), found.from), ("\"s8\"", 10));
    }
}
