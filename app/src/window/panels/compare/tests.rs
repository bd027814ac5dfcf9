//! The compare panel through its accessibility tree.

use std::path::PathBuf;
use std::sync::OnceLock;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::analyses::compare::{compare, matching};
use joinscope_core::edges::recording::Recording;
use joinscope_core::engine::breakpoint::Breakpoint;
use joinscope_core::engine::{AtEnd, Control};
use joinscope_operator::time::format_duration;
use joinscope_operator::verdict::Verdict;

use crate::window::app::App;
use crate::window::command::{Asked, Command, Does, Export, suggestions};
use crate::window::headless::{harness, settle};
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::store::{Run, RunOrder, execute};
use crate::window::testing::{
    Feed, PATIENT, PIPELINE, ask, copied, heading, hold, is_said_to_read, opened, press, rerun,
    rows, sample_patient, sample_run,
};
use crate::window::text::thousands;

/// A feed with two runs: `run`, and `patient`, in which no record of the backlog
/// is late.
struct Two {
    feed: Feed,
}

impl Two {
    fn patient(&self) -> PathBuf {
        self.feed.folder.path().join("patient")
    }
}

fn two() -> &'static Two {
    static TWO: OnceLock<Two> = OnceLock::new();
    TWO.get_or_init(|| {
        let two = Two { feed: Feed::new(3_000) };
        rerun(&two.feed.recording(), PIPELINE, PATIENT, &two.patient());
        two
    })
}

fn compared() -> Harness<'static, App> {
    let mut h = opened(&two().feed.run());
    ask(&mut h, Command::Compare(two().patient()));
    h
}

/// Names of the kinds of change, as they are listed.
fn kinds(h: &Harness<'_, App>) -> Vec<String> {
    h.get_all_by_role(Role::ListBoxOption)
        .filter_map(|n| n.accesskit_node().label())
        .filter(|l| l.contains(" to ") || l.starts_with("All that changed"))
        .collect()
}

/// Rows of the panel's table.
fn changed(h: &Harness<'_, App>) -> Vec<String> {
    rows(h).into_iter().filter(|r| r.contains(" in patient, ")).collect()
}

#[test]
fn what_changed_is_counted_by_kind_and_listed_with_both_verdicts() {
    let mut h = compared();
    let (a, b) = (Run::open(&two().feed.run()).unwrap(), Run::open(&two().patient()).unwrap());
    let found =
        compare(&a, &b, 5, &std::sync::atomic::AtomicBool::new(false), &mut |_| {}).unwrap();
    assert!(found.changed() > 20);
    let sentence = heading(&h, Panel::Compare).value().unwrap();
    let start = format!(
        "{} of {} records differ from patient",
        thousands(found.changed()),
        thousands(a.rows())
    );
    assert!(sentence.starts_with(&start), "{sentence}");
    // The bar names the one setting, with both values.
    let bar = h.get_by_label("1 setting differs").value().unwrap();
    assert_eq!(bar, format!("{}: 60s in run, 10m in patient", PATIENT[0].0));
    let listed = kinds(&h);
    assert_eq!(listed[0], format!("All that changed, {}", thousands(found.changed())));
    for change in &found.changes {
        let name = &found.inputs[usize::from(change.kind.input)];
        let (to, from) = (change.kind.to.unwrap(), change.kind.from.unwrap());
        let want = format!("{name}, {to} to {from}, {}", thousands(change.count));
        assert!(listed.contains(&want), "{want} of {listed:?}");
    }
    // One kind: only such records stand in the table.
    let late = found.changes.iter().find(|c| c.kind.from == Some(Verdict::Late)).unwrap();
    let name = listed.iter().find(|l| l.contains("joined to late")).unwrap().clone();
    press(&mut h, &name);
    let shown = changed(&h);
    assert!(!shown.is_empty());
    assert!(shown.iter().all(|r| r.ends_with(": joined in patient, late in run")), "{shown:?}");
    // The first of them is the first that the analysis names.
    let first = a.row(late.rows[0]).unwrap();
    assert!(shown[0].starts_with(&first.record.to_string()), "{}", shown[0]);
    press(&mut h, &shown[0]);
    assert_eq!(h.state().selection(), Some(Selection::Row(first.row)));
    assert_eq!(h.state().cursor().at(), first.arrival);
    // Both runs' sentences about it.
    let said = |run: &str| {
        let name = format!("In {run}: ");
        let node = h.query_all_by_label_contains(&name).next().unwrap();
        // The text of a label is its value.
        let node = node.accesskit_node();
        node.label().or_else(|| node.value()).unwrap()
    };
    assert!(said("run").starts_with("In run: late. "), "{}", said("run"));
    assert!(said("patient").starts_with("In patient: joined. "), "{}", said("patient"));
    // And which record that is.
    assert!(said("run").ends_with(&format!("({})", first.record)), "{}", said("run"));
}

