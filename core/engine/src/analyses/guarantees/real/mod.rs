//! A real cluster for the harness. Topics, group and transactional id of a job
//! get a prefix that nobody else has, and are removed when this is dropped; the
//! job itself sees its own names, so that pipeline, outputs and oracle are the
//! same as on the simulated cluster.
//!
//! The input is the recording's: its topics are made, for the offsets that are
//! committed, and stay empty. A crash is a client that does nothing any more: what
//! its producers had sent before is sent, as by a process that is killed. Calls
//! that go wrong do so on the way to the cluster, which stays whole. Time is the
//! recording's; what was written when is what the producers noted.

mod client;
mod producer;
mod sent;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::check::read;
use super::cluster::{Client, Cluster};
use super::input::{Input, lock};
use crate::edges::kafka::Isolation;
use crate::edges::log::sim::{Call, Fate, Fault, Script, Stored};
use crate::edges::log::{Log, LogError, LogErrorKind};
use crate::operator::record::TopicPartition;
use client::RealClient;
use sent::Sent;

/// ms; brokers look for transactions that are over every ten seconds.
const TRANSACTION_TIMEOUT: u32 = 10_000;
const BACKOFF: Duration = Duration::from_millis(100);
/// How long a sleep goes on until the brokers have noticed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Makes a client of the cluster.
pub type Connect = Arc<dyn Fn() -> Arc<dyn Log> + Send + Sync>;

/// A real cluster, for one job.
pub struct Real(Arc<Shared>);

/// What its clients share.
struct Shared {
    connect: Connect,
    prefix: String,
    /// Of the input's partitions: the recording's first offset, and the one
    /// after its last.
    inputs: BTreeMap<TopicPartition, (i64, i64)>,
    script: Mutex<Script>,
    now_ms: AtomicI64,
    sent: Mutex<Sent>,
    written_bytes: AtomicU64,
    /// What is to be removed, by the job's own names.
    topics: Mutex<BTreeSet<String>>,
    groups: Mutex<BTreeSet<String>>,
    /// Everything ends: the user wants it to.
    stop: Arc<AtomicBool>,
}

impl Real {
    /// For one job over `input`; its names begin with `joinscope-guarantees-` and
    /// a random number. Every call fails once `stop` is set.
    ///
    /// # Errors
    /// The topics of the input cannot be made.
    pub fn begin(connect: Connect, input: &Input, stop: Arc<AtomicBool>) -> Result<Self, LogError> {
        let mut inputs: BTreeMap<TopicPartition, (i64, i64)> =
            input.first_offsets().into_iter().map(|(of, first)| (of, (first, first))).collect();
        for record in &input.records {
            if let Some((_, end)) = inputs.get_mut(&input.partitions[record.source as usize]) {
                *end = record.offset + 1;
            }
        }
        let real = Self(Arc::new(Shared {
            connect,
            prefix: format!("joinscope-guarantees-{:08x}-", rand::random::<u32>()),
            inputs,
            script: Mutex::default(),
            now_ms: AtomicI64::new(0),
            sent: Mutex::default(),
            written_bytes: AtomicU64::new(0),
            topics: Mutex::default(),
            groups: Mutex::default(),
            stop,
        }));
        let client = RealClient::new(Arc::clone(&real.0));
        for (topic, partitions) in input.topics() {
            client.create_topic(&topic, partitions, false)?;
        }
        Ok(real)
    }
}

