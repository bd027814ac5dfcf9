//! `pipeline new`: a commented pipeline from a sample of each topic.

mod fields;
mod formats;
mod sample;
#[cfg(test)]
mod tests;
mod write;

use crate::edges::recording::{Recording, RecordingError};
pub use sample::TopicSample;

/// Records of each topic that are looked at.
pub const LOOK: usize = 2_000;
/// Topics that are looked at; a pipeline takes at most 64 inputs.
const TOPICS: usize = 64;

/// Why nothing could be proposed.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("the recording has no records: record a topic first")]
    Empty,
    #[error("cancelled")]
    Cancelled,
}

/// What was found, and the pipeline made of it.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub topics: Vec<TopicSample>,
    /// TOML with comments; it parses.
    pub text: String,
}

/// Samples each topic and writes a pipeline that joins them.
///
/// # Errors
/// The recording is empty or cannot be read, or `go_on` said no.
pub fn propose(
    recording: &Recording,
    name: &str,
    mut go_on: impl FnMut() -> bool,
) -> Result<Proposal, ProposeError> {
    let mut topics = Vec::new();
    let mut names: Vec<_> = recording.partitions().iter().map(|p| p.topic.clone()).collect();
    names.sort();
    names.dedup();
    for topic in names {
        let sample = TopicSample::read(recording, &topic, &mut go_on)?;
        if sample.records > 0 {
            topics.push(sample);
        }
        if topics.len() == TOPICS {
            break;
        }
    }
    if topics.is_empty() {
        return Err(ProposeError::Empty);
    }
    let text = write::pipeline(&topics, name, recording);
    Ok(Proposal { topics, text })
}

impl Proposal {
    /// For machines.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let topics: Vec<_> = self.topics.iter().map(TopicSample::to_json).collect();
        serde_json::json!({ "topics": topics, "pipeline": self.text })
    }
}
