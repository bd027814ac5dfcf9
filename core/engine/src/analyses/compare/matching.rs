//! Which row of one run is which of the other.
//!
//! Runs over the same recording, with the same inputs, number their rows alike.
//! Otherwise records are matched by cluster, input and name; in a partition both
//! runs have them in the order of their offsets.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{CHUNK, CompareError, Pass};
use crate::operator::record::Arrival;
use crate::run::{ManifestStart, Run, RunState};

const NONE: u32 = u32::MAX;

/// How rows of two runs are matched.
#[derive(Clone, Debug)]
pub struct Matching {
    /// Rows of `a` and of `b` when they were matched: what a run in progress takes
    /// afterwards is not compared.
    pub rows: [u64; 2],
    /// Outputs of both then; they name no other rows.
    pub(super) outputs: [u64; 2],
    /// One run did not end: both are compared as they stood before this arrival.
    pub until: Option<Arrival>,
    /// Names of the inputs of `a`, then those that only `b` has.
    pub inputs: Vec<Arc<str>>,
    /// By input of `b`: its place in [`Matching::inputs`].
    pub inputs_of_b: Vec<u8>,
    partners: Option<Partners>,
}

/// Rows by their names: of each row of one run the row of the other.
#[derive(Clone, Debug)]
struct Partners {
    to_b: Vec<u32>,
    to_a: Vec<u32>,
    /// The input of each row of `b`, where `b` lists its inputs in another order
    /// than `a` does; else empty.
    inputs_of_rows: Vec<u8>,
}

impl Matching {
    /// Matches the rows of two runs.
    ///
    /// # Errors
    /// They have nothing in common, one cannot be read, or it was cancelled.
    pub(super) fn of(a: &Run, b: &Run, pass: &mut Pass<'_>) -> Result<Self, CompareError> {
        // One moment of each: a run in progress goes on meanwhile.
        let (now_a, now_b) = (a.now(), b.now());
        let (one, two) = (&now_a.manifest.start, &now_b.manifest.start);
        let rows = [now_a.rows(), now_b.rows()];
        let outputs = [now_a.outputs(), now_b.outputs()];
        if rows[0] + rows[1] >= u64::from(NONE) {
            return Err(CompareError::Apart(format!(
                "{} and {} have {} rows together, and more than 4 billion are not compared: run \
                 the pipelines over slices of the recordings (joinscope recording slice)",
                a.dir().display(),
                b.dir().display(),
                rows[0] + rows[1],
            )));
        }
        let mut inputs: Vec<Arc<str>> = one.inputs.iter().map(|i| Arc::clone(&i.name)).collect();
        let mut inputs_of_b = Vec::new();
        for input in &two.inputs {
            let place = inputs.iter().position(|name| *name == input.name);
            inputs_of_b.push(place.unwrap_or(inputs.len()) as u8);
            if place.is_none() {
                inputs.push(Arc::clone(&input.name));
            }
        }
        let same = same_recording(one, two) && topics(one) == topics(two);
        let mut matching = Self { rows, outputs, until: None, inputs, inputs_of_b, partners: None };
        if same {
            let (x, y) = (now_a.arrivals(), now_b.arrivals());
            let whole = [&now_a, &now_b].iter().all(|now| now.manifest.state == RunState::Done);
            matching.until = (!whole && x != y).then(|| x.min(y));
            matching.rows = [rows[0].min(rows[1]); 2];
            return Ok(matching);
        }
        same_cluster(a, b)?;
        let order_differs = !matching.inputs_of_b.is_sorted();
        let partners = by_name((a, b), (one, two), rows, order_differs, pass)?;
        if partners.to_b.iter().all(|row| *row == NONE) {
            return Err(CompareError::Apart(format!(
                "the runs have no record in common: {} was run over {} ({}), {} over {} ({})",
                a.dir().display(),
                one.recording.path.display(),
                topics(one).join(", "),
                b.dir().display(),
                two.recording.path.display(),
                topics(two).join(", "),
            )));
        }
        matching.partners = Some(partners);
        Ok(matching)
    }

    /// Whether rows are matched by the names of their records.
    #[must_use]
    pub fn by_name(&self) -> bool {
        self.partners.is_some()
    }

    /// The row of `b` that is this one of `a`.
    #[must_use]
    pub fn in_b(&self, row: u64) -> Option<u64> {
        match &self.partners {
            None => (row < self.rows[1]).then_some(row),
            Some(p) => found(&p.to_b, row),
        }
    }

    /// The row of `a` that is this one of `b`.
    #[must_use]
    pub fn in_a(&self, row: u64) -> Option<u64> {
        match &self.partners {
            None => (row < self.rows[0]).then_some(row),
            Some(p) => found(&p.to_a, row),
        }
    }

    /// One number for a row of `b` and its partner in `a`: the latter's, or one
    /// beyond all rows of `a`.
    pub(super) fn common(&self, row_of_b: u64) -> u64 {
        match &self.partners {
            None => row_of_b,
            Some(p) => found(&p.to_a, row_of_b).unwrap_or(self.rows[0] + row_of_b),
        }
    }

    /// Two rows of `b` in the order in which `a` lists their inputs.
    pub(super) fn as_in_a(&self, rows: (u64, u64)) -> (u64, u64) {
        let place = |input: u8| self.inputs_of_b.get(usize::from(input)).copied();
        ordered(rows, |row| place(self.input_of_b(row)?))
    }

    /// Two rows of `b` in the order in which `b` lists their inputs.
    pub(super) fn as_in_b(&self, rows: (u64, u64)) -> (u64, u64) {
        ordered(rows, |row| self.input_of_b(row))
    }

