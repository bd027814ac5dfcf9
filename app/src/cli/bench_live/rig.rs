//! Live runs and jobs as the benchmark makes them, watched from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{bail, ensure};
use joinscope_core::edges::kafka::{Isolation, KafkaLog, Settings, Start, TailSpec};
use joinscope_core::edges::log::Log as _;
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::engine::delivery::epochs::{Epoch, epochs};
use joinscope_core::engine::delivery::{JobEvent, progress_topic};
use joinscope_core::engine::{Control, Progress};
use joinscope_core::process::process_cpu;
use joinscope_core::run::{AtHit, Deliver, ExecuteLive, Run, execute_job, execute_live};

use super::super::bench_load::remove;

/// What records may take between the brokers and the engine.
const READ_AHEAD: u64 = 128 << 20;
/// Between two looks at a run.
const LOOK: Duration = Duration::from_millis(2);

/// What every run of the benchmark has in common.
pub(super) struct Rig {
    pub settings: Settings,
    pub patience: Duration,
    pub folder: PathBuf,
    /// Bytes of memory for join state.
    pub memory: u64,
    /// Up to `[delivery]` and its settings.
    pub pipeline: String,
    /// Behind the names of jobs and sink topics.
    pub number: u32,
}

/// One live run until it had what was wanted.
pub(super) struct Done {
    pub dir: PathBuf,
    pub seconds: f64,
    /// Seconds until the first records were through, and how many these were.
    pub start: (f64, u64),
    /// CPU time of this process meanwhile, seconds.
    pub cpu: f64,
    /// Of each checkpoint: rows and bytes of state, and how long the join stood still, µs.
    pub pauses: Vec<Pause>,
    pub commits: Commits,
}

/// How long the join stood still for one checkpoint.
#[derive(Clone, Copy)]
pub(super) struct Pause {
    pub state_bytes: u64,
    pub micros: u64,
}

/// Wall time now, ms since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// When epochs ended and when they were visible: wall times, ms.
#[derive(Clone, Default)]
pub(super) struct Commits {
    /// When the first record arrived.
    pub began: i64,
    pub ends: Vec<(i64, i64)>,
}

impl Commits {
    /// From arrival to visible, ms, sorted: what records see that arrive evenly
    /// over an epoch, a hundred of each.
    pub fn latencies(&self) -> Vec<i64> {
        let mut all = Vec::with_capacity(self.ends.len() * 100);
        let mut from = self.began;
        for (to, visible) in &self.ends {
            let span = to.saturating_sub(from);
            all.extend((0..100).map(|k| visible - (from + span * k / 100)));
            from = *to;
        }
        all.sort_unstable();
        all
    }
}

/// The value below which `per_mille` of a thousand lie.
pub(super) fn at<T: Copy>(sorted: &[T], per_mille: usize) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((sorted.len() * per_mille / 1000).min(last)).copied()
}

impl Rig {
    pub fn log(&self) -> KafkaLog {
        KafkaLog::new(self.settings.clone(), self.patience)
    }

    /// The job and the sink topic of a way to run.
    pub fn names(&self, name: &str) -> (String, String) {
        let job = format!("joinscope-bench-{}-{name}", self.number);
        let sink = format!("{job}-out");
        (job, sink)
    }

    pub fn dir(&self, name: &str) -> PathBuf {
        self.folder.join(format!("run-live-{name}"))
    }

    fn spec(&self, guarantee: Option<&str>, stop: &Arc<AtomicBool>) -> anyhow::Result<ExecuteLive> {
        let name = name(guarantee);
        let path = self.folder.join(format!("live-{name}.toml"));
        let (job, sink) = self.names(name);
        let guarantee = guarantee.unwrap_or("exactly-once");
        let text = format!(
            "{}guarantee = \"{guarantee}\"\njob = \"{job}\"\n[sink]\ntopic = \"{sink}\"\n\
             format = \"json\"\n",
            self.pipeline
        );
        std::fs::write(&path, text)?;
        Ok(ExecuteLive {
            pipeline: PipelineFile::open(&path, &[])?,
            overrides: Vec::new(),
            dir: self.dir(name),
            seed: 0,
            memory: self.memory,
            shards: 0,
            tail: TailSpec {
                registry: None,
                settings: self.settings.clone(),
                topics: Vec::new(),
                isolation: Isolation::ReadCommitted,
                start: Start::Earliest,
                offsets: BTreeMap::new(),
                partitions: Vec::new(),
                later: Vec::new(),
                known_only: false,
                topic_ids: BTreeMap::new(),
                patience: self.patience,
                memory: READ_AHEAD,
            },
            at_hit: AtHit::Wait,
            stop: Arc::clone(stop),
        })
    }

