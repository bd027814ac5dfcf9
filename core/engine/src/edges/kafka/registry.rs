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
use super::error::with_causes;
use super::registry_tls::{self, RegistryTls};
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
    pub(super) tls: RegistryTls,
}

impl RegistrySettings {
    /// What every question to the registry needs; nothing is asked yet.
    ///
    /// # Errors
    /// There can be no such HTTP client.
    pub(super) fn client(&self) -> Result<SrSettings, KafkaError> {
        let url = self.url.trim_end_matches('/').to_owned();
        let mut builder = SrSettings::new_builder(url.clone());
        builder.set_timeout(PATIENCE);
        if let Some((user, password)) = &self.login {
            builder.set_basic_authorization(user, Some(password));
        }
        let client = self.tls.given(reqwest::blocking::Client::builder());
        builder.build_with(client).map_err(|e| {
            let what = with_causes(e.error.clone(), &e);
            KafkaError::Registry { url, what, away: false }
        })
    }
}

impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegistrySettings({}, login: {})", self.url, self.login.is_some())
    }
}

/// Bytes that begin as a frame does but name no schema are data: after so many
/// unknown ids in keys (numbers of eight bytes mostly begin with a 0) the registry is
/// not asked for a key's any more; nor for a value's after so many in values.
const UNKNOWN_IDS: usize = 100;
/// References within references.
const DEPTH: usize = 32;
const PATIENCE: Duration = Duration::from_secs(10);

/// Where in a record an id stands.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Key,
    Value,
}

/// Watches records for schema ids and fetches what is new.
pub(super) struct Registry {
    url: String,
    settings: SrSettings,
    seen: HashSet<u32>,
    last: Option<u32>,
    /// Ids that the registry does not know, and what it said.
    pub unknown: BTreeMap<u32, String>,
    /// How many of them stood in keys, and in values.
    unknown_in: [usize; 2],
    /// How often keys, and values, named an id that was not asked for any more.
    pub unasked: [u64; 2],
}

impl Registry {
    /// # Errors
    /// The registry does not answer, refuses the login, or no TLS is agreed upon.
    pub fn connect(of: &RegistrySettings) -> Result<Self, KafkaError> {
        let url = of.url.trim_end_matches('/').to_owned();
        let settings = of.client()?;
        get_all_subjects(&settings).map_err(|e| {
            let away = is_away(&e);
            let what = if of_tls(&e).is_some() {
                reason(&e)
            } else if away {
                format!("does not answer ({}); check the address", reason(&e))
            } else {
                format!(
                    "refuses ({}); check the address, and user and password in --config \
                     (schema.registry.basic.auth.user.info=user:password)",
                    reason(&e)
                )
            };
            KafkaError::Registry { url: url.clone(), what, away }
        })?;
        Ok(Self {
            url,
            settings,
            seen: HashSet::new(),
            last: None,
            unknown: BTreeMap::new(),
            unknown_in: [0; 2],
            unasked: [0; 2],
        })
    }

    /// Gives `new` the new schemas that the keys and values of `records` name, from the
    /// one at `from` on. After an error those are taken out of `records` that were not
    /// looked at: kept without their schemas they could never be decoded.
    ///
    /// # Errors
    /// The registry stopped answering.
    pub fn see_all(
        &mut self,
        records: &mut Vec<Record>,
        from: usize,
        new: &mut dyn FnMut(StoredSchema),
    ) -> Result<(), KafkaError> {
        let seen = for_each_id(&records[from..], |id, part| {
            if let Some(schema) = self.fetch(id, part)? {
                new(schema);
            }
            Ok(())
        });
        seen.map_err(|(whole, error)| {
            records.truncate(from + whole);
            error
        })
    }

    /// The schema that a key or value is framed with, if it is new.
    ///
    /// # Errors
    /// The registry stopped answering.
    pub fn see(&mut self, bytes: &[u8], part: Part) -> Result<Option<StoredSchema>, KafkaError> {
        framed(bytes).map_or(Ok(None), |id| self.fetch(id, part))
    }

    /// The schema of an id, if it is new.
    ///
    /// # Errors
    /// The registry stopped answering.
    pub fn fetch(&mut self, id: u32, part: Part) -> Result<Option<StoredSchema>, KafkaError> {
        if self.unknown_in[part as usize] >= UNKNOWN_IDS {
            self.not_asked(id, part);
            return Ok(None);
        }
        if self.last == Some(id) {
            return Ok(None);
        }
        self.last = Some(id);
        if !self.seen.insert(id) {
            return Ok(None);
        }
        let had = match get_schema_by_id(id, &self.settings) {
            Ok(schema) => self.whole(id, &schema).map(Some),
            Err(error) if !has_none(&error, id) => Err(self.error(&error)),
            Err(error) => {
                tracing::warn!("schema {id} is not in the registry {}", self.url);
                self.unknown.insert(id, reason(&error));
                self.unknown_in[part as usize] += 1;
                Ok(None)
            }
        };
        if had.is_err() {
            // To be asked again, also where only what it refers to was not had.
            (self.last, _) = (None, self.seen.remove(&id));
        }
        had
    }

