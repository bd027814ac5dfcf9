//! The inside of a chunk: schemas, channels and messages one after another.

use super::compress;
use super::wire::{ChunkHead, HEAD, MESSAGE_FIXED, op};

/// A message inside a chunk; positions count from the chunk's first byte.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub channel: u16,
    pub sequence: u32,
    pub log_time: u64,
    pub publish_time: u64,
    /// Its envelope.
    pub start: usize,
    pub end: usize,
}

/// The uncompressed bytes of a chunk record's body, CRC checked.
pub fn load(body: &[u8]) -> Result<Vec<u8>, String> {
    let head = ChunkHead::read(body).ok_or("a chunk's lengths do not add up")?;
    let bytes = compress::decompress(head.compression, head.data, head.uncompressed)?;
    // MCAP: 0 stands for "not computed"; our own always are.
    if crc32fast::hash(&bytes) != head.crc {
        return Err("a chunk's CRC is wrong".to_owned());
    }
    Ok(bytes)
}

/// One record inside a chunk.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    Message(Message),
    /// Opcode and range of the body.
    Other(u8, usize, usize),
}

/// The record at `*at`, which moves behind it; `None`: it does not fit.
#[inline]
pub fn next(bytes: &[u8], at: &mut usize) -> Option<Item> {
    let head: &[u8; HEAD] = bytes.get(*at..)?.first_chunk()?;
    let length = u64::from_le_bytes([
        head[1], head[2], head[3], head[4], head[5], head[6], head[7], head[8],
    ]);
    let start = *at + HEAD;
    let length = usize::try_from(length).ok().filter(|&n| n <= bytes.len() - start)?;
    let end = start + length;
    *at = end;
    if head[0] != op::MESSAGE {
        return Some(Item::Other(head[0], start, end));
    }
    let fixed: &[u8; MESSAGE_FIXED] = bytes[start..end].first_chunk()?;
    let long = |at: usize| {
        let mut n = [0; 8];
        n.copy_from_slice(&fixed[at..at + 8]);
        u64::from_le_bytes(n)
    };
    Some(Item::Message(Message {
        channel: u16::from_le_bytes([fixed[0], fixed[1]]),
        sequence: u32::from_le_bytes([fixed[2], fixed[3], fixed[4], fixed[5]]),
        log_time: long(6),
        publish_time: long(14),
        start: start + MESSAGE_FIXED,
        end,
    }))
}
