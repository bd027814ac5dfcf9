//! A recording without what others may not see (5-recording): fields, keys and
//! headers are dropped, masked, or replaced by a keyed hash, under which equal
//! values stay equal, so that joins still work. The hash's key is not stored.
//!
//! Rules:
//! 1. What a rule names is redacted in every record, or nothing is written: a
//!    value that cannot be read is refused (or left out), and so is a rule that
//!    met no record at all, for it may be misspelt. Where a name stands twice in an
//!    object the last value counts, as to a join, and nothing stays of the others.
//! 2. A hash covers the value's kind, so that `5` and `"5"` stay different, as
//!    they are to a join; a Kafka key, a header and a whole value are text.
//! 3. Rules are carried out in their order. One that an earlier one leaves nothing to, or
//!    only what that one made of it, is refused; the same one again is no other.
//! 4. Null stays null. Partitions and offsets stay as they are.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use rand::RngCore as _;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::twice::has_name_twice;
use super::{ClockEntry, Compression, Info, Job, Recording, RecordingError, Writer, WriterOptions};
use crate::operator::record::Record;

/// What stands where something was masked.
const MASK: &str = "***";

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// It is gone: a field is missing, a key or value is null.
    Drop,
    /// A text is `***`, a number 0, anything else null.
    Mask,
    /// 32 hex digits of HMAC-SHA256.
    Hash,
}

impl Redaction {
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Drop => "dropped",
            Self::Mask => "masked",
            Self::Hash => "hashed",
        }
    }
}

/// What a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Key,
    Value,
    Header(String),
    /// A path into the JSON of the value; arrays on the way are gone through, and a name
    /// may hold dots itself.
    Field(Vec<String>),
}

impl Target {
    /// Whether nothing of `other` is left, or not what it was, once this is redacted.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Field(path), Self::Field(within)) => within.starts_with(path),
            (Self::Value, Self::Field(_)) => true,
            _ => self == other,
        }
    }
}

/// What is redacted: `[TOPIC:]FIELD`, `[TOPIC:]$key`, `[TOPIC:]$value` or
/// `[TOPIC:]$header.NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactTarget {
    text: String,
    topic: Option<String>,
    target: Target,
}

impl FromStr for RedactTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (topic, field) = match text.split_once(':') {
            Some((topic, field)) => (Some(topic.to_owned()).filter(|t| !t.is_empty()), field),
            None => (None, text),
        };
        let target = match field {
            "$key" => Target::Key,
            "$value" => Target::Value,
            _ => match field.strip_prefix("$header.") {
                Some(name) if !name.is_empty() => Target::Header(name.to_owned()),
                None if !field.is_empty() && !field.starts_with('$') => {
                    Target::Field(field.split('.').map(str::to_owned).collect())
                }
                _ => {
                    return Err(format!(
                        "\"{text}\": write a field (user.email), $key, $value or $header.NAME, \
                         with TOPIC: before it if only one topic is meant"
                    ));
                }
            },
        };
        Ok(Self { text: text.to_owned(), topic, target })
    }
}

impl RedactTarget {
    /// The same, however it is written.
    fn is(&self, other: &Self) -> bool {
        (&self.topic, &self.target) == (&other.topic, &other.target)
    }

    /// Whether it covers `other` in all topics that that one is meant for.
    fn covers(&self, other: &Self) -> bool {
        (self.topic.is_none() || self.topic == other.topic) && self.target.covers(&other.target)
    }
}

/// What is to be redacted, and how.
#[derive(Clone)]
pub struct RedactPolicy {
    rules: Vec<(RedactTarget, Redaction)>,
    key: Hmac<Sha256>,
    /// Records whose value cannot be read as JSON are left out where a rule
    /// names a field; else they are refused.
    pub leave_out_unreadable: bool,
}

impl RedactPolicy {
    /// `key` is the hash's; equal values under equal keys have equal hashes.
    ///
    /// # Errors
    /// No rule, one that an earlier one leaves nothing to, or a key of fewer than 16 bytes.
    pub fn new(given: Vec<(RedactTarget, Redaction)>, key: &[u8]) -> Result<Self, String> {
        if given.is_empty() {
            return Err("nothing is to be redacted: name fields to drop, mask or hash".to_owned());
        }
        let mut rules: Vec<(RedactTarget, Redaction)> = Vec::with_capacity(given.len());
        for (of, how) in given {
            if rules.iter().any(|(known, same)| *same == how && known.is(&of)) {
                continue;
            }
            if let Some((first, before)) = rules.iter().find(|(first, _)| first.covers(&of)) {
                return Err(format!(
                    "\"{}\" is to be {}, and \"{}\", which leaves nothing of it to that, to be {} \
                     before: name only one of them",
                    of.text,
                    how.done(),
                    first.text,
                    before.done()
                ));
            }
            rules.push((of, how));
        }
        if key.len() < 16 {
            return Err(format!(
                "the hash's key has {} bytes: it needs 16 or more, else values can be guessed",
                key.len()
            ));
        }
        let key = Hmac::new_from_slice(key).map_err(|error| error.to_string())?;
        Ok(Self { rules, key, leave_out_unreadable: false })
    }

