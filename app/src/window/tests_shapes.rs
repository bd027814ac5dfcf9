//! Large shapes: many topics and partitions, one key with a million rows, the
//! last of a hundred million rows.

use std::path::Path;

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::edges::recording::{Recording, Writer, WriterOptions};
use joinscope_core::engine::{AtEnd, Control};
use joinscope_operator::record::{Record, TimestampType, TopicPartition};

use super::command::Command;
use super::headless::{harness, settle};
use super::panel::Panel;
use super::selection::Selection;
use super::store::{RunOrder, execute};
use super::table::{Cell, Column, RowCells, Table};
use super::testing::{BEGIN, PATIENT, PIPELINE, ask, rerun, rows};

fn record(arrival: u64, source: u32, offset: i64, time: i64, id: u64) -> Record {
    Record {
        arrival,
        arrival_ns: (time + 500) * 1_000_000,
        source,
        offset,
        timestamp: Some(time),
        timestamp_type: TimestampType::Create,
        leader_epoch: Some(0),
        key: None,
        value: Some(format!(r#"{{"view_id":{id},"ts":{time}}}"#).into_bytes().into()),
        headers: Vec::new(),
    }
}

fn run(folder: &Path, recording: Recording) -> std::path::PathBuf {
    let out = folder.join("run");
    let order = RunOrder {
        file: "feed.toml".to_owned(),
        text: PIPELINE.to_owned(),
        overrides: Vec::new(),
        memory: 512 << 20,
        seed: 0,
        restarts: Vec::new(),
        at_end: AtEnd::Open,
        recording,
        out: Some(out.clone()),
    };
    execute(&order, &Control::new(), &|_| {}).unwrap();
    out
}

/// 500 topics; views and engagements have 2,000 partitions each, the others two
/// or three, 5,000 in all.
fn many_partitions(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("wide.mcap");
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    let add = |writer: &mut Writer, topic: &str, partition| {
        writer.partition(TopicPartition { topic: topic.into(), partition }).unwrap();
    };
    for topic in ["views", "engagements"] {
        for partition in 0..2_000 {
            add(&mut writer, topic, partition);
        }
    }
    for topic in 0..498 {
        for partition in 0..2 + i32::from(topic < 4) {
            add(&mut writer, &format!("warehouse.orders.changes-of-table-{topic:03}"), partition);
        }
    }
    let mut offsets = vec![0i64; 5_000];
    for arrival in 0..40_000u64 {
        let source = (arrival * 7 % 5_000) as u32;
        let time = BEGIN + arrival as i64 * 20 - i64::from(source % 97) * 300;
        writer.add(&record(arrival, source, offsets[source as usize], time, arrival / 2)).unwrap();
        offsets[source as usize] += 1;
    }
    writer.finish().unwrap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!(recording.info().partitions.len(), 5_000);
    run(folder, recording)
}

/// A folder to look at afterwards where `JOINSCOPE_KEEP_SHAPES` names one.
fn kept(folder: tempfile::TempDir, name: &str) {
    if let Ok(dir) = std::env::var("JOINSCOPE_KEEP_SHAPES") {
        std::fs::rename(folder.keep(), Path::new(&dir).join(name)).unwrap();
    }
}

#[test]
fn five_thousand_partitions_of_five_hundred_topics_are_drawn_in_few_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let run = many_partitions(folder.path());
    let what = super::Measured { run: &run, frames: 3, seed: 1, panels: &[], compare: None };
    let figures = super::measure(&what).unwrap();
    assert!(figures.vertices_most < 200_000, "{} vertices", figures.vertices_most);

    let mut h = harness((1600, 1000), false, None);
    h.state_mut().command(Command::Open(run));
    settle(&mut h).unwrap();
    // Each panel, with something selected and something to compare with.
    let patient = folder.path().join("patient");
    rerun(&folder.path().join("wide.mcap"), PIPELINE, PATIENT, &patient);
    ask(&mut h, Command::Select(Some(Selection::Row(20_000)), None));
    ask(&mut h, Command::AddBreakpoint("verdict=late".parse().unwrap()));
    ask(&mut h, Command::Compare(patient));
    for panel in Panel::ALL {
        ask(&mut h, Command::ShowPanel(panel));
        assert!(h.state().layout.is_in_sight(panel), "{panel}");
        let meshes = h.ctx.tessellate(h.output().shapes.clone(), 1.0);
        let vertices = super::frame::vertices(&meshes);
        assert!((1_000..200_000).contains(&vertices), "{panel}: {vertices} vertices");
    }
    // The pipeline's topics are listed, the rest is behind a search field.
    let listed = |h: &Harness<'_, _>| h.query_all_by_label_contains("warehouse.orders").count();
    assert_eq!(listed(&h), 0);
    h.get_by_label("Search topics").focus();
    h.step();
    h.get_by_label("Search topics").type_text("table-07");
    settle(&mut h).unwrap();
    assert_eq!(listed(&h), 10);
    kept(folder, "wide");
}

#[test]
fn one_key_with_a_million_rows_is_found_and_explained() {
    const ROWS: u64 = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hot.mcap");
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    for topic in ["views", "engagements"] {
        writer.partition(TopicPartition { topic: topic.into(), partition: 0 }).unwrap();
    }
    for n in 0..ROWS {
        writer.add(&record(n, 0, n as i64, BEGIN + n as i64, 7)).unwrap();
    }
    // One engagement that no view reaches.
    let time = BEGIN - 3_600_000;
    let lone = Record {
        arrival_ns: (BEGIN + ROWS as i64 + 500) * 1_000_000,
        ..record(ROWS, 1, 0, time, 7)
    };
    writer.add(&lone).unwrap();
    writer.finish().unwrap();
    let run = run(folder.path(), Recording::open(&path).unwrap());

    let mut h = harness((1600, 1000), false, None);
    h.state_mut().command(Command::Open(run));
    settle(&mut h).unwrap();
    ask(&mut h, Command::SelectRecord("engagements[0]@0".parse().unwrap()));
    let links = h.get_all_by_role(Role::Link).count();
    assert!(links > 0 && links < 400, "{links} links");
    // The records end with it, and the table reaches it.
    h.get_by_label("Records, 1,000,001 rows").focus();
    h.run_steps(3);
    let key = |h: &mut Harness<'_, _>, key| {
        h.key_press(key);
        settle(h).unwrap();
        rows(h)
    };
    assert!(key(&mut h, Key::Home)[0].starts_with("arrival 0, views[0]@0, "));
    let at_end = key(&mut h, Key::End);
    assert!(at_end.last().unwrap().starts_with("arrival 1000000, engagements[0]@0, "));
    // The candidates that are not listed are counted.
    assert!(h.query_all_by_label_contains("and 999,").next().is_some());
    ask(&mut h, Command::Search("7".to_owned()));
    assert!(h.query_all_by_label_contains("1,000,001").next().is_some());
    ask(&mut h, Command::Search(String::new()));
    kept(folder, "hot");
}