#[test]
fn of_a_record_that_did_not_change_the_next_that_did_is_in_sight() {
    let mut h = compared();
    let (a, b) = (Run::open(&two().feed.run()).unwrap(), Run::open(&two().patient()).unwrap());
    let go_on = std::sync::atomic::AtomicBool::new(false);
    let found = compare(&a, &b, 100_000, &go_on, &mut |_| {}).unwrap();
    let here = found.changes.iter().filter(|c| c.kind.from.is_some());
    let mut rows: Vec<u64> = here.flat_map(|c| c.rows.iter().copied()).collect();
    rows.sort_unstable();
    let last = *rows.last().unwrap();
    let same = (0..last).rev().find(|row| rows.binary_search(row).is_err()).unwrap();
    let next = *rows.iter().find(|row| **row > same).unwrap();
    let arrival = a.row(same).unwrap().arrival;
    ask(&mut h, Command::Select(Some(Selection::Row(same)), Some(arrival)));
    let name = format!("{}: ", a.row(next).unwrap().record);
    let shown = changed(&h);
    assert!(shown.iter().any(|r| r.starts_with(&name)), "{name} in {shown:?}");
}

#[test]
fn both_watermarks_stand_over_one_axis() {
    let mut h = compared();
    let half = h.state().cursor().len() / 2;
    ask(&mut h, Command::GoTo(half));
    let lines = h.get_by_label("Event-time watermarks of both runs").value().unwrap();
    let (here, there) = lines.split_once("; ").unwrap();
    assert!(here.starts_with("run: ") && here.ends_with(" behind arrival"), "{lines}");
    assert!(there.starts_with("patient: "), "{lines}");
    // The bound is nine minutes wider: so much further behind is the other's.
    let (a, b) = (Run::open(&two().feed.run()).unwrap(), Run::open(&two().patient()).unwrap());
    let lag = |run: &Run| {
        let at = run.watermarks_at(half).unwrap();
        at.arrival_ms - at.join.unwrap()
    };
    assert!(lag(&b) > lag(&a));
    assert_ne!(here.trim_start_matches("run"), there.trim_start_matches("patient"));
    // As they stood at the cursor itself, also where that is out of sight.
    let [here, there] = [&a, &b].map(|run| format_duration(lag(run)));
    let want = format!("run: {here} behind arrival; patient: {there} behind arrival");
    assert_eq!(lines, want);
    ask(&mut h, Command::View(Some((0, 100))));
    assert_eq!(h.get_by_label("Event-time watermarks of both runs").value(), Some(want));
}

#[test]
fn the_other_run_opens_at_the_same_record_and_the_two_change_sides() {
    let mut h = compared();
    let row = changed(&h)[0].clone();
    let record = row.split(": ").next().unwrap().to_owned();
    press(&mut h, &row);
    press(&mut h, "Open the other run, at the same record");
    let doc = h.state().doc().run.as_ref().unwrap();
    assert_eq!(doc.dir, two().patient());
    let Some(Selection::Row(selected)) = h.state().selection() else { panic!("nothing selected") };
    assert_eq!(doc.run.row(selected).unwrap().record.to_string(), record);
    let sentence = heading(&h, Panel::Compare).value().unwrap();
    assert!(sentence.contains("differ from run"), "{sentence}");
}

