//! Values of records, decoded, read from the recording where it is at hand.

use anyhow::{Context as _, ensure};
use joinscope_core::edges::recording::Recording;
use joinscope_core::run::{RowView, Run};
use joinscope_operator::codec::InputDecoder;
use serde_json::Value;

use super::run::warn;
use super::runs::no_recording;

/// Reads values one by one; without a recording each is null.
pub struct Values {
    recording: Option<Recording>,
    decoders: Vec<InputDecoder>,
    /// stderr is to say, once, that a value is not given as it stands.
    tells: bool,
}

impl Values {
    /// None at all.
    pub fn none() -> Self {
        Self { recording: None, decoders: Vec::new(), tells: false }
    }

    /// Those of a run.
    ///
    /// # Errors
    /// The pipeline's inputs cannot be decoded with the recording's schemas.
    pub fn of_run(run: &Run) -> anyhow::Result<Self> {
        let Some(recording) = run.recording() else { return Ok(Self::none()) };
        let decoders = (0..run.pipeline().inputs.len())
            .map(|i| InputDecoder::new(run.pipeline(), i as u8, recording.schemas()))
            .collect::<Result<_, _>>()?;
        Ok(Self { recording: Some(recording), decoders, tells: false })
    }

    /// [`Values::of_run`]; where the recording is missing, stderr says so.
    pub fn said(run: &Run) -> anyhow::Result<Self> {
        let values = Self { tells: true, ..Self::of_run(run)? };
        if !values.are_there() {
            warn(&format!("values are null: {}", no_recording(run)));
        }
        Ok(values)
    }

    /// [`Values::of_run`] for a condition, which nothing meets where values are missing.
    ///
    /// # Errors
    /// As [`Values::of_run`], or the recording is missing.
    pub fn needed(run: &Run) -> anyhow::Result<Self> {
        let values = Self { tells: true, ..Self::of_run(run)? };
        ensure!(
            values.are_there(),
            "--where asks for a field of the value, which only the recording has: {}",
            no_recording(run)
        );
        Ok(values)
    }

    /// Whether there is a recording to read them from.
    pub fn are_there(&self) -> bool {
        self.recording.is_some()
    }

    /// The value of a row's record; a field that cannot be taken apart is its JSON text.
    ///
    /// # Errors
    /// The recording cannot be read, or lacks the record.
    pub fn of(&mut self, row: &RowView) -> anyhow::Result<Value> {
        let Some(recording) = &self.recording else { return Ok(Value::Null) };
        let record = recording
            .record(&row.record)?
            .with_context(|| format!("{} is not in the recording", row.record))?;
        let Some(decoder) = self.decoders.get_mut(usize::from(row.input)) else {
            return Ok(Value::Null);
        };
        // What is no JSON (poison) is not there.
        let Ok(shown) = decoder.shown(&record) else { return Ok(Value::Null) };
        if shown.in_texts && std::mem::take(&mut self.tells) {
            warn(&format!(
                "{}: a field of its value nests deeper than 127 levels, or half of a pair of \
                 escapes stands in it: such a field is given as its JSON text, here and in \
                 whatever follows",
                row.record
            ));
        }
        Ok(shown.value)
    }
}
