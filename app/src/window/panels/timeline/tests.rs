//! The timeline through the accessibility tree.

use std::path::Path;
use std::sync::OnceLock;

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::{LaneInfo, ManifestStart, VerdictSet};
use joinscope_operator::verdict::Verdict;

use crate::window::app::App;
use crate::window::axis::Scale;
use crate::window::command::Command;
use crate::window::headless::{harness, settle};
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::testing::{Feed, PIPELINE, Wide, fail, heading, rerun};

fn feed() -> &'static Feed {
    static FEED: OnceLock<Feed> = OnceLock::new();
    FEED.get_or_init(|| Feed::new(1_500))
}

fn opened(path: &Path) -> Harness<'static, App> {
    let mut h = harness((1200, 420), false, Some(Panel::Timeline));
    ask(&mut h, Command::Open(path.to_owned()));
    h
}

fn ask(h: &mut Harness<'_, App>, command: Command) {
    h.state_mut().command(command);
    settle(h).unwrap();
}

/// Names and values of the rows.
fn rows(h: &Harness<'_, App>) -> Vec<(String, String)> {
    let rows = h.get_all_by_role(Role::TreeItem);
    rows.map(|n| {
        let node = n.accesskit_node();
        (node.label().unwrap_or_default(), node.value().unwrap_or_default())
    })
    .collect()
}

fn value(h: &Harness<'_, App>) -> String {
    h.get_by_label("Timeline of records").value().unwrap_or_default()
}

fn press(h: &mut Harness<'_, App>, key: Key) {
    h.key_press(key);
    settle(h).unwrap();
}

#[test]
fn each_input_and_partition_is_a_row_that_says_what_it_holds() {
    let h = opened(&feed().run());
    let rows = rows(&h);
    let names: Vec<&str> = rows.iter().map(|r| r.0.as_str()).collect();
    assert_eq!(names[..3], ["views", "views[0]", "views[1]"]);
    assert_eq!(names.len(), 10);
    // The books, row by row.
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let books = run.books(None).unwrap();
    let all: u64 = books.inputs[1].0.iter().sum();
    let engagements = &rows[5];
    assert_eq!(engagements.0, "engagements");
    let late = books.inputs[1].0[Verdict::Late as usize];
    let want = crate::window::text::plural(all, "record");
    assert!(engagements.1.starts_with(&want), "{engagements:?} is not {want}");
    assert!(engagements.1.contains(&format!("{late} late")), "{engagements:?}");
    assert!(value(&h).contains("most of them in engagements[2]"), "{}", value(&h));
}

#[test]
fn in_the_smallest_window_all_rows_are_in_sight_and_their_names_apart() {
    let mut h = harness((1280, 800), false, None);
    ask(&mut h, Command::Open(feed().run()));
    let rows: Vec<egui::Rect> = h.get_all_by_role(Role::TreeItem).map(|n| n.rect()).collect();
    assert_eq!(rows.len(), 10);
    assert!(rows.iter().all(|row| row.height() > 15.5), "{rows:?}");
}

#[test]
fn partitions_of_a_topic_that_two_inputs_read_are_called_by_their_input() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let text = PIPELINE.replace("topic = \"engagements\"", "topic = \"views\"");
    rerun(&feed().recording(), &text.replace("\"0s\"", "\"1ms\""), &[], &run);
    let h = opened(&run);
    let names: Vec<String> = rows(&h).into_iter().map(|r| r.0).collect();
    assert_eq!(names[..2], ["views", "views[0]"]);
    assert_eq!(names[5..7], ["engagements", "engagements[0]"]);
}

#[test]
fn an_input_folds_and_opens_by_pointer_and_by_keyboard() {
    let mut h = opened(&feed().run());
    h.get_by_label("views").click();
    settle(&mut h).unwrap();
    assert_eq!(rows(&h).len(), 6);
    // The press left the focus on its row.
    press(&mut h, Key::Enter);
    assert_eq!(rows(&h).len(), 10);
}

#[test]
fn with_less_room_than_a_row_takes_keys_still_move() {
    let mut h = harness((1200, 70), false, Some(Panel::Timeline));
    ask(&mut h, Command::Open(feed().run()));
    h.get_by_label("Timeline of records").focus();
    settle(&mut h).unwrap();
    press(&mut h, Key::ArrowDown);
    ask(&mut h, Command::GoTo(300));
    press(&mut h, Key::ArrowRight);
    assert_eq!(h.state().cursor().at(), 301);
}

