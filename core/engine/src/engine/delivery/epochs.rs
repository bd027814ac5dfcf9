//! A job's epochs as they went, through every process that it took: prepared,
//! committed, aborted, gone on from, and where a process ended without a word.
//!
//! `delivery.epochs.jsonl` in the run's folder: a line for each thing that happened, by
//! whoever ran the job then. It is for people: nothing is decided by it, it is
//! not forced to the disk, and a job whose disk does not take it goes on.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::operator::record::Arrival;

/// In the run's folder.
const FILE: &str = "delivery.epochs.jsonl";

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// A process began.
    Started {
        pid: u32,
    },
    /// It goes on from this epoch's checkpoint (0: from the beginning).
    Restored {
        epoch: u64,
        arrival: Arrival,
    },
    /// The epoch's checkpoint is on the disk; its records are before `arrival`.
    Prepared {
        epoch: u64,
        arrival: Arrival,
    },
    Committed {
        epoch: u64,
        arrival: Arrival,
    },
    /// What was written since the last commit is aborted.
    Aborted {
        why: String,
    },
    /// The process ended in order, or says why it could not go on.
    Ended {
        error: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    what: What,
    at_ms: i64,
}

/// Writes the lines of one process.
pub(super) struct Journal(Mutex<Option<File>>);

impl Journal {
    /// A file that cannot be opened is said once, and nothing is written.
    pub fn open(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let file = OpenOptions::new().create(true).read(true).append(true).open(&path);
        let file = file.and_then(|mut file| {
            // Behind a line that a crash cut off: of a job's years only the end is read.
            let mut last = [b'\n'];
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            if last == [b'\n'] { Ok(file) } else { file.write_all(b"\n").map(|()| file) }
        });
        if let Err(error) = &file {
            tracing::warn!("{}: {error}: its epochs are not noted", path.display());
        }
        Self(Mutex::new(file.ok()))
    }

    pub fn note(&self, what: What) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = file.as_mut() else { return };
        let at_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        let mut line = serde_json::to_vec(&Line { what, at_ms }).unwrap_or_default();
        line.push(b'\n');
        if let Err(error) = open.write_all(&line) {
            tracing::warn!("{FILE}: {error}: no more epochs are noted");
            *file = None;
        }
    }
}

/// How an attempt at an epoch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Its commit was not answered to this process, or it is still at it.
    Prepared,
    Committed,
    /// The transaction was aborted; it was tried again.
    Aborted,
    /// The process ended in it without a word.
    Crashed,
    /// Its process was gone before it noted the commit, and the next one found
    /// it committed.
    Adopted,
}

/// One attempt at an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Epoch {
    /// 0: an attempt that ended before an epoch was prepared.
    pub epoch: u64,
    /// From 1: the process that made it.
    pub process: u32,
    /// Records `from..to`; `to` is `None` where it was not prepared.
    pub from: Arrival,
    pub to: Option<Arrival>,
    /// Wall times, ms since the Unix epoch.
    pub began_ms: i64,
    pub prepared_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    pub fate: Fate,
    /// Why it was aborted, or why its process ended.
    pub why: Option<String>,
}

/// What a process did besides its epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// It went on from this epoch's checkpoint (0: from the beginning) once
    /// something had come to nothing, or once another process had ended.
    Restored { epoch: u64 },
    /// It ended without a word.
    Crashed,
}

/// A turn, and where it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub turn: Turn,
    /// From 1: the process that took it.
    pub process: u32,
    /// Restored: the next record. Crashed: how far it is known to have come.
    pub arrival: Arrival,
    /// Wall time, ms since the Unix epoch; of a crash: when the next process
    /// began, which noticed it.
    pub at_ms: i64,
}

/// A job's epochs, and where it crashed and went on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    /// The attempts, in order.
    pub epochs: Vec<Epoch>,
    /// In order of time.
    pub moments: Vec<Moment>,
    /// The newest process has not said that it ended: it is at work, or it
    /// crashed and no other has noticed.
    pub lives: bool,
}

