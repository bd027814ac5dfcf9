//! `joinscope recording …`: what can be done with a recording.

use std::path::Path;

use clap::{Args, Subcommand};
use joinscope_core::edges::recording::{self, RecordingError};

use super::cluster::thousands;
use super::run::warn;
use super::{Answer, export, info, merge, publish, redact, slice, verify};

/// Looks at recordings, checks, cuts, merges, redacts and exports them, sends
/// them back to a cluster
#[derive(Args)]
pub struct Recording {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Info(info::Info),
    Verify(verify::Verify),
    Slice(slice::Slice),
    Merge(merge::Merge),
    Redact(redact::Redact),
    Export(export::Export),
    Publish(publish::Publish),
}

/// Longer ones without a summary take seconds to open.
const LONG: u64 = 256 << 20;

/// Opens a recording; where that takes long, stderr says so before.
pub fn open_recording(path: &Path) -> Result<recording::Recording, RecordingError> {
    if let Some(text) = read_through(path, LONG) {
        warn(&text);
    }
    recording::Recording::open(path)
}

/// What is said of a recording without a summary, if it is that long.
fn read_through(path: &Path, long: u64) -> Option<String> {
    // Of most no summary is read twice: they are short.
    std::fs::metadata(path).ok().filter(|found| found.len() > long)?;
    let bytes = recording::read_through(path)?;
    Some(format!(
        "{}: it has no summary (it was cut, or is still written), so its {} MB are read through \
         first; `joinscope recording slice` makes one that has",
        path.display(),
        thousands(bytes / 1_000_000)
    ))
}

/// Says where a recording was cut, if it was.
pub fn say_cut(recording: &recording::Recording, path: &Path) {
    if let Some(cut) = &recording.info().cut {
        warn(&format!("{}: {cut}", path.display()));
    }
}

/// Runs the verb.
pub fn run(args: &Recording) -> anyhow::Result<Answer> {
    match &args.verb {
        Verb::Info(args) => info::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Slice(args) => slice::run(args),
        Verb::Merge(args) => merge::run(args),
        Verb::Redact(args) => redact::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Publish(args) => publish::run(args),
    }
}

#[cfg(test)]
mod tests {
    use joinscope_core::edges::recording::{Writer, WriterOptions};

    use super::*;

    #[test]
    fn a_long_recording_without_a_summary_is_said_to_be_read_through() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.mcap");
        assert_eq!(read_through(&file, 0), None, "there is none");
        Writer::create(&file, WriterOptions::default()).unwrap().finish().unwrap();
        assert_eq!(read_through(&file, 0), None, "it is whole");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        let said = read_through(&file, 0).unwrap();
        assert!(said.contains("r.mcap: it has no summary"), "{said}");
        assert_eq!(read_through(&file, bytes.len() as u64), None, "it is short");
        std::fs::write(&file, "no recording").unwrap();
        assert_eq!(read_through(&file, 0), None);
    }
}
