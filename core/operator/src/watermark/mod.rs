//! Event-time watermarks of partitions, inputs and the join, as a pure state
//! machine over records and processing time (3-semantics, "Event-time
//! watermark").
//!
//! For each record the engine does, in this order:
//! 1. `while let Some(due) = tracker.next_due(now)`: `tracker.fire(due, arrival)`,
//!    and its own barriers between them (at one time a barrier comes last);
//! 2. whatever the record sets off;
//! 3. [`Tracker::observe_all`], for all inputs that its topic feeds, unless the
//!    record is a tombstone, undecodable or untimed.

mod due;
mod input;
mod restart;
mod said;
mod save;
mod sources;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_model;
#[cfg(test)]
mod tests_sources;
mod tracker;
mod tree;
mod valve;

pub use due::{Due, DueKind};
pub use input::TrackerInput;
pub use save::TrackerError;
pub use sources::{Sources, WithoutPartition, split_owner};
pub use tracker::{Holder, Lane, Tracker, Why};
