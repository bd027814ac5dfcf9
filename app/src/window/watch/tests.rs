use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::window::app::App;
use crate::window::command::Command;
use crate::window::headless::harness;
use crate::window::testing::{Feed, PIPELINE, ask, overwrite, press};

const UNTIL: &str = "join.with.engagements.until";

fn says(h: &Harness<'_, App>, text: &str) -> bool {
    h.query_all_by_label_contains(text).next().is_some()
}

/// Frames until something holds; the file is looked at by the clock.
fn until(h: &mut Harness<'_, App>, what: &str, holds: impl Fn(&Harness<'_, App>) -> bool) {
    let begun = Instant::now();
    while !holds(h) {
        h.step();
        std::thread::sleep(Duration::from_millis(5));
        assert!(begun.elapsed() < Duration::from_mins(2), "{what}");
    }
    h.run_steps(2);
}

fn source(h: &Harness<'_, App>) -> String {
    h.get_by_label("Pipeline as TOML").accesskit_node().value().unwrap_or_default()
}

/// The pipeline with another interval.
fn with(minutes: &str) -> String {
    PIPELINE.replace("\"5m\"", &format!("\"{minutes}\""))
}

fn open_text(h: &Harness<'_, App>) -> String {
    h.state().doc().pipeline.as_ref().unwrap().text.clone()
}

/// A feed whose pipeline is open and was run, its file looked at.
fn watched() -> (Feed, Harness<'static, App>) {
    let feed = Feed::new(300);
    let mut h = harness((1600, 1000), false, None);
    ask(&mut h, Command::Open(feed.recording()));
    h.state_mut().run_into = Some(feed.folder.path().join("second"));
    ask(&mut h, Command::Open(feed.pipeline()));
    assert!(h.state().doc().run.is_some());
    until(&mut h, "the first look", |h| h.state().watch.good.is_some());
    (feed, h)
}

#[test]
fn what_another_program_wrote_is_said_and_runs_next() {
    let (feed, mut h) = watched();
    std::fs::write(feed.pipeline(), with("9m")).unwrap();
    until(&mut h, "the change", |h| says(h, "feed.toml was changed"));
    assert_eq!(open_text(&h), with("9m"));
    let front = h.state().doc().run.clone().unwrap().dir;
    assert_eq!(front, feed.folder.path().join("second"), "nothing runs by itself");
    assert!(h.state().running.is_none());
    assert!(h.state().errors().list().is_empty(), "it is no error");
    h.state_mut().run_into = Some(feed.folder.path().join("third"));
    press(&mut h, "Run the pipeline");
    let run = h.state().doc().run.clone().unwrap();
    assert_eq!(run.dir, feed.folder.path().join("third"));
    assert_eq!(run.run.pipeline_text(), with("9m"));
    assert!(!says(&h, "feed.toml was changed"), "the run in front is of it");
    // In the editor it is what is edited.
    ask(&mut h, Command::EditPipeline);
    assert_eq!(source(&h), with("9m"));
    std::fs::write(feed.pipeline(), with("8m")).unwrap();
    until(&mut h, "the editor", |h| says(h, "Another program changed the file"));
    assert_eq!(source(&h), with("8m"));
    // What is wrong with it is said at its line.
    std::fs::write(feed.pipeline(), with("soon")).unwrap();
    until(&mut h, "the mistake", |h| says(h, "1 mistake to correct"));
    assert_eq!((source(&h), open_text(&h)), (with("soon"), with("8m")));
}

#[test]
fn what_was_changed_here_is_kept_until_one_of_the_two_is_chosen() {
    let (feed, mut h) = watched();
    ask(&mut h, Command::EditPipeline);
    overwrite(&mut h, UNTIL, "7m");
    std::fs::write(feed.pipeline(), with("9m")).unwrap();
    until(&mut h, "the question", |h| says(h, "The file says something else"));
    assert_eq!(source(&h), with("7m"));
    press(&mut h, "Keep mine");
    assert!(!says(&h, "The file says something else"));
    assert_eq!(source(&h), with("7m"));
    // It was chosen: saving does not ask again, and is no news.
    press(&mut h, "Save");
    assert_eq!(std::fs::read_to_string(feed.pipeline()).unwrap(), with("7m"));
    until(&mut h, "the own text", |h| open_text(h) == with("7m"));
    assert!(!says(&h, "feed.toml was changed"));

    overwrite(&mut h, UNTIL, "6m");
    std::fs::write(feed.pipeline(), with("11m")).unwrap();
    until(&mut h, "the second question", |h| says(h, "The file says something else"));
    press(&mut h, "Take the file's");
    assert_eq!((source(&h), open_text(&h)), (with("11m"), with("11m")));
    press(&mut h, "Close");
    assert!(h.state().dialog.is_none(), "there is nothing to save");
}

