//! Keys as Flink has them: which subtask a key belongs to, and how the timers
//! of one time are ordered (rule E2). Integers are `BIGINT` / `Long`, texts
//! `STRING`, bytes `BYTES`.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::key::{Key, KeyValue};

/// The parallelism of a Flink operator, and what its keys are.
#[derive(Clone, Copy, Debug)]
pub struct KeyGroups {
    /// Subtasks; at least 1 and at most `max_parallelism`.
    pub parallelism: u16,
    /// Key groups, 1 to 32768.
    pub max_parallelism: u16,
    pub form: KeyForm,
}

/// What `keyBy` sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// A row of one field: `BinaryRowData`.
    Sql,
    /// The value itself: `Long`, `String`, `Boolean`; bytes as
    /// `Arrays.hashCode` has them (Flink takes no bare array as a key).
    DataStream,
}

impl KeyGroups {
    /// `KeyGroupRangeAssignment#assignKeyToParallelOperator`.
    #[inline]
    #[must_use]
    pub fn subtask(&self, key: &Key) -> u16 {
        if self.parallelism <= 1 {
            return 0;
        }
        let group = self.group(key);
        (u32::from(group) * u32::from(self.parallelism) / u32::from(self.max_parallelism)) as u16
    }

    /// `KeyGroupRangeAssignment#assignToKeyGroup`.
    #[must_use]
    pub fn group(&self, key: &Key) -> u16 {
        let hash = match self.form {
            KeyForm::Sql => row_hash(&row(key.value())),
            KeyForm::DataStream => java_hash(key.value()),
        };
        (murmur(hash) % u32::from(self.max_parallelism.max(1))) as u16
    }
}

/// `Object#hashCode`; 0 for null, which no job gets as far as to hash.
fn java_hash(key: KeyValue<'_>) -> i32 {
    match key {
        KeyValue::Null => 0,
        KeyValue::Int(n) => (n ^ (n as u64 >> 32) as i64) as i32,
        KeyValue::Bool(b) => [1237, 1231][usize::from(b)],
        KeyValue::String(text) => string_hash(text),
        KeyValue::Bytes(bytes) => bytes
            .iter()
            .fold(1i32, |hash, &byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte as i8))),
    }
}

