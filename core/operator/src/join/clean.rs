//! `clean`: the interval join of 3-semantics.
//!
//! One primary input and any number of secondary ones. For secondary `i`,
//! `l + lower_i <= r <= l + upper_i` makes a pair; the join is the union of
//! these pair joins, never their product. With `W` the join's event-time
//! watermark:
//! - a secondary row leaves when `W > r - lower_i`;
//! - a primary row no longer matches secondary `i` when `W > l + upper_i`, and
//!   leaves, closed, when `W` has passed the largest upper;
//! - whether a row has gone is decided by these rules alone, whatever the
//!   storage still holds.

use super::{Effect, Operator, Reason, Ref, Watermarks};
use crate::pipeline::{Emit, InputIndex, Kind, OutputTime, Pipeline};
use crate::record::Arrival;
use crate::state::memory::{Memory, gone};
use crate::state::tiers::{Leaving, Place, Tiers};
use crate::state::{Changes, Cold, Due, Folded, Row, StateError};
use crate::verdict::Verdict;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

/// An interval to one secondary input.
#[derive(Clone, Copy, Debug)]
struct Interval {
    input: InputIndex,
    lower: i64,
    upper: i64,
}

/// What is put out for a primary row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folding {
    /// One output a pair.
    None,
    /// One example, when it is closed.
    OnClose,
    /// One example at once, and corrections.
    Early,
}

/// The `clean` join over the rows of one shard.
pub struct Clean {
    primary: InputIndex,
    /// By input.
    intervals: Vec<Interval>,
    kind: Kind,
    folding: Folding,
    output_time: OutputTime,
    state: Tiers,
    matches: Vec<Place>,
}

impl Clean {
    /// A join without rows. Above `memory_budget` bytes rows go to `cold`; if
    /// there is none they stay.
    #[must_use]
    pub fn new(pipeline: &Pipeline, memory_budget: u64, cold: Option<Box<dyn Cold>>) -> Self {
        let join = &pipeline.join;
        let mut intervals: Vec<Interval> = join
            .with
            .iter()
            .filter(|with| with.input != join.primary)
            .map(|with| Interval { input: with.input, lower: with.after, upper: with.until })
            .collect();
        intervals.sort_by_key(|interval| interval.input);
        let inputs = pipeline.inputs.len().max(join.primary as usize + 1);
        let shifts = join.shifts(inputs);
        let disorder = pipeline.inputs.iter().map(|i| i.watermark.max_out_of_orderness).max();
        let span = shifts.iter().map(|shift| shift.saturating_abs()).max().unwrap_or(0);
        let memory = Memory::new(shifts, span.saturating_add(disorder.unwrap_or(0)));
        Self {
            primary: join.primary,
            intervals,
            kind: join.kind,
            folding: match pipeline.examples.as_ref().map(|examples| examples.emit) {
                None | Some(Emit::OnMatch) => Folding::None,
                Some(Emit::OnClose) => Folding::OnClose,
                Some(Emit::EarlyAndCorrect) => Folding::Early,
            },
            output_time: join.output_time,
            state: Tiers::new(memory, usize::try_from(memory_budget).unwrap_or(usize::MAX), cold),
            matches: Vec::new(),
        }
    }

    fn pair_time(&self, primary: i64, secondary: i64) -> i64 {
        match self.output_time {
            OutputTime::Larger => primary.max(secondary),
            OutputTime::Primary => primary,
        }
    }

    /// The primary rows that a secondary row matches, in its interval and
    /// not gone for this secondary.
    fn find_primary(&mut self, row: &Row, at: Interval, watermark: i64) -> Result<(), StateError> {
        let lo = row.time.max(watermark).saturating_sub(at.upper);
        let hi = row.time.saturating_sub(at.lower);
        let range = std::iter::once((self.primary, lo, hi));
        self.state.find(&row.key, range, &mut self.matches)
    }

    /// The secondary rows that a primary row matches, in their intervals and
    /// not gone.
    fn find_secondaries(&mut self, row: &Row, watermark: i64) -> Result<(), StateError> {
        let time = row.time;
        let ranges = self.intervals.iter().map(move |at| {
            let lo = time.max(watermark).saturating_add(at.lower);
            (at.input, lo, time.saturating_add(at.upper))
        });
        self.state.find(&row.key, ranges, &mut self.matches)
    }

    fn secondary_row(
        &mut self,
        mut row: Row,
        due: Due,
        watermark: i64,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        let own = Ref::from(&row);
        let kept = !gone(due.due, watermark);
        let matches = std::mem::take(&mut self.matches);
        for &place in &matches {
            let folded = (self.folding != Folding::None).then(|| fold(own, row.labels));
            let other = self.state.join(place, folded)?;
            match self.folding {
                Folding::None => out.push(Effect::Pair {
                    primary: other.row,
                    secondary: own,
                    time: self.pair_time(other.row.time, own.time),
                }),
                Folding::Early if row.labels & !other.labels != 0 => {
                    let (correction, folded) = self.state.correct(place)?;
                    let labels = other.labels | row.labels;
                    out.push(example(other.row, folded, labels, correction, None));
                }
                Folding::Early | Folding::OnClose => {}
            }
            settle_pair(&other.row, other.first, own, &mut row.matched, kept, out);
        }
        self.matches = matches;
        if !kept && !row.matched {
            let padded = self.kind.pads_secondary();
            if padded {
                out.push(Effect::Pad { row: own, due: Some(due), time: own.time });
            }
            out.push(not_kept(own, padded));
        }
        self.rest(row, kept, out)
    }

