//! Random recordings and pipelines, by a seed: small enough to shrink by eye,
//! with everything that can go differently in them.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod case;
pub mod collect;
pub mod plain;
pub mod random;
