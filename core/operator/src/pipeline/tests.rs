mod overrides;

use proptest::prelude::*;

use super::*;

/// The pipeline of 10-command-line, word for word.
const FEED: &str = r#"
name = "feed"

[inputs.views]
topic = "views"
format = "avro"                       # json | avro | avro-registry | protobuf-registry
key = "view_id"                       # a field path, or "$key" for the Kafka key
event_time = { field = "ts", unit = "ms" }   # s | ms | us | ns | rfc3339; or "$timestamp"
# schema = "views.avsc"               # reader schema
watermark = { max_out_of_orderness = "60s", idle_timeout = "30s" }

[inputs.engagements]
topic = "engagements"
format = "json"
key = "view_id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s" }
where = { kind = ["like", "share"] }  # optional

[join]
primary = "views"
with.engagements = { after = "0s", until = "30m" }
kind = "left"                         # inner | left | right | full; folding needs left
semantics = "clean"                   # clean | flink-sql | flink-datastream | kafka-streams
late = "drop"                         # drop | join | side-output (to sink.late_topic)
output_time = "larger"                # larger | primary

[examples]                            # optional: fold into one row for each view
emit = "on-close"                     # on-match | on-close | early-and-correct
labels = { like = "engagements.kind = like", share = "engagements.kind = share" }

[delivery]
guarantee = "exactly-once"            # exactly-once | at-least-once | at-most-once
checkpoint_interval = "1s"
job = "feed"                          # default: name; unique on the cluster
[sink]                                # optional: without it outputs stay in the run
topic = "examples"
format = "json"                       # json | avro-registry
"#;

fn set(path: &str, value: &str) -> Vec<(String, String)> {
    vec![(path.to_owned(), value.to_owned())]
}

/// The errors after replacing `from` by `to` in the feed.
fn broken(from: &str, to: &str) -> String {
    assert!(FEED.contains(from), "{from}");
    let text = FEED.replacen(from, to, 1);
    Pipeline::parse(&text, "feed.toml").unwrap_err().to_string()
}

#[test]
fn the_designs_pipeline_is_read() {
    let p = Pipeline::parse(FEED, "feed.toml").unwrap();
    assert_eq!(p.to_string(), "feed: views ⋈ engagements (left, 0s to 30m)");
    assert_eq!(p.inputs.len(), 2);
    assert_eq!(&*p.inputs[0].name, "views");
    assert_eq!(p.inputs[0].format, Format::Avro);
    assert_eq!(p.inputs[0].key, KeyField::Field(vec!["view_id".into()]));
    assert_eq!(p.inputs[0].watermark.idle_timeout, Some(30_000));
    assert_eq!(p.inputs[1].watermark.max_out_of_orderness, 60_000);
    let values = vec![Scalar::String("like".into()), Scalar::String("share".into())];
    assert_eq!(p.inputs[1].filter, [FieldIs { path: vec!["kind".into()], values }]);
    assert_eq!(p.join.with, [Secondary { input: 1, after: 0, until: 1_800_000 }]);
    assert_eq!(p.join.kind, Kind::Left);
    let examples = p.examples.as_ref().unwrap();
    assert_eq!(examples.emit, Emit::OnClose);
    assert_eq!(examples.labels[1].name, "share");
    assert_eq!(p.delivery.checkpoint_interval, 1_000);
    assert_eq!(p.sink.as_ref().unwrap().topic, "examples");
    assert_eq!(p.input_named("engagements"), Some(1));
    assert_eq!(p.largest_until(), 1_800_000);
}

#[test]
fn inputs_keep_the_order_of_the_file() {
    let text = FEED.replace("inputs.views", "inputs.zeta").replace("\"views\"", "\"zeta\"");
    let p = Pipeline::parse(&text.replace("views.", "zeta."), "f").unwrap();
    assert_eq!(&*p.inputs[0].name, "zeta");
}

