use std::sync::{Arc, Mutex};

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::{Direction, VerdictSet};
use joinscope_operator::verdict::Verdict;

use crate::window::app::App;
use crate::window::command::Command;
use crate::window::headless::harness;
use crate::window::jobs::Slot;
use crate::window::panel::Panel;
use crate::window::panels::choose::Chosen as _;
use crate::window::selection::Selection;
use crate::window::testing::{
    PIPELINE, ask, copied, feed, found, heading, keys, opened, overwrite, palette, press, rerun,
    rows, write,
};

#[test]
fn a_run_shows_its_books_and_filters_by_them() {
    let mut h = opened(&feed().run());
    let late = {
        let nodes: Vec<_> = h.get_all_by_role(Role::ListBoxOption).collect();
        let label = |n: &egui_kittest::Node<'_>| n.accesskit_node().label().unwrap_or_default();
        nodes.iter().map(label).find(|l| l.starts_with("late, ")).unwrap()
    };
    let all = h.state().doc().run.as_ref().unwrap().rows;
    press(&mut h, &late);
    let filter = h.state().panels.records.filter();
    assert_eq!(filter, VerdictSet::of(Verdict::Late));
    let rows: Vec<String> = rows(&h);
    assert!(!rows.is_empty() && rows.iter().all(|r| r.ends_with(", late")), "{rows:?}");
    assert!(
        h.query_by_label("Show all verdicts").is_some()
            || h.query_by_label("verdict is late").is_some()
    );
    assert!(all > 3_000);
}

#[test]
fn a_selection_that_the_filter_hides_stays_in_the_inspector() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Next(VerdictSet::of(Verdict::Joined), Direction::Backward));
    let selected = h.state().selection();
    ask(&mut h, Command::Filter(VerdictSet::of(Verdict::Late)));
    assert_eq!(h.state().selection(), selected);
    assert!(h.query_by_label("hidden by the filter ·").is_some());
    press(&mut h, "show");
    assert!(h.state().panels.records.filter().is_empty());
    assert!(h.query_by_label("hidden by the filter ·").is_none());
}

#[test]
fn what_the_filter_hides_is_known_behind_another_panel_and_shown_again() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Select(Some(Selection::Row(5)), Some(5)));
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    assert!(!h.state().layout.is_in_sight(Panel::Records));
    ask(&mut h, Command::SetRange(0, 9));
    ask(&mut h, Command::FilterToRange(true));
    assert!(h.query_by_label("hidden by the filter ·").is_none());
    ask(&mut h, Command::SetRange(100, 109));
    assert!(h.query_by_label("hidden by the filter ·").is_some());
    press(&mut h, "show");
    assert!(h.query_by_label("hidden by the filter ·").is_none());
    ask(&mut h, Command::ShowPanel(Panel::Records));
    assert!(rows(&h).iter().any(|r| r.starts_with("arrival 5, ")), "{:?}", rows(&h));
}

#[test]
fn a_search_that_was_stopped_does_not_say_that_there_is_nothing() {
    let mut h = opened(&feed().run());
    // No thread is free for it until it was stopped.
    let (go, gate) = std::sync::mpsc::sync_channel::<()>(1);
    let gate = Arc::new(Mutex::new(gate));
    let mut held: Vec<Slot<u32, ()>> = (0..4).map(|_| Slot::default()).collect();
    for slot in &mut held {
        let gate = Arc::clone(&gate);
        slot.ask_long(&h.state().jobs, 1, move |_| {
            gate.lock().unwrap().recv().map_err(|e| e.to_string())
        });
    }
    h.state_mut().command(Command::Search("no such key".to_owned()));
    for _ in 0..3 {
        h.step();
    }
    h.get_by_label("Stop searching").click();
    for _ in 0..3 {
        h.step();
    }
    drop(go);
    crate::window::headless::settle(&mut h).unwrap();
    assert!(h.query_all_by_label_contains("No record is like that").next().is_none());
    assert!(h.query_all_by_label_contains("until it was stopped").next().is_some());
    // Asked again it is looked for to the end.
    ask(&mut h, Command::Search("no such key either".to_owned()));
    assert!(h.query_all_by_label_contains("No record is like that").next().is_some());
}

#[test]
fn a_search_finds_records_by_key() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let key = run.row(100).unwrap().key.unwrap().to_string();
    ask(&mut h, Command::Search(key));
    let found = rows(&h);
    assert!(!found.is_empty() && found.len() < 20, "{found:?}");
    ask(&mut h, Command::Search("no such key".to_owned()));
    assert!(h.query_all_by_label_contains("No record is like that").next().is_some());
}

/// What the rows in sight say of themselves: their cells in words.
fn values(h: &egui_kittest::Harness<'_, crate::window::app::App>) -> Vec<String> {
    h.get_all_by_role(Role::Row).filter_map(|n| n.accesskit_node().value()).collect()
}

