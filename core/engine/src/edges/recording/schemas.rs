//! The schemas that a recording carries, so that it replays offline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::operator::codec::{SchemaKind, SchemaSource, SchemaText};

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

impl SchemaSource for Schemas {
    fn by_id(&self, id: u32) -> Option<SchemaText> {
        self.get(id).map(|schema| SchemaText {
            kind: SchemaKind::of(&schema.kind),
            text: schema.schema.clone(),
            references: schema.references.iter().map(|r| r.schema.clone()).collect(),
        })
    }
}
