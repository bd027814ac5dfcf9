//! The segment that is being filled.

use crate::engine::step::{ClockEvent, ClockKind, Decision, Facts, Output, Revision, StateSample};
use crate::operator::verdict::Verdict;
use crate::run::bytes::Out;
use crate::run::error::{Result, RunError};
use crate::run::layout::{NO_VERDICT, PAGE_ROWS, REVISED};
use crate::run::ledger::{Ledger, MARK_ARRIVALS};
use crate::run::packed::Tick;
use crate::run::pyramid::{BLOCK_SHIFT, Counter, Highs, MANY, ROWS};
use crate::run::summary::put_books;
use crate::run::types::Books;

use super::lanes::{LaneTable, RowLanes};
use super::outputs::Outputs;
use super::{MANY_BYTES, MANY_ENTRIES};

/// A decision with what the pyramids need of its row.
#[derive(Clone, Copy)]
pub(super) struct Fallen {
    pub row: u64,
    pub at: u64,
    pub cause: u64,
    /// Block of level 0 that the row arrived in.
    pub block: u32,
    pub lane: u16,
    /// [`NO_VERDICT`]: none.
    pub verdict: u8,
    /// The reason; [`REMOVED`] with it: the row left.
    how: u8,
}

const REMOVED: u8 = 1 << 7;

impl Fallen {
    pub fn reason(&self) -> u8 {
        self.how & !REMOVED
    }

    pub fn removed(&self) -> bool {
        self.how & REMOVED != 0
    }
}

/// An entry of the key index: (normalised hash, key check, row, event time).
pub(super) type KeyEntry = (u64, u16, u32, i64);

/// What fills a segment until it is closed.
pub(super) struct Open {
    pub first_arrival: u64,
    /// Arrivals before this one are in.
    pub end: u64,
    pub first_row: u64,
    pub first_output: u64,
    pub facts: Facts,
    pub lanes: Vec<u16>,
    pub fallen: Vec<Fallen>,
    pub revised: u64,
    pub outputs: Outputs,
    /// (row, output in the segment).
    pub refs: Vec<(u64, u32)>,
    pub keys: Vec<KeyEntry>,
    pub ticks: Vec<Tick>,
    pub marks: Out,
    pub ledger: Ledger,
    pub counter: Counter,
    pub highs: Highs,
    block_highs: Vec<i64>,
    high_lanes: Vec<u32>,
    high_block: u64,
    /// (lane, page of rows, smallest offset, largest offset).
    pub offset_pages: Vec<(u32, u32, i64, i64)>,
    page_lanes: Vec<u32>,
    /// By lane: where it stands in `offset_pages`, if the page has it.
    page_slots: Vec<u32>,
    pub trackers: Vec<(u64, Vec<u8>)>,
    pub tracker_bytes: usize,
    pub clock: Vec<ClockEvent>,
    pub state: Vec<StateSample>,
    next_mark: u64,
}

/// What goes on from one segment to the next.
pub(super) struct Running {
    pub books: Books,
    /// By lane: largest event time, `i64::MIN` without one; whether it is idle.
    pub ends: Vec<(i64, bool)>,
    pub last_arrival: Option<u64>,
    pub last_ms: i64,
}

/// A stretch of a step whose arrivals lie within one segment and between two marks.
pub(super) struct Stretch<'a> {
    pub facts: &'a Facts,
    pub rows: std::ops::Range<usize>,
    pub decisions: &'a [Decision],
    pub revisions: &'a [Revision],
    pub outputs: &'a [Output],
    pub clock: &'a [ClockEvent],
    pub state: &'a [StateSample],
    /// Arrivals before this one are in afterwards.
    pub end: u64,
}

