//! The plan's extraction against apache-avro's own whole decoding.

use std::collections::HashMap;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, schema::ResolvedSchema};
use proptest::prelude::*;

use super::*;
use crate::pipeline::TimeUnit;

fn want(name: &str, slot: Option<usize>, children: Vec<Want>) -> Want {
    Want { name: name.into(), slot, children }
}

fn text(schema: &str) -> SchemaText {
    SchemaText { text: schema.to_owned(), ..SchemaText::default() }
}

fn run<'a>(plan: &'a Plan, body: &'a [u8], n: usize) -> Result<Vec<Got<'a>>, Bad> {
    let mut out: Slots<'_> = smallvec::smallvec![Got::Missing; n];
    plan.extract(body, &mut out)?;
    Ok(out.to_vec())
}

fn encode(schema: &Schema, value: Avro) -> Vec<u8> {
    GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap()
}

const VIEW: &str = r#"{"type":"record","name":"View","namespace":"a.b","fields":[
  {"name":"pad","type":{"type":"array","items":["null","string",{"type":"map","values":"double"}]}},
  {"name":"id","type":["null","long"]},
  {"name":"ts","type":{"type":"long","logicalType":"timestamp-micros"}},
  {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["like","share"]}},
  {"name":"user","type":["null",{"type":"record","name":"User","fields":[
     {"name":"name","type":"string"},{"name":"friend","type":["null","User"]}]}]},
  {"name":"tags","type":{"type":"map","values":"int"}},
  {"name":"hash","type":{"type":"fixed","name":"Hash","size":2}}]}"#;

fn view() -> Avro {
    let user = |name: &str, friend: Avro| {
        Avro::Record(vec![("name".into(), Avro::String(name.into())), ("friend".into(), friend)])
    };
    let none = Avro::Union(0, Box::new(Avro::Null));
    let friend = Avro::Union(1, Box::new(user("bo", none)));
    Avro::Record(vec![
        (
            "pad".into(),
            Avro::Array(vec![
                Avro::Union(0, Box::new(Avro::Null)),
                Avro::Union(1, Box::new(Avro::String("x".into()))),
                Avro::Union(
                    2,
                    Box::new(Avro::Map(HashMap::from([("m".into(), Avro::Double(1.5))]))),
                ),
            ]),
        ),
        ("id".into(), Avro::Union(1, Box::new(Avro::Long(-7)))),
        ("ts".into(), Avro::TimestampMicros(1_500)),
        ("kind".into(), Avro::Enum(1, "share".into())),
        ("user".into(), Avro::Union(1, Box::new(user("al", friend)))),
        ("tags".into(), Avro::Map(HashMap::from([("a".into(), Avro::Int(3))]))),
        ("hash".into(), Avro::Fixed(2, vec![1, 255])),
    ])
}

fn wants() -> Vec<Want> {
    vec![
        want("id", Some(0), vec![]),
        want("ts", Some(1), vec![]),
        want("kind", Some(2), vec![]),
        want(
            "user",
            None,
            vec![
                want("name", Some(3), vec![]),
                want("friend", Some(6), vec![want("name", Some(4), vec![])]),
            ],
        ),
        want("tags", None, vec![want("a", Some(5), vec![])]),
        want("hash", Some(7), vec![]),
        want("nothing", Some(8), vec![]),
    ]
}

#[test]
fn wanted_fields_are_taken() {
    let plan = Plan::new(&text(VIEW), None, &wants()).unwrap();
    let body = encode(&Schema::parse_str(VIEW).unwrap(), view());
    assert_eq!(
        run(&plan, &body, 9).unwrap(),
        [
            Got::Int(-7),
            Got::Time(1_500, TimeUnit::Microseconds),
            Got::Str("share".into()),
            Got::Str("al".into()),
            Got::Str("bo".into()),
            Got::Int(3),
            Got::Nested,
            Got::Bytes(vec![1, 255].into()),
            Got::Missing,
        ]
    );
    assert_eq!(
        plan.show(&body).unwrap().to_string(),
        r#"{"pad":[null,"x",{"m":1.5}],"id":-7,"ts":1500,"kind":"share","user":{"name":"al","friend":{"name":"bo","friend":null}},"tags":{"a":3},"hash":"01ff"}"#
    );
}

