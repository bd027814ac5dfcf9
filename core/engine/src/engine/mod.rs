//! The run loop: sequencer, shards, barriers. The only place with threads.

pub mod step;