#[test]
fn what_runs_unsaved_is_not_replaced_and_the_editor_asks() {
    let (feed, mut h) = watched();
    ask(&mut h, Command::EditPipeline);
    overwrite(&mut h, UNTIL, "7m");
    h.state_mut().run_into = Some(feed.folder.path().join("third"));
    press(&mut h, "Run this pipeline");
    std::fs::write(feed.pipeline(), with("9m")).unwrap();
    until(&mut h, "the change", |h| says(h, "what is open here was changed, too"));
    assert_eq!(open_text(&h), with("7m"));
    ask(&mut h, Command::EditPipeline);
    assert_eq!(source(&h), with("7m"));
    press(&mut h, "Take the file's");
    assert_eq!((source(&h), open_text(&h)), (with("9m"), with("9m")));
    assert!(!says(&h, "what is open here was changed, too"));
}

#[test]
fn a_name_alone_is_no_file_of_this_machine() {
    let feed = Feed::new(300);
    let mut h = harness((1600, 1000), false, None);
    ask(&mut h, Command::Open(feed.run()));
    // As of an incident; there is a file of that name where the tests run.
    assert!(std::path::Path::new("Cargo.toml").is_file());
    h.state_mut().doc.pipeline.as_mut().unwrap().file = "Cargo.toml".to_owned();
    ask(&mut h, Command::EditPipeline);
    overwrite(&mut h, UNTIL, "7m");
    assert_eq!(h.state().watch.path, None);
    press(&mut h, "Save");
    assert!(h.query_by_label("Replace it").is_none(), "it is not where to save to");
}

#[test]
fn a_file_that_is_gone_for_a_while_is_not_taken_unasked() {
    let (feed, mut h) = watched();
    ask(&mut h, Command::EditPipeline);
    overwrite(&mut h, UNTIL, "7m");
    h.state_mut().run_into = Some(feed.folder.path().join("third"));
    press(&mut h, "Run this pipeline");
    std::fs::write(feed.pipeline(), with("9m")).unwrap();
    until(&mut h, "the change", |h| says(h, "what is open here was changed, too"));
    ask(&mut h, Command::EditPipeline);
    assert!(says(&h, "The file says something else"));
    std::fs::remove_file(feed.pipeline()).unwrap();
    until(&mut h, "it is gone", |h| says(h, "The file is not there any more"));
    std::fs::write(feed.pipeline(), with("9m")).unwrap();
    until(&mut h, "it is back", |h| !says(h, "The file is not there any more"));
    assert!(says(&h, "The file says something else"));
    assert_eq!(source(&h), with("7m"));
}

#[test]
fn what_is_said_of_the_file_takes_no_room_from_the_buttons() {
    let feed = Feed::new(300);
    let mut h = harness((640, 400), false, None);
    ask(&mut h, Command::Open(feed.recording()));
    ask(&mut h, Command::NewPipeline);
    // It is written until the first look is past.
    let (begun, mut written) = (Instant::now(), 0);
    while !says(&h, "The file says something else") {
        if begun.elapsed() >= Duration::from_secs(3) * written {
            written += 1;
            let text = format!("# mine, {written}");
            std::fs::write(feed.folder.path().join("feed-2.toml"), text).unwrap();
        }
        h.step();
        std::thread::sleep(Duration::from_millis(5));
        assert!(begun.elapsed() < Duration::from_mins(2), "nothing is said");
    }
    h.run_steps(3);
    let close = h.get_by_label("Close").rect();
    assert!(close.bottom() + 16.0 <= 400.0, "{close:?}");
}

#[test]
fn a_file_that_vanished_or_is_no_pipeline_is_said_and_what_it_said_stays() {
    let (feed, mut h) = watched();
    std::fs::remove_file(feed.pipeline()).unwrap();
    until(&mut h, "it is gone", |h| says(h, "feed.toml is gone"));
    assert_eq!(open_text(&h), PIPELINE);
    std::fs::write(feed.pipeline(), "[inputs").unwrap();
    until(&mut h, "it is broken", |h| says(h, "feed.toml cannot be used as it is now"));
    assert!(!says(&h, "feed.toml is gone"), "that is no longer so");
    assert_eq!(open_text(&h), PIPELINE);
    let listed = h.state().errors().list();
    assert!(listed[0].message.contains("is not there any more"), "{listed:?}");
    assert!(listed[1].message.contains("feed.toml:1:"), "{listed:?}");
    // The editor shows what is open and asks.
    h.state_mut().command(Command::EditPipeline);
    until(&mut h, "the editor", |h| says(h, "The file says something else"));
    assert_eq!(source(&h), PIPELINE);
    std::fs::write(feed.pipeline(), with("9m")).unwrap();
    until(&mut h, "it can be used again", |h| open_text(h) == with("9m"));
    assert!(!says(&h, "cannot be used as it is now"));
    std::fs::remove_file(feed.pipeline()).unwrap();
    until(&mut h, "the editor says it", |h| says(h, "The file is not there any more"));
}
