//! What the engine did with a record.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Exactly one for each record and input that it feeds (10-command-line).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Verdict {
    /// The run ended before its interval did, or nothing fell yet.
    Open = 0,
    /// Matched at least one row.
    Joined = 1,
    /// Its interval closed without a match.
    Unmatched = 2,
    /// Behind the join's event-time watermark at arrival; dropped or sent aside.
    Late = 3,
    /// What it would have matched had been removed or never kept, or it was
    /// itself not kept.
    Expired = 4,
    /// Bytes or schema could not be read.
    Undecodable = 5,
    /// No key.
    Unkeyed = 6,
    /// No event time, or one out of range.
    Untimed = 7,
    /// Null value.
    Tombstone = 8,
    /// Left out by the input's `where`.
    Filtered = 9,
}

impl Verdict {
    /// All verdicts, in the order in which they are listed everywhere.
    pub const ALL: [Self; 10] = [
        Self::Joined,
        Self::Unmatched,
        Self::Late,
        Self::Expired,
        Self::Undecodable,
        Self::Unkeyed,
        Self::Untimed,
        Self::Tombstone,
        Self::Filtered,
        Self::Open,
    ];

    /// The verdict of a stored code, the inverse of `as u8`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|v| *v as u8 == code)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Joined => "joined",
            Self::Unmatched => "unmatched",
            Self::Late => "late",
            Self::Expired => "expired",
            Self::Undecodable => "undecodable",
            Self::Unkeyed => "unkeyed",
            Self::Untimed => "untimed",
            Self::Tombstone => "tombstone",
            Self::Filtered => "filtered",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.name() == name)
    }

    /// Whether a record with this verdict at arrival can have been late: one
    /// that failed an earlier check is behind the watermark without being late.
    #[must_use]
    pub fn passed_the_checks(self) -> bool {
        self == Self::Late || self.reaches_join()
    }

    /// Whether the record was handed to the join (and may rest in its state).
    #[must_use]
    pub fn reaches_join(self) -> bool {
        matches!(self, Self::Open | Self::Joined | Self::Unmatched | Self::Expired)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many rows of one input have each verdict, indexed by its code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts(pub [u64; 10]);

impl Counts {
    #[must_use]
    pub fn get(&self, verdict: Verdict) -> u64 {
        self.0[verdict as usize]
    }

    pub fn add(&mut self, verdict: Verdict, n: u64) {
        self.0[verdict as usize] += n;
    }

    /// The sum over all verdicts: the rows that this input took.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_inverses() {
        for v in Verdict::ALL {
            assert_eq!(Verdict::from_code(v as u8), Some(v));
            assert_eq!(Verdict::from_name(v.name()), Some(v));
        }
        assert_eq!(Verdict::from_code(10), None);
    }
}
