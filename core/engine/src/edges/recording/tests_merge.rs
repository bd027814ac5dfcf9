//! Merges.

use proptest::prelude::*;

use super::tests::{all, folder, partition, records, write};
use super::*;
use crate::operator::record::Record;

/// Records in three partitions whose arrival times never go back; `step`: how
/// many arrive at one time.
fn whole(seed: u64, n: usize, step: u64) -> Vec<Record> {
    let mut whole = records(seed, n);
    for (i, record) in whole.iter_mut().enumerate() {
        record.arrival = i as u64;
        record.arrival_ns = (i as u64 / step) as i64 * 1_000;
    }
    whole
}

fn part(whole: &[Record], keep: impl Fn(usize) -> bool) -> Vec<Record> {
    whole.iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, r)| r.clone()).collect()
}

/// Merges recordings of these records, in this order.
fn merged(parts: &[Vec<Record>], options: WriterOptions) -> Result<(Vec<Record>, u64), String> {
    let (folder, path) = folder();
    let mut files = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let name = folder.path().join(format!("{i}.mcap"));
        let mut writer = Writer::create(&name, options.clone()).unwrap();
        for p in [partition("views", 0), partition("views", 1), partition("engagements", 0)] {
            writer.partition(p).unwrap();
        }
        for (at, record) in part.iter().enumerate() {
            writer.add(record).unwrap();
            // Files begin and end chunks at other records.
            if at % (10 + i) == 0 {
                writer.hand_over().unwrap();
            }
        }
        writer.finish().unwrap();
        files.push(Recording::open(&name).unwrap());
    }
    let merged = unattended(|job| merge(&files, &path, None, job));
    let merged = merged.map_err(|error| {
        assert!(!path.exists());
        error.to_string()
    })?;
    assert!(unattended(|job| verify(&path, job)).unwrap().sound());
    let recording = Recording::open(&path).unwrap();
    assert_eq!(recording.info(), &merged.info);
    Ok((all(&recording).unwrap(), merged.duplicates))
}

