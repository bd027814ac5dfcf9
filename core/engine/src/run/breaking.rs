//! Stops a run at its breakpoints: between the engine and the run store. A step
//! in which a breakpoint is met is cut there; what came before is published, and
//! the run waits, every stage behind it too, until it is told to go on. So what
//! is kept is what would have been kept without the stop.

use crate::edges::recording::Recording;
use crate::engine::breakpoint::{Breakpoint, Fields, Hit, Watch, of_step};
use crate::engine::step::{CheckpointEntry, Durable, Sink, SinkError, Step};
use crate::engine::{Control, Stop};
use crate::operator::codec::InputDecoder;
use crate::operator::pipeline::Pipeline;
use crate::operator::record::{Arrival, RecordName};
use std::sync::Arc;

/// What a run does at a breakpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtHit {
    /// It waits until it is told to go on.
    #[default]
    Wait,
    /// It ends there, stopped.
    End,
}

/// A sink that stops.
pub(super) struct Breaking<'a> {
    inner: &'a mut dyn Sink,
    control: Control,
    at_hit: AtHit,
    watch: Watch,
    /// Rows in the state after the last step.
    rows: u64,
    watching: bool,
    fields: Values,
    /// Ended at a breakpoint: nothing is taken any more.
    ended: bool,
}

impl<'a> Breaking<'a> {
    /// `rows`: in the state when it begins.
    pub fn new(
        inner: &'a mut dyn Sink,
        control: &Control,
        at_hit: AtHit,
        rows: u64,
        fields: Values,
    ) -> Self {
        let (control, watch) = (control.clone(), Watch::default());
        Self { inner, control, at_hit, watch, rows, watching: false, fields, ended: false }
    }

    /// Whether it ended at a breakpoint.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What is met first in a step; `None`: nothing, and all of it was looked at.
    fn look(&mut self, list: &[Breakpoint], step: &Step) -> Result<Vec<Hit>, SinkError> {
        let mut watch = self.watch.clone();
        let hits = of_step(step, |events| watch.pass(list, events, &mut self.fields));
        let mut hits = hits.map_err(SinkError)?;
        let Some(at) = hits.first().map(|hit| hit.at) else {
            self.watch = watch;
            return Ok(hits);
        };
        hits.retain(|hit| hit.at == at);
        Ok(hits)
    }

    /// Publishes what was taken, and waits.
    fn stop(&mut self, hits: &[Hit]) -> Result<(), SinkError> {
        self.inner.stopped(true)?;
        let Some(first) = hits.first() else { return Ok(()) };
        let row = hits.iter().find_map(|hit| hit.row);
        let ids = hits.iter().map(|hit| hit.id).collect();
        let stop = Stop { arrival: first.at, row, ids };
        match self.at_hit {
            AtHit::Wait => {
                self.control.stop(stop);
                self.inner.stopped(false)
            }
            AtHit::End => {
                self.ended = true;
                self.control.stopped_for_good(stop);
                Ok(())
            }
        }
    }
}

impl Sink for Breaking<'_> {
    fn step(&mut self, step: Step) -> Result<(), SinkError> {
        let mut rest = step;
        let rows = rest.state.last().map(|s| s.rows);
        while !self.ended {
            let list = self.control.breakpoints();
            if self.control.is_cancelled() || !list.iter().any(|b| b.enabled) {
                self.watching = false;
                break;
            }
            if !std::mem::replace(&mut self.watching, true) {
                self.watch = Watch::with_rows(self.rows);
            }
            let hits = self.look(&list, &rest)?;
            let Some(hit) = hits.first() else { break };
            let after = rest.split_off(hit.at + 1);
            // What is behind is taken in as it is known to be.
            let looked = of_step(&rest, |events| self.watch.pass(&list, events, &mut self.fields));
            looked.map_err(SinkError)?;
            let before = std::mem::replace(&mut rest, after);
            self.inner.step(before)?;
            self.stop(&hits)?;
        }
        self.rows = rows.unwrap_or(self.rows);
        if self.ended { Ok(()) } else { self.inner.step(rest) }
    }

    fn revise(&mut self, step: &mut Step) -> Result<(), SinkError> {
        if self.ended { Ok(()) } else { self.inner.revise(step) }
    }

    fn names(&self) -> bool {
        self.inner.names()
    }

    fn barrier(&mut self, at: Arrival) -> Result<Option<Durable>, SinkError> {
        if self.ended { Ok(None) } else { self.inner.barrier(at) }
    }

    fn checkpoint(&mut self, entry: CheckpointEntry) -> Result<(), SinkError> {
        if self.ended { Ok(()) } else { self.inner.checkpoint(entry) }
    }
}

/// Values of records, read from the recording one by one.
pub(super) struct Values {
    pipeline: Arc<Pipeline>,
    recording: Option<Recording>,
    decoders: Vec<Option<InputDecoder>>,
}

impl Values {
    /// Without a recording no field can be asked for.
    pub fn new(pipeline: &Arc<Pipeline>, recording: Option<Recording>) -> Self {
        Self { pipeline: Arc::clone(pipeline), recording, decoders: Vec::new() }
    }
}

impl Fields for Values {
    fn value(
        &mut self,
        input: u8,
        partition: i32,
        offset: i64,
    ) -> Result<serde_json::Value, String> {
        let Some(recording) = &self.recording else {
            return Err("a breakpoint asks for a field of the value, which is read from the \
                        recording: there is none"
                .to_owned());
        };
        if self.decoders.is_empty() {
            let inputs = 0..self.pipeline.inputs.len() as u8;
            self.decoders = inputs
                .map(|i| InputDecoder::new(&self.pipeline, i, recording.schemas()).ok())
                .collect();
        }
        let Some(of) = self.pipeline.inputs.get(usize::from(input)) else {
            return Ok(serde_json::Value::Null);
        };
        let name = RecordName { topic: Arc::clone(&of.topic), partition, offset };
        let record = recording.record(&name).map_err(|e| e.to_string())?;
        let decoder = self.decoders.get_mut(usize::from(input)).and_then(Option::as_mut);
        // What cannot be decoded has no fields.
        Ok(record
            .zip(decoder)
            .and_then(|(record, decoder)| decoder.shown(&record).ok())
            .map(|shown| shown.value)
            .unwrap_or_default())
    }
}
