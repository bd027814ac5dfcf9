use egui::accesskit::Role;
use egui::{Key, Modifiers, Shape};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::{Axis, Range, VerdictSet};
use joinscope_operator::time::parse_duration;
use joinscope_operator::verdict::Verdict;

use super::Watermarks;
use super::ask::{Question, drawn};
use super::scale::Vertical;
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::headless::{harness, settle};
use crate::window::panel::Panel;
use crate::window::testing::{
    BEGIN, Feed, Wide, ask, feed, heading, hold, is_said_to_read, keys, opened, press, write,
};
use crate::window::theme::Tokens;

#[test]
fn the_sentence_names_the_partition_that_was_silent() {
    let mut h = opened(&feed().run());
    // Partition 2 is silent from the fifth minute on, and idle 30 s later.
    let at = h.state().clock.arrival((BEGIN + 5 * 60_000 + 25_000) as f64);
    ask(&mut h, Command::GoTo(at as u64));
    let sentence = heading(&h, Panel::Watermarks).accesskit_node().value().unwrap_or_default();
    assert!(sentence.contains("engagements[2]"), "{sentence}");
}

#[test]
fn a_silence_is_said_and_not_only_shaded_also_where_all_are_silent_at_the_end() {
    let h = opened(&feed().run());
    let lines = h.get_by_label("Event-time watermark lines");
    let said = lines.accesskit_node().value().unwrap_or_default();
    let silent: Vec<&str> = said.split("; ").filter(|part| part.contains(" silent for ")).collect();
    assert!(silent.iter().any(|s| s.starts_with("engagements[2] silent for ")), "{said}");
}

#[test]
fn how_long_a_silence_was_does_not_depend_on_the_width_of_the_picture() {
    let h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let lanes = run.manifest().start.lanes;
    let lane = lanes.iter().position(|l| &*l.topic == "engagements" && l.partition == 2).unwrap();
    let rows = run.page(0, run.rows() as usize).unwrap();
    let came: Vec<i64> =
        rows.iter().filter(|r| r.lane as usize == lane).map(|r| r.arrival_ms).collect();
    let longest = came.windows(2).map(|w| w[1] - w[0]).max();
    let last = run.arrivals() - 1;
    let (from, to) = (run.arrival_ms(0).unwrap(), run.arrival_ms(last).unwrap() + 1);
    for buckets in [900, 301, 137] {
        let range = Range { axis: Axis::ArrivalTime, from, to };
        let view = (0, last);
        let q = Question { revision: 0, range, buckets, view, wanted: Vec::new() };
        let silences = drawn(&run, &q).unwrap().silences;
        let said = silences.iter().find(|s| s.lane as usize == lane).map(|s| s.long);
        assert_eq!(said, longest, "of {buckets} buckets");
    }
}

#[test]
fn without_a_run_it_is_said_what_to_do_and_there_is_nothing_to_choose() {
    for (panel, choice) in [
        (Panel::Watermarks, "Scale"),
        (Panel::Late, "Whose out-of-orderness"),
        (Panel::Causality, "Spacing of time"),
    ] {
        let mut h = harness((900, 420), false, Some(panel));
        ask(&mut h, Command::Open(feed().recording()));
        let said = h.query_all_by_label_contains("Run a pipeline over this recording").next();
        assert!(said.is_some() && h.query_by_label(choice).is_none(), "{panel:?}");
        ask(&mut h, Command::Open(feed().run()));
        assert!(h.query_by_label(choice).is_some(), "{panel:?}");
    }
}

#[test]
fn one_late_record_is_counted_as_one() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let late = VerdictSet::of(Verdict::Late);
    let last = run.nth(late, run.count(late) - 1).unwrap().unwrap();
    let at = run.row(last).unwrap().arrival;
    ask(&mut h, Command::View(Some((at, at + 8))));
    let lines = h.get_by_label("Event-time watermark lines");
    let said = lines.accesskit_node().value().unwrap_or_default();
    assert!(said.contains("; 1 late record in sight; "), "{said}");
}

#[test]
fn lag_and_event_time_are_two_scales_to_choose() {
    let mut h = opened(&feed().run());
    for (scale, vertical) in
        [("event time", Vertical::EventTime), ("lag behind arrival", Vertical::Lag)]
    {
        press(&mut h, "Scale");
        press(&mut h, scale);
        assert_eq!(h.get_by_label("Scale").value().as_deref(), Some(scale));
        assert_eq!(h.state().panels.watermarks.chosen, Some(vertical));
    }
}

