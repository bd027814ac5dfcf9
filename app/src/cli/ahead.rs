//! What is worth saying before a recording is run over.

use joinscope_core::edges::recording::{Info, Recording};
use joinscope_operator::pipeline::Pipeline;

/// An empty partition whose input never lets it be idle holds the join back for ever.
pub fn empty_partitions(pipeline: &Pipeline, recording: &Recording) -> Vec<String> {
    let inputs = pipeline.never_idle();
    inputs
        .flat_map(|(_, input)| {
            recording
                .info()
                .partitions
                .iter()
                .filter(|p| p.topic_partition.topic == input.topic && p.records == 0)
                .map(|p| {
                    format!(
                        "{} is empty and input \"{}\" has no idle_timeout: the event-time \
                         watermark will never move; set inputs.{}.watermark.idle_timeout=30s",
                        p.topic_partition, input.name, input.name
                    )
                })
        })
        .collect()
}

/// The order of a recording is what it is: no partition of it is paused. In that
/// of a live run's arrival log the pauses are already.
pub fn drift(pipeline: &Pipeline, recording: &Recording) -> Vec<String> {
    if recording.info().notes.contains_key(Info::LIVE) {
        return Vec::new();
    }
    let inputs = pipeline.inputs.iter().filter(|i| i.watermark.max_drift.is_some());
    inputs
        .map(|input| {
            format!(
                "inputs.{}.watermark.max_drift has no effect over a recording, whose records come \
                 in the order in which they arrived; it pauses partitions in a live run",
                input.name
            )
        })
        .collect()
}
