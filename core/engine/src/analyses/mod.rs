//! Questions asked of runs.

pub mod check;
pub mod propose;
pub mod truth;
