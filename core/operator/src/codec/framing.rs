//! How a record names the schema of its value, after Confluent's serializers
//! (schema-registry's `SchemaId`, `HeaderSchemaIdSerializer` and
//! `DualSchemaIdDeserializer`): by the last header `__value_schema_id`, unless it
//! is null, and then the value is all body; else before the body. Either way a
//! byte 0 is followed by an id (4 bytes, big-endian), a byte 1 by a GUID (16).

use std::fmt;

use super::avro::Bad;
use crate::record::{Header, Record};

const HEADER: &str = "__value_schema_id";

/// A schema as a record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SchemaRef {
    Id(u32),
    Guid([u8; 16]),
}

impl fmt::Display for SchemaRef {
    /// `id 7`, `GUID 3f2504e0-4f89-11d3-9a0c-0305e82c3301`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id {id}"),
            Self::Guid(bytes) => {
                f.write_str("GUID ")?;
                for (i, byte) in bytes.iter().enumerate() {
                    let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
                    write!(f, "{dash}{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

impl SchemaRef {
    /// Whether it is the schema with this GUID as a registry writes it.
    #[must_use]
    pub fn is_guid(&self, text: &str) -> bool {
        matches!(self, Self::Guid(_))
            && self.to_string().strip_prefix("GUID ").is_some_and(|t| t.eq_ignore_ascii_case(text))
    }

    /// The schema that a record names, and the body of its value; `None`: it names
    /// none.
    #[must_use]
    pub fn of(record: &Record) -> Option<(Self, &[u8])> {
        named(record.value.as_deref()?, &record.headers).ok()
    }

    /// The same of a value and its headers that are nowhere a [`Record`].
    #[must_use]
    pub fn of_value<'a, 'h>(
        value: &'a [u8],
        headers: impl DoubleEndedIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Option<(Self, &'a [u8])> {
        named_by(value, last(headers)).ok()
    }
}

/// What the last header says that may name a value's schema.
fn last<'h>(
    mut headers: impl DoubleEndedIterator<Item = (&'h str, Option<&'h [u8]>)>,
) -> Option<&'h [u8]> {
    headers.rfind(|(key, _)| *key == HEADER)?.1
}

/// The schema that a value names, and its body.
pub(super) fn named<'a>(value: &'a [u8], headers: &[Header]) -> Result<(SchemaRef, &'a [u8]), Bad> {
    named_by(value, last(headers.iter().map(|h| (&*h.key, h.value.as_deref()))))
}

fn named_by<'a>(value: &'a [u8], header: Option<&[u8]>) -> Result<(SchemaRef, &'a [u8]), Bad> {
    if let Some(bytes) = header {
        // What stands behind is Protobuf's.
        return match read(bytes) {
            Some((name, _)) => Ok((name, value)),
            None => Err(Bad {
                what: "its header __value_schema_id is neither a byte 0 and an id nor a byte 1 and a GUID",
                at: 0,
            }),
        };
    }
    read(value).ok_or_else(|| match value.first() {
        Some(1) => Bad {
            what: "it is shorter than Confluent's 17 bytes of magic and schema GUID",
            at: value.len(),
        },
        Some(0) | None => Bad {
            what: "it is shorter than Confluent's 5 bytes of magic and schema id",
            at: value.len(),
        },
        Some(_) => Bad { what: "its first byte is not Confluent's magic 0", at: 0 },
    })
}

fn read(bytes: &[u8]) -> Option<(SchemaRef, &[u8])> {
    match bytes.split_first()? {
        (0, rest) => {
            let (id, body) = rest.split_first_chunk::<4>()?;
            Some((SchemaRef::Id(u32::from_be_bytes(*id)), body))
        }
        (1, rest) => {
            let (guid, body) = rest.split_first_chunk::<16>()?;
            Some((SchemaRef::Guid(*guid), body))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: [u8; 16] = [
        0x3f, 0x25, 0x04, 0xe0, 0x4f, 0x89, 0x11, 0xd3, 0x9a, 0x0c, 0x03, 0x05, 0xe8, 0x2c, 0x33,
        0x01,
    ];

    fn header(key: &str, value: Option<Vec<u8>>) -> Header {
        Header { key: key.to_owned().into(), value: value.map(Into::into) }
    }

    #[test]
    fn the_last_header_goes_before_the_prefix() {
        let guid = [&[1][..], &GUID].concat();
        let value = [0, 0, 0, 0, 7, 9];
        let of = |headers: &[Header]| named(&value, headers);
        let by_id = (SchemaRef::Id(7), &[9][..]);
        assert_eq!(of(&[]), Ok(by_id));
        assert_eq!(of(&[header("__key_schema_id", Some(guid.clone()))]), Ok(by_id));
        let by_guid = (SchemaRef::Guid(GUID), &value[..]);
        let own = header(HEADER, Some(guid.clone()));
        assert_eq!(of(std::slice::from_ref(&own)), Ok(by_guid));
        // Protobuf's message indexes follow.
        let more = header(HEADER, Some([&guid[..], &[0]].concat()));
        assert_eq!(of(&[more]), Ok(by_guid));
        let other = header(HEADER, Some(vec![0, 0, 0, 0, 8]));
        assert_eq!(of(&[own.clone(), other]), Ok((SchemaRef::Id(8), &value[..])));
        assert_eq!(of(&[own, header(HEADER, None)]), Ok(by_id), "a null one is none");
        for bad in [vec![], vec![0, 1], vec![1; 16], vec![2; 17]] {
            assert!(of(&[header(HEADER, Some(bad))]).unwrap_err().what.contains(HEADER));
        }
    }

    #[test]
    fn a_guid_may_stand_before_the_body() {
        let value = [&[1][..], &GUID, &[9]].concat();
        assert_eq!(named(&value, &[]), Ok((SchemaRef::Guid(GUID), &[9][..])));
        assert!(named(&value[..16], &[]).unwrap_err().what.contains("GUID"));
        let name = SchemaRef::Guid(GUID);
        assert_eq!(name.to_string(), "GUID 3f2504e0-4f89-11d3-9a0c-0305e82c3301");
        assert!(name.is_guid("3F2504E0-4f89-11d3-9a0c-0305e82c3301"));
        assert!(!name.is_guid("3f2504e0-4f89-11d3-9a0c-0305e82c3302"));
        assert!(!SchemaRef::Id(7).is_guid("7"));
    }
}
