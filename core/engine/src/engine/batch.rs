//! What travels between the stages behind the sequencer. One batch holds the
//! same arrivals for every shard, whatever their number.

use std::sync::Arc;

use super::step::{ClockEvent, Facts};
use crate::operator::join::{Effect, LogEnd};
use crate::operator::record::Arrival;
use crate::operator::state::{Changes, Row};

/// Arrivals in a batch: batches end where the arrival number is a multiple of
/// it, where they hold [`BATCH_KEYS`], at a real snapshot and at the end, so that
/// they do not depend on how the source cuts its own.
pub(super) const BATCH: u64 = 4096;
/// Bytes of keys in a batch: of a megabyte each, 4,096 would be more than
/// [`Facts::key_end`] can name, and fill the memory before.
pub(super) const BATCH_KEYS: usize = 16 << 20;

/// What may set something off: a row, a move of the join's event-time watermark,
/// the end of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// The arrival at hand; for the clock the one that it precedes.
    pub at: Arrival,
    pub epoch: u64,
    pub kind: EventKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    Row,
    /// A record moved the event-time watermark, or was the last of its partition.
    Move,
    /// The clock did, before a record, or the end or a restart did.
    Clock,
}

/// What goes past the shards, straight to the collector.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub facts: Facts,
    /// By row: the hash of key and value.
    pub payloads: Vec<u64>,
    pub clock: Vec<ClockEvent>,
    pub trackers: Vec<(Arrival, Vec<u8>)>,
    /// A shard's effects name their event by its position here.
    pub events: Vec<Event>,
    pub end: Position,
    /// A real snapshot is taken where this batch ends.
    pub snapshot: Option<Cut>,
}

/// Where the sequencer stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Position {
    /// Arrivals and rows before these.
    pub arrival: Arrival,
    pub row: u64,
    /// Processing time, ms.
    pub now_ms: i64,
    pub watermark: i64,
    pub epoch: u64,
    pub epochs_with_effect: u64,
}

/// What a snapshot keeps of the sequencer.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// The epoch that ended here, or, where the run was stopped, the one at hand;
    /// a larger number where a snapshot before has that one.
    pub epoch: u64,
    pub position: Position,
    pub first_ms: i64,
    pub tracker: Vec<u8>,
    /// By input: its event-time watermark.
    pub inputs: Vec<i64>,
    /// By partition of the source: the offset after its last record taken.
    pub next_offsets: Vec<Option<i64>>,
    pub idle: Vec<bool>,
    /// What the source's clock said since the last record and was carried out.
    pub clock: usize,
    pub closed: bool,
    /// The epoch at hand had an effect: whoever goes on from here ends it.
    pub dirty: bool,
    /// Of the record furthest ahead of its arrival: by how much, source, offset and
    /// event time.
    pub furthest: Option<(i64, u32, i64, i64)>,
}

/// What goes to one shard.
#[derive(Debug, Default)]
pub(super) struct ShardBatch {
    pub rows: Vec<ShardRow>,
    pub moves: Arc<Vec<Move>>,
    /// The epoch that ends after this batch: give its changes, and wait until the
    /// tier below is frozen.
    pub snapshot: Option<u64>,
}

#[derive(Debug)]
pub(super) struct ShardRow {
    /// Position in [`Batch::events`].
    pub event: u32,
    /// Processing time of its arrival, ms.
    pub now_ms: i64,
    pub late_by: Option<i64>,
    pub row: Row,
}

/// Something that all shards are told.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub event: u32,
    pub at: Arrival,
    pub what: Told,
}

#[derive(Clone, Debug)]
pub(super) enum Told {
    /// The join's event-time watermark moved.
    Watermark {
        join: i64,
        /// By input.
        inputs: smallvec::SmallVec<[i64; 2]>,
    },
    /// A partition was taken up to its end, or has more again.
    LogEnd(LogEnd),
    /// The engine that the join stands for was started again, and has forgotten
    /// the event-time watermark.
    Restart,
}

/// What one shard made of a batch, or of a piece of it.
#[derive(Debug, Default)]
pub(super) struct ShardOut {
    pub effects: Vec<Effect>,
    /// (event, end of its effects in `effects`), only events that had any.
    pub groups: Vec<(u32, u32)>,
    /// Rows and bytes of state after the batch.
    pub rows: u64,
    pub bytes: u64,
    /// Of the rows, those on disk alone.
    pub cold: u64,
    pub changes: Option<Changes>,
    /// With the changes: what the operator keeps besides rows.
    pub saved: Vec<u8>,
    /// More of the batch follows, and with the last piece what is known after it.
    pub more: bool,
}

impl ShardOut {
    /// An empty one with room for about so many effects and groups.
    pub fn like((effects, groups): (usize, usize)) -> Self {
        Self {
            effects: Vec::with_capacity(effects + effects / 8),
            groups: Vec::with_capacity(groups + groups / 8),
            ..Self::default()
        }
    }
}

/// The shard of a key: the high half of its hash, since maps use the low one.
#[inline]
pub(super) fn shard_of(hash: u64, shards: usize) -> usize {
    (((hash >> 32) * shards as u64) >> 32) as usize
}
