//! `--where`: conditions on the rows of a run.

use std::str::FromStr;

use joinscope_core::run::{RowView, Run, VerdictSet};
use joinscope_operator::pipeline::nearest;
use joinscope_operator::time::{parse_duration, parse_rfc3339};
use joinscope_operator::verdict::Verdict;

/// All conditions hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
struct Condition {
    field: Field,
    op: Op,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Verdict,
    Input,
    Topic,
    Partition,
    Offset,
    Record,
    Key,
    LateBy,
    EventTime,
    Arrival,
    Outputs,
    Padded,
}

const FIELDS: [(&str, Field); 12] = [
    ("verdict", Field::Verdict),
    ("input", Field::Input),
    ("topic", Field::Topic),
    ("partition", Field::Partition),
    ("offset", Field::Offset),
    ("record", Field::Record),
    ("key", Field::Key),
    ("late_by", Field::LateBy),
    ("event_time", Field::EventTime),
    ("arrival", Field::Arrival),
    ("outputs", Field::Outputs),
    ("padded", Field::Padded),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The longer ones first.
const OPS: [(&str, Op); 6] = [
    ("!=", Op::IsNot),
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("=", Op::Is),
    ("<", Op::Less),
    (">", Op::More),
];

#[derive(Clone, Debug)]
enum Value {
    Verdicts(VerdictSet),
    Texts(Vec<String>),
    Number(i64),
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = split(text);
        if parts.iter().all(|p| p.trim().is_empty()) {
            return Err("it is empty: write e.g. verdict=late".to_owned());
        }
        let conditions = parts.into_iter().map(condition).collect::<Result<_, _>>()?;
        Ok(Self { conditions })
    }
}

/// At commas and at the word "and"; neither within quotes.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    for (i, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            ' ' if !quoted && i >= start && text[i..].to_ascii_lowercase().starts_with(" and ") => {
                parts.push(&text[start..i]);
                start = i + 5;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or(""));
    parts
}

fn condition(text: &str) -> Result<Condition, String> {
    let found = text.char_indices().find_map(|(i, _)| {
        OPS.iter().find(|(sign, _)| text[i..].starts_with(sign)).map(|o| (i, o))
    });
    let Some((at, (sign, op))) = found else {
        return Err(format!("\"{}\" is no condition: write e.g. verdict=late", text.trim()));
    };
    let (name, value) = (text[..at].trim(), text[at + sign.len()..].trim());
    let field = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
    let Some(field) = field else {
        let names = FIELDS.iter().map(|(name, _)| *name);
        return Err(match nearest(name, names.clone()) {
            Some(near) => format!("\"{name}\" is not known: did you mean {near}?"),
            None => format!("\"{name}\" is not known: {}", names.collect::<Vec<_>>().join(", ")),
        });
    };
    let value = match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(inner) => vec![inner.to_owned()],
        None => value.split('|').map(|v| v.trim().to_owned()).collect(),
    };
    if value.iter().any(String::is_empty) && field != Field::Key {
        return Err(format!("nothing stands after \"{name} {sign}\""));
    }
    let value = read(field, &value)?;
    let ordered = matches!(value, Value::Number(_));
    if !ordered && !matches!(op, Op::Is | Op::IsNot) {
        return Err(format!("\"{name}\" has no order: use = or !="));
    }
    Ok(Condition { field, op: *op, value })
}

fn read(field: Field, values: &[String]) -> Result<Value, String> {
    let one = || match values {
        [one] => Ok(one.as_str()),
        _ => Err("only one value is taken there".to_owned()),
    };
    let number = |text: &str| {
        text.replace(['_'], "").parse().map_err(|_| format!("\"{text}\" is not a whole number"))
    };
    Ok(match field {
        Field::Verdict => {
            let mut set = VerdictSet::EMPTY;
            for name in values {
                set = set.with(Verdict::from_name(name).ok_or_else(|| {
                    let names = Verdict::ALL.map(Verdict::name);
                    match nearest(name, names) {
                        Some(near) => format!("\"{name}\" is no verdict: did you mean {near}?"),
                        None => format!("\"{name}\" is no verdict: {}", names.join(", ")),
                    }
                })?);
            }
            Value::Verdicts(set)
        }
        Field::Input | Field::Topic | Field::Record | Field::Key | Field::Padded => {
            Value::Texts(values.to_vec())
        }
        Field::Partition | Field::Offset | Field::Arrival | Field::Outputs => {
            Value::Number(number(one()?)?)
        }
        Field::LateBy => Value::Number(parse_duration(one()?).map_err(|e| e.to_string())?),
        Field::EventTime => {
            let text = one()?;
            Value::Number(match parse_rfc3339(text) {
                Some(ms) => ms,
                None => number(text).map_err(|_| {
                    format!("\"{text}\" is not a time: write RFC 3339 or milliseconds")
                })?,
            })
        }
    })
}

