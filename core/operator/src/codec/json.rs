//! Fields out of a JSON text in one pass. Most records are read by [`plain`];
//! for all others, and for every error, `serde_json` finds the borders of
//! values, and only those wanted are looked into. Its skipping is not
//! recursive, so depth costs no stack.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::needs::{Slots, Want};
use super::plain;
use super::value::Got;

/// Reads the whole text and puts what is wanted into its slots, which the
/// caller has set to [`Got::Missing`].
pub(super) fn extract<'a>(
    text: &'a str,
    wants: &[Want],
    out: &mut Slots<'a>,
) -> Result<(), serde_json::Error> {
    if plain::extract(text, wants, out).is_some() {
        return Ok(());
    }
    out.fill(Got::Missing);
    thorough(text, wants, out)
}

/// [`extract`] of whatever is JSON.
pub(super) fn thorough<'a>(
    text: &'a str,
    wants: &[Want],
    out: &mut Slots<'a>,
) -> Result<(), serde_json::Error> {
    let mut de = serde_json::Deserializer::from_str(text);
    if first_byte(text) == Some(b'{') {
        de.deserialize_map(Fields { wants, out })?;
    } else {
        // Valid JSON without names: nothing is found, which is no error here.
        serde::Deserialize::deserialize(&mut de).map(|_: IgnoredAny| ())?;
    }
    de.end()
}

fn first_byte(text: &str) -> Option<u8> {
    text.bytes().find(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
}

/// A JSON text that cannot be taken apart as a whole: it nests deeper than 127 levels, or
/// half of a pair of escapes stands in it. The fields that cannot are given as their text;
/// `None`: it is not JSON.
pub(super) fn in_texts(text: &[u8]) -> Option<Value> {
    let whole: &RawValue = serde_json::from_slice(text).ok()?;
    let mut de = serde_json::Deserializer::from_str(whole.get());
    let fields = de.deserialize_map(Texts);
    Some(fields.map_or_else(|_| Value::String(whole.get().to_owned()), Value::Object))
}

struct Texts;

impl<'a> Visitor<'a> for Texts {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let raw = map.next_value::<&'a RawValue>()?.get();
            let value = serde_json::from_str(raw).unwrap_or_else(|_| Value::String(raw.to_owned()));
            fields.insert(name, value);
        }
        Ok(fields)
    }
}

struct Fields<'w, 'o, 'a> {
    wants: &'w [Want],
    out: &'o mut Slots<'a>,
}

