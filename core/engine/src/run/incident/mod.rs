//! Incident files: a recording whose file also holds what was run over it, the
//! bookmarks and notes, and how the window stood. Whoever opens one makes the
//! same run anew, and its digest says whether it is the same.
//!
//! | piece | what it holds |
//! | --- | --- |
//! | `about.json` | who saved it and when; the notes |
//! | `pipeline.toml` | the pipeline as it was run, schemas in it, overrides not applied |
//! | `run.json` | overrides, seed, at-end, digests, books ([`SavedRun`]) |
//! | `schemas.json` | schemas that the run was given because the recording lacks them |
//! | `bookmarks.json` | arrivals with their notes |
//! | `view.json` | how the window stood: the window's own affair |
//!
//! Each piece says its version and stands for itself: one that is broken, or of
//! another version, takes nothing from the others.

mod saved;
mod secrets;
#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use saved::SavedRun;
pub use secrets::blanked;

use super::error::RunError;
use super::read::Run;
use crate::edges::pipeline_file::PipelineFile;
use crate::edges::recording::{Piece, Recording, Schemas, StoredSchema};
use crate::engine::{self, AtEnd};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::Arrival;
use crate::run::Execute;

/// Of all pieces that are JSON.
const VERSION: u64 = 1;
/// Larger pieces are not read.
const LARGEST: usize = 16 << 20;

const ABOUT: &str = "about.json";
const PIPELINE: &str = "pipeline.toml";
const RUN: &str = "run.json";
const SCHEMAS: &str = "schemas.json";
const BOOKMARKS: &str = "bookmarks.json";
const VIEW: &str = "view.json";

/// Who saved an incident, when, and what they say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// Program and version.
    pub saved_by: String,
    /// Milliseconds since the Unix epoch.
    pub saved_ms: i64,
    pub notes: String,
}

/// A bookmark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub at: Arrival,
    #[serde(default)]
    pub note: String,
}

/// Bookmarks of one numbering of arrivals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Whose records are counted, sorted.
    pub topics: Vec<String>,
    pub bookmarks: Vec<Mark>,
}

impl Marks {
    /// As they are sent to others.
    fn without_secrets(&self) -> Self {
        let clean = |mark: &Mark| Mark { at: mark.at, note: secrets::blanked(&mark.note) };
        Self { topics: self.topics.clone(), bookmarks: self.bookmarks.iter().map(clean).collect() }
    }
}

#[derive(Serialize, Deserialize)]
struct SavedSchemas {
    schemas: Vec<StoredSchema>,
}

/// Why a piece cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `The layout`, …
    pub what: &'static str,
    pub why: String,
}

/// What an incident file holds beside its recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incident {
    pub about: About,
    pub pipeline: Option<String>,
    pub run: Option<SavedRun>,
    /// That the run was given because the recording lacks them.
    pub schemas: Schemas,
    pub marks: Marks,
    /// How the window stood; what is in it is the window's affair.
    pub view: Option<Value>,
    /// Pieces that cannot be used.
    pub problems: Vec<Problem>,
}

impl Incident {
    /// What is saved of a run: its pipeline and settings. Comments of the
    /// pipeline that look like secrets are blanked.
    ///
    /// # Errors
    /// The run did not end by itself, so that it cannot be made anew, or cannot
    /// be read.
    pub fn of(run: &Run, saved_by: &str, saved_ms: i64) -> Result<Self, RunError> {
        Ok(Self {
            about: About { saved_by: saved_by.to_owned(), saved_ms, notes: String::new() },
            pipeline: Some(secrets::without(run.pipeline_text())),
            run: Some(SavedRun::of(run)?),
            schemas: run.given_schemas().clone(),
            ..Self::default()
        })
    }

    /// Takes notes in; what looks like a secret in them is blanked. Says whether
    /// something was.
    pub fn set_notes(&mut self, notes: &str) -> bool {
        self.about.notes = secrets::blanked(notes);
        self.about.notes != notes
    }

    /// Whether something in the notes of its bookmarks looks like a secret, and
    /// is blanked where they are saved.
    #[must_use]
    pub fn blanks_bookmarks(&self) -> bool {
        self.marks.bookmarks.iter().any(|mark| secrets::blanked(&mark.note) != mark.note)
    }

    /// What lies beside a recording; `None`: it is no incident file.
    #[must_use]
    pub fn read(recording: &Recording) -> Option<Self> {
        let pieces = recording.pieces();
        if pieces.is_empty() {
            return None;
        }
        let mut this = Self::default();
        for (name, content) in pieces {
            match name.as_str() {
                ABOUT => this.take("The notes", content, |i, v| i.about = v),
                RUN => this.take("The run's settings", content, |i, v| i.run = Some(v)),
                SCHEMAS => this.take("The schemas", content, Self::given),
                BOOKMARKS => this.take("The bookmarks", content, |i, v| i.marks = v),
                VIEW => this.take("The layout", content, |i, v| i.view = Some(v)),
                PIPELINE => match content.and_then(text) {
                    Ok(text) => this.pipeline = Some(text),
                    Err(why) => this.problem("The pipeline", why),
                },
                // A newer program's; what this one knows of is whole without it.
                _ => {}
            }
        }
        let stated = this.run.as_ref().map(|run| run.recording.clone());
        if let Some(stated) = stated.filter(|s| s != recording.digest()) {
            let why = format!(
                "it was over a recording with digest {stated}, and this one has {}: they do not belong together",
                recording.digest()
            );
            this.problem("The run", why);
        }
        Some(this)
    }

