//! What comes out is what the independent batch join says, but for what came
//! late; and it is the same however the run was made.

#[path = "../common/mod.rs"]
mod common;

mod plain;
mod planted;
