//! The schemas behind a recording: whose ids stand in Confluent's framing
//! (a 0 byte, then the id, 4 bytes big-endian), fetched with what they refer to.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

use schema_registry_converter::blocking::schema_registry::{
    SrSettings, get_all_subjects, get_referenced_schema, get_schema_by_id,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RegisteredReference, RegisteredSchema, SchemaType,
};

use super::KafkaError;
use crate::edges::recording::{SchemaReference, StoredSchema};

/// How a registry is reached. `Debug` shows no secret.
#[derive(Clone, Default)]
pub struct RegistrySettings {
    /// The base of Confluent's API, e.g. `http://localhost:8081`.
    pub url: String,
    /// User and password.
    pub login: Option<(String, String)>,
}

impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegistrySettings({}, login: {})", self.url, self.login.is_some())
    }
}

/// Bytes that begin as a frame does but name no schema are data: after so many
/// unknown ids the registry is not asked any more.
const UNKNOWN_IDS: usize = 100;
/// References within references.
const DEPTH: usize = 32;
const PATIENCE: Duration = Duration::from_secs(10);

/// Watches records for schema ids and fetches what is new.
pub(super) struct Registry {
    url: String,
    settings: SrSettings,
    seen: HashSet<u32>,
    last: Option<u32>,
    /// Ids that the registry does not know, and what it said.
    pub unknown: BTreeMap<u32, String>,
}

impl Registry {
    /// # Errors
    /// The registry does not answer, or refuses the login.
    pub fn connect(of: &RegistrySettings) -> Result<Self, KafkaError> {
        let url = of.url.trim_end_matches('/').to_owned();
        let mut builder = SrSettings::new_builder(url.clone());
        builder.set_timeout(PATIENCE);
        if let Some((user, password)) = &of.login {
            builder.set_basic_authorization(user, Some(password));
        }
        let registry = |what, away| KafkaError::Registry { url: url.clone(), what, away };
        let settings = builder.build().map_err(|e| registry(e.error, false))?;
        get_all_subjects(&settings).map_err(|e| {
            let (what, so) = if e.retriable {
                ("does not answer", "check the address")
            } else {
                (
                    "refuses",
                    "check the address, and user and password in --config \
                     (schema.registry.basic.auth.user.info=user:password)",
                )
            };
            registry(format!("{what} ({}); {so}", reason(&e)), e.retriable)
        })?;
        Ok(Self { url, settings, seen: HashSet::new(), last: None, unknown: BTreeMap::new() })
    }

    /// The schema that a key or value is framed with, if it is new.
    ///
    /// # Errors
    /// The registry stopped answering.
    pub fn see(&mut self, bytes: &[u8]) -> Result<Option<StoredSchema>, KafkaError> {
        let &[0, a, b, c, d, ..] = bytes else { return Ok(None) };
        self.fetch(u32::from_be_bytes([a, b, c, d]))
    }

    /// The schema of an id, if it is new.
    ///
    /// # Errors
    /// The registry stopped answering.
    pub fn fetch(&mut self, id: u32) -> Result<Option<StoredSchema>, KafkaError> {
        if self.last == Some(id) {
            return Ok(None);
        }
        self.last = Some(id);
        if self.unknown.len() >= UNKNOWN_IDS || !self.seen.insert(id) {
            return Ok(None);
        }
        match get_schema_by_id(id, &self.settings) {
            Ok(schema) => self.whole(id, &schema).map(Some),
            Err(error) if error.retriable => Err(self.error(&error)),
            Err(error) => {
                tracing::warn!("schema {id} is not in the registry {}", self.url);
                self.unknown.insert(id, reason(&error));
                Ok(None)
            }
        }
    }

    fn whole(&self, id: u32, schema: &RegisteredSchema) -> Result<StoredSchema, KafkaError> {
        let mut references = Vec::new();
        self.references(&schema.references, &mut references, DEPTH)?;
        Ok(StoredSchema {
            id,
            kind: match &schema.schema_type {
                SchemaType::Avro => "AVRO".to_owned(),
                SchemaType::Protobuf => "PROTOBUF".to_owned(),
                SchemaType::Json => "JSON".to_owned(),
                SchemaType::Other(kind) => kind.clone(),
                other => format!("{other:?}"),
            },
            schema: schema.schema.clone(),
            references,
            guid: schema.guid.clone(),
        })
    }

    /// What is referred to, those first that others among them refer to.
    fn references(
        &self,
        of: &[RegisteredReference],
        into: &mut Vec<SchemaReference>,
        depth: usize,
    ) -> Result<(), KafkaError> {
        for reference in of {
            if into.iter().any(|known| known.name == reference.name) {
                continue;
            }
            if depth == 0 {
                let what = format!("{} refers to itself, or too deeply", reference.subject);
                return Err(KafkaError::Registry { url: self.url.clone(), what, away: false });
            }
            let schema = get_referenced_schema(&self.settings, reference)
                .map_err(|error| self.error(&error))?;
            self.references(&schema.references, into, depth - 1)?;
            into.push(SchemaReference {
                name: reference.name.clone(),
                subject: reference.subject.clone(),
                version: reference.version,
                schema: schema.schema,
            });
        }
        Ok(())
    }

    fn error(&self, error: &SRCError) -> KafkaError {
        let what = reason(error);
        KafkaError::Registry { url: self.url.clone(), what, away: error.retriable }
    }
}

pub(super) fn reason(error: &SRCError) -> String {
    let mut text = error.error.clone();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
