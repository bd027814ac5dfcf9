//! `flink-sql`: `TimeIntervalJoin` and `RowTimeIntervalJoin` of Flink 2.3.0,
//! in rules B1 to B17 of 12-released-joins.
//!
//! All rows and timers rest in memory: there is no tier below, so that what
//! the interval holds must fit. Rule B13 (an interval upside down is planned as
//! a union of two maps, which no join operator runs) is not here: a pipeline
//! cannot say such an interval. B15 and B16 are the sources' part.

use std::cmp::Ordering;

use super::key::{KeyForm, KeyGroups, timer_order};
use super::{Settings, joined};
use crate::join::{Effect, Operator, Reason, Ref, Watermarks};
use crate::record::Arrival;
use crate::state::memory::SlotId;
use crate::state::memory::timed::{Firing, Reach, SidePlan, Timed};
use crate::state::{Changes, Due, Row, StateError};
use crate::verdict::Verdict;

/// What a subtask has for all of its keys (rule B2).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Subtask {
    /// `exp` of the left and of the right cache.
    expiration: [i64; 2],
    /// How often it was assigned. Every shard has a copy of every subtask and one of
    /// them its rows: the copy with most is good. (Not when: a watermark that moves
    /// without a row has the arrival of one that a checkpoint has seen.)
    assigned: u64,
}

/// Bytes that a subtask is saved in.
const SAVED: usize = 26;

impl Subtask {
    #[inline]
    fn assign(&mut self, side: usize, expiration: i64) {
        self.expiration[side] = expiration;
        self.assigned = self.assigned.saturating_add(1);
    }

    fn save(&self, number: u16) -> [u8; SAVED] {
        let mut bytes = [0; SAVED];
        let [left, right] = self.expiration;
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        let fields = [self.assigned as i64, left, right];
        for (place, field) in bytes[2..].chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    fn load(bytes: &[u8; SAVED]) -> (u16, Self) {
        let [a, b, fields @ ..] = bytes;
        let (fields, _) = fields.as_chunks::<8>();
        let field = |i: usize| fields.get(i).map_or(0, |field| i64::from_be_bytes(*field));
        let subtask = Self { expiration: [field(1), field(2)], assigned: field(0) as u64 };
        (u16::from_be_bytes([*a, *b]), subtask)
    }
}

fn damaged() -> StateError {
    StateError(
        "the checkpoint's expiration times are not those of this parallelism, or damaged; restore an earlier one"
            .to_owned(),
    )
}

/// The `flink-sql` join over the rows of one shard, left rows being those of
/// the primary input.
pub struct FlinkSql {
    settings: Settings,
    keys: KeyGroups,
    /// `L` and `R`: how long after its own time a row of that side can be matched.
    size: [i64; 2],
    /// Whether a row without a match is put out with nulls.
    pads: [bool; 2],
    /// By subtask.
    subtasks: Vec<Subtask>,
    state: Timed,
    found: Vec<SlotId>,
    firing: Vec<Firing>,
    /// The right side first (rule B5).
    plan: [SidePlan; 2],
}

impl FlinkSql {
    /// A join without rows.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let size = [settings.upper, settings.lower.wrapping_neg()];
        // Rule B4.2: the timer of a row at `t` is at `t + size + minCleanUp + 1`.
        let timer = size.map(|size| size.wrapping_add(settings.min_cleanup).wrapping_add(1));
        let span = size.map(i64::saturating_abs).into_iter().max().unwrap_or(0);
        Self {
            settings,
            keys: KeyGroups {
                parallelism: settings.parallelism.max(1),
                max_parallelism: settings.max_parallelism,
                form: KeyForm::Sql,
            },
            size,
            pads: [settings.kind.pads_primary(), settings.kind.pads_secondary()],
            subtasks: vec![Subtask::default(); usize::from(settings.parallelism.max(1))],
            state: Timed::new(
                settings.shifts(timer[0], timer[1]),
                span.saturating_add(settings.disorder),
            ),
            found: Vec::new(),
            firing: Vec::new(),
            plan: [SidePlan::new(settings.right), SidePlan::new(settings.left)],
        }
    }

    /// Rule B8: the watermark that goes downstream when the current one is
    /// `watermark`. It lags, and never reaches the end.
    #[must_use]
    pub fn output_watermark(&self, watermark: i64) -> i64 {
        let [left, right] = self.size;
        watermark.wrapping_sub(left.max(right))
    }

