//! What a task does before its join sees a row: record queues by partition, and
//! the choice of the next record among their heads (12-released-joins, "What a
//! task does").
//!
//! `PartitionGroup#readyToProcess`, `#nextRecord`, `#addRawRecords`;
//! `RecordQueue#updateHead`, `#poll`.
//!
//! Queues stand before the topology: what a filter of the application leaves out has
//! its turn as well, and no other record waits for it longer than for one that is kept.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::marks::{LEFT_OUT, Marks, QUEUED};
use super::settings::InvalidTime;
use super::side::{Side, Sides};
use super::task::{Now, Shared, Task};
use super::{StreamsError, verdicts};
use crate::join::{Effect, Ref};
use crate::record::Arrival;
use crate::state::memory::SlotId;
use crate::state::{Row, StateError};
use crate::verdict::Verdict;

/// The next record of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    Record {
        id: SlotId,
        time: i64,
    },
    /// `CorruptedRecord`: the last of those that were dropped, when nothing is
    /// left behind it. It takes its place in the queue, at this time.
    Corrupted,
}

/// `StreamsConfig.MAX_TASK_IDLE_MS_DISABLED`: a task takes what is there.
const NO_IDLING: i64 = -1;

/// `ConsumerRecord.NO_TIMESTAMP`.
const NO_TIME: i64 = -1;

#[derive(Debug, Default)]
struct RecordQueue {
    head: Option<Head>,
    /// Behind the head, not looked at yet.
    raw: VecDeque<SlotId>,
    /// Until when the task waits for it, once it was found empty.
    deadline: Option<i64>,
    /// Its partition is known to have no lag: it is not waited for.
    ended: bool,
}

/// The record queues of a task.
#[derive(Debug, Default)]
pub(super) struct Queues {
    queues: Sides<RecordQueue>,
    /// `nonEmptyQueuesByTime`, a heap on the head's time; with two queues it is
    /// a list of which the first is the next.
    order: SmallVec<[Side; 2]>,
}

/// What queues are apart from their rows, for a checkpoint.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct SavedQueues {
    pub deadline: Sides<Option<i64>>,
    pub corrupted: Sides<bool>,
    /// Whether the right queue is the next one.
    pub right_first: bool,
    #[serde(default)]
    pub ended: Sides<bool>,
}

impl RecordQueue {
    fn head_time(&self) -> i64 {
        match self.head {
            Some(Head::Record { time, .. }) => time,
            Some(Head::Corrupted) | None => NO_TIME,
        }
    }
}

impl Queues {
    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// `PriorityQueue#offer`: behind a head of an equal time.
    fn offer(&mut self, side: Side) {
        let time = |side: Side| self.queues[side].head_time();
        match self.order.first() {
            Some(&first) if time(side) < time(first) => self.order.insert(0, side),
            _ => self.order.push(side),
        }
    }

    /// Whether the partition of this side is known to have no lag.
    pub(super) fn set_ended(&mut self, side: Side, ended: bool) {
        self.queues[side].ended = ended;
    }

    /// `PartitionGroup#readyToProcess`. Without a word about it the lag of an
    /// empty partition is taken to be 0: what it had has come.
    fn ready(&mut self, max_task_idle: i64, wall: i64) -> bool {
        if max_task_idle == NO_IDLING {
            return true;
        }
        for side in Side::BOTH {
            let queue = &mut self.queues[side];
            if queue.head.is_some() || queue.ended {
                queue.deadline = None;
                continue;
            }
            let deadline = *queue.deadline.get_or_insert(wall.wrapping_add(max_task_idle));
            if wall < deadline {
                return false;
            }
        }
        true
    }

    /// What [`Task::requeue`] does not see in the rows.
    pub(super) fn save(&self) -> SavedQueues {
        SavedQueues {
            deadline: Sides::each(|side| self.queues[side].deadline),
            corrupted: Sides::each(|side| self.queues[side].head == Some(Head::Corrupted)),
            right_first: self.order.first() == Some(&Side::Right),
            ended: Sides::each(|side| self.queues[side].ended),
        }
    }
}

impl Task {
    /// A record comes to its queue; then everything is processed that may be.
    pub(super) fn enqueue(
        &mut self,
        shared: &mut Shared,
        mut row: Row,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), StreamsError> {
        let side = shared.side(row.input);
        row.mark(QUEUED);
        let id = shared.rows.hold(row, false)?;
        self.add(shared, id, side, out)?;
        self.drain(shared, now, out)
    }

