//! The sequencer: gives each record its arrival number, lets pass first what the
//! clock has due, checks lateness, and moves the event-time watermark after the
//! record (3-semantics, "What happens at one arrival").
//!
//! A pure state machine: records in, batches out.

mod clock;
mod fill;

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::{
    BATCH, BATCH_KEYS, Batch, Cut, EventKind, Move, Position, ShardBatch, ShardRow, Told,
};
use super::decode::{DecodedBatch, Head, Item};
use super::ends::Ends;
use super::operators::{Marks, left_out};
use super::routes::Routes;
use super::source::Heads;
use super::stairs::{Sampled, Stairs};
use super::step::{ClockEvent, ClockKind};
use super::summary::Furthest;
use crate::operator::codec::Decoded;
use crate::operator::join::Ref;
use crate::operator::pipeline::LatePolicy;
use crate::operator::record::{Arrival, RecordName};
use crate::operator::state::Row;
use crate::operator::verdict::Verdict;
use crate::operator::watermark::Tracker;

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
    /// Records that give no row have their turn in a task's queue (`kafka-streams`).
    pub queues: bool,
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
    /// Its number, [`Cut::epoch`]; 0: there is none.
    newest_snapshot: u64,
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
            newest_snapshot: 0,
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

    /// Goes on from a snapshot; `sample` is of the rows that it gave back.
    pub(super) fn restore(&mut self, cut: Cut, tracker: Tracker, sample: Vec<Sampled>) {
        self.stairs.restore(sample, cut.position.watermark);
        self.tracker = tracker;
        self.last_snapshot = cut.position.arrival;
        self.newest_snapshot = cut.epoch;
        self.dirty = cut.dirty;
        self.furthest = cut.furthest;
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
    /// ended, as has what the source does not even have.
    pub(super) fn begin(&mut self) {
        let routes = Arc::clone(&self.routes);
        for source in self.settings.ends.empty() {
            self.log_end(&routes, source, true, i64::MIN, EventKind::Clock);
        }
        if self.settings.ends.are_known() {
            self.absent(&routes);
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
                    if let (true, Some(time)) = (self.settings.queues, event_time) {
                        let (input, offset) = (feed.input, head.offset);
                        let of = Ref { input, row, arrival, partition, offset, time };
                        self.send(now, None, left_out(of));
                    }
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
                    let late_by = late.then(|| watermark.saturating_sub(time));
                    let corrections = self.settings.marks.of(&decoded);
                    self.send(
                        now,
                        late_by,
                        Row {
                            key: decoded.key,
                            input: feed.input,
                            time,
                            arrival,
                            row,
                            partition,
                            offset: head.offset,
                            labels: decoded.labels,
                            matched: false,
                            corrections,
                            folded: Vec::new(),
                        },
                    );
                }
            }
        }
        let moved = self.tracker.observe_all(observe.iter().copied(), now, arrival);
        for (lane, time) in observe {
            // Not every record wakes its lane.
            let woke = self.any_idle
                && self.idle[lane as usize]
                && self.tracker.lane(lane).is_some_and(|own| !own.idle);
            if woke {
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
        let has_long_keys = self.batch.facts.keys.len() >= BATCH_KEYS;
        if has_long_keys || self.position.arrival.is_multiple_of(BATCH) {
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

    /// The source was left before its end, because the run was stopped: the state as
    /// it is now is kept. Nothing is decided and no epoch ends, so that a run that goes
    /// on from here is the one that was never stopped.
    pub(super) fn leave(&mut self) {
        self.begin_unless_begun();
        if self.position.arrival > self.last_snapshot {
            self.snapshot(self.position.epoch);
        } else {
            self.flush(None);
        }
    }

    /// The record that moved an event-time watermark and lay furthest ahead of
    /// its own arrival, if any lay ahead.
    pub(super) fn furthest(&self) -> Option<Furthest> {
        let (ahead_ms, source, offset, event_time) = self.furthest?;
        let partition = self.routes.partitions.get(source as usize)?;
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
}
