//! What assistive technology and the keyboard get of what is painted: names,
//! values, keys.

use egui::Key;
use egui::accesskit::{Action, Role, Toggled};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::{Direction, VerdictSet};
use joinscope_operator::verdict::Verdict;

use super::app::App;
use super::command::{Command, Export, shortcut_text};
use super::headless::settle;
use super::panel::Panel;
use super::testing::{ask, feed, heading, opened, press, rows};
use super::theme::Tokens;

/// The gaps between panels, by name and value.
fn gaps(h: &Harness<'_, App>) -> Vec<(String, Option<String>)> {
    let said = h.get_all_by_role(Role::Splitter);
    said.map(|n| n.accesskit_node()).map(|n| (n.label().unwrap_or_default(), n.value())).collect()
}

fn value(h: &Harness<'_, App>, gap: &str) -> String {
    gaps(h).into_iter().find_map(|(name, value)| value.filter(|_| name == gap)).unwrap()
}

/// Presses a key on a gap.
fn key(h: &mut Harness<'_, App>, gap: &str, key: Key) {
    h.get_by_role_and_label(Role::Splitter, gap).focus();
    // Keys are its own from the second frame on.
    h.run_steps(3);
    h.key_press(key);
    settle(h).unwrap();
}

#[test]
fn gaps_between_panels_have_names_and_values_and_are_moved_by_keys() {
    let mut h = opened(&feed().run());
    let all = gaps(&h);
    let told = |(name, value): &(String, Option<String>)| {
        name.starts_with("resize: ") && value.as_ref().is_some_and(|v| !v.is_empty())
    };
    assert!(all.len() > 2 && all.iter().all(told), "{all:?}");
    let gap = all.into_iter().map(|(name, _)| name).find(|n| n.ends_with(" | Records")).unwrap();
    let top = |h: &Harness<'_, App>| heading(h, Panel::Records).rect().top();
    let (at_first, said) = (top(&h), value(&h, &gap));
    key(&mut h, &gap, Key::ArrowUp);
    assert!((at_first - top(&h) - 16.0).abs() < 2.0, "from {at_first} to {}", top(&h));
    assert_ne!(value(&h, &gap), said);
    key(&mut h, &gap, Key::ArrowDown);
    assert!((at_first - top(&h)).abs() < 2.0, "from {at_first} to {}", top(&h));
    // As far as the panel above it has room to give.
    for _ in 0..20 {
        key(&mut h, &gap, Key::ArrowUp);
    }
    let highest = top(&h);
    key(&mut h, &gap, Key::ArrowUp);
    assert!((highest - top(&h)).abs() < 2.0 && highest < at_first - 16.0);
    key(&mut h, &gap, Key::Enter);
    assert_eq!(value(&h, &gap), "50 % and 50 %");
    // Each is a step of the layout's history.
    ask(&mut h, Command::Undo);
    assert!((highest - top(&h)).abs() < 2.0, "from {highest} to {}", top(&h));
}

#[test]
fn the_sides_are_made_wider_by_keys() {
    let mut h = opened(&feed().run());
    let widths = |h: &Harness<'_, App>| (h.state().layout.left.width, h.state().layout.right.width);
    let before = widths(&h);
    key(&mut h, "resize: Sources", Key::ArrowRight);
    let wider = widths(&h);
    assert!(wider.0 > before.0 + 8.0 && (wider.1 - before.1).abs() < 1.0, "{before:?} {wider:?}");
    key(&mut h, "resize: Inspector", Key::ArrowRight);
    let narrower = widths(&h);
    assert!(narrower.1 < wider.1 - 8.0, "{wider:?} {narrower:?}");
    let said = value(&h, "resize: Inspector");
    assert_eq!(said, format!("{} points wide", narrower.1.round()));
}

#[test]
fn scroll_bars_and_the_cursor_say_where_they_stand() {
    let mut h = opened(&feed().run());
    let value = |h: &Harness<'_, App>, name: &str| {
        let node = h.query_all_by_label(name).next().unwrap();
        node.accesskit_node().value().unwrap()
    };
    let rows = h.state().doc().run.as_ref().unwrap().rows;
    let all = super::text::thousands(rows);
    assert_eq!(value(&h, "Scroll the rows"), format!("row 1 of {all}"));
    ask(&mut h, Command::GoTo(1_234));
    assert!(value(&h, "Cursor").starts_with("arrival 1,234, the last is "));
}