/// The attempts at a job's epochs, in order. Empty where the folder has none.
///
/// # Errors
/// The file is there and cannot be read.
pub fn epochs(folder: &Path) -> std::io::Result<Vec<Epoch>> {
    let mut reader = Reader::default();
    reader.refresh(folder)?;
    Ok(reader.reading.history.epochs)
}

/// Reads a job's history, and what is added to it while the job runs.
#[derive(Default)]
pub struct Reader {
    /// Bytes that were read.
    offset: u64,
    reading: Reading,
}

impl Reader {
    /// As far as it was read.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.reading.history
    }

    /// Reads what was added; says whether anything was.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn refresh(&mut self, folder: &Path) -> std::io::Result<bool> {
        let mut file = match File::open(folder.join(FILE)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        if file.metadata()?.len() < self.offset {
            // Another job's, in the same place.
            *self = Self::default();
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // A line without its end is being written, or a crash cut it off.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in text[..whole].split(|byte| *byte == b'\n') {
            if let Ok(line) = serde_json::from_slice::<Line>(line) {
                self.reading.take(line);
            }
        }
        self.offset += whole as u64;
        Ok(whole > 0)
    }
}

#[derive(Default)]
struct Reading {
    history: History,
    process: u32,
    /// Where the next attempt begins, and since when.
    from: Arrival,
    since: i64,
}

impl Reading {
    fn take(&mut self, line: Line) {
        let at = line.at_ms;
        match line.what {
            What::Started { .. } => {
                if self.history.lives {
                    self.turn(Turn::Crashed, self.from, at);
                    self.broken(Fate::Crashed, None, None);
                }
                self.process += 1;
                (self.history.lives, self.since) = (true, at);
            }
            What::Restored { epoch, arrival } => {
                for open in self.history.epochs.iter_mut().rev() {
                    if open.epoch == epoch && open.epoch > 0 && open.fate == Fate::Crashed {
                        open.fate = Fate::Adopted;
                    }
                }
                if !self.history.epochs.is_empty() {
                    self.turn(Turn::Restored { epoch }, arrival, at);
                }
                (self.from, self.since) = (arrival, at);
            }
            What::Prepared { epoch, arrival } => {
                self.history.epochs.push(Epoch {
                    epoch,
                    process: self.process,
                    from: self.from,
                    to: Some(arrival),
                    began_ms: self.since,
                    prepared_ms: Some(at),
                    ended_ms: None,
                    fate: Fate::Prepared,
                    why: None,
                });
                (self.from, self.since) = (arrival, at);
            }
            What::Committed { epoch, .. } => {
                let of = self.history.epochs.iter_mut().rev().find(|open| open.epoch == epoch);
                if let Some(open) = of.filter(|open| open.fate == Fate::Prepared) {
                    (open.fate, open.ended_ms) = (Fate::Committed, Some(at));
                }
            }
            What::Aborted { why } => self.broken(Fate::Aborted, Some(at), Some(why)),
            What::Ended { error } => {
                self.history.lives = false;
                if error.is_some() {
                    self.broken(Fate::Aborted, Some(at), error);
                }
            }
        }
    }

    fn turn(&mut self, turn: Turn, arrival: Arrival, at_ms: i64) {
        self.history.moments.push(Moment { turn, process: self.process, arrival, at_ms });
    }

