//! JSON in which a name stands twice in an object: whoever reads it sees the last value
//! only, and the others are there all the same.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Whether a name stands twice in an object of a JSON text; of what is no JSON it is said
/// as well.
pub fn has_name_twice(json: &[u8]) -> bool {
    !serde_json::from_slice::<Twice>(json).is_ok_and(|found| !found.0)
}

struct Twice(bool);

impl<'de> Deserialize<'de> for Twice {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Names)
    }
}

/// Goes through a value for its names.
struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Twice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Twice, E> {
        Ok(Twice(false))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Twice, E> {
        Ok(Twice(false))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Twice, E> {
        Ok(Twice(false))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Twice, E> {
        Ok(Twice(false))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Twice, E> {
        Ok(Twice(false))
    }

    fn visit_unit<E: Error>(self) -> Result<Twice, E> {
        Ok(Twice(false))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Twice, A::Error> {
        let mut twice = false;
        while let Some(item) = items.next_element::<Twice>()? {
            twice |= item.0;
        }
        Ok(Twice(twice))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Twice, A::Error> {
        let (mut names, mut twice) = (HashSet::new(), false);
        while let Some((name, inner)) = fields.next_entry::<String, Twice>()? {
            twice |= inner.0;
            twice |= !names.insert(name);
        }
        Ok(Twice(twice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_twice_wherever_it_stands() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2.5,"\u0061":null}"#,
            r#"[0,[{"b":{"c":[],"c":{}}}]]"#,
            r#"{"a":{"b":1},"b":{"a":"x","a":"y"}}"#,
        ] {
            assert!(has_name_twice(text.as_bytes()), "{text}");
        }
        for text in [
            "7",
            "-1.5e300",
            "123456789012345678901234567890",
            "true",
            "null",
            r#""a\n""#,
            "[]",
            r#"{"a":{"a":[{"a":1},{"a":2}]},"A":false}"#,
        ] {
            assert!(!has_name_twice(text.as_bytes()), "{text}");
        }
        assert!(has_name_twice(b"{\"a\":"));
    }
}