    fn given(&mut self, saved: SavedSchemas) {
        for schema in saved.schemas {
            self.schemas.insert(schema);
        }
    }

    /// The recording as the run had it: with the schemas that it was given.
    #[must_use]
    pub fn recording(&self, recording: &Recording) -> Recording {
        recording.clone().with_schemas(&self.schemas)
    }

    fn problem(&mut self, what: &'static str, why: String) {
        self.problems.push(Problem { what, why });
    }

    fn take<T: DeserializeOwned>(
        &mut self,
        what: &'static str,
        content: Result<Vec<u8>, String>,
        put: impl FnOnce(&mut Self, T),
    ) {
        match content.and_then(json) {
            Ok(value) => put(self, value),
            Err(why) => self.problem(what, why),
        }
    }

    /// What is written beside the recording; what looks like a secret in the
    /// notes of bookmarks is blanked.
    ///
    /// # Errors
    /// Something is no JSON.
    pub fn pieces(&self) -> serde_json::Result<Vec<Piece>> {
        let mut pieces = vec![piece(ABOUT, &self.about)?];
        if let Some(pipeline) = &self.pipeline {
            let data = pipeline.clone().into_bytes();
            pieces.push(Piece { name: PIPELINE.to_owned(), media_type: "application/toml", data });
        }
        if let Some(run) = &self.run {
            pieces.push(piece(RUN, run)?);
        }
        if !self.schemas.is_empty() {
            let schemas = self.schemas.iter().cloned().collect();
            pieces.push(piece(SCHEMAS, &SavedSchemas { schemas })?);
        }
        if !self.marks.bookmarks.is_empty() {
            pieces.push(piece(BOOKMARKS, &self.marks.without_secrets())?);
        }
        if let Some(view) = &self.view {
            pieces.push(piece(VIEW, view)?);
        }
        Ok(pieces)
    }

    /// The pipeline with its overrides, if it can be run over this recording;
    /// `None`: the file holds no run.
    ///
    /// # Errors
    /// What does not fit, in a sentence: a topic that is missing, a setting
    /// that does not exist, an input that cannot be decoded.
    pub fn pipeline_for(&self, recording: &Recording) -> Result<Option<Pipeline>, String> {
        let (pipeline, run) = match (&self.pipeline, &self.run) {
            (Some(pipeline), Some(run)) => (pipeline, run),
            (None, None) => return Ok(None),
            (Some(_), None) => return Err("its settings are missing".to_owned()),
            (None, Some(_)) => return Err("its pipeline is missing".to_owned()),
        };
        let parsed = Pipeline::parse_with(pipeline, &run.pipeline_file, &run.overrides)
            .map_err(|e| e.to_string())?;
        engine::check(&parsed, &self.recording(recording)).map_err(|e| e.to_string())?;
        Ok(Some(parsed))
    }

    /// The saved run, to be made anew in `dir`; `None`: the file holds none.
    ///
    /// # Errors
    /// As [`Incident::pipeline_for`].
    pub fn order(
        &self,
        recording: &Recording,
        dir: std::path::PathBuf,
    ) -> Result<Option<Execute>, String> {
        let Some(pipeline) = self.pipeline_for(recording)? else { return Ok(None) };
        let (Some(text), Some(run)) = (&self.pipeline, &self.run) else { return Ok(None) };
        let file =
            PipelineFile { path: run.pipeline_file.clone().into(), text: text.clone(), pipeline };
        Ok(Some(Execute {
            overrides: run.overrides.clone(),
            seed: run.seed,
            restarts: run.restarts.clone(),
            at_end: run.at_end()?,
            ..Execute::new(file, self.recording(recording), dir)
        }))
    }
}

impl SavedRun {
    /// How it ends.
    ///
    /// # Errors
    /// It says neither.
    pub fn at_end(&self) -> Result<AtEnd, String> {
        match self.at_end.as_str() {
            "open" => Ok(AtEnd::Open),
            "close" => Ok(AtEnd::Close),
            other => Err(format!("its at-end is {other:?}, neither open nor close")),
        }
    }
}

fn piece(name: &str, value: &impl Serialize) -> serde_json::Result<Piece> {
    let mut whole = serde_json::Map::new();
    whole.insert("version".to_owned(), VERSION.into());
    if let Value::Object(object) = serde_json::to_value(value)? {
        whole.extend(object);
    }
    let mut data = serde_json::to_vec_pretty(&whole)?;
    data.push(b'\n');
    Ok(Piece { name: name.to_owned(), media_type: "application/json", data })
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() > LARGEST {
        return Err(format!("it has {} bytes; at most {LARGEST} are read", bytes.len()));
    }
    String::from_utf8(bytes)
        .map_err(|e| format!("it is no text from byte {} on", e.utf8_error().valid_up_to()))
}

fn json<T: DeserializeOwned>(bytes: Vec<u8>) -> Result<T, String> {
    let text = text(bytes)?;
    let mut value: Value =
        serde_json::from_str(&text).map_err(|e| format!("it cannot be read: {e}"))?;
    let Some(object) = value.as_object_mut() else { return Err("it is no JSON object".to_owned()) };
    match object.remove("version").map(|v| v.as_u64()) {
        Some(Some(VERSION)) => {}
        Some(Some(other)) => {
            return Err(format!("it is of version {other}, this program reads version {VERSION}"));
        }
        _ => return Err("it does not say its version".to_owned()),
    }
    T::deserialize(value).map_err(|e| format!("it cannot be read: {e}"))
}
