use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::edges::recording::{Writer, WriterOptions};
use joinscope_core::run::{Direction, RowView, VerdictSet};
use joinscope_operator::record::{Record, TimestampType, TopicPartition};
use joinscope_operator::verdict::Verdict;

use crate::window::command::Command;
use crate::window::headless::{harness, settle};
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::testing::{
    BEGIN, PIPELINE, ask, fail, feed, heading, hold, is_said_to_read, opened, press, rerun,
};

#[test]
fn selecting_a_record_moves_the_cursor_and_explains_it() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Next(VerdictSet::of(Verdict::Late), Direction::Backward));
    let Some(Selection::Row(row)) = h.state().selection() else { panic!("nothing selected") };
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let view = run.row(row).unwrap();
    assert_eq!(view.verdict, Verdict::Late);
    assert_eq!(h.state().cursor().at(), view.arrival);
    assert!(h.query_all_by_label_contains("behind the event-time watermark").next().is_some());
    assert!(h.query_all_by_label_contains("Late by: ").next().is_some());
    assert!(h.query_by_label("Decoded value").is_some());
    press(&mut h, "Raw");
    assert!(h.query_by_label("Raw value").is_some());
}

#[test]
fn back_and_forward_restore_selection_and_cursor_together() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Select(Some(Selection::Row(10)), Some(10)));
    ask(&mut h, Command::Select(Some(Selection::Row(500)), Some(500)));
    press(&mut h, "Back");
    assert_eq!(h.state().selection(), Some(Selection::Row(10)));
    assert_eq!(h.state().cursor().at(), 10);
    press(&mut h, "Forward");
    assert_eq!(h.state().selection(), Some(Selection::Row(500)));
    // Moving the cursor never changes the selection.
    press(&mut h, "One record back");
    assert_eq!(h.state().cursor().at(), 499);
    assert_eq!(h.state().selection(), Some(Selection::Row(500)));
}

#[test]
fn causes_and_effects_are_links_and_the_state_is_that_at_the_cursor() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let all = run.page(0, run.rows() as usize).unwrap();
    // A view that an engagement's arrival decided.
    let joined = all
        .iter()
        .rev()
        .find(|r| {
            r.verdict == Verdict::Joined
                && r.cause.is_some_and(|c| c != r.arrival)
                && r.decided == r.cause
        })
        .unwrap();
    ask(&mut h, Command::Select(Some(Selection::Row(joined.row)), Some(joined.arrival)));
    assert!(h.query_by_label("decided by").is_some());
    // An arrival alone says little: its time stands beside it.
    let fell = crate::window::text::thousands(joined.decided.unwrap());
    let fell = format!("Verdict fell at: {fell} · ");
    assert!(h.query_all_by_label_contains(&fell).next().is_some(), "{fell}");
    assert!(h.query_by_label("this record").is_some(), "it is in the state at its arrival");
    // Its cause names it among what it decided.
    let cause = run.rows_of_arrival(joined.cause.unwrap()).unwrap()[0].clone();
    ask(&mut h, Command::Select(Some(Selection::Row(cause.row)), Some(cause.arrival)));
    assert!(h.query_by_label("It decided").is_some());
    // Its own verdict fell as it came: what it matched decided nothing of it.
    assert!(h.query_by_label("decided by").is_none());
    let name = joined.record.to_string();
    let links: Vec<String> = h
        .get_all_by_role(egui::accesskit::Role::Link)
        .filter_map(|n| egui_kittest::kittest::NodeT::accesskit_node(&n).label())
        .collect();
    assert!(links.contains(&name), "{name} in {links:?}");
    // Before anything arrived the state of its key is empty.
    ask(&mut h, Command::GoTo(0));
    assert!(h.query_by_label("No row of it").is_some());
}

#[test]
fn what_closed_an_interval_is_said_once() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let all = run.page(0, run.rows() as usize).unwrap();
    let is_later = |r: &RowView| r.decided == r.cause && r.cause.is_some_and(|c| c != r.arrival);
    let closed = all.iter().find(|r| r.verdict == Verdict::Unmatched && is_later(r)).unwrap();
    ask(&mut h, Command::Select(Some(Selection::Row(closed.row)), Some(closed.arrival)));
    let cause = run.rows_of_arrival(closed.cause.unwrap()).unwrap()[0].record.to_string();
    let named = |n: &egui_kittest::Node<'_>| n.accesskit_node().label().as_ref() == Some(&cause);
    let links = h.get_all_by_role(egui::accesskit::Role::Link).filter(named).count();
    assert!(links > 0, "the sentence leads to {cause}");
    assert!(h.query_by_label("decided by").is_none());
}

