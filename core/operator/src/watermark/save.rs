//! A tracker as bytes: for snapshots of the run store and checkpoints.
//!
//! Version 1: `1`; partitions, start, join; for each input current, emitted, tick;
//! for each lane a byte of flags and its numbers; the holder. Version 2, under
//! Flink's rules: for each input, for each of its subtasks current, emitted and
//! whether it is idle, then emitted, tick; lanes also of subtasks without a
//! partition. Lanes at the end of the partitions may be missing: those of partitions
//! that came after it was saved. Numbers are LEB128 varints, signed ones zigzag, those of a lane
//! relative to the lane before.

use super::input::TrackerInput;
use super::tracker::Tracker;
use crate::pipeline::InputIndex;

/// Bytes that are no saved tracker of these inputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrackerError {
    #[error(
        "the saved event-time watermarks have version {0}; this program reads version 1, and \
         version 2 where the join follows Flink"
    )]
    Version(u8),
    #[error("the saved event-time watermarks end in the middle or are damaged")]
    Damaged,
    #[error(
        "the saved event-time watermarks are of {saved} partitions; the pipeline's inputs have {given}"
    )]
    Lanes { saved: u64, given: u64 },
}

const VERSION: u8 = 1;
/// Under Flink's rules.
const OF_SUBTASKS: u8 = 2;
const SEEN: u8 = 1;
const IDLE: u8 = 2;
/// The event-time watermark is not `max_seen − delay`.
const APART: u8 = 4;
/// It cannot go idle.
const HELD: u8 = 8;

