//! How outputs are named, and what stands for each input in one
//! (10-command-line, "What a sink topic gets").

use bytes::Bytes;
use serde_json::{Map, Value};
use smallvec::SmallVec;

use crate::engine::step::OutputKind;
use crate::operator::key::{Key, KeyValue};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::RecordName;

/// A number in decimal, at the end of `out`.
pub(super) fn put_number(out: &mut Vec<u8>, n: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// As [`RecordName`] displays itself.
pub(super) fn put_name(out: &mut Vec<u8>, name: &RecordName) {
    out.extend_from_slice(name.topic.as_bytes());
    out.push(b'[');
    put_number(out, name.partition);
    out.extend_from_slice(b"]@");
    put_number(out, name.offset);
}

/// Names of records with `between` them.
pub(super) fn put_names(out: &mut Vec<u8>, names: &[RecordName], between: u8) {
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            out.push(between);
        }
        put_name(out, name);
    }
}

/// The join key as text; whether there is one.
pub(super) fn put_key(out: &mut Vec<u8>, key: &Key) -> bool {
    match key.value() {
        KeyValue::Null => return false,
        KeyValue::Int(n) => put_number(out, n),
        KeyValue::Bool(b) => out.extend_from_slice(if b { b"true" } else { b"false" }),
        KeyValue::String(s) => out.extend_from_slice(s.as_bytes()),
        KeyValue::Bytes(b) => out.extend_from_slice(b),
    }
    true
}

/// The join key as text: numbers in decimal, strings and bytes as they are.
#[must_use]
pub fn key_text(key: &Key) -> Option<Bytes> {
    let mut text = Vec::new();
    put_key(&mut text, key).then(|| text.into())
}

/// As [`example_name`], at the end of `out`; so many bytes of it are the name of
/// the example that it corrects.
pub(super) fn put_example(
    out: &mut Vec<u8>,
    pipeline: &Pipeline,
    (kind, correction): (OutputKind, u32),
    inputs: &[u8],
    names: &[RecordName],
) -> Option<usize> {
    match kind {
        OutputKind::Pair => put_names(out, names, b'+'),
        OutputKind::Pad => put_names(out, names.get(..1).unwrap_or_default(), b'+'),
        OutputKind::Example => {
            let from = out.len();
            let primary = inputs.iter().position(|input| *input == pipeline.join.primary);
            if let Some(name) = primary.and_then(|i| names.get(i)) {
                put_name(out, name);
            }
            if correction > 0 {
                let first = out.len() - from;
                out.push(b'#');
                put_number(out, correction);
                return Some(first);
            }
        }
    }
    None
}

/// The name of an example, unique and stable, and the one that it corrects.
/// `inputs` and `names` are those of the records behind it, in its own order.
#[must_use]
pub fn example_name(
    pipeline: &Pipeline,
    which: (OutputKind, u32),
    inputs: &[u8],
    names: &[RecordName],
) -> (String, Option<String>) {
    let mut name = Vec::new();
    let corrects = put_example(&mut name, pipeline, which, inputs, names);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&name), corrects.map(|first| text(&name[..first])))
}

/// What stands for an input in an output's value, by positions among the
/// records behind it.
pub(super) enum Side {
    One(usize),
    /// What was folded.
    Folded(SmallVec<[usize; 4]>),
    Missing,
}

/// Each input that the value of an output has, with what stands for it.
/// `inputs` are those of the records behind the output.
pub(super) fn each_side(
    pipeline: &Pipeline,
    kind: OutputKind,
    inputs: &[u8],
    mut to: impl FnMut(usize, Side),
) {
    for input in 0..pipeline.inputs.len() {
        let mut of: SmallVec<[usize; 4]> = SmallVec::new();
        of.extend((0..inputs.len()).filter(|at| usize::from(inputs[*at]) == input));
        let primary = usize::from(pipeline.join.primary) == input;
        let side = if kind == OutputKind::Example && !primary {
            Side::Folded(of)
        } else if let [one] = of[..] {
            Side::One(one)
        } else if kind == OutputKind::Pair
            || (kind == OutputKind::Pad
                && !primary
                && inputs.first().is_none_or(|input| *input != pipeline.join.primary))
        {
            // A pair has only its two inputs; a secondary's pad its own and the primary.
            continue;
        } else {
            Side::Missing
        };
        to(input, side);
    }
}

/// What stands for each input in an output's value: the one record, null for a
/// missing side, a list of what was folded. `inputs` are those of the records
/// behind it; `value` gives the i-th one's.
pub fn sides(
    pipeline: &Pipeline,
    kind: OutputKind,
    inputs: &[u8],
    mut value: impl FnMut(usize) -> Value,
) -> Map<String, Value> {
    let mut sides = Map::new();
    each_side(pipeline, kind, inputs, |input, side| {
        let side = match side {
            Side::One(at) => value(at),
            Side::Folded(all) => all.into_iter().map(&mut value).collect::<Vec<_>>().into(),
            Side::Missing => Value::Null,
        };
        sides.insert(pipeline.inputs[input].name.to_string(), side);
    });
    sides
}
