//! The reference load of the benchmark, and runs of it in processes of their own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// The reference load's pipeline: views with the engagements of 30 minutes.
pub const PIPELINE: &str = r#"
name = "reference"
[inputs.views]
topic = "views"
format = "json"
key = "view_id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s" }
[inputs.engagements]
topic = "engagements"
format = "json"
key = "view_id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s" }
[join]
primary = "views"
with.engagements = { after = "0s", until = "30m" }
kind = "left"
[delivery]
checkpoint_interval = "1s"
"#;

/// Memory for join state in every run.
pub const MEMORY: &str = "512MiB";

/// Where loads and runs lie unless a folder is named.
pub fn folder(named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| std::env::temp_dir().join("joinscope-bench"), Path::to_owned)
}

/// The reference load of some size, and its pipeline.
pub struct Load {
    pub recording: PathBuf,
    pub pipeline: PathBuf,
}

impl Load {
    /// Makes it in `folder`, unless it is there already.
    pub fn make(folder: &Path, views: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let recording = folder.join(format!("feed-{views}.mcap"));
        if !recording.exists() {
            say(&format!("making the reference load {} …", recording.display()));
            // Under its own name only once it is whole.
            let part = recording.with_extension("part");
            match std::fs::remove_file(&part) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
            child(
                Command::new(std::env::current_exe()?)
                    .args(["generate", "feed", "--json", "--views", &views.to_string(), "-o"])
                    .arg(&part),
            )?;
            std::fs::rename(&part, &recording)?;
        }
        let pipeline = folder.join("pipeline.toml");
        std::fs::write(&pipeline, PIPELINE)?;
        Ok(Self { recording, pipeline })
    }
}

/// `joinscope run` of a load into `out`, which is made anew: what it prints.
pub fn run_whole(pipeline: &Path, recording: &Path, out: &Path) -> anyhow::Result<Value> {
    run_with(pipeline, recording, out, &[])
}

/// [`run_whole`] with these settings (`--set path=value`).
pub fn run_with(
    pipeline: &Path,
    recording: &Path,
    out: &Path,
    sets: &[(&str, &str)],
) -> anyhow::Result<Value> {
    remove(out)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg(pipeline).arg("--recording").arg(recording).arg("--out").arg(out);
    for (path, value) in sets {
        command.arg("--set").arg(format!("{path}={value}"));
    }
    child(command.args(["--memory", MEMORY, "--json"]))
}

/// Runs a child and reads the JSON that it prints.
pub fn child(command: &mut Command) -> anyhow::Result<Value> {
    let output = command.stderr(Stdio::inherit()).output().context("cannot run itself")?;
    ensure!(output.status.success(), "a measured run failed: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "joinscope: {text}");
}

pub fn remove(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| folder.display().to_string())
        }
        _ => Ok(()),
    }
}
