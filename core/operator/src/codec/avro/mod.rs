//! Avro by column: for each writer schema a plan is compiled once that says for
//! every field whether it is taken or skipped. No value tree is built.
//!
//! Bounds: lengths are checked against the bytes that are there, nesting stops
//! at [`MAX_DEPTH`], and work is bounded by the size of the record, whatever the
//! schema says.

mod compile;
mod cursor;
mod resolve;
mod show;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use apache_avro::Schema;

use super::framing::{SchemaRef, named};
use super::needs::{Slots, Want};
use super::value::Got;
use super::{SchemaSource, SchemaText};
use crate::record::{self, Arrival};
use cursor::Cursor;
pub use resolve::branch_of;

/// Records, arrays, maps and unions within one another.
pub(super) const MAX_DEPTH: usize = 256;

/// Node of a plan: position in [`Plan::nodes`].
type Id = usize;

/// How to read a body of one writer schema.
#[derive(Debug)]
pub(super) struct Plan {
    nodes: Vec<Node>,
    /// By node: whether its values take no byte.
    empty: Vec<bool>,
    root: Id,
}

#[derive(Clone, Debug)]
enum Node {
    Null,
    Bool,
    Int(Convert),
    Long(Convert),
    /// A long whose unit the schema names.
    Time(crate::pipeline::TimeUnit),
    Float,
    Double,
    Bytes(Convert),
    Str(Convert),
    Fixed(usize),
    /// Bytes (`None`) or a fixed, with a scale.
    Decimal(Option<usize>, usize),
    /// Symbols, as the reader calls them; `None`: the reader has none for it.
    Enum(Vec<Option<Arc<str>>>),
    Array(Id),
    Map(Map),
    Union(Vec<Id>),
    Record(Record),
    /// The reader schema cannot take what the writer wrote here.
    Mismatch,
}

/// What the reader schema makes of a value (Avro's promotions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Convert {
    Same,
    ToFloat,
    ToStr,
    ToBytes,
}

#[derive(Clone, Debug, Default)]
struct Record {
    fields: Vec<Field>,
    /// Wanted fields that the writer lacks: their default, else null.
    absent: Vec<(usize, Got<'static>)>,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    node: Id,
    slot: Option<usize>,
}

#[derive(Clone, Debug)]
struct Map {
    value: Id,
    wants: Vec<Field>,
}

/// Why a body could not be read: what, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub what: &'static str,
    pub at: usize,
}

impl Plan {
    /// # Errors
    /// The schemas cannot be read, or the reader's cannot be applied.
    pub fn new(
        writer: &SchemaText,
        reader: Option<&SchemaText>,
        wants: &[Want],
    ) -> Result<Self, String> {
        let (writer, others) = parse_schema(writer)?;
        let (reader, reader_others) = match reader {
            Some(reader) => {
                let (schema, others) =
                    parse_schema(reader).map_err(|e| format!("reader schema: {e}"))?;
                (Some(schema), others)
            }
            None => (None, Vec::new()),
        };
        compile::compile(&writer, &others, reader.as_ref().map(|r| (r, &reader_others[..])), wants)
    }

    /// The first of `paths` that the reader (or else the writer) schema lacks.
    ///
    /// # Errors
    /// The schema cannot be read.
    pub fn lacking<'p>(
        schema: &SchemaText,
        paths: &'p [Vec<String>],
    ) -> Result<Option<&'p Vec<String>>, String> {
        let (schema, others) = parse_schema(schema)?;
        Ok(paths.iter().find(|path| !compile::has(&schema, &others, path)))
    }

    /// Reads the whole body and puts what is wanted into its slots.
    pub fn extract<'a>(&'a self, body: &'a [u8], out: &mut Slots<'a>) -> Result<(), Bad> {
        let mut cursor = Cursor::new(body);
        walk::walk(self, self.root, None, &mut cursor, out, 0)?;
        cursor.end()
    }

    /// The whole value, for display.
    pub fn show(&self, body: &[u8]) -> Result<serde_json::Value, Bad> {
        let mut cursor = Cursor::new(body);
        let value = show::show(self, self.root, &mut cursor, 0)?;
        cursor.end()?;
        Ok(value)
    }
}

