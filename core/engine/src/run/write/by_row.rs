//! What a segment says of rows, in the order of the rows.

/// Numbers, each with the row that it belongs to: by row, those of one row as they came.
#[derive(Default)]
pub(super) struct ByRow {
    least: u64,
    /// A row, counted from the least, and its number in one word: half of what has to
    /// be moved otherwise. The rows that a segment names lie within some millions.
    near: Vec<u64>,
    /// Where they lie further apart than 32 bits say.
    far: Vec<(u64, u32)>,
}

impl ByRow {
    /// Takes other ones in, and puts them in order.
    pub fn order(&mut self, entries: impl Iterator<Item = (u64, u32)> + Clone) {
        let Self { least, near, far } = self;
        near.clear();
        far.clear();
        let (first, last) = entries
            .clone()
            .fold((u64::MAX, 0), |(first, last), (row, _)| (first.min(row), last.max(row)));
        *least = first;
        if last.saturating_sub(first) <= u32::MAX.into() {
            near.extend(entries.map(|(row, number)| (row - first) << 32 | u64::from(number)));
            // Stable, and few digits differ.
            radsort::sort_by_key(near, |entry| (entry >> 32) as u32);
        } else {
            far.extend(entries);
            radsort::sort_by_key(far, |entry| entry.0);
        }
    }

    pub fn len(&self) -> usize {
        self.near.len() + self.far.len()
    }

    /// Row and number at a place.
    #[inline]
    pub fn get(&self, at: usize) -> (u64, u32) {
        match self.near.get(at) {
            Some(entry) => self.unpack(*entry),
            None => self.far[at],
        }
    }

    #[inline]
    fn unpack(&self, entry: u64) -> (u64, u32) {
        (self.least + (entry >> 32), entry as u32)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.near.iter().map(|entry| self.unpack(*entry)).chain(self.far.iter().copied())
    }

    /// Gives back what an ordinary segment does not need.
    pub fn shrink_to(&mut self, entries: usize) {
        self.near.clear();
        self.near.shrink_to(entries);
        self.far.clear();
        self.far.shrink_to(entries);
    }

    /// (segment, how many entries) by ascending row; `segment_of`: the segment that a
    /// row is in, and the first row after it.
    pub fn targets(&self, segment_of: &dyn Fn(u64) -> (u64, u64)) -> Vec<(u64, u64)> {
        let mut targets = Vec::new();
        let mut at = 0;
        while at < self.len() {
            let (segment, end) = segment_of(self.get(at).0);
            let n = if self.near.is_empty() {
                self.far[at..].partition_point(|entry| entry.0 < end)
            } else {
                self.near[at..].partition_point(|entry| self.unpack(*entry).0 < end)
            };
            let n = n.max(1);
            targets.push((segment, n as u64));
            at += n;
        }
        targets
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn by_row_and_as_they_came(
            rows in prop::collection::vec(0..50u64, 0..200),
            base in prop_oneof![Just(0), Just(u64::MAX - (50 << 30))],
            apart in prop_oneof![Just(1u64), Just(1 << 30)],
        ) {
            let entries: Vec<(u64, u32)> =
                rows.iter().map(|row| base + row * apart).zip(7..).collect();
            let mut expected = entries.clone();
            expected.sort_by_key(|entry| entry.0);
            let mut by_row = ByRow::default();
            by_row.order([(9, 9), (1, 1)].into_iter());
            by_row.order(entries.iter().copied());
            prop_assert_eq!(by_row.len(), expected.len());
            prop_assert!((0..by_row.len()).all(|at| by_row.get(at) == expected[at]));
            prop_assert!(by_row.iter().eq(expected.iter().copied()));
            // Segments of ten rows each.
            let segment_of = |row: u64| {
                let segment = (row - base) / apart / 10;
                (segment, base.saturating_add((segment + 1) * 10 * apart))
            };
            let targets = by_row.targets(&segment_of);
            let mut counted = vec![0u64; 5];
            expected.iter().for_each(|entry| counted[segment_of(entry.0).0 as usize] += 1);
            let counted: Vec<(u64, u64)> = (0..).zip(counted).filter(|(_, n)| *n > 0).collect();
            prop_assert_eq!(targets, counted);
        }
    }
}
