//! Causality through the accessibility tree.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::edges::recording::{Writer, WriterOptions};
use joinscope_core::engine::step::OutputKind;
use joinscope_core::run::{Direction, RowView, Run, VerdictSet};
use joinscope_operator::record::{Record, TimestampType, TopicPartition};
use joinscope_operator::verdict::Verdict;

use super::paint::output_names;
use super::story::{Kind, Subject, read};
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::headless::{harness, settle};
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::testing::{BEGIN, Feed, PIPELINE, Wide, hold, is_said_to_read, rerun};
use crate::window::theme::Tokens;

fn feed() -> &'static Feed {
    static FEED: OnceLock<Feed> = OnceLock::new();
    FEED.get_or_init(|| Feed::new(1_500))
}

fn opened(path: &Path) -> Harness<'static, App> {
    let mut h = harness((1300, 460), false, Some(Panel::Causality));
    h.state_mut().command(Command::Open(path.to_owned()));
    settle(&mut h).unwrap();
    h
}

fn ask(h: &mut Harness<'_, App>, command: Command) {
    h.state_mut().command(command);
    settle(h).unwrap();
}

fn run_of(h: &Harness<'_, App>) -> joinscope_core::run::Run {
    h.state().doc().run.as_ref().unwrap().run.clone()
}

fn first(h: &Harness<'_, App>, verdict: Verdict, input: u8) -> RowView {
    let run = run_of(h);
    (0..2_000)
        .filter_map(|n| run.nth(VerdictSet::of(verdict), n).unwrap())
        .map(|row| run.row(row).unwrap())
        .find(|row| row.input == input)
        .unwrap()
}

fn labels(h: &Harness<'_, App>, role: Role) -> Vec<String> {
    h.query_all_by_role(role).filter_map(|n| n.accesskit_node().label()).collect()
}

#[test]
fn with_nothing_selected_it_says_what_to_do() {
    let h = opened(&feed().run());
    assert!(h.query_all_by_label_contains("Select a record or an output").next().is_some());
}

#[test]
fn a_joined_record_is_shown_with_its_partner_its_output_and_its_lanes() {
    let mut h = opened(&feed().run());
    let row = first(&h, Verdict::Joined, 1);
    ask(&mut h, Command::Select(Some(Selection::Row(row.row)), Some(row.arrival)));
    let nodes = labels(&h, Role::Button);
    let own = format!("{}, joined", row.record);
    assert!(nodes.contains(&own), "{nodes:?}");
    assert!(nodes.iter().any(|n| n.starts_with("views[")), "{nodes:?}");
    assert!(nodes.iter().any(|n| n.starts_with("output ")), "{nodes:?}");
    for lane in ["engine", "sink", "epochs"] {
        assert!(h.query_by_label(lane).is_some(), "{lane}");
    }
    let detail = h.get_by_label(&own).value().unwrap();
    assert!(detail.contains("event time ") && detail.contains("arrived "), "{detail}");
    // An output is a node that can be selected.
    let output = nodes.iter().find(|n| n.starts_with("output ")).unwrap();
    h.get_by_label(output).click();
    settle(&mut h).unwrap();
    assert!(matches!(h.state().selection(), Some(Selection::Output(_))));
}

#[test]
fn arrows_come_from_the_run() {
    let h = opened(&feed().run());
    let run = run_of(&h);
    let row = first(&h, Verdict::Joined, 1);
    let story = read(&run, Subject::Row(row.row)).unwrap();
    let cause = story.caused.iter().find(|c| c.row == row.row).unwrap();
    assert_eq!((Some(cause.cause), Some(cause.at)), (row.cause, row.decided));
    for out in &story.outputs {
        assert!(out.output.rows.iter().any(|r| story.rows.iter().any(|s| s.row == *r)));
        assert_eq!(out.at_ms, run.arrival_ms(out.output.at).unwrap());
        let epoch = story.epochs.iter().find(|e| e.n == out.output.epoch).unwrap();
        let interval = run.pipeline().delivery.checkpoint_interval;
        // It was put out within the epoch that ends there.
        assert!(out.at_ms <= epoch.ends_ms && out.at_ms >= epoch.ends_ms - interval);
    }
}