impl Shared {
    fn named(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    fn partition(&self, of: &TopicPartition) -> TopicPartition {
        TopicPartition { topic: self.named(&of.topic).into(), partition: of.partition }
    }

    fn partitions(&self, offsets: &BTreeMap<TopicPartition, i64>) -> BTreeMap<TopicPartition, i64> {
        offsets.iter().map(|(of, offset)| (self.partition(of), *offset)).collect()
    }

    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Acquire)
    }

    /// A call that a script may fail; what is left of the fault.
    fn call(&self, call: Call) -> Result<Option<Fault>, LogError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(LogError::new(LogErrorKind::Fatal, "stopped on request"));
        }
        let name = call.name();
        let wrong = |kind, what: &str| Err(LogError::new(kind, format!("{name}: {what}")));
        match lock(&self.script).next(call) {
            Some(Fault::Down(_)) => wrong(LogErrorKind::Retriable, "the cluster does not answer"),
            // Nothing is done to the cluster itself: its clock goes on, and the call
            // goes unanswered or is late.
            Some(Fault::Restart(ms)) => {
                self.now_ms.fetch_add(i64::from(ms), Ordering::AcqRel);
                match call {
                    Call::Produce | Call::Flush => Ok(None),
                    Call::Init | Call::Offsets | Call::Commit | Call::Abort => {
                        wrong(LogErrorKind::TimedOut, "no answer in time")
                    }
                    _ => wrong(LogErrorKind::Retriable, "the broker restarts"),
                }
            }
            Some(Fault::Lost) => wrong(LogErrorKind::TimedOut, "no answer in time"),
            Some(Fault::Refused) => {
                wrong(LogErrorKind::RequiresAbort, "the transaction has to be aborted")
            }
            Some(Fault::Denied) => wrong(LogErrorKind::Denied, "not allowed"),
            Some(Fault::Late(_) | Fault::TooLate(_)) => {
                wrong(LogErrorKind::Fatal, "a request cannot be held back on a real cluster")
            }
            fault => Ok(fault),
        }
    }

    /// An answer that the script lets get lost on the way back.
    fn answer<T>(call: Call, fault: Option<Fault>, value: T) -> Result<T, LogError> {
        match fault {
            Some(_) => Err(LogError::new(
                LogErrorKind::TimedOut,
                format!("{}: no answer in time", call.name()),
            )),
            None => Ok(value),
        }
    }

    /// Whether a transaction holds readers of these topics back.
    fn open(&self, log: &dyn Log) -> Result<bool, LogError> {
        let topics: Vec<String> = lock(&self.topics).iter().map(|t| self.named(t)).collect();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        for topic in log.topics(&names)? {
            for partition in 0..topic.partitions {
                let of = TopicPartition { topic: Arc::clone(&topic.name), partition };
                let (_, stable) = log.bounds(&of, Isolation::ReadCommitted)?;
                if stable < log.bounds(&of, Isolation::ReadUncommitted)?.1 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl Cluster for Real {
    fn connect(&self) -> Result<Arc<dyn Client>, LogError> {
        Ok(Arc::new(RealClient::new(Arc::clone(&self.0))))
    }

    fn script(&self, script: Script) {
        *lock(&self.0.script) = script;
    }

    fn sleep(&self) {
        let log = (self.0.connect)();
        let until = Instant::now() + PATIENCE;
        // What cannot be asked is asked again.
        while Instant::now() < until
            && !self.0.stop.load(Ordering::Relaxed)
            && self.0.open(&*log).unwrap_or(true)
        {
            std::thread::sleep(BACKOFF);
        }
    }

    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    fn advance_to(&self, now_ms: i64) {
        self.0.now_ms.fetch_max(now_ms, Ordering::AcqRel);
    }

    fn stored(&self, topic: &str) -> Result<Vec<Stored>, LogError> {
        let client = RealClient::new(Arc::clone(&self.0));
        let committed = read(&client, topic, Isolation::ReadCommitted)?;
        let committed: BTreeSet<(i32, i64)> =
            committed.iter().map(|read| (read.partition.partition, read.message.offset)).collect();
        let all = read(&client, topic, Isolation::ReadUncommitted)?;
        let told = lock(&self.0.sent).of(topic, &all);
        Ok(all
            .into_iter()
            .zip(told)
            .map(|(read, (written_ms, visible_ms))| {
                let at = (read.partition.partition, read.message.offset);
                let is = committed.contains(&at);
                Stored {
                    partition: at.0,
                    message: read.message,
                    fate: if is { Fate::Committed } else { Fate::Aborted },
                    written_ms,
                    visible_ms: visible_ms.filter(|_| is),
                }
            })
            .collect())
    }

    fn written_bytes(&self) -> u64 {
        self.0.written_bytes.load(Ordering::Acquire)
    }

    fn transaction_timeout_ms(&self) -> u32 {
        TRANSACTION_TIMEOUT
    }

    fn backoff(&self) -> Duration {
        BACKOFF
    }
}

impl Drop for Real {
    /// Everything that was made is removed; what cannot be is named.
    fn drop(&mut self) {
        let log = (self.0.connect)();
        for topic in lock(&self.0.topics).iter() {
            let name = self.0.named(topic);
            if let Err(error) = log.delete_topic(&name) {
                tracing::warn!("topic {name} stays on the cluster: {error}");
            }
        }
        for group in lock(&self.0.groups).iter() {
            let name = self.0.named(group);
            if let Err(error) = log.delete_group(&name) {
                tracing::warn!("the offsets of group {name} stay on the cluster: {error}");
            }
        }
    }
}