#[test]
fn every_cut_and_every_tail_is_refused() {
    let plan = Plan::new(&text(VIEW), None, &wants()).unwrap();
    let mut body = encode(&Schema::parse_str(VIEW).unwrap(), view());
    for n in 0..body.len() {
        assert!(run(&plan, &body[..n], 9).is_err(), "{n}");
    }
    body.push(0);
    assert_eq!(run(&plan, &body, 9).unwrap_err().what, "bytes follow after its end");
}

#[test]
fn a_reader_schema_resolves_names_and_defaults() {
    let writer = r#"{"type":"record","name":"V","fields":[
        {"name":"old","type":"int"},{"name":"s","type":"bytes"},{"name":"n","type":"int"}]}"#;
    let reader = r#"{"type":"record","name":"V","fields":[
        {"name":"id","aliases":["old"],"type":"long"},
        {"name":"s","type":["null","string"]},
        {"name":"n","type":"double"},
        {"name":"kind","type":"string","default":"like"},
        {"name":"none","type":["null","string"],"default":null},
        {"name":"sub","type":{"type":"record","name":"Sub","fields":[
            {"name":"a","type":"long","default":5},
            {"name":"t","type":{"type":"long","logicalType":"timestamp-nanos"}}]},
          "default":{"t":9}},
        {"name":"bare","type":"long"},
        {"name":"who","type":["null",{"type":"record","name":"Who","fields":[
            {"name":"kind","type":"string","default":"guest"}]}],"default":null}]}"#;
    let wants = vec![
        want("id", Some(0), vec![]),
        want("s", Some(1), vec![]),
        want("n", Some(2), vec![]),
        want("kind", Some(3), vec![]),
        want("none", Some(4), vec![]),
        want("sub", Some(5), vec![want("a", Some(6), vec![]), want("t", Some(7), vec![])]),
        want("bare", Some(8), vec![]),
        want("old", Some(9), vec![]),
        want("who", Some(10), vec![want("kind", Some(11), vec![])]),
    ];
    let plan = Plan::new(&text(writer), Some(&text(reader)), &wants).unwrap();
    let value = Avro::Record(vec![
        ("old".into(), Avro::Int(12)),
        ("s".into(), Avro::Bytes(b"hi".to_vec())),
        ("n".into(), Avro::Int(2)),
    ]);
    let body = encode(&Schema::parse_str(writer).unwrap(), value);
    assert_eq!(
        run(&plan, &body, 12).unwrap(),
        [
            Got::Int(12),
            Got::Str("hi".into()),
            Got::Float(2.0),
            Got::Str("like".into()),
            Got::Null,
            Got::Nested,
            Got::Int(5),
            Got::Time(9, TimeUnit::Nanoseconds),
            Got::Null,
            Got::Missing,
            Got::Null,
            Got::Missing,
        ]
    );
    let strict = reader.replace(r#""name":"n","type":"double""#, r#""name":"n","type":"boolean""#);
    let plan = Plan::new(&text(writer), Some(&text(&strict)), &wants).unwrap();
    let bad = run(&plan, &body, 12).unwrap_err();
    assert_eq!(bad.what, "the reader schema cannot take the type of a field");
}

