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

/// What stands beside the pointer, once it has rested over a place.
fn told(h: &mut Harness<'_, App>, at: egui::Pos2) -> String {
    h.hover_at(at);
    // Longer than a tooltip takes to appear.
    h.run_steps(8);
    let texts = h.query_all_by_role(Role::Label).filter_map(|n| n.accesskit_node().value());
    let mut many: Vec<String> = texts.filter(|text| text.contains('\n')).collect();
    assert_eq!(many.len(), 1, "{many:?}");
    many.remove(0)
}

fn place(h: &Harness<'_, App>, begin: &str) -> egui::Pos2 {
    let name = marks(h).into_iter().find(|m| m.starts_with(begin)).unwrap();
    h.get_by_label(&name).rect().center()
}

#[test]
fn the_pointer_is_told_what_it_is_over_and_a_press_goes_there() {
    let (_feed, mut h, records) = job(30);
    let each = records.div_ceil(30);
    let crash = place(&h, "Crash: process 2 ");
    let said = told(&mut h, crash);
    assert!(said.starts_with("Crash: process 2 ended without a word\nat arrival "), "{said}");
    let committed = place(&h, "Epoch 2: ");
    let said = told(&mut h, committed);
    let arrivals = format!("arrivals {each} – {}", 2 * each - 1);
    let begin = format!("Epoch 2: committed\n{arrivals}\ncheckpoint on the disk 2025-11-20");
    assert!(said.starts_with(&begin), "{said}");
    assert!(said.ends_with("\nprocess 1"), "{said}");
    h.input_mut().events.extend([true, false].map(|pressed| egui::Event::PointerButton {
        pos: committed,
        button: egui::PointerButton::Primary,
        pressed,
        modifiers: egui::Modifiers::NONE,
    }));
    h.step();
    crate::window::headless::settle(&mut h).unwrap();
    assert_eq!(h.state().cursor().at(), 2 * each - 1, "the epoch's last record");
    // Beside all of them it says how to read the strip.
    let name = h.get_by_label("Epochs").rect().left_center() + egui::vec2(12.0, 0.0);
    let said = told(&mut h, name);
    assert!(said.starts_with("32 epochs: 28 committed, "), "{said}");
    assert!(said.contains("; 2 crashes in sight\nfilled: committed · hollow: prepared"), "{said}");
}

#[test]
fn arrows_go_from_epoch_to_epoch_while_the_strip_has_the_focus() {
    let (_feed, mut h, records) = job(30);
    let each = records.div_ceil(30);
    ask(&mut h, Command::GoTo(0));
    let go = |h: &mut Harness<'_, App>, key| {
        h.key_press(key);
        crate::window::headless::settle(h).unwrap();
        h.state().cursor().at()
    };
    let (left, right) = (egui::Key::ArrowLeft, egui::Key::ArrowRight);
    // Elsewhere they go by records.
    assert_eq!(go(&mut h, right), 1);
    h.get_by_label("Epochs").focus();
    h.step();
    for epoch in 1..=3 {
        assert_eq!(go(&mut h, right), epoch * each - 1);
    }
    assert_eq!(go(&mut h, left), 2 * each - 1);
    ask(&mut h, Command::GoTo(each / 2));
    assert_eq!(go(&mut h, left), each / 2, "nothing ended before");
    ask(&mut h, Command::GoTo(records - 1));
    assert_eq!(go(&mut h, right), records - 1, "nothing ends behind");
    assert_eq!(go(&mut h, left), 29 * each - 1);
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
    let listed = h.state().errors().list();
    assert!(listed[0].message.starts_with("The job's epochs cannot be read"), "{listed:?}");
    assert!(listed.len() == 1 && listed[0].times == 1, "{listed:?}");
}
