//! One process' way to a real cluster, which can be cut off.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::Shared;
use super::producer::{Inner, RealProducer};
use crate::analyses::guarantees::cluster::Client;
use crate::analyses::guarantees::input::lock;
use crate::edges::kafka::Isolation;
use crate::edges::log::sim::{Call, Fault};
use crate::edges::log::{
    Fetched, Log, LogError, LogErrorKind, LogProducer, ProducerSpec, TopicState,
};
use crate::operator::record::TopicPartition;

pub(super) struct RealClient {
    shared: Arc<Shared>,
    log: Arc<dyn Log>,
    dead: Arc<AtomicBool>,
    producers: Mutex<Vec<Weak<Mutex<Inner>>>>,
}

impl RealClient {
    pub fn new(shared: Arc<Shared>) -> Self {
        let log = (shared.connect)();
        Self { shared, log, dead: Arc::default(), producers: Mutex::default() }
    }

    fn call(&self, call: Call) -> Result<Option<Fault>, LogError> {
        alive(&self.dead)?;
        self.shared.call(call)
    }
}

pub(super) fn alive(dead: &AtomicBool) -> Result<(), LogError> {
    if dead.load(Ordering::Acquire) {
        return Err(LogError::new(LogErrorKind::Fatal, "this process has ended"));
    }
    Ok(())
}

impl Client for RealClient {
    fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        for producer in lock(&self.producers).drain(..) {
            if let Some(producer) = producer.upgrade() {
                lock(&producer).end();
            }
        }
    }
}

impl Log for RealClient {
    fn cluster_id(&self) -> Option<String> {
        self.log.cluster_id()
    }

    fn topics(&self, names: &[&str]) -> Result<Vec<TopicState>, LogError> {
        let fault = self.call(Call::Topics)?;
        let named: Vec<String> = names.iter().map(|name| self.shared.named(name)).collect();
        let asked: Vec<&str> = named.iter().map(String::as_str).collect();
        let found = self.log.topics(&asked)?;
        let own = |(name, state): (&&str, TopicState)| TopicState { name: (*name).into(), ..state };
        Shared::answer(Call::Topics, fault, names.iter().zip(found).map(own).collect())
    }

    fn bounds(&self, of: &TopicPartition, isolation: Isolation) -> Result<(i64, i64), LogError> {
        let fault = self.call(Call::Bounds)?;
        let bounds = match self.shared.inputs.get(of) {
            Some(recorded) => *recorded,
            None => self.log.bounds(&self.shared.partition(of), isolation)?,
        };
        Shared::answer(Call::Bounds, fault, bounds)
    }

    fn fetch(
        &self,
        of: &TopicPartition,
        from: i64,
        max: usize,
        isolation: Isolation,
    ) -> Result<Fetched, LogError> {
        let fault = self.call(Call::Fetch)?;
        let fetched = self.log.fetch(&self.shared.partition(of), from, max, isolation)?;
        Shared::answer(Call::Fetch, fault, fetched)
    }

    fn committed(
        &self,
        group: &str,
        of: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        let fault = self.call(Call::Committed)?;
        let named: BTreeMap<TopicPartition, &TopicPartition> =
            of.iter().map(|own| (self.shared.partition(own), own)).collect();
        let asked: Vec<TopicPartition> = named.keys().cloned().collect();
        let found = self.log.committed(&self.shared.named(group), &asked)?;
        let own = |(of, offset)| Some(((*named.get(&of)?).clone(), offset));
        Shared::answer(Call::Committed, fault, found.into_iter().filter_map(own).collect())
    }

    fn commit_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError> {
        let fault = self.call(Call::CommitOffsets)?;
        lock(&self.shared.groups).insert(group.to_owned());
        let named = self.shared.partitions(offsets);
        self.log.commit_offsets(&self.shared.named(group), &named)?;
        Shared::answer(Call::CommitOffsets, fault, ())
    }

    fn create_topic(&self, name: &str, partitions: i32, compacted: bool) -> Result<(), LogError> {
        alive(&self.dead)?;
        lock(&self.shared.topics).insert(name.to_owned());
        self.log.create_topic(&self.shared.named(name), partitions, compacted)
    }

    fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        alive(&self.dead)?;
        self.log.delete_topic(&self.shared.named(name))
    }

    fn delete_group(&self, group: &str) -> Result<(), LogError> {
        alive(&self.dead)?;
        self.log.delete_group(&self.shared.named(group))
    }

    fn producer(&self, spec: &ProducerSpec) -> Result<Box<dyn LogProducer>, LogError> {
        alive(&self.dead)?;
        let id = spec.transactional_id.as_ref().map(|id| self.shared.named(id));
        let named = ProducerSpec { transactional_id: id, ..spec.clone() };
        let inner = Inner::new(self.log.producer(&named)?, spec.transactional_id.is_some());
        let inner = Arc::new(Mutex::new(inner));
        lock(&self.producers).push(Arc::downgrade(&inner));
        Ok(Box::new(RealProducer::new(Arc::clone(&self.shared), Arc::clone(&self.dead), inner)))
    }
}
