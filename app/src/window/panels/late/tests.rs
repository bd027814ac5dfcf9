//! Late events through the accessibility tree.

use std::path::Path;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::VerdictSet;
use joinscope_operator::time::format_duration;
use joinscope_operator::verdict::Verdict;

use super::counts::Counts;
use super::index::{Lane, Target};
use super::{choose, how_late};
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::headless::{harness, settle};
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::testing::{
    Feed, PIPELINE, Wide, copied, feed, found, keys, palette, rerun, write,
};

fn opened(path: &Path) -> Harness<'static, App> {
    let mut h = harness((1200, 900), false, Some(Panel::Late));
    ask(&mut h, Command::Open(path.to_owned()));
    h
}

fn ask(h: &mut Harness<'_, App>, command: Command) {
    h.state_mut().command(command);
    settle(h).unwrap();
}

fn value<S>(h: &Harness<'_, S>, label: &str) -> String {
    h.get_by_label(label).value().unwrap_or_default()
}

/// `904 late at 1 m` of the slider's value.
fn late(h: &Harness<'_, App>) -> u64 {
    let said = value(h, "Out-of-orderness");
    let at = said.find(" late at ").unwrap_or_else(|| panic!("{said}"));
    let number = said[..at].rsplit(' ').next().unwrap().replace(',', "");
    number.parse().unwrap_or_else(|_| panic!("{said}"))
}

fn run_of(h: &Harness<'_, App>) -> joinscope_core::run::Run {
    h.state().doc().run.as_ref().unwrap().run.clone()
}

#[test]
fn the_slider_begins_at_what_was_run_and_says_what_would_be() {
    let feed = Feed::new(1_500);
    let mut h = opened(&feed.run());
    let now = run_of(&h).count(VerdictSet::of(Verdict::Late));
    assert!(now > 0);
    assert_eq!(late(&h), now);
    assert!(value(&h, "Out-of-orderness").contains("as in this run"));
    h.get_by_label("Out-of-orderness").set_value_accesskit(500.0);
    settle(&mut h).unwrap();
    assert!(late(&h) > now, "less is later");
    h.get_by_label("Out-of-orderness").set_value_accesskit(150_000.0);
    settle(&mut h).unwrap();
    let fewer = late(&h);
    assert!(fewer < now && fewer > 0, "{fewer} of {now}");
    h.get_by_label("Out-of-orderness").focus();
    settle(&mut h).unwrap();
    h.key_press(Key::End);
    settle(&mut h).unwrap();
    assert_eq!(late(&h), 0);
    h.get_by_label("Slider to what was run").click();
    settle(&mut h).unwrap();
    assert_eq!(late(&h), now);
}

#[test]
fn the_slider_is_moved_from_the_palette() {
    let mut h = crate::window::testing::opened(&feed().run());
    palette(&mut h, "another out-of-orderness");
    assert_eq!(found(&h)[0], "Late: Count what would be late at another out-of-orderness…");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    write(&mut h, "Command", "90s");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert!(h.state().layout.is_in_sight(Panel::Late));
    let said = value(&h, "Out-of-orderness");
    assert!(said.starts_with(&format!("{}: ", format_duration(90_000))), "{said}");
}

#[test]
fn whose_out_of_orderness_it_is_is_chosen_from_the_palette() {
    let mut h = crate::window::testing::opened(&feed().run());
    ask(&mut h, Command::OutOfOrderness(90_000));
    palette(&mut h, "whose out-of-orderness");
    assert_eq!(found(&h)[0], "Late: Choose whose out-of-orderness is changed…");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert_eq!(found(&h), ["Late: Every input", "Late: views", "Late: engagements"]);
    write(&mut h, "Command", "engage");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert!(h.state().layout.is_in_sight(Panel::Late));
    assert_eq!(value(&h, "Whose out-of-orderness"), "out-of-orderness of engagements");
    let said = value(&h, "Out-of-orderness");
    assert!(said.contains("as in this run"), "the slider begins anew: {said}");
    ask(&mut h, Command::OutOfOrdernessOf(None));
    assert_eq!(value(&h, "Whose out-of-orderness"), "out-of-orderness of every input");
}