    /// Timers registered.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.state.timers()
    }

    /// Rule B3.
    #[inline]
    fn cutoff(&self, side: usize, time: i64) -> i64 {
        if time == i64::MAX { i64::MAX } else { time.wrapping_sub(self.size[side]).wrapping_sub(1) }
    }

    /// Rule B4.1 for the rows found; whether the row at hand made a pair.
    fn probe(
        &mut self,
        side: usize,
        own: Ref,
        reach: Reach,
        kept: bool,
        out: &mut Vec<Effect>,
    ) -> bool {
        let found = std::mem::take(&mut self.found);
        let mut matched = false;
        for &id in &found {
            let slot = self.state.get(id);
            let other = slot.reference();
            let expired = other.time <= reach.expired;
            let (other_matched, null) = (slot.matched(), slot.key.is_null());
            if reach.in_range(other.time) {
                out.push(self.settings.pair(side, own, other));
                // An expired row that is still held is joined once more.
                let reason = if expired { Reason::JoinedExpired } else { Reason::Plain };
                if !other_matched {
                    out.push(joined(&other, &own, reason));
                    self.state.set_matched(id);
                }
                if expired {
                    self.state.remove(id);
                    out.push(Effect::Removed { row: other.row });
                }
                if !std::mem::replace(&mut matched, true) {
                    let reason = if kept { reason } else { Reason::NotKept };
                    out.push(joined(&own, &other, reason));
                }
            } else if expired {
                if !other_matched {
                    self.unmatched((1 - side, null), other, None, own.arrival, out);
                }
                self.state.remove(id);
                out.push(Effect::Removed { row: other.row });
            }
        }
        self.found = found;
        matched
    }

    /// A row leaves without a match, padded if its side is an outer one (rule
    /// B7). `order` is its place among what one advance sets off.
    fn unmatched(
        &self,
        (side, null): (usize, bool),
        row: Ref,
        order: Option<Due>,
        cause: Arrival,
        out: &mut Vec<Effect>,
    ) {
        if self.pads[side] {
            out.push(Effect::Pad { row, due: order, time: row.time });
        }
        let reason = if self.pads[side] { Reason::Padded } else { Reason::Plain };
        let verdict = self.verdict(side, null);
        out.push(Effect::Decided { row: row.row, verdict, reason, cause });
    }

    /// The verdict of a row without a match. One without a key is `unkeyed`
    /// where nothing came of it.
    fn verdict(&self, side: usize, null: bool) -> Verdict {
        if null && !self.pads[side] { Verdict::Unkeyed } else { Verdict::Unmatched }
    }

    /// Rule B5, of one timer.
    fn timer(
        &mut self,
        firing: Firing,
        watermark: i64,
        now: Arrival,
        order: &mut u64,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        let time = watermark.max(0);
        let expired = [1, 0].map(|side| self.cutoff(side, time));
        self.state.look(firing, expired, &mut self.plan);
        let subtask =
            if self.subtasks.len() > 1 { self.keys.subtask(&self.state.key(firing)) } else { 0 };
        for (at, side) in [1, 0].into_iter().enumerate() {
            if !self.plan[at].fires() {
                continue;
            }
            self.subtasks[usize::from(subtask)].assign(side, expired[at]);
            for &id in &self.plan[at].gone {
                let slot = self.state.get(id);
                let row = slot.reference();
                if !slot.matched() {
                    let arrival = u64::from(subtask) << 40 | *order;
                    *order += 1;
                    let due = Due { due: firing.time, arrival, input: row.input };
                    let null = slot.key.is_null();
                    self.unmatched((side, null), row, Some(due), now, out);
                }
                out.push(Effect::Removed { row: row.row });
            }
            for &id in &self.plan[at].lost {
                let slot = self.state.get(id);
                if !slot.matched() {
                    out.push(Effect::Decided {
                        row: slot.row,
                        verdict: Verdict::Unmatched,
                        reason: Reason::Cleared,
                        cause: now,
                    });
                }
                out.push(Effect::Removed { row: slot.row });
            }
        }
        self.state.settle(firing, watermark, &self.plan).map_err(|time| {
            // Rule B12.
            StateError(format!(
                "Flink SQL would never return from this watermark: so near the largest time the arithmetic wraps, the cleanup timer finds its row alive and registers itself again, at {time}, which has passed; keep times further from the largest than the interval and min-cleanup"
            ))
        })
    }
}

