//! What may lie in a recording's file beside its records: named pieces, each an
//! attachment with its CRC. Adding them changes no byte of the recording: its
//! data section comes first, as it is, then the pieces, then MCAP's summary.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::scan::Gathered;
use super::source::{Stop, Walk};
use super::wire::{self, op};
use super::{Job, Recording, RecordingError, Slice, open, slice, verify, whole};

/// In front of the names of all pieces.
pub const PIECES: &str = "joinscope/incident/";

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Without [`PIECES`].
    pub name: String,
    /// IANA's: `application/json`, `application/toml`.
    pub media_type: &'static str,
    pub data: Vec<u8>,
}

/// The pieces that a file holds: name and content, or why it cannot be read.
pub type Found = Vec<(String, Result<Vec<u8>, String>)>;

impl Recording {
    /// The pieces beside the records, in the order of the file; none in most
    /// recordings, nor in one whose summary is missing.
    pub fn pieces(&self) -> Found {
        let Ok(source) = self.opened().file() else { return Vec::new() };
        let Some(places) = open::summary(source).ok().and_then(|s| open::places(&s)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut body = Vec::new();
        for (opcode, byte, length, name) in places {
            let Some(short) = name.strip_prefix(PIECES).filter(|_| opcode == op::ATTACHMENT) else {
                continue;
            };
            let read = source
                .record(byte, length, opcode, &mut body)
                .map_err(|error| error.to_string())
                .and_then(|body| match wire::read_attachment(body) {
                    Some(read) if read.name == name => Ok(read.data.to_vec()),
                    _ => Err(format!("its bytes are not those that were written (byte {byte})")),
                });
            found.push((short.to_owned(), read));
        }
        found
    }
}

/// Writes a recording with pieces, in place of the pieces that it has; gives
/// the file's length. Every byte of the recording is checked on the way.
/// Progress is in bytes. The file gets its name when it is whole and on disk;
/// `replace`: also over one that is there.
///
/// A recording that was cut is written anew up to the cut, with the same
/// arrivals and the same digest.
///
/// # Errors
/// Damage, a name that is taken, or cancelled; there is no file then.
pub fn write_with(
    recording: &Recording,
    pieces: &[Piece],
    path: &Path,
    replace: bool,
    job: &mut Job<'_>,
) -> Result<u64, RecordingError> {
    if !replace && path.symlink_metadata().is_ok() {
        return Err(RecordingError::Exists { path: path.to_owned() });
    }
    // Of several segments none is mended: what they become has another digest.
    recording.opened().file()?;
    let part = Part::create(path)?;
    if recording.info().cut.is_none() {
        return copy(recording, pieces, path, part, replace, job);
    }
    let mended = Mended::of(recording, path, job)?;
    copy(&mended.recording, pieces, path, part, replace, job)
}

/// The file while it is not whole; gone if it never is.
struct Part {
    file: Option<File>,
    path: PathBuf,
}

impl Part {
    fn create(path: &Path) -> Result<Self, RecordingError> {
        let (file, path) = whole::begin(path)?;
        Ok(Self { file: Some(file), path })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Named already, or of no use to anyone.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What is whole of a cut recording, in a file that lasts as long as this.
struct Mended {
    recording: Recording,
    path: PathBuf,
}

impl Mended {
    fn of(cut: &Recording, beside: &Path, job: &mut Job<'_>) -> Result<Self, RecordingError> {
        // Not by the name of what has a writer: it is whole.
        let path = whole::part_of(beside).with_extension("whole");
        let _ = std::fs::remove_file(&path);
        slice(cut, &Slice::default(), &path, None, job)?;
        let this = Self { recording: Recording::open(&path)?, path };
        if this.recording.digest() == cut.digest() {
            return Ok(this);
        }
        Err(RecordingError::damaged(
            cut.path(),
            cut.info().cut.as_ref().map_or(0, |c| c.byte),
            "what is whole of it does not give the digest that it had when it was opened",
        ))
    }
}

impl Drop for Mended {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn copy(
    recording: &Recording,
    pieces: &[Piece],
    path: &Path,
    mut part: Part,
    replace: bool,
    job: &mut Job<'_>,
) -> Result<u64, RecordingError> {
    let source = recording.opened().file()?;
    let failed = |doing: &str, e| RecordingError::io(path, doing.to_owned(), e);
    let Some(file) = part.file.take() else {
        return Err(failed("write", std::io::Error::other("the file is closed")));
    };
    let file = BufWriter::with_capacity(1 << 20, file);
    let mut out = Out { file, crc: crc32fast::Hasher::new(), written: 0 };
    let damaged = |byte, what: String| RecordingError::damaged(&source.path, byte, what);
    let (_, data) = super::scan::start(source)?;
    let mut gathered = Gathered::new();
    verify::replay_start(source, &mut gathered)?;
    let mut body = Vec::new();
    source.read(0, data, &mut body)?;
    out.put(&body).map_err(|e| failed("write", e))?;
    let mut walk = Walk::new(source, data);
    loop {
        let (byte, opcode) = match walk.next(&mut body) {
            Ok((_, op::DATA_END)) if body.len() == 4 => break,
            Ok(next) => next,
            Err(Stop::Cut { byte, why }) => return Err(damaged(byte, why)),
            Err(Stop::Error(error)) => return Err(error),
        };
        let old = opcode == op::ATTACHMENT
            && wire::read_attachment(&body).is_some_and(|a| a.name.starts_with(PIECES));
        if !old {
            gathered.take(out.written, opcode, &body).map_err(|what| damaged(byte, what))?;
            let length = (body.len() as u64).to_le_bytes();
            for bytes in [&[opcode][..], &length, &body] {
                out.put(bytes).map_err(|e| failed("write", e))?;
            }
        }
        job.step(walk.at, source.length)?;
    }
    let end = walk.at;
    if !gathered.close_chunk() {
        return Err(damaged(end, "message index records of the last chunk are missing".to_owned()));
    }
    if gathered.tally.digest(&gathered.schemas) != recording.digest() {
        return Err(damaged(end, "the digest is not that of the records".to_owned()));
    }
    for piece in pieces {
        let name = format!("{PIECES}{}", piece.name);
        let mut record = Vec::new();
        wire::attachment(&mut record, &name, piece.media_type, &piece.data);
        gathered
            .take(out.written, op::ATTACHMENT, &record[wire::HEAD..])
            .map_err(|what| damaged(end, what))?;
        out.put(&record).map_err(|e| failed("write", e))?;
    }
    let mut tail = Vec::new();
    let crc = out.crc.clone().finalize();
    wire::record(&mut tail, op::DATA_END, |out| out.extend_from_slice(&crc.to_le_bytes()));
    let counts: Vec<u64> = gathered.tally.partitions.iter().map(|p| p.records).collect();
    let clock = gathered.has_clock().then_some(gathered.tally.clock_events);
    let start = out.written + tail.len() as u64;
    gathered.summary.write(&mut tail, start, &counts, clock);
    out.put(&tail).map_err(|e| failed("write", e))?;
    let written = out.written;
    let file = out.file.into_inner().map_err(|e| failed("write", e.into_error()))?;
    file.sync_all().map_err(|e| failed("force to disk", e))?;
    // The last moment at which it can be called off.
    job.step(source.length, source.length)?;
    if replace {
        whole::replace(&part.path, path)?;
    } else {
        whole::name(&part.path, path)?;
    }
    Ok(written)
}

/// The file, and the CRC over all of it so far.
struct Out {
    file: BufWriter<File>,
    crc: crc32fast::Hasher,
    written: u64,
}

impl Out {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.crc.update(bytes);
        self.written += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::edges::recording::tests::{folder, records, small_chunks, write};
    use crate::edges::recording::{Compression, unattended};

    #[test]
    fn a_disk_that_fills_leaves_no_half_a_file_and_what_was_there() {
        let (folder, path) = folder();
        write(&path, &records(3, 3_000), small_chunks(Compression::Lz4));
        let recording = Recording::open(&path).unwrap();
        let saved = folder.path().join("stall.mcap");
        for replace in [false, true] {
            if replace {
                std::fs::write(&saved, "mine").unwrap();
            }
            let mut part = Part::create(&saved).unwrap();
            // Every write fails, as on a full disk.
            part.file = Some(File::options().write(true).open("/dev/full").unwrap());
            let done = unattended(|job| copy(&recording, &[], &saved, part, replace, job));
            let Err(RecordingError::Io { path: of, source, .. }) = done else { panic!("{done:?}") };
            assert_eq!((of, source.kind()), (saved.clone(), ErrorKind::StorageFull));
            let left = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(left, 1 + usize::from(replace), "the recording, and what was there");
            if replace {
                assert_eq!(std::fs::read_to_string(&saved).unwrap(), "mine");
            }
        }
    }
}
