//! From a writer schema, a reader schema and the fields wanted to a [`Plan`].
//! Named types without wanted fields are compiled once each, so a plan is no
//! larger than its schema times the depth of the wanted paths.

use std::collections::{BTreeMap, HashMap};

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, RecordSchema};
use serde_json::Value;

use super::resolve::{Base, base, branch, default, unit};
use super::{Convert, Field, Id, MAX_DEPTH, Map, Node, Plan, Record};
use crate::codec::needs::Want;
use crate::codec::value::Got;

/// Schemas come from a registry, not from the user: bounded all the same.
const MAX_NODES: usize = 100_000;

/// Definitions by full name.
pub(super) struct Names<'s>(HashMap<String, &'s Schema>);

impl<'s> Names<'s> {
    fn of(roots: impl IntoIterator<Item = &'s Schema>) -> Self {
        let mut names = HashMap::new();
        let mut open: Vec<&Schema> = roots.into_iter().collect();
        while let Some(schema) = open.pop() {
            let reference = matches!(schema, Schema::Ref { .. });
            if let (Some(name), false) = (schema.name(), reference) {
                names.insert(name.fullname(None), schema);
            }
            match schema {
                Schema::Record(r) => open.extend(r.fields.iter().map(|f| &f.schema)),
                Schema::Array(a) => open.push(&a.items),
                Schema::Map(m) => open.push(&m.types),
                Schema::Union(u) => open.extend(u.variants()),
                _ => {}
            }
        }
        Self(names)
    }

    /// The definition behind a reference; a schema that is none, itself.
    pub fn follow(&self, schema: &'s Schema) -> &'s Schema {
        match schema {
            Schema::Ref { name } => self.0.get(&name.fullname(None)).copied().unwrap_or(schema),
            other => other,
        }
    }
}

struct Compiler<'s> {
    writer: Names<'s>,
    reader: Names<'s>,
    nodes: Vec<Node>,
    depth: usize,
    /// Named types that are only skipped.
    skipped: BTreeMap<String, Id>,
}

pub(super) fn compile(
    writer: &Schema,
    others: &[Schema],
    reader: Option<(&Schema, &[Schema])>,
    wants: &[Want],
) -> Result<Plan, String> {
    let mut compiler = Compiler {
        writer: Names::of(others.iter().chain([writer])),
        reader: Names::of(reader.into_iter().flat_map(|(r, others)| others.iter().chain([r]))),
        nodes: Vec::new(),
        depth: 0,
        skipped: BTreeMap::new(),
    };
    let root = compiler.node(writer, reader.map(|(r, _)| r), wants)?;
    let empty = empties(&compiler.nodes);
    Ok(Plan { nodes: compiler.nodes, empty, root })
}

