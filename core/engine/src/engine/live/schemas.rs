//! The schemas of a live run: more come as records name them. A replay has all of them
//! from the beginning, and is to decode what the live run did.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::edges::recording::{Schemas, StoredSchema};
use crate::operator::codec::{SchemaRef, SchemaSource, SchemaText};
use crate::operator::record::Record;

/// GUIDs that are told apart; data may look like one.
const GUIDS: usize = 10_000;

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

/// GUIDs that records named. The registry is asked for ids: a schema whose GUID was
/// named before its id is kept without that GUID, as records before it could not be
/// decoded by it.
#[derive(Debug, Default)]
pub(super) struct Guids {
    /// And whether no schema had it then.
    named: HashMap<SchemaRef, bool>,
    /// More were named than can be told.
    any: bool,
}

impl Guids {
    /// `before`: the log of earlier starts has records, and what they named by GUID was
    /// forgotten.
    pub fn new(before: bool) -> Self {
        Self { named: HashMap::new(), any: before }
    }

    /// The schema as the run learns it, from the records that come next on.
    pub fn learn(&self, mut schema: StoredSchema, known: &LiveSchemas) -> StoredSchema {
        if let Some(known) = known.all().get(schema.id) {
            schema.guid.clone_from(&known.guid);
            return schema;
        }
        let missed = |guid: &String| {
            self.any || self.named.iter().any(|(name, missed)| *missed && name.is_guid(guid))
        };
        if schema.guid.as_ref().is_some_and(missed) {
            tracing::info!(
                "schema {}: earlier records of this run may have named it by GUID, and were not \
                 decoded; so that a replay gives the same, those that name it so stay undecodable",
                schema.id
            );
            schema.guid = None;
        }
        schema
    }

    /// Takes what records name, behind the schemas that came with them.
    pub fn see(&mut self, records: &[Record], known: &LiveSchemas) {
        for record in records.iter().filter(|_| !self.any) {
            if let Some((name @ SchemaRef::Guid(_), _)) = SchemaRef::of(record) {
                self.named.entry(name).or_insert_with(|| known.by_guid(name).is_none());
            }
        }
        if self.named.len() > GUIDS {
            *self = Self::new(true);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::record::TimestampType;

    fn naming(last: u8) -> Record {
        let value = [&[1][..], &[0; 15], &[last], b"body"].concat();
        Record {
            arrival: 0,
            arrival_ns: 0,
            source: 0,
            offset: 0,
            timestamp: None,
            timestamp_type: TimestampType::None,
            leader_epoch: None,
            key: None,
            value: Some(value.into()),
            headers: Vec::new(),
        }
    }

    fn schema(id: u32, last: u8) -> StoredSchema {
        let guid = Some(format!("00000000-0000-0000-0000-0000000000{last:02x}"));
        let schema = "\"string\"".to_owned();
        StoredSchema { id, kind: "AVRO".to_owned(), schema, guid, ..StoredSchema::default() }
    }

    /// Found by reading: a record that named its schema by GUID before any named it by id
    /// was undecodable in the live run, and decoded in its replay.
    #[test]
    fn a_guid_named_before_its_schema_was_known_stays_unknown() {
        let known = LiveSchemas::default();
        let mut guids = Guids::new(false);
        known.add(guids.learn(schema(1, 1), &known));
        guids.see(&[naming(1), naming(2)], &known);
        known.add(guids.learn(schema(2, 2), &known));
        known.add(guids.learn(schema(3, 3), &known));
        let has = |last: u8| {
            let record = naming(last);
            known.by_guid(SchemaRef::of(&record).unwrap().0).is_some()
        };
        // A replay finds what the log has: the same.
        assert_eq!([1, 2, 3].map(has), [true, false, true]);
        assert!(known.by_id(2).is_some());
        // Behind a restart nobody knows what was named: what is known stays as it was.
        let again = Guids::new(true);
        assert_eq!(again.learn(schema(3, 3), &known), schema(3, 3));
        assert_eq!(again.learn(schema(2, 2), &known).guid, None);
        assert_eq!(again.learn(schema(4, 4), &known).guid, None);
        // Data that looks like it does not grow without end.
        let mut many = Guids::new(false);
        for n in 0..=GUIDS {
            let mut record = naming(0);
            let value = [&[1][..], &(n as u128).to_be_bytes(), b"body"].concat();
            record.value = Some(value.into());
            many.see(&[record], &known);
        }
        assert!(many.any && many.named.is_empty());
    }
}