impl Open {
    pub fn new(lanes: usize, first_arrival: u64, first_row: u64, first_output: u64) -> Self {
        Self {
            first_arrival,
            end: first_arrival,
            first_row,
            first_output,
            facts: Facts { first_row, ..Facts::default() },
            lanes: Vec::new(),
            fallen: Vec::new(),
            revised: 0,
            outputs: Outputs::default(),
            refs: Vec::new(),
            keys: Vec::new(),
            ticks: Vec::new(),
            marks: Out::default(),
            ledger: Ledger::default(),
            counter: Counter::new(lanes),
            highs: Highs::default(),
            block_highs: vec![i64::MIN; lanes],
            high_lanes: Vec::new(),
            high_block: 0,
            offset_pages: Vec::new(),
            page_lanes: Vec::new(),
            page_slots: vec![u32::MAX; lanes],
            trackers: Vec::new(),
            tracker_bytes: 0,
            clock: Vec::new(),
            state: Vec::new(),
            next_mark: first_arrival,
        }
    }

    /// Begins the next segment where this one ended. What it grew to is kept,
    /// up to what an ordinary segment needs.
    pub fn restart(&mut self) {
        self.first_arrival = self.end;
        self.first_row += self.facts.len() as u64;
        self.first_output += self.outputs.at.len() as u64;
        self.next_mark = self.first_arrival;
        self.facts.restart(self.first_row);
        self.facts.keys.shrink_to(MANY_BYTES);
        self.lanes.clear();
        self.fallen.clear();
        self.fallen.shrink_to(MANY_ENTRIES);
        self.revised = 0;
        self.outputs.clear();
        self.refs.clear();
        self.refs.shrink_to(MANY_ENTRIES);
        self.keys.clear();
        self.ticks.clear();
        self.marks.0.clear();
        self.highs.0.clear();
        self.offset_pages.clear();
        self.trackers.clear();
        self.tracker_bytes = 0;
        self.clock.clear();
        self.state.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.end == self.first_arrival
            && self.facts.is_empty()
            && self.fallen.is_empty()
            && self.outputs.at.is_empty()
            && self.clock.is_empty()
    }

    /// Where the next stretch must end: arrivals from there on need a new mark.
    pub fn mark_end(&self) -> u64 {
        (self.end / MARK_ARRIVALS + 1) * MARK_ARRIVALS
    }

    pub fn append(
        &mut self,
        part: &Stretch<'_>,
        table: &LaneTable,
        older: &mut RowLanes,
        running: &mut Running,
    ) -> Result<()> {
        if self.end >= self.next_mark {
            self.mark(running);
        }
        for event in part.clock {
            let (lane, idle) = match event.kind {
                ClockKind::Idle { lane } => (lane, true),
                ClockKind::Active { lane } => (lane, false),
                _ => continue,
            };
            if let Some(end) = running.ends.get_mut(lane as usize) {
                end.1 = idle;
            }
        }
        self.clock.extend_from_slice(part.clock);
        self.rows(part, table, running)?;
        // The ledger goes by arrival.
        let mut decisions = part.decisions;
        for revision in part.revisions {
            let (before, rest) =
                decisions.split_at(decisions.partition_point(|d| d.at <= revision.at));
            self.decisions(before, table, older, running)?;
            self.revision(revision, older, running)?;
            decisions = rest;
        }
        self.decisions(decisions, table, older, running)?;
        self.outputs(part.outputs, running)?;
        if let Some(sample) = part.state.last() {
            running.books.state_bytes = sample.bytes;
        }
        self.state.extend_from_slice(part.state);
        self.end = part.end;
        Ok(())
    }

    /// The books as they are before the next arrival, and where the ledger stands.
    fn mark(&mut self, running: &Running) {
        self.marks.u64(self.end);
        let at = self.ledger.mark(self.end);
        self.marks.u64(at);
        self.marks.u64(self.first_row + self.facts.len() as u64);
        put_books(&mut self.marks, &running.books);
        self.next_mark = self.mark_end();
    }

