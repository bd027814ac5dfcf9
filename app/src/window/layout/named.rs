//! Layouts by name, and the one in use, as they are kept in the config place.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Arrangement;
use crate::window::files::{self, Read, Saver};
use crate::window::settings::Places;

/// Of the file.
const VERSION: u32 = 1;
/// Longest name kept, in characters.
const LONGEST: usize = 80;

/// A layout by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    pub name: String,
    pub arrangement: Arrangement,
}

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layouts {
    /// As the panels stood last.
    pub current: Option<Arrangement>,
    saved: Vec<Named>,
}

fn path(places: &Places) -> PathBuf {
    places.config.join("layouts.json")
}

fn cleaned(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
}

impl Layouts {
    /// Those that were kept; the defaults, and why, where they cannot be read.
    #[must_use]
    pub fn load(places: &Places) -> (Self, Option<String>) {
        match files::read(&path(places), VERSION) {
            Read::Value(layouts) => (layouts, None),
            Read::Missing => (Self::default(), None),
            Read::Unreadable(why) => (Self::default(), Some(why)),
        }
    }

    /// Changes those that are kept, soon: another window may have kept its own.
    pub fn update(
        places: &Places,
        saver: &Saver,
        change: impl FnOnce(&mut Self) -> Result<(), String> + Send + 'static,
    ) {
        saver.update::<Self>(&path(places), VERSION, change);
    }

    #[must_use]
    pub fn saved(&self) -> &[Named] {
        &self.saved
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arrangement> {
        self.saved.iter().find(|n| n.name == name).map(|n| &n.arrangement)
    }

    /// Whether one that is kept under this name takes the place of another.
    #[must_use]
    pub fn replaces(&self, name: &str) -> bool {
        self.get(&cleaned(name)).is_some()
    }

    /// Keeps an arrangement under a name, in place of the one that had it.
    pub fn keep(&mut self, name: &str, arrangement: Arrangement) {
        let name = cleaned(name);
        if name.is_empty() {
            return;
        }
        match self.saved.iter_mut().find(|n| n.name == name) {
            Some(there) => there.arrangement = arrangement,
            None => self.saved.push(Named { name, arrangement }),
        }
        self.saved.sort_by_key(|n| n.name.to_lowercase());
    }

    /// Gives a layout another name.
    ///
    /// # Errors
    /// There is none of that name, or the new name is empty or taken.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), String> {
        let new = cleaned(new);
        if new.is_empty() {
            return Err("A layout needs a name".to_owned());
        }
        if new != old && self.get(&new).is_some() {
            return Err(format!("There is a layout {new:?} already: delete it first"));
        }
        let Some(there) = self.saved.iter_mut().find(|n| n.name == old) else {
            return Err(format!("There is no layout {old:?}"));
        };
        there.name = new;
        self.saved.sort_by_key(|n| n.name.to_lowercase());
        Ok(())
    }

    /// Forgets one; whether it was there.
    pub fn delete(&mut self, name: &str) -> bool {
        let before = self.saved.len();
        self.saved.retain(|n| n.name != name);
        self.saved.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &std::path::Path) -> Places {
        Places { config: folder.join("config"), state: folder.join("state") }
    }

    #[test]
    fn layouts_are_kept_renamed_and_deleted_by_name() {
        let mut layouts = Layouts::default();
        layouts.keep("  late\n hunt ", Arrangement::default());
        layouts.keep("Big", Arrangement { centre: None, ..Arrangement::default() });
        layouts.keep("", Arrangement::default());
        let names = |l: &Layouts| l.saved().iter().map(|n| n.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&layouts), ["Big", "late hunt"]);
        assert!(layouts.rename("late hunt", "Big").is_err());
        assert!(layouts.rename("none", "x").is_err());
        layouts.rename("late hunt", "a").unwrap();
        assert_eq!(names(&layouts), ["a", "Big"]);
        assert!(layouts.delete("a") && !layouts.delete("a"));
    }

    #[test]
    fn they_come_back_and_a_broken_file_is_said_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let mut layouts = Layouts { current: Some(Arrangement::default()), saved: Vec::new() };
        layouts.keep("a", Arrangement { centre: None, ..Arrangement::default() });
        let saver = Saver::default();
        let kept = layouts.clone();
        Layouts::update(&places, &saver, move |there| {
            *there = kept;
            Ok(())
        });
        drop(saver);
        assert_eq!(Layouts::load(&places), (layouts, None));

        let file = path(&places);
        let text = std::fs::read_to_string(&file).unwrap();
        for (from, to, says) in [
            ("\"version\": 1", "\"version\": 9", "version 9"),
            ("\"records\"", "\"recordings\"", "no panel"),
            ("\"outputs\"", "\"records\"", "twice"),
        ] {
            let broken = text.replace(from, to);
            assert_ne!(broken, text);
            std::fs::write(&file, &broken).unwrap();
            let (read, why) = Layouts::load(&places);
            assert_eq!(read, Layouts::default());
            assert!(why.as_ref().is_some_and(|w| w.contains(says)), "{why:?}");
            let kept: Vec<_> = std::fs::read_dir(&places.config)
                .unwrap()
                .filter_map(|e| std::fs::read_to_string(e.unwrap().path()).ok())
                .collect();
            assert!(kept.contains(&broken), "the file is kept");
        }
    }
}
