//! How cells of the pyramids, largest event times and ticks lie in an index file:
//! each entry by what differs from the one before it, in chunks that can be read
//! alone. As plain entries they are three to five times as long, and what a question
//! costs from a cold disk is mostly how much of it there is.

use super::bytes::{In, Out};
use super::pyramid::{cell, uncell};

/// Entries of a chunk of cells or of largest event times.
const CHUNK: usize = 512;
/// Ticks of a chunk: one is asked for by itself too.
pub(crate) const TICK_CHUNK: usize = 64;

/// Where chunks begin: the block (of ticks: the position) of the first entry, and the
/// byte of the section. Both ascend.
pub(crate) type Fences = Vec<(u32, u32)>;

/// A section in chunks.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Packed {
    pub bytes: Vec<u8>,
    pub fences: Fences,
}

/// Largest event time of a lane in a block.
pub(crate) type High = (u32, u32, i64);
/// Arrival time and event-time watermark, ms, and first row at each 256th arrival.
pub(crate) type Tick = (i64, i64, u64);

/// The difference of two, small ones in few bytes, wherever they lie.
fn step(from: i64, to: i64) -> u64 {
    let by = to.wrapping_sub(from);
    (by << 1 ^ by >> 63) as u64
}

fn stepped(from: i64, step: u64) -> i64 {
    from.wrapping_add((step >> 1) as i64 ^ -((step & 1) as i64))
}

/// In chunks of `entries` that are made by `each`: it gets the entry before, in the
/// first of a chunk one that only has the block.
fn chunks<T: Copy>(
    entries: &[T],
    long: usize,
    first: impl Fn(usize, &T) -> (u32, T),
    mut each: impl FnMut(&mut Out, T, T),
) -> Packed {
    let mut out = Out::default();
    let mut fences = Fences::with_capacity(entries.len().div_ceil(long));
    for (n, chunk) in entries.chunks(long).enumerate() {
        let Some(begin) = chunk.first() else { continue };
        let (block, mut before) = first(n * long, begin);
        fences.push((block, out.0.len() as u32));
        for entry in chunk {
            each(&mut out, before, *entry);
            before = *entry;
        }
    }
    Packed { bytes: out.0, fences }
}

/// Which lane, and, if it is another, which block: `name` stands for what ascends
/// within a block.
fn put_name(out: &mut Out, before: (u64, u64), (block, name): (u64, u64)) {
    if block == before.0 {
        out.var(name.wrapping_sub(before.1) << 1);
    } else {
        out.var(name << 1 | 1);
        out.var(block.wrapping_sub(before.0));
    }
}

#[inline]
fn name(input: &mut In<'_>, before: (u64, u64)) -> Option<(u64, u64)> {
    let tag = input.var()?;
    Some(if tag & 1 == 0 {
        (before.0, before.1.wrapping_add(tag >> 1))
    } else {
        (before.0.wrapping_add(input.var()?), tag >> 1)
    })
}

/// Cells, sorted.
pub(crate) fn pack_cells(cells: &[u64]) -> Packed {
    let first = |_, c: &u64| ((c >> 32) as u32, cell(c >> 32, 0, 0, 0));
    chunks(cells, CHUNK, first, |out, before, entry| {
        let name = |c: u64| (c >> 32, c >> 12 & 0xf_ffff);
        put_name(out, name(before), name(entry));
        out.var(uncell(entry).3);
    })
}

/// The cells of one chunk whose first entry is of `block`; `None`: damaged.
pub(crate) fn cells(block: u32, bytes: &[u8], mut each: impl FnMut(u64)) -> Option<()> {
    let mut input = In(bytes);
    let mut before = (u64::from(block), 0);
    while !input.0.is_empty() {
        before = name(&mut input, before)?;
        let count = input.var()?;
        if before.0 > u64::from(u32::MAX) || before.1 > 0xf_ffff || count > 0xfff {
            return None;
        }
        each(before.0 << 32 | before.1 << 12 | count);
    }
    Some(())
}

/// Largest event times, sorted.
pub(crate) fn pack_highs(highs: &[High]) -> Packed {
    chunks(
        highs,
        CHUNK,
        |_, high| (high.0, (high.0, 0, 0)),
        |out, before, entry| {
            let name = |high: High| (u64::from(high.0), u64::from(high.1));
            put_name(out, name(before), name(entry));
            out.var(step(before.2, entry.2));
        },
    )
}

/// The largest event times of one chunk; `None`: damaged.
pub(crate) fn highs(block: u32, bytes: &[u8], mut each: impl FnMut(High)) -> Option<()> {
    let mut input = In(bytes);
    let (mut before, mut high) = ((u64::from(block), 0), 0);
    while !input.0.is_empty() {
        before = name(&mut input, before)?;
        high = stepped(high, input.var()?);
        each((u32::try_from(before.0).ok()?, u32::try_from(before.1).ok()?, high));
    }
    Some(())
}

/// Ticks, in order.
pub(crate) fn pack_ticks(ticks: &[Tick]) -> Packed {
    chunks(
        ticks,
        TICK_CHUNK,
        |at, _| (at as u32, (0, 0, 0)),
        |out, before, entry| {
            out.var(step(before.0, entry.0));
            out.var(step(before.1, entry.1));
            out.var(step(before.2 as i64, entry.2 as i64));
        },
    )
}