#[test]
fn problems_say_where_what_and_what_to_do() {
    for (from, to, expected) in [
        (
            "max_out_of_orderness",
            "max_out_of_ordernes",
            "feed.toml:10:15: unknown key \"inputs.views.watermark.max_out_of_ordernes\"; did you mean \"max_out_of_orderness\"?",
        ),
        ("[sink]", "[snik]", "feed.toml:36:2: unknown key \"snik\"; did you mean \"sink\"?"),
        (
            "topic = \"views\"\n",
            "",
            "feed.toml:4:9: \"inputs.views.topic\" is missing; name the Kafka topic",
        ),
        (
            "topic = \"views\"",
            "topic = 5",
            "feed.toml:5:9: \"inputs.views.topic\" is an integer, not a text; write topic = \"…\"",
        ),
        (
            "format = \"avro\"",
            "format = \"protobuf-registry\"",
            "feed.toml:6:10: \"inputs.views.format\" is \"protobuf-registry\"; this version reads json, avro and avro-registry, not Protobuf",
        ),
        (
            "format = \"json\"",
            "format = \"jsn\"",
            "feed.toml:14:10: \"inputs.engagements.format\" is \"jsn\"; did you mean \"json\"? (json, avro or avro-registry)",
        ),
        (
            "\"60s\"",
            "\"60 parsecs\"",
            "feed.toml:10:38: \"inputs.views.watermark.max_out_of_orderness\": \"60 parsecs\" is not a duration; write a number and a unit (ms, s, m, h, d, w), such as \"250ms\", \"60s\", \"30m\" or \"7d\"",
        ),
        (
            "\"60s\"",
            "60",
            "feed.toml:10:38: \"inputs.views.watermark.max_out_of_orderness\" is an integer without a unit; write max_out_of_orderness = \"60ms\" or \"60s\"",
        ),
        (
            "\"60s\"",
            "\"-1s\"",
            "feed.toml:10:38: \"inputs.views.watermark.max_out_of_orderness\" is -1s; it may not be negative",
        ),
        (
            "after = \"0s\"",
            "after = \"1h\"",
            "feed.toml:22:6: the interval of \"engagements\" is upside down: it starts 60m after the primary and ends 30m after it; swap them: after = \"30m\", until = \"60m\"",
        ),
        (
            "with.engagements",
            "with.engagments",
            "feed.toml:22:6: \"join.with\" names \"engagments\", which is no input; did you mean \"engagements\"?",
        ),
        (
            "primary = \"views\"",
            "primary = \"clicks\"",
            "feed.toml:21:11: \"join.primary\" names \"clicks\", which is no input; the inputs are views, engagements",
        ),
        (
            "\"engagements.kind = like\"",
            "\"engagment.kind = like\"",
            "feed.toml:30:19: \"examples.labels.like\" names \"engagment\", which is no input; did you mean \"engagements\"?",
        ),
        (
            "\"engagements.kind = like\"",
            "\"engagements.kind\"",
            "feed.toml:30:19: \"examples.labels.like\" is not a condition: it has no \"=\"; write \"INPUT.FIELD = VALUE\", such as \"engagements.kind = like\"",
        ),
        (
            "kind = \"left\"",
            "kind = \"inner\"",
            "feed.toml:23:8: examples are folded, which needs kind = \"left\"; write kind = \"left\", or examples.emit = \"on-match\"",
        ),
        (
            "late = \"drop\"",
            "late = \"side-output\"",
            "feed.toml:36:2: \"sink.late_topic\" is missing; name the topic for late records, or write join.late = \"drop\"",
        ),
        (
            "with.engagements = { after = \"0s\", until = \"30m\" }\n",
            "",
            "feed.toml:20:2: \"join.with\" is missing; write with.NAME = { after = \"0s\", until = \"30m\" } for each other input",
        ),
        (
            "{ field = \"ts\", unit = \"ms\" }",
            "\"ts\"",
            "feed.toml:8:14: \"inputs.views.event_time\" is \"ts\"; write { field = \"ts\", unit = \"ms\" } or \"$timestamp\"",
        ),
        (
            "key = \"view_id\"",
            "key = \"a..b\"",
            "feed.toml:7:7: \"inputs.views.key\" has an empty part; write field names joined by dots",
        ),
        (
            "key = \"view_id\"",
            "key = \"$kee\"",
            "feed.toml:7:7: \"inputs.views.key\" is \"$kee\"; write \"$key\" or the name of a field",
        ),
        (
            "[\"like\", \"share\"]",
            "[]",
            "feed.toml:18:18: \"inputs.engagements.where.kind\" is an empty list, which keeps nothing; list the values to keep",
        ),
        (
            "engagements.kind = like\"",
            "engagements.kind != like\"",
            "feed.toml:30:19: \"examples.labels.like\" is not a condition: it has \"!=\", and only \"=\" is taken; write \"INPUT.FIELD = VALUE\", such as \"engagements.kind = like\"",
        ),
        (
            "{ kind = [\"like\", \"share\"] }",
            "{ \"user.id\" = 5, user.id = 6 }",
            "feed.toml:18:26: \"inputs.engagements.where.user.id\" stands twice; write it once, with a list of the values to keep",
        ),
        (
            "\"share\"] }",
            "-inf] }",
            "feed.toml:18:27: \"inputs.engagements.where.kind\" has -inf among its values; write texts, numbers, true or false",
        ),
        (
            "topic = \"examples\"",
            "topic = \"a b\"",
            "feed.toml:37:9: \"sink.topic\" is \"a b\", which no Kafka topic is called; use up to 249 letters, digits, dots, _ and -",
        ),
    ] {
        assert_eq!(broken(from, to).lines().next().unwrap(), expected);
    }
}

