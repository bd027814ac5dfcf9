//! The sample that ships: where it is, looked for once and off the window's thread.

use std::path::{Path, PathBuf};

use super::jobs::{Jobs, Slot};

const NOT_FOUND: &str = "sample-data is not where the program looks for it: in \
                         ../share/joinscope from the program's folder, in the current folder, or \
                         in the source that it was built from";

/// Where the sample is, once that is known.
#[derive(Default)]
pub struct Sample {
    slot: Slot<(), Option<PathBuf>>,
    /// It is opened as soon as it is known where it is.
    wanted: bool,
}

impl Sample {
    /// Its pipeline, where it was found; the first time it is only looked for.
    pub fn found(&mut self, jobs: &Jobs) -> Option<PathBuf> {
        self.slot.ask(jobs, (), |()| Ok(look(&places())));
        self.slot.answer()?.result.as_ref().ok()?.clone()
    }

    /// Opens it, now or as soon as it is known where it is.
    pub fn want(&mut self, jobs: &Jobs) {
        self.found(jobs);
        self.wanted = true;
    }

    /// Whether it is wanted and not yet taken.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// What is to be opened, or why nothing can be: once where it was wanted.
    pub fn taken(&mut self) -> Option<Result<PathBuf, String>> {
        if !self.wanted {
            return None;
        }
        let answer = self.slot.answer()?;
        self.wanted = false;
        Some(match &answer.result {
            Ok(place) => place.clone().ok_or_else(|| NOT_FOUND.to_owned()),
            Err(why) => Err(why.clone()),
        })
    }
}

/// Folders that may hold the samples: where an installed program has them, where one
/// stands, where it was built.
fn places() -> Vec<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.join("share/joinscope/sample-data")));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|p| p.join("sample-data"));
    let here = Some(PathBuf::from("sample-data"));
    [beside, here, source].into_iter().flatten().collect()
}

fn look(places: &[PathBuf]) -> Option<PathBuf> {
    places.iter().map(|d| d.join("feed/feed.toml")).find(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken, as soon as there is something.
    fn taken(sample: &mut Sample) -> Result<PathBuf, String> {
        loop {
            if let Some(taken) = sample.taken() {
                return taken;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn it_is_taken_once_and_only_where_it_was_wanted() {
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let mut sample = Sample::default();
        while sample.found(&jobs).is_none() {
            std::thread::yield_now();
        }
        assert_eq!((jobs.begun(), sample.taken()), (1, None), "nobody wanted it");
        sample.want(&jobs);
        assert!(sample.is_wanted());
        assert!(taken(&mut sample).unwrap().is_file());
        assert_eq!((sample.is_wanted(), sample.taken()), (false, None));
        // Also where it was not looked for before.
        let mut other = Sample::default();
        other.want(&jobs);
        assert!(taken(&mut other).unwrap().is_file());
    }

    #[test]
    fn the_first_place_that_has_it_counts_and_none_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let places = ["a", "b", "c"].map(|name| folder.path().join(name));
        assert_eq!(look(&places), None);
        for place in &places[1..] {
            std::fs::create_dir_all(place.join("feed")).unwrap();
            std::fs::write(place.join("feed/feed.toml"), b"").unwrap();
        }
        assert_eq!(look(&places), Some(places[1].join("feed/feed.toml")));
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let mut sample = Sample { wanted: true, ..Sample::default() };
        sample.slot.ask(&jobs, (), |()| Ok(None));
        assert!(taken(&mut sample).unwrap_err().contains("sample-data is not where"));
    }
}
