//! The user's choices, on the platform's place.

use std::fmt::Display;
#[cfg(test)]
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::doc::is_called_recording;
use super::files::{self, Read, Saver};
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

/// Of the settings' file.
const VERSION: u32 = 1;

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// The user's choices and recent files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub theme: ThemeChoice,
    /// Of the whole window, percent.
    pub scale: u16,
    /// Families of the system's fonts; empty: the window's own.
    pub text_font: String,
    pub figures_font: String,
    pub zone: Zone,
    /// What the open run's answers may take, MiB.
    pub cache_mib: u32,
    /// State that a run of the window keeps in memory, MiB.
    pub run_mib: u32,
    /// Newest first.
    pub recent: Vec<PathBuf>,
    /// Those of them that are recordings, and whose names do not say so: folders of
    /// segments.
    pub recordings: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            scale: 100,
            text_font: String::new(),
            figures_font: String::new(),
            zone: Zone::default(),
            cache_mib: 128,
            run_mib: 512,
            recent: Vec::new(),
            recordings: Vec::new(),
        }
    }
}

impl Settings {
    /// What the scale may be, percent.
    pub const SCALES: RangeInclusive<u16> = 60..=200;
    /// What the cache may take, MiB.
    pub const CACHE: RangeInclusive<u32> = 16..=8192;
    /// What a run's state may take, MiB.
    pub const RUN: RangeInclusive<u32> = 16..=262_144;

    /// Those that were saved; the defaults where they cannot be read (settings
    /// are no reason not to start). What has to be said of them: title and message.
    #[must_use]
    pub fn load(places: &Places) -> (Self, Option<(String, String)>) {
        let path = places.settings();
        match files::read::<Self>(&path, VERSION) {
            Read::Value(settings) => {
                let (settings, problems) = settings.bounded();
                let said = (!problems.is_empty()).then(|| {
                    let title = "Some settings cannot hold as they are written".to_owned();
                    (title, format!("{}: {}", path.display(), problems.join("; ")))
                });
                (settings, said)
            }
            Read::Missing => (Self::default(), None),
            Read::Unreadable(why) => {
                (Self::default(), Some(("The settings were not read".to_owned(), why)))
            }
        }
    }

    /// Keeps what differs from `before`, soon: what another window chose stays.
    /// Recent files are kept apart from it, as they are opened.
    pub fn save(&self, before: &Self, places: &Places, saver: &Saver) {
        let (before, now) = (before.clone(), self.clone());
        Self::update(places, saver, move |kept| kept.follow(&before, &now));
    }

    /// Changes those that are kept, soon.
    pub fn update(places: &Places, saver: &Saver, change: impl FnOnce(&mut Self) + Send + 'static) {
        saver.update(&places.settings(), VERSION, move |kept: &mut Self| {
            change(kept);
            Ok(())
        });
    }

    /// Takes over what changed from `before` to `now`.
    fn follow(&mut self, before: &Self, now: &Self) {
        fn one<T: PartialEq + Clone>(here: &mut T, before: &T, now: &T) {
            if before != now {
                here.clone_from(now);
            }
        }
        // All by name: a new setting that is missing here does not compile.
        let Self {
            theme,
            scale,
            text_font,
            figures_font,
            zone,
            cache_mib,
            run_mib,
            recent: _,
            recordings: _,
        } = before;
        one(&mut self.theme, theme, &now.theme);
        one(&mut self.scale, scale, &now.scale);
        one(&mut self.text_font, text_font, &now.text_font);
        one(&mut self.figures_font, figures_font, &now.figures_font);
        one(&mut self.zone, zone, &now.zone);
        one(&mut self.cache_mib, cache_mib, &now.cache_mib);
        one(&mut self.run_mib, run_mib, &now.run_mib);
    }

    /// The defaults; recent files stay.
    pub fn reset(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        let recordings = std::mem::take(&mut self.recordings);
        *self = Self { recent, recordings, ..Self::default() };
    }