#[test]
fn a_record_that_arrived_after_what_happened_later_is_listed_and_selects() {
    let wide = Wide::new(4, 200);
    let mut h = opened(&wide.run());
    let run = run_of(&h);
    // Views of partition 3 are overtaken by their engagements.
    let early = (0..run.rows())
        .map(|row| run.row(row).unwrap())
        .find(|r| r.input == 1 && r.record.partition == 3)
        .unwrap();
    let story = read(&run, Subject::Row(early.row)).unwrap();
    let turned = story.inversions.iter().find(|i| i.kind == Kind::Arrival).unwrap().clone();
    let view = story.rows.iter().find(|r| r.row == turned.row).unwrap();
    assert_eq!((view.input, turned.against), (0, early.row));
    assert!(view.arrival > early.arrival && view.event_time < early.event_time);
    assert!(turned.text.contains("happened 2 s before"), "{}", turned.text);
    ask(&mut h, Command::Select(Some(Selection::Row(early.row)), Some(early.arrival)));
    let canvas = h.get_by_label("Causality of the selection").value().unwrap();
    assert!(canvas.contains("1 inversion"), "{canvas}");
    h.get_by_label(&turned.text).click();
    settle(&mut h).unwrap();
    assert_eq!(h.state().selection(), Some(Selection::Row(turned.row)));
}

#[test]
fn a_record_that_happened_before_what_it_is_joined_to_is_listed() {
    let wide = Wide::new(4, 200);
    // Engagements look back for the view that they follow 2 s later.
    let text = PIPELINE.replace("primary = \"views\"", "primary = \"engagements\"").replace(
        "with.engagements = { after = \"0s\", until = \"5m\" }",
        "with.views = { after = \"-10s\", until = \"0s\" }",
    );
    let out = wide.folder.path().join("turned");
    rerun(&wide.folder.path().join("feed.mcap"), &text, &[], &out);
    let h = opened(&out);
    let row = first(&h, Verdict::Joined, 0);
    let story = read(&run_of(&h), Subject::Row(row.row)).unwrap();
    let turned = story.inversions.iter().find(|i| i.kind == Kind::EventTime).unwrap();
    let against = story.rows.iter().find(|r| r.row == turned.against).unwrap();
    assert_eq!((turned.row, against.input), (row.row, 1));
    assert!(turned.text.contains("happened 2 s before"), "{}", turned.text);
    assert!(turned.text.ends_with(", which it was joined to"), "{}", turned.text);
}

#[test]
fn the_keyboard_walks_from_node_to_node() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Next(VerdictSet::of(Verdict::Joined), Direction::Backward));
    h.get_by_label("Causality of the selection").focus();
    settle(&mut h).unwrap();
    h.key_press(Key::End);
    settle(&mut h).unwrap();
    h.key_press(Key::Enter);
    settle(&mut h).unwrap();
    // The last of all is the output.
    assert!(
        matches!(h.state().selection(), Some(Selection::Output(_))),
        "{:?}",
        h.state().selection()
    );
}

#[test]
fn what_is_later_than_the_cursor_is_dimmed() {
    let mut h = opened(&feed().run());
    let row = first(&h, Verdict::Joined, 1);
    ask(&mut h, Command::Select(Some(Selection::Row(row.row)), Some(row.arrival)));
    let is_dimmed = |h: &Harness<'_, App>| {
        let veil = Tokens::of(&h.ctx).veil();
        let mut shapes = h.output().shapes.iter();
        shapes.any(|s| matches!(&s.shape, egui::Shape::Rect(r) if r.fill == veil))
    };
    assert!(is_dimmed(&h), "its epoch ends later");
    ask(&mut h, Command::End);
    assert!(!is_dimmed(&h));
}

#[test]
fn a_record_without_a_key_stands_alone() {
    let mut h = opened(&feed().run());
    let row = first(&h, Verdict::Undecodable, 1);
    ask(&mut h, Command::Select(Some(Selection::Row(row.row)), Some(row.arrival)));
    let canvas = h.get_by_label("Causality of the selection").value().unwrap();
    assert!(canvas.starts_with("1 record, 0 outputs"), "{canvas}");
}

