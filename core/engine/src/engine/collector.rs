//! The collector: merges what the shards made of a batch into the order of
//! 3-semantics, numbers the outputs, and makes the [`Step`] of the batch. Where rows
//! have thousands of partners neither what a shard gives nor a step holds all that a
//! batch sets off: both come in pieces, of whole arrivals.
//!
//! What comes out does not depend on the number of shards: events are taken in
//! their order; the outputs of one arrival by [`Effect::order`]; the decisions
//! that one move of the event-time watermark sets off by row.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use smallvec::SmallVec;

use super::batch::{Batch, Event, EventKind, Position, ShardOut};
use super::digest::{Digest, OutputDigest, OutputHead};
use super::routes::Routes;
use super::step::{Decision, Named, Output, OutputKind, StateSample, Step};
use crate::operator::join::{Effect, Reason, Ref};
use crate::operator::record::Arrival;
use crate::operator::state::Folded;

/// From so many decisions on they are sorted by digits.
const MANY: usize = 256;

/// With so many outputs a step ends before its batch does. Where that is does not
/// depend on the shards.
pub(super) const MANY_OUTPUTS: usize = 1 << 16;

pub(super) struct Collector {
    routes: Arc<Routes>,
    outputs: u64,
    output_digest: OutputDigest,
    /// Outputs of the arrival at hand.
    pending: Vec<Effect>,
    decisions: Vec<Decision>,
    /// Where the decisions of the event at hand begin in `decisions`.
    event_from: usize,
    outputs_out: Vec<Output>,
    /// The records behind them, where somebody wants their names.
    named: Option<Vec<Named>>,
    /// Rows and bytes of state after the last batch.
    state: (u64, u64),
}

/// A step with what the books and checkpoints want to know besides.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub step: Step,
    /// Of the facts and outputs; decisions may still be revised.
    pub digest: Digest,
    pub outputs: u64,
    pub end: Position,
    pub state_rows: u64,
    pub state_bytes: u64,
}

/// Reads what one shard made of a batch, event by event.
struct Cursor<'a> {
    effects: std::vec::IntoIter<Effect>,
    groups: std::vec::IntoIter<(u32, u32)>,
    head: Option<(u32, u32)>,
    taken: u32,
    /// The piece at hand, without its effects.
    out: Box<ShardOut>,
    next: &'a Receiver<ShardOut>,
}

impl<'a> Cursor<'a> {
    /// `None`: the shard is gone.
    fn new(next: &'a Receiver<ShardOut>) -> Option<Self> {
        let mut cursor = Self {
            effects: Vec::new().into_iter(),
            groups: Vec::new().into_iter(),
            head: None,
            taken: 0,
            out: Box::new(ShardOut { more: true, ..ShardOut::default() }),
            next,
        };
        cursor.turn()?;
        Some(cursor)
    }

    /// Goes to the next piece where the one at hand has no event any more.
    #[inline]
    fn turn(&mut self) -> Option<()> {
        while self.head.is_none() && self.out.more {
            let mut out = self.next.recv().ok()?;
            self.effects = std::mem::take(&mut out.effects).into_iter();
            self.groups = std::mem::take(&mut out.groups).into_iter();
            (self.head, self.taken) = (self.groups.next(), 0);
            *self.out = out;
        }
        Some(())
    }
}

impl Collector {
    /// `outputs` were given out before (by the run that is resumed).
    pub(super) fn new(routes: Arc<Routes>, outputs: u64, names: bool) -> Self {
        Self {
            routes,
            outputs,
            output_digest: OutputDigest::default(),
            pending: Vec::new(),
            decisions: Vec::new(),
            event_from: 0,
            outputs_out: Vec::new(),
            named: names.then(Vec::new),
            state: (0, 0),
        }
    }

