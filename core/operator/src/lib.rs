//! The pure part of Joinscope: what everything speaks (ground) and what
//! happens to a record (operators).
//!
//! Nothing here does I/O, reads a clock, starts a thread or iterates a map
//! whose order is random: the same input events give the same effects.
//!
//! Ground: [`record`], [`time`], [`key`], [`pipeline`], [`codec`].
//! Operators: [`verdict`], [`watermark`], [`join`], [`state`].

pub mod codec;
pub mod join;
pub mod key;
pub mod pipeline;
pub mod record;
pub mod state;
pub mod time;
pub mod verdict;
pub mod watermark;
