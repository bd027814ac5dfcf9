//! What the window's tests look at: a small feed with an incident, run by the
//! real engine. Partition 2 of the engagements is silent for six minutes, then
//! sends its backlog; three records cannot be read.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};

use joinscope_core::edges::recording::{Recording, Writer, WriterOptions};
use joinscope_core::engine::{AtEnd, Control};
use joinscope_operator::record::{Header, Record, TimestampType, TopicPartition};

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::app::App;
use super::command::Command;
use super::headless::{harness, settle, settle_telling};
use super::jobs::{Jobs, Slot};
use super::panel::Panel;
use super::store::{RunOrder, execute};

/// 2025-11-20T08:08:00Z, ms.
pub const BEGIN: i64 = 1_763_626_080_000;
const MINUTE: i64 = 60_000;

pub const PIPELINE: &str = r#"
name = "feed"

[inputs.views]
topic = "views"
format = "json"
key = "view_id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s", idle_timeout = "30s" }

[inputs.engagements]
topic = "engagements"
format = "json"
key = "view_id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s", idle_timeout = "30s" }

[join]
primary = "views"
with.engagements = { after = "0s", until = "5m" }
kind = "left"
"#;

struct Event {
    arrival_ms: i64,
    source: usize,
    time: i64,
    value: String,
    key: String,
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn events(views: u64) -> Vec<Event> {
    let mut dice = Dice(7);
    let mut events = Vec::new();
    let step = 16 * MINUTE / views as i64;
    for n in 0..views {
        let time = BEGIN + n as i64 * step;
        let id = 5_301_442_097_718_812 + n * 7_919;
        let value = format!(r#"{{"view_id":{id},"ts":{time},"item":"item-{}"}}"#, dice.roll(500));
        let arrival_ms = time + 800 + dice.roll(3_000) as i64;
        let source = (id % 4) as usize;
        events.push(Event { arrival_ms, source, time, value, key: id.to_string() });
        if dice.roll(3) > 0 {
            continue;
        }
        let time = time + 5_000 + dice.roll(120_000) as i64;
        let kind = ["like", "share", "play", "skip"][dice.roll(4) as usize];
        let value = format!(r#"{{"view_id":{id},"kind":"{kind}","ts":{time}}}"#);
        let partition = (id / 7 % 4) as usize;
        let arrival_ms = time + 900 + dice.roll(3_000) as i64;
        let silent = BEGIN + 5 * MINUTE..BEGIN + 11 * MINUTE;
        let arrival_ms = if partition == 2 && silent.contains(&arrival_ms) {
            // The backlog comes within a minute.
            silent.end + (arrival_ms - silent.start) / 6
        } else {
            arrival_ms
        };
        events.push(Event { arrival_ms, source: 4 + partition, time, value, key: id.to_string() });
    }
    for n in 0..3 {
        let arrival_ms = BEGIN + (2 + n * 4) * MINUTE;
        let value = "{\"view_id\": oops".to_owned();
        events.push(Event { arrival_ms, source: 5, time: arrival_ms, value, key: "?".to_owned() });
    }
    events.sort_by_key(|e| e.arrival_ms);
    events
}

/// Writes the recording.
fn recording(path: &Path, events: Vec<Event>) -> Recording {
    let mut writer = Writer::create(path, WriterOptions::default()).unwrap();
    for topic in ["views", "engagements"] {
        for partition in 0..4 {
            writer.partition(TopicPartition { topic: topic.into(), partition }).unwrap();
        }
    }
    let mut offsets = [0i64; 8];
    for (arrival, e) in events.into_iter().enumerate() {
        let record = Record {
            arrival: arrival as u64,
            arrival_ns: e.arrival_ms * 1_000_000,
            source: e.source as u32,
            offset: offsets[e.source],
            timestamp: Some(e.time),
            timestamp_type: TimestampType::Create,
            leader_epoch: Some(0),
            key: Some(e.key.into_bytes().into()),
            value: Some(e.value.into_bytes().into()),
            headers: vec![Header { key: "trace".into(), value: Some("4bf92f".into()) }],
        };
        offsets[e.source] += 1;
        writer.add(&record).unwrap();
    }
    writer.finish().unwrap();
    Recording::open(path).unwrap()
}

/// A folder with `feed.mcap`, `feed.toml` and its run `run`.
pub struct Feed {
    pub folder: tempfile::TempDir,
}

impl Feed {
    /// About 1.3 records a view.
    pub fn new(views: u64) -> Self {
        Self::of(events(views))
    }

    /// The same, but for one view half way through: its event time lies so many years
    /// ahead, or behind.
    pub fn with_one_off(views: u64, years: i64) -> Self {
        const YEAR: i64 = 365 * 24 * 60 * MINUTE;
        let mut events = events(views);
        let half = events.len() / 2;
        let view = events[half..].iter_mut().find(|e| e.source < 4).unwrap();
        view.time += years * YEAR;
        view.value = format!(r#"{{"view_id":{},"ts":{}}}"#, view.key, view.time);
        Self::of(events)
    }

    fn of(events: Vec<Event>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("feed.toml"), PIPELINE).unwrap();
        let order = RunOrder {
            file: "feed.toml".to_owned(),
            text: PIPELINE.to_owned(),
            overrides: Vec::new(),
            memory: 512 << 20,
            seed: 0,
            restarts: Vec::new(),
            at_end: AtEnd::Open,
            recording: recording(&folder.path().join("feed.mcap"), events),
            out: Some(folder.path().join("run")),
        };
        execute(&order, &Control::new(), &|_| {}).unwrap();
        Self { folder }
    }

    pub fn recording(&self) -> PathBuf {
        self.folder.path().join("feed.mcap")
    }

    pub fn pipeline(&self) -> PathBuf {
        self.folder.path().join("feed.toml")
    }

    pub fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }
}

/// The shipped sample, run with settings changed, in a folder of this name.
fn of_sample(name: &str, sets: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let sample = sample.join("sample-data/feed");
    let run = folder.path().join(name);
    let text = std::fs::read_to_string(sample.join("feed.toml")).unwrap();
    rerun(&sample.join("feed.mcap"), &text, sets, &run);
    (folder, run)
}

/// The shipped sample, run: the incident that pictures are drawn of.
pub fn sample_run() -> &'static Path {
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &RUN.get_or_init(|| of_sample("run", &[])).1
}

/// The shipped sample, run with engagements that may be ten minutes out of
/// order: none of the incident's is late. Its folder is called `patient`.
pub fn sample_patient() -> &'static Path {
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &RUN.get_or_init(|| of_sample("patient", PATIENT)).1
}

