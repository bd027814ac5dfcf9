//! Recordings: portable files of topic slices with arrival order and schemas
//! (MCAP; `envelope.proto` for the message, `meta` for the metadata).
//!
//! 1. One channel per topic-partition (`topic[partition]`, channel = source +
//!    1); channel 0 is `joinscope/arrivals`.
//! 2. `log_time` = arrival time in ns, `publish_time` = record timestamp in ns
//!    clamped to u64, `sequence` = low 32 bits of the arrival number. The
//!    envelope's numbers decide; replay follows the arrival number.
//! 3. Arrival numbers increase through the file; offsets increase within a
//!    partition.
//! 4. Schemas and channels stand in chunks, under their CRC; metadata carries
//!    its own. A file without its end opens up to the last whole chunk. Registry
//!    schemas are attachments (JSON); in a live run's arrival log one may say from
//!    which arrival number on it counts.
//! 5. The index (`joinscope/index`) gives place and offset ranges of every
//!    chunk: a record is found by name or position with one chunk read.

mod batches;
mod behind;
mod blocks;
mod building;
mod chunk;
mod clock;
mod compress;
mod envelope;
mod error;
mod export;
pub mod fuzz;
mod headless;
mod import;
mod import_kcat;
mod import_parquet;
mod index;
mod info;
mod job;
mod lines;
mod merge;
mod meta;
mod murmur2;
mod open;
mod options;
mod packed;
mod parts;
mod past_damage;
mod pieces;
mod places;
mod reader;
mod redact;
mod scan;
mod schemas;
mod segments;
mod slice;
mod source;
mod store;
mod summary;
mod tally;
mod twice;
mod verify;
mod whole;
mod wire;
mod writer;

pub use batches::Batches;
pub use clock::{ClockEntry, ClockEntryKind};
pub use compress::Compression;
pub use envelope::Draft;
pub use error::RecordingError;
pub use export::export_parquet;
pub use headless::{headless, written_parts};
pub use import::{ImportJsonl, ImportUnit, import_jsonl};
pub use import_kcat::import_kcat;
pub use import_parquet::{import_exported, import_parquet, is_exported};
pub use info::{ArrivalOrder, Cut, Gaps, Info, PartitionInfo};
pub use job::{Job, unattended};
pub use merge::{Merged, merge};
pub use murmur2::{murmur2, partition_of_key};
pub use open::{ReadThrough, read_through};
pub use options::WriterOptions;
pub use packed::Packed;
pub use parts::{is_segmented, part_name, parts_of};
pub use past_damage::{Missing, Salvaged, slice_past_damage};
pub use pieces::{Found, PIECES, Piece, write_with};
pub use places::{Held, Places};
pub use reader::Recording;
pub use redact::{RedactPolicy, RedactTarget, Redacted, Redaction, Redactor, redact};
pub use schemas::{SchemaReference, Schemas, StoredSchema};
pub use segments::{Segments, declare, end as end_segment};
pub use slice::{Slice, SliceTime, slice};
pub use verify::{Problem, Verified, verify};
pub use writer::Writer;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_damage;
#[cfg(test)]
mod tests_import;
#[cfg(test)]
mod tests_merge;
#[cfg(test)]
mod tests_past_damage;
#[cfg(test)]
mod tests_pieces;
#[cfg(test)]
mod tests_python;
#[cfg(test)]
mod tests_segments;
#[cfg(test)]
mod tests_slice;
#[cfg(test)]
mod tests_speed;
#[cfg(test)]
mod tests_verbs;
