//! The description of a join: inputs, time, join, labels, sinks, guarantee.

mod model;

pub use model::*;
