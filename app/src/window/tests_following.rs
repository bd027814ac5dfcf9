//! A run in progress: what is published fills the panels, the cursor stays at
//! its head until it is moved, and comes back to it.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use joinscope_core::run::synthetic;

use super::app::App;
use super::command::Command;
use super::cursor::State;
use super::headless::harness;
use super::testing::{press, rows};

/// A run that goes on when it is told to, `PART` records at a time.
struct Slow {
    go: Option<SyncSender<()>>,
    published: Receiver<u64>,
    done: Option<std::thread::JoinHandle<()>>,
}

const PART: u64 = 40_960;
const PARTS: u64 = 4;

impl Slow {
    fn begin(dir: &Path) -> Self {
        let (go, gate) = sync_channel::<()>(1);
        let (tell, published) = sync_channel(1);
        let dir = dir.to_owned();
        let done = std::thread::spawn(move || {
            synthetic::write_in_parts(&dir, PART * PARTS, PART, |end| {
                // A test that failed is gone.
                let _ = tell.send(end);
                let _ = gate.recv();
            })
            .unwrap();
        });
        Self { go: Some(go), published, done: Some(done) }
    }

    fn wait(&self) -> u64 {
        self.published.recv().unwrap()
    }

    fn go_on(&self) -> u64 {
        self.go.as_ref().unwrap().send(()).unwrap();
        self.wait()
    }

    fn end(mut self) {
        self.go.take();
        self.done.take().unwrap().join().unwrap();
    }
}

/// Frames until something holds.
fn until(h: &mut Harness<'_, App>, what: &str, holds: impl Fn(&App) -> bool) {
    let begun = Instant::now();
    while !holds(h.state()) {
        h.step();
        std::thread::sleep(Duration::from_millis(5));
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        assert!(h.state().errors().list().is_empty(), "{:?}", h.state().errors().list());
    }
    // And what the panels asked then.
    while h.state().is_busy() {
        h.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    h.step();
}

#[test]
fn a_run_in_progress_is_followed_left_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let slow = Slow::begin(&dir);
    let first = slow.wait();
    let mut h = harness((1280, 800), false, None);
    h.state_mut().command(Command::Open(dir.clone()));
    until(&mut h, "the run opens", |app| app.doc().run.is_some());
    assert!(h.state().doc().in_progress);
    assert_eq!(h.state().cursor().state(), State::Following);
    assert_eq!(h.state().cursor().at(), first - 1);
    assert!(!rows(&h).is_empty(), "the records are there");

    let second = slow.go_on();
    until(&mut h, "the second part shows", |app| app.cursor().len() == second);
    assert_eq!(h.state().cursor().at(), second - 1, "it stays at the head");
    assert!(h.query_by_label("Following the run").is_some());

    // A move by hand ends it.
    press(&mut h, "One record back");
    assert_eq!(h.state().cursor().state(), State::Paused);
    let left_at = h.state().cursor().at();
    let third = slow.go_on();
    until(&mut h, "the third part shows", |app| app.cursor().len() == third);
    assert_eq!(h.state().cursor().at(), left_at, "the cursor stays where it was put");

    // End resumes it.
    h.key_press(egui::Key::End);
    h.step();
    h.step();
    assert_eq!(h.state().cursor().state(), State::Following);
    assert_eq!(h.state().cursor().at(), third - 1);

    slow.go_on();
    slow.end();
    until(&mut h, "the run has ended", |app| !app.doc().in_progress);
    assert_eq!(h.state().cursor().at(), PART * PARTS - 1);
    assert!(h.query_by_label("To the end").is_some());
}
