//! What a run must have put out, given the truth and what it says came late.

use std::collections::HashMap;

use super::claims::Claims;
use super::join::Pair;
use super::rows::Rows;
use crate::operator::pipeline::{Emit, LatePolicy, Pipeline};
use crate::operator::verdict::Verdict;

/// Why a run differs from the truth without being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Because {
    /// The row came behind the event-time watermark and was left out.
    Late { row: u64 },
    /// When `by` came (late, and let in), `row` had left the state or had never
    /// been kept.
    Gone { row: u64, by: u64 },
    /// The run ended before the row's interval did.
    Open { row: u64 },
}

/// One example: a primary row and what is folded into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub primary: u64,
    /// By (event time, arrival, input).
    pub folded: Vec<u64>,
    pub labels: u64,
}

/// What the run must say, and how that differs from the truth.
#[derive(Debug, Default)]
pub struct Expected {
    /// Outputs of the run. Without folding: pairs and pads, each in order.
    pub pairs: Vec<Pair>,
    pub pads: Vec<u64>,
    /// With folding: the last of each primary row, by primary row.
    pub examples: Vec<Example>,
    /// One verdict a row.
    pub verdicts: Vec<Verdict>,
    /// Outputs of the truth.
    pub truth_pairs: u64,
    pub truth_pads: u64,
    pub truth_examples: u64,
    /// In the truth and not in the run: pairs, pads, examples.
    pub missing_pairs: Vec<(Pair, Because)>,
    pub missing_pads: Vec<(u64, Because)>,
    pub missing_examples: Vec<(u64, Because)>,
    /// In the run and not in the truth: a pad whose partners the run did not have.
    pub extra_pads: Vec<(u64, Because)>,
    /// Examples with other labels or folded records than the truth.
    pub changed_examples: Vec<(u64, Because)>,
}

/// What each row comes to, on the way.
#[derive(Clone, Default)]
struct Row {
    /// In a pair of the truth; in one that the run must have.
    in_truth: bool,
    matched: bool,
    /// Of the pairs that the run cannot have, the first reason.
    because: Option<Because>,
    expired: bool,
}

/// Computes what a run must have put out. `truth` is from [`super::pairs`].
#[must_use]
pub fn expect(pipeline: &Pipeline, rows: &Rows, truth: &[Pair], claims: &Claims) -> Expected {
    let rules = Rules::new(pipeline, rows, claims);
    let mut state = vec![Row::default(); rows.len()];
    let mut expected = Expected { truth_pairs: truth.len() as u64, ..Expected::default() };
    for pair in truth {
        let because = rules.pair_is_missing(*pair);
        for (row, other) in [(pair.primary, pair.secondary), (pair.secondary, pair.primary)] {
            let at = &mut state[row as usize];
            at.in_truth = true;
            match because {
                None => at.matched = true,
                Some(because) => {
                    at.because.get_or_insert(because);
                    at.expired |= rules.counts_as_expired(row, other, because);
                }
            }
        }
        match because {
            None => expected.pairs.push(*pair),
            Some(because) => expected.missing_pairs.push((*pair, because)),
        }
    }
    expected.verdicts = (0..rows.len()).map(|row| rules.verdict(row, &state[row])).collect();
    if pipeline.examples.as_ref().is_some_and(|e| e.emit.folds()) {
        rules.examples(truth, &mut expected);
        // Folded pairs are no outputs of their own.
        expected.truth_pairs = 0;
        expected.pairs.clear();
        expected.missing_pairs.clear();
    } else {
        rules.pads(&state, &mut expected);
    }
    expected
}

struct Rules<'a> {
    pipeline: &'a Pipeline,
    rows: &'a Rows,
    claims: &'a Claims,
    /// Added to a row's event time: the largest watermark that keeps it, by input.
    keeps: Vec<i64>,
    /// For a pair with this secondary input: what keeps the primary row for it.
    until: HashMap<u8, i64>,
}

impl<'a> Rules<'a> {
    fn new(pipeline: &'a Pipeline, rows: &'a Rows, claims: &'a Claims) -> Self {
        let join = &pipeline.join;
        let mut keeps = vec![0i64; pipeline.inputs.len()];
        let longest = join.with.iter().map(|with| with.until).max().unwrap_or(0);
        keeps[usize::from(join.primary)] = longest;
        for with in &join.with {
            keeps[usize::from(with.input)] = with.after.saturating_neg();
        }
        let until = join.with.iter().map(|with| (with.input, with.until)).collect();
        Self { pipeline, rows, claims, keeps, until }
    }

    fn watermark(&self, row: usize) -> i64 {
        self.claims.watermark[row]
    }

    /// Dropped or sent aside: behind the watermark, and the policy says so.
    fn late(&self, row: usize) -> bool {
        self.pipeline.join.late != LatePolicy::Join && self.rows.time[row] < self.watermark(row)
    }

