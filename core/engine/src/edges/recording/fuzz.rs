//! The fuzz target of the recording reader: any bytes at all.

use super::meta::{self, Map};
use super::source::Source;
use super::verify::verify_source;
use super::wire::{self, op};
use super::{Compression, Info, Recording, compress, summary, unattended};

/// Reads bytes as a recording in every way that there is. The first byte says
/// how they come: as a whole file; as the inside of a chunk whose CRC is right;
/// as a value of the closing metadata or of the index, sealed as they should be
/// — so that what stands behind the checksums is reached too.
///
/// # Panics
/// Where the reader breaks a promise: that is what it is for.
pub fn one(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    let file = match how % 4 {
        0 => data.to_vec(),
        1 => chunk(data),
        2 => metadata(data),
        _ => index(data),
    };
    read(file);
}

/// A whole file is a seed as it is: with the byte that says so in front.
#[must_use]
pub fn seed(file: &[u8]) -> Vec<u8> {
    [&[0], file].concat()
}

fn read(file: Vec<u8>) {
    let source = Source::memory(file.clone());
    let verified = unattended(|job| verify_source(&source, job));
    let Ok(recording) = Recording::from_bytes(file) else { return };
    let info = recording.info();
    let (mut records, mut whole) = (0, true);
    for batch in recording.batches(None, 0) {
        match batch {
            Ok(batch) => records += batch.len() as u64,
            Err(_) => whole = false,
        }
    }
    assert!(records <= info.records && (!whole || records == info.records), "records come and go");
    if let Ok(page) = recording.page(0, 3)
        && let Some(first) = page.first()
        && verified.is_ok_and(|v| v.sound())
    {
        let found = recording.record(&recording.name_of(first));
        assert_eq!(found.ok().flatten().as_ref(), Some(first), "a record is not found by its name");
    }
    let _ = recording.clock_events();
}

fn start() -> Vec<u8> {
    let mut out = wire::MAGIC.to_vec();
    wire::record(&mut out, op::HEADER, |out| {
        wire::prefixed(out, meta::PROFILE.as_bytes());
        wire::prefixed(out, b"fuzz");
    });
    put_metadata(&mut out, meta::START, meta::start_map(&Info::default()));
    out
}

fn put_metadata(out: &mut Vec<u8>, name: &str, map: Map) -> (u64, u64) {
    let at = out.len();
    let map = meta::seal(name, map);
    wire::record(out, op::METADATA, |out| {
        wire::prefixed(out, name.as_bytes());
        wire::map(out, &map);
    });
    (at as u64, (out.len() - at) as u64)
}

fn put_chunk(out: &mut Vec<u8>, inside: &[u8]) {
    let mut compressed = Vec::new();
    // Memory does not fail to be written.
    let _ = compress::compress(Compression::Lz4, inside, &mut compressed);
    wire::record(out, op::CHUNK, |out| {
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&(inside.len() as u64).to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(inside).to_le_bytes());
        wire::prefixed(out, b"lz4");
        out.extend_from_slice(&(compressed.len() as u64).to_le_bytes());
        out.extend_from_slice(&compressed);
    });
}

fn chunk(data: &[u8]) -> Vec<u8> {
    let mut out = start();
    put_chunk(&mut out, data);
    out
}

/// A finished file whose closing metadata has `data` for one of its values.
fn metadata(data: &[u8]) -> Vec<u8> {
    let (which, text) = data.split_first().unwrap_or((&0, &[]));
    let mut end = meta::end_map(&Info::default(), "");
    let keys: Vec<String> = end.keys().cloned().collect();
    let key = keys[usize::from(*which) % keys.len()].clone();
    end.insert(key, String::from_utf8_lossy(text).into_owned());
    finished(end, Map::new())
}

/// A finished file with `data` as the index of its one chunk.
fn index(data: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(data).into_owned();
    let records = text.split(';').skip(1).filter_map(|s| s.split(' ').nth(1)?.parse::<u64>().ok());
    let records = records.fold(0, u64::wrapping_add);
    let info = Info {
        records,
        chunks: 1,
        partitions: (0..3)
            .map(|partition| {
                super::PartitionInfo::new(crate::operator::record::TopicPartition {
                    topic: "t".into(),
                    partition,
                })
            })
            .collect(),
        ..Info::default()
    };
    finished(meta::end_map(&info, ""), Map::from([("0000000000".to_owned(), text)]))
}

fn finished(end: Map, index: Map) -> Vec<u8> {
    let mut out = start();
    put_chunk(&mut out, &summary::schema_record(summary::ENVELOPE_SCHEMA));
    let mut summary = summary::Summary::default();
    let (byte, length) = put_metadata(&mut out, meta::INDEX, index);
    summary.metadata(byte, length, meta::INDEX);
    let (byte, length) = put_metadata(&mut out, meta::END, end);
    summary.metadata(byte, length, meta::END);
    wire::record(&mut out, op::DATA_END, |out| out.extend_from_slice(&[0; 4]));
    let at = out.len() as u64;
    summary.write(&mut out, at, &[], None);
    out
}
