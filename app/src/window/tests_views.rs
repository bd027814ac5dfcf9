//! Columns, order and filters of the tables belong to the view: they come back
//! with the session and with an incident.

use std::path::Path;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::edges::recording::Recording;
use joinscope_core::engine::step::OutputKind;
use joinscope_core::run::VerdictSet;
use joinscope_core::run::incident::Incident;
use joinscope_operator::verdict::Verdict;

use super::app::App;
use super::command::{Command, Export};
use super::headless::{harness_with, settle};
use super::panel::Panel;
use super::panels::compare::{Choice, Outputs};
use super::settings::Places;
use super::testing::{PATIENT, PIPELINE, ask, feed, heading, press, rerun, rows};

fn places(folder: &Path) -> Places {
    Places { config: folder.join("config"), state: folder.join("state") }
}

/// A window with files of its own.
fn window(places: &Places) -> Harness<'static, App> {
    harness_with((1600, 1000), Some(places.clone()))
}

/// Titles of the columns in sight, and how they sort.
fn titles(h: &Harness<'_, App>) -> Vec<String> {
    h.get_all_by_role(Role::ColumnHeader).filter_map(|n| n.accesskit_node().label()).collect()
}

/// Shows a column, or hides it.
fn choose(h: &mut Harness<'_, App>, column: &str) {
    press(h, "Columns");
    // Also where the list has to be scrolled to it.
    h.get_by_role_and_label(Role::CheckBox, column).click_accesskit();
    settle(h).unwrap();
    h.key_press(egui::Key::Escape);
    settle(h).unwrap();
}

fn sort(h: &mut Harness<'_, App>, title: &str) {
    h.get_by_role_and_label(Role::ColumnHeader, title).click();
    settle(h).unwrap();
}

/// What a table shows.
#[derive(Debug, PartialEq)]
struct Shown {
    sentence: Option<String>,
    titles: Vec<String>,
    /// Those in sight.
    rows: Vec<String>,
}

fn shown(h: &mut Harness<'_, App>, panel: Panel) -> Shown {
    ask(h, Command::ShowPanel(panel));
    let begin = if panel == Panel::Records { "arrival " } else { "output " };
    Shown {
        sentence: heading(h, panel).value(),
        titles: titles(h),
        rows: rows(h).into_iter().filter(|row| row.starts_with(begin)).collect(),
    }
}

/// Both tables, set up otherwise than at first.
fn set_up(h: &mut Harness<'_, App>) {
    ask(h, Command::Where("value.kind=like|share".to_owned()));
    choose(h, "kind");
    choose(h, "Late by");
    ask(h, Command::Search("engagements".to_owned()));
    ask(h, Command::Filter(VerdictSet::of(Verdict::Joined)));
    sort(h, "kind");
    sort(h, "kind, sorted ascending");
    ask(h, Command::ShowPanel(Panel::Outputs));
    choose(h, "Epoch");
    choose(h, "Kind");
    ask(h, Command::FilterOutputs(OutputKind::Pair));
    sort(h, "Event time");
    sort(h, "Event time, sorted ascending");
}

fn both(h: &mut Harness<'_, App>) -> [Shown; 2] {
    [Panel::Records, Panel::Outputs].map(|panel| shown(h, panel))
}

#[test]
fn tables_come_back_with_the_last_session() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut h = window(&places);
    ask(&mut h, Command::Open(feed().run()));
    set_up(&mut h);
    let before = both(&mut h);
    let has = |shown: &Shown, title: &str| shown.titles.iter().any(|t| t == title);
    let [records, outputs] = &before;
    assert!(has(records, "kind, sorted descending") && !has(records, "Late by"), "{records:?}");
    assert!(records.rows.iter().all(|row| row.contains("engagements[")), "{records:?}");
    assert!(has(outputs, "Event time, sorted descending"), "{outputs:?}");
    assert!(has(outputs, "Epoch") && !has(outputs, "Kind"), "{outputs:?}");
    for shown in &before {
        let said = shown.sentence.as_ref();
        assert!(said.is_some_and(|said| said.contains(" of ")) && !shown.rows.is_empty());
    }
    h.state_mut().end_session();
    drop(h);
    let mut h = window(&places);
    press(&mut h, "Continue");
    assert_eq!(both(&mut h), before);
    // What is filtered by can be seen, and taken away as before.
    ask(&mut h, Command::ShowPanel(Panel::Records));
    press(&mut h, "Remove the conditions value.kind=like|share");
    assert!(h.query_by_label("verdict is joined").is_some());
    assert_eq!(h.state().panels.records.search(), "engagements");
}

#[test]
fn tables_come_back_with_an_incident() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = window(&places(&folder.path().join("a")));
    ask(&mut h, Command::Open(feed().run()));
    set_up(&mut h);
    let before = both(&mut h);
    let path = folder.path().join("stall.mcap");
    ask(&mut h, Command::ExportTo(Export::Incident, path.clone(), false));
    drop(h);
    let mut h = window(&places(&folder.path().join("b")));
    h.state_mut().run_into = Some(folder.path().join("remade"));
    ask(&mut h, Command::Open(path));
    for (now, then) in both(&mut h).into_iter().zip(before) {
        assert_eq!((&now.sentence, &now.titles), (&then.sentence, &then.titles));
        // The line about the incident leaves the tables less room.
        assert!(!now.rows.is_empty() && then.rows.starts_with(&now.rows), "{now:?} of {then:?}");
    }
}