    /// Known where the runs list their inputs in other orders.
    fn input_of_b(&self, row: u64) -> Option<u8> {
        let inputs = &self.partners.as_ref()?.inputs_of_rows;
        inputs.get(usize::try_from(row).ok()?).copied()
    }

    /// The row of `b` that has a common number.
    pub(super) fn row_of_b(&self, common: u64) -> u64 {
        match &self.partners {
            None => common,
            Some(_) if common >= self.rows[0] => common - self.rows[0],
            Some(p) => found(&p.to_b, common).unwrap_or(common),
        }
    }
}

fn ordered(rows: (u64, u64), by: impl Fn(u64) -> Option<u8>) -> (u64, u64) {
    if by(rows.0) > by(rows.1) { (rows.1, rows.0) } else { rows }
}

fn found(list: &[u32], row: u64) -> Option<u64> {
    list.get(usize::try_from(row).ok()?).filter(|r| **r != NONE).map(|r| u64::from(*r))
}

/// Whether two runs are over the same recording. The arrival log of a live run that
/// goes on, or was killed, has no digest: it is known by its place.
pub(super) fn same_recording(one: &ManifestStart, two: &ManifestStart) -> bool {
    let (one, two) = (&one.recording, &two.recording);
    one.digest == two.digest && (!one.digest.is_empty() || one.path == two.path)
}

fn topics(start: &ManifestStart) -> Vec<String> {
    start.inputs.iter().map(|i| format!("{} from {}", i.name, i.topic)).collect()
}

/// A name means the same record only on the same cluster, as far as it is known.
fn same_cluster(a: &Run, b: &Run) -> Result<(), CompareError> {
    let cluster = |run: &Run| run.recording().and_then(|r| r.info().cluster_id.clone());
    match (cluster(a), cluster(b)) {
        (Some(x), Some(y)) if x != y => Err(CompareError::Apart(format!(
            "the runs have no record in common: {} is of cluster {x}, {} of cluster {y}",
            a.dir().display(),
            b.dir().display(),
        ))),
        _ => Ok(()),
    }
}

/// Offsets of a partition with their rows.
#[derive(Default)]
struct Lane {
    offsets: Vec<i64>,
    rows: Vec<u32>,
    /// Behind the one that was found last: what is looked for mostly comes in order.
    next: usize,
}

impl Lane {
    fn push(&mut self, offset: i64, row: u32) {
        self.offsets.push(offset);
        self.rows.push(row);
    }

    /// In the order of offsets from now on.
    fn sort(&mut self) {
        if self.offsets.is_sorted() {
            return;
        }
        let both = self.offsets.drain(..).zip(self.rows.drain(..));
        let mut both: Vec<(i64, u32)> = both.collect();
        both.sort_unstable();
        (self.offsets, self.rows) = both.into_iter().unzip();
    }

    fn find(&mut self, offset: i64) -> Option<u32> {
        let at = match self.offsets.get(self.next) {
            Some(next) if *next == offset => self.next,
            _ => self.offsets.binary_search(&offset).ok()?,
        };
        self.next = at + 1;
        self.rows.get(at).copied()
    }
}

fn by_name(
    (a, b): (&Run, &Run),
    (one, two): (&ManifestStart, &ManifestStart),
    rows: [u64; 2],
    order_differs: bool,
    pass: &mut Pass<'_>,
) -> Result<Partners, CompareError> {
    // Inputs are the same where name and topic are.
    let place = |input: u8| {
        let of_b = two.inputs.get(usize::from(input))?;
        let same = one.inputs.iter().position(|i| i.name == of_b.name && i.topic == of_b.topic);
        same.map(|n| n as u8)
    };
    let places: Vec<Option<u8>> = (0..two.inputs.len()).map(|i| place(i as u8)).collect();
    let mut lanes: HashMap<(u8, i32), Lane, RandomState> = HashMap::default();
    let mut inputs_of_rows = Vec::new();
    let mut row = 0;
    while row < rows[1] {
        let names = b.name_column(row, CHUNK.min(rows[1] - row))?;
        if names.is_empty() {
            break;
        }
        if order_differs {
            inputs_of_rows.extend(names.iter().map(|(input, ..)| *input));
        }
        for (n, (input, partition, offset)) in names.iter().enumerate() {
            let Some(place) = places.get(usize::from(*input)).copied().flatten() else { continue };
            let lane = lanes.entry((place, *partition)).or_default();
            lane.push(*offset, (row + n as u64) as u32);
        }
        row += names.len() as u64;
        pass.did(names.len() as u64)?;
    }
    lanes.values_mut().for_each(Lane::sort);
    let mut partners = Partners {
        to_b: vec![NONE; rows[0] as usize],
        to_a: vec![NONE; rows[1] as usize],
        inputs_of_rows,
    };
    let mut row = 0;
    while row < rows[0] {
        let names = a.name_column(row, CHUNK.min(rows[0] - row))?;
        if names.is_empty() {
            break;
        }
        for (n, (input, partition, offset)) in names.iter().enumerate() {
            let Some(lane) = lanes.get_mut(&(*input, *partition)) else { continue };
            let Some(of_b) = lane.find(*offset) else { continue };
            let of_a = row + n as u64;
            partners.to_b[of_a as usize] = of_b;
            partners.to_a[of_b as usize] = of_a as u32;
        }
        row += names.len() as u64;
        pass.did(names.len() as u64)?;
    }
    Ok(partners)
}
