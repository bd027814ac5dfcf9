//! `expired` under `late = "join"` and under released semantics (3-semantics,
//! "The verdict"), decided by what the store knows of arrivals, not by the join
//! state:
//! - a row is expired instead of unmatched if a row within its interval had
//!   arrived earlier and was removed or never kept;
//! - or if it was itself not kept and a later row would have matched: it is
//!   unmatched at first and revised when that row comes.
//!
//! In both cases the later row of the two is late: a row is gone only once the
//! event-time watermark has passed its last possible partner. So only rows that
//! come late ask, and what they ask is which earlier rows lie in their interval.
//! Under `flink-datastream` a row is gone when the event-time watermark reaches
//! its last possible partner (12-released-joins, C7), under `flink-sql` a row that
//! comes then is not kept (B4.2), under `kafka-streams` it goes by
//! how far its store's time has come, whatever the watermark ([`Asks`]): there a row's
//! partners are those of its partition number, which one task joins (D4), and what
//! has no value is nobody's (D2.2). After a
//! modelled restart the event-time watermark begins anew, and a row that had been
//! passed before may come in time: what had passed by then still counts.

mod of_key;
mod published;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::AtomicBool;

use of_key::OfKey;
use published::{Asker, Published};

use super::error::Result;
use super::read::Run;
use super::types::Query;
use super::write::Writer;
use crate::engine::step::{CheckpointEntry, Decision, Durable, Revision, Sink, SinkError, Step};
use crate::operator::pipeline::{Pipeline, Semantics};
use crate::operator::record::Arrival;
use crate::operator::verdict::Verdict;

/// Event times within which rows of an input lie in a row's interval.
pub(crate) type Window = (u8, i64, i64);

/// Intervals of a pipeline, seen from either side.
#[derive(Clone, Debug)]
pub(crate) struct Intervals {
    primary: u8,
    /// (input, after, until).
    with: Vec<(u8, i64, i64)>,
}

impl Intervals {
    pub fn of(pipeline: &Pipeline) -> Self {
        Self {
            primary: pipeline.join.primary,
            with: pipeline.join.with.iter().map(|w| (w.input, w.after, w.until)).collect(),
        }
    }

    /// Where the partners of a row lie.
    pub fn windows(&self, input: u8, time: i64) -> Vec<Window> {
        if input == self.primary {
            return self
                .with
                .iter()
                .map(|(i, after, until)| {
                    (*i, time.saturating_add(*after), time.saturating_add(*until))
                })
                .collect();
        }
        self.with
            .iter()
            .filter(|(i, _, _)| *i == input)
            .map(|(_, after, until)| {
                (self.primary, time.saturating_sub(*until), time.saturating_sub(*after))
            })
            .collect()
    }
}

/// Which rows may have a partner that is gone, or was never kept.
#[derive(Clone, Copy, Debug)]
enum Asks {
    /// Behind the event-time watermark.
    Late,
    /// Behind or at it.
    LateOrAt,
    /// Behind the largest event time by at least so much: what a window store
    /// keeps less what lies between a row and its furthest partner (D4). `most`
    /// is the largest event time so far.
    Behind { by: i64, most: i64 },
}

impl Asks {
    fn of(pipeline: &Pipeline) -> Self {
        let join = &pipeline.join;
        match join.semantics {
            Semantics::Clean => Self::Late,
            // B4.2: not kept where the operator time has reached its last possible
            // partner, which itself may still come in time. C7.
            Semantics::FlinkSql | Semantics::FlinkDataStream => Self::LateOrAt,
            Semantics::KafkaStreams => {
                let reach = join.with.iter().map(|w| w.until.min(w.after.saturating_neg()));
                let by = reach.min().unwrap_or(0).saturating_add(join.released.grace.unwrap_or(0));
                Self::Behind { by, most: i64::MIN }
            }
        }
    }

    /// Whether a row asks; it is taken in.
    fn asks(&mut self, time: i64, watermark: i64) -> bool {
        match self {
            Self::Late => watermark != i64::MIN && time < watermark,
            Self::LateOrAt => watermark != i64::MIN && time <= watermark,
            Self::Behind { by, most } => {
                let behind = most.saturating_sub(time) >= *by && *most != i64::MIN;
                *most = (*most).max(time);
                behind
            }
        }
    }
}

/// A row that reached the join and is not yet in a published segment.
struct Seen {
    row: u64,
    arrival: Arrival,
    input: u8,
    partition: i32,
    time: i64,
    /// Not kept, and unmatched so far.
    missed: bool,
}

