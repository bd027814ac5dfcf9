//! The join behind the interface that every semantics has.

use super::{KafkaStreams, StreamsError};
use crate::join::{Effect, LogEnd, Operator, Watermarks};
use crate::record::Arrival;
use crate::state::{Changes, Row, StateError};

use super::Now;

impl From<StreamsError> for StateError {
    fn from(error: StreamsError) -> Self {
        match error {
            StreamsError::State(error) => error,
            StreamsError::InvalidTime { .. } => Self(error.to_string()),
        }
    }
}

impl Operator for KafkaStreams {
    /// A record of any time, with or without key and value ([`super::marks`]);
    /// Kafka Streams knows no late rows and no watermark.
    fn row(
        &mut self,
        row: Row,
        _late_by: Option<i64>,
        _watermarks: Watermarks<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        if row.input != self.shared.inputs.left && row.input != self.shared.inputs.right {
            return Err(StateError(format!(
                "a row of input {}: Kafka Streams joins inputs {} and {} here",
                row.input, self.shared.inputs.left, self.shared.inputs.right
            )));
        }
        self.take(row, self.wall, out)?;
        // Their verdicts say it.
        self.shared.drops.clear();
        Ok(())
    }

    /// Kafka Streams knows no watermark: only the last one, the end, says
    /// something, that nothing more is in the logs.
    fn advance(
        &mut self,
        now: Arrival,
        watermarks: Watermarks<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        if watermarks.join == i64::MAX {
            self.drain(Now { wall: self.wall, arrival: now }, out)?;
            self.shared.drops.clear();
        }
        Ok(())
    }

    fn clock(&mut self, now_ms: i64, at: Arrival, out: &mut Vec<Effect>) -> Result<(), StateError> {
        self.wall = self.wall.max(now_ms);
        self.tick(Now { wall: self.wall, arrival: at }, out)?;
        self.shared.drops.clear();
        Ok(())
    }

    fn log_end(
        &mut self,
        end: LogEnd,
        at: Arrival,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        self.wall = self.wall.max(end.now_ms);
        self.caught_up(end, Now { wall: self.wall, arrival: at }, out)?;
        self.shared.drops.clear();
        Ok(())
    }

    fn near(&self, hashes: &[u64]) {
        self.shared.rows.near(hashes);
    }

    fn copy_ahead(&mut self, leave: usize) {
        self.copy_rows_ahead(leave);
    }

    fn take_changes(&mut self) -> Changes {
        self.rows_changes()
    }

    fn restore(&mut self, rows: Vec<Row>) -> Result<(), StateError> {
        rows.into_iter().try_for_each(|row| self.restore_row(row))
    }

    fn save(&self) -> Vec<u8> {
        KafkaStreams::save(self)
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), StateError> {
        KafkaStreams::load(self, saved)
    }

    fn size(&self) -> (u64, u64) {
        let tasks: usize = self.tasks.iter().flatten().map(|task| task.bytes()).sum();
        (self.shared.rows.len() as u64, (self.shared.rows.bytes() + tasks) as u64)
    }
}