#[test]
fn what_the_state_and_the_comparison_list_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let patient = folder.path().join("patient");
    rerun(&feed().recording(), PIPELINE, PATIENT, &patient);
    let mut h = window(&places);
    ask(&mut h, Command::Open(feed().run()));
    ask(&mut h, Command::GoTo(1_000));
    ask(&mut h, Command::ShowPanel(Panel::State));
    press(&mut h, "Leave next");
    let leaving = |h: &Harness<'_, App>| -> Vec<String> {
        rows(h).into_iter().filter(|row| row.contains("leaves after")).collect()
    };
    let before = leaving(&h);
    assert!(!before.is_empty());
    ask(&mut h, Command::Compare(patient));
    let listed = Choice::Outputs(Outputs::PairsThere);
    ask(&mut h, Command::ListDifference(listed));
    let said = |h: &Harness<'_, App>| {
        let seen = rows(h).into_iter().filter(|row| row.contains("patient"));
        (heading(h, Panel::Compare).value(), seen.collect::<Vec<_>>())
    };
    let compared = said(&h);
    h.state_mut().end_session();
    drop(h);
    let mut h = window(&places);
    press(&mut h, "Continue");
    ask(&mut h, Command::ShowPanel(Panel::Compare));
    assert_eq!(said(&h), compared);
    assert_eq!(h.state().panels.compare.view().only, [listed.name()]);
    ask(&mut h, Command::ShowPanel(Panel::State));
    assert_eq!(leaving(&h), before);
}

/// Frames until nothing is asked any more, whatever was said.
fn quiet(h: &mut Harness<'_, App>) {
    let mut still = 0;
    while still < 5 {
        h.step();
        still = if h.state().is_busy() { 0 } else { still + 1 };
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn says(h: &Harness<'_, App>, text: &str) -> bool {
    h.query_all_by_label_contains(text).next().is_some()
}

/// The last session of a window on the shared run, bent, and continued.
fn continued(bend: impl Fn(&mut serde_json::Value)) -> (tempfile::TempDir, Harness<'static, App>) {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut h = window(&places);
    ask(&mut h, Command::Open(feed().run()));
    set_up(&mut h);
    h.state_mut().end_session();
    drop(h);
    let path = places.state.join("last-session.json");
    let mut kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    bend(&mut kept["open"][0]["tables"]);
    std::fs::write(&path, serde_json::to_vec(&kept).unwrap()).unwrap();
    let mut h = window(&places);
    h.state_mut().command(Command::Continue);
    quiet(&mut h);
    h.state_mut().command(Command::ShowPanel(Panel::Records));
    quiet(&mut h);
    (folder, h)
}

#[test]
fn a_session_without_tables_opens_as_before() {
    let (_folder, h) = continued(|tables| *tables = serde_json::Value::Null);
    assert!(h.state().errors().list().is_empty());
    assert!(h.state().panels.records.filter().is_empty());
    assert!(titles(&h).contains(&"Late by".to_owned()), "{:?}", titles(&h));
    assert!(!rows(&h).is_empty());
}

#[test]
fn a_column_that_no_value_has_is_empty_and_disturbs_nothing() {
    let (_folder, h) = continued(|tables| {
        let columns = tables["records"]["columns"].as_array_mut().unwrap();
        columns.push(".no.such".into());
        // Sorting by it is sorting by nothing.
        tables["records"]["sort"]["by"] = ".no.such".into();
    });
    assert!(h.state().errors().list().is_empty());
    assert!(titles(&h).contains(&"no.such, sorted descending".to_owned()), "{:?}", titles(&h));
    assert!(titles(&h).contains(&"kind".to_owned()));
    let rows = rows(&h);
    assert!(!rows.is_empty() && rows.iter().all(|r| r.contains("engagements[")), "{rows:?}");
}

#[test]
fn a_column_of_another_version_is_said_and_the_rest_is_kept() {
    let (_folder, h) = continued(|tables| {
        let columns = tables["records"]["columns"].as_array_mut().unwrap();
        columns.insert(0, "mood".into());
    });
    assert!(says(&h, "A table is not shown as it was"));
    assert!(says(&h, "The records table: it has no column \"mood\""));
    assert!(titles(&h).contains(&"kind, sorted descending".to_owned()), "{:?}", titles(&h));
    assert_eq!(h.state().panels.records.filter(), VerdictSet::of(Verdict::Joined));
}

#[test]
fn a_filter_that_looks_like_a_secret_is_kept_nowhere_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut h = window(&places);
    ask(&mut h, Command::Open(feed().run()));
    ask(&mut h, Command::Filter(VerdictSet::of(Verdict::Late)));
    ask(&mut h, Command::Where("value.password=hunter2".to_owned()));
    let path = folder.path().join("stall.mcap");
    ask(&mut h, Command::ExportTo(Export::Incident, path.clone(), false));
    assert!(says(&h, "what looked like a secret in notes, comments or filters is blanked"));
    let read = Incident::read(&Recording::open(&path).unwrap()).unwrap();
    let view = read.view.unwrap().to_string();
    assert!(!view.contains("hunter2") && view.contains("\"late\""), "{view}");
    h.state_mut().end_session();
    drop(h);
    let kept = std::fs::read_to_string(places.state.join("last-session.json")).unwrap();
    assert!(!kept.contains("hunter2") && kept.contains("\"late\""), "{kept}");
    let mut h = window(&places);
    h.state_mut().command(Command::Continue);
    quiet(&mut h);
    assert!(says(&h, "what looked like a secret was not kept"));
    assert_eq!(h.state().panels.records.filter(), VerdictSet::of(Verdict::Late));
    assert!(h.state().panels.records.conditions().is_empty());
}
