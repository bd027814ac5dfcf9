//! A job's epochs as they went, through every process that it took: prepared,
//! committed, aborted, gone on from, and where a process ended without a word.
//!
//! `delivery.epochs.jsonl` in the run's folder: a line for each thing that happened, by
//! whoever ran the job then. It is for people: nothing is decided by it, it is
//! not forced to the disk, and a job whose disk does not take it goes on.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
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
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.and_then(|mut file| {
            // Behind a line that a crash cut off.
            let torn = std::fs::read(&path)?.last().is_some_and(|byte| *byte != b'\n');
            if torn { file.write_all(b"\n").map(|()| file) } else { Ok(file) }
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

/// The attempts at a job's epochs, in order. Empty where the folder has none.
///
/// # Errors
/// The file is there and cannot be read.
pub fn epochs(folder: &Path) -> std::io::Result<Vec<Epoch>> {
    let text = match std::fs::read(folder.join(FILE)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let lines = text.split(|byte| *byte == b'\n');
    // A line that a crash cut off says nothing.
    let lines = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    let mut reading = Reading::default();
    for line in lines {
        reading.take(line);
    }
    Ok(reading.epochs)
}

#[derive(Default)]
struct Reading {
    epochs: Vec<Epoch>,
    process: u32,
    /// Where the next attempt begins, and since when.
    from: Arrival,
    since: i64,
    /// The process is at work and has not said that it ended.
    lives: bool,
}

impl Reading {
    fn take(&mut self, line: Line) {
        let at = line.at_ms;
        match line.what {
            What::Started { .. } => {
                if self.lives {
                    self.broken(Fate::Crashed, None, None);
                }
                self.process += 1;
                (self.lives, self.since) = (true, at);
            }
            What::Restored { epoch, arrival } => {
                for open in self.epochs.iter_mut().rev() {
                    if open.epoch == epoch && open.epoch > 0 && open.fate == Fate::Crashed {
                        open.fate = Fate::Adopted;
                    }
                }
                (self.from, self.since) = (arrival, at);
            }
            What::Prepared { epoch, arrival } => {
                self.epochs.push(Epoch {
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
                let of = self.epochs.iter_mut().rev().find(|open| open.epoch == epoch);
                if let Some(open) = of.filter(|open| open.fate == Fate::Prepared) {
                    (open.fate, open.ended_ms) = (Fate::Committed, Some(at));
                }
            }
            What::Aborted { why } => self.broken(Fate::Aborted, Some(at), Some(why)),
            What::Ended { error } => {
                self.lives = false;
                if error.is_some() {
                    self.broken(Fate::Aborted, Some(at), error);
                }
            }
        }
    }

    /// The attempts at hand came to nothing.
    fn broken(&mut self, fate: Fate, at: Option<i64>, why: Option<String>) {
        let process = self.process;
        let mut any = false;
        for open in self.epochs.iter_mut().rev().take_while(|open| open.process == process) {
            if open.fate == Fate::Prepared {
                (open.fate, open.ended_ms, any) = (fate, at, true);
                open.why.clone_from(&why);
            }
        }
        if !any {
            self.epochs.push(Epoch {
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

    #[test]
    fn attempts_are_told_apart_through_crashes_and_aborts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(epochs(folder.path()).unwrap(), []);
        let first = Journal::open(folder.path());
        first.note(What::Started { pid: 7 });
        first.note(What::Restored { epoch: 0, arrival: 0 });
        first.note(What::Prepared { epoch: 1, arrival: 10 });
        first.note(What::Committed { epoch: 1, arrival: 10 });
        first.note(What::Prepared { epoch: 2, arrival: 20 });
        // Killed while it wrote.
        let mut file = OpenOptions::new().append(true).open(folder.path().join(FILE)).unwrap();
        file.write_all(b"{\"what\":\"commi").unwrap();
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
}
