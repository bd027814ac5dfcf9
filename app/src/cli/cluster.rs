//! What verbs that meet a cluster have in common: its address, its settings,
//! how long to wait, and a progress bar.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use joinscope_core::edges::kafka::Settings;
pub use joinscope_operator::figures::{plural, thousands};

/// How a cluster is reached.
#[derive(Args)]
pub struct ClusterArgs {
    /// host:port of one or more brokers, separated by commas
    #[arg(long, value_name = "BROKERS", default_value = "", hide_default_value = true)]
    pub brokers: String,
    /// A file of librdkafka's properties (name=value): SASL, TLS, and the registry's
    /// schema.registry.url, .basic.auth.user.info and .ssl.*; passwords belong
    /// there, not on the command line, or in the system's keychain:
    /// sasl.password=keychain:SERVICE/ACCOUNT
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How long to wait for brokers that do not answer (500ms, 30s, 2m)
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = timeout)]
    pub timeout: Duration,
}

fn timeout(text: &str) -> Result<Duration, String> {
    super::duration::above_zero(text).map(|ms| Duration::from_millis(ms.unsigned_abs()))
}

impl ClusterArgs {
    /// # Errors
    /// The properties file cannot be used.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::new(self.brokers.clone());
        if let Some(path) = &self.config {
            settings.load(path)?;
        }
        Ok(settings)
    }
}

/// A bar on stderr that appears when something takes over a second.
pub struct Bar {
    begin: Instant,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub fn new() -> Self {
        Self { begin: Instant::now(), bar: None }
    }

    /// Shows `done` of `total` (0: not known) and a few words.
    pub fn show(&mut self, done: u64, total: u64, words: String) {
        if self.begin.elapsed() < Duration::from_secs(1) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(
                ProgressStyle::with_template("{msg} {wide_bar} {percent}% {elapsed} left {eta}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        bar.set_length(total.max(done));
        bar.set_position(done);
        bar.set_message(words);
    }

    /// Shows a few words of something that has no end.
    pub fn say(&mut self, words: String) {
        if self.begin.elapsed() < Duration::from_secs(1) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(
                ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        bar.set_message(words);
        bar.tick();
    }

    /// Prints a line past the bar.
    pub fn print(&self, line: &str) {
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(line),
            // stderr may be gone; whoever reads the log is another matter.
            _ => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
