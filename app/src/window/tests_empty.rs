//! Runs without a record, and with one.

use std::path::Path;

use egui_kittest::kittest::Queryable as _;
use joinscope_core::edges::recording::{Writer, WriterOptions};
use joinscope_operator::record::TopicPartition;

use super::command::Command;
use super::panel::Panel;
use super::testing::{PIPELINE, ask, opened, rerun};

/// A recording of the pipeline's topics that holds nothing.
fn nothing(path: &Path) {
    let mut writer = Writer::create(path, WriterOptions::default()).unwrap();
    for topic in ["views", "engagements"] {
        writer.partition(TopicPartition { topic: topic.into(), partition: 0 }).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn a_run_that_ended_without_a_record_does_not_promise_any() {
    let folder = tempfile::tempdir().unwrap();
    let (recording, run) = (folder.path().join("feed.mcap"), folder.path().join("run"));
    nothing(&recording);
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
