//! Which run is shown, and how it is followed.

use super::*;
use crate::window::testing::{PATIENT, PIPELINE, feed, opened, rerun};

#[test]
fn a_run_that_the_user_left_does_not_come_back_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("patient");
    rerun(&feed().recording(), PIPELINE, PATIENT, &patient);
    let mut h = opened(&feed().run());
    let front = |app: &App| app.doc.run.as_ref().unwrap().dir.clone();
    let here = front(h.state());
    let other = RunDoc::new(Run::open_with_cache(&patient, 1 << 20).unwrap());
    // It was in front when it was looked at; what is there now came meanwhile.
    h.state_mut().take_run(other.clone(), None, true);
    assert_eq!(front(h.state()), here);
    // One that was never there comes, as soon as there is something of it.
    h.state_mut().take_run(other.clone(), None, false);
    assert_eq!(front(h.state()), other.dir);
}

#[test]
fn what_is_in_front_is_followed_where_another_cannot_be() {
    let mut h = opened(&feed().run());
    let mut fails = |number: u64, dir: PathBuf| {
        let app = h.state_mut();
        app.doc.in_progress = true;
        (app.following.number, app.following.dir) = (number, Some(dir));
        app.following.slot.ask(&app.jobs, number, |_| Err("it is gone".to_owned()));
        while app.jobs.open() > 0 {
            std::thread::yield_now();
        }
        app.take_newer();
        (app.doc.in_progress, app.notices.len())
    };
    assert_eq!(fails(1_007, PathBuf::from("elsewhere")), (true, 0));
    assert_eq!(fails(1_008, feed().run()), (false, 1));
}

#[test]
fn a_look_that_takes_long_is_waited_for_and_counts() {
    let mut h = opened(&feed().run());
    let app = h.state_mut();
    let (go, gate) = std::sync::mpsc::sync_channel::<()>(1);
    app.doc.in_progress = true;
    app.following.number += 1;
    app.following.dir = app.doc.run.as_ref().map(|run| run.dir.clone());
    let number = app.following.number;
    app.following.slot.ask(&app.jobs, number, move |_| {
        let _ = gate.recv();
        Err("it is gone".to_owned())
    });
    app.following.asked_at = Instant::now().checked_sub(2 * LOOK);
    app.follow_run();
    assert_eq!(app.following.number, number, "no other is begun");
    go.send(()).unwrap();
    while app.jobs.open() > 0 {
        std::thread::yield_now();
    }
    app.follow_run();
    assert!(!app.doc.in_progress, "what it found is said");
}
