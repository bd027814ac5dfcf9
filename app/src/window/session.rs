//! The session: what is open and where one stands in it. While it lasts it is
//! kept beside a marker of its own, which a crash leaves behind; at its end it
//! becomes the last session, which the start page offers to continue.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use joinscope_operator::record::Arrival;
use serde::{Deserialize, Serialize};

use super::files::{self, Read, Saver};
use super::layout::Arrangement;
use super::range::RangeState;
use super::selection::Selection;
use super::settings::Places;

/// Of the files.
const VERSION: u32 = 1;

/// One thing that was open, and where one stood in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Opened {
    /// A run folder, or a recording.
    pub path: PathBuf,
    pub cursor: Arrival,
    pub selection: Option<Selection>,
    /// First and last arrival in sight.
    pub view: Option<(Arrival, Arrival)>,
    pub range: RangeState,
    /// The run that it is compared with.
    pub compared: Option<PathBuf>,
}

/// A breakpoint, by its condition as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptBreakpoint {
    pub condition: String,
    pub enabled: bool,
}

/// What is open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// In the order in which they were opened.
    pub open: Vec<Opened>,
    /// Which of them is in front.
    pub front: usize,
    pub layout: Option<Arrangement>,
    pub breakpoints: Vec<KeptBreakpoint>,
}

impl Session {
    /// The one in front.
    #[must_use]
    pub fn in_front(&self) -> Option<&Opened> {
        self.open.get(self.front).or(self.open.first())
    }

    fn read(path: &Path) -> Option<Self> {
        match files::read(path, VERSION) {
            Read::Value(session) => Some(session).filter(|s: &Self| !s.open.is_empty()),
            Read::Missing => None,
            // It is an offer, not the user's work: nothing is lost with it.
            Read::Unreadable(why) => {
                tracing::warn!("{why}");
                None
            }
        }
    }
}

fn last_path(places: &Places) -> PathBuf {
    places.state.join("last-session.json")
}

/// The session that ended last, to be continued.
#[must_use]
pub fn last(places: &Places) -> Option<Session> {
    Session::read(&last_path(places))
}

/// The marker of this window's session: a locked file that is removed at exit.
/// One that is found unlocked is of a session that did not end.
pub struct Marker {
    lock: PathBuf,
    saved: PathBuf,
    /// Where the session goes at its end.
    last: PathBuf,
    now: Session,
    // Held for the lock on it.
    _file: File,
}

impl Marker {
    /// Begins a session of its own; a second window never writes into another's.
    pub fn begin(places: &Places) -> std::io::Result<Self> {
        let folder = places.state.join("sessions");
        fs::create_dir_all(&folder)?;
        let mut n = 0;
        loop {
            let name = format!("{}-{n}", std::process::id());
            let lock = folder.join(format!("{name}.lock"));
            match File::create_new(&lock) {
                Ok(file) => {
                    file.lock()?;
                    return Ok(Self {
                        lock,
                        saved: folder.join(format!("{name}.json")),
                        last: last_path(places),
                        now: Session::default(),
                        _file: file,
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => n += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps what is open now, if that changed.
    pub fn save(&mut self, session: &Session, saver: &Saver) {
        if *session != self.now {
            saver.save(&self.saved, VERSION, session);
            self.now = session.clone();
        }
    }

    /// The session ends as it should: it can be continued.
    pub fn end(&self, session: &Session, saver: &Saver) {
        if !session.open.is_empty() {
            saver.save(&self.last, VERSION, session);
        }
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // Left behind, they would offer a restore that nobody needs.
        let _ = fs::remove_file(&self.saved);
        let _ = fs::remove_file(&self.lock);
    }
}

/// The newest of the sessions that did not end; their markers are removed, so
/// each is offered once.
#[must_use]
pub fn left_behind(places: &Places) -> Option<Session> {
    let mut found = Vec::new();
    for entry in fs::read_dir(places.state.join("sessions")).ok()?.flatten() {
        let lock = entry.path();
        if lock.extension().is_none_or(|e| e != "lock") {
            continue;
        }
        let Ok(file) = File::open(&lock) else { continue };
        if file.try_lock().is_err() {
            continue; // its window is still open
        }
        let saved = lock.with_extension("json");
        let when = saved.metadata().and_then(|m| m.modified()).ok();
        if let Some(session) = Session::read(&saved) {
            found.push((when, session));
        }
        let _ = fs::remove_file(&saved);
        let _ = fs::remove_file(&lock);
    }
    found.sort_by_key(|(when, _)| *when);
    found.pop().map(|(_, session)| session)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let opened = Opened {
            path: "/r/3".into(),
            cursor: 7,
            selection: Some(Selection::Row(9)),
            ..Opened::default()
        };
        let layout = Some(Arrangement::default());
        let breakpoints =
            vec![KeptBreakpoint { condition: "verdict=late".to_owned(), enabled: true }];
        Session { open: vec![Opened::default(), opened], front: 1, layout, breakpoints }
    }

    #[test]
    fn only_a_session_that_did_not_end_is_offered_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let places =
            Places { config: folder.path().join("config"), state: folder.path().join("state") };
        let saver = Saver::default();
        let mut ended = Marker::begin(&places).unwrap();
        ended.save(&session(), &saver);
        assert_eq!(left_behind(&places), None, "its window is still open");
        ended.end(&session(), &saver);
        drop(saver);
        drop(ended);
        assert_eq!(left_behind(&places), None, "it ended");
        assert_eq!(last(&places), Some(session()), "and can be continued");
        // A killed process leaves its files and its lock is gone.
        let sessions = places.state.join("sessions");
        fs::write(sessions.join("1-0.lock"), b"").unwrap();
        let text = fs::read(last_path(&places)).unwrap();
        fs::write(sessions.join("1-0.json"), text).unwrap();
        assert_eq!(left_behind(&places), Some(session()));
        assert_eq!(left_behind(&places), None, "it is offered once");
    }

    #[test]
    fn with_nothing_open_the_last_session_stays_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { config: folder.path().into(), state: folder.path().into() };
        let saver = Saver::default();
        let marker = Marker::begin(&places).unwrap();
        marker.end(&session(), &saver);
        marker.end(&Session::default(), &saver);
        drop(saver);
        assert_eq!(last(&places), Some(session()));
        assert_eq!(session().in_front().unwrap().cursor, 7);
    }
}
