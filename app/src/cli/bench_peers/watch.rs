//! A child process watched to its end: what it cost, no longer than it may take,
//! and gone when the user stops the verb.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::tree::{self, Sample};

/// How often a child is looked at.
const LOOK: Duration = Duration::from_millis(40);
/// Lines of a log that an error shows.
const LINES: usize = 12;

/// What something took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub seconds: f64,
    pub cpu_seconds: f64,
    /// Peak of the sampled anonymous memory, bytes.
    pub peak: u64,
}

/// Whose cost counts.
#[derive(Clone, Copy)]
pub enum Of<'a> {
    /// The child's, with all that it starts.
    Itself,
    /// That of processes which run already and for which the child works.
    Others(&'a [u32]),
}

/// Where children work, and when they must end.
pub struct Watch {
    pub folder: PathBuf,
    pub patience: Duration,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

/// The user stopped the verb: not a failure of a peer.
#[derive(Debug)]
pub struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// Ends the child however the watch ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Watch {
    /// Runs `command` to its end; what it printed on stdout, and its cost. Its
    /// stdin stays open as long as this process lives.
    ///
    /// # Errors
    /// It failed or took too long, with the last lines of its log, or the user
    /// stopped it ([`Stopped`]).
    pub fn run(
        &self,
        what: &str,
        command: &mut Command,
        of: Of<'_>,
    ) -> anyhow::Result<(String, Cost)> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Stopped.into());
        }
        let (out, log) = (self.folder.join("out"), self.folder.join("log"));
        let file = |path: &Path| File::create(path).with_context(|| path.display().to_string());
        command.stdin(Stdio::piped()).stdout(file(&out)?).stderr(file(&log)?);
        let ended_before = tree::of_ended_children();
        let others_before = match of {
            Of::Itself => Sample::default(),
            Of::Others(pids) => tree::sample(pids),
        };
        let begin = Instant::now();
        let mut child = Running(command.spawn().with_context(|| format!("cannot run {what}"))?);
        let mut peak = 0;
        let mut others = others_before;
        let status = loop {
            let own = [child.0.id()];
            let now = tree::sample(match of {
                Of::Itself => &own,
                Of::Others(pids) => pids,
            });
            peak = peak.max(now.anonymous);
            if let Of::Others(_) = of {
                others = now;
            }
            if let Some(status) = child.0.try_wait()? {
                break status;
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(Stopped.into());
            }
            if begin.elapsed() > self.patience {
                bail!(
                    "{what} took longer than {} s (--patience){}",
                    self.patience.as_secs(),
                    last_lines(&log)
                );
            }
            std::thread::sleep(LOOK);
        };
        let seconds = begin.elapsed().as_secs_f64();
        if !status.success() {
            // Ctrl-C in a terminal reaches the child as well, and may end it first.
            if self.stop.load(Ordering::Relaxed) {
                return Err(Stopped.into());
            }
            bail!("{what} ended with {status}{}", last_lines(&log));
        }
        let cpu = match of {
            Of::Itself => tree::of_ended_children().saturating_sub(ended_before),
            Of::Others(_) => others.cpu.saturating_sub(others_before.cpu),
        };
        let text = std::fs::read_to_string(&out).with_context(|| out.display().to_string())?;
        Ok((text, Cost { seconds, cpu_seconds: cpu.as_secs_f64(), peak }))
    }
}

/// The end of a log, for an error.
pub fn last_lines(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return "; it said nothing".to_owned();
    }
    let last = &lines[lines.len().saturating_sub(LINES)..];
    format!("; its last lines:\n    {}", last.join("\n    "))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn watch(folder: &Path, patience: Duration) -> Watch {
        Watch { folder: folder.to_owned(), patience, stop: Arc::default() }
    }

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_child_prints_and_costs() {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch(folder.path(), Duration::from_mins(1));
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done";
        let (out, cost) = watch.run("it", &mut sh(busy), Of::Itself).unwrap();
        assert_eq!(out, "done\n");
        assert!(cost.cpu_seconds >= 0.03 && cost.seconds >= 0.03, "{cost:?}");
        assert!(cost.peak > 0, "{cost:?}");
    }

    #[test]
    fn a_failure_is_told_with_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch(folder.path(), Duration::from_mins(1));
        let failing = "for i in $(seq 100); do echo line $i >&2; done; exit 3";
        let error = watch.run("it", &mut sh(failing), Of::Itself).unwrap_err().to_string();
        assert!(error.starts_with("it ended with exit status: 3; its last lines:"), "{error}");
        assert!(error.ends_with("line 99\n    line 100") && !error.contains("line 88"), "{error}");
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch(folder.path(), Duration::from_millis(200));
        let begin = Instant::now();
        let error = watch.run("it", &mut sh("exec sleep 60"), Of::Itself).unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert!(error.to_string().contains("took longer than 0 s"), "{error}");
    }

    #[test]
    fn a_stopped_verb_ends_its_child() {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch(folder.path(), Duration::from_mins(1));
        let stop = Arc::clone(&watch.stop);
        let setter = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            stop.store(true, Ordering::Relaxed);
        });
        let error = watch.run("it", &mut sh("exec sleep 60"), Of::Itself).unwrap_err();
        setter.join().unwrap();
        assert!(error.is::<Stopped>(), "{error}");
        let again = watch.run("it", &mut sh("exit 0"), Of::Itself).unwrap_err();
        assert!(again.is::<Stopped>(), "nothing is started any more");
    }
}
