//! Small windows, and those that are shown large: nothing stands over anything else, and
//! what has no room is in a menu.

use std::path::Path;

use egui::Rect;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::app::App;
use super::command::Command;
use super::headless::{harness, scaled, settle};
use super::layout::{Arrangement, Node};
use super::panel::{Home, Panel};
use super::testing::{ask, feed, heading, press};
use super::times::Zone;

const SIZES: [(u32, u32); 6] =
    [(520, 400), (640, 400), (760, 500), (853, 533), (900, 600), (1_100, 700)];

/// What the clock bar has, and the time, which begins with a figure.
const BELOW: [&str; 12] = [
    "Clock",
    "To the start",
    "One record back",
    "Play",
    "One record on",
    "To the end",
    "next late",
    "More of the clock bar",
    "Cursor",
    "Go to",
    "Time zone",
    "Speed",
];

fn small(path: &Path, size: (u32, u32)) -> Harness<'static, App> {
    let mut h = harness(size, false, None);
    h.state_mut().command(Command::Open(path.to_owned()));
    settle(&mut h).unwrap();
    h
}

/// What stands between two heights of the window, by name, and where.
fn between(h: &Harness<'_, App>, from: f32, to: f32) -> Vec<(String, Rect)> {
    let own = [Role::Button, Role::Label, Role::Slider];
    let all = h.query_all_by(move |n| own.contains(&n.role()));
    all.map(|n| (n.accesskit_node().label().unwrap_or_default(), n.rect()))
        .filter(|(_, at)| (from..=to).contains(&at.center().y))
        .collect()
}

fn assert_apart(all: &[(String, Rect)], wide: f32) {
    for (n, (name, at)) in all.iter().enumerate() {
        assert!(at.left() > -1.0 && at.right() < wide + 1.0, "{name} at {at:?}, {wide} wide");
        for (other, there) in &all[..n] {
            let over = at.shrink(1.0).intersects(there.shrink(1.0));
            assert!(!over, "{name} at {at:?} over {other} at {there:?}, {wide} wide");
        }
    }
}

#[test]
fn nothing_in_the_bars_stands_over_anything_else() {
    for size in SIZES {
        let (wide, high) = (size.0 as f32, size.1 as f32);
        for path in [feed().run(), feed().recording()] {
            let mut h = small(&path, size);
            let zone = Zone::Named("America/Argentina/Buenos_Aires".to_owned());
            ask(&mut h, Command::Zone(zone));
            let (above, mut below) = (between(&h, 0.0, 40.0), between(&h, high - 56.0, high));
            // What is scrolled out of sight may stand there, too.
            below.retain(|(name, _)| {
                BELOW.contains(&name.as_str()) || name.starts_with(|c: char| c.is_ascii_digit())
            });
            for (bar, name) in [(&above, "Menu"), (&below, "Play")] {
                assert!(bar.iter().any(|(there, _)| there == name), "{name}, {wide} wide");
                assert_apart(bar, wide);
            }
            assert!(below.iter().any(|(name, at)| name == "Cursor" && at.width() > 20.0));
        }
    }
}

const MORE: &str = "More panels here";

/// The tabs in sight, and what opens those that have no room.
fn tabs(h: &Harness<'_, App>) -> Vec<(String, Rect)> {
    let all = h.query_all_by_role(Role::Tab).chain(h.query_all_by_label(MORE));
    all.map(|n| (n.accesskit_node().label().unwrap_or_default(), n.rect())).collect()
}

#[test]
fn tabs_that_have_no_room_come_to_the_front_from_a_menu() {
    for wide in [520, 640] {
        let mut h = small(&feed().run(), (wide, 600));
        // All that can be beside each other, the records in front.
        let side = |p: &Panel| matches!(p.about().home, Home::Left | Home::Right | Home::Axis);
        let panels: Vec<Panel> = Panel::ALL.into_iter().filter(|p| !side(p)).collect();
        for panel in panels.iter().copied().chain([Panel::Records]) {
            h.state_mut().command(Command::ShowPanel(panel));
        }
        settle(&mut h).unwrap();
        let seen = |h: &Harness<'_, App>, panel: Panel| {
            tabs(h).iter().any(|(name, _)| name == panel.title())
        };
        assert_apart(&tabs(&h), wide as f32);
        assert!(seen(&h, Panel::Records), "{wide} wide");
        let hidden = panels.into_iter().rfind(|p| !seen(&h, *p)).unwrap();
        press(&mut h, MORE);
        h.get_by_role_and_label(Role::Button, hidden.title()).click();
        settle(&mut h).unwrap();
        assert!(h.state().layout.is_in_sight(hidden) && seen(&h, hidden), "{hidden}, {wide} wide");
        assert_apart(&tabs(&h), wide as f32);
    }
}