    /// A key that nobody knows: hashes are equal within one redaction only.
    #[must_use]
    pub fn random_key() -> Vec<u8> {
        let mut key = vec![0; 32];
        rand::rng().fill_bytes(&mut key);
        key
    }

    /// As it stands in the metadata.
    #[must_use]
    pub fn describe(&self) -> String {
        let said = self.rules.iter().map(|(target, how)| {
            let more = match how {
                Redaction::Hash => " (HMAC-SHA256, 128 bits, key not stored)",
                Redaction::Drop | Redaction::Mask => "",
            };
            format!("{} {}{more}", target.text, how.done())
        });
        said.collect::<Vec<_>>().join(", ")
    }

    fn hash(&self, kind: u8, bytes: &[u8]) -> String {
        let mut mac = self.key.clone();
        mac.update(&[kind]);
        mac.update(bytes);
        let all = mac.finalize().into_bytes();
        all.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Bytes that are text to Kafka: a key, a header, a whole value.
    fn bytes(&self, how: Redaction, bytes: &Bytes) -> Option<Bytes> {
        match how {
            Redaction::Drop => None,
            Redaction::Mask => Some(Bytes::from_static(MASK.as_bytes())),
            Redaction::Hash => Some(Bytes::from(self.hash(b's', bytes))),
        }
    }

    fn json(&self, how: Redaction, value: &Value) -> Value {
        match (how, value) {
            (_, Value::Null) => Value::Null,
            (Redaction::Hash, Value::String(text)) => self.hash(b's', text.as_bytes()).into(),
            (Redaction::Hash, Value::Number(n)) => self.hash(b'n', n.to_string().as_bytes()).into(),
            (Redaction::Hash, other) => self.hash(b'j', other.to_string().as_bytes()).into(),
            (_, Value::String(_)) => MASK.into(),
            (_, Value::Number(_)) => 0.into(),
            _ => Value::Null,
        }
    }

    /// Redacts what a path names; true where something was there.
    fn field(&self, how: Redaction, value: &mut Value, path: &[String]) -> bool {
        match value {
            Value::Array(items) => {
                let mut found = false;
                for item in items {
                    found |= self.field(how, item, path);
                }
                found
            }
            Value::Object(fields) => {
                let mut found = false;
                for names in 1..=path.len() {
                    let (name, rest) = path.split_at(names);
                    let joined;
                    let name = if let [one] = name {
                        one
                    } else {
                        joined = name.join(".");
                        &joined
                    };
                    found |= if rest.is_empty() {
                        self.named(how, fields, name)
                    } else {
                        fields.get_mut(name).is_some_and(|inner| self.field(how, inner, rest))
                    };
                }
                found
            }
            _ => false,
        }
    }

    /// Redacts a field of an object; true where it was there.
    fn named(&self, how: Redaction, fields: &mut Map<String, Value>, name: &str) -> bool {
        match fields.get_mut(name) {
            None => return false,
            Some(_) if how == Redaction::Drop => drop(fields.shift_remove(name)),
            Some(Value::Array(items)) => {
                items.iter_mut().for_each(|item| *item = self.json(how, item));
            }
            Some(found) => *found = self.json(how, found),
        }
        true
    }

    /// The rules that name a topic, with it.
    pub fn topics(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().filter_map(|(of, _)| Some((of.text.as_str(), of.topic.as_deref()?)))
    }

    /// Redacts a record of a topic; counts what was there, by rule.
    ///
    /// # Errors
    /// Its value has to be read as JSON and is none.
    fn apply(&self, topic: &str, record: &mut Record, met: &mut [u64]) -> Result<(), String> {
        let mut json: Option<Value> = None;
        let mut changed = false;
        for ((target, how), met) in self.rules.iter().zip(met) {
            if target.topic.as_ref().is_some_and(|only| only != topic) {
                continue;
            }
            let there = match &target.target {
                Target::Key => {
                    let key = record.key.take();
                    record.key = key.as_ref().and_then(|key| self.bytes(*how, key));
                    key.is_some()
                }
                Target::Value => {
                    let value = record.value.take();
                    record.value = value.as_ref().and_then(|value| self.bytes(*how, value));
                    (json, changed) = (None, false);
                    value.is_some()
                }
                Target::Header(name) => {
                    let there = record.headers.iter().any(|header| header.key == *name);
                    if *how == Redaction::Drop {
                        record.headers.retain(|header| header.key != *name);
                    }
                    for header in record.headers.iter_mut().filter(|header| header.key == *name) {
                        header.value = header.value.take().and_then(|v| self.bytes(*how, &v));
                    }
                    there
                }
                Target::Field(path) => {
                    let Some(value) = &record.value else { continue };
                    if json.is_none() {
                        json = Some(serde_json::from_slice(value).map_err(|error| {
                            format!("its value is no JSON ({error}), so \"{}\" cannot be redacted in it", target.text)
                        })?);
                    }
                    let found = json.as_mut().is_some_and(|json| self.field(*how, json, path));
                    changed |= found;
                    found
                }
            };
            *met += u64::from(there);
        }
        if let Some(json) = json
            && (changed || record.value.as_deref().is_some_and(has_name_twice))
        {
            record.value = Some(Bytes::from(json.to_string()));
        }
        Ok(())
    }
}

/// Says what is redacted, never the hash's key.
impl fmt::Debug for RedactPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedactPolicy").field(&self.describe()).finish()
    }
}

