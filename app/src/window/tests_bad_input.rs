//! What is broken, from another version, or vanishes while it is open: said in
//! the window where it happened and in the list of messages, nothing else
//! disturbed.

use std::path::Path;

use egui_kittest::Harness;
use egui_kittest::kittest::NodeT as _;
use egui_kittest::kittest::Queryable as _;

use super::app::App;
use super::command::Command;
use super::headless::{harness_with, settle};
use super::panel::Panel;
use super::selection::{Place, Selection};
use super::session::{KeptBreakpoint, Opened, Session};
use super::settings::Places;
use super::testing::{Feed, ask, feed, opened, rows};

fn says(h: &Harness<'_, App>, text: &str) -> bool {
    h.query_all_by_label_contains(text).next().is_some()
}

fn listed(h: &Harness<'_, App>, text: &str) -> bool {
    h.state().errors().list().iter().any(|p| p.message.contains(text))
}

/// Frames until nothing is asked any more, whatever failed.
fn quiet(h: &mut Harness<'_, App>) {
    let mut still = 0;
    while still < 5 {
        h.step();
        still = if h.state().is_busy() { 0 } else { still + 1 };
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let at = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &at);
        } else {
            std::fs::copy(entry.path(), at).unwrap();
        }
    }
}

#[test]
fn a_run_folder_that_vanishes_is_said_and_what_was_read_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (run, aside) = (folder.path().join("run"), folder.path().join("aside"));
    copy(&feed().run(), &run);
    let mut h = harness_with((1600, 1000), None);
    ask(&mut h, Command::Open(run.clone()));
    let (before, arrivals) = (rows(&h), h.state().doc().arrivals());
    std::fs::rename(&run, &aside).unwrap();
    // What was read is forgotten, as if it had not fitted into memory.
    h.state().doc().run.as_ref().unwrap().run.forget();
    h.state_mut().command(Command::ShowPanel(Panel::Outputs));
    h.state_mut().command(Command::GoTo(arrivals / 3));
    quiet(&mut h);
    assert!(says(&h, "The run's folder is gone"));
    assert!(says(&h, "Try again"), "in the panel that could not read");
    assert!(listed(&h, "is not there any more"));
    let noticed = h.state().errors().list().iter().filter(|p| p.place.contains("folder is gone"));
    assert_eq!(noticed.count(), 1, "it is said once");
    // Nothing else is disturbed: the cursor goes, another run opens.
    assert_eq!(h.state().cursor().at(), arrivals / 3);
    // It comes back.
    std::fs::rename(&aside, &run).unwrap();
    press_try_again(&mut h);
    h.state_mut().command(Command::ShowPanel(Panel::Records));
    h.state_mut().command(Command::GoTo(before.len() as u64));
    quiet(&mut h);
    assert!(!rows(&h).is_empty());
}

fn press_try_again(h: &mut Harness<'_, App>) {
    if let Some(button) = h.query_all_by_label("Try again").next() {
        button.click();
    }
    quiet(h);
}

#[test]
fn a_run_that_vanishes_before_it_comes_to_the_front_again_is_refused() {
    let made = Feed::new(300);
    let mut h = harness_with((1600, 1000), None);
    ask(&mut h, Command::Open(made.run()));
    ask(&mut h, Command::Open(feed().run()));
    std::fs::remove_dir_all(made.run()).unwrap();
    h.state_mut().command(Command::Open(made.run()));
    quiet(&mut h);
    assert!(says(&h, "run was not opened") && listed(&h, "No such file"));
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, feed().run(), "the other stays");
}

#[test]
fn a_recording_that_moved_is_located_again_and_another_is_opened_as_such() {
    let made = Feed::new(300);
    let moved = made.folder.path().join("elsewhere.mcap");
    std::fs::rename(made.recording(), &moved).unwrap();
    let mut h = harness_with((1600, 1000), None);
    let open = |h: &mut Harness<'_, App>, path: &Path| {
        h.state_mut().command(Command::Open(path.to_owned()));
        quiet(h);
    };
    open(&mut h, &made.run());
    assert!(h.state().doc().run.is_some() && h.state().doc().recording.is_none());
    assert!(!rows(&h).is_empty(), "everything but values works");
    open(&mut h, &feed().recording());
    // It can be looked at, too; only it is not of this run.
    assert!(says(&h, "This is not the recording of the run") && listed(&h, "another recording"));
    let doc = h.state().doc();
    assert_eq!(doc.recording.as_ref().unwrap().recording.path(), feed().recording());
    assert!(doc.run.is_none());
    open(&mut h, &made.run());
    assert!(h.state().doc().run.is_some() && h.state().doc().recording.is_none());
    open(&mut h, &moved);
    let doc = h.state().doc();
    assert_eq!(doc.run.as_ref().unwrap().dir, made.run());
    assert_eq!(doc.recording.as_ref().unwrap().recording.path(), moved);
}

