//! The shipped sample, saved as an incident and made anew; and files whose
//! pieces do not fit together.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::edges::recording::{unattended, write_with};
use crate::engine::Control;
use crate::run::execute;

fn sample() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sample-data/feed")
}

fn sets() -> Vec<(String, String)> {
    vec![("inputs.engagements.watermark.max_out_of_orderness".to_owned(), "90s".to_owned())]
}

/// A run of the sample, its end closed.
fn run(dir: &Path) -> Run {
    let pipeline = PipelineFile::open(&sample().join("feed.toml"), &sets()).unwrap();
    let recording = Recording::open(&sample().join("feed.mcap")).unwrap();
    let spec = Execute {
        overrides: sets(),
        at_end: AtEnd::Close,
        seed: 7,
        shards: 2,
        ..Execute::new(pipeline, recording, dir.to_owned())
    };
    execute(spec, &Control::new()).unwrap();
    Run::open(dir).unwrap()
}

fn save(incident: &Incident, path: &Path) -> Recording {
    let recording = Recording::open(&sample().join("feed.mcap")).unwrap();
    let pieces = incident.pieces().unwrap();
    unattended(|job| write_with(&recording, &pieces, path, true, job)).unwrap();
    Recording::open(path).unwrap()
}

#[test]
fn the_run_is_made_anew_record_for_record() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&folder.path().join("run"));
    let mut saved = Incident::of(&run, "joinscope 0", 5).unwrap();
    saved.set_notes("Partition 2 stalls\npassword: hunter2");
    saved.marks.topics = vec!["engagements".to_owned(), "views".to_owned()];
    saved.marks.bookmarks.push(Mark { at: 12, note: "here".to_owned() });
    saved.view = Some(json!({"cursor": 99}));
    let path = folder.path().join("feed.mcap");
    let recording = save(&saved, &path);
    let read = Incident::read(&recording).unwrap();
    assert_eq!(read, saved);
    assert!(read.problems.is_empty());
    assert_eq!(read.about.notes, "Partition 2 stalls\npassword: ***");
    // Nothing says where on this machine it lay.
    let home = folder.path().to_string_lossy().into_owned();
    let all = std::fs::read(&path).unwrap();
    let holds = |what: &str| all.windows(what.len()).any(|w| w == what.as_bytes());
    assert!(!holds(&home) && !holds("hunter2") && !holds(&sample().to_string_lossy()));
    assert!(holds("Partition 2 stalls"));

    let spec = read.order(&recording, folder.path().join("again")).unwrap().unwrap();
    assert_eq!((spec.seed, spec.at_end, &spec.overrides), (7, AtEnd::Close, &sets()));
    execute(spec, &Control::new()).unwrap();
    let made = SavedRun::of(&Run::open(&folder.path().join("again")).unwrap()).unwrap();
    let stated = read.run.unwrap();
    assert_eq!(stated.differences(&made), [""; 0]);
    assert_eq!(stated, made);

    // One setting less, and it is said what came out otherwise.
    let mut other = saved.clone();
    if let Some(run) = &mut other.run {
        run.overrides.clear();
    }
    let spec = other.order(&recording, folder.path().join("other")).unwrap().unwrap();
    execute(spec, &Control::new()).unwrap();
    let made = SavedRun::of(&Run::open(&folder.path().join("other")).unwrap()).unwrap();
    let found = stated.differences(&made);
    assert!(found[0].contains(&made.digest) && found[0].contains(&stated.digest), "{found:?}");
    assert!(found.iter().any(|f| f.starts_with("engagements late: ")), "{found:?}");
}