/// The ticks of one chunk; `None`: damaged.
pub(crate) fn ticks(bytes: &[u8], into: &mut Vec<Tick>) -> Option<()> {
    let mut input = In(bytes);
    let mut before: Tick = (0, 0, 0);
    while !input.0.is_empty() {
        before.0 = stepped(before.0, input.var()?);
        before.1 = stepped(before.1, input.var()?);
        before.2 = stepped(before.2 as i64, input.var()?) as u64;
        into.push(before);
    }
    Some(())
}

/// The chunks with what lies in blocks `from..to`, by number.
pub(crate) fn chunks_of(fences: &[(u32, u32)], from: u64, to: u64) -> std::ops::Range<usize> {
    // A block may begin in the chunk before the one that is named after it.
    let first = fences.partition_point(|f| u64::from(f.0) < from).saturating_sub(1);
    let end = fences.partition_point(|f| u64::from(f.0) < to);
    first..end.max(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::pyramid::push_cell;

    fn random(seed: &mut u64, below: u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) % below
    }

    /// Below two to a power below `powers`: small ones as often as large ones.
    fn wide(seed: &mut u64, powers: u64) -> u64 {
        let power = random(seed, powers);
        random(seed, 1 << power)
    }

    /// Each chunk by itself, with its fence and its bytes.
    fn pieces(packed: &Packed) -> impl Iterator<Item = (u32, &[u8])> {
        let ends = packed.fences.iter().skip(1).map(|f| f.1 as usize);
        let ends = ends.chain([packed.bytes.len()]);
        packed.fences.iter().zip(ends).map(|(f, end)| (f.0, &packed.bytes[f.1 as usize..end]))
    }

    #[test]
    fn everything_comes_back_and_is_found_by_its_block() {
        for mut seed in 0..40 {
            let seed = &mut seed;
            let (mut all, mut highest) = (Vec::new(), Vec::new());
            let mut block = random(seed, 1 << 30);
            for _ in 0..random(seed, 300) {
                block += 1 + random(seed, 3) * wide(seed, 20);
                let mut lane = random(seed, 3);
                for _ in 0..random(seed, 40) {
                    let count = wide(seed, 15);
                    for verdict in [1, 2, 15] {
                        push_cell(&mut all, block, lane as u16, verdict, count);
                    }
                    let far = [i64::MAX, i64::MIN + 1, 1_700_000_000_000][random(seed, 3) as usize];
                    let high = far.wrapping_add(random(seed, 900) as i64);
                    highest.push((block as u32, lane as u32, high));
                    lane += 1 + wide(seed, 10);
                }
            }
            let packed = pack_cells(&all);
            let mut back = Vec::new();
            for (block, bytes) in pieces(&packed) {
                cells(block, bytes, |cell| back.push(cell)).unwrap();
            }
            assert!(back == all, "{seed}");
            let packed_highs = pack_highs(&highest);
            let mut back = Vec::new();
            for (block, bytes) in pieces(&packed_highs) {
                highs(block, bytes, |high| back.push(high)).unwrap();
            }
            assert!(back == highest, "{seed}");
            let pieces: Vec<_> = pieces(&packed).collect();
            for _ in 0..20 {
                let from = random(seed, block + 2);
                let to = from + wide(seed, 30);
                let within = |cell: &u64| (from..to).contains(&(cell >> 32));
                let mut found = Vec::new();
                for (block, bytes) in &pieces[chunks_of(&packed.fences, from, to)] {
                    cells(*block, bytes, |cell| found.push(cell)).unwrap();
                }
                found.retain(within);
                let want: Vec<u64> = all.iter().copied().filter(within).collect();
                assert!(found == want, "{seed}: {from}..{to}");
            }
        }
    }

    #[test]
    fn ticks_come_back_wherever_they_lie() {
        let mut all: Vec<Tick> = (0..1_000)
            .map(|i| (1_700_000_000_000 + i * 137, i64::MIN + i % 2, (i as u64) * 256))
            .collect();
        all.extend([(i64::MAX, i64::MAX, u64::MAX), (i64::MIN, 0, 0), (-1, 7, 1)]);
        let packed = pack_ticks(&all);
        let mut back = Vec::new();
        for (n, (first, bytes)) in pieces(&packed).enumerate() {
            assert_eq!(first as usize, n * TICK_CHUNK);
            ticks(bytes, &mut back).unwrap();
        }
        assert_eq!(back, all);
    }

    /// What is cut or has other bytes is damaged or something else, never a panic.
    #[test]
    fn other_bytes_do_no_harm() {
        for mut seed in 0..2_000 {
            let bytes: Vec<u8> =
                (0..random(&mut seed, 60)).map(|_| random(&mut seed, 256) as u8).collect();
            let block = random(&mut seed, 1 << 32) as u32;
            let _ = cells(block, &bytes, |_| {});
            let _ = highs(block, &bytes, |_| {});
            let _ = ticks(&bytes, &mut Vec::new());
        }
        assert_eq!(cells(0, &[0x80], |_| {}), None);
        assert_eq!(highs(u32::MAX, &[1, 1, 0], |_| {}), None);
    }
}