/// A run over one key: so many views, then so many engagements, each of which joins
/// each view. Records arrive `ahead` ms before they happen.
fn one_key(folder: &Path, views: i64, engagements: i64, ahead: i64) -> PathBuf {
    let path = folder.join("key.mcap");
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    for topic in ["views", "engagements"] {
        writer.partition(TopicPartition { topic: topic.into(), partition: 0 }).unwrap();
    }
    for n in 0..views + engagements {
        let (source, offset) = if n < views { (0, n) } else { (1, n - views) };
        let time = BEGIN + n * 100;
        let record = Record {
            arrival: n as u64,
            arrival_ns: (time - ahead) * 1_000_000,
            source,
            offset,
            timestamp: Some(time),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: None,
            value: Some(format!(r#"{{"view_id":7,"ts":{time}}}"#).into_bytes().into()),
            headers: Vec::new(),
        };
        writer.add(&record).unwrap();
    }
    writer.finish().unwrap();
    let run = folder.join("run");
    rerun(&path, PIPELINE, &[], &run);
    run
}

#[test]
fn as_many_outputs_as_are_shown_are_all_of_them() {
    let story = |engagements| {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::open(&one_key(folder.path(), 4, engagements, 0)).unwrap();
        read(&run, Subject::Row(0)).unwrap()
    };
    let all = story(20);
    assert_eq!((all.rows.len(), all.outputs.len(), all.more_outputs), (24, 80, false));
    let more = story(21);
    assert_eq!((more.rows.len(), more.outputs.len(), more.more_outputs), (25, 80, true));
}

#[test]
fn outputs_without_room_are_called_by_what_tells_them_apart() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::open(&one_key(folder.path(), 1, 3, 0)).unwrap();
    let mut outputs = read(&run, Subject::Row(0)).unwrap().outputs;
    let names = output_names(&outputs);
    assert_eq!(names.len(), 3);
    for (out, [full, short]) in outputs.iter().zip(&names) {
        assert_eq!(*full, format!("pair {}", out.output.n));
        assert_eq!(*short, out.output.n.to_string());
    }
    outputs[1].output.kind = OutputKind::Pad;
    let short: Vec<String> = output_names(&outputs).into_iter().map(|[_, short]| short).collect();
    assert_eq!(short, ["pair", "with nulls", "pair"]);
}

#[test]
fn a_record_that_arrived_before_it_happened_is_said_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&one_key(folder.path(), 1, 1, 5_000));
    ask(&mut h, Command::Select(Some(Selection::Row(0)), Some(0)));
    let row = run_of(&h).row(0).unwrap();
    let detail = h.get_by_label(&format!("{}, {}", row.record, row.verdict)).value().unwrap();
    assert!(detail.contains(", 5 s before it happened"), "{detail}");
}

#[test]
fn late_records_of_the_key_are_counted_in_the_sentence() {
    let mut h = opened(&feed().run());
    let row = first(&h, Verdict::Late, 1);
    ask(&mut h, Command::Select(Some(Selection::Row(row.row)), Some(row.arrival)));
    let late = read(&run_of(&h), Subject::Row(row.row)).unwrap();
    let late = late.rows.iter().filter(|r| r.verdict == Verdict::Late).count();
    let canvas = h.get_by_label("Causality of the selection").value().unwrap();
    assert!(late > 0 && canvas.contains(&format!(", {late} late, ")), "{canvas}");
}

#[test]
fn what_is_selected_has_its_name_however_crowded_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = harness((700, 460), false, Some(Panel::Causality));
    ask(&mut h, Command::Open(one_key(folder.path(), 2, 60, 0)));
    let named = |h: &Harness<'_, App>, name: &str| {
        let mut shapes = h.output().shapes.iter();
        shapes.any(|s| matches!(&s.shape, egui::Shape::Text(t) if t.galley.text() == name))
    };
    let engagement = |offset: u64| Some(Selection::Row(2 + offset));
    ask(&mut h, Command::Select(engagement(30), Some(32)));
    assert!(named(&h, "@30") && !named(&h, "@31"), "its neighbours have no room");
    ask(&mut h, Command::Select(engagement(31), Some(33)));
    assert!(named(&h, "@31") && !named(&h, "@30"));
}

#[test]
fn until_the_key_is_there_it_is_said_to_be_read() {
    let mut h = opened(&feed().run());
    let work = hold(&h);
    h.state_mut().command(Command::Select(Some(Selection::Row(10)), Some(10)));
    assert!(is_said_to_read(&mut h, work, "Reading the run. What led"));
}

const CANVAS: &str = "Causality of the selection";

