//! A recording made of rows of JSON: of a file of JSON lines here, of a table
//! in `import_parquet`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::lines::Lines;
use super::{
    ArrivalOrder, Compression, Info, Job, RecordingError, Writer, WriterOptions, partition_of_key,
};
use crate::operator::record::{Record, TOPIC_NAME, TimestampType, TopicPartition, is_topic_name};
use crate::operator::time::parse_rfc3339;

/// Characters of a text in a message.
const SHOWN: usize = 60;
/// Names of fields in a message.
const NAMES: usize = 20;

/// In what a file gives its times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportUnit {
    Seconds,
    #[default]
    Millis,
    Micros,
    Nanos,
    Rfc3339,
}

impl ImportUnit {
    /// As `--unit` has it.
    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Millis => "ms",
            Self::Micros => "us",
            Self::Nanos => "ns",
            Self::Rfc3339 => "rfc3339",
        }
    }

    /// The power of ten that makes nanoseconds of a number; `None`: it is a text.
    fn to_ns(self) -> Option<i64> {
        match self {
            Self::Seconds => Some(9),
            Self::Millis => Some(6),
            Self::Micros => Some(3),
            Self::Nanos => Some(0),
            Self::Rfc3339 => None,
        }
    }
}

/// Why a topic cannot be called so.
pub fn no_topic_name(topic: &str) -> String {
    format!("no Kafka topic is called \"{}\": {TOPIC_NAME}", shortened(topic))
}

/// How lines become records.
#[derive(Clone, Debug, Default)]
pub struct ImportJsonl {
    pub topic: String,
    /// Field (or path, `a.b`) of the key; `None`: all keys are null.
    pub key: Option<String>,
    /// Field of the arrival time; without it that is the timestamp, and
    /// without that the time of the import.
    pub arrival: Option<String>,
    /// Field of the record's timestamp.
    pub timestamp: Option<String>,
    pub unit: ImportUnit,
    pub partitions: u32,
    pub compression: Compression,
}

/// Makes a recording of JSON lines (zstd-compressed or not): the value is the
/// line as it is, the key its field's bytes (a string as UTF-8, a number as its
/// decimal text as written, a boolean as its word), the partition Kafka's own
/// `toPositive(murmur2(key)) % partitions`. A line whose key is null or missing
/// gets a null key; such lines take turns over the partitions, in file order
/// (Kafka's own producer sticks to one partition for a batch, chosen at
/// random, which nothing can reproduce). Arrival order is the order of the file; times are
/// kept as they are, also where they go back. Empty lines are passed over.
/// Progress is in bytes of the file.
///
/// # Errors
/// A line that is no JSON object, a key that is an object or an array, a time
/// that is no time or does not fit — each with its line number —, a field of
/// key or timestamp that no line has, an output that exists, or cancelled. Then
/// there is no output.
pub fn import_jsonl(
    from: &Path,
    options: &ImportJsonl,
    to: &Path,
    job: &mut Job<'_>,
) -> Result<Info, RecordingError> {
    let mut lines = Lines::open(from)?;
    let mut import = Import::create(from, options, to)?;
    while let Some((number, line)) = lines.next()? {
        import.add(number, line)?;
        lines.step(job)?;
    }
    import.has_seen_its_fields()?;
    import.finish()
}

/// The time of the import, for records that tell none.
pub fn now_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

/// How what is imported from a file is written.
pub fn imported(from: &Path, compression: Compression) -> WriterOptions {
    let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    WriterOptions {
        compression,
        whole_or_nothing: true,
        arrival_order: ArrivalOrder::File,
        notes: [("imported_from".to_owned(), name)].into(),
        ..WriterOptions::default()
    }
}

/// The recording that is being made.
pub struct Import<'a> {
    options: &'a ImportJsonl,
    path: PathBuf,
    writer: Writer,
    partitions: u32,
    now_ns: i64,
    offsets: Vec<i64>,
    /// Records with a null key so far.
    nulls: u32,
    arrival: u64,
    /// Whether a row had the field of the key, and that of the timestamp.
    seen: (bool, bool),
    /// The names in the first row.
    names: Option<String>,
}

/// An object's values as text: their depth costs no stack.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

