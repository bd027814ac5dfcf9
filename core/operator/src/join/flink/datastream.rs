//! `flink-datastream`: `IntervalJoinOperator` of Flink 2.3.0, in rules C1 to
//! C10 of 12-released-joins. Inner only.
//!
//! A row's timer (rule C5) removes the whole list of its time (rule C6). Rows
//! of one list have one timer time, so that each leaves with the first advance
//! that reaches it, wherever it was registered (rule C7): a due time of its
//! own says the same. Rows may therefore rest in the tier below memory.

use super::{Settings, joined};
use crate::join::{Effect, Operator, Reason, Ref, Watermarks};
use crate::record::Arrival;
use crate::state::memory::Memory;
use crate::state::tiers::{Place, Tiers};
use crate::state::{Changes, Cold, Row, StateError};
use crate::verdict::Verdict;

/// The `flink-datastream` join over the rows of one shard, left rows being
/// those of the primary input.
pub struct FlinkDataStream {
    settings: Settings,
    state: Tiers,
    matches: Vec<Place>,
}

impl FlinkDataStream {
    /// A join without rows. Above `memory_budget` bytes rows go to `cold`; if
    /// there is none they stay.
    #[must_use]
    pub fn new(settings: Settings, memory_budget: u64, cold: Option<Box<dyn Cold>>) -> Self {
        let [left, right] = Self::timers(&settings);
        let span = left.max(right).saturating_add(settings.disorder);
        let memory = Memory::of_flink(settings.shifts(left, right), span);
        let budget = usize::try_from(memory_budget).unwrap_or(usize::MAX);
        Self { settings, state: Tiers::new(memory, budget, cold), matches: Vec::new() }
    }

    /// Rule C5: how long after a row's own time its timer is, by side.
    #[must_use]
    pub fn timers(settings: &Settings) -> [i64; 2] {
        [settings.upper.max(0), settings.lower.wrapping_neg().max(0)]
    }
}

impl Operator for FlinkDataStream {
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
        let own = Ref::from(&row);
        // Rule C1, before the others: the job would fail (`setCurrentKey`). Rule
        // C3; the side output is the engine's.
        let left_out = if row.key.is_null() {
            Some(Verdict::Unkeyed)
        } else {
            (row.time < watermarks.join).then_some(Verdict::Late)
        };
        if let Some(verdict) = left_out {
            let row = row.row;
            out.push(Effect::Decided { row, verdict, reason: Reason::Plain, cause: own.arrival });
            out.push(Effect::Removed { row });
            return Ok(());
        }
        let Settings { lower, upper, .. } = self.settings;
        let (lower, upper) =
            if side == 0 { (lower, upper) } else { (upper.wrapping_neg(), lower.wrapping_neg()) };
        let (lo, hi) = (row.time.wrapping_add(lower), row.time.wrapping_add(upper));
        let input = self.settings.input(1 - side);
        let mut matches = std::mem::take(&mut self.matches);
        matches.clear();
        self.state.find(&row.key, std::iter::once((input, lo, hi)), &mut matches)?;
        if lo < 0 && hi >= 0 {
            // Rule E1: times below 0 come last.
            let negative = matches.partition_point(|&place| self.state.time(place) < 0);
            matches.rotate_left(negative);
        }
        // Rule C4.
        for &place in &matches {
            let other = self.state.join(place, None)?;
            out.push(self.settings.pair(side, own, other.row));
            if other.first {
                out.push(joined(&other.row, &own, Reason::Plain));
            }
            if !std::mem::replace(&mut row.matched, true) {
                out.push(joined(&own, &other.row, Reason::Plain));
            }
        }
        self.matches = matches;
        self.state.insert(row)
    }

    /// Rules A3b and C6: nothing is put out.
    #[inline]
    fn advance(
        &mut self,
        now: Arrival,
        watermarks: Watermarks<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        if !self.state.may_be_due(watermarks.join) {
            self.state.passes(watermarks.join);
            return Ok(());
        }
        self.state.leave(watermarks.join, |leaving| {
            if !leaving.matched {
                out.push(Effect::Decided {
                    row: leaving.row.row,
                    verdict: Verdict::Unmatched,
                    reason: Reason::Plain,
                    cause: now,
                });
            }
            out.push(Effect::Removed { row: leaving.row.row });
        })
    }

    /// Rules A7 and C9: it has nothing of its own to forget but the watermark,
    /// which who feeds it begins anew. So rows come that are due below what has
    /// passed: the tier below takes none of those, and there must be none.
    fn restart(&mut self) {}

    fn near(&self, hashes: &[u64]) {
        self.state.near(hashes);
    }

    fn copy_ahead(&mut self, leave: usize) {
        self.state.copy_ahead(leave);
    }

    fn take_changes(&mut self) -> Changes {
        self.state.take_changes()
    }

    fn passed(&mut self, watermark: i64) {
        self.state.passes(watermark);
    }

    fn restore(&mut self, rows: Vec<Row>) -> Result<(), StateError> {
        rows.into_iter().try_for_each(|row| self.state.restore(row))
    }

    fn size(&self) -> (u64, u64) {
        self.state.size()
    }

    fn cold_rows(&self) -> u64 {
        self.state.cold_rows()
    }
}
