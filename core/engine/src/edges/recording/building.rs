//! A chunk while it is being filled: its records, and what the indices need.

use std::ops::Range;

use super::envelope::Few;
use super::index::Span;
use super::wire::{self, op};

/// Marks a partition without a record in this chunk.
const NONE: u32 = u32::MAX;

/// The open chunk of a writer.
#[derive(Debug, Default)]
pub struct Building {
    pub bytes: Vec<u8>,
    /// Where records stand that are no messages.
    others: Vec<Range<usize>>,
    /// Smallest and largest log time.
    pub times: Option<(u64, u64)>,
    pub spans: Vec<Span>,
    /// Position in `spans` by source.
    slot: Vec<u32>,
    /// (log time, offset in `bytes`) of each message, by channel id, as they
    /// stand in an index.
    entries: Vec<Vec<u8>>,
    /// Channels with entries.
    touched: Vec<u16>,
}

impl Building {
    /// Appends a record that is no message: a schema or a channel.
    pub fn other(&mut self, record: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.others.push(start..self.bytes.len());
    }

    /// Where the others stand, in their order.
    pub fn other_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.others.iter().cloned()
    }

    /// Where messages stand, and nothing else.
    pub fn message_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = std::iter::once(0).chain(self.others.iter().map(|other| other.end));
        let ends = self.others.iter().map(|other| other.start).chain([self.bytes.len()]);
        starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start..end)
    }

    /// Appends a message whose data `fill` writes, behind the bytes that it is
    /// given.
    #[inline]
    pub fn message(
        &mut self,
        channel: u16,
        sequence: u32,
        log_time: u64,
        publish_time: u64,
        fill: impl FnOnce(&mut Vec<u8>, Few),
    ) {
        let start = self.bytes.len();
        let mut few = Few::new();
        few.fixed([op::MESSAGE, 0, 0, 0, 0, 0, 0, 0, 0]);
        few.fixed(channel.to_le_bytes());
        few.fixed(sequence.to_le_bytes());
        few.fixed(log_time.to_le_bytes());
        few.fixed(publish_time.to_le_bytes());
        fill(&mut self.bytes, few);
        let length = (self.bytes.len() - start - wire::HEAD) as u64;
        self.bytes[start + 1..start + wire::HEAD].copy_from_slice(&length.to_le_bytes());
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
        let mut entry = [0; 16];
        entry[..8].copy_from_slice(&log_time.to_le_bytes());
        entry[8..].copy_from_slice(&(start as u64).to_le_bytes());
        self.entries[slot].extend_from_slice(&entry);
    }

    /// Counts a record of a partition.
    #[inline]
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
                wire::prefixed(out, entries);
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
        self.others.clear();
        self.times = None;
    }
}
