//! A recording of framed Avro without its schemas, run over with schemas that it
//! is given: what is left behind needs nobody to give them again.

use std::path::Path;

use bytes::Bytes;

use crate::edges::pipeline_file::PipelineFile;
use crate::edges::recording::{
    Recording, Schemas, StoredSchema, Writer, WriterOptions, unattended, write_with,
};
use crate::engine::{AtEnd, Control, Summary};
use crate::operator::codec::InputDecoder;
use crate::operator::pipeline::Pipeline;
use crate::operator::record::{Record, TimestampType, TopicPartition};
use crate::operator::verdict::Verdict;
use crate::run::incident::Incident;
use crate::run::{Execute, Run, execute, resume};

const ID: u32 = 5;
const N: u64 = 200;
const TOPICS: [&str; 2] = ["a", "b"];

/// Values are framed, and nothing says what their schema is.
fn recording(path: &Path) -> Recording {
    let mut writer = Writer::create(path, WriterOptions::default()).unwrap();
    for topic in TOPICS {
        writer.partition(TopicPartition { topic: topic.into(), partition: 0 }).unwrap();
    }
    for arrival in 0..N {
        let ms = 1_763_626_401_480 + arrival as i64 * 20;
        // An Avro long of one byte.
        let value = [&[0][..], &ID.to_be_bytes(), &[(arrival / 2 % 50) as u8 * 2]].concat();
        writer
            .add(&Record {
                arrival,
                arrival_ns: ms * 1_000_000,
                source: (arrival % 2) as u32,
                offset: (arrival / 2) as i64,
                timestamp: Some(ms),
                timestamp_type: TimestampType::Create,
                leader_epoch: None,
                key: None,
                value: Some(Bytes::from(value)),
                headers: Vec::new(),
            })
            .unwrap();
    }
    writer.finish().unwrap();
    Recording::open(path).unwrap()
}

fn schemas(id: u32) -> Schemas {
    let mut schemas = Schemas::default();
    schemas.insert(StoredSchema {
        id,
        kind: "AVRO".to_owned(),
        schema: r#"{"type":"record","name":"V","fields":[{"name":"id","type":"long"}]}"#.to_owned(),
        ..StoredSchema::default()
    });
    schemas
}

fn spec(recording: Recording, dir: &Path) -> Execute {
    let mut text = "name = \"framed\"\n".to_owned();
    for topic in TOPICS {
        text += &format!(
            "[inputs.{topic}]\ntopic = \"{topic}\"\nformat = \"avro-registry\"\nkey = \"id\"\n\
             event_time = \"$timestamp\"\nwatermark = {{ max_out_of_orderness = \"0s\" }}\n"
        );
    }
    text +=
        "[join]\nprimary = \"a\"\nwith.b = { after = \"0s\", until = \"1m\" }\nkind = \"left\"\n";
    let pipeline = Pipeline::parse(&text, "framed.toml").unwrap();
    let file = PipelineFile { path: "framed.toml".into(), text, pipeline };
    Execute {
        at_end: AtEnd::Close,
        shards: 2,
        checkpoint_records: 60,
        ..Execute::new(file, recording, dir.to_owned())
    }
}

fn undecodable(summary: &Summary) -> u64 {
    summary.books.iter().map(|b| b.counts.get(Verdict::Undecodable)).sum()
}

#[test]
fn a_run_keeps_what_it_was_given_and_needs_it_from_nobody_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.mcap");
    let dir = folder.path().join("given");
    let plain = recording(&path);
    let control = Control::new;
    let without = execute(spec(plain.clone(), &folder.path().join("without")), &control()).unwrap();
    assert_eq!(undecodable(&without), N);

    let given = plain.clone().with_schemas(&schemas(ID));
    assert_eq!(given.digest(), plain.digest());
    assert!(plain.schemas().is_empty() && plain.given_schemas().is_empty());
    let whole = execute(spec(given, &dir), &control()).unwrap();
    assert_eq!(undecodable(&whole), 0);
    assert_ne!(whole.digest, without.digest);

    let run = Run::open(&dir).unwrap();
    assert_eq!(run.manifest().start.schemas.unwrap().ids, [ID]);
    let over = run.recording().unwrap();
    let mut decoder = InputDecoder::new(run.pipeline(), 0, over.schemas()).unwrap();
    let first = over.page(2, 1).unwrap().remove(0);
    assert_eq!(decoder.to_json(&first).unwrap().to_string(), r#"{"id":1}"#);

    // Gone on with over the plain recording; not with other schemas.
    let at = run.checkpoints()[0].arrival;
    let again = resume(spec(plain.clone(), &dir), at, &control()).unwrap();
    assert_eq!(again.digest, whole.digest);
    let other = plain.clone().with_schemas(&schemas(ID + 1));
    let error = resume(spec(other, &dir), at, &control()).unwrap_err().to_string();
    assert!(error.contains("another set of schemas"), "{error}");
    let error = resume(
        spec(plain.clone().with_schemas(&schemas(ID)), &folder.path().join("without")),
        at,
        &control(),
    );
    assert!(error.unwrap_err().to_string().contains("another set of schemas"));

    // An incident takes them along.
    let saved = Incident::of(&Run::open(&dir).unwrap(), "joinscope 0", 5).unwrap();
    let file = folder.path().join("incident.mcap");
    let pieces = saved.pieces().unwrap();
    unattended(|job| write_with(&plain, &pieces, &file, false, job)).unwrap();
    let opened = Recording::open(&file).unwrap();
    let read = Incident::read(&opened).unwrap();
    assert_eq!(read, saved);
    let order = read.order(&opened, folder.path().join("anew")).unwrap().unwrap();
    assert_eq!(execute(order, &control()).unwrap().digest, whole.digest);

    let kept = dir.join("schemas.json");
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::write(&kept, text.replace("long", "int")).unwrap();
    let error = Run::open(&dir).map(drop).unwrap_err().to_string();
    assert!(error.contains("schemas.json") && error.contains("damaged"), "{error}");
}

#[test]
fn a_recordings_own_schemas_stay_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.mcap");
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    let own = StoredSchema { id: ID, schema: "\"string\"".to_owned(), ..StoredSchema::default() };
    writer.schema(own.clone()).unwrap();
    writer.finish().unwrap();
    let recording = Recording::open(&path).unwrap().with_schemas(&schemas(ID));
    assert_eq!(recording.schemas().get(ID), Some(&own));
    assert!(recording.given_schemas().is_empty());
    let recording = recording.with_schemas(&schemas(7)).with_schemas(&schemas(8));
    assert_eq!(recording.schemas().len(), 3);
    assert_eq!(recording.given_schemas().len(), 2);
}