    /// Counts an id that is not asked for any more, and says the first.
    fn not_asked(&mut self, id: u32, part: Part) {
        if self.seen.contains(&id) {
            return;
        }
        let unasked = &mut self.unasked[part as usize];
        *unasked += 1;
        if *unasked == 1 {
            let of = match part {
                Part::Key => "keys",
                Part::Value => "values",
            };
            tracing::warn!(
                "schema {id} and all that {of} name from here on are not asked of the registry \
                 {}: it did not know {UNKNOWN_IDS} of theirs, so that they are most likely no \
                 schema ids. If they are, name the registry that the producers write to \
                 (--registry), or leave out the topic whose {of} begin with a byte 0 by chance, \
                 and start again",
                self.url
            );
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
            from: 0,
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
        KafkaError::Registry { url: self.url.clone(), what, away: is_away(error) }
    }
}

/// The HTTP status that the registry answered with, if it did: the client has it in
/// words only.
fn status(error: &SRCError) -> Option<u16> {
    let said = error.error.strip_prefix("HTTP request to schema registry failed with status ")?;
    said.get(..3)?.parse().ok()
}

/// Whether the same question may be answered later: it was cut off, its time was up, it
/// was one too many (429), or the registry itself is not well (Confluent's: 50001, an
/// error in the backend data store, under status 500). Certificates do not get better.
pub(super) fn is_away(error: &SRCError) -> bool {
    let passing = |code: u16| matches!(code, 408 | 425 | 429) || code >= 500;
    status(error).map_or_else(|| error.retriable && of_tls(error).is_none(), passing)
}

/// What to do where no TLS was agreed upon.
fn of_tls(error: &SRCError) -> Option<&'static str> {
    // What the registry itself answered is another matter.
    let said = || with_causes(error.error.clone(), error);
    status(error).is_none().then(said).and_then(|said| registry_tls::advice(&said))
}

/// Whether the registry says that it has no schema of this id, or none for this user.
/// Anything else says nothing of the schema: to take it for unknown would make what
/// names it undecodable for good.
fn has_none(error: &SRCError, id: u32) -> bool {
    // Ids are Java's positive ints: what is more is data, whatever is said of it.
    let is_none = i32::try_from(id).is_err();
    let of_client = |code: u16| (400..500).contains(&code) && !matches!(code, 401 | 407);
    status(error).is_some_and(|code| is_none || of_client(code) && !is_away(error))
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
    mut each: impl FnMut(u32, Part) -> Result<(), E>,
) -> Result<(), (usize, E)> {
    for (n, record) in records.iter().enumerate() {
        let value = match SchemaRef::of(record) {
            Some((SchemaRef::Id(id), _)) => Some(id),
            Some((SchemaRef::Guid(_), _)) | None => None,
        };
        let key = record.key.as_deref().and_then(framed);
        for (id, part) in [(key, Part::Key), (value, Part::Value)] {
            id.map_or(Ok(()), |id| each(id, part)).map_err(|error| (n, error))?;
        }
    }
    Ok(())
}

