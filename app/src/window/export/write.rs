//! Rows into a file: CSV as RFC 4180 has it, or one JSON object a line.
//!
//! Cells are the values as they are, for programs to read. A text that begins with
//! `=`, `+`, `-` or `@` gets no sign before it, although a spreadsheet that opens the
//! file by itself takes it for a formula: every other reader would have another key.
//! A text that is empty is `""`, what is not there is nothing.

use std::fs::File;
use std::io::{BufWriter, Error, Write};
use std::path::{Path, PathBuf};

use joinscope_core::edges::disk::is_full;
use serde_json::Value;

#[cfg(test)]
use super::full::Room;
use super::{Data, Meter, Refused, Row};

/// Rows written between two looks at whether to go on.
const PAGE: usize = 2_048;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
}

impl Format {
    /// By a file's name; `None` where it says neither.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// A file on its way: written beside its place, and put there when it is whole.
pub(super) struct Partial {
    path: PathBuf,
    part: PathBuf,
    file: Option<File>,
    replace: bool,
    #[cfg(test)]
    room: Room,
}

impl Partial {
    pub fn create(path: &Path, replace: bool) -> Result<Self, Refused> {
        let is_file = path.metadata().map(|m| m.is_file());
        let (part, file) = match is_file {
            Ok(true) if !replace => return Err(Refused::Exists),
            // A pipe or a device is written to as it is.
            Ok(false) if !path.is_dir() => {
                (path.to_owned(), File::options().write(true).open(path))
            }
            _ => Self::beside(path),
        };
        let file = file.map_err(|e| failed(path, &e))?;
        Ok(Self {
            path: path.to_owned(),
            part,
            file: Some(file),
            replace,
            #[cfg(test)]
            room: Room::of(path),
        })
    }

    /// A new file beside it: one that is called so is somebody else's.
    fn beside(path: &Path) -> (PathBuf, std::io::Result<File>) {
        const MOST: u32 = 100;
        let mut n = 1;
        loop {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(if n == 1 { ".part".to_owned() } else { format!(".{n}.part") });
            let part = path.with_file_name(name);
            let file = File::create_new(&part);
            let is_taken =
                file.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::AlreadyExists);
            if !is_taken || n >= MOST {
                return (part, file);
            }
            n += 1;
        }
    }

