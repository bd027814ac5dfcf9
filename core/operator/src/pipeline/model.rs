//! A pipeline as the engine reads it: checked, durations in milliseconds,
//! names resolved to positions.

use std::sync::Arc;

/// A checked pipeline (10-command-line, "A pipeline").
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    pub name: String,
    /// In the order in which the file lists them; an [`InputIndex`] points here.
    pub inputs: Vec<Input>,
    pub join: Join,
    pub examples: Option<Examples>,
    pub delivery: Delivery,
    pub sink: Option<Sink>,
}

/// Position in [`Pipeline::inputs`]; at most 64 inputs.
pub type InputIndex = u8;

#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub name: Arc<str>,
    pub topic: Arc<str>,
    pub format: Format,
    pub key: KeyField,
    pub event_time: EventTime,
    /// A reader schema's file as written in the pipeline, and its text once
    /// loaded (the parser itself reads no file); a schema written into the
    /// pipeline itself has an empty path.
    pub schema: Option<SchemaFile>,
    pub watermark: WatermarkSpec,
    /// Each field must equal one of the values.
    pub filter: Vec<FieldIs>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SchemaFile {
    pub path: String,
    pub text: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    /// Plain Avro bodies under the schema of the input's file.
    Avro,
    /// Confluent framing; writer schemas from the recording or a registry.
    AvroRegistry,
}

/// Path of a field: names from the top, joined by dots in the file.
pub type FieldPath = Vec<String>;

#[derive(Clone, Debug, PartialEq)]
pub enum KeyField {
    Field(FieldPath),
    /// `"$key"`: the Kafka key.
    Kafka,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EventTime {
    Field {
        path: FieldPath,
        unit: TimeUnit,
    },
    /// `"$timestamp"`: the record's timestamp.
    Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Rfc3339,
}

/// All in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatermarkSpec {
    pub max_out_of_orderness: i64,
    pub idle_timeout: Option<i64>,
    /// `None`: on every advance; else periodic with this interval.
    pub emit_interval: Option<i64>,
    pub max_drift: Option<i64>,
    pub max_ahead: Option<i64>,
}

/// A condition `field = one of values`.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldIs {
    pub path: FieldPath,
    pub values: Vec<Scalar>,
}

/// A scalar of a `where` or a label; equal iff type and value are.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Int(i64),
    Float(f64),
    Bool(bool),
    String(String),
    Null,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    pub primary: InputIndex,
    pub with: Vec<Secondary>,
    pub kind: Kind,
    pub semantics: Semantics,
    /// What only released semantics look at.
    pub released: Released,
    pub late: LatePolicy,
    pub output_time: OutputTime,
}

impl Join {
    /// By input (`inputs` of them): what is added to a row's event time to give
    /// the largest event-time watermark that still keeps it, under `clean`
    /// semantics: of a primary row its longest interval, of a secondary row
    /// that interval's beginning, turned round (3-semantics). Milliseconds.
    #[must_use]
    pub fn shifts(&self, inputs: usize) -> Vec<i64> {
        let mut shifts = vec![0; inputs];
        let mut secondaries: Vec<&Secondary> =
            self.with.iter().filter(|with| with.input != self.primary).collect();
        secondaries.sort_by_key(|with| with.input);
        let longest = secondaries.iter().map(|with| with.until).max().unwrap_or(0);
        if let Some(shift) = shifts.get_mut(self.primary as usize) {
            *shift = longest;
        }
        for with in secondaries {
            if let Some(shift) = shifts.get_mut(with.input as usize) {
                *shift = with.after.saturating_neg();
            }
        }
        shifts
    }
}

/// `primary.time + after <= secondary.time <= primary.time + until`, in
/// milliseconds, both ends included; `after <= until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secondary {
    pub input: InputIndex,
    pub after: i64,
    pub until: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Inner,
    Left,
    Right,
    Full,
}

impl Kind {
    /// Whether a primary row without a match is put out with nulls.
    #[must_use]
    pub fn pads_primary(self) -> bool {
        matches!(self, Self::Left | Self::Full)
    }

