//! Join keys: equal iff type and value are (3-semantics, Keys).

use std::fmt;
use std::hash::{Hash, Hasher};

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

/// A key's canonical form: one type byte, then the value (integers as 8 bytes
/// big-endian with the sign bit flipped, so that bytes order as numbers do).
/// Its hash, which also chooses the shard, is XXH3 of that form.
#[derive(Clone)]
pub struct Key {
    hash: u64,
    bytes: SmallVec<[u8; 24]>,
}

/// The first byte of a key that is none.
pub const NULL: u8 = b'n';
const INT: u8 = b'i';
const STRING: u8 = b's';
const BOOL: u8 = b'b';
const BYTES: u8 = b'x';

/// A key's value, borrowed from its canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyValue<'a> {
    /// No key at all: it equals nothing. Only the released semantics hand such
    /// rows to their join; to `clean` they are `unkeyed`.
    Null,
    Int(i64),
    String(&'a str),
    Bool(bool),
    Bytes(&'a [u8]),
}

impl Key {
    #[must_use]
    pub fn new(value: KeyValue<'_>) -> Self {
        let mut bytes = SmallVec::new();
        match value {
            KeyValue::Null => bytes.push(NULL),
            KeyValue::Int(n) => {
                bytes.push(INT);
                bytes.extend_from_slice(&((n as u64) ^ (1 << 63)).to_be_bytes());
            }
            KeyValue::String(s) => {
                bytes.push(STRING);
                bytes.extend_from_slice(s.as_bytes());
            }
            KeyValue::Bool(b) => bytes.extend_from_slice(&[BOOL, u8::from(b)]),
            KeyValue::Bytes(b) => {
                bytes.push(BYTES);
                bytes.extend_from_slice(b);
            }
        }
        Self { hash: xxh3_64(&bytes), bytes }
    }

    /// `$key`: a string if it is UTF-8, else bytes.
    #[must_use]
    pub fn from_kafka(key: &[u8]) -> Self {
        match std::str::from_utf8(key) {
            Ok(s) => Self::new(KeyValue::String(s)),
            Err(_) => Self::new(KeyValue::Bytes(key)),
        }
    }

    /// Every key but null that is shown as this text.
    #[must_use]
    pub fn shown_as(text: &str) -> Vec<Self> {
        let mut keys = vec![Self::new(KeyValue::String(text))];
        if let Some(n) = text.parse::<i64>().ok().filter(|n| n.to_string() == text) {
            keys.push(Self::new(KeyValue::Int(n)));
        }
        if let Ok(b) = text.parse::<bool>() {
            keys.push(Self::new(KeyValue::Bool(b)));
        }
        let hex = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if hex && text.len().is_multiple_of(2) {
            let digits = (0..text.len()).step_by(2).filter_map(|i| text.get(i..i + 2));
            let bytes: Vec<u8> = digits.filter_map(|d| u8::from_str_radix(d, 16).ok()).collect();
            keys.push(Self::new(KeyValue::Bytes(&bytes)));
        }
        keys
    }

    /// The inverse of [`Key::canonical`]; `None` if the bytes are no key.
    #[must_use]
    pub fn from_canonical(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let valid = match *tag {
            NULL => rest.is_empty(),
            INT => rest.len() == 8,
            STRING => std::str::from_utf8(rest).is_ok(),
            BOOL => matches!(rest, [0 | 1]),
            BYTES => true,
            _ => false,
        };
        valid.then(|| Self { hash: xxh3_64(bytes), bytes: SmallVec::from_slice(bytes) })
    }

    #[must_use]
    pub fn canonical(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is [`KeyValue::Null`].
    #[inline]
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.bytes[0] == NULL
    }

    #[must_use]
    pub fn hash64(&self) -> u64 {
        self.hash
    }

    #[must_use]
    pub fn value(&self) -> KeyValue<'_> {
        let rest = &self.bytes[1..];
        match self.bytes[0] {
            NULL => KeyValue::Null,
            INT => {
                let mut n = [0; 8];
                n.copy_from_slice(rest);
                KeyValue::Int((u64::from_be_bytes(n) ^ (1 << 63)) as i64)
            }
            STRING => KeyValue::String(std::str::from_utf8(rest).unwrap_or_default()),
            BOOL => KeyValue::Bool(rest[0] != 0),
            _ => KeyValue::Bytes(rest),
        }
    }

    /// What keys have in common that differ only in case, surrounding
    /// whitespace or type: XXH3 of the trimmed lower-case text form.
    #[must_use]
    pub fn normal_hash(&self) -> u64 {
        match self.value() {
            KeyValue::String(s) => {
                let s = s.trim();
                if s.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
                    xxh3_64(s.as_bytes())
                } else {
                    xxh3_64(s.to_lowercase().as_bytes())
                }
            }
            KeyValue::Int(n) => {
                let mut buffer = [0u8; 20];
                xxh3_64(decimal(n, &mut buffer))
            }
            KeyValue::Bool(b) => xxh3_64(if b { b"true" } else { b"false" }),
            KeyValue::Bytes(b) => xxh3_64(b),
            KeyValue::Null => self.hash,
        }
    }
}