    /// Puts it at its place.
    pub fn finish(mut self) -> Result<(), Refused> {
        let Some(file) = self.file.take() else { return Ok(()) };
        if self.part == self.path {
            return Ok(());
        }
        if !self.replace && self.path.exists() {
            // It came while this was written.
            let _ = std::fs::remove_file(&self.part);
            return Err(Refused::Exists);
        }
        let synced = file.sync_all();
        #[cfg(test)]
        let synced = self.room.sync().and(synced);
        let done = synced.and_then(|()| std::fs::rename(&self.part, &self.path));
        done.map_err(|e| {
            let _ = std::fs::remove_file(&self.part);
            failed(&self.path, &e)
        })
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        #[cfg(test)]
        let bytes = self.room.take(bytes)?;
        let file = self.file.as_mut().ok_or_else(|| Error::other("the file is closed"))?;
        file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.file.take().is_some() && self.part != self.path {
            // Half a file helps nobody; where it cannot be removed it is still
            // called ".part".
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Why a file could not be written, and what to do.
pub fn failed(path: &Path, error: &Error) -> Refused {
    let what = match error.kind() {
        _ if is_full(error) => {
            format!("the disk is full; free some room or choose another place ({error})")
        }
        std::io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
        _ => error.to_string(),
    };
    let path_shown = path.display();
    // The path last: where there is no room for all of it the reason is in sight.
    Refused::Failed(if path.is_file() {
        format!("{what}; what was there before stays at {path_shown}")
    } else {
        format!("{what}; nothing is left of {path_shown}")
    })
}

/// Writes rows to a file; gives how many.
///
/// # Errors
/// The file exists and is not to be replaced, its name says no format, it was
/// cancelled, or something cannot be read or written. Nothing is left then.
pub fn to_file(
    rows: &mut dyn Data,
    path: &Path,
    replace: bool,
    meter: &Meter<'_>,
) -> Result<u64, Refused> {
    let Some(format) = Format::of(path) else {
        let said = format!("{}: end its name with .csv or .jsonl", path.display());
        return Err(Refused::Failed(said));
    };
    let mut part = Partial::create(path, replace)?;
    let written = {
        let mut out = BufWriter::with_capacity(256 << 10, &mut part);
        let written = write(rows, format, &mut out, meter, path)?;
        out.flush().map_err(|e| failed(path, &e))?;
        written
    };
    part.finish()?;
    Ok(written)
}

fn write(
    rows: &mut dyn Data,
    format: Format,
    out: &mut impl Write,
    meter: &Meter<'_>,
    path: &Path,
) -> Result<u64, Refused> {
    let io = |e: Error| failed(path, &e);
    if format == Format::Csv {
        let titles: Vec<Value> = rows.columns().into_iter().map(Value::from).collect();
        csv_line(out, &titles).map_err(io)?;
    }
    let of = rows.len();
    let mut done = 0;
    while done < of {
        if !meter.at(done, of) {
            return Err(Refused::Cancelled);
        }
        let page = rows.page(done, PAGE).map_err(Refused::Failed)?;
        if page.is_empty() {
            break;
        }
        for row in &page {
            line(out, format, row).map_err(io)?;
        }
        done += page.len() as u64;
    }
    Ok(done)
}

fn line(out: &mut impl Write, format: Format, row: &Row) -> std::io::Result<()> {
    match format {
        Format::Csv => csv_line(out, &row.cells),
        Format::JsonLines => {
            serde_json::to_writer(&mut *out, &row.json)?;
            out.write_all(b"\n")
        }
    }
}

fn csv_line(out: &mut impl Write, cells: &[Value]) -> std::io::Result<()> {
    // An empty line would be read as no row at all.
    let alone = cells.len() == 1;
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        let text = match cell {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // Else a text that is empty would be none.
        let quoted = text.is_empty() && (alone || cell.is_string());
        if quoted || text.contains(['"', ',', '\n', '\r']) {
            write!(out, "\"{}\"", text.replace('"', "\"\""))?;
        } else {
            out.write_all(text.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::super::Shared;
    use super::*;

    struct Numbers(u64);

    impl Data for Numbers {
        fn len(&self) -> u64 {
            self.0
        }
        fn columns(&self) -> Vec<String> {
            vec!["n".to_owned(), "said, so".to_owned()]
        }
        fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String> {
            let rows = (first..(first + n as u64).min(self.0)).map(|n| Row {
                json: serde_json::json!({ "n": n }),
                cells: vec![n.into(), if n == 1 { "a \"b\"\nc".into() } else { Value::Null }],
            });
            Ok(rows.collect())
        }
    }

    #[test]
    fn a_row_of_one_empty_cell_is_a_row() {
        let written = |cells: &[Value]| {
            let mut out = Vec::new();
            csv_line(&mut out, cells).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(&[Value::Null]), "\"\"\r\n");
        assert_eq!(written(&["".into()]), "\"\"\r\n");
        assert_eq!(written(&[Value::Null, Value::Null]), ",\r\n");
        assert_eq!(written(&["a".into()]), "a\r\n");
    }

    #[test]
    fn a_cell_is_the_value_as_it_is() {
        let cells: [Value; 6] =
            ["=1+1".into(), "-5".into(), (-5).into(), "".into(), Value::Null, "@a;\t b".into()];
        let mut out = Vec::new();
        csv_line(&mut out, &cells).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "=1+1,-5,-5,\"\",,@a;\t b\r\n");
    }

    #[test]
    fn a_file_that_is_there_stays_where_another_does_not_take_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (path, begun) = (dir.path().join("a.csv"), dir.path().join("a.csv.part"));
        std::fs::write(&path, "mine").unwrap();
        // Half a download of somebody else's, perhaps.
        std::fs::write(&begun, "theirs").unwrap();
        let shared = Shared::default();
        shared.cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        let done = to_file(&mut Numbers(9), &path, true, &Meter(&shared));
        assert_eq!(done, Err(Refused::Cancelled));
        let why = failed(&path, &std::io::ErrorKind::StorageFull.into());
        assert!(matches!(&why, Refused::Failed(why) if why.contains("stays at")), "{why:?}");
        let shared = Shared::default();
        assert_eq!(to_file(&mut Numbers(1), &path, true, &Meter(&shared)), Ok(1));
        assert_eq!(std::fs::read_to_string(&begun).unwrap(), "theirs");
        assert_eq!(names(dir.path()).len(), 2);
        // One that came while it was written.
        let other = dir.path().join("b.csv");
        let part = Partial::create(&other, false).unwrap();
        std::fs::write(&other, "mine").unwrap();
        assert_eq!(part.finish(), Err(Refused::Exists));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
        assert_eq!(names(dir.path()).len(), 3);
    }

    fn names(dir: &Path) -> Vec<String> {
        let all = std::fs::read_dir(dir).unwrap().flatten();
        all.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn files_are_written_whole_and_never_over_another_by_themselves() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, csv) = (Shared::default(), dir.path().join("a.csv"));
        let meter = Meter(&shared);
        assert_eq!(to_file(&mut Numbers(3), &csv, false, &meter), Ok(3));
        let text = std::fs::read_to_string(&csv).unwrap();
        assert_eq!(text, "n,\"said, so\"\r\n0,\r\n1,\"a \"\"b\"\"\nc\"\r\n2,\r\n");
        assert_eq!(to_file(&mut Numbers(1), &csv, false, &meter), Err(Refused::Exists));
        assert_eq!(std::fs::read_to_string(&csv).unwrap(), text);
        assert_eq!(to_file(&mut Numbers(5_000), &csv, true, &meter), Ok(5_000));
        let lines = dir.path().join("a.jsonl");
        assert_eq!(to_file(&mut Numbers(2), &lines, false, &meter), Ok(2));
        assert_eq!(std::fs::read_to_string(&lines).unwrap(), "{\"n\":0}\n{\"n\":1}\n");
        assert_eq!(names(dir.path()).len(), 2);
    }

    #[test]
    fn what_is_cancelled_or_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let shared = Shared::default();
        shared.cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        let path = dir.path().join("a.csv");
        let done = to_file(&mut Numbers(9), &path, false, &Meter(&shared));
        assert_eq!(done, Err(Refused::Cancelled));
        let shared = Shared::default();
        let absent = dir.path().join("no/such/a.csv");
        let done = to_file(&mut Numbers(9), &absent, false, &Meter(&shared));
        assert!(matches!(done, Err(Refused::Failed(why)) if why.contains("folder does not exist")));
        let unnamed = to_file(&mut Numbers(9), &dir.path().join("a.txt"), false, &Meter(&shared));
        assert!(matches!(unnamed, Err(Refused::Failed(why)) if why.contains(".csv or .jsonl")));
        assert!(names(dir.path()).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_that_is_full_is_said() {
        // Every write to it fails; the link gives it a name.
        let dir = tempfile::tempdir().unwrap();
        let full = dir.path().join("full.csv");
        std::os::unix::fs::symlink("/dev/full", &full).unwrap();
        let shared = Shared::default();
        let done = to_file(&mut Numbers(100_000), &full, false, &Meter(&shared));
        let Err(Refused::Failed(why)) = done else { panic!("{done:?}") };
        assert!(why.contains("the disk is full") && why.contains("choose another place"), "{why}");
    }
}
