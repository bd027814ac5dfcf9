//! The way out: the producer, what waits for it while an epoch is committed,
//! and the steps of a commit. The sink's thread hands messages over; the
//! checkpoint's thread commits; each has the producer while it needs it.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::epochs::{Journal, What};
use super::mark::Mark;
use super::progress::{Progress, Waiter};
use super::sending::{Called, Sending, bytes_of};
use super::{Bugs, Clock, JobError, JobEvent};
use crate::edges::fault::{Crash, point};
use crate::edges::log::{Log, LogError, LogErrorKind, LogProducer, OutMessage, ProducerSpec};
use crate::engine::control::Control;
use crate::engine::step::Prepared;
use crate::operator::pipeline::Guarantee;
use crate::operator::record::TopicPartition;

/// Why nothing leaves any more.
#[derive(Clone, Debug)]
pub(super) enum Failed {
    Crash(Crash),
    /// The cluster's answer, and the last output handed over before it.
    Log(LogError, String),
    /// A checkpoint that was made anew is not what was delivered.
    Rebuilt {
        epoch: u64,
        found: String,
        delivered: String,
    },
    /// Another owner committed meanwhile.
    Replaced(Box<Progress>),
    Io(String),
    /// The epoch's checkpoint could not be taken; the engine says why.
    Unprepared,
    Cancelled,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Crash(crash) => crash.fmt(f),
            Self::Log(error, _) => error.fmt(f),
            Self::Replaced(by) => write!(f, "taken over by process {} on {}", by.pid, by.host),
            Self::Rebuilt { epoch, .. } => write!(f, "epoch {epoch} was rebuilt otherwise"),
            Self::Io(what) => f.write_str(what),
            Self::Unprepared => f.write_str("the checkpoint could not be taken"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl From<Crash> for Failed {
    fn from(crash: Crash) -> Self {
        Self::Crash(crash)
    }
}

/// What does not change during an incarnation.
pub(super) struct Setup {
    pub guarantee: Guarantee,
    pub log: Arc<dyn Log>,
    pub producer: ProducerSpec,
    pub folder: PathBuf,
    /// Of the job; also the group that its offsets go to.
    pub job: String,
    pub queue_bytes: usize,
    pub backoff: Duration,
    pub in_step: bool,
    pub control: Control,
    pub tell: Arc<dyn Fn(JobEvent) + Send + Sync>,
    pub clock: Option<Clock>,
    pub bugs: Bugs,
    pub journal: Arc<Journal>,
    /// All partitions of the inputs and where each was begun.
    pub from: BTreeMap<TopicPartition, i64>,
    /// Own progress record, as it was at the start.
    pub progress: Progress,
}

/// While an epoch is committed its outputs wait; then they leave in so many turns
/// beside those that still come, down to so few.
const TURNS: u32 = 8;
const FEW: usize = 64;

struct State {
    /// `None`: with the checkpoint's thread.
    producer: Option<Box<dyn LogProducer>>,
    sending: Sending,
    /// An epoch is being committed: what comes belongs to the next.
    busy: bool,
    waiting: VecDeque<(i64, OutMessage)>,
    waiting_bytes: usize,
    failed: Option<Failed>,
    mark: Mark,
}

pub(super) struct Outbox {
    pub setup: Setup,
    state: Mutex<State>,
    changed: Condvar,
}

impl Outbox {
    pub fn new(setup: Setup, producer: Box<dyn LogProducer>, mark: Mark) -> Self {
        let state = State {
            producer: Some(producer),
            sending: Sending::default(),
            busy: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            failed: None,
            mark,
        };
        Self { setup, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing leaves any more; the first reason counts.
    pub fn end(&self, failed: Failed) -> Failed {
        let mut state = self.lock();
        state.failed.get_or_insert_with(|| failed.clone());
        state.busy = false;
        drop(state);
        self.changed.notify_all();
        failed
    }

    /// The epoch that ended will not be delivered, unless it is.
    pub fn unless_delivered(&self) {
        if self.lock().busy {
            self.end(Failed::Unprepared);
        }
    }

    /// Ends the transaction that is open: the job ends, and its readers need not wait until
    /// it times out. Where a call timed out nobody knows what is open; the next start does.
    pub fn abandon(&self) {
        let mut state = self.lock();
        let open = self.transactional() && state.sending.begun && !state.sending.tainted;
        let Some(mut producer) = state.producer.take().filter(|_| open) else { return };
        drop(state);
        if let Err(error) = producer.abort() {
            tracing::info!("{error}");
        }
    }

    /// What failed may be open still: [`Outbox::abandon`] ends it.
    fn give_back(&self, producer: Box<dyn LogProducer>, sending: Sending) {
        let mut state = self.lock();
        (state.producer, state.sending) = (Some(producer), sending);
    }

    pub fn failure(&self) -> Option<Failed> {
        self.lock().failed.clone()
    }

    pub fn mark(&self) -> Mark {
        self.lock().mark.clone()
    }

    fn waiter(&self) -> Waiter<'_> {
        let setup = &self.setup;
        // A stop waits for the last commit.
        Waiter { backoff: setup.backoff, control: &setup.control, stop: None, tell: &*setup.tell }
    }

    fn transactional(&self) -> bool {
        self.setup.guarantee == Guarantee::ExactlyOnce
    }

    /// Takes messages of the epoch at hand, in their order, each with its
    /// processing time, ms.
    pub fn give(&self, messages: Vec<(i64, OutMessage)>) -> Result<(), Failed> {
        let mut messages = messages.into_iter();
        let _awaited = self.setup.control.awaits("the cluster to take outputs");
        let mut state = self.lock();
        loop {
            if let Some(failed) = &state.failed {
                return Err(failed.clone());
            }
            // Held back until its epoch is on the disk.
            let holds = self.setup.guarantee == Guarantee::AtMostOnce;
            if holds || state.busy && !self.setup.in_step {
                while holds || state.waiting_bytes < self.setup.queue_bytes {
                    let Some((now_ms, message)) = messages.next() else { return Ok(()) };
                    state.waiting_bytes += bytes_of(&message);
                    state.waiting.push_back((now_ms, message));
                }
                if messages.len() == 0 {
                    return Ok(());
                }
            } else if !state.busy {
                let result = messages
                    .try_for_each(|(now_ms, message)| self.hand_over(&mut state, now_ms, message));
                drop(state);
                return result.map_err(|failed| self.end(failed));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// In step: until the epoch before is through.
    pub fn settle(&self) {
        let state = self.lock();
        let waits = |state: &mut State| state.busy && state.failed.is_none();
        drop(self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner));
    }

    fn hand_over(&self, state: &mut State, now_ms: i64, message: OutMessage) -> Result<(), Failed> {
        let Some(producer) = state.producer.as_mut() else { return Err(Failed::Cancelled) };
        self.send(producer.as_mut(), &mut state.sending, now_ms, message)
    }

    fn send(
        &self,
        producer: &mut dyn LogProducer,
        sending: &mut Sending,
        now_ms: i64,
        message: OutMessage,
    ) -> Result<(), Failed> {
        point("send", &self.setup.folder)?;
        if let Some(clock) = &self.setup.clock {
            clock(now_ms);
        }
        sending.last = Some(Called::of(&message));
        if self.transactional() && !std::mem::replace(&mut sending.begun, true) {
            self.until(&mut sending.tainted, || producer.begin(), "begin")?;
        }
        producer.send(message).map_err(|e| Failed::Log(e, sending.called()))
    }

    /// Asks until it answers; a call that timed out taints the producer.
    fn until(
        &self,
        tainted: &mut bool,
        mut ask: impl FnMut() -> Result<(), LogError>,
        last: &str,
    ) -> Result<(), Failed> {
        let waiter = self.waiter();
        let asked = waiter.until(|| {
            let answer = ask();
            *tainted |= answer.as_ref().is_err_and(|e| e.kind == LogErrorKind::TimedOut);
            if answer
                .as_ref()
                .is_err_and(|e| matches!(e.kind, LogErrorKind::TimedOut | LogErrorKind::Retriable))
                && let Err(crash) = point("commit.again", &self.setup.folder)
            {
                return Ok(Err(crash));
            }
            answer.map(Ok)
        });
        match asked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(crash)) => Err(crash.into()),
            Err(JobError::Cluster(error)) => Err(Failed::Log(error, last.to_owned())),
            Err(_) => Err(Failed::Cancelled),
        }
    }

    /// Asks the cluster until it answers.
    pub fn ask(&self, ask: impl FnMut() -> Result<(), LogError>) -> Result<(), Failed> {
        self.until(&mut false, ask, "none")
    }

    /// The epoch ends here: what comes from now on belongs to the next one.
    /// Gives what was held back of it.
    pub fn end_epoch(&self) -> Result<VecDeque<(i64, OutMessage)>, Failed> {
        let mut state = self.lock();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        state.busy = true;
        state.waiting_bytes = 0;
        Ok(std::mem::take(&mut state.waiting))
    }

    /// On the checkpoint's thread, when N is on the disk: protocol steps 3 and 4.
    pub fn deliver(
        &self,
        prepared: &Prepared,
        held: VecDeque<(i64, OutMessage)>,
    ) -> Result<(), Failed> {
        self.delivered(prepared, held).map_err(|failed| self.end(failed))
    }

    fn delivered(
        &self,
        prepared: &Prepared,
        held: VecDeque<(i64, OutMessage)>,
    ) -> Result<(), Failed> {
        let epoch = prepared.entry.epoch;
        let folder = &self.setup.folder;
        point("prepared", folder)?;
        let arrival = prepared.entry.arrival;
        let awaited = self.setup.control.awaits(format!("the commit of epoch {epoch}"));
        self.setup.journal.note(What::Prepared { epoch, arrival });
        (self.setup.tell)(JobEvent::Prepared { epoch });
        if let Some(clock) = &self.setup.clock {
            clock(prepared.entry.arrival_ms);
        }
        let (producer, mut tainted, begun) = {
            let mut state = self.lock();
            let begun = std::mem::take(&mut state.sending.begun);
            (state.producer.take(), state.sending.tainted, begun)
        };
        let Some(mut producer) = producer else { return Err(Failed::Cancelled) };
        let mut offsets = self.setup.from.clone();
        offsets.extend(prepared.offsets.iter().cloned());
        match self.setup.guarantee {
            Guarantee::ExactlyOnce => {
                let committed =
                    self.commit(producer.as_mut(), begun, &mut tainted, prepared, &offsets);
                if let Err(failed) = committed {
                    let begun = failed.leaves_open();
                    self.give_back(producer, Sending { begun, tainted, last: None });
                    return Err(failed);
                }
                self.mark_committed(epoch)?;
                if tainted && !self.setup.bugs.reuse_producer {
                    producer = self.new_producer(epoch)?;
                    tainted = false;
                }
            }
            Guarantee::AtLeastOnce => {
                if self.setup.bugs.commit_early {
                    self.mark_committed(epoch)?;
                }
                point("commit.send", folder)?;
                self.flush(producer.as_mut())?;
                point("commit.answered", folder)?;
                if !self.setup.bugs.commit_early {
                    self.mark_committed(epoch)?;
                }
                // For lag tools; a restore reads the checkpoint's own.
                if let Err(e) = self.setup.log.commit_offsets(&self.setup.job, &offsets) {
                    tracing::warn!("offsets of group {}: {e}", self.setup.job);
                }
            }
            Guarantee::AtMostOnce => {
                self.mark_committed(epoch)?;
                // Where some may not have arrived they are not sent again: the job goes on
                // behind this epoch, and says so.
                let lossy = |failed| match failed {
                    Failed::Log(mut error, last) => {
                        error.what +=
                            &format!("; some of the outputs of epoch {epoch} may be lost");
                        Failed::Log(error, last)
                    }
                    other => other,
                };
                for (now_ms, message) in held {
                    point("send", folder)?;
                    if let Some(clock) = &self.setup.clock {
                        clock(now_ms.max(prepared.entry.arrival_ms));
                    }
                    let last = Called::of(&message);
                    let failed = |e| lossy(Failed::Log(e, Called::text(Some(&last))));
                    producer.send(message).map_err(failed)?;
                }
                // So that a crash loses no more than the epoch at hand. What waits
                // in the producer is waited for.
                self.flush(producer.as_mut()).map_err(lossy)?;
            }
        }
        let arrival_ms = prepared.entry.arrival_ms;
        self.setup.journal.note(What::Committed { epoch, arrival });
        (self.setup.tell)(JobEvent::Committed { epoch, arrival_ms });
        drop(awaited);
        let _awaited = self.setup.control.awaits("the cluster to take the outputs that waited");
        let mut sending = Sending { tainted, ..Sending::default() };
        let mut state = self.lock();
        let at_most_once = self.setup.guarantee == Guarantee::AtMostOnce;
        let mut turns = 0;
        while !at_most_once && state.waiting.len() > FEW && turns < TURNS {
            turns += 1;
            let waited = std::mem::take(&mut state.waiting);
            state.waiting_bytes = 0;
            drop(state);
            self.changed.notify_all();
            for (now_ms, message) in waited {
                if let Err(failed) = self.send(producer.as_mut(), &mut sending, now_ms, message) {
                    self.give_back(producer, sending);
                    return Err(failed);
                }
            }
            state = self.lock();
        }
        sending.last = sending.last.or(state.sending.last.take());
        state.producer = Some(producer);
        state.sending = sending;
        if !at_most_once {
            while let Some((now_ms, message)) = state.waiting.pop_front() {
                state.waiting_bytes = state.waiting_bytes.saturating_sub(bytes_of(&message));
                self.hand_over(&mut state, now_ms, message)?;
            }
        }
        state.busy = false;
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    fn commit(
        &self,
        producer: &mut dyn LogProducer,
        begun: bool,
        tainted: &mut bool,
        prepared: &Prepared,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), Failed> {
        let folder = &self.setup.folder;
        let last = self.lock().sending.called();
        if !begun {
            self.until(tainted, || producer.begin(), &last)?;
        }
        point("commit.progress", folder)?;
        let entry = &prepared.entry;
        let progress = Progress {
            epoch: entry.epoch,
            arrival: entry.arrival,
            output: entry.output,
            offsets: super::progress::named(offsets),
            digest: prepared.digest.clone(),
            ..self.setup.progress.clone()
        };
        let failed = |e| Failed::Log(e, last.clone());
        producer.send(progress.message(entry.arrival_ms)).map_err(failed)?;
        point("commit.offsets", folder)?;
        self.until(tainted, || producer.send_offsets(&self.setup.job, offsets), &last)?;
        point("commit.send", folder)?;
        self.until(tainted, || producer.commit(), &last)?;
        point("commit.answered", folder)?;
        Ok(())
    }

    /// Waits until everything is acknowledged; what timed out may have been
    /// written or not.
    fn flush(&self, producer: &mut dyn LogProducer) -> Result<(), Failed> {
        let last = self.lock().sending.called();
        let awaited = self.setup.control.awaits("what was sent to be acknowledged");
        loop {
            match producer.flush() {
                Err(e) if e.kind == LogErrorKind::Retriable => {
                    awaited.say(&e.what);
                    point("commit.again", &self.setup.folder)?;
                    self.waiter().pause().map_err(|_| Failed::Cancelled)?;
                }
                other => return other.map_err(|e| Failed::Log(e, last)),
            }
        }
    }

    fn mark_committed(&self, epoch: u64) -> Result<(), Failed> {
        let mut mark = self.mark();
        mark.committed = epoch;
        let stored = mark.store(&self.setup.folder);
        stored.map_err(|e| Failed::Io(format!("{}: {e}", self.setup.folder.display())))?;
        self.lock().mark = mark;
        point("commit.marked", &self.setup.folder)?;
        Ok(())
    }

    /// A call timed out: a request of the old producer may still be under way
    /// and must not hit a later transaction.
    fn new_producer(&self, epoch: u64) -> Result<Box<dyn LogProducer>, Failed> {
        (self.setup.tell)(JobEvent::NewProducer);
        let waiter = self.waiter();
        let last = || "none since the last commit".to_owned();
        let log = |e| match e {
            JobError::Cluster(e) => Failed::Log(e, last()),
            JobError::Cancelled => Failed::Cancelled,
            other => Failed::Io(other.to_string()),
        };
        let made = self.setup.log.producer(&self.setup.producer);
        let mut producer = made.map_err(|e| Failed::Log(e, last()))?;
        waiter.until(|| producer.init()).map_err(log)?;
        let progress = super::progress::read(&*self.setup.log, &self.setup.job, &waiter);
        let found = progress.map_err(log)?.unwrap_or_default();
        if found.owner != self.setup.progress.owner {
            return Err(Failed::Replaced(Box::new(found)));
        }
        if found.epoch != epoch {
            return Err(Failed::Io(format!(
                "the progress topic says epoch {}, but epoch {epoch} was committed; this is a \
                 defect of joinscope, please report it",
                found.epoch
            )));
        }
        Ok(producer)
    }
}
