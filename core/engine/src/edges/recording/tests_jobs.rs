//! Slices and imports.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::tests::{all, folder, partition, records, small_chunks, write};
use super::*;
use crate::operator::record::TimestampType;

fn import(lines: &[u8], options: &ImportJsonl) -> Result<Recording, RecordingError> {
    let (folder, path) = folder();
    let from = folder.path().join("in.jsonl");
    std::fs::write(&from, lines).unwrap();
    unattended(|job| import_jsonl(&from, options, &path, job))?;
    assert!(unattended(|job| verify(&path, job)).unwrap().sound());
    // The folder may go: reading goes on from the open file.
    Recording::open(&path)
}

fn options() -> ImportJsonl {
    ImportJsonl {
        topic: "changes".to_owned(),
        key: Some("path".to_owned()),
        arrival: Some("at".to_owned()),
        timestamp: Some("made".to_owned()),
        partitions: 8,
        ..ImportJsonl::default()
    }
}

#[test]
fn lines_become_records() {
    let lines = concat!(
        "{\"path\":\"foobar\",\"at\":1000,\"made\":-5}\n",
        "\n",
        "{\"path\":21,\"at\":900,\"made\":7,\"x\":1e400}\r\n",
        "{\"path\":null,\"at\":901,\"made\":null}\n",
        "{\"at\":902}\n",
        "{\"path\":\"p\\u00e4th\",\"at\":903}"
    );
    let mut packed = Vec::new();
    zstd::stream::copy_encode(lines.as_bytes(), &mut packed, 3).unwrap();
    let plain = import(lines.as_bytes(), &options()).unwrap();
    let recording = import(&packed, &options()).unwrap();
    assert_eq!(recording.digest(), plain.digest());
    assert_eq!(recording.info().arrival_order, ArrivalOrder::File);
    let got = all(&recording).unwrap();
    assert_eq!(got.len(), 5);
    assert_eq!(recording.partitions().len(), 8);
    // Times as they are, also where they go back; order of the file.
    assert_eq!(
        got.iter().map(joinscope_operator::record::Record::arrival_ms).collect::<Vec<_>>(),
        [1000, 900, 901, 902, 903]
    );
    assert_eq!(
        got.iter().map(|r| r.timestamp).collect::<Vec<_>>(),
        [Some(-5), Some(7), None, None, None]
    );
    assert_eq!(got[0].timestamp_type, TimestampType::Create);
    // toPositive(murmur2(key)) of "foobar" (-790332482) and of "21" (-973932308),
    // from Kafka's own tests, modulo the partitions.
    assert_eq!(got[0].source, (1_357_151_166_u32 % 8));
    assert_eq!(got[1].source, (1_173_551_340_u32 % 8));
    assert_eq!(got[1].key.as_deref(), Some(&b"21"[..]));
    assert_eq!(
        got[1].value.as_deref(),
        Some(&b"{\"path\":21,\"at\":900,\"made\":7,\"x\":1e400}"[..])
    );
    // Null keys take turns.
    assert_eq!((got[2].key.clone(), got[2].source, got[3].source), (None, 0, 1));
    assert_eq!(got[4].key.as_deref(), Some("päth".as_bytes()));
}