    fn primary_row(
        &mut self,
        mut row: Row,
        due: Due,
        watermark: i64,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        let own = Ref::from(&row);
        let kept = !gone(due.due, watermark);
        let matches = std::mem::take(&mut self.matches);
        let verdicts = out.len();
        for &place in &matches {
            let other = self.state.join(place, None)?;
            if self.folding == Folding::None {
                out.push(Effect::Pair {
                    primary: own,
                    secondary: other.row,
                    time: self.pair_time(own.time, other.row.time),
                });
            } else {
                row.labels |= other.labels;
                row.folded.push(fold(other.row, other.labels));
            }
            settle_pair(&other.row, other.first, own, &mut row.matched, kept, out);
        }
        self.matches = matches;
        let at_once = match self.folding {
            Folding::None => None,
            Folding::OnClose if kept => None,
            Folding::OnClose => Some(Some(due.due)),
            Folding::Early => Some(None),
        };
        if let Some(closed) = at_once {
            let folded = if kept { row.folded.clone() } else { std::mem::take(&mut row.folded) };
            // Before the verdicts that it makes fall.
            out.insert(verdicts, example(own, folded, row.labels, 0, closed));
        }
        if !kept && !row.matched {
            let padded = self.kind.pads_primary();
            if padded && self.folding == Folding::None {
                out.push(Effect::Pad { row: own, due: Some(due), time: own.time });
            }
            out.push(not_kept(own, padded));
        }
        self.rest(row, kept, out)
    }

    fn rest(&mut self, row: Row, kept: bool, out: &mut Vec<Effect>) -> Result<(), StateError> {
        if kept {
            self.state.insert(row)
        } else {
            out.push(Effect::Removed { row: row.row });
            Ok(())
        }
    }
}

impl Operator for Clean {
    fn row(
        &mut self,
        row: Row,
        _late_by: Option<i64>,
        watermarks: Watermarks<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        let watermark = watermarks.join;
        let due = self.state.due(&row);
        self.matches.clear();
        if row.input == self.primary {
            self.find_secondaries(&row, watermark)?;
            return self.primary_row(row, due, watermark, out);
        }
        let Some(&at) = self.intervals.iter().find(|at| at.input == row.input) else {
            return Err(StateError(format!(
                "a row of input {}, which the join does not name: name it under join.with",
                row.input
            )));
        };
        self.find_primary(&row, at, watermark)?;
        self.secondary_row(row, due, watermark, out)
    }

    #[inline]
    fn advance(
        &mut self,
        now: Arrival,
        watermarks: Watermarks<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        if !self.state.may_be_due(watermarks.join) {
            return Ok(());
        }
        let closing = Closing { primary: self.primary, kind: self.kind, folding: self.folding };
        self.state.leave(watermarks.join, |leaving| closing.close(leaving, now, out))
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

/// What becomes of a row whose last interval has passed.
#[derive(Clone, Copy)]
struct Closing {
    primary: InputIndex,
    kind: Kind,
    folding: Folding,
}

impl Closing {
    fn close(self, leaving: Leaving, now: Arrival, out: &mut Vec<Effect>) {
        let Leaving { due, row, labels, matched, folded } = leaving;
        let primary = row.input == self.primary;
        let pads = if primary { self.kind.pads_primary() } else { self.kind.pads_secondary() };
        let padded = pads && !matched;
        if primary && self.folding != Folding::None {
            if self.folding == Folding::OnClose {
                out.push(example(row, folded, labels, 0, Some(due.due)));
            }
        } else if padded {
            out.push(Effect::Pad { row, due: Some(due), time: row.time });
        }
        if !matched {
            out.push(Effect::Decided {
                row: row.row,
                verdict: Verdict::Unmatched,
                reason: if padded { Reason::Padded } else { Reason::Plain },
                cause: now,
            });
        }
        out.push(Effect::Removed { row: row.row });
    }
}

/// The verdicts that a pair makes fall.
fn settle_pair(
    other: &Ref,
    first_of_other: bool,
    own: Ref,
    own_matched: &mut bool,
    own_kept: bool,
    out: &mut Vec<Effect>,
) {
    if first_of_other {
        out.push(Effect::Decided {
            row: other.row,
            verdict: Verdict::Joined,
            reason: Reason::Plain,
            cause: own.arrival,
        });
    }
    if !std::mem::replace(own_matched, true) {
        out.push(Effect::Decided {
            row: own.row,
            verdict: Verdict::Joined,
            reason: if own_kept { Reason::Plain } else { Reason::NotKept },
            cause: other.arrival,
        });
    }
}

/// The verdict of a row that is not kept and found nothing.
fn not_kept(row: Ref, padded: bool) -> Effect {
    Effect::Decided {
        row: row.row,
        verdict: Verdict::Unmatched,
        reason: if padded { Reason::NotKeptPadded } else { Reason::NotKept },
        cause: row.arrival,
    }
}

fn fold(row: Ref, labels: u64) -> Folded {
    Folded {
        input: row.input,
        time: row.time,
        arrival: row.arrival,
        row: row.row,
        partition: row.partition,
        offset: row.offset,
        labels,
    }
}

fn example(
    primary: Ref,
    mut folded: Vec<Folded>,
    labels: u64,
    correction: u32,
    due: Option<i64>,
) -> Effect {
    folded.sort_unstable_by_key(|f| (f.time, f.arrival, f.input));
    Effect::Example { primary, folded, labels, correction, due, time: primary.time }
}
