//! A run's outputs and verdicts beside those that it must have.

use super::claims::{Claimed, ClaimedOutput, Claims};
use super::error::TruthError;
use super::expect::{Because, Example, Expected, expect};
use super::join::{Pair, pairs};
use super::report::{Difference, Kind, Reconciliation};
use super::rows::Rows;
use crate::operator::pipeline::{Emit, OutputTime, Pipeline};

/// Holds a run against the truth.
///
/// # Errors
/// The run was not made of these rows.
pub fn reconcile(
    pipeline: &Pipeline,
    rows: &Rows,
    claims: &Claims,
) -> Result<Reconciliation, TruthError> {
    claims.belongs_to(rows)?;
    let truth = pairs(pipeline, rows);
    let expected = expect(pipeline, rows, &truth, claims);
    let report = Reconciliation {
        truth: expected.truth_pairs + expected.truth_pads + expected.truth_examples,
        ..Reconciliation::default()
    };
    let mut desk = Desk { pipeline, rows, claims, report };
    let early = pipeline.examples.as_ref().is_some_and(|e| e.emit == Emit::EarlyAndCorrect);
    desk.explained(&expected);
    let [claimed_pairs, claimed_pads, claimed_examples] = split(&claims.outputs);
    desk.report.run = (claimed_pairs.len() + claimed_pads.len()) as u64;
    desk.pairs(&expected, claimed_pairs);
    desk.pads(&expected, claimed_pads);
    desk.examples(&expected, claimed_examples, early);
    desk.verdicts(&expected);
    // What is in both, less what is there with other labels.
    let changed = expected.changed_examples.len() as u64;
    desk.report.same = desk.report.same.saturating_sub(expected.extra_pads.len() as u64 + changed);
    Ok(desk.report.finish())
}

fn split(outputs: &[ClaimedOutput]) -> [Vec<&ClaimedOutput>; 3] {
    let mut all: [Vec<&ClaimedOutput>; 3] = Default::default();
    for output in outputs {
        all[output.kind as usize].push(output);
    }
    for list in &mut all {
        list.sort_unstable();
    }
    all
}

struct Desk<'a> {
    pipeline: &'a Pipeline,
    rows: &'a Rows,
    claims: &'a Claims,
    report: Reconciliation,
}

