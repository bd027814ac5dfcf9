//! Looks through what happened, in arrival order, for what breakpoints name.

use std::collections::BTreeMap;

use super::{Breakpoint, Condition};
use crate::engine::step::{ClockKind, Step};
use crate::operator::condition::meets;
use crate::operator::key::Key;
use crate::operator::record::Arrival;
use crate::operator::verdict::Verdict;

/// A verdict that fell, or a row that left the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallen {
    pub at: Arrival,
    pub row: u64,
    pub verdict: Option<Verdict>,
    pub removed: bool,
}

/// What happened over some consecutive arrivals: of a step, or read from a run.
pub struct Events<'a> {
    /// Row of the first entry; the lists that follow have one entry a row.
    pub first_row: u64,
    pub arrival: &'a [Arrival],
    pub arrival_ms: &'a [i64],
    pub input: &'a [u8],
    pub partition: &'a [i32],
    pub offset: &'a [i64],
    pub event_time: &'a [i64],
    pub watermark: &'a [i64],
    pub at_arrival: &'a [u8],
    /// Canonical key of the i-th entry; empty without one.
    pub key: &'a dyn Fn(usize) -> &'a [u8],
    /// By `at`.
    pub fallen: &'a [Fallen],
    /// Moves of an event-time watermark by the clock: before which arrival, and
    /// when, ms.
    pub clock: &'a [(Arrival, i64)],
    /// Bytes of state after an arrival.
    pub bytes: &'a [(Arrival, u64)],
}

/// A breakpoint that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub at: Arrival,
    /// Of the breakpoint.
    pub id: u64,
    /// The record that it is about.
    pub row: Option<u64>,
}

/// Where the values of records are read.
pub trait Fields {
    /// The decoded value of a record of an input.
    ///
    /// # Errors
    /// It cannot be read.
    fn value(
        &mut self,
        input: u8,
        partition: i32,
        offset: i64,
    ) -> Result<serde_json::Value, String>;
}

/// What breakpoints remember from one part of a run to the next.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Rows in the state.
    rows: u64,
    /// The join's event-time watermark, ms, and since when it stands, ms.
    stands: Option<(i64, i64)>,
    last_ms: Option<i64>,
    /// By breakpoint: it is beyond its bound already.
    beyond: BTreeMap<u64, bool>,
}

impl Watch {
    /// With so many rows in the state.
    #[must_use]
    pub fn with_rows(rows: u64) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Every breakpoint that is met, by arrival.
    ///
    /// # Errors
    /// The value of a record cannot be read.
    pub fn pass(
        &mut self,
        breakpoints: &[Breakpoint],
        events: &Events<'_>,
        fields: &mut dyn Fields,
    ) -> Result<Vec<Hit>, String> {
        let mut hits = Vec::new();
        let on = || breakpoints.iter().filter(|b| b.enabled);
        for b in on() {
            simple(b, events, fields, &mut hits)?;
        }
        self.stalls(on(), events, &mut hits);
        self.states(on(), events, &mut hits);
        hits.sort_unstable();
        Ok(hits)
    }

    fn stalls<'b>(
        &mut self,
        on: impl Iterator<Item = &'b Breakpoint>,
        e: &Events<'_>,
        hits: &mut Vec<Hit>,
    ) {
        let stalls: Vec<(u64, i64)> = on
            .filter_map(|b| match b.condition {
                Condition::Stalled(ms) => Some((b.id, ms)),
                _ => None,
            })
            .collect();
        let mut clock = e.clock;
        for (i, (&watermark, &ms)) in e.watermark.iter().zip(e.arrival_ms).enumerate() {
            let own = clock.partition_point(|(precedes, _)| *precedes <= e.arrival[i]);
            let moved_by_clock = clock[..own].last().map(|(_, at)| *at);
            clock = &clock[own..];
            if self.stands.is_none_or(|(stood, _)| stood != watermark) {
                // Moved by the record before, or by the clock since then.
                let since = moved_by_clock.or(self.last_ms).unwrap_or(ms);
                self.stands = Some((watermark, since));
                for (id, _) in &stalls {
                    self.beyond.insert(*id, false);
                }
            }
            self.last_ms = Some(ms);
            let since = self.stands.map_or(ms, |(_, since)| since);
            for (id, bound) in &stalls {
                let beyond = self.beyond.entry(*id).or_default();
                if !*beyond && ms.saturating_sub(since) > *bound {
                    *beyond = true;
                    hits.push(Hit { at: e.arrival[i], id: *id, row: Some(e.first_row + i as u64) });
                }
            }
        }
    }

    fn states<'b>(
        &mut self,
        on: impl Iterator<Item = &'b Breakpoint>,
        e: &Events<'_>,
        hits: &mut Vec<Hit>,
    ) {
        let mut rows = Vec::new();
        for b in on {
            match b.condition {
                Condition::StateRows(bound) => rows.push((b.id, bound)),
                Condition::StateBytes(bound) => {
                    let beyond = self.beyond.entry(b.id).or_default();
                    for (at, bytes) in e.bytes {
                        if *bytes > bound && !*beyond {
                            hits.push(Hit { at: *at, id: b.id, row: None });
                        }
                        *beyond = *bytes > bound;
                    }
                }
                _ => {}
            }
        }
        let (mut row, mut fallen) = (0, 0);
        let next_row = |row: usize| e.arrival.get(row).copied().unwrap_or(Arrival::MAX);
        let next_fallen = |n: usize| e.fallen.get(n).map_or(Arrival::MAX, |f| f.at);
        loop {
            let at = next_row(row).min(next_fallen(fallen));
            if at == Arrival::MAX {
                return;
            }
            let mut last = None;
            while next_row(row) == at {
                if e.at_arrival[row] == Verdict::Open as u8 {
                    self.rows += 1;
                    last = Some(e.first_row + row as u64);
                }
                row += 1;
            }
            while next_fallen(fallen) == at {
                self.rows = self.rows.saturating_sub(u64::from(e.fallen[fallen].removed));
                fallen += 1;
            }
            for (id, bound) in &rows {
                let beyond = self.beyond.entry(*id).or_default();
                if self.rows > *bound && !*beyond {
                    hits.push(Hit { at, id: *id, row: last });
                }
                *beyond = self.rows > *bound;
            }
        }
    }
}