#[test]
fn of_a_readers_union_the_record_is_meant_that_is_called_alike() {
    let writer = r#"{"type":"record","name":"Event","namespace":"n","fields":[
        {"name":"what","type":["null",
            {"type":"record","name":"Click","fields":[{"name":"id","type":"string"}]},
            {"type":"record","name":"View","fields":[{"name":"page","type":"string"}]}]}]}"#;
    let moved = writer.replace(r#""namespace":"n""#, r#""namespace":"m""#);
    let renamed = writer.replace(r#""name":"View""#, r#""name":"Seen","aliases":["View"]"#);
    let fields = vec![want("id", Some(0), vec![]), want("page", Some(1), vec![])];
    let wants = vec![want("what", None, fields)];
    for reader in [writer, &moved, &renamed] {
        let plan = Plan::new(&text(writer), Some(&text(reader)), &wants).unwrap();
        // Branch 1, then 2, with a text of one byte each.
        let click = run(&plan, &[2, 2, b'c'], 2).unwrap();
        assert_eq!(click, [Got::Str("c".into()), Got::Missing], "{reader}");
        let view = run(&plan, &[4, 2, b'v'], 2).unwrap();
        assert_eq!(view, [Got::Missing, Got::Str("v".into())], "{reader}");
    }
}

#[test]
fn references_are_followed() {
    let schema = SchemaText {
        text: r#"{"type":"record","name":"Outer","fields":[{"name":"k","type":"x.Key"}]}"#.into(),
        references: vec![
            r#"{"type":"record","name":"Key","namespace":"x","fields":[{"name":"id","type":"Id"}]}"#
                .into(),
            r#"{"type":"fixed","name":"Id","namespace":"x","size":1}"#.into(),
        ],
        ..SchemaText::default()
    };
    let wants = vec![want("k", None, vec![want("id", Some(0), vec![])])];
    let plan = Plan::new(&schema, None, &wants).unwrap();
    assert_eq!(run(&plan, &[7], 1).unwrap(), [Got::Bytes(vec![7].into())]);
    let alone = SchemaText { references: vec![], ..schema };
    assert!(Plan::new(&alone, None, &wants).is_err());
}

#[test]
fn hostile_schemas_and_bodies_cost_little() {
    // 2^64 items without a byte, in one block.
    let plan = Plan::new(&text(r#"{"type":"array","items":"null"}"#), None, &[]).unwrap();
    let mut count = vec![0xff; 9];
    count.push(0x01);
    count[0] = 0xfe;
    assert!(run(&plan, &[&count[..], &[0]].concat(), 0).is_ok());
    // Records that double at every level: 2^38 visits without a byte.
    let mut schema = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
    for i in 1..38 {
        schema = format!(
            r#"{{"type":"record","name":"R{i}","fields":[{{"name":"a","type":{schema}}},{{"name":"b","type":"R{}"}}]}}"#,
            i - 1
        );
    }
    let nested = Plan::new(&text(&schema), None, &[]).unwrap();
    assert!(run(&nested, &[], 0).unwrap_err().what.contains("more work"));
    // A list that holds itself, 10,000 deep.
    let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
    let plan = Plan::new(&text(list), None, &[]).unwrap();
    let deep: Vec<u8> = [vec![2; 10_000], vec![0]].concat();
    assert!(run(&plan, &deep, 0).unwrap_err().what.contains("256 levels"));
    assert!(plan.show(&deep).is_err());
    let fair: Vec<u8> = [vec![2; 100], vec![0]].concat();
    assert!(run(&plan, &fair, 0).is_ok() && plan.show(&fair).is_ok());
    // A type of nothing but itself.
    let own = r#"{"type":"record","name":"L","fields":[{"name":"next","type":"L"}]}"#;
    let plan = Plan::new(&text(own), None, &[]).unwrap();
    assert!(run(&plan, &[], 0).is_err());
    // Lengths that lie.
    let plan = Plan::new(&text("\"bytes\""), None, &[]).unwrap();
    for body in [&[0xfe, 0xff, 0xff, 0xff, 0x0f][..], &[1], &[2], &[0xff; 12]] {
        assert!(run(&plan, body, 0).is_err() && plan.show(body).is_err());
    }
    for schema in ["", "{", "nonsense", "[]]", r#"{"type":"record"}"#, &"[".repeat(100_000)] {
        assert!(Plan::new(&text(schema), None, &[]).is_err(), "{schema:.20}");
    }
}

// Random schemas, values of them, and bytes that are none.

fn leaf(name: &'static str) -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    prop_oneof![
        Just(json!("null")),
        Just(json!("boolean")),
        Just(json!("int")),
        Just(json!("long")),
        Just(json!("float")),
        Just(json!("double")),
        Just(json!("bytes")),
        Just(json!("string")),
        Just(json!({"type":"long","logicalType":"timestamp-millis"})),
        Just(json!({"type":"long","logicalType":"timestamp-nanos"})),
        Just(json!({"type":"int","logicalType":"date"})),
        Just(json!({"type":"bytes","logicalType":"decimal","precision":6,"scale":2})),
        Just(json!({"type":"enum","name":name,"symbols":["a","b","c"]})),
    ]
}

prop_compose! {
    fn any_schema()(
        leaves in prop::collection::vec(leaf("E"), 5),
        shape in prop::collection::vec(0..6usize, 5),
    ) -> String {
        use serde_json::json;
        let mut fields = Vec::new();
        for (i, (leaf, shape)) in leaves.into_iter().zip(shape).enumerate() {
            let mut leaf = leaf;
            if let Some(name) = leaf.get_mut("name") {
                *name = json!(format!("E{i}"));
            }
            let null = leaf == json!("null");
            let t = match shape {
                0 => json!({"type":"array","items":leaf}),
                1 => json!({"type":"map","values":leaf}),
                2 if !null => json!(["null", leaf]),
                3 => json!({"type":"record","name":format!("R{i}"),"fields":[
                    {"name":"x","type":leaf},{"name":"y","type":"string"}]}),
                _ => leaf,
            };
            fields.push(json!({"name":format!("f{i}"),"type":t}));
        }
        json!({"type":"record","name":"Top","fields":fields}).to_string()
    }
}

/// Takes every field, and `x` of those that are records.
fn all_wants() -> Vec<Want> {
    (0..5)
        .map(|i| want(&format!("f{i}"), Some(2 * i), vec![want("x", Some(2 * i + 1), vec![])]))
        .collect()
}

fn got_of(value: &Avro) -> Option<Got<'static>> {
    Some(match value {
        Avro::Null => Got::Null,
        Avro::Boolean(b) => Got::Bool(*b),
        Avro::Int(n) | Avro::Date(n) => Got::Int(i64::from(*n)),
        Avro::Long(n) => Got::Int(*n),
        Avro::Float(n) => Got::Float(f64::from(*n)),
        Avro::Double(n) => Got::Float(*n),
        Avro::String(s) | Avro::Enum(_, s) => Got::Str(s.clone().into()),
        Avro::Bytes(b) => Got::Bytes(b.clone().into()),
        Avro::TimestampMillis(n) => Got::Time(*n, TimeUnit::Milliseconds),
        Avro::TimestampNanos(n) => Got::Time(*n, TimeUnit::Nanoseconds),
        Avro::Union(_, inner) => return got_of(inner),
        Avro::Record(_) | Avro::Array(_) | Avro::Map(_) => Got::Nested,
        Avro::Decimal(_) => return None,
        other => panic!("{other:?}"),
    })
}

/// NaN is what it is, whatever `==` says.
fn same(a: &Got<'_>, b: &Got<'_>) -> bool {
    match (a, b) {
        (Got::Float(a), Got::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        _ => a == b,
    }
}

fn check(schema: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let parsed = Schema::parse_str(schema).unwrap();
    let plan = Plan::new(&text(schema), None, &all_wants()).unwrap();
    let mut rest = bytes;
    let whole = GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut rest);
    let got = run(&plan, bytes, 10);
    // apache-avro reads one value and leaves the rest; we want the whole body.
    match (&whole, &got) {
        (Ok(Avro::Record(fields)), Ok(got)) => {
            prop_assert!(rest.is_empty());
            for (i, (_, value)) in fields.iter().enumerate() {
                if let Some(expected) = got_of(value) {
                    prop_assert!(same(&got[2 * i], &expected), "{:?} {:?}", got[2 * i], expected);
                }
                let inner = match value {
                    Avro::Record(inner) => inner.iter().find(|(n, _)| n == "x").map(|(_, v)| v),
                    Avro::Map(map) => map.get("x"),
                    _ => None,
                };
                let expected = inner.map_or(Some(Got::Missing), got_of);
                if let Some(expected) = expected {
                    prop_assert!(same(&got[2 * i + 1], &expected), "{:?} {:?}", got, expected);
                }
            }
        }
        (Err(_), Err(_)) => {}
        (Ok(value), Err(bad)) => {
            // apache-avro takes a text cut off by the end for null, and does not
            // look at the sizes of blocks.
            let cut =
                bad.what == "a length reaches past its end" || bad.what == "it ends too early";
            let again = GenericDatumWriter::builder(&parsed).build().unwrap();
            let differs = !again.write_value_to_vec(value.clone()).is_ok_and(|b| b == bytes);
            prop_assert!(
                !rest.is_empty() || bad.what.contains("block's size") || (cut && differs),
                "{bad:?} {whole:?}"
            );
        }
        // Bounds of apache-avro's own.
        (Err(e), Ok(got)) => prop_assert!(false, "{e} {got:?}"),
        (Ok(other), Ok(_)) => prop_assert!(false, "{other:?}"),
    }
    prop_assert_eq!(plan.show(bytes).is_ok(), got.is_ok());
    Ok(())
}

/// Bytes that decode as the schema more often than chance would.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        prop_oneof![4 => 0..6u8, 1 => Just(b'x'), 1 => any::<u8>(), 1 => Just(0u8)],
        0..48,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_apache_avro_on_bytes(schema in any_schema(), bytes in plausible()) {
        check(&schema, &bytes)?;
        // The longest prefix that is a value, so that successes are compared too.
        let parsed = Schema::parse_str(&schema).unwrap();
        let mut rest = &bytes[..];
        if GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut rest).is_ok() {
            check(&schema, &bytes[..bytes.len() - rest.len()])?;
        }
    }

    #[test]
    fn any_schema_text_is_taken_or_refused(text in "\\PC{0,60}") {
        let schema = SchemaText { text, ..SchemaText::default() };
        let _ = Plan::new(&schema, Some(&schema), &all_wants());
    }
}