#[test]
fn by_keyboard_a_record_is_found_and_what_is_in_sight_changes() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::GoTo(300));
    h.get_by_label("Timeline of records").focus();
    settle(&mut h).unwrap();
    press(&mut h, Key::ArrowRight);
    assert_eq!(h.state().cursor().at(), 301);
    for _ in 0..2 {
        press(&mut h, Key::Plus);
    }
    let (from, to) = h.state().view();
    assert!(from > 0 && to - from < h.state().cursor().len() / 3, "{from} {to}");
    assert!((from..=to).contains(&301));
    h.key_press_modifiers(egui::Modifiers::SHIFT, Key::ArrowRight);
    settle(&mut h).unwrap();
    assert!(h.state().view().0 > from);
    press(&mut h, Key::Num0);
    assert_eq!(h.state().view().0, 0);
    // Row views[0], a record at the cursor or of its bar.
    press(&mut h, Key::ArrowDown);
    press(&mut h, Key::Enter);
    let Some(Selection::Row(row)) = h.state().selection() else { panic!("nothing selected") };
    let view = h.state().doc().run.as_ref().unwrap().run.row(row).unwrap();
    assert_eq!((&*view.record.topic, view.record.partition), ("views", 0));
}

#[test]
fn zoomed_in_the_counts_are_those_of_single_records() {
    let mut h = opened(&feed().run());
    for (scale, most) in [
        (Scale::Arrival, 40),
        // Times may be shared with a record or two at the ends.
        (Scale::ArrivalTime, 44),
        // By event time there is room for what the out-of-orderness lets in.
        (Scale::EventTime, 400),
    ] {
        ask(&mut h, Command::Scale(scale));
        ask(&mut h, Command::View(Some((200, 239))));
        let said = value(&h);
        let n: u64 = said.split(' ').find_map(|w| w.parse().ok()).unwrap();
        assert!((40..=most).contains(&n), "{}: {said}", scale.name());
    }
}

#[test]
fn by_event_time_every_record_is_where_it_happened() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Scale(Scale::EventTime));
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let timed = run.page(0, 10_000).unwrap().iter().filter(|r| r.event_time.is_some()).count();
    // The axis has room for the out-of-orderness on both sides: what is further
    // ahead of the last watermark than that is beyond its end.
    let said = value(&h);
    let words: Vec<u64> = said.split(' ').filter_map(|w| w.replace(',', "").parse().ok()).collect();
    let timed = timed as u64;
    assert!(words.iter().any(|n| (timed - 3..=timed).contains(n)), "{timed}: {said}");
}

#[test]
fn by_event_time_late_records_are_those_that_happened_in_sight() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Scale(Scale::EventTime));
    // They happen while their partition is silent, and arrive when it is not any more.
    let at = |minute: i64| {
        let ms = crate::window::testing::BEGIN + minute * 60_000;
        h.state().clock.arrival(ms as f64) as u64
    };
    let view = (at(6), at(8));
    ask(&mut h, Command::View(Some(view)));
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let late = run.nth(VerdictSet::of(Verdict::Late), 0).unwrap().unwrap();
    assert!(run.row(late).unwrap().arrival > view.1);
    assert!(value(&h).contains("most of them in engagements[2]"), "{}", value(&h));
}

#[test]
fn a_partition_is_named_that_stands_out_among_those_of_its_input() {
    let worst = |inputs: &[[u64; 4]]| {
        let mut start = ManifestStart::default();
        for input in 0..inputs.len() as u8 {
            let lane = |partition| LaneInfo { input, topic: "topic".into(), partition };
            start.lanes.extend((0..4).map(lane));
        }
        let late: Vec<(usize, u64)> = inputs.iter().flatten().copied().enumerate().collect();
        super::worst(&late, inputs.iter().flatten().sum(), &start)
    };
    // The shipped sample: views of all partitions are late, engagements of one.
    let feed = worst(&[[501, 507, 517, 596], [119, 105, 537, 143]]);
    assert_eq!(feed, Some((6, 537)));
    // An input that has more late records than another makes none of its partitions stand
    // out, nor does one late record where there are thousands.
    assert_eq!(worst(&[[932, 1_106, 803, 840], [75, 120, 88, 96]]), None);
    assert_eq!(worst(&[[500, 500, 500, 500], [1, 0, 0, 0]]), None);
    assert_eq!(worst(&[[0, 0, 9, 8], [0, 0, 0, 0]]), Some((2, 9)));
    assert_eq!(worst(&[[0; 4], [0; 4]]), None);
}

