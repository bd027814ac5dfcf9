//! Errors are shown where they happened and kept here, in a list that does not
//! vanish by itself.

use super::text;

/// Errors kept; the oldest go first.
const KEPT: usize = 200;
/// Lines kept of one error.
const LINES: usize = 40;

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `Opening feed.mcap`.
    pub place: String,
    pub message: String,
    /// How often in a row.
    pub times: u32,
    /// What is open is at fault, not the window, which shows all the rest.
    pub is_of_what_is_open: bool,
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
        self.put(place.into(), message.as_ref(), false);
    }

    /// Adds what is wrong with what is open: a picture of it is one all the same.
    pub fn add_of_what_is_open(&mut self, place: impl Into<String>, message: impl AsRef<str>) {
        self.put(place.into(), message.as_ref(), true);
    }

    fn put(&mut self, place: String, message: &str, is_of_what_is_open: bool) {
        // Several mistakes in a file stand in a line each.
        let message = text::lines(message, LINES);
        tracing::error!("{place}: {message}");
        match self.list.last_mut() {
            Some(last) if last.place == place && last.message == message => last.times += 1,
            _ => self.list.push(Problem { place, message, times: 1, is_of_what_is_open }),
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

    /// The newest for which nothing can be shown as it should.
    #[must_use]
    pub fn newest(&self) -> Option<&Problem> {
        self.list.iter().rfind(|problem| !problem.is_of_what_is_open)
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
        e.add_of_what_is_open("run 3 failed", "the disk is full");
        assert_eq!(e.newest().unwrap().place, "Opening a", "the other is the run's");
        e.mark_seen();
        for n in 0..300 {
            e.add("Opening b", format!("{n}"));
        }
        assert_eq!(e.list().len(), KEPT);
        assert_eq!(e.list().last().unwrap().message, "299");
    }

    #[test]
    fn of_several_lines_each_stays_one() {
        let mut e = Errors::default();
        e.add("Reading feed.toml", "line 3: no such field\nline 9: no\u{202e} number\n");
        let message = &e.list()[0].message;
        assert_eq!(message, "line 3: no such field\nline 9: no\\u{202e} number");
        e.add("Reading feed.toml", "again\n".repeat(1_000));
        assert_eq!(e.list()[1].message.lines().count(), LINES + 1, "and a sign of more");
    }
}
