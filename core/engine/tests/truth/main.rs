//! What comes out is what the independent batch join says, but for what came
//! late; and it is the same however the run was made.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod clock;
mod engine;
mod plain;
mod planted;
mod released;
mod samples;
mod store;
