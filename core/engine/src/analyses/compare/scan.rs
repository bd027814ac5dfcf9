//! The outputs of two runs, read side by side. Runs over the same recording put most
//! of them out at the same arrivals: those need not be kept to be found again.

use std::cmp::Ordering;

use super::kept::{Bits, Kept};
use super::named::{Common, EXAMPLE_KIND, Entry};
use super::{CompareError, Pass};
use crate::operator::record::Arrival;
use crate::run::OutputColumns;

/// One run: its outputs from the first on.
pub(super) struct Reader<'a> {
    of: Common<'a>,
    /// Outputs that are compared.
    end: u64,
    /// Read at once.
    chunk: u64,
    /// The first that is not read.
    next: u64,
    read: Option<OutputColumns>,
    /// The next one's place in what is read.
    at: usize,
}

impl<'a> Reader<'a> {
    /// `until`: those that were set off before this arrival; else the first `outputs`.
    pub fn new(
        of: Common<'a>,
        until: Option<Arrival>,
        outputs: u64,
        chunk: u64,
    ) -> Result<Self, CompareError> {
        let end = match until {
            Some(until) => of.run.outputs_before(until)?,
            None => outputs,
        };
        Ok(Self { of, end, chunk, next: 0, read: None, at: 0 })
    }

    fn rewind(&mut self) {
        (self.next, self.read, self.at) = (0, None, 0);
    }

    /// Reads on once all that was read is used up; whether there is one to go on with.
    fn fill(&mut self, pass: &mut Pass<'_>) -> Result<bool, CompareError> {
        if self.read.as_ref().is_some_and(|read| self.at < read.len()) {
            return Ok(true);
        }
        (self.read, self.at) = (None, 0);
        let n = self.chunk.min(self.end - self.next);
        if n > 0 {
            self.read = self.of.run.output_columns(self.next, n, self.of.columns())?;
        }
        let n = self.read.as_ref().map_or(0, |read| read.len() as u64);
        if n == 0 {
            (self.read, self.next) = (None, self.end);
            return Ok(false);
        }
        self.next += n;
        pass.did(n)?;
        Ok(true)
    }
}

/// What was found of both runs' outputs.
pub(super) struct Found {
    /// Rows are numbered alike.
    alike: bool,
    /// Not the first pass.
    again: bool,
    /// Pairs, and pads, that both put out at a place.
    pub same: u64,
    /// Rows that were padded, but for those at a place in both.
    pub pads: [Bits; 2],
    /// A row was padded twice.
    doubled: bool,
    /// Examples that both put out at a place, by row.
    pub together: Bits,
    /// Rows with an example that one put out, or that says something else there.
    pub apart: Bits,
    /// Pairs, and pads of a row that has one, that the other has not at their place.
    pub pairs: Kept,
    /// All examples of the rows of `apart`; of runs that number their rows otherwise
    /// all there are.
    pub examples: Kept,
    room: Vec<u8>,
}

impl Found {
    /// Both put this out at the same place.
    fn both(&mut self, entry: Entry) {
        if !entry.is_example() {
            self.same += u64::from(!self.again);
        } else if !self.again {
            self.together.set(entry.row());
        } else if self.apart.has(entry.row()) {
            self.examples.add(0, entry);
            self.examples.add(1, entry);
        }
    }

    /// The other run has not put this out at the same place.
    fn one(&mut self, side: usize, entry: Entry) {
        let row = entry.row();
        if entry.is_pad() {
            if (!self.again || self.doubled) && !self.pads[side].set(row) {
                self.doubled = true;
                self.pairs.add(side, entry);
            }
        } else if !entry.is_example() {
            self.pairs.add(side, entry);
        } else if !self.alike || self.again && self.apart.has(row) {
            self.examples.add(side, entry);
        } else if !self.again {
            self.apart.set(row);
        }
    }
}

/// Both runs, and what was found.
pub(super) struct Scan<'a> {
    sides: [Reader<'a>; 2],
    pub found: Found,
}