/// Notes in a run's folder how the epochs of a job over it went, `each` records
/// long: three processes, the first two of which crashed. The first one's last
/// epoch was found committed, the second one's is lost; one is aborted and
/// tried again; the last waits for its commit.
pub fn note_epochs(dir: &Path, records: u64, each: u64) {
    let mut lines = String::new();
    let mut at_ms = BEGIN;
    let mut note = |line: String| {
        at_ms += 40;
        lines += &format!("{{{line},\"at_ms\":{at_ms}}}\n");
    };
    let on = |epoch: u64| format!("\"epoch\":{epoch},\"arrival\":{}", (epoch * each).min(records));
    let begin = |epoch: u64| {
        [
            "\"what\":\"started\",\"pid\":7".to_owned(),
            format!("\"what\":\"restored\",{}", on(epoch)),
        ]
    };
    begin(0).into_iter().for_each(&mut note);
    let last = records.div_ceil(each);
    for epoch in 1..=last {
        note(format!("\"what\":\"prepared\",{}", on(epoch)));
        if epoch == last / 3 {
            begin(epoch).into_iter().for_each(&mut note);
            continue;
        }
        if epoch == last / 2 {
            note("\"what\":\"aborted\",\"why\":\"fenced by another producer\"".to_owned());
        }
        if epoch == last / 2 || epoch == last * 2 / 3 {
            let again = usize::from(epoch == last / 2);
            begin(epoch - 1).into_iter().skip(again).for_each(&mut note);
            note(format!("\"what\":\"prepared\",{}", on(epoch)));
        }
        if epoch < last {
            note(format!("\"what\":\"committed\",{}", on(epoch)));
        }
    }
    std::fs::write(dir.join("delivery.epochs.jsonl"), lines).unwrap();
}

