//! The recording's partitions as rows of a file, whichever are in sight.

use serde_json::Value;

use super::Sources;
use crate::window::cx::Cx;
use crate::window::export::{Listed, Source};

const COLUMNS: [&str; 10] = [
    "topic",
    "partition",
    "records",
    "start_offset",
    "end_offset",
    "gaps",
    "missing_offsets",
    "first_arrival_ms",
    "last_arrival_ms",
    "recording",
];

impl Sources {
    /// What an export writes.
    #[must_use]
    pub fn data(cx: &Cx<'_>) -> Option<Source> {
        let doc = cx.doc.recording.clone()?;
        Some(Listed::source(&COLUMNS, move || {
            let rows = doc.recording.info().partitions.iter().map(|p| -> Vec<Value> {
                vec![
                    (*p.topic_partition.topic).into(),
                    p.topic_partition.partition.into(),
                    p.records.into(),
                    p.start_offset.into(),
                    p.end_offset.into(),
                    p.gaps.count.into(),
                    p.gaps.offsets.into(),
                    p.arrival_ms.map(|a| a.0).into(),
                    p.arrival_ms.map(|a| a.1).into(),
                    doc.name.as_str().into(),
                ]
            });
            Ok(rows.collect())
        }))
    }
}
