//! The guarantees panel through its accessibility tree.

use std::sync::Arc;

use egui::OutputCommand;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::analyses::guarantees::faults::{Faults, Moment};

use super::ask::Question;
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::headless::{harness, settle, settle_telling};
use crate::window::panel::Panel;
use crate::window::testing::{ask, copied, feed, heading, hold, opened, press, rows};

#[test]
fn a_comparison_says_how_far_it_is_and_is_cancelled() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Guarantees));
    h.get_by_label("crash mid epoch").click();
    h.step();
    h.step();
    let said = heading(&h, Panel::Guarantees).value().unwrap();
    assert!(said.starts_with("crash mid epoch: ") && said.contains(" of 4 done"), "{said}");
    h.get_by_label("Cancel the comparison").click();
    h.step();
    settle(&mut h).unwrap();
    assert_eq!(heading(&h, Panel::Guarantees).value().unwrap(), "choose what goes wrong");
    assert!(h.query_by_label("Cancel the comparison").is_none());
    assert!(h.query_all_by_label_contains("aborted seen by").next().is_none());
    // Asked again it begins anew and comes to its end.
    h.get_by_label("crash mid epoch").click();
    h.step();
    settle(&mut h).unwrap();
    assert!(rows(&h).iter().any(|row| row.contains("aborted seen by")), "{:?}", rows(&h));
}

#[test]
fn a_number_opens_its_outputs_and_a_press_on_one_goes_to_its_record() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Guarantees));
    assert_eq!(heading(&h, Panel::Guarantees).value().unwrap(), "choose what goes wrong");
    h.get_by_label("crash mid epoch").click();
    h.step();
    settle(&mut h).unwrap();
    let modes: Vec<String> =
        rows(&h).into_iter().filter(|row| row.contains("aborted seen by")).collect();
    assert_eq!(modes.len(), 4, "{modes:?}");
    // What aborted transactions wrote is no fault of the guarantee.
    let aborted = h.query_all_by_label_contains(" aborted").find_map(|n| {
        let node = n.accesskit_node();
        (node.role() == egui::accesskit::Role::Button).then(|| node.description())
    });
    let aborted = aborted.flatten().unwrap();
    assert!(aborted.ends_with("only a reader with read_uncommitted sees it"), "{aborted}");
    // What the faults led to goes before what they were.
    let said = heading(&h, Panel::Guarantees).value().unwrap();
    assert!(said.starts_with("at-least-once gives "), "{said}");
    assert!(said.contains(" · crash mid epoch, a checkpoint every "), "{said}");
    assert!(modes[0].starts_with("exactly-once: 0 duplicates, 0 lost, 0 untrue"), "{}", modes[0]);
    let least = &modes[1];
    assert!(least.starts_with("at-least-once: ") && !least.contains(": 0 dup"), "{least}");
    assert!(modes[2].starts_with("at-least-once, deduplicated: 0 duplicates"), "{}", modes[2]);
    press(&mut h, least);
    let copy = rows(&h).into_iter().find(|row| row.contains(": examples[")).unwrap();
    press(&mut h, &copy);
    settle(&mut h).unwrap();
    let name = copy.split([' ', ':']).next().unwrap();
    let selected = h.state().selection();
    assert!(selected.is_some(), "{name} is not selected");
    h.get_by_label("what happened").click();
    h.step();
    settle(&mut h).unwrap();
    let first = rows(&h).into_iter().find(|row| row.contains("process 1 restored")).unwrap();
    press(&mut h, &first);
    h.key_press(egui::Key::End);
    h.step();
    settle(&mut h).unwrap();
    assert_eq!(copied(&mut h, "Guarantees, ", 1)["mode"], "at-least-once");
    let json = copied(&mut h, "What happened, ", 0);
    assert!(json["incarnation"] == 0 && json["what"].is_string(), "{json}");
    h.key_press(egui::Key::End);
    settle(&mut h).unwrap();
    // The first process was ended, and another went on to the end.
    assert!(rows(&h).iter().any(|row| row.contains("process 2")), "{:?}", rows(&h));
}

#[test]
fn a_comparison_that_failed_is_not_said_to_go_on() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Guarantees));
    let app = h.state_mut();
    let dir = app.doc().run.as_ref().unwrap().run.dir().to_owned();
    let faults = Faults(vec![(Moment::CrashMidEpoch, None)]);
    let question = Question { dir, faults: faults.clone() };
    let guarantees = &mut app.panels.guarantees;
    (guarantees.faults, guarantees.work) = (Some(faults), Some((question.clone(), Arc::default())));
    guarantees.matrix.ask(&app.jobs, question, |_| Err("the disk is full".to_owned()));
    // It counts as an error of the window: nothing is settled with one.
    while h.state().is_busy() {
        h.step();
    }
    h.step();
    h.step();
    assert_eq!(heading(&h, Panel::Guarantees).value().unwrap(), "crash mid epoch: not possible");
    assert!(h.query_by_label("Cancel the comparison").is_none());
    assert!(h.query_all_by_label_contains("the disk is full").next().is_some());
    // As it is while a run goes on.
    h.state_mut().doc.in_progress = true;
    h.step();
    let said = heading(&h, Panel::Guarantees).value().unwrap();
    assert_eq!(said, "compared when the run has ended");
}

#[test]
fn in_a_narrow_panel_guarantees_keep_their_names() {
    let mut h = harness((420, 420), false, Some(Panel::Guarantees));
    ask(&mut h, Command::Open(feed().run()));
    press(&mut h, "crash mid epoch");
    let text = |shape: &egui::epaint::ClippedShape| match &shape.shape {
        egui::Shape::Text(text) => {
            Some(text.galley.text().to_owned()).filter(|_| !text.galley.elided)
        }
        _ => None,
    };
    let shown: Vec<String> = h.output().shapes.iter().filter_map(text).collect();
    for name in ["at-least-once", "at-most-once"] {
        assert!(shown.iter().any(|t| t == name), "{name}: {shown:?}");
    }
}

#[test]
fn a_guarantee_is_put_on_the_clipboard_by_a_worker() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Guarantees));
    h.get_by_label("crash mid epoch").click();
    h.step();
    settle(&mut h).unwrap();
    let is_copied = |h: &Harness<'_, App>| {
        let mut commands = h.output().platform_output.commands.iter();
        commands.any(|command| matches!(command, OutputCommand::CopyText(_)))
    };
    let named = |label: Option<String>| label.is_some_and(|l| l.starts_with("Guarantees, "));
    h.get_by(move |node| node.role() == Role::Table && named(node.label())).focus();
    h.step();
    h.key_press(egui::Key::Home);
    h.step();
    let work = hold(&h);
    h.event(egui::Event::Copy);
    for _ in 0..4 {
        h.step();
        assert!(!is_copied(&h), "the window's thread made it");
    }
    drop(work);
    let mut is_there = false;
    settle_telling(&mut h, &mut |h| is_there |= is_copied(h)).unwrap();
    assert!(is_there);
}
