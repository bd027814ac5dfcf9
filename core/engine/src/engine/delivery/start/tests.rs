//! What guards the state of a job (4-commit, "pipeline changed").

use super::*;

const INPUTS: [&str; 2] = [
    r#"
[inputs.views]
topic = "views"
format = "json"
key = "view"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "20ms" }
"#,
    r#"
[inputs.likes]
topic = "likes"
format = "json"
key = "k"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "20ms" }
where = { kind = ["like"] }
"#,
];

const REST: &str = r#"
[join]
primary = "views"
with.likes = { after = "-5ms", until = "150ms" }
kind = "left"
late = "side-output"
[examples]
emit = "on-close"
labels = { one = "likes.kind = like" }
[delivery]
guarantee = "exactly-once"
checkpoint_interval = "100ms"
[sink]
topic = "out"
late_topic = "late"
format = "json"
"#;

fn text() -> String {
    format!("name = \"case\"\n{}{}{REST}", INPUTS[0], INPUTS[1])
}

fn guards(text: &str) -> BTreeMap<String, String> {
    guard(&Pipeline::parse(text, "case.toml").unwrap())
}

#[test]
fn each_part_that_the_state_is_made_by_is_guarded_and_named() {
    let was = guards(&text());
    for (from, to, part) in [
        ("topic = \"views\"", "topic = \"sights\"", "[inputs.views]"),
        ("key = \"view\"", "key = \"id\"", "[inputs.views]"),
        ("format = \"json\"", "format = \"avro-registry\"", "[inputs.views]"),
        ("unit = \"ms\"", "unit = \"s\"", "[inputs.views]"),
        ("orderness = \"20ms\"", "orderness = \"30ms\"", "[inputs.views]"),
        ("kind = [\"like\"]", "kind = [\"share\"]", "[inputs.likes]"),
        ("until = \"150ms\"", "until = \"140ms\"", "[join]"),
        ("late = \"side-output\"", "late = \"join\"", "[join]"),
        ("emit = \"on-close\"", "emit = \"early-and-correct\"", "[examples]"),
        ("likes.kind = like", "likes.kind = share", "[examples]"),
        ("topic = \"out\"", "topic = \"else\"", "[sink]"),
        ("late_topic = \"late\"", "late_topic = \"later\"", "[sink]"),
    ] {
        let changed = text().replacen(from, to, 1);
        assert_ne!(changed, text(), "{from}");
        let error = check_guard(&was, &guards(&changed), "case").unwrap_err().to_string();
        assert!(error.contains(&format!("another pipeline: {part} differs. ")), "{to}: {error}");
    }
    // Rows name their input by its position.
    let turned = format!("name = \"case\"\n{}{}{REST}", INPUTS[1], INPUTS[0]);
    let error = check_guard(&was, &guards(&turned), "case").unwrap_err().to_string();
    assert!(error.contains("another pipeline: [inputs] differs. "), "{error}");
    // What is not there any more, or is new, differs too; all of it is named.
    let (folded, rest) = REST.split_at(REST.find("[examples]").unwrap());
    let pairs = format!(
        "name = \"case\"\n{}{}{folded}{}",
        INPUTS[0],
        INPUTS[1],
        &rest[rest.find("[delivery]").unwrap()..]
    );
    for (was, is) in [(&text(), &pairs), (&pairs, &text())] {
        let is = is.replacen("until = \"150ms\"", "until = \"140ms\"", 1);
        let error = check_guard(&guards(was), &guards(&is), "case").unwrap_err().to_string();
        assert!(error.contains("[examples]") && error.contains("[join]"), "{error}");
    }
}

#[test]
fn a_run_that_writes_nothing_is_held_to_the_same() {
    let of = |text: &str| Pipeline::parse(text, "case.toml").unwrap();
    let was = of(&text());
    assert_eq!(same_state(&was, &of(&text()), "case"), Ok(()));
    let now = of(&text().replace("until = \"150ms\"", "until = \"140ms\""));
    let why = same_state(&was, &now, "case").unwrap_err();
    assert!(why.contains("of job \"case\" was made by another pipeline: [join] differs"), "{why}");
}

#[test]
fn what_may_change_is_not_guarded() {
    for (from, to) in [
        ("guarantee = \"exactly-once\"", "guarantee = \"at-most-once\""),
        ("checkpoint_interval = \"100ms\"", "checkpoint_interval = \"1s\""),
        (
            "late_topic = \"late\"\nformat = \"json\"",
            "late_topic = \"late\"\nformat = \"avro-registry\"",
        ),
        // Only how it is laid out.
        ("[join]", "# The join.\n[join]"),
        ("\"150ms\"", "\"0.15s\""),
    ] {
        let changed = text().replacen(from, to, 1);
        assert_ne!(changed, text(), "{from}");
        assert_eq!(guards(&changed), guards(&text()), "{to}");
    }
}
