//! The rules of 3-semantics at the level of the engine: records in, verdicts
//! and outputs out. Every case runs with 1, 2 and 7 shards.

mod control;
mod harness;
mod later;
mod live;
mod restarts;
mod restore;
mod semantics;
mod shards;
mod stopped;
pub(crate) mod stopping;
mod streams;
