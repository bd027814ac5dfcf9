use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::window::command::Command;
use crate::window::headless::settle;
use crate::window::testing::{ask, feed, opened, press};

#[test]
fn a_bookmark_is_made_by_keyboard_gone_to_and_removed() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::GoTo(1234));
    h.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::B);
    settle(&mut h).unwrap();
    h.get_by_label("Note").type_text("Backlog arrives");
    settle(&mut h).unwrap();
    h.key_press(egui::Key::Enter);
    settle(&mut h).unwrap();
    assert_eq!(h.state().bookmarks.list()[0].note, "Backlog arrives");
    assert!(h.query_by_label("Note").is_none(), "the dialog is closed");
    ask(&mut h, Command::GoTo(7));
    let row = h.query_all_by_label_contains("Backlog arrives, ").next().unwrap();
    row.click();
    settle(&mut h).unwrap();
    assert_eq!(h.state().cursor().at(), 1234);
    // On a bookmark, the same key changes its note.
    h.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::B);
    settle(&mut h).unwrap();
    press(&mut h, "Remove");
    assert!(h.state().bookmarks.list().is_empty());
}

#[test]
fn topics_stand_in_the_order_of_the_pipeline() {
    let h = opened(&feed().run());
    let pipeline = &h.state().doc().pipeline.as_ref().unwrap().pipeline;
    let used: Vec<String> = pipeline.inputs.iter().map(|i| i.topic.to_string()).collect();
    let listed: Vec<String> =
        h.get_all_by_role(Role::ListBoxOption).filter_map(|n| n.accesskit_node().label()).collect();
    let place = |topic: &String| listed.iter().position(|l| l.starts_with(&format!("{topic}, ")));
    let places: Vec<usize> = used.iter().map(|topic| place(topic).unwrap()).collect();
    assert!(places.len() == 2 && places.is_sorted(), "{used:?} in {listed:?}");
}
