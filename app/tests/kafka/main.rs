//! `record`, `recording publish` and live runs against a real broker, started by the
//! project's own script; all tests of this binary share it. It stops when this
//! process ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod avro_sink;
mod cluster_faults;
mod deliver;
mod errors;
mod guarantees;
mod harm;
mod live;
mod live_faults;
mod log;
mod partitions;
mod proxied;
mod proxy;
mod publish;
mod ranges;
mod recovery;
mod redact;
mod registry;
mod rights;
mod rolling;
mod round_trip;
mod support;
mod tls;
mod transactions;
mod unharmed;