    fn rows(&mut self, part: &Stretch<'_>, table: &LaneTable, running: &mut Running) -> Result<()> {
        let facts = part.facts;
        let rows = part.rows.clone();
        let base = self.facts.len();
        for i in rows.clone() {
            let (input, partition) = (facts.input[i], facts.partition[i]);
            let lane = table.lane(input, partition).ok_or_else(|| {
                RunError::NoSuch(format!("input {input} has no partition {partition}"))
            })?;
            let small = lane.min(MANY.into()) as u16;
            let arrival = facts.arrival[i];
            let row = base + i - rows.start;
            if running.last_arrival != Some(arrival) {
                self.arrives(arrival, row, facts, i, running)?;
            }
            self.lanes.push(small);
            self.offset(row, lane, facts.offset[i]);
            let block = arrival >> BLOCK_SHIFT;
            let verdict = facts.at_arrival[i];
            self.counter.add(block, small, ROWS);
            let counts = running.books.inputs.get_mut(input as usize);
            let slot = counts.and_then(|c| c.0.get_mut(verdict as usize)).ok_or_else(|| {
                RunError::NoSuch(format!("input {input} or verdict {verdict} of arrival {arrival}"))
            })?;
            *slot += 1;
            if verdict == Verdict::Open as u8 {
                running.books.state_rows += 1;
            } else {
                self.counter.add(block, small, verdict);
            }
            let time = facts.event_time[i];
            if time != i64::MIN && moves_watermark(verdict) {
                self.high(block, lane, time);
                let end = &mut running.ends[lane as usize];
                *end = (end.0.max(time), false);
            }
            let key = if i == 0 { 0 } else { facts.key_end[i - 1] };
            if facts.key_end[i] > key {
                let check = (facts.key_hash[i] >> 48) as u16;
                self.keys.push((facts.normal_hash[i], check, row as u32, time));
            }
        }
        let own = &mut self.facts;
        own.arrival.extend_from_slice(&facts.arrival[rows.clone()]);
        own.arrival_ms.extend_from_slice(&facts.arrival_ms[rows.clone()]);
        own.input.extend_from_slice(&facts.input[rows.clone()]);
        own.partition.extend_from_slice(&facts.partition[rows.clone()]);
        own.offset.extend_from_slice(&facts.offset[rows.clone()]);
        own.event_time.extend_from_slice(&facts.event_time[rows.clone()]);
        own.watermark.extend_from_slice(&facts.watermark[rows.clone()]);
        own.at_arrival.extend_from_slice(&facts.at_arrival[rows.clone()]);
        let before = |i: usize| i.checked_sub(1).map_or(0, |i| facts.key_end[i]);
        let (from, to) = (before(rows.start), before(rows.end));
        let shift = (own.keys.len() as u32).wrapping_sub(from);
        own.keys.extend_from_slice(&facts.keys[from as usize..to as usize]);
        own.key_end.extend(facts.key_end[rows].iter().map(|end| end.wrapping_add(shift)));
        Ok(())
    }

    /// The first row of an arrival.
    fn arrives(
        &mut self,
        arrival: u64,
        row: usize,
        facts: &Facts,
        i: usize,
        running: &mut Running,
    ) -> Result<()> {
        let due = running.last_arrival.map_or(0, |last| last + 1);
        if arrival != due {
            return Err(RunError::NoSuch(format!(
                "arrival {arrival} where {due} was due: arrivals have no holes"
            )));
        }
        running.last_arrival = Some(arrival);
        running.last_ms = facts.arrival_ms[i];
        if arrival & ((1 << BLOCK_SHIFT) - 1) == 0 {
            let row = self.first_row + row as u64;
            self.ticks.push((facts.arrival_ms[i], facts.watermark[i], row));
        }
        Ok(())
    }

    #[inline]
    fn offset(&mut self, row: usize, lane: u32, offset: i64) {
        if row.is_multiple_of(PAGE_ROWS) {
            for lane in self.page_lanes.drain(..) {
                self.page_slots[lane as usize] = u32::MAX;
            }
        }
        let slot = &mut self.page_slots[lane as usize];
        if *slot == u32::MAX {
            *slot = self.offset_pages.len() as u32;
            self.page_lanes.push(lane);
            self.offset_pages.push((lane, (row / PAGE_ROWS) as u32, offset, offset));
        } else {
            let entry = &mut self.offset_pages[*slot as usize];
            entry.2 = entry.2.min(offset);
            entry.3 = entry.3.max(offset);
        }
    }

    #[inline]
    fn high(&mut self, block: u64, lane: u32, time: i64) {
        if block != self.high_block {
            self.flush_highs();
            self.high_block = block;
        }
        let slot = &mut self.block_highs[lane as usize];
        if *slot == i64::MIN {
            self.high_lanes.push(lane);
        }
        *slot = (*slot).max(time);
    }

