//! What the window remembers between starts, on the platform's place; written
//! whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::theme::ThemeChoice;
use super::times::Zone;

/// Recent files kept.
const RECENT: usize = 12;

/// Where the window keeps its files.
#[derive(Clone, Debug)]
pub struct Places {
    /// Settings.
    pub config: PathBuf,
    /// Sessions.
    pub state: PathBuf,
}

impl Places {
    /// The platform's places.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn of_user() -> anyhow::Result<Self> {
        let dirs = directories::ProjectDirs::from("", "", "joinscope")
            .ok_or_else(|| anyhow::anyhow!("no home folder to keep settings in; set HOME"))?;
        Ok(Self {
            config: dirs.config_dir().to_owned(),
            state: dirs.state_dir().unwrap_or_else(|| dirs.data_dir()).to_owned(),
        })
    }

    fn settings(&self) -> PathBuf {
        self.config.join("settings.json")
    }
}

/// The user's choices and recent files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub theme: ThemeChoice,
    pub zone: Zone,
    /// Newest first.
    pub recent: Vec<PathBuf>,
}

impl Settings {
    /// Those that were saved; the defaults where there are none or where they
    /// cannot be read (said in the log: settings are no reason not to start).
    #[must_use]
    pub fn load(places: &Places) -> Self {
        read(&places.settings()).unwrap_or_default()
    }

    pub fn save(&self, places: &Places) -> std::io::Result<()> {
        write(&places.settings(), self)
    }

    /// Puts `path` first among the recent files.
    pub fn opened(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.recent.retain(|p| *p != path);
        self.recent.insert(0, path);
        self.recent.truncate(RECENT);
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let text = fs::read(path).ok()?;
    match serde_json::from_slice(&text) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::warn!("{}: {error}; the defaults are taken", path.display());
            None
        }
    }
}

/// Replaces the file as a whole.
fn write<T: Serialize>(path: &Path, value: &T) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = File::create(&new)?;
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// What a session that did not end had open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    pub open: Option<PathBuf>,
    pub cursor: u64,
}

/// The marker of this window's session: a locked file that is removed at exit.
/// One that is found unlocked is of a session that did not end.
pub struct Marker {
    lock: PathBuf,
    saved: PathBuf,
    last: Session,
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
                    let saved = folder.join(format!("{name}.json"));
                    return Ok(Self { lock, saved, last: Session::default(), _file: file });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => n += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Saves what is open now, if that changed.
    pub fn save(&mut self, session: &Session) -> std::io::Result<()> {
        if *session != self.last {
            write(&self.saved, session)?;
            self.last = session.clone();
        }
        Ok(())
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // Left behind, they would offer a restore that nobody needs.
        let _ = fs::remove_file(&self.saved);
        let _ = fs::remove_file(&self.lock);
    }
}

/// Sessions that did not end, newest first; their markers are removed, so each
/// is offered once.
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
        if let Some(session) = read::<Session>(&saved) {
            found.push((when, session));
        }
        let _ = fs::remove_file(&saved);
        let _ = fs::remove_file(&lock);
    }
    found.sort_by_key(|(when, _)| *when);
    found.pop().map(|(_, session)| session).filter(|s| s.open.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        Places { config: folder.join("config"), state: folder.join("state") }
    }

    #[test]
    fn settings_come_back_and_broken_ones_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        assert_eq!(Settings::load(&places), Settings::default());
        let mut settings = Settings { theme: ThemeChoice::Light, ..Settings::default() };
        for n in 0..20 {
            settings.opened(Path::new(&format!("/r/{n}.mcap")));
        }
        settings.opened(Path::new("/r/15.mcap"));
        settings.save(&places).unwrap();
        let back = Settings::load(&places);
        assert_eq!(back, settings);
        assert_eq!(back.recent.len(), RECENT);
        assert_eq!(back.recent[0], Path::new("/r/15.mcap"));
        fs::write(places.settings(), b"{").unwrap();
        assert_eq!(Settings::load(&places), Settings::default());
    }

    #[test]
    fn only_a_session_that_did_not_end_is_offered() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let session = Session { open: Some("/r/feed.mcap".into()), cursor: 7 };
        let mut ended = Marker::begin(&places).unwrap();
        ended.save(&session).unwrap();
        assert_eq!(left_behind(&places), None, "its window is still open");
        drop(ended);
        assert_eq!(left_behind(&places), None, "it ended");
        // A killed process leaves its files and its lock is gone.
        let sessions = places.state.join("sessions");
        fs::write(sessions.join("1-0.lock"), b"").unwrap();
        fs::write(sessions.join("1-0.json"), serde_json::to_vec(&session).unwrap()).unwrap();
        assert_eq!(left_behind(&places), Some(session));
        assert_eq!(left_behind(&places), None, "it is offered once");
    }
}
