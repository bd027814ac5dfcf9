use std::path::Path;

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::edges::recording::{Writer, WriterOptions};
use joinscope_core::run::Manifest;
use joinscope_operator::record::{Record, TimestampType, TopicPartition};

use super::Books;
use crate::window::app::App;
use crate::window::bookmarks::{Bookmarks, Numbering};
use crate::window::command::Command;
use crate::window::files::Saver;
use crate::window::headless::{harness, harness_with, settle};
use crate::window::settings::Places;
use crate::window::testing::{BEGIN, ask, feed, hold, is_said_to_read, opened, press, write};

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
fn bookmarks_that_count_other_arrivals_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { config: folder.path().join("c"), state: folder.path().join("s") };
    let digest = Manifest::load(&feed().run()).unwrap().start.recording.digest;
    let saver = Saver::default();
    for topics in [&["clicks", "views"] as &[&str], &["views"]] {
        let topics: Vec<String> = topics.iter().map(|t| (*t).to_owned()).collect();
        let numbering = Numbering { digest: digest.clone(), topics, live: None };
        let mut marks = Bookmarks::of(Some(numbering));
        marks.add(5, "five");
        marks.add(9, "nine");
        marks.save(Some(&places), &saver);
    }
    // What is kept is written before the window reads it.
    drop(saver);
    let mut h = harness_with((1600, 1000), Some(places));
    ask(&mut h, Command::Open(feed().run()));
    let clicks = "2 bookmarks wait: they count the arrivals of clicks, views; this recording has \
                  no clicks";
    let views = "2 bookmarks wait: they count the arrivals of views; run a pipeline over these";
    for said in [clicks, views] {
        assert!(h.query_by_label(said).is_some(), "{said}");
    }
    // Those of what is open stand above them.
    ask(&mut h, Command::AddBookmark("here".to_owned()));
    assert!(h.query_all_by_label_contains("here, ").next().is_some());
    assert!(h.query_by_label(clicks).is_some());
}

#[test]
fn bookmarks_are_read_also_where_one_comes_back_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { config: folder.path().join("c"), state: folder.path().join("s") };
    let saver = Saver::default();
    let manifest = Manifest::load(&feed().run()).unwrap();
    let mut marks = Bookmarks::of(Some(Numbering::of_run(&manifest)));
    marks.add(5, "five");
    marks.save(Some(&places), &saver);
    drop(saver);
    let mut h = harness_with((1600, 1000), Some(places));
    ask(&mut h, Command::Open(feed().run()));
    assert_eq!(h.state().bookmarks.list().len(), 1);
    // Nothing is in front for a moment, shorter than reading takes.
    let app = h.state_mut();
    let there = std::mem::take(&mut app.doc);
    app.read_bookmarks();
    app.doc = there;
    app.read_bookmarks();
    settle(&mut h).unwrap();
    assert_eq!(h.state().bookmarks.list().len(), 1);
}

#[test]
fn of_many_bookmarks_it_says_how_many_are_not_listed() {
    // Tall enough for all lines to be in sight.
    let mut h = harness((1600, 8000), false, None);
    ask(&mut h, Command::Open(feed().run()));
    for at in 0..205 {
        h.state_mut().bookmarks.add(at, "one of many");
    }
    settle(&mut h).unwrap();
    let said = h.query_all_by_label_contains("one of many, ").count();
    assert_eq!(said, 200);
    let more = "and 5 more: the command palette has them";
    let is_more = |n: egui_kittest::Node<'_>| {
        let node = n.accesskit_node();
        node.label().or_else(|| node.value()).is_some_and(|text| text == more)
    };
    assert!(h.get_all(egui_kittest::kittest::By::new()).any(is_more));
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

/// A recording of these partitions with a record in the first.
fn wide(path: &Path, partitions: impl Iterator<Item = TopicPartition>) {
    let mut writer = Writer::create(path, WriterOptions::default()).unwrap();
    for partition in partitions {
        writer.partition(partition).unwrap();
    }
    let record = Record {
        arrival: 0,
        arrival_ns: BEGIN * 1_000_000,
        source: 0,
        offset: 0,
        timestamp: Some(BEGIN),
        timestamp_type: TimestampType::Create,
        leader_epoch: None,
        key: None,
        value: Some("{}".into()),
        headers: Vec::new(),
    };
    writer.add(&record).unwrap();
    writer.finish().unwrap();
}

