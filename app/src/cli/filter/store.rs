//! What of a filter the run store answers by its indexes.

use std::collections::BTreeSet;

use joinscope_core::run::{Query, Run};
use joinscope_operator::key::Key;
use joinscope_operator::record::RecordName;

use super::{Field, Filter, Op, Value};

/// A key of more rows is looked for like anything else: page by page.
const MOST: usize = 20_000;

impl Filter {
    /// What the run store can look for by itself: all that meets the filter
    /// meets this, and most of what does not is left out.
    pub fn query(&self, run: &Run) -> Query {
        let mut query = Query { verdicts: self.verdicts(), ..Query::default() };
        for c in &self.conditions {
            match (c.field, c.op, &c.value) {
                (Field::Input, Op::Is, Value::Texts(names)) => {
                    let inputs = run.pipeline().inputs.iter().enumerate();
                    let of = inputs.filter(|(_, input)| names.iter().any(|n| **n == *input.name));
                    query.inputs = of.fold(0, |bits, (i, _)| bits | 1 << i);
                }
                (Field::LateBy, Op::More | Op::AtLeast | Op::Is, Value::Number(n)) => {
                    query.late_by_at_least = query.late_by_at_least.max(Some(*n));
                }
                (Field::EventTime, op, Value::Number(n)) => {
                    query.event_time = narrowed(query.event_time, i64::MIN + 1, i64::MAX, op, *n);
                }
                (Field::Arrival, op, Value::Number(n)) => {
                    let now = query.arrivals.map(|(a, b)| (a as i64, b as i64));
                    let now = narrowed(now, 0, i64::MAX - 1, op, *n);
                    query.arrivals = now.map(|(a, b)| (a.max(0) as u64, b.max(0) as u64));
                }
                _ => {}
            }
        }
        query
    }

    /// All rows that can meet it, ascending, where it names keys or records that
    /// an index leads to; `None`: any row may.
    pub fn pinned(&self, run: &Run) -> anyhow::Result<Option<Vec<u64>>> {
        for c in &self.conditions {
            let (Op::Is, Value::Texts(texts)) = (c.op, &c.value) else { continue };
            let rows = match c.field {
                Field::Record => of_records(run, texts)?,
                Field::Key => of_keys(run, texts)?,
                _ => None,
            };
            if rows.is_some() {
                return Ok(rows);
            }
        }
        Ok(None)
    }
}

fn of_records(run: &Run, texts: &[String]) -> anyhow::Result<Option<Vec<u64>>> {
    let mut rows = BTreeSet::new();
    for text in texts {
        let Ok(name) = text.parse::<RecordName>() else { return Ok(None) };
        rows.extend(run.find(&name)?.iter().map(|row| row.row));
    }
    Ok(Some(rows.into_iter().collect()))
}

fn of_keys(run: &Run, texts: &[String]) -> anyhow::Result<Option<Vec<u64>>> {
    let mut rows = BTreeSet::new();
    for text in texts {
        // Rows without a key are shown so, too, and are no rows of one key.
        if text == "null" {
            return Ok(None);
        }
        for key in Key::shown_as(text) {
            let found = run.rows_of_key(&key, 0, MOST)?;
            if found.exact_count + found.normal_count > MOST as u64 {
                return Ok(None);
            }
            let same = found.rows.iter().filter(|row| row.key.as_ref() == Some(&key));
            rows.extend(same.map(|row| row.row));
        }
    }
    Ok(Some(rows.into_iter().collect()))
}

/// A range, narrowed by one condition.
fn narrowed(now: Option<(i64, i64)>, low: i64, high: i64, op: Op, n: i64) -> Option<(i64, i64)> {
    let (from, to) = now.unwrap_or((low, high));
    match op {
        Op::Is => Some((from.max(n), to.min(n))),
        Op::Less | Op::AtMost => Some((from, to.min(n))),
        Op::More | Op::AtLeast => Some((from.max(n), to)),
        Op::IsNot | Op::Has => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_narrowed_for_the_store() {
        assert_eq!(narrowed(None, 0, 9, Op::AtLeast, 3), Some((3, 9)));
        assert_eq!(narrowed(Some((3, 9)), 0, 9, Op::Less, 5), Some((3, 5)));
        assert_eq!(narrowed(Some((3, 9)), 0, 9, Op::IsNot, 5), Some((3, 9)));
        assert_eq!(narrowed(None, 0, 9, Op::IsNot, 5), None);
    }
}
