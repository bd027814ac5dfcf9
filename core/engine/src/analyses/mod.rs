//! Questions asked of runs.

pub mod check;
pub mod compare;
pub mod guarantees;
pub mod propose;
pub mod semantics;
pub mod truth;
