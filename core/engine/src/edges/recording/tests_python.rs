//! Foxglove's own Python reader opens our files and reads back every field.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::tests::{all, folder, records, small_chunks, write};
use super::*;
use crate::operator::record::{Header, Record};

/// The repository's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn hex(bytes: Option<&bytes::Bytes>) -> Value {
    bytes.map_or(Value::Null, |bytes| {
        let mut text = String::new();
        for byte in bytes {
            text += &format!("{byte:02x}");
        }
        text.into()
    })
}

fn expected(recording: &Recording, record: &Record) -> Value {
    let header = |h: &Header| json!([h.key, hex(h.value.as_ref())]);
    json!({
        "channel": recording.partitions()[record.source as usize].to_string(),
        "log_time": record.arrival_ns,
        "publish_time": wire::publish_time(record.timestamp),
        "sequence": record.arrival as u32,
        "arrival": record.arrival,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestamp_type": record.timestamp_type as i32,
        "leader_epoch": record.leader_epoch,
        "key": hex(record.key.as_ref()),
        "value": hex(record.value.as_ref()),
        "headers": record.headers.iter().map(header).collect::<Vec<_>>(),
    })
}

#[test]
fn the_python_reader_of_foxglove_reads_every_field() {
    for compression in [Compression::Lz4, Compression::Zstd(3), Compression::None] {
        let (folder, plain) = folder();
        write(&plain, &records(21, 2_000), small_chunks(compression));
        // With pieces beside its records it is read as before.
        let path = folder.path().join("incident.mcap");
        let data = b"name = \"feed\"".to_vec();
        let piece =
            Piece { name: "pipeline.toml".to_owned(), media_type: "application/toml", data };
        let recording = Recording::open(&plain).unwrap();
        unattended(|job| write_with(&recording, &[piece], &path, false, job)).unwrap();
        let output = Command::new(root().join("tests/python/run.sh"))
            .arg("read_recording.py")
            .arg(&path)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        let summary = lines.next().unwrap();
        let recording = Recording::open(&path).unwrap();
        assert_eq!(summary["messages"], json!(2_001));
        assert_eq!(summary["profile"], "joinscope");
        assert_eq!(summary["chunks"], json!(recording.info().chunks));
        let names = ["joinscope/arrivals", "empty[0]", "engagements[0]", "views[0]", "views[1]"];
        for name in names {
            assert!(summary["channels"].as_array().unwrap().contains(&json!(name)), "{summary}");
        }
        let schema: StoredSchema =
            serde_json::from_str(summary["attachments"]["joinscope/schema/7"].as_str().unwrap())
                .unwrap();
        assert_eq!(Some(&schema), recording.schemas().get(7));
        let piece = &summary["attachments"]["joinscope/incident/pipeline.toml"];
        assert_eq!(piece, "name = \"feed\"");
        assert_eq!(summary["metadata"]["joinscope/end"]["digest"], recording.digest());
        let mut wanted: Vec<Value> =
            all(&recording).unwrap().iter().map(|r| expected(&recording, r)).collect();
        // By log time, as that reader gives them; ours has them by arrival.
        let mut got: Vec<Value> = lines.collect();
        let clock = got.iter().position(|m| m["channel"] == "joinscope/arrivals").unwrap();
        let clock = got.remove(clock);
        assert_eq!((&clock["kind"], &clock["partition"]), (&json!(1), &json!("views[1]")));
        wanted.sort_by_key(|m| m["arrival"].as_u64());
        got.sort_by_key(|m| m["arrival"].as_u64());
        assert_eq!(got.len(), wanted.len());
        for (got, wanted) in got.iter().zip(&wanted) {
            assert_eq!(got, wanted);
        }
    }
}
