//! Topics into a recording (5-recording): every partition, from offsets known
//! at the start, without a group and without a commit.

mod as_read;
mod files;
mod health;
mod merged;
mod output;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub(super) use self::as_read::Gathering;
use self::files::Files;
pub use self::files::Roll;
use self::health::Health;
use self::output::Output;
use super::cluster::{Cluster, patiently};
use super::convert::Converter;
use super::lanes::Lane;
use super::merge::ArrivalClock;
use super::range::{Start, Until};
use super::registry::Registry;
use super::starved::{Behind, Heard};
use super::sys::{Batch, Client, Queue};
use super::{Isolation, KafkaError, RegistrySettings, Settings};
use crate::edges::recording::{
    ArrivalOrder, Compression, Info, Recording, RecordingError, RedactPolicy, Redactor,
    WriterOptions,
};
use crate::operator::figures::{are, plural};

/// What is to be recorded.
#[derive(Clone, Debug)]
pub struct RecordSpec {
    pub settings: Settings,
    pub topics: Vec<String>,
    pub start: Start,
    pub until: Until,
    /// At most so many records.
    pub limit: Option<u64>,
    pub isolation: Isolation,
    /// `Timestamp`: the merge of what was in the log; `Read`: as it is read.
    pub order: ArrivalOrder,
    pub registry: Option<RegistrySettings>,
    /// How long to wait for brokers that do not answer.
    pub patience: Duration,
    /// Bytes that records may take between the brokers and the file, about.
    pub memory: u64,
    pub compression: Compression,
    /// What is taken away before the file has it.
    pub redact: Option<RedactPolicy>,
    /// Into a folder, in segments; else into one file.
    pub roll: Option<Roll>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub records: u64,
    /// Offsets of the backlog, and those done with.
    pub backlog: u64,
    pub done: u64,
    /// The backlog is through; what comes now came while recording.
    pub live: bool,
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub info: Info,
    /// Told to stop before the end of the range.
    pub stopped: bool,
    /// Records whose timestamps were below the arrival time before them.
    pub raised: u64,
    /// Records without a timestamp that could be an arrival time.
    pub unusable_timestamps: u64,
    pub odd_headers: u64,
    /// Schema ids that records name and the registry does not know.
    pub unknown_schemas: BTreeMap<u32, String>,
    /// How often keys and values named one that it was not asked for any more, after it
    /// had not known many.
    pub unasked_schemas: u64,
    /// Each rule of the redaction, and in how many records it redacted something.
    pub redacted: Vec<(String, u64)>,
    /// Records that are left out, for their values could not be redacted.
    pub left_out: u64,
}

/// Records per read of a queue: few enough that librdkafka's structures are
/// still in the processor's cache when they are given back.
pub(super) const BATCH: usize = 512;
/// A backlog comes as fast as the brokers can; to compress it well would take a
/// quarter of the time that recording takes. The merge has less to keep up with.
const BACKLOG_READ: Compression = Compression::Lz4Fast(32);
const BACKLOG_MERGED: Compression = Compression::Lz4Fast(8);
const WAIT: Duration = Duration::from_millis(50);