impl Operator for FlinkSql {
    fn row(
        &mut self,
        mut row: Row,
        _late_by: Option<i64>,
        watermarks: Watermarks<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        let Some(side) = self.settings.side(row.input) else {
            return Err(self.settings.stranger(row.input));
        };
        let other = 1 - side;
        // Rule B1.
        let now = watermarks.join.max(0);
        let hi = row.time.wrapping_add(self.size[side]);
        let kept = now < hi;
        let own = Ref::from(&row);
        let subtask = usize::from(self.keys.subtask(&row.key));
        if self.subtasks[subtask].expiration[other] < hi {
            let expired = self.cutoff(other, now);
            self.subtasks[subtask].assign(other, expired);
            let mut reach = Reach { lo: row.time.wrapping_sub(self.size[other]), hi, expired };
            if row.key.is_null() {
                // Rule B14: it finds nothing, but clears up.
                (reach.lo, reach.hi) = (1, 0);
            }
            self.found.clear();
            self.state.find(&row.key, self.settings.input(other), reach, &mut self.found);
            row.matched = self.probe(side, own, reach, kept, out);
        }
        // Rule B4.2.
        if kept {
            return self.state.insert(row, self.settings.input(other));
        }
        if !row.matched {
            if self.pads[side] {
                out.push(Effect::Pad { row: own, due: None, time: own.time });
            }
            let reason = if self.pads[side] { Reason::NotKeptPadded } else { Reason::NotKept };
            let (row, verdict) = (row.row, self.verdict(side, row.key.is_null()));
            out.push(Effect::Decided { row, verdict, reason, cause: own.arrival });
        }
        out.push(Effect::Removed { row: own.row });
        Ok(())
    }

    /// Rule A3b: timers by time, then as [`timer_order`] has their keys.
    #[inline]
    fn advance(
        &mut self,
        now: Arrival,
        watermarks: Watermarks<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        let watermark = watermarks.join;
        if !self.state.may_fire(watermark) {
            return Ok(());
        }
        let (mut firing, mut order) = (std::mem::take(&mut self.firing), 0);
        let mut result = Ok(());
        loop {
            self.state.fire(watermark, by_key, &mut firing);
            if firing.is_empty() {
                break;
            }
            for &timer in &firing {
                result = result.and_then(|()| self.timer(timer, watermark, now, &mut order, out));
            }
            if result.is_err() {
                break;
            }
        }
        self.firing = firing;
        result
    }

    /// Rules A7, B2 and B10: the expiration times are those of the start.
    fn restart(&mut self) {
        self.subtasks.fill(Subtask::default());
    }

    fn near(&self, hashes: &[u64]) {
        self.state.near(hashes);
    }

    fn copy_ahead(&mut self, leave: usize) {
        self.state.copy_ahead(leave);
    }

    fn take_changes(&mut self) -> Changes {
        self.state.take_changes()
    }

    fn save(&self) -> Vec<u8> {
        let subtasks = self.subtasks.iter().enumerate();
        let subtasks = subtasks.filter(|(_, subtask)| **subtask != Subtask::default());
        subtasks.flat_map(|(number, subtask)| subtask.save(number as u16)).collect()
    }

    /// Takes what several shards saved, one after another, in any order.
    fn load(&mut self, saved: &[u8]) -> Result<(), StateError> {
        let (subtasks, rest) = saved.as_chunks::<SAVED>();
        for (number, subtask) in subtasks.iter().map(Subtask::load) {
            match self.subtasks.get_mut(usize::from(number)) {
                Some(known) if known.assigned <= subtask.assigned => *known = subtask,
                Some(_) => {}
                None => return Err(damaged()),
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(damaged()) }
    }

    fn restore(&mut self, rows: Vec<Row>) -> Result<(), StateError> {
        for row in rows {
            let Some(side) = self.settings.side(row.input) else {
                return Err(self.settings.stranger(row.input));
            };
            self.state.restore(row, self.settings.input(1 - side))?;
        }
        Ok(())
    }

    fn size(&self) -> (u64, u64) {
        self.state.size()
    }
}

fn by_key(a: &[u8], b: &[u8]) -> Ordering {
    timer_order(a, b)
}
