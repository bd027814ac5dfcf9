//! A job on a cluster, from its first start through every
//! incarnation that a schedule of faults makes of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::cluster::{Client, Cluster};
use super::feed::SimFeed;
use super::going::Going;
use super::input::{ArrivalLog, Input, Taken, lock};
use super::pulse::Pulse;
use super::schedule::{Incident, Schedule, What};
use crate::edges::fault::disk::{PowerLoss, left_behind};
use crate::edges::fault::{self, Act, POINTS, Plan};
use crate::edges::log::sim::{Script, SimLog};
use crate::engine::delivery::{self, Bugs, JobEnd, JobError, JobEvent, JobSpec, Messages, Parts};
use crate::engine::{AtEnd, Control};
use crate::operator::pipeline::{Guarantee, Pipeline};
use crate::run::{RunStore, job_start};

/// What is the same for every incarnation.
#[derive(Clone)]
pub struct Setup {
    pub pipeline: Arc<Pipeline>,
    pub input: Arc<Input>,
    pub at_end: AtEnd,
    /// How long the job is away after it ended, ms of the recording's time.
    pub downtime_ms: i64,
    pub bugs: Bugs,
    /// Fsyncs of paths with this in them do not count (a planted bug).
    pub forget_syncs_of: Option<String>,
    /// Partitions of the sink topics.
    pub partitions: i32,
    /// See `JobSpec::rebuild`.
    pub rebuild: bool,
    /// So many records of the arrival log are left to the second incarnation.
    pub log_left: Option<usize>,
    /// The pipelines of the second incarnation on; the last one stays.
    pub next_pipelines: Vec<Arc<Pipeline>>,
}

/// Done before an incarnation begins, with its folder and number.
pub type Between = Arc<dyn Fn(&Path, usize) + Send + Sync>;

/// A job and what surrounds it.
pub struct World {
    pub setup: Setup,
    pub cluster: Arc<dyn Cluster>,
    /// By incarnation: its arrival log, begun as a copy of the one before.
    logs: Logs,
    /// Where the folders of the incarnations are.
    root: PathBuf,
    /// Not before this, in the recording's time, can anything be written.
    not_before: Arc<Mutex<i64>>,
    pub told: Arc<Mutex<Vec<Told>>>,
    pub between: Option<Between>,
    pub going: Arc<Going>,
}

/// One incarnation and how it ended.
#[derive(Debug)]
pub struct Lived {
    pub incarnation: usize,
    pub outcome: Result<JobEnd, JobError>,
    /// It was ended on purpose.
    pub crashed: bool,
    /// Where it was ended.
    pub at: Option<&'static str>,
    /// Records that went through its join.
    pub taken: u64,
    pub folder: PathBuf,
    /// How often each point was passed.
    pub passed: Vec<(&'static str, u64)>,
    /// When it ended: the recording's time, ms, and how much all had told by then.
    pub ended: (i64, usize),
}

/// Counts records through every restore within a process: what is done again
/// counts again.
#[derive(Default)]
struct Joined {
    before: u64,
    /// Where it last went on.
    from: u64,
}

impl Joined {
    /// Up to here.
    fn until(&self, arrival: u64) -> u64 {
        self.before + arrival.saturating_sub(self.from)
    }

    /// It came to `arrival` and goes on at `from`.
    fn goes_on(&mut self, arrival: u64, from: u64) {
        *self = Self { before: self.until(arrival), from };
    }
}

/// Something an incarnation told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub incarnation: usize,
    /// The recording's time, ms.
    pub at_ms: i64,
    pub event: JobEvent,
    /// With [`JobEvent::Waiting`]: what whoever watches it heard that it waits for.
    pub waits_for: Option<String>,
}

impl World {
    /// An empty simulated cluster with the input's topics and the sink's.
    ///
    /// # Errors
    /// The input does not fit into topics.
    pub fn new(setup: Setup, root: &Path) -> Result<Self, JobError> {
        let cluster = SimLog::new();
        setup.input.load(&cluster)?;
        Self::on(Arc::new(cluster), setup, root)
    }

