//! A run in which nothing matched: the likeliest cause, by its books; where records of
//! every input came to the join, by what some of them find on the other side.

use std::collections::BTreeMap;

use super::candidates::{self, Candidate, short};
use super::judge::{Fate, Judge, Lies};
use crate::operator::pipeline::InputIndex;
use crate::operator::time::format_duration;
use crate::operator::verdict::{Counts, Verdict};
use crate::run::Run;
use crate::run::error::Result;
use crate::run::types::{RowView, VerdictSet};

/// So many rows that came to the join are taken, evenly spread.
const STEPS: u64 = 128;
/// For so many of each input candidates are looked up.
const LOOK: u64 = 16;
/// So far apart, ms, a wrong field or unit is likelier than a wrong interval: a year.
const YEAR: i64 = 365 * 86_400_000;

/// Why no record of a run matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoMatch {
    /// That of most records in question; `None`: there are none.
    pub verdict: Option<Verdict>,
    /// The likeliest cause in a sentence or two, without the last full stop; records by
    /// name.
    pub cause: String,
}

/// Why no record matched; `None`: some did, or there are none.
///
/// # Errors
/// The store cannot be read.
pub fn no_match(run: &Run) -> Result<Option<NoMatch>> {
    let books = run.books(None)?.inputs;
    let mut all = Counts::default();
    for (counts, verdict) in books.iter().flat_map(|counts| Verdict::ALL.map(|v| (counts, v))) {
        all.add(verdict, counts.get(verdict));
    }
    if all.total() == 0 || all.get(Verdict::Joined) > 0 {
        return Ok(None);
    }
    // What keeps a whole input out says more than what became of the other.
    let inputs = run.manifest().start.inputs;
    let reaches = |counts: &Counts| {
        Verdict::ALL.into_iter().any(|verdict| verdict.reaches_join() && counts.get(verdict) > 0)
    };
    if let Some((input, counts)) = inputs.iter().zip(&books).find(|(_, counts)| !reaches(counts)) {
        let name = &input.name;
        if counts.total() == 0 {
            let cause = format!("Input {name} has no record");
            return Ok(Some(NoMatch { verdict: None, cause }));
        }
        let verdict = most(counts);
        let cause = format!("Nothing of input {name} came to the join. {}", of_verdict(verdict));
        return Ok(Some(NoMatch { verdict: Some(verdict), cause }));
    }
    let verdict = most(&all);
    let found = if verdict.reaches_join() { look(run)? } else { None };
    let cause = found.unwrap_or_else(|| of_verdict(verdict).to_owned());
    Ok(Some(NoMatch { verdict: Some(verdict), cause }))
}

/// The verdict that most have.
fn most(counts: &Counts) -> Verdict {
    Verdict::ALL.into_iter().max_by_key(|v| counts.get(*v)).unwrap_or(Verdict::Open)
}

/// The likeliest cause by the verdict alone.
fn of_verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unmatched => {
            "Most found no candidate: the key fields may not hold the same key, or the interval is too short"
        }
        Verdict::Late => {
            "Most were late: the event-time watermark ran ahead of them, perhaps by one wrong time"
        }
        Verdict::Undecodable => "Most cannot be decoded: the format or the schema is another one",
        Verdict::Unkeyed => "Most have no key: the pipeline's key field is not in them",
        Verdict::Untimed => "Most have no event time: its field or unit is another one",
        Verdict::Tombstone => "Most have a null value",
        Verdict::Filtered => "Most are left out by the pipeline's where",
        Verdict::Expired => "Most came when what they would have matched was gone",
        Verdict::Open | Verdict::Joined => {
            "The recording ended before the intervals did, and nothing had matched until then"
        }
    }
}

/// What rows of one input find on the other side.
#[derive(Default)]
struct Side {
    looked: u64,
    /// Find their key there.
    shared: u64,
    /// The first that does not: the other side, and the key and name of the row.
    alone: Option<(String, String)>,
    /// The first that finds nearly its key.
    near: Option<String>,
    /// The first that finds a record in its interval.
    inside: Option<String>,
    /// The least distance from the interval, ms, and of which two.
    outside: Option<(i64, String)>,
}

impl Side {
    fn take(&mut self, judge: &Judge, own: &RowView, found: Option<&Candidate>) {
        self.looked += 1;
        let name = &own.record;
        let key = own.key.as_ref().map(short).unwrap_or_default();
        let Some(found) = found else {
            let alone = || (judge.other_side(own.input), format!("{key} of {name}"));
            self.alone.get_or_insert_with(alone);
            return;
        };
        let (other, why) = (&found.record, &found.why);
        match found.fate {
            Fate::OtherKey => {
                let near = || format!("{other} nearly has the key {key} of {name}: {why}");
                self.near.get_or_insert_with(near);
            }
            Fate::Outside(Lies::Before(ms) | Lies::After(ms)) => {
                self.shared += 1;
                if self.outside.as_ref().is_none_or(|(least, _)| ms < *least) {
                    self.outside = Some((ms, format!("{name} and {other}")));
                }
            }
            Fate::Outside(Lies::Within)
            | Fate::Matched
            | Fate::OwnLate
            | Fate::OtherLate(_)
            | Fate::Gone(_)
            | Fate::NotFound => {
                self.shared += 1;
                self.inside.get_or_insert_with(|| format!("{name} finds {other} {why}"));
            }
        }
    }
}

/// The cause by what rows find that came to the join; `None`: none has a key.
fn look(run: &Run) -> Result<Option<String>> {
    let came: VerdictSet = Verdict::ALL.into_iter().filter(|v| v.reaches_join()).collect();
    let rows = run.count(came);
    let steps = STEPS.min(rows);
    let mut sides: BTreeMap<InputIndex, Side> = BTreeMap::new();
    for step in 0..steps {
        let Some(row) = run.nth(came, rows.saturating_mul(step) / steps)? else { break };
        let own = run.row(row)?;
        let side = sides.entry(own.input).or_default();
        if side.looked == LOOK || own.key.is_none() {
            continue;
        }
        let judge = Judge::of_row(run, row)?;
        let listed = candidates::of(run, &judge, &own, 1)?;
        side.take(&judge, &own, listed.candidates.first());
    }
    Ok(said(&sides.into_values().collect::<Vec<_>>()))
}

fn said(sides: &[Side]) -> Option<String> {
    // Not every record has a partner, but where most of one input find their key, the
    // keys are not what is wrong.
    if sides.iter().any(|side| side.shared * 2 > side.looked) {
        if let Some(inside) = sides.iter().find_map(|side| side.inside.as_ref()) {
            return Some(inside.clone());
        }
        let (ms, two) = sides.iter().filter_map(|side| side.outside.as_ref()).min()?;
        let why = if *ms < YEAR {
            "its bounds never hold, or the clocks of the inputs are apart"
        } else {
            "the event times of the inputs are years apart; check field and unit of event_time"
        };
        let apart = format_duration(*ms);
        return Some(format!(
            "Records share keys, but {two}, the nearest looked at, lie {apart} outside the \
             interval: {why}"
        ));
    }
    if let Some(near) = sides.iter().find_map(|side| side.near.as_ref()) {
        return Some(near.clone());
    }
    let mut alone = sides.iter().filter_map(|side| side.alone.as_ref());
    let (other, key) = alone.next()?;
    let mut text = format!("No record of {other} has the key {key}");
    for (other, key) in alone {
        text.push_str(&format!(", and none of {other} the key {key}"));
    }
    Some(text + ": the key fields may not hold the same key")
}
