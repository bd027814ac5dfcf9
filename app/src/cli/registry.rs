//! A schema registry beside a recording that lacks schemas.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use joinscope_core::edges::kafka::{KafkaError, RegistrySettings, Settings, lacking_schemas};
use joinscope_core::edges::recording::{Recording, RecordingError};
use joinscope_operator::codec::SchemaKind;
use joinscope_operator::pipeline::{Format, Pipeline};

use super::cluster::plural;
use super::follow::follow;
use super::run::warn;
use super::{Answer, whole};

/// Ids that are named one by one.
const NAMED: usize = 5;

/// Where the schemas are that a recording lacks.
#[derive(Args)]
pub struct RegistryArgs {
    /// A schema registry (Confluent's API) for the schemas that the recording lacks
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// A file of properties (name=value) with schema.registry.url,
    /// schema.registry.basic.auth.user.info and schema.registry.ssl.*
    /// (ca.location, certificate.location, key.location); a password belongs there,
    /// not on the command line
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl RegistryArgs {
    /// # Errors
    /// The properties file cannot be used, or names no registry.
    pub fn settings(&self) -> anyhow::Result<Option<RegistrySettings>> {
        let mut settings = Settings::default();
        if let Some(path) = &self.config {
            settings.load(path)?;
        }
        of_recording(&settings, self.registry.as_deref(), self.config.as_deref())
    }
}

/// The registry beside a recording, where one is named.
///
/// # Errors
/// There are properties, and they name none: nothing else of them is used.
pub fn of_recording(
    settings: &Settings,
    url: Option<&str>,
    config: Option<&Path>,
) -> anyhow::Result<Option<RegistrySettings>> {
    let registry = settings.registry(url);
    if let (None, Some(path)) = (&registry, config) {
        bail!(
            "{}: over a recording only a schema registry is of use, and this file names none: \
             write schema.registry.url=URL there, or give --registry",
            path.display()
        );
    }
    Ok(registry)
}

/// The topics whose values name schemas.
pub fn framed_topics(pipeline: &Pipeline) -> Vec<Arc<str>> {
    let framed = pipeline.inputs.iter().filter(|input| input.format == Format::AvroRegistry);
    framed.map(|input| Arc::clone(&input.topic)).collect()
}

/// The recording with the schemas that the values of `topics` (all if `None`) name
/// and it lacks. What the registry lacks as well is said.
///
/// # Errors
/// The registry does not answer or refuses the login, or the recording is damaged.
pub fn given(
    recording: Recording,
    topics: Option<&[Arc<str>]>,
    registry: Option<&RegistrySettings>,
) -> anyhow::Result<Recording> {
    let Some(registry) = registry else { return Ok(recording) };
    if topics.is_some_and(<[_]>::is_empty) {
        warn("no input has format = \"avro-registry\": the schema registry is not asked");
        return Ok(recording);
    }
    let found = follow("record", |job| lacking_schemas(&recording, topics, registry, job))?;
    for (id, why) in found.unknown.iter().take(NAMED) {
        warn(&format!(
            "schema {id} is neither in the recording nor in the registry {} ({why}): records that \
             name it are undecodable",
            registry.url
        ));
    }
    if let Some(more @ 1..) = found.unknown.len().checked_sub(NAMED) {
        warn(&format!("and so it is with {}", plural(more as u64, "more schema id")));
    }
    for schema in found.schemas.iter() {
        if let Some(why) = SchemaKind::of(&schema.kind).unread() {
            warn(&format!("schema {} {why}", schema.id));
        }
    }
    Ok(recording.with_schemas(&found.schemas))
}

/// What a run answers that could not begin because of [`given`]'s error.
///
/// # Errors
/// It, where no other start helps.
pub fn not_begun(error: anyhow::Error) -> anyhow::Result<Answer> {
    let kafka: Option<&KafkaError> = error.downcast_ref();
    // As live: another start may find the registry.
    if kafka.is_some_and(KafkaError::is_away) {
        warn(&whole(&error));
        return Ok(Answer::Broke);
    }
    if matches!(kafka, Some(KafkaError::Recording(RecordingError::Cancelled))) {
        warn("cancelled: nothing was begun");
        return Ok(Answer::No);
    }
    Err(error)
}