    /// Whether a secondary row without a match is put out with nulls.
    #[must_use]
    pub fn pads_secondary(self) -> bool {
        matches!(self, Self::Right | Self::Full)
    }
}

/// Whose rules the join follows (3-semantics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Semantics {
    #[default]
    Clean,
    FlinkSql,
    FlinkDataStream,
    KafkaStreams,
}

impl Semantics {
    pub const ALL: [Self; 4] =
        [Self::Clean, Self::FlinkSql, Self::FlinkDataStream, Self::KafkaStreams];

    /// As pipelines write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::FlinkSql => "flink-sql",
            Self::FlinkDataStream => "flink-datastream",
            Self::KafkaStreams => "kafka-streams",
        }
    }

    /// The release whose classes it was proved against.
    #[must_use]
    pub fn release(self) -> Option<&'static str> {
        match self {
            Self::Clean => None,
            Self::FlinkSql | Self::FlinkDataStream => Some("Flink 2.3.0"),
            Self::KafkaStreams => Some("Kafka Streams 4.3.1"),
        }
    }

    #[must_use]
    pub fn is_flink(self) -> bool {
        matches!(self, Self::FlinkSql | Self::FlinkDataStream)
    }
}

impl std::fmt::Display for Semantics {
    /// With the release: `flink-sql (Flink 2.3.0)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.release() {
            Some(release) => write!(f, "{} ({release})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// Settings of released semantics; each has a meaning under some of them only,
/// so that one pipeline can be run under all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// `kafka-streams`: `JoinWindows.grace`, ms.
    pub grace: Option<i64>,
    /// `flink-sql`: `table.exec.interval-join.min-cleanup-interval`, ms.
    pub min_cleanup: i64,
    /// `flink-*`: subtasks of the join and of each source.
    pub parallelism: u32,
    /// `flink-*`: key groups.
    pub max_parallelism: u32,
    pub input_order: InputOrder,
}

/// `KeyGroupRangeAssignment.UPPER_BOUND_MAX_PARALLELISM` of Flink 2.3.0.
pub const MAX_KEY_GROUPS: u32 = 1 << 15;

/// The number of key groups that Flink takes where none is set
/// (`KeyGroupRangeAssignment#computeDefaultMaxParallelism`).
#[must_use]
pub fn default_max_parallelism(parallelism: u32) -> u32 {
    let wanted = parallelism.saturating_add(parallelism / 2);
    wanted.checked_next_power_of_two().unwrap_or(MAX_KEY_GROUPS).clamp(128, MAX_KEY_GROUPS)
}

impl Default for Released {
    fn default() -> Self {
        Self {
            grace: None,
            min_cleanup: 0,
            parallelism: 1,
            max_parallelism: default_max_parallelism(1),
            input_order: InputOrder::Given,
        }
    }
}

/// In which order a task of Kafka Streams takes records from its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputOrder {
    /// As they arrived.
    #[default]
    Given,
    /// The smallest timestamp among the buffered ones, as a task does.
    SmallestTimestamp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatePolicy {
    #[default]
    Drop,
    Join,
    SideOutput,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputTime {
    #[default]
    Larger,
    Primary,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    pub emit: Emit,
    /// At most 64; bit `i` of a row's label mask is `labels[i]`.
    pub labels: Vec<Label>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    OnMatch,
    OnClose,
    EarlyAndCorrect,
}

impl Emit {
    /// Whether rows are folded into one example for each primary row.
    #[must_use]
    pub fn folds(self) -> bool {
        !matches!(self, Self::OnMatch)
    }
}

/// 1 iff at least one folded record of `input` satisfies `condition`
/// (`input` may be the primary: then it speaks of the primary row itself).
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    pub name: String,
    pub input: InputIndex,
    pub condition: FieldIs,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub guarantee: Guarantee,
    /// Milliseconds.
    pub checkpoint_interval: i64,
    pub job: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guarantee {
    #[default]
    ExactlyOnce,
    AtLeastOnce,
    AtMostOnce,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    pub topic: String,
    pub late_topic: Option<String>,
    pub format: SinkFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkFormat {
    Json,
    AvroRegistry,
}
