//! Undo and redo of layout. What changed is seen by comparing arrangements
//! between frames, so nothing that moves a panel can forget to tell.

use super::Arrangement;

/// Steps kept.
const DEPTH: usize = 100;

/// The arrangements that were, and those that were undone.
#[derive(Debug, Default)]
pub struct Undo {
    past: Vec<Arrangement>,
    future: Vec<Arrangement>,
    now: Option<Arrangement>,
    /// The next difference is not the user's: another document, an arrangement
    /// that was just put in place.
    expected: bool,
}

impl Undo {
    /// The next difference is no step of its own.
    pub fn expect(&mut self) {
        self.expected = true;
    }

    /// Sees how the panels stand now, while nothing is being dragged; whether
    /// that is new.
    pub fn watch(&mut self, now: Arrangement) -> bool {
        let expected = std::mem::take(&mut self.expected);
        if self.now.as_ref() == Some(&now) {
            return false;
        }
        let before = self.now.replace(now);
        if let Some(before) = before.filter(|_| !expected) {
            self.past.push(before);
            if self.past.len() > DEPTH {
                self.past.remove(0);
            }
            self.future.clear();
        }
        true
    }

    #[must_use]
    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    #[must_use]
    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }

    /// The arrangement before the last step.
    pub fn undo(&mut self) -> Option<Arrangement> {
        let before = self.past.pop()?;
        self.future.extend(self.now.replace(before.clone()));
        self.expect();
        Some(before)
    }

    /// The arrangement before it was undone.
    pub fn redo(&mut self) -> Option<Arrangement> {
        let after = self.future.pop()?;
        self.past.extend(self.now.replace(after.clone()));
        self.expect();
        Some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(width: f32) -> Arrangement {
        let mut a = Arrangement::default();
        a.left.width = width;
        a
    }

    #[test]
    fn steps_are_undone_and_redone_in_order() {
        let mut undo = Undo::default();
        for width in [200.0, 210.0, 210.0, 220.0] {
            undo.watch(wide(width));
        }
        assert_eq!(undo.undo(), Some(wide(210.0)));
        assert!(!undo.watch(wide(210.0)), "what was undone is no new step");
        assert_eq!(undo.undo(), Some(wide(200.0)));
        assert_eq!(undo.undo(), None);
        assert_eq!(undo.redo(), Some(wide(210.0)));
        assert_eq!(undo.redo(), Some(wide(220.0)));
        assert!(!undo.can_redo() && undo.can_undo());
    }

    #[test]
    fn a_new_step_forgets_what_was_undone() {
        let mut undo = Undo::default();
        undo.watch(wide(200.0));
        undo.watch(wide(210.0));
        undo.undo();
        undo.watch(wide(200.0));
        undo.watch(wide(250.0));
        assert!(!undo.can_redo());
        assert_eq!(undo.undo(), Some(wide(200.0)));
    }

    #[test]
    fn what_is_expected_is_no_step() {
        let mut undo = Undo::default();
        undo.watch(wide(200.0));
        undo.expect();
        assert!(undo.watch(wide(300.0)));
        assert!(!undo.can_undo());
    }

    #[test]
    fn steps_are_bounded() {
        let mut undo = Undo::default();
        for n in 0..1000 {
            undo.watch(wide(n as f32));
        }
        assert_eq!(undo.past.len(), DEPTH);
    }
}
