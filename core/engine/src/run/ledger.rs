//! The books at any arrival: marks hold them whole, the ledger holds what the
//! decisions between two marks changed.

use super::bytes::{In, Out};
use super::error::{Result, RunError};
use super::types::Books;
use crate::operator::verdict::Verdict;

/// Arrivals between two marks.
pub(crate) const MARK_ARRIVALS: u64 = 8_192;

/// Changes of the books in the order in which they fell; equal ones of one
/// arrival are counted together.
#[derive(Default)]
pub(crate) struct Ledger {
    out: Out,
    last_at: u64,
    pending: Option<(u64, u64, u64)>,
}

/// One entry: `count` decisions of one kind at one arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub at: u64,
    pub input: u8,
    pub verdict: Option<Verdict>,
    pub removed: bool,
    pub count: u64,
}

impl Ledger {
    #[inline]
    pub fn add(&mut self, at: u64, input: u8, verdict: Option<Verdict>, removed: bool) {
        let code =
            u64::from(input) << 5 | verdict.map_or(15, |v| v as u64) << 1 | u64::from(removed);
        match &mut self.pending {
            Some((pending_at, pending_code, count))
                if *pending_at == at && *pending_code == code =>
            {
                *count += 1;
            }
            _ => {
                self.flush();
                self.pending = Some((at, code, 1));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((at, code, count)) = self.pending.take() {
            self.out.var(at.wrapping_sub(self.last_at));
            self.out.var(code);
            self.out.var(count);
            self.last_at = at;
        }
    }

    /// Bytes so far; entries from here on count from arrival `at`.
    pub fn mark(&mut self, at: u64) -> u64 {
        self.flush();
        self.last_at = at;
        self.out.0.len() as u64
    }

    pub fn take(&mut self) -> Vec<u8> {
        self.flush();
        self.last_at = 0;
        std::mem::take(&mut self.out.0)
    }
}

/// Reads entries that were written from the mark at arrival `at` on.
pub(crate) fn entries(bytes: &[u8], at: u64) -> impl Iterator<Item = Option<Entry>> {
    let mut input = In(bytes);
    let mut last = at;
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || input.0.is_empty() {
            return None;
        }
        let mut next = || {
            last = last.wrapping_add(input.var()?);
            let (code, count) = (input.var()?, input.var()?);
            let verdict = match (code >> 1 & 15) as u8 {
                15 => None,
                v => Some(Verdict::from_code(v)?),
            };
            Some(Entry {
                at: last,
                input: u8::try_from(code >> 5).ok()?,
                verdict,
                removed: code & 1 == 1,
                count,
            })
        };
        let entry = next();
        failed = entry.is_none();
        Some(entry)
    })
}

/// Makes an entry of the books.
pub(crate) fn apply(books: &mut Books, entry: Entry) -> Result<()> {
    let counts = books
        .inputs
        .get_mut(entry.input as usize)
        .ok_or_else(|| RunError::NoSuch(format!("the books have no input {}", entry.input)))?;
    if let Some(verdict) = entry.verdict {
        let open = &mut counts.0[Verdict::Open as usize];
        *open = open.wrapping_sub(entry.count);
        counts.add(verdict, entry.count);
    }
    if entry.removed {
        books.state_rows = books.state_rows.wrapping_sub(entry.count);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip() {
        let mut ledger = Ledger::default();
        let all = [
            Entry { at: 7, input: 0, verdict: Some(Verdict::Joined), removed: false, count: 2 },
            Entry { at: 9, input: 63, verdict: None, removed: true, count: 300 },
            Entry { at: 9, input: 1, verdict: Some(Verdict::Expired), removed: true, count: 1 },
        ];
        assert_eq!(ledger.mark(5), 0);
        for e in all {
            for _ in 0..e.count {
                ledger.add(e.at, e.input, e.verdict, e.removed);
            }
        }
        let bytes = ledger.take();
        assert_eq!(entries(&bytes, 5).collect::<Option<Vec<_>>>().unwrap(), all);
        let cut: Vec<_> = entries(&bytes[..bytes.len() - 1], 5).collect();
        assert_eq!(cut.last(), Some(&None));
    }
}
