//! A source as a live one is: time goes on where no record comes, and what the
//! clock said is on the arrival log as the records are. The wall clock that it
//! reads may step back or forward.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::feed::Lanes;
use super::input::{ArrivalLog, Input, lock};
use crate::engine::live::WallClock;
use crate::engine::{ClockInput, ClockInputKind, Given, SourceError};
use crate::operator::record::Record;

/// Ticks after the last record: for idleness, and the epoch that it falls in.
const AFTER: u32 = 16;
/// Records that are given together.
const TOGETHER: usize = 8;

/// From some place of the arrival log on.
pub(super) struct Ticking {
    input: Arc<Input>,
    taken: ArrivalLog,
    /// Of the arrival log, not yet given: the next position, and what comes.
    follow: VecDeque<Followed>,
    lanes: Lanes,
    /// Between two ticks, ns.
    every: i64,
    /// From the record of this number on, the wall clock is so many ms off.
    steps: Vec<(u64, i64)>,
    clock: WallClock,
    began: Instant,
    /// The recording's time that has passed, ns, and where it stood at the start.
    at: i64,
    from: i64,
    /// The number of the next record.
    next: u64,
    ahead: Option<u32>,
    after: u32,
}

#[derive(Clone, Copy)]
enum Followed {
    Record(u32, i64),
    Clock(ClockInput),
}

impl Ticking {
    /// Goes on at record `from`. `last_ns`: no arrival is before it.
    pub fn new(
        input: Arc<Input>,
        taken: ArrivalLog,
        lanes: Lanes,
        from: u64,
        last_ns: i64,
        every_ms: i64,
        steps: Vec<(u64, i64)>,
    ) -> Self {
        let mut follow = VecDeque::new();
        let mut newest = last_ns;
        {
            let log = lock(&taken);
            let mut clock = log.clock.iter().filter(|said| said.precedes >= from).peekable();
            let records = log.order.get(from as usize..).unwrap_or_default();
            for (position, (i, ns)) in (from..).zip(records) {
                while let Some(said) = clock.next_if(|said| said.precedes <= position) {
                    follow.push_back(Followed::Clock(*said));
                }
                follow.push_back(Followed::Record(*i, *ns));
                newest = newest.max(*ns);
            }
            for said in clock {
                newest = newest.max(said.at_ms.saturating_mul(1_000_000));
                follow.push_back(Followed::Clock(*said));
            }
        }
        let first = input.records.first().map_or(0, |record| record.arrival_ns);
        let at = newest.max(first);
        let began = Instant::now();
        Self {
            input,
            taken,
            follow,
            lanes,
            every: every_ms.max(1) * 1_000_000,
            steps,
            clock: WallClock::from(newest, began),
            began,
            at,
            from: at,
            next: from,
            ahead: None,
            after: 0,
        }
    }

    /// What a clock shows that never goes back, when the recording's is `at`.
    fn now(&mut self) -> i64 {
        let off: i64 = self.steps.iter().filter(|(n, _)| *n <= self.next).map(|(_, ms)| ms).sum();
        let passed = (self.at - self.from).max(0).unsigned_abs();
        self.clock.advance(self.at + off * 1_000_000, self.began + Duration::from_nanos(passed))
    }

    fn record(&mut self, i: u32, ns: i64) -> Record {
        let arrival = self.next;
        self.next += 1;
        Record { arrival, arrival_ns: ns, ..self.input.records[i as usize].clone() }
    }

    fn followed(&mut self) -> Option<Given> {
        let mut given = Given::default();
        while given.records.len() < TOGETHER {
            match self.follow.pop_front() {
                Some(Followed::Clock(said)) => given.clock.push(said),
                Some(Followed::Record(i, ns)) => {
                    let record = self.record(i, ns);
                    given.records.push(record);
                }
                None => break,
            }
        }
        (given != Given::default()).then_some(given)
    }

    fn tick(&mut self) -> Given {
        self.at += self.every;
        let at_ms = self.now().div_euclid(1_000_000);
        let said = ClockInput { precedes: self.next, at_ms, kind: ClockInputKind::Tick };
        lock(&self.taken).clock.push(said);
        Given { records: Vec::new(), clock: vec![said] }
    }
}

impl Iterator for Ticking {
    type Item = Result<Given, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(given) = self.followed() {
            return Some(Ok(given));
        }
        let mut records = Vec::new();
        while records.len() < TOGETHER {
            let Some(i) = self.ahead.take().or_else(|| self.lanes.next(&self.input)) else { break };
            let ns = self.input.records[i as usize].arrival_ns.max(self.at);
            if ns - self.at > self.every {
                self.ahead = Some(i);
                if records.is_empty() {
                    return Some(Ok(self.tick()));
                }
                break;
            }
            self.at = ns;
            let ns = self.now();
            lock(&self.taken).order.push((i, ns));
            records.push(self.record(i, ns));
        }
        if records.is_empty() {
            self.after += 1;
            return (self.after <= AFTER).then(|| Ok(self.tick()));
        }
        Some(Ok(Given { records, clock: Vec::new() }))
    }
}