    /// `PartitionGroup#addRawRecords`.
    fn add(
        &mut self,
        shared: &mut Shared,
        id: SlotId,
        side: Side,
        out: &mut Vec<Effect>,
    ) -> Result<(), StreamsError> {
        let was_empty = self.queues.queues[side].head.is_none();
        self.queues.queues[side].raw.push_back(id);
        self.update_head(shared, side, out)?;
        if was_empty {
            self.queues.offer(side);
        }
        Ok(())
    }

    /// Processes what is buffered, as far as the task need not wait.
    pub(super) fn drain(
        &mut self,
        shared: &mut Shared,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), StreamsError> {
        match shared.settings.max_task_idle {
            Some(idle) => self.drain_waiting(shared, idle, now, out),
            None => Ok(()),
        }
    }

    /// Processes all that is buffered: there is nothing to wait for.
    pub(super) fn drain_all(
        &mut self,
        shared: &mut Shared,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), StreamsError> {
        self.drain_waiting(shared, NO_IDLING, now, out)
    }

    fn drain_waiting(
        &mut self,
        shared: &mut Shared,
        idle: i64,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), StreamsError> {
        while !self.queues.is_empty() && self.queues.ready(idle, now.wall) {
            let side = self.queues.order.remove(0);
            let head = self.queues.queues[side].head.take();
            // Before the record is processed: an invalid one behind it stops
            // the task first.
            self.update_head(shared, side, out)?;
            if self.queues.queues[side].head.is_some() {
                self.queues.offer(side);
            }
            if let Some(Head::Record { id, .. }) = head {
                let mut row = shared.free(id).unpack();
                if row.marked(LEFT_OUT) {
                    continue;
                }
                row.unmark(QUEUED);
                self.process(shared, row, now, out)?;
            }
        }
        Ok(())
    }

    /// `RecordQueue#updateHead`.
    fn update_head(
        &mut self,
        shared: &mut Shared,
        side: Side,
        out: &mut Vec<Effect>,
    ) -> Result<(), StreamsError> {
        let mut corrupted = false;
        while self.queues.queues[side].head.is_none() {
            let Some(id) = self.queues.queues[side].raw.pop_front() else { break };
            let row = shared.rows.get(id).reference();
            if row.time >= 0 {
                self.queues.queues[side].head = Some(Head::Record { id, time: row.time });
            } else {
                shared.free(id);
                self.invalid_time(shared, row, out)?;
                corrupted = true;
            }
        }
        if corrupted && self.queues.queues[side].head.is_none() {
            self.queues.queues[side].head = Some(Head::Corrupted);
        }
        Ok(())
    }

    /// Rule D7.
    pub(super) fn invalid_time(
        &mut self,
        shared: &mut Shared,
        row: Ref,
        out: &mut Vec<Effect>,
    ) -> Result<(), StreamsError> {
        if shared.settings.on_invalid == InvalidTime::Fail {
            return Err(StreamsError::InvalidTime { time: row.time });
        }
        self.count_dropped(shared, row, out);
        verdicts::left_out(row, Verdict::Untimed, out);
        Ok(())
    }

    /// Puts rows of a checkpoint back into their queues, by arrival.
    pub(super) fn requeue(
        &mut self,
        shared: &mut Shared,
        mut rows: Vec<(Arrival, SlotId, Side)>,
        saved: &SavedQueues,
    ) -> Result<(), StateError> {
        rows.sort_unstable();
        for side in Side::BOTH {
            let queue = &mut self.queues.queues[side];
            queue.deadline = saved.deadline[side];
            queue.ended = saved.ended[side];
            queue.head = saved.corrupted[side].then_some(Head::Corrupted);
            queue.raw.extend(rows.iter().filter(|row| row.2 == side).map(|row| row.1));
            // Only a head has been looked at: its time is not negative.
            if queue.head.is_none()
                && let Some(id) = queue.raw.pop_front()
            {
                let time = shared.rows.get(id).time;
                if time < 0 {
                    return Err(StateError(format!(
                        "a checkpoint's first buffered row has the time {time}, which no task takes"
                    )));
                }
                queue.head = Some(Head::Record { id, time });
            }
        }
        let first = if saved.right_first { Side::Right } else { Side::Left };
        for side in [first, first.other()] {
            if self.queues.queues[side].head.is_some() {
                self.queues.order.push(side);
            }
        }
        Ok(())
    }
}