#[test]
fn where_one_of_a_session_is_gone_the_others_open() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { config: folder.path().join("c"), state: folder.path().join("s") };
    let gone = Feed::new(300);
    let mut h = harness_with((1600, 1000), Some(places.clone()));
    ask(&mut h, Command::Open(feed().run()));
    ask(&mut h, Command::GoTo(100));
    ask(&mut h, Command::Open(gone.run()));
    h.state_mut().end_session();
    drop(h);
    std::fs::remove_dir_all(gone.run()).unwrap();
    let mut h = harness_with((1600, 1000), Some(places));
    h.state_mut().command(Command::Continue);
    quiet(&mut h);
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, feed().run());
    assert_eq!((h.state().open.list().len(), h.state().cursor().at()), (1, 100));
    assert!(says(&h, "run was not opened"), "it is said which is missing");
}

#[test]
fn what_fails_again_and_again_is_said_once() {
    let mut h = harness_with((1600, 1000), None);
    // As a run in progress whose folder is gone: it is asked several times a second.
    for _ in 0..3 {
        h.state_mut().notice("The run cannot be followed", "its folder is gone");
    }
    assert_eq!(h.state().notices.len(), 1);
    assert_eq!(h.state().errors().list()[0].times, 3);
}

#[test]
fn a_session_of_a_run_that_was_longer_opens_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { config: folder.path().join("c"), state: folder.path().join("s") };
    let run = folder.path().join("run");
    copy(&feed().run(), &run);
    let mut h = harness_with((1600, 1000), Some(places.clone()));
    ask(&mut h, Command::Open(run.clone()));
    let (len, last) = (h.state().cursor().len(), h.state().doc().run.as_ref().unwrap().rows - 1);
    ask(&mut h, Command::View(Some((len - 100, len - 1))));
    ask(&mut h, Command::SetRange(len - 50, len - 10));
    ask(&mut h, Command::Select(Some(Selection::Row(last)), None));
    h.state_mut().end_session();
    drop(h);
    // Made anew in the same place, over less.
    std::fs::remove_dir_all(&run).unwrap();
    let less = Feed::new(300);
    copy(&less.run(), &run);
    let mut h = harness_with((1600, 1000), Some(places));
    ask(&mut h, Command::Continue);
    let shorter = h.state().cursor().len();
    assert!(shorter + 100 < len, "{shorter} of {len}");
    assert_eq!(h.state().view(), (0, shorter - 1));
    assert_eq!((h.state().range.marked, h.state().selection()), (None, None));
}

#[test]
fn the_way_back_in_a_run_that_was_longer_selects_what_is_there() {
    let mut h = opened(&feed().run());
    let place = |row| Place { selection: Some(Selection::Row(row)), cursor: 5 };
    h.state_mut().history.leave(place(3));
    h.state_mut().history.leave(place(u64::MAX));
    ask(&mut h, Command::Back);
    assert_eq!((h.state().selection(), h.state().cursor().at()), (None, 5));
    ask(&mut h, Command::Back);
    assert_eq!(h.state().selection(), Some(Selection::Row(3)));
}

#[test]
fn what_was_closed_does_not_stay_where_its_neighbour_is_gone() {
    let (one, gone) = (Feed::new(300), Feed::new(300));
    let mut h = harness_with((1600, 1000), None);
    ask(&mut h, Command::Open(gone.run()));
    ask(&mut h, Command::Open(one.run()));
    std::fs::remove_dir_all(gone.run()).unwrap();
    h.state_mut().command(Command::Close);
    quiet(&mut h);
    assert!(h.state().doc().is_empty() && h.state().open.list().is_empty());
    assert!(says(&h, "run was not opened"));
}

