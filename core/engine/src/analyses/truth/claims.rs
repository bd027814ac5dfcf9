//! What a run says of its rows and outputs.

use super::error::TruthError;
use super::rows::Rows;
use crate::engine::step::OutputKind;
use crate::operator::verdict::Verdict;

/// One output as the run gave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimedOutput {
    /// Row numbers, as in [`crate::engine::step::Output`].
    pub rows: Vec<u64>,
    pub kind: Claimed,
    pub labels: u64,
    pub correction: u32,
    /// ms.
    pub time: i64,
}

/// [`OutputKind`] with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claimed {
    Pair,
    Pad,
    Example,
}

impl From<OutputKind> for Claimed {
    fn from(kind: OutputKind) -> Self {
        match kind {
            OutputKind::Pair => Self::Pair,
            OutputKind::Pad => Self::Pad,
            OutputKind::Example => Self::Example,
        }
    }
}

/// Columns, one entry a row, and all outputs.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    pub input: Vec<u8>,
    pub partition: Vec<i32>,
    pub offset: Vec<i64>,
    /// The join's event-time watermark before the row's record moved it, ms;
    /// `i64::MIN`: none.
    pub watermark: Vec<i64>,
    pub verdict: Vec<Verdict>,
    /// Whether the row still rests in the state at the end.
    pub open: Vec<bool>,
    pub outputs: Vec<ClaimedOutput>,
    /// The join's event-time watermark at the end, ms, where it is known
    /// (`i64::MAX`: everything was closed).
    pub end: Option<i64>,
}

impl Claims {
    #[must_use]
    pub fn len(&self) -> usize {
        self.input.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// The run was made of exactly these records, in this order.
    ///
    /// # Errors
    /// It was not; the first row that differs is named.
    pub fn belongs_to(&self, rows: &Rows) -> Result<(), TruthError> {
        if self.len() != rows.len() {
            return Err(TruthError::Rows { claimed: self.len() as u64, found: rows.len() as u64 });
        }
        for row in 0..rows.len() {
            let claimed = (self.input[row], self.partition[row], self.offset[row]);
            let found = (rows.input[row], rows.partition[row], rows.offset[row]);
            if claimed != found {
                let text = |(input, partition, offset): (u8, i32, i64)| {
                    format!("offset {offset} of partition {partition} for input {input}")
                };
                return Err(TruthError::OtherRecording {
                    row: row as u64,
                    claimed: text(claimed),
                    found: text(found),
                });
            }
        }
        Ok(())
    }
}
