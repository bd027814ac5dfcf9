//! The sequencer: gives each record its arrival number, lets pass first what the
//! clock has due, checks lateness, and moves the event-time watermark after the
//! record (3-semantics, "What happens at one arrival").
//!
//! A pure state machine: records in, batches out.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::shard_of;
use super::batch::{
    BATCH, Batch, Cut, Event, EventKind, Move, Position, ShardBatch, ShardRow, Told,
};
use super::decode::{DecodedBatch, Head, Item};
use super::ends::Ends;
use super::operators::Marks;
use super::routes::{Feed, Routes};
use super::source::{ClockInput, ClockInputKind, Heads};
use super::stairs::Stairs;
use super::step::{ClockEvent, ClockKind, Facts};
use super::summary::Furthest;
use crate::operator::codec::Decoded;
use crate::operator::join::LogEnd;
use crate::operator::pipeline::LatePolicy;
use crate::operator::record::{Arrival, RecordName};
use crate::operator::state::Row;
use crate::operator::verdict::Verdict;
use crate::operator::watermark::{DueKind, Tracker};

/// How it is set up.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// `None`: no row is late, whatever the event-time watermark (`flink-sql`
    /// and `kafka-streams` drop none).
    pub late: Option<LatePolicy>,
    /// ms of processing time; at least 1.
    pub checkpoint_interval: i64,
    /// Records between two real snapshots; `None`: none is taken.
    pub checkpoint_records: Option<u64>,
    pub shards: usize,
    /// A partition that is held is not idle (`clean`).
    pub held_is_active: bool,
    /// Told the event times of records, where the source wants them.
    pub heads: Option<Arc<Heads>>,
    pub marks: Marks,
    pub ends: Ends,
    /// By input, as [`Stairs`] wants them.
    pub shifts: Option<Vec<i64>>,
    /// Before these arrivals, ascending, the engine that the join stands for is
    /// started again ([`super::restarts`]).
    pub restarts: Vec<Arrival>,
}

/// A batch on its way: to the collector and to each shard.
#[derive(Debug, Default)]
pub(super) struct Sequenced {
    pub batch: Batch,
    pub shards: Vec<ShardBatch>,
}

pub(super) struct Sequencer {
    settings: Settings,
    routes: Arc<Routes>,
    tracker: Tracker,
    position: Position,
    /// Processing time of the first arrival; `None` before it.
    first_ms: Option<i64>,
    /// Something happened since the last barrier.
    dirty: bool,
    last_snapshot: Arrival,
    idle: Vec<bool>,
    any_idle: bool,
    next_offsets: Vec<Option<i64>>,
    /// (ahead, source, offset, event time) of the record furthest ahead.
    furthest: Option<(i64, u32, i64, i64)>,
    /// What the source's clock said since the last record and was carried out.
    heard: usize,
    /// So much of what it says again was carried out before the snapshot that
    /// the run goes on from.
    heard_before: usize,
    closed: bool,
    stairs: Stairs,
    // The batch being filled.
    batch: Batch,
    rows: Vec<Vec<ShardRow>>,
    moves: Vec<Move>,
    ready: VecDeque<Sequenced>,
}

