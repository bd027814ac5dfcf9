//! The range: some arrivals that the user marked, on a time axis or at the
//! cursor. Playing can go round it; tables show only it while their chip
//! "in range" is on.

use egui::Ui;
use joinscope_operator::record::Arrival;
use serde::{Deserialize, Serialize};

use super::command::Command;
use super::text::thousands;
use super::theme::fonts::icon;
use super::widgets::button;

/// Arrivals from the first to the last, both in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Ends")]
pub struct ArrivalRange {
    from: Arrival,
    to: Arrival,
}

/// A range as a file has it.
#[derive(Deserialize)]
struct Ends {
    from: Arrival,
    to: Arrival,
}

impl From<Ends> for ArrivalRange {
    fn from(ends: Ends) -> Self {
        Self::between(ends.from, ends.to)
    }
}

impl ArrivalRange {
    /// Between two arrivals, whichever comes first.
    #[must_use]
    pub fn between(a: Arrival, b: Arrival) -> Self {
        Self { from: a.min(b), to: a.max(b) }
    }

    #[must_use]
    pub fn from(self) -> Arrival {
        self.from
    }

    /// The last one in it.
    #[must_use]
    pub fn to(self) -> Arrival {
        self.to
    }

    /// How many arrivals it holds.
    #[must_use]
    pub fn count(self) -> u64 {
        (self.to - self.from).saturating_add(1)
    }

    #[must_use]
    pub fn contains(self, at: Arrival) -> bool {
        (self.from..=self.to).contains(&at)
    }

    /// `12,000 to 14,000`
    #[must_use]
    pub fn label(self) -> String {
        format!("{} to {}", thousands(self.from), thousands(self.to))
    }

    /// What of it lies in a run of `len` arrivals.
    #[must_use]
    pub fn within(self, len: u64) -> Option<Self> {
        let last = len.checked_sub(1)?;
        (self.from <= last).then(|| Self { from: self.from, to: self.to.min(last) })
    }
}

/// The range, and what it is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RangeState {
    pub marked: Option<ArrivalRange>,
    /// Playing goes round it.
    pub looped: bool,
    /// Tables show only what is in it.
    pub filters: bool,
}

impl RangeState {
    /// What tables are filtered by.
    #[must_use]
    pub fn filter(&self) -> Option<ArrivalRange> {
        self.marked.filter(|_| self.filters)
    }

    /// What playing goes round.
    #[must_use]
    pub fn loop_of(&self) -> Option<ArrivalRange> {
        self.marked.filter(|_| self.looped)
    }

    /// Marks another range, or none; what it is used for stays until it is gone.
    pub fn mark(&mut self, range: Option<ArrivalRange>) {
        self.marked = range;
        if range.is_none() {
            *self = Self::default();
        }
    }

    /// One end moves to `at`; the other stays, or is `other` where there is none.
    pub fn move_end(&mut self, start: bool, at: Arrival, other: Arrival) {
        let fixed = self.marked.map_or(other, |r| if start { r.to } else { r.from });
        // An end moved past the other pushes it along.
        let fixed = if start { fixed.max(at) } else { fixed.min(at) };
        self.marked = Some(ArrivalRange::between(at, fixed));
    }
}

/// The chip of a table's title: on, only what is in the range is shown. Without
/// a range there is none.
pub fn chip(range: &RangeState, ui: &mut Ui, commands: &mut Vec<Command>) {
    let Some(marked) = range.marked else { return };
    let mut chip = button("in range").name("In range").selected(range.filters);
    if range.filters {
        chip = chip.icon(icon::CLOSE);
    }
    let hover = if range.filters {
        format!("Only arrivals {}; press to show all", marked.label())
    } else {
        format!("Show only arrivals {}", marked.label())
    };
    if chip.show(ui).on_hover_text(hover).clicked() {
        commands.push(Command::FilterToRange(!range.filters));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_ends_whichever_was_named_first() {
        let range = ArrivalRange::between(9, 3);
        assert_eq!((range.from(), range.to(), range.count()), (3, 9, 7));
        assert!(range.contains(3) && range.contains(9) && !range.contains(10));
        assert_eq!(range.within(5), Some(ArrivalRange::between(3, 4)));
        assert_eq!(range.within(3), None);
        assert_eq!(range.within(0), None);
        assert_eq!(ArrivalRange::between(0, u64::MAX).count(), u64::MAX);
        // Also where a file has them the wrong way round.
        assert_eq!(serde_json::from_str::<ArrivalRange>(r#"{"from": 9, "to": 3}"#).unwrap(), range);
        assert_eq!(serde_json::to_string(&range).unwrap(), r#"{"from":3,"to":9}"#);
    }

    #[test]
    fn an_end_that_is_moved_past_the_other_pushes_it_along() {
        let mut range = RangeState::default();
        range.move_end(true, 10, 99);
        assert_eq!(range.marked, Some(ArrivalRange::between(10, 99)));
        range.move_end(false, 20, 0);
        assert_eq!(range.marked, Some(ArrivalRange::between(10, 20)));
        range.move_end(true, 30, 0);
        assert_eq!(range.marked, Some(ArrivalRange::between(30, 30)));
    }

    #[test]
    fn without_a_range_nothing_is_filtered_or_looped() {
        let mut range = RangeState { looped: true, filters: true, ..RangeState::default() };
        assert_eq!((range.filter(), range.loop_of()), (None, None));
        range.mark(Some(ArrivalRange::between(1, 2)));
        assert!(range.filter().is_some() && range.loop_of().is_some());
        range.mark(None);
        assert_eq!(range, RangeState::default());
    }
}
