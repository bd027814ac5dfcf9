//! A job's epochs through the accessibility tree.

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::window::app::App;
use crate::window::axis::Scale;
use crate::window::command::Command;
use crate::window::headless::harness;
use crate::window::panel::Panel;
use crate::window::testing::{Feed, ask, heading, note_epochs};

/// A feed as a job's run with so many epochs.
fn job(epochs: u64) -> (Feed, Harness<'static, App>, u64) {
    let feed = Feed::new(1_500);
    let records = joinscope_core::run::Run::open(&feed.run()).unwrap().arrivals();
    note_epochs(&feed.run(), records, records.div_ceil(epochs));
    let mut h = harness((1200, 420), false, Some(Panel::Timeline));
    ask(&mut h, Command::Open(feed.run()));
    ask(&mut h, Command::Scale(Scale::Arrival));
    (feed, h, records)
}

fn said(h: &Harness<'_, App>) -> String {
    h.get_by_label("Epochs").value().unwrap_or_default()
}

/// Names of what the strip shows.
fn marks(h: &Harness<'_, App>) -> Vec<String> {
    h.get_all_by_role(Role::ListItem).filter_map(|n| n.accesskit_node().label()).collect()
}

#[test]
fn epochs_and_crashes_are_named() {
    let (_feed, h, _) = job(30);
    let want = "32 epochs: 28 committed, 1 found committed, 1 prepared, 1 aborted, 1 lost in a \
                crash; 2 crashes";
    assert_eq!(said(&h), want);
    let sentence = heading(&h, Panel::Timeline).value().unwrap_or_default();
    assert!(sentence.ends_with("; 2 crashes"), "{sentence}");
    let marks = marks(&h);
    for begin in [
        "Epoch 2: committed, arrivals ".to_owned(),
        "Epoch 10: committed, as the next process found, ".to_owned(),
        "Epoch 15: aborted, ".to_owned(),
        "Epoch 20: lost in a crash, ".to_owned(),
        "Epoch 30: prepared, no answer".to_owned(),
        "Crash: process 1 ended without a word, at arrival ".to_owned(),
        "Crash: process 2 ended without a word, at arrival ".to_owned(),
        "Restored: process 3 went on behind epoch 19, from arrival ".to_owned(),
    ] {
        assert_eq!(marks.iter().filter(|m| m.starts_with(&begin)).count(), 1, "{begin}: {marks:?}");
    }
    assert!(marks.iter().any(|m| m.ends_with("because: fenced by another producer")));
}

#[test]
fn more_than_can_stand_side_by_side_are_drawn_together_and_no_crash_is_lost() {
    let (_feed, mut h, _) = job(1_200);
    assert!(said(&h).starts_with("1,"), "{}", said(&h));
    let all = marks(&h);
    assert!(all.len() < 500, "{}", all.len());
    assert_eq!(all.iter().filter(|m| m.starts_with("Crash: ")).count(), 2);
    // Each is in one of those drawn together, and the worst ones are named.
    let counts = all.iter().filter_map(|m| {
        let (n, rest) = m.split_once(" epoch")?;
        rest.starts_with([':', 's']).then(|| n.parse::<u64>().unwrap())
    });
    let whole: u64 = said(&h).split(' ').next().unwrap().replace(',', "").parse().unwrap();
    let single = all.iter().filter(|m| m.starts_with("Epoch ")).count() as u64;
    assert_eq!(counts.sum::<u64>() + single, whole);
    assert!(all.iter().any(|m| m.contains("1 aborted") || m.contains(": aborted")));
    // Close to, they stand by themselves.
    ask(&mut h, Command::View(Some((100, 140))));
    let near = marks(&h);
    assert!(near.iter().all(|m| m.starts_with("Epoch ") || !m.contains("zoom in")), "{near:?}");
}

#[test]
fn a_run_that_is_no_job_shows_no_strip() {
    let feed = Feed::new(300);
    let mut h = harness((1200, 420), false, Some(Panel::Timeline));
    ask(&mut h, Command::Open(feed.run()));
    assert!(h.query_by_label("Epochs").is_none());
}

#[test]
fn epochs_that_cannot_be_read_are_said_in_their_place() {
    let feed = Feed::new(300);
    // A folder in place of the file.
    std::fs::create_dir(feed.run().join("delivery.epochs.jsonl")).unwrap();
    let mut h = harness((1200, 420), false, Some(Panel::Timeline));
    ask(&mut h, Command::Open(feed.run()));
    assert!(h.query_by_label_contains("The job's epochs cannot be read").is_some());
    assert!(h.query_by_label("views").is_some(), "the rows are there");
}
