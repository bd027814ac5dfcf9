//! What a run may be stopped at, as it is written and read.

use std::fmt;
use std::str::FromStr;

pub use crate::operator::condition::Op as FieldOp;
use crate::operator::condition::{parts, unquoted, verdict_named};
use crate::operator::pipeline::nearest;
use crate::operator::time::{duration_setting, parse_duration};
use crate::operator::verdict::Verdict;

/// One thing that a run may be stopped at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A record gets this verdict: at the arrival at which it falls.
    Verdict(Verdict),
    /// A record arrives whose key is shown so, whatever its type ([`Key::shown_as`]).
    ///
    /// [`Key::shown_as`]: crate::operator::key::Key::shown_as
    Key(String),
    /// A record arrives further behind the join's event-time watermark than
    /// this, ms.
    LateBy(i64),
    /// The join's event-time watermark has stood still for longer than this, ms
    /// of the arrival clock; once for each time that it stands still.
    Stalled(i64),
    /// More rows than this rest in the state, where there were not before.
    StateRows(u64),
    /// The state takes more bytes of memory than this, where it did not before:
    /// sampled at the end of each batch.
    StateBytes(u64),
    /// A record arrives with a field of its value like this.
    Field { path: String, op: FieldOp, value: String },
}

/// What a condition may begin with, with an example of each.
pub const EXAMPLES: [&str; 7] = [
    "verdict=late",
    "key=42",
    "late_by>40s",
    "stalled>30s",
    "state>100000",
    "state>64MB",
    "value.kind=like",
];

/// Powers of 1000, as in the window.
const UNITS: [(&str, u64); 4] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some((name, op, value)) = parts(text) else {
            return Err(format!("\"{text}\" is no condition: write e.g. {}", EXAMPLES.join(", ")));
        };
        if value.is_empty() {
            return Err(format!("nothing stands after \"{name} {}\"", op.sign()));
        }
        let value = unquoted(value).unwrap_or(value);
        let only = |wanted: FieldOp, sign: &str| {
            if op == wanted { Ok(()) } else { Err(format!("\"{name}\" goes with {sign} only")) }
        };
        if let Some(path) = name.strip_prefix("value.").filter(|path| !path.is_empty()) {
            return Ok(Self::Field { path: path.to_owned(), op, value: value.to_owned() });
        }
        match name {
            "verdict" => {
                only(FieldOp::Is, "=")?;
                read_verdict(value)
            }
            "key" => {
                only(FieldOp::Is, "=")?;
                Ok(Self::Key(value.to_owned()))
            }
            "late_by" | "stalled" => {
                only(FieldOp::More, ">")?;
                let ms = parse_duration(value).map_err(|e| e.to_string())?;
                Ok(if name == "late_by" { Self::LateBy(ms) } else { Self::Stalled(ms) })
            }
            "state" => {
                only(FieldOp::More, ">")?;
                read_state(value)
            }
            _ => Err(match nearest(name, ["verdict", "key", "late_by", "stalled", "state"]) {
                Some(near) => format!("\"{name}\" is not known: did you mean {near}?"),
                None => format!("\"{name}\" is not known: write e.g. {}", EXAMPLES.join(", ")),
            }),
        }
    }
}

fn read_verdict(value: &str) -> Result<Condition, String> {
    match verdict_named(value)? {
        // It is what a record has before any verdict falls.
        Verdict::Open => Err("no verdict falls that is open: name another".to_owned()),
        verdict => Ok(Condition::Verdict(verdict)),
    }
}

fn read_state(value: &str) -> Result<Condition, String> {
    let unit = UNITS.iter().find(|(unit, _)| value.ends_with(unit));
    let digits = unit.map_or(value, |(unit, _)| &value[..value.len() - unit.len()]);
    let n: u64 = digits
        .trim()
        .replace(['_', ','], "")
        .parse()
        .map_err(|_| format!("\"{value}\" is no size: write rows (100000) or bytes (64MB)"))?;
    match unit {
        None => Ok(Condition::StateRows(n)),
        Some((_, scale)) => n
            .checked_mul(*scale)
            .map(Condition::StateBytes)
            .ok_or_else(|| format!("{value} is more than any machine has")),
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => write!(f, "verdict={verdict}"),
            Self::Key(key) => write!(f, "key={}", Quoted(key)),
            Self::LateBy(ms) => write!(f, "late_by>{}", duration_setting(*ms)),
            Self::Stalled(ms) => write!(f, "stalled>{}", duration_setting(*ms)),
            Self::StateRows(rows) => write!(f, "state>{rows}"),
            Self::StateBytes(bytes) => {
                let (unit, scale) =
                    UNITS.iter().find(|(_, scale)| bytes % scale == 0).unwrap_or(&("B", 1));
                write!(f, "state>{}{unit}", bytes / scale)
            }
            Self::Field { path, op, value } => {
                write!(f, "value.{path}{}{}", op.sign(), Quoted(value))
            }
        }
    }
}

/// A text as a condition has it: in quotes where it would not be read back else.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        if text.is_empty() || text.trim() != text || text.starts_with('"') {
            write!(f, "\"{text}\"")
        } else {
            f.write_str(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_written_as_they_are_read() {
        for text in EXAMPLES {
            let condition: Condition = text.parse().unwrap();
            assert_eq!(condition.to_string(), text);
        }
        let spaced: Condition = " late_by > 40s ".parse().unwrap();
        assert_eq!(spaced, Condition::LateBy(40_000));
        assert_eq!("state>1_000".parse(), Ok(Condition::StateRows(1_000)));
        // A session keeps them so, and the window makes them of any key.
        for text in ["", " a ", "\"a\"", "\"", "a=b", "ff00"] {
            let path = "kind".to_owned();
            for condition in [
                Condition::Key(text.to_owned()),
                Condition::Field { path, op: FieldOp::Is, value: text.to_owned() },
            ] {
                let written = condition.to_string();
                assert_eq!(written.parse(), Ok(condition), "{written}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| text.parse::<Condition>().unwrap_err();
        assert!(wrong("verdict=lat").contains("did you mean late"), "{}", wrong("verdict=lat"));
        assert!(wrong("verdict=open").contains("name another"));
        assert!(wrong("latte_by>1s").contains("did you mean late_by"));
        assert!(wrong("late_by=1s").contains("goes with > only"));
        assert!(wrong("late_by>much").contains("much"));
        assert!(wrong("state>full").contains("64MB"));
        assert!(wrong("key=").contains("nothing stands after"));
        assert!(wrong("nonsense").contains("verdict=late"));
    }

    #[test]
    fn fields_are_compared_as_texts_or_numbers() {
        let value = serde_json::json!({
            "kind": "Like", "n": 7, "list": [{"x": 1}], "id": 9_007_199_254_740_993_u64,
        });
        let meets = |text: &str| {
            let Condition::Field { path, op, value: wanted } = text.parse().unwrap() else {
                panic!("{text}")
            };
            crate::operator::condition::meets(&value, &path, op, &[wanted])
        };
        for yes in [
            "value.kind=Like",
            "value.kind~lik",
            "value.n>6",
            "value.n<=7",
            "value.n=7.0",
            "value.list.0.x=1",
            "value.none!=1",
            "value.id>9007199254740992",
        ] {
            assert!(meets(yes), "{yes}");
        }
        for no in [
            "value.kind=like",
            "value.n>7",
            "value.none=1",
            "value.kind>3",
            "value.id<=9007199254740992",
        ] {
            assert!(!meets(no), "{no}");
        }
    }
}