#[test]
fn a_name_given_twice_is_refused() {
    let error = broken("[inputs.engagements]", "[inputs.views]");
    assert!(error.starts_with("feed.toml:12:9: duplicate key"), "{error}");
    let error = broken("with.engagements", "with.views");
    assert!(error.contains("\"views\" is the primary and in \"join.with\""), "{error}");
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let text = FEED.replace("topic = \"views\"", "topik = \"views\"").replace("\"30m\"", "\"30\"");
    let error = Pipeline::parse(&text, "f").unwrap_err();
    let lines: Vec<usize> = error
        .problems
        .iter()
        .map(|p| match &p.place {
            Place::File { line, .. } => *line,
            Place::Set(_) => 0,
        })
        .collect();
    assert_eq!(lines, [4, 5, 22], "{error}");
}

#[test]
fn an_input_that_nothing_joins_is_refused() {
    let error = broken(
        "[join]",
        "[inputs.other]\ntopic = \"o\"\nformat = \"json\"\nkey = \"k\"\nevent_time = \"$timestamp\"\n[join]",
    );
    assert!(
        error.contains("the input \"other\" is neither primary nor in \"join.with\""),
        "{error}"
    );
}

#[test]
fn folding_makes_left_the_default_kind() {
    let text = FEED.replace("kind = \"left\"", "");
    let folded = Pipeline::parse(&text, "f").unwrap();
    assert_eq!((folded.join.kind, folded.labels().len()), (Kind::Left, 2));
    let text = text.replace("\"on-close\"", "\"on-match\"");
    // A pair has no labels: a 0 would say that its records do not satisfy one.
    let pairs = Pipeline::parse(&text, "f").unwrap();
    assert_eq!((pairs.join.kind, pairs.labels().len()), (Kind::Inner, 0));
}

/// FEED as pairs under a released semantics.
fn released(semantics: &str, more: &[(&str, &str)]) -> Result<Pipeline, String> {
    let mut sets = set("join.semantics", semantics);
    sets.extend(set("examples.emit", "on-match"));
    for (path, value) in more {
        sets.extend(set(path, value));
    }
    Pipeline::parse_with(FEED, "f", &sets).map_err(|e| e.to_string())
}

#[test]
fn released_semantics_take_their_settings() {
    let p =
        released("flink-sql", &[("join.min_cleanup", "5s"), ("join.parallelism", "100")]).unwrap();
    assert_eq!(p.join.semantics, Semantics::FlinkSql);
    assert_eq!(p.join.semantics.to_string(), "flink-sql (Flink 2.3.0)");
    assert_eq!((p.join.released.min_cleanup, p.join.released.parallelism), (5_000, 100));
    // KeyGroupRangeAssignment#computeDefaultMaxParallelism: 150, rounded up.
    assert_eq!(p.join.released.max_parallelism, 256);
    let again = Pipeline::parse(&p.to_toml(), "g").unwrap();
    assert_eq!((again.digest(), &again.join), (p.digest(), &p.join));

    let more = [("join.grace", "1m"), ("join.input_order", "smallest-timestamp")];
    let p = released("kafka-streams", &more).unwrap();
    assert_eq!(p.join.released.grace, Some(60_000));
    assert_eq!(p.join.released.input_order, InputOrder::SmallestTimestamp);
    let again = Pipeline::parse(&p.to_toml(), "g").unwrap();
    assert_eq!((again.digest(), &again.join), (p.digest(), &p.join));

    // The settings of another semantics do no harm and are read all the same.
    assert!(released("clean", &more).is_ok());
    assert!(released("clean", &[("join.grace", "-1s")]).is_err());
}

