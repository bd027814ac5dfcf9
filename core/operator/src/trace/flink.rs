//! A trace through one of Flink's interval joins: one subtask.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::line::{Event, RowEvent, Side};
use super::spec::IntervalSpec;
use super::{Give, TraceError, TraceOperator};
use crate::join::flink::Settings;
use crate::join::flink::datastream::FlinkDataStream;
use crate::join::flink::sql::FlinkSql;
use crate::join::flink::watermark::TwoInputs;
use crate::join::{Effect, Operator, Watermarks};
use crate::key::{Key, KeyValue};
use crate::pipeline::OutputTime;
use crate::state::{Due, Row, StateError};
use crate::verdict::Verdict;

/// The operator at hand.
enum Join {
    Sql(Box<FlinkSql>),
    DataStream(Box<FlinkDataStream>, Timers),
}

/// The timers of `flink-datastream`, only to be counted: (time, side, key)
/// (rule C5).
type Timers = BTreeSet<(i64, u8, Vec<u8>)>;

impl Join {
    fn operator(&mut self) -> &mut dyn Operator {
        match self {
            Self::Sql(join) => join.as_mut(),
            Self::DataStream(join, _) => join.as_mut(),
        }
    }
}

pub struct FlinkTrace {
    settings: Settings,
    join: Join,
    two: TwoInputs,
    debug: bool,
    record_ts: bool,
    /// By row number.
    ids: Vec<String>,
    /// The rows of the last checkpoint.
    held: BTreeMap<Due, Row>,
    effects: Vec<Effect>,
}

fn settings(spec: &IntervalSpec) -> Settings {
    Settings {
        left: Side::L as u8,
        right: Side::R as u8,
        lower: spec.lower,
        upper: spec.upper,
        kind: spec.kind,
        output_time: OutputTime::Larger,
        min_cleanup: spec.min_cleanup,
        parallelism: 1,
        max_parallelism: spec.max_parallelism,
        disorder: 0,
    }
}

/// Of the operators only what the job could not survive comes as an error.
fn job(error: StateError) -> TraceError {
    TraceError::Job(error.0)
}

impl FlinkTrace {
    /// # Errors
    /// Flink does not build such an operator: two strict bounds that leave
    /// nothing may make the delay of rule B8 negative. (Its planner does not
    /// come so far, see rule B13.)
    pub fn sql(spec: &IntervalSpec) -> Result<Self, TraceError> {
        let join = FlinkSql::new(settings(spec));
        if join.output_watermark(0) > 0 {
            return Err(TraceError::Job(format!(
                "the interval from {} to {} ms is empty, and the delay of the output watermark would be negative",
                spec.lower, spec.upper
            )));
        }
        Ok(Self::new(spec, Join::Sql(Box::new(join))))
    }

    pub fn datastream(spec: &IntervalSpec) -> Self {
        let join = FlinkDataStream::new(settings(spec), u64::MAX, None);
        Self::new(spec, Join::DataStream(Box::new(join), Timers::new()))
    }

