//! From a record's bytes to what the join needs of it: event time, key, whether
//! the input's `where` keeps it, and which labels it satisfies. Only those
//! fields are extracted; payload bytes are carried, not rebuilt.

use crate::key::Key;
use crate::verdict::Verdict;

/// What decoding found in one record for one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The record may reach the join.
    Row(DecodedRow),
    /// The first check that failed (3-semantics, step 2): `Tombstone`,
    /// `Undecodable`, `Untimed`, `Filtered` or `Unkeyed`.
    /// `event_time` is there from `Filtered` on: those two still move the
    /// event-time watermark and count as activity.
    Failed { verdict: Verdict, event_time: Option<i64> },
}

/// A decoded row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedRow {
    /// Milliseconds since the Unix epoch.
    pub event_time: i64,
    pub key: Key,
    /// Bit `i`: satisfies `examples.labels[i]`.
    pub labels: u64,
}