/// An Avro schema, and those that it refers to.
///
/// # Errors
/// It is none.
pub fn parse_schema(schema: &SchemaText) -> Result<(Schema, Vec<Schema>), String> {
    let text = schema.text.trim();
    // Registries give primitive schemas also without their quotes.
    let quoted = format!("\"{text}\"");
    let text = if text.starts_with(['{', '[', '"']) { text } else { &quoted };
    let parsed = if schema.references.is_empty() {
        Schema::parse_str(text).map(|s| (s, Vec::new()))
    } else {
        Schema::parse_str_with_list(text, &schema.references)
    };
    parsed.map_err(|e| e.to_string())
}

/// Plans by the schema that a record names; every thread has its own list, the plans are shared.
#[derive(Clone)]
pub(super) struct Registry {
    schemas: Arc<dyn SchemaSource + Send + Sync>,
    reader: Option<SchemaText>,
    plans: Vec<Known>,
}

/// What is made of a schema that a record named.
#[derive(Clone)]
struct Known {
    name: SchemaRef,
    plan: Arc<Result<Plan, String>>,
    /// No schema at hand has the name. A live run may learn of one: others name by id
    /// what this one names by GUID, or the registry knows the id later.
    lacks: bool,
    /// The first record that it counts for, and what is said of those before it.
    from: Arrival,
    before: Arc<str>,
}

impl Known {
    fn plan(&self, of: Arrival) -> Result<&Plan, &str> {
        match &*self.plan {
            _ if of < self.from => Err(&self.before),
            Ok(plan) => Ok(plan),
            Err(why) => Err(why),
        }
    }
}

/// A hostile topic may name a new id in every record: so many are remembered.
const MAX_PLANS: usize = 1_024;

impl Registry {
    pub fn new(schemas: Arc<dyn SchemaSource + Send + Sync>, reader: Option<SchemaText>) -> Self {
        Self { schemas, reader, plans: Vec::new() }
    }

    /// The plan of the value of a record that names its schema, and the body.
    pub fn open<'a>(
        &mut self,
        record: &record::Record,
        value: &'a [u8],
        wants: &[Want],
    ) -> Result<Opened<'_, 'a>, Bad> {
        let (name, body) = named(value, &record.headers)?;
        Ok((self.plan(name, record.arrival, wants), body))
    }

    fn plan(&mut self, name: SchemaRef, of: Arrival, wants: &[Want]) -> Result<&Plan, &str> {
        let known = self.plans.iter().position(|known| known.name == name);
        let asks = known.is_none_or(|at| self.plans[at].lacks);
        let found = if asks { self.schemas.named(name) } else { None };
        let at = match known {
            Some(at) if found.is_none() => at,
            _ => self.make(known, name, found, wants),
        };
        self.plans[at].plan(of)
    }

    /// A plan in the place of one that is known, or behind all others; where it stands.
    fn make(
        &mut self,
        known: Option<usize>,
        name: SchemaRef,
        found: Option<SchemaText>,
        wants: &[Want],
    ) -> usize {
        let lacks = found.is_none();
        let from = found.as_ref().map_or(0, |schema| schema.from);
        let plan = match (found, name) {
            (Some(schema), _) => match schema.kind.unread() {
                Some(why) => Err(format!("its schema ({name}) {why}")),
                None => Plan::new(&schema, self.reader.as_ref(), wants)
                    .map_err(|e| format!("the schema with {name} cannot be used: {e}")),
            },
            (None, SchemaRef::Id(id)) => Err(format!(
                "its schema id {id} is not known: name the topic's registry (--registry) when it is recorded, or when it is run over"
            )),
            (None, SchemaRef::Guid(_)) => Err(format!(
                "it names its schema by {name}, which no schema at hand has: a registry is only asked for those that records name by id; have the producer write ids (value.schema.id.serializer = io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer)"
            )),
        };
        let before = if from == 0 {
            String::new()
        } else {
            format!(
                "its schema ({name}) was not known when a live run took it in, only from arrival {from} on, and a replay decodes what the live run did: join the topic from its beginning in a new run to have it decoded"
            )
        };
        let made = Known { name, plan: Arc::new(plan), lacks, from, before: before.into() };
        if let Some(place) = known.and_then(|at| self.plans.get_mut(at)) {
            *place = made;
            return known.unwrap_or_default();
        }
        if self.plans.len() == MAX_PLANS {
            self.plans.pop();
        }
        self.plans.push(made);
        self.plans.len() - 1
    }
}

/// A plan, or why there is none for its id, and the body behind the framing.
pub(super) type Opened<'p, 'a> = (Result<&'p Plan, &'p str>, &'a [u8]);
