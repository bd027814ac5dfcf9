//! The file that is recorded into, or a folder of several, one after another.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::edges::recording::{
    Compression, Info, Recording, RecordingError, Schemas, Segments, StoredSchema, Writer,
    WriterOptions, declare, end_segment, parts_of,
};
use crate::operator::record::{Arrival, TopicPartition};

/// When a segment is followed by the next: whichever comes first, but never before it has
/// a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// It holds so many bytes, before they are compressed.
    pub bytes: Option<u64>,
    /// So long after its first record.
    pub every: Option<Duration>,
}

pub(super) struct Files {
    /// Of the file that is written now.
    pub writer: Writer,
    path: PathBuf,
    /// Where the partitions begin in it.
    starts: Vec<i64>,
    /// It has records whose arrival time a producer's clock gave.
    pub approximate: bool,
    /// Of a folder.
    rolling: Option<Rolling>,
}

struct Rolling {
    roll: Roll,
    segments: Segments,
    /// What the segment's writer said of its bytes before it had a record.
    empty: u64,
    /// When its first record was seen.
    began: Option<Instant>,
    live_from: Option<Arrival>,
    /// It says something that none before it does.
    news: bool,
}

impl Files {
    /// Makes the file, or the folder with its first segment.
    pub fn create(
        path: &Path,
        roll: Option<Roll>,
        options: WriterOptions,
        partitions: Vec<TopicPartition>,
        starts: Vec<i64>,
    ) -> Result<Self, RecordingError> {
        let (writer, rolling) = match roll {
            None => {
                let mut writer = Writer::create(path, options)?;
                if let Err(error) = declare(&mut writer, &partitions, &starts) {
                    drop(writer);
                    remove(path);
                    return Err(error);
                }
                (writer, None)
            }
            Some(roll) => {
                Segments::create_folder(path)?;
                let schemas = Schemas::default();
                let mut segments = Segments::new(path.to_owned(), 0, options, partitions, schemas);
                let writer = segments.begin(&starts, &[]).inspect_err(|_| remove(path))?;
                let empty = writer.bytes();
                let (began, live_from) = (None, None);
                let rolling = Rolling { roll, segments, empty, began, live_from, news: true };
                (writer, Some(rolling))
            }
        };
        Ok(Self { writer, path: path.to_owned(), starts, approximate: false, rolling })
    }

    /// What comes now, from this arrival on, comes while it is recorded.
    pub fn go_live(&mut self, arrival: Arrival, compression: Compression) {
        self.writer.set_live_from(arrival);
        self.writer.set_compression(compression);
        if let Some(rolling) = &mut self.rolling {
            rolling.live_from = Some(arrival);
            rolling.news = true;
            rolling.segments.options.compression = compression;
            rolling.segments.options.approximate = false;
        }
    }

    /// Keeps a schema, also for the segments that follow.
    pub fn schema(&mut self, schema: StoredSchema) -> Result<(), RecordingError> {
        if let Some(rolling) = &mut self.rolling {
            rolling.segments.schema(schema.clone());
        }
        self.writer.schema(schema)
    }

    /// A record was written: the next segment begins if this one is large enough.
    #[inline]
    pub fn wrote(&mut self) -> Result<(), RecordingError> {
        let Some(rolling) = &self.rolling else { return Ok(()) };
        let bytes = self.writer.bytes().saturating_sub(rolling.empty);
        if rolling.roll.bytes.is_some_and(|most| bytes >= most) { self.roll() } else { Ok(()) }
    }

    /// To be called several times a second: the next segment begins if this one is old
    /// enough.
    pub fn look(&mut self) -> Result<(), RecordingError> {
        let Some(rolling) = &mut self.rolling else { return Ok(()) };
        if self.writer.records() == 0 {
            return Ok(());
        }
        let age = rolling.began.get_or_insert_with(Instant::now).elapsed();
        if rolling.roll.every.is_some_and(|most| age >= most) { self.roll() } else { Ok(()) }
    }

    fn roll(&mut self) -> Result<(), RecordingError> {
        let Some(rolling) = self.rolling.as_mut().filter(|r| r.segments.may_go_on()) else {
            return Ok(());
        };
        // Behind the last record: what follows without one is a gap of the next segment,
        // and of one file it would be one gap.
        let next = self.writer.next_offsets().into_iter().zip(&self.starts);
        let ends: Vec<i64> = next.map(|(next, start)| next.unwrap_or(*start)).collect();
        // First, so that there is always one that is written.
        let mut following = rolling.segments.begin(&ends, &[])?;
        if let Some(arrival) = rolling.live_from {
            following.set_live_from(arrival);
        }
        rolling.empty = following.bytes();
        rolling.began = None;
        rolling.news = false;
        self.starts = ends;
        let mut whole = std::mem::replace(&mut self.writer, following);
        whole.set_approximate(std::mem::take(&mut self.approximate));
        end_segment(whole, &self.starts).map(drop)
    }

    /// Ends it, where the partitions were read up to `ends`.
    pub fn finish(self, ends: &[i64]) -> Result<Info, RecordingError> {
        let Self { mut writer, path, starts, approximate, rolling } = self;
        writer.set_approximate(approximate);
        let Some(rolling) = rolling else { return end_segment(writer, ends) };
        if writer.records() > 0 || rolling.news || starts != ends {
            end_segment(writer, ends)?;
        } else {
            let last = writer.path().to_owned();
            drop(writer);
            // If it stays, it is one without a record.
            let _ = std::fs::remove_file(last);
        }
        Ok(Recording::open(&path)?.info().clone())
    }
}

fn files_of(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let parts = parts_of(path).unwrap_or_default();
        return parts.into_iter().map(|(_, part)| part).collect();
    }
    vec![path.to_owned()]
}

/// Bytes on the disk.
pub(super) fn length(path: &Path) -> u64 {
    let lengths = files_of(path).into_iter().filter_map(|file| Some(file.metadata().ok()?.len()));
    lengths.sum()
}

/// Removes what was recorded. It may be gone, or not to be removed: whoever calls has
/// something worse to say.
pub(super) fn remove(path: &Path) {
    for file in files_of(path) {
        let _ = std::fs::remove_file(file);
    }
    if path.is_dir() {
        let _ = std::fs::remove_dir(path);
    }
}
