//! The books at any arrival: marks hold them whole, the ledger holds what the
//! decisions between two marks changed.

use super::bytes::{In, Out};
use super::error::{Result, RunError};
use super::types::Books;
use crate::operator::verdict::Verdict;

/// Arrivals between two marks.
pub(crate) const MARK_ARRIVALS: u64 = 8_192;

/// Stand beside the verdict codes: none fell; unmatched became expired.
const NONE: u8 = 15;
const REVISED: u8 = 14;

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
    /// From unmatched to expired; no verdict then.
    pub revised: bool,
    pub count: u64,
}

impl Ledger {
    #[inline]
    pub fn add(&mut self, at: u64, input: u8, verdict: Option<Verdict>, removed: bool) {
        self.put(at, input, verdict.map_or(NONE, |v| v as u8), removed);
    }

    /// A row of an input goes from unmatched to expired.
    pub fn revise(&mut self, at: u64, input: u8) {
        self.put(at, input, REVISED, false);
    }

    #[inline]
    fn put(&mut self, at: u64, input: u8, verdict: u8, removed: bool) {
        let code = u64::from(input) << 5 | u64::from(verdict) << 1 | u64::from(removed);
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
                NONE | REVISED => None,
                v => Some(Verdict::from_code(v)?),
            };
            Some(Entry {
                at: last,
                input: u8::try_from(code >> 5).ok()?,
                verdict,
                removed: code & 1 == 1,
                revised: (code >> 1 & 15) as u8 == REVISED,
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
    if entry.revised {
        let unmatched = &mut counts.0[Verdict::Unmatched as usize];
        *unmatched = unmatched.wrapping_sub(entry.count);
        counts.add(Verdict::Expired, entry.count);
    }
    if entry.removed {
        books.state_rows = books.state_rows.wrapping_sub(entry.count);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64, input: u8, verdict: Option<Verdict>, removed: bool, count: u64) -> Entry {
        Entry { at, input, verdict, removed, revised: false, count }
    }

    #[test]
    fn entries_round_trip() {
        let mut ledger = Ledger::default();
        let all = [
            entry(7, 0, Some(Verdict::Joined), false, 2),
            entry(9, 63, None, true, 300),
            entry(9, 1, Some(Verdict::Expired), true, 1),
            Entry { revised: true, ..entry(11, 1, None, false, 4) },
        ];
        assert_eq!(ledger.mark(5), 0);
        for e in all {
            for _ in 0..e.count {
                if e.revised {
                    ledger.revise(e.at, e.input);
                } else {
                    ledger.add(e.at, e.input, e.verdict, e.removed);
                }
            }
        }
        let bytes = ledger.take();
        assert_eq!(entries(&bytes, 5).collect::<Option<Vec<_>>>().unwrap(), all);
        let cut: Vec<_> = entries(&bytes[..bytes.len() - 1], 5).collect();
        assert_eq!(cut.last(), Some(&None));
    }
}