#[test]
fn what_cannot_be_decoded_shows_its_bytes() {
    let mut h = opened(&feed().run());
    let to = VerdictSet::of(Verdict::Undecodable);
    ask(&mut h, Command::Next(to, Direction::Backward));
    assert!(h.state().selection().is_some());
    assert!(h.query_by_label("Decoded value").is_none());
    assert!(h.query_all_by_label_contains("its bytes are:").next().is_some());
    let bytes = h.get_by_label("Raw value").accesskit_node().value().unwrap();
    assert!(bytes.contains("7b 22 76 69"), "{bytes}");
}

/// Found by reading: an empty text went to the clipboard.
#[test]
fn of_a_tombstone_it_is_said_that_there_is_no_value_to_copy() {
    const NONE: &str = "No value to copy: it is a tombstone";
    let folder = tempfile::tempdir().unwrap();
    let (path, run) = (folder.path().join("null.mcap"), folder.path().join("run"));
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    for topic in ["views", "engagements"] {
        writer.partition(TopicPartition { topic: topic.into(), partition: 0 }).unwrap();
    }
    for (arrival, value) in [(0, None), (1, Some("{}".into()))] {
        let record = Record {
            arrival,
            arrival_ns: BEGIN * 1_000_000,
            source: 0,
            offset: arrival as i64,
            timestamp: Some(BEGIN),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: None,
            value,
            headers: Vec::new(),
        };
        writer.add(&record).unwrap();
    }
    writer.finish().unwrap();
    rerun(&path, PIPELINE, &[], &run);
    let mut h = opened(&run);
    ask(&mut h, Command::Select(Some(Selection::Row(0)), Some(0)));
    assert!(h.get_by_label(NONE).accesskit_node().is_disabled());
    assert!(h.query_by_label("Copy the value").is_none());
    ask(&mut h, Command::Select(Some(Selection::Row(1)), Some(1)));
    assert!(!h.get_by_label("Copy the value").accesskit_node().is_disabled());
    assert!(h.query_by_label(NONE).is_none());
}

#[test]
fn of_a_record_that_two_inputs_took_a_link_leads_to_the_row_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let text = PIPELINE.replace("topic = \"engagements\"", "topic = \"views\"");
    rerun(&feed().recording(), &text.replace("\"0s\"", "\"1ms\""), &[], &run);
    let mut h = opened(&run);
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    // Both rows of a record rest in the state of its key.
    let both = |row: RowView| {
        let state = run.state_of_key(row.key.as_ref()?, row.arrival).unwrap();
        let is_second = |o: &RowView| o.record == row.record && o.row > row.row;
        let second = state.rows.into_iter().find(is_second)?;
        Some((row, second))
    };
    let (first, second) = run.page(0, 200).unwrap().into_iter().find_map(both).unwrap();
    ask(&mut h, Command::Select(Some(Selection::Row(first.row)), Some(first.arrival)));
    let name = first.record.to_string();
    let named = |n: &egui_kittest::Node<'_>| n.accesskit_node().label().as_ref() == Some(&name);
    let links: Vec<_> = h.get_all_by_role(egui::accesskit::Role::Link).filter(named).collect();
    links.last().unwrap().click_accesskit();
    drop(links);
    settle(&mut h).unwrap();
    assert_eq!(h.state().selection(), Some(Selection::Row(second.row)));
    // Beside the record's name, which is elided apart from it.
    let input = run.manifest().start.inputs[usize::from(second.input)].name.to_string();
    assert_eq!(heading(&h, Panel::Inspector).value(), Some(input));
}

#[test]
fn in_a_narrow_panel_what_to_do_next_wraps() {
    let mut h = harness((200, 400), false, Some(Panel::Inspector));
    ask(&mut h, Command::Open(feed().run()));
    assert!(h.query_all_by_label_contains("Nothing selected").next().is_some());
    let room = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(200.0, 400.0));
    let texts: Vec<egui::Rect> = h
        .output()
        .shapes
        .iter()
        .filter_map(|s| match &s.shape {
            egui::Shape::Text(text) => Some(text.visual_bounding_rect()),
            _ => None,
        })
        .collect();
    assert!(texts.len() >= 2 && texts.iter().all(|at| room.contains_rect(*at)), "{texts:?}");
}

#[test]
fn until_a_record_is_there_it_is_said_to_be_read() {
    let mut h = opened(&feed().run());
    let work = hold(&h);
    h.state_mut().command(Command::Select(Some(Selection::Row(10)), Some(10)));
    assert!(is_said_to_read(&mut h, work, "Reading the record. What happened"));
}

#[test]
fn the_state_of_its_key_is_said_where_it_cannot_be_read() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Next(VerdictSet::of(Verdict::Joined), Direction::Backward));
    let app = h.state_mut();
    fail(&mut app.panels.inspector.state, &app.jobs, "the disk went away");
    settle(&mut h).unwrap();
    let said = h.query_all_by_label_contains("cannot be read: the disk went away").count();
    assert_eq!(said, 1);
    let mut listed = h.state().errors().list().iter();
    assert!(listed.any(|problem| problem.message == "the disk went away"));
}