#[test]
fn what_a_release_cannot_do_is_refused_by_its_name() {
    for (semantics, more, expected) in [
        ("flink-datastream", ("join.kind", "left"), "inner only"),
        ("flink-datastream", ("join.late", "join"), "it never joins it"),
        ("kafka-streams", ("join.grace", "-1s"), "it may not be negative"),
        ("kafka-streams", ("join.kind", "left"), "\"join.grace\" is missing"),
        ("kafka-streams", ("join.kind", "right"), "no right one"),
        ("flink-sql", ("examples.emit", "on-close"), "does not fold them into examples"),
        ("flink-sql", ("join.output_time", "primary"), "is Flink 2.3.0's to give"),
        ("flink-sql", ("join.parallelism", "200"), "none"),
        ("flink-sql", ("join.parallelism", "0"), "whole number from 1 to 32768"),
        ("flink-sql", ("join.max_parallelism", "1.5"), "whole number from 1 to 32768"),
        ("flink-sql", ("join.late", "side-output"), "Flink 2.3.0 drops no late row"),
        ("flink-sql", ("join.late", "join"), "none"),
        ("kafka-streams", ("join.late", "side-output"), "4.3.1 drops no late row"),
        ("flink-dql", ("join.late", "drop"), "did you mean \"flink-sql\"?"),
    ] {
        match released(semantics, &[more]) {
            Ok(_) => assert_eq!(expected, "none", "{semantics} {more:?}"),
            Err(error) => assert!(error.contains(expected), "{semantics} {more:?}: {error}"),
        }
    }
    let more = [("join.max_parallelism", "4"), ("join.parallelism", "5")];
    let error = released("flink-sql", &more).unwrap_err();
    assert!(error.contains("more than the 4 key groups"), "{error}");
    let text = FEED
        .replace("[join]", "[inputs.plays]\ntopic = \"plays\"\nformat = \"json\"\nkey = \"k\"\nevent_time = \"$timestamp\"\n[join]\nwith.plays = { until = \"1m\" }")
        .replace("\"on-close\"", "\"on-match\"");
    assert!(Pipeline::parse(&text, "f").is_ok());
    let error = Pipeline::parse_with(&text, "f", &set("join.semantics", "flink-sql")).unwrap_err();
    assert!(error.to_string().contains("joins two inputs in one operator"), "{error}");
}

#[test]
fn the_digest_is_of_what_it_says_not_of_how_it_looks() {
    let p = Pipeline::parse(FEED, "f").unwrap();
    let reordered = FEED.replace("# optional", "#").replace("\"30m\"", "'1800s'");
    let other = Pipeline::parse(&reordered, "elsewhere.toml").unwrap();
    assert_eq!(p.digest(), other.digest());
    assert_eq!(p.digest().len(), 32);
    let changed = Pipeline::parse_with(FEED, "f", &set("join.late", "join")).unwrap();
    assert_ne!(p.digest(), changed.digest());
    let back =
        Pipeline::parse(&p.to_toml(), "f").unwrap_or_else(|e| panic!("{e}\n{}", p.to_toml()));
    assert_eq!(back, p);
}

#[test]
fn a_loaded_schema_stays_with_the_pipeline() {
    let text = FEED.replace("# schema =", "schema =");
    let mut p = Pipeline::parse(&text, "f").unwrap();
    assert_eq!(
        p.load_schemas(|_| Err("not there".into())).unwrap_err(),
        "inputs.views.schema: views.avsc: not there; name a file relative to the pipeline"
    );
    p.load_schemas(|path| Ok(format!("{{\"from\": \"{path}\"}}"))).unwrap();
    let back = Pipeline::parse(&p.to_toml(), "f").unwrap();
    let schema = back.inputs[0].schema.as_ref().unwrap();
    assert_eq!(schema.text.as_deref(), Some("{\"from\": \"views.avsc\"}"));
    assert_eq!(back.digest(), p.digest());
}

#[test]
fn limits_hold() {
    let labels: Vec<String> = (0..65).map(|i| format!("l{i} = \"views.k = {i}\"")).collect();
    let error = broken(
        "labels = { like = \"engagements.kind = like\", share = \"engagements.kind = share\" }",
        &format!("[examples.labels]\n{}", labels.join("\n")),
    );
    assert!(error.contains("there are more than 64 labels"), "{error}");
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Pipeline::parse(&deep, "f").is_err());
    let error = Pipeline::parse(&"#".repeat(2 << 20), "f").unwrap_err().to_string();
    assert!(error.starts_with("f:1:1: this is larger than 1 MiB"), "{error}");
    assert!(Pipeline::parse("", "f").is_err());
    // Whose name is none of no inputs is not said as well.
    let none =
        Pipeline::parse("inputs = []\n[join]\nprimary = \"v\"\nwith.x = { until = \"1s\" }", "f");
    let none = none.unwrap_err().to_string();
    assert!(
        none.starts_with("f:1:10: \"inputs\" is a list") && none.lines().count() == 1,
        "{none}"
    );
    let many: String = (0..10_000).fold(String::new(), |s, i| s + &format!("k{i} = 1\n"));
    assert!(Pipeline::parse(&many, "f").unwrap_err().problems.len() <= 100);
}

