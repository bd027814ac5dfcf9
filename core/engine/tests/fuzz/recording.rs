//! The recording reader.

use bytes::Bytes;
use joinscope_core::edges::recording::{
    ClockEntry, ClockEntryKind, Compression, StoredSchema, Writer, WriterOptions, fuzz,
};
use joinscope_core::operator::record::{Header, Record, TimestampType, TopicPartition};

/// A small file with everything in it.
fn file(compression: Compression, finished: bool) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let options = WriterOptions { compression, chunk_bytes: 1, ..WriterOptions::default() };
    let mut writer = Writer::create(&path, options).unwrap();
    for partition in 0..3 {
        writer.partition(TopicPartition { topic: "t".into(), partition }).unwrap();
    }
    writer
        .schema(StoredSchema {
            id: 3,
            kind: "AVRO".into(),
            schema: "\"string\"".into(),
            ..Default::default()
        })
        .unwrap();
    for n in 0..40u32 {
        if n == 9 {
            let kind = ClockEntryKind::Idle("t[1]".into());
            writer.clock(&ClockEntry { precedes: 9, at_ns: 5, kind }).unwrap();
        }
        if n == 20 {
            writer.flush().unwrap();
        }
        writer
            .add(&Record {
                arrival: u64::from(n) * 2,
                arrival_ns: i64::from(n) * 1_000,
                source: n % 3,
                offset: i64::from(n) * 3,
                timestamp: (n % 4 > 0).then_some(i64::from(n) - 8),
                timestamp_type: TimestampType::Create,
                leader_epoch: Some(1),
                key: (n % 5 > 0).then(|| Bytes::from(n.to_string())),
                value: (n % 7 > 0).then(|| Bytes::from(vec![n as u8; n as usize])),
                headers: vec![Header { key: "h".into(), value: (n % 2 == 0).then(|| "v".into()) }],
            })
            .unwrap();
    }
    if finished {
        writer.finish().unwrap();
    } else {
        drop(writer);
    }
    std::fs::read(path).unwrap()
}

#[test]
fn recording() {
    let kinds = [Compression::None, Compression::Lz4, Compression::Zstd(3)];
    let mut seeds: Vec<Vec<u8>> = kinds
        .into_iter()
        .flat_map(|kind| [true, false].map(|finished| fuzz::seed(&file(kind, finished))))
        .collect();
    // Behind the checksums: the inside of chunks, closing metadata, the index.
    let inside = fuzz::insides(&file(Compression::None, false));
    for how in fuzz::INSIDES {
        for records in (4..inside.len()).step_by(9).chain([inside.len()]) {
            seeds.push([&[how], &inside[..records].concat()[..]].concat());
        }
    }
    for which in 0..24u8 {
        for text in [
            "",
            "7",
            "1 2",
            "-1 9",
            "[[1,2]]",
            "[{\"topic\":\"t\",\"partition\":0}]",
            "{\"a\":\"b\"}",
        ] {
            seeds.push([&[2, which], text.as_bytes()].concat());
        }
    }
    for text in ["70 99;0 3 0 9;1 1 5 5", "70 99", "0 0;2 4294967295 0 9223372036854775807"] {
        seeds.push([&[3], text.as_bytes()].concat());
    }
    crate::hammer("recording", &seeds, fuzz::one);
}
