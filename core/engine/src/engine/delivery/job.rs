//! A job from its start to the end of its input, through every error that can
//! be got over.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use super::epochs::{Journal, What};
use super::mark::Mark;
use super::message::Messages;
use super::outbox::{Failed, Outbox, Setup};
use super::progress::{self, Progress, Waiter, progress_topic, transactional_id};
use super::sink::{CommitFirst, DeliverSink, Suppressed};
use super::start::{Found, Look, guarantee_name};
use super::stuck::Stuck;
use super::{JobEnd, JobError, JobEvent, JobSpec, Parts};
use crate::edges::fault::{Crash, point};
use crate::edges::log::{LogErrorKind, LogProducer, NOW, ProducerSpec};
use crate::edges::rocksdb;
use crate::engine::source::Source;
use crate::engine::spec::RunSpec;
use crate::engine::step::CheckpointEntry;
use crate::engine::summary::Summary;
use crate::operator::pipeline::Guarantee;

/// Threads that make messages, at most: beyond these the one that hands them
/// over is what a job waits for.
const MAKERS: usize = 4;

/// Runs a job until its input ends. Blocks.
///
/// # Errors
/// See [`JobError`]; what was committed before stays as it is, and the job goes
/// on from there when it is run again.
pub fn run<'a>(spec: &'a JobSpec, parts: Parts<'a>) -> Result<JobEnd, JobError> {
    std::fs::create_dir_all(&spec.folder)
        .map_err(|e| JobError::Io(format!("{}: {e}", spec.folder.display())))?;
    let _lock = lock(spec)?;
    let owner = format!("{:032x}", rand::random::<u128>());
    let journal = Arc::new(Journal::open(&spec.folder));
    journal.note(What::Started { pid: spec.pid });
    let mut job = Job {
        spec,
        parts,
        owner,
        before: None,
        announced: false,
        committed: 0,
        journal: Arc::clone(&journal),
    };
    let ended = attempts(&mut job);
    // A process that a test ends says nothing.
    if !matches!(ended, Err(JobError::Crash(Crash::At(_)))) {
        let error = ended.as_ref().err().map(ToString::to_string);
        journal.note(What::Ended { error });
    }
    ended
}

/// As often as it helps.
fn attempts(job: &mut Job<'_>) -> Result<JobEnd, JobError> {
    let mut restarts = 0;
    let mut stuck = Stuck::default();
    loop {
        match job.attempt() {
            Ok(summary) => return Ok(JobEnd { summary, committed: job.committed, restarts }),
            Err(Stopped::For(error)) => return Err(error),
            Err(Stopped::Again { kind, what, output }) => {
                restarts += 1;
                tracing::warn!("{what}: going on from epoch {}", job.committed);
                job.journal.note(What::Aborted { why: what.clone() });
                (job.parts.tell)(JobEvent::Aborted { why: what.clone() });
                stuck.again(job.committed, kind, what, output)?;
            }
        }
    }
}

/// Why an attempt ended before the input did.
enum Stopped {
    /// From the last checkpoint on, with a new producer.
    Again {
        kind: LogErrorKind,
        what: String,
        output: String,
    },
    For(JobError),
}

impl Stopped {
    /// What is open on the cluster is somebody else's, or for the next attempt's `init`.
    fn touches_nothing(&self) -> bool {
        use LogErrorKind::{RequiresAbort, TooLarge};
        match self {
            Self::Again { kind, .. } => !matches!(kind, RequiresAbort | TooLarge),
            Self::For(error) => matches!(error, JobError::Crash(_) | JobError::Replaced { .. }),
        }
    }
}

impl<E: Into<JobError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::For(error.into())
    }
}

/// No other process of this machine runs the job in this folder.
fn lock(spec: &JobSpec) -> Result<File, JobError> {
    let path = spec.folder.join("delivery.lock");
    let io = |e: std::io::Error| JobError::Io(format!("{}: {e}", path.display()));
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    let mut file = options.open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            // For whoever comes second: without it they hear less, no more.
            let _ = file
                .set_len(0)
                .and_then(|()| file.write_all(format!("{} {}", spec.pid, spec.host).as_bytes()));
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            let by = match text.split_once(' ') {
                Some((pid, host)) => format!("process {pid} on {host}"),
                None => "another process".to_owned(),
            };
            Err(JobError::InUse { job: spec.job().to_owned(), folder: spec.folder.clone(), by })
        }
        Err(std::fs::TryLockError::Error(e)) => Err(io(e)),
    }
}

