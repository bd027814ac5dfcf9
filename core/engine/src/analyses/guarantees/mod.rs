//! What each guarantee really delivers: one recording, the same faults, the
//! three guarantees over a log; and the harness that runs thousands
//! of seeded fault schedules and checks the ten things of 4-commit after each.
//!
//! - [`input`]: the recording as the topics of a simulated cluster, and the
//!   arrival order that survives a crash;
//! - [`feed`]: what an incarnation takes of them, in step ([`pulse`]) with what is
//!   delivered;
//! - [`world`]: a job through its incarnations, with a [`schedule`] of faults;
//! - [`cluster`]: what it is harmed on: the simulated one, or a [`real`] one;
//! - [`oracle`]: what the engine gives without faults over the order that the
//!   job left;
//! - [`check`]: an independent reader of the sink topic, and what must hold;
//! - [`torture`]: random jobs through random schedules ([`random`]);
//! - [`going`]: how far jobs are, and the wish to end them;
//! - [`matrix`]: guarantees side by side under [`faults`] that a user names.

pub mod check;
pub mod cluster;
pub mod faults;
pub mod feed;
pub mod going;
pub mod input;
pub mod matrix;
pub mod oracle;
pub mod pulse;
pub mod random;
pub mod real;
pub mod schedule;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_partitions;
#[cfg(test)]
mod tests_presets;
#[cfg(test)]
mod tests_real;
#[cfg(test)]
mod tests_rebuild;
#[cfg(test)]
mod tests_recovery;
#[cfg(test)]
mod tests_stop;
#[cfg(test)]
mod tests_unfit;
mod ticking;
pub mod torture;
pub mod world;
