use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::key::KeyValue;
use crate::pipeline::Pipeline;
use crate::record::{Header, Record, TimestampType};
use Verdict::{Filtered, Undecodable, Unkeyed, Untimed};

const BASE: &str = r#"
[inputs.views]
topic = "views"
format = "json"
key = "id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s", max_ahead = "1h" }
where = { kind = ["like", "share"] }
[inputs.other]
topic = "other"
format = "json"
key = "$key"
event_time = "$timestamp"
[join]
primary = "views"
with.other = { after = "-1m", until = "30m" }
[examples]
emit = "on-match"
labels = { like = "views.kind = like", deep = "views.a.b = 5", other = "other.x = 1" }
"#;

const NOW: i64 = 1_763_626_401_480;

fn pipeline(text: &str) -> Pipeline {
    Pipeline::parse(text, "p.toml").unwrap_or_else(|e| panic!("{e}"))
}

fn decoder(text: &str, input: u8) -> InputDecoder {
    InputDecoder::new(&pipeline(text), input, Arc::new(NoSchemas)).unwrap()
}

fn record(value: impl Into<Vec<u8>>) -> Record {
    Record {
        arrival: 0,
        arrival_ns: NOW * 1_000_000,
        source: 0,
        offset: 0,
        timestamp: Some(7),
        timestamp_type: TimestampType::Create,
        leader_epoch: None,
        key: Some(Bytes::from_static(b"k")),
        value: Some(Bytes::from(value.into())),
        headers: Vec::new(),
    }
}

fn failed(verdict: Verdict, event_time: Option<i64>) -> Decoded {
    Decoded::Failed { verdict, event_time }
}

