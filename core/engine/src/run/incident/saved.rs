//! What an incident file says of its run: how to make it anew, and what has to
//! come out.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::operator::record::Arrival;
use crate::operator::verdict::Verdict;
use crate::run::error::RunError;
use crate::run::manifest::RunState;
use crate::run::read::Run;

/// A run as an incident file keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRun {
    /// Name of the pipeline's file, without its folder.
    pub pipeline_file: String,
    /// `--set path=value`, in order.
    #[serde(default)]
    pub overrides: Vec<(String, String)>,
    #[serde(default)]
    pub seed: u64,
    /// Modelled restarts, before these arrivals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Arrival>,
    /// `open` or `close`.
    pub at_end: String,
    /// Version of the program that ran it.
    pub program: String,
    /// Digest of the recording that it was over.
    pub recording: String,
    /// Of outputs and verdicts.
    pub digest: String,
    pub records: u64,
    pub outputs: u64,
    /// By input and verdict; those that are 0 left out.
    #[serde(default)]
    pub books: BTreeMap<String, BTreeMap<String, u64>>,
}

impl SavedRun {
    /// What has to be known of a run to make it again and to see whether it is
    /// the same.
    ///
    /// # Errors
    /// It did not end by itself, or cannot be read.
    pub fn of(run: &Run) -> Result<Self, RunError> {
        let manifest = run.manifest();
        let digest = manifest.end.as_ref().and_then(|end| end.digest.clone());
        let (RunState::Done, Some(digest)) = (manifest.state, digest) else {
            let how = match manifest.state {
                RunState::Running => "is still running",
                RunState::Cancelled => "was cancelled",
                RunState::Stopped => "was stopped at a breakpoint",
                RunState::CutOff => "was cut off",
                RunState::Done | RunState::Failed => "failed",
            };
            return Err(RunError::NoSuch(format!(
                "{}: the run {how}, and only one that came to its end can be made anew: run the \
                 pipeline to its end first",
                run.dir().display()
            )));
        };
        let books = run.books(None)?;
        let by_input = manifest.start.inputs.iter().zip(&books.inputs).map(|(input, counts)| {
            let counts = Verdict::ALL.into_iter().map(|v| (v.name().to_owned(), counts.get(v)));
            (input.name.to_string(), counts.filter(|(_, n)| *n > 0).collect())
        });
        let file = Path::new(&manifest.start.pipeline_file).file_name().unwrap_or_default();
        Ok(Self {
            pipeline_file: file.to_string_lossy().into_owned(),
            overrides: manifest.start.overrides.clone(),
            seed: manifest.start.seed,
            restarts: manifest.start.restarts.clone(),
            at_end: manifest.start.at_end.clone(),
            program: manifest.version.clone(),
            recording: manifest.start.recording.digest.clone(),
            digest,
            records: run.arrivals(),
            outputs: books.outputs,
            books: by_input.collect(),
        })
    }

    /// What of `made` is not as saved, a sentence each; empty: the same, record
    /// for record.
    #[must_use]
    pub fn differences(&self, made: &Self) -> Vec<String> {
        if self.digest == made.digest {
            return Vec::new();
        }
        let mut found = vec![format!(
            "the digest of its verdicts and outputs is {}, not {} as saved",
            made.digest, self.digest
        )];
        if self.program != made.program {
            found.push(format!(
                "it was saved by joinscope {}, and made anew by {}",
                self.program, made.program
            ));
        }
        let first = found.len();
        let mut count = |what: String, was: u64, is: u64| {
            if was != is {
                found.push(format!("{what}: {is}, not {was}"));
            }
        };
        count("records".to_owned(), self.records, made.records);
        count("outputs".to_owned(), self.outputs, made.outputs);
        let none = BTreeMap::new();
        for input in
            self.books.keys().chain(made.books.keys().filter(|i| !self.books.contains_key(*i)))
        {
            let (was, is) =
                (self.books.get(input).unwrap_or(&none), made.books.get(input).unwrap_or(&none));
            for verdict in Verdict::ALL {
                let of =
                    |books: &BTreeMap<String, u64>| books.get(verdict.name()).copied().unwrap_or(0);
                count(format!("{input} {verdict}"), of(was), of(is));
            }
        }
        if found.len() == first {
            found.push("the books are the same: single verdicts, times or pairs differ".to_owned());
        }
        found
    }
}
