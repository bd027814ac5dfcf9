//! Recordings as a whole: what goes in comes out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::operator::codec::SchemaSource as _;
use crate::operator::record::{Header, Record, RecordName, TimestampType, TopicPartition};

pub fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.into(), partition }
}

/// Records with everything that a record can have, in three partitions.
pub fn records(seed: u64, n: usize) -> Vec<Record> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut offsets = [0i64, 17, 1 << 40];
    let mut arrival = random.random_range(0..3);
    (0..n)
        .map(|_| {
            let source = random.random_range(0..3usize);
            let bytes = |random: &mut ChaCha8Rng| {
                (random.random_range(0..5) > 0).then(|| {
                    let n = random.random_range(0..60);
                    Bytes::from((0..n).map(|_| random.random()).collect::<Vec<u8>>())
                })
            };
            let offset = offsets[source];
            offsets[source] += random.random_range(1..3);
            let this = arrival;
            arrival += random.random_range(1..3);
            let timestamp =
                random.random_bool(0.9).then(|| random.random_range(-5_000..2_000_000_000_000));
            Record {
                arrival: this,
                arrival_ns: random.random_range(0..i64::MAX),
                source: source as u32,
                offset,
                timestamp,
                timestamp_type: match timestamp {
                    None => TimestampType::None,
                    Some(t) if t % 2 == 0 => TimestampType::Create,
                    Some(_) => TimestampType::LogAppend,
                },
                leader_epoch: random.random_bool(0.5).then(|| random.random_range(-1..9)),
                key: bytes(&mut random),
                value: bytes(&mut random),
                headers: (0..random.random_range(0..3))
                    .map(|i| Header {
                        key: format!("k{}", i / 2).into(),
                        value: bytes(&mut random),
                    })
                    .collect(),
            }
        })
        .collect()
}

fn schema(id: u32) -> StoredSchema {
    StoredSchema {
        id,
        kind: "AVRO".to_owned(),
        schema: format!("{{\"type\":\"record\",\"name\":\"R{id}\"}}"),
        references: vec![SchemaReference {
            name: "x.Y".to_owned(),
            subject: "y".to_owned(),
            version: 1,
            schema: "\"string\"".to_owned(),
        }],
        guid: None,
        from: 0,
    }
}

pub fn write(path: &Path, records: &[Record], options: WriterOptions) -> Info {
    write_in_chunks(path, records, options, usize::MAX)
}

/// A chunk for every so many records: by its bytes none ends below 64 KiB.
pub fn write_in_chunks(
    path: &Path,
    records: &[Record],
    options: WriterOptions,
    each: usize,
) -> Info {
    let mut writer = Writer::create(path, options).unwrap();
    for p in [
        partition("views", 0),
        partition("views", 1),
        partition("engagements", 0),
        partition("empty", 0),
    ] {
        writer.partition(p).unwrap();
    }
    writer.schema(schema(7)).unwrap();
    for (i, record) in records.iter().enumerate() {
        if i == records.len() / 2 {
            let kind = ClockEntryKind::Idle("views[1]".to_owned());
            writer.clock(&ClockEntry { precedes: record.arrival, at_ns: 5, kind }).unwrap();
        }
        writer.add(record).unwrap();
        if (i + 1) % each == 0 {
            writer.hand_over().unwrap();
        }
    }
    writer.finish().unwrap()
}

pub fn small_chunks(compression: Compression) -> WriterOptions {
    WriterOptions { compression, chunk_bytes: 1, sync_every: None, ..WriterOptions::default() }
}

pub fn all(recording: &Recording) -> Result<Vec<Record>, RecordingError> {
    let mut all = Vec::new();
    for batch in recording.batches(None, 0) {
        all.extend(batch?);
    }
    Ok(all)
}

pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.mcap");
    (folder, path)
}

#[test]
fn what_goes_in_comes_out() {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd(3)] {
        let (_folder, path) = folder();
        let records = records(1, 5_000);
        let mut options = small_chunks(compression);
        options.cluster_id = Some("cluster".to_owned());
        options.topic_ids.insert("views".to_owned(), "id".to_owned());
        options.notes.insert("note".to_owned(), "text".to_owned());
        let written = write(&path, &records, options);
        let recording = Recording::open(&path).unwrap();
        assert_eq!(*recording.info(), written);
        assert!(recording.info().chunks > 5, "{}", recording.info().chunks);
        assert_eq!(recording.info().cluster_id.as_deref(), Some("cluster"));
        assert_eq!(recording.partitions()[3], partition("empty", 0));
        assert_eq!(all(&recording).unwrap(), records);
        assert_eq!(recording.schemas().by_id(7).unwrap().references, ["\"string\""]);
        let clock = recording.clock_events().unwrap();
        let any = |of: &dyn Fn(&ClockEntry) -> bool| recording.any_clock_event(of).unwrap();
        assert_eq!(any(&|_| true), !clock.is_empty());
        assert!(clock.iter().all(|one| any(&|other| one == other)) && !any(&|_| false));
        assert_eq!(clock.len(), 1);
        assert_eq!(clock[0].precedes, records[2_500].arrival);
        let p = &recording.info().partitions[1];
        let of_one: Vec<_> = records.iter().filter(|r| r.source == 1).collect();
        assert_eq!(p.records, of_one.len() as u64);
        assert_eq!(
            (p.first_offset, p.last_offset),
            (Some(17), Some(of_one[of_one.len() - 1].offset))
        );
        let missing = (of_one[of_one.len() - 1].offset - 17 + 1) as u64 - p.records;
        assert_eq!(p.gaps.offsets, missing);
        let verified = unattended(|job| verify(&path, job)).unwrap();
        assert_eq!(verified.problems, []);
        assert_eq!(verified.digest, recording.digest());
        assert_eq!(verified.info, written);
    }
}

