//! Where reading stood in each partition at an arrival.

use super::Run;
use crate::operator::record::Arrival;
use crate::run::bytes::{i64_at, u32_at};
use crate::run::error::Result;
use crate::run::summary::{OFFSET_WIDTH, Section};

impl Run {
    /// By lane: the offset after the last record that came before an arrival;
    /// `None` where none did.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn next_offsets(&self, arrival: Arrival) -> Result<Vec<Option<i64>>> {
        let now = self.now();
        let mut next = vec![None; now.manifest.start.lanes.len()];
        let mut see = |lane: u32, offset: i64| {
            if let Some(slot) = next.get_mut(lane as usize) {
                let after = offset.saturating_add(1);
                *slot = Some(slot.map_or(after, |was: i64| was.max(after)));
            }
        };
        let whole = now.segments.partition_point(|s| s.summary.end_arrival <= arrival);
        for segment in &now.segments[..whole] {
            if segment.summary.lane_offsets.is_empty() {
                let n = segment.len(Section::Offsets, OFFSET_WIDTH);
                let bytes = segment.entries(self.cache(), Section::Offsets, OFFSET_WIDTH, 0, n)?;
                bytes.chunks_exact(OFFSET_WIDTH).for_each(|e| see(u32_at(e, 0), i64_at(e, 16)));
            } else {
                segment.summary.lane_offsets.iter().for_each(|(lane, _, max)| see(*lane, *max));
            }
        }
        let from = whole.checked_sub(1).map_or(0, |last| now.segments[last].summary.end_arrival);
        if whole < now.segments.len() && from < arrival {
            let columns = ["input", "partition", "offset"];
            self.rows_between(&now, from, arrival, &columns, |t| {
                let (inputs, partitions) = (t.u8s("input")?, t.i32s("partition")?);
                for (i, offset) in t.i64s("offset")?.iter().enumerate() {
                    if let Some(lane) = now.lanes.lane(inputs[i], partitions[i]) {
                        see(lane, *offset);
                    }
                }
                Ok(())
            })?;
        }
        Ok(next)
    }
}
