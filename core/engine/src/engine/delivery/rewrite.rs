//! A record's Avro body under the schema that the pipeline names for its input,
//! whatever it was written under (Avro specification, "Schema Resolution"). Types and
//! fields are told apart by names and aliases, as the decoder does that the join
//! reads with: apache-avro's own resolution knows no aliases, and takes the first record
//! of a union that a value could be.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter::once;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{Name, RecordField, RecordSchema, ResolvedSchema};
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::operator::codec::{SchemaRef, SchemaSource, branch_of, parse_schema};

/// A writer's schema, and those that it refers to.
pub(super) struct Written {
    schema: Schema,
    others: Vec<Schema>,
    /// Bodies are as the reader has them.
    same: bool,
}

/// Definitions by name.
type Names<'s> = HashMap<Name, &'s Schema>;

/// Of the writer, and of the reader.
struct Both<'s> {
    writer: &'s Names<'s>,
    reader: &'s Names<'s>,
}

impl Written {
    /// The schema of this name, whose bodies are to be had under `reader`.
    ///
    /// # Errors
    /// It is not known, or no schema.
    pub fn of(
        schemas: &dyn SchemaSource,
        name: SchemaRef,
        reader: &Schema,
    ) -> Result<Self, String> {
        let found =
            schemas.named(name).ok_or_else(|| format!("the schema with {name} is not known"))?;
        let parsed = parse_schema(&found);
        let (schema, others) = parsed.map_err(|e| format!("the schema with {name}: {e}"))?;
        let same = others.is_empty() && schema == *reader;
        Ok(Self { schema, others, same })
    }

    /// A body that was written under this schema, under `reader`.
    ///
    /// # Errors
    /// It is not of this schema, or the reader's cannot take it.
    pub fn read<'b>(&self, body: &'b [u8], reader: &Schema) -> Result<Cow<'b, [u8]>, String> {
        if self.same {
            return Ok(body.into());
        }
        let text = |e: apache_avro::Error| e.to_string();
        let all: Vec<&Schema> = self.others.iter().chain(once(&self.schema)).collect();
        let writer = ResolvedSchema::new_with_schemata(all).map_err(text)?;
        let own = ResolvedSchema::new(reader).map_err(text)?;
        let mut rest = body;
        let value = GenericDatumReader::builder(&self.schema)
            .resolved_writer_schemata(writer.clone())
            .build()
            .map_err(text)?
            .read_value(&mut rest)
            .map_err(text)?;
        let both = Both { writer: writer.get_names(), reader: own.get_names() };
        let value = both.resolve(value, &self.schema, reader)?;
        let datum = GenericDatumWriter::builder(reader).build().map_err(text)?;
        datum.write_value_to_vec(value).map(Cow::Owned).map_err(text)
    }
}

/// The definition behind a reference; a schema that is none, itself.
fn follow<'s>(schema: &'s Schema, names: &Names<'s>) -> &'s Schema {
    match schema {
        Schema::Ref { name } => names.get(name).copied().unwrap_or(schema),
        other => other,
    }
}

