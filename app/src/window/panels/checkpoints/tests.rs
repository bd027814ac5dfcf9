//! The checkpoints panel through its accessibility tree.

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::window::app::App;
use crate::window::command::{Command, Export};
use crate::window::headless::harness;
use crate::window::panel::Panel;
use crate::window::testing::{ask, copied, feed, heading, opened, press, rows, sample_run};

#[test]
fn each_checkpoint_says_what_it_took_and_a_press_goes_there() {
    let mut h = opened(sample_run());
    ask(&mut h, Command::ShowPanel(Panel::Checkpoints));
    let entries = h.state().doc().run.as_ref().unwrap().manifest.checkpoints.clone();
    assert!(!entries.is_empty());
    let sentence = heading(&h, Panel::Checkpoints).value().unwrap();
    assert!(sentence.starts_with(&entries.len().to_string()), "{sentence}");
    let row = rows(&h).into_iter().find(|r| r.starts_with("checkpoint of epoch")).unwrap();
    let first = &entries[0];
    assert!(row.contains(&format!("at arrival {},", first.arrival)), "{row}");
    assert!(row.contains(&format!("sync {} ms", first.sync_ms)), "{row}");
    // What it cost the join.
    assert!(first.pause_us > 0, "{first:?}");
    let paused = match first.pause_us {
        0..50 => "the join paused for <0.1 ms".to_owned(),
        us => format!("the join paused for {:.1} ms", us as f64 / 1e3),
    };
    assert!(row.contains(&paused), "{row}");
    assert!(sentence.contains("the join paused for "), "{sentence}");
    press(&mut h, &row);
    assert_eq!(h.state().cursor().at(), first.arrival - 1);
    // Not every epoch has one: that is explained.
    assert!(first.epoch > 1 || entries.len() > 1, "{first:?}");
    let why = h.query_by_label_contains("not at each epoch").is_some();
    assert_eq!(why, entries.last().unwrap().epoch > entries.len() as u64);
    // Its offsets are those that the run store names.
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let next = run.next_offsets(first.arrival).unwrap()[0].unwrap();
    let said = format!("views[0]: {}", crate::window::text::thousands(next as u64));
    assert!(h.query_by_label(&said).is_some(), "{:?}", rows(&h));
    let json = copied(&mut h, "Offsets, ", 0);
    assert_eq!(json, serde_json::json!({ "partition": "views[0]", "next_offset": next }));
}

#[test]
fn what_each_holds_on_disk_is_shown_said_and_written_where_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = harness((1_200, 300), false, Some(Panel::Checkpoints));
    ask(&mut h, Command::Open(sample_run().to_owned()));
    let first = h.state().doc().run.as_ref().unwrap().manifest.checkpoints[0].clone();
    // As an engine wrote it.
    assert!(first.disk_bytes.unwrap() >= first.written_bytes, "{first:?}");
    let written = |h: &mut Harness<'_, App>, name: &str| {
        let csv = folder.path().join(name);
        ask(h, Command::ExportTo(Export::Data(Panel::Checkpoints), csv.clone(), false));
        let text = std::fs::read_to_string(csv).unwrap();
        let cells = |line: usize| text.lines().nth(line).unwrap().split(',').map(str::to_owned);
        let of = cells(0).zip(cells(1)).find(|(title, _)| title == "disk_bytes");
        of.unwrap().1
    };
    for (held, cell, said, name) in [
        (Some(7_700_000), "7.7 MB", "61 kB written of 7.7 MB on disk", "held.csv"),
        (None, "", "61 kB written", "unknown.csv"),
    ] {
        let run = h.state_mut().doc.run.as_mut().unwrap();
        let mut manifest = (*run.manifest).clone();
        manifest.checkpoints[0].written_bytes = 61_000;
        manifest.checkpoints[0].disk_bytes = held;
        run.manifest = std::sync::Arc::new(manifest);
        h.step();
        h.step();
        let row = rows(&h).into_iter().find(|r| r.starts_with("checkpoint of epoch")).unwrap();
        assert!(row.ends_with(said), "{row}");
        assert!(h.query_by_label("On disk").is_some());
        let shown = h.output().shapes.iter().any(|shape| match &shape.shape {
            egui::Shape::Text(text) => text.galley.text() == "7.7 MB",
            _ => false,
        });
        assert_eq!(shown, !cell.is_empty());
        let bytes = held.map_or_else(String::new, |n| n.to_string());
        assert_eq!(written(&mut h, name), bytes);
    }
}

#[test]
fn checkpoints_are_reached_by_keyboard() {
    let mut h = opened(sample_run());
    ask(&mut h, Command::ShowPanel(Panel::Checkpoints));
    let entries = h.state().doc().run.as_ref().unwrap().manifest.checkpoints.clone();
    let table = h
        .get_all_by_role(Role::Table)
        .find(|n| n.accesskit_node().label().is_some_and(|l| l.starts_with("Checkpoints, ")));
    table.unwrap().focus();
    h.step();
    for key in [egui::Key::End, egui::Key::Enter] {
        h.key_press(key);
        h.step();
        h.step();
    }
    let last = entries.last().unwrap();
    let at = last.arrival - 1;
    assert_eq!(h.state().cursor().at(), at);
}

#[test]
fn a_run_without_checkpoints_says_why() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Checkpoints));
    let none = h.state().doc().run.as_ref().unwrap().manifest.checkpoints.is_empty();
    let said = h.query_all_by_label_contains("No checkpoint").next().is_some();
    assert_eq!(none, said);
}

#[test]
fn long_titles_have_a_short_form_that_fits() {
    let short = ["Rows", "Phases", "Paused"];
    let whole = ["Rows in state", "Delta · snapshot · sync, ms", "Join paused"];
    for (wide, there) in [(700, 0), (1_200, 1)] {
        let mut h = harness((wide, 300), false, Some(Panel::Checkpoints));
        ask(&mut h, Command::Open(sample_run().to_owned()));
        for (n, title) in
            [short, whole].into_iter().enumerate().flat_map(|(n, all)| all.map(|t| (n, t)))
        {
            let is_there = h.query_all_by_label(title).next().is_some();
            assert_eq!(is_there, n == there, "{wide}: {title}");
        }
    }
}

#[test]
fn in_a_narrow_panel_what_stays_is_whole() {
    for (wide, titles) in [(560, 8), (500, 6), (400, 4)] {
        let mut h = harness((wide, 300), false, Some(Panel::Checkpoints));
        ask(&mut h, Command::Open(sample_run().to_owned()));
        let first = h.state().doc().run.as_ref().unwrap().manifest.checkpoints[0].clone();
        let arrival = crate::window::text::thousands(first.arrival);
        let text = |shape: &egui::epaint::ClippedShape| match &shape.shape {
            egui::Shape::Text(text) => {
                Some(text.galley.text().to_owned()).filter(|_| !text.galley.elided)
            }
            _ => None,
        };
        let shown: Vec<String> = h.output().shapes.iter().filter_map(text).collect();
        assert!(shown.contains(&arrival), "{wide}: {shown:?}");
        let heads = h.get_all_by_role(Role::ColumnHeader).count();
        assert_eq!(heads, titles, "{wide}");
        // All of it is said.
        let row = rows(&h).into_iter().find(|r| r.starts_with("checkpoint of epoch")).unwrap();
        assert!(row.contains(&format!("sync {} ms", first.sync_ms)), "{row}");
    }
}
