//! The last stage: keeps the books, hands each step to the sink, and gives
//! barriers and checkpoints their place among the steps.

use std::time::Instant;

use crossbeam_channel::{Receiver, Select, bounded};

use super::batch::Position;
use super::books::Books;
use super::checkpoint::{Checkpoints, Job};
use super::collector::Collected;
use super::control::{Control, InputBooks};
use super::digest::Digest;
use super::meter::Peak;
use super::step::{ClockKind, Sink, Step};
use super::summary::RunError;
use super::threads::ToSink;

pub(super) struct SinkStage<'a> {
    sink: &'a mut dyn Sink,
    books: Books,
    digest: Digest,
    outputs: u64,
    control: &'a Control,
    began: Instant,
    checkpoints: u64,
    /// At the newest of them, µs.
    pause_us: u64,
}

/// The steps in their order: from one queue, or from several taken in turn.
pub(super) struct Steps {
    queues: Vec<Receiver<ToSink>>,
    turn: usize,
}

impl Steps {
    /// There is at least one queue.
    pub(super) fn new(queues: Vec<Receiver<ToSink>>) -> Self {
        Self { queues, turn: 0 }
    }

    /// Where the next one comes.
    fn queue(&self) -> &Receiver<ToSink> {
        &self.queues[self.turn]
    }

    /// Waits for it; `None`: there is none any more.
    fn take(&mut self) -> Option<ToSink> {
        let next = self.queue().recv().ok();
        self.turn = (self.turn + 1) % self.queues.len();
        next
    }
}

/// What the run came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub end: Position,
    pub outputs: u64,
    pub books: Vec<InputBooks>,
    pub digest: Digest,
    pub checkpoints: u64,
    pub state_rows: u64,
    pub state_bytes: u64,
}

impl<'a> SinkStage<'a> {
    #[expect(clippy::too_many_arguments, reason = "made once, from parts of a run's start")]
    pub(super) fn new(
        sink: &'a mut dyn Sink,
        books: Books,
        digest: Digest,
        outputs: u64,
        control: &'a Control,
        began: Instant,
        total: Option<u64>,
        records: u64,
    ) -> Self {
        control.publish(|progress| {
            progress.total = total;
            progress.records = records;
            progress.outputs = outputs;
            progress.from = Some((records, outputs));
            progress.watermark = i64::MIN;
            progress.books = books.by_input();
        });
        Self { sink, books, digest, outputs, control, began, checkpoints: 0, pause_us: 0 }
    }

    /// Until the collector ends.
    pub(super) fn run(
        &mut self,
        steps: &mut Steps,
        mut checkpoints: Checkpoints,
        peak: &Peak,
    ) -> Result<Outcome, RunError> {
        let mut end = Position { watermark: i64::MIN, ..Position::default() };
        let (mut state_rows, mut state_bytes) = (0, 0);
        while let Some((collected, job)) = self.next(steps, &mut checkpoints)? {
            end = collected.end.clone();
            (state_rows, state_bytes) = (collected.state_rows, collected.state_bytes);
            self.step(collected)?;
            if let Some(done) = checkpoints.ready() {
                self.checkpoint(done)?;
            }
            if let Some(job) = job {
                // At most one is in preparation.
                if let Some(done) = checkpoints.wait() {
                    self.checkpoint(done)?;
                }
                // The state is written while the sink ends the epoch.
                let at = job.cut.position.arrival;
                let (ended, durable) = bounded(1);
                checkpoints.begin(Job {
                    durable: Some(durable),
                    outputs: self.outputs,
                    digest: self.digest,
                    counts: self.books.counts().to_vec(),
                    ..job
                });
                // Nobody waits for it any more where writing the state has failed.
                let _ = ended.send(self.sink.barrier(at)?);
            }
            self.publish(&end, state_rows, state_bytes, peak);
        }
        if let Some(done) = checkpoints.wait() {
            self.checkpoint(done)?;
        }
        self.books.check(end.arrival)?;
        self.publish(&end, state_rows, state_bytes, peak);
        Ok(Outcome {
            end,
            outputs: self.outputs,
            books: self.books.by_input(),
            digest: self.digest,
            checkpoints: self.checkpoints,
            state_rows,
            state_bytes,
        })
    }

    /// The next step; meanwhile a checkpoint that is ready is taken.
    fn next(
        &mut self,
        steps: &mut Steps,
        checkpoints: &mut Checkpoints,
    ) -> Result<Option<ToSink>, RunError> {
        loop {
            if !checkpoints.in_flight() {
                return Ok(steps.take());
            }
            let mut ready = Select::new();
            ready.recv(steps.queue());
            ready.recv(checkpoints.done());
            if ready.ready() == 0 {
                return Ok(steps.take());
            }
            match checkpoints.ready() {
                Some(done) => self.checkpoint(done)?,
                // The checkpointer is gone: what it met is known elsewhere.
                None => return Ok(steps.take()),
            }
        }
    }

    fn step(&mut self, collected: Collected) -> Result<(), RunError> {
        let Collected { mut step, digest, outputs, .. } = collected;
        self.sink.revise(&mut step)?;
        self.book(&step)?;
        self.digest.merge(digest);
        self.outputs = outputs;
        let empty = step.facts.is_empty() && step.decisions.is_empty() && step.clock.is_empty();
        if !empty {
            self.sink.step(step)?;
        }
        Ok(())
    }

    /// Takes the step into the books, which must balance at each barrier.
    fn book(&mut self, step: &Step) -> Result<(), RunError> {
        let facts = &step.facts;
        let (mut row, mut decision) = (0, 0);
        let barriers = step
            .clock
            .iter()
            .filter(|event| matches!(event.kind, ClockKind::Epoch { .. }))
            .map(|event| event.precedes)
            .chain([u64::MAX]);
        for before in barriers {
            while row < facts.len() && facts.arrival[row] < before {
                self.books.take(facts, row);
                row += 1;
            }
            while let Some(next) = step.decisions.get(decision).filter(|d| d.at < before) {
                self.books.decide(next)?;
                self.digest.decision(next);
                decision += 1;
            }
            self.books.check(before.min(step.end))?;
        }
        for revision in &step.revisions {
            self.books.revise(revision);
            self.digest.revision(revision);
        }
        self.books.check(step.end)?;
        Ok(())
    }

    fn checkpoint(
        &mut self,
        done: Result<super::step::CheckpointEntry, RunError>,
    ) -> Result<(), RunError> {
        let entry = done?;
        self.pause_us = entry.pause_us;
        self.sink.checkpoint(entry)?;
        self.checkpoints += 1;
        Ok(())
    }

    fn publish(&self, end: &Position, state_rows: u64, state_bytes: u64, peak: &Peak) {
        let seconds = self.began.elapsed().as_secs_f64();
        self.control.publish(|progress| {
            progress.records = end.arrival;
            progress.rows = end.row;
            progress.outputs = self.outputs;
            progress.seconds = seconds;
            progress.watermark = end.watermark;
            progress.arrival_ms = end.now_ms;
            progress.epoch = end.epoch;
            progress.books = self.books.by_input();
            progress.state_rows = state_rows;
            progress.state_bytes = state_bytes;
            progress.checkpoints = self.checkpoints;
            progress.pause_us = self.pause_us;
            progress.peak_memory_bytes = peak.bytes();
        });
    }
}