impl Tracker {
    /// The whole state, a few bytes a lane.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + self.subtasks.len() * 16 + self.lanes.len() * 12);
        out.push(self.version());
        unsigned(&mut out, u64::from(self.partitions));
        out.push(u8::from(self.start.is_some()));
        let start = self.start.unwrap_or(0);
        signed(&mut out, start);
        signed(&mut out, self.join);
        for input in &self.inputs {
            for subtask in &self.subtasks[input.subtasks()] {
                signed(&mut out, subtask.current);
                signed(&mut out, subtask.emitted.wrapping_sub(subtask.current));
                if self.flink {
                    out.push(u8::from(subtask.idle));
                }
            }
            if self.flink {
                signed(&mut out, input.emitted);
            }
            signed(&mut out, input.tick);
        }
        let (mut max_seen, mut last_active, mut since) = (0i64, start, 0u64);
        for lane in &self.lanes {
            let derived = lane.max_seen.saturating_sub(self.inputs[lane.input as usize].delay);
            let apart =
                lane.seen && lane.watermark != derived || !lane.seen && lane.watermark != i64::MIN;
            out.push(
                u8::from(lane.seen) * SEEN
                    + u8::from(lane.idle) * IDLE
                    + u8::from(apart) * APART
                    + u8::from(lane.held) * HELD,
            );
            if lane.seen {
                signed(&mut out, lane.max_seen.wrapping_sub(max_seen));
                max_seen = lane.max_seen;
            }
            if apart {
                signed(&mut out, lane.watermark);
            }
            signed(&mut out, lane.last_active.wrapping_sub(last_active));
            last_active = lane.last_active;
            signed(&mut out, lane.since.wrapping_sub(since) as i64);
            since = lane.since;
        }
        let (lane, since) = self.holder.map_or((0, 0), |(lane, since)| (lane as u64 + 1, since));
        unsigned(&mut out, lane);
        unsigned(&mut out, since);
        out
    }

    fn version(&self) -> u8 {
        if self.flink { OF_SUBTASKS } else { VERSION }
    }

    /// Brings a saved tracker back; `inputs` are those that it was made with.
    pub fn load(inputs: Vec<TrackerInput>, bytes: &[u8]) -> Result<Self, TrackerError> {
        Self::load_grown(inputs, &[], bytes)
    }

    /// As [`Tracker::load`], of one that was [`Tracker::grown`]. It may have been saved
    /// before the last of `later` were known: they have not appeared then.
    pub fn load_grown(
        inputs: Vec<TrackerInput>,
        later: &[InputIndex],
        bytes: &[u8],
    ) -> Result<Self, TrackerError> {
        let mut tracker = Self::grown(inputs, later);
        let mut read = Reader(bytes);
        let version = read.byte()?;
        if version != tracker.version() {
            return Err(TrackerError::Version(version));
        }
        let (saved, given) = (read.unsigned()?, u64::from(tracker.partitions));
        if saved > given || saved < u64::from(tracker.first) {
            return Err(TrackerError::Lanes { saved, given });
        }
        // Not over `given`, which has 32 bits.
        let saved = saved as usize;
        let missing = tracker.partitions as usize - saved;
        let started = read.byte()? != 0;
        let start = read.signed()?;
        tracker.start = started.then_some(start);
        tracker.join = read.signed()?;
        for input in &mut tracker.inputs {
            for subtask in &mut tracker.subtasks[input.subtasks()] {
                subtask.current = read.signed()?;
                subtask.emitted = subtask.current.wrapping_add(read.signed()?);
                if tracker.flink {
                    subtask.idle = read.flag()?;
                }
                input.emitted = subtask.emitted;
            }
            if tracker.flink {
                input.emitted = read.signed()?;
            }
            input.tick = read.signed()?;
        }
        let (mut max_seen, mut last_active, mut since) = (0i64, start, 0u64);
        for (number, lane) in tracker.lanes.iter_mut().enumerate() {
            if (saved..saved + missing).contains(&number) {
                continue;
            }
            let flags = read.byte()?;
            if flags > SEEN + IDLE + APART + HELD {
                return Err(TrackerError::Damaged);
            }
            let delay = tracker.inputs[lane.input as usize].delay;
            let was_idle = lane.idle;
            lane.seen = flags & SEEN != 0;
            lane.idle = flags & IDLE != 0;
            lane.held = flags & HELD != 0;
            if lane.seen {
                max_seen = max_seen.wrapping_add(read.signed()?);
                lane.max_seen = max_seen;
                lane.watermark = max_seen.saturating_sub(delay);
            }
            if flags & APART != 0 {
                lane.watermark = read.signed()?;
            }
            last_active = last_active.wrapping_add(read.signed()?);
            lane.last_active = last_active;
            since = since.wrapping_add(read.signed()? as u64);
            lane.since = since;
            let stands = if lane.idle { i64::MAX } else { lane.watermark };
            let subtask = &mut tracker.subtasks[lane.subtask as usize];
            subtask.tree.set(lane.slot as usize, stands);
            subtask.active += u32::from(was_idle);
            subtask.active -= u32::from(lane.idle);
        }
        let (lane, since) = (read.unsigned()?, read.unsigned()?);
        if lane > (tracker.lanes.len() - missing) as u64 || !read.0.is_empty() {
            return Err(TrackerError::Damaged);
        }
        tracker.bring_up();
        // What stands for subtasks without a partition was numbered before those that
        // are missing.
        let now = |lane: usize| if lane < saved { lane } else { lane + missing };
        tracker.holder = lane.checked_sub(1).map(|lane| (now(lane as usize) as u32, since));
        if started {
            tracker.wind_timers();
        }
        Ok(tracker)
    }
}

fn unsigned(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn signed(out: &mut Vec<u8>, n: i64) {
    unsigned(out, ((n << 1) ^ (n >> 63)) as u64);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, TrackerError> {
        let (&byte, rest) = self.0.split_first().ok_or(TrackerError::Damaged)?;
        self.0 = rest;
        Ok(byte)
    }

    fn flag(&mut self) -> Result<bool, TrackerError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(TrackerError::Damaged),
        }
    }

    fn unsigned(&mut self) -> Result<u64, TrackerError> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(TrackerError::Damaged)
    }

    fn signed(&mut self) -> Result<i64, TrackerError> {
        let n = self.unsigned()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }
}
