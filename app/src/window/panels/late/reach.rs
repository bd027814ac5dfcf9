//! What the scale of needs covers: from what is far below all that matters to what is
//! enough for every record that anything is enough for, but for those far off. A record
//! that is late by years, or all that follow one whose event time lies a year ahead,
//! would leave the others little room.

use joinscope_operator::time::format_duration;

use super::bins::{bin, edge};
use super::counts::{Counts, NO_VALUE};
use crate::window::panels::far::Off;
use crate::window::text::plural;

/// So many times larger than every need below it: far off.
const FAR: i64 = 1_000;
/// A need as small as this is near, ms.
const NEAR: i64 = 60_000;
/// The scale reaches as far at least, ms.
const LEAST: i64 = 1_000;

/// Where the scale ends before what is far off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The bin of the largest need that is not far off.
    pub most: u16,
    /// Records that need more.
    pub beyond: u64,
    /// The most that they need, ms.
    furthest: i64,
}

impl Reach {
    /// `None` where nothing is far off. `now`: what was run, ms.
    #[must_use]
    pub fn of(needs: &Counts, now: i64) -> Option<Self> {
        let bins = || needs.iter().filter(|(bin, _)| *bin != NO_VALUE);
        let is_far = |(below, above): &(u16, u16)| {
            edge(*above) > edge(*below).max(now).max(NEAR).saturating_mul(FAR)
        };
        let each = || bins().map(|(bin, _)| bin);
        let (most, _) = each().zip(each().skip(1)).find(is_far)?;
        let most = most.max(bin(now)).max(bin(LEAST));
        Some(Self {
            most,
            beyond: bins().filter(|(bin, _)| *bin > most).map(|(_, n)| n).sum(),
            furthest: bins().last().map_or(0, |(bin, _)| edge(bin)),
        })
    }

    /// The bin that the scale ends with.
    #[must_use]
    pub fn end(&self) -> u16 {
        end(self.most)
    }

    /// How much is far off, in words.
    #[must_use]
    pub fn off(&self, unit: &str) -> Off {
        let (from, to) = (format_duration(edge(self.end())), format_duration(self.furthest));
        let who = plural(self.beyond, unit);
        let verb = if self.beyond == 1 { "needs" } else { "need" };
        Off { count: self.beyond, said: format!("{who} {verb} more than {from}, up to {to}") }
    }
}

/// With some room above the largest need.
fn end(most: u16) -> u16 {
    bin(edge(most).saturating_add(edge(most) / 8))
}

/// The slider's ends, bins; `most`: the largest need on it, else that of all. `now`:
/// where it stands at first, ms.
#[must_use]
pub fn ends(needs: Option<&Counts>, most: Option<u16>, now: Option<i64>) -> (u16, u16) {
    let all = needs.into_iter().flat_map(Counts::iter);
    let all = all.map(|b| b.0).filter(|bin| *bin != NO_VALUE).max();
    let most = most.or(all).unwrap_or(0).max(now.map_or(0, bin)).max(bin(LEAST));
    let least = needs.and_then(|c| c.quantile(0.05)).filter(|ms| *ms < i64::MAX).unwrap_or(0);
    let least = least.min(now.unwrap_or(i64::MAX) / 4).min(edge(most) / 100).max(10);
    (bin(least), end(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn counts(needs: &[(i64, u64)]) -> Counts {
        let mut counts = Counts::default();
        needs.iter().for_each(|(ms, n)| counts.count(bin(*ms), *n));
        counts
    }

    #[test]
    fn what_is_far_above_all_others_is_not_on_the_scale_and_is_counted() {
        for n in [1, 70_000] {
            let needs = counts(&[(2_000, 40), (90_000, 9), (364 * DAY, n), (365 * DAY, 1)]);
            let reach = Reach::of(&needs, 60_000).unwrap();
            assert_eq!((reach.most, reach.beyond), (bin(90_000), n + 1));
            let (least, most) = ends(Some(&needs), Some(reach.most), Some(60_000));
            assert_eq!(most, reach.end());
            assert!(edge(most) >= 90_000 && edge(most) < 120_000 && edge(least) < 2_000);
            assert!(ends(Some(&needs), None, Some(60_000)).1 >= bin(365 * DAY), "all of it");
            let said = reach.off("record").said;
            assert!(said.ends_with(" need more than 1m 42s, up to 365d 17h"), "{said}");
        }
    }

    #[test]
    fn a_backlog_of_hours_is_on_the_scale() {
        let needs = counts(&[(2_000, 40), (50_000, 900), (6 * 3_600_000, 30)]);
        assert_eq!(Reach::of(&needs, 60_000), None);
        // Where days are what was run, years are not far.
        let needs = counts(&[(2_000, 40), (300 * DAY, 30)]);
        assert_eq!(Reach::of(&needs, DAY), None);
        assert!(Reach::of(&needs, 60_000).is_some());
    }

    #[test]
    fn where_there_is_nothing_else_it_is_on_the_scale() {
        assert_eq!(Reach::of(&counts(&[(365 * DAY, 9)]), 60_000), None);
        assert_eq!(Reach::of(&Counts::default(), 0), None);
        let mut never = counts(&[(2_000, 1)]);
        never.count(NO_VALUE, 7);
        assert_eq!(Reach::of(&never, 0), None, "those have a place of their own");
    }
}
