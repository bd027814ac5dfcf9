//! How tables are set up, as a session and an incident file keep it: columns,
//! order and filters belong to the view. Names stand for all of it, so that what
//! another version wrote takes nothing from the rest; what looks like a secret
//! is never kept.

use joinscope_core::run::incident::blanked;
use serde::{Deserialize, Serialize};

use super::text::{elide, line};

/// Characters of a filter's text that are taken in at most.
const LONGEST: usize = 4_096;
/// Names that are told at most.
const TOLD: usize = 5;

/// What a table is sorted by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptSort {
    /// A column, as in [`TableView::columns`].
    pub by: String,
    pub descending: bool,
}

/// How one table is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableView {
    /// From left to right: their names in exports; fields by their paths, after a
    /// dot. Empty: as at first.
    pub columns: Vec<String>,
    /// None: as the lines came.
    pub sort: Option<KeptSort>,
    /// Verdicts, or kinds of outputs, by name; empty: all.
    pub only: Vec<String>,
    pub search: String,
    #[serde(rename = "where")]
    pub conditions: String,
    /// Something of it looked like a secret and was not kept.
    pub left_out: bool,
}

impl TableView {
    fn without_secrets(mut self) -> Self {
        let whole = self.clone();
        for text in [&mut self.search, &mut self.conditions] {
            if is_secret(text) {
                text.clear();
            }
        }
        self.columns.retain(|column| !is_secret(column));
        self.sort = self.sort.filter(|sort| !is_secret(&sort.by));
        self.left_out |= self != whole;
        self
    }

    /// The filter's texts, search and conditions, that can be taken in; what is
    /// wrong with them is added to `problems`.
    #[must_use]
    pub fn texts(&self, problems: &mut Vec<String>) -> [String; 2] {
        if self.left_out {
            problems.push("what looked like a secret was not kept: ask for it anew".to_owned());
        }
        [("search", &self.search), ("conditions", &self.conditions)].map(|(what, text)| {
            if text.chars().count() <= LONGEST {
                return text.clone();
            }
            problems.push(format!("the text of its {what} is longer than {LONGEST} characters"));
            String::new()
        })
    }
}

/// All tables that can be set up: the first two with columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableViews {
    pub records: TableView,
    pub outputs: TableView,
    /// Keys or rows of the state: its order.
    pub state: TableView,
    /// What differs between two runs: the kind that is listed.
    pub compare: TableView,
}

impl TableViews {
    /// As it may be kept.
    #[must_use]
    pub fn without_secrets(self) -> Self {
        Self {
            records: self.records.without_secrets(),
            outputs: self.outputs.without_secrets(),
            // These are names of the program's own.
            ..self
        }
    }

    /// Whether something was not kept because it looked like a secret.
    #[must_use]
    pub fn left_out(&self) -> bool {
        self.records.left_out || self.outputs.left_out
    }
}

/// Whether a text holds what an incident file would blank in a note.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    // Conditions compare by these as well.
    let text = text.replace(['~', '<', '>', '!'], "=");
    blanked(&text) != text
}

/// What is wrong with names that this program does not know; `what` they are.
#[must_use]
pub fn unknown(what: &str, names: &[&str]) -> Option<String> {
    let told: Vec<String> =
        names.iter().take(TOLD).map(|name| format!("{:?}", elide(&line(name), 40))).collect();
    let more = match names.len().checked_sub(TOLD) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| format!("it has no {what} {}{more}", told.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(search: &str, conditions: &str) -> TableViews {
        let records = TableView {
            columns: vec!["arrival".to_owned(), ".user.password".to_owned()],
            sort: Some(KeptSort { by: "late_by".to_owned(), descending: true }),
            search: search.to_owned(),
            conditions: conditions.to_owned(),
            ..TableView::default()
        };
        TableViews { records, ..TableViews::default() }
    }

    #[test]
    fn what_looks_like_a_secret_is_not_kept_and_the_rest_is() {
        for conditions in [
            "value.password=hunter2",
            "late_by>5s, value.password = hunter2",
            "key=token and value.token~hunter2",
            "value.api_key!=hunter2",
        ] {
            let kept = asking("views", conditions).without_secrets();
            assert!(kept.left_out(), "{conditions}");
            assert_eq!(kept.records.conditions, "");
            let whole = asking("views", "").without_secrets();
            assert_eq!(TableView { left_out: false, ..kept.records }, whole.records);
        }
        let kept = asking("https://me:hunter2@reg.example", "late_by>5s").without_secrets();
        assert_eq!((kept.records.search.as_str(), kept.left_out()), ("", true));
        assert_eq!(kept.records.conditions, "late_by>5s");
        let harmless = asking("the token bucket", "value.kind=like|share, late_by>5s");
        assert_eq!(harmless.clone().without_secrets(), harmless);
    }

    #[test]
    fn what_was_not_kept_and_what_is_too_long_is_said() {
        let kept = asking("password: x", "").without_secrets();
        let mut problems = Vec::new();
        assert_eq!(kept.records.texts(&mut problems), ["", ""]);
        assert!(problems[0].contains("looked like a secret"), "{problems:?}");
        let long = asking("views", &"x".repeat(LONGEST + 1));
        let mut problems = Vec::new();
        assert_eq!(long.records.texts(&mut problems), ["views", ""]);
        assert_eq!(problems, ["the text of its conditions is longer than 4096 characters"]);
    }

    #[test]
    fn names_that_are_not_known_are_told_and_counted() {
        assert_eq!(unknown("column", &[]), None);
        assert_eq!(unknown("column", &["a"]).unwrap(), "it has no column \"a\"");
        let all = ["a", "b", "c", "d", "e", "f", "g"];
        let said = unknown("column", &all).unwrap();
        assert!(said.ends_with("\"e\" and 2 more"), "{said}");
    }

    #[test]
    fn one_that_says_less_is_read() {
        let read: TableViews = serde_json::from_str(r#"{"records": {"where": "key=1"}}"#).unwrap();
        assert_eq!(read.records.conditions, "key=1");
        assert_eq!(read.outputs, TableView::default());
    }
}
