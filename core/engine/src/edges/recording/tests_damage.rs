//! Cut and bent recordings are noticed, wherever the damage is: each has several
//! chunks.

use proptest::prelude::*;

use super::tests::{all, folder, partition, records, small_chunks, write_in_chunks};
use super::*;

/// Cut at every byte: an error that says what, or the records up to there and
/// a cut that says where.
#[test]
fn cut_at_every_byte() {
    let (folder, path) = folder();
    let records = records(6, 60);
    write_in_chunks(&path, &records, small_chunks(Compression::Lz4), 7);
    let file = std::fs::read(&path).unwrap();
    let cut = folder.path().join("cut.mcap");
    let mut seen = std::collections::BTreeSet::new();
    for length in 0..file.len() {
        std::fs::write(&cut, &file[..length]).unwrap();
        match Recording::open(&cut) {
            Err(error) => {
                assert!(length < 600, "byte {length}: {error}");
                assert!(!error.to_string().is_empty());
            }
            Ok(recording) => {
                let info = recording.info();
                let said = info.cut.as_ref().expect("a cut that is said");
                assert!(said.byte <= length as u64);
                assert_eq!(said.records, info.records);
                let got = all(&recording).unwrap();
                assert_eq!(got, records[..got.len()], "byte {length}");
                assert_eq!(said.last_arrival, got.last().map(|r| r.arrival));
                seen.insert(got.len());
                let verified = unattended(|job| verify(&cut, job)).unwrap();
                assert!(!verified.sound());
                assert_eq!(verified.digest, recording.digest());
            }
        }
    }
    // Each chunk that is whole counts, and the rest of the last one.
    let wanted: Vec<usize> = (0..60).step_by(7).chain([60]).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), wanted);
}

/// One bit flipped anywhere: an error, a cut that is said, or the same content;
/// and `verify` notices every single one.
#[test]
fn a_bit_flipped_at_every_byte() {
    let (folder, path) = folder();
    let records = records(7, 40);
    let written = write_in_chunks(&path, &records, small_chunks(Compression::Lz4), 7);
    assert!(written.chunks > 5, "{}", written.chunks);
    let whole = Recording::open(&path).unwrap();
    let file = std::fs::read(&path).unwrap();
    let bent = folder.path().join("bent.mcap");
    let (mut errors, mut cuts, mut same) = (0, 0, 0);
    for byte in 0..file.len() {
        let mut copy = file.clone();
        copy[byte] ^= 1 << (byte * 5 % 8);
        std::fs::write(&bent, &copy).unwrap();
        let verified = unattended(|job| verify(&bent, job));
        assert!(verified.is_err() || !verified.unwrap().sound(), "byte {byte} is not noticed");
        let Ok(recording) = Recording::open(&bent) else {
            errors += 1;
            continue;
        };
        match all(&recording) {
            Err(_) => errors += 1,
            Ok(got) if recording.info().cut.is_some() => {
                assert_eq!(got, records[..got.len()], "byte {byte}");
                cuts += 1;
            }
            Ok(got) => {
                assert_eq!(got, records, "byte {byte}");
                assert_eq!(recording.info(), whole.info(), "byte {byte}");
                assert_eq!(recording.schemas(), whole.schemas(), "byte {byte}");
                same += 1;
            }
        }
    }
    assert!(errors > 0 && cuts > 0 && same > 0, "{errors} {cuts} {same}");
}

#[test]
fn a_killed_writer_leaves_what_was_flushed() {
    let (folder, path) = folder();
    let records = records(8, 500);
    let mut writer = Writer::create(&path, small_chunks(Compression::Lz4)).unwrap();
    for p in [partition("views", 0), partition("views", 1), partition("engagements", 0)] {
        writer.partition(p).unwrap();
    }
    for record in &records[..300] {
        writer.add(record).unwrap();
    }
    writer.flush().unwrap();
    for record in &records[300..] {
        writer.add(record).unwrap();
    }
    // The file as a kill at this moment leaves it.
    let killed = folder.path().join("killed.mcap");
    std::fs::copy(&path, &killed).unwrap();
    let recording = Recording::open(&killed).unwrap();
    let got = all(&recording).unwrap();
    assert!(got.len() >= 300);
    assert_eq!(got, records[..got.len()]);
    let cut = recording.info().cut.as_ref().unwrap();
    let text = cut.to_string();
    assert!(text.contains(&format!("up to arrival {}", got[got.len() - 1].arrival)), "{text}");
    assert!(text.contains("views[1] up to offset"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Bytes changed at random in a real file: never a panic, never other records unsaid.
    #[test]
    fn any_damage_is_noticed(seed in any::<u64>(), changes in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..6)) {
        let (folder, path) = folder();
        let records = records(seed, 200);
        write_in_chunks(&path, &records, small_chunks(Compression::Zstd(1)), 20);
        let mut file = std::fs::read(&path).unwrap();
        for (at, value) in changes {
            let at = at as usize % file.len();
            file[at] = value;
        }
        let bent = folder.path().join("bent.mcap");
        std::fs::write(&bent, file).unwrap();
        if let Ok(recording) = Recording::open(&bent)
            && let Ok(got) = all(&recording) {
                prop_assert_eq!(&got[..], &records[..got.len()]);
                prop_assert!(got.len() == records.len() || recording.info().cut.is_some());
            }
        let _ = unattended(|job| verify(&bent, job));
    }
}