#[test]
fn the_curve_says_what_it_counts_over_what() {
    let feed = Feed::new(1_000);
    let h = opened(&feed.run());
    let says = |shape: &egui::Shape| match shape {
        egui::Shape::Text(text) => text.galley.text() == "late records, by out-of-orderness",
        _ => false,
    };
    assert_eq!(h.output().shapes.iter().filter(|s| says(&s.shape)).count(), 1);
}

/// Texts that are painted.
fn texts(h: &Harness<'_, App>) -> Vec<String> {
    let text = |shape: &egui::epaint::ClippedShape| match &shape.shape {
        egui::Shape::Text(text) => Some(text.galley.text().to_owned()),
        _ => None,
    };
    h.output().shapes.iter().filter_map(text).collect()
}

#[test]
fn where_a_topic_feeds_two_inputs_each_row_needs_its_own() {
    let feed = Feed::new(1_000);
    let run = feed.folder.path().join("twice");
    let text = PIPELINE.replace("topic = \"views\"", "topic = \"engagements\"");
    rerun(&feed.recording(), &text.replace("\"0s\"", "\"1ms\""), &[], &run);
    for (run, unit) in [(feed.run(), "record"), (run, "row")] {
        let said = texts(&opened(&run));
        let want = format!("out-of-orderness that each {unit} needs");
        assert!(said.iter().any(|t| t.starts_with(&want)), "{unit}: {said:?}");
    }
}

#[test]
fn what_needs_less_than_the_scale_shows_is_said_to() {
    let feed = Feed::new(1_000);
    let h = opened(&feed.run());
    let least: Vec<String> = texts(&h).into_iter().filter(|t| t.starts_with("< ")).collect();
    assert_eq!(least.len(), 1, "{least:?}");
    assert!(joinscope_operator::time::parse_duration(&least[0][2..]).is_ok(), "{least:?}");
}

#[test]
fn where_inputs_differ_the_larger_value_stands_on_the_scale() {
    let feed = Feed::new(1_000);
    let run = feed.folder.path().join("differ");
    let sets = [("inputs.engagements.watermark.max_out_of_orderness", "90m")];
    rerun(&feed.recording(), PIPELINE, &sets, &run);
    let h = opened(&run);
    assert!(value(&h, "Out-of-orderness").starts_with("1h 30m: "));
    // None needs more than some minutes.
    assert!(texts(&h).iter().any(|t| t == "30 m"), "{:?}", texts(&h));
}

#[test]
fn what_it_says_is_what_a_run_with_it_finds() {
    let feed = Feed::new(1_000);
    let mut h = opened(&feed.run());
    h.get_by_label("Out-of-orderness").set_value_accesskit(150_000.0);
    settle(&mut h).unwrap();
    let said = late(&h);
    h.state_mut().run_into = Some(feed.folder.path().join("again"));
    h.get_by_label("Run with an out-of-orderness of 150s").click();
    settle(&mut h).unwrap();
    let run = run_of(&h);
    let start = run.manifest().start;
    assert_eq!(start.overrides.len(), 2, "{:?}", start.overrides);
    assert!(start.inputs.iter().all(|i| i.max_out_of_orderness == 150_000));
    assert_eq!(run.count(VerdictSet::of(Verdict::Late)), said);
    assert_eq!(late(&h), said);
}

#[test]
fn one_input_alone_is_another_question() {
    let feed = Feed::new(1_000);
    let mut h = opened(&feed.run());
    h.get_by_label("Whose out-of-orderness").click();
    settle(&mut h).unwrap();
    h.get_by_label("out-of-orderness of views").click();
    settle(&mut h).unwrap();
    h.get_by_label("Out-of-orderness").set_value_accesskit(150_000.0);
    settle(&mut h).unwrap();
    let said = late(&h);
    h.state_mut().run_into = Some(feed.folder.path().join("again"));
    h.get_by_label("Run with an out-of-orderness of 150s").click();
    settle(&mut h).unwrap();
    let start = run_of(&h).manifest().start;
    let bounds: Vec<i64> = start.inputs.iter().map(|i| i.max_out_of_orderness).collect();
    assert_eq!(bounds, [150_000, 60_000]);
    assert_eq!(run_of(&h).count(VerdictSet::of(Verdict::Late)), said);
}

