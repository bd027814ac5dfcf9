//! Imports of JSON lines.

use super::tests::{all, folder};
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