struct Job<'a> {
    spec: &'a JobSpec,
    parts: Parts<'a>,
    owner: String,
    /// Once the progress topic was read: whose record stood there first; empty: nobody's.
    before: Option<String>,
    /// The newest progress record was ours.
    announced: bool,
    /// The epoch that is delivered.
    committed: u64,
    journal: Arc<Journal>,
}

impl Job<'_> {
    fn exactly_once(&self) -> bool {
        self.spec.pipeline.delivery.guarantee == Guarantee::ExactlyOnce
    }

    fn producer(&self) -> ProducerSpec {
        ProducerSpec {
            transactional_id: self.exactly_once().then(|| transactional_id(self.spec.job())),
            transaction_timeout_ms: self.spec.transaction_timeout_ms,
        }
    }

    fn point(&self, name: &'static str) -> Result<(), Crash> {
        point(name, &self.spec.folder)
    }

    /// From the start protocol to the end of the input.
    fn attempt(&mut self) -> Result<Summary, Stopped> {
        let spec = self.spec;
        let log = Arc::clone(&self.parts.log);
        let tell = Arc::clone(&self.parts.tell);
        let control = self.parts.control.clone();
        let waiter = Waiter {
            backoff: spec.backoff,
            control: &control,
            stop: Some(&spec.stop),
            tell: &*tell,
        };

        // Fences whoever had the job and ends what they had in flight.
        let has_progress = || progress::is_there(&*log, spec.job(), &waiter);
        if self.exactly_once() && !has_progress()? {
            waiter.until(|| log.create_topic(&progress_topic(spec.job()), 1, true))?;
        }
        let mark = Mark::load(&spec.folder)?;
        self.point("start.init")?;
        let mut producer = log.producer(&self.producer())?;
        let progress = if self.exactly_once() {
            waiter.until(|| producer.init())?;
            self.point("start.read")?;
            progress::read(&*log, spec.job(), &waiter)?
        } else if mark.as_ref().and_then(Mark::guarantee) == Some(Guarantee::ExactlyOnce)
            && has_progress()?
        {
            progress::read(&*log, spec.job(), &waiter)?
        } else {
            None
        };
        // A call that timed out does not say that somebody fenced us meanwhile.
        if let Some(found) = progress.as_ref().filter(|found| self.is_taken(found)) {
            return Err(self.replaced(found.clone()).into());
        }
        if self.exactly_once() && self.before.is_none() {
            let owner = progress.as_ref().map(|found| found.owner.clone());
            self.before = Some(owner.unwrap_or_default());
        }
        let look = Look { spec, log: &*log, waiter: &waiter };
        let found = look.find(self.parts.feed, progress.as_ref(), mark.as_ref())?;
        self.point("restore")?;

        let epoch = found.entry.as_ref().map_or(0, |entry| entry.epoch);
        self.committed = found.rebuild.as_ref().map_or(epoch, |progress| progress.epoch);
        rocksdb::cut_after(&spec.folder, epoch).map_err(|e| JobError::Io(e.to_string()))?;
        let mut kept =
            self.parts.keep.open(found.entry.as_ref()).map_err(|e| JobError::Io(e.to_string()))?;
        self.journal.note(What::Restored { epoch, arrival: found.at.arrival });
        tell(JobEvent::Restored { epoch, arrival: found.at.arrival });

        let own = self.own_progress(&found);
        // Another guarantee's mark says what counts until a progress record of
        // this state is committed: the one that is there is older than the state.
        let was = mark.as_ref().and_then(Mark::guarantee);
        let takes_over = self.exactly_once() && was.is_some_and(|g| g != Guarantee::ExactlyOnce);
        let mut mark = Mark {
            job: spec.job().to_owned(),
            guarantee: guarantee_name(spec.pipeline.delivery.guarantee).to_owned(),
            committed: self.committed,
            start: own.start.clone(),
            topics: found.topics.clone(),
            guard: found.guard.clone(),
            lost: mark.map(|mark| mark.lost).unwrap_or_default(),
        };
        if !found.lost.is_empty() {
            mark.lose(&found.lost);
            tell(JobEvent::Lost(found.lost.clone()));
        }
        let store = |mark: &Mark| {
            mark.store(&spec.folder)
                .map_err(|e| JobError::Io(format!("{}: {e}", spec.folder.display())))
        };
        if !takes_over {
            store(&mark)?;
        }
        if self.exactly_once() {
            // Whoever is fenced from now on finds our name.
            self.point("start.commit")?;
            if self.announce(producer.as_mut(), &own, &waiter)? {
                self.point("commit.again")?;
                producer = log.producer(&self.producer())?;
                waiter.until(|| producer.init())?;
                // Since the commit was answered somebody may have taken the job over.
                let now = progress::read(&*log, spec.job(), &waiter)?;
                if let Some(by) = now.filter(|found| found.owner != self.owner) {
                    return Err(self.replaced(by).into());
                }
            }
            self.announced = true;
        }
        if takes_over {
            store(&mark)?;
        }

        let source = waiter.input(|| self.parts.feed.open(&found.at))?;
        kept.partitions(source.partitions(), &source.later())
            .map_err(|e| JobError::Io(e.to_string()))?;
        let makers = std::thread::available_parallelism().map_or(1, usize::from).min(MAKERS);
        let messages = (0..makers).map(|_| {
            let (pipeline, values) = (Arc::clone(&spec.pipeline), self.parts.feed.values());
            Messages::new(pipeline, &source.schemas(), values, spec.schema_id)
        });
        let messages = messages.collect::<Result<Vec<_>, _>>().map_err(JobError::Refused)?;
        let setup = Setup {
            guarantee: spec.pipeline.delivery.guarantee,
            log: Arc::clone(&log),
            producer: self.producer(),
            folder: spec.folder.clone(),
            job: spec.job().to_owned(),
            queue_bytes: spec.queue_bytes,
            backoff: spec.backoff,
            in_step: spec.in_step,
            control: control.clone(),
            tell: Arc::clone(&tell),
            clock: spec.clock.clone(),
            bugs: spec.bugs,
            journal: Arc::clone(&self.journal),
            from: found.at.offsets.clone(),
            progress: own,
        };
        let outbox = Arc::new(Outbox::new(setup, producer, mark));
        let source: Arc<dyn Source> = match spec.pipeline.delivery.guarantee {
            Guarantee::AtMostOnce => {
                Arc::new(CommitFirst { inner: source, outbox: Arc::clone(&outbox) })
            }
            Guarantee::ExactlyOnce | Guarantee::AtLeastOnce => source,
        };
        let suppressed = found.rebuild.as_ref().map(|progress| {
            tell(JobEvent::Rebuilding { arrival: progress.arrival });
            Suppressed {
                epoch: progress.epoch,
                arrival: progress.arrival,
                digest: progress.digest.clone(),
            }
        });
        let arrival_log = self.parts.feed.durable();
        let outcome = {
            let mut sink = DeliverSink::new(
                kept.as_mut(),
                messages,
                Arc::clone(&outbox),
                arrival_log,
                suppressed,
            );
            // What it goes on from was verified as it was found.
            crate::engine::run_verified(self.run_spec(source, found.entry), &mut sink, &control)
        };
        self.committed = outbox.mark().committed;
        let failure = outbox.failure();
        let told = match (&outcome, &failure) {
            (Ok(summary), None) => Ok(summary),
            (Err(error), None | Some(Failed::Unprepared)) => Err(error.to_string()),
            (_, Some(failed)) => Err(failed.to_string()),
        };
        let finished = kept.finish(told.as_ref().map(|s| *s).map_err(String::as_str));
        let ended: Result<Summary, Stopped> = match (outcome, failure) {
            (Err(error), None | Some(Failed::Unprepared)) => Err(JobError::Run(error).into()),
            (_, Some(failed)) => Err(self.judge(failed, &waiter)),
            (Ok(summary), None) => {
                finished.map(|()| summary).map_err(|e| JobError::Io(e.to_string()).into())
            }
        };
        if !matches!(&ended, Err(stopped) if stopped.touches_nothing()) {
            outbox.abandon();
        }
        ended
    }

    fn run_spec(&self, source: Arc<dyn Source>, resume: Option<CheckpointEntry>) -> RunSpec {
        let spec = self.spec;
        RunSpec {
            pipeline: Arc::clone(&spec.pipeline),
            source,
            folder: Some(spec.folder.clone()),
            at_end: spec.at_end,
            seed: spec.seed,
            restarts: Vec::new(),
            memory: spec.memory,
            shards: spec.shards,
            // Every epoch that took a record is one to commit.
            checkpoint_records: 1,
            resume,
        }
    }

    fn own_progress(&self, found: &Found) -> Progress {
        let entry = found.entry.as_ref();
        let own = Progress {
            job: self.spec.job().to_owned(),
            epoch: entry.map_or(0, |entry| entry.epoch),
            arrival: entry.map_or(0, |entry| entry.arrival),
            output: entry.map_or(0, |entry| entry.output),
            offsets: progress::named(&found.at.offsets),
            start: progress::named(&found.start),
            topics: found.topics.clone(),
            guard: found.guard.clone(),
            digest: found.digest.clone(),
            owner: self.owner.clone(),
            host: self.spec.host.clone(),
            pid: self.spec.pid,
        };
        match &found.rebuild {
            // What is delivered stays delivered while the state is made anew.
            Some(was) => Progress {
                owner: own.owner,
                host: own.host,
                pid: own.pid,
                start: own.start,
                topics: own.topics,
                guard: own.guard,
                ..was.clone()
            },
            None => own,
        }
    }

    /// Commits one's own progress record, before any input is taken. Whether a
    /// call timed out: the producer is then done with.
    fn announce(
        &self,
        producer: &mut dyn LogProducer,
        own: &Progress,
        waiter: &Waiter<'_>,
    ) -> Result<bool, Stopped> {
        let mut timed_out = false;
        let mut commit = || -> Result<(), JobError> {
            waiter.until(|| producer.begin())?;
            producer.send(own.message(NOW))?;
            waiter.until(|| {
                let answer = producer.commit();
                timed_out |= answer.as_ref().is_err_and(|e| e.kind == LogErrorKind::TimedOut);
                answer
            })
        };
        match commit() {
            Ok(()) => Ok(timed_out),
            Err(JobError::Cluster(error)) => {
                Err(self.judge(Failed::Log(error, "none".to_owned()), waiter))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the recovery table says to an error.
    fn judge(&self, failed: Failed, waiter: &Waiter<'_>) -> Stopped {
        match failed {
            Failed::Crash(crash) => crash.into(),
            Failed::Io(what) => JobError::Io(what).into(),
            Failed::Cancelled | Failed::Unprepared => JobError::Cancelled.into(),
            Failed::Rebuilt { epoch, found, delivered } => {
                JobError::Rebuilt { epoch, found, delivered }.into()
            }
            Failed::Replaced(by) => self.replaced(*by).into(),
            Failed::Log(error, output) => match error.kind {
                LogErrorKind::Fenced => {
                    // A twin and a transaction that timed out look the same from here.
                    match progress::read(&*self.parts.log, self.spec.job(), waiter) {
                        Ok(Some(found)) if self.is_taken(&found) => self.replaced(found).into(),
                        Ok(found) => {
                            let what = if found.is_some() { ours(&error.what) } else { error.what };
                            Stopped::Again { kind: error.kind, what, output }
                        }
                        Err(other) => other.into(),
                    }
                }
                LogErrorKind::RequiresAbort
                | LogErrorKind::NotTaken
                | LogErrorKind::TooLarge
                | LogErrorKind::TimedOut
                | LogErrorKind::Retriable => {
                    Stopped::Again { kind: error.kind, what: error.what, output }
                }
                LogErrorKind::OutOfRange | LogErrorKind::Denied | LogErrorKind::Fatal => {
                    JobError::Cluster(error).into()
                }
            },
        }
    }

    /// Somebody else says that the job is theirs, and did not when this process began.
    fn is_taken(&self, found: &Progress) -> bool {
        let since = |before: &String| self.announced || found.owner != *before;
        found.owner != self.owner && self.before.as_ref().is_some_and(since)
    }

    fn replaced(&self, by: Progress) -> JobError {
        JobError::Replaced {
            job: self.spec.job().to_owned(),
            owner: by.owner,
            host: by.host,
            pid: by.pid,
        }
    }
}

/// Fenced, but nobody else said that the job is theirs: the cluster speaks of a
/// newer instance here too.
fn ours(said: &str) -> String {
    format!(
        "the transaction timed out (or an instance that left no mark fenced it); the cluster says: \
         {said}"
    )
}
