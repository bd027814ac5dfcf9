//! The engine's sink of a job: keeps each step in the run store and sends its
//! outputs out; a barrier ends an epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outbox::{Failed, Outbox};
use super::{LogDurable, Messages};
use crate::edges::fault::point;
use crate::engine::source::{Batches, Heads, Source, SourceError};
use crate::engine::step::{
    CheckpointEntry, ClockKind, Durable, Maker, Prepared, Sink, SinkError, Step,
};
use crate::operator::codec::SchemaSource;
use crate::operator::record::{Arrival, TopicPartition};

/// Delivers what it hands on to another sink. Made by [`super::run`].
pub(super) struct DeliverSink<'a> {
    inner: &'a mut dyn Sink,
    /// One for each thread that makes messages.
    messages: Vec<Messages>,
    outbox: Arc<Outbox>,
    arrival_log: Option<LogDurable>,
    /// A checkpoint is made anew: up to its barrier, at which the digest must be
    /// this one, nothing leaves.
    suppressed: Option<Suppressed>,
    /// The epoch whose end was in the steps last.
    ended: u64,
}

/// What was delivered before, and is not delivered again: all up to the barrier of
/// this epoch. Where only the clock had an effect, several barriers fall at one
/// arrival, with outputs between them.
#[derive(Clone, Debug)]
pub(super) struct Suppressed {
    pub epoch: u64,
    pub arrival: Arrival,
    pub digest: String,
}

impl From<Failed> for SinkError {
    fn from(failed: Failed) -> Self {
        Self(failed.to_string())
    }
}

impl<'a> DeliverSink<'a> {
    pub fn new(
        inner: &'a mut dyn Sink,
        messages: Vec<Messages>,
        outbox: Arc<Outbox>,
        arrival_log: Option<LogDurable>,
        suppressed: Option<Suppressed>,
    ) -> Self {
        Self { inner, messages, outbox, arrival_log, suppressed, ended: 0 }
    }

    /// Beyond what was delivered, and its barrier did not fall: nothing was
    /// compared, and a step may hold outputs of both sides.
    fn unmet(&self, suppressed: &Suppressed) -> SinkError {
        let Suppressed { epoch, arrival, .. } = suppressed;
        let found = format!("unknown: no barrier of epoch {epoch} fell at arrival {arrival}");
        self.outbox.rebuilt_otherwise(suppressed, &found).into()
    }
}

impl Sink for DeliverSink<'_> {
    fn revise(&mut self, step: &mut Step) -> Result<(), SinkError> {
        self.inner.revise(step)
    }

    fn names(&self) -> bool {
        true
    }

    fn makers(&mut self) -> Vec<Maker> {
        // Steps end at barriers: a step is wholly before the one or behind it. Which
        // of those that end at its arrival are behind it is seen in their turn.
        let suppressed = self.suppressed.as_ref().map(|suppressed| suppressed.arrival);
        let maker = |mut messages: Messages| -> Maker {
            Box::new(move |step| {
                if suppressed.is_none_or(|until| step.end >= until) {
                    let mut made = Vec::with_capacity(step.outputs.len());
                    let done = messages.of_step(step, |now_ms, message| {
                        made.push((now_ms, message));
                        Ok(())
                    });
                    step.made = Some(done.map(|()| made));
                }
                step.named = Vec::new();
            })
        };
        std::mem::take(&mut self.messages).into_iter().map(maker).collect()
    }

    fn step(&mut self, mut step: Step) -> Result<(), SinkError> {
        if self.outbox.setup.in_step {
            self.outbox.settle();
        }
        if let Some(failed) = self.outbox.failure() {
            return Err(failed.into());
        }
        let ends = step.clock.iter().rev().find_map(|event| match event.kind {
            ClockKind::Epoch { n } => Some(n),
            _ => None,
        });
        self.ended = ends.unwrap_or(self.ended);
        if let Some(suppressed) = &self.suppressed {
            if step.end > suppressed.arrival {
                return Err(self.unmet(suppressed));
            }
            step.made = None;
            return self.inner.step(step);
        }
        let Some(made) = step.made.take() else {
            let what = "a step came without its messages; this is a defect, please report it";
            return Err(SinkError(what.to_owned()));
        };
        self.outbox.give(made?)?;
        self.inner.step(step)
    }

    fn barrier(&mut self, at: Arrival) -> Result<Option<Durable>, SinkError> {
        let suppressed = self.suppressed.clone();
        if let Some(suppressed) = &suppressed
            && (at > suppressed.arrival
                || at == suppressed.arrival && self.ended > suppressed.epoch)
        {
            return Err(self.unmet(suppressed));
        }
        let kept = self.inner.barrier(at)?;
        let log = self.arrival_log.clone();
        let durable = move |prepared: &Prepared| {
            if let Some(kept) = kept {
                kept(prepared)?;
            }
            log.map_or(Ok(()), |log| log(at))
        };
        if let Some(suppressed) = suppressed {
            let its_own = at == suppressed.arrival && self.ended == suppressed.epoch;
            if its_own {
                self.suppressed = None;
            }
            let outbox = Arc::clone(&self.outbox);
            return Ok(Some(Box::new(move |prepared| {
                durable(prepared)?;
                let found = &prepared.digest;
                if its_own && *found != suppressed.digest {
                    return Err(outbox.rebuilt_otherwise(&suppressed, found).into());
                }
                Ok(())
            })));
        }
        let held = self.outbox.end_epoch()?;
        let outbox = Unprepared(Arc::clone(&self.outbox));
        Ok(Some(Box::new(move |prepared| {
            let kept = durable(prepared);
            if let Err(error) = &kept {
                outbox.0.stop(error);
            }
            kept?;
            Ok(outbox.0.deliver(prepared, held)?)
        })))
    }

    fn checkpoint(&mut self, entry: CheckpointEntry) -> Result<(), SinkError> {
        point("kept", &self.outbox.setup.folder).map_err(Failed::from)?;
        self.inner.checkpoint(entry)
    }
}

