//! The session: what is open and where one stands in it. While it lasts it is
//! kept beside a marker of its own, which a crash leaves behind; at its end it
//! becomes the last session, which the start page offers to continue.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use joinscope_operator::record::Arrival;
use serde::{Deserialize, Serialize};

use super::files::{self, Read, Saver};
use super::layout::Arrangement;
use super::range::RangeState;
use super::selection::Selection;
use super::settings::Places;
use super::table_view::TableViews;

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
    /// How its tables are set up; older files do not say it.
    pub tables: Option<TableViews>,
}

/// A breakpoint, by its condition as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptBreakpoint {
    pub condition: String,
    pub enabled: bool,
    /// Its condition looked like a secret and was not kept.
    pub left_out: bool,
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
    /// The clock, by [`Scale::name`](super::axis::Scale::name); older files do not say it.
    pub clock: Option<String>,
    /// Of playing, as its label says it; older files do not.
    pub speed: Option<String>,
}

impl Session {
    /// The one in front.
    #[must_use]
    pub fn in_front(&self) -> Option<&Opened> {
        self.open.get(self.front).or(self.open.first())
    }

    /// One that has something open; else why it cannot be read.
    fn read(path: &Path) -> (Option<Self>, Option<String>) {
        match files::read(path, VERSION) {
            Read::Value(session) => (Some(session).filter(|s: &Self| !s.open.is_empty()), None),
            Read::Missing => (None, None),
            Read::Unreadable(why) => (None, Some(why)),
        }
    }
}

fn last_path(places: &Places) -> PathBuf {
    places.state.join("last-session.json")
}

/// The session that ended last, to be continued; else why it cannot be read.
#[must_use]
pub fn last(places: &Places) -> (Option<Session>, Option<String>) {
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

/// A session that did not end.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    lock: PathBuf,
    when: Option<SystemTime>,
    pub session: Session,
}

impl Left {
    fn saved(&self) -> PathBuf {
        self.lock.with_extension("json")
    }

    /// The user has chosen: it is not offered again.
    pub fn forget(&self, saver: &Saver) {
        saver.remove(&self.saved());
        saver.remove(&self.lock);
    }
}

/// The sessions that did not end, the newest first, and why one of them cannot
/// be read. They stay where they are: each is offered until the user chose. What is
/// left of one that had nothing open is removed.
#[must_use]
pub fn left_behind(places: &Places) -> (Vec<Left>, Vec<String>) {
    let (mut found, mut problems) = (Vec::<Left>::new(), Vec::new());
    let Ok(entries) = fs::read_dir(places.state.join("sessions")) else {
        return (found, problems);
    };
    for entry in entries.flatten() {
        let lock = entry.path();
        if lock.extension().is_none_or(|e| e != "lock") {
            continue;
        }
        let Ok(file) = File::open(&lock) else { continue };
        // Shared: another window that looks meanwhile finds it as well.
        if file.try_lock_shared().is_err() {
            continue; // its window is still open
        }
        let saved = lock.with_extension("json");
        let when = saved.metadata().and_then(|m| m.modified()).ok();
        let (session, why) = Session::read(&saved);
        if session.is_none() && why.is_none() && saved.is_file() {
            // It had nothing open: there is nothing to offer. Without a saved session
            // it may be a window that begins at this moment.
            drop(file);
            let _ = fs::remove_file(&saved);
            let _ = fs::remove_file(&lock);
            continue;
        }
        problems.extend(why);
        found.extend(session.map(|session| Left { lock, when, session }));
    }
    found.sort_by_key(|left| std::cmp::Reverse(left.when));
    (found, problems)
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
        let breakpoint = KeptBreakpoint {
            condition: "verdict=late".to_owned(),
            enabled: true,
            ..KeptBreakpoint::default()
        };
        let breakpoints = vec![breakpoint];
        let (clock, speed) = (Some("arrival".to_owned()), Some("2.5×".to_owned()));
        let open = vec![Opened::default(), opened];
        Session { open, front: 1, layout, breakpoints, clock, speed }
    }

    #[test]
    fn only_a_session_that_did_not_end_is_offered_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let places =
            Places { config: folder.path().join("config"), state: folder.path().join("state") };
        let saver = Saver::default();
        let mut ended = Marker::begin(&places).unwrap();
        ended.save(&session(), &saver);
        assert_eq!(left_behind(&places), (Vec::new(), Vec::new()), "its window is still open");
        ended.end(&session(), &saver);
        drop(saver);
        drop(ended);
        assert_eq!(left_behind(&places), (Vec::new(), Vec::new()), "it ended");
        assert_eq!(last(&places), (Some(session()), None), "and can be continued");
        // Killed processes leave their files, and their locks are gone.
        let sessions = places.state.join("sessions");
        let text = fs::read(last_path(&places)).unwrap();
        for name in ["1-0", "2-0"] {
            fs::write(sessions.join(format!("{name}.lock")), b"").unwrap();
            fs::write(sessions.join(format!("{name}.json")), &text).unwrap();
        }
        assert_eq!(left_behind(&places).0.len(), 2);
        let (left, problems) = left_behind(&places);
        assert_eq!((left.len(), problems), (2, Vec::new()), "looking takes nothing away");
        assert!(left.iter().all(|l| l.session == session()));
        left[0].forget(&Saver::default());
        assert_eq!(left_behind(&places).0, left[1..], "what was chosen is not offered again");
    }

    #[test]
    fn one_from_before_clocks_were_kept_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { config: folder.path().into(), state: folder.path().into() };
        let text = r#"{"version": 1, "open": [{"path": "/r/3", "cursor": 7}], "front": 0}"#;
        fs::write(last_path(&places), text).unwrap();
        let (session, why) = last(&places);
        let session = session.unwrap();
        assert_eq!((session.open[0].cursor, why), (7, None));
        assert_eq!((session.clock, session.speed), (None, None));
    }

    #[test]
    fn why_one_cannot_be_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { config: folder.path().into(), state: folder.path().into() };
        let sessions = folder.path().join("sessions");
        fs::create_dir_all(&sessions).unwrap();
        fs::write(sessions.join("1-0.lock"), b"").unwrap();
        for path in [sessions.join("1-0.json"), last_path(&places)] {
            fs::write(path, b"{").unwrap();
        }
        let (left, problems) = left_behind(&places);
        assert!(left.is_empty() && problems[0].contains("1-0.json cannot be read"), "{problems:?}");
        let (none, why) = last(&places);
        assert!(none.is_none() && why.is_some_and(|w| w.contains("last-session.json cannot")));
    }

    #[test]
    fn nothing_is_left_of_one_that_had_nothing_open() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { config: folder.path().into(), state: folder.path().into() };
        let sessions = folder.path().join("sessions");
        fs::create_dir_all(&sessions).unwrap();
        fs::write(sessions.join("1-0.lock"), b"").unwrap();
        fs::write(sessions.join("1-0.json"), br#"{"version": 1, "open": []}"#).unwrap();
        // One that begins at this moment: nothing is saved yet.
        fs::write(sessions.join("2-0.lock"), b"").unwrap();
        assert_eq!(left_behind(&places), (Vec::new(), Vec::new()));
        let left: Vec<_> = fs::read_dir(&sessions).unwrap().flatten().collect();
        assert_eq!(left.iter().map(std::fs::DirEntry::file_name).collect::<Vec<_>>(), ["2-0.lock"]);
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
        assert_eq!(last(&places), (Some(session()), None));
        assert_eq!(session().in_front().unwrap().cursor, 7);
    }
}
