use super::*;
use crate::window::testing::PIPELINE;

fn editor() -> Editor {
    Editor::new("feed.toml", PIPELINE, Vec::new())
}

fn field(editor: &Editor, setting: &str) -> Field {
    let groups = editor.form().unwrap();
    let mut all = groups.iter().flat_map(|g| &g.fields);
    all.find(|f| f.setting() == setting).unwrap_or_else(|| panic!("{setting}")).clone()
}

#[test]
fn the_form_shows_what_the_text_says() {
    let editor = editor();
    let bound = field(&editor, "inputs.views.watermark.max_out_of_orderness");
    assert_eq!((bound.value.as_str(), &bound.kind), ("60s", &Kind::Duration));
    assert_eq!(field(&editor, "join.with.engagements.until").value, "5m");
    let late = field(&editor, "join.late");
    assert_eq!((late.value.as_str(), late.default), ("", "drop"));
    assert!(editor.wrong().is_empty() && !editor.is_changed());
}

#[test]
fn what_the_form_changes_stands_in_the_text_and_nothing_else_moves() {
    let text = PIPELINE.replace("kind = \"left\"", "kind = \"left\"   # pads too");
    let mut editor = Editor::new("feed.toml", &text, Vec::new());
    let bound = field(&editor, "inputs.views.watermark.max_out_of_orderness");
    editor.set_field(&bound.path, "5s");
    let kind = field(&editor, "join.kind");
    editor.set_field(&kind.path, "inner");
    let wanted = text
        .replacen("max_out_of_orderness = \"60s\"", "max_out_of_orderness = \"5s\"", 1)
        .replace("kind = \"left\"   # pads too", "kind = \"inner\"   # pads too");
    assert_eq!(editor.text(), wanted);
    let pipeline = Pipeline::parse(editor.text(), "feed.toml").unwrap();
    assert_eq!(pipeline.inputs[0].watermark.max_out_of_orderness, 5_000);
}

#[test]
fn a_setting_that_was_left_out_is_added_and_taken_out_again() {
    let mut editor = editor();
    for (setting, value) in [
        ("join.late", "join"),
        ("delivery.guarantee", "at-least-once"),
        ("inputs.views.watermark.max_drift", "90s"),
    ] {
        let at = field(&editor, setting);
        assert_eq!(at.value, "");
        editor.set_field(&at.path, value);
        assert_eq!(field(&editor, setting).value, value, "{}", editor.text());
        assert!(editor.wrong().is_empty(), "{:?}", editor.wrong());
        editor.set_field(&at.path, "");
        assert_eq!(field(&editor, setting).value, "");
    }
}

#[test]
fn what_is_wrong_is_said_at_its_line() {
    let mut editor = editor();
    editor.set_text(PIPELINE.replace("until = \"5m\"", "until = \"five\""));
    let line = editor.text().lines().position(|l| l.contains("five")).unwrap() + 1;
    let [wrong] = editor.wrong() else { panic!("{:?}", editor.wrong()) };
    assert!(matches!(wrong.at, At::Line(l, _) if l == line), "{wrong:?}");
    assert!(editor.form().is_some(), "the form still shows it");
    editor.set_text("[inputs".to_owned());
    assert!(editor.form().is_none() && !editor.wrong().is_empty());
    editor.set_field(&["join".to_owned(), "kind".to_owned()], "inner");
    assert_eq!(editor.text(), "[inputs", "the form waits until the TOML can be read");
}

#[test]
fn what_is_wrong_with_an_override_is_said_at_it() {
    let mut editor = editor();
    let over = |path: &str, value: &str| (path.to_owned(), value.to_owned());
    editor.set_overrides(vec![
        over("join.with.engagements.until", "1h"),
        over("", ""),
        over("inputs.views.watermark.idle_timeot", "3s"),
    ]);
    let [wrong] = editor.wrong() else { panic!("{:?}", editor.wrong()) };
    assert_eq!(wrong.at, At::Override(2), "{wrong:?}");
    assert_eq!(editor.given_overrides().len(), 2);
}

/// Whether the pipeline says `text` and nothing is wrong with it.
fn says(editor: &Editor, text: &str) -> bool {
    editor.wrong().is_empty() && editor.text().contains(text)
}

