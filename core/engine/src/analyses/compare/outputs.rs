//! Outputs that are only in one of two runs, or that say something else.

use std::cmp::Ordering;

use super::kept::Bits;
use super::named::{Common, EXAMPLE_KIND, Entry};
use super::scan::{Reader, Scan};
use super::{CHUNK, CompareError, Matching, Named, Pass};
use crate::run::Run;

/// How the outputs of two runs differ; counts, and the first of each kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputsDiff {
    pub same: u64,
    pub only_in_a: Side,
    pub only_in_b: Side,
    pub changed: u64,
    pub changed_first: Vec<Named>,
}

/// What only one run put out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    pub pairs: u64,
    pub pads: u64,
    pub examples: u64,
    pub first_pairs: Vec<Named>,
    pub first_others: Vec<Named>,
}

impl Side {
    #[must_use]
    pub fn total(&self) -> u64 {
        self.pairs + self.pads + self.examples
    }
}

impl OutputsDiff {
    #[must_use]
    pub fn same(&self) -> bool {
        self.only_in_a.total() + self.only_in_b.total() + self.changed == 0
    }
}

/// Outputs of one run that are held in memory at once; more take more passes.
const MOST: usize = 4 << 20;

/// How many pairs, pads and examples a run put out; each correction counts.
///
/// # Errors
/// The run cannot be read.
pub fn count(run: &Run) -> Result<[u64; 3], CompareError> {
    let mut counts = [0; 3];
    let mut first = 0;
    while let Some(read) = run.output_columns(first, CHUNK, &["kind"])? {
        for kind in read.kinds()? {
            counts[usize::from((*kind).min(EXAMPLE_KIND))] += 1;
        }
        first += read.len() as u64;
    }
    Ok(counts)
}

/// Outputs that a comparison reads, if one pass is enough.
pub(super) fn work(a: &Run, b: &Run) -> u64 {
    a.outputs() + b.outputs()
}

/// How much is read at once, and held in memory.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub chunk: u64,
    pub most: usize,
}

pub(super) fn diff(
    a: &Run,
    b: &Run,
    matching: &Matching,
    limit: usize,
    pass: &mut Pass<'_>,
) -> Result<OutputsDiff, CompareError> {
    diff_within(a, b, matching, limit, Room { chunk: CHUNK, most: MOST }, pass)
}

pub(super) fn diff_within(
    a: &Run,
    b: &Run,
    matching: &Matching,
    limit: usize,
    room: Room,
    pass: &mut Pass<'_>,
) -> Result<OutputsDiff, CompareError> {
    let common = |row| matching.common(row);
    let pair = |rows| matching.as_in_a(rows);
    let (own, in_order) = (|row: u64| row, |rows: (u64, u64)| rows);
    let Matching { until, outputs: [end_a, end_b], .. } = *matching;
    let of_a = Reader::new(Common::new(a, &own, &in_order), until, end_a, room.chunk)?;
    let of_b = Reader::new(Common::new(b, &common, &pair), until, end_b, room.chunk)?;
    let alike = !matching.by_name();
    let mut scan = Scan::new([of_a, of_b], alike, room.most);
    let mut found = Differing::new(limit);
    scan.pass(pass)?;
    found.diff.same = scan.found.same + scan.found.together.count_without(&scan.found.apart);
    found.pads(&scan.found.pads);
    // Rows that are numbered alike are known to differ only now.
    let mut waits = alike && !scan.found.apart.is_empty();
    let mut is_cut = scan.found.pairs.is_cut() || !alike && scan.found.examples.is_cut();
    found.entries(scan.found.pairs.take());
    if !alike {
        found.examples(scan.found.examples.take());
    }
    while waits || is_cut {
        pass.more(scan.work());
        scan.again(pass)?;
        waits = false;
        is_cut = scan.found.pairs.is_cut() || scan.found.examples.is_cut();
        found.entries(scan.found.pairs.take());
        found.examples(scan.found.examples.take());
    }
    Ok(found.whole(matching))
}