#[test]
fn settings_and_layouts_of_another_version_or_broken_are_said_and_kept() {
    for (file, title) in [
        ("settings.json", "The settings were not read"),
        ("layouts.json", "The layouts were not read"),
    ] {
        for text in ["{\"version\": 99}", "{\"version\": 1, \"theme\": 7, \"saved\": 7}", "\0\u{1}"]
        {
            let folder = tempfile::tempdir().unwrap();
            let config = folder.path().join("config");
            std::fs::create_dir_all(&config).unwrap();
            std::fs::write(config.join(file), text).unwrap();
            let places = Places { config: config.clone(), state: folder.path().join("state") };
            let mut h = harness_with((1280, 800), Some(places));
            quiet(&mut h);
            assert!(says(&h, title), "{file}: {text}");
            assert!(listed(&h, "defaults are used"), "{:?}", h.state().errors().list());
            let kept = std::fs::read_dir(&config).unwrap().flatten();
            let kept: Vec<String> =
                kept.filter_map(|e| std::fs::read_to_string(e.path()).ok()).collect();
            assert!(kept.iter().any(|k| k == text), "the file is kept");
            h.get_by_label("Close the notice").click();
            quiet(&mut h);
            assert!(!says(&h, title));
            assert!(listed(&h, "defaults are used"), "the list does not vanish");
        }
    }
}

#[test]
fn settings_that_cannot_hold_and_a_broken_last_session_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { config: folder.path().join("c"), state: folder.path().join("s") };
    for path in [&places.config, &places.state] {
        std::fs::create_dir_all(path).unwrap();
    }
    let text = r#"{"version": 1, "scale": 400, "zone": {"named": "Europe/Berlni"}}"#;
    std::fs::write(places.config.join("settings.json"), text).unwrap();
    std::fs::write(places.state.join("last-session.json"), "{").unwrap();
    let mut h = harness_with((1600, 1000), Some(places));
    quiet(&mut h);
    assert!(says(&h, "Some settings cannot hold as they are written"));
    assert!(listed(&h, "scale is 400") && listed(&h, "Europe/Berlni"));
    assert!(says(&h, "The last session was not read"));
}

#[test]
fn a_session_that_cannot_be_kept_is_said_and_the_window_works() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { config: folder.path().join("c"), state: folder.path().join("s") };
    // A file where the folder belongs: nothing can be written into it.
    std::fs::write(&places.state, b"").unwrap();
    let mut h = harness_with((1400, 900), Some(places));
    quiet(&mut h);
    assert!(says(&h, "This session is not kept"));
    assert!(listed(&h, "cannot be restored after a crash"));
    h.state_mut().command(Command::Open(feed().run()));
    quiet(&mut h);
    assert!(!rows(&h).is_empty());
}

#[test]
fn a_breakpoint_of_a_session_that_cannot_be_read_is_said_and_the_session_opens() {
    let mut h = harness_with((1400, 900), None);
    let opened = Opened { path: feed().run(), ..Opened::default() };
    let broken = KeptBreakpoint { condition: "late~soon".to_owned(), ..KeptBreakpoint::default() };
    let session = Session { open: vec![opened], breakpoints: vec![broken], ..Session::default() };
    h.state_mut().restore(session);
    quiet(&mut h);
    assert!(says(&h, "A breakpoint was not restored") && listed(&h, "late~soon"));
    assert!(!rows(&h).is_empty());
}

#[test]
fn bookmarks_that_cannot_be_read_are_said_and_the_run_opens() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { config: folder.path().join("c"), state: folder.path().join("s") };
    let digest = {
        let manifest = joinscope_core::run::Manifest::load(&feed().run()).unwrap();
        manifest.start.recording.digest
    };
    let bookmarks = folder.path().join("s/bookmarks");
    std::fs::create_dir_all(&bookmarks).unwrap();
    std::fs::write(bookmarks.join(format!("{digest}.json")), "{").unwrap();
    let mut h = harness_with((1280, 800), Some(places));
    h.state_mut().command(Command::Open(feed().run()));
    assert!(settle(&mut h).is_err());
    quiet(&mut h);
    assert!(listed(&h, "cannot be read"));
    assert!(says(&h, "The bookmarks were not read"));
    assert!(h.state().doc().run.is_some());
}

#[test]
fn a_run_that_cannot_be_made_is_said_and_listed_once() {
    let made = Feed::new(300);
    let taken = made.folder.path().join("taken");
    std::fs::write(&taken, "a file, no folder").unwrap();
    let mut h = harness_with((1600, 1000), None);
    ask(&mut h, Command::Open(made.run()));
    h.state_mut().run_into = Some(taken.join("run"));
    h.state_mut().command(Command::Run(Vec::new()));
    quiet(&mut h);
    assert!(says(&h, "The run failed"));
    let listed = h.state().errors().list().iter().filter(|p| p.place.contains("failed"));
    assert_eq!(listed.map(|p| p.times).sum::<u32>(), 1, "{:?}", h.state().errors().list());
}