/// A policy at work on record after record.
#[derive(Debug)]
pub struct Redactor {
    policy: RedactPolicy,
    /// By rule: in how many records it redacted something.
    met: Vec<u64>,
    /// Records that were left out, for their values could not be read.
    pub left_out: u64,
}

impl Redactor {
    #[must_use]
    pub fn new(policy: RedactPolicy) -> Self {
        Self { met: vec![0; policy.rules.len()], policy, left_out: 0 }
    }

    /// Redacts a record of a topic; false: it is to be left out.
    ///
    /// # Errors
    /// Its value has to be read as JSON, is none, and is not to be left out.
    pub fn redact(&mut self, topic: &str, record: &mut Record) -> Result<bool, String> {
        match self.policy.apply(topic, record, &mut self.met) {
            Ok(()) => Ok(true),
            Err(_) if self.policy.leave_out_unreadable => {
                self.left_out += 1;
                Ok(false)
            }
            Err(what) => Err(format!(
                "{what}; leave such records out (--leave-out-unreadable), or redact $value"
            )),
        }
    }

    /// Each rule as it was written, and in how many records it redacted something.
    #[must_use]
    pub fn rules(&self) -> Vec<(String, u64)> {
        let texts = self.policy.rules.iter().map(|(target, _)| target.text.clone());
        texts.zip(self.met.iter().copied()).collect()
    }
}

/// What a redaction came to.
#[derive(Clone, Debug)]
pub struct Redacted {
    pub info: Info,
    /// Each rule as it was written, and in how many records it redacted something.
    pub rules: Vec<(String, u64)>,
    /// Records that are left out, for their values could not be read.
    pub left_out: u64,
}

/// Writes a recording anew, redacted; arrival numbers, offsets and metadata are
/// kept. Progress is in records.
///
/// # Errors
/// A value that has to be read as JSON and is none, a rule that met nothing,
/// damage, an output that exists, or cancelled. Then there is no output.
pub fn redact(
    recording: &Recording,
    policy: &RedactPolicy,
    path: &Path,
    compression: Option<Compression>,
    job: &mut Job<'_>,
) -> Result<Redacted, RecordingError> {
    let info = recording.info();
    let mut options = WriterOptions::like(info, compression);
    let said = options.redaction.take().into_iter().chain([policy.describe()]);
    options.redaction = Some(said.collect::<Vec<_>>().join("; "));
    let mut writer = Writer::create(path, options)?;
    if let Some(arrival) = info.live_from {
        writer.set_live_from(arrival);
    }
    for partition in &info.partitions {
        let source = writer.partition(partition.topic_partition.clone())?;
        writer.set_range(source, partition.start_offset, partition.end_offset);
    }
    for schema in recording.schemas().iter() {
        writer.schema(schema.clone())?;
    }
    let mut events = VecDeque::new();
    let mut redactor = Redactor::new(policy.clone());
    let mut read = 0;
    let mut batches = recording.batches(None, 0);
    while let Some(next) = batches.next_with_clock() {
        let (batch, heard) = next?;
        events.extend(heard);
        read += batch.len() as u64;
        for mut record in batch {
            while events.front().is_some_and(|e: &ClockEntry| e.precedes <= record.arrival)
                && let Some(event) = events.pop_front()
            {
                writer.clock(&event)?;
            }
            let topic = &recording.partitions()[record.source as usize].topic;
            match redactor.redact(topic, &mut record) {
                Ok(true) => writer.add(&record)?,
                Ok(false) => {}
                Err(what) => {
                    let record = recording.name_of(&record).to_string();
                    return Err(RecordingError::Record { record, what });
                }
            }
        }
        job.step(read, info.records)?;
    }
    for event in events {
        writer.clock(&event)?;
    }
    let rules = redactor.rules();
    if let Some((rule, _)) = rules.iter().find(|(_, met)| *met == 0) {
        return Err(RecordingError::Missing {
            path: recording.path().to_owned(),
            what: format!(
                "no record has \"{rule}\": nothing is written, for what was meant would stay; \
                 check how it is spelt"
            ),
        });
    }
    Ok(Redacted { info: writer.finish()?, rules, left_out: redactor.left_out })
}
