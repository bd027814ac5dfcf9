//! The clock bar through the accessibility tree: the next of a verdict,
//! scrubbing, keys, its clocks and what its buttons show.

use egui::accesskit::Role;
use egui::{Key, Modifiers, Pos2, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use joinscope_core::run::{RowView, VerdictSet};
use joinscope_operator::verdict::Verdict;

use super::app::App;
use super::axis::Scale;
use super::command::{Asked, Command, Does, suggestions};
use super::cursor::{Speed, State};
use super::headless::{harness, settle};
use super::range::RangeState;
use super::selection::Selection;
use super::testing::{ask, feed, keys, opened, overwrite, palette, press, write};

/// The `n`-th record of a verdict.
fn nth(h: &Harness<'_, App>, verdict: Verdict, n: u64) -> RowView {
    let run = &h.state().doc().run.as_ref().unwrap().run;
    run.row(run.nth(VerdictSet::of(verdict), n).unwrap().unwrap()).unwrap()
}

#[test]
fn the_next_of_a_verdict_is_stepped_to_and_with_shift_the_one_before() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Start);
    let stands_at = |h: &Harness<'_, App>, row: &RowView| {
        assert_eq!(h.state().selection(), Some(Selection::Row(row.row)));
        assert_eq!(h.state().cursor().at(), row.arrival);
    };
    for n in [0, 1] {
        press(&mut h, "next late");
        stands_at(&h, &nth(&h, Verdict::Late, n));
    }
    h.get_by_label("next late").click_modifiers(Modifiers::SHIFT);
    settle(&mut h).unwrap();
    stands_at(&h, &nth(&h, Verdict::Late, 0));
    // What the table is filtered by is what is looked for.
    ask(&mut h, Command::Filter(VerdictSet::of(Verdict::Undecodable)));
    ask(&mut h, Command::Select(None, None));
    ask(&mut h, Command::Start);
    press(&mut h, "next undecodable");
    stands_at(&h, &nth(&h, Verdict::Undecodable, 0));
}

#[test]
fn the_next_of_a_verdict_is_looked_for_from_where_the_cursor_was_moved_to() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Start);
    press(&mut h, "next late");
    let first = nth(&h, Verdict::Late, 0);
    assert_eq!(h.state().selection(), Some(Selection::Row(first.row)));
    // The selection stays where it is, and may be what is found.
    ask(&mut h, Command::Start);
    press(&mut h, "next late");
    assert_eq!(h.state().cursor().at(), first.arrival);
    let late = h.state().doc().run.as_ref().unwrap().run.count(VerdictSet::of(Verdict::Late));
    let last = nth(&h, Verdict::Late, late - 1);
    ask(&mut h, Command::GoTo(last.arrival - 1));
    press(&mut h, "next late");
    assert_eq!(h.state().selection(), Some(Selection::Row(last.row)));
    assert_eq!(h.state().cursor().at(), last.arrival);
    ask(&mut h, Command::GoTo(first.arrival + 1));
    h.get_by_label("next late").click_modifiers(Modifiers::SHIFT);
    settle(&mut h).unwrap();
    assert_eq!(h.state().selection(), Some(Selection::Row(first.row)));
}

#[test]
fn without_a_run_there_is_no_event_time_to_show() {
    let mut h = opened(&feed().recording());
    ask(&mut h, Command::Scale(Scale::EventTime));
    assert_eq!(h.get_by_label("Clock").value().unwrap_or_default(), Scale::ArrivalTime.name());
    assert!(h.query_by_label("no watermark").is_none());
}

#[test]
fn without_an_arrival_no_range_is_marked() {
    let mut h = harness((1280, 800), false, None);
    for command in [Command::RangeFromHere, Command::RangeToHere] {
        ask(&mut h, command);
        assert_eq!(h.state().range.marked, None);
    }
}

#[test]
fn its_parts_stand_beside_each_other_at_every_size() {
    for (width, height) in [(1280, 800), (1600, 1000), (1920, 1080), (3840, 2160)] {
        let mut h = harness((width, height), false, None);
        ask(&mut h, Command::Open(feed().run()));
        let names = ["Clock", "To the start", "One record back", "Play", "One record on"];
        let names = names.into_iter().chain(["To the end", "next late", "Cursor", "Go to"]);
        let names = names.chain(["Time zone", "Speed"]);
        let at: Vec<egui::Rect> = names.map(|name| h.get_by_label(name).rect()).collect();
        for pair in at.windows(2) {
            assert!(pair[0].right() < pair[1].left(), "at {width}: {at:?}");
        }
        let whole = egui::Rect::from_min_size(Pos2::ZERO, egui::vec2(width as f32, height as f32));
        assert!(at.iter().all(|part| whole.contains_rect(*part)), "at {width}: {at:?}");
        let strip = at[7];
        assert!(strip.width() > 300.0, "at {width}: {strip:?}");
    }
}

