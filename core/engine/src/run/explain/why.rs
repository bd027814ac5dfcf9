//! Why a row has its verdict, in a few words for a table.

use std::collections::HashMap;
use std::sync::Arc;

use super::candidates::{self, Candidate};
use super::goes_on;
use super::judge::{Fate, Judge, Lies};
use super::released;
use crate::operator::codec::InputDecoder;
use crate::operator::pipeline::{Emit, Semantics};
use crate::operator::record::Arrival;
use crate::operator::time::format_duration;
use crate::operator::verdict::Verdict;
use crate::run::Run;
use crate::run::error::Result;
use crate::run::types::RowView;

/// Where only the record itself could say why.
pub const NOT_AT_HAND: &str = "the recording is not at hand to say why";

/// Why one row has its verdict; for many rows use [`Whys`].
///
/// # Errors
/// The store cannot be read.
pub fn why(run: &Run, row: &RowView) -> Result<String> {
    Whys::new(run).of(row)
}

/// Answers for many rows of one run: decoders are made once.
pub struct Whys {
    run: Run,
    judge: Judge,
    decoders: HashMap<u8, Option<InputDecoder>>,
    /// The join's event-time watermark after so many arrivals: the last that were asked
    /// for.
    stood: (Arrival, Option<i64>),
}

impl Whys {
    #[must_use]
    pub fn new(run: &Run) -> Self {
        let judge = Judge::new(run);
        Self { run: run.clone(), judge, decoders: HashMap::new(), stood: (0, None) }
    }

    /// Why the row has its verdict.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn of(&mut self, row: &RowView) -> Result<String> {
        Ok(match row.verdict {
            Verdict::Joined => {
                let outputs = match row.outputs {
                    // A correction is put out for what changes a label alone.
                    0 if self.corrects() => "matched; it changed no label".to_owned(),
                    0 => "matched; its example is still open".to_owned(),
                    1 => "1 output".to_owned(),
                    n => format!("{n} outputs"),
                };
                self.with_reason(row, outputs)
            }
            Verdict::Open => self.open(row)?.to_owned(),
            Verdict::Tombstone => "its value is null".to_owned(),
            Verdict::Late | Verdict::Unmatched | Verdict::Expired => {
                let nearest = if self.judge.semantics() == Semantics::Clean {
                    let found = candidates::of(&self.run, &self.judge, row, 1)?.candidates;
                    self.nearest(row, found.first())
                } else {
                    // What a released engine found is its own to say.
                    let judge = Judge::of_row(&self.run, row.row)?;
                    let found = candidates::of(&self.run, &judge, row, 1)?.candidates;
                    self.nearest(row, found.first())
                };
                self.with_reason(row, nearest)
            }
            _ => {
                let run = &self.run;
                let decoder =
                    self.decoders.entry(row.input).or_insert_with(|| decoder(run, row.input));
                read_again(run, decoder.as_mut(), row).unwrap_or_else(|| NOT_AT_HAND.to_owned())
            }
        })
    }

    /// Examples go out when their primary row comes, and do not wait for their close.
    fn corrects(&self) -> bool {
        let examples = self.judge.pipeline().examples.as_ref();
        examples.is_some_and(|examples| examples.emit == Emit::EarlyAndCorrect)
    }

    fn open(&mut self, row: &RowView) -> Result<&'static str> {
        let goes_on = goes_on(&self.run);
        if self.judge.semantics() == Semantics::KafkaStreams {
            return Ok(match (row.padded, goes_on) {
                (false, true) => "it is still held",
                (false, false) => "the run ended while it was still held",
                (true, true) => "padded; it is still held",
                (true, false) => "padded; the run ended while it was still held",
            });
        }
        let arrivals = self.run.arrivals();
        if self.judge.semantics() == Semantics::FlinkSql && self.stood.0 != arrivals {
            let stood = self.run.watermarks_at(arrivals.saturating_sub(1))?.join;
            self.stood = (arrivals, stood);
        }
        Ok(if self.judge.overstays(row, self.stood.1).is_some() {
            "its interval ended without a match; Flink SQL still holds it"
        } else if goes_on {
            "no verdict has fallen yet"
        } else {
            "the run ended before its interval did"
        })
    }

    /// What a released engine did with the row stands first.
    fn with_reason(&self, row: &RowView, why: String) -> String {
        match released::reason(&self.judge, row) {
            Some(reason) => format!("{reason}; {why}"),
            None => why,
        }
    }

    fn nearest(&self, row: &RowView, nearest: Option<&Candidate>) -> String {
        let Some(c) = nearest else {
            let why = match row.key {
                Some(_) => "no candidate with this key",
                None => "without a key nothing matches it",
            };
            return why.to_owned();
        };
        match c.fate {
            Fate::OwnLate => {
                format!("would have matched one of {}", self.judge.input_name(c.row.input))
            }
            Fate::Matched => format!("matched {}", c.record),
            Fate::OtherLate(by) => format!("candidate was {} late", format_duration(by)),
            Fate::Gone(_) if Judge::came_first(row, &c.row) => {
                "no longer kept when its candidate came".to_owned()
            }
            Fate::Gone(_) => format!("candidate {}", candidates::how_gone(row, &c.row)),
            Fate::NotFound => {
                let what = c.why.strip_prefix(candidates::INSIDE_BUT).unwrap_or(&c.why);
                let own = what.starts_with("this one ");
                if own { what.to_owned() } else { format!("candidate {what}") }
            }
            Fate::Outside(Lies::Before(ms) | Lies::After(ms)) => {
                format!("nearest candidate {} outside", format_duration(ms))
            }
            Fate::OtherKey | Fate::Outside(Lies::Within) => {
                "only a key that differs in case, whitespace or type".to_owned()
            }
        }
    }
}

/// Why a record gave no row, read again from the recording; `None` without it.
pub(super) fn failure(run: &Run, row: &RowView) -> Option<String> {
    read_again(run, decoder(run, row.input).as_mut(), row)
}

fn decoder(run: &Run, input: u8) -> Option<InputDecoder> {
    let schemas = Arc::clone(&run.recording()?.schemas());
    InputDecoder::new(run.pipeline(), input, schemas).ok()
}

fn read_again(run: &Run, decoder: Option<&mut InputDecoder>, row: &RowView) -> Option<String> {
    let record = run.recording()?.record(&row.record).ok()??;
    Some(decoder?.explain_failure(&record))
}