#[test]
fn a_row_is_time_key_and_labels() {
    let mut d = decoder(BASE, 0);
    let got = d.decode(&record(r#"{"id":5,"ts":1763626401480,"kind":"like","a":{"b":5}}"#));
    let key = Key::new(KeyValue::Int(5));
    assert_eq!(
        got,
        Decoded::Row(DecodedRow { event_time: NOW, key, null_value: false, labels: 0b011 })
    );
    let mut d = decoder(BASE, 1);
    let key = Key::new(KeyValue::String("k"));
    assert_eq!(
        d.decode(&record(r#"{"x":1}"#)),
        Decoded::Row(DecodedRow { event_time: 7, key, null_value: false, labels: 0b100 })
    );
}

#[test]
fn the_first_check_that_fails_is_the_verdict() {
    let mut d = decoder(BASE, 0);
    let mut check = |value: &str, verdict, time, why: &str| {
        let r = record(value);
        assert_eq!(d.decode(&r), failed(verdict, time), "{value}");
        assert_eq!(d.explain_failure(&r), why, "{value}");
    };
    let now = Some(NOW);
    check(
        "",
        Undecodable,
        None,
        "its value is not JSON: EOF while parsing a value at line 1 column 0",
    );
    check(
        "{\"id\":1,\"ts\":",
        Undecodable,
        None,
        "its value is not JSON: EOF while parsing a value at line 1 column 13",
    );
    for framed in ["\0\0\0\0\u{7}{\"id\":1}", "\0\0\0\u{1}\u{2}x"] {
        check(
            framed,
            Undecodable,
            None,
            "its value is not JSON: it begins as Confluent framing does; if Avro is behind it, set format = \"avro-registry\" (framed JSON is not read)",
        );
    }
    check("{}", Untimed, None, "the field ts of its event time is missing");
    check("[1]", Untimed, None, "the field ts of its event time is missing");
    check(r#"{"ts":null}"#, Untimed, None, "the field ts of its event time is null");
    check(r#"{"ts":"x"}"#, Untimed, None, "ts is a text, not a number of ms");
    check(
        r#"{"ts":9223372036854775807}"#,
        Untimed,
        None,
        "its event time 9223372036854775807 ms is so far out that adding the join's interval leaves 64 bits",
    );
    check(
        r#"{"ts":9223372036854775808}"#,
        Untimed,
        None,
        "ts does not fit into 64 bits of milliseconds",
    );
    check(
        r#"{"ts":1763630001481}"#,
        Untimed,
        None,
        "its event time is 3600001ms ahead of its arrival, more than inputs.views.watermark.max_ahead = 60m",
    );
    check(
        r#"{"ts":1763626401480}"#,
        Filtered,
        now,
        "kind is missing, and inputs.views.where asks for it",
    );
    check(
        r#"{"ts":1763626401480,"kind":"play"}"#,
        Filtered,
        now,
        "kind is not among those that inputs.views.where keeps",
    );
    let keyed = |k: &str| format!(r#"{{"ts":1763626401480,"kind":"like"{k}}}"#);
    check(&keyed(""), Unkeyed, now, "its key id is missing");
    check(&keyed(r#","id":null"#), Unkeyed, now, "its key id is null");
    check(
        &keyed(r#","id":1.5"#),
        Unkeyed,
        now,
        "its key id is a floating-point number, which is no key",
    );
    check(
        &keyed(r#","id":1e3"#),
        Unkeyed,
        now,
        "its key id is a floating-point number, which is no key",
    );
    check(
        &keyed(r#","id":99999999999999999999"#),
        Unkeyed,
        now,
        "its key id is an integer beyond 64 bits, which is no key",
    );
    check(&keyed(r#","id":[1]"#), Unkeyed, now, "its key id is nested, which is no key");
    let tombstone = Record { value: None, ..record("") };
    assert_eq!(d.decode(&tombstone), failed(Verdict::Tombstone, None));
    let r = record(b"{\"ts\":1763626401480,\"x\":\"\xff\"}".to_vec());
    assert_eq!(d.decode(&r), failed(Undecodable, None));
    assert_eq!(d.explain_failure(&r), "its value is not UTF-8 from byte 25 on");
    let mut d = decoder(BASE, 1);
    assert_eq!(d.decode(&Record { timestamp: None, ..record("{}") }), failed(Untimed, None));
    assert_eq!(d.decode(&Record { key: None, ..record("{}") }), failed(Unkeyed, Some(7)));
    let Decoded::Row(row) =
        d.decode(&Record { key: Some(Bytes::from_static(b"\xff")), ..record("{}") })
    else {
        panic!()
    };
    assert_eq!(row.key, Key::new(KeyValue::Bytes(b"\xff")));
}

/// Of `BASE` under a released semantics.
fn released(semantics: &str, input: u8) -> InputDecoder {
    let sets = [("join.semantics", semantics), ("join.grace", "1m"), ("join.min_cleanup", "60s")]
        .map(|(path, value)| (path.to_owned(), value.to_owned()));
    let pipeline = Pipeline::parse_with(BASE, "p.toml", &sets).unwrap();
    InputDecoder::new(&pipeline, input, Arc::new(NoSchemas)).unwrap()
}

#[test]
fn a_null_key_or_time_says_what_a_release_does_there() {
    let null_key = record(r#"{"kind":"like","ts":1763626401480,"id":null}"#);
    let null_time = record(r#"{"kind":"like","ts":null,"id":1}"#);
    let key = "its key id is null";
    let time = "the field ts of its event time is null";
    for (semantics, key_fails, time_fails) in [
        ("clean", "", ""),
        ("flink-sql", "", "; Flink SQL fails the job here (RowTime field should not be null)"),
        (
            "flink-datastream",
            "; DataStream fails the job here (setCurrentKey)",
            "; DataStream fails the job here (Long.MIN_VALUE timestamp)",
        ),
        ("kafka-streams", "", ""),
    ] {
        let mut d = released(semantics, 0);
        assert_eq!(d.explain_failure(&null_key), format!("{key}{key_fails}"), "{semantics}");
        assert_eq!(d.explain_failure(&null_time), format!("{time}{time_fails}"), "{semantics}");
        // A DataStream job fails before its join sees the row.
        let taken = matches!(d.decode(&null_key), Decoded::Row(row) if row.key.is_null());
        assert_eq!(taken, matches!(semantics, "flink-sql" | "kafka-streams"), "{semantics}");
        let whole = record(r#"{"kind":"like","ts":1763626401480,"id":1}"#);
        assert_eq!(d.explain_failure(&whole), "", "{semantics}");
        let keyless = Record { key: None, ..record("{}") };
        let why = released(semantics, 1).explain_failure(&keyless);
        assert_eq!(why, format!("its Kafka key is null{key_fails}"), "{semantics}");
    }
    let nothing = Record { key: None, value: None, ..record("") };
    assert_eq!(released("kafka-streams", 1).explain_failure(&nothing), "its Kafka key is null");
}

#[test]
fn a_null_value_goes_to_kafka_streams_unless_a_where_asks_for_a_field_of_it() {
    let nothing = Record { value: None, ..record("") };
    let mut d = released("kafka-streams", 1);
    assert!(matches!(d.decode(&nothing), Decoded::Row(row) if row.null_value));
    let kept = BASE.replace("[join]", "where = { x = 1 }\n[join]");
    let set = |path: &str, value: &str| (path.to_owned(), value.to_owned());
    let sets = [set("join.semantics", "kafka-streams"), set("join.grace", "1m")];
    let pipeline = Pipeline::parse_with(&kept, "p.toml", &sets).unwrap();
    let mut d = InputDecoder::new(&pipeline, 1, Arc::new(NoSchemas)).unwrap();
    assert_eq!(d.decode(&nothing), failed(Verdict::Tombstone, None));
    assert_eq!(d.explain_failure(&nothing), "its value is null");
    assert!(matches!(d.decode(&record(r#"{"x":1}"#)), Decoded::Row(row) if !row.null_value));
}

#[test]
fn keys_of_every_type() {
    let mut d = decoder(BASE, 0);
    let mut key = |k: &str| match d
        .decode(&record(format!(r#"{{"kind":"like","ts":1763626401480,"id":{k}}}"#)))
    {
        Decoded::Row(row) => row.key,
        other @ Decoded::Failed { .. } => panic!("{k}: {other:?}"),
    };
    assert_eq!(key("-9223372036854775808"), Key::new(KeyValue::Int(i64::MIN)));
    assert_eq!(key("\"5\""), Key::new(KeyValue::String("5")));
    assert_eq!(key("\"\""), Key::new(KeyValue::String("")));
    assert_eq!(key("true"), Key::new(KeyValue::Bool(true)));
    let long = "x".repeat(1 << 20);
    assert_eq!(key(&format!("\"{long}\"")), Key::new(KeyValue::String(&long)));
    assert_eq!(key(r#""\ud83d\ude00""#), Key::new(KeyValue::String("😀")));
}

#[test]
fn times_at_the_ends_of_reach() {
    // views: [-1m, +30m] and 60 s of disorder and 1 ms; both ends of i64 stay free.
    let text = BASE.replace(", max_ahead = \"1h\"", "");
    let mut d = decoder(&text, 0);
    let mut row = |ts: i64| {
        matches!(
            d.decode(&record(format!(r#"{{"id":1,"kind":"like","ts":{ts}}}"#))),
            Decoded::Row(_)
        )
    };
    let (first, last) = (i64::MIN + 1 + 60_001, i64::MAX - 1 - 1_800_000);
    assert!(row(first) && row(last) && row(-5) && row(0));
    assert!(!row(first - 1) && !row(last + 1));
    // other: -(-1m) and -(30m).
    let mut d = decoder(&text, 1);
    let mut row =
        |ts| matches!(d.decode(&Record { timestamp: Some(ts), ..record("{}") }), Decoded::Row(_));
    let (first, last) = (i64::MIN + 1 + 1_800_000, i64::MAX - 1 - 60_000);
    assert!(row(first) && row(last) && !row(first - 1) && !row(last + 1));
}

#[test]
fn a_cleanup_timer_of_flink_sql_that_would_wrap_is_refused_for_that() {
    // Rule B12: the row's size, 60 s and 1 ms; the end of time stays free.
    let wraps = "is so far out that its cleanup timer would wrap: Flink SQL would register it again for ever and never return";
    for (input, timer) in [(0, 1_860_001), (1, 120_001)] {
        let mut d = released("flink-sql", input);
        let mut why = |ts: i64| {
            let text = format!(r#"{{"id":1,"kind":"like","ts":{ts}}}"#);
            d.explain_failure(&Record { timestamp: Some(ts), arrival_ns: i64::MAX, ..record(text) })
        };
        let last = i64::MAX - timer;
        assert!(why(last + 1).ends_with(wraps), "{}", why(last + 1));
        assert!(!why(last).ends_with(wraps), "{}", why(last));
        assert!(why(i64::MAX).ends_with(wraps), "{}", why(i64::MAX));
    }
    let text =
        BASE.replace("until = \"30m\"", "until = \"20s\"").replace(", max_ahead = \"1h\"", "");
    let sets = [("join.semantics", "flink-sql"), ("join.min_cleanup", "60s")]
        .map(|(path, value)| (path.to_owned(), value.to_owned()));
    let pipeline = Pipeline::parse_with(&text, "p.toml", &sets).unwrap();
    let mut d = InputDecoder::new(&pipeline, 0, Arc::new(NoSchemas)).unwrap();
    let mut at =
        |ts: i64| d.explain_failure(&record(format!(r#"{{"id":1,"kind":"like","ts":{ts}}}"#)));
    assert!(at(i64::MAX - 20_002).ends_with(wraps), "{}", at(i64::MAX - 20_002));
    assert_eq!(at(i64::MAX - 1 - 80_001), "");
}

#[test]
fn rfc3339_and_the_other_units() {
    let with = |unit: &str, ts: &str| {
        let text = BASE.replace("unit = \"ms\"", &format!("unit = \"{unit}\""));
        let mut d = decoder(&text, 0);
        let r = record(format!(r#"{{"id":1,"kind":"like","ts":{ts}}}"#));
        match d.decode(&r) {
            Decoded::Row(row) => Ok(row.event_time),
            Decoded::Failed { .. } => Err(d.explain_failure(&r)),
        }
    };
    assert_eq!(with("rfc3339", r#""2025-11-20T08:13:21.480Z""#), Ok(NOW));
    assert_eq!(
        with("rfc3339", "\"soon\"").unwrap_err(),
        "ts is not an RFC 3339 time with an offset"
    );
    assert_eq!(with("rfc3339", "5").unwrap_err(), "ts is an integer, not an RFC 3339 text");
    assert_eq!(with("s", "1763626401"), Ok(1_763_626_401_000));
    assert_eq!(with("s", "1763626401.48"), Ok(NOW));
    assert_eq!(with("us", "1763626401480999"), Ok(NOW));
    assert_eq!(with("ns", "1763626401480999999"), Ok(NOW));
    assert!(with("s", "9223372036854776").is_err());
}

struct Schemas;

const VIEW: &str = r#"{"type":"record","name":"V","fields":[
    {"name":"id","type":["null","string"]},{"name":"ts","type":"long"},
    {"name":"kind","type":{"type":"enum","name":"K","symbols":["play","like"]}}]}"#;

impl SchemaSource for Schemas {
    fn by_id(&self, id: u32) -> Option<SchemaText> {
        let text = match id {
            1 => VIEW.to_owned(),
            2 => VIEW.replace(r#""long""#, r#"{"type":"long","logicalType":"timestamp-micros"}"#),
            3 => "{ nonsense".to_owned(),
            4 => return Some(SchemaText { kind: SchemaKind::Protobuf, ..SchemaText::default() }),
            5 => return Some(SchemaText { kind: SchemaKind::JsonSchema, ..SchemaText::default() }),
            _ => return None,
        };
        Some(SchemaText { text, ..SchemaText::default() })
    }

    fn by_guid(&self, guid: SchemaRef) -> Option<SchemaText> {
        (guid == SchemaRef::Guid([7; 16])).then(|| self.by_id(1)).flatten()
    }
}

#[test]
fn confluent_framing_and_its_poison() {
    let text =
        BASE.replacen("\"json\"", "\"avro-registry\"", 1).replace(", max_ahead = \"1h\"", "");
    let mut d = InputDecoder::new(&pipeline(&text), 0, Arc::new(Schemas)).unwrap();
    let body = |id: u8, rest: &[u8]| record([&[0, 0, 0, 0, id][..], rest].concat());
    // Branch 1, "k", 64 (zigzag 128), symbol 1.
    let whole = [2, 2, b'k', 0x80, 1, 2];
    let Decoded::Row(row) = d.decode(&body(1, &whole)) else { panic!() };
    assert_eq!((row.event_time, row.labels), (64, 1));
    assert_eq!(row.key, Key::new(KeyValue::String("k")));
    let Decoded::Row(row) = d.decode(&body(2, &[2, 2, b'k', 0xd0, 0x0f, 2])) else { panic!() };
    assert_eq!(row.event_time, 1, "1000 us by the schema's unit");
    assert_eq!(
        d.to_json(&body(1, &whole)).unwrap().to_string(),
        r#"{"id":"k","ts":64,"kind":"like"}"#
    );
    // By a header, and then the value is all body.
    let by_guid = |byte: u8| {
        let value = [&[1][..], &[byte; 16]].concat();
        let header = Header { key: "__value_schema_id".into(), value: Some(value.into()) };
        Record { headers: vec![header], ..record(whole) }
    };
    let Decoded::Row(row) = d.decode(&by_guid(7)) else { panic!() };
    assert_eq!(row.event_time, 64);
    assert_eq!(d.to_json(&by_guid(7)).unwrap()["id"], "k");
    let mut why = |r: Record| {
        let Decoded::Failed { verdict, .. } = d.decode(&r) else { panic!() };
        (verdict, d.explain_failure(&r))
    };
    let (verdict, unknown) = why(by_guid(8));
    assert_eq!(verdict, Verdict::Undecodable);
    let said = "it names its schema by GUID 08080808-0808-0808-0808-080808080808, which no schema";
    assert!(unknown.starts_with(said), "{unknown}");
    let bad = |why: &str| (Verdict::Undecodable, why.to_owned());
    assert_eq!(
        why(body(9, &whole)),
        bad(
            "its schema id 9 is not known: name the topic's registry (--registry) when it is recorded, or when it is run over"
        )
    );
    assert!(why(body(3, &whole)).1.starts_with("the schema with id 3 cannot be used: "));
    let (verdict, protobuf) = why(body(4, &whole));
    assert_eq!(verdict, Verdict::Undecodable);
    let said = "its schema (id 4) is Protobuf, which this version does not decode: ";
    assert!(protobuf.starts_with(said), "{protobuf}");
    let json = why(body(5, &whole)).1;
    assert!(json.starts_with("its schema (id 5) is a JSON Schema, and JSON in"), "{json}");
    assert_eq!(
        why(record([0, 0])),
        bad(
            "its value has no Confluent framing: it is shorter than Confluent's 5 bytes of magic and schema id (byte 2)"
        )
    );
    assert_eq!(
        why(record(r#"{"id":1}"#)),
        bad(
            "its value has no Confluent framing: its first byte is not Confluent's magic 0 (byte 0)"
        )
    );
    assert_eq!(
        why(body(1, &[2, 0x7e, b'k'])),
        bad("its value does not fit its Avro schema: a length reaches past its end (byte 2)")
    );
    assert_eq!(why(body(1, &[0, 2, 2])), (Verdict::Unkeyed, "its key id is null".to_owned()));
    assert_eq!(why(body(1, &[0, 2, 0])).0, Verdict::Filtered);
    for id in 4..=u32::from(u16::MAX) {
        let r = record([&[0][..], &id.to_be_bytes(), &whole].concat());
        assert_eq!(d.decode(&r), failed(Verdict::Undecodable, None));
    }
    assert!(matches!(d.decode(&body(1, &whole)), Decoded::Row(_)));
}

#[test]
fn plain_avro_needs_a_schema_that_fits() {
    let text = BASE.replacen("\"json\"", "\"avro\"\nschema = \"v.avsc\"", 1);
    let with = |schema: Option<&str>| {
        let mut p = pipeline(&text);
        match schema {
            Some(s) => p.load_schemas(|_| Ok(s.to_owned())).unwrap(),
            None => p.inputs[0].schema = None,
        }
        InputDecoder::new(&p, 0, Arc::new(Schemas)).map_err(|e| e.to_string())
    };
    let with_a =
        VIEW.replace("]}}]}", r#"]}},{"name":"a","type":{"type":"map","values":"int"}}]}"#);
    assert_eq!(with(Some(VIEW)).unwrap_err(), "input \"views\": v.avsc has no field a.b");
    assert!(with(Some("{")).unwrap_err().starts_with("input \"views\": v.avsc: "));
    assert!(with(None).unwrap_err().contains("write schema = \"FILE.avsc\" under [inputs.views]"));
    let mut d = with(Some(&with_a)).unwrap();
    let r = record([2, 2, b'k', 0x80, 1, 2, 2, 2, b'b', 10, 0]);
    let Decoded::Row(row) = d.decode(&r) else { panic!("{}", d.explain_failure(&r)) };
    assert_eq!(row.labels, 0b011);
    let framed = record([0, 0, 0, 0, 1, 2, 2, b'k', 0x80, 1, 2]);
    assert!(d.explain_failure(&framed).ends_with("try format = \"avro-registry\""));
}

proptest! {
    #[test]
    fn any_bytes_get_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..64), input in 0..2u8) {
        let mut json = decoder(BASE, input);
        let text = BASE.replace("\"json\"", "\"avro-registry\"");
        let mut avro = InputDecoder::new(&pipeline(&text), input, Arc::new(Schemas)).unwrap();
        for d in [&mut json, &mut avro] {
            let r = record(bytes.clone());
            let failed = matches!(d.decode(&r), Decoded::Failed { .. });
            prop_assert_eq!(failed, !d.explain_failure(&r).is_empty());
            let _ = d.to_json(&r);
        }
    }
}

/// Nanoseconds that this thread was on a core: other work on the machine does
/// not count.
fn cpu_ns() -> u128 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Reports, never fails: `cargo test -p joinscope-operator -- --ignored --nocapture decode_rate`.
#[test]
#[ignore = "a measurement"]
fn decode_rate() {
    let mut d = decoder(&BASE.replace(", max_ahead = \"1h\"", ""), 0);
    let r = record(
        r#"{"id":5301442097718812,"ts":1763626401480,"kind":"like","user":"u-1234567","position":12,"m":true}"#,
    );
    let length = r.value.as_ref().unwrap().len();
    let n = 2_000_000;
    let start = cpu_ns();
    for _ in 0..n {
        assert!(matches!(
            std::hint::black_box(d.decode(std::hint::black_box(&r))),
            Decoded::Row(_)
        ));
    }
    println!("json, {length} bytes: {} ns", (cpu_ns() - start) / n);
    let text =
        BASE.replacen("\"json\"", "\"avro-registry\"", 1).replace(", max_ahead = \"1h\"", "");
    let mut d = InputDecoder::new(&pipeline(&text), 0, Arc::new(Schemas)).unwrap();
    let r = record([0, 0, 0, 0, 1, 2, 2, b'k', 0x80, 1, 2]);
    let start = cpu_ns();
    for _ in 0..n {
        assert!(matches!(
            std::hint::black_box(d.decode(std::hint::black_box(&r))),
            Decoded::Row(_)
        ));
    }
    println!("avro, 11 bytes: {} ns", (cpu_ns() - start) / n);
}