/// The shipped sample as a job's run: with epochs, crashes among them.
pub fn sample_job() -> &'static Path {
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, run) = RUN.get_or_init(|| {
        let made = of_sample("job", &[]);
        note_epochs(&made.1, 128_911, 2_400);
        made
    });
    run
}

/// Engagements may be ten minutes out of order.
pub const PATIENT: &[(&str, &str)] =
    &[("inputs.engagements.watermark.max_out_of_orderness", "10m")];

/// Runs a pipeline with settings changed.
pub fn rerun(recording: &Path, text: &str, sets: &[(&str, &str)], out: &Path) {
    let order = RunOrder {
        file: "feed.toml".to_owned(),
        text: text.to_owned(),
        overrides: sets.iter().map(|(p, v)| ((*p).to_owned(), (*v).to_owned())).collect(),
        memory: 512 << 20,
        recording: Recording::open(recording).unwrap(),
        seed: 0,
        restarts: Vec::new(),
        at_end: joinscope_core::engine::AtEnd::Open,
        out: Some(out.to_owned()),
    };
    execute(&order, &Control::new(), &|_| {}).unwrap();
}

/// A feed over many partitions: its run is in a folder. Each view has an
/// engagement 2 s later; one in fifty of partition 7's comes five minutes late.
/// Views of partition 3 travel 10 s: their engagements overtake them.
pub struct Wide {
    pub folder: tempfile::TempDir,
}

impl Wide {
    /// `records` views over `partitions` partitions, as many engagements.
    pub fn new(partitions: u32, records: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.mcap");
        let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
        for topic in ["views", "engagements"] {
            for partition in 0..partitions as i32 {
                writer.partition(TopicPartition { topic: topic.into(), partition }).unwrap();
            }
        }
        let mut sent: Vec<(i64, u32, i64, u64)> = Vec::new();
        for n in 0..records {
            let time = BEGIN + n as i64 * 100;
            let partition = (n % u64::from(partitions)) as u32;
            let way = if partition == 3 { 10_000 } else { 50 };
            sent.push((time + way, partition, time, n));
            let slow = partition == 7 && (n / u64::from(partitions)).is_multiple_of(50);
            let arrival = time + 2_050 + if slow { 5 * MINUTE } else { 0 };
            sent.push((arrival, partitions + partition, time + 2_000, n));
        }
        sent.sort_unstable();
        let mut offsets = vec![0i64; 2 * partitions as usize];
        for (arrival, (ms, source, time, id)) in sent.into_iter().enumerate() {
            let value = format!(r#"{{"view_id":{id},"ts":{time}}}"#);
            let record = Record {
                arrival: arrival as u64,
                arrival_ns: ms * 1_000_000,
                source,
                offset: offsets[source as usize],
                timestamp: Some(time),
                timestamp_type: TimestampType::Create,
                leader_epoch: None,
                key: None,
                value: Some(value.into_bytes().into()),
                headers: Vec::new(),
            };
            offsets[source as usize] += 1;
            writer.add(&record).unwrap();
        }
        writer.finish().unwrap();
        let order = RunOrder {
            file: "feed.toml".to_owned(),
            text: PIPELINE.to_owned(),
            overrides: Vec::new(),
            recording: Recording::open(&path).unwrap(),
            memory: 512 << 20,
            seed: 0,
            restarts: Vec::new(),
            at_end: AtEnd::Open,
            out: Some(folder.path().join("run")),
        };
        execute(&order, &Control::new(), &|_| {}).unwrap();
        Self { folder }
    }

    pub fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }
}

/// One feed for all tests that only read it.
pub fn feed() -> &'static Feed {
    static FEED: OnceLock<Feed> = OnceLock::new();
    FEED.get_or_init(|| Feed::new(3_000))
}

pub fn opened(path: &Path) -> Harness<'static, App> {
    let mut h = harness((1600, 1000), false, None);
    h.state_mut().command(Command::Open(path.to_owned()));
    settle(&mut h).unwrap();
    h
}

pub fn ask(h: &mut Harness<'_, App>, command: Command) {
    h.state_mut().command(command);
    settle(h).unwrap();
}

pub fn press(h: &mut Harness<'_, App>, name: &str) {
    h.get_by_label(name).click();
    settle(h).unwrap();
}