impl<'a> Scan<'a> {
    /// `alike`: both runs number their rows alike. `most`: outputs of one run that are
    /// held in memory at once.
    pub fn new(sides: [Reader<'a>; 2], alike: bool, most: usize) -> Self {
        let found = Found {
            alike,
            again: false,
            same: 0,
            pads: Default::default(),
            doubled: false,
            together: Bits::default(),
            apart: Bits::default(),
            pairs: Kept::all(most),
            examples: Kept::all(most),
            room: Vec::new(),
        };
        Self { sides, found }
    }

    /// Outputs that a pass reads.
    pub fn work(&self) -> u64 {
        self.sides.iter().map(|side| side.end).sum()
    }

    /// Reads all outputs once more, for what was left to another pass.
    pub fn again(&mut self, pass: &mut Pass<'_>) -> Result<(), CompareError> {
        self.found.again = true;
        self.sides.iter_mut().for_each(Reader::rewind);
        if self.found.doubled {
            self.found.pads.iter_mut().for_each(Bits::clear);
        }
        self.pass(pass)
    }

    /// Reads all outputs.
    pub fn pass(&mut self, pass: &mut Pass<'_>) -> Result<(), CompareError> {
        let Self { sides: [a, b], found } = self;
        loop {
            let (more_of_a, more_of_b) = (a.fill(pass)?, b.fill(pass)?);
            match (more_of_a, more_of_b) {
                (false, false) => return Ok(()),
                (true, true) if found.alike => {
                    if !same(a, b, found)? {
                        abreast(a, b, found)?;
                    }
                }
                _ => {
                    alone(0, a, found)?;
                    alone(1, b, found)?;
                }
            }
        }
    }
}

/// Takes what was read of both runs, if it is the same from beginning to end; whether
/// it is.
fn same(a: &mut Reader<'_>, b: &mut Reader<'_>, found: &mut Found) -> Result<bool, CompareError> {
    let (Some(one), Some(two)) = (&a.read, &b.read) else { return Ok(false) };
    let begins = a.at == 0 && b.at == 0 && one.len() == two.len();
    if !begins || a.of.labels != b.of.labels {
        return Ok(false);
    }
    let view = a.of.view(one)?;
    if view != b.of.view(two)? {
        return Ok(false);
    }
    for i in 0..view.kinds.len() {
        // Whatever it says, both say it.
        if view.kinds[i] != EXAMPLE_KIND {
            found.same += u64::from(!found.again && view.is_whole(i));
        } else if (!found.again || found.apart.has(view.firsts[i]))
            && let Some(entry) = a.of.entry(&view, i, &mut found.room)
        {
            found.both(entry);
        }
    }
    (a.at, b.at) = (one.len(), two.len());
    Ok(true)
}

/// Takes what was read of both runs in order of arrivals, up to the end of one.
fn abreast(a: &mut Reader<'_>, b: &mut Reader<'_>, found: &mut Found) -> Result<(), CompareError> {
    let (Some(one), Some(two)) = (&a.read, &b.read) else { return Ok(()) };
    let (one, two) = (a.of.view(one)?, b.of.view(two)?);
    while a.at < one.ats.len() && b.at < two.ats.len() {
        let Some(x) = a.of.entry(&one, a.at, &mut found.room) else {
            a.at += 1;
            continue;
        };
        // Pads fall where the event-time watermark is, which seldom is one place.
        if x.is_pad() {
            found.one(0, x);
            a.at += 1;
            continue;
        }
        let Some(y) = b.of.entry(&two, b.at, &mut found.room) else {
            b.at += 1;
            continue;
        };
        if y.is_pad() {
            found.one(1, y);
            b.at += 1;
            continue;
        }
        let order = one.ats[a.at].cmp(&two.ats[b.at]).then(x.name.cmp(&y.name));
        if order == Ordering::Equal && x == y {
            found.both(x);
        } else {
            if order.is_le() {
                found.one(0, x);
            }
            if order.is_ge() {
                found.one(1, y);
            }
        }
        a.at += usize::from(order.is_le());
        b.at += usize::from(order.is_ge());
    }
    Ok(())
}

/// Takes what is left of what was read of one run.
fn alone(side: usize, of: &mut Reader<'_>, found: &mut Found) -> Result<(), CompareError> {
    let Some(read) = &of.read else { return Ok(()) };
    let view = of.of.view(read)?;
    for i in of.at..read.len() {
        if let Some(entry) = of.of.entry(&view, i, &mut found.room) {
            found.one(side, entry);
        }
    }
    of.at = read.len();
    Ok(())
}
