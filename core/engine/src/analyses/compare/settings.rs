//! Every setting in which two runs differ: what explains that they do
//! (2-architecture, "Two runs that differ are explained by inputs that differ").

use std::collections::{BTreeMap, BTreeSet};

use super::matching::same_recording;
use crate::run::{Run, RunState};

/// A setting with two values; `None` where a run does not have it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SettingDiff {
    /// A path of the pipeline, or what else a run depends on.
    pub path: String,
    pub a: Option<String>,
    pub b: Option<String>,
}

pub(super) fn differing(a: &Run, b: &Run) -> Vec<SettingDiff> {
    let (one, two) = (of_run(a), of_run(b));
    let paths: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    // The same recording may lie at two places.
    let same = same_recording(&a.now().manifest.start, &b.now().manifest.start);
    paths
        .into_iter()
        .filter(|path| one.get(*path) != two.get(*path))
        .filter(|path| !(same && path.as_str() == "recording"))
        .map(|path| SettingDiff {
            path: path.clone(),
            a: one.get(path).cloned(),
            b: two.get(path).cloned(),
        })
        .collect()
}

fn of_run(run: &Run) -> BTreeMap<String, String> {
    let now = run.now();
    let manifest = &now.manifest;
    let recording = &manifest.start.recording;
    let mut all = BTreeMap::from([
        ("at_end".to_owned(), manifest.start.at_end.clone()),
        ("program".to_owned(), manifest.version.clone()),
        ("seed".to_owned(), manifest.start.seed.to_string()),
        ("recording".to_owned(), short_digest(&recording.path, &recording.digest)),
    ]);
    if let Some(given) = &manifest.start.schemas {
        let ids: Vec<String> = given.ids.iter().map(ToString::to_string).collect();
        let digest: String = given.digest.chars().take(12).collect();
        all.insert("schemas given".to_owned(), format!("{} ({digest})", ids.join(", ")));
    }
    if !manifest.start.restarts.is_empty() {
        let restarts = manifest.start.restarts.iter().map(ToString::to_string);
        let restarts: Vec<String> = restarts.collect();
        all.insert("restarts".to_owned(), format!("before arrival {}", restarts.join(", ")));
    }
    if manifest.state != RunState::Done {
        all.insert("ended".to_owned(), format!("{:?}", manifest.state).to_lowercase());
    }
    // The canonical form spells every default out.
    let toml = run.pipeline().to_toml();
    if let Ok(table) = toml.parse::<toml::Table>() {
        flatten("", &toml::Value::Table(table), &mut all);
    }
    all
}

/// What tells a recording from another of the same name.
fn short_digest(path: &std::path::Path, digest: &str) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let short: String = digest.chars().take(12).collect();
    format!("{name} ({short})")
}

fn flatten(path: &str, value: &toml::Value, all: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, all);
            }
        }
        toml::Value::String(text) => {
            all.insert(path.to_owned(), text.clone());
        }
        other => {
            all.insert(path.to_owned(), other.to_string());
        }
    }
}
