//! Searching a list of short texts by what is typed, as people abbreviate: the
//! letters in order, the beginnings of words first.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// A text that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its place in the list.
    pub at: usize,
    /// Which of its characters matched.
    pub chars: Vec<usize>,
}

/// Those of `texts` that match, the best first; all, in order, where nothing is
/// typed.
#[must_use]
pub fn rank<'a>(texts: impl Iterator<Item = &'a str>, typed: &str) -> Vec<Hit> {
    let pattern = Pattern::parse(typed.trim(), CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut hits = Vec::new();
    let mut buffer = Vec::new();
    for (at, text) in texts.enumerate() {
        let mut chars = Vec::new();
        let found = pattern.indices(Utf32Str::new(text, &mut buffer), &mut matcher, &mut chars);
        if let Some(score) = found {
            let mut chars: Vec<usize> = chars.into_iter().map(|c| c as usize).collect();
            chars.sort_unstable();
            chars.dedup();
            hits.push((score, Hit { at, chars }));
        }
    }
    // Equal ones stay in their order.
    hits.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    hits.into_iter().map(|(_, hit)| hit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 4] = ["Next late", "Show only late", "To the end", "Next unmatched"];

    fn found(typed: &str) -> Vec<&'static str> {
        rank(TEXTS.into_iter(), typed).into_iter().map(|h| TEXTS[h.at]).collect()
    }

    #[test]
    fn letters_in_order_find_and_beginnings_of_words_come_first() {
        assert_eq!(found("nl")[0], "Next late");
        assert_eq!(found("late next"), ["Next late"], "words in any order");
        assert_eq!(found("UNM"), ["Next unmatched"]);
        assert_eq!(found("xyz"), [""; 0]);
    }

    #[test]
    fn where_nothing_is_typed_all_stand_in_their_order() {
        assert_eq!(found("  "), TEXTS);
    }

    #[test]
    fn the_characters_that_matched_are_named() {
        assert_eq!(rank(TEXTS.into_iter(), "tte")[0].chars.len(), 3);
    }
}
