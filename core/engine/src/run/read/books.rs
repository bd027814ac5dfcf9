//! Books and state at any arrival: the last mark, then at most 8,192 arrivals
//! of rows and of the ledger.

use super::Run;
use crate::operator::record::Arrival;
use crate::operator::verdict::{Counts, Verdict};
use crate::run::bytes::u64_at;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::ledger::{apply, entries};
use crate::run::summary::{STATE_WIDTH, Section};
use crate::run::types::Books;

impl Run {
    /// The books just after an arrival; `None`: as they stand at the end.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn books(&self, arrival: Option<Arrival>) -> Result<Books> {
        let now = self.now();
        let inputs = now.manifest.start.inputs.len();
        let Some(last) = now.segments.last() else {
            return Ok(Books { inputs: vec![Counts::default(); inputs], ..Books::default() });
        };
        let Some(arrival) = arrival.filter(|a| *a < now.arrivals()) else {
            return Ok(last.summary.books.clone());
        };
        let number = now
            .segment_of_arrival(arrival)
            .ok_or_else(|| RunError::NoSuch(format!("the run has no arrival {arrival}")))?;
        let segment = &now.segments[number];
        let corrupt = |what: &str| RunError::corrupt(&segment.index().path, what);
        let mark = segment
            .mark(self.cache(), inputs, arrival)?
            .ok_or_else(|| corrupt("it has no mark before its first arrival"))?;
        let mut books = mark.books;

        let end = self.row_of_arrival(&now, arrival + 1)?.min(segment.summary.end_row);
        let first = segment.summary.first_row;
        if mark.row < first || mark.row > end {
            return Err(corrupt("a mark beyond its rows"));
        }
        let t = self.inner.tables.read_range(
            segment,
            Part::Rows,
            &["input", "verdict"],
            &(mark.row - first..end - first),
        )?;
        for (input, verdict) in t.u8s("input")?.iter().zip(t.u8s("verdict")?) {
            let slot = books.inputs.get_mut(*input as usize);
            let slot = slot.and_then(|counts| counts.0.get_mut(*verdict as usize));
            *slot.ok_or_else(|| corrupt("its rows make no sense"))? += 1;
            books.state_rows += u64::from(*verdict == Verdict::Open as u8);
        }
        let len = segment.len(Section::Ledger, 1);
        let mut from = mark.ledger;
        // In parts, so that a long segment's ledger is not read to its end.
        let mut window = 16 << 10;
        loop {
            let to = (from + window).min(len);
            let bytes = segment.bytes(self.cache(), Section::Ledger, mark.ledger, to)?;
            let mut trial = books.clone();
            let mut done = to == len;
            for entry in entries(&bytes, mark.arrival) {
                let Some(entry) = entry else {
                    if to == len {
                        return Err(corrupt("its ledger is damaged"));
                    }
                    break;
                };
                if entry.at > arrival {
                    done = true;
                    break;
                }
                apply(&mut trial, entry)?;
            }
            if done {
                books = trial;
                break;
            }
            from = to;
            window *= 4;
        }
        books.outputs = self.outputs_at(&now, number, arrival)?;
        let samples = 0..segment.len(Section::State, STATE_WIDTH);
        let after =
            segment.partition_point(self.cache(), Section::State, STATE_WIDTH, samples, |e| {
                u64_at(e, 0) <= arrival
            })?;
        if let Some(at) = after.checked_sub(1) {
            let sample = segment.entries(self.cache(), Section::State, STATE_WIDTH, at, at + 1)?;
            if sample.len() == STATE_WIDTH {
                books.state_bytes = u64_at(&sample, 16);
            }
        }
        Ok(books)
    }

    /// Rows and bytes of state just after an arrival; the bytes are those of
    /// the last sample.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn state_at(&self, arrival: Arrival) -> Result<(u64, u64)> {
        self.books(Some(arrival)).map(|books| (books.state_rows, books.state_bytes))
    }
}