/// The decimal text of `n`, written from the end of `buffer`.
fn decimal(n: i64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.bytes == other.bytes
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The key as text; strings unquoted, bytes in hex.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            KeyValue::Null => f.write_str("null"),
            KeyValue::Int(n) => write!(f, "{n}"),
            KeyValue::String(s) => f.write_str(s),
            KeyValue::Bool(b) => write!(f, "{b}"),
            KeyValue::Bytes(b) => b.iter().try_for_each(|b| write!(f, "{b:02x}")),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_types_differ_and_normalise_alike() {
        let int = Key::new(KeyValue::Int(-42));
        let text = Key::new(KeyValue::String("-42"));
        assert_ne!(int, text);
        assert_eq!(int.normal_hash(), text.normal_hash());
        assert_eq!(
            Key::new(KeyValue::String(" Alpha ")).normal_hash(),
            Key::new(KeyValue::String("alpha")).normal_hash()
        );
        assert_eq!(Key::new(KeyValue::Int(i64::MIN)).to_string(), i64::MIN.to_string());
    }

    #[test]
    fn a_text_stands_for_every_key_that_is_shown_so() {
        for key in [
            KeyValue::String("a b"),
            KeyValue::String(""),
            KeyValue::String("-7"),
            KeyValue::String("007"),
            KeyValue::Int(-7),
            KeyValue::Int(i64::MAX),
            KeyValue::Bool(true),
            KeyValue::Bytes(&[]),
            KeyValue::Bytes(&[0, 0xff]),
        ] {
            let key = Key::new(key);
            let text = key.to_string();
            let keys = Key::shown_as(&text);
            assert!(keys.contains(&key), "{text}");
            assert!(keys.iter().all(|key| key.to_string() == text), "{text}");
        }
    }

    #[test]
    fn canonical_form_round_trips() {
        for v in [
            KeyValue::Null,
            KeyValue::Int(i64::MIN),
            KeyValue::Int(7),
            KeyValue::String(""),
            KeyValue::String("päth"),
            KeyValue::Bool(true),
            KeyValue::Bytes(&[0xff, 0]),
        ] {
            let key = Key::new(v);
            assert_eq!(key.value(), v);
            assert_eq!(Key::from_canonical(key.canonical()), Some(key));
        }
        assert_eq!(Key::from_canonical(b""), None);
        assert_eq!(Key::from_canonical(b"n0"), None);
        assert!(Key::new(KeyValue::Null).is_null() && !Key::new(KeyValue::Int(0)).is_null());
        assert_eq!(Key::from_canonical(b"i123"), None);
        assert_eq!(Key::from_canonical(b"s\xff"), None);
    }
}
