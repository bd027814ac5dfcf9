//! The bytes of generated records.

use super::random::Random;

/// What a record is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub view: u64,
    pub user: u32,
    pub item: u32,
    /// What the producer's clock says, ms.
    pub ts: i64,
    /// `None`: a view; else which kind of engagement.
    pub engagement: Option<u8>,
    pub poison: Option<Poison>,
}

const KINDS: [&str; 4] = ["play", "like", "share", "skip"];
const SURFACES: [&str; 4] = ["home", "search", "profile", "mail"];

/// Which kind of engagement.
pub fn kind(random: &mut Random) -> u8 {
    match random.below(100) {
        0..55 => 0,
        55..80 => 1,
        80..88 => 2,
        _ => 3,
    }
}

/// How a record is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    /// JSON that ends too early.
    Truncated,
    /// Bytes that are no text.
    Binary,
    /// Confluent framing with a schema id that nobody knows, in a JSON topic.
    UnknownSchema,
    /// Arrays in arrays, deeper than any reader should follow.
    Nested,
    /// Null value.
    Tombstone,
    /// No key field.
    NoKey,
    /// A key field that is null.
    NullKey,
    /// A fractional number as key.
    FloatKey,
    /// The key as text: decodes, but equals no integer.
    TextKey,
    /// No time field.
    NoTime,
    /// A time that is a word.
    WordTime,
    /// A time that no i64 holds.
    HugeTime,
}

impl Poison {
    pub const ALL: [Self; 12] = [
        Self::Truncated,
        Self::Binary,
        Self::UnknownSchema,
        Self::Nested,
        Self::Tombstone,
        Self::NoKey,
        Self::NullKey,
        Self::FloatKey,
        Self::TextKey,
        Self::NoTime,
        Self::WordTime,
        Self::HugeTime,
    ];
}

/// Appends a number as decimal text.
pub fn number(out: &mut Vec<u8>, n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = n;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The value; `None`: null.
pub fn value(content: &Content) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    match content.poison {
        Some(Poison::Tombstone) => return None,
        Some(Poison::Nested) => return Some([[b'['; 5_000], [b']'; 5_000]].concat()),
        Some(Poison::Binary) => {
            return Some(
                (0..64u64)
                    .map(|i| (content.view.wrapping_mul(i * 7 + 3) >> 3) as u8 | 0x80)
                    .collect(),
            );
        }
        Some(Poison::UnknownSchema) => out.extend_from_slice(&[0, 0, 0, 0x0f, 0xa0]),
        _ => {}
    }
    out.push(b'{');
    let view = content.view;
    match content.poison {
        Some(Poison::NoKey) => {}
        Some(Poison::NullKey) => out.extend_from_slice(b"\"view_id\":null,"),
        poison => {
            out.extend_from_slice(b"\"view_id\":");
            let quote: &[u8] = if poison == Some(Poison::TextKey) { b"\"" } else { b"" };
            out.extend_from_slice(quote);
            number(&mut out, view);
            if poison == Some(Poison::FloatKey) {
                out.extend_from_slice(b".5");
            }
            out.extend_from_slice(quote);
            out.push(b',');
        }
    }
    if let Some(kind) = content.engagement {
        out.extend_from_slice(b"\"kind\":\"");
        out.extend_from_slice(KINDS[usize::from(kind) % 4].as_bytes());
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"user\":\"u");
    number(&mut out, u64::from(content.user));
    if content.engagement.is_none() {
        out.extend_from_slice(b"\",\"item\":\"i");
        number(&mut out, u64::from(content.item));
        out.extend_from_slice(b"\",\"surface\":\"");
        out.extend_from_slice(SURFACES[(view % 4) as usize].as_bytes());
        out.extend_from_slice(b"\",\"pos\":");
        number(&mut out, view % 23);
    } else {
        out.push(b'"');
    }
    match content.poison {
        Some(Poison::NoTime) => {}
        Some(Poison::WordTime) => out.extend_from_slice(b",\"ts\":\"soon\""),
        Some(Poison::HugeTime) => out.extend_from_slice(b",\"ts\":99999999999999999999"),
        _ => {
            out.extend_from_slice(b",\"ts\":");
            if content.ts < 0 {
                out.push(b'-');
            }
            number(&mut out, content.ts.unsigned_abs());
        }
    }
    out.push(b'}');
    if content.poison == Some(Poison::Truncated) {
        out.truncate(out.len() / 2);
    }
    Some(out)
}
