//! A trace through `clean`: `L` is the primary input, `R` the secondary one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::line::{Event, RowEvent, Side};
use super::spec::IntervalSpec;
use super::{Give, TraceError, TraceOperator};
use crate::join::clean::Clean;
use crate::join::{Effect, Operator, Ref, Watermarks};
use crate::pipeline::{
    Delivery, EventTime, Format, Guarantee, Input, Join, KeyField, Kind, LatePolicy, OutputTime,
    Pipeline, Released, Secondary, Semantics, WatermarkSpec,
};
use crate::state::{Due, Row};
use crate::watermark::{Sources, Tracker, TrackerInput};

pub struct CleanTrace {
    pipeline: Pipeline,
    clean: Clean,
    tracker: Tracker,
    lower: i64,
    upper: i64,
    debug: bool,
    /// By row number.
    ids: Vec<String>,
    /// The rows of the last checkpoint.
    held: BTreeMap<Due, Row>,
    effects: Vec<Effect>,
}

fn lanes() -> Vec<TrackerInput> {
    let semantics = Semantics::Clean;
    let (spec, sources) = (WatermarkSpec::default(), Sources::default());
    vec![TrackerInput { spec, partitions: 1, semantics, sources }; 2]
}

impl CleanTrace {
    pub fn new(spec: &IntervalSpec) -> Self {
        let pipeline = pipeline(spec);
        let clean = Clean::new(&pipeline, u64::MAX, None);
        Self {
            pipeline,
            clean,
            tracker: Tracker::new(lanes()),
            lower: spec.lower,
            upper: spec.upper,
            debug: spec.debug,
            ids: Vec::new(),
            held: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    fn row(&mut self, row: RowEvent, give: Give<'_>) -> Result<(), TraceError> {
        // The verdicts tombstone, untimed and unkeyed.
        let (false, Some(time), Some(key)) = (row.null_value, row.time, row.key) else {
            return Ok(());
        };
        let (first, last) = match row.side {
            Side::L => (self.lower, self.upper),
            Side::R => (self.upper.saturating_neg(), self.lower.saturating_neg()),
        };
        if time.checked_add(first).is_none() || time.checked_add(last).is_none() {
            return Ok(());
        }
        if time < self.tracker.join() {
            give(json!({ "late": { "side": row.side.name(), "id": row.id } }));
            return Ok(());
        }
        let number = self.ids.len() as u64;
        self.ids.push(row.id);
        let row = Row {
            key,
            input: row.side as u8,
            time,
            arrival: number,
            row: number,
            partition: 0,
            offset: number as i64,
            labels: 0,
            matched: false,
            corrections: 0,
            folded: Vec::new(),
        };
        let watermarks = Watermarks { join: self.tracker.join(), inputs: &[] };
        self.clean.row(row, None, watermarks, &mut self.effects)?;
        self.give_outputs(give);
        Ok(())
    }

    fn watermark(&mut self, side: Side, time: i64, give: Give<'_>) -> Result<(), TraceError> {
        let moved = self.tracker.raise(side as u32, time, 0, self.ids.len() as u64);
        self.moved(moved, give)
    }

    fn status(&mut self, side: Side, idle: bool, give: Give<'_>) -> Result<(), TraceError> {
        let all_idle = |tracker: &Tracker| tracker.input_idle(0) && tracker.input_idle(1);
        let before = all_idle(&self.tracker);
        let moved = self.tracker.set_idle(side as u32, idle, 0, self.ids.len() as u64);
        self.moved(moved, give)?;
        if all_idle(&self.tracker) != before {
            give(json!({ "status": if before { "active" } else { "idle" } }));
        }
        Ok(())
    }

    /// What the watermark sets off, then the watermark itself.
    fn moved(&mut self, moved: bool, give: Give<'_>) -> Result<(), TraceError> {
        if moved {
            let join = self.tracker.join();
            let watermarks = Watermarks { join, inputs: &[] };
            self.clean.advance(self.ids.len() as u64, watermarks, &mut self.effects)?;
            self.give_outputs(give);
            give(json!({ "wm": join }));
        }
        Ok(())
    }

    fn give_outputs(&mut self, give: Give<'_>) {
        let id = |row: &Ref| self.ids.get(row.row as usize).map(String::as_str);
        for effect in self.effects.drain(..) {
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

    fn checkpoint(&mut self) {
        let delta = self.clean.take_changes().into_delta();
        for due in delta.removed() {
            self.held.remove(&due);
        }
        self.held.extend(delta.rows());
        self.held.retain(|due, _| due.due >= delta.earliest);
    }

    /// A checkpoint, and a new operator from it and nothing else.
    fn snapshot(&mut self) -> Result<(), TraceError> {
        self.checkpoint();
        self.clean = Clean::new(&self.pipeline, u64::MAX, None);
        self.clean.restore(self.held.values().cloned().collect())?;
        self.tracker = Tracker::load(lanes(), &self.tracker.save())
            .map_err(|error| TraceError::Line(error.to_string()))?;
        Ok(())
    }
}

impl TraceOperator for CleanTrace {
    fn event(&mut self, event: Event, give: Give<'_>) -> Result<(), TraceError> {
        match event {
            Event::Row(row) => self.row(row, give)?,
            Event::Watermark { side, time } => self.watermark(side, time, give)?,
            Event::Idle { side, idle } => self.status(side, idle, give)?,
            Event::End => {
                self.watermark(Side::L, i64::MAX, give)?;
                self.watermark(Side::R, i64::MAX, give)?;
            }
            Event::Checkpoint => self.checkpoint(),
            Event::Snapshot => self.snapshot()?,
            Event::Clock(_) => {}
        }
        if self.debug {
            // Each row at rest waits for one time: its due.
            give(json!({ "timers": self.clean.size().0 }));
        }
        Ok(())
    }
}

/// A pipeline of two inputs; what only sources look at says nothing.
fn pipeline(spec: &IntervalSpec) -> Pipeline {
    let input = |side: Side| Input {
        name: Arc::from(side.name()),
        topic: Arc::from(side.name()),
        format: Format::Json,
        key: KeyField::Kafka,
        event_time: EventTime::Timestamp,
        schema: None,
        watermark: WatermarkSpec::default(),
        filter: Vec::new(),
    };
    let kind: Kind = spec.kind;
    Pipeline {
        name: String::new(),
        inputs: vec![input(Side::L), input(Side::R)],
        join: Join {
            primary: Side::L as u8,
            with: vec![Secondary { input: Side::R as u8, after: spec.lower, until: spec.upper }],
            kind,
            semantics: Semantics::Clean,
            released: Released::default(),
            late: LatePolicy::Drop,
            output_time: OutputTime::Larger,
        },
        examples: None,
        delivery: Delivery {
            guarantee: Guarantee::ExactlyOnce,
            checkpoint_interval: 1000,
            job: None,
        },
        sink: None,
    }
}