/// `String#hashCode`.
pub(crate) fn string_hash(text: &str) -> i32 {
    let units = text.encode_utf16();
    units.fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `MathUtils#murmurHash`: never negative.
fn murmur(code: i32) -> u32 {
    let hash = bit_mix(mix(0, code as u32) ^ 4) as i32;
    if hash == i32::MIN { 0 } else { hash.unsigned_abs() }
}

/// `BinaryRowData#hashCode`: `MurmurHashUtils#hashBytesByWords`.
fn row_hash(row: &[u8]) -> i32 {
    let (words, _) = row.as_chunks::<4>();
    let hash = words.iter().fold(42, |hash, word| mix(hash, u32::from_le_bytes(*word)));
    bit_mix(hash ^ row.len() as u32) as i32
}

fn mix(hash: u32, word: u32) -> u32 {
    let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    (hash ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn bit_mix(hash: u32) -> u32 {
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// Offset of the one field: a header byte and null bits fill the first word.
const FIELD: usize = 8;
/// What stands in the field itself (`BinaryFormat.MAX_FIX_PART_DATA_SIZE`).
const INLINE: usize = 7;

/// A `BinaryRowData` of one field, as `BinaryRowWriter` writes it.
fn row(key: KeyValue<'_>) -> SmallVec<[u8; 64]> {
    let mut row: SmallVec<[u8; 64]> = SmallVec::from_slice(&[0; 2 * FIELD]);
    let bytes = match key {
        KeyValue::Null => {
            row[1] = 1;
            return row;
        }
        KeyValue::Int(n) => {
            row[FIELD..].copy_from_slice(&n.to_le_bytes());
            return row;
        }
        KeyValue::Bool(b) => {
            row[FIELD] = u8::from(b);
            return row;
        }
        KeyValue::String(text) => text.as_bytes(),
        KeyValue::Bytes(bytes) => bytes,
    };
    if bytes.len() <= INLINE {
        row[FIELD..FIELD + bytes.len()].copy_from_slice(bytes);
        row[FIELD + INLINE] = bytes.len() as u8 | 0x80;
    } else {
        let offset_and_size = (2 * FIELD as u64) << 32 | bytes.len() as u64;
        row[FIELD..].copy_from_slice(&offset_and_size.to_le_bytes());
        row.extend_from_slice(bytes);
        row.resize(row.len().next_multiple_of(8), 0);
    }
    row
}

/// Timers of one time and key group in RocksDB: by the serialized key, its
/// length first (`BinaryRowDataSerializer`). The keys are canonical bytes.
#[must_use]
pub fn timer_order(a: &[u8], b: &[u8]) -> Ordering {
    let row = |canonical| {
        let key = Key::from_canonical(canonical);
        key.map(|key| row(key.value())).unwrap_or_default()
    };
    let (a, b) = (row(a), row(b));
    (a.len(), &a[..]).cmp(&(b.len(), &b[..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use KeyValue::{Bool, Bytes, Int, Null, String};

    /// What the released classes give for keys of every type: `hashCode`,
    /// `assignToKeyGroup` of 128 and of 32768, and
    /// `assignKeyToParallelOperator` of 3 of 128 and of 7 of 720.
    #[test]
    fn keys_go_where_flink_2_3_0_sends_them() {
        use KeyForm::{DataStream, Sql};
        let long = "a rather long key, of more than sixteen bytes";
        for (form, key, hash, group128, group32768, of3, of7) in [
            (Sql, Null, -1_748_325_344, 99, 3555, 2, 1),
            (Sql, Int(0), -300_363_099, 102, 23_270, 2, 3),
            (DataStream, Int(0), 0, 94, 31_198, 2, 0),
            (Sql, Int(1), 1_465_514_398, 94, 11_102, 2, 3),
            (DataStream, Int(1), 1, 86, 16_342, 2, 1),
            (Sql, Int(-1), -821_098_432, 65, 4929, 1, 0),
            (DataStream, Int(-1), 0, 94, 31_198, 2, 0),
            (Sql, Int(1_234_567_890_123), -1_873_221_036, 62, 13_502, 1, 0),
            (DataStream, Int(1_234_567_890_123), 1_912_276_436, 92, 32_092, 2, 3),
            (Sql, Int(i64::MIN), 302_122_119, 102, 19_814, 2, 1),
            (DataStream, Int(i64::MIN), i32::MIN, 108, 10_348, 2, 0),
            (Sql, Bool(true), 1_465_514_398, 94, 11_102, 2, 3),
            (DataStream, Bool(true), 1231, 77, 11_725, 1, 0),
            (DataStream, Bool(false), 1237, 3, 32_003, 0, 3),
            (Sql, String(""), 302_122_119, 102, 19_814, 2, 1),
            (DataStream, String(""), 0, 94, 31_198, 2, 0),
            (Sql, String("k"), -1_060_197_570, 62, 17_214, 1, 6),
            (DataStream, String("k"), 107, 21, 24_469, 0, 6),
            (Sql, String("seven77"), 1_525_755_972, 118, 10_614, 2, 2),
            (Sql, String("eight888"), 217_642_644, 4, 8324, 0, 4),
            (DataStream, String("eight888"), 1_677_150_793, 97, 10_849, 2, 4),
            (Sql, String("v-0000000042"), 1_453_558_674, 55, 15_287, 1, 3),
            (Sql, String("pä€𝄞th"), -432_458_093, 49, 4145, 1, 3),
            (DataStream, String("pä€𝄞th"), -608_654_314, 102, 22_886, 2, 1),
            (Sql, String(long), -91_849_559, 14, 30_862, 0, 2),
            (DataStream, String(long), -1_378_744_854, 28, 29_596, 0, 0),
            (Sql, Bytes(&[0xff, 0]), -783_722_747, 112, 19_568, 2, 0),
            (DataStream, Bytes(&[0xff, 0]), 930, 10, 29_194, 0, 3),
            (Sql, Bytes(&[1, 2, 3, 4, 5, 6, 7, 8, 0x80]), 32_152_733, 65, 20_801, 1, 3),
            (DataStream, Bytes(&[1, 2, 3, 4, 5, 6, 7, 8, 0x80]), -31_483_749, 112, 2416, 2, 0),
        ] {
            let got = if form == Sql { row_hash(&row(key)) } else { java_hash(key) };
            assert_eq!(got, hash, "{form:?} {key:?}");
            let key = Key::new(key);
            let of =
                |parallelism, max_parallelism| KeyGroups { parallelism, max_parallelism, form };
            assert_eq!(of(1, 128).group(&key), group128, "{form:?} {key:?}");
            assert_eq!(of(1, 32_768).group(&key), group32768, "{form:?} {key:?}");
            assert_eq!(of(1, 1).group(&key), 0);
            assert_eq!(of(3, 128).subtask(&key), of3, "{form:?} {key:?}");
            assert_eq!(of(7, 720).subtask(&key), of7, "{form:?} {key:?}");
            assert_eq!(of(1, 128).subtask(&key), 0);
        }
    }

    #[test]
    fn timers_of_one_time_go_by_the_serialized_key() {
        let canonical = |key| Key::new(key).canonical().to_vec();
        // The longest row last; of seven bytes or less the bytes, then the length.
        let ordered = [
            String(""),
            String("a"),
            String("aa"),
            String("b"),
            String("seven77"),
            String("eight888"),
            String("ninebytes"),
        ];
        for pair in ordered.windows(2) {
            let (a, b) = (canonical(pair[0]), canonical(pair[1]));
            assert_eq!(timer_order(&a, &b), Ordering::Less, "{pair:?}");
            assert_eq!(timer_order(&a, &a), Ordering::Equal);
        }
        // A null key's header comes after that of every short one.
        assert_eq!(timer_order(&canonical(Null), &canonical(String("zz"))), Ordering::Greater);
        assert_eq!(timer_order(&canonical(Null), &canonical(String("eight888"))), Ordering::Less);
    }
}