#[test]
fn the_last_of_a_hundred_million_rows_is_shown_whole() {
    const MANY: u64 = 100_000_000;
    let mut table = Table::default();
    let columns = [Column::rest("Row")];
    let mut h = Harness::builder().with_size(egui::vec2(400.0, 300.0)).build_ui(move |ui| {
        super::theme::apply(ui.ctx());
        let laid = table.lay_out(ui, "Rows", &columns, MANY);
        table.paint(ui, &laid, |row| {
            Some(RowCells {
                cells: vec![Cell::Mono(super::text::thousands(row))],
                name: format!("row {row}"),
                selected: false,
                hovered: false,
                dimmed: false,
            })
        });
    });
    h.run();
    let names = |h: &Harness<'_>| -> Vec<String> {
        h.get_all_by_role(Role::Row).filter_map(|n| n.accesskit_node().label()).collect()
    };
    h.get_by_label("Rows, 100,000,000 rows").focus();
    h.step();
    let key = |h: &mut Harness<'_>, key| {
        h.key_press(key);
        h.step();
        h.step();
    };
    key(&mut h, Key::End);
    assert_eq!(names(&h).last().unwrap(), "row 99999999");
    let seen = names(&h);
    // Without a gap, and one row up is one row up.
    let first: u64 = seen[0].trim_start_matches("row ").parse().unwrap();
    let expected: Vec<String> = (first..MANY).map(|row| format!("row {row}")).collect();
    assert_eq!(seen, expected);
    key(&mut h, Key::Home);
    assert_eq!(names(&h)[0], "row 0");
    key(&mut h, Key::ArrowDown);
    assert_eq!(names(&h)[0], "row 0");
}
