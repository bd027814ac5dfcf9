//! State on disk: the cold tier, checkpoints, and what faults do to them.

mod checkpoints;
mod faults;
mod kill;
mod world;
