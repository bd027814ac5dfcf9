//! Where records come from and go to, and where state rests.

pub mod disk;
pub mod fault;
pub mod kafka;
pub mod log;
pub mod pipeline_file;
pub mod recording;
pub mod rocksdb;
