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
