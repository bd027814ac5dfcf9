//! Recordings: portable files of topic slices with arrival order and schemas
//! (MCAP; 5-recording of the design, `envelope.proto` for the message).

mod error;
mod info;
mod reader;
mod schemas;
mod writer;

pub use error::RecordingError;
pub use info::{ArrivalOrder, Cut, Gaps, Info, PartitionInfo};
pub use reader::{Batches, Recording};
pub use schemas::{SchemaReference, Schemas, StoredSchema};
pub use writer::{Compression, Writer, WriterOptions};