/// What an error says; where no TLS was agreed upon also what to do.
pub(super) fn reason(error: &SRCError) -> String {
    let said = with_causes(error.error.clone(), error);
    match of_tls(error) {
        Some(so) => format!("no TLS connection ({said}); {so}"),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use bytes::Bytes;

    use super::*;
    use crate::operator::record::Header;

    const SCHEMA: &str = r#"{"schema":"\"string\""}"#;

    /// A registry that answers one question after the other: a status, and what it says.
    fn answering(answers: Vec<(u16, &'static str)>) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            // First the subjects, when it is connected to.
            for (code, body) in std::iter::once((200, "[]")).chain(answers) {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                let mut line = String::new();
                while stream.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                let length = body.len();
                write!(
                    stream.get_mut(),
                    "HTTP/1.1 {code} Said\r\nContent-Type: application/json\r\n\
                     Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                )
                .unwrap();
            }
        });
        Registry::connect(&RegistrySettings { url, ..RegistrySettings::default() }).unwrap()
    }

    fn naming(arrival: u64, id: u32) -> Record {
        let value = Some(Bytes::from([&[0][..], &id.to_be_bytes(), b"x"].concat()));
        Record { arrival, offset: arrival as i64, value, ..Record::default() }
    }

    /// Found by reading: a registry that was not well for a moment made all that named a
    /// new schema undecodable for good.
    #[test]
    fn only_an_answer_that_there_is_none_makes_a_schema_unknown() {
        for (code, away) in [(500, true), (504, true), (429, true), (401, false)] {
            let error_code = r#"{"error_code":50001,"message":"the backend data store"}"#;
            let mut registry = answering(vec![(code, error_code)]);
            let error = registry.fetch(7, Part::Value).unwrap_err();
            assert_eq!(error.is_away(), away, "{code}: {error}");
            assert!(error.to_string().contains(&code.to_string()), "{error}");
            assert!(registry.unknown.is_empty(), "{code}");
        }
        // A proxy's page.
        assert!(answering(vec![(200, "<html>")]).fetch(7, Part::Value).is_err());
        let none = r#"{"error_code":40403,"message":"Schema not found"}"#;
        for (code, id) in [(404, 7), (403, 7), (500, u32::MAX)] {
            let mut registry = answering(vec![(code, none)]);
            assert_eq!(registry.fetch(id, Part::Value).unwrap(), None, "{code}");
            assert!(registry.unknown.contains_key(&id), "{code}");
        }
    }

    /// Found by reading: it passed for one that was had.
    #[test]
    fn a_schema_without_what_it_refers_to_is_asked_for_again() {
        let refers = r#"{"schema":"\"string\"","references":[
            {"name":"other","subject":"other","version":1}]}"#;
        let other = r#"{"subject":"other","version":1,"id":3,"schema":"\"int\""}"#;
        let answers = vec![(200, refers), (503, "{}"), (200, refers), (200, other)];
        let mut registry = answering(answers);
        assert!(registry.fetch(7, Part::Value).unwrap_err().is_away());
        let had = registry.fetch(7, Part::Value).unwrap().unwrap();
        assert_eq!((had.id, had.references.len()), (7, 1));
    }

    /// Found by reading: eight-byte numbers as keys name schemas that there are not, and
    /// after a hundred of them no new schema of a value was asked for.
    #[test]
    fn numbers_in_keys_do_not_hide_the_schemas_of_values() {
        let mut answers = vec![(404, r#"{"error_code":40403}"#); UNKNOWN_IDS];
        answers.push((200, SCHEMA));
        let mut registry = answering(answers);
        for number in 0..2 * UNKNOWN_IDS as u64 {
            let key = ((1_000 + number) << 24).to_be_bytes();
            assert_eq!(registry.see(&key, Part::Key).unwrap(), None, "{number}");
        }
        assert_eq!(registry.unasked, [UNKNOWN_IDS as u64, 0]);
        // What was asked for before is not what is passed over.
        let first = 1_000_u64 << 24;
        assert_eq!(registry.see(&first.to_be_bytes(), Part::Key).unwrap(), None);
        assert_eq!(registry.unasked, [UNKNOWN_IDS as u64, 0]);
        let had = registry.see(&[0, 0, 0, 0, 7, b'x'], Part::Value).unwrap();
        assert_eq!(had.map(|schema| schema.id), Some(7));
    }

    /// Found by reading: they went on without it, into the arrival log too, and a start
    /// that followed it decoded none of them.
    #[test]
    fn records_whose_schema_was_not_had_are_not_taken() {
        let mut registry = answering(vec![(200, SCHEMA), (503, "{}")]);
        let mut records: Vec<Record> =
            [7, 7, 7, 8, 7].into_iter().zip(0..).map(|(id, n)| naming(n, id)).collect();
        let mut had = Vec::new();
        let error =
            registry.see_all(&mut records, 1, &mut |schema| had.push(schema.id)).unwrap_err();
        assert!(error.is_away(), "{error}");
        let left: Vec<u64> = records.iter().map(|record| record.arrival).collect();
        assert_eq!((left, had), (vec![0, 1, 2], vec![7]));
    }

    fn record(key: &[u8], value: Option<&[u8]>, header: Option<&[u8]>) -> Record {
        let header = header.map(|bytes| Header {
            key: "__value_schema_id".into(),
            value: Some(bytes.to_vec().into()),
        });
        Record {
            key: Some(key.to_vec().into()),
            value: value.map(|bytes| bytes.to_vec().into()),
            headers: header.into_iter().collect(),
            ..Record::default()
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
            let done = for_each_id(&records, |id, _| {
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
