//! What a checkpoint holds, and how the engine's own restore brings all of it
//! back: stores, trackers, what the stores have seen, queues.

use serde::{Deserialize, Serialize};

use super::marks::{Marks, QUEUED};
use super::queues::SavedQueues;
use super::side::{Side, Sides};
use super::task::{Seen, TimeTracker, due};
use super::{KafkaStreams, task};
use crate::record::Arrival;
use crate::state::memory::{SlotId, tag};
use crate::state::{Changes, Row, StateError};

/// The join without its rows.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    wall: i64,
    tasks: Vec<SavedTask>,
}

/// A task without its rows.
#[derive(Debug, Serialize, Deserialize)]
struct SavedTask {
    partition: i32,
    tracker: TimeTracker,
    seen: Sides<Seen>,
    dropped: u64,
    queues: SavedQueues,
}

/// What the next event puts together: rows and tasks come in any order.
#[derive(Debug)]
pub(super) enum Restored {
    Buffered { partition: i32, arrival: Arrival, id: SlotId, side: Side },
    Queues { partition: i32, saved: SavedQueues },
}

impl KafkaStreams {
    /// The tasks without their rows, for [`KafkaStreams::load`].
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let tasks: Vec<SavedTask> = self
            .tasks
            .iter()
            .flatten()
            .map(|task| SavedTask {
                partition: task.partition,
                tracker: task.tracker,
                seen: task.seen,
                dropped: task.dropped,
                queues: self.not_yet_filled(task.partition).unwrap_or_else(|| task.queues.save()),
            })
            .collect();
        // Plain numbers: this cannot fail.
        serde_json::to_vec(&Saved { wall: self.wall, tasks }).unwrap_or_default()
    }

    /// What a checkpoint said of a task's queues, where no event came since.
    fn not_yet_filled(&self, of: i32) -> Option<SavedQueues> {
        self.restored.iter().find_map(|restored| match restored {
            Restored::Queues { partition, saved } if *partition == of => Some(saved.clone()),
            Restored::Queues { .. } | Restored::Buffered { .. } => None,
        })
    }

    /// Brings back what [`KafkaStreams::save`] gave, before the first record.
    ///
    /// # Errors
    /// The bytes are not of this join.
    pub fn load(&mut self, saved: &[u8]) -> Result<(), StateError> {
        let saved: Saved = serde_json::from_slice(saved).map_err(|error| {
            StateError(format!("the checkpoint's Kafka Streams tasks cannot be read: {error}"))
        })?;
        self.wall = saved.wall;
        for saved in saved.tasks {
            let task = task(&mut self.tasks, &self.shared, saved.partition)?;
            task.tracker = saved.tracker;
            task.seen = saved.seen;
            task.dropped = saved.dropped;
            self.restored
                .push(Restored::Queues { partition: saved.partition, saved: saved.queues });
        }
        Ok(())
    }

    /// Copies rows ahead of the next [`KafkaStreams::rows_changes`].
    pub(super) fn copy_rows_ahead(&mut self, leave: usize) {
        let retention = self.shared.settings.retention();
        self.shared.rows.copy_ahead(leave, usize::MAX, |slot| due(slot.time, retention));
    }

    /// What changed of the rows since the last call. A row that goes from its
    /// queue to a store keeps its name: it goes and comes back.
    pub(super) fn rows_changes(&mut self) -> Changes {
        let retention = self.shared.settings.retention();
        self.shared.rows.take_changes(i64::MIN, |slot| due(slot.time, retention))
    }

    /// Takes one row of a checkpoint back.
    pub(super) fn restore_row(&mut self, row: Row) -> Result<(), StateError> {
        let side = self.shared.side(row.input);
        let (tag, marks) = (tag(row.key.hash64()), row.corrections);
        let (partition, arrival) = (row.partition, row.arrival);
        let task = task(&mut self.tasks, &self.shared, partition)?;
        let id = self.shared.rows.hold(row, true)?;
        if self.shared.rows.get(id).marked(QUEUED) {
            self.restored.push(Restored::Buffered { partition, arrival, id, side });
        } else {
            task.place(&mut self.shared, id, tag, marks, side);
        }
        Ok(())
    }

    /// Fills the queues once all has come.
    #[cold]
    pub(super) fn requeue(&mut self) -> Result<(), StateError> {
        let mut tasks = std::collections::BTreeMap::<i32, (Vec<_>, SavedQueues)>::new();
        for restored in self.restored.drain(..) {
            match restored {
                Restored::Buffered { partition, arrival, id, side } => {
                    tasks.entry(partition).or_default().0.push((arrival, id, side));
                }
                Restored::Queues { partition, saved } => {
                    tasks.entry(partition).or_default().1 = saved;
                }
            }
        }
        for (partition, (rows, saved)) in tasks {
            let task = task(&mut self.tasks, &self.shared, partition)?;
            task.requeue(&mut self.shared, rows, &saved)?;
        }
        Ok(())
    }
}
