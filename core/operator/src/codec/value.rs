//! One extracted field, whatever the format, and what the join makes of it.

use std::borrow::Cow;

use crate::key::{Key, KeyValue};
use crate::pipeline::{Scalar, TimeUnit};
use crate::time::parse_rfc3339;

/// A field's value, borrowed from the record where that can be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Got<'a> {
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    /// A JSON number that is no integer within 64 bits, as it is written.
    Number(&'a str),
    /// An Avro float or double.
    Float(f64),
    Str(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// A time whose unit the schema names.
    Time(i64, TimeUnit),
    /// An object, array, record or map.
    Nested,
}

impl Got<'_> {
    /// What it is, for sentences.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "an integer",
            Self::Number(text) if !text.contains(['.', 'e', 'E']) => "an integer beyond 64 bits",
            Self::Number(_) | Self::Float(_) => "a floating-point number",
            Self::Str(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Time(..) => "a time",
            Self::Nested => "nested",
        }
    }

    /// The key, `None` where it is `unkeyed` (3-semantics, Keys).
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Int(n) | Self::Time(n, _) => Some(Key::new(KeyValue::Int(*n))),
            Self::Str(s) => Some(Key::new(KeyValue::String(s))),
            Self::Bool(b) => Some(Key::new(KeyValue::Bool(*b))),
            Self::Bytes(b) => Some(Key::new(KeyValue::Bytes(b))),
            Self::Missing | Self::Null | Self::Number(_) | Self::Float(_) | Self::Nested => None,
        }
    }

    /// Whether it equals the scalar: type and value.
    #[allow(clippy::float_cmp, reason = "equality is what the pipeline asks for")]
    pub fn is(&self, scalar: &Scalar) -> bool {
        match (self, scalar) {
            (Self::Str(a), Scalar::String(b)) => a == b,
            (Self::Int(a) | Self::Time(a, _), Scalar::Int(b)) => a == b,
            (Self::Bool(a), Scalar::Bool(b)) => a == b,
            (Self::Null | Self::Missing, Scalar::Null) => true,
            (Self::Float(a), Scalar::Float(b)) => a == b,
            (Self::Number(a), Scalar::Float(b)) => a.parse::<f64>().is_ok_and(|a| a == *b),
            _ => false,
        }
    }

    /// Milliseconds, or why there is no event time.
    pub fn event_time(&self, unit: TimeUnit) -> Result<i64, NoTime> {
        let (number, unit) = match (self, unit) {
            (Self::Missing | Self::Null, _) => return Err(NoTime::Missing),
            (Self::Time(n, unit), _) => (*n, *unit),
            (Self::Str(text), TimeUnit::Rfc3339) => {
                return parse_rfc3339(text).ok_or(NoTime::NotRfc3339);
            }
            (_, TimeUnit::Rfc3339) => return Err(NoTime::NotText),
            (Self::Int(n), unit) => (*n, unit),
            (Self::Number(text), unit) => return decimal_ms(text, unit),
            (Self::Float(n), unit) => return float_ms(*n, unit),
            _ => return Err(NoTime::NotNumber),
        };
        match unit {
            TimeUnit::Seconds => number.checked_mul(1_000).ok_or(NoTime::OutOfRange),
            TimeUnit::Microseconds => Ok(number.div_euclid(1_000)),
            TimeUnit::Nanoseconds => Ok(number.div_euclid(1_000_000)),
            TimeUnit::Milliseconds | TimeUnit::Rfc3339 => Ok(number),
        }
    }
}

/// Whether a value of a [`Got::kind`] may equal the scalar, as [`Got::is`] has it.
pub(super) fn comparable(kind: &str, scalar: &Scalar) -> bool {
    match scalar {
        Scalar::String(_) => kind == "a text",
        Scalar::Int(_) => matches!(kind, "an integer" | "a time"),
        Scalar::Float(_) => matches!(kind, "a floating-point number" | "an integer beyond 64 bits"),
        Scalar::Bool(_) => kind == "true or false",
        Scalar::Null => matches!(kind, "null" | "missing"),
    }
}

/// Why a field gives no event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTime {
    Missing,
    NotText,
    NotRfc3339,
    NotNumber,
    OutOfRange,
}

/// Milliseconds that one unit has, as a fraction.
fn ratio(unit: TimeUnit) -> (i128, i128) {
    match unit {
        TimeUnit::Seconds => (1_000, 1),
        TimeUnit::Milliseconds | TimeUnit::Rfc3339 => (1, 1),
        TimeUnit::Microseconds => (1, 1_000),
        TimeUnit::Nanoseconds => (1, 1_000_000),
    }
}