impl Sequencer {
    pub(super) fn new(settings: Settings, routes: Arc<Routes>) -> Self {
        let tracker = Tracker::grown(routes.tracker.clone(), &routes.later);
        let idle: Vec<bool> = (0..tracker.lanes())
            .map(|lane| tracker.lane(lane).is_some_and(|lane| lane.idle))
            .collect();
        let position = Position { watermark: i64::MIN, now_ms: i64::MIN, ..Position::default() };
        let sources = routes.partitions.len();
        let rows = (0..settings.shards).map(|_| Vec::new()).collect();
        let stairs = Stairs::new(settings.shifts.clone());
        Self {
            settings,
            routes,
            tracker,
            position,
            first_ms: None,
            dirty: false,
            last_snapshot: 0,
            any_idle: idle.contains(&true),
            idle,
            next_offsets: vec![None; sources],
            furthest: None,
            heard: 0,
            heard_before: 0,
            closed: false,
            stairs,
            batch: Batch::default(),
            rows,
            moves: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// Goes on from a snapshot.
    pub(super) fn restore(&mut self, cut: Cut, tracker: Tracker) {
        self.tracker = tracker;
        self.last_snapshot = cut.position.arrival;
        self.first_ms = (cut.first_ms != i64::MIN).then_some(cut.first_ms);
        self.any_idle = cut.idle.contains(&true);
        self.idle = cut.idle;
        self.next_offsets = cut.next_offsets;
        self.closed = cut.closed;
        self.batch.facts.first_row = cut.position.row;
        self.position = cut.position;
        self.heard_before = cut.clock;
        self.heard = cut.clock;
    }

    /// Before the first record of a run from its beginning: what is empty has
    /// ended.
    pub(super) fn begin(&mut self) {
        let routes = Arc::clone(&self.routes);
        for source in self.settings.ends.empty() {
            self.log_end(&routes, source, true, i64::MIN, EventKind::Clock);
        }
    }

    /// Takes a batch of records; what is full is then given by [`Sequencer::pop`].
    pub(super) fn take(&mut self, given: &mut DecodedBatch) {
        let mut items = given.items.drain(..);
        let mut clock = given.clock.drain(..).peekable();
        let routes = Arc::clone(&self.routes);
        for head in given.heads.drain(..) {
            while let Some(said) = clock.next_if(|said| said.precedes <= head.arrival) {
                self.hear(&routes, said);
            }
            let feeds = routes.feeds(head.source).len();
            self.record(&routes, &head, items.by_ref().take(feeds));
        }
        for said in clock {
            self.hear(&routes, said);
        }
    }

    /// What there is leaves without waiting for a full batch.
    pub(super) fn give_now(&mut self) {
        let batch = &self.batch;
        if !(batch.facts.is_empty() && batch.clock.is_empty() && batch.events.is_empty()) {
            self.flush(None);
        }
    }

    /// The next full batch.
    pub(super) fn pop(&mut self) -> Option<Sequenced> {
        self.ready.pop_front()
    }

    fn record(&mut self, routes: &Routes, head: &Head, items: impl Iterator<Item = Item>) {
        let now = head.arrival_ms.max(self.position.now_ms);
        let first = *self.first_ms.get_or_insert(now);
        let arrival = self.position.arrival;
        self.begin_unless_begun();
        self.clock(now, arrival, first);
        self.begin_unless_begun();
        (self.heard, self.heard_before) = (0, 0);
        self.position.now_ms = now;
        self.position.epoch = self.epoch_of_record(now, first).max(self.position.epoch);
        self.dirty = true;
        if self.settings.restarts.binary_search(&arrival).is_ok() {
            self.restart(now, arrival);
        }

        let feeds = routes.feeds(head.source);
        let partition = routes.partitions[head.source as usize].partition;
        let watermark = self.tracker.join();
        let mut observe: smallvec::SmallVec<[(u32, i64); 2]> = smallvec::SmallVec::new();
        for (feed, item) in feeds.iter().zip(items) {
            let row = self.position.row;
            self.position.row += 1;
            let facts = &mut self.batch.facts;
            facts.arrival.push(arrival);
            facts.arrival_ms.push(now);
            facts.input.push(feed.input);
            facts.partition.push(partition);
            facts.offset.push(head.offset);
            facts.watermark.push(watermark);
            facts.normal_hash.push(item.normal_hash);
            self.batch.payloads.push(head.payload);
            match item.decoded {
                Decoded::Failed { verdict, event_time } => {
                    facts.event_time.push(event_time.unwrap_or(i64::MIN));
                    facts.at_arrival.push(verdict as u8);
                    facts.key_hash.push(0);
                    facts.key_end.push(facts.keys.len() as u32);
                    observe.extend(event_time.map(|time| (feed.lane, time)));
                }
                Decoded::Row(decoded) => {
                    let time = decoded.event_time;
                    let late = time < watermark;
                    facts.event_time.push(time);
                    if decoded.key.is_null() {
                        facts.key_hash.push(0);
                    } else {
                        facts.key_hash.push(decoded.key.hash64());
                        facts.keys.extend_from_slice(decoded.key.canonical());
                    }
                    facts.key_end.push(facts.keys.len() as u32);
                    observe.push((feed.lane, time));
                    if late && self.settings.late.is_some_and(|late| late != LatePolicy::Join) {
                        facts.at_arrival.push(Verdict::Late as u8);
                        continue;
                    }
                    facts.at_arrival.push(Verdict::Open as u8);
                    self.stairs.take(row, feed.input, time, watermark);
                    let shard = shard_of(decoded.key.hash64(), self.rows.len());
                    let marks = self.settings.marks.of(&decoded);
                    self.rows[shard].push(ShardRow {
                        event: self.batch.events.len() as u32,
                        now_ms: now,
                        late_by: late.then(|| watermark.saturating_sub(time)),
                        row: Row {
                            key: decoded.key,
                            input: feed.input,
                            time,
                            arrival,
                            row,
                            partition,
                            offset: head.offset,
                            labels: decoded.labels,
                            matched: false,
                            corrections: marks,
                            folded: Vec::new(),
                        },
                    });
                    self.batch.events.push(Event {
                        at: arrival,
                        epoch: self.position.epoch,
                        kind: EventKind::Row,
                    });
                }
            }
        }
        let moved = self.tracker.observe_all(observe.iter().copied(), now, arrival);
        for (lane, time) in observe {
            if self.any_idle && self.idle[lane as usize] {
                self.set_idle(lane, false);
                let kind = ClockKind::Active { lane };
                self.batch.clock.push(ClockEvent { precedes: arrival, at_ms: now, kind });
            }
            if let Some(heads) = &self.settings.heads {
                heads.tell(head.source, time);
            }
            let ahead = time.saturating_sub(now);
            if self.furthest.is_none_or(|(furthest, ..)| ahead > furthest) {
                self.furthest = Some((ahead, head.source, head.offset, time));
            }
        }
        if moved {
            self.watermark_moved(arrival, EventKind::Move);
        }
        if self.settings.ends.is_last(head.source, head.offset) {
            self.log_end(routes, head.source, true, now, EventKind::Move);
        }
        self.next_offsets[head.source as usize] = Some(head.offset.saturating_add(1));
        self.position.arrival += 1;
        if self.position.arrival.is_multiple_of(BATCH) {
            self.flush(None);
        }
    }

    /// The modelled engine is started again, at the time of the record that comes
    /// next: what the clock had due by then was carried out before, and a snapshot
    /// at this arrival is one before it. So whoever goes on from there, or leads
    /// the tracker over the arrivals again, restarts at the same place.
    fn restart(&mut self, now: i64, arrival: Arrival) {
        for lane in 0..self.tracker.lanes() {
            if self.idle.get(lane as usize) == Some(&true) {
                self.set_idle(lane, false);
                let kind = ClockKind::Active { lane };
                self.batch.clock.push(ClockEvent { precedes: arrival, at_ms: now, kind });
            }
        }
        self.tracker.restart(now, arrival);
        self.position.watermark = i64::MIN;
        self.tell(arrival, Told::Restart, EventKind::Clock);
    }

    /// What the source's clock says: time goes on without a record, or a
    /// partition may not or may again be idle.
    fn hear(&mut self, routes: &Routes, said: ClockInput) {
        if self.heard_before > 0 {
            self.heard_before -= 1;
            return;
        }
        let now = said.at_ms.max(self.position.now_ms);
        let first = *self.first_ms.get_or_insert(now);
        let arrival = self.position.arrival;
        self.begin_unless_begun();
        self.clock(now, arrival, first);
        self.begin_unless_begun();
        self.position.now_ms = now;
        // Not before: a snapshot on the way there is one before all of this,
        // and to hear it again changes nothing that was decided.
        self.heard += 1;
        match said.kind {
            ClockInputKind::Held(source) => self.hold(routes, source, true, now),
            ClockInputKind::Free(source) => self.hold(routes, source, false, now),
            ClockInputKind::Added(source) => self.add(routes, source, now),
            ClockInputKind::Barrier if self.dirty => {
                self.position.epoch = self.position.epoch.max(1);
                self.barrier(now, arrival);
            }
            ClockInputKind::Tick | ClockInputKind::Barrier => {}
        }
    }

    fn hold(&mut self, routes: &Routes, source: u32, held: bool, now: i64) {
        if self.settings.ends.are_told() {
            self.dirty = true;
            self.position.epoch = self.epoch_of_clock(now, self.first_ms.unwrap_or(now));
            self.log_end(routes, source, !held, now, EventKind::Clock);
        }
        if !self.settings.held_is_active {
            return;
        }
        let arrival = self.position.arrival;
        let lanes = routes.feeds(source).iter().map(|feed| feed.lane);
        let moved = self.tracker.hold(lanes, held, now, arrival);
        if held {
            self.wakes(routes, source, now, moved);
        }
    }

    /// A partition counts from now on.
    fn add(&mut self, routes: &Routes, source: u32, now: i64) {
        let arrival = self.position.arrival;
        let lanes = routes.feeds(source).iter().map(|feed| feed.lane);
        let moved = self.tracker.appear(lanes, now, arrival);
        self.wakes(routes, source, now, moved);
    }

    /// The lanes of a partition that were idle are not so any more, though it gave no
    /// record. `moved`: the join's event-time watermark did.
    fn wakes(&mut self, routes: &Routes, source: u32, now: i64, mut moved: bool) {
        let arrival = self.position.arrival;
        for &Feed { lane, .. } in routes.feeds(source) {
            if self.idle.get(lane as usize) == Some(&true) {
                self.set_idle(lane, false);
                // Of the epoch that this time lies in: after a gap each would else
                // end an epoch of the gap.
                let first = self.first_ms.unwrap_or(now);
                self.position.epoch = self.epoch_of_clock(now, first);
                let moved = std::mem::take(&mut moved);
                self.decided(ClockKind::Active { lane }, now, arrival, moved);
            }
        }
    }

    /// What is due by `now` comes before the record, in order of its time; at one
    /// time idleness, periodic event-time watermarks, the barrier.
    fn clock(&mut self, now: i64, arrival: Arrival, first: i64) {
        while let Some(due) = self.tracker.next_due(now) {
            self.before_decision(due.at_ms, arrival, first);
            let kind = match due.kind {
                DueKind::Idle { lane } => {
                    self.set_idle(lane, true);
                    ClockKind::Idle { lane }
                }
                DueKind::Periodic { input } => ClockKind::Periodic { input },
            };
            let moved = self.tracker.fire(due, arrival);
            self.decided(kind, due.at_ms, arrival, moved);
        }
        self.barriers(now, arrival, first);
    }

    fn before_decision(&mut self, at_ms: i64, arrival: Arrival, first: i64) {
        self.barriers(at_ms.saturating_sub(1), arrival, first);
        self.begin_unless_begun();
        self.position.epoch = self.epoch_of_clock(at_ms, first);
    }

    fn decided(&mut self, kind: ClockKind, at_ms: i64, arrival: Arrival, moved: bool) {
        self.batch.clock.push(ClockEvent { precedes: arrival, at_ms, kind });
        self.dirty = true;
        if moved {
            self.watermark_moved(arrival, EventKind::Clock);
        }
    }

    /// Executes the barrier of the epoch at hand if it is due by `now` and the
    /// epoch had an effect; those without are only counted.
    fn barriers(&mut self, now: i64, arrival: Arrival, first: i64) {
        if !self.dirty {
            return;
        }
        let ends = self.end_of_epoch(self.position.epoch, first);
        if ends <= now {
            self.barrier(ends, arrival);
        }
    }

    /// Ends the epoch at hand.
    fn barrier(&mut self, ends: i64, arrival: Arrival) {
        self.dirty = false;
        self.position.epochs_with_effect += 1;
        let n = self.position.epoch;
        self.batch.clock.push(ClockEvent {
            precedes: arrival,
            at_ms: ends,
            kind: ClockKind::Epoch { n },
        });
        self.position.epoch += 1;
        let since = arrival - self.last_snapshot;
        if self.settings.checkpoint_records.is_some_and(|records| since >= records) {
            self.position.now_ms = self.position.now_ms.max(ends);
            self.snapshot(n);
        }
    }

    /// Each batch begins with the tracker as it was before its first arrival.
    #[inline]
    fn begin_unless_begun(&mut self) {
        if self.batch.trackers.is_empty() {
            self.batch.trackers.push((self.position.arrival, self.tracker.save()));
        }
    }

    fn snapshot(&mut self, epoch: u64) {
        self.last_snapshot = self.position.arrival;
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
        };
        self.flush(Some(cut));
    }

    /// Epochs are numbered from 1; epoch n ends at the first arrival + n intervals.
    fn end_of_epoch(&self, n: u64, first: i64) -> i64 {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        first.saturating_add(n.saturating_mul(self.settings.checkpoint_interval))
    }

    /// A record at a barrier's time comes after it.
    fn epoch_of_record(&self, now: i64, first: i64) -> u64 {
        now.saturating_sub(first) as u64 / self.settings.checkpoint_interval as u64 + 1
    }

    /// What the clock decides at a barrier's time comes before it.
    fn epoch_of_clock(&self, at: i64, first: i64) -> u64 {
        let since = at.saturating_sub(first).max(0) as u64;
        since.div_ceil(self.settings.checkpoint_interval as u64).max(self.position.epoch).max(1)
    }

    fn set_idle(&mut self, lane: u32, idle: bool) {
        if let Some(entry) = self.idle.get_mut(lane as usize) {
            *entry = idle;
        }
        self.any_idle = idle || self.idle.contains(&true);
    }

    fn watermark_moved(&mut self, at: Arrival, kind: EventKind) {
        let inputs = self.routes.inputs.len() as u8;
        let inputs = (0..inputs).map(|i| self.tracker.input(i)).collect();
        self.passes(at, self.tracker.join(), inputs, kind);
    }

    /// The shards hear of a move of the join's event-time watermark.
    fn passes(
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
    fn log_end(
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

    fn tell(&mut self, at: Arrival, what: Told, kind: EventKind) {
        self.moves.push(Move { event: self.batch.events.len() as u32, at, what });
        self.batch.events.push(Event { at, epoch: self.position.epoch, kind });
    }

    /// The end of the source. `close`: the last event-time watermark; `snapshot`:
    /// the state as it is now is kept.
    pub(super) fn end(&mut self, close: bool, snapshot: bool) {
        self.begin_unless_begun();
        self.position.epoch = self.position.epoch.max(1);
        if close && !self.closed {
            self.closed = true;
            self.dirty = true;
            let from = self.tracker.join();
            if self.tracker.close() {
                let inputs = self.routes.inputs.len();
                for step in self.stairs.between(from, self.tracker.join()) {
                    let at = self.position.arrival;
                    self.passes(at, step, smallvec::smallvec![step; inputs], EventKind::Clock);
                    self.flush(None);
                }
                self.watermark_moved(self.position.arrival, EventKind::Clock);
            }
        }
        // A run resumed at its very end has nothing new to keep.
        let news = self.dirty || self.position.arrival > self.last_snapshot;
        if self.dirty {
            self.dirty = false;
            self.position.epochs_with_effect += 1;
        }
        if snapshot && news {
            self.snapshot(self.position.epoch);
        } else {
            self.flush(None);
        }
    }

    /// The record that moved an event-time watermark and lay furthest ahead of
    /// its own arrival, if any lay ahead.
    pub(super) fn furthest(&self) -> Option<Furthest> {
        let (ahead_ms, source, offset, event_time) = self.furthest?;
        let partition = &self.routes.partitions[source as usize];
        (ahead_ms > 0).then(|| Furthest {
            record: RecordName {
                topic: Arc::clone(&partition.topic),
                partition: partition.partition,
                offset,
            },
            event_time,
            ahead_ms,
        })
    }

    fn flush(&mut self, snapshot: Option<Cut>) {
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
