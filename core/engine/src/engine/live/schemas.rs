//! The schemas of a live run: more come as records name them.

use std::sync::{PoisonError, RwLock};

use crate::edges::recording::{Schemas, StoredSchema};
use crate::operator::codec::{SchemaRef, SchemaSource, SchemaText};

#[derive(Debug, Default)]
pub(super) struct LiveSchemas(RwLock<Schemas>);

impl LiveSchemas {
    pub fn new(known: Schemas) -> Self {
        Self(RwLock::new(known))
    }

    pub fn add(&self, schema: StoredSchema) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(schema);
    }

    /// All that are known now.
    pub fn all(&self) -> Schemas {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SchemaSource for LiveSchemas {
    fn by_id(&self, id: u32) -> Option<SchemaText> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_id(id)
    }

    fn by_guid(&self, guid: SchemaRef) -> Option<SchemaText> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_guid(guid)
    }
}
