//! Rows of the other side that could have matched, and why each did or did not.

use super::judge::{Fate, Judge, Lies};
use super::released;
use crate::operator::key::{Key, KeyValue};
use crate::operator::record::RecordName;
use crate::operator::time::format_duration;
use crate::run::Run;
use crate::run::error::Result;
use crate::run::types::RowView;

/// A row of the other side.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub record: RecordName,
    pub row: RowView,
    /// Its event time minus that of the row asked about, ms.
    pub distance_ms: Option<i64>,
    /// They made a pair.
    pub matched: bool,
    /// In a few words.
    pub why: String,
    pub(super) fate: Fate,
}

/// How the words of a row begin that lies in the interval and was not matched.
pub(super) const INSIDE_BUT: &str = "in the interval, but ";

/// A hot key's own side may crowd the other out: ask for more, so often.
const LIMITS: [usize; 3] = [100, 2_000, 50_000];

/// Candidates of a row.
pub(super) struct Listed {
    /// The most telling first.
    pub candidates: Vec<Candidate>,
    /// How many more have its key.
    pub more: u64,
    /// All that lie in its interval are listed.
    pub whole: bool,
}

/// At most so many candidates.
pub(super) fn of(run: &Run, judge: &Judge, own: &RowView, most: usize) -> Result<Listed> {
    let (Some(key), Some(time)) = (&own.key, own.event_time) else {
        return Ok(Listed { candidates: Vec::new(), more: 0, whole: true });
    };
    let mut found: Vec<RowView> = Vec::new();
    // Rows of its key, where not all were looked at.
    let mut beyond = None;
    let mut whole = true;
    let reach = judge.reach(own.input);
    for limit in LIMITS {
        let rows = run.rows_of_key(key, time, limit)?;
        let all = (rows.rows.len() as u64) < limit as u64;
        beyond = (!all).then_some(rows.exact_count);
        let furthest = rows.rows.last().and_then(|row| row.event_time);
        let left_out = |at: i64| at.abs_diff(time).saturating_sub(rows.coarse_ms.saturating_mul(2));
        whole = all || furthest.is_some_and(|at| left_out(at) > reach);
        let faces = |r: &RowView| judge.faces(own.input, r.input) && !is_itself(judge, own, r);
        found = rows.rows.into_iter().filter(faces).collect();
        // What lies nearest in time may all lie outside of the interval.
        if all || found.len() >= 3 && (whole || found.iter().any(|r| lies_within(judge, own, r))) {
            break;
        }
    }
    let mut found: Vec<Candidate> =
        found.into_iter().filter_map(|row| candidate(judge, own, row)).collect();
    found.sort_by_key(|c| (rank(c.fate), away(c), c.row.row));
    let more = found.len().saturating_sub(most) as u64;
    whole &= found.get(most).is_none_or(|c| rank(c.fate) >= OUTSIDE);
    found.truncate(most);
    for c in found.iter_mut().filter(|c| c.fate == Fate::NotFound) {
        c.why = format!("{INSIDE_BUT}{}", released::not_found(run, judge, own, &c.row)?);
    }
    // Itself does not count.
    let more = beyond.map_or(more, |rows| rows.saturating_sub(1 + found.len() as u64));
    Ok(Listed { candidates: found, more, whole })
}

/// Whether a row has the key and lies in the interval, whatever became of it.
fn lies_within(judge: &Judge, own: &RowView, row: &RowView) -> bool {
    judge.fate(own, row).is_some_and(|fate| rank(fate) < OUTSIDE)
}

/// The record itself as a row of the other input, where the interval leaves that
/// out (it begins after 0, say): nobody looks for it as a partner.
fn is_itself(judge: &Judge, own: &RowView, row: &RowView) -> bool {
    row.arrival == own.arrival && matches!(judge.fate(own, row), None | Some(Fate::Outside(_)))
}