    pub fn flush_highs(&mut self) {
        self.high_lanes.sort_unstable();
        for lane in self.high_lanes.drain(..) {
            let high = std::mem::replace(&mut self.block_highs[lane as usize], i64::MIN);
            self.highs.0.push((self.high_block as u32, lane, high));
        }
    }

    fn decisions(
        &mut self,
        decisions: &[Decision],
        table: &LaneTable,
        older: &mut RowLanes,
        running: &mut Running,
    ) -> Result<()> {
        self.fallen.reserve(decisions.len());
        for d in decisions {
            let (lane, arrival) = self.find(d.row, older)?;
            let input = table.inputs_of_lanes.get(lane as usize).copied().unwrap_or_default();
            self.ledger.add(d.at, input, d.verdict, d.removed);
            let books = &mut running.books;
            if let Some(verdict) = d.verdict {
                let counts = &mut books.inputs[input as usize];
                let open = &mut counts.0[Verdict::Open as usize];
                *open = open
                    .checked_sub(1)
                    .ok_or_else(|| RunError::NoSuch(format!("row {} was decided twice", d.row)))?;
                counts.add(verdict, 1);
            }
            if d.removed {
                books.state_rows = books.state_rows.saturating_sub(1);
            }
            self.fallen.push(Fallen {
                row: d.row,
                at: d.at,
                cause: d.cause,
                block: (arrival >> BLOCK_SHIFT) as u32,
                lane,
                verdict: d.verdict.map_or(NO_VERDICT, |v| v as u8),
                how: d.reason as u8 | if d.removed { REMOVED } else { 0 },
            });
        }
        Ok(())
    }

    fn revision(
        &mut self,
        r: &Revision,
        older: &mut RowLanes,
        running: &mut Running,
    ) -> Result<()> {
        let (lane, arrival) = self.find(r.row, older)?;
        self.ledger.revise(r.at, r.input);
        let counts = running.books.inputs.get_mut(r.input as usize);
        let counts = counts.ok_or_else(|| RunError::NoSuch(format!("input {}", r.input)))?;
        let unmatched = &mut counts.0[Verdict::Unmatched as usize];
        *unmatched = unmatched.checked_sub(1).ok_or_else(|| {
            RunError::NoSuch(format!("row {} was revised, but no row is unmatched", r.row))
        })?;
        counts.add(Verdict::Expired, 1);
        self.revised += 1;
        self.fallen.push(Fallen {
            row: r.row,
            at: r.at,
            cause: r.at,
            block: (arrival >> BLOCK_SHIFT) as u32,
            lane,
            verdict: Verdict::Expired as u8,
            how: REVISED,
        });
        Ok(())
    }

    /// Lane and arrival of a row.
    #[inline]
    fn find(&self, row: u64, older: &mut RowLanes) -> Result<(u16, u64)> {
        if row < self.first_row {
            return older.find(row);
        }
        let at = (row - self.first_row) as usize;
        let lane = self.lanes.get(at).ok_or_else(|| {
            RunError::NoSuch(format!("a decision names row {row}, which has not arrived"))
        })?;
        Ok((*lane, self.facts.arrival[at]))
    }

    fn outputs(&mut self, outputs: &[Output], running: &mut Running) -> Result<()> {
        let own = &mut self.outputs;
        for output in outputs {
            let number = own.at.len();
            if output.n != self.first_output + number as u64 {
                return Err(RunError::NoSuch(format!(
                    "output {} out of turn: {} was next",
                    output.n,
                    self.first_output + number as u64
                )));
            }
            own.push(output);
            for (i, row) in output.records.iter().enumerate() {
                // A row that pairs with itself is named once.
                if i != 1 || output.records[0] != *row {
                    self.refs.push((*row, number as u32));
                }
            }
        }
        running.books.outputs += outputs.len() as u64;
        Ok(())
    }
}

/// Whether a record with this verdict at arrival moves the event-time
/// watermark and counts as activity (3-semantics, step 2).
#[inline]
pub(crate) fn moves_watermark(verdict: u8) -> bool {
    ![Verdict::Tombstone as u8, Verdict::Undecodable as u8, Verdict::Untimed as u8]
        .contains(&verdict)
}
