//! The fuzz target of the recording reader: any bytes at all.

use std::collections::BTreeMap;

use super::chunk::{self, Item};
use super::meta::{self, Map};
use super::scan::{self, Gathered};
use super::source::{Source, Walk};
use super::summary::{self, Summary};
use super::verify::{replay_start, verify_source};
use super::wire::{self, op};
use super::{Compression, Info, Recording, compress, unattended};

/// Ways in which [`one`] takes bytes as the inside of a chunk: the file ends
/// behind it; the file is finished.
pub const INSIDES: [u8; 2] = [1, 4];

/// Reads bytes as a recording in every way that there is. The first byte says
/// how they come: as a whole file; as the inside of a chunk whose CRC, times and
/// message indices are right, in a file that is cut off behind it or finished;
/// as a value of the closing metadata or of the index, sealed as they should be
/// — so that what stands behind the checksums is reached too.
///
/// # Panics
/// Where the reader breaks a promise: that is what it is for.
pub fn one(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    read(file(how, data));
}

fn file(how: u8, data: &[u8]) -> Vec<u8> {
    match how % 5 {
        0 => data.to_vec(),
        1 => cut(data),
        2 => metadata(data),
        3 => index(data),
        _ => whole(data),
    }
}

/// A whole file is a seed as it is: with the byte that says so in front.
#[must_use]
pub fn seed(file: &[u8]) -> Vec<u8> {
    [&[0], file].concat()
}