impl<'s> Both<'s> {
    fn resolve(
        &self,
        value: Value,
        writer: &'s Schema,
        reader: &'s Schema,
    ) -> Result<Value, String> {
        let (writer, reader) = (follow(writer, self.writer), follow(reader, self.reader));
        // A writer's union is resolved branch by branch.
        if let (Value::Union(at, _), Schema::Union(union)) = (&value, writer) {
            let branch = union.variants().get(*at as usize);
            return match (value, branch) {
                (Value::Union(_, value), Some(branch)) => self.resolve(*value, branch, reader),
                _ => Err("a union has no such branch".to_owned()),
            };
        }
        if let Schema::Union(union) = reader {
            let branches = union.variants();
            let at = branch_of(writer, branches, |branch| follow(branch, self.reader))
                .ok_or("the pipeline's schema has no branch of a union for what was written")?;
            let value = self.resolve(value, writer, &branches[at])?;
            return Ok(Value::Union(at as u32, Box::new(value)));
        }
        match (value, writer, reader) {
            (Value::Record(fields), Schema::Record(from), Schema::Record(to)) => {
                self.record(fields, from, to)
            }
            (Value::Array(items), Schema::Array(from), Schema::Array(to)) => {
                let items = items.into_iter().map(|v| self.resolve(v, &from.items, &to.items));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            (Value::Map(items), Schema::Map(from), Schema::Map(to)) => {
                let one = |(key, v)| self.resolve(v, &from.types, &to.types).map(|v| (key, v));
                items.into_iter().map(one).collect::<Result<_, _>>().map(Value::Map)
            }
            (value, from, to) if from == to => Ok(value),
            (value, _, to) => {
                plain(value, to).resolve_with_names(to, self.reader).map_err(|e| e.to_string())
            }
        }
    }

    fn record(
        &self,
        written: Vec<(String, Value)>,
        from: &'s RecordSchema,
        to: &'s RecordSchema,
    ) -> Result<Value, String> {
        let mut written: Vec<Option<Value>> =
            written.into_iter().map(|(_, value)| Some(value)).collect();
        let mut fields = Vec::with_capacity(to.fields.len());
        for field in &to.fields {
            let mut names = once(&field.name).chain(&field.aliases);
            let at = names.find_map(|name| from.fields.iter().position(|f| f.name == *name));
            let taken = at.and_then(|at| Some((at, written.get_mut(at)?.take()?)));
            let value = match taken {
                Some((at, value)) => self.resolve(value, &from.fields[at].schema, &field.schema)?,
                None => self.default(field)?,
            };
            fields.push((field.name.clone(), value));
        }
        Ok(Value::Record(fields))
    }

    /// Of a field that the writer lacks.
    fn default(&self, field: &'s RecordField) -> Result<Value, String> {
        let lacks = || {
            format!(
                "it was written without the field {}, for which the pipeline's schema has no default",
                field.name
            )
        };
        let text = |e: apache_avro::Error| e.to_string();
        let default = field.default.clone().ok_or_else(lacks)?;
        let default = Value::try_from(default).map_err(text)?;
        let schema = follow(&field.schema, self.reader);
        // A union's is of its first branch; later ones are tolerated.
        if let Schema::Union(union) = schema
            && let Some(first) = union.variants().first()
            && let Ok(value) = default.clone().resolve_with_names(first, self.reader)
        {
            return Ok(Value::Union(0, Box::new(value)));
        }
        default.resolve_with_names(schema, self.reader).map_err(text)
    }
}

/// Without a logical type that the reader does not know.
fn plain(value: Value, reader: &Schema) -> Value {
    match (value, reader) {
        (
            Value::Date(n) | Value::TimeMillis(n),
            Schema::Int | Schema::Long | Schema::Float | Schema::Double,
        ) => Value::Int(n),
        (
            Value::TimeMicros(n)
            | Value::TimestampMillis(n)
            | Value::TimestampMicros(n)
            | Value::TimestampNanos(n)
            | Value::LocalTimestampMillis(n)
            | Value::LocalTimestampMicros(n)
            | Value::LocalTimestampNanos(n),
            Schema::Long | Schema::Float | Schema::Double,
        ) => Value::Long(n),
        (Value::Uuid(id), Schema::String) => Value::String(id.to_string()),
        (value, _) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::codec::SchemaText;

    /// One schema for every id.
    struct One(String);

    impl SchemaSource for One {
        fn by_id(&self, _: u32) -> Option<SchemaText> {
            Some(SchemaText { text: self.0.clone(), ..SchemaText::default() })
        }
    }

    fn read(writer: &str, reader: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        let reader = Schema::parse_str(reader).unwrap();
        let written = Written::of(&One(writer.to_owned()), SchemaRef::Id(1), &reader).unwrap();
        written.read(body, &reader).map(Cow::into_owned)
    }

    /// Of its union's records the first could be any: all it has has a default. And a
    /// type stands in it twice.
    const EVENT: &str = r#"{"type":"record","name":"Event","namespace":"n","fields":[
        {"name":"old","type":"string"},
        {"name":"what","type":["null",
            {"type":"record","name":"Click","fields":[
                {"name":"id","type":"string","default":""}]},
            {"type":"record","name":"View","fields":[{"name":"page","type":"string"}]}]},
        {"name":"next","type":["null","View"]},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;

    /// "k", a view of "p", a view of "q", 7 ms.
    const BODY: [u8; 10] = [2, b'k', 4, 2, b'p', 2, 2, b'q', 14, 0];

    #[test]
    fn what_was_written_under_the_same_schema_is_as_it_was() {
        assert_eq!(read(EVENT, EVENT, &BODY[..9]).unwrap(), BODY[..9]);
    }

    #[test]
    fn fields_and_records_of_unions_are_those_of_their_names() {
        let more = r#","type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"n","type":["null","long"],"default":null}]}"#;
        let reader = EVENT
            .replace(r#","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#, more)
            .replace(r#""name":"old""#, r#""name":"id","aliases":["old"],"default":"none""#);
        assert_eq!(read(EVENT, &reader, &BODY[..9]).unwrap(), BODY);
        // A plain long.
        let bare =
            reader.replace(r#"{"type":"long","logicalType":"timestamp-millis"}"#, r#""long""#);
        assert_eq!(read(EVENT, &bare, &BODY[..9]).unwrap(), BODY);
        // The other way round the new field is left out.
        assert_eq!(
            read(&bare, EVENT, &BODY).unwrap_err(),
            "it was written without the field old, for which the pipeline's schema has no default"
        );
        let back = EVENT.replace(r#""name":"old""#, r#""name":"old","aliases":["id"]"#);
        assert_eq!(read(&bare, &back, &BODY).unwrap(), BODY[..9]);
    }
}
