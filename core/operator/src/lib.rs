//! The pure part of Joinscope: what everything speaks (ground) and what
//! happens to a record (operators).
//!
//! Nothing here does I/O, reads a clock, starts a thread or iterates a map
//! whose order is random: the same input events give the same effects.
//!
//! Ground: [`record`], [`time`], [`figures`], [`key`], [`pipeline`], [`verdict`], [`codec`],
//! [`condition`].
//! Operators: [`watermark`], [`join`], [`state`]; one of them alone: [`trace`].

pub mod codec;
pub mod condition;
pub mod figures;
pub mod join;
pub mod key;
pub mod pipeline;
pub mod record;
pub mod state;
pub mod time;
pub mod trace;
pub mod verdict;
pub mod watermark;
