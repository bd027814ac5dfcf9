//! What the run store says of the event-time watermark where a topic gets partitions
//! while the run goes on, against the rows one by one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use joinscope_core::engine::{
    AtEnd, Batches, ClockInput, ClockInputKind, Control, Given, RunSpec, Source, SourceError, lanes,
};
use joinscope_core::operator::pipeline::Pipeline;
use joinscope_core::operator::record::{Record, TimestampType, TopicPartition};
use joinscope_core::run::{InputInfo, LaneInfo, ManifestStart, Run, RunEnd, RunState, Writer};

use super::common::case::List;

const RECORDS: u64 = 600;
/// `views[1]` is there from here on, and gives its first record so much later.
const ADDED: u64 = 200;
const GIVES: u64 = 300;

/// All in one batch, so that one snapshot of the tracker precedes them.
struct Growing(List);

impl Source for Growing {
    fn partitions(&self) -> &[TopicPartition] {
        self.0.partitions()
    }

    fn records(&self, topics: &[Arc<str>]) -> Option<u64> {
        self.0.records(topics)
    }

    fn later(&self) -> Vec<u32> {
        vec![2]
    }

    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let kind = ClockInputKind::Added(2);
        let clock = vec![ClockInput { precedes: ADDED, at_ms: ADDED as i64 * 5 - 2, kind }];
        let of =
            |record: &&Record| topics.contains(&self.0.partitions[record.source as usize].topic);
        let records = self.0.records.iter().filter(of).skip(from as usize).cloned().collect();
        Ok(Box::new(std::iter::once(Ok(Given { records, clock }))))
    }
}

fn source() -> Growing {
    let partition = |topic: &str, partition| TopicPartition { topic: Arc::from(topic), partition };
    let partitions = vec![partition("views", 0), partition("plays", 0), partition("views", 1)];
    let mut next = [0; 3];
    let record = |arrival: u64| {
        let source = if arrival >= GIVES && arrival % 3 == 2 { 2 } else { arrival as usize % 2 };
        let offset = next[source];
        next[source] += 1;
        // Now and then one is late.
        let back = if arrival % 11 == 5 { 60 } else { arrival as i64 * 7 % 13 };
        let value = format!("{{\"k\":\"k{}\",\"t\":{}}}", arrival % 5, arrival as i64 * 5 - back);
        Record {
            arrival,
            arrival_ns: arrival as i64 * 5_000_000,
            source: source as u32,
            offset,
            timestamp: None,
            timestamp_type: TimestampType::None,
            leader_epoch: None,
            key: None,
            value: Some(value.into_bytes().into()),
            headers: Vec::new(),
        }
    };
    let records = (0..RECORDS).map(record).collect();
    Growing(List { partitions, records })
}

fn pipeline(views: &str, plays: &str, more: &str) -> String {
    let mut text = "name = \"later\"\n".to_owned();
    for (input, topic) in [("views", views), ("plays", plays)] {
        text += &format!(
            "[inputs.{input}]\ntopic = \"{topic}\"\nformat = \"json\"\nkey = \"k\"\n\
             event_time = {{ field = \"t\", unit = \"ms\" }}\n\
             watermark = {{ max_out_of_orderness = \"20ms\"{more} }}\n"
        );
    }
    format!("{text}[join]\nprimary = \"views\"\nwith.plays = {{ until = \"100ms\" }}\n")
}

fn run(text: &str, dir: &Path) -> Run {
    let pipeline = Arc::new(Pipeline::parse(text, "later.toml").unwrap());
    let source = source();
    let partitions = source.partitions();
    let (laid, later) = lanes(&pipeline, partitions, &source.later());
    let lane = |(input, source): (u8, u32)| {
        let TopicPartition { topic, partition } = &partitions[source as usize];
        LaneInfo { input, topic: Arc::clone(topic), partition: *partition }
    };
    let inputs = pipeline.inputs.iter().map(|i| InputInfo {
        name: Arc::clone(&i.name),
        topic: Arc::clone(&i.topic),
        max_out_of_orderness: i.watermark.max_out_of_orderness,
    });
    let start = ManifestStart {
        pipeline_text: text.to_owned(),
        semantics: pipeline.join.semantics.to_string(),
        at_end: "open".to_owned(),
        inputs: inputs.collect(),
        lanes: laid.into_iter().map(lane).collect(),
        later,
        ..ManifestStart::default()
    };
    let mut writer = Writer::create(dir, start, pipeline.folds()).unwrap();
    let spec = RunSpec {
        pipeline,
        source: Arc::new(source),
        folder: None,
        at_end: AtEnd::Open,
        seed: 0,
        restarts: Vec::new(),
        memory: u64::MAX,
        shards: 1,
        checkpoint_records: u64::MAX,
        resume: None,
    };
    joinscope_core::engine::run(spec, &mut writer, &Control::new()).unwrap();
    writer.finish(RunState::Done, RunEnd::default()).unwrap();
    Run::open(dir).unwrap()
}

#[test]
fn a_partition_that_came_later_holds_the_watermark_back_where_it_is_asked_too() {
    let one = pipeline("views", "plays", "");
    let idle = pipeline("views", "plays", ", idle_timeout = \"150ms\"");
    // One topic feeds both inputs: two lanes came.
    let both = pipeline("views", "views", "");
    for (text, stands) in [(one, true), (idle, false), (both, true)] {
        let folder = tempfile::tempdir().unwrap();
        let run = run(&text, &folder.path().join("run"));
        let rows = run.page(0, 10_000).unwrap();
        let end = run.arrivals();
        let before = |at: u64| rows.iter().find(|row| row.arrival == at).unwrap().watermark;
        for at in (0..end - 1).step_by(7) {
            let found = run.watermarks_at(at).unwrap();
            assert_eq!(found.join, before(at + 1), "after arrival {at}\n{text}");
        }
        let mut levels = run.levels();
        let mut late = Vec::new();
        for to in [end / 3, end / 2, end] {
            let go = AtomicBool::new(false);
            run.needs(&mut levels, to, &go, |need| late.push((need.row, need.late_by))).unwrap();
        }
        assert_eq!(late.len(), rows.len());
        for (row, (number, late_by)) in rows.iter().zip(late) {
            assert_eq!((row.row, row.late_by.unwrap_or(0)), (number, late_by), "{text}");
        }
        assert!(rows.iter().any(|row| row.late_by.is_some()));
        // Nothing moves until it gives something, or is idle.
        let from = rows.iter().filter(|row| row.arrival_ms < ADDED as i64 * 5).count() as u64;
        let to = rows.iter().filter(|row| row.arrival_ms < GIVES as i64 * 5).count() as u64;
        let (from, to) = (rows[from as usize].arrival, rows[to as usize].arrival);
        assert_eq!(before(from) == before(to - 1), stands, "{text}");
    }
}