/// Dropped before its epoch was delivered: whoever waits for that need not.
struct Unprepared(Arc<Outbox>);

impl Drop for Unprepared {
    fn drop(&mut self) {
        self.0.unless_delivered();
    }
}

/// At-most-once: an epoch's offsets are committed before its first record is
/// processed. Wraps a source.
pub(super) struct CommitFirst {
    pub inner: Arc<dyn Source>,
    pub outbox: Arc<Outbox>,
}

impl Source for CommitFirst {
    fn partitions(&self) -> &[TopicPartition] {
        self.inner.partitions()
    }

    fn schemas(&self) -> Arc<dyn SchemaSource + Send + Sync> {
        self.inner.schemas()
    }

    fn records(&self, topics: &[Arc<str>]) -> Option<u64> {
        self.inner.records(topics)
    }

    fn last_offsets(&self) -> Option<Vec<Option<i64>>> {
        self.inner.last_offsets()
    }

    fn later(&self) -> Vec<u32> {
        self.inner.later()
    }

    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let outbox = Arc::clone(&self.outbox);
        let partitions = self.inner.partitions().to_vec();
        let mut offsets = outbox.setup.from.clone();
        Ok(Box::new(self.inner.batches(topics, from)?.map(move |batch| {
            let batch = batch?;
            for record in &batch.records {
                if let Some(partition) = partitions.get(record.source as usize) {
                    offsets.insert(partition.clone(), record.offset + 1);
                }
            }
            if !batch.records.is_empty() {
                let done = outbox.commit_first(&offsets);
                done.map_err(|failed| SourceError(failed.to_string()))?;
            }
            Ok(batch)
        })))
    }

    fn heard(&self, entries: usize) {
        self.inner.heard(entries);
    }

    fn is_live(&self) -> bool {
        self.inner.is_live()
    }

    fn heads(&self) -> Option<Arc<Heads>> {
        self.inner.heads()
    }
}

impl Outbox {
    /// At-most-once: these offsets are taken, whatever becomes of the records.
    fn commit_first(&self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), Failed> {
        let setup = &self.setup;
        point("offsets", &setup.folder)?;
        self.ask(|| setup.log.commit_offsets(&setup.job, offsets))
    }

    fn rebuilt_otherwise(&self, suppressed: &Suppressed, found: &str) -> Failed {
        self.end(Failed::Rebuilt {
            epoch: suppressed.epoch,
            found: found.to_owned(),
            delivered: suppressed.digest.clone(),
        })
    }

    /// The run store or the arrival log could not be made durable.
    fn stop(&self, error: &SinkError) {
        self.end(Failed::Io(error.0.clone()));
    }
}