fn small() -> WriterOptions {
    WriterOptions { chunk_bytes: 1 << 16, sync_every: None, ..WriterOptions::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Parts of one recording, overlapping or not, give the recording again.
    #[test]
    fn parts_give_the_whole(seed in any::<u64>(), held in prop::collection::vec(1u8..8, 300)) {
        let whole = whole(seed, held.len(), 1);
        let parts: Vec<_> = (0..3).map(|f| part(&whole, |i| held[i] >> f & 1 == 1)).collect();
        let (got, duplicates) = merged(&parts, small()).unwrap();
        let copies: u64 = held.iter().map(|h| u64::from(h.count_ones()) - 1).sum();
        prop_assert_eq!(duplicates, copies);
        prop_assert_eq!(got, whole);
    }

    /// Where many arrive at one time, offsets alone say the order within a partition.
    #[test]
    fn offsets_stay_in_order(seed in any::<u64>(), held in prop::collection::vec(0u8..2, 300)) {
        let whole = whole(seed, held.len(), 50);
        let parts: Vec<_> = (0..2).map(|f| part(&whole, |i| held[i] == f)).collect();
        let (got, _) = merged(&parts, small()).unwrap();
        for source in 0..3 {
            let of = |records: &[Record]| -> Vec<i64> {
                records.iter().filter(|r| r.source == source).map(|r| r.offset).collect()
            };
            prop_assert_eq!(of(&got), of(&whole));
        }
        prop_assert!(got.iter().enumerate().all(|(i, r)| r.arrival == i as u64));
    }
}

#[test]
fn a_record_waits_for_smaller_offsets_whatever_the_time() {
    // What came first by offset says that it arrived later: a recording by
    // timestamp that was stopped and begun again.
    let mut whole = whole(7, 200, 1);
    for record in &mut whole[100..] {
        record.arrival_ns -= 50_000;
    }
    let parts = [whole[100..].to_vec(), whole[..100].to_vec()];
    let (got, _) = merged(&parts, small()).unwrap();
    assert_eq!(got.len(), 200);
    for source in 0..3 {
        let offsets: Vec<i64> =
            got.iter().filter(|r| r.source == source).map(|r| r.offset).collect();
        assert!(offsets.is_sorted());
    }
}

#[test]
fn contradictions_are_refused() {
    let whole = whole(3, 60, 1);
    // The same record, another value.
    let mut other = whole.clone();
    other[30].value = Some("other".into());
    let error = merged(&[whole.clone(), other], small()).unwrap_err();
    assert!(error.contains("its value differs between") && error.contains("0.mcap"), "{error}");
    // Each holds what the other's next record waits for.
    let at = |source: u32, offset, arrival| Record { source, offset, arrival, ..whole[0].clone() };
    let one = vec![at(0, 5, 0), at(1, 2, 1)];
    let two = vec![at(1, 3, 0), at(0, 4, 1)];
    let error = merged(&[one, two], small()).unwrap_err();
    assert!(error.contains("contradict each other"), "{error}");
}

#[test]
fn topic_ids_schemas_and_clocks_have_to_agree() {
    let (folder, path) = folder();
    let file = |name: &str, id: &str| {
        let name = folder.path().join(name);
        let topic_ids = [("views".to_owned(), id.to_owned())].into();
        // With a schema and a clock event.
        write(&name, &whole(1, 20, 1), WriterOptions { topic_ids, ..small() });
        Recording::open(&name).unwrap()
    };
    let (a, b) = (file("a.mcap", "one"), file("b.mcap", "two"));
    let refused = |files: &[Recording]| {
        let result = unattended(|job| merge(files, &path, None, job));
        assert!(!path.exists());
        result.unwrap_err().to_string()
    };
    let error = refused(&[a.clone(), b]);
    assert!(error.contains("id two, and one in"), "{error}");
    let error = refused(&[a.clone(), file("c.mcap", "one")]);
    assert!(error.contains("clock of a live run"), "{error}");
    let merged = unattended(|job| merge(std::slice::from_ref(&a), &path, None, job)).unwrap();
    assert_eq!(merged.info.topic_ids["views"], "one");
    let recording = Recording::open(&path).unwrap();
    assert_eq!(recording.digest(), a.digest(), "records, schemas and the clock");
    assert_eq!(recording.clock_events().unwrap(), a.clock_events().unwrap());
}

/// In the arrival log of a live run; a merge numbers its records anew.
#[test]
fn where_a_schema_counts_from_is_kept_with_the_arrival_numbers() {
    let (folder, path) = folder();
    let file = |name: &str, from: u64| {
        let at = folder.path().join(name);
        let mut writer = Writer::create(&at, small()).unwrap();
        for p in [partition("views", 0), partition("views", 1), partition("engagements", 0)] {
            writer.partition(p).unwrap();
        }
        let schema = "\"string\"".to_owned();
        writer.schema(StoredSchema { id: 4, schema, from, ..StoredSchema::default() }).unwrap();
        whole(3, 20, 1).iter().for_each(|record| writer.add(record).unwrap());
        writer.finish().unwrap();
        Recording::open(&at).unwrap()
    };
    let (first, later) = (file("first", 0), file("later", 7));
    assert_eq!(later.schemas().get(4).unwrap().from, 7);
    assert_ne!(first.digest(), later.digest(), "they are not decoded alike");
    unattended(|job| slice(&later, &Slice::default(), &path, None, job)).unwrap();
    assert_eq!(Recording::open(&path).unwrap().schemas(), later.schemas());
    std::fs::remove_file(&path).unwrap();
    unattended(|job| merge(&[first.clone(), later], &path, None, job)).unwrap();
    assert_eq!(Recording::open(&path).unwrap().schemas(), first.schemas());
}

#[test]
fn what_one_file_is_without_is_not_said_of_the_merge() {
    let whole = whole(5, 60, 1);
    let (folder, path) = folder();
    let file = |name: &str, records: &[Record], missing: Option<&str>| {
        let at = folder.path().join(name);
        let mut writer = Writer::create(&at, small()).unwrap();
        for p in [partition("views", 0), partition("views", 1), partition("engagements", 0)] {
            writer.partition(p).unwrap();
        }
        if let Some(missing) = missing {
            writer.note("missing", missing);
        }
        records.iter().for_each(|record| writer.add(record).unwrap());
        writer.finish().unwrap();
        Recording::open(&at).unwrap()
    };
    let files = [
        file("a", &whole[..20], Some("views[0]@9..12: damaged")),
        file("b", &whole[30..], Some("views[1]@20..22: damaged")),
        file("c", &whole, None),
    ];
    let merged = unattended(|job| merge(&files, &path, None, job)).unwrap();
    assert_eq!(all(&Recording::open(&path).unwrap()).unwrap(), whole);
    let notes = &merged.info.notes;
    assert_eq!(notes.get("missing"), None);
    let both = "views[0]@9..12: damaged; views[1]@20..22: damaged";
    assert_eq!(notes["missing_before_merge"], both);
}
