//! Runs at the edges: without a record, with events of other days than their arrivals, with
//! a key as long as a value and many headers.

use std::path::Path;

use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::edges::recording::{Writer, WriterOptions};
use joinscope_operator::record::{Header, Record, TimestampType, TopicPartition};

use super::command::Command;
use super::panel::Panel;
use super::testing::{BEGIN, PIPELINE, ask, opened, rerun};

/// A recording of the pipeline's topics that holds these views, a second apart.
fn recorded(path: &Path, views: &[String]) {
    let mut writer = Writer::create(path, WriterOptions::default()).unwrap();
    for topic in ["views", "engagements"] {
        writer.partition(TopicPartition { topic: topic.into(), partition: 0 }).unwrap();
    }
    for (n, view) in views.iter().enumerate() {
        let record = Record {
            arrival: n as u64,
            arrival_ns: (BEGIN + n as i64 * 1_000) * 1_000_000,
            source: 0,
            offset: n as i64,
            timestamp: Some(BEGIN),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: None,
            value: Some(view.clone().into_bytes().into()),
            headers: (0..120)
                .map(|n| Header { key: format!("h{n}").into(), value: None })
                .collect(),
        };
        writer.add(&record).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn a_run_that_ended_without_a_record_does_not_promise_any() {
    let folder = tempfile::tempdir().unwrap();
    let (recording, run) = (folder.path().join("feed.mcap"), folder.path().join("run"));
    recorded(&recording, &[]);
    rerun(&recording, PIPELINE, &[], &run);
    let mut h = opened(&run);
    for panel in [
        Panel::Watermarks,
        Panel::Timeline,
        Panel::Records,
        Panel::Outputs,
        Panel::Late,
        Panel::State,
    ] {
        ask(&mut h, Command::ShowPanel(panel));
        assert!(h.query_all_by_label_contains("first segment").next().is_none(), "{panel}");
    }
    let said = h.query_all_by_label_contains("The pipeline's topics hold none").count();
    assert!(said >= 3, "the two above, and the table in front: {said}");
    let mut h = opened(&recording);
    ask(&mut h, Command::ShowPanel(Panel::Records));
    assert!(h.query_all_by_label_contains("The recording holds none").next().is_some());
}

#[test]
fn of_one_record_alone_no_partition_is_said_to_be_silent() {
    let folder = tempfile::tempdir().unwrap();
    let (recording, run) = (folder.path().join("feed.mcap"), folder.path().join("run"));
    recorded(&recording, &[format!(r#"{{"view_id":7,"ts":{BEGIN}}}"#)]);
    // One topic feeds both inputs, so that the join has an event-time watermark.
    let text = PIPELINE
        .replace(", idle_timeout = \"30s\"", "")
        .replace("topic = \"engagements\"", "topic = \"views\"");
    rerun(&recording, &text, &[], &run);
    let h = opened(&run);
    let lines = h.get_by_label("Event-time watermark lines");
    let said = lines.accesskit_node().value().unwrap_or_default();
    assert!(!said.contains(" silent for "), "{said}");
}

#[test]
fn an_event_of_another_day_than_the_arrivals_has_its_date() {
    const DAY: i64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let (recording, run) = (folder.path().join("feed.mcap"), folder.path().join("run"));
    // Also before 1970.
    let times = [BEGIN, BEGIN - 3 * DAY, -DAY];
    recorded(&recording, &times.map(|time| format!(r#"{{"view_id":7,"ts":{time}}}"#)));
    rerun(&recording, PIPELINE, &[], &run);
    let h = opened(&run);
    let rows = h.get_all_by_role(Role::Row).filter_map(|n| n.accesskit_node().value());
    let rows: Vec<String> = rows.collect();
    for (row, time) in
        ["08:08:00.000", "2025-11-17 08:08:00.000", "1969-12-31 00:00:00.000"].iter().enumerate()
    {
        let said = format!("Event time {time},");
        assert!(rows[row].contains(&said), "{said} in {rows:?}");
    }
}

#[test]
fn a_key_as_long_as_a_value_is_cut_and_escaped_and_headers_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (recording, run) = (folder.path().join("feed.mcap"), folder.path().join("run"));
    let key = format!("\u{202e}{}", "k".repeat(20_000));
    let view = serde_json::json!({ "view_id": key, "ts": BEGIN });
    recorded(&recording, &[view.to_string()]);
    rerun(&recording, PIPELINE, &[], &run);
    let mut h = opened(&run);
    ask(&mut h, Command::SelectRecord("views[0]@0".parse().unwrap()));
    let is_key = |label: Option<String>| label.is_some_and(|label| label.starts_with("Key: "));
    let said = h.get_by(move |n| is_key(n.value()));
    let label = said.accesskit_node().value().unwrap();
    assert!(label.starts_with("Key: \\u{202e}kkk") && label.len() < 1_000, "{}", label.len());
    said.hover();
    h.run_steps(60);
    let long = h.output().shapes.iter().any(|shape| match &shape.shape {
        egui::Shape::Text(text) => {
            let text = text.galley.text();
            text.contains('\u{202e}') || text.chars().count() > 1_000
        }
        _ => false,
    });
    assert!(!long, "nor in its tooltip");
    assert!(h.query_by_label("and 20 more").is_some(), "headers");
}
