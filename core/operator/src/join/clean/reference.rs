//! What `clean` must do, by brute force over the whole list of events. It
//! shares nothing with the operator but the types of effects.

use std::collections::BTreeSet;

use super::super::{Effect, Reason, Ref};
use crate::pipeline::{Emit, Kind, OutputTime, Pipeline, Secondary};
use crate::state::{Due, Folded, Row};
use crate::verdict::Verdict;

/// What happens to the operator.
#[derive(Clone, Debug)]
pub enum Event {
    Row(Row),
    /// The join's event-time watermark is this now, at this arrival.
    Advance(u64, i64),
}

/// What one event must set off.
#[derive(Debug, Default, PartialEq)]
pub struct Expected {
    /// In their order.
    pub outputs: Vec<Effect>,
    /// (row, verdict, reason, cause).
    pub decided: BTreeSet<(u64, u8, u8, u64)>,
    pub kept: BTreeSet<u64>,
    pub removed: BTreeSet<u64>,
    /// Rows in the state after it.
    pub rest: u64,
}

/// A row and what is known of it from the whole list.
struct Known<'a> {
    row: &'a Row,
    event: usize,
    /// The watermark at its arrival.
    watermark: i64,
    due: i64,
    /// The event at which it leaves.
    leaves: Option<usize>,
    /// What it finds at its arrival, in order.
    finds: Vec<usize>,
    /// Rows that find it, in order.
    found_by: Vec<usize>,
}

pub fn expect(pipeline: &Pipeline, events: &[Event]) -> Vec<Expected> {
    let primary = pipeline.join.primary;
    let with = |input| pipeline.join.with.iter().find(|with| with.input == input).unwrap();
    let longest = pipeline.join.with.iter().map(|with| with.until).max().unwrap();
    let due = |row: &Row| {
        if row.input == primary { row.time + longest } else { row.time - with(row.input).after }
    };
    let passed = |due: i64, watermark: i64| watermark > due || watermark == i64::MAX;

    let mut watermark = i64::MIN;
    let mut known: Vec<Known<'_>> = Vec::new();
    for (event, what) in events.iter().enumerate() {
        match what {
            Event::Advance(_, w) => watermark = *w,
            Event::Row(row) => {
                let due = due(row);
                let leaves = if passed(due, watermark) {
                    Some(event)
                } else {
                    (event..events.len())
                        .find(|&at| matches!(events[at], Event::Advance(_, w) if passed(due, w)))
                };
                let finds = partners(row, watermark, &known, primary, &with);
                let number = known.len();
                for &found in &finds {
                    known[found].found_by.push(number);
                }
                let found_by = Vec::new();
                known.push(Known { row, event, watermark, due, leaves, finds, found_by });
            }
        }
    }

    let mut expected: Vec<Expected> = events.iter().map(|_| Expected::default()).collect();
    for (number, k) in known.iter().enumerate() {
        verdict(pipeline, &known, k, events, &mut expected);
        let at = &mut expected[k.event].outputs;
        match pipeline.examples.as_ref().map_or(Emit::OnMatch, |examples| examples.emit) {
            Emit::OnMatch => pairs(pipeline, &known, k, at),
            Emit::OnClose => {}
            Emit::EarlyAndCorrect => early(primary, &known, number, at),
        }
    }
    for (event, expected) in expected.iter_mut().enumerate() {
        let mut leaving: Vec<&Known<'_>> =
            known.iter().filter(|k| k.leaves == Some(event)).collect();
        leaving.sort_by_key(|k| (k.due, k.row.arrival, k.row.input));
        expected.outputs.extend(leaving.iter().filter_map(|k| close(pipeline, &known, k)));
        let rests = |k: &&Known<'_>| k.event <= event && k.leaves.is_none_or(|at| at > event);
        expected.rest = known.iter().filter(rests).count() as u64;
    }
    expected
}

/// The rows that came before `row`, are in an interval with it and not gone.
fn partners<'a>(
    row: &Row,
    watermark: i64,
    known: &[Known<'_>],
    primary: u8,
    with: &impl Fn(u8) -> &'a Secondary,
) -> Vec<usize> {
    let mut found: Vec<usize> = (0..known.len())
        .filter(|&i| {
            let other = known[i].row;
            if other.key != row.key || (other.input == primary) == (row.input == primary) {
                return false;
            }
            let (l, r) = if row.input == primary { (row, other) } else { (other, row) };
            let at = with(r.input);
            let inside = l.time + at.after <= r.time && r.time <= l.time + at.until;
            let gone = if other.input == primary {
                watermark > other.time + at.until
            } else {
                watermark > other.time - at.after
            };
            inside && !gone && watermark != i64::MAX
        })
        .collect();
    found.sort_by_key(|&i| (known[i].row.input, known[i].row.time, known[i].row.arrival));
    found
}

