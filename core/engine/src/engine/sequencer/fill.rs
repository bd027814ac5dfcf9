//! The batch being filled: what the shards are told goes into it, and it leaves
//! when it is full, at a real snapshot and at the end.

use std::sync::Arc;

use super::{Sequenced, Sequencer};
use crate::engine::batch::{
    Batch, Cut, Event, EventKind, Move, ShardBatch, ShardRow, Told, shard_of,
};
use crate::engine::routes::Routes;
use crate::engine::step::Facts;
use crate::operator::join::LogEnd;
use crate::operator::record::Arrival;
use crate::operator::state::Row;

impl Sequencer {
    /// Each batch begins with the tracker as it was before its first arrival.
    #[inline]
    pub(super) fn begin_unless_begun(&mut self) {
        if self.batch.trackers.is_empty() {
            self.batch.trackers.push((self.position.arrival, self.tracker.save()));
        }
    }

    pub(super) fn watermark_moved(&mut self, at: Arrival, kind: EventKind) {
        self.passes(at, self.tracker.join(), self.inputs(), kind);
    }

    /// What each input gives the join.
    pub(super) fn inputs(&self) -> smallvec::SmallVec<[i64; 2]> {
        (0..self.routes.inputs.len()).map(|i| self.tracker.input(i as u8)).collect()
    }

    /// The shards hear of a move of the join's event-time watermark.
    pub(super) fn passes(
        &mut self,
        at: Arrival,
        join: i64,
        inputs: smallvec::SmallVec<[i64; 2]>,
        kind: EventKind,
    ) {
        self.position.watermark = join;
        self.tell(at, Told::Watermark { join, inputs }, kind);
    }

    /// The shards hear whether a partition was taken up to its log's end.
    pub(super) fn log_end(
        &mut self,
        routes: &Routes,
        source: u32,
        reached: bool,
        now_ms: i64,
        kind: EventKind,
    ) {
        let Some(partition) = routes.partitions.get(source as usize) else { return };
        for feed in routes.feeds(source) {
            let partition = partition.partition;
            let end = LogEnd { input: feed.input, partition, reached, now_ms };
            self.tell(self.position.arrival, Told::LogEnd(end), kind);
        }
    }

    /// A row goes to the shard of its key.
    #[inline]
    pub(super) fn send(&mut self, now_ms: i64, late_by: Option<i64>, row: Row) {
        let (at, epoch, kind) = (row.arrival, self.position.epoch, EventKind::Row);
        let shard = shard_of(row.key.hash64(), self.rows.len());
        let event = self.batch.events.len() as u32;
        self.rows[shard].push(ShardRow { event, now_ms, late_by, row });
        self.batch.events.push(Event { at, epoch, kind });
    }

    /// The shards hear of partitions that the source lacks: nothing comes of them.
    pub(super) fn absent(&mut self, routes: &Routes) {
        for (input, partition) in routes.absent() {
            let end = LogEnd { input, partition, reached: true, now_ms: i64::MIN };
            self.tell(self.position.arrival, Told::LogEnd(end), EventKind::Clock);
        }
    }

    pub(super) fn tell(&mut self, at: Arrival, what: Told, kind: EventKind) {
        self.moves.push(Move { event: self.batch.events.len() as u32, at, what });
        self.batch.events.push(Event { at, epoch: self.position.epoch, kind });
    }

    pub(super) fn snapshot(&mut self, epoch: u64) {
        self.last_snapshot = self.position.arrival;
        // One epoch may have several, where a run was stopped in it.
        let epoch = epoch.max(self.newest_snapshot.saturating_add(1));
        self.newest_snapshot = epoch;
        let cut = Cut {
            epoch,
            position: self.position.clone(),
            first_ms: self.first_ms.unwrap_or(self.position.now_ms),
            tracker: self.tracker.save(),
            inputs: (0..self.routes.inputs.len()).map(|i| self.tracker.input(i as u8)).collect(),
            next_offsets: self.next_offsets.clone(),
            idle: self.idle.clone(),
            clock: self.heard,
            closed: self.closed,
            dirty: self.dirty,
            furthest: self.furthest,
        };
        self.flush(Some(cut));
    }

    pub(super) fn flush(&mut self, snapshot: Option<Cut>) {
        let rows = self.batch.facts.len();
        let keys = self.batch.facts.keys.len();
        let events = self.batch.events.len();
        let mut batch = std::mem::take(&mut self.batch);
        batch.end = self.position.clone();
        let barrier = snapshot.as_ref().map(|cut| cut.epoch);
        batch.snapshot = snapshot;
        if batch.facts.is_empty() {
            batch.facts.first_row = self.position.row;
        }
        let moves = Arc::new(std::mem::take(&mut self.moves));
        let shards = self
            .rows
            .iter_mut()
            .map(|rows| {
                let next = Vec::with_capacity(rows.len() + rows.len() / 8);
                ShardBatch {
                    rows: std::mem::replace(rows, next),
                    moves: Arc::clone(&moves),
                    snapshot: barrier,
                }
            })
            .collect();
        self.ready.push_back(Sequenced { batch, shards });
        reserve(&mut self.batch, rows, keys, events);
        self.batch.facts.first_row = self.position.row;
    }
}

/// The next batch will be about as large as the last one.
fn reserve(batch: &mut Batch, rows: usize, keys: usize, events: usize) {
    let n = rows;
    batch.facts = Facts {
        first_row: 0,
        arrival: Vec::with_capacity(n),
        arrival_ms: Vec::with_capacity(n),
        input: Vec::with_capacity(n),
        partition: Vec::with_capacity(n),
        offset: Vec::with_capacity(n),
        event_time: Vec::with_capacity(n),
        watermark: Vec::with_capacity(n),
        at_arrival: Vec::with_capacity(n),
        key_hash: Vec::with_capacity(n),
        normal_hash: Vec::with_capacity(n),
        key_end: Vec::with_capacity(n),
        keys: Vec::with_capacity(keys + keys / 8),
    };
    batch.payloads = Vec::with_capacity(n);
    batch.events = Vec::with_capacity(events + events / 8);
}
