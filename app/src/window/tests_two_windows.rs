//! Two windows over the same files: what one keeps, the other leaves there; and what
//! one that crashed left.

use std::path::Path;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::app::App;
use super::bookmarks::Bookmarks;
use super::command::Command;
use super::headless::{harness_with, settle};
use super::layout::Layouts;
use super::panel::Panel;
use super::session::Session;
use super::settings::{Places, Settings};
use super::testing::{ask, feed, press};
use super::theme::ThemeChoice;

fn places(folder: &Path) -> Places {
    Places { config: folder.join("config"), state: folder.join("state") }
}

fn window(places: &Places) -> Harness<'static, App> {
    let mut h = harness_with((1400, 900), Some(places.clone()));
    settle(&mut h).unwrap();
    h
}

/// Both have read the files before either writes.
fn two(places: &Places) -> [Harness<'static, App>; 2] {
    [(); 2].map(|()| window(places))
}

#[test]
fn layouts_of_both_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let [mut a, mut b] = two(&places);
    let kept = || {
        let (layouts, why) = Layouts::load(&places);
        assert_eq!(why, None);
        let names: Vec<String> = layouts.saved().iter().map(|n| n.name.clone()).collect();
        (names.join(" "), layouts.current)
    };
    ask(&mut a, Command::Open(feed().run()));
    ask(&mut a, Command::SaveLayout("alpha".to_owned()));
    ask(&mut b, Command::Open(feed().run()));
    ask(&mut b, Command::HidePanel(Panel::Watermarks));
    let (names, current) = kept();
    assert_eq!(names, "alpha", "moving a panel keeps the layouts of the other window");
    let centre = current.unwrap().centre.unwrap();
    assert!(!centre.contains(Panel::Watermarks), "as the panels stood last");
    ask(&mut b, Command::SaveLayout("beta".to_owned()));
    assert_eq!(kept().0, "alpha beta");
    ask(&mut a, Command::RenameLayout("alpha".to_owned(), "gamma".to_owned()));
    assert_eq!(kept().0, "beta gamma");
    ask(&mut b, Command::DeleteLayout("beta".to_owned()));
    assert_eq!(kept().0, "gamma");
}

#[test]
fn bookmarks_of_both_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let [mut a, mut b] = two(&places);
    for h in [&mut a, &mut b] {
        ask(h, Command::Open(feed().run()));
    }
    let numbering = a.state().bookmarks.numbering().cloned();
    let kept = || {
        let (read, why) = Bookmarks::load(numbering.clone(), Some(&places));
        assert_eq!(why, None);
        read.list().iter().map(|b| (b.at, b.note.clone())).collect::<Vec<_>>()
    };
    let (first, second) = ((500, "stalls".to_owned()), (900, "goes on".to_owned()));
    for (h, (at, note)) in [(&mut a, &first), (&mut b, &second)] {
        ask(h, Command::GoTo(*at));
        ask(h, Command::AddBookmark(note.clone()));
    }
    assert_eq!(kept(), [first, second.clone()]);
    let id = a.state().bookmarks.list()[0].id;
    ask(&mut a, Command::RemoveBookmark(id));
    assert_eq!(kept(), [second]);
}

#[test]
fn settings_of_both_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let [mut a, mut b] = two(&places);
    ask(&mut a, Command::Theme(ThemeChoice::Light));
    ask(&mut b, Command::Zoom(1));
    ask(&mut a, Command::Open(feed().run()));
    ask(&mut b, Command::Open(feed().recording()));
    let (kept, why) = Settings::load(&places);
    assert_eq!((kept.theme, kept.scale, why), (ThemeChoice::Light, 110, None));
    assert_eq!(kept.recent, [feed().recording(), feed().run()]);
    ask(&mut b, Command::ResetSettings);
    let (kept, _) = Settings::load(&places);
    assert_eq!((kept.theme, kept.scale), (ThemeChoice::default(), 100));
    assert_eq!(kept.recent.len(), 2);
}

#[test]
fn a_session_that_did_not_end_is_offered_until_one_has_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut h = window(&places);
    ask(&mut h, Command::Open(feed().run()));
    ask(&mut h, Command::GoTo(700));
    h.state_mut().end_session();
    drop(h);
    // As killed processes leave them: files, and no lock on them.
    let (sessions, last) = (places.state.join("sessions"), places.state.join("last-session.json"));
    for name in ["1-0", "2-0"] {
        std::fs::write(sessions.join(format!("{name}.lock")), "").unwrap();
        std::fs::copy(&last, sessions.join(format!("{name}.json"))).unwrap();
    }
    let offered = |h: &Harness<'_, App>| h.query_all_by_label("Restore").count();
    let mut h = window(&places);
    ask(&mut h, Command::Open(feed().recording()));
    ask(&mut h, Command::Close);
    assert_eq!(offered(&h), 2, "what was opened meanwhile takes nothing away");
    drop(h);
    let mut h = window(&places);
    assert!(h.state().doc().is_empty(), "nothing opens by itself");
    assert_eq!(offered(&h), 2, "also at the next start");
    ask(&mut h, Command::Restore(0, false));
    press(&mut h, "Restore");
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, feed().run());
    assert_eq!(h.state().cursor().at(), 700);
    drop(h);
    assert_eq!(offered(&window(&places)), 0, "each was chosen about");
}

#[test]
fn what_was_done_last_is_kept_without_anything_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut h = window(&places);
    ask(&mut h, Command::Open(feed().run()));
    let kept = || {
        let files = std::fs::read_dir(places.state.join("sessions")).unwrap().flatten();
        let mut kept =
            files.map(|f| f.path()).filter(|p| p.extension().is_some_and(|e| e == "json"));
        let text = std::fs::read_to_string(kept.next()?).unwrap();
        let session: serde_json::Value = serde_json::from_str(&text).unwrap();
        session["open"][0]["cursor"].as_u64()
    };
    h.state_mut().saved_at = Instant::now();
    ask(&mut h, Command::GoTo(700));
    // The user goes away: the frame that keeps it comes by itself.
    let after = h.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
    assert!(after <= Duration::from_secs(1) || kept() == Some(700), "{after:?}");
    let long_ago = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
    h.state_mut().saved_at = long_ago;
    settle(&mut h).unwrap();
    assert_eq!(kept(), Some(700));
}

#[test]
fn nothing_is_left_of_a_session_that_is_still_being_kept_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut h = window(&places);
    let app = h.state_mut();
    // What waits before it takes longer than the window's end.
    for n in 0..50 {
        app.saver.save(&folder.path().join(format!("{n}.json")), 1, &Session::default());
    }
    let session = Session { front: 7, ..Session::default() };
    app.marker.as_mut().unwrap().save(&session, &app.saver);
    drop(h);
    assert!(folder.path().join("49.json").is_file(), "what waited is written");
    let left = std::fs::read_dir(places.state.join("sessions")).unwrap();
    assert_eq!(left.count(), 0);
}
