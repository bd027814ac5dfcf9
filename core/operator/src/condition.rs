//! A condition as people write it: a name, how it compares, a value. What `--where` and
//! breakpoints have in common; which names there are each says itself.

use std::cmp::Ordering;

use serde_json::Value;

use crate::figures::{compared, same};
use crate::pipeline::nearest;
use crate::verdict::Verdict;

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Is,
    IsNot,
    /// It stands in the text, whatever the case.
    Has,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The longer ones first.
const SIGNS: [(&str, Op); 7] = [
    ("!=", Op::IsNot),
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("~", Op::Has),
    ("=", Op::Is),
    ("<", Op::Less),
    (">", Op::More),
];

impl Op {
    /// As it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        SIGNS.iter().find(|(_, op)| *op == self).map_or("=", |(sign, _)| sign)
    }
}

/// Name, comparison and value of a condition, without the spaces around them; `None`:
/// nothing in it compares.
#[must_use]
pub fn parts(text: &str) -> Option<(&str, Op, &str)> {
    let (at, (sign, op)) = text.char_indices().find_map(|(i, _)| {
        SIGNS.iter().find(|(sign, _)| text[i..].starts_with(sign)).map(|found| (i, found))
    })?;
    Some((text[..at].trim(), *op, text[at + sign.len()..].trim()))
}

/// What stands between the quotes of a value; `None`: it has none around it.
#[must_use]
pub fn unquoted(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// The verdict of this name.
///
/// # Errors
/// There is none; the nearest, or all, are named.
pub fn verdict_named(name: &str) -> Result<Verdict, String> {
    Verdict::from_name(name).ok_or_else(|| {
        let names = Verdict::ALL.map(Verdict::name);
        match nearest(name, names) {
            Some(near) => format!("\"{name}\" is no verdict: did you mean {near}?"),
            None => format!("\"{name}\" is no verdict: {}", names.join(", ")),
        }
    })
}

/// The field of a decoded value at a path of names and list positions, joined by dots.
#[must_use]
pub fn field_at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, part| match value {
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

/// A field as text: texts without their quotes, the rest as JSON.
#[must_use]
pub fn field_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a value has such a field: of several texts one is enough, and none may be it
/// for `!=`; it is ordered by the first. One that is not there meets `!=` only.
#[must_use]
pub fn meets<T: AsRef<str>>(value: &Value, path: &str, op: Op, wanted: &[T]) -> bool {
    let Some(field) = field_at(value, path) else { return op == Op::IsNot };
    let own = field_text(field);
    let is_one = || wanted.iter().any(|text| same(&own, field.is_number(), text.as_ref()));
    let order = || compared(&own, wanted.first()?.as_ref());
    match op {
        Op::Is => is_one(),
        Op::IsNot => !is_one(),
        Op::Has => has(&own, wanted),
        Op::Less => order().is_some_and(Ordering::is_lt),
        Op::AtMost => order().is_some_and(Ordering::is_le),
        Op::More => order().is_some_and(Ordering::is_gt),
        Op::AtLeast => order().is_some_and(Ordering::is_ge),
    }
}

/// Whether one of the texts stands in `own`, whatever the case.
#[must_use]
pub fn has<T: AsRef<str>>(own: &str, texts: &[T]) -> bool {
    let own = own.to_lowercase();
    texts.iter().any(|text| own.contains(&text.as_ref().to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_taken_apart() {
        assert_eq!(parts(" late_by >= 5s "), Some(("late_by", Op::AtLeast, "5s")));
        assert_eq!(parts("a!=b=c"), Some(("a", Op::IsNot, "b=c")));
        assert_eq!(parts("=1"), Some(("", Op::Is, "1")));
        assert_eq!((parts("late"), parts("")), (None, None));
        for (sign, op) in SIGNS {
            assert_eq!(op.sign(), sign);
            assert_eq!(parts(&format!("ä{sign}ö")), Some(("ä", op, "ö")));
        }
        assert_eq!((unquoted("\"a\""), unquoted("\"\"")), (Some("a"), Some("")));
        assert_eq!((unquoted("\""), unquoted("a\"")), (None, None));
        assert_eq!(verdict_named("late"), Ok(Verdict::Late));
        assert!(verdict_named("lat").is_err_and(|e| e.ends_with("did you mean late?")));
    }

    #[test]
    fn a_field_that_is_null_is_there_and_one_that_is_missing_is_not() {
        let value = serde_json::json!({"none": null, "list": [1, {"x": "Ab"}]});
        let meets = |path: &str, op, wanted: &[&str]| meets(&value, path, op, wanted);
        assert!(meets("none", Op::Is, &["null"]) && !meets("none", Op::IsNot, &["a", "null"]));
        assert!(!meets("other", Op::Is, &["null"]) && meets("other", Op::IsNot, &["null"]));
        assert!(!meets("other", Op::Has, &[""]) && !meets("other", Op::Less, &["1"]));
        assert!(meets("list.1.x", Op::Has, &["z", "aB"]) && !meets("list.2.x", Op::Is, &["Ab"]));
        assert!(meets("list.0", Op::AtMost, &["1"]) && !meets("list.0", Op::Less, &["1"]));
        // A text has no fields, and what is no number no order.
        assert!(!meets("list.1.x.y", Op::Is, &["Ab"]) && !meets("list.1.x", Op::Less, &["9"]));
    }
}
