//! A new pipeline from the recording that is open: proposed as the command line
//! does, edited, and written nowhere before it is saved.

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::analyses::propose::propose;
use joinscope_core::edges::recording::{Recording, Writer, WriterOptions};
use joinscope_operator::record::TopicPartition;

use super::app::App;
use super::command::{Command, Does, entries};
use super::dialogs::Dialog;
use super::headless::harness;
use super::panel::Panel;
use super::testing::{Feed, ask, feed, opened, press};

fn source(h: &Harness<'_, App>) -> String {
    h.get_by_label("Pipeline as TOML").accesskit_node().value().unwrap_or_default()
}

fn says(h: &Harness<'_, App>, text: &str) -> bool {
    h.query_all_by_label_contains(text).next().is_some()
}

#[test]
fn a_new_pipeline_is_proposed_edited_saved_beside_the_recording_and_run() {
    let feed = Feed::new(300);
    let mut h = opened(&feed.recording());
    press(&mut h, "New pipeline…");
    let recording = Recording::open(&feed.recording()).unwrap();
    let proposal = propose(&recording, "feed-2", || true).unwrap();
    assert_eq!(source(&h), proposal.text, "as the command line proposes it");
    assert!(source(&h).contains("# could be the key, too: "), "and why: {}", source(&h));
    assert!(says(&h, "Proposed from the first records of 2 topics"));
    assert!(says(&h, "feed-2.toml, not saved yet"));
    let path = feed.folder.path().join("feed-2.toml");
    assert!(!path.exists(), "nothing is written unasked");
    // It is not lost by a key.
    h.key_press(egui::Key::Escape);
    super::headless::settle(&mut h).unwrap();
    assert!(says(&h, "The new pipeline is not saved"));
    press(&mut h, "Keep editing");
    press(&mut h, "Save");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), proposal.text);
    let before = std::fs::read_to_string(feed.pipeline()).unwrap();
    assert_eq!(before, super::testing::PIPELINE, "the one that was there stays");
    assert!(!says(&h, "not saved yet"));
    h.state_mut().run_into = Some(feed.folder.path().join("proposed"));
    press(&mut h, "Run this pipeline");
    let run = h.state().doc().run.clone().expect("it ran");
    assert_eq!(run.dir, feed.folder.path().join("proposed"));
    assert!(h.query_by_label("New pipeline…").is_none(), "the pipeline stands in its place");
}

#[test]
fn one_that_ran_unsaved_says_that_no_file_has_it() {
    let feed = Feed::new(300);
    let mut h = opened(&feed.recording());
    press(&mut h, "New pipeline…");
    h.state_mut().run_into = Some(feed.folder.path().join("proposed"));
    press(&mut h, "Run this pipeline");
    assert!(h.state().doc().run.is_some());
    ask(&mut h, Command::EditPipeline);
    assert!(!feed.folder.path().join("feed-2.toml").exists());
    assert!(says(&h, "It is in no file: Save as… writes one"));
}

#[test]
fn a_file_that_comes_meanwhile_is_not_written_over() {
    let feed = Feed::new(300);
    let mut h = opened(&feed.recording());
    press(&mut h, "New pipeline…");
    let path = feed.folder.path().join("feed-2.toml");
    std::fs::write(&path, "# mine").unwrap();
    press(&mut h, "Save");
    assert!(says(&h, "feed-2.toml is there already"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine");
}

#[test]
fn why_nothing_can_be_proposed_is_said_there_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.mcap");
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    writer.partition(TopicPartition { topic: "views".into(), partition: 0 }).unwrap();
    writer.finish().unwrap();
    let mut h = opened(&path);
    h.state_mut().command(Command::NewPipeline);
    let begun = std::time::Instant::now();
    while !says(&h, "Nothing can be proposed: the recording has no records") {
        h.step();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "nothing is said");
    }
    h.run_steps(3);
    let listed = h.state().errors().list();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].place, "Proposing a pipeline for empty.mcap");
    assert_eq!(listed[0].times, 1, "once");
    h.get_by_label("Close").click();
    h.run_steps(3);
    assert!(h.state().dialog.is_none());
}

#[test]
fn a_panel_without_a_run_offers_it() {
    let mut h = harness((1200, 420), false, Some(Panel::Timeline));
    ask(&mut h, Command::Open(feed().recording()));
    press(&mut h, "New pipeline from this recording…");
    assert!(matches!(h.state().dialog, Some(Dialog::Pipeline(_))));
}

#[test]
fn it_is_offered_where_a_recording_is_open() {
    let offered = |h: &Harness<'_, App>| {
        entries(h.state()).iter().any(|e| e.does == Does::Now(Command::NewPipeline))
    };
    let mut h = harness((1200, 800), false, None);
    assert!(!offered(&h));
    ask(&mut h, Command::Open(feed().recording()));
    assert!(offered(&h));
    // Also beside a run: another pipeline over the same recording.
    ask(&mut h, Command::Open(feed().run()));
    assert!(offered(&h));
    press(&mut h, "Menu");
    press(&mut h, "New pipeline from the recording…");
    assert!(source(&h).starts_with("# A proposal from the first records"));
}
