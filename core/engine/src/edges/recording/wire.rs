//! The records of the MCAP format (<https://mcap.dev/spec>), read from slices
//! that are in memory already: no length in a file is trusted further than the
//! bytes that are there.
//!
//! The `mcap` crate's readers copy every message out of its chunk and look up
//! nothing by offset, and its writer runs the CRC and the compressor once for
//! every field of every message and panics when it is used after an error, so
//! reading and writing are done here; the crate is the other side in tests.

use std::collections::BTreeMap;

pub use mcap::MAGIC;
pub use mcap::records::op;

/// Opcode and length in front of every record.
pub const HEAD: usize = 9;
/// A message's fields before its data: channel, sequence, log and publish time.
pub const MESSAGE_FIXED: usize = 22;
/// The footer with its head, and the magic after it.
pub const FOOTER: usize = HEAD + 20 + 8;
/// The largest chunk before compression, the largest attachment or metadata.
pub const MAX_RECORD: u64 = 256 << 20;

/// Reads little-endian fields from a slice; `None` where it ends too early.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|b| b[0])
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes with a u32 length in front.
    pub fn prefixed(&mut self) -> Option<&'a [u8]> {
        let n = self.u32()?;
        self.bytes(n as usize)
    }

    pub fn string(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.prefixed()?).ok()
    }

    /// A map of strings; `None` also where a key stands twice.
    pub fn map(&mut self) -> Option<BTreeMap<String, String>> {
        let mut inner = Self::new(self.prefixed()?);
        let mut map = BTreeMap::new();
        while !inner.is_empty() {
            let key = inner.string()?.to_owned();
            if map.insert(key, inner.string()?.to_owned()).is_some() {
                return None;
            }
        }
        Some(map)
    }

    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The value, if nothing is left after it.
    pub fn end<T>(self, value: T) -> Option<T> {
        self.is_empty().then_some(value)
    }
}

/// Appends a record whose body `fill` writes.
pub fn record(out: &mut Vec<u8>, opcode: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(opcode);
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    fill(out);
    let length = (out.len() - start - 8) as u64;
    out[start..start + 8].copy_from_slice(&length.to_le_bytes());
}

/// Appends bytes with their u32 length in front.
pub fn prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Appends what `fill` writes, with its u64 length, the answer, in front.
pub fn long_prefixed(
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
) -> std::io::Result<u64> {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    fill(out)?;
    let length = (out.len() - start - 8) as u64;
    out[start..start + 8].copy_from_slice(&length.to_le_bytes());
    Ok(length)
}

/// Appends a map of strings.
pub fn map(out: &mut Vec<u8>, map: &BTreeMap<String, String>) {
    let length: usize = map.iter().map(|(k, v)| k.len() + v.len() + 8).sum();
    out.extend_from_slice(&(length as u32).to_le_bytes());
    for (key, value) in map {
        prefixed(out, key.as_bytes());
        prefixed(out, value.as_bytes());
    }
}

/// MCAP's publish time: the record's timestamp as u64 ns, clamped; 0 without.
#[inline]
pub fn publish_time(timestamp: Option<i64>) -> u64 {
    timestamp.and_then(|ms| u64::try_from(ms).ok()).map_or(0, |ms| ms.saturating_mul(1_000_000))
}

/// Whether it is the body of a schema record.
pub fn is_schema(body: &[u8]) -> bool {
    let mut f = Fields::new(body);
    let mut read = || Some((f.u16()?, f.string()?, f.string()?, f.prefixed()?, f.is_empty()));
    read().is_some_and(|(id, .., end)| id != 0 && end)
}

/// A channel record inside a chunk or the summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRecord {
    pub id: u16,
    pub schema: u16,
    pub topic: String,
    pub metadata: BTreeMap<String, String>,
}

