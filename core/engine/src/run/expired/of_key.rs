//! The rows of one key that are not in a published segment yet, found by their event
//! times: a hot key has hundreds of thousands, and each late one asks for its partners.

use std::collections::BTreeMap;

use super::{Seen, Window};

/// So many rows are looked through.
const FEW: usize = 64;

pub(super) enum OfKey {
    /// As they came.
    Few(Vec<Seen>),
    /// By input, event time and row.
    Many(BTreeMap<(u8, i64, u64), Seen>),
}

impl OfKey {
    pub fn new() -> Self {
        Self::Few(Vec::new())
    }

    pub fn push(&mut self, seen: Seen) {
        match self {
            Self::Few(rows) if rows.len() < FEW => rows.push(seen),
            Self::Few(rows) => {
                let all = std::mem::take(rows).into_iter().chain([seen]);
                *self = Self::Many(all.map(|seen| (place(&seen), seen)).collect());
            }
            Self::Many(rows) => {
                rows.insert(place(&seen), seen);
            }
        }
    }

    /// Gives each row in one of the windows, of which an input has one at most.
    pub fn within(&mut self, windows: &[Window], mut give: impl FnMut(&mut Seen)) {
        match self {
            Self::Few(rows) => {
                let inside = |seen: &Seen| {
                    windows.iter().any(|(input, lo, hi)| {
                        seen.input == *input && (*lo..=*hi).contains(&seen.time)
                    })
                };
                for seen in rows.iter_mut().filter(|seen| inside(seen)) {
                    give(seen);
                }
            }
            Self::Many(rows) => {
                for &(input, lo, hi) in windows.iter().filter(|(_, lo, hi)| lo <= hi) {
                    for (_, seen) in rows.range_mut((input, lo, 0)..=(input, hi, u64::MAX)) {
                        give(seen);
                    }
                }
            }
        }
    }

    /// Forgets rows before this one; whether any is left.
    pub fn forget(&mut self, published: u64) -> bool {
        match self {
            Self::Few(rows) => {
                rows.retain(|seen| seen.row >= published);
                !rows.is_empty()
            }
            Self::Many(rows) => {
                rows.retain(|_, seen| seen.row >= published);
                !rows.is_empty()
            }
        }
    }
}

fn place(seen: &Seen) -> (u8, i64, u64) {
    (seen.input, seen.time, seen.row)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn many_rows_are_found_as_few_are(
            rows in prop::collection::vec((0u8..3, -9i64..9), 0..4 * FEW),
            windows in prop::collection::vec((-12i64..12, 0i64..12), 2),
            published in 0u64..100,
        ) {
            let mut of_key = OfKey::new();
            for (row, (input, time)) in (0u64..).zip(&rows) {
                let (input, time) = (*input, *time);
                of_key.push(Seen { row, arrival: row, input, partition: 0, time, missed: true });
            }
            let windows: Vec<Window> =
                (0u8..).zip(windows).map(|(input, (lo, length))| (input, lo, lo + length)).collect();
            let inside = |input: u8, time: i64| {
                windows.iter().any(|(i, lo, hi)| *i == input && *lo <= time && time <= *hi)
            };
            let all = (0u64..).zip(&rows).filter(|(_, (input, time))| inside(*input, *time));
            let all: Vec<u64> = all.map(|(row, _)| row).collect();
            let mut find = |missed: bool| {
                let mut found = Vec::new();
                of_key.within(&windows, |seen| {
                    assert_eq!(std::mem::take(&mut seen.missed), missed);
                    found.push(seen.row);
                });
                found.sort_unstable();
                found
            };
            prop_assert_eq!(&find(true), &all);
            // What was taken of them stays so.
            prop_assert_eq!(&find(false), &all);
            prop_assert_eq!(of_key.forget(published), rows.len() as u64 > published);
            let mut left = Vec::new();
            of_key.within(&windows, |seen| left.push(seen.row));
            left.sort_unstable();
            let expected: Vec<u64> = all.into_iter().filter(|row| *row >= published).collect();
            prop_assert_eq!(left, expected);
        }
    }
}