    /// On a cluster that has the input's topics; makes the sink's.
    ///
    /// # Errors
    /// A topic cannot be made.
    pub fn on(cluster: Arc<dyn Cluster>, setup: Setup, root: &Path) -> Result<Self, JobError> {
        let client = cluster.connect()?;
        for topic in Messages::topics(&setup.pipeline) {
            client.create_topic(&topic, setup.partitions, false)?;
        }
        Ok(Self {
            setup,
            cluster,
            logs: Logs::default(),
            root: root.to_owned(),
            not_before: Arc::new(Mutex::new(i64::MIN)),
            told: Arc::default(),
            between: None,
            going: Arc::default(),
        })
    }

    /// The order in which the job took its input, as it left it.
    #[must_use]
    pub fn order(&self) -> Taken {
        let logs = lock(&self.logs);
        logs.last().map(|log| lock(log).clone()).unwrap_or_default()
    }

    /// Lives through a schedule. The incarnations in the order of their start.
    #[must_use]
    pub fn live(&self, schedule: &Schedule) -> Vec<Lived> {
        let lived = Arc::new(Mutex::new(Vec::new()));
        self.shared(schedule, &lived).incarnation(0);
        // Who looks afterwards meets no fault.
        self.cluster.script(Script::new());
        let mut lived = std::mem::take(&mut *lock(&lived));
        lived.sort_by_key(|life| life.incarnation);
        lived
    }

    fn shared(&self, schedule: &Schedule, lived: &Arc<Mutex<Vec<Lived>>>) -> Arc<Shared> {
        Arc::new(Shared {
            setup: self.setup.clone(),
            cluster: Arc::clone(&self.cluster),
            logs: Arc::clone(&self.logs),
            root: self.root.clone(),
            not_before: Arc::clone(&self.not_before),
            told: Arc::clone(&self.told),
            schedule: schedule.clone(),
            between: self.between.clone(),
            going: Arc::clone(&self.going),
            lived: Arc::clone(lived),
        })
    }
}

type Logs = Arc<Mutex<Vec<ArrivalLog>>>;

/// A world as the incarnations see it; a zombie's twin runs within its pause.
struct Shared {
    setup: Setup,
    cluster: Arc<dyn Cluster>,
    logs: Logs,
    root: PathBuf,
    not_before: Arc<Mutex<i64>>,
    told: Arc<Mutex<Vec<Told>>>,
    schedule: Schedule,
    between: Option<Between>,
    going: Arc<Going>,
    lived: Arc<Mutex<Vec<Lived>>>,
}

impl Shared {
    /// The arrival log of an incarnation.
    fn log(&self, incarnation: usize) -> ArrivalLog {
        let mut logs = lock(&self.logs);
        while logs.len() <= incarnation {
            let mut next = logs.last().map(|log| lock(log).clone()).unwrap_or_default();
            if let Some(left) = self.setup.log_left.filter(|_| logs.len() == 1) {
                next.order.truncate(left);
                next.durable.0 = next.durable.0.min(left);
            }
            logs.push(Arc::new(Mutex::new(next)));
        }
        Arc::clone(&logs[incarnation])
    }

    fn folder(&self, incarnation: usize) -> PathBuf {
        self.root.join(format!("i{incarnation}"))
    }

