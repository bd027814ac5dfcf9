//! State on disk: the cold tier, checkpoints, and what faults do to them.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checkpoints;
mod faults;
mod kill;
mod world;
