//! Truth: an independent batch join over the whole recording, and what a run
//! says beside it.
//!
//! The truth knows the whole recording, so it knows no lateness, no watermark
//! and no state: every pair of rows of one key within the interval, a pad for
//! each row of an outer side without any, or one example for each primary row.
//! It sorts and merges; it shares the record decoders with the engine and
//! nothing else.
//!
//! A run differs from it where records came late and where rows were still
//! open. Which differences those must be follows from the run's own verdicts
//! and event-time watermarks, by the rules of 3-semantics alone ([`Because`]).
//! [`reconcile`] computes what the run must have put out and which verdict each
//! row must have; whatever differs from *that* is unexplained, and a defect.

mod claims;
mod error;
mod expect;
mod join;
mod of_run;
mod reconcile;
mod report;
mod rows;

pub use claims::{ClaimedOutput, Claims};
pub use error::TruthError;
pub use expect::{Because, Example, Expected, expect};
pub use join::{Pair, pairs};
pub use of_run::{Progress, of_run};
pub use reconcile::reconcile;
pub use report::{Difference, Kind, Reconciliation};
pub use rows::Rows;