impl Filter {
    /// The verdicts that can meet it at all.
    pub fn verdicts(&self) -> VerdictSet {
        let meets = |v: &Verdict| {
            self.conditions.iter().all(|c| match (&c.value, c.op) {
                (Value::Verdicts(set), Op::Is) => set.contains(*v),
                (Value::Verdicts(set), _) => !set.contains(*v),
                _ => true,
            })
        };
        Verdict::ALL.into_iter().filter(meets).collect()
    }

    /// Names of inputs and topics are those of the run.
    pub fn check(&self, run: &Run) -> anyhow::Result<()> {
        let inputs = &run.pipeline().inputs;
        for c in &self.conditions {
            let Value::Texts(names) = &c.value else { continue };
            let known: Vec<&str> = match c.field {
                Field::Input => inputs.iter().map(|i| &*i.name).collect(),
                Field::Topic => inputs.iter().map(|i| &*i.topic).collect(),
                _ => continue,
            };
            if let Some(name) = names.iter().find(|n| !known.contains(&n.as_str())) {
                anyhow::bail!("--where: the run has no \"{name}\"; it has {}", known.join(", "));
            }
        }
        Ok(())
    }

    pub fn meets(&self, run: &Run, row: &RowView) -> bool {
        self.conditions.iter().all(|c| c.meets(run, row))
    }
}

impl Condition {
    fn meets(&self, run: &Run, row: &RowView) -> bool {
        let positive = match (&self.value, self.field) {
            (Value::Verdicts(set), _) => set.contains(row.verdict),
            (Value::Texts(texts), field) => {
                let own = match field {
                    Field::Input => run
                        .pipeline()
                        .inputs
                        .get(usize::from(row.input))
                        .map(|i| i.name.to_string()),
                    Field::Topic => Some(row.record.topic.to_string()),
                    Field::Record => Some(row.record.to_string()),
                    Field::Padded => Some(row.padded.to_string()),
                    _ => row.key.as_ref().map(ToString::to_string),
                };
                own.is_some_and(|own| texts.contains(&own))
            }
            (Value::Number(n), field) => {
                let own = match field {
                    Field::Partition => Some(i64::from(row.record.partition)),
                    Field::Offset => Some(row.record.offset),
                    Field::Arrival => i64::try_from(row.arrival).ok(),
                    Field::Outputs => i64::try_from(row.outputs).ok(),
                    Field::LateBy => row.late_by,
                    _ => row.event_time,
                };
                // What has no such figure meets no condition on it.
                let Some(own) = own else { return false };
                return match self.op {
                    Op::Is => own == *n,
                    Op::IsNot => own != *n,
                    Op::Less => own < *n,
                    Op::AtMost => own <= *n,
                    Op::More => own > *n,
                    Op::AtLeast => own >= *n,
                };
            }
        };
        positive == (self.op == Op::Is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let f: Filter = "verdict=late|expired, late_by>5s and input = views".parse().unwrap();
        assert_eq!(f.conditions.len(), 3);
        let set = VerdictSet::of(Verdict::Late).with(Verdict::Expired);
        assert_eq!(f.verdicts(), set);
        let f: Filter = "verdict!=joined".parse().unwrap();
        assert!(!f.verdicts().contains(Verdict::Joined) && f.verdicts().contains(Verdict::Late));
        let f: Filter = "key=\"a, b and c\" AND arrival<=10".parse().unwrap();
        assert!(matches!(&f.conditions[0].value, Value::Texts(t) if t[0] == "a, b and c"));
        assert!("event_time>=2026-01-01T00:00:00Z".parse::<Filter>().is_ok());
        assert!("record=views[0]@12".parse::<Filter>().is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<Filter>().unwrap_err();
        assert_eq!(error("verdct=late"), "\"verdct\" is not known: did you mean verdict?");
        assert_eq!(error("verdict=lat"), "\"lat\" is no verdict: did you mean late?");
        assert_eq!(error("verdict>late"), "\"verdict\" has no order: use = or !=");
        assert!(error("late_by>5").contains("a unit is missing"));
        assert!(error("late").contains("is no condition"));
        assert!(error("arrival=x").contains("not a whole number"));
        assert!(error("").contains("is empty") && error("input=").contains("nothing stands"));
    }
}
