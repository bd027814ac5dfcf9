//! Incident files, saved in one window and opened in another.

use std::path::{Path, PathBuf};

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::edges::recording::{Piece, Recording, unattended, write_with};
use joinscope_core::run::incident::Incident;
use joinscope_core::run::{Direction, VerdictSet};
use joinscope_operator::verdict::Verdict;

use super::app::App;
use super::axis::Scale;
use super::command::{Command, Export};
use super::headless::{harness_with, settle};
use super::incident::Remade;
use super::panel::Panel;
use super::settings::Places;
use super::testing::{ask, feed, opened, press};

fn places(folder: &Path) -> Places {
    Places { config: folder.join("config"), state: folder.join("state") }
}

/// Saves the shared feed's run as an incident, as one stands in it.
fn saved(folder: &Path) -> (PathBuf, Harness<'static, App>) {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Next(VerdictSet::of(Verdict::Late), Direction::Backward));
    ask(&mut h, Command::AddBookmark("The backlog arrives".to_owned()));
    ask(&mut h, Command::Scale(Scale::Arrival));
    ask(&mut h, Command::View(Some((100, 2_000))));
    ask(&mut h, Command::SetRange(200, 300));
    ask(&mut h, Command::Filter(VerdictSet::of(Verdict::Late)));
    ask(&mut h, Command::HidePanel(Panel::Timeline));
    ask(&mut h, Command::SetNotes("Partition 2 stalls\nand nobody saw it".to_owned()));
    let path = folder.join("stall.mcap");
    ask(&mut h, Command::ExportTo(Export::Incident, path.clone(), false));
    (path, h)
}

/// A window with files of its own, on an incident whose run goes to `out`.
fn window(path: &Path, folder: &Path) -> Harness<'static, App> {
    let mut h = harness_with((1600, 1000), Some(places(folder)));
    h.state_mut().run_into = Some(folder.join("remade"));
    h.state_mut().command(Command::Open(path.to_owned()));
    h
}

fn says(h: &Harness<'_, App>, text: &str) -> bool {
    h.query_all_by_label_contains(text).next().is_some()
}

#[test]
fn whoever_opens_it_sees_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (path, first) = saved(folder.path());
    assert!(says(&first, "The incident is in "));
    let mut h = window(&path, folder.path());
    settle(&mut h).unwrap();
    let (a, b) = (first.state(), h.state());
    assert_eq!(b.incident.as_ref().unwrap().remade, Remade::Same);
    let (run, made) = (a.doc().run.as_ref().unwrap(), b.doc().run.as_ref().unwrap());
    assert_eq!(made.dir, folder.path().join("remade"));
    let digest = |r: &super::doc::RunDoc| r.manifest.end.as_ref().unwrap().digest.clone().unwrap();
    assert_eq!(digest(run), digest(made));
    assert_eq!(a.standing_now(), b.standing_now());
    assert!(a.selection().is_some() && a.view.is_some());
    assert!(!b.layout.is_in_sight(Panel::Timeline));
    let notes =
        |app: &App| app.bookmarks.list().iter().map(|b| (b.at, b.note.clone())).collect::<Vec<_>>();
    assert_eq!(notes(a), notes(b));
    assert_eq!(notes(b)[0].1, "The backlog arrives");
    // It is said, with the notes; and more on asking.
    assert!(says(&h, "The run is the one that was saved, record for record"));
    assert!(says(&h, "Partition 2 stalls"));
    press(&mut h, "About the incident");
    assert!(says(&h, "and nobody saw it") && says(&h, &digest(run)));
    press(&mut h, "Close");
    press(&mut h, "Close the line of the incident");
    let left = h.query_all_by_label_contains("record for record");
    let left: Vec<_> = left.map(|n| (n.rect(), n.accesskit_node().label())).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn it_is_saved_from_the_dialog_with_its_notes() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Export(Export::Incident));
    let path = h.get_by_label("Path of the file").value().unwrap();
    assert!(path.ends_with("run-incident.mcap"), "{path}");
    h.get_by_label("Notes").focus();
    h.step();
    h.get_by_label("Notes").type_text("see 08:13");
    settle(&mut h).unwrap();
    press(&mut h, "Cancel");
    let path = folder.path().join("a.mcap");
    ask(&mut h, Command::SetNotes("see 08:13".to_owned()));
    ask(&mut h, Command::ExportTo(Export::Incident, path.clone(), false));
    // Asked before something is replaced.
    ask(&mut h, Command::ExportTo(Export::Incident, path.clone(), false));
    press(&mut h, "Replace");
    let read = Incident::read(&Recording::open(&path).unwrap()).unwrap();
    assert_eq!(read.about.notes, "see 08:13");
    // The notes are there when it is saved again.
    ask(&mut h, Command::Export(Export::Incident));
    assert_eq!(h.get_by_label("Notes").value().as_deref(), Some("see 08:13"));
}

#[test]
fn a_secret_in_the_note_of_a_bookmark_is_blanked_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut h) = saved(folder.path());
    assert!(!says(&h, "like a secret"));
    ask(&mut h, Command::GoTo(700));
    ask(&mut h, Command::AddBookmark("SASL password: hunter2".to_owned()));
    ask(&mut h, Command::ExportTo(Export::Incident, path.clone(), false));
    press(&mut h, "Replace");
    assert!(says(&h, "what looked like a secret in notes, comments or filters is blanked"));
    let read = Incident::read(&Recording::open(&path).unwrap()).unwrap();
    assert!(read.marks.bookmarks.iter().any(|m| m.note == "SASL password: ***"));
    assert!(read.marks.bookmarks.iter().all(|m| !m.note.contains("hunter2")));
}

