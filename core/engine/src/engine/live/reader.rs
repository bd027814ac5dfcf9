//! The reading of a live run: what the log of an earlier start holds first,
//! then what the cluster gives, each batch into the log before it is given on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::align::Align;
use super::clock::WallClock;
use super::holding::Holding;
use super::log::ArrivalLog;
use super::recent::Recent;
use super::schemas::LiveSchemas;
use super::status::{LiveStatus, Standing};
use super::ticks::Ticks;
use crate::edges::kafka::{Health, Tail};
use crate::edges::recording::Packed;
use crate::engine::source::{Batches, ClockInput, ClockInputKind, Given, Heads, SourceError};
use crate::operator::record::{Arrival, Record};

/// Records of a batch, and bytes, at most (about).
const BATCH: usize = 4096;
const BATCH_BYTES: usize = 4 << 20;
/// How long a batch waits for more where few come: less than anybody sees, and
/// no more than 20 chunks a second in the log.
const LINGER: Duration = Duration::from_millis(50);
/// Between two accounts of how it stands.
const ACCOUNT: Duration = Duration::from_millis(200);

pub(super) struct Reader {
    /// What the log still holds.
    pub replay: Option<Batches>,
    pub log: ArrivalLog,
    pub tail: Tail,
    pub stop: Arc<AtomicBool>,
    pub status: Arc<LiveStatus>,
    pub schemas: Arc<LiveSchemas>,
    pub heads: Arc<Heads>,
    pub align: Align,
    pub holding: Holding,
    pub ticks: Ticks,
    pub clock: WallClock,
    /// The number of the next record.
    pub next: Arrival,
    /// Said first of all that was not in the log, and is there already: in place of
    /// what it lost of what the state has heard, and of partitions that are new.
    pub added: Vec<ClockInput>,
    /// The next start reads partitions that come meanwhile.
    pub takes_new: bool,
    pub began: bool,
    pub ended: bool,
    /// To be said next.
    pub failed: Option<SourceError>,
    pub accounted: Option<Instant>,
    pub health: Health,
    /// For values; `None`: nobody wants any.
    pub recent: Option<Arc<Mutex<Recent>>>,
}