#[test]
fn without_a_pipeline_topics_are_there_to_be_looked_at_however_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.mcap");
    let topic = |n: u32| TopicPartition { topic: format!("tenant-{n:03}").into(), partition: 0 };
    wide(&path, (0..130).map(topic));
    let mut h = harness((1600, 4000), false, None);
    ask(&mut h, Command::Open(path));
    let listed = |h: &Harness<'_, App>| {
        let rows = h.query_all_by_role(Role::ListBoxOption);
        let names = rows.filter_map(|n| n.accesskit_node().label());
        names.filter(|label| label.starts_with("tenant-")).count()
    };
    assert_eq!(listed(&h), 100);
    assert!(h.query_all_by_label_contains("and 30 more: type more").next().is_some());
    write(&mut h, "Search topics", "-12");
    assert_eq!(listed(&h), 10);
    let none = |h: &Harness<'_, App>| {
        h.query_all_by_label_contains("No topic is called that").next().is_some()
    };
    assert!(!none(&h));
    write(&mut h, "Search topics", "x");
    assert!(listed(&h) == 0 && none(&h));
}

#[test]
fn of_many_partitions_it_says_how_many_are_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.mcap");
    wide(&path, (0..300).map(|partition| TopicPartition { topic: "wide".into(), partition }));
    // Tall enough for all lines to be in sight.
    let mut h = harness((1600, 8000), false, None);
    ask(&mut h, Command::Open(path));
    let is_topic = |label: Option<String>| label.is_some_and(|l| l.starts_with("wide, "));
    h.query_all_by_role(Role::ListBoxOption)
        .find(|n| is_topic(n.accesskit_node().label()))
        .unwrap()
        .click();
    settle(&mut h).unwrap();
    assert!(h.query_all_by_label_contains("and 44 more: an export").next().is_some());
}

/// A row of the list, by how its name begins.
fn row<'h>(h: &'h Harness<'_, App>, begin: &str) -> egui_kittest::Node<'h> {
    let begins = |label: Option<String>| label.is_some_and(|l| l.starts_with(begin));
    let mut rows = h.query_all_by_role(Role::ListBoxOption);
    rows.find(|n| begins(n.accesskit_node().label())).unwrap()
}

#[test]
fn that_a_topic_is_opened_is_told() {
    let mut h = opened(&feed().recording());
    let expanded = |h: &Harness<'_, App>| row(h, "views, ").accesskit_node().data().is_expanded();
    assert_eq!(expanded(&h), Some(false));
    row(&h, "views, ").click_accesskit();
    settle(&mut h).unwrap();
    assert_eq!(expanded(&h), Some(true));
    assert_eq!(row(&h, "[0], ").accesskit_node().data().is_expanded(), None);
}

/// Found by reading: only a pointer that rested there was told.
#[test]
fn what_is_said_of_a_partition_is_there_for_the_keyboard() {
    let mut h = opened(&feed().recording());
    row(&h, "views, ").click_accesskit();
    settle(&mut h).unwrap();
    let said = |h: &Harness<'_, App>, part: &str| {
        let texts = h.query_all_by_role(Role::Label).filter_map(|n| n.accesskit_node().value());
        texts.filter(|text| text.contains(part)).count()
    };
    assert_eq!(said(&h, "views[0]: "), 0);
    row(&h, "[0], ").focus();
    h.run_steps(4);
    assert_eq!(said(&h, "views[0]: "), 1);
    row(&h, "views, ").focus();
    h.run_steps(4);
    assert_eq!(said(&h, "views[0]: "), 0);
}

#[test]
fn until_the_books_are_there_they_are_said_to_be_read() {
    let mut h = opened(&feed().run());
    let work = hold(&h);
    h.state_mut().panels.books = Books::default();
    assert!(is_said_to_read(&mut h, work, "Reading the books"));
}
