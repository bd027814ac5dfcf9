//! The state panel through its accessibility tree.

use std::path::Path;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::State;
use crate::window::app::App;
use crate::window::command::{Command, Export};
use crate::window::headless::settle;
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::store::Run;
use crate::window::testing::{
    PIPELINE, ask, copied, fail, feed, heading, hold, is_said_to_read, opened, press, rerun, rows,
    sample_run,
};
use crate::window::text::{bytes, thousands};

/// The state of a run at its middle: that arrival, and the run.
fn in_the_middle_of(run: &Path) -> (Harness<'static, App>, u64, Run) {
    let mut h = opened(run);
    ask(&mut h, Command::ShowPanel(Panel::State));
    let at = h.state().cursor().len() / 2;
    ask(&mut h, Command::GoTo(at));
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    (h, at, run)
}

#[test]
fn the_state_at_the_cursor_is_counted_by_key() {
    let (mut h, at, run) = in_the_middle_of(sample_run());
    let books = run.books(Some(at)).unwrap();
    assert!(books.state_rows > 100);
    let sentence = heading(&h, Panel::State).value().unwrap();
    let rows_said = crate::window::text::thousands(books.state_rows);
    assert!(sentence.starts_with(&format!("{rows_said} rows of ")), "{sentence}");
    assert!(sentence.contains(" keys at the cursor, "), "{sentence}");
    assert!(sentence.contains("in memory"), "{sentence}");
    let first = rows(&h).into_iter().find(|r| r.starts_with("key ")).unwrap();
    // The hot key of the sample's incident holds more than one row.
    assert!(!first.contains(", 1 row,"), "{first}");
    let key = first["key ".len()..].split(',').next().unwrap().to_owned();
    press(&mut h, &first);
    let Some(Selection::Row(row)) = h.state().selection() else { panic!("nothing selected") };
    let view = run.row(row).unwrap();
    assert_eq!(view.key.as_ref().unwrap().to_string(), key);
    assert!(view.in_state_at(at));
    assert_eq!(h.state().cursor().at(), at, "the cursor stays where the state is looked at");
}

#[test]
fn what_is_listed_is_copied_as_json() {
    let (mut h, _, run) = in_the_middle_of(sample_run());
    let view = |json: &serde_json::Value| {
        let record = json["record"].as_str().unwrap().parse().unwrap();
        run.find(&record).unwrap().remove(0)
    };
    let first = rows(&h).into_iter().find(|r| r.starts_with("key ")).unwrap();
    let json = copied(&mut h, "Largest keys, ", 0);
    let key = view(&json).key.unwrap().to_string();
    assert!(first.starts_with(&format!("key {key}, ")), "{first}: {json}");
    assert!(json["rows"].as_u64().unwrap() > 1 && json["leaves_last"].is_i64(), "{json}");
    press(&mut h, "Leave next");
    let json = copied(&mut h, "Rows that leave next, ", 1);
    assert_eq!(json["event_time"].as_i64(), view(&json).event_time, "{json}");
    assert_eq!(json["rows"], 1);
}

#[test]
fn what_is_on_disk_is_said_of_the_cursor_while_that_is_in_sight() {
    let mut h = opened(sample_run());
    ask(&mut h, Command::ShowPanel(Panel::State));
    let len = h.state().cursor().len();
    ask(&mut h, Command::GoTo(len / 4));
    let said = heading(&h, Panel::State).value().unwrap();
    assert!(said.ends_with("on disk alone"), "{said}");
    ask(&mut h, Command::View(Some((len / 2, len - 1))));
    let said = heading(&h, Panel::State).value().unwrap();
    assert!(said.contains(" at the cursor, ") && !said.contains("on disk"), "{said}");
}

#[test]
fn bytes_on_disk_are_said_drawn_and_written_from_the_checkpoint_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(sample_run());
    ask(&mut h, Command::ShowPanel(Panel::State));
    let taken = h.state().doc().run.as_ref().unwrap().manifest.checkpoints.clone();
    let last = h.state().cursor().len() - 1;
    // One, at the end.
    let [checkpoint] = &taken[..] else { panic!("{taken:?}") };
    assert_eq!(checkpoint.arrival, last + 1);
    let held = checkpoint.disk_bytes.unwrap();
    let value =
        |h: &Harness<'_, App>| h.get_by_label("State over time").accesskit_node().value().unwrap();
    let is_named = |h: &Harness<'_, App>| {
        h.output().shapes.iter().any(|shape| match &shape.shape {
            egui::Shape::Text(text) => text.galley.text() == "on disk by checkpoint",
            _ => false,
        })
    };

    ask(&mut h, Command::GoTo(last));
    let (said, epoch) = (bytes(held), thousands(checkpoint.epoch));
    let sentence = heading(&h, Panel::State).value().unwrap();
    let wanted = format!("; {said} on disk in the checkpoint of epoch {epoch}");
    assert!(sentence.ends_with(&wanted), "{sentence}");
    let spoken = value(&h);
    assert!(spoken.contains(&format!(", at most {said} on disk in a checkpoint;")), "{spoken}");
    assert!(is_named(&h));
    let csv = folder.path().join("lines.csv");
    ask(&mut h, Command::ExportTo(Export::Lines(Panel::State), csv.clone(), false));
    let text = std::fs::read_to_string(&csv).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with(",disk_bytes_min,disk_bytes_max"), "{}", lines[0]);
    assert!(lines[1].ends_with(",,"), "{}", lines[1]);
    let end = lines.last().unwrap();
    assert!(end.ends_with(&format!(",{held},{held}")), "{end}");

    // Before it there was none.
    ask(&mut h, Command::GoTo(last / 2));
    let sentence = heading(&h, Panel::State).value().unwrap();
    assert!(!sentence.contains("checkpoint"), "{sentence}");
    ask(&mut h, Command::View(Some((0, last / 2))));
    assert!(!value(&h).contains("checkpoint") && !is_named(&h), "{}", value(&h));

    // As an older program left it.
    ask(&mut h, Command::GoTo(last));
    let run = h.state_mut().doc.run.as_mut().unwrap();
    let mut manifest = (*run.manifest).clone();
    manifest.checkpoints[0].disk_bytes = None;
    run.manifest = std::sync::Arc::new(manifest);
    h.step();
    let sentence = heading(&h, Panel::State).value().unwrap();
    assert!(!sentence.contains("checkpoint"), "{sentence}");
}