    /// Incarnation `n` and those that follow it.
    fn incarnation(self: &Arc<Self>, n: usize) {
        if self.going.is_over() {
            return;
        }
        let incident = self.schedule.incidents.get(n).cloned().unwrap_or_default();
        let folder = self.folder(n);
        let client = match self.cluster.connect() {
            Ok(client) => client,
            Err(error) => {
                let outcome = Err(error.into());
                let (crashed, at, passed) = (false, None, Vec::new());
                let ended = (self.now_ms(), lock(&self.told).len());
                let lived =
                    Lived { incarnation: n, outcome, crashed, at, taken: 0, folder, passed, ended };
                lock(&self.lived).push(lived);
                return;
            }
        };
        if let Some(between) = &self.between {
            between(&folder, n);
        }
        self.cluster.script(incident.script());
        let plan = Arc::new(Plan::default());
        if let Some(part) = &self.setup.forget_syncs_of {
            plan.forget_syncs_of(part);
        }
        // What it finds is on the disk.
        plan.begins_with(&folder);
        let loss = self.arm(n, &incident, &plan);
        {
            let (client, shared) = (Arc::clone(&client), Arc::clone(self));
            let dying = Arc::clone(&plan);
            let (from, to) = (folder.clone(), self.folder(n + 1));
            plan.at_crash(move || {
                client.kill();
                // At-least-once may have given out what only the lost order explains.
                let guarantee = shared.setup.pipeline.delivery.guarantee;
                let loss_of_log = loss.filter(|_| guarantee != Guarantee::AtLeastOnce);
                let loss = loss.map(|seed| PowerLoss { plan: Arc::clone(&dying), seed });
                // What cannot be copied is missed by the next incarnation.
                let _ = left_behind(&from, &to, loss.as_ref());
                let log = shared.log(n + 1);
                if let Some(seed) = loss_of_log {
                    lock(&log).after_power_loss(seed);
                }
                let downtime = shared.cluster.now_ms().saturating_add(shared.setup.downtime_ms);
                *lock(&shared.not_before) = downtime;
            });
        }
        let armed = fault::arm(&folder, Arc::clone(&plan));
        let control = self.going.begin();
        let joined = Arc::<Mutex<Joined>>::default();
        let outcome = self.run(n, &folder, client, &control, &plan, &joined);
        let ended_ms = match plan.crashed() {
            // Threads of it that were still at work may have moved the clock since.
            Some(_) => lock(&self.not_before).saturating_sub(self.setup.downtime_ms),
            None => self.cluster.now_ms(),
        };
        let ended = (ended_ms, lock(&self.told).len());
        let taken = lock(&joined).until(control.progress().records);
        drop(armed);
        // It holds this world and its plan: whoever has not crashed lets go of them.
        plan.at_crash(|| {});
        // A disk that was full has room again.
        let full = incident.at.as_ref().filter(|(_, _, what)| *what == What::DiskFull);
        let full = full.is_some() && outcome.is_err() && plan.crashed().is_none();
        let crashed = plan.crashed().is_some() || full;
        lock(&self.lived).push(Lived {
            incarnation: n,
            outcome,
            crashed,
            at: plan.crashed().or_else(|| point_of(&incident).filter(|_| full)),
            taken,
            folder: folder.clone(),
            passed: plan.passed(),
            ended,
        });
        if full {
            // Another process, on the same folder.
            let _ = left_behind(&folder, &self.folder(n + 1), None);
            drop(self.log(n + 1));
        }
        if crashed {
            // What it left was copied; the rest is of no use any more.
            let _ = std::fs::remove_dir_all(&folder);
            self.incarnation(n + 1);
        }
    }

    /// The recording's time, of which a job misses what it is away for.
    fn now_ms(&self) -> i64 {
        self.cluster.now_ms().max(*lock(&self.not_before))
    }

    /// Arms the incident's points; the seed of a power loss.
    fn arm(self: &Arc<Self>, n: usize, incident: &Incident, plan: &Arc<Plan>) -> Option<u64> {
        let mut loss = None;
        for (name, nth, what) in incident.meanwhile.iter().chain(&incident.at) {
            let Some(point) = named(name) else { continue };
            let shared = Arc::clone(self);
            match what {
                What::Crash => plan.at(point, *nth, Act::Crash),
                What::DiskFull => plan.at(point, *nth, Act::Full),
                What::PowerLoss(seed) => {
                    plan.at(point, *nth, Act::Crash);
                    loss = Some(*seed);
                }
                What::Sleep => {
                    let sleep = move || shared.cluster.sleep();
                    plan.at(point, *nth, Act::Call(Arc::new(sleep)));
                }
                What::Zombie => {
                    let twin = move || {
                        let (from, to) = (shared.folder(n), shared.folder(n + 1));
                        let _ = left_behind(&from, &to, None);
                        drop(shared.log(n + 1));
                        shared.incarnation(n + 1);
                    };
                    plan.at(point, *nth, Act::Call(Arc::new(twin)));
                }
            }
        }
        loss
    }

