//! Reading a file at positions, and the walk over its records from the start.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;

use super::RecordingError;
use super::wire::{HEAD, MAX_RECORD};

/// An open file, or bytes in memory; reads do not move anything, so it may be
/// shared.
#[derive(Debug)]
pub struct Source {
    pub path: PathBuf,
    bytes: Backing,
    /// Its length when it was opened.
    pub length: u64,
}

#[derive(Debug)]
enum Backing {
    File(File),
    /// Opened for each read.
    Closed,
    Memory(Vec<u8>),
}

impl Source {
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let fail = |error| RecordingError::io(path, "open", error);
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err(RecordingError::NotARecording {
                path: path.to_owned(),
                why: "it is not a file".to_owned(),
            });
        }
        Ok(Self { path: path.to_owned(), bytes: Backing::File(file), length: metadata.len() })
    }

    /// The same once more, if it still is as long as it was.
    pub fn again(&self) -> Option<Self> {
        let same = || self.path.metadata().is_ok_and(|m| m.len() == self.length);
        let bytes = match &self.bytes {
            Backing::File(file) => Backing::File(file.try_clone().ok().filter(|_| same())?),
            Backing::Closed => same().then_some(Backing::Closed)?,
            Backing::Memory(bytes) => Backing::Memory(bytes.clone()),
        };
        Some(Self { path: self.path.clone(), bytes, length: self.length })
    }

    /// Its file is opened for each read from now on.
    pub fn close(&mut self) {
        if matches!(self.bytes, Backing::File(_)) {
            self.bytes = Backing::Closed;
        }
    }

    /// A recording in memory.
    pub fn memory(bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        Self { path: PathBuf::from("memory"), bytes: Backing::Memory(bytes), length }
    }

    /// Reads `length` bytes at `byte` into `into`. The caller has checked that
    /// the file is as long as that.
    pub fn read(&self, byte: u64, length: u64, into: &mut Vec<u8>) -> Result<(), RecordingError> {
        let read = match &self.bytes {
            Backing::File(file) => of_file(file, byte, length as usize, into),
            Backing::Closed => {
                let file = File::open(&self.path);
                file.and_then(|file| of_file(&file, byte, length as usize, into))
            }
            Backing::Memory(bytes) => {
                into.resize(length as usize, 0);
                let from = usize::try_from(byte).ok();
                let range = from.and_then(|from| bytes.get(from..from.checked_add(into.len())?));
                match range {
                    Some(range) => {
                        into.copy_from_slice(range);
                        Ok(())
                    }
                    None => Err(std::io::ErrorKind::UnexpectedEof.into()),
                }
            }
        };
        read.map_err(|error| RecordingError::io(&self.path, format!("read at byte {byte}"), error))
    }

    /// Whether the file ends at `byte`, or within the record that begins there: so a
    /// writer leaves it that is killed.
    pub fn ends_within(&self, byte: u64) -> Result<bool, RecordingError> {
        let left = self.length.saturating_sub(byte);
        if left < HEAD as u64 {
            return Ok(true);
        }
        let mut bytes = Vec::new();
        self.read(byte, HEAD as u64, &mut bytes)?;
        let (_, length) = head(&bytes).unwrap_or_default();
        Ok(length <= MAX_RECORD * 2 && length > left - HEAD as u64)
    }

    /// The record that should stand at `byte` with this opcode and length
    /// (head included), read into `into`: its body.
    pub fn record<'b>(
        &self,
        byte: u64,
        length: u64,
        opcode: u8,
        into: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], RecordingError> {
        let damaged = |what: &str| RecordingError::damaged(&self.path, byte, what);
        let fits = byte.checked_add(length).is_some_and(|end| end <= self.length);
        if length < HEAD as u64 || length > MAX_RECORD * 2 || !fits {
            return Err(damaged("an index names a place that the file does not have"));
        }
        self.read(byte, length, into)?;
        let (op, size) = head(into).unwrap_or_default();
        if op != opcode || size != length - HEAD as u64 {
            return Err(damaged("an index names a place where another record stands"));
        }
        Ok(&into[HEAD..])
    }
}

fn of_file(file: &File, byte: u64, length: usize, into: &mut Vec<u8>) -> std::io::Result<()> {
    if into.capacity() < length {
        *into = fresh(file, byte, length)?;
        return Ok(());
    }
    into.resize(length, 0);
    file.read_exact_at(into, byte)
}

/// Reads bytes of a file into memory that nobody has filled with zeros before.
fn fresh(file: &File, byte: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = byte + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Opcode and body length.
pub fn head(bytes: &[u8]) -> Option<(u8, u64)> {
    let (op, rest) = bytes.split_first()?;
    Some((*op, u64::from_le_bytes(*rest.first_chunk()?)))
}

/// Why a walk over the records stopped before the end.
#[derive(Debug)]
pub enum Stop {
    /// The file ends, or is no longer made of records.
    Cut {
        byte: u64,
        why: String,
    },
    Error(RecordingError),
}

/// Walks over the records of a file.
pub struct Walk<'a> {
    source: &'a Source,
    /// Where the next record stands.
    pub at: u64,
}

impl<'a> Walk<'a> {
    pub fn new(source: &'a Source, at: u64) -> Self {
        Self { source, at }
    }

    /// The next record: position, opcode; its body in `body`.
    pub fn next(&mut self, body: &mut Vec<u8>) -> Result<(u64, u8), Stop> {
        let byte = self.at;
        let cut = |why: String| Stop::Cut { byte, why };
        let left = self.source.length - byte;
        if left == 0 {
            return Err(cut("the file ends without the end of a recording".to_owned()));
        }
        if left < HEAD as u64 {
            return Err(cut("the file ends within a record".to_owned()));
        }
        self.source.read(byte, HEAD as u64, body).map_err(Stop::Error)?;
        let (op, length) = head(body).unwrap_or_default();
        if length > MAX_RECORD * 2 {
            return Err(cut(format!("a record claims {length} bytes")));
        }
        if length > left - HEAD as u64 {
            return Err(cut(format!(
                "a record of {length} bytes begins, and {} are left",
                left - HEAD as u64
            )));
        }
        self.source.read(byte + HEAD as u64, length, body).map_err(Stop::Error)?;
        self.at = byte + HEAD as u64 + length;
        Ok((byte, op))
    }
}
