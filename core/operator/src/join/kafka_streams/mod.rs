//! `kafka-streams`: `KStream.join`, `leftJoin` and `outerJoin` of Kafka Streams
//! 4.3.1, to the row.
//!
//! The rules are those of 12-released-joins, part D, and are named where they
//! are carried out: [`task`] D1, D2 and D4, [`close`] D3, [`queues`] D7 and what
//! a task does, [`settings`] the two window stores of D4. A restart (D9) has
//! been read in the source, never run, and is not here: what its stores still show
//! then hangs on how they came back, and a run is refused one.
//!
//! A stream joined with itself (D10: two inputs of one topic) is the join of two
//! streams that each get every record, in the order in which the pipeline lists
//! the inputs, as in an application that makes its streams in that order. One
//! topic is one record queue, so that there is no smallest timestamp to choose.
//! `KStreamKStreamSelfJoin`, which stands in only where an application sets
//! `topology.optimization` to `single.store.self.join`, is not here.
//!
//! When the inner join agrees with `clean`. Let `d` be how far behind the largest
//! time of its task a row may come. The row at hand is no older than `stream - d`
//! and its partner `before` (of a left row; `after` of a right one) older yet,
//! while a store shows what is younger than its own largest time, at most
//! `stream`, less `before + after + grace`. So it finds every partner if
//! `grace > d - min(before, after)`: a grace equal to the disorder is enough only
//! where both bounds are 1 ms or more, and with `after = 0` it must be larger.
//!
//! A pure state machine: the wall clock comes in with each event. Everything
//! stays in memory: rows for `before + after + grace` of their side's time, and
//! those that wait for their pad as long as that takes (rule D3.4).

mod close;
pub mod marks;
mod operator;
mod queues;
mod save;
mod settings;
mod side;
mod task;
#[cfg(test)]
mod tests;
mod verdicts;
mod waiting;

pub use settings::{BadSettings, InvalidTime, Settings, StreamKind, WindowStore};
pub use side::{Side, Sides};
pub use task::{Dropped, Now};

use crate::join::{Effect, LogEnd, Ref};
use crate::pipeline::InputIndex;
use crate::state::{Row, StateError};
use marks::{LEFT_OUT, Marks as _};
use task::{Shared, Task};

/// Kafka Streams would stop here, or the state could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    /// Rule D7, `FailOnInvalidTimestamp#onInvalidTimestamp`.
    #[error(
        "a record has the timestamp {time}, and FailOnInvalidTimestamp stops the stream thread: it accepts none below 0"
    )]
    InvalidTime { time: i64 },
    #[error(transparent)]
    State(#[from] StateError),
}

/// Kafka has fewer partitions than this; each task takes some memory.
const MOST_TASKS: i32 = 1 << 20;

/// The join of two topics: one task for each partition number. Partition n of
/// both inputs goes to task n, as Kafka Streams assigns them.
#[derive(Debug)]
pub struct KafkaStreams {
    shared: Shared,
    /// By partition; tasks come with their first row.
    tasks: Vec<Option<Box<Task>>>,
    /// What a checkpoint said of buffered rows, until the next event.
    restored: Vec<save::Restored>,
    /// The wall clock, where it comes by [`crate::join::Operator::clock`].
    wall: i64,
}

impl KafkaStreams {
    /// `inputs`: which of a pipeline's inputs is the left side, which the right.
    ///
    /// # Errors
    /// Kafka Streams refuses these settings.
    pub fn new(settings: Settings, inputs: Sides<InputIndex>) -> Result<Self, BadSettings> {
        settings.check()?;
        Ok(Self {
            shared: Shared::new(settings, inputs),
            tasks: Vec::new(),
            restored: Vec::new(),
            wall: 0,
        })
    }

