//! Dialogs have the room they need, whatever they showed before; what stands
//! behind them does not reach through; names of any kind are safe in them.

use std::path::{Path, PathBuf};

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::window::app::App;
use crate::window::command::Command;
use crate::window::dialogs::Dialog;
use crate::window::headless::{harness_with, settle};
use crate::window::session::{Opened, Session};
use crate::window::settings::Places;
use crate::window::testing::{ask, feed, opened, overwrite, press};

/// Whether a text that begins so is painted whole.
fn is_painted(h: &Harness<'_, App>, begins: &str) -> bool {
    h.output().shapes.iter().any(|shape| match &shape.shape {
        egui::Shape::Text(text) => {
            text.galley.text().starts_with(begins)
                && shape.clip_rect.contains_rect(text.visual_bounding_rect())
        }
        _ => false,
    })
}

/// Titles of the palette's rows, in sight or not.
fn titles(h: &Harness<'_, App>) -> Vec<String> {
    h.query_all_by_role(Role::ListBoxOption)
        .filter_map(|n| n.accesskit_node().label())
        .filter_map(|l| Some(l.split_once(": ")?.1.to_owned()))
        .collect()
}

#[test]
fn the_palette_is_as_long_again_once_less_is_typed() {
    let mut h = opened(&feed().run());
    let keys = |h: &mut Harness<'_, App>, modifiers: Modifiers, key: Key| {
        h.key_press_modifiers(modifiers, key);
        settle(h).unwrap();
    };
    keys(&mut h, Modifiers::COMMAND, Key::K);
    overwrite(&mut h, "Command", "zzqq");
    assert!(titles(&h).is_empty());
    keys(&mut h, Modifiers::COMMAND, Key::A);
    keys(&mut h, Modifiers::NONE, Key::Backspace);
    let rows = titles(&h);
    for row in &rows[..12] {
        assert!(is_painted(&h, row), "{row}");
    }
    // Also the next time, after little was listed when it was closed.
    overwrite(&mut h, "Command", "hide inspe");
    keys(&mut h, Modifiers::NONE, Key::Escape);
    keys(&mut h, Modifiers::COMMAND, Key::K);
    let rows = titles(&h);
    for row in &rows[..12] {
        assert!(is_painted(&h, row), "{row}");
    }
}

#[test]
fn the_palette_fits_into_a_small_window() {
    let mut h = harness_with((640, 400), None);
    ask(&mut h, Command::ShowPalette);
    h.key_press_modifiers(Modifiers::COMMAND, Key::End);
    h.run_steps(60);
    let last = titles(&h).pop().unwrap();
    assert!(is_painted(&h, &last), "{last}");
}

#[test]
fn shortcuts_are_whole_in_the_smallest_window() {
    for wide in [640, 900] {
        let mut h = harness_with((wide, 400), None);
        ask(&mut h, Command::ShowShortcuts);
        let cut = h.output().shapes.iter().filter_map(|shape| match &shape.shape {
            egui::Shape::Text(text) if text.galley.text().starts_with("Ctrl+K, ") => {
                Some(text.galley.elided)
            }
            _ => None,
        });
        assert_eq!(cut.collect::<Vec<bool>>(), [false], "{wide} wide");
        let close = h.get_by_label("Close").rect();
        assert!(close.bottom() < 400.0 && close.right() < wide as f32, "{close:?}, {wide} wide");
    }
}

#[test]
fn the_list_of_errors_is_as_long_as_it_has_to_be_whatever_it_showed_before() {
    let mut h = harness_with((1400, 900), None);
    ask(&mut h, Command::ShowErrors);
    press(&mut h, "Close");
    for n in 0..6 {
        h.state_mut().errors.add("Saving a file", format!("file number {n}"));
    }
    h.state_mut().command(Command::ShowErrors);
    h.run_steps(3);
    for n in 0..6 {
        assert!(is_painted(&h, &format!("file number {n}")), "{n}");
    }
    // Several mistakes stand under each other.
    h.state_mut().errors.clear();
    h.state_mut().errors.add("Reading feed.toml", "line 3: one\nline 9: other");
    h.run_steps(3);
    assert!(is_painted(&h, "line 3: one") && is_painted(&h, "line 9: other"));
}

#[test]
fn two_notices_are_both_in_sight() {
    let mut h = opened(&feed().run());
    for n in 0..2 {
        h.state_mut().notice("Something was not saved", &format!("file number {n}"));
    }
    h.run_steps(4);
    assert!(is_painted(&h, "file number 0") && is_painted(&h, "file number 1"));
}

