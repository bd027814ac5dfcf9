//! What a Kafka Streams join is given: its windows and the task's settings.

use super::side::{Side, Sides};
use crate::pipeline::{InputIndex, InputOrder, Join, Kind, Pipeline};

/// Which rows are put out without a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// `KStream.join`.
    Inner,
    /// `KStream.leftJoin`.
    Left,
    /// `KStream.outerJoin`.
    Outer,
}

/// Where the two window stores rest; it shows (rule D4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowStore {
    /// `BuiltInDslStoreSuppliers.ROCKS_DB`, Kafka Streams' default.
    #[default]
    RocksDb,
    /// `BuiltInDslStoreSuppliers.IN_MEMORY`.
    Memory,
}

/// What becomes of a record with a negative timestamp (rule D7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvalidTime {
    /// `FailOnInvalidTimestamp`, the default: the stream thread stops.
    #[default]
    Fail,
    /// `LogAndSkipOnInvalidTimestamp`: dropped and counted.
    Skip,
}

/// All times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub kind: StreamKind,
    /// A left row at `l` matches a right one at `r` iff
    /// `l - before <= r <= l + after`; each may be negative, their sum not.
    pub before: i64,
    pub after: i64,
    pub grace: i64,
    /// How often, by the wall clock, the join looks for closed windows:
    /// `__emit.interval.ms.kstreams.outer.join.spurious.results.fix__`.
    pub emit_interval: i64,
    pub store: WindowStore,
    /// `None`: rows are taken in the order given. Else `max.task.idle.ms`, and a
    /// task takes the smallest timestamp among the rows that it has buffered.
    pub max_task_idle: Option<i64>,
    pub on_invalid: InvalidTime,
    /// The right side is the primary one of the pairs that come out.
    pub exchanged: bool,
}

/// A task that reads what is there already waits for an empty partition as long
/// as that has lag, whatever `max.task.idle.ms` (0 by default) says: hence until
/// both have a row, or it is told that one has none
/// ([`super::KafkaStreams::caught_up`]). So long that no wall clock wraps.
const TO_THE_END: i64 = i64::MAX / 4;

/// Settings that the release refuses, or that leave 64-bit milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    #[error(
        "{0} inputs under join.with: a join of Kafka Streams has two streams, so name one (a chain of joins would give products)"
    )]
    Inputs(usize),
    #[error("before {before} ms and after {after} ms: their sum must be 0 or more")]
    Interval { before: i64, after: i64 },
    #[error("join.grace is missing: kafka-streams needs it, e.g. grace = \"1m\"")]
    NoGrace,
    #[error("grace {0} ms: write 0 or more")]
    Grace(i64),
    #[error("before_ms + after_ms + grace_ms, how long rows are kept, leaves 64 bits: write less")]
    Retention,
    #[error("emit interval {0} ms: write 0 or more")]
    EmitInterval(i64),
    #[error("max_task_idle_ms {0}: write -1 (take what is there) or more")]
    TaskIdle(i64),
}

impl Settings {
    /// [`Settings::of`] a pipeline's join. Two inputs of one topic share one
    /// record queue, which gives its records in their order.
    ///
    /// # Errors
    /// As [`Settings::of`].
    pub fn of_pipeline(pipeline: &Pipeline) -> Result<(Self, Sides<InputIndex>), BadSettings> {
        let (mut settings, inputs) = Self::of(&pipeline.join)?;
        let topic = |input: InputIndex| pipeline.inputs.get(usize::from(input)).map(|i| &i.topic);
        if topic(inputs.left) == topic(inputs.right) {
            settings.max_task_idle = None;
        }
        Ok((settings, inputs))
    }

