//! Where join state rests on disk: the cold tier of each shard and the
//! checkpoints of a run.
//!
//! ```text
//! RUN/state/rows/       RocksDB: the rows of the memory tier as the last checkpoint left them
//! RUN/state/cold/       RocksDB: rows that rest on disk alone (made at the first spill)
//! RUN/checkpoints/N/    manifest.json, rows/, cold/: hard links into the two above
//! ```
//!
//! # Protocol
//!
//! 1. [`Store::create`] (or [`Store::restore`]) once a run; [`Store::cold`] once
//!    a shard. [`Store::memory_bytes`] is what RocksDB may use: it counts
//!    against `--memory`.
//! 2. At a barrier: collect every shard's `Operator::take_changes()` and call
//!    [`Store::freeze`]. It links the cold tier into `N.tmp` (nothing to do while
//!    nothing was ever spilled). Shards need not wait for it: only what they
//!    write to their cold tier does, from `Cold::barrier` until it is frozen.
//! 3. [`Store::commit`] may run beside them: it writes the deltas as one sorted
//!    file, drops what the event-time watermark has passed (whole files at once,
//!    the rest by range every few checkpoints), links `rows/`, fsyncs every file,
//!    writes the manifest, renames `N.tmp` to `N` and fsyncs the folder. Only then
//!    does checkpoint N exist.
//! 4. Afterwards the run store publishes it; [`Store::collect`] thins old ones.
//!
//! # What a checkpoint holds
//!
//! The live rows are those of `cold/`, and those of `rows/` that are not in
//! `cold/`, less every row with `due < watermark` of the manifest. Hence:
//! - a row that went from memory to the cold tier need not be in a delta's
//!   `removed`, nor one that expired (`due < watermark`): only a row that left
//!   before its time has to be;
//! - rows given back by [`Store::restore`] count as written: the next delta
//!   holds only what changed since.
//!
//! Keys of `rows/` are (due, arrival, input), whatever the number of shards; so
//! a checkpoint restores into any number of them. Rows that are new at a checkpoint
//! stand there many to an entry, under the first of them; what became of a row later
//! stands alone, and the newest epoch counts ([`delta`], [`image`]).

mod barrier;
mod bench;
mod cold;
mod delta;
mod error;
mod files;
mod image;
mod keys;
mod manifest;
mod options;
mod page;
mod restore;
mod row;
mod store;
mod tables;
mod thin;
mod varint;

pub use bench::{Measured, measure};
pub use cold::ColdTier;
pub use error::StoreError;
pub use manifest::{CheckpointMeta, FileEntry, Position};
pub use options::StoreOptions;
pub use restore::{Restored, cut_after, list, open, verify};
pub use row::{BadRow, decode_row, encode_row};
pub use store::{Frozen, Store, Written};
pub use thin::thin;