/// A place on the strip, as a share of its width.
fn on_the_strip(h: &Harness<'_, App>, share: f32) -> Pos2 {
    let strip = h.get_by_role_and_label(Role::Slider, "Cursor").rect();
    pos2(strip.left() + strip.width() * share, strip.center().y)
}

#[test]
fn the_strip_keeps_its_width_however_long_the_cursors_number_is() {
    let mut h = opened(&feed().run());
    let widths = [0, 11, 111, 1_111].map(|at| {
        ask(&mut h, Command::GoTo(at));
        h.get_by_role_and_label(Role::Slider, "Cursor").rect().width()
    });
    assert!(widths.iter().all(|w| (w - widths[0]).abs() < 1.5), "{widths:?}");
}

#[test]
fn the_cursor_is_scrubbed_by_the_pointer_and_moved_by_keys() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Scale(Scale::Arrival));
    let last = h.state().cursor().len() - 1;
    let near = |at: u64, share: u64| at.abs_diff(last * share / 100) <= last / 50;
    let (from, to) = (on_the_strip(&h, 0.25), on_the_strip(&h, 0.5));
    h.hover_at(from);
    h.drag_at(from);
    h.run_steps(3);
    assert!(near(h.state().cursor().at(), 25), "{} of {last}", h.state().cursor().at());
    h.hover_at(to);
    h.drop_at(to);
    settle(&mut h).unwrap();
    let half = h.state().cursor().at();
    assert!(near(half, 50), "{half} of {last}");
    // It has the focus now; keys are its own from the second frame on.
    h.run_steps(3);
    let key = |h: &mut Harness<'_, App>, key: Key| {
        h.key_press(key);
        settle(h).unwrap();
        h.state().cursor().at()
    };
    assert_eq!(key(&mut h, Key::ArrowRight), half + 1);
    assert_eq!(key(&mut h, Key::ArrowLeft), half);
    assert_eq!(key(&mut h, Key::PageDown), half + h.state().cursor().len() / 50);
    assert_eq!(key(&mut h, Key::End), last);
    assert_eq!(key(&mut h, Key::Home), 0);
    h.key_press(Key::Space);
    h.step();
    h.step();
    assert_eq!(h.state().cursor().state(), State::Playing);
    ask(&mut h, Command::TogglePlay);
}

#[test]
fn a_drag_with_shift_marks_a_range_and_leaves_the_cursor() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Scale(Scale::Arrival));
    ask(&mut h, Command::GoTo(7));
    let last = h.state().cursor().len() - 1;
    let (from, to) = (on_the_strip(&h, 0.25), on_the_strip(&h, 0.5));
    h.hover_at(from);
    h.event(egui::Event::ModifiersChanged(Modifiers::SHIFT));
    h.drag_at(from);
    h.hover_at(to);
    h.drop_at(to);
    h.event(egui::Event::ModifiersChanged(Modifiers::NONE));
    h.step();
    settle(&mut h).unwrap();
    let range = h.state().range.marked.unwrap();
    // The strip has become narrower meanwhile: what was pressed on stays.
    let near = |at: u64, share: u64, by: u64| at.abs_diff(last * share / 100) <= by;
    assert!(
        near(range.from(), 25, last / 50) && near(range.to(), 50, last / 10),
        "{range:?} of {last}"
    );
    assert_eq!(h.state().cursor().at(), 7);
    // Playing goes round it, once that is asked for.
    press(&mut h, "Loop the range");
    assert!(h.state().range.looped);
    press(&mut h, "Clear the range");
    assert_eq!(h.state().range, RangeState::default());
    assert!(h.query_by_label("Clear the range").is_none(), "there is none any more");
}

#[test]
fn any_speed_is_typed_in_its_menu_or_in_the_palette() {
    let mut h = opened(&feed().run());
    press(&mut h, "Speed");
    write(&mut h, "Another speed", "fast");
    let wrong = |h: &Harness<'_, App>| h.query_all_by_label_contains("is no speed").count();
    assert_eq!(wrong(&h), 1);
    h.key_press(Key::Enter);
    settle(&mut h).unwrap();
    assert_eq!(h.state().cursor().speed, Speed::ALL[0]);
    overwrite(&mut h, "Another speed", "2.5x");
    assert_eq!(wrong(&h), 0);
    h.key_press(Key::Enter);
    settle(&mut h).unwrap();
    assert_eq!(h.state().cursor().speed, Speed::Times(2.5));
    assert!(h.query_by_label("Another speed").is_none(), "it is done");
    assert_eq!(h.get_by_label("Speed").value().unwrap_or_default(), "2.5×");
    palette(&mut h, "play at another speed");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    write(&mut h, "Command", "fast");
    assert_eq!(wrong(&h), 1);
    overwrite(&mut h, "Command", "500/s");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert_eq!(h.state().cursor().speed, Speed::Records(500.0));
}