#[test]
fn late_records_are_said_wherever_they_are_in_sight() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let late = run.nth(VerdictSet::of(Verdict::Late), 0).unwrap().unwrap();
    let at = run.row(late).unwrap().arrival;
    ask(&mut h, Command::View(Some((at - 20, at + 20))));
    let rows = rows(&h);
    let row = rows.iter().find(|r| r.0 == "engagements[2]").unwrap();
    assert!(row.1.contains(" late"), "{row:?}");
    ask(&mut h, Command::View(Some((0, 40))));
    assert!(value(&h).contains("none late"), "{}", value(&h));
}

#[test]
fn five_thousand_partitions_are_folded_to_what_is_worth_a_look() {
    let wide = Wide::new(2_500, 20_000);
    let mut h = opened(&wide.run());
    let names: Vec<String> = rows(&h).into_iter().map(|r| r.0).collect();
    assert_eq!(names, ["views", "engagements", "engagements[7]"]);
    h.get_by_label("engagements").click();
    settle(&mut h).unwrap();
    // Opened: only what is in sight is laid out, and the last is reached.
    assert!(rows(&h).len() < 40, "{}", rows(&h).len());
    h.get_by_label("Timeline of records").focus();
    settle(&mut h).unwrap();
    for _ in 0..40 {
        h.key_press(Key::ArrowDown);
        h.step();
    }
    settle(&mut h).unwrap();
    let names: Vec<String> = rows(&h).into_iter().map(|r| r.0).collect();
    assert!(names.iter().any(|n| n == "engagements[37]"), "{names:?}");
    let vertices: usize = h
        .output()
        .shapes
        .iter()
        .map(|s| match &s.shape {
            egui::Shape::Mesh(mesh) => mesh.vertices.len(),
            _ => 8,
        })
        .sum();
    assert!(vertices < 50_000, "{vertices}");
}

#[test]
fn a_recording_without_a_run_says_what_to_do() {
    let h = opened(&feed().recording());
    assert!(h.query_all_by_label_contains("Run a pipeline over this recording").next().is_some());
}

#[test]
fn a_range_is_dragged_on_the_axis_and_bookmarks_are_flags() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Scale(Scale::Arrival));
    let axis = h.get_by_label("Time axis").rect();
    let at = |part: f32| egui::pos2(axis.left() + axis.width() * part, axis.center().y);
    h.drag_at(at(0.25));
    h.step();
    h.hover_at(at(0.4));
    h.step();
    h.hover_at(at(0.5));
    h.step();
    h.drop_at(at(0.5));
    settle(&mut h).unwrap();
    let range = h.state().range.marked.expect("a range is marked");
    let last = h.state().cursor().len() as f32 - 1.0;
    assert!((range.from() as f32 / last - 0.25).abs() < 0.01, "{range:?} of {last}");
    assert!((range.to() as f32 / last - 0.5).abs() < 0.01, "{range:?} of {last}");
    assert_eq!(h.get_by_label("Time axis").value(), Some(range.label()));
    ask(&mut h, Command::GoTo(700));
    ask(&mut h, Command::AddBookmark("Backlog arrives".to_owned()));
    ask(&mut h, Command::GoTo(0));
    h.get_by_label("Bookmark: Backlog arrives").click();
    settle(&mut h).unwrap();
    assert_eq!(h.state().cursor().at(), 700);
}

#[test]
fn that_partitions_cannot_be_told_apart_is_said() {
    let mut h = opened(&feed().run());
    let app = h.state_mut();
    fail(&mut app.panels.timeline.totals, &app.jobs, "the disk went away");
    settle(&mut h).unwrap();
    let said = heading(&h, Panel::Timeline).value().unwrap();
    assert!(said.contains(" in sight, of which partition cannot be read"), "{said}");
    let mut listed = h.state().errors().list().iter();
    assert!(listed.any(|problem| problem.message == "the disk went away"));
}
