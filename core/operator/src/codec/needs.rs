//! What one input's records must give: each field once, whoever asks for it.

use smallvec::SmallVec;

use super::value::Got;
use crate::pipeline::{
    EventTime, FieldPath, InputIndex, KeyField, Pipeline, Scalar, Secondary, Semantics, TimeUnit,
};

/// Extracted fields by slot.
pub(super) type Slots<'a> = SmallVec<[Got<'a>; 6]>;

/// A name that is looked for in an object, and what is wanted of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Want {
    pub name: String,
    /// Its own value goes here.
    pub slot: Option<usize>,
    /// Names below it.
    pub children: Vec<Want>,
}

/// The fields that an input needs and what each is for.
#[derive(Clone, Debug)]
pub(super) struct Needs {
    pub paths: Vec<FieldPath>,
    pub wants: Vec<Want>,
    /// Slot of the key; `None`: the Kafka key.
    pub key: Option<usize>,
    /// Slot and unit of the event time; `None`: the record's timestamp.
    pub time: Option<(usize, TimeUnit)>,
    pub filter: Vec<(usize, Vec<Scalar>)>,
    /// Bit, slot, value.
    pub labels: Vec<(u32, usize, Vec<Scalar>)>,
    /// Event times outside leave `i64` once the pipeline's bounds are added.
    pub earliest: i64,
    pub latest: i64,
    /// How long after its own time a row can still be matched (`flink-sql`).
    pub size: Option<i128>,
    /// How long after a row's own time its cleanup timer goes off (`flink-sql`).
    pub timer: Option<i128>,
    pub semantics: Semantics,
    pub max_ahead: Option<i64>,
}

impl Needs {
    pub fn new(pipeline: &Pipeline, index: InputIndex) -> Option<Self> {
        let input = pipeline.inputs.get(usize::from(index))?;
        let mut paths: Vec<FieldPath> = Vec::new();
        let mut slot = |path: &FieldPath| {
            paths.iter().position(|p| p == path).unwrap_or_else(|| {
                paths.push(path.clone());
                paths.len() - 1
            })
        };
        let key = match &input.key {
            KeyField::Field(path) => Some(slot(path)),
            KeyField::Kafka => None,
        };
        let time = match &input.event_time {
            EventTime::Field { path, unit } => Some((slot(path), *unit)),
            EventTime::Timestamp => None,
        };
        let filter = input.filter.iter().map(|f| (slot(&f.path), f.values.clone())).collect();
        let labels = pipeline.examples.iter().flat_map(|e| e.labels.iter().enumerate());
        let labels = labels
            .filter(|(_, label)| label.input == index)
            .map(|(bit, l)| (bit as u32, slot(&l.condition.path), l.condition.values.clone()))
            .collect();
        let mut wants = Vec::new();
        for (slot, path) in paths.iter().enumerate() {
            add(&mut wants, path, slot);
        }
        let size = relative_size(pipeline, index);
        // Its side's size and the least cleanup (12-released-joins, B4.2).
        let timer = size.map(|size| size + i128::from(pipeline.join.released.min_cleanup) + 1);
        let (earliest, latest) = reach(pipeline, index, timer);
        let max_ahead = input.watermark.max_ahead;
        let semantics = pipeline.join.semantics;
        Some(Self {
            paths,
            wants,
            key,
            time,
            filter,
            labels,
            earliest,
            latest,
            size,
            timer,
            semantics,
            max_ahead,
        })
    }

    /// Below this event time the engine at hand has no join: Flink SQL's
    /// operator time never goes below 0 (12-released-joins, B1 and B11), and
    /// Kafka Streams takes no record there (D7).
    pub fn least(&self) -> i64 {
        match self.semantics {
            Semantics::FlinkSql => 1,
            Semantics::KafkaStreams => 0,
            Semantics::Clean | Semantics::FlinkDataStream => i64::MIN,
        }
    }

    /// Whether records without a key go to the join: the engine would hand them
    /// to its own. A `DataStream` job fails before, late rows too
    /// (12-released-joins, C1).
    pub fn null_keys(&self) -> bool {
        matches!(self.semantics, Semantics::FlinkSql | Semantics::KafkaStreams)
    }

    /// Whether records without a value go to the join: only Kafka Streams
    /// hands them on, and they have a time only where it is the record's own. A
    /// `where` keeps none of them, as they have no fields.
    pub fn null_values(&self) -> bool {
        let kafka_streams = self.semantics == Semantics::KafkaStreams;
        kafka_streams && self.time.is_none() && self.filter.is_empty()
    }
}

fn add(wants: &mut Vec<Want>, path: &[String], slot: usize) {
    let [name, rest @ ..] = path else { return };
    let at = wants.iter().position(|w| w.name == *name).unwrap_or_else(|| {
        wants.push(Want { name: name.clone(), ..Want::default() });
        wants.len() - 1
    });
    if rest.is_empty() {
        wants[at].slot = Some(slot);
    } else {
        add(&mut wants[at].children, rest, slot);
    }
}

/// Flink SQL's size of an input's side (12-released-joins, B).
fn relative_size(pipeline: &Pipeline, index: InputIndex) -> Option<i128> {
    let join = &pipeline.join;
    if join.semantics != Semantics::FlinkSql {
        return None;
    }
    let own = |with: &&Secondary| join.primary == index || with.input == index;
    let size = |with: &Secondary| {
        if join.primary == index { i128::from(with.until) } else { -i128::from(with.after) }
    };
    join.with.iter().filter(own).map(size).max()
}

/// The event times with which all that the join adds to them stays within
/// `i64`, its two ends kept free (none, and the end of time).
fn reach(pipeline: &Pipeline, index: InputIndex, timer: Option<i128>) -> (i64, i64) {
    let mut least: i128 = 0;
    let mut most: i128 = 0;
    let mut shift = |by: i128| {
        least = least.min(by);
        most = most.max(by);
    };
    // One that wraps never returns (12-released-joins, B12).
    shift(timer.unwrap_or(0));
    for with in &pipeline.join.with {
        let (after, until) = (i128::from(with.after), i128::from(with.until));
        if pipeline.join.primary == index {
            shift(after);
            shift(until);
        } else if with.input == index {
            shift(-after);
            shift(-until);
        }
    }
    if let Some(input) = pipeline.inputs.get(usize::from(index)) {
        shift(-i128::from(input.watermark.max_out_of_orderness) - 1);
    }
    let clamp = |n: i128| n.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
    (clamp(i128::from(i64::MIN) + 1 - least), clamp(i128::from(i64::MAX) - 1 - most))
}