#[test]
fn menus_say_the_shortcuts_of_what_they_offer() {
    let mut h = opened(&feed().run());
    press(&mut h, "Menu");
    for (row, command) in [
        ("Open…", Command::ShowOpen),
        ("Save as an incident…", Command::Export(Export::Incident)),
        ("Close", Command::Close),
        ("Settings…", Command::ShowSettings),
        ("Quit", Command::Quit),
    ] {
        let keys = shortcut_text(&h.ctx, &command);
        assert!(keys.is_some(), "{row}");
        let node = h.get_by_label(row).accesskit_node();
        assert_eq!(node.data().keyboard_shortcut(), keys.as_deref(), "{row}");
    }
}

/// Whether a mark of the accent's colour stands within, and whether it is said.
fn is_marked(h: &Harness<'_, App>, role: Role, name: &str) -> bool {
    let node = h.get_by_role_and_label(role, name);
    let (at, accent) = (node.rect().expand(1.0), Tokens::of(&h.ctx).accent);
    let marked = h.output().shapes.iter().any(|shape| match &shape.shape {
        egui::Shape::Rect(mark) => mark.fill == accent && at.contains_rect(mark.rect),
        _ => false,
    });
    let said = if marked { Toggled::True } else { Toggled::False };
    assert_eq!(node.accesskit_node().toggled(), Some(said), "{name}");
    marked
}

#[test]
fn what_is_chosen_is_told_by_more_than_the_colour_of_its_ground() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowSettings);
    let chosen = |h: &Harness<'_, App>| ["Dark", "Light"].map(|n| is_marked(h, Role::Button, n));
    assert_eq!(chosen(&h), [true, false]);
    press(&mut h, "Light");
    assert_eq!(chosen(&h), [false, true]);
    press(&mut h, "Close");
    let second = rows(&h)[1].clone();
    press(&mut h, &second);
    // Verdicts are said as they were there, so names are others.
    let names = rows(&h);
    let marked: Vec<bool> = names[..3].iter().map(|n| is_marked(&h, Role::Row, n)).collect();
    assert_eq!(marked, [false, true, false], "{names:?}");
    let late = {
        let options = h.get_all_by_role(Role::ListBoxOption);
        let mut names = options.filter_map(|n| n.accesskit_node().label());
        names.find(|name| name.starts_with("late, ")).unwrap()
    };
    assert!(!is_marked(&h, Role::ListBoxOption, &late));
    press(&mut h, &late);
    assert!(is_marked(&h, Role::ListBoxOption, &late));
}

fn has_focus(h: &Harness<'_, App>, name: &str) -> bool {
    h.get_by_label(name).accesskit_node().is_focused()
}

/// Presses Tab in a field.
fn tab_in(h: &mut Harness<'_, App>, field: &str) {
    h.get_by_label(field).focus();
    // Keys are its own from the second frame on.
    h.run_steps(3);
    assert!(has_focus(h, field));
    h.key_press(Key::Tab);
    settle(h).unwrap();
}

#[test]
fn tab_leaves_every_field() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::EditPipeline);
    let source = |h: &Harness<'_, App>| {
        h.get_by_label("Pipeline as TOML").accesskit_node().value().unwrap_or_default()
    };
    let before = source(&h);
    tab_in(&mut h, "Pipeline as TOML");
    assert!(!has_focus(&h, "Pipeline as TOML"));
    assert_eq!(source(&h), before);
    h.state_mut().dialog = None;
    settle(&mut h).unwrap();
    // With nothing to complete also where it completes a path.
    ask(&mut h, Command::ShowOpen);
    tab_in(&mut h, "Path");
    assert!(!has_focus(&h, "Path"));
}

fn records<'h>(h: &'h Harness<'_, App>) -> egui_kittest::Node<'h> {
    h.get_by(|n| n.role() == Role::Table && n.label().is_some_and(|l| l.starts_with("Records, ")))
}

