//! A long operation on recordings, followed by a bar and stopped by Ctrl-C.

use joinscope_core::edges::recording::Job;

use super::cluster::{Bar, plural, thousands};
use super::interrupt;

/// Runs an operation whose progress is counted in `unit`: "bytes", or one of something.
pub fn follow<T, E>(unit: &str, run: impl FnOnce(&mut Job<'_>) -> Result<T, E>) -> anyhow::Result<T>
where
    anyhow::Error: From<E>,
{
    let stop = interrupt::stop_flag()?;
    let mut bar = Bar::new();
    let words = |done: u64| match unit {
        "bytes" => format!("{} MB", thousands(done / 1_000_000)),
        _ => plural(done, unit),
    };
    let result = run(&mut Job {
        cancel: &stop,
        progress: &mut |done, total| bar.show(done, total, words(done)),
    });
    bar.clear();
    Ok(result?)
}