#[test]
fn a_secret_in_the_note_of_a_bookmark_does_not_leave() {
    let mark = |note: &str| Mark { at: 12, note: note.to_owned() };
    let mut incident = Incident::default();
    incident.marks.topics = vec!["views".to_owned()];
    incident.marks.bookmarks = vec![mark("the backlog arrives")];
    assert!(!incident.blanks_bookmarks() && !incident.set_notes("nobody saw it"));
    incident.marks.bookmarks.push(mark("see the log\nSASL password: hunter2"));
    assert!(incident.blanks_bookmarks() && incident.set_notes("token = abc"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feed.mcap");
    let read = Incident::read(&save(&incident, &path)).unwrap();
    let notes: Vec<&str> = read.marks.bookmarks.iter().map(|m| m.note.as_str()).collect();
    assert_eq!(notes, ["the backlog arrives", "see the log\nSASL password: ***"]);
}

#[test]
fn a_plain_recording_is_no_incident() {
    let recording = Recording::open(&sample().join("feed.mcap")).unwrap();
    assert_eq!(Incident::read(&recording), None);
}

#[test]
fn pieces_that_do_not_fit_are_named_and_the_others_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&folder.path().join("run"));
    let saved = Incident::of(&run, "joinscope 0", 5).unwrap();
    let recording = Recording::open(&sample().join("feed.mcap")).unwrap();
    let path = folder.path().join("bent.mcap");
    let bend = |bend: &dyn Fn(&mut Vec<Piece>)| {
        let mut pieces = saved.pieces().unwrap();
        pieces.push(piece(VIEW, &json!({"cursor": 1})).unwrap());
        bend(&mut pieces);
        unattended(|job| write_with(&recording, &pieces, &path, true, job)).unwrap();
        let opened = Recording::open(&path).unwrap();
        (Incident::read(&opened).unwrap(), opened)
    };
    let replace = |pieces: &mut Vec<Piece>, name: &str, from: &str, to: &str| {
        let piece = pieces.iter_mut().find(|p| p.name == name).unwrap();
        let text = String::from_utf8(piece.data.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        piece.data = text.replacen(from, to, 1).into_bytes();
    };
    // A layout of another version.
    let (read, _) = bend(&|p| replace(p, VIEW, "\"version\": 1", "\"version\": 9"));
    assert_eq!((read.problems.len(), read.problems[0].what), (1, "The layout"));
    assert!(read.problems[0].why.contains("version 9"), "{:?}", read.problems);
    assert!(read.view.is_none() && read.run == saved.run);
    // Broken settings.
    let (read, opened) = bend(&|p| replace(p, RUN, "\"at_end\"", "\"at end\""));
    assert!(read.problems[0].why.contains("at_end"), "{:?}", read.problems);
    assert!(read.pipeline_for(&opened).unwrap_err().contains("settings are missing"));
    // A pipeline that names a topic that is missing.
    let (read, opened) = bend(&|p| replace(p, PIPELINE, "topic = \"views\"", "topic = \"vews\""));
    assert!(read.problems.is_empty());
    let why = read.pipeline_for(&opened).unwrap_err();
    assert!(why.contains("vews"), "{why}");
    // Settings of a run over another recording.
    let digest = recording.digest().to_owned();
    let (read, _) = bend(&|p| replace(p, RUN, &digest, "00"));
    assert!(read.problems[0].why.contains("do not belong together"), "{:?}", read.problems);
    // A piece that this program does not know takes nothing from the others.
    let (read, _) = bend(&|p| p.push(piece("later.json", &json!({})).unwrap()));
    assert!(read.problems.is_empty());
    // Bytes that are no text.
    let (read, _) = bend(&|p| p[0].data = vec![0xff]);
    assert!(read.problems[0].why.contains("no text from byte 0"), "{:?}", read.problems);
}

#[test]
fn only_a_run_that_came_to_its_end_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let pipeline = PipelineFile::open(&sample().join("feed.toml"), &[]).unwrap();
    let recording = Recording::open(&sample().join("feed.mcap")).unwrap();
    let control = Control::new();
    control.cancel();
    execute(Execute::new(pipeline, recording, dir.clone()), &control).unwrap();
    let error = Incident::of(&Run::open(&dir).unwrap(), "joinscope 0", 0).unwrap_err().to_string();
    assert!(error.contains("was cancelled") && error.contains("run the pipeline"), "{error}");
}
