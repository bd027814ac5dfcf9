//! Random recordings and pipelines, by a seed: small enough to shrink by eye,
//! with everything that can go differently in them.

// Each test binary uses a part of it.
#![allow(dead_code)]

pub mod case;
pub mod collect;
pub mod plain;
pub mod random;
