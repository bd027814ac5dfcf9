//! Questions asked of runs.

pub mod truth;