/// What remembers nothing.
fn simple(
    b: &Breakpoint,
    e: &Events<'_>,
    fields: &mut dyn Fields,
    hits: &mut Vec<Hit>,
) -> Result<(), String> {
    let mut hit = |at, row| hits.push(Hit { at, id: b.id, row: Some(row) });
    let row = |i: usize| e.first_row + i as u64;
    match &b.condition {
        Condition::Verdict(verdict) => {
            for (i, at_arrival) in e.at_arrival.iter().enumerate() {
                if *at_arrival == *verdict as u8 {
                    hit(e.arrival[i], row(i));
                }
            }
            for fallen in e.fallen.iter().filter(|f| f.verdict == Some(*verdict)) {
                hit(fallen.at, fallen.row);
            }
        }
        Condition::Key(text) => {
            let keys = Key::shown_as(text);
            for (i, at) in e.arrival.iter().enumerate() {
                let own = (e.key)(i);
                if keys.iter().any(|key| key.canonical() == own) {
                    hit(*at, row(i));
                }
            }
        }
        Condition::LateBy(bound) => {
            for (i, at) in e.arrival.iter().enumerate() {
                let (watermark, time) = (e.watermark[i], e.event_time[i]);
                let timed =
                    Verdict::from_code(e.at_arrival[i]).is_some_and(Verdict::passed_the_checks);
                if timed && watermark != i64::MIN && watermark.saturating_sub(time) > *bound {
                    hit(*at, row(i));
                }
            }
        }
        Condition::Field { path, op, value } => {
            for (i, at) in e.arrival.iter().enumerate() {
                let own = fields.value(e.input[i], e.partition[i], e.offset[i])?;
                if meets(&own, path, *op, std::slice::from_ref(value)) {
                    hit(*at, row(i));
                }
            }
        }
        Condition::Stalled(_) | Condition::StateRows(_) | Condition::StateBytes(_) => {}
    }
    Ok(())
}

/// Calls `with` with what happened in a step.
pub(crate) fn of_step<T>(step: &Step, with: impl FnOnce(&Events<'_>) -> T) -> T {
    let decided = step.decisions.iter().map(|d| Fallen {
        at: d.at,
        row: d.row,
        verdict: d.verdict,
        removed: d.removed,
    });
    let revised = step.revisions.iter().map(|r| Fallen {
        at: r.at,
        row: r.row,
        verdict: Some(Verdict::Expired),
        removed: false,
    });
    let mut fallen: Vec<Fallen> = decided.chain(revised).collect();
    // Stable: of one arrival they stay as they fell.
    fallen.sort_by_key(|f| f.at);
    let moves = step.clock.iter().filter(|c| !matches!(c.kind, ClockKind::Epoch { .. }));
    let clock: Vec<(Arrival, i64)> = moves.map(|c| (c.precedes, c.at_ms)).collect();
    let bytes: Vec<(Arrival, u64)> = step.state.iter().map(|s| (s.arrival, s.bytes)).collect();
    let f = &step.facts;
    with(&Events {
        first_row: f.first_row,
        arrival: &f.arrival,
        arrival_ms: &f.arrival_ms,
        input: &f.input,
        partition: &f.partition,
        offset: &f.offset,
        event_time: &f.event_time,
        watermark: &f.watermark,
        at_arrival: &f.at_arrival,
        key: &|i| f.key(i),
        fallen: &fallen,
        clock: &clock,
        bytes: &bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::key::KeyValue;

    struct NoFields;

    impl Fields for NoFields {
        fn value(&mut self, _: u8, _: i32, _: i64) -> Result<serde_json::Value, String> {
            Err("nobody asks for one".to_owned())
        }
    }

    #[test]
    fn a_key_is_met_as_it_is_shown_whatever_its_type() {
        let keys = [
            KeyValue::Bytes(&[0xff, 0]),
            KeyValue::String("ff00"),
            KeyValue::Int(7),
            KeyValue::String("7"),
            KeyValue::String("007"),
        ]
        .map(Key::new);
        let events = Events {
            first_row: 0,
            arrival: &[0, 1, 2, 3, 4],
            arrival_ms: &[0; 5],
            input: &[0; 5],
            partition: &[0; 5],
            offset: &[0; 5],
            event_time: &[0; 5],
            watermark: &[i64::MIN; 5],
            at_arrival: &[Verdict::Open as u8; 5],
            key: &|i| keys[i].canonical(),
            fallen: &[],
            clock: &[],
            bytes: &[],
        };
        let met = |text: &str| {
            let condition = Condition::Key(text.to_owned());
            let list = [Breakpoint { id: 1, enabled: true, condition }];
            let hits = Watch::default().pass(&list, &events, &mut NoFields).unwrap();
            hits.iter().map(|hit| hit.at).collect::<Vec<_>>()
        };
        // As the window adds it from the selected record.
        assert_eq!(met(&keys[0].to_string()), [0, 1]);
        assert_eq!(met("7"), [2, 3]);
        assert_eq!(met("007"), [4]);
    }
}