#[test]
fn compression_and_chunks_do_not_change_the_digest_but_content_does() {
    let (folder, path) = folder();
    let mut records = records(2, 3_000);
    write(&path, &records, small_chunks(Compression::Lz4));
    let digest = |path: &Path| Recording::open(path).unwrap().digest().to_owned();
    let first = digest(&path);
    let other = folder.path().join("other.mcap");
    write(
        &other,
        &records,
        WriterOptions { compression: Compression::Zstd(1), ..WriterOptions::default() },
    );
    assert_eq!(digest(&other), first);
    records[77].arrival_ns ^= 1;
    let changed = folder.path().join("changed.mcap");
    write(&changed, &records, small_chunks(Compression::Lz4));
    assert_ne!(digest(&changed), first);
}

#[test]
fn pages_names_and_positions() {
    let (_folder, path) = folder();
    let records = records(3, 9_000);
    write(&path, &records, small_chunks(Compression::Lz4));
    let recording = Recording::open(&path).unwrap();
    for (first, n) in [(0, 1), (0, 10), (4_000, 3_000), (8_999, 5), (9_000, 5), (u64::MAX, 1)] {
        let from = (first as usize).min(records.len());
        let to = from.saturating_add(n).min(records.len());
        assert_eq!(recording.page(first, n).unwrap(), records[from..to]);
    }
    for record in records.iter().step_by(101) {
        let name = recording.name_of(record);
        assert_eq!(recording.record(&name).unwrap().as_ref(), Some(record));
    }
    let missing = ["views[0]@99999999", "views[9]@0", "nothing[0]@0", "empty[0]@0"];
    for name in missing {
        assert_eq!(recording.record(&name.parse::<RecordName>().unwrap()).unwrap(), None, "{name}");
    }
    let views: Vec<_> = records.iter().filter(|r| r.source < 2).cloned().collect();
    for from in [0, 1, 4_097, views.len() - 1, views.len(), views.len() + 9] {
        let topics: [Arc<str>; 1] = ["views".into()];
        let got: Vec<Record> =
            recording.batches(Some(&topics), from as u64).flat_map(Result::unwrap).collect();
        assert_eq!(got, views[from.min(views.len())..]);
    }
}

#[test]
fn the_mcap_crate_reads_the_same() {
    let (_folder, path) = folder();
    let records = records(4, 2_000);
    write(&path, &records, small_chunks(Compression::Lz4));
    let file = std::fs::read(&path).unwrap();
    let summary = mcap::Summary::read(&file).unwrap().unwrap();
    let statistics = summary.stats.unwrap();
    assert_eq!(statistics.message_count, 2_001);
    assert_eq!(statistics.channel_count, 5);
    assert_eq!(summary.attachment_indexes.len(), 1);
    let mut n = 0;
    for message in mcap::MessageStream::new(&file).unwrap() {
        let message = message.unwrap();
        if message.channel.topic == "joinscope/arrivals" {
            continue;
        }
        let record = &records[n];
        let (start, end) = (0, message.data.len());
        let data = Bytes::from(message.data.into_owned());
        let back = envelope::decode(&data, start, end, record.source, message.log_time as i64);
        assert_eq!(back.as_ref(), Some(record));
        assert_eq!(message.sequence, record.arrival as u32);
        n += 1;
    }
    assert_eq!(n, records.len());
    // By the chunk indices, in order of log time.
    let mut reader =
        mcap::sans_io::IndexedReader::new(&mcap::Summary::read(&file).unwrap().unwrap()).unwrap();
    let (mut count, mut last) = (0, 0);
    while let Some(event) = reader.next_event() {
        match event.unwrap() {
            mcap::sans_io::IndexedReadEvent::ReadChunkRequest { offset, length } => {
                let from = offset as usize;
                reader.insert_chunk_record_data(offset, &file[from..from + length]).unwrap();
            }
            mcap::sans_io::IndexedReadEvent::Message { header, .. } => {
                assert!(header.log_time >= last);
                last = header.log_time;
                count += 1;
            }
        }
    }
    assert_eq!(count, 2_001);
}

