//! The lines of a text file, compressed with zstd or not, one after another.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Job, RecordingError};

/// Longest line, bytes.
const LINE: u64 = 64 << 20;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What some programs put in front of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An open file; empty lines are passed over.
pub struct Lines {
    path: PathBuf,
    text: Box<dyn BufRead>,
    /// Bytes read of the file, and all of them.
    done: Rc<Cell<u64>>,
    total: u64,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let fail = |error| RecordingError::io(path, "read", error);
        let mut file = File::open(path).map_err(|error| RecordingError::io(path, "open", error))?;
        let total = file.metadata().map_err(fail)?.len();
        let mut magic = [0; 4];
        let begin = read_up_to(&mut file, &mut magic).map_err(fail)?;
        let zstd = begin == 4 && magic == ZSTD_MAGIC;
        let done = Rc::new(Cell::new(begin as u64));
        let rest = Counted { file, done: Rc::clone(&done) };
        // Not read anew: the file may be a pipe.
        let counted = Cursor::new(magic).take(begin as u64).chain(rest);
        let text: Box<dyn BufRead> = if zstd {
            let unpacked = zstd::stream::read::Decoder::new(counted).map_err(fail)?;
            Box::new(BufReader::with_capacity(1 << 18, unpacked))
        } else {
            Box::new(BufReader::with_capacity(1 << 18, counted))
        };
        Ok(Self { path: path.to_owned(), text, done, total, number: 0, line: Vec::new() })
    }

    /// The next line with its number, from 1; `None`: there is none.
    pub fn next(&mut self) -> Result<Option<(u64, &[u8])>, RecordingError> {
        loop {
            self.line.clear();
            self.number += 1;
            let read = self.text.by_ref().take(LINE).read_until(b'\n', &mut self.line);
            let read = read.map_err(|error| RecordingError::io(&self.path, "read", error))?;
            if read == 0 {
                return Ok(None);
            }
            if self.number == 1 && is_utf16(&self.line) {
                return Err(self.bad(1, "the file is UTF-16: write it as UTF-8"));
            }
            if self.line.last() == Some(&b'\n') {
                self.line.pop();
            } else if read as u64 == LINE {
                return Err(self.bad(self.number, format!("longer than {LINE} bytes")));
            }
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
            if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some((self.number, &self.line)));
            }
        }
    }

    /// Says how far it is, now and then.
    pub fn step(&self, job: &mut Job<'_>) -> Result<(), RecordingError> {
        if self.number.is_multiple_of(4096) {
            job.step(self.done.get(), self.total)
        } else {
            Ok(())
        }
    }

    /// What is wrong with a line.
    pub fn bad(&self, line: u64, what: impl Into<String>) -> RecordingError {
        RecordingError::Line { path: self.path.clone(), line, what: what.into() }
    }
}

/// By the byte order mark that some editors and shells begin such a file with.
fn is_utf16(line: &[u8]) -> bool {
    line.starts_with(&[0xff, 0xfe]) || line.starts_with(&[0xfe, 0xff])
}

/// Counts what is read of the file.
struct Counted {
    file: File,
    done: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(into)?;
        self.done.set(self.done.get() + n as u64);
        Ok(n)
    }
}

fn read_up_to(file: &mut File, into: &mut [u8]) -> std::io::Result<usize> {
    let mut at = 0;
    while at < into.len() {
        match file.read(&mut into[at..])? {
            0 => break,
            n => at += n,
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let text = b"\xef\xbb\xbf{}\r\n\xef\xbb\xbf{}";
        let packed = zstd::stream::encode_all(&text[..], 1).unwrap();
        for file in [&text[..], &packed] {
            std::fs::write(&path, file).unwrap();
            let mut lines = Lines::open(&path).unwrap();
            assert_eq!(lines.next().unwrap(), Some((1, &b"{}"[..])));
            // Further on it is text, and no JSON.
            assert_eq!(lines.next().unwrap(), Some((2, &b"\xef\xbb\xbf{}"[..])));
            assert_eq!(lines.next().unwrap(), None);
        }
    }
}