impl<'a> Import<'a> {
    /// # Errors
    /// No topic is called so; the output exists or cannot be made.
    pub fn create(
        from: &Path,
        options: &'a ImportJsonl,
        to: &Path,
    ) -> Result<Self, RecordingError> {
        if !is_topic_name(&options.topic) {
            let what = no_topic_name(&options.topic);
            return Err(RecordingError::Missing { path: from.to_owned(), what });
        }
        let partitions = options.partitions.clamp(1, u32::from(u16::MAX));
        let mut writer = Writer::create(to, imported(from, options.compression))?;
        for partition in 0..partitions as i32 {
            writer.partition(TopicPartition { topic: options.topic.as_str().into(), partition })?;
        }
        Ok(Self {
            options,
            path: from.to_owned(),
            writer,
            partitions,
            now_ns: now_ns(),
            offsets: vec![0; partitions as usize],
            nulls: 0,
            arrival: 0,
            seen: (false, false),
            names: None,
        })
    }

    /// Adds a row, a JSON object as text.
    pub fn add(&mut self, number: u64, row: &[u8]) -> Result<(), RecordingError> {
        let record = self.record(number, row)?;
        self.writer.add(&record)
    }

    pub fn finish(self) -> Result<Info, RecordingError> {
        self.writer.finish()
    }

    /// # Errors
    /// Rows came, and none had the field of the key or of the timestamp.
    fn has_seen_its_fields(&self) -> Result<(), RecordingError> {
        let Some(names) = &self.names else { return Ok(()) };
        let key = self.options.key.as_ref().filter(|_| !self.seen.0);
        let timestamp = self.options.timestamp.as_ref().filter(|_| !self.seen.1);
        for (what, field) in [("key", key), ("timestamp", timestamp)] {
            if let Some(field) = field {
                let what = format!("no line has the {what} \"{field}\"; the first has {names}");
                return Err(RecordingError::Missing { path: self.path.clone(), what });
            }
        }
        Ok(())
    }

    fn bad(&self, line: u64, what: impl Into<String>) -> RecordingError {
        RecordingError::Line { path: self.path.clone(), line, what: what.into() }
    }

    fn record(&mut self, number: u64, line: &[u8]) -> Result<Record, RecordingError> {
        let no_json = |error: serde_json::Error| self.bad(number, format!("is no JSON: {error}"));
        let row: &RawValue = serde_json::from_slice(line).map_err(no_json)?;
        if !row.get().starts_with('{') {
            return Err(self.bad(number, "is no JSON object"));
        }
        let value: Fields<'_> = serde_json::from_str(row.get()).map_err(no_json)?;
        self.see(&value);
        let key = self.key(number, &value)?;
        let timestamp = match &self.options.timestamp {
            None => None,
            Some(field) => self.time(number, &value, field)?.map(|(ms, _)| ms),
        };
        let arrival_ns = match &self.options.arrival {
            Some(field) => {
                let (ms, ns) = self.time(number, &value, field)?.ok_or_else(|| {
                    self.bad(number, format!("has no arrival time in \"{field}\""))
                })?;
                self.arrival_ns(number, ms, ns)?
            }
            None => match timestamp {
                Some(ms) => self.arrival_ns(number, ms, 0)?,
                None => self.now_ns,
            },
        };
        let partition = if let Some(key) = &key {
            partition_of_key(key, self.partitions) as u32
        } else {
            let turn = self.nulls % self.partitions;
            self.nulls = self.nulls.wrapping_add(1);
            turn
        };
        let offset = self.offsets[partition as usize];
        self.offsets[partition as usize] += 1;
        let arrival = self.arrival;
        self.arrival += 1;
        Ok(Record {
            arrival,
            arrival_ns,
            source: partition,
            offset,
            timestamp,
            timestamp_type: if timestamp.is_some() {
                TimestampType::Create
            } else {
                TimestampType::None
            },
            leader_epoch: None,
            key,
            value: Some(Bytes::copy_from_slice(line)),
            headers: Vec::new(),
        })
    }

    fn see(&mut self, row: &Fields<'_>) {
        let has = |field: &Option<String>| field.as_ref().is_some_and(|f| at(row, f).is_some());
        self.seen.0 = self.seen.0 || has(&self.options.key);
        self.seen.1 = self.seen.1 || has(&self.options.timestamp);
        if self.names.is_none() {
            let names: Vec<String> = row.keys().take(NAMES).map(|name| shortened(name)).collect();
            let more = if row.len() > NAMES { ", …" } else { "" };
            self.names = Some(format!("{}{more}", names.join(", ")));
        }
    }