impl ChannelRecord {
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut f = Fields::new(body);
        let (id, schema, topic) = (f.u16()?, f.u16()?, f.string()?.to_owned());
        let _encoding = f.string()?;
        let metadata = f.map()?;
        f.end(Self { id, schema, topic, metadata })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        record(out, op::CHANNEL, |out| {
            out.extend_from_slice(&self.id.to_le_bytes());
            out.extend_from_slice(&self.schema.to_le_bytes());
            prefixed(out, self.topic.as_bytes());
            prefixed(out, b"protobuf");
            map(out, &self.metadata);
        });
    }
}

/// A chunk's head; its compressed bytes follow.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead<'a> {
    /// Smallest and largest log time, 0 without messages.
    pub times: (u64, u64),
    pub uncompressed: u64,
    pub crc: u32,
    pub compression: &'a str,
    pub data: &'a [u8],
}

impl<'a> ChunkHead<'a> {
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut f = Fields::new(body);
        let times = (f.u64()?, f.u64()?);
        let (uncompressed, crc) = (f.u64()?, f.u32()?);
        let compression = f.string()?;
        let length = usize::try_from(f.u64()?).ok()?;
        let data = f.bytes(length)?;
        f.end(Self { times, uncompressed, crc, compression, data })
    }
}

/// A metadata record.
pub fn read_metadata(body: &[u8]) -> Option<(String, BTreeMap<String, String>)> {
    let mut f = Fields::new(body);
    let name = f.string()?.to_owned();
    let map = f.map()?;
    f.end((name, map))
}

/// An attachment as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Attachment<'a> {
    pub name: &'a str,
    pub media_type: &'a str,
    pub data: &'a [u8],
}

/// Appends an attachment, its times 0 so that the same content gives the same
/// bytes.
pub fn attachment(out: &mut Vec<u8>, name: &str, media_type: &str, data: &[u8]) {
    record(out, op::ATTACHMENT, |out| {
        let body = out.len();
        out.extend_from_slice(&[0; 16]);
        prefixed(out, name.as_bytes());
        prefixed(out, media_type.as_bytes());
        out.extend_from_slice(&(data.len() as u64).to_le_bytes());
        out.extend_from_slice(data);
        let crc = crc32fast::hash(&out[body..]);
        out.extend_from_slice(&crc.to_le_bytes());
    });
}

/// An attachment, if its CRC is right.
pub fn read_attachment(body: &[u8]) -> Option<Attachment<'_>> {
    let mut f = Fields::new(body);
    let (_log_time, _create_time) = (f.u64()?, f.u64()?);
    let (name, media_type) = (f.string()?, f.string()?);
    let length = usize::try_from(f.u64()?).ok()?;
    let data = f.bytes(length)?;
    let covered = body.len() - f.rest().len();
    let crc = f.u32()?;
    (crc == crc32fast::hash(&body[..covered])).then_some(())?;
    f.end(Attachment { name, media_type, data })
}

/// The footer: start of the summary and its CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    pub summary_start: u64,
    pub summary_crc: u32,
}

impl Footer {
    /// From the last [`FOOTER`] bytes of a file.
    pub fn read(tail: &[u8]) -> Option<Self> {
        let mut f = Fields::new(tail);
        (f.u8()? == op::FOOTER && f.u64()? == 20).then_some(())?;
        let summary_start = f.u64()?;
        let _offsets = f.u64()?;
        let summary_crc = f.u32()?;
        (f.rest() == MAGIC).then_some(Self { summary_start, summary_crc })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(Fields::new(&[0xff; 6]).prefixed(), None);
        assert_eq!(Fields::new(&[4, 0, 0, 0, 1]).string(), None);
        // A key that stands twice.
        let mut body = Vec::new();
        let mut entries = Vec::new();
        for _ in 0..2 {
            prefixed(&mut entries, b"k");
            prefixed(&mut entries, b"v");
        }
        prefixed(&mut body, &entries);
        assert_eq!(Fields::new(&body).map(), None);
        assert!(ChunkHead::read(&[0; 40]).is_some());
        assert!(ChunkHead::read(&[0; 41]).is_none());
    }
}