#[test]
fn partitions_are_listed_with_their_lateness_and_one_can_be_looked_at() {
    let feed = Feed::new(1_500);
    let mut h = opened(&feed.run());
    let name = |n: &egui_kittest::Node<'_>| n.accesskit_node().label().unwrap_or_default();
    let row = {
        let rows: Vec<String> =
            h.get_all_by_role(egui::accesskit::Role::Row).map(|n| name(&n)).collect();
        assert!(rows[0].starts_with("all: "), "{rows:?}");
        rows.into_iter().find(|r| r.starts_with("engagements[2]: ")).unwrap()
    };
    assert!(row.contains("the latest by "), "{row}");
    h.get_by_label(&row).click();
    settle(&mut h).unwrap();
    assert!(
        value(&h, "Late events").starts_with("engagements[2]: "),
        "{}",
        value(&h, "Late events")
    );
    let of_it: u64 = row.split(' ').nth(1).unwrap().replace(',', "").parse().unwrap();
    assert_eq!(late(&h), of_it);
}

#[test]
fn a_partition_is_copied_as_json() {
    let feed = Feed::new(1_500);
    let mut h = opened(&feed.run());
    let now = late(&h);
    h.get_by_label("Out-of-orderness").set_value_accesskit(500.0);
    settle(&mut h).unwrap();
    let json = copied(&mut h, "Lateness by partition, ", 0);
    assert_eq!((json["partition"].as_str(), json["late"].as_u64()), (Some("all"), Some(now)));
    assert_eq!(json["late_with_it"].as_u64(), Some(late(&h)), "{json}");
    assert!(json["latest_ms"].as_i64() >= json["late_by_p50_ms"].as_i64(), "{json}");
}

#[test]
fn in_a_narrow_panel_partitions_keep_their_names() {
    let feed = Feed::new(1_000);
    let mut h = harness((600, 320), false, Some(Panel::Late));
    ask(&mut h, Command::Open(feed.run()));
    let shown = texts(&h);
    assert!(shown.iter().any(|t| t.trim() == "views[0]"), "{shown:?}");
}

#[test]
fn in_a_narrow_panel_the_answer_is_not_cut_until_it_says_nothing() {
    let feed = Feed::new(1_000);
    for wide in [600, 640, 680, 700, 740, 900, 1_200] {
        let mut h = harness((wide, 480), false, Some(Panel::Late));
        ask(&mut h, Command::Open(feed.run()));
        let shown = texts(&h);
        let mut said = shown.iter().filter(|t| t.starts_with("as"));
        assert!(said.clone().all(|t| t.chars().count() > 6), "{wide}: {shown:?}");
        assert!(wide < 1_200 || said.any(|t| t == "as in this run"), "{shown:?}");
    }
}

#[test]
fn a_press_on_a_late_record_selects_it() {
    let feed = Feed::new(1_500);
    let mut h = opened(&feed.run());
    let run = run_of(&h);
    let row = run.nth(VerdictSet::of(Verdict::Late), 0).unwrap().unwrap();
    let at = run.row(row).unwrap().arrival;
    ask(&mut h, Command::View(Some((at, at + 8))));
    ask(&mut h, Command::Scale(crate::window::axis::Scale::Arrival));
    // The first in sight stands at the plot's left edge; find its height.
    let plot = h.get_by_label("Out of order over time").rect();
    for step in 0..80 {
        let y = plot.top() + plot.height() * step as f32 / 80.0;
        h.hover_at(egui::pos2(plot.left() + 1.0, y));
        h.step();
        if h.state().hovered() == Some(row) {
            let pos = egui::pos2(plot.left() + 1.0, y);
            h.drag_at(pos);
            h.drop_at(pos);
            settle(&mut h).unwrap();
            break;
        }
    }
    assert_eq!(h.state().selection(), Some(Selection::Row(row)));
}

#[test]
fn a_run_with_nothing_out_of_order_says_so() {
    let wide = Wide::new(1, 300);
    let h = opened(&wide.run());
    let said = h.query_all_by_label_contains("Nothing out of order").next().is_some();
    assert!(said || late(&h) == 0);
}