#[test]
fn a_changed_setting_is_run_and_compared_with_the_run_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&two().feed.run());
    let before = h.state().doc().run.as_ref().unwrap().dir.clone();
    h.state_mut().run_into = Some(folder.path().join("again"));
    let sets = vec![("join.with.engagements.until".to_owned(), "1m".to_owned())];
    ask(&mut h, Command::RunAndCompare(sets));
    let doc = h.state().doc();
    assert_eq!(doc.run.as_ref().unwrap().dir, folder.path().join("again"));
    assert_eq!(h.state().panels.compare.other(), Some(before.as_path()));
    let sentence = heading(&h, Panel::Compare).value().unwrap();
    assert!(sentence.contains("differ from run"), "{sentence}");
    let bar = h.get_by_label("1 setting differs").value().unwrap();
    assert_eq!(bar, "join.with.engagements.until: 60s in again, 5m in run");
}

#[test]
fn of_a_run_that_did_not_end_both_sentences_are_as_of_its_end() {
    let feed = &two().feed;
    let folder = tempfile::tempdir().unwrap();
    let order = RunOrder {
        file: "feed.toml".to_owned(),
        text: PIPELINE.to_owned(),
        overrides: Vec::new(),
        recording: Recording::open(&feed.recording()).unwrap(),
        memory: 512 << 20,
        seed: 0,
        restarts: Vec::new(),
        at_end: AtEnd::Open,
        out: Some(folder.path().join("short")),
    };
    let control = Control::new();
    let condition = "verdict=late".parse().unwrap();
    control.set_breakpoints(vec![Breakpoint { id: 1, enabled: true, condition }]);
    let whole = Run::open(&feed.run()).unwrap();
    let stops = control.clone();
    let going = std::thread::spawn(move || execute(&order, &stops, &|_| {}));
    let shorter = || {
        let stop = control.stopped()?;
        let short = Run::open(&folder.path().join("short")).ok()?;
        (short.arrivals() == stop.arrival + 1).then_some(short)
    };
    let mut found = shorter();
    while found.is_none() && !going.is_finished() {
        std::thread::sleep(std::time::Duration::from_millis(5));
        found = shorter();
    }
    let short = found.expect("the run stops");
    let never = std::sync::atomic::AtomicBool::new(false);
    let matching = matching(&whole, &short, &never, &mut |_| {}).unwrap();
    let end = short.arrivals();
    let is_open = |row: &u64| {
        let row = whole.row(*row).unwrap();
        row.verdict == Verdict::Joined && row.verdict_at(end - 1) == Some(Verdict::Open)
    };
    let row = (0..short.rows()).find(is_open).expect("some record is open there");
    let both = |row| super::ask::both(&whole, &short, &matching, row).unwrap();
    let (open, beyond) = (both(row), both(whole.rows() - 1));
    control.cancel();
    assert!(going.join().is_ok(), "its thread ends");
    let (verdict, sentence) = open.here.unwrap();
    assert_eq!(verdict, Verdict::Open, "as in the table, which does not list it");
    assert!(sentence.starts_with("open where the shorter run ends; later: "), "{sentence}");
    assert_eq!(open.there.unwrap().0, Verdict::Open);
    assert!(!open.beyond && beyond.beyond && beyond.there.is_none());
}

#[test]
fn changed_records_are_reached_by_keyboard() {
    let mut h = compared();
    let table = h
        .get_all_by_role(Role::Table)
        .find(|n| n.accesskit_node().label().is_some_and(|l| l.starts_with("Changed records, ")));
    table.unwrap().focus();
    h.step();
    for key in [egui::Key::End, egui::Key::Enter] {
        h.key_press(key);
        crate::window::headless::settle(&mut h).unwrap();
    }
    let last = changed(&h).last().unwrap().clone();
    let Some(Selection::Row(row)) = h.state().selection() else { panic!("nothing selected") };
    let run = Run::open(&two().feed.run()).unwrap();
    assert!(last.starts_with(&run.row(row).unwrap().record.to_string()), "{last}");
}

