//! Files dropped on the window, by the events that a platform sends.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use joinscope_core::edges::recording::part_name;

use super::app::App;
use super::command::Command;
use super::headless::{harness, settle};
use super::testing::{Feed, ask, feed, press, rows};

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|e| e.to_string())
    }
}

/// Files are held over the window, then dropped.
fn drop_on(h: &mut Harness<'_, App>, paths: &[PathBuf]) {
    let held = |p: &PathBuf| egui::HoveredFile { path: Some(p.clone()), ..Default::default() };
    h.input_mut().hovered_files = paths.iter().map(held).collect();
    h.step();
    h.input_mut().hovered_files.clear();
    let file = |p: &PathBuf| -> egui::DroppedFileHandle { Arc::new(Dropped(p.clone())) };
    h.input_mut().dropped_files = paths.iter().map(file).collect();
    h.step();
    h.input_mut().dropped_files.clear();
}

fn window() -> Harness<'static, App> {
    harness((1280, 800), false, None)
}

#[test]
fn a_recording_that_is_dropped_opens() {
    let mut h = window();
    drop_on(&mut h, &[feed().recording()]);
    settle(&mut h).unwrap();
    assert!(h.state().doc().recording.is_some() && h.state().doc().run.is_none());
    assert!(rows(&h)[0].starts_with("arrival 0, "));
}

#[test]
fn a_run_that_is_dropped_opens() {
    let mut h = window();
    drop_on(&mut h, &[feed().run()]);
    settle(&mut h).unwrap();
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, feed().run());
}

#[test]
fn a_pipeline_that_is_dropped_runs_over_what_is_open() {
    let feed = Feed::new(300);
    let mut h = window();
    drop_on(&mut h, &[feed.recording()]);
    settle(&mut h).unwrap();
    let out = feed.folder.path().join("dropped");
    h.state_mut().run_into = Some(out.clone());
    drop_on(&mut h, &[feed.pipeline()]);
    settle(&mut h).unwrap();
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, out);
}

#[test]
fn several_are_opened_in_an_order_that_makes_sense() {
    let feed = Feed::new(300);
    let mut h = window();
    let out = feed.folder.path().join("both");
    h.state_mut().run_into = Some(out.clone());
    // The pipeline comes first, and still runs over the recording.
    drop_on(&mut h, &[feed.pipeline(), feed.recording()]);
    settle(&mut h).unwrap();
    let doc = h.state().doc();
    assert_eq!(doc.recording.as_ref().unwrap().recording.path(), feed.recording());
    assert_eq!(doc.run.as_ref().unwrap().dir, out);
}

#[test]
fn a_pipeline_runs_over_the_folder_of_segments_that_is_dropped_with_it() {
    let (feed, other) = (Feed::new(300), Feed::new(200));
    // Elsewhere: it is not found because it lies beside the pipeline.
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("segments");
    std::fs::rename(in_a_folder(&feed), &folder).unwrap();
    let mut h = window();
    // Opened first, the pipeline would run over this one.
    ask(&mut h, Command::Open(other.recording()));
    let out = feed.folder.path().join("both");
    h.state_mut().run_into = Some(out.clone());
    drop_on(&mut h, &[feed.pipeline(), folder.clone()]);
    settle(&mut h).unwrap();
    let doc = h.state().doc();
    assert_eq!(doc.recording.as_ref().unwrap().recording.path(), folder);
    assert_eq!(doc.run.as_ref().unwrap().dir, out);
}

#[test]
fn what_is_dropped_while_others_wait_is_opened_after_them() {
    let (one, two, three) = (Feed::new(200), Feed::new(300), Feed::new(400));
    let mut h = window();
    drop_on(&mut h, &[one.recording(), two.recording()]);
    drop_on(&mut h, &[three.run()]);
    settle(&mut h).unwrap();
    let open: Vec<PathBuf> = h.state().open.list().iter().map(|d| d.at.path.clone()).collect();
    assert_eq!(open, [one.recording(), two.recording(), three.run()]);
}

#[test]
fn a_file_that_is_none_is_refused_and_the_others_open() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.txt");
    std::fs::write(&notes, "milk, bread").unwrap();
    let mut h = window();
    drop_on(&mut h, &[notes, feed().recording()]);
    assert!(settle(&mut h).is_err());
    for _ in 0..3 {
        h.step();
    }
    assert!(h.query_by_label("notes.txt was not opened").is_some());
    assert!(h.query_all_by_label_contains("not a recording").next().is_some());
    assert!(h.state().doc().recording.is_some(), "the recording beside it is open");
    assert_eq!(h.state().errors().list().len(), 1);
}

/// Of a feed, its recording as a folder with one segment, and nothing else.
fn in_a_folder(feed: &Feed) -> PathBuf {
    let folder = feed.folder.path().join("segments");
    std::fs::create_dir(&folder).unwrap();
    std::fs::rename(feed.recording(), folder.join(part_name(0))).unwrap();
    folder
}

#[test]
fn a_folder_of_segments_that_is_dropped_opens_as_a_recording() {
    let feed = Feed::new(300);
    let folder = in_a_folder(&feed);
    let mut h = window();
    drop_on(&mut h, std::slice::from_ref(&folder));
    settle(&mut h).unwrap();
    assert!(h.state().doc().run.is_none());
    assert_eq!(h.state().doc().recording.as_ref().unwrap().recording.path(), folder);
    assert!(rows(&h)[0].starts_with("arrival 0, "));
    // So does it from the recent files.
    assert_eq!(h.state().settings.recent[0], folder);
    assert!(h.state().settings.is_recording(&folder));
    let mut h = window();
    ask(&mut h, Command::Open(folder.clone()));
    assert_eq!(h.state().doc().recording.as_ref().unwrap().recording.path(), folder);
}

#[test]
fn a_folder_of_segments_that_was_open_is_listed_among_the_recordings() {
    let (feed, other) = (Feed::new(300), Feed::new(200));
    let folder = in_a_folder(&feed);
    let mut h = harness((1600, 1000), false, None);
    for path in [folder.clone(), other.run(), other.recording()] {
        ask(&mut h, Command::Open(path));
    }
    // So that it is not listed among what is open.
    ask(&mut h, Command::CloseOpen(0));
    let listed = h.query_all_by_role_and_label(Role::ListBoxOption, "segments").count();
    assert_eq!(listed, 1, "in the panel of sources");
    press(&mut h, "Recording");
    assert!(h.query_by_role_and_label(Role::Button, "run").is_none(), "a run is none");
    h.get_by_role_and_label(Role::Button, "segments").click();
    settle(&mut h).unwrap();
    assert_eq!(h.state().doc().recording.as_ref().unwrap().recording.path(), folder);
}

#[test]
fn a_pipeline_runs_over_the_folder_of_segments_beside_it() {
    let feed = Feed::new(300);
    let folder = in_a_folder(&feed);
    let mut h = window();
    let out = feed.folder.path().join("over");
    h.state_mut().run_into = Some(out.clone());
    drop_on(&mut h, &[feed.pipeline()]);
    settle(&mut h).unwrap();
    assert_eq!(h.state().doc().run.as_ref().expect("it ran").dir, out);
    assert_eq!(h.state().doc().recording.as_ref().unwrap().recording.path(), folder);
}
