//! How fast recordings are read and written; to be run by hand:
//! `cargo test --workspace --lib recording::tests_speed -- --ignored --nocapture`.

use std::time::Instant;

use bytes::Bytes;

use super::tests::{folder, partition};
use super::*;
use crate::operator::record::{Record, TimestampType};
use crate::process::thread_cpu;

/// Records of 120 bytes: a key of 8, JSON of 112.
fn load(n: u64) -> impl Iterator<Item = Record> {
    (0..n).map(|i| {
        let ts = 1_793_606_400_000 + i as i64;
        let value = format!(
            "{{\"view_id\":{},\"user\":\"u{:06}\",\"item\":\"i{:05}\",\"surface\":\"home\",\"pos\":{:02},\"ts\":{ts},\"ms\":{:05}}}",
            10_000_000 + i, i.wrapping_mul(7_919) % 500_000, i.wrapping_mul(104_729) % 50_000, i % 23, i % 60_000
        );
        Record {
            arrival: i,
            arrival_ns: ts * 1_000_000,
            source: (i % 8) as u32,
            offset: (i / 8) as i64,
            timestamp: Some(ts),
            timestamp_type: TimestampType::Create,
            leader_epoch: Some(0),
            key: Some(Bytes::from((10_000_000 + i).to_string())),
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
        }
    })
}

#[test]
#[ignore = "a measurement"]
fn reading_and_writing() {
    let n = 2_000_000;
    let records: Vec<Record> = load(n).collect();
    let bytes = records[0].value.as_ref().unwrap().len() + records[0].key.as_ref().unwrap().len();
    println!("{bytes} bytes of key and value");
    for compression in [Compression::Lz4, Compression::Zstd(3), Compression::None] {
        let (_folder, path) = folder();
        let begin = Instant::now();
        let options = WriterOptions { compression, sync_every: None, ..WriterOptions::default() };
        let mut writer = Writer::create(&path, options).unwrap();
        for p in 0..8 {
            writer.partition(partition("t", p)).unwrap();
        }
        for record in &records {
            writer.add(record).unwrap();
        }
        let adding = begin.elapsed();
        let info = writer.finish().unwrap();
        println!(
            "{compression:?}: {:.0} MB, written at {:.2} M/s ({:.2} with fsync)",
            info.file_bytes as f64 / 1e6,
            n as f64 / adding.as_secs_f64() / 1e6,
            n as f64 / begin.elapsed().as_secs_f64() / 1e6,
        );
        for _ in 0..3 {
            let recording = Recording::open(&path).unwrap();
            let (begin, cpu) = (Instant::now(), thread_cpu().as_secs_f64());
            let (mut count, mut sum) = (0u64, 0usize);
            for batch in recording.batches(None, 0) {
                for record in batch.unwrap() {
                    count += 1;
                    sum += record.value.map_or(0, |v| v.len());
                }
            }
            assert_eq!(count, n);
            let (wall, cpu) = (begin.elapsed().as_secs_f64(), thread_cpu().as_secs_f64() - cpu);
            println!(
                "  read at {:.2} M/s, {:.2} M/s of CPU ({sum} bytes)",
                n as f64 / wall / 1e6,
                n as f64 / cpu / 1e6
            );
        }
        let begin = Instant::now();
        assert!(unattended(|job| verify(&path, job)).unwrap().sound());
        println!("  verified at {:.2} M/s", n as f64 / begin.elapsed().as_secs_f64() / 1e6);
    }
    // The crate's own writer, with the same envelopes.
    let begin = Instant::now();
    let (_folder, path) = folder();
    let file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let mut writer =
        mcap::WriteOptions::new().compression(Some(mcap::Compression::Lz4)).create(file).unwrap();
    let channels: Vec<u16> = (0..8)
        .map(|p| {
            writer.add_channel(0, &format!("t[{p}]"), "protobuf", &Default::default()).unwrap()
        })
        .collect();
    let mut envelope = Vec::new();
    for record in &records {
        envelope.clear();
        envelope::encode_record(&mut envelope, record);
        let header = mcap::records::MessageHeader {
            channel_id: channels[record.source as usize],
            sequence: record.arrival as u32,
            log_time: record.arrival_ns as u64,
            publish_time: 0,
        };
        writer.write_to_known_channel(&header, &envelope).unwrap();
    }
    writer.finish().unwrap();
    println!("the crate's writer, lz4: {:.2} M/s", n as f64 / begin.elapsed().as_secs_f64() / 1e6);
    let file = std::fs::read(&path).unwrap();
    let begin = Instant::now();
    let mut count = 0;
    for message in mcap::MessageStream::new(&file).unwrap() {
        let data = Bytes::from(message.unwrap().data.into_owned());
        count += usize::from(envelope::decode(&data, 0, data.len(), 0, 0).is_some());
    }
    assert_eq!(count as u64, n);
    println!(
        "the crate's reader, from memory: {:.2} M/s",
        n as f64 / begin.elapsed().as_secs_f64() / 1e6
    );
}