#[test]
fn no_name_stands_on_a_late_record() {
    let mut h = harness((1200, 900), false, Some(Panel::Watermarks));
    ask(&mut h, Command::Open(feed().run()));
    let colour = Tokens::of(&h.ctx).verdict(Verdict::Late);
    let shapes = &h.output().shapes;
    let meshes = shapes.iter().filter_map(|s| match &s.shape {
        Shape::Mesh(mesh) => Some(mesh),
        _ => None,
    });
    let quads = meshes.flat_map(|mesh| mesh.vertices.chunks_exact(4));
    let places = quads.filter(|quad| quad[0].color == colour).map(|quad| {
        let corners: Vec<egui::Pos2> = quad.iter().map(|v| v.pos).collect();
        egui::Rect::from_points(&corners)
    });
    let late: Vec<egui::Pos2> = places
        .filter(|at| (at.width() - 2.4).abs() < 0.01 && (at.height() - 2.4).abs() < 0.01)
        .map(|at| at.center())
        .collect();
    assert!(!late.is_empty());
    let mut names = 0;
    for s in shapes {
        let Shape::Text(text) = &s.shape else { continue };
        let name = text.galley.text();
        if name == "join" || name.contains("silent") || name.starts_with("engagements[") {
            let at = s.shape.visual_bounding_rect();
            assert!(!late.iter().any(|pos| at.contains(*pos)), "{name}");
            names += 1;
        }
    }
    assert!(names > 1);
}

#[test]
fn what_is_said_stands_above_the_veil_of_what_is_later() {
    for panel in [Panel::Watermarks, Panel::Late, Panel::State] {
        let mut h = harness((1200, 900), false, Some(panel));
        ask(&mut h, Command::Open(feed().run()));
        ask(&mut h, Command::GoTo(40));
        let veil = Tokens::of(&h.ctx).veil();
        let shapes = &h.output().shapes;
        let at = shapes.iter().position(|s| matches!(&s.shape, Shape::Rect(r) if r.fill == veil));
        let at = at.unwrap_or_else(|| panic!("{panel:?}: nothing is dimmed"));
        let later = shapes[at].shape.visual_bounding_rect();
        for s in &shapes[..at] {
            if let Shape::Text(text) = &s.shape {
                let under = s.shape.visual_bounding_rect().intersects(later);
                assert!(!under, "{panel:?}: {}", text.galley.text());
            }
        }
    }
}

#[test]
fn the_cursor_goes_under_what_is_said_not_through_it() {
    for panel in [Panel::Watermarks, Panel::Late] {
        let mut h = harness((1200, 900), false, Some(panel));
        ask(&mut h, Command::Open(feed().run()));
        // Through the name of the silence, and through how the picture is to be read.
        for part in [40, 60, 95] {
            let at = h.state().cursor().len() * part / 100;
            ask(&mut h, Command::GoTo(at));
            let accent = Tokens::of(&h.ctx).accent;
            let is_line = |shape: &Shape| match shape {
                Shape::LineSegment { points: [a, b], stroke } => {
                    (a.x - b.x).abs() < 0.1 && stroke.color == accent
                }
                _ => false,
            };
            let shapes = &h.output().shapes;
            let at = shapes.iter().position(|s| is_line(&s.shape)).unwrap();
            let line = shapes[at].shape.visual_bounding_rect();
            for s in &shapes[..at] {
                if let Shape::Text(text) = &s.shape {
                    let through = s.shape.visual_bounding_rect().intersects(line);
                    assert!(!through, "{panel:?}: {}", text.galley.text());
                }
            }
        }
    }
}

#[test]
fn one_record_a_year_ahead_does_not_flatten_the_scale_and_is_said() {
    let feed = Feed::with_one_off(1_500, 1);
    let mut h = harness((1200, 900), false, Some(Panel::Watermarks));
    ask(&mut h, Command::Open(feed.run()));
    let value = |h: &egui_kittest::Harness<'_, crate::window::app::App>| {
        h.get_by_label("Event-time watermark lines").value().unwrap_or_default()
    };
    // The longest duration that stands on the scale, ms.
    let scale = |h: &egui_kittest::Harness<'_, crate::window::app::App>| {
        let text = |shape: &egui::epaint::ClippedShape| match &shape.shape {
            Shape::Text(text) => parse_duration(text.galley.text().trim_start_matches('−')).ok(),
            _ => None,
        };
        h.output().shapes.iter().filter_map(text).max().unwrap()
    };
    for vertical in ["lag behind arrival", "event time"] {
        press(&mut h, "Scale");
        press(&mut h, vertical);
        let said = value(&h);
        let beyond = said.split("; beyond the scale: ").nth(1).unwrap_or_else(|| panic!("{said}"));
        assert!(beyond.contains("views["), "{said}");
        assert!(beyond.contains("] up to 364d ") && beyond.ends_with("ahead of arrival"), "{said}");
    }
    press(&mut h, "Scale");
    press(&mut h, "lag behind arrival");
    assert!(scale(&h) < 60 * 60_000, "{}", scale(&h));
    press(&mut h, "Show what is beyond the scale");
    assert!(!value(&h).contains("beyond the scale"), "{}", value(&h));
    assert!(scale(&h) > 100 * 86_400_000, "{}", scale(&h));
    press(&mut h, "Leave out what is far off");
    assert!(value(&h).contains("beyond the scale") && scale(&h) < 60 * 60_000);
}

