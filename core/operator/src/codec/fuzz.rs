//! The decoders as a fuzz target.

use std::sync::Arc;

use bytes::Bytes;

use super::{Decoded, InputDecoder, SchemaSource, SchemaText};
use crate::pipeline::Pipeline;
use crate::record::{Record, TimestampType};

/// One schema for every id but 0.
struct One(String);

impl SchemaSource for One {
    fn by_id(&self, id: u32) -> Option<SchemaText> {
        (id != 0).then(|| SchemaText { text: self.0.clone(), ..SchemaText::default() })
    }
}

const PIPELINE: &str = r#"
[inputs.a]
topic = "a"
format = "FORMAT"
key = "id"
event_time = { field = "ts", unit = "UNIT" }
where = { "a.b" = [1, 2.5, true, "x"] }
[inputs.b]
topic = "b"
format = "FORMAT"
key = "$key"
event_time = "$timestamp"
[join]
primary = "a"
with.b = { after = "-1m", until = "30m" }
[examples]
emit = "on-match"
labels = { x = "a.a.b = x", n = "a.id = null", y = "b.m.k = 1" }
"#;

const DEFAULT_SCHEMA: &str = r#"{"type":"record","name":"V","fields":[
 {"name":"id","type":["null","string","long"]},
 {"name":"ts","type":{"type":"long","logicalType":"timestamp-micros"}},
 {"name":"a","type":{"type":"map","values":["null","string","int","V"]}},
 {"name":"e","type":{"type":"enum","name":"E","symbols":["p","q"]}},
 {"name":"l","type":{"type":"array","items":{"type":"fixed","name":"F","size":3}}},
 {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":8,"scale":2}},
 {"name":"m","type":{"type":"map","values":"double"}}]}"#;

/// The first byte chooses format and unit; an Avro schema may stand before a
/// byte 0xff, the value follows. Whatever it is gets a verdict, the same each
/// time, and a reason if there is no row.
///
/// # Panics
/// A finding.
pub fn one(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let unit = ["s", "ms", "us", "ns", "rfc3339"][usize::from(choice >> 1) % 5];
    let json = choice & 1 == 0;
    let format = if json { "json" } else { "avro-registry" };
    let text = PIPELINE.replace("FORMAT", format).replace("UNIT", unit);
    let (schema, value) = match rest.iter().position(|b| *b == 0xff) {
        Some(at) if !json && at > 0 => (String::from_utf8_lossy(&rest[..at]), &rest[at + 1..]),
        _ => (DEFAULT_SCHEMA.into(), rest),
    };
    let Ok(pipeline) = Pipeline::parse(&text, "fuzz.toml") else {
        return;
    };
    let schemas = Arc::new(One(schema.into_owned()));
    let record = Record {
        arrival: 0,
        arrival_ns: 0,
        source: 0,
        offset: 0,
        timestamp: Some(0),
        timestamp_type: TimestampType::Create,
        leader_epoch: None,
        key: Some(Bytes::copy_from_slice(&value[..value.len().min(8)])),
        value: Some(Bytes::copy_from_slice(value)),
        headers: Vec::new(),
    };
    for input in 0..2 {
        let Ok(mut decoder) = InputDecoder::new(&pipeline, input, schemas.clone()) else {
            continue;
        };
        let decoded = decoder.decode(&record);
        assert_eq!(decoded, decoder.clone().decode(&record), "it depends on what came before");
        let why = decoder.explain_failure(&record);
        let probe = decoder.probe(&record);
        match &decoded {
            Decoded::Row(row) => {
                assert!(why.is_empty() && probe.decoded && probe.kept);
                assert_eq!(probe.key.as_ref(), Some(&row.key));
                assert_eq!(probe.event_time, Some(row.event_time));
            }
            Decoded::Failed { .. } => assert!(!why.is_empty(), "{decoded:?} without a reason"),
        }
        let shown = decoder.shown(&record);
        // What is JSON for the join can be shown.
        let joins = matches!(decoded, Decoded::Row(_)) && json;
        assert!(!joins || shown.is_ok(), "{shown:?}");
    }
}
