//! What is whole of a damaged recording, and what is said of the rest.

use std::path::{Path, PathBuf};

use super::tests::{all, folder, partition, records, small_chunks, write};
use super::*;

#[test]
fn past_damage_all_that_is_whole_is_taken_and_what_is_gone_is_named() {
    let (folder, path) = folder();
    let records = records(13, 10_000);
    write(&path, &records, small_chunks(Compression::Lz4));
    let recording = Recording::open(&path).unwrap();
    let index = &recording.opened().index;
    let bytes = std::fs::read(&path).unwrap();
    // One may hold no record.
    let chunks: Vec<usize> =
        (0..index.chunks()).filter(|number| !index.spans(*number).is_empty()).collect();
    assert!(chunks.len() > 3, "{chunks:?}");
    let middle = chunks[chunks.len() / 2];
    let bent = |number: usize| {
        let entry = index.entry(number).unwrap();
        let mut bytes = bytes.clone();
        bytes[(entry.byte + entry.length / 2) as usize] ^= 4;
        let bent = folder.path().join(format!("bent-{number}"));
        std::fs::write(&bent, bytes).unwrap();
        Recording::open(&bent).unwrap()
    };
    for number in [chunks[0], middle, chunks[chunks.len() - 1]] {
        let to = folder.path().join(format!("whole-{number}"));
        let bent = bent(number);
        let plain = unattended(|job| slice(&bent, &Slice::default(), &to, None, job));
        let error = plain.unwrap_err().to_string();
        assert!(error.contains("slice --past-damage") && !to.exists(), "{error}");
        let salvaged =
            unattended(|job| slice_past_damage(&bent, &Slice::default(), &to, None, job)).unwrap();
        let spans = index.spans(number);
        let expected: Vec<_> = spans
            .iter()
            .map(|s| {
                let partition = recording.partitions()[s.source as usize].clone();
                (partition, s.first_offset, Some(s.last_offset), Some(u64::from(s.records)))
            })
            .collect();
        let named = |m: &Missing| (m.partition.clone(), m.first, m.last, m.records);
        assert_eq!(salvaged.missing.iter().map(named).collect::<Vec<_>>(), expected);
        let byte = index.entry(number).unwrap().byte;
        assert!(salvaged.missing[0].why.contains(&format!("byte {byte}: ")));

        let whole = Recording::open(&to).unwrap();
        let first = index.entry(number).unwrap().before as usize;
        let gone = first..first + index.entry(number).unwrap().records as usize;
        let kept: Vec<_> = (0..records.len())
            .filter(|at| !gone.contains(at))
            .map(|at| records[at].clone())
            .collect();
        assert_eq!(all(&whole).unwrap(), kept);
        // It is a gap like any other, also at the ends.
        for (was, is) in recording.info().partitions.iter().zip(&whole.info().partitions) {
            assert_eq!((was.start_offset, was.end_offset), (is.start_offset, is.end_offset));
            if let (Some(start), Some(end)) = (is.start_offset, is.end_offset) {
                assert_eq!(is.gaps.offsets + is.records, end.abs_diff(start));
            }
        }
        assert!(whole.info().notes["missing"].contains(&salvaged.missing[0].to_string()));
        let verified = unattended(|job| verify(&to, job)).unwrap();
        assert_eq!(verified.problems, [], "{number}");
    }

    // Only what is asked for can be missing.
    let span = *index.spans(middle).iter().find(|s| s.source == 1).unwrap();
    let (from, until) = (span.first_offset + 1, span.last_offset);
    let wanted = Slice {
        topics: vec!["views".to_owned()],
        offsets: vec![(partition("views", 1), from, until)],
        ..Slice::default()
    };
    let to = folder.path().join("some");
    let bent = bent(middle);
    let some = unattended(|job| slice_past_damage(&bent, &wanted, &to, None, job)).unwrap();
    assert_eq!(some.info.records, 0);
    let [missing] = &some.missing[..] else { panic!("{:?}", some.missing) };
    assert_eq!((missing.first, missing.last, missing.records), (from, Some(until - 1), None));
    let said = missing.to_string();
    assert!(said.starts_with(&format!("views[1]@{from}..{}: damaged", until - 1)), "{said}");
    // Asked for twice, and the later part first: missing once.
    let within = from + (until - from) / 2;
    let ranges = [(within, until), (from, within + 1)];
    let offsets = ranges.map(|(from, to)| (partition("views", 1), from, to)).to_vec();
    let to = folder.path().join("twice");
    let wanted = Slice { offsets, ..wanted };
    let twice = unattended(|job| slice_past_damage(&bent, &wanted, &to, None, job)).unwrap();
    assert_eq!(twice.missing, some.missing);
    let info = twice.info.partitions.iter().find(|p| p.topic_partition == missing.partition);
    let range = info.map(|p| (p.start_offset, p.end_offset));
    assert_eq!(range, Some((Some(from), Some(until))));
}

