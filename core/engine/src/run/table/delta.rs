//! Delta-binary-packed, one of Parquet's encodings of whole numbers: differences
//! to the value before, less the smallest of their block, in as few bits as the
//! largest of 64 needs.

/// Values of a block and of each of its four mini blocks.
const BLOCK: usize = 256;
const MINI: usize = 64;

/// A number that wraps around at its own width, as the encoding wants it.
pub(super) trait Number: Copy + Ord {
    const MAX: Self;
    /// `self - other`.
    fn less(self, other: Self) -> Self;
    /// As unsigned bits of its own width.
    fn bits(self) -> u64;
    fn signed(self) -> i64;
}

macro_rules! number {
    ($type:ty, $unsigned:ty) => {
        impl Number for $type {
            const MAX: Self = <$type>::MAX;
            #[inline]
            fn less(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline]
            fn bits(self) -> u64 {
                u64::from(self as $unsigned)
            }
            #[inline]
            fn signed(self) -> i64 {
                i64::from(self)
            }
        }
    };
}
number!(i32, u32);
number!(i64, u64);

/// Appends `values` as one page's data.
pub(super) fn encode<N: Number>(values: &[N], out: &mut Vec<u8>) {
    let Some(first) = values.first() else {
        header(0, 0, out);
        return;
    };
    header(values.len(), first.signed(), out);
    for start in (1..values.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(values.len());
        block(&values[start - 1..end], out);
    }
}

/// Appends `n` numbers, the first being `first` and each one more than the one before.
pub(super) fn encode_counting(first: i64, n: usize, out: &mut Vec<u8>) {
    header(n, first, out);
    for _ in (1..n).step_by(BLOCK) {
        zigzag(1, out);
        out.extend_from_slice(&[0; BLOCK / MINI]);
    }
}

fn header(n: usize, first: i64, out: &mut Vec<u8>) {
    var(BLOCK as u64, out);
    var((BLOCK / MINI) as u64, out);
    var(n as u64, out);
    zigzag(first, out);
}

/// One block; `values` begins with the value before it.
fn block<N: Number>(values: &[N], out: &mut Vec<u8>) {
    let n = values.len() - 1;
    let mut deltas = [0u64; BLOCK];
    let mut least = N::MAX;
    for (before, value) in values.iter().zip(&values[1..]) {
        least = least.min(value.less(*before));
    }
    for (delta, (before, value)) in deltas.iter_mut().zip(values.iter().zip(&values[1..])) {
        *delta = value.less(*before).less(least).bits();
    }
    zigzag(least.signed(), out);
    let widths = out.len();
    out.extend_from_slice(&[0; BLOCK / MINI]);
    // What is beyond the last value is zero; mini blocks without any have no data.
    for (i, mini) in deltas[..n.next_multiple_of(MINI)].chunks_exact(MINI).enumerate() {
        let all = mini.iter().fold(0, |all, delta| all | delta);
        let width = u64::BITS - all.leading_zeros();
        out[widths + i] = width as u8;
        pack(mini, width, out);
    }
}

/// Appends 64 values of `width` bits each, lowest bits first.
fn pack(values: &[u64], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let mut words = [0u64; MINI];
    let (mut word, mut used, mut at) = (0u64, 0, 0);
    for value in values {
        word |= value << used;
        used += width;
        if used >= u64::BITS {
            words[at] = word;
            at += 1;
            used -= u64::BITS;
            // The bits that did not fit; a shift by all 64 would be none.
            word = value.checked_shr(width - used).unwrap_or(0);
        }
    }
    let start = out.len();
    out.resize(start + at * 8, 0);
    for (bytes, word) in out[start..].chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

/// LEB128.
fn var(mut v: u64, out: &mut Vec<u8>) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn zigzag(v: i64, out: &mut Vec<u8>) {
    var((v << 1 ^ v >> 63) as u64, out);
}