#[test]
fn when_rows_leave_is_not_said_where_it_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let sets =
        [("join.semantics", "flink-sql"), ("join.output_time", "larger"), ("join.late", "drop")];
    rerun(&feed().recording(), PIPELINE, &sets, &out);
    let (mut h, ..) = in_the_middle_of(&out);
    let keys: Vec<String> = rows(&h).into_iter().filter(|r| r.starts_with("key ")).collect();
    assert!(!keys.is_empty() && keys.iter().all(|r| !r.contains("leaves after")), "{keys:?}");
    let csv = folder.path().join("state.csv");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::State), csv.clone(), false));
    let text = std::fs::read_to_string(&csv).unwrap();
    assert!(text.lines().count() > 1);
    assert!(text.lines().skip(1).all(|l| l.ends_with(",,")), "{text}");
}

#[test]
fn what_leaves_next_comes_in_its_order() {
    let mut h = opened(sample_run());
    ask(&mut h, Command::ShowPanel(Panel::State));
    let at = h.state().cursor().len() / 3;
    ask(&mut h, Command::GoTo(at));
    press(&mut h, "Leave next");
    let listed: Vec<String> = rows(&h).into_iter().filter(|r| r.contains("leaves after")).collect();
    assert!(listed.len() > 3, "{listed:?}");
    let times: Vec<&str> = listed.iter().map(|r| r.rsplit(' ').next().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    // The first leaves the state before the last does.
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let removed = |line: &String| {
        let name = line.split(',').next().unwrap().parse().unwrap();
        run.find(&name).unwrap()[0].removed.unwrap_or(u64::MAX)
    };
    assert!(removed(&listed[0]) <= removed(listed.last().unwrap()));
}

/// Flink cleans up by timers of its own, which no column of the store knows.
#[test]
fn when_a_row_leaves_under_a_released_semantics_is_not_said() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("sql");
    rerun(&feed().recording(), PIPELINE, &[("join.semantics", "flink-sql")], &run);
    let (mut h, ..) = in_the_middle_of(&run);
    assert!(rows(&h).iter().any(|r| r.starts_with("key ")), "{:?}", rows(&h));
    assert!(rows(&h).iter().all(|r| !r.contains("leaves after")), "{:?}", rows(&h));
    press(&mut h, "Leave next");
    assert!(rows(&h).iter().any(|r| r.contains(", key ")), "{:?}", rows(&h));
    assert!(rows(&h).iter().all(|r| !r.contains("leaves after")), "{:?}", rows(&h));
}

#[test]
fn an_empty_state_says_so() {
    let mut h = opened(sample_run());
    ask(&mut h, Command::ShowPanel(Panel::State));
    ask(&mut h, Command::GoTo(0));
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let of = run.books(Some(0)).unwrap().state_rows;
    let canvas = h.get_all_by_role(Role::Canvas);
    let said: Vec<String> = canvas.filter_map(|n| n.accesskit_node().value()).collect();
    assert!(said.iter().any(|s| s.contains("cursor at arrival 0")), "{said:?}");
    let sentence = heading(&h, Panel::State).value().unwrap();
    assert!(sentence.starts_with(if of == 0 { "empty" } else { "1 row" }), "{sentence}");
}

/// Found by reading: the title was empty, and nothing was listed.
#[test]
fn books_that_cannot_be_read_are_said_and_listed() {
    let (mut h, ..) = in_the_middle_of(sample_run());
    let app = h.state_mut();
    fail(&mut app.panels.state.books, &app.jobs, "the disk went away");
    settle(&mut h).unwrap();
    let sentence = heading(&h, Panel::State).value().unwrap();
    assert_eq!(sentence, "its books at the cursor cannot be read");
    let mut listed = h.state().errors().list().iter();
    assert!(listed.any(|problem| problem.message == "the disk went away"));
}

#[test]
fn until_lines_and_rows_are_there_they_are_said_to_be_read() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::State));
    for what in ["Reading the run. How large", "Looking through the state"] {
        let work = hold(&h);
        h.state_mut().panels.state = State::default();
        assert!(is_said_to_read(&mut h, work, what), "{what}");
    }
}
