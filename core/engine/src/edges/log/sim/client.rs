//! One process' way to the simulated cluster.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::broker::Broker;
use super::producer::SimProducer;
use super::script::{Call, Fault};
use crate::edges::kafka::Isolation;
use crate::edges::log::{
    Fetched, Log, LogError, LogErrorKind, LogProducer, ProducerSpec, TopicState,
};
use crate::operator::record::TopicPartition;

/// What client and producers of one process share.
#[derive(Clone)]
pub(super) struct Wire {
    broker: Arc<Mutex<Broker>>,
    dead: Arc<AtomicBool>,
}

impl Wire {
    /// The cluster, unless the process has ended.
    pub fn lock(&self) -> Result<MutexGuard<'_, Broker>, LogError> {
        let broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        if self.dead.load(Ordering::Acquire) {
            return Err(LogError::new(LogErrorKind::Fatal, "this process has ended"));
        }
        Ok(broker)
    }

    /// A call that a script may fail; what is left of it.
    pub fn call(&self, call: Call) -> Result<(MutexGuard<'_, Broker>, Option<Fault>), LogError> {
        let mut broker = self.lock()?;
        let fault = broker.script.next(call);
        match fault {
            Some(Fault::Down(_)) => {
                let what = format!("{}: the cluster does not answer", call.name());
                Err(LogError::new(LogErrorKind::Retriable, what))
            }
            Some(Fault::Restart(ms)) => {
                let back = broker.now_ms.saturating_add(i64::from(ms));
                broker.advance_to(back);
                match call {
                    Call::Produce | Call::Flush => Ok((broker, fault)),
                    Call::Init | Call::Offsets | Call::Commit | Call::Abort => Err(timed_out(call)),
                    _ => {
                        let what = format!("{}: the broker restarts", call.name());
                        Err(LogError::new(LogErrorKind::Retriable, what))
                    }
                }
            }
            Some(Fault::Lost) => Err(timed_out(call)),
            Some(Fault::Refused) => {
                let what = format!("{}: the transaction has to be aborted", call.name());
                Err(LogError::new(LogErrorKind::RequiresAbort, what))
            }
            Some(Fault::Denied) => {
                let what = format!("{}: not allowed", call.name());
                Err(LogError::new(LogErrorKind::Denied, what))
            }
            fault => Ok((broker, fault)),
        }
    }
}

pub(super) fn timed_out(call: Call) -> LogError {
    LogError::new(LogErrorKind::TimedOut, format!("{}: no answer in time", call.name()))
}

/// A [`Log`] on the simulated cluster.
#[derive(Clone)]
pub struct SimClient {
    wire: Wire,
}

impl SimClient {
    pub(super) fn new(broker: Arc<Mutex<Broker>>) -> Self {
        Self { wire: Wire { broker, dead: Arc::default() } }
    }

    /// The process ends: nothing that it or its producers do from now on
    /// reaches the cluster, and what they had not sent is gone.
    pub fn kill(&self) {
        self.wire.dead.store(true, Ordering::Release);
    }
}

/// An answer that the script lets get lost on the way back.
fn answer<T>(call: Call, fault: Option<Fault>, value: T) -> Result<T, LogError> {
    if fault.is_some() { Err(timed_out(call)) } else { Ok(value) }
}

impl Log for SimClient {
    fn cluster_id(&self) -> Option<String> {
        Some("simulated".to_owned())
    }

    fn topics(&self, names: &[&str]) -> Result<Vec<TopicState>, LogError> {
        let (broker, fault) = self.wire.call(Call::Topics)?;
        answer(Call::Topics, fault, names.iter().map(|name| broker.topic(name)).collect())
    }

    fn bounds(&self, of: &TopicPartition, isolation: Isolation) -> Result<(i64, i64), LogError> {
        let (broker, fault) = self.wire.call(Call::Bounds)?;
        answer(Call::Bounds, fault, broker.bounds(of, isolation)?)
    }

    fn fetch(
        &self,
        of: &TopicPartition,
        from: i64,
        max: usize,
        isolation: Isolation,
    ) -> Result<Fetched, LogError> {
        let (broker, fault) = self.wire.call(Call::Fetch)?;
        answer(Call::Fetch, fault, broker.fetch(of, from, max, isolation)?)
    }

    fn committed(
        &self,
        group: &str,
        of: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        let (broker, fault) = self.wire.call(Call::Committed)?;
        answer(Call::Committed, fault, broker.committed(group, of)?)
    }

    fn commit_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError> {
        let (mut broker, fault) = self.wire.call(Call::CommitOffsets)?;
        broker.commit_offsets(group, offsets);
        answer(Call::CommitOffsets, fault, ())
    }

    fn create_topic(&self, name: &str, partitions: i32, compacted: bool) -> Result<(), LogError> {
        self.wire.lock()?.create_topic(name, partitions, compacted);
        Ok(())
    }

    fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        self.wire.lock()?.delete_topic(name);
        Ok(())
    }

    fn delete_group(&self, group: &str) -> Result<(), LogError> {
        self.wire.lock()?.delete_group(group);
        Ok(())
    }

    fn producer(&self, spec: &ProducerSpec) -> Result<Box<dyn LogProducer>, LogError> {
        drop(self.wire.lock()?);
        Ok(Box::new(SimProducer::new(self.wire.clone(), spec.clone())))
    }
}
