//! What happens to a job that delivers, for whoever reads its log.

use joinscope_core::engine::delivery::JobEvent;
use joinscope_operator::figures::plural;

/// Into the log.
pub fn tell(event: JobEvent) {
    match event {
        JobEvent::Restored { epoch: 0, .. } => tracing::info!("begins"),
        JobEvent::Restored { epoch, arrival } => {
            tracing::info!("goes on from the checkpoint of epoch {epoch} at arrival {arrival}");
        }
        JobEvent::Prepared { epoch } => tracing::debug!("epoch {epoch} is prepared"),
        JobEvent::Committed { epoch, .. } => tracing::debug!("epoch {epoch} is committed"),
        JobEvent::Aborted { why } => {
            tracing::warn!("{why}: what was not committed is written again");
        }
        JobEvent::NewProducer => tracing::info!("a new producer: a call of the old one timed out"),
        JobEvent::Waiting { what } => tracing::warn!("{what}: waiting"),
        JobEvent::Lost(lost) => {
            for range in lost {
                let (topic, partition) = (&range.topic, range.partition);
                let (from, to) = (range.from, range.to);
                let n = plural(to.abs_diff(from), "offset");
                tracing::warn!("lost (at-most-once): {topic}[{partition}]@{from}..{to}, {n}");
            }
        }
        JobEvent::NewPartition { partition, is } => {
            tracing::warn!("{partition} is new since the job began: {is}");
        }
        JobEvent::Rebuilding { arrival } => {
            tracing::info!("outputs are suppressed up to arrival {arrival}");
        }
    }
}
