//! Segments that hold nothing: their process, or the machine, ended as they were made.

use std::path::{Path, PathBuf};

use super::RecordingError;
use super::parts::parts_of;
use super::source::Source;
use super::wire::MAGIC;

/// Bytes that are looked at at a time.
const BLOCK: u64 = 64 << 10;

/// Whether nothing of a file came to the disk, its head neither: it is empty, or ends
/// within the first bytes that every recording has, or holds zeros in their place and
/// behind, as a power loss leaves what was never forced to the disk.
pub fn of_source(source: &Source) -> Result<bool, RecordingError> {
    let (mut at, mut block) = (0, Vec::new());
    while at < source.length {
        let length = BLOCK.min(source.length - at);
        source.read(at, length, &mut block)?;
        let same = block.iter().zip(MAGIC).take_while(|(byte, magic)| byte == magic).count();
        let magic = if at == 0 { same } else { 0 };
        if magic == MAGIC.len() || block.iter().skip(magic).any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += length;
    }
    Ok(true)
}

/// The last segment of a folder, where it has bytes and nothing in them.
///
/// # Errors
/// It cannot be read.
pub fn headless(folder: &Path) -> Result<Option<PathBuf>, RecordingError> {
    let Some((_, path)) = parts_of(folder)?.pop() else { return Ok(None) };
    let source = Source::open(&path)?;
    let nothing = source.length > 0 && of_source(&source)?;
    Ok(nothing.then_some(path))
}

/// The segments of a folder that something was written to, in their order.
///
/// # Errors
/// The folder, or its last segment, cannot be read.
pub fn written_parts(folder: &Path) -> Result<Vec<(u64, PathBuf)>, RecordingError> {
    let mut parts = parts_of(folder)?;
    if headless(folder)?.is_some() {
        parts.pop();
    }
    parts.retain(|(_, path)| path.metadata().is_ok_and(|m| m.len() > 0));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::{Recording, Writer, WriterOptions, part_name};
    use crate::operator::record::{Record, TopicPartition};

    fn segment(folder: &Path, n: u64, arrival: u64) {
        let mut writer =
            Writer::create(&folder.join(part_name(n)), WriterOptions::default()).unwrap();
        writer.partition(TopicPartition { topic: "t".into(), partition: 0 }).unwrap();
        writer.add(&Record { arrival, offset: arrival as i64, ..Record::default() }).unwrap();
        writer.finish().unwrap();
    }

    /// Found by reading: a live run could not go on, nor its log be read.
    #[test]
    fn a_last_segment_without_a_head_is_none_and_one_before_others_is_damage() {
        let magic = |n: usize, zeros: usize| [&MAGIC[..n], &vec![0; zeros][..]].concat();
        let nothing =
            [magic(0, 0), magic(0, 1), magic(3, 0), magic(7, 0), magic(5, 4096), magic(0, 200_000)];
        for bytes in nothing {
            let folder = tempfile::tempdir().unwrap();
            segment(folder.path(), 0, 0);
            segment(folder.path(), 1, 1);
            let path = folder.path().join(part_name(2));
            std::fs::write(&path, &bytes).unwrap();
            let open = || Recording::open(folder.path());
            assert_eq!(open().unwrap().len(), 2, "{} bytes", bytes.len());
            // It may have been a recording's: that is not kept quiet.
            let noted = open().unwrap().info().notes.values().any(|n| n.contains(&part_name(2)));
            assert_eq!(noted, !bytes.is_empty());
            let written: Vec<u64> =
                written_parts(folder.path()).unwrap().into_iter().map(|(n, _)| n).collect();
            assert_eq!(written, [0, 1], "{} bytes", bytes.len());
            let found = headless(folder.path()).unwrap();
            assert_eq!(found, (!bytes.is_empty()).then_some(path));
            // Others behind it were made since: there was something in it.
            segment(folder.path(), 3, 2);
            assert_eq!(open().is_err(), !bytes.is_empty(), "{} bytes", bytes.len());
            assert_eq!(headless(folder.path()).unwrap(), None);
        }
    }

    #[test]
    fn what_has_something_in_it_is_not_passed_over() {
        let mut odd = vec![0; 100_000];
        odd[99_999] = 1;
        for bytes in [odd, b"not a recording".to_vec(), MAGIC.to_vec()] {
            let folder = tempfile::tempdir().unwrap();
            segment(folder.path(), 0, 0);
            std::fs::write(folder.path().join(part_name(1)), &bytes).unwrap();
            assert!(Recording::open(folder.path()).is_err(), "{} bytes", bytes.len());
            assert_eq!(headless(folder.path()).unwrap(), None);
            assert_eq!(written_parts(folder.path()).unwrap().len(), 2);
        }
    }
}