/// The records inside the chunks of a file, one after the other.
#[must_use]
pub fn insides(file: &[u8]) -> Vec<Vec<u8>> {
    let source = Source::memory(file.to_vec());
    let mut walk = Walk::new(&source, wire::MAGIC.len() as u64);
    let (mut records, mut body) = (Vec::new(), Vec::new());
    while let Ok((_, opcode)) = walk.next(&mut body) {
        if opcode != op::CHUNK {
            continue;
        }
        let bytes = chunk::load(&body).unwrap_or_default();
        let (mut from, mut at) = (0, 0);
        while chunk::next(&bytes, &mut at).is_some() {
            records.push(bytes[from..at].to_vec());
            from = at;
        }
    }
    records
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

/// A chunk whose times are those of its messages, and their indices behind it.
fn put_chunk(out: &mut Vec<u8>, inside: &[u8]) {
    let mut compressed = Vec::new();
    // Memory does not fail to be written.
    let _ = compress::compress(Compression::Lz4, inside, &mut compressed);
    let mut times: Option<(u64, u64)> = None;
    let mut indexes: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    let (mut from, mut at) = (0, 0);
    while let Some(item) = chunk::next(inside, &mut at) {
        if let Item::Message(message) = item {
            let time = message.log_time;
            times = Some(times.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
            let index = indexes.entry(message.channel).or_default();
            index.extend_from_slice(&time.to_le_bytes());
            index.extend_from_slice(&(from as u64).to_le_bytes());
        }
        from = at;
    }
    let (start, end) = times.unwrap_or_default();
    wire::record(out, op::CHUNK, |out| {
        out.extend_from_slice(&start.to_le_bytes());
        out.extend_from_slice(&end.to_le_bytes());
        out.extend_from_slice(&(inside.len() as u64).to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(inside).to_le_bytes());
        wire::prefixed(out, b"lz4");
        out.extend_from_slice(&(compressed.len() as u64).to_le_bytes());
        out.extend_from_slice(&compressed);
    });
    for (channel, index) in indexes {
        wire::record(out, op::MESSAGE_INDEX, |out| {
            out.extend_from_slice(&channel.to_le_bytes());
            wire::prefixed(out, &index);
        });
    }
}

/// A file that ends behind its one chunk.
fn cut(inside: &[u8]) -> Vec<u8> {
    let mut out = start();
    put_chunk(&mut out, inside);
    out
}

/// The same as a writer finishes it; what no recording has stays cut off.
fn whole(inside: &[u8]) -> Vec<u8> {
    let out = cut(inside);
    let Some((gathered, info)) = gather(&Source::memory(out.clone())) else { return out };
    let end = meta::end_map(&info, &gathered.tally.digest(&gathered.schemas));
    let index = gathered.index.map(0, info.chunks);
    let counts: Vec<u64> = gathered.tally.partitions.iter().map(|p| p.records).collect();
    let clock = gathered.has_clock().then_some(gathered.tally.clock_events);
    finished(out, gathered.summary, (index, end), (&counts, clock))
}

/// What a file without its end says, if all of it is sound.
fn gather(source: &Source) -> Option<(Gathered, Info)> {
    let (mut info, data) = scan::start(source).ok()?;
    let mut gathered = Gathered::new();
    replay_start(source, &mut gathered).ok()?;
    let mut walk = Walk::new(source, data);
    let mut body = Vec::new();
    while walk.at < source.length {
        let (byte, opcode) = walk.next(&mut body).ok()?;
        gathered.take(byte, opcode, &body).ok()?;
    }
    gathered.close_chunk().then_some(())?;
    gathered.tally.fill(&mut info);
    info.chunks = gathered.index.chunks();
    info.compression.clone_from(&gathered.compression);
    Some((gathered, info))
}

/// A finished file whose closing metadata has `data` for one of its values.
fn metadata(data: &[u8]) -> Vec<u8> {
    let (which, text) = data.split_first().unwrap_or((&0, &[]));
    let mut end = meta::end_map(&Info::default(), "");
    let keys: Vec<String> = end.keys().cloned().collect();
    let key = keys[usize::from(*which) % keys.len()].clone();
    end.insert(key, String::from_utf8_lossy(text).into_owned());
    finished(empty(), Summary::default(), (Map::new(), end), (&[], None))
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
    let index = Map::from([("0000000000".to_owned(), text)]);
    finished(empty(), Summary::default(), (index, meta::end_map(&info, "")), (&[], None))
}

/// A file without records, and without its end.
fn empty() -> Vec<u8> {
    cut(&summary::schema_record(summary::ENVELOPE_SCHEMA))
}

/// Closes a file with its index and closing metadata; `counts` as in
/// [`Summary::write`].
fn finished(
    mut out: Vec<u8>,
    mut summary: Summary,
    (index, end): (Map, Map),
    (counts, clock): (&[u64], Option<u64>),
) -> Vec<u8> {
    for (name, map) in [(meta::INDEX, index), (meta::END, end)] {
        let (byte, length) = put_metadata(&mut out, name, map);
        summary.metadata(byte, length, name);
    }
    let crc = crc32fast::hash(&out);
    wire::record(&mut out, op::DATA_END, |out| out.extend_from_slice(&crc.to_le_bytes()));
    let at = out.len() as u64;
    summary.write(&mut out, at, counts, clock);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::tests::{
        all, folder, partition, records, small_chunks, write_in_chunks,
    };

    #[test]
    fn what_stands_behind_right_checksums_is_read() {
        let (_folder, path) = folder();
        let records = records(5, 60);
        write_in_chunks(&path, &records, small_chunks(Compression::None), 7);
        let inside = insides(&std::fs::read(&path).unwrap()).concat();
        for how in INSIDES {
            let file = file(how, &inside);
            let recording = Recording::from_bytes(file.clone()).unwrap();
            assert_eq!(all(&recording).unwrap(), records);
            let verified = unattended(|job| verify_source(&Source::memory(file), job)).unwrap();
            let finished = recording.info().cut.is_none();
            assert_eq!((finished, verified.sound()), (how == 4, how == 4), "{verified:?}");
            one(&[&[how], &inside[..]].concat());
        }
    }

    #[test]
    fn two_channels_of_one_partition_are_refused() {
        let channel = |id, number| {
            let partition = partition("t", number);
            let metadata = [("topic", "t".to_owned()), ("partition", number.to_string())];
            let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into();
            let channel =
                wire::ChannelRecord { id, schema: 1, topic: partition.to_string(), metadata };
            let mut out = Vec::new();
            channel.write(&mut out);
            out
        };
        let cut = |second| {
            let inside = [channel(1, 0), channel(2, second)].concat();
            let recording = Recording::from_bytes(file(1, &inside)).unwrap();
            (recording.partitions().len(), recording.info().cut.clone().unwrap().why)
        };
        assert_eq!(cut(1).0, 2);
        let (partitions, why) = cut(0);
        assert!(partitions == 0 && why.contains("two channels of t[0]"), "{why}");
    }
}