#[test]
fn why_the_four_runs_failed_is_listed_with_their_panel_out_of_sight() {
    let made = Feed::new(300);
    let taken = made.folder.path().join("taken");
    std::fs::write(&taken, "a file, no folder").unwrap();
    let mut h = harness_with((1600, 1000), None);
    ask(&mut h, Command::Open(made.run()));
    h.state_mut().run_into = Some(taken.join("four"));
    h.state_mut().command(Command::RunSemantics);
    h.state_mut().command(Command::HidePanel(Panel::Semantics));
    quiet(&mut h);
    let place = |h: &Harness<'_, App>| {
        let list = h.state().errors().list().to_vec();
        list.into_iter().map(|p| (p.place, p.times)).collect::<Vec<_>>()
    };
    let once = [("Running under all four semantics".to_owned(), 1_u32)];
    assert_eq!(place(&h), once, "{:?}", h.state().errors().list());
    h.state_mut().command(Command::ShowPanel(Panel::Semantics));
    quiet(&mut h);
    assert!(says(&h, "Try again"), "in the panel, too");
    assert_eq!(place(&h), once);
}

#[test]
fn a_pipeline_that_cannot_be_saved_is_said_and_listed() {
    let made = Feed::new(300);
    let taken = made.folder.path().join("taken");
    std::fs::write(&taken, "a file, no folder").unwrap();
    let mut h = harness_with((1600, 1000), None);
    ask(&mut h, Command::Open(made.run()));
    ask(&mut h, Command::EditPipeline);
    super::testing::press(&mut h, "Save as…");
    let path = taken.join("mine.toml").display().to_string();
    super::testing::overwrite(&mut h, "Path to save as", &path);
    h.get_by_label("Save there").click();
    quiet(&mut h);
    let [only] = h.state().errors().list() else { panic!("{:?}", h.state().errors().list()) };
    assert_eq!(only.place, "Saving the pipeline");
    assert!(only.message.starts_with(&path), "{}", only.message);
    assert!(says(&h, "mine.toml: "), "at the editor, too");
}

#[test]
fn settings_that_cannot_be_kept_are_said_once_and_counted_in_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let places =
        Places { config: folder.path().join("config"), state: folder.path().join("state") };
    // A file where the folder belongs: nothing can be written into it.
    std::fs::write(&places.config, b"").unwrap();
    let mut h = harness_with((1400, 900), Some(places));
    quiet(&mut h);
    let before = h.state().errors().list().len();
    for by in [1, 1] {
        h.state_mut().command(Command::Zoom(by));
        quiet(&mut h);
    }
    assert_eq!(h.state().settings.scale, 120, "it holds for this window");
    let listed = &h.state().errors().list()[before..];
    let is_of = |place: &str| place.contains("settings.json");
    assert!(!listed.is_empty() && listed.iter().all(|p| is_of(&p.place)), "{listed:?}");
    assert!(listed[0].message.contains("the next change is written again"), "{listed:?}");
    let said = h.state().notices.iter().filter(|(title, _)| is_of(title)).count();
    assert_eq!(said, 1, "above the panels");
}

#[test]
fn why_a_run_failed_is_known_where_its_state_is_shown() {
    let made = Feed::new(300);
    let arrivals = joinscope_core::run::Run::open(&made.run()).unwrap().arrivals();
    let writer = joinscope_core::run::Writer::resume(&made.run(), arrivals, false).unwrap();
    let end = joinscope_core::run::RunEnd {
        error: Some("the disk is full".to_owned()),
        ..joinscope_core::run::RunEnd::default()
    };
    writer.finish(joinscope_core::run::RunState::Failed, end).unwrap();
    let mut h = harness_with((1600, 1000), None);
    ask(&mut h, Command::Open(made.run()));
    assert!(says(&h, "failed"));
    assert_eq!(h.state().doc().run.as_ref().unwrap().failure(), Some("the disk is full"));
    // It is listed, once, and the window is not at fault.
    ask(&mut h, Command::Open(feed().run()));
    ask(&mut h, Command::Open(made.run()));
    let [only] = h.state().errors().list() else { panic!("{:?}", h.state().errors().list()) };
    let said = (only.place.as_str(), only.message.as_str(), only.times);
    assert_eq!(said, ("run failed", "the disk is full", 1));
    assert!(h.state().errors().newest().is_none());
    let at = h.query_all_by_label_contains(" · failed").next().unwrap().rect().center();
    h.hover_at(at);
    // Longer than a tooltip takes to appear.
    h.run_steps(8);
    let mut texts = h.query_all_by_role(egui::accesskit::Role::Label);
    let told = |text: Option<String>| text.is_some_and(|t| t.ends_with("\nthe disk is full"));
    assert!(texts.any(|n| told(n.accesskit_node().value())));
}
