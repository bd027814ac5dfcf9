//! What is selected, and the way back: selection and cursor together.

use joinscope_operator::record::Arrival;
use serde::{Deserialize, Serialize};

/// One thing of the open run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// A record as one input took it: a row of the run; of a recording without
    /// a run, its position.
    Row(u64),
    /// An output, by number.
    Output(u64),
}

/// A place one can come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub selection: Option<Selection>,
    pub cursor: Arrival,
}

/// Places kept for going back.
const DEPTH: usize = 256;

/// The places where the user has been, as in a browser.
#[derive(Clone, Debug, Default)]
pub struct History {
    past: Vec<Place>,
    future: Vec<Place>,
}

impl History {
    /// A new place is about to be taken; `from` is where the user is.
    pub fn leave(&mut self, from: Place) {
        self.future.clear();
        if self.past.last() != Some(&from) {
            self.past.push(from);
        }
        if self.past.len() > DEPTH {
            self.past.remove(0);
        }
    }

    #[must_use]
    pub fn can_go_back(&self) -> bool {
        !self.past.is_empty()
    }

    #[must_use]
    pub fn can_go_forward(&self) -> bool {
        !self.future.is_empty()
    }

    /// Goes back from `here`.
    pub fn back(&mut self, here: Place) -> Option<Place> {
        let place = self.past.pop()?;
        self.future.push(here);
        Some(place)
    }

    /// Goes forward from `here`.
    pub fn forward(&mut self, here: Place) -> Option<Place> {
        let place = self.future.pop()?;
        self.past.push(here);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(n: u64) -> Place {
        Place { selection: Some(Selection::Row(n)), cursor: n }
    }

    #[test]
    fn back_and_forward_restore_selection_and_cursor_together() {
        let mut h = History::default();
        h.leave(place(1));
        h.leave(place(2));
        assert_eq!(h.back(place(3)), Some(place(2)));
        assert_eq!(h.back(place(2)), Some(place(1)));
        assert_eq!(h.back(place(1)), None);
        assert_eq!(h.forward(place(1)), Some(place(2)));
        h.leave(place(2));
        assert!(!h.can_go_forward());
    }

    #[test]
    fn history_is_bounded() {
        let mut h = History::default();
        for n in 0..1000 {
            h.leave(place(n));
        }
        assert_eq!(h.past.len(), DEPTH);
    }
}