#[test]
fn a_press_on_a_title_sorts_again_the_other_way_and_again_as_it_was() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let all = run.page(0, run.rows() as usize).unwrap();
    let late = |r: &joinscope_core::run::RowView| r.late_by.map(|ms| (ms, r.row));
    let mut by_late: Vec<(i64, u64)> = all.iter().filter_map(late).collect();
    by_late.sort_unstable();
    let first = |h: &egui_kittest::Harness<'_, crate::window::app::App>| rows(h)[0].clone();
    let name_of = |row: u64| {
        let r = &all[row as usize];
        format!("arrival {}, {}, ", r.arrival, r.record)
    };
    press(&mut h, "Late by");
    assert!(first(&h).starts_with(&name_of(by_late[0].1)), "{}", first(&h));
    press(&mut h, "Late by, sorted ascending");
    let most = by_late.iter().map(|l| l.0).max().unwrap();
    let top = by_late.iter().find(|l| l.0 == most).unwrap();
    assert!(first(&h).starts_with(&name_of(top.1)), "{}", first(&h));
    press(&mut h, "Late by, sorted descending");
    // As they arrived, from the end where the cursor is put at first: the top.
    assert!(first(&h).starts_with("arrival 0, "), "{}", first(&h));
}

#[test]
fn conditions_filter_and_their_chip_removes_them() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let all = run.page(0, run.rows() as usize).unwrap();
    let text = "input=engagements, late_by>=30s";
    let meets = |r: &&joinscope_core::run::RowView| {
        &*r.record.topic == "engagements" && r.late_by.is_some_and(|ms| ms >= 30_000)
    };
    let want = all.iter().filter(meets).count();
    assert!(want > 0);
    ask(&mut h, Command::Where(text.to_owned()));
    assert_eq!(h.state().panels.records.conditions(), text);
    let said = crate::window::testing::heading(&h, crate::window::panel::Panel::Records);
    let said = said.value().unwrap();
    let counted = crate::window::text::thousands(want as u64);
    assert!(said.starts_with(&format!("{counted} of ")), "{said}");
    assert!(rows(&h).iter().all(|r| r.contains("engagements[")));
    press(&mut h, &format!("Remove the conditions {text}"));
    assert!(h.state().panels.records.conditions().is_empty());
    // What cannot be read changes nothing and is said.
    h.state_mut().command(Command::Where("late".to_owned()));
    assert!(crate::window::headless::settle(&mut h).is_err());
    assert!(h.state().errors().list()[0].message.contains("is no condition"));
}

#[test]
fn what_was_typed_and_not_asked_for_goes_with_the_conditions() {
    let mut table = super::Records::default();
    for asked in ["late_by>5s", "", ""] {
        table.controls.conditions.text = "late".to_owned();
        table.controls.conditions.wrong = Some("late is no condition".to_owned());
        table.set_conditions(asked).unwrap();
        let typed = &table.controls.conditions;
        assert_eq!((typed.text.as_str(), &typed.wrong), (asked, &None));
    }
}

#[test]
fn a_field_of_the_value_is_a_column_a_condition_and_an_order() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Where("value.kind=like|share".to_owned()));
    assert!(!rows(&h).is_empty() && rows(&h).iter().all(|r| r.contains("engagements[")));
    press(&mut h, "Columns");
    h.get_by_role_and_label(Role::CheckBox, "kind").click();
    crate::window::headless::settle(&mut h).unwrap();
    h.key_press(egui::Key::Escape);
    crate::window::headless::settle(&mut h).unwrap();
    let seen = values(&h);
    assert!(seen.iter().all(|v| v.contains("kind like") || v.contains("kind share")), "{seen:?}");
    press(&mut h, "kind");
    let seen = values(&h);
    assert!(seen[0].contains("kind like"), "{seen:?}");
    press(&mut h, "kind, sorted ascending");
    let seen = values(&h);
    assert!(seen[0].contains("kind share"), "{seen:?}");
}

/// Found by reading: it became a column that no view could bring back.
#[test]
fn a_path_that_is_too_long_is_refused_in_the_menu_as_in_the_palette() {
    let mut h = opened(&feed().run());
    let said = |h: &Harness<'_, App>| {
        h.query_all_by_label_contains("This is too long for the path of a field").next().is_some()
    };
    press(&mut h, "Columns");
    write(&mut h, "Path of a field", &"x".repeat(513));
    assert!(said(&h));
    keys(&mut h, egui::Modifiers::NONE, egui::Key::Enter);
    assert!(said(&h) && !h.state().panels.records.has_own_columns());
    overwrite(&mut h, "Path of a field", "kind");
    assert!(!said(&h));
}

#[test]
fn a_field_of_the_value_becomes_a_column_from_the_palette() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Where("value.kind=like".to_owned()));
    palette(&mut h, "field as a column of the records");
    assert_eq!(found(&h)[0], "Records: Show a field as a column of the records…");
    keys(&mut h, egui::Modifiers::NONE, egui::Key::Enter);
    assert!(found(&h).is_empty(), "nothing is written yet");
    write(&mut h, "Command", "kind");
    assert_eq!(found(&h), ["Records: Show the column kind of the records"]);
    keys(&mut h, egui::Modifiers::NONE, egui::Key::Enter);
    let seen = values(&h);
    assert!(!seen.is_empty() && seen.iter().all(|v| v.contains("kind like")), "{seen:?}");
}

