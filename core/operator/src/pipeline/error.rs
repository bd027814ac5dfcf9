//! What is wrong with a pipeline: where, what, and what to do.

use std::fmt;

/// All that is wrong with one pipeline file and its overrides.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PipelineError {
    /// At least one, in the order in which they stand in the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// What is wrong; without a full stop.
    pub what: String,
    /// What to do about it; without a full stop.
    pub help: String,
}

/// Where a problem stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Line and column count from 1, columns in characters.
    File { file: String, line: usize, column: usize },
    /// An override, as it was given.
    Set(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Set(text) => write!(f, "--set {text}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.help)
    }
}

/// One line a problem.
impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Line and column (in characters), both from 1, of a byte of `text`.
pub(super) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    let before = &text[..byte];
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// The known name that is closest to `name`, if any is close enough to be meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A hostile name is compared by its beginning only.
    let name: String = name.chars().take(64).flat_map(char::to_lowercase).collect();
    known
        .into_iter()
        .map(|k| {
            let lower = k.to_lowercase();
            let edits = strsim::damerau_levenshtein(&name, &lower);
            // A name left half-written is meant as well as one mistyped.
            let prefix = name.len() >= 3 && (lower.starts_with(&name) || name.starts_with(&lower));
            (if prefix { 0 } else { edits }, edits, k)
        })
        .filter(|(rank, _, k)| *rank <= 1.max(k.chars().count().max(name.chars().count()) / 3))
        .min_by_key(|(rank, edits, _)| (*rank, *edits))
        .map(|(_, _, k)| k)
}

/// `a, b or c`, for "write one of".
pub(super) fn any_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_are_those_meant() {
        let known = ["max_out_of_orderness", "idle_timeout", "emit", "emit_interval"];
        assert_eq!(nearest("max_out_of_ordernes", known), Some("max_out_of_orderness"));
        assert_eq!(nearest("idle", known), Some("idle_timeout"));
        assert_eq!(nearest("EMIT", known), Some("emit"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_and_column("a\näb", 4), (2, 2));
        assert_eq!(line_and_column("", 9), (1, 1));
        assert_eq!(line_and_column("ä", 1), (1, 1));
    }
}
