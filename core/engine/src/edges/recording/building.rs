//! A chunk while it is being filled: its records, and what the indices need.

use super::index::Span;
use super::wire::{self, op};

/// Marks a partition without a record in this chunk.
const NONE: u32 = u32::MAX;

/// The open chunk of a writer.
#[derive(Debug, Default)]
pub struct Building {
    pub bytes: Vec<u8>,
    /// Records are taken into the digest up to here.
    pub digested: usize,
    pub messages: u32,
    /// Smallest and largest log time.
    pub times: Option<(u64, u64)>,
    pub spans: Vec<Span>,
    /// Position in `spans` by source.
    slot: Vec<u32>,
    /// (log time, offset in `bytes`) of each message, by channel id.
    entries: Vec<Vec<(u64, u64)>>,
    /// Channels with entries.
    touched: Vec<u16>,
}

impl Building {
    /// Appends a message whose data `fill` writes.
    pub fn message(
        &mut self,
        channel: u16,
        sequence: u32,
        log_time: u64,
        publish_time: u64,
        fill: impl FnOnce(&mut Vec<u8>),
    ) {
        let at = self.bytes.len() as u64;
        wire::record(&mut self.bytes, op::MESSAGE, |out| {
            let mut fixed = [0; wire::MESSAGE_FIXED];
            fixed[..2].copy_from_slice(&channel.to_le_bytes());
            fixed[2..6].copy_from_slice(&sequence.to_le_bytes());
            fixed[6..14].copy_from_slice(&log_time.to_le_bytes());
            fixed[14..].copy_from_slice(&publish_time.to_le_bytes());
            out.extend_from_slice(&fixed);
            fill(out);
        });
        self.messages += 1;
        self.times = Some(match self.times {
            None => (log_time, log_time),
            Some((low, high)) => (low.min(log_time), high.max(log_time)),
        });
        let slot = usize::from(channel);
        if self.entries.len() <= slot {
            self.entries.resize(slot + 1, Vec::new());
        }
        if self.entries[slot].is_empty() {
            self.touched.push(channel);
        }
        self.entries[slot].push((log_time, at));
    }

    /// Counts a record of a partition.
    pub fn count(&mut self, source: u32, offset: i64) {
        let at = source as usize;
        if self.slot.len() <= at {
            self.slot.resize(at + 1, NONE);
        }
        if self.slot[at] == NONE {
            self.slot[at] = self.spans.len() as u32;
            self.spans.push(Span { source, records: 0, first_offset: offset, last_offset: offset });
        }
        let span = &mut self.spans[self.slot[at] as usize];
        span.records += 1;
        span.last_offset = offset;
    }

    /// Appends the chunk's message index records; (channel, position) of each,
    /// counted from the start of the first.
    pub fn write_indexes(&mut self, out: &mut Vec<u8>) -> Vec<(u16, u64)> {
        let start = out.len();
        self.touched.sort_unstable();
        let mut positions = Vec::with_capacity(self.touched.len());
        for &channel in &self.touched {
            positions.push((channel, (out.len() - start) as u64));
            let entries = &self.entries[usize::from(channel)];
            wire::record(out, op::MESSAGE_INDEX, |out| {
                out.extend_from_slice(&channel.to_le_bytes());
                out.extend_from_slice(&((entries.len() * 16) as u32).to_le_bytes());
                for (time, at) in entries {
                    out.extend_from_slice(&time.to_le_bytes());
                    out.extend_from_slice(&at.to_le_bytes());
                }
            });
        }
        positions
    }

    /// Empties it; memory is kept.
    pub fn clear(&mut self) {
        for &channel in &self.touched {
            self.entries[usize::from(channel)].clear();
        }
        for span in &self.spans {
            self.slot[span.source as usize] = NONE;
        }
        self.touched.clear();
        self.spans.clear();
        self.bytes.clear();
        // One record of 100 MB shall not hold its memory for ever.
        self.bytes.shrink_to(8 << 20);
        self.digested = 0;
        self.messages = 0;
        self.times = None;
    }
}