#[test]
fn without_a_name_it_is_called_as_its_file() {
    let text = FEED.replace("name = \"feed\"", "");
    assert_eq!(Pipeline::parse(&text, "/a/b/clicks.toml").unwrap().name, "clicks");
}

fn duration() -> impl Strategy<Value = i64> {
    prop_oneof![0..1_000i64, (0..5_000i64).prop_map(|s| s * 1_000), 0..4_000_000_000_000i64]
}

prop_compose! {
    fn any_scalar()(pick in 0..4, n: i64, f in -1e9..1e9f64, b: bool, s in "\\PC{0,8}") -> Scalar {
        match pick { 0 => Scalar::Int(n), 1 => Scalar::Float(f), 2 => Scalar::Bool(b), _ => Scalar::String(s) }
    }
}

prop_compose! {
    fn any_pipeline()(
        name in "[a-z]{1,8}", oo in duration(), idle in prop::option::of(1..100_000i64),
        emit in prop::option::of(1..10_000i64), a in -1_000_000..1_000_000i64, len in duration(),
        kafka_key: bool, stamp: bool, kind in 0..4usize, late in 0..2usize, label in any_scalar(),
        values in prop::collection::vec(any_scalar(), 1..3), field in "[a-z]{1,5}(\\.[a-z]{1,5})?",
        inputs in 2..5usize, examples in prop::option::of(0..3usize), sink: bool,
    ) -> Pipeline {
        let path: FieldPath = field.split('.').map(str::to_owned).collect();
        let input = |i: usize| Input {
            name: format!("in{i}").into(),
            topic: format!("topic.{i}").into(),
            format: Format::Json,
            key: if kafka_key { KeyField::Kafka } else { KeyField::Field(path.clone()) },
            event_time: if stamp { EventTime::Timestamp } else {
                EventTime::Field { path: path.clone(), unit: TimeUnit::Rfc3339 }
            },
            schema: None,
            watermark: WatermarkSpec {
                max_out_of_orderness: oo, idle_timeout: idle, emit_interval: emit,
                max_drift: None, max_ahead: idle,
            },
            filter: vec![FieldIs { path: path.clone(), values: values.clone() }],
        };
        let examples = examples.map(|e| Examples {
            emit: [Emit::OnMatch, Emit::OnClose, Emit::EarlyAndCorrect][e],
            labels: vec![Label {
                name: "a b".into(), input: 1,
                condition: FieldIs { path: path.clone(), values: vec![label.clone()] },
            }],
        });
        let folds = examples.as_ref().is_some_and(|e| e.emit.folds());
        Pipeline {
            name,
            inputs: (0..inputs).map(input).collect(),
            join: Join {
                primary: 0,
                with: (1..inputs).map(|i| Secondary { input: i as u8, after: a, until: a + len }).collect(),
                kind: if folds { Kind::Left } else { [Kind::Inner, Kind::Left, Kind::Right, Kind::Full][kind] },
                semantics: Semantics::Clean,
                released: Released::default(),
                late: [LatePolicy::Drop, LatePolicy::Join][late],
                output_time: OutputTime::Primary,
            },
            examples,
            delivery: Delivery { guarantee: Guarantee::AtLeastOnce, checkpoint_interval: 1 + oo, job: None },
            sink: sink.then(|| Sink {
                topic: "out".into(), late_topic: Some("late".into()), format: SinkFormat::AvroRegistry,
            }),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(p in any_pipeline()) {
        let text = p.to_toml();
        let back = Pipeline::parse(&text, "f").map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(back, p);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = Pipeline::parse(&text, "f");
    }

    #[test]
    fn any_override_is_taken_or_refused(path in "[a-z.]{0,30}", value in "\\PC{0,30}") {
        let _ = Pipeline::parse_with(FEED, "f", &set(&path, &value));
    }

    #[test]
    fn a_damaged_pipeline_is_read_or_refused(at in 0..FEED.len(), with in "\\PC{0,3}", cut in 0..5usize) {
        let end = (at + cut).min(FEED.len());
        if let (Some(a), Some(b)) = (FEED.get(..at), FEED.get(end..)) {
            let _ = Pipeline::parse(&format!("{a}{with}{b}"), "f");
        }
    }
}
