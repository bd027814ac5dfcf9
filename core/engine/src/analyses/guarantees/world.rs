//! A job on the simulated cluster, from its first start through every
//! incarnation that a schedule of faults makes of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::input::{ArrivalLog, Input, Pulse, SimFeed, Taken, lock};
use super::schedule::{Incident, Schedule, What};
use crate::edges::fault::disk::{PowerLoss, left_behind};
use crate::edges::fault::{self, Act, POINTS, Plan};
use crate::edges::log::Log as _;
use crate::edges::log::sim::{Script, SimLog};
use crate::engine::delivery::{self, Bugs, JobEnd, JobError, JobEvent, JobSpec, Messages, Parts};
use crate::engine::{AtEnd, Control};
use crate::operator::pipeline::Pipeline;
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
    /// The pipeline from the second incarnation on.
    pub next_pipeline: Option<Arc<Pipeline>>,
}

/// Done before an incarnation begins, with its folder and number.
pub type Between = Arc<dyn Fn(&SimLog, &Path, usize) + Send + Sync>;

/// A job and what surrounds it.
pub struct World {
    pub setup: Setup,
    pub cluster: SimLog,
    /// By incarnation: its arrival log, begun as a copy of the one before.
    logs: Logs,
    /// Where the folders of the incarnations are.
    root: PathBuf,
    /// Not before this, in the recording's time, can anything be written.
    not_before: Arc<Mutex<i64>>,
    pub told: Arc<Mutex<Vec<Told>>>,
    pub between: Option<Between>,
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
}

/// Something an incarnation told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub incarnation: usize,
    /// The recording's time, ms.
    pub at_ms: i64,
    pub event: JobEvent,
}

impl World {
    /// An empty cluster with the input's topics and the sink's.
    ///
    /// # Errors
    /// The input does not fit into topics.
    pub fn new(setup: Setup, root: &Path) -> Result<Self, JobError> {
        let cluster = SimLog::new();
        setup.input.load(&cluster)?;
        for topic in Messages::topics(&setup.pipeline) {
            cluster.client().create_topic(&topic, setup.partitions, false)?;
        }
        Ok(Self {
            setup,
            cluster,
            logs: Logs::default(),
            root: root.to_owned(),
            not_before: Arc::new(Mutex::new(i64::MIN)),
            told: Arc::default(),
            between: None,
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
            cluster: self.cluster.clone(),
            logs: Arc::clone(&self.logs),
            root: self.root.clone(),
            not_before: Arc::clone(&self.not_before),
            told: Arc::clone(&self.told),
            schedule: schedule.clone(),
            between: self.between.clone(),
            lived: Arc::clone(lived),
        })
    }
}

type Logs = Arc<Mutex<Vec<ArrivalLog>>>;

/// A world as the incarnations see it; a zombie's twin runs within its pause.
struct Shared {
    setup: Setup,
    cluster: SimLog,
    logs: Logs,
    root: PathBuf,
    not_before: Arc<Mutex<i64>>,
    told: Arc<Mutex<Vec<Told>>>,
    schedule: Schedule,
    between: Option<Between>,
    lived: Arc<Mutex<Vec<Lived>>>,
}

impl Shared {
    /// The arrival log of an incarnation.
    fn log(&self, incarnation: usize) -> ArrivalLog {
        let mut logs = lock(&self.logs);
        while logs.len() <= incarnation {
            let next = logs.last().map(|log| lock(log).clone()).unwrap_or_default();
            logs.push(Arc::new(Mutex::new(next)));
        }
        Arc::clone(&logs[incarnation])
    }

    fn folder(&self, incarnation: usize) -> PathBuf {
        self.root.join(format!("i{incarnation}"))
    }