    /// A join in Kafka Streams' words, with the release's defaults,
    /// and which input is the left side. There is no right join: it is the left
    /// join of the two exchanged. A negative timestamp, which stops the thread
    /// by default, is dropped: the run goes on.
    ///
    /// # Errors
    /// Kafka Streams has no such join.
    pub fn of(join: &Join) -> Result<(Self, Sides<InputIndex>), BadSettings> {
        let grace = join.released.grace.ok_or(BadSettings::NoGrace)?;
        let secondaries: Vec<_> =
            join.with.iter().filter(|with| with.input != join.primary).collect();
        let [with] = secondaries[..] else { return Err(BadSettings::Inputs(secondaries.len())) };
        let (before, after) = (with.after.saturating_neg(), with.until);
        let exchanged = join.kind == Kind::Right;
        let settings = Self {
            kind: match join.kind {
                Kind::Inner => StreamKind::Inner,
                Kind::Left | Kind::Right => StreamKind::Left,
                Kind::Full => StreamKind::Outer,
            },
            before: if exchanged { after } else { before },
            after: if exchanged { before } else { after },
            grace,
            emit_interval: 1000,
            store: WindowStore::default(),
            max_task_idle: match join.released.input_order {
                InputOrder::Given => None,
                InputOrder::SmallestTimestamp => Some(TO_THE_END),
            },
            on_invalid: InvalidTime::Skip,
            exchanged,
        };
        let inputs = if exchanged {
            Sides { left: with.input, right: join.primary }
        } else {
            Sides { left: join.primary, right: with.input }
        };
        settings.check()?;
        Ok((settings, inputs))
    }

    /// # Errors
    /// They name an interval, a grace or a wait that Kafka Streams refuses.
    pub fn check(&self) -> Result<(), BadSettings> {
        let Self { before, after, .. } = *self;
        let Some(size) = before.checked_add(after).filter(|size| *size >= 0) else {
            return Err(BadSettings::Interval { before, after });
        };
        if self.grace < 0 {
            return Err(BadSettings::Grace(self.grace));
        }
        if size.checked_add(self.grace).is_none() {
            return Err(BadSettings::Retention);
        }
        if self.emit_interval < 0 {
            return Err(BadSettings::EmitInterval(self.emit_interval));
        }
        if let Some(idle) = self.max_task_idle.filter(|idle| *idle < -1) {
            return Err(BadSettings::TaskIdle(idle));
        }
        Ok(())
    }

    /// How far before a row of this side its partners begin (`b` of the rules).
    pub(super) fn reach_back(&self, side: Side) -> i64 {
        match side {
            Side::Left => self.before,
            Side::Right => self.after,
        }
    }

    /// How far after a row of this side its partners end (`a` of the rules).
    pub(super) fn reach_on(&self, side: Side) -> i64 {
        match side {
            Side::Left => self.after,
            Side::Right => self.before,
        }
    }

    /// How long a window store keeps a row: while its time is larger than the
    /// store's own largest one less this.
    #[must_use]
    pub fn retention(&self) -> i64 {
        self.before.wrapping_add(self.after).wrapping_add(self.grace)
    }

    /// Whether rows of this side are put out without a partner.
    pub(super) fn pads(&self, side: Side) -> bool {
        match self.kind {
            StreamKind::Inner => false,
            StreamKind::Left => side == Side::Left,
            StreamKind::Outer => true,
        }
    }

    /// Rule D4: what the window store of a side does with a row at `time` once
    /// it has seen `seen`, which is at least `time`.
    pub(super) fn stored(&self, time: i64, seen: i64) -> Stored {
        let oldest = seen.wrapping_sub(self.retention());
        match self.store {
            // `InMemoryWindowStore#put`.
            WindowStore::Memory if time <= oldest => Stored::Dropped,
            WindowStore::Memory => Stored::Visible,
            // `AbstractSegments#getOrCreateSegmentIfLive`; Java divides towards zero.
            WindowStore::RocksDb => {
                let segment = (self.retention() / 2).max(60_000);
                if time / segment < oldest / segment {
                    Stored::Dropped
                } else if time > oldest {
                    Stored::Visible
                } else {
                    Stored::Hidden
                }
            }
        }
    }
}

/// What became of a put into a window store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Rows of the other side can find it.
    Visible,
    /// Its segment still lives, so it is not counted; no fetch reaches it.
    Hidden,
    /// Not stored, and counted in `dropped-records-total`.
    Dropped,
}
