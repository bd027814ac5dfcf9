//! Errors are shown where they happened and kept here, in a list that does not
//! vanish by itself.

use super::text;

/// Errors kept; the oldest go first.
const KEPT: usize = 200;

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `Opening feed.mcap`.
    pub place: String,
    pub message: String,
    /// How often in a row.
    pub times: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Errors {
    list: Vec<Problem>,
    /// Of those, seen in the list.
    seen: usize,
}

impl Errors {
    /// Adds one; the same again is counted.
    pub fn add(&mut self, place: impl Into<String>, message: impl AsRef<str>) {
        let (place, message) = (place.into(), text::line(message.as_ref()).into_owned());
        tracing::error!("{place}: {message}");
        match self.list.last_mut() {
            Some(last) if last.place == place && last.message == message => last.times += 1,
            _ => self.list.push(Problem { place, message, times: 1 }),
        }
        if self.list.len() > KEPT {
            self.list.remove(0);
            self.seen = self.seen.saturating_sub(1);
        }
    }

    /// Oldest first.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    #[must_use]
    pub fn unseen(&self) -> usize {
        self.list.len() - self.seen
    }

    pub fn mark_seen(&mut self) {
        self.seen = self.list.len();
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_counted_and_the_list_is_bounded() {
        let mut e = Errors::default();
        e.add("Opening a", "no such file");
        e.add("Opening a", "no such file");
        assert_eq!(e.list().len(), 1);
        assert_eq!(e.list()[0].times, 2);
        assert_eq!(e.unseen(), 1);
        e.mark_seen();
        for n in 0..300 {
            e.add("Opening b", format!("{n}"));
        }
        assert_eq!(e.list().len(), KEPT);
        assert_eq!(e.list().last().unwrap().message, "299");
    }
}
