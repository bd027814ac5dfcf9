//! The window driven through its accessibility tree: by names, never by
//! positions.

use std::path::Path;
use std::sync::OnceLock;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::VerdictSet;
use joinscope_operator::verdict::Verdict;

use super::app::App;
use super::command::Command;
use super::cursor::State;
use super::headless::{harness, settle};
use super::layout::Panel;
use super::selection::Selection;
use super::testing::Feed;

/// One feed for all tests that only read it.
fn feed() -> &'static Feed {
    static FEED: OnceLock<Feed> = OnceLock::new();
    FEED.get_or_init(|| Feed::new(3_000))
}

fn opened(path: &Path) -> Harness<'static, App> {
    let mut h = harness((1600, 1000), false, None);
    h.state_mut().command(Command::Open(path.to_owned()));
    settle(&mut h).unwrap();
    h
}

fn ask(h: &mut Harness<'_, App>, command: Command) {
    h.state_mut().command(command);
    settle(h).unwrap();
}

fn press(h: &mut Harness<'_, App>, name: &str) {
    h.get_by_label(name).click();
    settle(h).unwrap();
}

#[test]
fn with_nothing_open_the_start_page_says_what_to_do() {
    let h = harness((1600, 1000), false, None);
    assert!(h.query_by_label("Open a file…").is_some());
    assert!(h.query_by_label("Copy the command").is_some());
    // What is not there is not shown.
    for absent in ["Records", "Play", "Run the pipeline", "Speed"] {
        assert!(h.query_by_label(absent).is_none(), "{absent}");
    }
}

#[test]
fn a_run_shows_its_books_and_filters_by_them() {
    let mut h = opened(&feed().run());
    let late = {
        let nodes: Vec<_> = h.get_all_by_role(Role::ListBoxOption).collect();
        let label = |n: &egui_kittest::Node<'_>| n.accesskit_node().label().unwrap_or_default();
        nodes.iter().map(label).find(|l| l.starts_with("late, ")).unwrap()
    };
    let all = h.state().doc().run.as_ref().unwrap().rows;
    press(&mut h, &late);
    let filter = h.state().panels.records.filter();
    assert_eq!(filter, VerdictSet::of(Verdict::Late));
    let rows: Vec<String> = rows(&h);
    assert!(!rows.is_empty() && rows.iter().all(|r| r.ends_with(", late")), "{rows:?}");
    assert!(
        h.query_by_label("Show all verdicts").is_some()
            || h.query_by_label("verdict is late").is_some()
    );
    assert!(all > 3_000);
}

/// Names of the rows in sight of the records table.
fn rows(h: &Harness<'_, App>) -> Vec<String> {
    h.get_all_by_role(Role::Row).filter_map(|n| n.accesskit_node().label()).collect()
}

#[test]
fn selecting_a_record_moves_the_cursor_and_explains_it() {
    let mut h = opened(&feed().run());
    ask(
        &mut h,
        Command::Next(VerdictSet::of(Verdict::Late), joinscope_core::run::Direction::Backward),
    );
    let Some(Selection::Row(row)) = h.state().selection() else { panic!("nothing selected") };
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let view = run.row(row).unwrap();
    assert_eq!(view.verdict, Verdict::Late);
    assert_eq!(h.state().cursor().at(), view.arrival);
    assert!(h.query_all_by_label_contains("behind the event-time watermark").next().is_some());
    assert!(h.query_all_by_label_contains("Late by: ").next().is_some());
    assert!(h.query_by_label("Decoded value").is_some());
    press(&mut h, "Raw");
    assert!(h.query_by_label("Raw value").is_some());
}

#[test]
fn back_and_forward_restore_selection_and_cursor_together() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Select(Some(Selection::Row(10)), Some(10)));
    ask(&mut h, Command::Select(Some(Selection::Row(500)), Some(500)));
    press(&mut h, "Back");
    assert_eq!(h.state().selection(), Some(Selection::Row(10)));
    assert_eq!(h.state().cursor().at(), 10);
    press(&mut h, "Forward");
    assert_eq!(h.state().selection(), Some(Selection::Row(500)));
    // Moving the cursor never changes the selection.
    press(&mut h, "One record back");
    assert_eq!(h.state().cursor().at(), 499);
    assert_eq!(h.state().selection(), Some(Selection::Row(500)));
}

#[test]
fn a_selection_that_the_filter_hides_stays_in_the_inspector() {
    let mut h = opened(&feed().run());
    ask(
        &mut h,
        Command::Next(VerdictSet::of(Verdict::Joined), joinscope_core::run::Direction::Backward),
    );
    let selected = h.state().selection();
    ask(&mut h, Command::Filter(VerdictSet::of(Verdict::Late)));
    assert_eq!(h.state().selection(), selected);
    assert!(h.query_by_label("hidden by the filter ·").is_some());
    press(&mut h, "show");
    assert!(h.state().panels.records.filter().is_empty());
    assert!(h.query_by_label("hidden by the filter ·").is_none());
}