#[test]
fn a_record_is_copied_as_json_by_keyboard() {
    let mut h = opened(&feed().run());
    let json = copied(&mut h, "Records, ", 1);
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let row = run.row(1).unwrap();
    assert_eq!(json["arrival"], row.arrival);
    assert_eq!(json["record"], row.record.to_string());
    assert!(json["value"]["view_id"].is_number(), "{json}");
}

#[test]
fn filter_columns_and_place_are_there_again_when_the_run_is() {
    let other = crate::window::testing::Feed::new(300);
    let mut h = opened(&feed().run());
    let late = joinscope_core::run::VerdictSet::of(joinscope_operator::verdict::Verdict::Late);
    ask(&mut h, Command::Filter(late));
    ask(&mut h, Command::ShowPanel(crate::window::panel::Panel::Records));
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let last = run.nth(late, run.count(late) - 1).unwrap().unwrap();
    h.state_mut().panels.records.reveal(last);
    crate::window::headless::settle(&mut h).unwrap();
    let shown = rows(&h);
    assert!(shown.iter().all(|r| r.ends_with(", late")), "{shown:?}");
    ask(&mut h, Command::Open(other.run()));
    assert_ne!(rows(&h), shown);
    ask(&mut h, Command::Open(feed().run()));
    assert_eq!(rows(&h), shown);
}

#[test]
fn rows_of_a_topic_that_feeds_two_inputs_say_which_and_are_counted_as_rows() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let text = PIPELINE.replace("topic = \"engagements\"", "topic = \"views\"");
    rerun(&feed().recording(), &text.replace("\"0s\"", "\"1ms\""), &[], &run);
    let mut h = opened(&run);
    let shown = values(&h);
    let of = |input: &str| shown.iter().filter(|v| v.contains(&format!("Input {input}"))).count();
    assert!(of("views") > 2 && of("views").abs_diff(of("engagements")) <= 1, "{shown:?}");
    let said = |h: &egui_kittest::Harness<'_, _>, panel| heading(h, panel).value().unwrap();
    let arrivals = crate::window::text::thousands(h.state().cursor.len());
    let all = said(&h, Panel::Records);
    assert!(all.ends_with(&format!(" rows of {arrivals} records")), "{all}");
    let timeline = said(&h, Panel::Timeline);
    assert!(timeline.contains(" rows in sight"), "{timeline}");
    let held = said(&h, Panel::Watermarks);
    assert!(held.contains("views[") || held.contains("engagements["), "{held}");
    // One input after the other, not one topic's records in their order.
    for (title, first, then) in
        [("Input", "views", "engagements"), ("Input, sorted ascending", "engagements", "views")]
    {
        press(&mut h, title);
        let shown = values(&h);
        let of = |input: &str| shown.iter().any(|v| v.contains(&format!("Input {input}")));
        assert!(of(first) && !of(then), "{title}: {shown:?}");
    }
    // Where each topic feeds one, the column would say what the name says.
    ask(&mut h, Command::Open(feed().run()));
    assert!(values(&h).iter().all(|v| !v.contains("Input ")));
}

#[test]
fn times_keep_their_milliseconds_where_there_is_room_for_them() {
    let mut h = harness((1280, 800), false, None);
    ask(&mut h, Command::Open(feed().run()));
    let texts = h.output().shapes.iter().filter_map(|s| match &s.shape {
        egui::Shape::Text(text) => Some(text.galley.text()),
        _ => None,
    });
    // Also after frames in which only the titles were known.
    let digits = |part: &str, n| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    let is_exact = |time: &str, part: &str| time.matches(':').count() == 2 && digits(part, 3);
    let exact =
        texts.filter(|text| text.rsplit_once('.').is_some_and(|(time, part)| is_exact(time, part)));
    assert!(exact.count() > 5);
}

#[test]
fn a_record_of_a_recording_without_a_run_is_copied_too() {
    let mut h = opened(&feed().recording());
    let json = copied(&mut h, "Records, ", 1);
    let recording = h.state().doc().recording.clone().unwrap().recording;
    let record = recording.page(1, 1).unwrap().remove(0);
    assert_eq!(json["arrival"], record.arrival);
    assert_eq!(json["record"], recording.name_of(&record).to_string());
    assert!(json["value"]["view_id"].is_number(), "{json}");
    assert_eq!(json["headers"][0]["key"], "trace");
}

#[test]
fn conditions_of_any_signs_are_shown_safely() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Where("key~a\u{202e}b".to_owned()));
    assert!(h.query_by_label("Remove the conditions key~a\\u{202e}b").is_some());
}