/// Records into a new file, or a new folder of several. `stop` ends it with what was
/// read; `progress` is called several times a second.
///
/// # Errors
/// Nothing can be read, or reading had to end before its time: the error says how
/// much it holds, and what was made is removed where it holds no record.
pub fn record(
    spec: &RecordSpec,
    out: &Path,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Outcome, KafkaError> {
    if out.exists() {
        // Before the cluster is asked: it is the cheaper question.
        return Err(RecordingError::Exists { path: out.to_owned() }.into());
    }
    let of_topics = spec.redact.iter().flat_map(RedactPolicy::topics);
    for (rule, topic) in of_topics {
        if !spec.topics.iter().any(|recorded| recorded == topic) {
            return Err(KafkaError::Redaction { rule: rule.to_owned(), topic: topic.to_owned() });
        }
    }
    let cluster = Cluster::connect(&spec.settings, &spec.topics, spec.isolation, spec.patience)?;
    let lanes = patiently(spec.patience, || cluster.lanes(&spec.start, &spec.until))?;
    let registry = spec.registry.as_ref().map(Registry::connect).transpose()?;
    let merged = spec.order == ArrivalOrder::Timestamp;
    let queues = if merged { lanes.len() } else { 1 };
    let mut client = cluster.reader(queues, lanes.len(), spec.memory)?;

    let partitions = lanes.iter().map(|lane| lane.partition.clone()).collect();
    let starts = lanes.iter().map(|lane| lane.start).collect();
    let files = Files::create(out, spec.roll, options(spec, &cluster), partitions, starts)?;
    let lanes_read = lanes.len();
    let mut intake = Intake {
        spec,
        cluster: &cluster,
        batch: client.batch(BATCH),
        converter: Converter::new(&lanes, "record again"),
        clock: ArrivalClock::default(),
        live: false,
        drained: true,
        closed: vec![false; lanes.len()],
        output: Output::new(
            files,
            registry,
            spec.redact.clone().map(Redactor::new),
            merged,
            spec.limit,
            &lanes,
        ),
        due: due(&spec.until, &lanes),
        lanes,
        stop,
        progress,
        health: Health::new(),
        heard: Heard::new(lanes_read),
        behind: Behind::default(),
    };
    let ended = if spec.limit == Some(0) {
        Ok(Ended::Whole)
    } else {
        let mut ended = if merged { intake.merged(&client) } else { intake.as_read(&client) };
        while let Ok(Ended::Starved(why)) = &ended {
            tracing::warn!("{why}: reading goes on with a new client");
            ended = cluster.reader(1, intake.lanes.len(), spec.memory).and_then(|new| {
                client = new;
                intake.batch = client.batch(BATCH);
                intake.converter.forget_ids();
                intake.heard = Heard::new(intake.lanes.len());
                intake.behind = Behind::default();
                intake.as_read(&client)
            });
        }
        ended
    };
    // Whatever happened: what was written stays valid.
    let given = intake.output.records;
    let outcome = intake.finish();
    let ended = ended.map_err(|error| match error {
        // A topic that is gone is the reason behind such errors.
        KafkaError::Partition { .. } => cluster.check_topics().err().unwrap_or(error),
        other => other,
    });
    let kept = match &outcome {
        Ok(outcome) => Some(outcome.info.records),
        Err(_) => (given == 0).then_some(0),
    };
    match (ended, outcome) {
        (Ok(ended), Ok(outcome)) => Ok(Outcome { stopped: ended == Ended::Stopped, ..outcome }),
        (Err(error), _) | (_, Err(error)) => Err(left(out, error, kept)),
    }
}

/// Of a recording so small it is looked up whether it holds any record at all.
const SMALL: u64 = 1 << 20;

/// Why recording broke off, with what is left of it: so many records, or as many as
/// were written before it was cut. One without any is removed, or the same command would be
/// refused for it.
fn left(out: &Path, error: KafkaError, records: Option<u64>) -> KafkaError {
    let file = out.display();
    let kept = match records {
        Some(0) => None,
        Some(n) => Some(format!("{} {} kept in {file}", plural(n, "record"), are(n))),
        None => {
            let none = files::length(out) < SMALL
                && Recording::open(out).is_ok_and(|made| made.is_empty());
            (!none).then(|| {
                format!("what was written before is kept in {file}, which opens up to the cut")
            })
        }
    };
    let Some(kept) = kept else {
        files::remove(out);
        return error;
    };
    KafkaError::BrokeOff { error: Box::new(error), kept }
}

/// The time at which the ends of the lanes are looked up: one that was to come when
/// they were made, though it may have come since.
fn due(until: &Until, lanes: &[Lane]) -> Option<i64> {
    match until {
        Until::Time(ms) if lanes.iter().any(|lane| lane.stop.is_none()) => Some(*ms),
        _ => None,
    }
}

fn options(spec: &RecordSpec, cluster: &Cluster) -> WriterOptions {
    let mut notes = BTreeMap::new();
    notes.insert("isolation".to_owned(), spec.isolation.as_str().to_owned());
    WriterOptions {
        compression: match (spec.compression, spec.order) {
            (Compression::Lz4, ArrivalOrder::Read) => BACKLOG_READ,
            (Compression::Lz4, _) => BACKLOG_MERGED,
            (other, _) => other,
        },
        arrival_order: spec.order,
        // Until the records say otherwise, at the end.
        approximate: spec.order == ArrivalOrder::Timestamp,
        cluster_id: cluster.id.clone(),
        topic_ids: cluster
            .topics
            .iter()
            .filter_map(|t| Some((t.name.clone(), t.id.clone()?)))
            .collect(),
        redaction: spec.redact.as_ref().map(RedactPolicy::describe),
        notes,
        ..WriterOptions::default()
    }
}

/// Why reading ended without an error.
#[derive(Clone, PartialEq, Eq)]
enum Ended {
    /// Everything that was asked for is there.
    Whole,
    Stopped,
    /// The client reads a partition no more, and why one thinks so; the lanes
    /// say where another one goes on.
    Starved(String),
}

/// The reading in progress.
struct Intake<'a> {
    spec: &'a RecordSpec,
    cluster: &'a Cluster,
    lanes: Vec<Lane>,
    batch: Batch,
    converter: Converter,
    clock: ArrivalClock,
    output: Output,
    live: bool,
    /// All records before the lanes' positions are written (not so while some
    /// wait in the merge).
    drained: bool,
    /// Lanes that are not read any more.
    closed: Vec<bool>,
    /// Wall clock at which the ends are looked up (`Until::Time` to come).
    due: Option<i64>,
    stop: &'a AtomicBool,
    progress: &'a mut dyn FnMut(&Progress),
    health: Health,
    heard: Heard,
    behind: Behind,
}