    fn key(&self, number: u64, row: &Fields<'_>) -> Result<Option<Bytes>, RecordingError> {
        let Some(field) = &self.options.key else { return Ok(None) };
        let Some(found) = at(row, field) else { return Ok(None) };
        Ok(match scalar(found) {
            Some(Value::Null) => None,
            Some(Value::String(text)) => Some(Bytes::from(text)),
            // As written: `1e3` would be `1e+3` of a parsed one.
            Some(Value::Number(_)) => Some(Bytes::copy_from_slice(found.get().as_bytes())),
            Some(Value::Bool(b)) => Some(Bytes::from(b.to_string())),
            _ => {
                let what = format!(
                    "its key \"{field}\" is an object or an array: name a field inside it (a.b)"
                );
                return Err(self.bad(number, what));
            }
        })
    }

    /// A time: whole milliseconds, and nanoseconds beyond them.
    fn time(
        &self,
        number: u64,
        row: &Fields<'_>,
        field: &str,
    ) -> Result<Option<(i64, i64)>, RecordingError> {
        let Some(text) = at(row, field) else { return Ok(None) };
        let found = match scalar(text) {
            Some(Value::Null) => return Ok(None),
            found => found,
        };
        let read = || {
            let found = found?;
            let Some(power) = self.options.unit.to_ns() else {
                return parse_rfc3339(found.as_str()?).map(|ms| (ms, 0));
            };
            if !found.is_number() {
                return None;
            }
            let ns = scaled(text.get(), power)?;
            let ms = i64::try_from(ns.div_euclid(1_000_000)).ok()?;
            Some((ms, ns.rem_euclid(1_000_000) as i64))
        };
        if let Some(time) = read() {
            return Ok(Some(time));
        }
        let unit = self.options.unit;
        let hint = match (unit == ImportUnit::Rfc3339, text.get().starts_with('"')) {
            (false, true) => " (--unit rfc3339 reads texts)",
            (true, false) => " (--unit s, ms, us or ns reads numbers)",
            _ => "",
        };
        let what = format!(
            "\"{field}\" is {}: not a time in {}, or out of range{hint}",
            shortened(text.get()),
            unit.name()
        );
        Err(self.bad(number, what))
    }

    fn arrival_ns(&self, number: u64, ms: i64, ns: i64) -> Result<i64, RecordingError> {
        ms.checked_mul(1_000_000).and_then(|n| n.checked_add(ns)).filter(|&n| n >= 0).ok_or_else(
            || {
                let what = format!(
                    "arrival time {ms} ms does not fit: a recording holds 1970 to 2262 \
                     (nanoseconds in 63 bits)"
                );
                self.bad(number, what)
            },
        )
    }
}

/// The field of that name, or at that path.
fn at<'a>(row: &Fields<'a>, field: &str) -> Option<&'a RawValue> {
    if let Some(found) = row.get(field) {
        return Some(found);
    }
    let (first, rest) = field.split_once('.')?;
    let inner: Fields<'a> = serde_json::from_str(row.get(first)?.get()).ok()?;
    at(&inner, rest)
}

/// A value that is neither an object nor an array.
fn scalar(text: &RawValue) -> Option<Value> {
    let text = text.get();
    if text.starts_with(['{', '[']) { None } else { serde_json::from_str(text).ok() }
}

/// A JSON number times a power of ten, exactly; what is finer than 1 is cut
/// towards the past. `None`: it is out of range.
fn scaled(text: &str, power: i64) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, i64::from(exponent.parse::<i32>().ok()?)),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let shift = power + exponent - fraction.len() as i64;
    let kept = digits.len() as i64 + shift.min(0);
    let (kept, cut) = digits.split_at(usize::try_from(kept).unwrap_or(0));
    let magnitude: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let zeros = u32::try_from(shift.max(0)).ok()?;
    let magnitude = magnitude.checked_mul(10_i128.checked_pow(zeros)?)?;
    let below = negative && cut.bytes().any(|digit| digit != b'0');
    Some(if negative { -magnitude - i128::from(below) } else { magnitude })
}

/// As much of a text as a message may hold.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