/// Damages the first chunk that holds nothing but the clock's entries, and slices past
/// it: what was said, the damaged recording, where the slice is, and at which byte the
/// chunk begins.
fn past_a_damaged_clock(folder: &Path, path: &Path) -> (Salvaged, Recording, PathBuf, u64) {
    let recording = Recording::open(path).unwrap();
    let index = &recording.opened().index;
    let number = (1..index.chunks()).find(|n| index.spans(*n).is_empty()).unwrap();
    let entry = index.entry(number).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    bytes[(entry.byte + entry.length / 2) as usize] ^= 4;
    let (bent, to) = (folder.join("bent"), folder.join("whole"));
    std::fs::write(&bent, bytes).unwrap();
    let bent = Recording::open(&bent).unwrap();
    let slice = Slice::default();
    let salvaged = unattended(|job| slice_past_damage(&bent, &slice, &to, None, job)).unwrap();
    (salvaged, bent, to, entry.byte)
}

#[test]
fn past_damage_a_beginning_is_what_the_end_says_of_it() {
    let (folder, path) = folder();
    let records = records(13, 2_000);
    let options = WriterOptions {
        redaction: Some("user dropped".to_owned()),
        cluster_id: Some("c".to_owned()),
        ..small_chunks(Compression::Lz4)
    };
    write(&path, &records, options);
    let whole = Recording::open(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let start = bytes.windows(meta::START.len()).position(|w| w == meta::START.as_bytes()).unwrap();
    let bent = folder.path().join("bent.mcap");
    for byte in [0, 5, 30, 60, 90].map(|n| start + n) {
        let mut bytes = bytes.clone();
        bytes[byte] ^= 4;
        std::fs::write(&bent, &bytes).unwrap();
        let error = Recording::open(&bent).unwrap_err();
        assert!(matches!(error, RecordingError::Beginning { by_end: true, .. }), "{byte}: {error}");
        assert!(error.to_string().contains("slice --past-damage"), "{error}");
        assert!(unattended(|job| verify(&bent, job)).is_err());
        let opened = Recording::open_past_damage(&bent).unwrap();
        assert_eq!((opened.info(), opened.digest()), (whole.info(), whole.digest()), "{byte}");
        let to = folder.path().join(format!("to-{byte}"));
        let salvaged =
            unattended(|job| slice_past_damage(&opened, &Slice::default(), &to, None, job));
        let salvaged = salvaged.unwrap();
        assert_eq!((salvaged.missing, salvaged.besides), (Vec::new(), Vec::new()));
        let sliced = Recording::open(&to).unwrap();
        assert_eq!(all(&sliced).unwrap(), records);
        assert_eq!(sliced.info().redaction.as_deref(), Some("user dropped"));
        assert!(unattended(|job| verify(&to, job)).unwrap().sound());
        // Nobody knows what was redacted where the end is gone, too.
        for bytes in [&bytes[..bytes.len() - 20], &bytes[..bytes.len() / 2]] {
            std::fs::write(&bent, bytes).unwrap();
            for opened in [Recording::open(&bent), Recording::open_past_damage(&bent)] {
                let error = opened.unwrap_err();
                let beginning = matches!(error, RecordingError::Beginning { by_end: false, .. });
                assert!(beginning && error.to_string().contains("another copy"), "{error}");
            }
        }
    }
    // Before it stand MCAP's magic and header: every bit of them may be another.
    for byte in 0..start {
        let mut bytes = bytes.clone();
        bytes[byte] ^= 16;
        std::fs::write(&bent, &bytes).unwrap();
        let opened = Recording::open_past_damage(&bent).unwrap();
        assert_eq!((opened.info(), opened.digest()), (whole.info(), whole.digest()), "{byte}");
        assert_eq!(all(&opened).unwrap(), records, "{byte}");
        if let Err(error) = Recording::open(&bent) {
            let beginning = matches!(error, RecordingError::Beginning { by_end: true, .. });
            assert!(beginning && error.to_string().contains("past-damage"), "{byte}: {error}");
        }
        // Where the end is gone, too, nothing says that it is a recording.
        std::fs::write(&bent, &bytes[..bytes.len() - 20]).unwrap();
        if let Err(error) = Recording::open(&bent) {
            let by_end = matches!(error, RecordingError::Beginning { by_end: true, .. });
            assert!(!by_end, "{byte}: {error}");
        }
    }
    // A sound one opens as ever.
    assert_eq!(Recording::open_past_damage(&path).unwrap().info(), whole.info());
    let mut map = meta::end_map(whole.info(), whole.digest());
    assert!(meta::read_end(&map, &mut Info::default()).is_some());
    map.insert("format_version".to_owned(), "2".to_owned());
    assert_eq!(meta::read_end(&map, &mut Info::default()), None, "of a newer version");
}

#[test]
fn past_damage_what_the_clock_decided_is_not_lost_unsaid() {
    let (folder, path) = folder();
    let records = records(15, 300);
    let mut writer = Writer::create(&path, small_chunks(Compression::Lz4)).unwrap();
    for p in [partition("views", 0), partition("views", 1), partition("engagements", 0)] {
        writer.partition(p).unwrap();
    }
    // Nothing comes for a while: a chunk of ticks alone.
    for (i, record) in records.iter().enumerate() {
        if i == 150 {
            writer.hand_over().unwrap();
            for at_ns in 0..40 {
                let kind = ClockEntryKind::Tick;
                writer.clock(&ClockEntry { precedes: record.arrival, at_ns, kind }).unwrap();
            }
            writer.hand_over().unwrap();
        }
        writer.add(record).unwrap();
    }
    writer.finish().unwrap();
    let (salvaged, _, to, byte) = past_a_damaged_clock(folder.path(), &path);
    assert_eq!(salvaged.missing, []);
    let [clock] = &salvaged.besides[..] else { panic!("{:?}", salvaged.besides) };
    let said = format!("clock decided, if it did: damaged at byte {byte}: ");
    assert!(clock.contains(&said), "{clock}");
    let whole = Recording::open(&to).unwrap();
    assert_eq!(all(&whole).unwrap(), records);
    let noted = &whole.info().notes["missing"];
    assert!(noted.contains(&clock[..]), "{noted}");
    assert_eq!(whole.info().notes["sliced_by"], "all");
}

/// Without the entry that says where it came in, a partition would have been there from
/// the beginning, and held everything back.
#[test]
fn past_damage_a_partition_that_came_later_still_came_later() {
    let (folder, path) = folder();
    let mut records = records(16, 300);
    let came = records[150].arrival;
    records.retain(|r| r.source != 1 || r.arrival >= came);
    records.iter_mut().for_each(|r| r.arrival_ns = 1_000_000 * r.arrival as i64);
    let mut writer = Writer::create(&path, small_chunks(Compression::Lz4)).unwrap();
    for p in [partition("views", 0), partition("views", 1), partition("engagements", 0)] {
        writer.partition(p).unwrap();
    }
    for record in &records {
        if record.arrival == came {
            writer.hand_over().unwrap();
            let kind = ClockEntryKind::Added("views[1]".to_owned());
            let at_ns = record.arrival_ns;
            writer.clock(&ClockEntry { precedes: came, at_ns, kind }).unwrap();
            writer.hand_over().unwrap();
        }
        writer.add(record).unwrap();
    }
    writer.finish().unwrap();
    let (salvaged, bent, to, _) = past_a_damaged_clock(folder.path(), &path);
    assert!(salvaged.besides[0].starts_with("where views[1] came in"), "{:?}", salvaged.besides);
    let whole = Recording::open(&to).unwrap();
    assert_eq!(all(&whole).unwrap(), records);
    let later: Vec<bool> = whole.info().partitions.iter().map(|p| p.later).collect();
    assert_eq!(later, [false, true, false]);
    // Where the damage is: behind what stands before it, before what stands behind.
    let before = records.iter().rfind(|r| r.arrival < came).unwrap();
    let [said] = &whole.clock_events().unwrap()[..] else { panic!("one entry") };
    assert_eq!(said.kind, ClockEntryKind::Added("views[1]".to_owned()));
    assert_eq!((said.precedes, said.at_ns), (before.arrival + 1, before.arrival_ns));
    // Where it is not asked for nothing is said of it.
    let wanted = Slice { topics: vec!["engagements".to_owned()], ..Slice::default() };
    let to = folder.path().join("other");
    let other = unattended(|job| slice_past_damage(&bent, &wanted, &to, None, job)).unwrap();
    assert!(other.besides.iter().all(|said| !said.contains("views[1]")), "{:?}", other.besides);
}

#[test]
fn past_a_cut_nobody_knows_how_far_it_went() {
    let (folder, path) = folder();
    let records = records(14, 10_000);
    write(&path, &records, small_chunks(Compression::Lz4));
    let bytes = std::fs::read(&path).unwrap();
    let (cut, to) = (folder.path().join("cut"), folder.path().join("whole"));
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let recording = Recording::open(&cut).unwrap();
    let n = recording.len() as usize;
    assert!(n > 0 && n < records.len());
    let salvaged =
        unattended(|job| slice_past_damage(&recording, &Slice::default(), &to, None, job)).unwrap();
    assert_eq!(all(&Recording::open(&to).unwrap()).unwrap(), records[..n]);
    assert_eq!(salvaged.missing.len(), 3);
    for missing in &salvaged.missing {
        let last = records[..n]
            .iter()
            .rfind(|r| recording.partitions()[r.source as usize] == missing.partition);
        assert_eq!((missing.first, missing.last), (last.unwrap().offset + 1, None));
        let said = missing.to_string();
        assert!(said.contains("how far is not known") && said.contains("cut at byte"), "{said}");
    }
    // Only what stands behind the records is gone: nothing is missing.
    std::fs::write(&cut, &bytes[..bytes.len() - 8]).unwrap();
    let recording = Recording::open(&cut).unwrap();
    assert!(recording.info().cut.as_ref().unwrap().complete);
    let to = folder.path().join("again");
    let salvaged =
        unattended(|job| slice_past_damage(&recording, &Slice::default(), &to, None, job)).unwrap();
    assert_eq!(salvaged.besides, [""; 0]);
    assert_eq!((salvaged.info.records, salvaged.missing), (10_000, Vec::new()));
    // Before the first whole chunk nothing is known, and that is not nothing missing.
    let first = Recording::open(&path).unwrap().opened().entry(0).unwrap();
    std::fs::write(&cut, &bytes[..(first.byte + first.length / 2) as usize]).unwrap();
    let recording = Recording::open(&cut).unwrap();
    assert!(recording.is_empty());
    let to = folder.path().join("nothing");
    let salvaged =
        unattended(|job| slice_past_damage(&recording, &Slice::default(), &to, None, job)).unwrap();
    assert_eq!(salvaged.missing, []);
    let [all] = &salvaged.besides[..] else { panic!("{:?}", salvaged.besides) };
    assert!(all.starts_with("all, if it had records: cut at byte "), "{all}");
}