/// What only one run put out, by name, as `a` numbers rows.
#[derive(Default)]
struct Only {
    pairs: Vec<Entry>,
    /// Pads, those of rows that have several, and examples; each ascending.
    others: [Vec<Entry>; 3],
}

/// What differs, as it is found.
struct Differing {
    diff: OutputsDiff,
    only: [Only; 2],
    limit: usize,
}

impl Differing {
    fn new(limit: usize) -> Self {
        Self { diff: OutputsDiff::default(), only: Default::default(), limit }
    }

    fn side(&mut self, side: usize) -> &mut Side {
        if side == 0 { &mut self.diff.only_in_a } else { &mut self.diff.only_in_b }
    }

    /// Pads of either run, by row.
    fn pads(&mut self, pads: &[Bits; 2]) {
        let [one, two] = pads;
        self.diff.same += one.both(two);
        for (side, (own, other)) in [(one, two), (two, one)].into_iter().enumerate() {
            self.side(side).pads += own.count_without(other);
            let first = own.without(other).take(self.limit).map(Entry::pad);
            self.only[side].others[0].extend(first);
        }
    }

    /// Pairs, and pads of rows that have several: each counts.
    fn entries(&mut self, [one, two]: [Vec<Entry>; 2]) {
        self.merge(one, two);
    }

    /// Examples: the last correction counts.
    fn examples(&mut self, mut sides: [Vec<Entry>; 2]) {
        for side in &mut sides {
            side.dedup_by(|later, earlier| {
                let same = later.name == earlier.name;
                if same {
                    earlier.said = later.said;
                }
                same
            });
        }
        let [one, two] = sides;
        self.merge(one, two);
    }

    /// Only one run has it.
    fn add(&mut self, side: usize, entry: Entry) {
        let limit = self.limit;
        let counts = self.side(side);
        let place = match entry.named() {
            Named::Pair(..) => {
                counts.pairs += 1;
                None
            }
            Named::Pad(_) => {
                counts.pads += 1;
                Some(1)
            }
            Named::Example(_) => {
                counts.examples += 1;
                Some(2)
            }
        };
        let only = &mut self.only[side];
        let first = match place {
            None => &mut only.pairs,
            Some(place) => &mut only.others[place],
        };
        if first.len() < limit {
            first.push(entry);
        }
    }

    fn merge(&mut self, one: Vec<Entry>, two: Vec<Entry>) {
        let (mut one, mut two) = (one.into_iter().peekable(), two.into_iter().peekable());
        loop {
            let order = match (one.peek(), two.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.name.cmp(&b.name),
            };
            let (a, b) = (one.next_if(|_| order.is_le()), two.next_if(|_| order.is_ge()));
            match (a, b) {
                (Some(a), Some(b)) if a == b => self.diff.same += 1,
                (Some(a), Some(_)) => {
                    self.diff.changed += 1;
                    if self.diff.changed_first.len() < self.limit {
                        self.diff.changed_first.push(a.named());
                    }
                }
                (Some(a), None) => self.add(0, a),
                (None, Some(b)) => self.add(1, b),
                (None, None) => {}
            }
        }
    }

    /// All of it, with the rows of each run.
    fn whole(mut self, matching: &Matching) -> OutputsDiff {
        let of_b = |entry: Entry| match entry.named().mapped(|row| matching.row_of_b(row)) {
            Named::Pair(first, second) => {
                let (first, second) = matching.as_in_b((first, second));
                Named::Pair(first, second)
            }
            other => other,
        };
        for (n, only) in std::mem::take(&mut self.only).into_iter().enumerate() {
            let mut others = only.others.concat();
            others.sort_by_key(|entry| entry.name);
            others.truncate(self.limit);
            let named = |entries: Vec<Entry>| -> Vec<Named> {
                let each = entries.into_iter();
                each.map(|entry| if n == 0 { entry.named() } else { of_b(entry) }).collect()
            };
            let (first_pairs, first_others) = (named(only.pairs), named(others));
            let side = self.side(n);
            (side.first_pairs, side.first_others) = (first_pairs, first_others);
        }
        self.diff
    }
}