fn candidate(judge: &Judge, own: &RowView, row: RowView) -> Option<Candidate> {
    let fate = judge.fate(own, &row)?;
    let distance_ms = row.event_time.zip(own.event_time).map(|(a, b)| a.saturating_sub(b));
    let why = match fate {
        Fate::Matched => "in the interval, matched".to_owned(),
        Fate::OwnLate => "in the interval".to_owned(),
        Fate::OtherLate(by) => format!("in the interval, but {} late", format_duration(by)),
        Fate::Gone(_) => format!("{INSIDE_BUT}{}", how_gone(own, &row)),
        // Looked up where it is shown.
        Fate::NotFound => String::new(),
        Fate::Outside(Lies::Before(ms) | Lies::After(ms)) => {
            format!("{} outside", format_duration(ms))
        }
        Fate::Outside(Lies::Within) => return None,
        Fate::OtherKey => match (&own.key, &row.key) {
            (Some(a), Some(b)) => differs(a, b),
            _ => return None,
        },
    };
    let record = row.record.clone();
    Some(Candidate { record, row, distance_ms, matched: fate == Fate::Matched, why, fate })
}

/// Why the earlier of two rows, `own` being this one, was not in the state when the
/// later came.
pub(super) fn how_gone(own: &RowView, other: &RowView) -> &'static str {
    let own_first = Judge::came_first(own, other);
    let earlier = if own_first { own } else { other };
    match (own_first, earlier.reason.not_kept()) {
        (true, true) => "this one had not been kept",
        (true, false) => "this one was no longer kept",
        (false, true) => "had not been kept",
        (false, false) => "had left the state",
    }
}

/// How far a candidate is from a match, ms: from the interval where it lies
/// outside (a row at nearly the same time may lie far outside), else in time.
fn away(c: &Candidate) -> u64 {
    match c.fate {
        Fate::Outside(Lies::Before(ms) | Lies::After(ms)) => ms.unsigned_abs(),
        _ => c.distance_ms.unwrap_or(i64::MAX).unsigned_abs(),
    }
}

/// The rank of what lies outside of the interval.
const OUTSIDE: u8 = 2;

/// What was matched, then what nearly was.
fn rank(fate: Fate) -> u8 {
    match fate {
        Fate::Matched | Fate::OwnLate => 0,
        Fate::OtherLate(_) | Fate::Gone(_) | Fate::NotFound => 1,
        Fate::Outside(_) => OUTSIDE,
        Fate::OtherKey => 3,
    }
}

/// How two keys of one normal form differ.
pub(super) fn differs(own: &Key, other: &Key) -> String {
    let kind = |key: &Key| match key.value() {
        KeyValue::Null => "null",
        KeyValue::Int(_) => "an integer",
        KeyValue::String(_) => "a text",
        KeyValue::Bool(_) => "true or false",
        KeyValue::Bytes(_) => "bytes",
    };
    if std::mem::discriminant(&own.value()) != std::mem::discriminant(&other.value()) {
        return format!("its key {} is {}, not {}", short(other), kind(other), kind(own));
    }
    match (own.value(), other.value()) {
        (KeyValue::String(a), KeyValue::String(b)) if a.trim() == b.trim() => {
            format!("its key {} differs in whitespace", short(other))
        }
        (KeyValue::String(a), KeyValue::String(b)) if a.to_lowercase() == b.to_lowercase() => {
            format!("its key {} differs in case", short(other))
        }
        _ => format!("its key {} differs in case and whitespace", short(other)),
    }
}

/// A key for a sentence: texts in quotes, long ones cut in the middle.
pub(super) fn short(key: &Key) -> String {
    let text = match key.value() {
        KeyValue::String(s) => format!("{s:?}"),
        _ => key.to_string(),
    };
    let n = text.chars().count();
    if n <= 48 {
        return text;
    }
    let head: String = text.chars().take(24).collect();
    let tail: String = text.chars().skip(n - 20).collect();
    format!("{head}…{tail}")
}