/// A JSON number with a fraction, an exponent or more than 64 bits, exactly.
fn decimal_ms(text: &str, unit: TimeUnit) -> Result<i64, NoTime> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((m, e)) => (m, e.parse::<i32>().map_err(|_| NoTime::OutOfRange)?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    // 22 + 15 digits fit into an i128; no time has more that count.
    if whole.len() > 22 || !(-18..=24).contains(&exponent) {
        return if whole.bytes().all(|b| b == b'0') && fraction.is_empty() {
            Ok(0)
        } else {
            Err(NoTime::OutOfRange)
        };
    }
    let kept = fraction.get(..fraction.len().min(15)).unwrap_or(fraction);
    let mut number: i128 = 0;
    for digit in whole.bytes().chain(kept.bytes()) {
        number = number * 10 + i128::from(digit - b'0');
    }
    let cut = fraction.len() > kept.len();
    let scale = exponent - kept.len() as i32;
    let (up, down) = ratio(unit);
    let (mut up, mut down) = (up, down);
    for _ in 0..scale.unsigned_abs() {
        let side = if scale > 0 { &mut up } else { &mut down };
        *side = side.checked_mul(10).ok_or(NoTime::OutOfRange)?;
    }
    let scaled = number.checked_mul(up).ok_or(NoTime::OutOfRange)?;
    let mut ms = if negative { (-scaled).div_euclid(down) } else { scaled.div_euclid(down) };
    // What was cut off still pulls a negative time that looks whole into the past.
    if negative && cut && scaled % down == 0 {
        ms -= 1;
    }
    i64::try_from(ms).map_err(|_| NoTime::OutOfRange)
}

fn float_ms(n: f64, unit: TimeUnit) -> Result<i64, NoTime> {
    let (up, down) = ratio(unit);
    let ms = (n * up as f64 / down as f64).floor();
    // 2^63 is exact as f64; i64::MAX is not.
    let end = 2f64.powi(63);
    if (-end..end).contains(&ms) { Ok(ms as i64) } else { Err(NoTime::OutOfRange) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_unit() {
        use TimeUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
        let int = |n, unit| Got::Int(n).event_time(unit);
        assert_eq!(int(5, Seconds), Ok(5_000));
        assert_eq!(int(-1, Microseconds), Ok(-1));
        assert_eq!(int(-1, Nanoseconds), Ok(-1));
        assert_eq!(int(i64::MAX, Seconds), Err(NoTime::OutOfRange));
        assert_eq!(int(i64::MAX, Milliseconds), Ok(i64::MAX));
        assert_eq!(Got::Time(7_000_000, Nanoseconds).event_time(Seconds), Ok(7));
        let text = |t, unit| Got::Number(t).event_time(unit);
        assert_eq!(text("1763626401.48", Seconds), Ok(1_763_626_401_480));
        assert_eq!(text("1.763626401480e12", Milliseconds), Ok(1_763_626_401_480));
        assert_eq!(text("-0.5", Milliseconds), Ok(-1));
        assert_eq!(text("-1.00000000000000000000000001", Milliseconds), Ok(-2));
        assert_eq!(text("-0.0", Milliseconds), Ok(0));
        assert_eq!(text("9223372036854775808", Milliseconds), Err(NoTime::OutOfRange));
        assert_eq!(text("9223372036854775808", Nanoseconds), Ok(9_223_372_036_854));
        assert_eq!(text("1e400", Milliseconds), Err(NoTime::OutOfRange));
        assert_eq!(text("1e-400", Milliseconds), Err(NoTime::OutOfRange));
        assert_eq!(text("0e400", Milliseconds), Ok(0));
        assert_eq!(Got::Float(1.5).event_time(Seconds), Ok(1_500));
        assert_eq!(Got::Float(f64::NAN).event_time(Seconds), Err(NoTime::OutOfRange));
        assert_eq!(Got::Str("5".into()).event_time(Seconds), Err(NoTime::NotNumber));
        assert_eq!(Got::Bool(true).event_time(Seconds), Err(NoTime::NotNumber));
        assert_eq!(Got::Null.event_time(Seconds), Err(NoTime::Missing));
    }

    #[test]
    fn equality_is_type_and_value() {
        assert!(Got::Number("5.0").is(&Scalar::Float(5.0)));
        assert!(!Got::Int(5).is(&Scalar::Float(5.0)));
        assert!(!Got::Str("5".into()).is(&Scalar::Int(5)));
        assert!(Got::Missing.is(&Scalar::Null));
    }

    #[test]
    fn what_may_be_equal_is_of_a_comparable_kind() {
        let got = || {
            [
                Got::Missing,
                Got::Null,
                Got::Bool(true),
                Got::Int(5),
                Got::Time(5, TimeUnit::Seconds),
                Got::Number("5.0"),
                Got::Number("50000000000000000000"),
                Got::Float(5.0),
                Got::Str("5".into()),
                Got::Bytes(b"5".as_slice().into()),
                Got::Nested,
            ]
        };
        for (scalar, equal) in [
            (Scalar::Null, 2),
            (Scalar::Bool(true), 1),
            (Scalar::Int(5), 2),
            (Scalar::Float(5.0), 3),
            (Scalar::String("5".to_owned()), 1),
        ] {
            let kinds = got().iter().filter(|got| comparable(got.kind(), &scalar)).count();
            assert_eq!(kinds, equal, "{scalar:?}");
            assert!(got().iter().all(|got| !got.is(&scalar) || comparable(got.kind(), &scalar)));
        }
    }
}