impl Reader {
    fn live(&mut self) -> Result<Given, SourceError> {
        let began = Instant::now();
        let wait = Duration::from_millis(self.ticks.every().unsigned_abs()).min(2 * LINGER);
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut schemas = Vec::new();
        let mut patience = if self.began { wait } else { Duration::ZERO };
        loop {
            let from = records.len();
            let taken = self.tail.poll(patience, &mut records, &mut |new| schemas.push(new));
            if let Err(error) = taken {
                if error.is_denied() {
                    self.status.denied();
                }
                let error = SourceError(error.to_string());
                if records.is_empty() {
                    return Err(error);
                }
                // What was read before it is given first.
                self.failed = Some(error);
                break;
            }
            bytes += records[from..].iter().map(Record::payload).sum::<usize>();
            let full = records.len() >= BATCH || bytes >= BATCH_BYTES;
            // Nothing came in the time, or it is time.
            let over = records.is_empty() || records.len() == from && from > 0;
            patience = LINGER.saturating_sub(began.elapsed()).min(LINGER);
            if full || over || patience.is_zero() || self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        let at_ns = self.clock.now();
        let first = self.next;
        let mut given = self.given(records, at_ns)?;
        for schema in schemas {
            let schema = self.schemas.learn(schema, first);
            self.log.schema(schema).map_err(wrong)?;
        }
        if !(given.records.is_empty() && given.clock.is_empty()) {
            self.log.write(&given).map_err(wrong)?;
        }
        // Only now: all that the reading gave is in the log.
        self.log.reached(self.tail.lanes(), at_ns.div_euclid(1_000_000)).map_err(wrong)?;
        // The log's own bytes of them.
        if let Some(recent) = &self.recent {
            remember(recent, Packed::written(self.log.chunks(), &given.records));
        }
        given.clock.splice(0..0, self.added.drain(..));
        Ok(given)
    }

    /// Numbers the records, and says what the clock has to say before them.
    fn given(&mut self, mut records: Vec<Record>, at_ns: i64) -> Result<Given, SourceError> {
        let now = at_ns.div_euclid(1_000_000);
        let precedes = self.next;
        let mut clock = Vec::new();
        let said = |kind, at_ms| ClockInput { precedes, at_ms, kind };
        if !std::mem::replace(&mut self.began, true) {
            clock.push(said(ClockInputKind::Tick, now));
            for (source, _) in self.holding.begin() {
                clock.push(said(ClockInputKind::Held(source), now));
            }
            self.ticks.event(now);
        }
        self.holding.coming(&records);
        let away = self.health.away_since.is_some();
        for (source, held, at_ms) in self.holding.changes(self.tail.lanes(), away, now) {
            let kind =
                if held { ClockInputKind::Held(source) } else { ClockInputKind::Free(source) };
            clock.push(said(kind, at_ms));
            self.ticks.event(now);
        }
        for (source, paused) in self.align.changes(self.tail.lanes(), &self.heads) {
            self.tail.pause(source, paused);
            self.log.paused(source, paused, precedes, at_ns).map_err(wrong)?;
        }
        if !records.is_empty() {
            self.ticks.event(now);
        } else if self.ticks.due(now) {
            clock.push(said(ClockInputKind::Tick, now));
        }
        for record in &mut records {
            record.arrival = self.next;
            record.arrival_ns = at_ns;
            self.next += 1;
        }
        Ok(Given { records, clock })
    }

    /// The epoch ends where the run does, and so does the log.
    fn last(&mut self) -> Result<Given, SourceError> {
        let at_ms = self.clock.now().div_euclid(1_000_000);
        let said = |kind| ClockInput { precedes: self.next, at_ms, kind };
        let clock = vec![said(ClockInputKind::Tick), said(ClockInputKind::Barrier)];
        let mut given = Given { records: Vec::new(), clock };
        self.log.write(&given).and_then(|()| self.log.finish()).map_err(wrong)?;
        given.clock.splice(0..0, self.added.drain(..));
        Ok(given)
    }

    fn account(&mut self) {
        if self.accounted.is_some_and(|at| at.elapsed() < ACCOUNT) {
            return;
        }
        self.accounted = Some(Instant::now());
        let was_away = self.health.away_since.is_some();
        let unread = self.health.unread.len();
        self.health = self.tail.health();
        let away =
            self.health.away_since.map(|since| (since.elapsed().as_secs(), self.tail.why_away()));
        match &away {
            Some((_, why)) if !was_away => {
                tracing::warn!("no broker answers ({why}): waiting, what is read goes on later");
            }
            None if was_away => tracing::warn!("the brokers answer again"),
            _ => {}
        }
        if self.health.unread.len() > unread {
            let names: Vec<String> = self.health.unread.iter().map(ToString::to_string).collect();
            tracing::warn!(
                "new partitions are there and are not read now: {}; {}",
                names.join(", "),
                if self.takes_new {
                    "the next start reads them from their first offsets, so that their records \
                     may be late"
                } else {
                    "under Flink's rules with several source subtasks (join.parallelism) only a \
                     new run reads them, in another folder"
                }
            );
        }
        self.status.set(Standing {
            lanes: self.tail.lanes().to_vec(),
            replaying: self.replay.is_some(),
            away,
            unread: self.health.unread.clone(),
            denied: false,
            unasked_s: 0,
            now_ms: self.clock.now().div_euclid(1_000_000),
        });
    }
}

impl Iterator for Reader {
    type Item = Result<Given, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.account();
        if let Some(replay) = &mut self.replay {
            match replay.next() {
                Some(given) => {
                    if let Ok(given) = &given {
                        self.next += given.records.len() as u64;
                        if let Some(recent) =
                            self.recent.as_ref().filter(|_| !given.records.is_empty())
                        {
                            remember(recent, vec![Packed::of(&given.records)]);
                        }
                    }
                    self.ended = given.is_err();
                    return Some(given);
                }
                None => self.replay = None,
            }
        }
        if self.stop.load(Ordering::Relaxed) {
            self.ended = true;
            return Some(self.last());
        }
        let given = self.failed.take().map_or_else(|| self.live(), Err);
        self.ended = given.is_err();
        Some(given)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Also after an error elsewhere: the log is whole up to here.
        if let Err(error) = self.log.finish() {
            tracing::warn!("the arrival log: {error}");
        }
        self.accounted = None;
        self.account();
        self.status.ends();
    }
}

/// Keeps records at hand, as their values are wanted.
fn remember(recent: &Mutex<Recent>, batches: Vec<Packed>) {
    let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
    batches.into_iter().for_each(|batch| recent.add(batch));
}

pub(super) fn wrong(error: crate::edges::recording::RecordingError) -> SourceError {
    SourceError(format!("the arrival log: {error}"))
}
