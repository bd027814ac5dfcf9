//! A producer on a real cluster. As the simulated one does, it hands messages
//! over in batches of eight: what it has not handed over ends with the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::Shared;
use super::client::alive;
use super::sent::Copy;
use crate::analyses::guarantees::input::lock;
use crate::edges::log::sim::{BATCH, Call, bytes_of, failed};
use crate::edges::log::{LogError, LogErrorKind, LogProducer, OutMessage};
use crate::operator::record::TopicPartition;

/// The client's own producer, until the process ends.
pub(super) struct Inner {
    producer: Option<Box<dyn LogProducer>>,
    transactional: bool,
    waiting: Vec<OutMessage>,
    /// Of the open transaction.
    open: Vec<Copy>,
    failed: Option<LogError>,
    /// The transaction is committed, and the answer was lost on the way back.
    landed: bool,
}

impl Inner {
    pub fn new(producer: Box<dyn LogProducer>, transactional: bool) -> Self {
        let (waiting, open) = (Vec::new(), Vec::new());
        Self { producer: Some(producer), transactional, waiting, open, failed: None, landed: false }
    }

    /// What was handed over is sent; then nothing more happens. Whether that
    /// was possible makes no difference to a process that has ended.
    pub fn end(&mut self) {
        if let Some(mut producer) = self.producer.take() {
            let _ = producer.flush();
        }
    }

    fn producer(&mut self) -> Result<&mut (dyn LogProducer + 'static), LogError> {
        let ended = || LogError::new(LogErrorKind::Fatal, "this process has ended");
        self.producer.as_deref_mut().ok_or_else(ended)
    }
}

pub(super) struct RealProducer {
    shared: Arc<Shared>,
    dead: Arc<AtomicBool>,
    inner: Arc<Mutex<Inner>>,
}

impl RealProducer {
    pub fn new(shared: Arc<Shared>, dead: Arc<AtomicBool>, inner: Arc<Mutex<Inner>>) -> Self {
        Self { shared, dead, inner }
    }

    /// Hands over what waits.
    fn drain(&self, inner: &mut Inner) -> Result<(), LogError> {
        if inner.waiting.is_empty() {
            return Ok(());
        }
        let sent = self.hand_over(inner);
        // As on the simulated cluster: what timed out for good fails the transaction.
        sent.map_err(|error| match error.kind {
            LogErrorKind::TimedOut | LogErrorKind::NotTaken | LogErrorKind::RequiresAbort
                if inner.transactional =>
            {
                let error = failed(error);
                inner.failed = Some(error.clone());
                error
            }
            _ => error,
        })
    }

    fn hand_over(&self, inner: &mut Inner) -> Result<(), LogError> {
        let fault = self.shared.call(Call::Produce)?;
        let now_ms = self.shared.now_ms();
        for message in std::mem::take(&mut inner.waiting) {
            let copy = lock(&self.shared.sent).note(&message, now_ms, !inner.transactional);
            if inner.transactional {
                inner.open.push(copy);
            }
            self.shared.written_bytes.fetch_add(bytes_of(&message) as u64, Ordering::AcqRel);
            let topic = self.shared.named(&message.topic).into();
            inner.producer()?.send(OutMessage { topic, ..message })?;
        }
        Shared::answer(Call::Produce, fault, ())
    }
}

impl LogProducer for RealProducer {
    fn init(&mut self) -> Result<(), LogError> {
        alive(&self.dead)?;
        let mut inner = lock(&self.inner);
        if !inner.transactional {
            return Ok(());
        }
        let fault = self.shared.call(Call::Init)?;
        inner.producer()?.init()?;
        Shared::answer(Call::Init, fault, ())
    }

    fn begin(&mut self) -> Result<(), LogError> {
        alive(&self.dead)?;
        let mut inner = lock(&self.inner);
        inner.open.clear();
        inner.producer()?.begin()
    }

    fn send(&mut self, message: OutMessage) -> Result<(), LogError> {
        alive(&self.dead)?;
        let mut inner = lock(&self.inner);
        if let Some(failed) = &inner.failed {
            return Err(failed.clone());
        }
        inner.waiting.push(message);
        if inner.waiting.len() >= BATCH {
            match self.drain(&mut inner) {
                // It stays in the producer's own queue.
                Err(error) if error.kind == LogErrorKind::Retriable => {}
                other => return other,
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        alive(&self.dead)?;
        let mut inner = lock(&self.inner);
        if let Some(failed) = &inner.failed {
            return Err(failed.clone());
        }
        let fault = self.shared.call(Call::Flush)?;
        self.drain(&mut inner)?;
        inner.producer()?.flush()?;
        Shared::answer(Call::Flush, fault, ())
    }

    fn send_offsets(
        &mut self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError> {
        alive(&self.dead)?;
        let mut inner = lock(&self.inner);
        let fault = self.shared.call(Call::Offsets)?;
        lock(&self.shared.groups).insert(group.to_owned());
        let named = self.shared.partitions(offsets);
        inner.producer()?.send_offsets(&self.shared.named(group), &named)?;
        Shared::answer(Call::Offsets, fault, ())
    }

    fn commit(&mut self) -> Result<(), LogError> {
        alive(&self.dead)?;
        let mut inner = lock(&self.inner);
        if let Some(failed) = &inner.failed {
            return Err(failed.clone());
        }
        self.drain(&mut inner)?;
        let fault = self.shared.call(Call::Commit)?;
        // The client itself, which knows the answer, would find nothing to commit.
        if !std::mem::take(&mut inner.landed) {
            inner.producer()?.commit()?;
        }
        inner.landed = fault.is_some();
        let open = std::mem::take(&mut inner.open);
        lock(&self.shared.sent).commit(open, self.shared.now_ms());
        Shared::answer(Call::Commit, fault, ())
    }

    fn abort(&mut self) -> Result<(), LogError> {
        alive(&self.dead)?;
        let mut inner = lock(&self.inner);
        let fault = self.shared.call(Call::Abort)?;
        inner.waiting.clear();
        inner.open.clear();
        inner.failed = None;
        inner.producer()?.abort()?;
        Shared::answer(Call::Abort, fault, ())
    }
}

impl Drop for RealProducer {
    fn drop(&mut self) {
        // Given up: what it had not handed over is gone.
        lock(&self.inner).end();
    }
}
