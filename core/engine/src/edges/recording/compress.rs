//! Compression of chunks. Nothing is allocated because a file claims a size:
//! beyond a usual chunk the buffer grows with what really comes out.

use std::io::{Read as _, Write as _};

use super::wire::MAX_RECORD;

/// How chunks are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    None,
    #[default]
    Lz4,
    /// The same format, in less time and larger, by LZ4's "acceleration", 1 to
    /// 64: for what has to keep up with a cluster. On records of JSON 8 is some
    /// 13 % larger, 32 some 60 %.
    Lz4Fast(u8),
    /// With a level (1 to 22).
    Zstd(i32),
}

impl Compression {
    /// As it stands in a chunk.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Lz4 | Self::Lz4Fast(_) => "lz4",
            Self::Zstd(_) => "zstd",
        }
    }

    /// From the name in a chunk; zstd at its usual level.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "none" => Some(Self::None),
            "lz4" => Some(Self::Lz4),
            "zstd" => Some(Self::Zstd(3)),
            _ => None,
        }
    }
}

/// Appends the compressed form of `bytes` to `out`.
pub fn compress(kind: Compression, bytes: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    match kind {
        Compression::None => {
            out.extend_from_slice(bytes);
            Ok(())
        }
        Compression::Lz4 => lz4_frame(bytes, lz4::BlockSize::Max256KB, 0, out),
        Compression::Lz4Fast(by) => lz4_frame(bytes, lz4::BlockSize::Max64KB, -i32::from(by), out),
        Compression::Zstd(level) => {
            let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
            encoder.include_checksum(false)?;
            encoder.write_all(bytes)?;
            encoder.finish().map(drop)
        }
    }
}

/// A level below 0 is LZ4's "acceleration".
fn lz4_frame(
    bytes: &[u8],
    block: lz4::BlockSize,
    level: i32,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    // The chunk has a CRC of its own: no checksums inside the frame. Blocks that
    // do not refer to one another are quicker and hardly larger.
    let mut encoder = lz4::EncoderBuilder::new()
        .block_size(block)
        .block_mode(lz4::BlockMode::Independent)
        .block_checksum(lz4::liblz4::BlockChecksum::NoBlockChecksum)
        .checksum(lz4::ContentChecksum::NoChecksum)
        .auto_flush(true)
        .level(level as u32)
        .build(out)?;
    encoder.write_all(bytes)?;
    encoder.finish().1
}

/// Up to here a claimed size is allocated at once.
const USUAL: u64 = 4 << 20;

/// The uncompressed bytes of a chunk, exactly `claimed` of them.
///
/// # Errors
/// What is wrong with the data, as a text.
pub fn decompress(name: &str, data: &[u8], claimed: u64) -> Result<Vec<u8>, String> {
    if claimed > MAX_RECORD {
        return Err(format!("a chunk claims {claimed} bytes; at most {MAX_RECORD} are read"));
    }
    let kind = Compression::from_name(name)
        .ok_or_else(|| format!("unknown compression \"{}\"", name.escape_debug()))?;
    let mut out = Vec::new();
    let result = match kind {
        Compression::None => {
            if data.len() as u64 == claimed {
                return Ok(data.to_vec());
            }
            return Err(format!("a chunk of {} bytes claims {claimed}", data.len()));
        }
        Compression::Lz4 | Compression::Lz4Fast(_) => {
            lz4::Decoder::new(data).and_then(|d| fill(d, claimed, &mut out))
        }
        Compression::Zstd(_) => {
            zstd::stream::read::Decoder::with_buffer(data).and_then(|d| fill(d, claimed, &mut out))
        }
    };
    match result {
        Err(error) => Err(format!("a chunk does not decompress ({name}: {error})")),
        Ok(()) if out.len() as u64 != claimed => {
            Err(format!("a chunk claims {claimed} bytes and holds another number"))
        }
        Ok(()) => Ok(out),
    }
}

/// Reads up to one byte more than claimed.
fn fill(mut from: impl std::io::Read, claimed: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
    if claimed <= USUAL {
        out.resize(claimed as usize, 0);
        let mut at = 0;
        while at < out.len() {
            match from.read(&mut out[at..])? {
                0 => {
                    out.truncate(at);
                    return Ok(());
                }
                n => at += n,
            }
        }
        if from.read(&mut [0])? > 0 {
            out.push(0);
        }
        return Ok(());
    }
    from.take(claimed + 1).read_to_end(out).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_lies() {
        let bytes: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for kind in [
            Compression::None,
            Compression::Lz4,
            Compression::Lz4Fast(8),
            Compression::Lz4Fast(32),
            Compression::Zstd(3),
        ] {
            for bytes in [&bytes[..], &bytes[..100], &[]] {
                let mut out = Vec::new();
                compress(kind, bytes, &mut out).unwrap();
                let n = bytes.len() as u64;
                assert_eq!(decompress(kind.name(), &out, n).unwrap(), bytes);
                assert!(decompress(kind.name(), &out, n + 1).is_err());
                assert!(decompress(kind.name(), &out, n + USUAL).is_err());
                assert!(decompress(kind.name(), &out, u64::MAX).is_err());
                if n > 0 {
                    assert!(decompress(kind.name(), &out, n - 1).is_err());
                }
            }
        }
        assert!(decompress("brotli", &[], 0).is_err());
    }
}
