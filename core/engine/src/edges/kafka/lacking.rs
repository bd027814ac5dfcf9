//! Schemas that a recording names and lacks: from a registry, before it is run
//! over.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::registry::{Part, Registry};
use super::{KafkaError, RegistrySettings};
use crate::edges::recording::{Job, Recording, Schemas};
use crate::operator::codec::SchemaRef;

/// What a registry had of what a recording lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    pub schemas: Schemas,
    /// Ids that the registry does not know either, and what it said.
    pub unknown: BTreeMap<u32, String>,
}

/// Reads the values of `topics` (all if `None`) for Confluent ids that the
/// recording has no schemas for, and asks the registry for these. Progress is in
/// records.
///
/// # Errors
/// The registry does not answer or refuses the login; the recording is damaged;
/// or cancelled.
pub fn lacking_schemas(
    recording: &Recording,
    topics: Option<&[Arc<str>]>,
    of: &RegistrySettings,
    job: &mut Job<'_>,
) -> Result<Lacking, KafkaError> {
    // First, so that a wrong address is said before anything is read.
    let mut registry = Registry::connect(of)?;
    let own = recording.schemas();
    let partitions = recording.info().partitions.iter();
    let total: u64 = partitions
        .filter(|p| topics.is_none_or(|topics| topics.contains(&p.topic_partition.topic)))
        .map(|p| p.records)
        .sum();
    let (mut schemas, mut read) = (Schemas::default(), 0);
    for batch in recording.batches(topics, 0) {
        let batch = batch?;
        for record in &batch {
            let Some((SchemaRef::Id(id), _)) = SchemaRef::of(record) else { continue };
            if own.get(id).is_some() {
                continue;
            }
            if let Some(schema) = registry.fetch(id, Part::Value)? {
                schemas.insert(schema);
            }
        }
        read += batch.len() as u64;
        job.step(read, total)?;
    }
    Ok(Lacking { schemas, unknown: registry.unknown })
}