    /// Makes the step of a batch, with what each shard knows after it; where it has very
    /// many outputs, those before are given to `give`. `None`: a shard is gone, or
    /// nobody wants the steps.
    pub(super) fn collect(
        &mut self,
        mut batch: Batch,
        shards: &[Receiver<ShardOut>],
        give: &mut dyn FnMut(Collected) -> bool,
    ) -> Option<(Collected, Vec<ShardOut>)> {
        let mut cursors: Vec<Cursor<'_>> = shards.iter().map(Cursor::new).collect::<Option<_>>()?;
        let mut digest = Digest::default();
        for (i, &payload) in batch.payloads.iter().enumerate() {
            digest.fact(&batch.facts, i, payload);
        }
        let sampled = !batch.facts.is_empty();
        let effects: usize = cursors.iter().map(|cursor| cursor.effects.len()).sum();
        self.decisions.reserve(effects / 2);
        while let Some(event) = cursors.iter().filter_map(|c| Some(c.head?.0)).min() {
            let Some(&at) = batch.events.get(event as usize) else { break };
            self.event_from = self.decisions.len();
            for cursor in &mut cursors {
                if let Some((_, end)) = cursor.head.filter(|&(next, _)| next == event) {
                    for effect in cursor.effects.by_ref().take((end - cursor.taken) as usize) {
                        self.effect(effect, at.at);
                    }
                    cursor.taken = end;
                    cursor.head = cursor.groups.next();
                    cursor.turn()?;
                }
            }
            if at.kind != EventKind::Row {
                self.by_row();
            }
            // The outputs of one arrival are put in order together; what the
            // clock set off before it is an arrival of its own.
            let next = cursors.iter().filter_map(|c| Some(c.head?.0)).min();
            let next = next.and_then(|next| batch.events.get(next as usize)).copied();
            let same = next.is_some_and(|next| {
                next.at == at.at && next.kind != EventKind::Clock && at.kind != EventKind::Clock
            });
            if same {
                continue;
            }
            self.give_out(at.at, at.epoch, &mut digest);
            // Never behind the last record: what is known after the batch has its step.
            let goes_on = |next: Event| at.at < next.at && next.at < batch.end.arrival;
            if self.outputs_out.len() >= MANY_OUTPUTS && next.is_some_and(goes_on) {
                let piece = self.cut(&mut batch, at.at + 1, std::mem::take(&mut digest));
                if !give(piece) {
                    return None;
                }
            }
        }
        let outs: Vec<ShardOut> = cursors.into_iter().map(|cursor| *cursor.out).collect();
        let state_rows = outs.iter().map(|s| s.rows).sum();
        let state_bytes = outs.iter().map(|s| s.bytes).sum();
        let cold = outs.iter().map(|s| s.cold).sum();
        self.state = (state_rows, state_bytes);
        let mut step = self.step(&mut batch);
        if sampled {
            let arrival = batch.end.arrival.saturating_sub(1);
            step.state.push(StateSample { arrival, rows: state_rows, bytes: state_bytes, cold });
        }
        let (outputs, end) = (self.outputs, batch.end);
        Some((Collected { step, digest, outputs, end, state_rows, state_bytes }, outs))
    }

    /// What there is so far of a batch.
    fn step(&mut self, batch: &mut Batch) -> Step {
        Step {
            facts: std::mem::take(&mut batch.facts),
            decisions: std::mem::take(&mut self.decisions),
            revisions: Vec::new(),
            outputs: std::mem::take(&mut self.outputs_out),
            named: self.named.as_mut().map(std::mem::take).unwrap_or_default(),
            made: None,
            clock: std::mem::take(&mut batch.clock),
            trackers: std::mem::take(&mut batch.trackers),
            state: Vec::new(),
            end: batch.end.arrival,
        }
    }

    /// The step of the arrivals before `end`, all of whose effects were taken; the batch
    /// goes on behind it.
    #[cold]
    fn cut(&mut self, batch: &mut Batch, end: Arrival, digest: Digest) -> Collected {
        let mut step = self.step(batch);
        let rest = step.split_off(end);
        (batch.facts, batch.clock, batch.trackers) = (rest.facts, rest.clock, rest.trackers);
        let end = Position { arrival: end, row: batch.facts.first_row, ..batch.end.clone() };
        let (state_rows, state_bytes) = self.state;
        Collected { step, digest, outputs: self.outputs, end, state_rows, state_bytes }
    }

    fn effect(&mut self, effect: Effect, at: Arrival) {
        match effect {
            Effect::Decided { row, verdict, reason, cause } => {
                self.decisions.push(Decision {
                    row,
                    at,
                    verdict: Some(verdict),
                    reason,
                    removed: false,
                    cause,
                });
            }
            Effect::Removed { row } => match self.decisions[self.event_from..].last_mut() {
                // Decided and gone at once is one decision.
                Some(last) if last.row == row && !last.removed => {
                    last.removed = true;
                }
                _ => self.decisions.push(Decision {
                    row,
                    at,
                    verdict: None,
                    reason: Reason::Plain,
                    removed: true,
                    cause: at,
                }),
            },
            output => self.pending.push(output),
        }
    }