#[test]
fn where_nothing_is_far_off_there_is_nothing_to_choose() {
    let h = opened(&feed().run());
    let lines = h.get_by_label("Event-time watermark lines");
    assert!(!lines.value().unwrap_or_default().contains("beyond the scale"));
    assert!(h.query_by_label("Show what is beyond the scale").is_none());
}

#[test]
fn a_late_record_of_years_ago_stands_at_the_edge() {
    let feed = Feed::with_one_off(1_500, -10);
    let h = opened(&feed.run());
    let said = h.get_by_label("Event-time watermark lines").value().unwrap_or_default();
    let beyond = said.split("; beyond the scale: ").nth(1).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(beyond, "1 late record up to 3650 d behind arrival");
}

#[test]
fn until_its_lines_are_there_it_says_that_they_are_read() {
    let mut h = opened(&feed().run());
    let work = hold(&h);
    h.state_mut().panels.watermarks = Watermarks::default();
    assert!(is_said_to_read(&mut h, work, "Reading the run. How event time"));
}

#[test]
fn a_line_is_pinned_drawn_by_name_and_let_go() {
    let mut h = opened(&feed().run());
    // What holds the rest back has its name anyway.
    let sentence = heading(&h, Panel::Watermarks).accesskit_node().value().unwrap_or_default();
    let name = ["views[0]", "views[1]"].into_iter().find(|name| !sentence.contains(name)).unwrap();
    let shown = format!("{name}, pinned");
    let is_said = |h: &Harness<'_, App>| {
        let lines = h.get_by_label("Event-time watermark lines");
        let said = lines.accesskit_node().value().unwrap_or_default();
        said.contains(&format!("; {name} pinned"))
    };
    let is_named = |h: &Harness<'_, App>| {
        let mut shapes = h.output().shapes.iter();
        shapes.any(|s| matches!(&s.shape, Shape::Text(t) if t.galley.text() == shown))
    };
    assert!(!is_said(&h) && !is_named(&h));
    for pinned in [true, false] {
        press(&mut h, "Scale");
        h.get_by_role_and_label(Role::RadioButton, name).click();
        settle(&mut h).unwrap();
        assert_eq!((is_said(&h), is_named(&h)), (pinned, pinned));
    }
}

#[test]
fn every_line_to_pin_is_reached_in_a_low_window() {
    let wide = Wide::new(12, 300);
    let mut h = harness((640, 400), false, Some(Panel::Watermarks));
    ask(&mut h, Command::Open(wide.run()));
    press(&mut h, "Scale");
    h.get_by_role_and_label(Role::RadioButton, "engagements[11]").scroll_to_me();
    settle(&mut h).unwrap();
    let last = h.get_by_role_and_label(Role::RadioButton, "engagements[11]").rect();
    assert!(last.top() > 0.0 && last.bottom() < 400.0, "{last:?}");
}

#[test]
fn a_partition_without_a_line_of_its_own_is_pinned_by_its_name() {
    let wide = Wide::new(14, 300);
    let mut h = opened(&wide.run());
    let is_said = |h: &Harness<'_, App>, name: &str| {
        let lines = h.get_by_label("Event-time watermark lines");
        let said = lines.accesskit_node().value().unwrap_or_default();
        said.contains(&format!("; {name} pinned"))
    };
    press(&mut h, "Scale");
    let listed = |h: &Harness<'_, App>, name: &str| {
        h.query_by_role_and_label(Role::RadioButton, name).is_some()
    };
    let all = (0..14).map(|n| format!("views[{n}]"));
    let hidden = all.rev().find(|name| !listed(&h, name)).unwrap();
    press(&mut h, "Another partition…");
    write(&mut h, "Command", &hidden);
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert!(is_said(&h, &hidden), "{hidden}");
    press(&mut h, "Scale");
    assert!(listed(&h, &hidden), "{hidden}");
    h.key_press(Key::Escape);
    ask(&mut h, Command::PinLine(None));
    assert!(!is_said(&h, &hidden), "{hidden}");
}
