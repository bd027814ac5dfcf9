//! What the system is told about how files are going to be read. Where it cannot
//! be told, nothing is.

use std::fs::File;

/// Begins to read bytes `at..at + len` without waiting for them.
#[cfg(target_os = "linux")]
pub(super) fn soon(file: &File, at: u64, len: u64) {
    // Advice only: what fails here is met, and said, by the reading.
    let len = std::num::NonZeroU64::new(len);
    let _ = rustix::fs::fadvise(file, at, len, rustix::fs::Advice::WillNeed);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn soon(_: &File, _: u64, _: u64) {}

/// Drops what the system holds of a file in memory (measurements). What is not
/// yet on the disk stays.
#[cfg(target_os = "linux")]
pub(super) fn forget(file: &File) -> std::io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn forget(_: &File) -> std::io::Result<()> {
    Ok(())
}
