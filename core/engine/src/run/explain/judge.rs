//! The rules of the join over two rows of the store: which side each is, how
//! far apart they are, whether they made a pair and if not, why.

use std::collections::HashSet;
use std::sync::Arc;

use crate::operator::pipeline::{InputIndex, Pipeline, Secondary, Semantics};
use crate::operator::verdict::Verdict;
use crate::run::Run;
use crate::run::error::Result;
use crate::run::types::RowView;

/// Pairs of one row that are read; no more candidates are looked at.
const PARTNERS: usize = 50_000;

/// The pipeline's rules.
pub(super) struct Judge {
    pipeline: Arc<Pipeline>,
    /// Under a released semantics: the rows that the row asked about made pairs
    /// with. What those engines still find is theirs to say, not our rules'.
    partners: Option<HashSet<u64>>,
}

/// How a candidate's time lies to the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lies {
    Within,
    /// So many ms before its beginning.
    Before(i64),
    /// So many ms after its end.
    After(i64),
}

/// What became of two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They made a pair.
    Matched,
    Outside(Lies),
    /// In the interval, but the row asked about was late: in time it would have
    /// matched.
    OwnLate,
    /// In the interval, but the candidate was late by so many ms; so may the row asked
    /// about have been, and in time it would not have found it.
    OtherLate(i64),
    /// In the interval, but the earlier of them had left the state, or was
    /// never kept, when the later came: so many ms of event time before.
    Gone(i64),
    /// In the interval, but the engine did not find the earlier of them when
    /// the later came (released semantics).
    NotFound,
    /// The keys are not equal.
    OtherKey,
}

/// A secondary and its primary, in time.
pub(super) struct Pair<'r> {
    pub interval: Secondary,
    pub primary: &'r RowView,
    pub secondary: &'r RowView,
}

impl Judge {
    pub fn new(run: &Run) -> Self {
        Self { pipeline: Arc::clone(run.pipeline()), partners: None }
    }

    /// For one row: under a released semantics its pairs are read.
    pub fn of_row(run: &Run, row: u64) -> Result<Self> {
        let mut judge = Self::new(run);
        if judge.semantics() != Semantics::Clean {
            let numbers = run.output_numbers_of(row, 0, PARTNERS)?;
            let mut partners = HashSet::new();
            for run_of in numbers.chunk_by(|a, b| a + 1 == *b) {
                let first = run_of.first().copied().unwrap_or(0);
                for output in run.output_page(first, run_of.len())? {
                    partners.extend(output.rows.into_iter().filter(|other| *other != row));
                }
            }
            judge.partners = Some(partners);
        }
        Ok(judge)
    }

    pub fn semantics(&self) -> Semantics {
        self.pipeline.join.semantics
    }

    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub fn input_name(&self, input: InputIndex) -> &str {
        self.pipeline.inputs.get(usize::from(input)).map_or("?", |i| &i.name)
    }

    pub fn is_primary(&self, input: InputIndex) -> bool {
        self.pipeline.join.primary == input
    }

    /// Whether rows of these inputs can match.
    pub fn faces(&self, a: InputIndex, b: InputIndex) -> bool {
        a != b && (self.is_primary(a) || self.is_primary(b))
    }

    /// Names of the inputs on the other side, for "no view with this key".
    pub fn other_side(&self, input: InputIndex) -> String {
        if !self.is_primary(input) {
            return self.input_name(self.pipeline.join.primary).to_owned();
        }
        let names: Vec<&str> =
            self.pipeline.join.with.iter().map(|w| self.input_name(w.input)).collect();
        names.join(" or ")
    }

    pub fn pair<'r>(&self, a: &'r RowView, b: &'r RowView) -> Option<Pair<'r>> {
        let (primary, secondary) = if self.is_primary(a.input) { (a, b) } else { (b, a) };
        let interval = *self.pipeline.secondary(secondary.input)?;
        (primary.input == self.pipeline.join.primary).then_some(Pair {
            interval,
            primary,
            secondary,
        })
    }

