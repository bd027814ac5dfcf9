//! A hash table of eight-byte entries, probed in a line: a lookup touches one
//! cache line and follows no pointer. What it holds lies in order of the hash,
//! so that it grows by reading and writing in sequence.

/// A 32-bit tag and a 32-bit value; `EMPTY` holds nothing.
type Entry = u64;

const EMPTY: Entry = u64::MAX;

/// From tags to values; several entries may have one tag.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    /// Bits of a spread tag that do not name a place.
    shift: u32,
    len: usize,
}

fn tag_of(entry: Entry) -> u32 {
    (entry >> 32) as u32
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: vec![EMPTY; 64], shift: 64 - 6, len: 0 }
    }
}

impl Table {
    /// Bytes allocated.
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        (u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    /// The entry where a tag would stand: reading it brings the line near.
    #[inline]
    pub fn peek(&self, tag: u32) -> u64 {
        self.entries[self.home(tag)]
    }

    /// Where the entry with this tag is whose value is the one.
    #[inline]
    pub fn find(&self, tag: u32, mut is: impl FnMut(u32) -> bool) -> Option<usize> {
        let mut at = self.home(tag);
        loop {
            let entry = self.entries[at];
            if entry == EMPTY {
                return None;
            }
            if tag_of(entry) == tag && is(entry as u32) {
                return Some(at);
            }
            at = self.after(at);
        }
    }

    /// The value of an entry that [`Table::find`] gave.
    #[inline]
    pub fn get(&self, at: usize) -> u32 {
        self.entries[at] as u32
    }

    /// Changes its value, which is never `u32::MAX`.
    #[inline]
    pub fn set(&mut self, at: usize, value: u32) {
        self.entries[at] = self.entries[at] >> 32 << 32 | u64::from(value);
    }

    /// Adds an entry; the value is never `u32::MAX`.
    #[inline]
    pub fn insert(&mut self, tag: u32, value: u32) {
        // Up to 11/16 full: a search that fails then looks at six entries.
        if (self.len + 1) * 16 > self.entries.len() * 11 {
            self.grow();
        }
        self.len += 1;
        let mut at = self.home(tag);
        while self.entries[at] != EMPTY {
            at = self.after(at);
        }
        self.entries[at] = u64::from(tag) << 32 | u64::from(value);
    }

    /// Removes an entry; those behind it close up.
    #[inline]
    pub fn remove(&mut self, at: usize) {
        let mask = self.entries.len() - 1;
        let (mut hole, mut at) = (at, at);
        loop {
            at = self.after(at);
            let entry = self.entries[at];
            if entry == EMPTY {
                break;
            }
            let from_home = at.wrapping_sub(self.home(tag_of(entry))) & mask;
            if from_home >= at.wrapping_sub(hole) & mask {
                self.entries[hole] = entry;
                hole = at;
            }
        }
        self.entries[hole] = EMPTY;
        self.len -= 1;
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![EMPTY; self.entries.len() * 2];
        let old = std::mem::replace(&mut self.entries, larger);
        self.shift -= 1;
        for entry in old {
            if entry != EMPTY {
                let mut at = self.home(tag_of(entry));
                while self.entries[at] != EMPTY {
                    at = self.after(at);
                }
                self.entries[at] = entry;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_map() {
        let mut table = Table::default();
        let mut model: Vec<(u32, u32)> = Vec::new();
        let mut x = 1u64;
        for n in 0..60_000u32 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few tags at first: long runs and the wrap at the end.
            let tag = if n < 300 { u32::MAX - (x >> 62) as u32 } else { (x >> 32) as u32 };
            if (x >> 20).is_multiple_of(4) && !model.is_empty() {
                let (tag, value) = model.swap_remove((x >> 33) as usize % model.len());
                let at = table.find(tag, |v| v == value).unwrap();
                assert_eq!(table.get(at), value);
                table.remove(at);
                assert_eq!(table.find(tag, |v| v == value), None);
            } else {
                table.insert(tag, n);
                model.push((tag, n));
            }
            if n % 1000 == 299 {
                for &(tag, value) in &model {
                    assert!(table.find(tag, |v| v == value).is_some());
                }
            }
        }
        assert_eq!(table.len, model.len());
    }
}
