//! The description of a join: inputs, time, join, labels, sinks, guarantee.
//!
//! [`Pipeline::parse`] reads the TOML of 10-command-line; what it gives is
//! checked: names are resolved, durations are milliseconds, intervals are the
//! right way up.

mod condition;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod model;
mod parse;
mod released;
mod section;
#[cfg(test)]
mod tests;
mod tree;
mod write;

use std::sync::Arc;

pub use error::{PipelineError, Place, Problem, nearest};
pub use model::*;
pub use write::{label_condition, quoted};

impl Pipeline {
    /// Reads a pipeline; `file` is what errors call it.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line and column.
    pub fn parse(text: &str, file: &str) -> Result<Self, PipelineError> {
        parse::parse(text, file, &[])
    }

    /// Reads a pipeline with overrides (`--set path=value`), as if they stood
    /// in the file.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line and column or its override.
    pub fn parse_with(
        text: &str,
        file: &str,
        sets: &[(String, String)],
    ) -> Result<Self, PipelineError> {
        parse::parse(text, file, sets)
    }

    /// Loads the reader schemas that inputs name by file: `read` gets the path
    /// as the pipeline writes it.
    ///
    /// # Errors
    /// Which input's file could not be read, and why.
    pub fn load_schemas(
        &mut self,
        mut read: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        for input in &mut self.inputs {
            if let Some(schema) = &mut input.schema
                && schema.text.is_none()
            {
                let text = read(&schema.path).map_err(|why| {
                    format!(
                        "inputs.{}.schema: {}: {why}; name a file relative to the pipeline",
                        input.name, schema.path
                    )
                })?;
                schema.text = Some(text);
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn input_named(&self, name: &str) -> Option<InputIndex> {
        self.inputs.iter().position(|i| &*i.name == name).map(|i| i as InputIndex)
    }

    /// The interval of a secondary input; `None` for the primary.
    #[must_use]
    pub fn secondary(&self, input: InputIndex) -> Option<&Secondary> {
        self.join.with.iter().find(|w| w.input == input)
    }

    /// The topics that are read, each once, in the order of the inputs.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<str>> {
        let mut topics: Vec<Arc<str>> = Vec::new();
        for input in &self.inputs {
            if !topics.contains(&input.topic) {
                topics.push(input.topic.clone());
            }
        }
        topics
    }

    /// The inputs that a topic feeds, in the order of the pipeline.
    pub fn inputs_of<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = InputIndex> + 'a {
        self.inputs
            .iter()
            .enumerate()
            .filter(move |(_, i)| &*i.topic == topic)
            .map(|(i, _)| i as InputIndex)
    }

    /// The inputs that whatever gives nothing holds back for ever: a partition
    /// that is empty, a source subtask of Flink without one. Kafka Streams knows
    /// no watermark.
    pub fn never_idle(&self) -> impl Iterator<Item = (InputIndex, &Input)> {
        let inputs = self.inputs.iter().enumerate().map(|(i, input)| (i as InputIndex, input));
        inputs.filter(move |(_, input)| {
            self.join.semantics != Semantics::KafkaStreams && input.watermark.idle_timeout.is_none()
        })
    }

    /// Whether examples are folded into one row for each primary row.
    #[must_use]
    pub fn folds(&self) -> bool {
        self.examples.as_ref().is_some_and(|e| e.emit.folds())
    }

    /// The labels of folded examples; none where outputs are pairs.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        match &self.examples {
            Some(examples) if examples.emit.folds() => &examples.labels,
            _ => &[],
        }
    }

    /// The largest `until` over all secondaries: a primary row is closed when
    /// the event-time watermark has passed it.
    #[must_use]
    pub fn largest_until(&self) -> i64 {
        self.join.with.iter().map(|w| w.until).max().unwrap_or(0)
    }
}

/// Splits the `path=value` of a `--set`.
///
/// # Errors
/// What to write instead.
pub fn parse_set(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.trim().is_empty() => {
            Ok((path.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!(
            "\"{text}\" sets nothing: write path=value, such as join.with.engagements.until=1h"
        )),
    }
}
