//! Which rows there are: inputs, and their partitions where they are opened.

use std::collections::BTreeMap;

use joinscope_core::run::ManifestStart;
use joinscope_operator::verdict::Verdict;

/// An input with more partitions is folded until someone opens it; folded, the
/// partitions that are worth a look stand below it.
pub const FEW: usize = 12;
/// Partitions with the most late records that a folded input shows.
const WORST: usize = 3;

/// One row of the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Row {
    Input(u8),
    Lane(u32),
}

/// The inputs that the user opened or folded; the others are as they begin.
#[derive(Clone, Debug, Default)]
pub struct Opened(BTreeMap<u8, bool>);

impl Opened {
    #[must_use]
    pub fn is_open(&self, input: u8, partitions: usize) -> bool {
        self.0.get(&input).copied().unwrap_or(partitions <= FEW)
    }

    pub fn set(&mut self, input: u8, open: bool) {
        self.0.insert(input, open);
    }
}

/// Lanes of each input.
#[must_use]
pub fn lanes_of(start: &ManifestStart) -> Vec<Vec<u32>> {
    let mut lanes = vec![Vec::new(); start.inputs.len()];
    for (lane, info) in start.lanes.iter().enumerate() {
        if let Some(of) = lanes.get_mut(usize::from(info.input)) {
            of.push(lane as u32);
        }
    }
    lanes
}

/// The rows from top to bottom. `totals`: counts by verdict of each lane in
/// sight, once they are known; `marked`: lanes that a folded input shows
/// whatever they hold (the selected record's, the one that holds the rest back).
#[must_use]
pub fn rows(
    lanes: &[Vec<u32>],
    opened: &Opened,
    totals: Option<&[[u32; 10]]>,
    marked: &[u32],
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (input, of) in lanes.iter().enumerate() {
        rows.push(Row::Input(input as u8));
        match of.len() {
            // An input of one partition is that partition.
            0 | 1 => {}
            n if opened.is_open(input as u8, n) => rows.extend(of.iter().map(|l| Row::Lane(*l))),
            n if n > FEW => rows.extend(worth(of, totals, marked).into_iter().map(Row::Lane)),
            _ => {}
        }
    }
    rows
}

/// Of a folded input: marked lanes and those with the most late records, in
/// their order.
fn worth(of: &[u32], totals: Option<&[[u32; 10]]>, marked: &[u32]) -> Vec<u32> {
    let late = |lane: u32| {
        let counts = totals.and_then(|t| t.get(lane as usize));
        counts.map_or(0, |c| c[Verdict::Late as usize])
    };
    let mut worst: Vec<u32> = of.iter().copied().filter(|l| late(*l) > 0).collect();
    worst.sort_by_key(|l| (std::cmp::Reverse(late(*l)), *l));
    worst.truncate(WORST);
    worst.extend(of.iter().copied().filter(|l| marked.contains(l)));
    worst.sort_unstable();
    worst.dedup();
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(partitions: &[u32]) -> Vec<Vec<u32>> {
        let mut next = 0;
        let mut of = |n: &u32| {
            let from = next;
            next += n;
            (from..next).collect()
        };
        partitions.iter().map(&mut of).collect()
    }

    #[test]
    fn few_partitions_stand_open_and_fold_on_demand() {
        let lanes = lanes(&[2, 1]);
        let mut opened = Opened::default();
        let want = [Row::Input(0), Row::Lane(0), Row::Lane(1), Row::Input(1)];
        assert_eq!(rows(&lanes, &opened, None, &[]), want);
        opened.set(0, false);
        assert_eq!(rows(&lanes, &opened, None, &[1]), [Row::Input(0), Row::Input(1)]);
    }

    #[test]
    fn many_partitions_are_folded_to_those_worth_a_look() {
        let lanes = lanes(&[5_000]);
        let mut totals = vec![[0; 10]; 5_000];
        for (lane, late) in [(7, 5), (4_999, 900), (30, 1), (31, 2)] {
            totals[lane][Verdict::Late as usize] = late;
        }
        let mut opened = Opened::default();
        let shown = rows(&lanes, &opened, Some(&totals), &[12]);
        let want = [Row::Input(0), Row::Lane(7), Row::Lane(12), Row::Lane(31), Row::Lane(4_999)];
        assert_eq!(shown, want);
        opened.set(0, true);
        assert_eq!(rows(&lanes, &opened, None, &[]).len(), 5_001);
    }
}
