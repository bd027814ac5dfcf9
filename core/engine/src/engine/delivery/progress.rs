//! The progress topic: which epoch of a job was the last to be committed. One
//! partition, key = job, compacted, written by the job's transactional id only.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::mark::TopicMark;
use super::{FeedError, JobError, JobEvent};
use crate::edges::kafka::Isolation;
use crate::edges::log::{Log, LogError, LogErrorKind, OutMessage};
use crate::engine::control::Control;
use crate::operator::pipeline::{Guarantee, Pipeline};
use crate::operator::record::{TOPIC_NAME, TopicPartition, is_topic_name};

/// `joinscope-progress-<job>`.
#[must_use]
pub fn progress_topic(job: &str) -> String {
    format!("joinscope-progress-{job}")
}

/// Whether a cluster can hold what goes by the name of a pipeline's job.
///
/// # Errors
/// The job has no name, or its progress topic cannot be called so.
pub fn check_job(pipeline: &Pipeline) -> Result<(), String> {
    let job = pipeline.delivery.job.as_deref().unwrap_or(&pipeline.name);
    let once = pipeline.delivery.guarantee == Guarantee::ExactlyOnce;
    let topic = progress_topic(job);
    if !job.is_empty() && (!once || is_topic_name(&topic)) {
        return Ok(());
    }
    let shown: String = topic.chars().take(64).collect();
    Err(format!(
        "delivery.job (else the pipeline's name) names the job, whose progress would be in topic \
         \"{shown}\": no Kafka topic is called so; write another delivery.job, and {TOPIC_NAME}"
    ))
}

/// `joinscope-<job>`.
#[must_use]
pub fn transactional_id(job: &str) -> String {
    format!("joinscope-{job}")
}

/// A progress record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub job: String,
    /// The epoch that is committed with it; 0: none yet.
    pub epoch: u64,
    /// Records, and outputs, before these are in it.
    pub arrival: u64,
    pub output: u64,
    /// Next offset to read, by `topic[partition]`.
    pub offsets: BTreeMap<String, i64>,
    /// Where the job first began.
    pub start: BTreeMap<String, i64>,
    pub topics: BTreeMap<String, TopicMark>,
    pub guard: BTreeMap<String, String>,
    /// The run's digest up to here, hex.
    pub digest: String,
    /// Random, another for each start of a process.
    pub owner: String,
    pub host: String,
    pub pid: u32,
}

impl Progress {
    pub(super) fn message(&self, now_ms: i64) -> OutMessage {
        OutMessage {
            topic: progress_topic(&self.job).into(),
            partition: Some(0),
            key: Some(Bytes::from(self.job.clone())),
            value: Some(Bytes::from(serde_json::to_vec(self).unwrap_or_default())),
            timestamp: now_ms,
            headers: Vec::new(),
        }
    }
}

/// Whether the cluster has the job's progress topic. Nothing else says so: of a partition
/// of a topic that a broker does not know yet it says the same as of one that is gone.
pub(super) fn is_there(log: &dyn Log, job: &str, waiter: &Waiter<'_>) -> Result<bool, JobError> {
    let topic = progress_topic(job);
    let there = waiter.until(|| log.topics(&[&topic]))?;
    Ok(there.first().is_some_and(|topic| topic.partitions > 0))
}

/// So much of its end is read first: of some hundred epochs, which are a record and the
/// marker of its transaction each.
const TAIL: i64 = 256;

/// The newest committed progress record. Reads up to the end of a
/// read-uncommitted query made now; while the last stable offset is below it,
/// it waits and says so. Only the newest counts, and one is written every second:
/// compaction, which leaves out a log's newest segment, leaves those of a week
/// (`segment.ms`).
pub(super) fn read(
    log: &dyn Log,
    job: &str,
    waiter: &Waiter<'_>,
) -> Result<Option<Progress>, JobError> {
    let of = TopicPartition { topic: progress_topic(job).into(), partition: 0 };
    let (start, end) = waiter.until(|| log.bounds(&of, Isolation::ReadUncommitted))?;
    let mut reach = TAIL;
    loop {
        let from = end.saturating_sub(reach).max(start);
        let newest = between(log, job, &of, (from, end), waiter)?;
        if newest.is_some() || from == start {
            return Ok(newest);
        }
        // Nothing but aborted ones.
        reach = reach.saturating_mul(16);
    }
}