    /// What someone wrote into the file by hand, within what can be; and what
    /// does not hold as it is written.
    fn bounded(mut self) -> (Self, Vec<String>) {
        let within = [
            within(&mut self.scale, &Self::SCALES, "scale"),
            within(&mut self.cache_mib, &Self::CACHE, "cache_mib"),
            within(&mut self.run_mib, &Self::RUN, "run_mib"),
        ];
        let mut problems: Vec<String> = within.into_iter().flatten().collect();
        // The zone stays as it is written: another machine may know it.
        if let Zone::Named(name) = &self.zone
            && !self.zone.is_known()
        {
            problems.push(format!(
                "this machine knows no time zone {name:?}, so times are shown in UTC: correct \
                 the name, or choose a zone in the settings"
            ));
        }
        self.forget_old();
        (self, problems)
    }

    /// Bytes that the open run's answers may take.
    #[must_use]
    pub fn cache_bytes(&self) -> usize {
        usize::try_from(u64::from(self.cache_mib) * MIB).unwrap_or(usize::MAX)
    }

    /// Bytes of state that a run keeps in memory.
    #[must_use]
    pub fn run_bytes(&self) -> u64 {
        u64::from(self.run_mib) * MIB
    }

    /// Puts `path` first among the recent files; whether it is a recording is kept for
    /// [`Self::is_recording`].
    pub fn opened(&mut self, path: &Path, recording: bool) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.recent.retain(|p| *p != path);
        self.recordings.retain(|p| *p != path);
        if recording && !is_called_recording(&path) {
            self.recordings.push(path.clone());
        }
        self.recent.insert(0, path);
        self.forget_old();
    }

    fn forget_old(&mut self) {
        self.recent.truncate(RECENT);
        let recent = &self.recent;
        self.recordings.retain(|p| recent.contains(p));
    }

    /// Whether this is a recording, without looking at the disk: by its name, or as it was
    /// when it was opened last.
    #[must_use]
    pub fn is_recording(&self, path: &Path) -> bool {
        is_called_recording(path) || self.recordings.iter().any(|p| p == path)
    }

    /// The recordings among the recent files, newest first.
    #[must_use]
    pub fn recent_recordings(&self) -> Vec<PathBuf> {
        self.recent.iter().filter(|p| self.is_recording(p)).cloned().collect()
    }
}

