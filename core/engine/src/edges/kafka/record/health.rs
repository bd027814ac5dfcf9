//! What is done several times a second while it is read: who waits is told how
//! far it is, what is wrong is noticed.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::KafkaError;
use super::super::cluster::{now_ms, patiently};
use super::super::lanes::Lane;
use super::super::sys::Client;
use super::super::watch::Watch;
use super::{BATCH, Intake, Progress};
use crate::operator::record::TopicPartition;

const HOUSEKEEPING: Duration = Duration::from_millis(100);
/// Silence after which the topics are looked at, and how often.
const SILENCE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Silent partitions whose ends are asked for at a time.
const ENDS: usize = 16;
const LOOK_ANYWAY: Duration = Duration::from_secs(30);

pub(super) struct Health {
    last_progress: Instant,
    last_housekeeping: Instant,
    last_look: Instant,
    last_ends: Instant,
    /// Silent partitions that were asked about last time.
    turn: usize,
    watch: Watch,
}

impl Health {
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            last_progress: now,
            last_housekeeping: now,
            last_look: now,
            last_ends: now,
            turn: 0,
            watch: Watch::default(),
        }
    }

    /// Something came.
    pub fn came(&mut self) {
        self.last_progress = Instant::now();
        self.watch.well();
    }
}

impl Intake<'_> {
    /// What is done several times a second; true when told to stop.
    pub(super) fn housekeeping(&mut self, client: &Client) -> Result<bool, KafkaError> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let now = Instant::now();
        if now.duration_since(self.health.last_housekeeping) < HOUSEKEEPING {
            return Ok(false);
        }
        self.health.last_housekeeping = now;
        self.report();
        let quiet = now.duration_since(self.health.last_progress) > HOUSEKEEPING;
        self.output.keep_up(quiet)?;
        self.health.watch.note(client.events());
        if let Some(refused) = self.health.watch.refused_for_good(self.cluster.brokers()) {
            return Err(refused);
        }
        if let Some(ms) = self.due
            && now_ms() >= ms
        {
            self.due = None;
            self.set_ends(ms)?;
        }
        let silence = now.duration_since(self.health.last_progress);
        let looked = now.duration_since(self.health.last_look);
        if (silence > SILENCE && looked > LOOK_AGAIN) || looked > LOOK_ANYWAY {
            self.cluster.check_topics()?;
            self.health.last_look = Instant::now();
        }
        self.owed_comes(silence)?;
        Ok(false)
    }

    /// Why a partition gets nothing, where nothing waits and its log goes on:
    /// asked for now and then, a few at a time.
    pub(super) fn starved(&mut self) -> Option<String> {
        let waits = self.batch.iter().len() >= BATCH;
        if waits || self.health.last_ends.elapsed() < LOOK_AGAIN {
            return None;
        }
        let silent = self.heard.silent().filter(|lane| !self.closed[*lane as usize]);
        let silent: Vec<u32> = silent.collect();
        self.health.last_ends = Instant::now();
        let turn = std::mem::take(&mut self.health.turn);
        let few = silent.iter().copied().skip(turn).take(ENDS);
        // Where one broker does not answer now, this waits for none of them.
        let end = |lane: u32| self.cluster.end_now(&self.lanes[lane as usize].partition);
        let ends = few.map_while(|lane| Some((lane, end(lane)?))).collect();
        if turn + ENDS < silent.len() {
            self.health.turn = turn + ENDS;
        }
        self.behind.why(&self.lanes, &ends)
    }

    /// Nothing new may come for ever; what is known to be there must come.
    fn owed_comes(&self, silence: Duration) -> Result<(), KafkaError> {
        let owed: Vec<String> = self
            .lanes
            .iter()
            .filter(|lane| !lane.past_backlog())
            .map(|lane| lane.partition.to_string())
            .collect();
        if silence > self.spec.patience && !owed.is_empty() {
            let shown = owed.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            return Err(KafkaError::Stalled {
                seconds: silence.as_secs(),
                waiting: if owed.len() > 8 { format!("{shown}, …") } else { shown },
                why: self.health.watch.why(),
            });
        }
        Ok(())
    }

    /// The time has come that `Until::Time` named: the ends are known now.
    fn set_ends(&mut self, ms: i64) -> Result<(), KafkaError> {
        let partitions: Vec<TopicPartition> =
            self.lanes.iter().map(|lane| lane.partition.clone()).collect();
        let ends = patiently(self.spec.patience, || {
            let found = self.cluster.at(&partitions, ms)?.into_iter();
            let end = |(partition, at): (&TopicPartition, Option<i64>)| match at {
                Some(offset) => Ok(offset),
                None => self.cluster.offsets(partition).map(|(_, end)| end),
            };
            partitions.iter().zip(found).map(end).collect::<Result<Vec<i64>, KafkaError>>()
        })?;
        for (lane, end) in self.lanes.iter_mut().zip(ends) {
            lane.stop_at(end);
        }
        Ok(())
    }

    pub(super) fn report(&mut self) {
        let (mut backlog, mut done) = (0, 0);
        for (all, seen) in self.lanes.iter().map(Lane::backlog_progress) {
            backlog += all;
            done += seen;
        }
        let progress = Progress { records: self.output.records, backlog, done, live: self.live };
        (self.progress)(&progress);
    }
}
