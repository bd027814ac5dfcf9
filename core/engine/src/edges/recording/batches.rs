//! Records in arrival order, chunk by chunk.

use std::sync::Arc;

use bytes::Bytes;

use super::chunk::{self, Item};
use super::clock::ClockEntry;
use super::envelope;
use super::index::Cursor;
use super::open::Opened;
use super::wire::op;
use super::{Recording, RecordingError};
use crate::operator::record::{Arrival, Record};

/// Records of a batch.
pub const BATCH: usize = 4096;

/// Records in arrival order, about 4,096 at a time; keys, values and header
/// values are slices of the decompressed chunk, not copies. Ends after the
/// first error.
#[derive(Debug)]
pub struct Batches {
    recording: Recording,
    /// Wanted partitions; `None`: all.
    wanted: Option<Vec<bool>>,
    /// The chunk to open next.
    chunk: usize,
    cursor: Cursor,
    /// Wanted records still to be passed over.
    skip: u64,
    current: Option<Open>,
    /// What the clock said, read with the batch at hand.
    clock: Vec<ClockEntry>,
    has_clock: bool,
    body: Vec<u8>,
    last_arrival: Option<Arrival>,
    done: bool,
}

#[derive(Debug)]
struct Open {
    bytes: Bytes,
    at: usize,
    byte: u64,
    /// Records that the index promises and that did not come yet.
    left: u32,
}

/// Whether a partition is among the wanted ones.
fn wants(wanted: Option<&[bool]>, source: u32) -> bool {
    wanted.is_none_or(|w| w.get(source as usize).copied().unwrap_or(false))
}

impl Batches {
    pub(super) fn new(recording: Recording, topics: Option<&[Arc<str>]>, from: u64) -> Self {
        let wanted = topics.map(|topics| {
            recording.partitions().iter().map(|p| topics.contains(&p.topic)).collect()
        });
        Self {
            has_clock: recording.info().clock_events > 0,
            clock: Vec::new(),
            recording,
            wanted,
            chunk: 0,
            cursor: Cursor::default(),
            skip: from,
            current: None,
            body: Vec::new(),
            last_arrival: None,
            done: false,
        }
    }

    /// Opens the next chunk with wanted records; `false`: there is none.
    fn open_next(&mut self, opened: &Opened) -> Result<bool, RecordingError> {
        loop {
            let Some((entry, spans)) = self.cursor.get(&opened.index, self.chunk) else {
                return Ok(false);
            };
            let wants = |source| wants(self.wanted.as_deref(), source);
            let mine: u64 =
                spans.iter().filter(|s| wants(s.source)).map(|s| u64::from(s.records)).sum();
            self.chunk += 1;
            // Behind the last record that is left out the clock may have spoken.
            let silent = !self.has_clock || mine < self.skip;
            if mine <= self.skip && silent {
                self.skip -= mine;
                continue;
            }
            let bytes = opened.load(&entry, &mut self.body)?;
            self.current =
                Some(Open { bytes: bytes.into(), at: 0, byte: entry.byte, left: entry.records });
            return Ok(true);
        }
    }

    fn fill(&mut self, opened: &Opened) -> Result<Vec<Record>, RecordingError> {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let Some(open) = &mut self.current else {
                // A chunk's end is a good place to hand over what is there.
                if !batch.is_empty() || self.clock.len() >= BATCH || !self.open_next(opened)? {
                    break;
                }
                continue;
            };
            if batch.is_empty() {
                batch.reserve_exact(BATCH.min(open.left as usize));
            }
            let damaged = |what: &str| {
                RecordingError::damaged(
                    &opened.path,
                    open.byte,
                    format!("in the chunk there: {what}"),
                )
            };
            if open.at >= open.bytes.len() {
                if open.left != 0 {
                    return Err(damaged("records are missing"));
                }
                self.current = None;
                continue;
            }
            let message = match chunk::next(&open.bytes, &mut open.at) {
                Some(Item::Message(message)) => message,
                Some(Item::Other(op::SCHEMA | op::CHANNEL, ..)) => continue,
                _ => return Err(damaged("a record that does not belong there")),
            };
            if message.channel == 0 {
                if self.skip == 0 {
                    let entry = i64::try_from(message.log_time).ok().and_then(|at_ns| {
                        ClockEntry::decode(&open.bytes[message.start..message.end], at_ns)
                    });
                    self.clock.push(entry.ok_or_else(|| damaged("a clock event"))?);
                }
                continue;
            }
            let source = u32::from(message.channel) - 1;
            if source as usize >= opened.info.partitions.len() {
                return Err(damaged("a message of an unknown channel"));
            }
            open.left = open.left.checked_sub(1).ok_or_else(|| damaged("too many records"))?;
            if !wants(self.wanted.as_deref(), source) {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            let arrival_ns =
                i64::try_from(message.log_time).map_err(|_| damaged("an arrival time"))?;
            // Decoded where it stays.
            batch.push(Record { arrival_ns, source, ..Record::default() });
            let arrival = batch.last_mut().and_then(|record| {
                envelope::decode_into(record, &open.bytes, message.start, message.end)?;
                Some(record.arrival)
            });
            let arrival = arrival.ok_or_else(|| damaged("an envelope"))?;
            if self.last_arrival.is_some_and(|last| arrival <= last) {
                return Err(damaged("arrival numbers do not increase"));
            }
            self.last_arrival = Some(arrival);
        }
        Ok(batch)
    }
}

impl Batches {
    /// The next records and what a live run's clock said before, between and
    /// after them.
    pub fn next_with_clock(&mut self) -> Option<Result<WithClock, RecordingError>> {
        if self.done {
            return None;
        }
        let recording = self.recording.clone();
        match self.fill(recording.opened()) {
            Ok(batch) if batch.is_empty() && self.clock.is_empty() => {
                self.done = true;
                None
            }
            Ok(batch) => Some(Ok((batch, std::mem::take(&mut self.clock)))),
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }
}

/// Records, and what the clock said around them.
pub type WithClock = (Vec<Record>, Vec<ClockEntry>);

impl Iterator for Batches {
    type Item = Result<Vec<Record>, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_with_clock()? {
                Ok((records, _)) if records.is_empty() => {}
                next => return Some(next.map(|(records, _)| records)),
            }
        }
    }
}