    pub fn lies(&self, a: &RowView, b: &RowView) -> Option<Lies> {
        let Pair { interval, primary, secondary } = self.pair(a, b)?;
        let apart = secondary.event_time?.checked_sub(primary.event_time?)?;
        Some(if apart < interval.after {
            Lies::Before(interval.after.saturating_sub(apart))
        } else if apart > interval.until {
            Lies::After(apart.saturating_sub(interval.until))
        } else {
            Lies::Within
        })
    }

    /// How far on a partner of a row at `time` may lie, ms.
    pub fn matched_until(&self, input: InputIndex, time: i64) -> i64 {
        let reach = match self.pipeline.secondary(input) {
            Some(with) => with.after.saturating_neg(),
            None => self.pipeline.largest_until(),
        };
        time.saturating_add(reach)
    }

    /// How far from a row's own time its partners lie at most, ms.
    pub fn reach(&self, input: InputIndex) -> u64 {
        let with = &self.pipeline.join.with;
        let own = with.iter().filter(|w| self.is_primary(input) || w.input == input);
        own.map(|w| w.after.unsigned_abs().max(w.until.unsigned_abs())).max().unwrap_or(0)
    }

    /// Until when an open row could be matched, if the event-time watermark, which
    /// stood at `stood` at the end, is past that: Flink SQL has one timer a key and
    /// side (12-released-joins, B4.2), which goes by the row that came first, not by
    /// the oldest, and waits for `min_cleanup` more.
    pub fn overstays(&self, row: &RowView, stood: Option<i64>) -> Option<i64> {
        let until = self.matched_until(row.input, row.event_time?);
        (self.semantics() == Semantics::FlinkSql && stood? > until).then_some(until)
    }

    /// Whether one row was handed to the join before another.
    pub fn came_first(row: &RowView, other: &RowView) -> bool {
        (row.arrival, row.input) <= (other.arrival, other.input)
    }

    /// Whether a row was handed to the join.
    pub fn taken(row: &RowView) -> bool {
        row.verdict.reaches_join()
    }

    /// The event-time watermark that still lets two rows within the interval
    /// match, and the later of them: at its arrival the earlier must not be
    /// gone (3-semantics, `clean`).
    pub fn meets<'r>(&self, a: &'r RowView, b: &'r RowView) -> Option<(i64, &'r RowView)> {
        let Pair { interval, primary, secondary } = self.pair(a, b)?;
        let (earlier, later) = if Self::came_first(a, b) { (a, b) } else { (b, a) };
        let bound = if earlier.row == primary.row {
            primary.event_time?.saturating_add(interval.until)
        } else {
            secondary.event_time?.saturating_sub(interval.after)
        };
        Some((bound, later))
    }

    /// Whether of two late rows the other is in time wherever the row asked about is:
    /// it came no later, when the event-time watermark had come no further, and is no
    /// older. Only in `clean` does that never go back.
    fn goes_along(&self, own: &RowView, other: &RowView) -> bool {
        let clean = self.semantics() == Semantics::Clean;
        let came = other.arrival == own.arrival || clean && other.arrival < own.arrival;
        came && other.event_time >= own.event_time
    }

    /// What became of the row asked about and another.
    pub fn fate(&self, own: &RowView, other: &RowView) -> Option<Fate> {
        if own.key != other.key {
            return Some(Fate::OtherKey);
        }
        match self.lies(own, other)? {
            Lies::Within => {}
            outside => return Some(Fate::Outside(outside)),
        }
        let own_late = own.verdict == Verdict::Late;
        // What was dropped itself is not met by a row that comes in time.
        if other.verdict == Verdict::Late && !(own_late && self.goes_along(own, other)) {
            return Some(Fate::OtherLate(other.late_by.unwrap_or(0)));
        }
        if own_late {
            return Some(Fate::OwnLate);
        }
        if let Some(partners) = &self.partners {
            let found = partners.contains(&other.row);
            return Some(if found { Fate::Matched } else { Fate::NotFound });
        }
        let (bound, later) = self.meets(own, other)?;
        let past = later.watermark.map_or(0, |w| w.saturating_sub(bound));
        Some(if past > 0 { Fate::Gone(past) } else { Fate::Matched })
    }
}
