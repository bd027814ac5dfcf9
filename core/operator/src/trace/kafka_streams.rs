//! A trace through Kafka Streams' join, as `TopologyTestDriver` runs it: one
//! task, every row taken as far as it may be at once.

use serde_json::json;

use super::line::{Event, RowEvent, Side};
use super::spec::{OnInvalid, StreamsSpec, StreamsStore};
use super::{Give, TraceError, TraceOperator};
use crate::join::kafka_streams::{
    InvalidTime, KafkaStreams, Now, Settings, Sides, StreamKind, StreamsError, WindowStore, marks,
};
use crate::join::{Effect, Ref};
use crate::key::{Key, KeyValue};
use crate::pipeline::Kind;
use crate::state::Row;

#[cfg(test)]
mod tests;

pub struct KafkaStreamsTrace {
    join: KafkaStreams,
    wall: i64,
    /// By row number.
    ids: Vec<String>,
    effects: Vec<Effect>,
}

/// A record without a timestamp: Kafka's `NO_TIMESTAMP`.
const NO_TIMESTAMP: i64 = -1;

impl KafkaStreamsTrace {
    pub fn new(spec: &StreamsSpec) -> Result<Self, TraceError> {
        let settings = Settings {
            kind: match spec.kind {
                Kind::Inner => StreamKind::Inner,
                Kind::Left => StreamKind::Left,
                Kind::Right | Kind::Full => StreamKind::Outer,
            },
            before: spec.before,
            after: spec.after,
            grace: spec.grace,
            emit_interval: spec.emit_interval,
            store: match spec.store {
                StreamsStore::RocksDb => WindowStore::RocksDb,
                StreamsStore::Memory => WindowStore::Memory,
            },
            max_task_idle: spec.max_task_idle,
            on_invalid: match spec.on_invalid {
                OnInvalid::Fail => InvalidTime::Fail,
                OnInvalid::Skip => InvalidTime::Skip,
            },
            exchanged: false,
        };
        let inputs = Sides { left: Side::L as u8, right: Side::R as u8 };
        let join = KafkaStreams::new(settings, inputs)
            .map_err(|error| TraceError::Line(error.to_string()))?;
        Ok(Self { join, wall: spec.clock, ids: Vec::new(), effects: Vec::new() })
    }

    fn row(&mut self, row: RowEvent) -> Result<(), StreamsError> {
        let number = self.ids.len() as u64;
        self.ids.push(row.id);
        let row = Row {
            key: row.key.unwrap_or_else(|| Key::new(KeyValue::Null)),
            input: row.side as u8,
            time: row.time.unwrap_or(NO_TIMESTAMP),
            arrival: number,
            row: number,
            partition: 0,
            offset: number as i64,
            labels: 0,
            matched: false,
            corrections: if row.null_value { marks::NO_VALUE } else { 0 },
            folded: Vec::new(),
        };
        self.join.take(row, self.wall, &mut self.effects)
    }

    /// What came out, and which records were dropped where in between.
    fn give_outputs(&mut self, give: Give<'_>) {
        let id = |row: &Ref| self.ids.get(row.row as usize).map(String::as_str);
        let mut dropped = self.join.take_dropped().peekable();
        let mut effects = self.effects.drain(..).enumerate();
        loop {
            let next = effects.next();
            let at = next.as_ref().map_or(usize::MAX, |(at, _)| *at);
            while let Some(record) = dropped.next_if(|record| record.after <= at) {
                let side = if record.row.input == Side::L as u8 { Side::L } else { Side::R };
                let mut late = json!({ "side": side.name(), "id": id(&record.row) });
                if record.count > 1 {
                    late["count"] = record.count.into();
                }
                give(json!({ "late": late }));
            }
            let Some((_, effect)) = next else { return };
            let (left, right, time) = match effect {
                Effect::Pair { primary, secondary, time } => (id(&primary), id(&secondary), time),
                Effect::Pad { row, time, .. } if row.input == Side::L as u8 => {
                    (id(&row), None, time)
                }
                Effect::Pad { row, time, .. } => (None, id(&row), time),
                _ => continue,
            };
            give(json!({ "out": { "l": left, "r": right, "ts": time } }));
        }
    }
}

impl TraceOperator for KafkaStreamsTrace {
    fn event(&mut self, event: Event, give: Give<'_>) -> Result<(), TraceError> {
        let done = match event {
            Event::Row(row) => self.row(row),
            Event::Clock(to) => {
                self.wall = to;
                let now = Now { wall: to, arrival: self.ids.len() as u64 };
                self.join.tick(now, &mut self.effects)
            }
            // Its joins know neither watermarks nor the end of an input (rule
            // D5c), and a commit shows in nothing.
            Event::Watermark { .. } | Event::Idle { .. } | Event::End | Event::Checkpoint => Ok(()),
            Event::Snapshot => {
                return Err(TraceError::Line(
                    "snapshot: a restart of Kafka Streams is not offered: its test driver cannot restore, so what a restart forgets (rule D9) could not be held against the release; leave the line out"
                        .to_owned(),
                ));
            }
        };
        self.give_outputs(give);
        match done {
            Ok(()) => Ok(()),
            Err(StreamsError::State(error)) => Err(error.into()),
            Err(failed @ StreamsError::InvalidTime { .. }) => {
                Err(TraceError::Job(failed.to_string()))
            }
        }
    }
}
