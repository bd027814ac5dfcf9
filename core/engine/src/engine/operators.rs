//! The join of a pipeline, by its semantics. Nothing else of the engine knows
//! which one runs.

use super::summary::RunError;
use crate::operator::codec::DecodedRow;
use crate::operator::join::clean::Clean;
use crate::operator::join::flink::Settings as FlinkSettings;
use crate::operator::join::flink::datastream::FlinkDataStream;
use crate::operator::join::flink::sql::FlinkSql;
use crate::operator::join::kafka_streams::{KafkaStreams, Settings as StreamsSettings, marks};
use crate::operator::join::{Operator, Ref};
use crate::operator::key::{Key, KeyValue};
use crate::operator::pipeline::{Pipeline, Semantics};
use crate::operator::state::{Cold, Row};

/// A join without rows. Above `budget` bytes rows go to `cold`, where the
/// semantics has a tier below memory.
pub(super) fn make(
    pipeline: &Pipeline,
    budget: u64,
    cold: Option<Box<dyn Cold>>,
) -> Result<Box<dyn Operator>, RunError> {
    let flink = || {
        FlinkSettings::of(pipeline).ok_or_else(|| {
            RunError::Pipeline("an interval join of Flink has two inputs".to_owned())
        })
    };
    Ok(match pipeline.join.semantics {
        Semantics::Clean => Box::new(Clean::new(pipeline, budget, cold)),
        Semantics::FlinkSql => Box::new(FlinkSql::new(flink()?)),
        Semantics::FlinkDataStream => Box::new(FlinkDataStream::new(flink()?, budget, cold)),
        Semantics::KafkaStreams => {
            let bad = |e: &dyn std::fmt::Display| RunError::Pipeline(e.to_string());
            let (settings, inputs) = StreamsSettings::of_pipeline(pipeline).map_err(|e| bad(&e))?;
            Box::new(KafkaStreams::new(settings, inputs).map_err(|e| bad(&e))?)
        }
    })
}

/// What a row says of its record to the join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    None,
    /// Whether its value is null.
    Streams,
}

impl Marks {
    pub fn of_pipeline(pipeline: &Pipeline) -> Self {
        match pipeline.join.semantics {
            Semantics::KafkaStreams => Self::Streams,
            _ => Self::None,
        }
    }

    #[inline]
    pub fn of(self, row: &DecodedRow) -> u32 {
        if self == Self::Streams && row.null_value { marks::NO_VALUE } else { 0 }
    }
}

/// What goes to a task of Kafka Streams of a record that gives no row: it is in the
/// task's queue all the same.
pub(super) fn left_out(of: Ref) -> Row {
    let Ref { input, row, arrival, partition, offset, time } = of;
    Row {
        key: Key::new(KeyValue::Null),
        input,
        time,
        arrival,
        row,
        partition,
        offset,
        labels: 0,
        matched: true,
        corrections: marks::LEFT_OUT,
        folded: Vec::new(),
    }
}