/// The incident with one of its pieces bent.
fn bent(folder: &Path, piece: &str, from: &str, to: &str) -> PathBuf {
    let (path, _) = saved(folder);
    let recording = Recording::open(&path).unwrap();
    let mut pieces = Vec::new();
    for (name, data) in recording.pieces() {
        let mut data = String::from_utf8(data.unwrap()).unwrap();
        if name == piece {
            assert!(data.contains(from), "{data}");
            data = data.replacen(from, to, 1);
        }
        pieces.push(Piece { name, media_type: "application/json", data: data.into() });
    }
    unattended(|job| write_with(&recording, &pieces, &path, true, job)).unwrap();
    path
}

/// Opens one with which something is wrong.
fn window_of_bad(path: &Path, folder: &Path) -> Harness<'static, App> {
    let mut h = window(path, folder);
    for _ in 0..2_000 {
        h.step();
        let done = h.state().incident.as_ref().is_some_and(|i| i.remade != Remade::Pending);
        if done && !h.state().is_busy() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    for _ in 0..3 {
        h.step();
    }
    h
}

fn listed(h: &Harness<'_, App>, text: &str) -> bool {
    h.state().errors().list().iter().any(|p| p.message.contains(text))
}

#[test]
fn a_layout_of_another_version_is_said_and_the_rest_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = bent(folder.path(), "view.json", "\"version\": 1", "\"version\": 9");
    let h = window_of_bad(&path, folder.path());
    assert!(says(&h, "The layout of the incident cannot be used"));
    assert!(says(&h, "version 9") && listed(&h, "version 9"));
    assert_eq!(h.state().incident.as_ref().unwrap().remade, Remade::Same);
    assert_eq!(h.state().bookmarks.list().len(), 1);
}

#[test]
fn the_readers_own_notes_stay_and_bookmarks_that_do_not_fit_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let from = "\"bookmarks\": [";
    let to = "\"bookmarks\": [{\"at\": 99000000, \"note\": \"far away\"},";
    let path = bent(folder.path(), "bookmarks.json", from, to);
    let marks = Incident::read(&Recording::open(&path).unwrap()).unwrap().marks.bookmarks;
    let mut h = harness_with((1600, 1000), Some(places(folder.path())));
    ask(&mut h, Command::Open(feed().run()));
    ask(&mut h, Command::GoTo(marks[1].at));
    ask(&mut h, Command::AddBookmark("mine".to_owned()));
    drop(h);
    let h = window_of_bad(&path, folder.path());
    let [only] = h.state().bookmarks.list() else { panic!("{:?}", h.state().bookmarks.list()) };
    assert_eq!(only.at, marks[1].at);
    assert_eq!(only.note, "mine\n— incident: The backlog arrives");
    assert!(says(&h, "Bookmarks of the incident were left out"));
    assert!(listed(&h, "99,000,000 (far away)"));
}

#[test]
fn bookmarks_of_topics_that_are_not_there_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = bent(folder.path(), "bookmarks.json", "\"engagements\"", "\"clicks\"");
    let h = window_of_bad(&path, folder.path());
    assert!(h.state().bookmarks.list().is_empty());
    assert!(says(
        &h,
        "1 bookmark of the incident waits: it counts the arrivals of clicks, views; this \
         recording has no clicks"
    ));
}

#[test]
fn a_run_that_comes_out_otherwise_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let from = "\"overrides\": []";
    let to = "\"overrides\": [[\"inputs.engagements.watermark.max_out_of_orderness\", \"1s\"]]";
    let path = bent(folder.path(), "run.json", from, to);
    let h = window_of_bad(&path, folder.path());
    let Remade::Differs(how) = &h.state().incident.as_ref().unwrap().remade else { panic!() };
    assert!(how.iter().any(|h| h.contains("engagements late")), "{how:?}");
    assert!(says(&h, "The run is not the one that was saved"));
    assert!(listed(&h, "engagements late"));
    assert!(h.state().doc().run.is_some(), "it is shown");
    let how = how.clone();
    let mut h = h;
    h.get_by_label("About the incident").click();
    h.run_steps(3);
    for one in how {
        assert!(h.query_all_by_label(&one).next().is_some(), "{one}");
    }
    for fact in ["Records", "Outputs", "Digest of the run", "Digest of the recording"] {
        assert!(h.query_all_by_label(fact).next().is_some(), "{fact}");
    }
}

#[test]
fn a_pipeline_that_does_not_fit_is_said_and_the_recording_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = bent(folder.path(), "pipeline.toml", "topic = \"views\"", "topic = \"vews\"");
    let h = window_of_bad(&path, folder.path());
    assert!(says(&h, "The incident's run was not made") && listed(&h, "vews"));
    let doc = h.state().doc();
    assert!(doc.recording.is_some() && doc.run.is_none() && doc.pipeline.is_some());
    assert!(!super::testing::rows(&h).is_empty());
}
