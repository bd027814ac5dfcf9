//! Fields of a topic's values: which could be a key, which an event time.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::operator::key::{Key, KeyValue};
use crate::operator::pipeline::TimeUnit;
use crate::operator::time::parse_rfc3339;

/// Names below one another that are looked at.
const DEPTH: usize = 4;
/// Fields of one topic; a map with free names has no end of them.
const FIELDS: usize = 500;
/// Values of a `where` that are worth naming.
const FEW: usize = 12;

/// One field over the sample.
#[derive(Clone, Debug, Default)]
pub struct Field {
    /// Records in which it is there and not null.
    pub there: u64,
    /// Integers, texts and booleans.
    pub keys: u64,
    pub floats: u64,
    /// Hashes of its values as keys.
    pub values: HashSet<u64>,
    /// As texts, as long as they are few.
    pub few: BTreeMap<String, u64>,
    pub texts: u64,
    /// Records in which it is a plausible time, by unit.
    pub times: [u64; 5],
    /// Event times by record, in the order of arrival, for the likeliest unit.
    pub ms: [Vec<i64>; 5],
}

/// By [`Field::times`].
pub(super) const UNITS: [TimeUnit; 5] = [
    TimeUnit::Milliseconds,
    TimeUnit::Seconds,
    TimeUnit::Microseconds,
    TimeUnit::Nanoseconds,
    TimeUnit::Rfc3339,
];

/// 2000-01-01 to 2100-01-01: a number outside is hardly a time.
const PLAUSIBLE: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

impl Field {
    fn look(&mut self, value: &Value) {
        if value.is_null() {
            return;
        }
        let key = key_of(value);
        self.there += 1;
        match (&key, value) {
            (Some(key), _) => {
                self.keys += 1;
                self.values.insert(key.hash64());
            }
            (None, Value::Number(_)) => self.floats += 1,
            (None, _) => {}
        }
        if let Value::String(text) = value {
            self.texts += 1;
            if self.few.len() <= FEW && text.len() <= 40 {
                *self.few.entry(text.clone()).or_default() += 1;
            }
        }
        self.time(value);
    }

    fn time(&mut self, value: &Value) {
        for unit in 0..UNITS.len() {
            if let Some(ms) = ms_of(value, unit).filter(|ms| PLAUSIBLE.contains(ms)) {
                self.times[unit] += 1;
                self.ms[unit].push(ms);
            }
        }
    }

    /// The likeliest unit of a time and the records that have it.
    pub fn unit(&self) -> Option<(usize, u64)> {
        let best = (0..UNITS.len()).max_by_key(|i| (self.times[*i], UNITS.len() - i))?;
        (self.times[best] > 0).then_some((best, self.times[best]))
    }

    /// Whether it takes few values: something for `where` or a label.
    pub fn is_few(&self) -> bool {
        self.texts == self.there && self.few.len() >= 2 && self.few.len() <= FEW && self.there > 20
    }
}

/// Fields by path, in the order in which they were first seen.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    pub order: Vec<String>,
    pub by_path: BTreeMap<String, Field>,
}

impl Fields {
    pub fn look(&mut self, value: &Value) {
        self.below(value, "", 0);
    }

    fn below(&mut self, value: &Value, path: &str, depth: usize) {
        let Value::Object(object) = value else { return };
        for (name, value) in object {
            // A path cannot name such a field.
            if name.is_empty() || name.contains(['.', '"', '\\']) || name.starts_with('$') {
                continue;
            }
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if depth + 1 < DEPTH && value.is_object() {
                self.below(value, &path, depth + 1);
                continue;
            }
            if !self.by_path.contains_key(&path) {
                if self.order.len() == FIELDS {
                    continue;
                }
                self.order.push(path.clone());
            }
            self.by_path.entry(path).or_default().look(value);
        }
    }
}

/// A field's value as a key.
pub(super) fn key_of(value: &Value) -> Option<Key> {
    match value {
        Value::Bool(b) => Some(Key::new(KeyValue::Bool(*b))),
        Value::String(s) => Some(Key::new(KeyValue::String(s))),
        Value::Number(n) => n.as_i64().map(|n| Key::new(KeyValue::Int(n))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A field's value as a time in the unit at that position.
pub(super) fn ms_of(value: &Value, unit: usize) -> Option<i64> {
    let number = value.as_i64();
    match UNITS[unit] {
        TimeUnit::Milliseconds => number,
        TimeUnit::Seconds => match number {
            Some(n) => n.checked_mul(1_000),
            None => value.as_f64().map(|n| (n * 1_000.0) as i64),
        },
        TimeUnit::Microseconds => number.map(|n| n.div_euclid(1_000)),
        TimeUnit::Nanoseconds => number.map(|n| n.div_euclid(1_000_000)),
        TimeUnit::Rfc3339 => value.as_str().and_then(parse_rfc3339),
    }
}

/// The value at a path of names joined by dots.
pub(super) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// How much a name sounds like an event time, 0 to 3.
pub(super) fn sounds_like_time(path: &str) -> u8 {
    let name = path.rsplit('.').next().unwrap_or(path).to_lowercase();
    match name.as_str() {
        "ts" | "event_time" | "eventtime" | "timestamp" | "time" | "occurred_at" | "event_ts" => 3,
        n if n.contains("event") || n.contains("occur") || n.contains("author") => 2,
        n if n.ends_with("_at")
            || n.ends_with("_ms")
            || n.contains("time")
            || n.contains("date") =>
        {
            2
        }
        n if n.ends_with("_ts") || n.starts_with("ts") || n.contains("created") => 1,
        _ => 0,
    }
}

/// How much a name sounds like a key, 0 to 2.
pub(super) fn sounds_like_key(path: &str) -> u8 {
    let name = path.rsplit('.').next().unwrap_or(path).to_lowercase();
    match name.as_str() {
        "id" | "key" | "uuid" | "path" => 2,
        n if n.ends_with("_id") || n.ends_with("id") || n.ends_with("_key") => 2,
        n if n.contains("user") || n.contains("session") || n.contains("name") => 1,
        _ => 0,
    }
}
