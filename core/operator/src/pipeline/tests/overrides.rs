//! `--set`: what overrides reach, and whom an error names.

use super::*;

#[test]
fn overrides_are_checked_as_the_file_is() {
    let with = |path: &str, value: &str| Pipeline::parse_with(FEED, "f", &set(path, value));
    let p = with("inputs.views.watermark.max_out_of_orderness", "120s").unwrap();
    assert_eq!(p.inputs[0].watermark.max_out_of_orderness, 120_000);
    assert_eq!(p.inputs[0].watermark.idle_timeout, Some(30_000));
    let p = with("join.with.engagements.until", "1h").unwrap();
    assert_eq!(p.join.with[0].until, 3_600_000);
    assert_eq!(with("inputs.views.topic", "2024").unwrap().topics()[0].as_ref(), "2024");
    assert_eq!(with("inputs.engagements.idle_timeout", "5s").unwrap_err().problems.len(), 1);
    let p = with("inputs.engagements.watermark.idle_timeout", "\"5s\"").unwrap();
    assert_eq!(p.inputs[1].watermark.idle_timeout, Some(5_000));
    let p = with("inputs.engagements.where.kind", "[\"like\"]").unwrap();
    assert_eq!(p.inputs[1].filter[0].values.len(), 1);
    assert_eq!(
        with("join.with.engagements.until", "-1h").unwrap_err().to_string(),
        "--set join.with.engagements.until=-1h: the interval of \"engagements\" is upside down: it starts 0s after the primary and ends -60m after it; swap them: after = \"-60m\", until = \"0s\""
    );
    assert_eq!(
        with("inputs.vews.watermark.idle_timeout", "5s").unwrap_err().to_string(),
        "--set inputs.vews.watermark.idle_timeout=5s: the pipeline has no input \"vews\"; did you mean inputs.views?"
    );
    assert_eq!(
        with("join.kind", "outer").unwrap_err().to_string(),
        "--set join.kind=outer: \"join.kind\" is \"outer\"; write inner, left, right or full"
    );
    let error = with("join.kind.deep", "1").unwrap_err().to_string();
    assert!(error.starts_with("--set join.kind.deep=1: \"kind\" is a text"), "{error}");
    assert!(with("", "x").is_err() && with("a..b", "x").is_err());
    assert_eq!(parse_set("a.b = c=d").unwrap(), ("a.b".into(), "c=d".into()));
    assert!(parse_set("nothing").is_err() && parse_set("=x").is_err());
}

#[test]
fn an_override_is_named_where_it_does_not_go_with_the_file() {
    let error =
        |sets: &[(String, String)]| Pipeline::parse_with(FEED, "f", sets).unwrap_err().to_string();
    let exchanged = error(&set("join.primary", "engagements"));
    assert!(
        exchanged.starts_with("--set join.primary=engagements: \"engagements\" is the primary"),
        "{exchanged}"
    );
    let upside_down = error(&set("join.with.engagements.after", "2h"));
    let named = "--set join.with.engagements.after=2h: the interval of \"engagements\" is upside";
    assert!(upside_down.starts_with(named), "{upside_down}");
    // All that is wrong with a section that an override makes.
    let text = FEED.split("[sink]").next().unwrap();
    let sunk = Pipeline::parse_with(text, "f", &set("sink.format", "avro")).unwrap_err();
    let sunk: Vec<&str> = sunk.problems.iter().map(|p| p.what.as_str()).collect();
    assert_eq!(sunk, ["\"sink.format\" is \"avro\"", "\"sink.topic\" is missing"]);
}

#[test]
fn a_name_with_dots_is_reached_as_it_is_written_and_by_its_parts() {
    let dotted = FEED.replacen("{ kind = [\"like\", \"share\"] }", "{ \"user.id\" = 5 }", 1);
    let nested = FEED.replacen("{ kind = [\"like\", \"share\"] }", "{ user.id = 5 }", 1);
    for text in [dotted, nested] {
        let sets = set("inputs.engagements.where.user.id", "6");
        let p = Pipeline::parse_with(&text, "f", &sets).unwrap();
        let path = vec!["user".to_owned(), "id".to_owned()];
        assert_eq!(p.inputs[1].filter, [FieldIs { path, values: vec![Scalar::Int(6)] }]);
        let back = Pipeline::parse(&p.to_toml(), "again").unwrap();
        assert_eq!(back, p);
    }
}
