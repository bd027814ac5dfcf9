//! A sample of one topic.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::fields::{Fields, UNITS, at, key_of, ms_of, sounds_like_time};
use super::formats::{Looks, Readers};
use super::{LOOK, ProposeError};
use crate::edges::recording::Recording;
use crate::operator::key::Key;

/// The first records of a topic.
#[derive(Clone, Debug)]
pub struct TopicSample {
    pub topic: Arc<str>,
    /// Records looked at, null values included.
    pub records: u64,
    /// Of the whole topic.
    pub total: u64,
    pub partitions: usize,
    pub tombstones: u64,
    pub looks: Looks,
    /// Records that decode so.
    pub decoded: u64,
    pub fields: Fields,
    /// Records with a Kafka key, and the hashes of those keys.
    pub keyed: u64,
    pub keys: HashSet<u64>,
    /// Record timestamps, ms, in arrival order.
    pub timestamps: Vec<i64>,
    /// The longest time between two arrivals of one partition, ms.
    pub silence: i64,
    /// Records of its format, to pair them with those of other topics.
    pub(super) rows: Vec<SampleRow>,
}

/// One record of a sample.
#[derive(Clone, Debug)]
pub(super) struct SampleRow {
    pub value: Value,
    /// Hash of its Kafka key.
    pub key: Option<u64>,
    pub timestamp: Option<i64>,
}

/// Larger values are counted, but not kept.
const KEPT_BYTES: usize = 1 << 16;

impl TopicSample {
    pub(super) fn read(
        recording: &Recording,
        topic: &Arc<str>,
        go_on: &mut impl FnMut() -> bool,
    ) -> Result<Self, ProposeError> {
        let mut sample = Self {
            topic: topic.clone(),
            records: 0,
            total: 0,
            partitions: 0,
            tombstones: 0,
            looks: Looks::Unknown,
            decoded: 0,
            fields: Fields::default(),
            keyed: 0,
            keys: HashSet::new(),
            timestamps: Vec::new(),
            silence: 0,
            rows: Vec::new(),
        };
        for p in recording.info().partitions.iter().filter(|p| p.topic_partition.topic == *topic) {
            sample.total += p.records;
            sample.partitions += 1;
        }
        let mut readers = Readers::new(recording);
        let mut seen: Vec<(Looks, Option<SampleRow>)> = Vec::new();
        let mut last: HashMap<u32, i64> = HashMap::new();
        'sample: for batch in recording.batches(Some(std::slice::from_ref(topic)), 0) {
            for record in &batch? {
                if sample.records as usize == LOOK {
                    break 'sample;
                }
                // A value may be large: not only between batches.
                if !go_on() {
                    return Err(ProposeError::Cancelled);
                }
                sample.records += 1;
                let now = record.arrival_ms();
                if let Some(before) = last.insert(record.source, now) {
                    sample.silence = sample.silence.max(now.saturating_sub(before));
                }
                let key = record.key.as_ref().map(|key| Key::from_kafka(key).hash64());
                sample.keyed += u64::from(key.is_some());
                sample.keys.extend(key);
                sample.timestamps.extend(record.timestamp);
                let Some(bytes) = &record.value else {
                    sample.tombstones += 1;
                    continue;
                };
                let (looks, value) = readers.read(record, recording);
                let value = value.map(|v| if bytes.len() > KEPT_BYTES { small(v) } else { v });
                let timestamp = record.timestamp;
                seen.push((looks, value.map(|value| SampleRow { value, key, timestamp })));
            }
        }
        // The format that most have; poison does not decide.
        let count = |looks| seen.iter().filter(|(l, _)| *l == looks).count();
        sample.looks =
            [Looks::Json, Looks::AvroRegistry, Looks::FramedWithoutSchema, Looks::OtherSchema]
                .into_iter()
                .filter(|l| count(*l) > 0)
                .max_by_key(|l| count(*l))
                .unwrap_or(Looks::Unknown);
        for (looks, row) in seen {
            if let (true, Some(row)) = (looks == sample.looks, row) {
                sample.decoded += 1;
                sample.fields.look(&row.value);
                sample.rows.push(row);
            }
        }
        Ok(sample)
    }

    /// Key and event time, ms, of each record that has both: by field, or the
    /// Kafka key and the record's timestamp.
    pub(super) fn keyed_times(&self, key: Option<&str>) -> Vec<(u64, i64)> {
        let time = self.times().first().map(|(path, unit, _)| ((*path).to_owned(), *unit));
        self.rows
            .iter()
            .filter_map(|row| {
                let key = match key {
                    Some(path) => key_of(at(&row.value, path)?)?.hash64(),
                    None => row.key?,
                };
                let ms = match &time {
                    Some((path, unit)) => ms_of(at(&row.value, path)?, *unit)?,
                    None => row.timestamp?,
                };
                Some((key, ms))
            })
            .collect()
    }

    /// Records with a value.
    pub(super) fn values(&self) -> u64 {
        self.records - self.tombstones
    }

    /// Candidates for the event time: path, position of the unit, records that
    /// have it; the likeliest first.
    pub fn times(&self) -> Vec<(&str, usize, u64)> {
        let mut times: Vec<(&str, usize, u64)> = self
            .fields
            .by_path
            .iter()
            .filter_map(|(path, f)| f.unit().map(|(unit, n)| (path.as_str(), unit, n)))
            .filter(|(.., n)| *n * 2 > self.values())
            .collect();
        let order = |path: &str| self.fields.order.iter().position(|p| p == path);
        times.sort_by_key(|(path, _, n)| {
            let tenth = n * 10 / self.values().max(1);
            (std::cmp::Reverse((tenth, sounds_like_time(path))), order(path))
        });
        times
    }

    /// How far behind the largest so far a time of the sample comes, ms, and
    /// how far at most.
    pub fn disorder(times: &[i64]) -> i64 {
        let mut most = i64::MIN;
        let mut behind = 0;
        for time in times {
            behind = behind.max(most.saturating_sub(*time));
            most = most.max(*time);
        }
        behind.max(0)
    }

    pub(super) fn to_json(&self) -> Value {
        let share = |n: u64| n as f64 / self.values().max(1) as f64;
        let fields: Vec<Value> = self
            .fields
            .order
            .iter()
            .filter_map(|path| self.fields.by_path.get(path).map(|f| (path, f)))
            .map(|(path, f)| {
                let time = f
                    .unit()
                    .map(|(unit, n)| json!({"unit": UNITS[unit].name(), "share": share(n)}));
                json!({
                    "field": path,
                    "share": share(f.there),
                    "key": share(f.keys),
                    "distinct": f.values.len(),
                    "time": time,
                })
            })
            .collect();
        let format = match self.looks {
            Looks::Json => Some("json"),
            Looks::AvroRegistry | Looks::FramedWithoutSchema => Some("avro-registry"),
            Looks::OtherSchema | Looks::Unknown => None,
        };
        json!({
            "topic": &*self.topic,
            "records": self.total,
            "looked_at": self.records,
            "partitions": self.partitions,
            "format": format,
            "decode": share(self.decoded),
            "kafka_key": self.keyed as f64 / self.records.max(1) as f64,
            "fields": fields,
        })
    }
}

/// A value without its long texts.
fn small(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .filter(|(_, v)| !matches!(v, Value::String(s) if s.len() > 256))
            .filter(|(_, v)| !v.is_array())
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}