impl<'a> Visitor<'a> for Fields<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found: SmallVec<[Option<&'a str>; 6]> = smallvec::smallvec![None; self.wants.len()];
        while let Some(position) = map.next_key_seed(Name(self.wants))? {
            match position {
                // Where a name stands twice, the last one counts.
                Some(i) => found[i] = Some(map.next_value::<&'a RawValue>()?.get()),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        for (want, raw) in self.wants.iter().zip(found) {
            let Some(raw) = raw else { continue };
            if let Some(slot) = want.slot {
                self.out[slot] = scalar(raw).map_err(serde::de::Error::custom)?;
            }
            if !want.children.is_empty() && raw.starts_with('{') {
                let mut de = serde_json::Deserializer::from_str(raw);
                let fields = Fields { wants: &want.children, out: &mut *self.out };
                de.deserialize_map(fields).map_err(serde::de::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// Position of a name among those wanted; nothing is copied unless it is escaped.
struct Name<'w>(&'w [Want]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|w| w.name == name))
    }
}

/// A value's text, already known to be valid JSON, without space around it.
pub(super) fn scalar(raw: &str) -> Result<Got<'_>, serde_json::Error> {
    Ok(match raw.as_bytes().first() {
        Some(b'"') => {
            let inner = &raw[1..raw.len() - 1];
            if inner.as_bytes().contains(&b'\\') {
                Got::Str(Cow::Owned(serde_json::from_str(raw)?))
            } else {
                Got::Str(Cow::Borrowed(inner))
            }
        }
        Some(b't') => Got::Bool(true),
        Some(b'f') => Got::Bool(false),
        Some(b'n') | None => Got::Null,
        Some(b'{' | b'[') => Got::Nested,
        Some(_) => raw.parse().map_or(Got::Number(raw), Got::Int),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn want(name: &str, slot: Option<usize>, children: Vec<Want>) -> Want {
        Want { name: name.into(), slot, children }
    }

    /// `a` in slot 0, `b` in slot 1, `b.c` in slot 2.
    pub(in super::super) fn wants() -> Vec<Want> {
        vec![want("a", Some(0), vec![]), want("b", Some(1), vec![want("c", Some(2), vec![])])]
    }

    fn run(text: &str) -> Result<Vec<Got<'_>>, String> {
        let mut out: Slots<'_> = smallvec::smallvec![Got::Missing; 3];
        extract(text, &wants(), &mut out).map_err(|e| e.to_string())?;
        Ok(out.to_vec())
    }

    #[test]
    fn wanted_fields_are_found() {
        assert_eq!(
            run(r#"{"x":[1,{"a":9}],"a":5,"b":{"d":0,"c":"t\u00e9"},"y":1.5e3}"#).unwrap(),
            vec![Got::Int(5), Got::Nested, Got::Str("té".into())]
        );
        // An escaped name is the name; the last of two counts, as a whole.
        assert_eq!(run(r#"{"\u0061":1, "a" : -7 }"#).unwrap()[0], Got::Int(-7));
        assert_eq!(
            run(r#"{"b":{"c":1},"b":{}}"#).unwrap(),
            vec![Got::Missing, Got::Nested, Got::Missing]
        );
        assert_eq!(run(r#"{"a":null,"b":true}"#).unwrap()[..2], [Got::Null, Got::Bool(true)]);
        assert_eq!(run(r#"{"a":1.0}"#).unwrap()[0], Got::Number("1.0"));
        assert_eq!(
            run(r#"{"a":9223372036854775808}"#).unwrap()[0].kind(),
            "an integer beyond 64 bits"
        );
        for whole in ["5", "[]", " \"x\" ", "null"] {
            assert_eq!(run(whole).unwrap(), vec![Got::Missing; 3], "{whole}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "{]",
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":1}x"#,
            r#"{"a":"\ud800"}"#,
            "{\"x\":\"\n\"}",
            "nul",
            "{'a':1}",
            "\u{feff}{}",
            r#"{"a":1 "b":2}"#,
        ] {
            assert!(run(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"x\":{}{},\"a\":3}}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert_eq!(run(&deep).unwrap()[0], Got::Int(3));
        assert!(run(&"[".repeat(1 << 20)).is_err());
        assert!(run(&"{\"b\":".repeat(1 << 18)).is_err());
        let wanted = format!("{{\"b\":{}1{}}}", "{\"c\":".repeat(1 << 18), "}".repeat(1 << 18));
        assert_eq!(run(&wanted).unwrap()[2], Got::Nested);
    }

    #[test]
    fn what_cannot_be_taken_apart_is_its_text() {
        let shown = |text: &str| in_texts(text.as_bytes());
        let deep = format!("{}{}", "[".repeat(1 << 18), "]".repeat(1 << 18));
        let fields = shown(&format!(r#" {{"b":{{"c":1}},"x": {deep} ,"a":7,"a":8}} "#)).unwrap();
        assert_eq!((&fields["b"]["c"], &fields["a"]), (&Value::from(1), &Value::from(8)));
        assert_eq!(fields["x"], Value::String(deep.clone()));
        let half = shown(r#"{"a":"\ud800","b":1.50}"#).unwrap();
        assert_eq!(
            (half["a"].as_str(), half["b"].to_string()),
            (Some(r#""\ud800""#), "1.50".into())
        );
        assert_eq!(shown(&format!(" {deep}\n")), Some(Value::String(deep)));
        let odd = r#"{"\ud800":1}"#;
        assert_eq!(shown(odd), Some(Value::String(odd.to_owned())));
        for no in ["", "{", "nothing", r#"{"a":1}x"#] {
            assert_eq!(shown(no), None, "{no}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[abcx\"é]{1,2}", inner), 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    fn agrees(got: &Got<'_>, value: Option<&Value>) -> bool {
        match (got, value) {
            (Got::Missing, None)
            | (Got::Null, Some(Value::Null))
            | (Got::Nested, Some(Value::Array(_) | Value::Object(_))) => true,
            (Got::Bool(a), Some(Value::Bool(b))) => a == b,
            (Got::Int(a), Some(Value::Number(b))) => b.as_i64() == Some(*a),
            (Got::Number(a), Some(Value::Number(b))) => b.as_i64().is_none() && *a == b.to_string(),
            (Got::Str(a), Some(Value::String(b))) => a == b,
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_same_as_the_whole_parsed(value in any_json(), pretty: bool) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            let got = run(&text).unwrap();
            let object = |v: Option<&Value>, name: &str| {
                v.and_then(Value::as_object).and_then(|o| o.get(name)).cloned()
            };
            let (a, b) = (object(Some(&value), "a"), object(Some(&value), "b"));
            let c = object(b.as_ref(), "c");
            prop_assert!(agrees(&got[0], a.as_ref()), "{:?} {:?}", got[0], a);
            prop_assert!(agrees(&got[1], b.as_ref()), "{:?} {:?}", got[1], b);
            prop_assert!(agrees(&got[2], c.as_ref()), "{:?} {:?}", got[2], c);
        }

        #[test]
        fn refuses_exactly_what_serde_json_refuses(text in r#"[{}\[\],:"abc01.e\\ -]{0,24}"#) {
            let whole = serde_json::from_str::<Value>(&text);
            prop_assert_eq!(run(&text).is_ok(), whole.is_ok(), "{:?}", whole);
        }
    }
}