#[test]
fn what_changed_is_copied_as_json() {
    let mut h = compared();
    let second = changed(&h)[1].clone();
    let json = copied(&mut h, "Changed records, ", 1);
    let record = json["record"].as_str().unwrap();
    assert!(second.starts_with(&format!("{record}: ")), "{second}: {json}");
    let (there, here) = (json["there"].as_str().unwrap(), json["here"].as_str().unwrap());
    assert!(second.ends_with(&format!(": {there} in patient, {here} in run")), "{second}: {json}");
    assert!(json["why_here"].is_string() && json["arrival"].is_number(), "{json}");
}

#[test]
fn what_cannot_be_compared_is_said_in_the_panel() {
    let mut h = opened(&two().feed.run());
    ask(&mut h, Command::ShowPanel(Panel::Compare));
    assert!(h.query_all_by_label_contains("This is the only run").next().is_some());
    // Settling says what has failed: here that is what is looked for.
    let refused = |h: &mut Harness<'static, App>, run: PathBuf| {
        h.state_mut().command(Command::Compare(run));
        settle(h).unwrap_err();
    };
    refused(&mut h, two().feed.run());
    assert!(h.query_all_by_label_contains("This is the run itself").next().is_some());
    refused(&mut h, two().feed.folder.path().join("nowhere"));
    assert_eq!(heading(&h, Panel::Compare).value().unwrap(), "not possible");
    assert!(h.query_by_label("Try again").is_some());
}

#[test]
fn outputs_that_differ_are_listed_by_their_records() {
    let mut h = compared();
    // The late engagements' pairs are only in the patient run.
    let name = h
        .get_all_by_role(Role::ListBoxOption)
        .filter_map(|n| n.accesskit_node().label())
        .find(|l| l.starts_with("pairs in patient only, "))
        .unwrap();
    // It may lie below what is in sight of the list.
    h.get_by_label(&name).click_accesskit();
    settle(&mut h).unwrap();
    let shown = changed(&h);
    assert!(!shown.is_empty());
    assert!(
        shown.iter().all(|r| r.ends_with("put out in patient, not put out in run")),
        "{shown:?}"
    );
}

#[test]
fn examples_that_differ_say_what_is_folded_and_have_no_second_record() {
    let mut h = opened(sample_run());
    ask(&mut h, Command::Compare(sample_patient().to_owned()));
    let name = h
        .get_all_by_role(Role::ListBoxOption)
        .filter_map(|n| n.accesskit_node().label())
        .find(|l| l.starts_with("examples that differ, "))
        .unwrap();
    h.get_by_label(&name).click_accesskit();
    settle(&mut h).unwrap();
    let shown = changed(&h);
    assert!(!shown.is_empty());
    assert!(shown.iter().all(|r| r.contains(" folded in patient, ")), "{shown:?}");
    assert!(h.query_by_label("With").is_none());
}

#[test]
fn latenesses_of_a_list_have_their_places_under_each_other() {
    let mut h = harness((1280, 800), false, Some(Panel::Compare));
    ask(&mut h, Command::Open(sample_run().to_owned()));
    ask(&mut h, Command::Compare(sample_patient().to_owned()));
    let run = Run::open(sample_run()).unwrap();
    let record = "engagements[2]@1398".parse().unwrap();
    let row = run.find(&record).unwrap()[0].clone();
    assert_eq!(row.late_by, Some(216_910));
    ask(&mut h, Command::Select(Some(Selection::Row(row.row)), Some(row.arrival)));
    let said = |shape: &egui::Shape| match shape {
        egui::Shape::Text(text) => text.galley.text().starts_with("late by 3m 36.910s"),
        _ => false,
    };
    assert!(h.output().shapes.iter().any(|s| said(&s.shape)));
}

#[test]
fn the_list_of_kinds_takes_no_more_than_it_needs_in_a_narrow_panel() {
    let list = |wide: u32| {
        let mut h = harness((wide, 460), false, Some(Panel::Compare));
        ask(&mut h, Command::Open(sample_run().to_owned()));
        ask(&mut h, Command::Compare(sample_patient().to_owned()));
        let first = h.query_all_by_label_contains("All that changed, ").next().unwrap();
        first.rect().width()
    };
    let (narrow, wide) = (list(700), list(1_280));
    assert!((180.0..265.0).contains(&narrow), "{narrow}");
    assert!((wide - 288.0).abs() < 1.0, "{wide}");
}