fn verdict(
    pipeline: &Pipeline,
    known: &[Known<'_>],
    k: &Known<'_>,
    events: &[Event],
    expected: &mut [Expected],
) {
    let row = k.row;
    let kept = k.leaves != Some(k.event);
    let pads = match (pipeline.join.kind, row.input == pipeline.join.primary) {
        (Kind::Full, _) | (Kind::Left, true) | (Kind::Right, false) => true,
        (Kind::Inner, _) | (Kind::Left, false) | (Kind::Right, true) => false,
    };
    let mut decide = |event: usize, verdict: Verdict, reason: Reason, cause: u64| {
        let decided = &mut expected[event].decided;
        assert!(decided.insert((row.row, verdict as u8, reason as u8, cause)));
    };
    if let Some(&first) = k.finds.first() {
        let reason = if kept { Reason::Plain } else { Reason::NotKept };
        decide(k.event, Verdict::Joined, reason, known[first].row.arrival);
    } else if let Some(&first) = k.found_by.first() {
        decide(known[first].event, Verdict::Joined, Reason::Plain, known[first].row.arrival);
    } else if let Some(leaves) = k.leaves {
        let reason = match (kept, pads) {
            (true, true) => Reason::Padded,
            (true, false) => Reason::Plain,
            (false, true) => Reason::NotKeptPadded,
            (false, false) => Reason::NotKept,
        };
        let cause = match &events[leaves] {
            Event::Row(row) => row.arrival,
            Event::Advance(arrival, _) => *arrival,
        };
        decide(leaves, Verdict::Unmatched, reason, cause);
    }
    if kept {
        expected[k.event].kept.insert(row.row);
    }
    if let Some(leaves) = k.leaves {
        expected[leaves].removed.insert(row.row);
    }
    // What is gone for one secondary may stay for another.
    assert!(k.found_by.iter().all(|&i| known[i].watermark <= k.due));
}

fn pairs(pipeline: &Pipeline, known: &[Known<'_>], k: &Known<'_>, out: &mut Vec<Effect>) {
    for &i in &k.finds {
        let (own, other) = (Ref::from(k.row), Ref::from(known[i].row));
        let own_is_primary = own.input == pipeline.join.primary;
        let (primary, secondary) = if own_is_primary { (own, other) } else { (other, own) };
        let time = match pipeline.join.output_time {
            OutputTime::Larger => primary.time.max(secondary.time),
            OutputTime::Primary => primary.time,
        };
        out.push(Effect::Pair { primary, secondary, time });
    }
}

/// The example at the primary row's arrival; at a secondary row's, the
/// corrections of all that it changes.
fn early(primary: u8, known: &[Known<'_>], number: usize, out: &mut Vec<Effect>) {
    let k = &known[number];
    if k.row.input == primary {
        out.push(example(known, k, &k.finds, 0, None));
        return;
    }
    for &i in &k.finds {
        let other = &known[i];
        let before: Vec<usize> =
            other.finds.iter().chain(&other.found_by).copied().filter(|&j| j < number).collect();
        let labels = |upto: &[usize]| {
            upto.iter().fold(other.row.labels, |labels, &j| labels | known[j].row.labels)
        };
        if labels(&before) | k.row.labels == labels(&before) {
            continue;
        }
        // Corrections so far: later arrivals that changed something.
        let correction = (other.finds.len()..=before.len())
            .filter(|&n| {
                let mut with: Vec<usize> = before[..n].to_vec();
                let without = labels(&with);
                with.push(before.get(n).copied().unwrap_or(number));
                labels(&with) != without
            })
            .count();
        let all: Vec<usize> = before.iter().copied().chain([number]).collect();
        out.push(example(known, other, &all, correction as u32, None));
    }
}

fn close(pipeline: &Pipeline, known: &[Known<'_>], k: &Known<'_>) -> Option<Effect> {
    let primary = k.row.input == pipeline.join.primary;
    let folds = pipeline.examples.as_ref().is_some_and(|examples| examples.emit.folds());
    if folds {
        let on_close = pipeline.examples.as_ref()?.emit == Emit::OnClose;
        let all: Vec<usize> = k.finds.iter().chain(&k.found_by).copied().collect();
        return (primary && on_close).then(|| example(known, k, &all, 0, Some(k.due)));
    }
    let pads = match pipeline.join.kind {
        Kind::Inner => false,
        Kind::Left => primary,
        Kind::Right => !primary,
        Kind::Full => true,
    };
    let matched = !k.finds.is_empty() || !k.found_by.is_empty();
    (pads && !matched).then(|| {
        let due = Due { due: k.due, arrival: k.row.arrival, input: k.row.input };
        Effect::Pad { row: Ref::from(k.row), due: Some(due), time: k.row.time }
    })
}

fn example(
    known: &[Known<'_>],
    primary: &Known<'_>,
    all: &[usize],
    correction: u32,
    due: Option<i64>,
) -> Effect {
    let mut rows: Vec<&Row> = all.iter().map(|&i| known[i].row).collect();
    rows.sort_by_key(|row| (row.time, row.arrival, row.input));
    Effect::Example {
        primary: Ref::from(primary.row),
        labels: rows.iter().fold(primary.row.labels, |labels, row| labels | row.labels),
        folded: rows
            .into_iter()
            .map(|row| Folded {
                input: row.input,
                time: row.time,
                arrival: row.arrival,
                row: row.row,
                partition: row.partition,
                offset: row.offset,
                labels: row.labels,
            })
            .collect(),
        correction,
        due,
        time: primary.row.time,
    }
}
