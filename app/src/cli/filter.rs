//! `--where`: conditions on the rows of a run.

mod store;

use std::str::FromStr;

use joinscope_core::run::{RowView, Run, VerdictSet};
use joinscope_operator::condition::{Op, has, meets, parts, unquoted, verdict_named};
use joinscope_operator::pipeline::nearest;
use joinscope_operator::record::RecordName;
use joinscope_operator::time::{parse_duration, parse_rfc3339};
use joinscope_operator::verdict::Verdict;

use super::values::Values;

/// All conditions hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
struct Condition {
    field: Field,
    /// Of a field of the value.
    path: String,
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
    /// A field of the value; its path stands beside.
    Value,
}

/// What a field of the value begins with: `value.user.id`.
const VALUE: &str = "value.";

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
    let Some((name, op, value)) = parts(text) else {
        return Err(format!("\"{}\" is no condition: write e.g. verdict=late", text.trim()));
    };
    let known = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
    let path = name.strip_prefix(VALUE).unwrap_or_default();
    let field = known.or_else(|| (!path.is_empty()).then_some(Field::Value));
    let Some(field) = field else {
        let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        return Err(match nearest(name, names.iter().copied()) {
            Some(near) => format!("\"{name}\" is not known: did you mean {near}?"),
            None => format!("\"{name}\" is not known: {}, value.FIELD", names.join(", ")),
        });
    };
    // A key, or a field, can be the empty text.
    let may_be_empty = field == Field::Key || field == Field::Value && unquoted(value).is_some();
    let value = alternatives(value);
    if value.iter().any(String::is_empty) && !may_be_empty {
        return Err(nothing_after(name, op));
    }
    let texts = matches!(field, Field::Key | Field::Record | Field::Topic | Field::Value);
    if op == Op::Has && !texts {
        return Err(format!("\"{name}\" is no text: ~ goes with key, record, topic and value.…"));
    }
    one_to_compare_with(op, &value)?;
    let value = read(field, op, &value)?;
    let ordered = matches!(value, Value::Number(_)) || field == Field::Value;
    if !ordered && !matches!(op, Op::Is | Op::IsNot | Op::Has) {
        return Err(format!("\"{name}\" has no order: use = or !="));
    }
    Ok(Condition { field, path: path.to_owned(), op, value })
}

/// A value in quotes, or those between bars.
fn alternatives(value: &str) -> Vec<String> {
    match unquoted(value) {
        Some(inner) => vec![inner.to_owned()],
        None => value.split('|').map(|v| v.trim().to_owned()).collect(),
    }
}

fn nothing_after(name: &str, op: Op) -> String {
    format!("nothing stands after \"{name} {}\"", op.sign())
}

/// What is larger or smaller is so than one value.
fn one_to_compare_with(op: Op, values: &[String]) -> Result<(), String> {
    match (op, values) {
        (Op::Is | Op::IsNot | Op::Has, _) | (_, [_]) => Ok(()),
        _ => Err(ONE.to_owned()),
    }
}

const ONE: &str = "only one value is taken there";

fn read(field: Field, op: Op, values: &[String]) -> Result<Value, String> {
    let one = || match values {
        [one] => Ok(one.as_str()),
        _ => Err(ONE.to_owned()),
    };
    let number = |text: &str| {
        text.replace(['_'], "").parse().map_err(|_| format!("\"{text}\" is not a whole number"))
    };
    Ok(match field {
        Field::Verdict => {
            let mut set = VerdictSet::EMPTY;
            for name in values {
                set = set.with(verdict_named(name)?);
            }
            Value::Verdicts(set)
        }
        // As it is written everywhere: a name can be typed with more or less.
        Field::Record if op != Op::Has => {
            let names = values.iter().map(|text| {
                let name = text.parse::<RecordName>();
                let wrong = |e| format!("{e}, or record~ with a part of a name");
                name.map(|name| name.to_string()).map_err(wrong)
            });
            Value::Texts(names.collect::<Result<_, _>>()?)
        }
        Field::Padded => match values.iter().find(|text| text.parse::<bool>().is_err()) {
            Some(text) => return Err(format!("\"{text}\" is neither true nor false")),
            None => Value::Texts(values.to_vec()),
        },
        Field::Input | Field::Topic | Field::Record | Field::Key | Field::Value => {
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

    /// Names of inputs and topics are those of the run; a part of one may be any.
    pub fn check(&self, run: &Run) -> anyhow::Result<()> {
        let inputs = &run.pipeline().inputs;
        for c in self.conditions.iter().filter(|c| c.op != Op::Has) {
            let Value::Texts(texts) = &c.value else { continue };
            let known: Vec<&str> = match c.field {
                Field::Input => inputs.iter().map(|i| &*i.name).collect(),
                Field::Topic | Field::Record => inputs.iter().map(|i| &*i.topic).collect(),
                _ => continue,
            };
            // A record's name begins with its topic.
            let mut named = texts.iter().map(|text| match text.parse::<RecordName>() {
                Ok(record) if c.field == Field::Record => record.topic.to_string(),
                _ => text.clone(),
            });
            if let Some(name) = named.find(|name| !known.contains(&name.as_str())) {
                anyhow::bail!("--where: the run has no \"{name}\"; it has {}", known.join(", "));
            }
        }
        Ok(())
    }

    /// Whether a row meets all of it; `values` gives the values of those that
    /// meet the rest, which costs a look into the recording.
    pub fn meets(&self, run: &Run, row: &RowView, values: &mut Values) -> anyhow::Result<bool> {
        let (of_value, rest): (Vec<_>, Vec<_>) =
            self.conditions.iter().partition(|c| c.field == Field::Value);
        if !rest.iter().all(|c| c.meets(run, row)) {
            return Ok(false);
        }
        if of_value.is_empty() {
            return Ok(true);
        }
        let value = values.of(row)?;
        Ok(of_value.iter().all(|c| c.meets_value(&value)))
    }

    /// Whether it asks for fields of the value, which only the recording has.
    pub fn needs_values(&self) -> bool {
        self.conditions.iter().any(|c| c.field == Field::Value)
    }
}

/// Conditions on the fields of an object of JSON, by their paths: those of an
/// output as `outputs --json` writes it.
#[derive(Clone, Debug, Default)]
pub struct JsonFilter {
    conditions: Vec<Condition>,
}

impl FromStr for JsonFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |part: &str| {
            let part = part.trim();
            let found = parts(part).filter(|(path, ..)| !path.is_empty());
            let Some((path, op, value)) = found else {
                return Err(format!("\"{part}\" is no condition: write e.g. key=42"));
            };
            if value.is_empty() {
                return Err(nothing_after(path, op));
            }
            let texts = alternatives(value);
            one_to_compare_with(op, &texts)?;
            let value = Value::Texts(texts);
            Ok(Condition { field: Field::Value, path: path.to_owned(), op, value })
        };
        let conditions = split(text).into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { conditions })
    }
}

