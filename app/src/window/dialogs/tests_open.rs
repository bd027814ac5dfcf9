//! Opening by the dialog: a typed path with completion, what was opened before,
//! and what the platform's own dialog answers.

use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::window::app::App;
use crate::window::browse::{Answer, Browse, Browsing};
use crate::window::command::Command;
use crate::window::doc::file_name;
use crate::window::headless::{harness, settle};
use crate::window::testing::{Feed, ask, feed, press, write};
use crate::window::text::{elide, line};

fn keys(h: &mut Harness<'_, App>, modifiers: Modifiers, key: Key) {
    h.key_press_modifiers(modifiers, key);
    settle(h).unwrap();
}

/// A window with nothing open, and the dialog in front.
fn asked() -> Harness<'static, App> {
    let mut h = harness((1400, 900), false, None);
    settle(&mut h).unwrap();
    keys(&mut h, Modifiers::COMMAND, Key::O);
    h
}

#[test]
fn a_typed_path_is_completed_and_opened_by_keyboard() {
    let mut h = asked();
    let run = feed().run();
    let path = run.display().to_string();
    write(&mut h, "Path", path.strip_suffix("un").unwrap());
    keys(&mut h, Modifiers::NONE, Key::Tab);
    assert_eq!(h.get_by_label("Path").value(), Some(path));
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, run);
    assert!(h.query_by_label("Open the path").is_none(), "the dialog is closed");
}

#[test]
fn a_listed_folder_is_gone_into_and_a_listed_run_is_opened() {
    let mut h = asked();
    let folder = feed().folder.path();
    let row = |path: &Path| {
        let inside = path.parent().unwrap().display().to_string();
        format!("{}, {}", file_name(path), elide(&line(&inside), 44))
    };
    write(&mut h, "Path", &folder.display().to_string());
    press(&mut h, &row(folder));
    assert_eq!(h.get_by_label("Path").value(), Some(format!("{}/", folder.display())));
    press(&mut h, &row(&feed().run()));
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, feed().run());
}

#[test]
fn a_path_that_leads_nowhere_is_said_while_it_is_typed() {
    let mut h = asked();
    let none = "No folder, .mcap or .toml begins like this";
    assert!(h.query_by_label(none).is_none());
    write(&mut h, "Path", "/there/is/no/such/folder/feed");
    assert!(h.query_by_label(none).is_some());
    press(&mut h, "Cancel");
    assert!(h.state().doc().is_empty());
}

#[test]
fn what_was_opened_before_is_listed_and_opens_again() {
    let mut h = asked();
    assert!(h.query_by_label("What was opened before will be listed here").is_some());
    press(&mut h, "Cancel");
    let other = Feed::new(300);
    ask(&mut h, Command::Open(feed().recording()));
    ask(&mut h, Command::Open(other.recording()));
    keys(&mut h, Modifiers::COMMAND, Key::O);
    let folder = feed().folder.path().display().to_string();
    press(&mut h, &format!("feed.mcap, {}", elide(&line(&folder), 44)));
    let doc = h.state().doc();
    assert_eq!(doc.recording.as_ref().unwrap().recording.path(), feed().recording());
}

/// A platform whose user has chosen already.
struct Chosen(PathBuf);

impl Browse for Chosen {
    fn ask(&self, answer: SyncSender<Answer>, ctx: egui::Context) {
        answer.send(Ok(self.0.clone())).unwrap();
        ctx.request_repaint();
    }
}

#[test]
fn what_the_platforms_dialog_answers_is_opened_and_no_answer_leaves_ours() {
    let mut h = asked();
    press(&mut h, "Browse…");
    assert!(h.query_by_label("Open the path").is_some(), "there was no answer");
    h.state_mut().browsing = Browsing::new(Box::new(Chosen(feed().run())));
    press(&mut h, "Browse…");
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, feed().run());
    assert!(h.query_by_label("Open the path").is_none());
}

/// A platform without a dialog.
struct Without;

impl Browse for Without {
    fn ask(&self, answer: SyncSender<Answer>, ctx: egui::Context) {
        answer.send(Err("there is no session bus".to_owned())).unwrap();
        ctx.request_repaint();
    }
}

#[test]
fn a_platform_whose_dialog_does_not_come_up_is_said() {
    let mut h = asked();
    let says =
        |h: &Harness<'_, App>| h.query_all_by_label_contains("no session bus").next().is_some();
    h.state_mut().browsing = Browsing::new(Box::new(Without));
    h.get_by_label("Browse…").click();
    assert!(settle(&mut h).is_err(), "it is among the errors");
    h.run_steps(3);
    assert!(says(&h), "and where it was asked for");
    assert!(h.query_by_label("Open the path").is_some());
    // The next who opens a file has not asked for it.
    h.state_mut().errors.clear();
    press(&mut h, "Cancel");
    keys(&mut h, Modifiers::COMMAND, Key::O);
    assert!(!says(&h));
}