#[test]
fn misuse_is_refused_and_nothing_is_overwritten() {
    let (folder, path) = folder();
    std::fs::write(&path, "mine").unwrap();
    for whole_or_nothing in [false, true] {
        let options = WriterOptions { whole_or_nothing, ..WriterOptions::default() };
        assert!(matches!(Writer::create(&path, options), Err(RecordingError::Exists { .. })));
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    let path = folder.path().join("new.mcap");
    let options = WriterOptions { whole_or_nothing: true, ..WriterOptions::default() };
    let mut writer = Writer::create(&path, options.clone()).unwrap();
    let mut record = records(5, 1).remove(0);
    record.source = 0;
    assert!(writer.add(&record).is_err(), "unknown partition");
    writer.partition(partition("views", 0)).unwrap();
    writer.add(&record).unwrap();
    assert!(writer.add(&record).is_err(), "the same arrival");
    record.arrival += 1;
    let error = writer.add(&record).unwrap_err().to_string();
    assert!(error.contains("views[0]@") && error.contains("increase"), "{error}");
    record.offset += 1;
    record.arrival_ns = -1;
    assert!(writer.add(&record).is_err(), "a time before 1970");
    writer.schema(schema(1)).unwrap();
    writer.schema(schema(1)).unwrap();
    assert!(writer.schema(StoredSchema { id: 1, ..StoredSchema::default() }).is_err());
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no trace of it");
    // Another file of that name comes while we write: it stays.
    let writer = Writer::create(&path, options).unwrap();
    std::fs::write(&path, "theirs").unwrap();
    assert!(matches!(writer.finish(), Err(RecordingError::Exists { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
}

#[test]
fn at_most_65535_partitions() {
    let (_folder, path) = folder();
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    for n in 0..65_535 {
        writer.partition(partition("t", n)).unwrap();
    }
    assert_eq!(writer.partition(partition("t", 9)).unwrap(), 9);
    let error = writer.partition(partition("t", 65_535)).unwrap_err().to_string();
    assert!(error.contains("65,535"), "{error}");
    let info = writer.finish().unwrap();
    assert_eq!(info.partitions.len(), 65_535);
    let recording = Recording::open(&path).unwrap();
    assert_eq!(recording.partitions().len(), 65_535);
    assert_eq!(unattended(|job| verify(&path, job)).unwrap().problems, []);
}

#[test]
fn what_is_no_recording_says_so() {
    let (_folder, path) = folder();
    for (bytes, wanted) in [
        (&b""[..], "empty"),
        (b"{\"a\":1}\n", "does not begin"),
        (b"\x89MCAP1\r\n", "newer"),
        (b"\x89MCA", "ends within"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = Recording::open(&path).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let mut other = Vec::new();
    let mut writer =
        mcap::WriteOptions::new().profile("ros2").create(std::io::Cursor::new(&mut other)).unwrap();
    writer.finish().unwrap();
    drop(writer);
    std::fs::write(&path, other).unwrap();
    let error = Recording::open(&path).unwrap_err().to_string();
    assert!(error.contains("ros2"), "{error}");
    assert!(
        Recording::open(path.parent().unwrap()).unwrap_err().to_string().contains("not a file")
    );
    assert!(
        Recording::open(Path::new("/nowhere/r.mcap"))
            .unwrap_err()
            .to_string()
            .contains("cannot open")
    );
}

#[test]
fn a_newer_version_is_named() {
    let (_folder, path) = folder();
    let mut out = wire::MAGIC.to_vec();
    wire::record(&mut out, wire::op::HEADER, |out| {
        wire::prefixed(out, b"joinscope");
        wire::prefixed(out, b"joinscope 9");
    });
    let mut map =
        meta::start_map(&Info { recorder: "joinscope 9.1".to_owned(), ..Info::default() });
    map.insert("format_version".to_owned(), "3".to_owned());
    let map = meta::seal(meta::START, map);
    wire::record(&mut out, wire::op::METADATA, |out| {
        wire::prefixed(out, meta::START.as_bytes());
        wire::map(out, &map);
    });
    std::fs::write(&path, out).unwrap();
    let error = Recording::open(&path).unwrap_err();
    assert!(
        matches!(&error, RecordingError::Newer { found, known: 1, .. } if found == "3"),
        "{error}"
    );
    assert!(error.to_string().contains("joinscope 9.1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_records_round_trip(seed in any::<u64>(), n in 0..600usize, chunk in 1..200_000usize, zstd in any::<bool>()) {
        let (_folder, path) = folder();
        let records = records(seed, n);
        let compression = if zstd { Compression::Zstd(1) } else { Compression::Lz4 };
        let info = write(&path, &records, WriterOptions { chunk_bytes: chunk, ..small_chunks(compression) });
        prop_assert_eq!(info.records, n as u64);
        let recording = Recording::open(&path).unwrap();
        prop_assert_eq!(&all(&recording).unwrap(), &records);
        prop_assert!(unattended(|job| verify(&path, job)).unwrap().sound());
    }
}