#[test]
fn on_event_time_the_clock_shows_the_joins_watermark() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::EventTimeClock);
    ask(&mut h, Command::Start);
    assert!(h.query_by_label("no watermark").is_some(), "it has not moved yet");
    ask(&mut h, Command::End);
    assert!(h.query_by_label("no watermark").is_none());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let join = run.watermarks_at(run.arrivals() - 1).unwrap().join.unwrap();
    let shown = h.state().times().exact(join);
    assert!(h.query_all_by_label(&shown).next().is_some(), "{shown}");
}

#[test]
fn what_its_buttons_show_is_their_value() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::GoTo(1_234));
    let speed = Speed::ALL[0];
    ask(&mut h, Command::Speed(speed));
    ask(&mut h, Command::Scale(Scale::Arrival));
    let value = |name: &str| h.get_by_label(name).value().unwrap_or_default();
    assert_eq!(value("Go to"), "1,234");
    assert_eq!(value("Speed"), speed.label());
    assert_eq!(value("Clock"), Scale::Arrival.name());
    assert_eq!(value("Time zone"), "UTC");
    // A name that says it already needs no value.
    assert!(h.get_by_label("Run the pipeline").value().is_none());
}

#[test]
fn what_leads_nowhere_is_said_and_stays_to_be_corrected() {
    const WHERE: &str = "Arrival, time or record";
    let mut h = opened(&feed().run());
    let says =
        |h: &Harness<'_, App>, what: &str| h.query_all_by_label_contains(what).next().is_some();
    ask(&mut h, Command::GoTo(700));
    press(&mut h, "Go to");
    write(&mut h, WHERE, "noon");
    assert!(says(&h, "no time and no record's name"));
    h.key_press(Key::Enter);
    settle(&mut h).unwrap();
    assert_eq!(h.state().cursor().at(), 700);
    overwrite(&mut h, WHERE, "1,234");
    assert!(!says(&h, "no time and no record's name"));
    h.key_press(Key::Enter);
    settle(&mut h).unwrap();
    assert_eq!(h.state().cursor().at(), 1_234);
    assert!(h.query_by_label(WHERE).is_none(), "it is done");
    press(&mut h, "Time zone");
    write(&mut h, "IANA time zone", "Europe/Berlni");
    assert!(says(&h, "knows no time zone of that name"));
}

#[test]
fn a_typed_time_is_one_of_the_clock_that_is_shown() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::EventTimeClock);
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let join = |at| run.watermarks_at(at).unwrap().join.unwrap();
    let shown = h.state().times().exact(join(2_000));
    let offered = suggestions(h.state(), &Asked::GoTo, &shown).unwrap();
    let Does::Now(Command::GoTo(at)) = offered[0].does else { panic!("{offered:?}") };
    // The axes know the clock at every 256th arrival.
    assert!(at.abs_diff(2_000) < 256, "arrival {at} for {shown}");
    // As arrival time it is another place.
    ask(&mut h, Command::Scale(Scale::ArrivalTime));
    let offered = suggestions(h.state(), &Asked::GoTo, &shown).unwrap();
    assert_ne!(offered[0].does, Does::Now(Command::GoTo(at)));
}

#[test]
fn a_range_is_marked_by_keys_while_a_time_axis_has_the_focus() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::GoTo(100));
    h.get_by_role_and_label(Role::Slider, "Cursor").focus();
    // Keys are its own from the second frame on.
    h.run_steps(3);
    let key = |h: &mut Harness<'_, App>, key: Key| {
        h.key_press(key);
        settle(h).unwrap();
        h.state().range.marked.map(|range| (range.from(), range.to()))
    };
    assert_eq!(key(&mut h, Key::OpenBracket).map(|range| range.0), Some(100));
    key(&mut h, Key::ArrowRight);
    assert_eq!(key(&mut h, Key::CloseBracket), Some((100, 101)));
    // A text takes them.
    ask(&mut h, Command::GoTo(50));
    h.get_by_label("Search keys and names of records").focus();
    h.run_steps(3);
    assert_eq!(key(&mut h, Key::OpenBracket), Some((100, 101)));
}