#[test]
fn a_search_finds_records_by_key() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let key = run.row(100).unwrap().key.unwrap().to_string();
    ask(&mut h, Command::Search(key));
    let found = rows(&h);
    assert!(!found.is_empty() && found.len() < 20, "{found:?}");
    ask(&mut h, Command::Search("no such key".to_owned()));
    assert!(h.query_all_by_label_contains("No record is like that").next().is_some());
}

#[test]
fn the_clock_bar_steps_plays_and_changes_its_scale() {
    let mut h = opened(&feed().run());
    press(&mut h, "To the start");
    assert_eq!(h.state().cursor().at(), 0);
    press(&mut h, "One record on");
    assert_eq!(h.state().cursor().at(), 1);
    h.get_by_label("Play").click();
    h.step();
    h.step();
    assert_eq!(h.state().cursor().state(), State::Playing);
    h.state_mut().command(Command::TogglePlay);
    h.step();
    assert_eq!(h.state().cursor().state(), State::Paused);
    ask(&mut h, Command::Scale(super::axis::Scale::Arrival));
    press(&mut h, "To the end");
    assert_eq!(h.state().cursor().at() + 1, h.state().cursor().len());
}

#[test]
fn outputs_lead_to_their_records_and_back() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    let first = rows(&h).into_iter().find(|r| r.contains("pair")).unwrap();
    press(&mut h, &first);
    assert!(matches!(h.state().selection(), Some(Selection::Output(_))));
    let name = first.rsplit(", ").next().unwrap().to_owned();
    h.get_all_by_role(Role::Link)
        .find(|n| n.accesskit_node().label().as_deref() == Some(&name))
        .unwrap()
        .click();
    settle(&mut h).unwrap();
    assert!(matches!(h.state().selection(), Some(Selection::Row(_))));
}

#[test]
fn a_recording_opens_by_itself_without_verdicts() {
    let mut h = opened(&feed().recording());
    assert!(h.query_by_label("next late").is_none());
    assert!(h.query_by_label("Run the pipeline").is_none());
    let found = rows(&h);
    assert!(found[0].starts_with("arrival 0, "), "{found:?}");
    press(&mut h, &found[3].clone());
    assert_eq!(h.state().cursor().at(), 3);
    assert!(h.query_by_label("Decoded value").is_some());
}

#[test]
fn a_file_that_is_not_one_is_refused_with_what_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.mcap");
    std::fs::write(&path, b"hello").unwrap();
    let mut h = harness((1200, 800), false, None);
    h.state_mut().command(Command::Open(path));
    assert!(settle(&mut h).is_err());
    h.step();
    assert!(h.query_by_label("notes.mcap was not opened").is_some());
    assert!(h.query_all_by_label_contains("not a recording").next().is_some());
    h.get_by_label("Close").click();
    h.step();
    h.step();
    assert!(h.query_by_label("notes.mcap was not opened").is_none());
    assert!(h.query_by_label("Errors").is_some() || h.query_by_label("1 error").is_some());
}

#[test]
fn with_nothing_changing_no_frame_is_asked_for() {
    let mut h = opened(&feed().run());
    h.run_steps(8);
    assert!(!h.ctx.has_requested_repaint(), "{:?}", h.ctx.repaint_causes());
}

#[test]
fn a_pipeline_runs_over_the_recording_beside_it_and_its_panels_fill() {
    let feed = Feed::new(500);
    let mut h = harness((1600, 1000), false, None);
    h.state_mut().command(Command::Open(feed.recording()));
    settle(&mut h).unwrap();
    let out = feed.folder.path().join("second");
    h.state_mut().run_into = Some(out.clone());
    h.state_mut().command(Command::Open(feed.pipeline()));
    settle(&mut h).unwrap();
    let doc = h.state().doc();
    let run = doc.run.as_ref().expect("the run is shown");
    assert_eq!(run.dir, out);
    assert!(!doc.in_progress);
    assert_eq!(run.arrivals, doc.recording.as_ref().unwrap().recording.len());
    assert!(!rows(&h).is_empty());
}

#[test]
fn every_picture_is_drawn_in_both_themes() {
    assert!(super::renderer::has_software_adapter(), "install mesa-vulkan-drivers");
    let mut pictures = Vec::new();
    for light in [false, true] {
        let wanted = super::headless::Picture {
            size: (1200, 700),
            light,
            panel: None,
            at: None,
            select: None,
        };
        let image =
            super::headless::picture(&feed().run(), &wanted).map_err(|_| "no picture").unwrap();
        assert_eq!(image.dimensions(), (1200, 700));
        let colours: std::collections::HashSet<_> = image.pixels().map(|p| p.0).collect();
        assert!(colours.len() > 100, "{} colours", colours.len());
        pictures.push(image);
    }
    assert!(pictures[0].get_pixel(2, 350).0[0] < 64, "dark ground");
    assert!(pictures[1].get_pixel(2, 350).0[0] > 192, "light ground");
}
