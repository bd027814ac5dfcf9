//! Writing a recording in segments: each is complete by itself, with all partitions in
//! the same order and all schemas so far; offsets go on where the one before ended.

use std::path::{Path, PathBuf};

use super::parts::{MOST_PARTS, part_name};
use super::{
    ClockEntry, Info, RecordingError, Schemas, StoredSchema, Writer, WriterOptions, whole,
};
use crate::operator::record::TopicPartition;

/// What the segments of a recording have in common, and the number of the next.
#[derive(Debug)]
pub struct Segments {
    folder: PathBuf,
    number: u64,
    pub options: WriterOptions,
    partitions: Vec<TopicPartition>,
    schemas: Schemas,
}

impl Segments {
    /// Segments from `number` on, in a folder that is there.
    #[must_use]
    pub fn new(
        folder: PathBuf,
        number: u64,
        options: WriterOptions,
        partitions: Vec<TopicPartition>,
        schemas: Schemas,
    ) -> Self {
        Self { folder, number, options, partitions, schemas }
    }

    /// Makes the folder of a recording that begins; one that exists is refused.
    ///
    /// # Errors
    /// It exists, or cannot be made.
    pub fn create_folder(folder: &Path) -> Result<(), RecordingError> {
        std::fs::create_dir(folder).map_err(|error| whole::refused(folder, error))
    }

    #[must_use]
    pub fn partitions(&self) -> &[TopicPartition] {
        &self.partitions
    }

    /// Whether a folder takes another one.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        self.number < MOST_PARTS
    }

    /// Keeps a schema for the segments that follow.
    pub fn schema(&mut self, schema: StoredSchema) {
        self.schemas.insert(schema);
    }

    /// Makes the next segment, where the partitions' next offsets are `starts`. What the
    /// clock says first stands in its first chunk. It opens from now on.
    ///
    /// # Errors
    /// It cannot be made; then its name is free.
    pub fn begin(
        &mut self,
        starts: &[i64],
        clock: &[ClockEntry],
    ) -> Result<Writer, RecordingError> {
        let path = self.folder.join(part_name(self.number));
        let mut writer = Writer::create(&path, self.options.clone())?;
        if let Err(error) = self.fill(&mut writer, starts, clock) {
            drop(writer);
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        self.number += 1;
        Ok(writer)
    }

    fn fill(
        &self,
        writer: &mut Writer,
        starts: &[i64],
        clock: &[ClockEntry],
    ) -> Result<(), RecordingError> {
        declare(writer, &self.partitions, starts)?;
        for said in clock {
            writer.clock(said)?;
        }
        for schema in self.schemas.iter() {
            writer.schema(schema.clone())?;
        }
        writer.hand_over()
    }
}

/// Adds the partitions of a file, in this order, from where on they are in it.
///
/// # Errors
/// One is named twice, or there are too many.
pub fn declare(
    writer: &mut Writer,
    partitions: &[TopicPartition],
    starts: &[i64],
) -> Result<(), RecordingError> {
    for (n, (partition, start)) in partitions.iter().zip(starts).enumerate() {
        let source = writer.partition(partition.clone())?;
        if source as usize != n {
            let what = "its topic is named twice".to_owned();
            return Err(RecordingError::Record { record: partition.to_string(), what });
        }
        writer.set_range(source, Some(*start), None);
    }
    Ok(())
}

/// Ends a segment, where the partitions' next offsets are `ends`.
///
/// # Errors
/// It cannot be written.
pub fn end(mut writer: Writer, ends: &[i64]) -> Result<Info, RecordingError> {
    for (source, end) in (0..).zip(ends) {
        writer.set_range(source, None, Some(*end));
    }
    writer.finish()
}