#[test]
fn tab_leaves_a_table_and_comes_back_to_it() {
    let mut h = opened(&feed().run());
    records(&h).focus();
    // Keys are its own from the second frame on.
    h.run_steps(3);
    h.key_press(Key::Home);
    settle(&mut h).unwrap();
    assert!(records(&h).is_focused());
    h.key_press(Key::Tab);
    settle(&mut h).unwrap();
    let next = h.get_by(|n| n.is_focused() && n.role() != Role::Window);
    let (role, at) = (next.accesskit_node().role(), next.rect());
    assert_ne!(role, Role::ColumnHeader, "{at:?}");
    assert!(!records(&h).rect().contains(at.center()), "{role:?} at {at:?}");
    h.key_press_modifiers(egui::Modifiers::SHIFT, Key::Tab);
    settle(&mut h).unwrap();
    assert!(records(&h).is_focused());
}

#[test]
fn a_table_is_sorted_by_its_keys() {
    let mut h = opened(&feed().run());
    let at = h.state().cursor().at();
    records(&h).focus();
    h.run_steps(3);
    for _ in 0..12 {
        if records(&h).value().as_deref() == Some("title Late by") {
            break;
        }
        h.key_press(Key::ArrowRight);
        h.run_steps(2);
    }
    assert_eq!(records(&h).value().as_deref(), Some("title Late by"));
    for sorted in ["Late by, sorted ascending", "Late by, sorted descending"] {
        h.key_press(Key::Space);
        settle(&mut h).unwrap();
        assert!(h.query_by_label(sorted).is_some(), "{sorted}");
        assert!(records(&h).is_focused());
    }
    // Neither key is the window's meanwhile.
    assert_eq!(h.state().cursor().at(), at);
}

#[test]
fn a_title_that_was_chosen_is_let_go_by_keyboard() {
    let mut h = opened(&feed().run());
    records(&h).focus();
    h.run_steps(3);
    let is_chosen =
        |h: &Harness<'_, App>| records(h).value().is_some_and(|value| value.starts_with("title "));
    for key in [Key::Escape, Key::ArrowDown] {
        h.key_press(Key::ArrowRight);
        settle(&mut h).unwrap();
        assert!(is_chosen(&h));
        h.key_press(key);
        settle(&mut h).unwrap();
        assert!(!is_chosen(&h), "{key:?}");
        assert!(records(&h).is_focused(), "{key:?}");
    }
    h.key_press(Key::Escape);
    settle(&mut h).unwrap();
    assert!(!records(&h).is_focused(), "with no title chosen it is left");
}

/// What the window paints itself and gives to who cannot see it.
const PAINTED: [Role; 13] = [
    Role::Canvas,
    Role::Code,
    Role::ColumnHeader,
    Role::Heading,
    Role::Link,
    Role::ListBoxOption,
    Role::ListItem,
    Role::Row,
    Role::Slider,
    Role::Splitter,
    Role::Tab,
    Role::Table,
    Role::TreeItem,
];

/// What can have the focus or is painted, and says nothing of itself: role and place.
fn silent(h: &Harness<'_, App>) -> Vec<String> {
    let said = |text: Option<String>| text.is_some_and(|text| !text.trim().is_empty());
    let nodes =
        h.query_all_by(|n| n.data().supports_action(Action::Focus) || PAINTED.contains(&n.role()));
    nodes
        .map(|n| n.accesskit_node())
        .filter(|n| !said(n.label()) && !said(n.value()))
        .map(|n| format!("{:?} at {:?}", n.role(), n.data().bounds()))
        .collect()
}

#[test]
fn whatever_takes_the_focus_or_is_painted_says_what_it_is() {
    let mut h = opened(&feed().run());
    let late = VerdictSet::of(Verdict::Late);
    ask(&mut h, Command::Next(late, Direction::Backward));
    for role in [Role::Canvas, Role::Row, Role::Slider, Role::Table, Role::TreeItem] {
        assert!(h.query_all_by_role(role).next().is_some(), "no {role:?} is in sight");
    }
    for panel in Panel::ALL {
        ask(&mut h, Command::ShowPanel(panel));
        assert_eq!(silent(&h), [""; 0], "with {panel} in sight");
    }
    for dialog in [
        Command::ShowOpen,
        Command::ShowSettings,
        Command::ShowPalette,
        Command::ShowShortcuts,
        Command::ShowAbout,
        Command::EditPipeline,
        Command::EditBookmark(None),
        Command::Export(Export::Incident),
    ] {
        ask(&mut h, dialog.clone());
        assert!(h.state().dialog.is_some(), "{dialog:?}");
        assert_eq!(silent(&h), [""; 0], "after {dialog:?}");
        h.state_mut().dialog = None;
        settle(&mut h).unwrap();
    }
}