#[test]
fn a_tooltip_does_not_stay_in_front_of_a_dialog() {
    const NAME: &str = "One record back";
    let said = |h: &Harness<'_, App>| h.query_all_by_label(NAME).count();
    let mut h = opened(&feed().run());
    let button = said(&h);
    h.get_by_label(NAME).hover();
    h.run_steps(60);
    assert_eq!(said(&h), button + 1, "the button and its tooltip");
    ask(&mut h, Command::ShowSettings);
    h.run_steps(3);
    assert_eq!(said(&h), button);
    // The pointer is there again for the dialog, and for the window after it.
    h.get_by_label("Light").hover();
    h.run_steps(3);
    press(&mut h, "Light");
    assert_eq!(h.ctx.theme(), egui::Theme::Light);
    press(&mut h, "Close");
    // Right after a press no tooltip comes.
    h.run_steps(60);
    h.get_by_label(NAME).hover();
    h.run_steps(60);
    assert_eq!(said(&h), button + 1);
}

/// A session whose file has a name that turns, breaks and fills lines.
fn strange() -> (PathBuf, Session) {
    let name = format!("run \u{202e}txe\nnext {}", "long-".repeat(60));
    let path = Path::new("/somewhere").join(name).join("run");
    let front = Opened { path: path.clone(), cursor: 1_204_118, ..Opened::default() };
    (path, Session { open: vec![front], ..Session::default() })
}

#[test]
fn what_was_open_says_where_one_stood_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let places =
        Places { config: folder.path().join("config"), state: folder.path().join("state") };
    let mut h = harness_with((1400, 900), Some(places));
    let (path, session) = strange();
    h.state_mut().last = Some(session);
    h.state_mut().settings.opened(&path, false);
    h.run_steps(3);
    for part in ["run \\u{202e}txe\\nnext", "at arrival 1,204,118"] {
        assert!(h.query_all_by_label_contains(part).next().is_some(), "{part}");
    }
    let ends = h.output().shapes.iter().any(|s| match &s.shape {
        egui::Shape::Text(text) => {
            let all = text.galley.text();
            all.starts_with("/somewhere") && all.ends_with("at arrival 1,204,118")
        }
        _ => false,
    });
    assert!(ends, "its ends are in sight");
    // As it is written out in the tooltips, too.
    let row = h.query_all_by_role(Role::ListBoxOption).next().unwrap();
    row.hover();
    h.run_steps(60);
    let raw = h.output().shapes.iter().any(|s| match &s.shape {
        egui::Shape::Text(text) => text.galley.text().contains('\u{202e}'),
        _ => false,
    });
    assert!(!raw);
}

#[test]
fn what_is_replaced_is_named_whole() {
    let mut h = opened(&feed().run());
    let path = Path::new("/somewhere").join("long-".repeat(40)).join("a.csv");
    let what = crate::window::command::Export::Data(crate::window::panel::Panel::Records);
    let since = h.state().doc().since;
    h.state_mut().dialog = Some(Dialog::Replace(what, path, since));
    h.run_steps(3);
    let said = h.query_all_by_label_contains("a.csv is there already").next().unwrap();
    assert!(said.rect().height() > 30.0, "in several lines");
    press(&mut h, "Keep it");
    assert!(h.state().dialog.is_none());
}

#[test]
fn a_file_is_named_after_a_run_of_any_name() {
    use super::export::stem;
    assert_eq!([stem("run 3"), stem("feed.mcap"), stem("päth.2")], ["run-3", "feed", "päth.2"]);
    assert_eq!(stem("../a\nb\u{202e}c"), "..-a-b-c");
    assert_eq!(stem(&"é".repeat(300)).chars().count(), 60);
}

#[test]
fn an_incident_is_saved_by_enter_in_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mcap");
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Export(crate::window::command::Export::Incident));
    overwrite(&mut h, "Path of the file", &path.display().to_string());
    h.key_press_modifiers(Modifiers::NONE, Key::Enter);
    settle(&mut h).unwrap();
    assert!(path.is_file() && h.state().dialog.is_none());
}

#[test]
fn a_message_of_any_length_is_there_whole_or_says_what_is_not() {
    let mut h = harness_with((900, 600), None);
    let long = format!("{}its end", "a word ".repeat(200));
    let message = format!("{long}\n{}", "more\n".repeat(250));
    h.state_mut().dialog = Some(Dialog::Failed { title: "It failed".to_owned(), message });
    h.run_steps(3);
    assert!(h.query_all_by_label_contains("its end").next().is_some());
    assert!(h.query_by_label("… and 51 more lines").is_some());
    assert!(h.get_by_label("Close").rect().bottom() < 600.0);
}

#[test]
fn a_setting_that_is_longer_than_its_field_is_said_whole() {
    const TOPIC: &str = "production.eu-west-1.customer-behaviour.page-views.v17";
    let mut h = opened(&feed().run());
    ask(&mut h, Command::EditPipeline);
    let told = |h: &mut Harness<'_, App>| {
        let at = h.get_by_label("inputs.views.topic").rect().center();
        h.hover_at(at);
        // Longer than a tooltip takes to appear.
        h.run_steps(8);
        let all = h.query_all_by_role(Role::Label);
        all.filter_map(|n| n.accesskit_node().value()).any(|said| said == TOPIC)
    };
    assert!(!told(&mut h), "it has room");
    overwrite(&mut h, "inputs.views.topic", TOPIC);
    assert!(told(&mut h));
}
