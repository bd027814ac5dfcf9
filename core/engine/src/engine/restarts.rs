//! Modelled restarts: before which arrivals the engine that the join stands for is
//! stopped with a savepoint and started again.
//!
//! Our own restore brings everything back, under every semantics; a released engine
//! does not. In `flink-sql` and `flink-datastream` rows, timers and offsets stay,
//! and forgotten are (12-released-joins, A7, B2, B10, C9): the event-time
//! watermarks of partitions, source subtasks, inputs and the join with what was
//! idle, and the expiration times of Flink SQL's subtasks. The job goes on at the
//! parallelism that it had; savepoints take no time, and no record is read twice. What
//! the joins forget is proved against the released classes, what the sources forget
//! is read in theirs (`operator::watermark`).
//!
//! A restart is an input of the engine that stands in arrival order, at the time of
//! the record that it precedes, after all that the clock had due by then. Where it
//! stands is a setting of the run ([`super::RunSpec::restarts`]), kept in its
//! manifest, and not an entry of a recording's arrival log: the same recording is
//! run with and without it, its digest stays what it is, and who reads a run finds
//! in one place where the event-time watermark began anew.
//!
//! The restart of Kafka Streams (D9) has been read in its source and never run
//! against the release, whose test driver cannot restore; what its stores still show
//! hangs on whether they were restored from the changelog. It is refused, as in an
//! operator trace.

use super::summary::RunError;
use crate::operator::pipeline::{Pipeline, Semantics};
use crate::operator::record::Arrival;

/// Whether runs under a semantics may have restarts.
#[must_use]
pub fn possible(semantics: Semantics) -> bool {
    semantics.is_flink()
}

/// The restarts asked for, ascending, each once. `records`: of the pipeline's
/// topics, where that is known; `later`: a topic got partitions while a live run
/// wrote this log, of which a restart would have to know whether they are there.
///
/// # Errors
/// The semantics has none, or there is no such arrival to precede.
pub fn of(
    pipeline: &Pipeline,
    records: Option<u64>,
    later: bool,
    asked: &[Arrival],
) -> Result<Vec<Arrival>, RunError> {
    let mut restarts = asked.to_vec();
    restarts.sort_unstable();
    restarts.dedup();
    let (Some(first), Some(last)) = (restarts.first(), restarts.last()) else {
        return Ok(restarts);
    };
    let refused = |why: String| Err(RunError::Pipeline(why));
    match pipeline.join.semantics {
        Semantics::Clean => {
            return refused(
                "a restart before an arrival: clean forgets nothing, as our own restore brings everything back; set join.semantics to flink-sql or flink-datastream, or leave it out"
                    .to_owned(),
            );
        }
        Semantics::KafkaStreams => {
            return refused(
                "a restart before an arrival: what a restart of Kafka Streams forgets could not be held against the release, whose test driver cannot restore, so it is not modelled; leave it out"
                    .to_owned(),
            );
        }
        Semantics::FlinkSql | Semantics::FlinkDataStream => {}
    }
    if later {
        return refused(
            "a restart before an arrival: a topic got new partitions while this arrival log was written, and a restart among them is not modelled; leave it out"
                .to_owned(),
        );
    }
    if *first == 0 {
        return refused(
            "a restart before arrival 0: nothing has come by then that could be forgotten; name a later arrival"
                .to_owned(),
        );
    }
    if let Some(records) = records.filter(|records| last >= records) {
        let there = match records.checked_sub(1) {
            None => "has no record of the pipeline's topics".to_owned(),
            Some(newest) => format!("ends with arrival {newest} of the pipeline's topics"),
        };
        return refused(format!(
            "a restart before arrival {last}: the recording {there}; name an earlier one"
        ));
    }
    Ok(restarts)
}
