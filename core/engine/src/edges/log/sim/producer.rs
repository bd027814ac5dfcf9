//! A producer on the simulated cluster. Like a real one it hands messages over
//! in batches: what it has not sent yet ends with the process.

use std::collections::BTreeMap;

use super::broker::Broker;
use super::bytes_of;
use super::client::{Wire, timed_out};
use super::script::{Call, Fault};
use crate::edges::log::{LogError, LogErrorKind, LogProducer, OutMessage, ProducerSpec};
use crate::operator::record::TopicPartition;

/// Messages that are sent together.
pub(crate) const BATCH: usize = 8;

pub(super) struct SimProducer {
    wire: Wire,
    spec: ProducerSpec,
    /// Of the transactional id; `None` before `init`.
    epoch: Option<u32>,
    begun: bool,
    waiting: Vec<OutMessage>,
    /// An error after which the open transaction can only be aborted.
    failed: Option<LogError>,
    turn: u32,
}

impl SimProducer {
    pub fn new(wire: Wire, spec: ProducerSpec) -> Self {
        Self { wire, spec, epoch: None, begun: false, waiting: Vec::new(), failed: None, turn: 0 }
    }

    fn id(&self) -> Result<Option<(&str, u32)>, LogError> {
        match (&self.spec.transactional_id, self.epoch) {
            (None, _) => Ok(None),
            (Some(id), Some(epoch)) => Ok(Some((id, epoch))),
            (Some(id), None) => {
                let what = format!("transactional id \"{id}\": init was not called");
                Err(LogError::new(LogErrorKind::Fatal, what))
            }
        }
    }

    /// Within a transaction, under its id and epoch.
    fn in_transaction(&self) -> Result<(String, u32), LogError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        match self.id()? {
            Some((id, epoch)) if self.begun => Ok((id.to_owned(), epoch)),
            _ => Err(LogError::new(LogErrorKind::Fatal, "no transaction was begun")),
        }
    }

    /// Sends what waits.
    fn drain(&mut self) -> Result<(), LogError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let by = self.id()?.map(|(id, epoch)| (id.to_owned(), epoch));
        let sent = (|| {
            let (mut broker, fault) = self.wire.call(Call::Produce)?;
            let fault = sent_again(&mut broker, fault, &self.waiting);
            for message in self.waiting.drain(..) {
                let by = by.as_ref().map(|(id, epoch)| (id.as_str(), *epoch));
                broker.produce(by, message, &mut self.turn)?;
            }
            if fault.is_some() { Err(timed_out(Call::Produce)) } else { Ok(()) }
        })();
        // A client retries by itself while the cluster is away; what timed out
        // for good fails the transaction, or without one is the caller's.
        sent.map_err(|error: LogError| match error.kind {
            LogErrorKind::TimedOut | LogErrorKind::RequiresAbort if by.is_some() => {
                let error = failed(error);
                self.failed = Some(error.clone());
                error
            }
            _ => error,
        })
    }

    fn end(&mut self, commit: bool) -> Result<(), LogError> {
        let call = if commit { Call::Commit } else { Call::Abort };
        let (id, epoch) = match self.id()? {
            Some((id, epoch)) if self.begun => (id.to_owned(), epoch),
            _ => return Err(LogError::new(LogErrorKind::Fatal, "no transaction was begun")),
        };
        let (mut broker, fault) = self.wire.call(call)?;
        match fault {
            Some(Fault::Late(after)) => broker.end_later(&id, epoch, commit, after, true),
            Some(Fault::TooLate(after)) => broker.end_later(&id, epoch, commit, after, false),
            _ => broker.end(&id, epoch, commit)?,
        }
        if fault.is_some() {
            return Err(timed_out(call));
        }
        drop(broker);
        self.begun = false;
        self.failed = None;
        Ok(())
    }
}

/// What an error of messages does to the transaction that they are of.
pub(crate) fn failed(error: LogError) -> LogError {
    let late = error.kind == LogErrorKind::TimedOut;
    let kind = if late { LogErrorKind::NotTaken } else { error.kind };
    LogError::new(kind, error.what)
}

/// Where the broker restarted under them, messages went out twice and are there
/// once; the caller sees nothing of it but the time.
fn sent_again(broker: &mut Broker, fault: Option<Fault>, sent: &[OutMessage]) -> Option<Fault> {
    if !matches!(fault, Some(Fault::Restart(_))) {
        return fault;
    }
    broker.written_bytes += sent.iter().map(bytes_of).sum::<usize>() as u64;
    None
}

impl LogProducer for SimProducer {
    fn init(&mut self) -> Result<(), LogError> {
        let Some(id) = self.spec.transactional_id.clone() else { return Ok(()) };
        let (mut broker, fault) = self.wire.call(Call::Init)?;
        let epoch = broker.init(&id, self.spec.transaction_timeout_ms);
        if fault.is_some() {
            return Err(timed_out(Call::Init));
        }
        drop(broker);
        self.epoch = Some(epoch);
        Ok(())
    }

    fn begin(&mut self) -> Result<(), LogError> {
        drop(self.wire.lock()?);
        if self.id()?.is_none() || self.begun {
            let what = "a transaction cannot be begun here";
            return Err(LogError::new(LogErrorKind::Fatal, what));
        }
        self.begun = true;
        Ok(())
    }

    fn send(&mut self, message: OutMessage) -> Result<(), LogError> {
        if self.spec.transactional_id.is_some() {
            self.in_transaction()?;
        }
        {
            let broker = self.wire.lock()?;
            let bytes = bytes_of(&message);
            if let Some(largest) = broker.largest.get(&*message.topic)
                && bytes > *largest
            {
                let what = format!(
                    "{}: a message of {bytes} bytes is larger than the {largest} that the topic takes",
                    message.topic
                );
                return Err(LogError::new(LogErrorKind::TooLarge, what));
            }
        }
        self.waiting.push(message);
        if self.waiting.len() >= BATCH {
            match self.drain() {
                // It stays in the producer's own queue.
                Err(error) if error.kind == LogErrorKind::Retriable => {}
                other => return other,
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let (mut broker, fault) = self.wire.call(Call::Flush)?;
        let fault = sent_again(&mut broker, fault, &self.waiting);
        drop(broker);
        self.drain()?;
        if fault.is_some() { Err(timed_out(Call::Flush)) } else { Ok(()) }
    }

    fn send_offsets(
        &mut self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError> {
        let (id, epoch) = self.in_transaction()?;
        let (mut broker, fault) = self.wire.call(Call::Offsets)?;
        broker.add_offsets(&id, epoch, group, offsets)?;
        if fault.is_some() { Err(timed_out(Call::Offsets)) } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.in_transaction()?;
        self.drain()?;
        self.end(true)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.waiting.clear();
        self.end(false)
    }
}