/// With all panels in one place, each in front in turn: its tabs and its controls.
#[test]
fn no_title_has_anything_over_anything_else_at_any_size_and_scale() {
    for (size, scale) in
        [((1_280, 800), 1.0), ((1_280, 800), 2.0), ((3_840, 2_160), 1.0), ((3_840, 2_160), 2.0)]
    {
        let mut h = scaled(size, scale, false, None);
        h.state_mut().command(Command::Open(feed().run()));
        settle(&mut h).unwrap();
        let at_side = |p: &Panel| matches!(p.about().home, Home::Left | Home::Right);
        let panels: Vec<Panel> = Panel::ALL.into_iter().filter(|p| !at_side(p)).collect();
        let centre = Some(Node::Tabs { front: panels[0], panels: panels.clone() });
        let arrangement = Arrangement { centre, ..h.state().layout.arrangement() };
        h.state_mut().layout.arrange(&arrangement);
        for panel in panels {
            h.state_mut().command(Command::ShowPanel(panel));
            h.run_steps(4);
            let middle = heading(&h, panel).rect().center().y;
            let mut all = tabs(&h);
            assert!(all.iter().any(|(name, _)| name == panel.title()), "{panel}, {size:?}");
            let buttons = h.query_all_by_role(Role::Button);
            let buttons =
                buttons.map(|n| (n.accesskit_node().label().unwrap_or_default(), n.rect()));
            let of_title =
                |(name, at): &(String, Rect)| name != MORE && (at.center().y - middle).abs() < 4.0;
            all.extend(buttons.filter(of_title));
            assert_apart(&all, size.0 as f32 / scale);
        }
    }
}

#[test]
fn what_the_bars_have_no_room_for_is_in_their_menus() {
    let mut h = small(&feed().run(), (520, 600));
    let has = |h: &Harness<'_, App>, name: &str| h.query_by_label(name).is_some();
    for absent in ["Recording", "Pipeline", "Speed", "Clock", "next late"] {
        assert!(!has(&h, absent), "{absent}");
    }
    assert!(has(&h, "Run the pipeline"));
    press(&mut h, "Menu");
    press(&mut h, "Edit the pipeline…");
    assert!(has(&h, "Pipeline as TOML"));
    h.state_mut().dialog = None;
    settle(&mut h).unwrap();
    press(&mut h, "More of the clock bar");
    press(&mut h, "100×");
    assert_eq!(h.state().cursor().speed, super::cursor::Speed::Times(100.0));
    ask(&mut h, Command::Start);
    press(&mut h, "More of the clock bar");
    press(&mut h, "next late");
    assert!(h.state().selection().is_some());
}

#[test]
fn every_row_of_a_menu_is_reached_in_the_smallest_window() {
    for (menu, last) in [("Menu", "Quit"), ("View", "Save the layout as…")] {
        let mut h = small(&feed().run(), (640, 400));
        press(&mut h, menu);
        h.get_by_role_and_label(Role::Button, last).scroll_to_me();
        settle(&mut h).unwrap();
        let at = h.get_by_role_and_label(Role::Button, last).rect();
        assert!(at.top() > 0.0 && at.bottom() < 400.0, "{last} at {at:?}");
    }
}

#[test]
fn every_part_of_a_tables_menus_is_reached_in_a_low_window() {
    for (panel, menu, last) in [
        (Panel::Records, "Filter", "Clear the filter"),
        (Panel::Records, "Columns", "Columns as at first"),
        (Panel::Outputs, "Filter the outputs", "Clear the filter of outputs"),
        (Panel::Outputs, "Columns", "Columns as at first"),
    ] {
        let mut h = harness((640, 180), false, Some(panel));
        ask(&mut h, Command::Open(feed().run()));
        press(&mut h, menu);
        h.get_by_role_and_label(Role::Button, last).scroll_to_me();
        settle(&mut h).unwrap();
        let at = h.get_by_role_and_label(Role::Button, last).rect();
        assert!(at.top() > 0.0 && at.bottom() < 180.0, "{menu} of {panel}: {last} at {at:?}");
    }
}

#[test]
fn the_sides_leave_room_in_a_small_window_and_are_as_they_were_in_a_larger_one() {
    let mut h = small(&feed().run(), (1_400, 900));
    let sides = |h: &Harness<'_, App>| {
        let layout = &h.state().layout;
        [layout.left.width.round() as u32, layout.right.width.round() as u32]
    };
    let (before, steps) = (sides(&h), h.state().undo.can_undo());
    h.set_size(egui::vec2(640.0, 400.0));
    settle(&mut h).unwrap();
    let table = h.get_all_by_role(Role::Table).map(|n| n.rect().width()).fold(0.0, f32::max);
    assert!(table > 240.0, "{table}");
    h.set_size(egui::vec2(1_400.0, 900.0));
    settle(&mut h).unwrap();
    assert_eq!(sides(&h), before);
    assert_eq!(h.state().undo.can_undo(), steps, "it is no step of the layout");
}
