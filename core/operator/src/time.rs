//! Durations and times as people write and read them. All are milliseconds
//! (`i64`, Unix epoch, negative allowed).

use jiff::Timestamp;

/// A text that is not a duration; says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" is not a duration{why}: write a number and a unit (ms, s, m, h, d, w), such as \"250ms\", \"60s\", \"30m\" or \"7d\""
)]
pub struct BadDuration {
    text: String,
    why: &'static str,
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// Reads `250ms`, `60s`, `1.5h`, `1h30m`, `4m 08.4s`, `-5s`; a bare `0` too.
/// Units are ms, s, m, h, d, w, the larger first.
///
/// # Errors
/// The text is no duration, is finer than a millisecond, or leaves `i64`.
pub fn parse_duration(text: &str) -> Result<i64, BadDuration> {
    let bad = |why| {
        // A hostile text is not repeated whole.
        let text = text.chars().take(40).collect();
        BadDuration { text, why }
    };
    let trimmed = text.trim();
    let (negative, mut rest) = match trimmed.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(bad(""));
    }
    let mut total: i128 = 0;
    let mut last_unit = i64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit {
            "ms" => 1,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            "w" => WEEK,
            "" => return Err(bad(" (a unit is missing)")),
            _ => return Err(bad("")),
        };
        if unit >= last_unit {
            return Err(bad(" (larger units come first, each once)"));
        }
        last_unit = unit;
        total += scaled(number, unit).map_err(bad)?;
        rest = tail.trim_start();
    }
    let total = if negative { -total } else { total };
    i64::try_from(total).map_err(|_| bad(" (it is too long)"))
}

/// `number` (digits, at most one point) times `unit`, exact.
fn scaled(number: &str, unit: i64) -> Result<i128, &'static str> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return Err("");
    }
    let fraction = fraction.trim_end_matches('0');
    if whole.len() > 19 || fraction.len() > 12 {
        return Err(" (it has too many digits)");
    }
    let whole: i128 = whole.parse().map_err(|_| "")?;
    let mut ms = whole * i128::from(unit);
    if !fraction.is_empty() {
        let scale = 10_i128.pow(fraction.len() as u32);
        let part = fraction.parse::<i128>().map_err(|_| "")? * i128::from(unit);
        if part % scale != 0 {
            return Err(" (it is finer than a millisecond)");
        }
        ms += part / scale;
    }
    Ok(ms)
}

/// A duration for people, at most two units: `250 ms`, `1.2 s`, `4m 08.4s`,
/// `52m 40s`, `2h 05m`, `3d 04h`. Exact below an hour; longer ones are cut.
#[must_use]
pub fn format_duration(ms: i64) -> String {
    let sign = if ms < 0 { "\u{2212}" } else { "" };
    let ms = ms.unsigned_abs();
    let (second, minute, hour, day) = (SECOND as u64, MINUTE as u64, HOUR as u64, DAY as u64);
    let text = if ms < second {
        if ms == 0 { "0 s".to_owned() } else { format!("{ms} ms") }
    } else if ms < minute {
        format!("{} s", decimal_seconds(ms, 1))
    } else if ms < hour {
        match ms % minute {
            0 => format!("{} m", ms / minute),
            rest => format!("{}m {}s", ms / minute, decimal_seconds(rest, 2)),
        }
    } else if ms < day {
        match ms % hour / minute {
            0 => format!("{} h", ms / hour),
            rest => format!("{}h {rest:02}m", ms / hour),
        }
    } else {
        match ms % day / hour {
            0 => format!("{} d", ms / day),
            rest => format!("{}d {rest:02}h", ms / day),
        }
    };
    format!("{sign}{text}")
}

/// A duration to the millisecond, in all units that it takes: `8d 8h 43m 50.999s`.
/// [`parse_duration`] reads it.
#[must_use]
pub fn exact_duration(ms: i64) -> String {
    let mut rest = ms.unsigned_abs();
    let mut parts = Vec::new();
    for (unit, name) in [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")] {
        let whole = rest / unit as u64;
        rest %= unit as u64;
        if whole > 0 {
            parts.push(format!("{whole}{name}"));
        }
    }
    if rest > 0 || parts.is_empty() {
        parts.push(format!("{}s", decimal_seconds(rest, 1)));
    }
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}", parts.join(" "))
}

fn decimal_seconds(ms: u64, width: usize) -> String {
    let whole = format!("{:0width$}", ms / 1_000);
    match ms % 1_000 {
        0 => whole,
        part => format!("{whole}.{}", format!("{part:03}").trim_end_matches('0')),
    }
}

