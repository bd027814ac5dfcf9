//! Makes a schema known to a registry.

use schema_registry_converter::blocking::schema_registry::post_schema;
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};

use super::registry::{is_away, reason};
use super::{KafkaError, RegistrySettings};

/// The id of an Avro schema under `subject`; one that is known keeps its id.
///
/// # Errors
/// The registry does not answer, refuses the login, no TLS is agreed upon, or it refuses
/// the schema (it is not compatible with the subject's).
pub fn register(of: &RegistrySettings, subject: &str, schema: &str) -> Result<u32, KafkaError> {
    let url = of.url.trim_end_matches('/').to_owned();
    let failed = |what: String, away| KafkaError::Registry {
        url: url.clone(),
        what: format!("the schema of subject {subject} cannot be registered: {what}"),
        away,
    };
    let settings = of.client()?;
    let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
    let posted = post_schema(&settings, subject.to_owned(), supplied);
    posted.map(|schema| schema.id).map_err(|e| failed(reason(&e), is_away(&e)))
}