/// Brings a number within its bounds; says so where it was not.
fn within<T: Copy + Ord + Display>(
    value: &mut T,
    bounds: &RangeInclusive<T>,
    name: &str,
) -> Option<String> {
    let (least, most, written) = (*bounds.start(), *bounds.end(), *value);
    *value = written.clamp(least, most);
    (*value != written)
        .then(|| format!("{name} is {written}, it can be {least} to {most}: {value} holds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        Places { config: folder.join("config"), state: folder.join("state") }
    }

    /// Changes settings in a window and keeps them.
    fn change(settings: &mut Settings, places: &Places, change: impl FnOnce(&mut Settings)) {
        let before = settings.clone();
        change(settings);
        settings.save(&before, places, &Saver::default());
    }

    /// Opens a file in a window and keeps that.
    fn open(settings: &mut Settings, places: &Places, path: &str) {
        let path = PathBuf::from(path);
        settings.opened(&path, false);
        Settings::update(places, &Saver::default(), move |kept| kept.opened(&path, false));
    }

    #[test]
    fn settings_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        assert_eq!(Settings::load(&places), (Settings::default(), None));
        let mut settings = Settings::default();
        change(&mut settings, &places, |s| {
            (s.theme, s.scale, s.run_mib) = (ThemeChoice::System, 150, 2048);
        });
        for n in (0..20).chain([15]) {
            open(&mut settings, &places, &format!("/r/{n}.mcap"));
        }
        let (back, why) = Settings::load(&places);
        assert_eq!((&back, why), (&settings, None));
        assert_eq!(back.recent.len(), RECENT);
        assert_eq!(back.recent[0], Path::new("/r/15.mcap"));
    }

    #[test]
    fn what_another_window_chose_stays_until_it_is_changed_or_reset() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let [mut a, mut b] = [Settings::default(), Settings::default()];
        change(&mut a, &places, |s| s.theme = ThemeChoice::Light);
        change(&mut b, &places, |s| s.scale = 110);
        change(&mut a, &places, |s| s.zone = Zone::Local);
        open(&mut a, &places, "/r/1");
        open(&mut b, &places, "/r/2");
        open(&mut a, &places, "/r/3");
        let (kept, why) = Settings::load(&places);
        assert_eq!((kept.theme, kept.scale, why), (ThemeChoice::Light, 110, None));
        assert_eq!(kept.zone, Zone::Local);
        let recent = ["/r/3", "/r/2", "/r/1"].map(PathBuf::from);
        assert_eq!(kept.recent, recent);
        Settings::update(&places, &Saver::default(), Settings::reset);
        let (kept, _) = Settings::load(&places);
        assert_eq!(kept, Settings { recent: recent.into(), ..Settings::default() });
    }

    #[test]
    fn recordings_are_known_by_their_names_or_as_they_were_opened() {
        let mut settings = Settings::default();
        for (path, recording) in
            [("/r/a.mcap", true), ("/r/segments", true), ("/r/1", false), ("/r/feed.toml", false)]
        {
            settings.opened(Path::new(path), recording);
        }
        let known = ["/r/segments", "/r/a.mcap"].map(PathBuf::from);
        assert_eq!(settings.recent_recordings(), known);
        settings.reset();
        assert_eq!(settings.recent_recordings(), known, "they are kept with the recent files");
        let folder = Path::new("/r/segments");
        // Another program may have put a run there.
        settings.opened(folder, false);
        assert!(!settings.is_recording(folder));
        settings.opened(folder, true);
        for n in 0..RECENT {
            settings.opened(Path::new(&format!("/r/{n}")), false);
        }
        assert!(settings.recordings.is_empty(), "no more is kept than is recent");
    }

    #[test]
    fn broken_ones_are_said_kept_and_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        fs::create_dir_all(&places.config).unwrap();
        for text in ["{", r#"{"version": 2}"#, r#"{"version": 1, "theme": "blue"}"#] {
            fs::write(places.settings(), text).unwrap();
            let (mut settings, why) = Settings::load(&places);
            assert_eq!(settings, Settings::default());
            let (_, why) = why.unwrap();
            assert!(why.contains("settings.json") && why.contains("is kept as"), "{why}");
            change(&mut settings, &places, |s| s.scale = 110);
            let kept = fs::read_dir(&places.config).unwrap();
            let kept: Vec<String> =
                kept.map(|e| fs::read_to_string(e.unwrap().path()).unwrap()).collect();
            assert!(kept.iter().any(|k| k == text), "{text} is kept");
        }
    }

    #[test]
    fn what_is_written_by_hand_and_cannot_be_is_said_and_stays_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        fs::create_dir_all(&places.config).unwrap();
        let text = r#"{"version": 1, "scale": 5, "cache_mib": 0, "run_mib": 4294967295,
            "zone": {"named": "Europe/Berlni"}}"#;
        fs::write(places.settings(), text).unwrap();
        let (mut s, said) = Settings::load(&places);
        assert_eq!((s.scale, s.cache_mib, s.run_mib), (60, 16, 262_144));
        let (_, said) = said.unwrap();
        for part in ["settings.json", "scale is 5, it can be 60 to 200: 60 holds", "cache_mib is 0"]
        {
            assert!(said.contains(part), "{said}");
        }
        assert!(said.contains("no time zone \"Europe/Berlni\", so times are shown in UTC"));
        change(&mut s, &places, |s| s.theme = ThemeChoice::System);
        let kept = fs::read_to_string(places.settings()).unwrap();
        assert!(kept.contains("Europe/Berlni") && kept.contains("\"scale\": 5"), "{kept}");
    }
}