/// A duration as pipelines write it, exact: `60s`, `30m`, `7d`, `308400ms`.
#[must_use]
pub fn duration_setting(ms: i64) -> String {
    // 60s rather than 1m, 24h rather than 1d: the smaller unit reads as chosen.
    for (unit, name, least) in [(DAY, "d", 2), (HOUR, "h", 2), (MINUTE, "m", 2), (SECOND, "s", 1)] {
        if ms % unit == 0 && (ms / unit).unsigned_abs() >= least {
            return format!("{}{name}", ms / unit);
        }
    }
    if ms == 0 { "0s".to_owned() } else { format!("{ms}ms") }
}

/// RFC 3339 in UTC with milliseconds, `2026-11-20T08:13:21.480Z`. A time that
/// no calendar reaches is given as its number of milliseconds.
#[must_use]
pub fn rfc3339_ms(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => format!("{ms} ms"),
    }
}

/// The milliseconds of an RFC 3339 time with its offset; finer digits are cut
/// towards the past. `None`: it is none, or no calendar reaches it.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    // jiff takes more than RFC 3339 (weeks, brackets); a date must come first
    // and a time zone annotation is refused.
    let bytes = text.as_bytes();
    if bytes.len() < 17 || bytes.len() > 64 || bytes[bytes.len() - 1] == b']' {
        return None;
    }
    if !bytes[0].is_ascii_digit() || bytes[4] != b'-' || !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_exact_duration_is_read_as_what_it_is() {
        for ms in [0, 1, 999, -250, 60_000, 722_630_999, 86_400_001, i64::MAX, i64::MIN] {
            let text = exact_duration(ms);
            assert_eq!(parse_duration(&text), Ok(ms), "{text}");
        }
        assert_eq!(exact_duration(722_630_999), "8d 8h 43m 50.999s");
        assert_eq!(exact_duration(7_500_020), "2h 5m 0.02s");
    }

    #[test]
    fn durations_are_read() {
        for (text, ms) in [
            ("250ms", 250),
            ("60s", 60_000),
            ("30m", 1_800_000),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
            ("1.5h", 5_400_000),
            ("1h30m", 5_400_000),
            ("4m 08.4s", 248_400),
            ("-5s", -5_000),
            ("\u{2212}3m 05s", -185_000),
            ("0", 0),
            ("0s", 0),
            ("1.5 s", 1_500),
            ("9223372036854775807ms", i64::MAX),
            ("-9223372036854775808ms", i64::MIN),
        ] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
        }
        for text in [
            "",
            "-",
            "5",
            "s",
            "5x",
            "1.5ms",
            "1m1h",
            "1s1s",
            "5 minutes",
            "1..5s",
            ".5s",
            "1.s",
            "9223372036854775808ms",
            "99999999999999999999d",
            "1e3s",
            "٣s",
            "1s-1ms",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_shown_in_two_units() {
        for (ms, text) in [
            (0, "0 s"),
            (250, "250 ms"),
            (1_200, "1.2 s"),
            (40_000, "40 s"),
            (60_000, "1 m"),
            (248_400, "4m 08.4s"),
            (-185_000, "\u{2212}3m 05s"),
            (3_160_000, "52m 40s"),
            (7_500_000, "2h 05m"),
            (7_200_000, "2 h"),
            (273_600_000, "3d 04h"),
            (i64::MIN, "\u{2212}106751991167d 07h"),
        ] {
            assert_eq!(format_duration(ms), text);
        }
        assert_eq!(duration_setting(60_000), "60s");
        assert_eq!(duration_setting(1_800_000), "30m");
        assert_eq!(duration_setting(604_800_000), "7d");
        assert_eq!(duration_setting(308_400), "308400ms");
    }

    #[test]
    fn times_are_rfc3339() {
        assert_eq!(rfc3339_ms(1_763_626_401_480), "2025-11-20T08:13:21.480Z");
        assert_eq!(rfc3339_ms(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339_ms(i64::MAX), "9223372036854775807 ms");
        assert_eq!(parse_rfc3339("2025-11-20T08:13:21.480Z"), Some(1_763_626_401_480));
        assert_eq!(parse_rfc3339("2025-11-20T09:13:21.4805+01:00"), Some(1_763_626_401_480));
        assert_eq!(parse_rfc3339("1969-12-31T23:59:59.9999Z"), Some(-1));
        for text in ["", "2025-11-20", "2025-11-20T08:13:21", "yesterday", "2025-13-20T08:13:21Z"] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_setting_reads_back(ms: i64) {
            prop_assert_eq!(parse_duration(&duration_setting(ms)), Ok(ms));
        }

        #[test]
        fn what_is_shown_below_an_hour_reads_back(ms in -3_599_999i64..3_600_000) {
            prop_assert_eq!(parse_duration(&format_duration(ms)), Ok(ms));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = parse_duration(&text);
            let _ = parse_rfc3339(&text);
        }
    }
}