#[test]
fn none_is_later_than_the_latest() {
    let lane = |late: &[i64]| {
        let mut late_by = Counts::default();
        late.iter().for_each(|ms| late_by.add(*ms));
        let latest = late.iter().copied().max().unwrap_or(0);
        Lane { judged: 300, late: late.len() as u64, late_by, latest, ..Lane::default() }
    };
    // Alone it stands in a bin that ends at 12.4 s.
    let said = how_late(&lane(&[12_345]), "record");
    assert_eq!(said, "1 late of 300 records that came to the join, the latest by 12.345 s");
    let said = how_late(&lane(&[5_000, 5_000, 5_000]), "record");
    assert_eq!(said, "3 late of 300 records that came to the join, the latest by 5 s");
    let said = how_late(&lane(&[1_000, 5_000, 60_000]), "row");
    let want = "3 late of 300 rows that came to the join, half of them by more than 5 s, the \
                latest by 1 m";
    assert_eq!(said, want);
}

#[test]
fn of_records_without_an_event_time_none_is_said_to_be_in_order() {
    let feed = Feed::new(200);
    let run = feed.folder.path().join("untimed");
    rerun(&feed.recording(), &PIPELINE.replace("\"ts\"", "\"nothing\""), &[], &run);
    let h = opened(&run);
    let run = run_of(&h);
    assert_eq!(run.count(VerdictSet::of(Verdict::Joined)), 0);
    assert!(h.query_all_by_label_contains("Nothing out of order").next().is_none());
    assert!(h.query_all_by_label_contains("No record came to the join").next().is_some());
}

#[test]
fn what_needs_years_is_counted_at_the_edge_and_does_not_take_the_scale() {
    let feed = Feed::with_one_off(1_000, -10);
    let mut h = opened(&feed.run());
    let now = late(&h);
    let end = |h: &mut Harness<'_, App>| {
        h.get_by_label("Out-of-orderness").focus();
        settle(h).unwrap();
        h.key_press(Key::End);
        settle(h).unwrap();
        late(h)
    };
    assert_eq!(end(&mut h), 1, "all but that one");
    let said = value(&h, "Out of order over time");
    assert!(said.contains("; beyond the scale, at more than ") && said.ends_with(": 1 record"));
    let over = texts(&h).into_iter().filter(|t| t.starts_with("> ")).count();
    assert_eq!(over, 1);
    h.get_by_label("Show what is beyond the scale").click();
    settle(&mut h).unwrap();
    assert_eq!(end(&mut h), 0);
    assert!(!value(&h, "Out of order over time").contains("beyond the scale"));
    h.get_by_label("Leave out what is far off").click();
    settle(&mut h).unwrap();
    assert_eq!(late(&h), now, "the slider stood beyond");
    assert!(value(&h, "Out of order over time").contains("beyond the scale"));
    // Where somebody sets it, it is shown.
    h.get_by_label("Out-of-orderness").set_value_accesskit(400_000_000_000.0);
    settle(&mut h).unwrap();
    assert_eq!(late(&h), 0);
    assert!(!value(&h, "Out of order over time").contains("beyond the scale"));
}

#[test]
fn every_input_is_reached_in_a_low_window() {
    let names: Vec<String> = (0..40).map(|n| format!("input{n}")).collect();
    let (mut themed, mut target) = (false, Target::All);
    let mut h = Harness::builder().with_size(egui::vec2(640.0, 400.0)).with_max_steps(64).build_ui(
        move |ui| {
            if !std::mem::replace(&mut themed, true) {
                // Its fonts are there from the next frame on.
                crate::window::theme::apply(ui.ctx());
                return;
            }
            choose(ui, &mut target, &names);
        },
    );
    h.run_steps(3);
    h.get_by_label("Whose out-of-orderness").click();
    h.run();
    let last = "out-of-orderness of input39";
    h.get_by_label(last).scroll_to_me();
    h.run();
    let at = h.get_by_label(last).rect();
    assert!(at.top() > 0.0 && at.bottom() < 400.0, "{at:?}");
    h.get_by_label(last).click();
    h.run();
    assert_eq!(value(&h, "Whose out-of-orderness"), last);
}
