//! Where runs lie without `--out`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Where runs of a recording lie without `--out`: the platform's data folder,
/// `runs/<recording digest>`.
pub fn runs_folder(digest: &str) -> anyhow::Result<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "joinscope")
        .context("there is no home folder; give --out")?;
    Ok(dirs.data_dir().join("runs").join(digest))
}

/// Stands for the digest where a live job's runs lie.
pub fn folder_name(job: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    format!("live-{}", job.chars().map(plain).collect::<String>())
}

/// The next number there, made so that two runs never take the same. A run that
/// cannot begin leaves none: it goes again when this is dropped, if nothing has
/// come into it.
#[must_use = "the folder goes again when this is dropped"]
pub struct NewFolder(PathBuf);

impl NewFolder {
    pub fn make(digest: &str) -> anyhow::Result<Self> {
        let folder = runs_folder(digest)?;
        let cannot = || format!("{}: cannot be written; give --out", folder.display());
        std::fs::create_dir_all(&folder).with_context(cannot)?;
        let taken = std::fs::read_dir(&folder)
            .with_context(cannot)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok())
            .max();
        let mut n = taken.map_or(1, |n| n + 1);
        loop {
            let dir = folder.join(n.to_string());
            match std::fs::create_dir(&dir) {
                Ok(()) => return Ok(Self(dir)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => n += 1,
                // Another run that could not begin took it away meanwhile.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    std::fs::create_dir_all(&folder).with_context(cannot)?;
                }
                Err(e) => return Err(e).with_context(cannot),
            }
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // Only empty folders can be removed so.
        if std::fs::remove_dir(&self.0).is_ok()
            && let Some(folder) = self.0.parent()
        {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_a_folder_s_name() {
        assert_eq!(folder_name("feed/../x y"), "live-feed_.._x_y");
    }
}
