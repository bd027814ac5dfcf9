//! A run in progress: what is published fills the panels, the cursor stays at
//! its head until it is moved, and comes back to it.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use egui::accesskit::Toggled;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::synthetic;

use super::app::App;
use super::command::Command;
use super::cursor::State;
use super::headless::harness;
use super::panel::Panel;
use super::testing::{heading, note_epochs, press, rows};
use super::text::thousands;

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

    /// It goes on to its end by itself.
    fn end(mut self) {
        self.go.take();
        while self.published.recv().is_ok() {}
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
    // And what the panels asked then, and what that led to.
    let mut quiet = 0;
    while quiet < 4 {
        h.step();
        std::thread::sleep(Duration::from_millis(2));
        quiet = if h.state().is_busy() { 0 } else { quiet + 1 };
    }
}

/// A run in progress, opened as far as its first part goes; where that ends.
fn opened(dir: &Path) -> (Slow, u64, Harness<'static, App>) {
    let slow = Slow::begin(dir);
    let first = slow.wait();
    let mut h = harness((1280, 800), false, None);
    h.state_mut().command(Command::Open(dir.to_owned()));
    until(&mut h, "the run opens", |app| app.doc().run.is_some());
    (slow, first, h)
}

/// The last row in sight of the records table.
fn last_row(h: &Harness<'_, App>) -> u64 {
    // arrival 12, views[0]@5, joined
    let arrival = |row: String| row.split([' ', ',']).nth(1)?.parse::<u64>().ok();
    rows(h).into_iter().filter_map(arrival).max().unwrap()
}

/// What the timeline says of itself: nothing while it has no answer.
fn said(h: &Harness<'_, App>) -> String {
    heading(h, Panel::Timeline).value().unwrap_or_default()
}

#[test]
fn a_run_in_progress_is_followed_left_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let (slow, first, mut h) = opened(&dir);
    assert!(h.state().doc().in_progress);
    assert_eq!(h.state().cursor().state(), State::Following);
    assert_eq!(h.state().cursor().at(), first - 1);
    assert!(!rows(&h).is_empty(), "the records are there");
    assert_eq!(last_row(&h), first - 1, "the newest record is in sight");
    assert!(said(&h).contains(&thousands(first)), "{}", said(&h));
    let from = first - 1_000;
    h.state_mut().command(Command::View(Some((from, first - 1))));

    // Epochs are noted while it runs.
    assert!(h.query_by_label("Epochs").is_none());
    note_epochs(&dir, first, 4_096);
    let second = slow.go_on();
    until(&mut h, "the second part shows", |app| app.cursor().len() == second);
    assert_eq!(h.state().cursor().at(), second - 1, "it stays at the head");
    assert_eq!(last_row(&h), second - 1, "and so does the table");
    assert_eq!(h.state().view(), (second - 1_000, second - 1), "what is in sight moves along");
    h.state_mut().command(Command::View(None));
    until(&mut h, "all is in sight", |_| true);
    assert!(said(&h).contains(&thousands(second)), "{}", said(&h));
    assert!(said(&h).ends_with("; 2 crashes"), "{}", said(&h));
    assert!(h.query_by_label("Epochs").is_some());
    let is_on = |h: &Harness<'_, App>, name: &str| h.get_by_label(name).accesskit_node().toggled();
    assert_eq!(is_on(&h, "Following the run"), Some(Toggled::True));

    // A move by hand ends it.
    press(&mut h, "One record back");
    assert_eq!(h.state().cursor().state(), State::Paused);
    assert_eq!(is_on(&h, "Follow the run"), Some(Toggled::False));
    let left_at = h.state().cursor().at();
    let third = slow.go_on();
    until(&mut h, "the third part shows", |app| app.cursor().len() == third);
    assert_eq!(h.state().cursor().at(), left_at, "the cursor stays where it was put");
    assert!(last_row(&h) < second + 2, "and so does the table");

    // End resumes it.
    h.key_press(egui::Key::End);
    until(&mut h, "the head is found again", |app| app.cursor().state() == State::Following);
    assert_eq!(h.state().cursor().state(), State::Following);
    assert_eq!(h.state().cursor().at(), third - 1);
    assert_eq!(last_row(&h), third - 1, "the table comes along");

    slow.go_on();
    slow.end();
    until(&mut h, "the run has ended", |app| !app.doc().in_progress);
    assert_eq!(h.state().cursor().at(), PART * PARTS - 1);
    assert_eq!(is_on(&h, "To the end"), None, "there is nothing to follow");
}

#[test]
fn a_table_that_is_filtered_stays_where_it_stood_when_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let (slow, first, mut h) = opened(&dir);
    press(&mut h, "One record back");
    // In every record's name.
    h.state_mut().command(Command::Search("[".to_owned()));
    until(&mut h, "the search is asked for", |app| app.panels.records.search() == "[");
    h.state_mut().panels.records.reveal(first / 2);
    until(&mut h, "the record is in sight", |_| true);
    let stood = last_row(&h);
    assert!(stood.abs_diff(first / 2) < 100, "{stood}");
    let second = slow.go_on();
    until(&mut h, "the second part shows", |app| app.cursor().len() == second);
    assert_eq!(last_row(&h), stood);
    let said = heading(&h, Panel::Records).value().unwrap();
    assert!(said.starts_with(&thousands(second)), "{said}");
    slow.end();
}

#[test]
fn a_run_in_progress_whose_folder_vanishes_is_said_and_what_was_read_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, aside) = (folder.path().join("run"), folder.path().join("aside"));
    let (slow, first, mut h) = opened(&dir);
    std::fs::rename(&dir, &aside).unwrap();
    let begun = Instant::now();
    while h.state().errors().list().is_empty() {
        h.step();
        std::thread::sleep(Duration::from_millis(5));
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing is said");
    }
    h.step();
    let said = h.query_all_by_label_contains("The run cannot be followed").count();
    assert_eq!(said, 1, "{:?}", h.state().errors().list());
    assert!(!rows(&h).is_empty(), "what was read stays");
    h.get_by_label("One record back").click();
    h.step();
    h.step();
    assert_eq!(h.state().cursor().at(), first - 2);
    std::fs::rename(&aside, &dir).unwrap();
    slow.end();
}

#[test]
fn a_run_of_another_process_is_said_not_to_stop_and_what_it_met_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let (slow, first, mut h) = opened(&dir);
    h.state_mut().command(Command::AddBreakpoint("verdict=joined".parse().unwrap()));
    until(&mut h, "it is listed", |app| !app.breakpoints.list().is_empty());
    let says =
        |h: &Harness<'_, App>, what: &str| h.query_all_by_label_contains(what).next().is_some();
    assert!(says(&h, "another process and does not stop at these"));
    assert!(says(&h, "joinscope run --break"));
    let said = heading(&h, Panel::Breakpoints).value().unwrap();
    assert!(said.starts_with("1 breakpoint · met ") && !said.contains("never"), "{said}");
    let so_far = format!(" in the first {} arrivals", thousands(first));
    assert!(said.ends_with(&so_far), "{said}");
    assert!(says(&h, "verdict=joined: a record is joined; met ") && !says(&h, "stopped"));
    slow.end();
    until(&mut h, "the run has ended", |app| !app.doc().in_progress);
    let said = heading(&h, Panel::Breakpoints).value().unwrap();
    assert!(said.ends_with(" in this run"), "{said}");
    assert!(!says(&h, "another process"));
}