    /// `run`, with a sink topic that is there meanwhile and a folder that is new.
    pub fn beside_topics<T>(
        &self,
        guarantee: Option<&str>,
        run: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let log = self.log();
        let (job, sink) = self.names(name(guarantee));
        if guarantee.is_some() {
            log.create_topic(&sink, 4, false)?;
        }
        remove(&self.dir(name(guarantee)))?;
        let done = run();
        if guarantee.is_some() {
            log.delete_topic(&sink)?;
            log.delete_topic(&progress_topic(&job))?;
            log.delete_group(&job)?;
        }
        done
    }

    /// Runs, or goes on, until `enough` says so of its progress.
    pub fn until(
        &self,
        guarantee: Option<&str>,
        mut enough: impl FnMut(&Progress, &Commits) -> bool,
    ) -> anyhow::Result<Done> {
        let stop = Arc::new(AtomicBool::new(false));
        let spec = self.spec(guarantee, &stop)?;
        let dir = spec.dir.clone();
        let control = Control::new();
        let watched = control.clone();
        let (began, cpu) = (Instant::now(), process_cpu());
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        let failed = Arc::clone(&failure);
        let writes = guarantee.is_some();
        let commits = Arc::new(Mutex::new(Commits { began: now_ms(), ends: Vec::new() }));
        let told = Arc::clone(&commits);
        let worker = std::thread::spawn(move || {
            let error = if writes {
                let tell = move |event: JobEvent| {
                    if let JobEvent::Committed { arrival_ms, .. } = event {
                        let mut commits = told.lock().unwrap_or_else(PoisonError::into_inner);
                        commits.ends.push((arrival_ms, now_ms()));
                    }
                };
                let tell = Arc::new(tell) as Arc<dyn Fn(JobEvent) + Send + Sync>;
                let deliver = Deliver { rebuild: false, tell };
                execute_job(spec, deliver, &watched, |_| ()).err().map(|e| e.to_string())
            } else {
                execute_live(spec, &watched, |_| ()).err().map(|e| e.to_string())
            };
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = error;
        });
        let copy = || commits.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut pauses = Vec::new();
        let mut checkpoints = 0;
        let mut start = None;
        while !worker.is_finished() {
            let progress = control.progress();
            if start.is_none() && progress.records > 0 {
                start = Some((began.elapsed().as_secs_f64(), progress.records));
            }
            if progress.checkpoints > checkpoints {
                checkpoints = progress.checkpoints;
                let (state_bytes, micros) = (progress.state_bytes, progress.pause_us);
                pauses.push(Pause { state_bytes, micros });
            }
            if enough(&progress, &commits.lock().unwrap_or_else(PoisonError::into_inner)) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        let seconds = began.elapsed().as_secs_f64();
        let cpu = process_cpu().saturating_sub(cpu).as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        let ended = worker.join();
        let error = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        ensure!(ended.is_ok(), "the run broke down");
        if let Some(error) = error {
            bail!(error);
        }
        let start = start.unwrap_or((seconds, 0));
        let mut commits = copy();
        // No record saw what went before the first of them.
        if let Some((first, _)) = Run::open(&dir)?.arrival_time_range()? {
            commits.began = commits.began.max(first);
        }
        Ok(Done { dir, seconds, start, cpu, pauses, commits })
    }
}

/// A way to run, as a part of names.
pub(super) fn name(guarantee: Option<&str>) -> &str {
    guarantee.unwrap_or("reading")
}

/// A job's epochs as its folder has them.
pub(super) fn epochs_of(dir: &Path) -> anyhow::Result<Vec<Epoch>> {
    Ok(epochs(dir)?)
}

/// Where a run's newest checkpoint stands.
pub(super) struct Stands {
    pub arrival: u64,
    pub rows: u64,
    pub bytes: u64,
}

pub(super) fn stands(dir: &Path) -> anyhow::Result<Stands> {
    let run = Run::open(dir)?;
    let manifest = run.manifest();
    let newest = manifest.checkpoints.last();
    let newest =
        newest.map(|c| Stands { arrival: c.arrival, rows: c.state_rows, bytes: c.state_bytes });
    newest.ok_or_else(|| anyhow::anyhow!("{}: it took no checkpoint", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_see_what_their_epoch_took_from_where_they_came_in_it() {
        let commits = Commits { began: 1_000, ends: vec![(2_000, 2_300), (3_000, 3_100)] };
        let all = commits.latencies();
        assert_eq!(all.len(), 200);
        assert_eq!((all[0], all[199]), (110, 1_300));
        assert_eq!(at(&all, 500), Some(710));
        assert_eq!(at(&all, 990), Some(1_290));
        assert_eq!(at::<i64>(&[], 990), None);
    }
}