/// Whether a node stands within the diagram.
fn is_in_sight(h: &Harness<'_, App>, node: &str) -> bool {
    h.get_by_label(CANVAS).rect().contains(h.get_by_label(node).rect().center())
}

/// The first node of a joined record's key and the last, with the keyboard on the
/// diagram of it.
fn ends(h: &mut Harness<'_, App>) -> [String; 2] {
    let row = first(h, Verdict::Joined, 1);
    ask(h, Command::Select(Some(Selection::Row(row.row)), Some(row.arrival)));
    h.get_by_label(CANVAS).focus();
    h.run_steps(3);
    let nodes = labels(h, Role::Button);
    ["views[", "output "].map(|name| nodes.iter().find(|n| n.starts_with(name)).unwrap().clone())
}

fn key(h: &mut Harness<'_, App>, modifiers: Modifiers, key: Key) {
    h.key_press_modifiers(modifiers, key);
    settle(h).unwrap();
}

#[test]
fn the_node_that_the_keyboard_goes_to_comes_into_sight() {
    let mut h = opened(&feed().run());
    let [first, last] = ends(&mut h);
    for _ in 0..4 {
        key(&mut h, Modifiers::NONE, Key::Plus);
    }
    assert!(!is_in_sight(&h, &first) || !is_in_sight(&h, &last));
    for (to, node) in [(Key::Home, &first), (Key::End, &last), (Key::Home, &first)] {
        key(&mut h, Modifiers::NONE, to);
        assert!(is_in_sight(&h, node), "{node}");
    }
    // What is in sight moves without it.
    let left = |h: &Harness<'_, App>| h.get_by_label(&first).rect().center().x;
    let before = left(&h);
    key(&mut h, Modifiers::SHIFT, Key::ArrowRight);
    assert!(left(&h) < before - 5.0);
    key(&mut h, Modifiers::SHIFT, Key::ArrowLeft);
    assert!((left(&h) - before).abs() < 1.0);
    key(&mut h, Modifiers::NONE, Key::Enter);
    let Some(Selection::Row(row)) = h.state().selection() else { panic!("nothing selected") };
    assert!(first.starts_with(&run_of(&h).row(row).unwrap().record.to_string()), "{first}");
}

#[test]
fn lanes_without_room_are_said_and_reached_by_keyboard() {
    let mut h = harness((1300, 120), false, Some(Panel::Causality));
    ask(&mut h, Command::Open(feed().run()));
    let [first, last] = ends(&mut h);
    let said = |h: &Harness<'_, App>| h.get_by_label("Scroll the lanes").value().unwrap();
    assert_eq!(said(&h), "lane 1 of 5");
    assert!(!is_in_sight(&h, &last));
    key(&mut h, Modifiers::NONE, Key::End);
    assert!(is_in_sight(&h, &last), "{}", said(&h));
    assert_ne!(said(&h), "lane 1 of 5");
    key(&mut h, Modifiers::NONE, Key::Home);
    assert!(is_in_sight(&h, &first), "{}", said(&h));
    key(&mut h, Modifiers::NONE, Key::ArrowDown);
    assert_eq!(said(&h), "lane 2 of 5");
    key(&mut h, Modifiers::NONE, Key::ArrowUp);
    assert_eq!(said(&h), "lane 1 of 5");
}

#[test]
fn in_a_narrow_panel_inversions_are_listed_under_the_diagram() {
    let wide = Wide::new(4, 200);
    let mut h = harness((436, 460), false, Some(Panel::Causality));
    ask(&mut h, Command::Open(wide.run()));
    let run = run_of(&h);
    let early = (0..run.rows())
        .map(|row| run.row(row).unwrap())
        .find(|r| r.input == 1 && r.record.partition == 3)
        .unwrap();
    ask(&mut h, Command::Select(Some(Selection::Row(early.row)), Some(early.arrival)));
    let turned = read(&run, Subject::Row(early.row)).unwrap().inversions[0].clone();
    let below = h.get_by_label(CANVAS).rect().bottom();
    let at = h.get_by_label(&turned.text).rect();
    assert!(at.top() > below && at.bottom() < 460.0, "{at:?} under {below}");
    h.get_by_label(&turned.text).click();
    settle(&mut h).unwrap();
    assert_eq!(h.state().selection(), Some(Selection::Row(turned.row)));
}