impl<'s> Compiler<'s> {
    fn push(&mut self, node: Node) -> Result<Id, String> {
        if self.nodes.len() >= MAX_NODES {
            return Err("it has more than 100,000 parts".to_owned());
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    fn node(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        wants: &[Want],
    ) -> Result<Id, String> {
        // Named types may nest one another deeper than their text does.
        if self.depth >= MAX_DEPTH {
            return Err("its types nest deeper than 256 levels".to_owned());
        }
        self.depth += 1;
        let id = self.node_within(schema, reader, wants);
        self.depth -= 1;
        id
    }

    /// Without wanted fields and without a reader this is a skip.
    fn node_within(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        wants: &[Want],
    ) -> Result<Id, String> {
        let schema = self.writer.follow(schema);
        if let Schema::Ref { name } = schema {
            return Err(format!("it refers to {}, which is not defined", name.fullname(None)));
        }
        // A writer's union is resolved branch by branch.
        if let Schema::Union(union) = schema {
            let id = self.push(Node::Null)?;
            let mut branches = Vec::new();
            for variant in union.variants() {
                branches.push(self.node(variant, reader, wants)?);
            }
            self.nodes[id] = Node::Union(branches);
            return Ok(id);
        }
        let (reader, convert) = match reader.map(|r| branch(schema, r, &self.reader)) {
            Some(Some((reader, convert))) => (Some(reader), convert),
            Some(None) => {
                return self.push(Node::Mismatch);
            }
            None => (None, Convert::Same),
        };
        let plain = wants.is_empty() && reader.is_none();
        let name = schema.name().filter(|_| plain).map(|n| n.fullname(None));
        if let Some(id) = name.as_ref().and_then(|name| self.skipped.get(name)) {
            return Ok(*id);
        }
        let id = self.push(Node::Null)?;
        if let Some(name) = name {
            self.skipped.insert(name, id);
        }
        let node = self.own(schema, reader, convert, wants)?;
        self.nodes[id] = node;
        Ok(id)
    }

    fn own(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        convert: Convert,
        wants: &[Want],
    ) -> Result<Node, String> {
        if let Schema::Decimal(decimal) = schema {
            let fixed = match &decimal.inner {
                InnerDecimalSchema::Bytes => None,
                InnerDecimalSchema::Fixed(f) => Some(f.size),
            };
            return Ok(Node::Decimal(fixed, decimal.scale));
        }
        Ok(match base(schema) {
            Base::Null | Base::Union => Node::Null,
            Base::Bool => Node::Bool,
            Base::Int => Node::Int(convert),
            Base::Long => match unit(schema).or_else(|| reader.and_then(unit)) {
                Some(unit) if convert == Convert::Same => Node::Time(unit),
                _ => Node::Long(convert),
            },
            Base::Float => Node::Float,
            Base::Double => Node::Double,
            Base::Bytes => Node::Bytes(convert),
            Base::Str => Node::Str(convert),
            Base::Fixed(n) => Node::Fixed(n),
            Base::Enum => symbols(schema, reader),
            Base::Array => match schema {
                Schema::Array(array) => Node::Array(self.node(&array.items, None, &[])?),
                _ => Node::Null,
            },
            Base::Map => self.map(schema, reader, wants)?,
            Base::Record => match schema {
                Schema::Record(record) => Node::Record(self.record(record, reader, wants)?),
                _ => Node::Null,
            },
        })
    }

    fn map(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        wants: &[Want],
    ) -> Result<Node, String> {
        let Schema::Map(map) = schema else { return Ok(Node::Null) };
        let reader = match reader {
            Some(Schema::Map(map)) => Some(&*map.types),
            _ => None,
        };
        let value = self.node(&map.types, None, &[])?;
        let mut fields = Vec::new();
        for want in wants {
            let node = self.node(&map.types, reader, &want.children)?;
            fields.push(Field { name: want.name.clone(), node, slot: want.slot });
        }
        Ok(Node::Map(Map { value, wants: fields }))
    }

    fn record(
        &mut self,
        writer: &'s RecordSchema,
        reader: Option<&'s Schema>,
        wants: &[Want],
    ) -> Result<Record, String> {
        let reader = match reader {
            Some(Schema::Record(record)) => Some(record),
            _ => None,
        };
        // Which of the writer's fields each want means, through the reader's names.
        let mut meant: Vec<(usize, &Want, Option<&'s Schema>)> = Vec::new();
        let mut absent = Vec::new();
        for want in wants {
            let asked = reader.map(|r| r.fields.iter().find(|f| f.name == want.name));
            let position = |name: &str| writer.fields.iter().position(|f| f.name == name);
            match asked {
                None => match position(&want.name) {
                    Some(at) => meant.push((at, want, None)),
                    None => missing(want, &mut absent, &Got::Missing),
                },
                // The reader does not see it, whether the writer has it or not.
                Some(None) => missing(want, &mut absent, &Got::Missing),
                Some(Some(field)) => {
                    let names = std::iter::once(&field.name).chain(&field.aliases);
                    match names.into_iter().find_map(|name| position(name)) {
                        Some(at) => meant.push((at, want, Some(&field.schema))),
                        None => defaults(
                            want,
                            field.default.as_ref(),
                            &field.schema,
                            &self.reader,
                            &mut absent,
                        ),
                    }
                }
            }
        }
        let mut fields = Vec::with_capacity(writer.fields.len());
        for (at, field) in writer.fields.iter().enumerate() {
            let want = meant.iter().find(|(position, ..)| *position == at);
            let (node, slot) = match want {
                Some((_, want, reader)) => {
                    (self.node(&field.schema, *reader, &want.children)?, want.slot)
                }
                None => (self.node(&field.schema, None, &[])?, None),
            };
            fields.push(Field { name: field.name.clone(), node, slot });
        }
        Ok(Record { fields, absent })
    }
}

fn symbols(writer: &Schema, reader: Option<&Schema>) -> Node {
    let Schema::Enum(writer) = writer else { return Node::Null };
    let known = |symbol: &String| match reader {
        Some(Schema::Enum(reader)) if !reader.symbols.contains(symbol) => {
            reader.default.as_deref().map(Into::into)
        }
        _ => Some(symbol.as_str().into()),
    };
    Node::Enum(writer.symbols.iter().map(known).collect())
}

/// Everything wanted of a field that is not there is `got`.
fn missing(want: &Want, absent: &mut Vec<(usize, Got<'static>)>, got: &Got<'static>) {
    absent.extend(want.slot.map(|slot| (slot, got.clone())));
    for child in &want.children {
        missing(child, absent, &Got::Missing);
    }
}

/// A field that a writer lacks takes its default, else null.
fn defaults<'s>(
    want: &Want,
    value: Option<&Value>,
    schema: &'s Schema,
    names: &Names<'s>,
    absent: &mut Vec<(usize, Got<'static>)>,
) {
    let Some(value) = value else { return missing(want, absent, &Got::Null) };
    absent.extend(want.slot.map(|slot| (slot, default(value, schema, names))));
    // Of a record that is null by default nothing is there, as of one that is null.
    if !value.is_object() {
        for child in &want.children {
            missing(child, absent, &Got::Missing);
        }
        return;
    }
    let mut schema = names.follow(schema);
    if let Schema::Union(union) = schema {
        let nested = |v: &&Schema| matches!(v, Schema::Record(_) | Schema::Map(_));
        schema = union.variants().iter().map(|v| names.follow(v)).find(nested).unwrap_or(schema);
    }
    for child in &want.children {
        let part = value.get(&child.name);
        match schema {
            Schema::Record(record) => match record.fields.iter().find(|f| f.name == child.name) {
                Some(f) => {
                    defaults(child, part.or(f.default.as_ref()), &f.schema, names, absent);
                }
                None => missing(child, absent, &Got::Missing),
            },
            Schema::Map(map) if part.is_some() => defaults(child, part, &map.types, names, absent),
            _ => missing(child, absent, &Got::Missing),
        }
    }
}

/// Whether a schema has a field at `path`; a map may have any.
pub(super) fn has(schema: &Schema, others: &[Schema], path: &[String]) -> bool {
    let names = Names::of(others.iter().chain([schema]));
    let mut open = vec![(names.follow(schema), path)];
    while let Some((schema, path)) = open.pop() {
        let [name, rest @ ..] = path else { return true };
        match schema {
            Schema::Map(_) => return true,
            Schema::Union(union) => {
                open.extend(union.variants().iter().map(|v| (names.follow(v), path)));
            }
            Schema::Record(record) => {
                let field = record.fields.iter().find(|f| f.name == *name);
                open.extend(field.map(|f| (names.follow(&f.schema), rest)));
            }
            _ => {}
        }
    }
    false
}

/// Which nodes' values take no byte; beyond [`MAX_DEPTH`] none is called empty.
fn empties(nodes: &[Node]) -> Vec<bool> {
    let mut known = vec![None; nodes.len()];
    for id in 0..nodes.len() {
        is_empty(nodes, id, &mut known, 0);
    }
    known.into_iter().map(|k| k == Some(true)).collect()
}

fn is_empty(nodes: &[Node], id: Id, known: &mut [Option<bool>], depth: usize) -> bool {
    if let Some(empty) = known[id] {
        return empty;
    }
    // A type that holds itself is not called empty.
    known[id] = Some(false);
    let empty = match &nodes[id] {
        Node::Null | Node::Fixed(0) | Node::Decimal(Some(0), _) => true,
        Node::Record(r) if depth < MAX_DEPTH => {
            r.fields.iter().all(|f| is_empty(nodes, f.node, known, depth + 1))
        }
        _ => false,
    };
    known[id] = Some(empty);
    empty
}