#[test]
fn bad_lines_are_named_and_nothing_is_left() {
    for (line, wanted) in [
        ("{\"path\":\"a\",\"at\":-1}", "arrival time -1 ms does not fit"),
        ("{\"path\":\"a\",\"at\":9300000000000}", "does not fit"),
        ("{\"path\":\"a\",\"at\":99999999999999999999}", "out of range"),
        ("{\"path\":\"a\",\"at\":\"soon\"}", "not a time"),
        ("{\"path\":\"a\"}", "no arrival time"),
        ("{\"path\":{},\"at\":1}", "object or an array"),
        ("{\"path\":", "no JSON"),
        ("7", "no JSON object"),
        ("{\"path\":\"\u{1}\"}", "no JSON"),
    ] {
        let text = format!("{{\"path\":\"ok\",\"at\":1}}\n{line}\n");
        let error = import(text.as_bytes(), &options()).unwrap_err().to_string();
        assert!(error.contains(":2: ") && error.contains(wanted), "{error}");
    }
    let error = import(b"\xff\xfe{\0\n\0", &options()).unwrap_err().to_string();
    assert!(error.contains(":1: ") && error.contains("the file is UTF-16"), "{error}");
    let (folder, path) = folder();
    let from = folder.path().join("in");
    std::fs::write(&from, "nothing\n").unwrap();
    assert!(unattended(|job| import_jsonl(&from, &options(), &path, job)).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the input is left");
    std::fs::write(&path, "mine").unwrap();
    let error = unattended(|job| import_jsonl(&from, &options(), &path, job)).unwrap_err();
    assert!(matches!(error, RecordingError::Exists { .. }));
}

#[test]
fn depth_is_no_error_and_a_field_that_no_line_has_is_one() {
    let options = || ImportJsonl { timestamp: None, ..options() };
    let deep =
        format!("{{\"path\":\"p\",\"at\":1,\"v\":{}1{}}}", "[".repeat(9_999), "]".repeat(9_999));
    let record = all(&import(deep.as_bytes(), &options()).unwrap()).unwrap().remove(0);
    assert_eq!(record.key.as_deref(), Some(&b"p"[..]));
    assert_eq!(record.value.as_deref(), Some(deep.as_bytes()));
    let error =
        import(b"{\"pth\":\"a\",\"at\":1}\n{\"at\":2}\n", &options()).unwrap_err().to_string();
    assert!(error.contains("no line has the key \"path\"; the first has at, pth"), "{error}");
    // One line that has it, though null, is enough.
    assert!(import(b"{\"at\":1}\n{\"at\":2,\"path\":null}\n", &options()).is_ok());
    let long = format!("{{\"path\":\"p\",\"at\":\"{}\"}}", "x".repeat(1_000_000));
    let error = import(long.as_bytes(), &options()).unwrap_err().to_string();
    assert!(error.contains("\"xxx") && error.len() < 300, "{error}");
}

#[test]
fn other_units_and_paths() {
    let import_one = |line: &str, unit, key: &str| {
        let options = ImportJsonl { unit, key: Some(key.to_owned()), timestamp: None, ..options() };
        all(&import(line.as_bytes(), &options).unwrap()).unwrap().remove(0)
    };
    let record = import_one("{\"a\":{\"b\":true},\"at\":2}", ImportUnit::Seconds, "a.b");
    assert_eq!((record.arrival_ns, record.key.as_deref()), (2_000_000_000, Some(&b"true"[..])));
    let record = import_one("{\"a.b\":\"x\",\"at\":2000001}", ImportUnit::Micros, "a.b");
    assert_eq!((record.arrival_ns, record.key.as_deref()), (2_000_001_000, Some(&b"x"[..])));
    let record =
        import_one("{\"k\":1,\"at\":\"1970-01-01T00:00:01.5Z\"}", ImportUnit::Rfc3339, "k");
    assert_eq!(record.arrival_ns, 1_500_000_000);
    assert_eq!(
        import_one("{\"k\":1,\"at\":123456789}", ImportUnit::Nanos, "k").arrival_ns,
        123_456_789
    );
    // Fractions and exponents, cut towards the past; a key stays as it is written.
    let arrival_ns =
        |at: &str, unit| import_one(&format!("{{\"k\":1,\"at\":{at}}}"), unit, "k").arrival_ns;
    assert_eq!(arrival_ns("1.5", ImportUnit::Seconds), 1_500_000_000);
    assert_eq!(arrival_ns("1767225600.1234567899", ImportUnit::Seconds), 1_767_225_600_123_456_789);
    assert_eq!(arrival_ns("25e-1", ImportUnit::Millis), 2_500_000);
    assert_eq!(arrival_ns("1.767E+3", ImportUnit::Micros), 1_767_000);
    assert_eq!(arrival_ns("0.9", ImportUnit::Nanos), 0);
    assert_eq!(arrival_ns("-0.0", ImportUnit::Nanos), 0);
    let record = import_one("{\"k\": 1e3 ,\"at\":2}", ImportUnit::Millis, "k");
    assert_eq!(record.key.as_deref(), Some(&b"1e3"[..]));
    let before = ImportJsonl { unit: ImportUnit::Seconds, ..options() };
    let before = import(b"{\"path\":1,\"at\":1,\"made\":-0.0015}", &before).unwrap();
    assert_eq!(all(&before).unwrap()[0].timestamp, Some(-2));
    // What is no time says what --unit would make it one.
    let refused = |at: &str, unit| {
        let line = format!("{{\"path\":1,\"at\":{at}}}");
        import(line.as_bytes(), &ImportJsonl { unit, ..options() }).unwrap_err().to_string()
    };
    let said = refused("\"2026-01-01T00:00:00Z\"", ImportUnit::Millis);
    assert!(said.contains("not a time in ms") && said.contains("--unit rfc3339"), "{said}");
    let said = refused("5", ImportUnit::Rfc3339);
    assert!(said.contains("not a time in rfc3339") && said.contains("--unit s, ms"), "{said}");
    for far in ["1e30", "-1e30", "1e99999999999", "9223372036854775808e3"] {
        let said = refused(far, ImportUnit::Millis);
        assert!(said.contains("out of range") || said.contains("does not fit"), "{said}");
    }
}

#[test]
fn a_topic_that_kafka_would_refuse_is_refused() {
    for topic in ["", "a b/c", ".."] {
        let options = ImportJsonl { topic: topic.to_owned(), ..options() };
        let error = import(b"{\"path\":\"a\",\"at\":1}", &options).unwrap_err().to_string();
        assert!(error.contains("no Kafka topic is called") && error.contains("249"), "{error}");
    }
}

#[test]
fn slices_keep_arrival_numbers_schemas_and_metadata() {
    let (folder, path) = folder();
    let records = records(11, 3_000);
    let mut options = small_chunks(Compression::Lz4);
    options.cluster_id = Some("c".to_owned());
    write(&path, &records, options);
    let recording = Recording::open(&path).unwrap();
    let take = |name: &str, wanted: &Slice| {
        let to = folder.path().join(name);
        let info = unattended(|job| slice(&recording, wanted, &to, None, job)).unwrap();
        let verified = unattended(|job| verify(&to, job)).unwrap();
        assert_eq!(verified.problems, [], "{name}");
        assert_eq!(info.cluster_id.as_deref(), Some("c"));
        let sliced = Recording::open(&to).unwrap();
        assert_eq!(sliced.schemas(), recording.schemas());
        assert_eq!(sliced.info().notes["sliced_from"], recording.digest());
        all(&sliced).unwrap()
    };
    assert_eq!(take("all", &Slice::default()), records);
    let engagements =
        take("topic", &Slice { topics: vec!["engagements".to_owned()], ..Slice::default() });
    let wanted: Vec<_> =
        records.iter().filter(|r| r.source == 2).map(|r| (r.arrival, r.offset)).collect();
    assert_eq!(engagements.iter().map(|r| (r.arrival, r.offset)).collect::<Vec<_>>(), wanted);
    assert!(engagements.iter().all(|r| r.source == 0));
    let (from, to) = (records[100].arrival_ms(), i64::MAX);
    let later =
        take("time", &Slice { from_ms: Some(from), until_ms: Some(to), ..Slice::default() });
    assert_eq!(
        later,
        records.iter().filter(|r| r.arrival_ms() >= from).cloned().collect::<Vec<_>>()
    );
    let stamped = Slice { time: SliceTime::Timestamp, until_ms: Some(1 << 39), ..Slice::default() };
    let early = take("timestamp", &stamped);
    assert_eq!(
        early,
        records
            .iter()
            .filter(|r| r.timestamp.is_some_and(|t| t < 1 << 39))
            .cloned()
            .collect::<Vec<_>>()
    );
    let offsets = Slice { offsets: vec![(partition("views", 1), 20, 40)], ..Slice::default() };
    let some = take("offsets", &offsets);
    let wants = |r: &&crate::operator::record::Record| match r.source {
        0 => false,
        1 => (20..40).contains(&r.offset),
        _ => true,
    };
    assert_eq!(some, records.iter().filter(wants).cloned().collect::<Vec<_>>());
    let key = records.iter().find_map(|r| r.key.clone().filter(|k| !k.is_empty())).unwrap();
    let keyed = take("keys", &Slice { keys: [key.to_vec()].into(), ..Slice::default() });
    assert!(!keyed.is_empty() && keyed.iter().all(|r| r.key.as_ref() == Some(&key)));
    let nothing = Slice { topics: vec!["vews".to_owned()], ..Slice::default() };
    let to = folder.path().join("nothing");
    let error =
        unattended(|job| slice(&recording, &nothing, &to, None, job)).unwrap_err().to_string();
    assert!(error.contains("vews") && error.contains("views"), "{error}");
    // As with offsets: times that hold nothing are a mistake.
    for until in [from, from - 1] {
        let wanted = Slice { from_ms: Some(from), until_ms: Some(until), ..Slice::default() };
        let error = unattended(|job| slice(&recording, &wanted, &to, None, job)).unwrap_err();
        assert!(error.to_string().contains("has to be later than"), "{error}");
        assert!(!to.exists());
    }
}

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

#[test]
fn cancelled_jobs_leave_nothing() {
    let (folder, path) = folder();
    write(&path, &records(12, 10_000), small_chunks(Compression::Lz4));
    let recording = Recording::open(&path).unwrap();
    let to = folder.path().join("out");
    let cancel = AtomicBool::new(false);
    let mut job = Job {
        cancel: &cancel,
        progress: &mut |_, _| cancel.store(true, std::sync::atomic::Ordering::Relaxed),
    };
    let result = slice(&recording, &Slice::default(), &to, None, &mut job);
    assert!(matches!(result, Err(RecordingError::Cancelled)));
    let result = verify(&path, &mut job);
    assert!(matches!(result, Err(RecordingError::Cancelled)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
