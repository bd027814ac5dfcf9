//! What somebody writes in a dialog is neither lost to what happens meanwhile nor
//! given to something else.

use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::app::App;
use super::command::{Command, Export};
use super::dialogs::Dialog;
use super::panel::Panel;
use super::testing::{Feed, ask, feed, opened, overwrite, press, write};

/// The pipeline as it is edited; none where no editor is open.
fn edited(h: &Harness<'_, App>) -> Option<String> {
    h.query_by_label("Pipeline as TOML").and_then(|n| n.accesskit_node().value())
}

fn has_notice(h: &Harness<'_, App>, title: &str) -> bool {
    h.state().notices.iter().any(|(said, _)| said == title)
}

#[test]
fn an_edited_pipeline_stays_open_while_something_is_opened_or_fails() {
    let feed = Feed::new(300);
    let mut h = opened(&feed.run());
    ask(&mut h, Command::EditPipeline);
    overwrite(&mut h, "join.with.engagements.until", "7m");
    let mine = edited(&h);
    assert!(mine.as_ref().is_some_and(|text| text.contains("\"7m\"")), "{mine:?}");
    // As where a file is dropped on the window.
    ask(&mut h, Command::OpenAll(vec![feed.recording()]));
    assert!(h.state().doc().run.is_none(), "the recording is in front");
    assert_eq!(edited(&h), mine);
    h.state_mut().command(Command::Open(feed.folder.path().join("gone.mcap")));
    let begun = Instant::now();
    while h.state().errors().list().is_empty() || h.state().is_busy() {
        h.step();
        std::thread::sleep(Duration::from_millis(2));
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing is said");
    }
    assert!(has_notice(&h, "gone.mcap was not opened"));
    h.state_mut().fail("The run failed", "the disk is full");
    h.run_steps(3);
    assert!(has_notice(&h, "The run failed"));
    assert_eq!(edited(&h), mine);
    // With nothing to lose it is said in front.
    h.state_mut().dialog = None;
    h.state_mut().fail("The run failed", "the disk is full");
    h.run_steps(3);
    assert_eq!(h.state().notices.len(), 2);
    assert!(matches!(h.state().dialog, Some(Dialog::Failed { .. })));
}

#[test]
fn what_an_export_asks_waits_until_nobody_writes() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("all.csv");
    std::fs::write(&csv, "mine").unwrap();
    let mut h = opened(&feed().run());
    h.state_mut().command(Command::EditBookmark(None));
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), csv.clone(), false));
    assert!(h.query_by_label("Note").is_some() && h.query_by_label("Keep it").is_none());
    press(&mut h, "Cancel");
    press(&mut h, "Keep it");
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), "mine");
}

#[test]
fn a_bookmark_is_added_where_its_note_was_begun() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::GoTo(100));
    ask(&mut h, Command::EditBookmark(None));
    // As where a search that was begun before finds its record now.
    ask(&mut h, Command::GoTo(1_000));
    write(&mut h, "Note", "stalls");
    press(&mut h, "Add bookmark");
    let list = h.state().bookmarks.list();
    assert_eq!(list.iter().map(|b| (b.at, b.note.as_str())).collect::<Vec<_>>(), [(100, "stalls")]);
}

#[test]
fn a_file_is_not_written_of_something_else_than_it_was_asked_for() {
    let other = Feed::new(200);
    for (what, said) in [
        (Export::Incident, "The incident was not saved"),
        (Export::Data(Panel::Records), "Nothing was exported"),
    ] {
        let mut h = opened(&feed().run());
        // The other comes to the front while the dialog is open.
        h.state_mut().command(Command::Open(other.run()));
        h.state_mut().command(Command::Export(what));
        let begun = Instant::now();
        while !has_notice(&h, said) {
            h.step();
            assert!(begun.elapsed() < Duration::from_mins(1), "{said}");
        }
        assert_eq!(h.state().doc().run.as_ref().unwrap().dir, other.run());
        assert!(h.state().dialog.is_none());
    }
}

