//! How a recording is written.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ArrivalOrder, Compression, Info};

/// How a recording is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    pub compression: Compression,
    /// Bytes of a chunk before compression; a larger record gets its own.
    pub chunk_bytes: usize,
    /// Data is forced to disk after so many written bytes and so much time
    /// (looked at as records are added, and by [`Writer::tick`]).
    pub sync_bytes: u64,
    pub sync_every: Option<Duration>,
    /// Written under a temporary name and renamed when whole, removed when
    /// dropped before; else under its own name from the start, so that what
    /// was flushed opens after a crash.
    pub whole_or_nothing: bool,
    pub arrival_order: ArrivalOrder,
    pub approximate: bool,
    pub cluster_id: Option<String>,
    pub topic_ids: BTreeMap<String, String>,
    pub redaction: Option<String>,
    pub notes: BTreeMap<String, String>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            compression: Compression::Lz4,
            chunk_bytes: 1 << 20,
            sync_bytes: 32 << 20,
            sync_every: Some(Duration::from_secs(1)),
            whole_or_nothing: false,
            arrival_order: ArrivalOrder::Read,
            approximate: false,
            cluster_id: None,
            topic_ids: BTreeMap::new(),
            redaction: None,
            notes: BTreeMap::new(),
        }
    }
}

impl WriterOptions {
    /// For a recording made of another one: what is known of that one is kept.
    #[must_use]
    pub fn like(info: &Info, compression: Option<Compression>) -> Self {
        Self {
            compression: compression
                .or_else(|| Compression::from_name(&info.compression))
                .unwrap_or_default(),
            whole_or_nothing: true,
            arrival_order: info.arrival_order,
            approximate: info.approximate,
            cluster_id: info.cluster_id.clone(),
            topic_ids: info.topic_ids.clone(),
            redaction: info.redaction.clone(),
            notes: info.notes.clone(),
            ..Self::default()
        }
    }
}