#[test]
fn names_are_those_that_apache_avro_resolves() {
    let schema = Schema::parse_str(VIEW).unwrap();
    let resolved = ResolvedSchema::new(&schema).unwrap();
    assert!(resolved.get_names().len() >= 3);
}

/// As a live run's: more come as records name them by id.
#[derive(Default)]
struct Learning(std::sync::RwLock<bool>);

impl SchemaSource for Learning {
    fn by_id(&self, _: u32) -> Option<SchemaText> {
        self.0.read().unwrap().then(|| text(VIEW))
    }

    fn by_guid(&self, _: SchemaRef) -> Option<SchemaText> {
        self.by_id(0)
    }
}

#[test]
fn a_schema_that_comes_later_is_found_also_by_who_asked_for_it_before() {
    let schemas = Arc::new(Learning::default());
    let mut asked = Registry::new(schemas.clone(), None);
    // Another thread's.
    let mut did_not = asked.clone();
    let value = [&[1][..], &[7; 16], &[0]].concat();
    let wants = [want("ts", Some(0), Vec::new())];
    let record = crate::record::Record::default();
    let reads = |registry: &mut Registry| registry.open(&record, &value, &wants).unwrap().0.is_ok();
    assert!(!reads(&mut asked) && !reads(&mut asked));
    *schemas.0.write().unwrap() = true;
    assert!(reads(&mut did_not) && reads(&mut asked) && reads(&mut asked));
}

/// As its replay's: all of them from the beginning.
struct CountsFrom(u64);

impl SchemaSource for CountsFrom {
    fn by_id(&self, _: u32) -> Option<SchemaText> {
        Some(SchemaText { from: self.0, ..text(VIEW) })
    }
}

#[test]
fn a_schema_counts_from_its_record_on() {
    let mut registry = Registry::new(Arc::new(CountsFrom(5)), None);
    let wants = [want("ts", Some(0), Vec::new())];
    let mut why = |id: u8, arrival| {
        let record = crate::record::Record { arrival, ..crate::record::Record::default() };
        let plan = registry.open(&record, &[0, 0, 0, 0, id, 0], &wants).unwrap().0;
        plan.err().map(ToOwned::to_owned)
    };
    // In whatever order they are asked for, as `explain` does.
    for (id, arrivals) in [(1, [4, 5, 0]), (2, [9, 4, 6])] {
        for arrival in arrivals {
            let why = why(id, arrival);
            assert_eq!(why.is_some(), arrival < 5, "{id} {arrival}: {why:?}");
            let said = format!("its schema (id {id}) was not known when a live run took it in");
            assert!(why.is_none_or(|why| why.starts_with(&said) && why.contains("arrival 5")));
        }
    }
}
