//! Join state: rows by key, ordered by time, and the times at which they leave.
//!
//! The memory tier is always there; a colder one (RocksDB, in `joinscope-core`)
//! may stand below it, behind [`Cold`]. What rests where never shows in what
//! the join does.

mod changes;
#[cfg(test)]
pub mod double;
pub mod memory;
pub mod tiers;

pub use changes::{Change, Changes, Delta};

use crate::key::Key;
use crate::pipeline::InputIndex;
use crate::record::Arrival;

/// One accepted row as the join keeps it: references to the record, no payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: Key,
    pub input: InputIndex,
    /// Event time, ms.
    pub time: i64,
    pub arrival: Arrival,
    /// Number of this (record, input) in the run: dense, in (arrival, input) order.
    pub row: u64,
    /// With the input's topic, the record's name.
    pub partition: i32,
    pub offset: i64,
    /// Bit `i`: satisfies label `i`, itself or by what is folded into it.
    pub labels: u64,
    /// In a pair already.
    pub matched: bool,
    /// Corrections given out so far for this primary row (`early-and-correct`).
    /// In `flink-sql`, which gives none: bit 0, it carries the cleanup timer of
    /// its key and side; bit 1, it is gone and only that timer is left of it.
    pub corrections: u32,
    /// What has been folded into this primary row, in the order in which it was.
    pub folded: Vec<Folded>,
}

/// A secondary record folded into a primary row's example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    pub input: InputIndex,
    pub time: i64,
    pub arrival: Arrival,
    pub row: u64,
    pub partition: i32,
    pub offset: i64,
    pub labels: u64,
}

/// Where a row leaves: `due` is the largest event-time watermark that still
/// keeps it (it is gone when `W > due`); rows leave by (due, arrival, input).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Due {
    pub due: i64,
    pub arrival: Arrival,
    pub input: InputIndex,
}

/// The state could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("join state: {0}")]
pub struct StateError(pub String);

/// The tier below memory. Every call is about rows that rest here.
pub trait Cold: Send {
    /// Appends every row of `key` and `input` with `lo <= time <= hi`.
    ///
    /// # Errors
    /// The tier could not be read.
    fn find(
        &mut self,
        key: &Key,
        input: InputIndex,
        lo: i64,
        hi: i64,
        out: &mut Vec<(Due, Row)>,
    ) -> Result<(), StateError>;

    /// Takes rows in: they rest here from now on.
    ///
    /// # Errors
    /// The tier could not be written.
    fn put(&mut self, rows: &[(Due, Row)]) -> Result<(), StateError>;

    /// Replaces a row that rests here (it matched, or something was folded).
    ///
    /// # Errors
    /// The tier could not be written.
    fn update(&mut self, due: Due, row: &Row) -> Result<(), StateError>;

    /// The smallest `due` that rests here (a lower bound is enough).
    fn earliest(&self) -> Option<i64>;

    /// Removes every row with `due < watermark` and appends it, by [`Due`]
    /// (`i64::MAX`, the last watermark, takes all).
    ///
    /// # Errors
    /// The tier could not be read or written.
    fn take_due(&mut self, watermark: i64, out: &mut Vec<(Due, Row)>) -> Result<(), StateError>;

    /// A barrier is here: what is written from now on is no part of its
    /// checkpoint. The tier may have to wait with it until it is frozen.
    fn barrier(&mut self) {}

    /// Rows that rest here.
    fn len(&self) -> u64;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