    /// Incarnation `n` and those that follow it.
    fn incarnation(self: &Arc<Self>, n: usize) {
        let incident = self.schedule.incidents.get(n).cloned().unwrap_or_default();
        let folder = self.folder(n);
        let client = self.cluster.client();
        if let Some(between) = &self.between {
            between(&self.cluster, &folder, n);
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
            let (client, shared, dying) = (client.clone(), Arc::clone(self), Arc::clone(&plan));
            let (from, to) = (folder.clone(), self.folder(n + 1));
            plan.at_crash(move || {
                client.kill();
                let loss = loss.map(|seed| PowerLoss { plan: Arc::clone(&dying), seed });
                // What cannot be copied is missed by the next incarnation.
                let _ = left_behind(&from, &to, loss.as_ref());
                drop(shared.log(n + 1));
                let downtime = shared.cluster.now_ms().saturating_add(shared.setup.downtime_ms);
                *lock(&shared.not_before) = downtime;
            });
        }
        let armed = fault::arm(&folder, Arc::clone(&plan));
        let control = Control::new();
        let outcome = self.run(n, &folder, &client, &control);
        // From where it last went on: what it had to do again counts again.
        let began = lock(&self.told).iter().rev().find_map(|told| match told.event {
            JobEvent::Restored { arrival, .. } if told.incarnation == n => Some(arrival),
            _ => None,
        });
        let taken = control.progress().records.saturating_sub(began.unwrap_or(0));
        drop(armed);
        let crashed = plan.crashed().is_some();
        lock(&self.lived).push(Lived {
            incarnation: n,
            outcome,
            crashed,
            at: plan.crashed(),
            taken,
            folder: folder.clone(),
            passed: plan.passed(),
        });
        if crashed {
            // What it left was copied; the rest is of no use any more.
            let _ = std::fs::remove_dir_all(&folder);
            self.incarnation(n + 1);
        }
    }

    /// Arms the incident's point; the seed of a power loss.
    fn arm(self: &Arc<Self>, n: usize, incident: &Incident, plan: &Arc<Plan>) -> Option<u64> {
        let (name, nth, what) = incident.at.as_ref()?;
        let point = POINTS.iter().find(|point| *point == name)?;
        let shared = Arc::clone(self);
        match what {
            What::Crash => plan.at(point, *nth, Act::Crash),
            What::PowerLoss(seed) => {
                plan.at(point, *nth, Act::Crash);
                return Some(*seed);
            }
            What::Sleep => {
                let sleep = move || shared.cluster.time_out_transactions();
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
        None
    }

    fn run(
        &self,
        n: usize,
        folder: &Path,
        client: &crate::edges::log::sim::SimClient,
        control: &Control,
    ) -> Result<JobEnd, JobError> {
        let setup = &self.setup;
        let pipeline = match &setup.next_pipeline {
            Some(next) if n > 0 => next,
            _ => &setup.pipeline,
        };
        let mut spec = JobSpec::new(Arc::clone(pipeline), folder.to_owned());
        spec.at_end = setup.at_end;
        spec.memory = 64 << 20;
        spec.shards = 1 + n % 2;
        spec.backoff = Duration::ZERO;
        // Only where the schedule says so.
        spec.transaction_timeout_ms = u32::MAX;
        spec.in_step = self.schedule.in_step;
        "the simulated cluster".clone_into(&mut spec.host);
        spec.pid = n as u32 + 1;
        spec.bugs = setup.bugs;
        spec.rebuild = setup.rebuild;
        let (cluster, not_before) = (self.cluster.clone(), Arc::clone(&self.not_before));
        spec.clock = Some(Arc::new(move |now_ms| {
            cluster.advance_to(now_ms.max(*lock(&not_before)));
        }));
        let pulse = Pulse::default();
        let mut feed = SimFeed {
            input: Arc::clone(&setup.input),
            taken: self.log(n),
            interval: pipeline.delivery.checkpoint_interval,
            order: self.schedule.order.map(|seed| seed.wrapping_add(n as u64)),
            pulse: self.schedule.in_step.then(|| pulse.clone()),
            folder: folder.to_owned(),
        };
        let start = job_start(pipeline, &setup.input.partitions, 0);
        let mut keep = RunStore::new(folder.to_owned(), start, Arc::clone(pipeline));
        let (told, cluster) = (Arc::clone(&self.told), self.cluster.clone());
        let tell = move |event: JobEvent| {
            if matches!(event, JobEvent::Committed { .. }) {
                pulse.beat();
            }
            lock(&told).push(Told { incarnation: n, at_ms: cluster.now_ms(), event });
        };
        delivery::run(
            &spec,
            Parts {
                log: Arc::new(client.clone()),
                feed: &mut feed,
                keep: &mut keep,
                control,
                tell: Arc::new(tell),
            },
        )
    }
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
