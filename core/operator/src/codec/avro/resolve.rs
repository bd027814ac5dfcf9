//! A writer's type against a reader's, for the fields that are taken (Avro
//! specification, "Schema Resolution").

use std::borrow::Cow;

use apache_avro::Schema;
use apache_avro::schema::{Alias, InnerDecimalSchema, UuidSchema};
use serde_json::Value;

use super::Convert;
use super::compile::Names;
use crate::codec::value::Got;

/// Avro's own types below the logical ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Null,
    Bool,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Str,
    Fixed(usize),
    Enum,
    Array,
    Map,
    Union,
    Record,
}

pub(super) fn base(schema: &Schema) -> Base {
    match schema {
        Schema::Null => Base::Null,
        Schema::Boolean => Base::Bool,
        Schema::Int | Schema::Date | Schema::TimeMillis => Base::Int,
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => Base::Long,
        Schema::Float => Base::Float,
        Schema::Double => Base::Double,
        Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Base::Bytes,
        Schema::String | Schema::Uuid(UuidSchema::String) => Base::Str,
        Schema::Fixed(f) | Schema::Duration(f) | Schema::Uuid(UuidSchema::Fixed(f)) => {
            Base::Fixed(f.size)
        }
        Schema::Decimal(d) => match &d.inner {
            InnerDecimalSchema::Bytes => Base::Bytes,
            InnerDecimalSchema::Fixed(f) => Base::Fixed(f.size),
        },
        Schema::Enum(_) => Base::Enum,
        Schema::Array(_) => Base::Array,
        Schema::Map(_) => Base::Map,
        Schema::Union(_) => Base::Union,
        // References are followed before anybody asks.
        Schema::Record(_) | Schema::Ref { .. } => Base::Record,
    }
}

/// The reader's schema for what the writer wrote: itself, or the branch of a
/// reader's union that takes it.
pub(super) fn branch<'s>(
    writer: &Schema,
    reader: &'s Schema,
    names: &Names<'s>,
) -> Option<(&'s Schema, Convert)> {
    let mut reader = names.follow(reader);
    if let Schema::Union(union) = reader {
        let branches = union.variants();
        reader = names.follow(&branches[branch_of(writer, branches, |v| names.follow(v))?]);
    }
    Some((reader, convert(writer, reader)?))
}

/// Which branch of a reader's union takes what was written under `writer` (no union):
/// of its own type the one that is called alike, else the first that it can be
/// promoted to (`Resolver.ReaderUnion#firstMatchingBranch` of Avro's Java, which takes
/// names before structure). `follow` gives the definition behind a reference.
#[must_use]
pub fn branch_of<'s>(
    writer: &Schema,
    branches: &'s [Schema],
    follow: impl Fn(&'s Schema) -> &'s Schema,
) -> Option<usize> {
    let all = || branches.iter().map(&follow).enumerate();
    let same = all().filter(|(_, reader)| base(writer) == base(reader));
    let called = same.min_by_key(|(_, reader)| apart(writer, reader));
    let taken = called.or_else(|| all().find(|(_, reader)| convert(writer, reader).is_some()));
    taken.map(|(at, _)| at)
}

/// How far the names of two types of one kind are apart; those without names are not.
fn apart(writer: &Schema, reader: &Schema) -> u8 {
    let (Some(own), Some(other)) = (writer.name(), reader.name()) else { return 0 };
    let full = own.fullname(None);
    let was = |alias: &Alias| alias.fullname(None) == full;
    if other.fullname(None) == full {
        0
    } else if reader.aliases().is_some_and(|aliases| aliases.iter().any(was)) {
        1
    } else if own.name() == other.name() {
        2
    } else {
        3
    }
}

fn convert(writer: &Schema, reader: &Schema) -> Option<Convert> {
    match (base(writer), base(reader)) {
        (a, b) if a == b => Some(Convert::Same),
        (Base::Int, Base::Long) | (Base::Float, Base::Double) => Some(Convert::Same),
        (Base::Int | Base::Long, Base::Float | Base::Double) => Some(Convert::ToFloat),
        (Base::Bytes, Base::Str) => Some(Convert::ToStr),
        (Base::Str, Base::Bytes) => Some(Convert::ToBytes),
        _ => None,
    }
}

/// A field's default: what the parts below it are, too, if it is a record or map.
pub(super) fn default<'s>(value: &Value, schema: &'s Schema, names: &Names<'s>) -> Got<'static> {
    let mut schema = names.follow(schema);
    // A union's default is of its first branch; later branches are tolerated.
    if let Schema::Union(union) = schema {
        let mut branches = union.variants().iter().map(|v| names.follow(v));
        let null = branches.clone().find(|v| matches!(v, Schema::Null));
        schema = match (value, null) {
            (Value::Null, Some(null)) => null,
            _ => match branches.find(|v| !matches!(v, Schema::Null)) {
                Some(first) => first,
                None => return Got::Null,
            },
        };
    }
    match (value, base(schema)) {
        (Value::Null, _) => Got::Null,
        (Value::Bool(b), _) => Got::Bool(*b),
        (Value::Number(n), Base::Float | Base::Double) => {
            Got::Float(n.as_f64().unwrap_or(f64::NAN))
        }
        (Value::Number(n), _) => n.as_i64().map_or(Got::Nested, |n| match unit(schema) {
            Some(unit) => Got::Time(n, unit),
            None => Got::Int(n),
        }),
        // Bytes are written as texts of the code points 0 to 255.
        (Value::String(s), Base::Bytes | Base::Fixed(_)) => {
            Got::Bytes(Cow::Owned(s.chars().map(|c| c as u32 as u8).collect()))
        }
        (Value::String(s), _) => Got::Str(Cow::Owned(s.clone())),
        (Value::Array(_) | Value::Object(_), _) => Got::Nested,
    }
}

/// The unit that a logical type names.
pub(super) fn unit(schema: &Schema) -> Option<crate::pipeline::TimeUnit> {
    use crate::pipeline::TimeUnit;
    match schema {
        Schema::TimestampMillis | Schema::LocalTimestampMillis => Some(TimeUnit::Milliseconds),
        Schema::TimestampMicros | Schema::LocalTimestampMicros => Some(TimeUnit::Microseconds),
        Schema::TimestampNanos | Schema::LocalTimestampNanos => Some(TimeUnit::Nanoseconds),
        _ => None,
    }
}