    fn new(spec: &IntervalSpec, join: Join) -> Self {
        Self {
            settings: settings(spec),
            join,
            two: TwoInputs::default(),
            debug: spec.debug,
            record_ts: spec.record_ts,
            ids: Vec::new(),
            held: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    /// The event time of a row, unless the job fails at it.
    fn time(&self, row: &RowEvent) -> Result<i64, TraceError> {
        let fails = |what: &str| Err(TraceError::Job(what.to_owned()));
        match (&self.join, row.time) {
            // Rule B15.
            (Join::Sql(_), None) => fails("the rowtime is null (WatermarkAssignerOperator)"),
            (Join::Sql(_), Some(time)) => Ok(time),
            // Rule C1, before the others.
            (Join::DataStream(..), _) if row.key.is_none() => {
                fails("the key is null (setCurrentKey)")
            }
            // Rule C2.
            (Join::DataStream(..), Some(time)) if self.record_ts && time != i64::MIN => Ok(time),
            (Join::DataStream(..), _) => {
                fails("the record has no timestamp, or that of Long.MIN_VALUE")
            }
        }
    }

    fn row(&mut self, event: RowEvent, give: Give<'_>) -> Result<(), TraceError> {
        let time = self.time(&event)?;
        let number = self.ids.len() as u64;
        let key = event.key.unwrap_or_else(|| Key::new(KeyValue::Null));
        let row = Row {
            key,
            input: event.side as u8,
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
        self.ids.push(event.id);
        let watermarks = Watermarks { join: self.two.combined(), inputs: &[] };
        if let Join::DataStream(_, timers) = &mut self.join
            && self.debug
            && time >= watermarks.join
        {
            let shift = FlinkDataStream::timers(&self.settings)[usize::from(row.input)];
            timers.insert((time.wrapping_add(shift), row.input, row.key.canonical().to_vec()));
        }
        self.join.operator().row(row, None, watermarks, &mut self.effects).map_err(job)?;
        let late = self.late(event.side, number, give);
        let stamp = match &self.join {
            // Rule B9: of the arriving row.
            Join::Sql(_) => Stamp::Row(self.record_ts.then_some(time)),
            // Rule C4.
            Join::DataStream(..) => Stamp::Pair,
        };
        if !late {
            self.give_outputs(stamp, give);
        }
        self.effects.clear();
        Ok(())
    }

    /// Rule C3: to the side output.
    fn late(&self, side: Side, number: u64, give: Give<'_>) -> bool {
        let late = |effect: &Effect| matches!(effect, Effect::Decided { verdict: Verdict::Late, row, .. } if *row == number);
        let late = self.effects.iter().any(late);
        if late && let Some(id) = self.ids.get(number as usize) {
            give(json!({ "late": { "side": side.name(), "id": id } }));
        }
        late
    }

    fn watermark(&mut self, side: Side, time: i64, give: Give<'_>) -> Result<(), TraceError> {
        let advanced = self.two.watermark(side as usize, time);
        self.advanced(advanced, give)
    }

    fn status(&mut self, side: Side, idle: bool, give: Give<'_>) -> Result<(), TraceError> {
        let (advanced, status) = self.two.status(side as usize, idle);
        self.advanced(advanced, give)?;
        // Rule A5.
        if let Some(idle) = status {
            give(json!({ "status": if idle { "idle" } else { "active" } }));
        }
        Ok(())
    }

    /// Rule A3: timers, then the output watermark.
    fn advanced(&mut self, to: Option<i64>, give: Give<'_>) -> Result<(), TraceError> {
        let Some(to) = to else { return Ok(()) };
        let (now, watermarks) = (self.ids.len() as u64, Watermarks { join: to, inputs: &[] });
        let result = self.join.operator().advance(now, watermarks, &mut self.effects);
        self.give_outputs(Stamp::Timer, give);
        self.effects.clear();
        result.map_err(job)?;
        let out = match &mut self.join {
            // Rule B8.
            Join::Sql(join) => join.output_watermark(to),
            // Rule C8.
            Join::DataStream(_, timers) => {
                timers.retain(|(time, ..)| *time > to);
                to
            }
        };
        give(json!({ "wm": out }));
        Ok(())
    }

    fn give_outputs(&self, stamp: Stamp, give: Give<'_>) {
        let id = |row: u64| self.ids.get(row as usize).map(String::as_str);
        for effect in &self.effects {
            let (left, right, time) = match effect {
                Effect::Pair { primary, secondary, time } => {
                    (id(primary.row), id(secondary.row), stamp.of(Some(*time), None))
                }
                Effect::Pad { row, due, .. } => {
                    let time = stamp.of(None, *due);
                    if row.input == Side::L as u8 {
                        (id(row.row), None, time)
                    } else {
                        (None, id(row.row), time)
                    }
                }
                _ => continue,
            };
            give(json!({ "out": { "l": left, "r": right, "ts": time } }));
        }
    }

    /// What an operator's state is to a checkpoint.
    fn checkpoint(&mut self) {
        let delta = self.join.operator().take_changes().into_delta();
        for due in delta.removed() {
            self.held.remove(&due);
        }
        self.held.extend(delta.rows());
    }

    /// A checkpoint, and a new operator from its rows and timers and nothing
    /// else (rules A7, B10, C9).
    fn snapshot(&mut self) -> Result<(), TraceError> {
        self.checkpoint();
        match &mut self.join {
            Join::Sql(join) => **join = FlinkSql::new(self.settings),
            Join::DataStream(join, _) => {
                **join = FlinkDataStream::new(self.settings, u64::MAX, None);
            }
        }
        self.join.operator().restore(self.held.values().cloned().collect())?;
        self.two = TwoInputs::default();
        Ok(())
    }
}

/// What timestamp the output records carry.
#[derive(Clone, Copy)]
enum Stamp {
    /// The arriving row's.
    Row(Option<i64>),
    /// The pair's.
    Pair,
    /// The timer's.
    Timer,
}

impl Stamp {
    fn of(self, pair: Option<i64>, due: Option<Due>) -> Value {
        match self {
            Self::Row(time) => time.into(),
            Self::Pair => pair.into(),
            Self::Timer => due.map(|due| due.due).into(),
        }
    }
}

impl TraceOperator for FlinkTrace {
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
            // No processing-time timer is ever registered.
            Event::Clock(_) => {}
        }
        if self.debug {
            let timers = match &self.join {
                Join::Sql(join) => join.timers(),
                Join::DataStream(_, timers) => timers.len(),
            };
            give(json!({ "timers": timers }));
        }
        Ok(())
    }
}