/// The newest from an offset up to another.
fn between(
    log: &dyn Log,
    job: &str,
    of: &TopicPartition,
    (from, end): (i64, i64),
    waiter: &Waiter<'_>,
) -> Result<Option<Progress>, JobError> {
    let (mut at, mut newest) = (from, None);
    let mut said = None;
    while at < end {
        let fetched = waiter.until(|| log.fetch(of, at, 1_000, Isolation::ReadCommitted))?;
        for message in fetched.messages {
            let Some(value) = message.value else { continue };
            let found: Progress = serde_json::from_slice(&value).map_err(|e| {
                JobError::Refused(format!(
                    "{of}@{}: not a progress record ({e}): topic {} belongs to job \"{job}\" \
                     alone; give this job another delivery.job",
                    message.offset, of.topic
                ))
            })?;
            newest = Some(found);
        }
        if fetched.next <= at {
            // An open transaction stands before the end: its coordinator ends it.
            if said.is_none() {
                let what = format!("{of}: a transaction that is still open");
                said = Some(waiter.control.awaits(what.clone()));
                (waiter.tell)(JobEvent::Waiting { what });
            }
            waiter.pause()?;
        }
        at = fetched.next;
    }
    Ok(newest)
}

/// Asks again what the cluster did not answer.
pub(super) struct Waiter<'a> {
    pub backoff: Duration,
    pub control: &'a Control,
    /// Where nothing has begun that is to be made whole: nobody waits once it is set.
    pub stop: Option<&'a AtomicBool>,
    pub tell: &'a (dyn Fn(JobEvent) + Send + Sync),
}

impl Waiter<'_> {
    pub fn until<T>(&self, mut ask: impl FnMut() -> Result<T, LogError>) -> Result<T, JobError> {
        let mut said = false;
        let awaited = self.control.awaits("an answer of the cluster");
        loop {
            match ask() {
                Err(e) if matches!(e.kind, LogErrorKind::Retriable | LogErrorKind::TimedOut) => {
                    awaited.say(&e.what);
                    if !said {
                        said = true;
                        tracing::warn!("{e}: asked again until it answers");
                        (self.tell)(JobEvent::Waiting { what: e.what });
                    }
                    self.pause()?;
                }
                other => return Ok(other?),
            }
        }
    }

    /// Asks for the input again while its brokers do not answer.
    pub fn input<T>(&self, mut ask: impl FnMut() -> Result<T, FeedError>) -> Result<T, JobError> {
        let opened = self.until(|| match ask() {
            Err(FeedError::Away(what)) => Err(LogError::new(LogErrorKind::Retriable, what)),
            other => Ok(other),
        })?;
        Ok(opened?)
    }

    pub fn pause(&self) -> Result<(), JobError> {
        let stopped = self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        if stopped || self.control.is_cancelled() {
            return Err(JobError::Cancelled);
        }
        std::thread::sleep(self.backoff);
        Ok(())
    }
}

/// `topic[partition]` of each.
pub(super) fn named(offsets: &BTreeMap<TopicPartition, i64>) -> BTreeMap<String, i64> {
    offsets.iter().map(|(partition, offset)| (partition.to_string(), *offset)).collect()
}