#[test]
fn a_file_is_not_replaced_by_something_else_than_was_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("all.csv");
    std::fs::write(&csv, "mine").unwrap();
    let other = Feed::new(200);
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), csv.clone(), false));
    assert!(matches!(h.state().dialog, Some(Dialog::Replace(..))));
    // What is being opened meanwhile comes to the front under the question.
    let question = h.state_mut().dialog.take();
    ask(&mut h, Command::Open(other.run()));
    h.state_mut().dialog = question;
    h.run_steps(3);
    assert!(has_notice(&h, "The file was not replaced") && h.state().dialog.is_none());
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), "mine");
}

#[test]
fn a_note_is_never_given_to_another_recording_s_bookmark() {
    let other = Feed::new(200);
    let mut h = opened(&feed().run());
    ask(&mut h, Command::AddBookmark("first".to_owned()));
    // The other comes to the front while the note is open.
    h.state_mut().command(Command::Open(other.run()));
    ask(&mut h, Command::EditBookmark(None));
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, other.run());
    assert!(h.query_by_label("Note").is_none(), "it was about what is not in front");
    assert!(h.state().notices.is_empty() && h.state().dialog.is_none(), "nothing was written");
}

#[test]
fn a_note_that_somebody_writes_is_not_lost_to_a_file_that_is_dropped() {
    const LOST: &str = "The bookmark's note was not kept";
    let other = Feed::new(200);
    let mut h = opened(&feed().run());
    ask(&mut h, Command::EditBookmark(None));
    write(&mut h, "Note", "stalls");
    // What counts the same arrivals leaves it open.
    ask(&mut h, Command::OpenAll(vec![feed().run()]));
    assert_eq!(h.get_by_label("Note").accesskit_node().value().as_deref(), Some("stalls"));
    h.state_mut().command(Command::OpenAll(vec![other.run()]));
    let begun = Instant::now();
    while !has_notice(&h, LOST) {
        h.step();
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing is said");
    }
    assert!(h.state().notices.iter().any(|(_, why)| why.ends_with("Its note: stalls")));
}

#[test]
fn notes_of_an_incident_are_not_lost_to_a_file_that_is_dropped() {
    const LOST: &str = "The incident was not saved";
    let other = Feed::new(200);
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Export(Export::Incident));
    write(&mut h, "Notes", "all of it stalls");
    h.state_mut().command(Command::OpenAll(vec![other.run()]));
    let begun = Instant::now();
    while !has_notice(&h, LOST) {
        h.step();
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing is said");
    }
    assert!(h.state().notices.iter().any(|(_, why)| why.contains("all of it stalls")));
}

#[test]
fn a_press_beside_it_does_not_close_what_somebody_writes_in() {
    let beside = |h: &mut Harness<'_, App>| {
        let pos = egui::pos2(4.0, 4.0);
        h.hover_at(pos);
        h.run_steps(2);
        h.drag_at(pos);
        h.run_steps(1);
        h.drop_at(pos);
        h.run_steps(3);
    };
    let mut h = opened(&feed().run());
    ask(&mut h, Command::EditBookmark(None));
    write(&mut h, "Note", "stalls");
    beside(&mut h);
    assert_eq!(h.get_by_label("Note").accesskit_node().value().as_deref(), Some("stalls"));
    press(&mut h, "Cancel");
    // With nothing to lose it does.
    ask(&mut h, Command::EditBookmark(None));
    beside(&mut h);
    assert!(h.query_by_label("Note").is_none());
    // Notes of an incident are there again also after Escape.
    ask(&mut h, Command::Export(Export::Incident));
    write(&mut h, "Notes", "all of it stalls");
    beside(&mut h);
    assert!(h.query_by_label("Notes").is_some());
    h.key_press(egui::Key::Escape);
    h.run_steps(3);
    assert!(h.query_by_label("Notes").is_none());
    ask(&mut h, Command::Export(Export::Incident));
    let notes = h.get_by_label("Notes").accesskit_node().value();
    assert_eq!(notes.as_deref(), Some("all of it stalls"));
}