    /// The largest watermark that keeps a row.
    fn due(&self, row: usize) -> i64 {
        self.rows.time[row].saturating_add(self.keeps[usize::from(self.rows.input[row])])
    }

    /// Whether the row rested in the state at all.
    fn kept(&self, row: usize) -> bool {
        self.watermark(row) <= self.due(row)
    }

    /// The rules of 3-semantics, nothing that the run says of this pair.
    fn pair_is_missing(&self, pair: Pair) -> Option<Because> {
        let (primary, secondary) = (pair.primary as usize, pair.secondary as usize);
        if self.late(primary) {
            return Some(Because::Late { row: pair.primary });
        }
        if self.late(secondary) {
            return Some(Because::Late { row: pair.secondary });
        }
        // Rows are numbered by (arrival, input): the order in which they came.
        let (first, second) = (pair.primary.min(pair.secondary), pair.primary.max(pair.secondary));
        let last_partner = if first == pair.primary {
            let until = self.until.get(&self.rows.input[secondary]).copied().unwrap_or(0);
            self.rows.time[primary].saturating_add(until)
        } else {
            self.due(secondary)
        };
        let gone = self.watermark(second as usize) > last_partner;
        gone.then_some(Because::Gone { row: first, by: second })
    }

    /// `expired`: what it would have matched was gone, or it was itself not
    /// kept and a later row would have matched.
    fn counts_as_expired(&self, row: u64, other: u64, because: Because) -> bool {
        match because {
            Because::Gone { .. } => row > other || !self.kept(row as usize),
            Because::Late { .. } | Because::Open { .. } => false,
        }
    }

    /// Whether the row's interval had not ended when the run did.
    fn open(&self, row: usize) -> bool {
        match self.claims.end {
            Some(i64::MAX) => false,
            Some(end) => self.kept(row) && end <= self.due(row),
            None => self.claims.open[row],
        }
    }

    fn verdict(&self, row: usize, state: &Row) -> Verdict {
        if self.rows.failed[row] != Verdict::Open {
            self.rows.failed[row]
        } else if self.late(row) {
            Verdict::Late
        } else if state.matched {
            Verdict::Joined
        } else if self.open(row) {
            // It may still match.
            Verdict::Open
        } else if state.expired {
            Verdict::Expired
        } else {
            Verdict::Unmatched
        }
    }

    fn pads(&self, state: &[Row], expected: &mut Expected) {
        let join = &self.pipeline.join;
        for (row, at) in state.iter().enumerate() {
            let pads = if self.rows.input[row] == join.primary {
                join.kind.pads_primary()
            } else {
                join.kind.pads_secondary()
            };
            if !pads || self.rows.failed[row] != Verdict::Open {
                continue;
            }
            let number = row as u64;
            let in_run = !self.late(row) && !at.matched && !self.open(row);
            let in_truth = !at.in_truth;
            expected.truth_pads += u64::from(in_truth);
            if in_run {
                expected.pads.push(number);
            }
            match (in_truth, in_run) {
                (true, false) if self.late(row) => {
                    expected.missing_pads.push((number, Because::Late { row: number }));
                }
                (true, false) => {
                    expected.missing_pads.push((number, Because::Open { row: number }));
                }
                (false, true) => expected.extra_pads.extend(at.because.map(|why| (number, why))),
                _ => {}
            }
        }
    }

    fn examples(&self, truth: &[Pair], expected: &mut Expected) {
        let early =
            self.pipeline.examples.as_ref().is_some_and(|e| e.emit == Emit::EarlyAndCorrect);
        let mut at = 0;
        for row in 0..self.rows.len() {
            let number = row as u64;
            if self.rows.input[row] != self.pipeline.join.primary
                || self.rows.failed[row] != Verdict::Open
            {
                continue;
            }
            while truth.get(at).is_some_and(|pair| pair.primary < number) {
                at += 1;
            }
            expected.truth_examples += 1;
            let mut example =
                Example { primary: number, folded: Vec::new(), labels: self.rows.labels[row] };
            let mut changed = None;
            while let Some(pair) = truth.get(at).filter(|pair| pair.primary == number) {
                at += 1;
                match self.pair_is_missing(*pair) {
                    None => {
                        example.folded.push(pair.secondary);
                        example.labels |= self.rows.labels[pair.secondary as usize];
                    }
                    Some(because) => changed = changed.or(Some(because)),
                }
            }
            if self.late(row) {
                expected.missing_examples.push((number, Because::Late { row: number }));
            } else if !early && self.open(row) {
                expected.missing_examples.push((number, Because::Open { row: number }));
            } else {
                example.folded.sort_unstable_by_key(|folded| {
                    let folded = *folded as usize;
                    (self.rows.time[folded], self.rows.arrival[folded], self.rows.input[folded])
                });
                expected.changed_examples.extend(changed.map(|why| (number, why)));
                expected.examples.push(example);
            }
        }
    }
}