    /// Decisions of one move come by row, whichever shard they come from; a row
    /// has one entry.
    fn by_row(&mut self) {
        let tail = &mut self.decisions[self.event_from..];
        if tail.is_sorted_by(|a, b| a.row < b.row) {
            return;
        }
        if tail.len() > MANY {
            radsort::sort_by_key(tail, |d| d.row);
        } else {
            tail.sort_by_key(|d| d.row);
        }
        let mut kept = self.event_from;
        for i in self.event_from + 1..self.decisions.len() {
            let next = self.decisions[i];
            let last = &mut self.decisions[kept];
            if last.row == next.row && !(last.verdict.is_some() && next.verdict.is_some()) {
                let removed = last.removed || next.removed;
                let decided = if last.verdict.is_some() { *last } else { next };
                *last = Decision { removed, ..decided };
            } else {
                kept += 1;
                self.decisions[kept] = next;
            }
        }
        self.decisions.truncate(kept + 1);
    }

    fn give_out(&mut self, at: Arrival, epoch: u64, digest: &mut Digest) {
        if self.pending.is_empty() {
            return;
        }
        if self.pending.len() > 1 && !self.pending.is_sorted_by_key(Effect::order) {
            self.pending.sort_by_cached_key(Effect::order);
        }
        let mut pending = std::mem::take(&mut self.pending);
        for effect in pending.drain(..) {
            let n = self.outputs;
            let hashes = &self.routes.topic_hash;
            let head = |time, kind, labels, correction| OutputHead {
                n,
                at,
                time,
                kind,
                labels,
                correction,
            };
            if let Some(named) = &mut self.named {
                name(&effect, named);
            }
            let (head, records) = match effect {
                Effect::Pair { primary, secondary, time } => {
                    let head = head(time, OutputKind::Pair, 0, 0);
                    let (a, b) = in_pipeline_order(primary, secondary);
                    self.output_digest.begin(&head);
                    self.output_digest.reference(hashes, &a);
                    self.output_digest.reference(hashes, &b);
                    (head, SmallVec::from_buf([a.row, b.row]))
                }
                Effect::Pad { row, time, .. } => {
                    let head = head(time, OutputKind::Pad, 0, 0);
                    self.output_digest.begin(&head);
                    self.output_digest.reference(hashes, &row);
                    (head, SmallVec::from_slice(&[row.row]))
                }
                Effect::Example { primary, folded, labels, correction, time, .. } => {
                    let head = head(time, OutputKind::Example, labels, correction);
                    self.output_digest.begin(&head);
                    self.output_digest.reference(hashes, &primary);
                    for Folded { input, partition, offset, .. } in &folded {
                        let hash = hashes.get(*input as usize).copied().unwrap_or(0);
                        self.output_digest.record(hash, *partition, *offset);
                    }
                    let rows = folded.iter().map(|f| f.row);
                    (head, std::iter::once(primary.row).chain(rows).collect())
                }
                Effect::Decided { .. } | Effect::Removed { .. } => continue,
            };
            self.output_digest.end(digest);
            self.outputs_out.push(Output {
                n,
                at,
                epoch,
                time: head.time,
                kind: head.kind,
                records,
                labels: head.labels,
                correction: head.correction,
            });
            self.outputs += 1;
        }
        self.pending = pending;
    }
}

/// Adds the records of an output, in the order in which it has its rows.
fn name(effect: &Effect, named: &mut Vec<Named>) {
    let of = |r: &Ref| Named { input: r.input, partition: r.partition, offset: r.offset };
    match effect {
        Effect::Pair { primary, secondary, .. } => {
            let (a, b) = in_pipeline_order(*primary, *secondary);
            named.extend([of(&a), of(&b)]);
        }
        Effect::Pad { row, .. } => named.push(of(row)),
        Effect::Example { primary, folded, .. } => {
            named.push(of(primary));
            named.extend(folded.iter().map(|f| Named {
                input: f.input,
                partition: f.partition,
                offset: f.offset,
            }));
        }
        Effect::Decided { .. } | Effect::Removed { .. } => {}
    }
}

/// A pair's records are named in the order of the pipeline's inputs.
fn in_pipeline_order(primary: Ref, secondary: Ref) -> (Ref, Ref) {
    if primary.input <= secondary.input { (primary, secondary) } else { (secondary, primary) }
}