#[test]
fn conditions_and_labels_are_added_changed_and_taken_out() {
    let mut editor = editor();
    let path = |all: &[&str]| all.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    assert!(matches!(field(&editor, "inputs.engagements.where").kind, Kind::Entry(_)));
    assert_eq!(entry("kind = [\"like\"]"), Some(("kind".to_owned(), "[\"like\"]".to_owned())));
    assert_eq!(entry("like = engagements.kind = like").unwrap().1, "engagements.kind = like");
    assert_eq!((entry("kind ="), entry("kind")), (None, None));
    let kind = path(&["inputs", "engagements", "where", "kind"]);
    editor.set_field(&kind, "[\"like\", \"share\"]");
    assert!(
        says(&editor, "kind = [\"like\", \"share\"]"),
        "{:?}\n{}",
        editor.wrong(),
        editor.text()
    );
    editor.set_field(&kind, "like");
    assert!(says(&editor, "kind = \"like\""), "{}", editor.text());
    editor.set_field(&path(&["inputs", "engagements", "where", "rating"]), "3");
    assert!(says(&editor, "rating = 3"), "{}", editor.text());
    let pipeline = Pipeline::parse(editor.text(), "p").unwrap();
    assert_eq!(pipeline.inputs[1].filter.len(), 2);
    assert_eq!(field(&editor, "inputs.engagements.where.rating").value, "3");
    editor.set_field(&kind, "");
    editor.set_field(&path(&["inputs", "engagements", "where", "rating"]), "");
    assert!(!editor.text().contains("where"), "{}", editor.text());

    let label = path(&["examples", "labels", "like"]);
    editor.set_field(&label, "engagements.kind = like");
    assert!(says(&editor, "engagements.kind = like"), "{:?}\n{}", editor.wrong(), editor.text());
    assert!(Pipeline::parse(editor.text(), "p").unwrap().folds());
    editor.set_field(&label, "engagements.knid");
    assert!(!editor.wrong().is_empty(), "what is wrong is said");
    editor.set_field(&label, "");
    assert!(!editor.text().contains("examples") && editor.wrong().is_empty(), "{}", editor.text());
}

#[test]
fn a_sink_a_schema_and_what_released_semantics_need() {
    let mut editor = editor();
    for (setting, value) in [("sink.topic", "examples"), ("sink.format", "avro-registry")] {
        let at = field(&editor, setting);
        editor.set_field(&at.path, value);
        assert!(editor.wrong().is_empty(), "{:?}", editor.wrong());
    }
    assert!(Pipeline::parse(editor.text(), "p").unwrap().sink.is_some());
    assert_eq!(field(&editor, "inputs.views.schema").default, "the recording's");
    let has = |editor: &Editor, setting: &str| {
        editor.form().unwrap().iter().flat_map(|g| &g.fields).any(|f| f.setting() == setting)
    };
    assert!(!has(&editor, "join.grace") && !has(&editor, "join.parallelism"));
    let semantics = field(&editor, "join.semantics");
    editor.set_field(&semantics.path, "kafka-streams");
    let [wrong] = editor.wrong() else { panic!("{:?}", editor.wrong()) };
    assert!(wrong.message.contains("grace"), "{wrong:?}");
    let grace = field(&editor, "join.grace");
    editor.set_field(&grace.path, "30s");
    let order = field(&editor, "join.input_order");
    editor.set_field(&order.path, "smallest-timestamp");
    assert!(says(&editor, "grace = \"30s\""), "{:?}\n{}", editor.wrong(), editor.text());
    editor.set_field(&semantics.path, "flink-sql");
    for (setting, value) in [("join.parallelism", "4"), ("join.min_cleanup", "5s")] {
        let at = field(&editor, setting);
        editor.set_field(&at.path, value);
    }
    assert!(says(&editor, "parallelism = 4"), "{:?}\n{}", editor.wrong(), editor.text());
    // What the other semantics left stays in sight until it is taken out.
    assert_eq!(field(&editor, "join.grace").value, "30s");
    let at = field(&editor, "join.parallelism");
    editor.set_field(&at.path, "many");
    assert!(
        editor.wrong().iter().any(|w| w.message.contains("whole number")),
        "{:?}",
        editor.wrong()
    );
}

/// Paths of all values.
fn leaves(table: &dyn toml_edit::TableLike, at: &str, found: &mut Vec<String>) {
    for (key, item) in table.iter() {
        let path = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
        match item.as_table_like() {
            Some(inner) => leaves(inner, &path, found),
            None => found.push(path),
        }
    }
}

/// Every key that a pipeline may have is in the form.
#[test]
fn the_form_lacks_no_setting() {
    let whole = r#"
name = "feed"
[inputs.views]
topic = "views"
format = "json"
key = "view_id"
event_time = { field = "ts", unit = "ms" }
schema = "v.avsc"
watermark = { max_out_of_orderness = "60s", idle_timeout = "30s", emit = "periodic", emit_interval = "1s", max_drift = "9s", max_ahead = "1m" }
where = { kind = "like" }
[inputs.engagements]
topic = "engagements"
format = "json"
key = "$key"
event_time = "$timestamp"
[join]
primary = "views"
with.engagements = { after = "0s", until = "5m" }
kind = "left"
semantics = "clean"
late = "drop"
output_time = "larger"
grace = "1s"
min_cleanup = "1s"
parallelism = 1
max_parallelism = 128
input_order = "given"
[examples]
emit = "on-close"
labels = { like = "engagements.kind = like" }
[delivery]
guarantee = "exactly-once"
checkpoint_interval = "1s"
job = "feed"
[sink]
topic = "examples"
format = "json"
late_topic = "late"
"#;
    let editor = Editor::new("feed.toml", whole, Vec::new());
    let shown: Vec<Field> = editor.form().unwrap().iter().flat_map(|g| g.fields.clone()).collect();
    let doc: DocumentMut = whole.parse().unwrap();
    let mut all = Vec::new();
    leaves(doc.as_table(), "", &mut all);
    assert!(all.len() > 35, "{all:?}");
    for setting in all {
        let found = shown.iter().find(|f| f.setting() == setting);
        assert!(found.is_some_and(|f| !f.value.is_empty()), "{setting}");
    }
}