#[test]
fn a_record_that_only_the_other_run_has_is_written_with_that_runs_input() {
    let folder = tempfile::tempdir().unwrap();
    // Its first input has another name: no record of it is one of this run's.
    let text = PIPELINE
        .replace("inputs.views", "inputs.seen")
        .replace("primary = \"views\"", "primary = \"seen\"");
    let other = folder.path().join("renamed");
    rerun(&two().feed.recording(), &text, &[], &other);
    let mut h = opened(&two().feed.run());
    ask(&mut h, Command::Compare(other));
    let path = folder.path().join("changed.csv");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Compare), path.clone(), false));
    let written = std::fs::read_to_string(&path).unwrap();
    // Of records that are absent in this column, their inputs.
    let inputs = |column: usize| {
        let lines = written.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let absent = lines.filter(|cells| cells[column] == "absent");
        let mut inputs: Vec<&str> = absent.map(|cells| cells[2]).collect();
        inputs.dedup();
        inputs
    };
    let (there, here) = (4, 5);
    assert_eq!(inputs(there), ["views"]);
    assert_eq!(inputs(here), ["seen"]);
    // The palette leads to them, too.
    let given = suggestions(h.state(), &Asked::Difference, "").unwrap();
    let of_it = given.into_iter().find(|entry| entry.title == "seen joined → absent").unwrap();
    let Does::Now(command) = of_it.does else { panic!("it asks again") };
    ask(&mut h, command);
    let listed = rows(&h);
    assert!(listed.iter().any(|r| r.contains(": joined in renamed, ")), "{listed:?}");
}

#[test]
fn a_run_that_was_made_anew_in_its_folder_is_compared_anew() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    rerun(&two().feed.recording(), PIPELINE, PATIENT, &other);
    let mut h = opened(&two().feed.run());
    ask(&mut h, Command::Compare(other.clone()));
    let said = |h: &Harness<'_, App>| heading(h, Panel::Compare).value().unwrap();
    assert!(said(&h).contains(" differ from other"), "{}", said(&h));
    std::fs::remove_dir_all(&other).unwrap();
    rerun(&two().feed.recording(), PIPELINE, &[], &other);
    ask(&mut h, Command::Compare(other));
    assert!(said(&h).starts_with("the same verdicts as other for all "), "{}", said(&h));
}

#[test]
fn a_join_that_went_a_year_ahead_stands_at_the_edge() {
    let feed = Feed::with_one_off(1_000, 1);
    let jumped = feed.folder.path().join("jumped");
    // The partition of that record is alone with it: all others are idle.
    let text = PIPELINE.replace("idle_timeout = \"30s\"", "idle_timeout = \"1ms\"");
    rerun(&feed.recording(), &text, &[], &jumped);
    let mut h = harness((1200, 900), false, Some(Panel::Compare));
    ask(&mut h, Command::Open(feed.run()));
    ask(&mut h, Command::Compare(jumped));
    let both = |h: &Harness<'_, App>| {
        h.get_by_label("Event-time watermarks of both runs").value().unwrap_or_default()
    };
    let said = both(&h);
    let beyond = said.split("; beyond the scale: ").nth(1).unwrap_or_else(|| panic!("{said}"));
    assert!(beyond.contains("jumped up to 36") && beyond.ends_with("ahead of arrival"), "{said}");
    press(&mut h, "Show what is beyond the scale");
    assert!(!both(&h).contains("beyond the scale"), "{}", both(&h));
    press(&mut h, "Leave out what is far off");
    assert!(both(&h).contains("beyond the scale"));
}

#[test]
fn until_the_other_run_is_open_it_is_said_to_be_opened() {
    let mut h = opened(&two().feed.run());
    ask(&mut h, Command::ShowPanel(Panel::Compare));
    let work = hold(&h);
    h.state_mut().command(Command::Compare(two().patient()));
    assert!(is_said_to_read(&mut h, work, "Opening the other run. patient"));
}
