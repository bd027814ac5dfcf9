//! An input of which nothing came to the join: why, by its first record; and why nothing
//! matched though records came. The books alone only count, and often one setting or one
//! schema is all that is missing.

use std::path::Path;

use joinscope_core::engine::{Ended, InputBooks, Summary};
use joinscope_core::run::explain::{explain, no_match};
use joinscope_core::run::{Run, VerdictSet};
use joinscope_operator::verdict::Verdict;

use super::super::cluster::thousands;

/// Among so many rows with the verdict the first of the input is looked for.
const LOOK: usize = 64;

/// One sentence for each such input; where there is none, one if nothing matched.
pub fn refused(summary: &Summary, dir: &Path) -> Vec<String> {
    let inputs = summary.books.iter().enumerate();
    let mut said: Vec<String> = inputs.filter_map(|(n, books)| of_input(n, books, dir)).collect();
    if said.is_empty() {
        said.extend(nothing_matched(summary, dir));
    }
    said
}

/// As the window says it. A run that was ended early may have had no time for it.
fn nothing_matched(summary: &Summary, dir: &Path) -> Option<String> {
    let matched = summary.books.iter().any(|books| books.counts.get(Verdict::Joined) > 0);
    if matched || summary.rows == 0 || summary.ended != Ended::Done {
        return None;
    }
    match Run::open(dir).and_then(|run| no_match(&run)) {
        Ok(why) => why.map(|why| format!("no record matched. {}", why.cause)),
        // What cannot be read again is said by who reads the run.
        Err(_) => Some("no record matched".to_owned()),
    }
}

fn of_input(
    number: usize,
    InputBooks { input, counts }: &InputBooks,
    dir: &Path,
) -> Option<String> {
    let all: u64 = Verdict::ALL.into_iter().map(|verdict| counts.get(verdict)).sum();
    let verdict = [Verdict::Undecodable, Verdict::Unkeyed, Verdict::Untimed]
        .into_iter()
        .find(|verdict| all > 0 && counts.get(*verdict) == all)?;
    let all = match all {
        1 => "its one record is".to_owned(),
        all => format!("all {} are", thousands(all)),
    };
    let said = format!("nothing of input \"{input}\" came to the join: {all} {verdict}");
    // What cannot be read again is said by who reads the run.
    let why = Run::open(dir).and_then(|run| {
        let rows = run.nth_from(VerdictSet::of(verdict), 0, LOOK)?;
        for row in rows {
            let view = run.row(row)?;
            if usize::from(view.input) == number {
                return Ok(Some(format!("{}: {}", view.record, explain(&run, row)?.sentence)));
            }
        }
        Ok(None)
    });
    Some(match why {
        Ok(Some(why)) => format!("{said}. {why}"),
        Ok(None) | Err(_) => said,
    })
}