/// The store's sink under `late = "join"`.
pub struct Expired {
    writer: Writer,
    intervals: Intervals,
    asks: Asks,
    /// A task joins partition n with partition n, and nothing else.
    by_partition: bool,
    /// No event-time watermark so far was beyond this.
    passed: i64,
    /// The largest event time so far: before a restart none was beyond it either.
    newest: i64,
    /// Modelled restarts that are to come.
    restarts: VecDeque<Arrival>,
    run: Run,
    segments: usize,
    published: Published,
    /// Rows since the last published segment, by key hash.
    open: HashMap<u64, OfKey>,
    /// Late rows in the state that had an earlier partner: expired unless they join.
    doomed: HashSet<u64>,
    /// Published rows revised since then.
    revised: HashSet<u64>,
    /// Rows since then that the join left out for what they are.
    left_out: HashSet<u64>,
}

impl Expired {
    /// Around a writer that was just created, or resumed.
    ///
    /// # Errors
    /// What the resumed run left cannot be read.
    pub fn new(writer: Writer, pipeline: &Pipeline) -> Result<Self> {
        let run = Run::open(writer.dir())?;
        let mut judge = Self {
            segments: writer.segments(),
            intervals: Intervals::of(pipeline),
            asks: Asks::of(pipeline),
            by_partition: pipeline.join.semantics == Semantics::KafkaStreams,
            passed: i64::MIN,
            newest: i64::MIN,
            restarts: run.manifest().start.restarts.into(),
            writer,
            run,
            published: Published::default(),
            open: HashMap::new(),
            doomed: HashSet::new(),
            revised: HashSet::new(),
            left_out: HashSet::new(),
        };
        judge.recall()?;
        Ok(judge)
    }

    /// Late rows of the resumed run that are still undecided.
    fn recall(&mut self) -> Result<()> {
        let mut query = Query {
            verdicts: [Verdict::Open].into_iter().collect(),
            late_by_at_least: Some(1),
            ..Query::default()
        };
        if !matches!(self.asks, Asks::Late) || !self.restarts.is_empty() {
            query.late_by_at_least = None;
        }
        if !self.restarts.is_empty() && self.run.rows() > 0 {
            // As below: what had passed is not kept.
            (self.passed, self.newest) = (i64::MAX, i64::MAX);
        }
        if let Asks::Behind { most, .. } = &mut self.asks
            && self.run.rows() > 0
        {
            // Of rows that the join left out too: some ask that need not. Where nothing is
            // known of it all do.
            *most = match self.writer.newest() {
                i64::MIN => i64::MAX,
                newest => newest,
            };
        }
        let late = self.run.search_all(&query, &AtomicBool::new(false))?;
        for row in self.run.views(&late)? {
            let (Some(key), Some(time)) = (&row.key, row.event_time) else { continue };
            let windows = self.intervals.windows(row.input, time);
            let asker = Asker {
                hashes: (key.hash64(), key.normal_hash()),
                row: row.row,
                partition: self.by_partition.then_some(row.record.partition),
            };
            if self.published.ask(&self.run, &asker, &windows, |_| ())? {
                self.doomed.insert(row.row);
            }
        }
        Ok(())
    }

    /// The writer. What is read back of the run is looked for anew: it may have grown.
    pub(super) fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// The writer, to finish the run.
    #[must_use]
    pub fn into_writer(self) -> Writer {
        self.writer
    }

    fn refresh(&mut self) -> Result<()> {
        if self.segments == self.writer.segments() {
            return Ok(());
        }
        self.run.refresh()?;
        self.segments = self.writer.segments();
        self.revised.clear();
        self.published.forget();
        let published = self.run.rows();
        self.open.retain(|_, rows| rows.forget(published));
        self.left_out.retain(|row| *row >= published);
        Ok(())
    }