impl Desk<'_> {
    fn add(&mut self, kind: Kind, rows: &[u64], because: Option<Because>, text: String) {
        let output = self.names(rows);
        self.report.add(Difference { kind, output, rows: rows.to_vec(), because, text });
    }

    /// `views[0]@3+engagements[1]@9`; a row that does not exist by its number.
    fn names(&self, rows: &[u64]) -> String {
        let names: Vec<String> = rows.iter().map(|row| self.name(*row)).collect();
        names.join("+")
    }

    fn name(&self, row: u64) -> String {
        match usize::try_from(row) {
            Ok(at) if at < self.rows.len() => self.rows.name(at).to_string(),
            _ => format!("row {row}"),
        }
    }

    fn why(&self, because: Because) -> String {
        match because {
            Because::Late { row } => {
                let at = row as usize;
                let by = self.claims.watermark[at].saturating_sub(self.rows.time[at]);
                format!(
                    "{} was late by {}",
                    self.name(row),
                    crate::operator::time::format_duration(by)
                )
            }
            Because::Gone { row, by } => {
                format!("{} had left the state when {} came late", self.name(row), self.name(by))
            }
            Because::Open { row } => {
                format!("the run ended before the interval of {} did", self.name(row))
            }
        }
    }

    /// Differences from the truth that the run's verdicts name.
    fn explained(&mut self, expected: &Expected) {
        for (pair, because) in &expected.missing_pairs {
            let rows = self.in_order(*pair);
            self.add(Kind::Missing, &rows, Some(*because), self.why(*because));
        }
        for (list, kind) in [
            (&expected.missing_pads, Kind::Missing),
            (&expected.missing_examples, Kind::Missing),
            (&expected.extra_pads, Kind::Extra),
            (&expected.changed_examples, Kind::Changed),
        ] {
            for (row, because) in list {
                self.add(kind, &[*row], Some(*because), self.why(*because));
            }
        }
    }

    /// Both rows in pipeline order.
    fn in_order(&self, pair: Pair) -> [u64; 2] {
        let input = |row: u64| self.rows.input[row as usize];
        if input(pair.primary) <= input(pair.secondary) {
            [pair.primary, pair.secondary]
        } else {
            [pair.secondary, pair.primary]
        }
    }

    fn pairs(&mut self, expected: &Expected, claimed: Vec<&ClaimedOutput>) {
        let mut want: Vec<[u64; 2]> =
            expected.pairs.iter().map(|pair| self.in_order(*pair)).collect();
        want.sort_unstable();
        let primary = self.pipeline.join.primary;
        let mut last = None;
        for output in claimed {
            let known = <[u64; 2]>::try_from(&output.rows[..])
                .ok()
                .filter(|rows| want.binary_search(rows).is_ok());
            match known {
                None => self.extra(output, "no such pair follows from the recording"),
                Some(rows) if last == Some(rows) => {
                    self.add(Kind::Duplicate, &rows, None, "put out more than once".to_owned());
                }
                Some(rows) => {
                    last = Some(rows);
                    self.report.same += 1;
                    let [a, b] = rows.map(|row| self.rows.time[row as usize]);
                    let of_primary =
                        if self.rows.input[rows[0] as usize] == primary { a } else { b };
                    self.time(
                        output,
                        match self.pipeline.join.output_time {
                            OutputTime::Larger => a.max(b),
                            OutputTime::Primary => of_primary,
                        },
                    );
                }
            }
        }
        self.not_put_out(&want, Claimed::Pair);
    }

    /// What must be there and is not.
    fn not_put_out<R: AsRef<[u64]>>(&mut self, want: &[R], kind: Claimed) {
        let mut have: Vec<&[u64]> = self
            .claims
            .outputs
            .iter()
            .filter(|output| output.kind == kind)
            .map(|output| match kind {
                Claimed::Pair | Claimed::Pad => &output.rows[..],
                Claimed::Example => &output.rows[..output.rows.len().min(1)],
            })
            .collect();
        have.sort_unstable();
        for rows in want {
            let rows = rows.as_ref();
            if have.binary_search(&rows).is_err() {
                let text = "it follows from the recording, and no verdict says why it is not there";
                self.add(Kind::Missing, rows, None, text.to_owned());
            }
        }
    }

    fn extra(&mut self, output: &ClaimedOutput, text: &str) {
        self.add(Kind::Extra, &output.rows, None, text.to_owned());
    }

    fn time(&mut self, output: &ClaimedOutput, expected: i64) {
        if output.time != expected {
            let text = format!("its event time is {} ms and must be {expected} ms", output.time);
            self.add(Kind::Time, &output.rows, None, text);
        }
    }

    fn pads(&mut self, expected: &Expected, claimed: Vec<&ClaimedOutput>) {
        let mut last = None;
        for output in claimed {
            let known = match output.rows[..] {
                [row] if expected.pads.binary_search(&row).is_ok() => Some(row),
                _ => None,
            };
            match known {
                None => {
                    self.extra(output, "the row has a match, is still open, or is never padded");
                }
                Some(row) if last == Some(row) => {
                    self.add(Kind::Duplicate, &[row], None, "padded more than once".to_owned());
                }
                Some(row) => {
                    last = Some(row);
                    self.report.same += 1;
                    self.time(output, self.rows.time[row as usize]);
                }
            }
        }
        let want: Vec<[u64; 1]> = expected.pads.iter().map(|row| [*row]).collect();
        self.not_put_out(&want, Claimed::Pad);
    }

    fn examples(&mut self, expected: &Expected, claimed: Vec<&ClaimedOutput>, early: bool) {
        // Of one primary row: first by correction.
        let mut claimed: Vec<&ClaimedOutput> = claimed;
        claimed.sort_by_key(|output| (output.rows.first().copied(), output.correction));
        for of_one in claimed.chunk_by(|a, b| a.rows.first() == b.rows.first()) {
            self.report.run += 1;
            let (Some(last), Some(primary)) = (of_one.last(), of_one[0].rows.first()) else {
                continue;
            };
            let found = expected.examples.binary_search_by_key(primary, |e| e.primary);
            match found {
                Err(_) => self.extra(last, "the row is late, still open, or no primary row"),
                Ok(at) => {
                    self.report.same += 1;
                    self.corrections(of_one, early);
                    self.example(last, &expected.examples[at], early);
                }
            }
        }
        let want: Vec<[u64; 1]> = expected.examples.iter().map(|e| [e.primary]).collect();
        self.not_put_out(&want, Claimed::Example);
    }

    /// The first, then corrections 1, 2, …, each of which adds a label.
    fn corrections(&mut self, of_one: &[&ClaimedOutput], early: bool) {
        let follows = of_one.windows(2).all(|pair| {
            pair[1].correction == pair[0].correction + 1
                && pair[0].labels & !pair[1].labels == 0
                && pair[0].labels != pair[1].labels
        });
        let once = early || of_one.len() == 1;
        if !follows || !once || of_one[0].correction != 0 {
            let text = format!(
                "{} examples with corrections {:?} and labels {:x?}",
                of_one.len(),
                of_one.iter().map(|o| o.correction).collect::<Vec<_>>(),
                of_one.iter().map(|o| o.labels).collect::<Vec<_>>(),
            );
            self.add(Kind::Corrections, &of_one[0].rows, None, text);
        }
    }

    fn example(&mut self, output: &ClaimedOutput, expected: &Example, early: bool) {
        self.time(output, self.rows.time[expected.primary as usize]);
        if output.labels != expected.labels {
            let text = format!("labels are {:b} and must be {:b}", output.labels, expected.labels);
            self.add(Kind::Changed, &output.rows, None, text);
        }
        let folded = &output.rows[1..];
        // A later record that changes no label is folded without a correction.
        let right = if early {
            let mut wanted = expected.folded.iter();
            folded.iter().all(|row| wanted.any(|known| known == row))
        } else {
            folded == expected.folded
        };
        if !right {
            let text = format!(
                "folded are {} and must be {}",
                self.names(folded),
                self.names(&expected.folded)
            );
            self.add(Kind::Changed, &output.rows, None, text);
        }
    }

    fn verdicts(&mut self, expected: &Expected) {
        for (row, want) in expected.verdicts.iter().enumerate() {
            let claimed = self.claims.verdict[row];
            if claimed != *want {
                let text = format!("its verdict is {claimed} and must be {want}");
                self.add(Kind::Verdict, &[row as u64], None, text);
            }
        }
    }
}