    /// Takes one record; `wall` is the wall clock, ms, which never goes back. A
    /// record without a value is marked [`marks::NO_VALUE`], one that comes to no join
    /// [`marks::LEFT_OUT`] (and as matched, so that nobody waits for its verdict).
    ///
    /// What it sets off is appended to `out` in the order in which Kafka Streams
    /// puts it out.
    ///
    /// # Errors
    /// The stream thread would stop; nothing may be asked of the join after it.
    pub fn take(&mut self, row: Row, wall: i64, out: &mut Vec<Effect>) -> Result<(), StreamsError> {
        if !self.restored.is_empty() {
            self.requeue()?;
        }
        let now = Now { wall, arrival: row.arrival };
        let task = task(&mut self.tasks, &self.shared, row.partition)?;
        let shared = &mut self.shared;
        if shared.settings.max_task_idle.is_some() {
            task.enqueue(shared, row, now, out)
        } else if row.marked(LEFT_OUT) {
            Ok(())
        } else if row.time < 0 {
            task.invalid_time(shared, Ref::from(&row), out)
        } else {
            Ok(task.process(shared, row, now, out)?)
        }
    }

    /// The wall clock moved: a task may stop waiting for an empty partition.
    /// Nothing else looks at the clock without a row.
    ///
    /// # Errors
    /// As [`KafkaStreams::take`].
    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) -> Result<(), StreamsError> {
        if !self.restored.is_empty() {
            self.requeue()?;
        }
        if self.shared.settings.max_task_idle.is_none() {
            return Ok(());
        }
        let mut tasks = self.tasks.iter_mut().flatten();
        tasks.try_for_each(|task| task.drain(&mut self.shared, now, out))
    }

    /// A partition has no lag any more, or has some again: its task waits for it
    /// only while it has. In the order given there is nothing to wait for.
    ///
    /// # Errors
    /// As [`KafkaStreams::take`].
    pub fn caught_up(
        &mut self,
        end: LogEnd,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), StreamsError> {
        if self.shared.settings.max_task_idle.is_none() {
            return Ok(());
        }
        if !self.restored.is_empty() {
            self.requeue()?;
        }
        let side = self.shared.side(end.input);
        let task = task(&mut self.tasks, &self.shared, end.partition)?;
        task.queues.set_ended(side, end.reached);
        task.drain(&mut self.shared, now, out)
    }

    /// The logs of all partitions have ended: none has lag any more, so a task
    /// waits for none and takes what it has buffered, smallest timestamp first
    /// (`PartitionGroup#readyToProcess`). Rows that wait for their pad go on
    /// waiting (rule D5c).
    ///
    /// # Errors
    /// As [`KafkaStreams::take`].
    pub fn drain(&mut self, now: Now, out: &mut Vec<Effect>) -> Result<(), StreamsError> {
        if !self.restored.is_empty() {
            self.requeue()?;
        }
        let mut tasks = self.tasks.iter_mut().flatten();
        tasks.try_for_each(|task| task.drain_all(&mut self.shared, now, out))
    }

    /// Which records made `dropped-records-total` grow since the last call, in
    /// order (rule D6).
    pub fn take_dropped(&mut self) -> std::vec::Drain<'_, Dropped> {
        self.shared.drops.drain(..)
    }

    /// `dropped-records-total` over all tasks.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.tasks.iter().flatten().map(|task| task.dropped).sum()
    }
}

/// The task of a partition.
fn task<'a>(
    tasks: &'a mut Vec<Option<Box<Task>>>,
    shared: &Shared,
    partition: i32,
) -> Result<&'a mut Task, StateError> {
    let Some(at) = usize::try_from(partition).ok().filter(|_| partition < MOST_TASKS) else {
        return Err(StateError(format!(
            "partition {partition}: partitions are 0 to {}",
            MOST_TASKS - 1
        )));
    };
    if at >= tasks.len() {
        tasks.resize_with(at + 1, || None);
    }
    Ok(tasks[at].get_or_insert_with(|| Box::new(Task::new(partition, shared))))
}
