//! What is shown, written to files from the window.

use egui_kittest::kittest::Queryable as _;
use joinscope_core::run::VerdictSet;
use joinscope_operator::verdict::Verdict;

use super::command::{Command, Export};
use super::headless::settle;
use super::panel::Panel;
use super::testing::{ask, feed, opened, press};

#[test]
fn the_rows_that_are_shown_are_written_with_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    ask(&mut h, Command::Filter(VerdictSet::of(Verdict::Late)));
    let late = run.count(VerdictSet::of(Verdict::Late));
    let csv = folder.path().join("late.csv");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), csv.clone(), false));
    let text = std::fs::read_to_string(&csv).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "arrival,record,key,event_time,late_by,verdict,why");
    assert_eq!(lines.len() as u64, late + 1);
    assert!(lines[1..].iter().all(|l| l.contains(",late,")), "{}", lines[1]);
    assert!(h.query_all_by_label_contains("rows written to ").next().is_some());
    press(&mut h, "Close the line of the export");
    assert!(h.query_all_by_label_contains("rows written to ").next().is_none());

    // A second time it asks, and the answer decides.
    std::fs::write(&csv, "mine").unwrap();
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), csv.clone(), false));
    press(&mut h, "Keep it");
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), "mine");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), csv.clone(), false));
    press(&mut h, "Replace");
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), text);
}

#[test]
fn outputs_are_written_as_the_command_line_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let path = folder.path().join("outputs.jsonl");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Outputs), path.clone(), false));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count() as u64, run.outputs());
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["n"], 0);
    assert!(first["value"]["views"]["view_id"].is_number(), "{first}");
}

#[test]
fn a_panel_is_saved_as_a_picture_of_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let path = folder.path().join("records.png");
    ask(&mut h, Command::ExportTo(Export::Picture(Panel::Records), path.clone(), false));
    let picture = image::open(&path).unwrap().to_rgba8();
    assert!(picture.width() > 500 && picture.width() < 1600, "{:?}", picture.dimensions());
    let colours: std::collections::HashSet<_> = picture.pixels().map(|p| p.0).collect();
    assert!(colours.len() > 50, "{} colours", colours.len());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_is_said_where_it_happened_and_in_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let full = folder.path().join("full.jsonl");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    h.state_mut().command(Command::ExportTo(Export::Data(Panel::Records), full, false));
    assert!(settle(&mut h).is_err(), "it is among the errors");
    for _ in 0..3 {
        h.step();
    }
    assert!(h.query_all_by_label_contains("the disk is full").next().is_some());
    assert!(h.state().errors().list()[0].message.contains("the disk is full"));
    // Nothing else is disturbed.
    assert!(!super::testing::rows(&h).is_empty());
}

#[test]
fn the_dialog_names_a_file_and_says_what_is_written() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Export(Export::Data(Panel::Outputs)));
    let field = h.get_by_label("Path of the file");
    let path = field.value().unwrap();
    assert!(path.ends_with("-outputs.csv"), "{path}");
    press(&mut h, "Cancel");
    assert!(h.query_by_label("Path of the file").is_none());
}
