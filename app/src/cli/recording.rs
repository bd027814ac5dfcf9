//! `joinscope recording …`: what can be done with a recording.

use std::path::Path;

use clap::{Args, Subcommand};
use joinscope_core::edges::recording::{self, RecordingError};

use super::cluster::{plural, thousands};
use super::run::warn;
use super::{Answer, export, info, merge, publish, redact, slice, verify};

/// Looks at recordings, checks, cuts, merges, redacts and exports them, sends
/// them back to a cluster. A recording is a file, or a folder of segments
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
    say_read_through(path);
    recording::Recording::open(path)
}

/// Says on stderr that a recording is about to be read through, where that takes long.
pub fn say_read_through(path: &Path) {
    if let Some(text) = read_through(path, LONG) {
        warn(&text);
    }
}

/// What is said of a recording of whose summaries some cannot be used, if it is that long.
fn read_through(path: &Path, long: u64) -> Option<String> {
    // Of most files no summary is read twice: they are short.
    std::fs::metadata(path).ok().filter(|found| found.is_dir() || found.len() > long)?;
    let found = recording::read_through(path);
    let bytes: u64 = found.iter().map(|file| file.bytes).sum();
    let first = found.first().filter(|_| bytes > long)?;
    let (shown, why, mb) = (path.display(), &first.why, thousands(bytes / 1_000_000));
    Some(if path.is_dir() {
        let name = first.path.file_name().unwrap_or_default().display();
        format!(
            "{shown}: the summaries of {} cannot be used ({name}: {why}), so their {mb} MB are \
             read through first",
            plural(found.len() as u64, "segment")
        )
    } else {
        format!(
            "{shown}: its summary cannot be used ({why}), so its {mb} MB are read through first; \
             `joinscope recording slice` makes one that has a summary"
        )
    })
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
    use joinscope_core::edges::recording::{Writer, WriterOptions, part_name};

    use super::*;

    #[test]
    fn a_long_recording_whose_summary_cannot_be_used_is_said_to_be_read_through() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.mcap");
        assert_eq!(read_through(&file, 0), None, "there is none");
        Writer::create(&file, WriterOptions::default()).unwrap().finish().unwrap();
        assert_eq!(read_through(&file, 0), None, "it is whole");
        let mut bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        let said = read_through(&file, 0).unwrap();
        assert!(said.contains("r.mcap: its summary cannot be used (it was not fin"), "{said}");
        assert_eq!(read_through(&file, bytes.len() as u64), None, "it is short");
        // Of the footer's CRC, which stands before the last 8 bytes.
        let crc = bytes.len() - 9;
        bytes[crc] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let said = read_through(&file, 0).unwrap();
        assert!(said.contains("(the CRC of the summary is wrong)"), "{said}");
        std::fs::write(&file, "no recording").unwrap();
        assert_eq!(read_through(&file, 0), None);
    }

    #[test]
    fn so_are_the_segments_of_an_arrival_log_together() {
        let folder = tempfile::tempdir().unwrap();
        let mut length = 0;
        for n in 0..3 {
            let file = folder.path().join(part_name(n));
            Writer::create(&file, WriterOptions::default()).unwrap().finish().unwrap();
            let bytes = std::fs::read(&file).unwrap();
            if n == 0 {
                assert_eq!(read_through(folder.path(), 0), None, "it is whole");
                continue;
            }
            length += bytes.len() as u64 - 1;
            std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        }
        let said = read_through(folder.path(), length - 1).unwrap();
        assert!(said.contains("of 2 segments cannot be used (00000001.mcap: it was"), "{said}");
        assert_eq!(read_through(folder.path(), length), None, "they are short");
    }
}
