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
use crate::operator::codec::SchemaRef;
use crate::operator::record::Record;

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
        framed(bytes).map_or(Ok(None), |id| self.fetch(id))
    }

    /// Gives `found` the new schemas that records name.
    ///
    /// # Errors
    /// The registry stopped answering; of so many records, from the first on, all
    /// schemas were had by then.
    pub fn see_all(
        &mut self,
        records: &[Record],
        found: &mut dyn FnMut(StoredSchema),
    ) -> Result<(), (usize, KafkaError)> {
        for_each_id(records, |id| {
            if let Some(new) = self.fetch(id)? {
                found(new);
            }
            Ok(())
        })
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

/// The id in Confluent's framing.
fn framed(bytes: &[u8]) -> Option<u32> {
    let &[0, a, b, c, d, ..] = bytes else { return None };
    Some(u32::from_be_bytes([a, b, c, d]))
}

/// The ids that keys and values of records name, in order, until one fails: then at
/// which record. Where a header names a value's schema, the value is all body.
fn for_each_id<E>(
    records: &[Record],
    mut each: impl FnMut(u32) -> Result<(), E>,
) -> Result<(), (usize, E)> {
    for (n, record) in records.iter().enumerate() {
        let value = match SchemaRef::of(record) {
            Some((SchemaRef::Id(id), _)) => Some(id),
            Some((SchemaRef::Guid(_), _)) | None => None,
        };
        let key = record.key.as_deref().and_then(framed);
        for id in [key, value].into_iter().flatten() {
            each(id).map_err(|error| (n, error))?;
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::record::{Header, TimestampType};

    fn record(key: &[u8], value: Option<&[u8]>, header: Option<&[u8]>) -> Record {
        let header = header.map(|bytes| Header {
            key: "__value_schema_id".to_owned(),
            value: Some(bytes.to_vec().into()),
        });
        Record {
            arrival: 0,
            arrival_ns: 0,
            source: 0,
            offset: 0,
            timestamp: None,
            timestamp_type: TimestampType::None,
            leader_epoch: None,
            key: Some(key.to_vec().into()),
            value: value.map(|bytes| bytes.to_vec().into()),
            headers: header.into_iter().collect(),
        }
    }

    #[test]
    fn a_record_is_whole_once_all_schemas_that_it_names_are_there() {
        let guid = [&[1][..], &[7; 16]].concat();
        let records = [
            record(b"plain", Some(b"{}"), None),
            record(&[0, 0, 0, 0, 5, 9], Some(&[0, 0, 0, 0, 6, 9]), None),
            // A body behind a header may begin with anything.
            record(b"", Some(&[0, 0, 0, 1, 0, 9]), Some(&guid)),
            record(b"", Some(&[0, 0, 0, 1, 0, 9]), Some(&[0, 0, 0, 0, 8])),
            record(b"", None, None),
            record(b"", Some(&[0, 0, 0, 0, 7]), None),
        ];
        let ask = |away: Option<u32>| {
            let mut asked = Vec::new();
            let done = for_each_id(&records, |id| {
                asked.push(id);
                if away == Some(id) { Err(id) } else { Ok(()) }
            });
            (done, asked)
        };
        assert_eq!(ask(None), (Ok(()), vec![5, 6, 8, 7]));
        assert_eq!(ask(Some(6)), (Err((1, 6)), vec![5, 6]));
        assert_eq!(ask(Some(7)), (Err((5, 7)), vec![5, 6, 8, 7]));
    }
}