/// The inverse of [`named`], for the partitions that there are.
pub(super) fn unnamed(
    offsets: &BTreeMap<String, i64>,
    partitions: &[TopicPartition],
) -> BTreeMap<TopicPartition, i64> {
    let find = |p: &TopicPartition| Some((p.clone(), *offsets.get(&p.to_string())?));
    partitions.iter().filter_map(find).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::edges::log::ProducerSpec;
    use crate::edges::log::sim::{Call, Fault, Script, SimLog};
    use crate::engine::source::SourceError;

    /// Found by reading: a start read all that a week of epochs had left, one client after
    /// another, before it could tell where it goes on.
    #[test]
    fn the_newest_progress_is_found_from_the_end() {
        let cluster = SimLog::new();
        let client = cluster.client();
        client.create_topic(&progress_topic("j"), 1, true).unwrap();
        let (control, tell) = (Control::new(), |_: JobEvent| {});
        let waiter = Waiter { backoff: Duration::ZERO, control: &control, stop: None, tell: &tell };
        let epoch = || read(&client, "j", &waiter).unwrap().map(|found| found.epoch);
        assert_eq!(epoch(), None);
        let spec = ProducerSpec {
            transactional_id: Some(transactional_id("j")),
            transaction_timeout_ms: 60_000,
        };
        let mut producer = client.producer(&spec).unwrap();
        producer.init().unwrap();
        let mut write = |epoch: u64, commit: bool| {
            let progress = Progress { job: "j".to_owned(), epoch, ..Progress::default() };
            producer.begin().unwrap();
            producer.send(progress.message(0)).unwrap();
            producer.flush().unwrap();
            if commit { producer.commit().unwrap() } else { producer.abort().unwrap() }
        };
        write(1, true);
        assert_eq!(epoch(), Some(1));
        (2..2_001).for_each(|epoch| write(epoch, true));
        // It asks once.
        cluster.script(Script::new().with(Call::Fetch, 2, Fault::Denied));
        assert_eq!(epoch(), Some(2_000));
        // What was aborted since lies before the end.
        cluster.script(Script::new());
        (2_001..2_301).for_each(|epoch| write(epoch, false));
        assert_eq!(epoch(), Some(2_000));
    }

    /// Found by reading: a leader that moved between the start's questions and the opening
    /// of its input ended a job that had waited for all of the rest.
    #[test]
    fn an_input_whose_brokers_are_away_is_asked_for_until_they_are_back() {
        let (control, said) = (Control::new(), Mutex::new(Vec::new()));
        let tell = |event: JobEvent| said.lock().unwrap().push(event);
        let waiter = Waiter { backoff: Duration::ZERO, control: &control, stop: None, tell: &tell };
        let away = || Err(FeedError::Away("no broker".to_owned()));
        let mut asked = 0;
        let opened = waiter.input(|| {
            asked += 1;
            if asked < 3 { away() } else { Ok(asked) }
        });
        assert_eq!(opened.unwrap(), 3);
        let waited = JobEvent::Waiting { what: "no broker".to_owned() };
        assert_eq!(*said.lock().unwrap(), [waited], "said once");
        // What another start does not help against is not asked again.
        let broken = || Err::<(), FeedError>(SourceError("not a log".to_owned()).into());
        let error = waiter.input(broken).unwrap_err();
        assert!(matches!(&error, JobError::Run(_)), "{error}");
        // Nobody waits once it is cancelled.
        control.cancel();
        assert!(matches!(waiter.input(away), Err(JobError::Cancelled)));
    }

    #[test]
    fn a_job_that_no_topic_can_be_called_after_is_refused() {
        let of = |name: &str, delivery: &str| {
            let text = format!(
                "name = \"{name}\"\n\
                 [inputs.l]\ntopic = \"l\"\nformat = \"json\"\nkey = \"k\"\nevent_time = \"$timestamp\"\n\
                 [inputs.r]\ntopic = \"r\"\nformat = \"json\"\nkey = \"k\"\nevent_time = \"$timestamp\"\n\
                 [join]\nprimary = \"l\"\nwith.r = {{ until = \"1s\" }}\n[delivery]\n{delivery}\n"
            );
            check_job(&Pipeline::parse(&text, "p.toml").unwrap())
        };
        assert_eq!(of("feed", ""), Ok(()));
        assert_eq!(of("Views of a feed", "job = \"feed-1\""), Ok(()));
        // Only exactly-once has a progress topic.
        assert_eq!(of("Views of a feed", "guarantee = \"at-least-once\""), Ok(()));
        let long = "x".repeat(240);
        for (name, delivery) in [
            ("Views of a feed", String::new()),
            ("feed", "job = \"a/b\"".to_owned()),
            ("feed", "job = \"\"\nguarantee = \"at-most-once\"".to_owned()),
            ("feed", format!("job = \"{long}\"")),
        ] {
            let error = of(name, &delivery).unwrap_err();
            assert!(error.contains("write another delivery.job"), "{error}");
            assert!(error.contains("\"joinscope-progress-"), "{error}");
        }
    }
}