    fn run(
        &self,
        n: usize,
        folder: &Path,
        client: Arc<dyn Client>,
        control: &Control,
        plan: &Arc<Plan>,
        joined: &Arc<Mutex<Joined>>,
    ) -> Result<JobEnd, JobError> {
        let setup = &self.setup;
        let next = setup.next_pipelines.iter().take(n).next_back();
        let pipeline = next.unwrap_or(&setup.pipeline);
        let mut spec = JobSpec::new(Arc::clone(pipeline), folder.to_owned());
        spec.at_end = setup.at_end;
        spec.memory = 64 << 20;
        spec.shards = 1 + n % 2;
        spec.backoff = self.cluster.backoff();
        spec.transaction_timeout_ms = self.cluster.transaction_timeout_ms();
        spec.in_step = self.schedule.in_step;
        "the harness".clone_into(&mut spec.host);
        spec.pid = n as u32 + 1;
        spec.bugs = setup.bugs;
        spec.rebuild = setup.rebuild;
        let (cluster, not_before) = (Arc::clone(&self.cluster), Arc::clone(&self.not_before));
        spec.clock = Some(Arc::new(move |now_ms| {
            cluster.advance_to(now_ms.max(*lock(&not_before)));
        }));
        // Only a real cluster is asked again after a while.
        let afar = !self.cluster.backoff().is_zero();
        let pulse = Pulse::of(Arc::clone(plan), afar, control.clone());
        let mut feed = SimFeed {
            input: Arc::clone(&setup.input),
            taken: self.log(n),
            interval: pipeline.delivery.checkpoint_interval,
            order: self.schedule.order.map(|seed| seed.wrapping_add(n as u64)),
            pulse: self.schedule.in_step.then(|| pulse.clone()),
            ticks: self.schedule.ticks,
            steps: self.schedule.clock_steps.clone(),
            folder: folder.to_owned(),
        };
        let start = job_start(pipeline, setup.input.first(), 0);
        let mut keep = RunStore::new(folder.to_owned(), start, Arc::clone(pipeline));
        let (told, cluster) = (Arc::clone(&self.told), Arc::clone(&self.cluster));
        let not_before = Arc::clone(&self.not_before);
        let (joined, control_of) = (Arc::clone(joined), control.clone());
        let tell = move |event: JobEvent| {
            match event {
                JobEvent::Restored { arrival, .. } => {
                    lock(&joined).goes_on(control_of.progress().records, arrival);
                }
                JobEvent::Committed { .. } => pulse.beat(),
                JobEvent::Rebuilding { arrival } => pulse.silent_until(arrival),
                _ => {}
            }
            let waits = matches!(event, JobEvent::Waiting { .. });
            let waits_for = control_of.waiting().filter(|_| waits).map(|waiting| waiting.what);
            // The clock is set by its first record only.
            let at_ms = cluster.now_ms().max(*lock(&not_before));
            lock(&told).push(Told { incarnation: n, at_ms, event, waits_for });
        };
        delivery::run(
            &spec,
            Parts { log: client, feed: &mut feed, keep: &mut keep, control, tell: Arc::new(tell) },
        )
    }
}

/// The point of an incident, if there is such a one.
fn point_of(incident: &Incident) -> Option<&'static str> {
    let (name, ..) = incident.at.as_ref()?;
    named(name)
}

fn named(name: &str) -> Option<&'static str> {
    POINTS.into_iter().find(|point| *point == name)
}

/// A folder for worlds, in memory where the system has such a place.
///
/// # Errors
/// It cannot be made.
pub fn scratch() -> std::io::Result<Scratch> {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let name = format!("joinscope-{}-{:016x}", std::process::id(), rand::random::<u64>());
    let path = base.join(name);
    std::fs::create_dir_all(&path)?;
    Ok(Scratch(path))
}

/// Removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
