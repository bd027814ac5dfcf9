//! MCAP's own summary at the end of a file: schemas, channels, statistics and
//! indices, so that any MCAP tool finds its way; and the schema records.

use super::envelope::DESCRIPTORS;
use super::wire::{self, op};

/// Schema numbers.
pub const ENVELOPE_SCHEMA: u16 = 1;
pub const CLOCK_SCHEMA: u16 = 2;
/// Of the attachments that hold registry schemas.
pub const SCHEMA_MEDIA_TYPE: &str = "application/json";

/// The schema record of a number.
pub fn schema_record(id: u16) -> Vec<u8> {
    let name = if id == CLOCK_SCHEMA { "joinscope.ClockEvent" } else { "joinscope.Envelope" };
    let mut out = Vec::new();
    wire::record(&mut out, op::SCHEMA, |out| {
        out.extend_from_slice(&id.to_le_bytes());
        wire::prefixed(out, name.as_bytes());
        wire::prefixed(out, b"protobuf");
        wire::prefixed(out, DESCRIPTORS);
    });
    out
}

/// What the summary says of one chunk.
pub struct ChunkIndex<'a> {
    pub times: Option<(u64, u64)>,
    pub byte: u64,
    pub length: u64,
    pub index_byte: u64,
    pub index_length: u64,
    /// Channel and position of its message index, from `index_byte`.
    pub positions: &'a [(u16, u64)],
    pub compression: &'a str,
    pub compressed: u64,
    pub uncompressed: u64,
}

/// The summary as it grows: records ready to be written, by kind.
#[derive(Debug, Default)]
pub struct Summary {
    pub schemas: Vec<Vec<u8>>,
    pub channels: Vec<Vec<u8>>,
    chunks: Vec<u8>,
    attachments: Vec<u8>,
    metadata: Vec<u8>,
    chunk_count: u32,
    attachment_count: u32,
    metadata_count: u32,
    times: Option<(u64, u64)>,
}

impl Summary {
    pub fn chunk(&mut self, chunk: &ChunkIndex<'_>) {
        let (start, end) = chunk.times.unwrap_or((0, 0));
        if let Some((low, high)) = chunk.times {
            self.times = Some(self.times.map_or((low, high), |(l, h)| (l.min(low), h.max(high))));
        }
        self.chunk_count += 1;
        wire::record(&mut self.chunks, op::CHUNK_INDEX, |out| {
            for n in [start, end, chunk.byte, chunk.length] {
                out.extend_from_slice(&n.to_le_bytes());
            }
            out.extend_from_slice(&((chunk.positions.len() * 10) as u32).to_le_bytes());
            for (channel, position) in chunk.positions {
                out.extend_from_slice(&channel.to_le_bytes());
                out.extend_from_slice(&(chunk.index_byte + position).to_le_bytes());
            }
            out.extend_from_slice(&chunk.index_length.to_le_bytes());
            wire::prefixed(out, chunk.compression.as_bytes());
            out.extend_from_slice(&chunk.compressed.to_le_bytes());
            out.extend_from_slice(&chunk.uncompressed.to_le_bytes());
        });
    }

    pub fn metadata(&mut self, byte: u64, length: u64, name: &str) {
        self.metadata_count += 1;
        wire::record(&mut self.metadata, op::METADATA_INDEX, |out| {
            out.extend_from_slice(&byte.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
            wire::prefixed(out, name.as_bytes());
        });
    }

    pub fn attachment(&mut self, byte: u64, length: u64, data: u64, name: &str, kind: &str) {
        self.attachment_count += 1;
        wire::record(&mut self.attachments, op::ATTACHMENT_INDEX, |out| {
            for n in [byte, length, 0, 0, data] {
                out.extend_from_slice(&n.to_le_bytes());
            }
            wire::prefixed(out, name.as_bytes());
            wire::prefixed(out, kind.as_bytes());
        });
    }

    /// Appends summary, summary offsets, footer and magic; `start` is where
    /// they begin in the file. `counts`: records by source; `clock`: messages
    /// of the clock's channel, where it exists.
    pub fn write(&self, out: &mut Vec<u8>, start: u64, counts: &[u64], clock: Option<u64>) {
        let base = out.len();
        let at = |out: &Vec<u8>| start + (out.len() - base) as u64;
        let mut groups = Vec::new();
        let mut statistics = Vec::new();
        self.statistics(&mut statistics, counts, clock);
        let parts = [
            (op::SCHEMA, self.schemas.concat()),
            (op::CHANNEL, self.channels.concat()),
            (op::STATISTICS, statistics),
        ];
        let grown = [
            (op::CHUNK_INDEX, &self.chunks),
            (op::ATTACHMENT_INDEX, &self.attachments),
            (op::METADATA_INDEX, &self.metadata),
        ];
        let all = parts.iter().map(|(op, bytes)| (*op, bytes)).chain(grown);
        for (opcode, bytes) in all.filter(|(_, bytes)| !bytes.is_empty()) {
            groups.push((opcode, at(out), bytes.len() as u64));
            out.extend_from_slice(bytes);
        }
        let offsets_start = at(out);
        for (opcode, from, length) in groups {
            wire::record(out, op::SUMMARY_OFFSET, |out| {
                out.push(opcode);
                out.extend_from_slice(&from.to_le_bytes());
                out.extend_from_slice(&length.to_le_bytes());
            });
        }
        out.push(op::FOOTER);
        for n in [20, start, offsets_start] {
            out.extend_from_slice(&u64::to_le_bytes(n));
        }
        let crc = crc32fast::hash(&out[base..]);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(wire::MAGIC);
    }

    fn statistics(&self, out: &mut Vec<u8>, counts: &[u64], clock: Option<u64>) {
        let (start, end) = self.times.unwrap_or((0, 0));
        let messages: u64 = counts.iter().sum::<u64>() + clock.unwrap_or(0);
        let by_channel = clock
            .map(|n| (0u16, n))
            .into_iter()
            .chain(counts.iter().enumerate().map(|(source, &n)| (source as u16 + 1, n)));
        let by_channel: Vec<_> = by_channel.filter(|&(_, n)| n > 0).collect();
        wire::record(out, op::STATISTICS, |out| {
            out.extend_from_slice(&messages.to_le_bytes());
            out.extend_from_slice(&(self.schemas.len() as u16).to_le_bytes());
            let numbers = [
                self.channels.len() as u32,
                self.attachment_count,
                self.metadata_count,
                self.chunk_count,
            ];
            for n in numbers {
                out.extend_from_slice(&n.to_le_bytes());
            }
            out.extend_from_slice(&start.to_le_bytes());
            out.extend_from_slice(&end.to_le_bytes());
            out.extend_from_slice(&((by_channel.len() * 10) as u32).to_le_bytes());
            for (channel, n) in by_channel {
                out.extend_from_slice(&channel.to_le_bytes());
                out.extend_from_slice(&n.to_le_bytes());
            }
        });
    }
}
