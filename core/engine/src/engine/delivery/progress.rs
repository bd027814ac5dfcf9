//! The progress topic: which epoch of a job was the last to be committed. One
//! partition, key = job, compacted, written by the job's transactional id only.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::mark::TopicMark;
use super::{JobError, JobEvent};
use crate::edges::kafka::Isolation;
use crate::edges::log::{Log, LogErrorKind, OutMessage};
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

/// The newest committed progress record. Reads up to the end of a
/// read-uncommitted query made now; while the last stable offset is below it,
/// it waits and says so.
pub(super) fn read(
    log: &dyn Log,
    job: &str,
    waiter: &Waiter<'_>,
) -> Result<Option<Progress>, JobError> {
    let of = TopicPartition { topic: progress_topic(job).into(), partition: 0 };
    let (start, end) = waiter.until(|| log.bounds(&of, Isolation::ReadUncommitted))?;
    let (mut at, mut newest) = (start, None);
    let mut said = None;
    while at < end {
        let fetched = waiter.until(|| log.fetch(&of, at, 1_000, Isolation::ReadCommitted))?;
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
    pub fn until<T>(
        &self,
        mut ask: impl FnMut() -> Result<T, crate::edges::log::LogError>,
    ) -> Result<T, JobError> {
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
    use super::*;

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
