//! A whole body as JSON, for people: bytes in hex, enums as texts, decimals as
//! decimal text, unions as their branch.

use serde_json::{Map as Object, Value};

use super::cursor::Cursor;
use super::{Bad, Id, MAX_DEPTH, Node, Plan};

/// Items without bytes are shown up to this many.
const MAX_EMPTY: u64 = 1_000;

pub(super) fn show(
    plan: &Plan,
    id: Id,
    cursor: &mut Cursor<'_>,
    depth: usize,
) -> Result<Value, Bad> {
    cursor.step()?;
    if depth > MAX_DEPTH {
        return Err(cursor.bad("it nests deeper than 256 levels"));
    }
    Ok(match &plan.nodes[id] {
        Node::Null => Value::Null,
        Node::Bool => cursor.bool()?.into(),
        Node::Int(_) => cursor.int()?.into(),
        Node::Long(_) | Node::Time(_) => cursor.long()?.into(),
        Node::Float => float(cursor.float()?),
        Node::Double => float(cursor.double()?),
        Node::Bytes(_) => hex(cursor.bytes()?).into(),
        Node::Str(_) => cursor.str()?.into(),
        Node::Fixed(n) => hex(cursor.take(*n)?).into(),
        Node::Decimal(None, scale) => decimal(cursor.bytes()?, *scale).into(),
        Node::Decimal(Some(n), scale) => decimal(cursor.take(*n)?, *scale).into(),
        Node::Enum(symbols) => match &symbols[cursor.index(symbols.len())?] {
            Some(symbol) => symbol.as_ref().into(),
            None => Value::Null,
        },
        Node::Union(branches) => {
            let branch = branches[cursor.index(branches.len())?];
            show(plan, branch, cursor, depth + 1)?
        }
        Node::Record(record) => {
            let mut object = Object::new();
            for field in &record.fields {
                object.insert(field.name.clone(), show(plan, field.node, cursor, depth + 1)?);
            }
            object.into()
        }
        Node::Array(item) => {
            let mut items = Vec::new();
            while let Some((count, end)) = cursor.block()? {
                let count = if plan.empty[*item] { count.min(MAX_EMPTY) } else { count };
                for _ in 0..count {
                    items.push(show(plan, *item, cursor, depth + 1)?);
                }
                cursor.block_end(end)?;
            }
            items.into()
        }
        Node::Map(map) => {
            let mut object = Object::new();
            while let Some((count, end)) = cursor.block()? {
                for _ in 0..count {
                    let name = cursor.str()?.to_owned();
                    object.insert(name, show(plan, map.value, cursor, depth + 1)?);
                }
                cursor.block_end(end)?;
            }
            object.into()
        }
        Node::Mismatch => {
            return Err(cursor.bad("the reader schema cannot take the type of a field"));
        }
    })
}

/// JSON has no NaN and no infinities: they are shown as texts.
fn float(n: f64) -> Value {
    serde_json::Number::from_f64(n).map_or_else(|| n.to_string().into(), Value::Number)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// Two's complement, big-endian; beyond 128 bits in hex.
fn decimal(bytes: &[u8], scale: usize) -> String {
    if bytes.is_empty() || bytes.len() > 16 || scale > 40 {
        return hex(bytes);
    }
    let mut wide = if bytes[0] & 0x80 == 0 { [0; 16] } else { [0xff; 16] };
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    let n = i128::from_be_bytes(wide);
    let digits = format!("{:0>width$}", n.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if n < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_shown_as_numbers() {
        assert_eq!(decimal(&[0x04, 0xd2], 2), "12.34");
        assert_eq!(decimal(&[0xff], 2), "-0.01");
        assert_eq!(decimal(&[0x05], 0), "5");
        assert_eq!(decimal(&[], 2), "");
    }
}