    fn judge(&mut self, step: &mut Step) -> Result<()> {
        self.refresh()?;
        let first = step.facts.first_row;
        // Verdicts that fell at the row's own arrival, by row in the step.
        let mut at_once: Vec<Option<usize>> = vec![None; step.facts.len()];
        for (i, decision) in step.decisions.iter().enumerate() {
            if decision.verdict.is_some_and(|verdict| !verdict.reaches_join()) {
                self.left_out.insert(decision.row);
            }
            let own = decision.row.checked_sub(first).map(|row| row as usize);
            if let Some(slot) = own.and_then(|row| at_once.get_mut(row)) {
                let own_arrival = step.facts.arrival[decision.row as usize - first as usize];
                if decision.verdict.is_some() && decision.at == own_arrival {
                    *slot = Some(i);
                }
            }
        }
        for (i, at_once) in at_once.into_iter().enumerate() {
            self.row(step, i, at_once)?;
        }
        for decision in &mut step.decisions {
            match decision.verdict {
                Some(Verdict::Unmatched) if self.doomed.remove(&decision.row) => {
                    decision.verdict = Some(Verdict::Expired);
                }
                Some(Verdict::Joined) => {
                    self.doomed.remove(&decision.row);
                }
                _ => {}
            }
        }
        step.revisions.sort_by_key(|revision| (revision.at, revision.row));
        Ok(())
    }

    /// Takes in how far the event-time watermark has come when a row arrives.
    fn passes(&mut self, step: &Step, i: usize) {
        let facts = &step.facts;
        while self.restarts.front().is_some_and(|next| *next <= facts.arrival[i]) {
            self.restarts.pop_front();
            self.passed = self.passed.max(self.newest);
        }
        self.passed = self.passed.max(facts.watermark[i]);
        self.newest = self.newest.max(facts.event_time[i]);
    }

    fn row(&mut self, step: &mut Step, i: usize, at_once: Option<usize>) -> Result<()> {
        self.passes(step, i);
        let facts = &step.facts;
        if facts.at_arrival[i] != Verdict::Open as u8 {
            return Ok(());
        }
        let row = facts.first_row + i as u64;
        let (arrival, input, time) = (facts.arrival[i], facts.input[i], facts.event_time[i]);
        let (hash, normal) = (facts.key_hash[i], facts.normal_hash[i]);
        if facts.key(i).is_empty() {
            // A null key equals nothing.
            return Ok(());
        }
        let late = self.asks.asks(time, self.passed);
        if self.left_out.contains(&row) {
            return Ok(());
        }
        let partition = facts.partition[i];
        let mut had_partner = false;
        if late {
            let windows = self.intervals.windows(input, time);
            let (by_partition, left_out) = (self.by_partition, &self.left_out);
            let revisions = &mut step.revisions;
            if let Some(rows) = self.open.get_mut(&hash) {
                rows.within(&windows, |seen| {
                    if by_partition && seen.partition != partition || left_out.contains(&seen.row) {
                        return;
                    }
                    had_partner = true;
                    if std::mem::take(&mut seen.missed) {
                        let (row, input, was) = (seen.row, seen.input, seen.arrival);
                        revisions.push(Revision { row, input, was, at: arrival });
                    }
                });
            }
            let own = by_partition.then_some(partition);
            let asker = Asker { hashes: (hash, normal), row, partition: own };
            let revised = &mut self.revised;
            had_partner |= self.published.ask(&self.run, &asker, &windows, |found| {
                if revised.insert(found.row) {
                    let (row, input, was) = (found.row, found.input, found.arrival);
                    revisions.push(Revision { row, input, was, at: arrival });
                }
            })?;
        }
        let verdict = at_once.and_then(|at| step.decisions.get(at));
        if had_partner && !verdict.is_some_and(joined) {
            self.doomed.insert(row);
        }
        let missed = verdict.is_some_and(missed) && !had_partner;
        let seen = Seen { row, arrival, input, partition, time, missed };
        self.open.entry(hash).or_insert_with(OfKey::new).push(seen);
        Ok(())
    }
}

fn joined(decision: &Decision) -> bool {
    decision.verdict == Some(Verdict::Joined)
}

fn missed(decision: &Decision) -> bool {
    decision.verdict == Some(Verdict::Unmatched) && decision.reason.not_kept()
}

fn sink_error(error: &super::RunError) -> SinkError {
    SinkError(error.to_string())
}

impl Sink for Expired {
    fn revise(&mut self, step: &mut Step) -> Result<(), SinkError> {
        self.judge(step).map_err(|e| sink_error(&e))
    }

    fn step(&mut self, step: Step) -> Result<(), SinkError> {
        self.writer.step(step)
    }

    fn stopped(&mut self, stopped: bool) -> Result<(), SinkError> {
        self.writer.stopped(stopped)
    }

    fn barrier(&mut self, at: Arrival) -> Result<Option<Durable>, SinkError> {
        self.writer.barrier(at)
    }

    fn checkpoint(&mut self, entry: CheckpointEntry) -> Result<(), SinkError> {
        self.writer.checkpoint(entry)
    }
}