impl JsonFilter {
    pub fn meets(&self, value: &serde_json::Value) -> bool {
        self.conditions.iter().all(|c| c.meets_value(value))
    }

    /// Whether it asks for what only the recording has.
    pub fn needs_values(&self) -> bool {
        self.conditions.iter().any(|c| c.path.starts_with("value"))
    }
}

impl Condition {
    fn meets_value(&self, value: &serde_json::Value) -> bool {
        let Value::Texts(texts) = &self.value else { return false };
        meets(value, &self.path, self.op, texts)
    }

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
                if self.op == Op::Has {
                    return own.is_some_and(|own| has(&own, texts));
                }
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
                    Op::Has => false,
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
        assert!(
            "record~views[0]".parse::<Filter>().is_ok() && "padded!=true".parse::<Filter>().is_ok()
        );
        // As the window prints it.
        let f: Filter = "record=\"views[0]@48,117\"".parse().unwrap();
        assert!(matches!(&f.conditions[0].value, Value::Texts(t) if t[0] == "views[0]@48117"));
    }

    #[test]
    fn fields_of_the_value_are_compared_as_what_they_are() {
        let value = serde_json::json!({
            "user": {"id": 7}, "tags": ["a", "b"], "kind": "Like", "id": 9_007_199_254_740_993_u64,
            "note": "",
        });
        let meets = |text: &str| {
            let f: Filter = text.parse().unwrap();
            assert!(f.needs_values());
            f.conditions.iter().all(|c| c.meets_value(&value))
        };
        assert!(meets("value.user.id=7|8.0, value.user.id=7.0, value.user.id>6.5"));
        assert!(!meets("value.user.id<7") && !meets("value.user.id!=7.0"));
        assert!(meets("value.tags.1=b") && !meets("value.tags.2=b") && meets("value.tags.2!=b"));
        assert!(
            meets("value.kind=Like|Share") && !meets("value.kind=like") && meets("value.kind~LIK")
        );
        assert!(meets("value.id>9007199254740992") && !meets("value.id<=9007199254740992"));
        assert!(meets("value.note=\"\"") && !meets("value.kind=\"\""));
        assert!(meets("value.kind!=\"\"") && "value.kind=".parse::<Filter>().is_err());
        assert!("value.=1".parse::<Filter>().is_err());
        assert!("partition~1".parse::<Filter>().unwrap_err().contains("is no text"));
    }

    #[test]
    fn objects_are_filtered_by_any_of_their_fields() {
        let json =
            serde_json::json!({"n": 7, "labels": {"like": 1}, "value": {"views": {"item": "a"}}});
        let meets = |text: &str| text.parse::<JsonFilter>().unwrap().meets(&json);
        assert!(meets("labels.like=1, n>=7") && !meets("labels.like=0") && !meets("n<7"));
        let f: JsonFilter = "value.views.item~A".parse().unwrap();
        assert!(f.needs_values() && f.meets(&json));
        assert!("n".parse::<JsonFilter>().is_err() && "=1".parse::<JsonFilter>().is_err());
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<Filter>().unwrap_err();
        assert_eq!(error("verdct=late"), "\"verdct\" is not known: did you mean verdict?");
        assert_eq!(error("verdict=lat"), "\"lat\" is no verdict: did you mean late?");
        assert_eq!(error("verdict>late"), "\"verdict\" has no order: use = or !=");
        assert_eq!(error("value.n>1|2"), "only one value is taken there");
        assert!("n>1|2".parse::<JsonFilter>().is_err());
        assert!(error("late_by>5").contains("a unit is missing"));
        assert!(
            error("late").contains("is no condition") && error("xyz=1").contains("value.FIELD")
        );
        assert!(error("arrival=x").contains("not a whole number"));
        assert!(error("").contains("is empty") && error("input=").contains("nothing stands"));
        assert!(error("padded=maybe").contains("\"maybe\" is neither true nor false"));
        let record = error("record=views[0]@1|views[0]");
        assert!(record.contains("\"views[0]\" does not name a record"), "{record}");
        assert!(record.contains("record~"), "{record}");
    }
}
