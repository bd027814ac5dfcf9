//! The schemas of a live run: more come as records name them, and a registry that did not
//! know one may know it at the next start. A replay has all of them from the beginning,
//! and is to decode what the live run did: each says in the arrival log from which record
//! on it counts ([`StoredSchema::from`]), and nobody decodes an earlier one by it, the run
//! that follows its log and threads that decode behind the reading among them.

use std::sync::{PoisonError, RwLock};

use crate::edges::recording::{Schemas, StoredSchema};
use crate::operator::codec::{SchemaRef, SchemaSource, SchemaText};
use crate::operator::record::Arrival;

#[derive(Debug, Default)]
pub(super) struct LiveSchemas(RwLock<Schemas>);

impl LiveSchemas {
    /// `known`: what the log of earlier starts has.
    pub fn new(known: Schemas) -> Self {
        Self(RwLock::new(known))
    }

    /// A schema as the run learns it, before it gives out record `from`: it counts from
    /// there on. One that is known counts from where it did, and by the GUID that it had.
    pub fn learn(&self, mut schema: StoredSchema, from: Arrival) -> StoredSchema {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(schema.id) {
            schema.from = known.from;
            schema.guid.clone_from(&known.guid);
        } else {
            schema.from = from;
            all.insert(schema.clone());
        }
        schema
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::edges::recording::{Recording, Writer, WriterOptions};
    use crate::operator::codec::{Decoded, InputDecoder};
    use crate::operator::pipeline::Pipeline;
    use crate::operator::record::{Record, TopicPartition};

    const PIPELINE: &str = "name = \"x\"\n\
        [inputs.l]\ntopic = \"t\"\nformat = \"avro-registry\"\nkey = \"id\"\n\
        event_time = \"$timestamp\"\nwatermark = { max_out_of_orderness = \"1s\" }\n\
        [inputs.r]\ntopic = \"t\"\nformat = \"avro-registry\"\nkey = \"id\"\n\
        event_time = \"$timestamp\"\nwatermark = { max_out_of_orderness = \"1s\" }\n\
        [join]\nprimary = \"l\"\nwith.r = { after = \"0s\", until = \"1s\" }\n";

    /// Names a schema by id, or else by GUID.
    fn naming(arrival: Arrival, last: u8, by_id: bool) -> Record {
        let zeros: &[u8] =
            if by_id { &[0; 4] } else { &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] };
        Record {
            arrival,
            offset: arrival as i64,
            timestamp: Some(1_763_626_401_480),
            value: Some([zeros, &[last, 2]].concat().into()),
            ..Record::default()
        }
    }

    fn schema(id: u32) -> StoredSchema {
        let fields = r#"[{"name":"id","type":"long"}]"#;
        StoredSchema {
            id,
            kind: "AVRO".to_owned(),
            schema: format!(r#"{{"type":"record","name":"R","fields":{fields}}}"#),
            guid: Some(format!("00000000-0000-0000-0000-0000000000{id:02x}")),
            ..StoredSchema::default()
        }
    }

    fn decoder(schemas: Arc<dyn SchemaSource + Send + Sync>) -> InputDecoder {
        InputDecoder::new(&Pipeline::parse(PIPELINE, "p.toml").unwrap(), 0, schemas).unwrap()
    }

    /// Found by reading: a registry that did not know an id knew it at the next start, and
    /// a replay of the log decoded what the live run could not. So it was with GUIDs, by
    /// which records named a schema before any named it by id.
    #[test]
    fn a_replay_decodes_what_the_live_run_did() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.mcap");
        let mut log = Writer::create(&path, WriterOptions::default()).unwrap();
        log.partition(TopicPartition { topic: "t".into(), partition: 0 }).unwrap();
        let mut known = Arc::new(LiveSchemas::default());
        let mut live = decoder(known.clone());
        // What the registry has when a record comes, and what the record names.
        let feed = [
            (None, 1, true),
            (Some(2), 2, true),
            (None, 1, false),
            (None, 2, false),
            // The next start.
            (Some(1), 1, true),
            (Some(2), 2, true),
            (None, 1, false),
            (Some(3), 1, true),
            (None, 3, false),
        ];
        let decoded = |decoder: &mut InputDecoder, record: &Record| {
            matches!(decoder.decode(record), Decoded::Row(_))
        };
        let mut records: Vec<Record> = Vec::new();
        for (arrival, (had, named, by_id)) in (0..).zip(feed) {
            if arrival == 4 {
                known = Arc::new(LiveSchemas::new(known.all()));
                live = decoder(known.clone());
                let followed: Vec<bool> = records.iter().map(|r| decoded(&mut live, r)).collect();
                assert_eq!(followed, [false, true, false, true]);
            }
            if let Some(id) = had {
                log.schema(known.learn(schema(id), arrival)).unwrap();
            }
            let record = naming(arrival, named, by_id);
            // Whoever decodes behind the reading, too.
            let late = records.iter().map(|r| decoded(&mut live, r)).collect::<Vec<_>>();
            assert_eq!(late, [false, true, false, true, true, true, true, true][..late.len()]);
            assert_eq!(decoded(&mut live, &record), !matches!(arrival, 0 | 2), "{arrival}");
            log.add(&record).unwrap();
            records.push(record);
        }
        log.finish().unwrap();
        let log = Recording::open(&path).unwrap();
        assert_eq!(*log.schemas(), known.all());
        let mut replay = decoder(log.schemas());
        let replayed: Vec<bool> = records.iter().map(|r| decoded(&mut replay, r)).collect();
        assert_eq!(replayed, [false, true, false, true, true, true, true, true, true]);
        let why = replay.explain_failure(&records[0]);
        assert!(why.contains("(id 1) was not known when a live run took it in"), "{why}");
        assert_eq!(log.schemas().get(1).unwrap().from, 4);
        assert_eq!(log.schemas().get(2).unwrap().from, 1);
    }

    #[test]
    fn what_is_known_stays_as_it_is() {
        let mut old = Schemas::default();
        // Of a version that took the GUID from what counted too early.
        old.insert(StoredSchema { guid: None, ..schema(1) });
        let known = LiveSchemas::new(old);
        let again = known.learn(schema(1), 9);
        assert_eq!((again.from, again.guid), (0, None));
        assert_eq!(known.learn(schema(2), 9).from, 9);
        assert_eq!(known.learn(schema(2), 12).from, 9);
        assert!(known.by_id(2).is_some_and(|text| text.from == 9));
    }
}