    /// The attempts at hand came to nothing.
    fn broken(&mut self, fate: Fate, at: Option<i64>, why: Option<String>) {
        let process = self.process;
        let mut any = false;
        let attempts = self.history.epochs.iter_mut().rev();
        for open in attempts.take_while(|open| open.process == process) {
            if open.fate == Fate::Prepared {
                (open.fate, open.ended_ms, any) = (fate, at, true);
                open.why.clone_from(&why);
            }
        }
        if !any {
            self.history.epochs.push(Epoch {
                epoch: 0,
                process,
                from: self.from,
                to: None,
                began_ms: self.since,
                prepared_ms: None,
                ended_ms: at,
                fate,
                why,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first process: one epoch committed, the next prepared.
    fn begun(folder: &Path) {
        let first = Journal::open(folder);
        first.note(What::Started { pid: 7 });
        first.note(What::Restored { epoch: 0, arrival: 0 });
        first.note(What::Prepared { epoch: 1, arrival: 10 });
        first.note(What::Committed { epoch: 1, arrival: 10 });
        first.note(What::Prepared { epoch: 2, arrival: 20 });
    }

    fn killed_in_writing(folder: &Path) {
        let mut file = OpenOptions::new().append(true).open(folder.join(FILE)).unwrap();
        file.write_all(b"{\"what\":\"commi").unwrap();
    }

    #[test]
    fn attempts_are_told_apart_through_crashes_and_aborts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(epochs(folder.path()).unwrap(), []);
        begun(folder.path());
        killed_in_writing(folder.path());
        let second = Journal::open(folder.path());
        second.note(What::Started { pid: 8 });
        second.note(What::Restored { epoch: 2, arrival: 20 });
        second.note(What::Prepared { epoch: 3, arrival: 30 });
        second.note(What::Aborted { why: "fenced".to_owned() });
        second.note(What::Restored { epoch: 2, arrival: 20 });
        second.note(What::Prepared { epoch: 3, arrival: 31 });
        second.note(What::Committed { epoch: 3, arrival: 31 });
        // And once more, before anything was prepared.
        let third = Journal::open(folder.path());
        third.note(What::Started { pid: 9 });
        third.note(What::Restored { epoch: 3, arrival: 31 });
        third.note(What::Ended { error: None });
        let found = epochs(folder.path()).unwrap();
        let short: Vec<_> =
            found.iter().map(|e| (e.epoch, e.process, e.from, e.to, e.fate)).collect();
        assert_eq!(
            short,
            [
                (1, 1, 0, Some(10), Fate::Committed),
                (2, 1, 10, Some(20), Fate::Adopted),
                (3, 2, 20, Some(30), Fate::Aborted),
                (3, 2, 20, Some(31), Fate::Committed),
                (0, 2, 31, None, Fate::Crashed),
            ]
        );
        assert_eq!(found[2].why.as_deref(), Some("fenced"));
        assert!(found.iter().all(|e| e.began_ms > 0));
    }

    #[test]
    fn crashes_and_what_was_gone_on_from_are_read_as_the_file_grows() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = Reader::default();
        assert!(!reader.refresh(folder.path()).unwrap());
        let turns = |reader: &Reader| -> Vec<_> {
            let moments = reader.history().moments.iter();
            moments.map(|m| (m.turn, m.process, m.arrival)).collect()
        };
        begun(folder.path());
        assert!(reader.refresh(folder.path()).unwrap());
        assert!(!reader.refresh(folder.path()).unwrap(), "nothing was added");
        // A beginning is no going on.
        assert_eq!(turns(&reader), []);
        assert!(reader.history().lives);
        killed_in_writing(folder.path());
        reader.refresh(folder.path()).unwrap();
        let second = Journal::open(folder.path());
        second.note(What::Started { pid: 8 });
        // The first process's commit had reached the cluster.
        second.note(What::Restored { epoch: 2, arrival: 20 });
        second.note(What::Aborted { why: "fenced".to_owned() });
        second.note(What::Restored { epoch: 2, arrival: 20 });
        second.note(What::Prepared { epoch: 3, arrival: 31 });
        second.note(What::Committed { epoch: 3, arrival: 31 });
        second.note(What::Ended { error: None });
        reader.refresh(folder.path()).unwrap();
        let restored = Turn::Restored { epoch: 2 };
        assert_eq!(turns(&reader), [(Turn::Crashed, 1, 20), (restored, 2, 20), (restored, 2, 20)]);
        assert!(!reader.history().lives);
        assert_eq!(reader.history().epochs, epochs(folder.path()).unwrap());
        assert_eq!(reader.history().epochs[1].fate, Fate::Adopted);
    }
}
