//! Reading a body along its plan: every byte is read or checked, few are kept.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::{Bad, Convert, Id, MAX_DEPTH, Map, Node, Plan};
use crate::codec::needs::Slots;
use crate::codec::value::Got;

/// Reads one value; what it is goes into `slot`, if it is wanted.
pub(super) fn walk<'a>(
    plan: &'a Plan,
    id: Id,
    slot: Option<usize>,
    cursor: &mut Cursor<'a>,
    out: &mut Slots<'a>,
    depth: usize,
) -> Result<(), Bad> {
    cursor.step()?;
    let got = match &plan.nodes[id] {
        Node::Null => Got::Null,
        Node::Bool => Got::Bool(cursor.bool()?),
        Node::Int(convert) => number(cursor.int()?, *convert),
        Node::Long(convert) => number(cursor.long()?, *convert),
        Node::Time(unit) => Got::Time(cursor.long()?, *unit),
        Node::Float => Got::Float(cursor.float()?),
        Node::Double => Got::Float(cursor.double()?),
        Node::Bytes(Convert::ToStr) => {
            let bytes = cursor.bytes()?;
            let text = std::str::from_utf8(bytes);
            Got::Str(Cow::Borrowed(text.map_err(|_| cursor.bad("a text is not UTF-8"))?))
        }
        Node::Bytes(_) | Node::Decimal(None, _) => Got::Bytes(Cow::Borrowed(cursor.bytes()?)),
        Node::Str(Convert::ToBytes) => Got::Bytes(Cow::Borrowed(cursor.str()?.as_bytes())),
        Node::Str(_) => Got::Str(Cow::Borrowed(cursor.str()?)),
        Node::Fixed(n) | Node::Decimal(Some(n), _) => Got::Bytes(Cow::Borrowed(cursor.take(*n)?)),
        Node::Enum(symbols) => {
            let symbol = &symbols[cursor.index(symbols.len())?];
            match symbol {
                Some(symbol) => Got::Str(Cow::Borrowed(symbol)),
                None => return Err(cursor.bad("the reader schema lacks an enum's symbol")),
            }
        }
        Node::Union(branches) => {
            let branch = branches[cursor.index(branches.len())?];
            deeper(depth, cursor)?;
            return walk(plan, branch, slot, cursor, out, depth + 1);
        }
        Node::Record(record) => {
            deeper(depth, cursor)?;
            for (slot, default) in &record.absent {
                out[*slot] = default.clone();
            }
            for field in &record.fields {
                walk(plan, field.node, field.slot, cursor, out, depth + 1)?;
            }
            Got::Nested
        }
        Node::Array(item) => {
            deeper(depth, cursor)?;
            while let Some((count, end)) = cursor.block()? {
                // Items without bytes need no work, however many there are.
                if !plan.empty[*item] {
                    for _ in 0..count {
                        walk(plan, *item, None, cursor, out, depth + 1)?;
                    }
                }
                cursor.block_end(end)?;
            }
            Got::Nested
        }
        Node::Map(map) => {
            deeper(depth, cursor)?;
            entries(plan, map, cursor, out, depth + 1)?;
            Got::Nested
        }
        Node::Mismatch => {
            return Err(cursor.bad("the reader schema cannot take the type of a field"));
        }
    };
    if let Some(slot) = slot {
        out[slot] = got;
    }
    Ok(())
}

fn deeper(depth: usize, cursor: &Cursor<'_>) -> Result<(), Bad> {
    if depth < MAX_DEPTH { Ok(()) } else { Err(cursor.bad("it nests deeper than 256 levels")) }
}

/// A map is taken for an object: where a name stands twice, the last one counts.
fn entries<'a>(
    plan: &'a Plan,
    map: &'a Map,
    cursor: &mut Cursor<'a>,
    out: &mut Slots<'a>,
    depth: usize,
) -> Result<(), Bad> {
    while let Some((count, end)) = cursor.block()? {
        for _ in 0..count {
            let name = cursor.str()?;
            match map.wants.iter().find(|w| w.name == name) {
                Some(want) => walk(plan, want.node, want.slot, cursor, out, depth)?,
                None => walk(plan, map.value, None, cursor, out, depth)?,
            }
        }
        cursor.block_end(end)?;
    }
    Ok(())
}

fn number<'a>(n: i64, convert: Convert) -> Got<'a> {
    if convert == Convert::ToFloat { Got::Float(n as f64) } else { Got::Int(n) }
}