/// No question is answered until what this gives is dropped: all threads are at work.
#[must_use]
pub fn hold(h: &Harness<'_, App>) -> SyncSender<()> {
    let (work, wait) = sync_channel::<()>(0);
    let wait = Arc::new(Mutex::new(wait));
    for n in 0..16u8 {
        let wait = Arc::clone(&wait);
        let mut slot: Slot<u8, ()> = Slot::default();
        let busy = move |_: &u8| {
            let _ = wait.lock().unwrap().recv();
            Ok(())
        };
        if n.is_multiple_of(2) {
            slot.ask(&h.state().jobs, n, busy);
        } else {
            slot.ask_long(&h.state().jobs, n, busy);
        }
    }
    work
}

/// Makes the answer that a slot has one that failed.
pub fn fail<Q, A>(slot: &mut Slot<Q, A>, jobs: &Jobs, why: &str)
where
    Q: Clone + PartialEq + Send + Sync + 'static,
    A: Send + Sync + 'static,
{
    let question = slot.answer().unwrap().question.clone();
    let why = why.to_owned();
    *slot = Slot::default();
    slot.ask(jobs, question, move |_| Err(why));
}

/// Whether a panel says that it reads what has the name, once that takes a while and
/// until it is there.
pub fn is_said_to_read(h: &mut Harness<'_, App>, work: SyncSender<()>, name: &str) -> bool {
    h.run_steps(4);
    let is_said = |h: &Harness<'_, App>| h.query_all_by_label_contains(name).next().is_some();
    let said = is_said(h);
    drop(work);
    settle(h).unwrap();
    said && !is_said(h)
}

/// Writes into a field.
pub fn write(h: &mut Harness<'_, App>, field: &str, text: &str) {
    h.get_by_label(field).focus();
    h.step();
    h.get_by_label(field).type_text(text);
    settle(h).unwrap();
}

/// Writes over what stands in a field.
pub fn overwrite(h: &mut Harness<'_, App>, field: &str, text: &str) {
    h.get_by_label(field).focus();
    h.step();
    h.key_press_modifiers(Modifiers::COMMAND, Key::A);
    h.step();
    write(h, field, text);
}

/// Presses a key.
pub fn keys(h: &mut Harness<'_, App>, modifiers: Modifiers, key: Key) {
    h.key_press_modifiers(modifiers, key);
    settle(h).unwrap();
}

/// Opens the palette and writes into it.
pub fn palette(h: &mut Harness<'_, App>, text: &str) {
    keys(h, Modifiers::COMMAND, Key::K);
    write(h, "Command", text);
}

/// The palette's rows in sight.
pub fn found(h: &Harness<'_, App>) -> Vec<String> {
    h.query_all_by_role(Role::ListBoxOption)
        .filter_map(|n| n.accesskit_node().label())
        .filter(|l| l.contains(": "))
        .collect()
}

/// Names of the rows in sight of the records table.
pub fn rows(h: &Harness<'_, App>) -> Vec<String> {
    h.get_all_by_role(Role::Row).filter_map(|n| n.accesskit_node().label()).collect()
}

fn copied_text(command: &egui::OutputCommand) -> Option<String> {
    match command {
        egui::OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    }
}

/// What is on the clipboard once row `n` of a table, by the start of its name, is copied
/// by its keys.
pub fn copied(h: &mut Harness<'_, App>, table: &str, n: usize) -> serde_json::Value {
    let named = |label: Option<String>| label.is_some_and(|l| l.starts_with(table));
    h.get_by(move |node| node.role() == Role::Table && named(node.label())).focus();
    h.step();
    for key in std::iter::once(egui::Key::Home).chain([egui::Key::ArrowDown].repeat(n)) {
        h.key_press(key);
        h.step();
    }
    h.event(egui::Event::Copy);
    let mut texts = Vec::new();
    let seen = settle_telling(h, &mut |h| {
        texts.extend(h.output().platform_output.commands.iter().filter_map(copied_text));
    });
    seen.unwrap();
    let [text] = texts.as_slice() else { panic!("{table}{n}: copied {texts:?}") };
    serde_json::from_str(text).unwrap()
}

/// The title of a panel: its value is the panel's sentence.
pub fn heading<'h>(h: &'h Harness<'_, App>, panel: Panel) -> egui_kittest::Node<'h> {
    h.get_by(move |n| n.role() == Role::Heading && n.label().as_deref() == Some(panel.title()))
}