impl Intake<'_> {
    fn go_live(&mut self) {
        self.live = true;
        // What comes while recording leaves time to compress it well.
        self.output.go_live(self.spec.compression);
    }

    fn finish(mut self) -> Result<Outcome, KafkaError> {
        self.report();
        // What is read but not written is not claimed.
        let ends: Vec<i64> = if self.drained {
            self.lanes.iter().map(Lane::end).collect()
        } else {
            self.output.written
        };
        let info = self.output.files.finish(&ends)?;
        let registry = self.output.registry.map(|r| (r.unknown, r.unasked.iter().sum::<u64>()));
        let (unknown_schemas, unasked_schemas) = registry.unwrap_or_default();
        Ok(Outcome {
            info,
            stopped: false,
            raised: self.clock.raised,
            unusable_timestamps: self.clock.unusable,
            odd_headers: self.converter.odd_headers,
            unknown_schemas,
            unasked_schemas,
            redacted: self.output.redactor.as_ref().map(Redactor::rules).unwrap_or_default(),
            left_out: self.output.redactor.map_or(0, |redactor| redactor.left_out),
        })
    }
}

fn start(client: &Client, lane: &Lane, queue: &Queue) -> Result<(), KafkaError> {
    client
        .start(&lane.partition.topic, lane.partition.partition, lane.next, queue)
        .map_err(|code| KafkaError::of_code(&lane.partition, Some(lane.next), code, ""))
}

#[cfg(test)]
mod tests_rolling;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::{Writer, part_name};
    use crate::operator::record::{Record, TopicPartition};

    #[test]
    fn what_breaks_off_says_what_is_left_and_leaves_no_empty_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.mcap");
        let made = |records: u64| {
            let _ = std::fs::remove_file(&file);
            let mut writer = Writer::create(&file, WriterOptions::default()).unwrap();
            let source =
                writer.partition(TopicPartition { topic: "t".into(), partition: 0 }).unwrap();
            for n in 0..records {
                let record = Record {
                    arrival: n,
                    arrival_ns: n as i64,
                    source,
                    offset: n as i64,
                    ..Record::default()
                };
                writer.add(&record).unwrap();
            }
            writer.finish().unwrap();
        };
        let said = |records| left(&file, KafkaError::NoAddress, records).to_string();
        let why = KafkaError::NoAddress.to_string();
        made(1);
        assert_eq!(said(Some(1)), format!("{why}; 1 record is kept in {}", file.display()));
        assert_eq!(
            said(Some(2_000)),
            format!("{why}; 2,000 records are kept in {}", file.display())
        );
        // How many fitted is not counted.
        let text = said(None);
        assert!(text.ends_with("r.mcap, which opens up to the cut"), "{text}");
        assert!(file.exists());
        assert_eq!(said(Some(0)), why);
        assert!(!file.exists());
        made(0);
        assert_eq!(said(None), why);
        assert!(!file.exists());
        // So it is with a folder of segments.
        let folder = folder.path().join("r");
        let said = |records| left(&folder, KafkaError::NoAddress, records).to_string();
        let segment = |n: u64, records: u64| {
            let _ = std::fs::create_dir(&folder);
            made(records);
            std::fs::rename(&file, folder.join(part_name(n))).unwrap();
        };
        segment(0, 3);
        segment(1, 0);
        assert!(said(None).ends_with("r, which opens up to the cut"), "{}", said(None));
        assert_eq!(said(Some(3)), format!("{why}; 3 records are kept in {}", folder.display()));
        segment(0, 0);
        assert_eq!(said(None), why);
        assert!(!folder.exists());
    }

    #[test]
    fn an_end_that_has_come_since_is_looked_up_all_the_same() {
        let lane = |stop| Lane {
            partition: TopicPartition { topic: "t".into(), partition: 0 },
            start: 0,
            backlog: 5,
            stop,
            next: 0,
        };
        // Long ago, but to come when the partitions were asked.
        let until = Until::Time(1_000);
        assert_eq!(due(&until, &[lane(None), lane(None)]), Some(1_000));
        assert_eq!(due(&until, &[lane(Some(5))]), None, "the ends are known");
        assert_eq!(due(&Until::Stopped, &[lane(None)]), None);
    }
}
