//! What each guarantee really delivers: one recording, the same faults, the
//! three guarantees over the simulated log; and the harness that runs thousands
//! of seeded fault schedules and checks the ten things of 4-commit after each.
//!
//! - [`input`]: the recording as the topics of a simulated cluster, and the
//!   arrival order that survives a crash;
//! - [`world`]: a job through its incarnations, with a [`schedule`] of faults;
//! - [`oracle`]: what the engine gives without faults over the order that the
//!   job left;
//! - [`check`]: an independent reader of the sink topic, and what must hold;
//! - [`torture`]: random jobs through random schedules ([`random`]);
//! - [`matrix`]: guarantees side by side under [`faults`] that a user names.

pub mod check;
pub mod faults;
pub mod input;
pub mod matrix;
pub mod oracle;
pub mod random;
pub mod schedule;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_recovery;
pub mod torture;
pub mod world;
