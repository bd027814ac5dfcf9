//! The four side by side, as rows of a file.

use joinscope_operator::pipeline::Semantics as Name;
use serde_json::Value;

use super::Semantics;
use super::job::{Against, Figures};
use crate::window::export::{Listed, Source};

/// Of `clean` itself there is nothing against it.
const COLUMNS: [&str; 14] = [
    "semantics",
    "release",
    "pairs",
    "pads",
    "late",
    "expired",
    "pairs_missing",
    "pairs_extra",
    "pads_missing",
    "pads_extra",
    "verdicts",
    "notes",
    "refused",
    "run",
];

impl Semantics {
    /// What an export writes: those that ended.
    #[must_use]
    pub fn data(&self) -> Option<Source> {
        let ended = self.job.as_ref()?.known().ended;
        if ended.is_empty() {
            return None;
        }
        let rows = ended.iter().map(|(name, result)| row(*name, result)).collect();
        Some(Listed::source(&COLUMNS, move || Ok(rows)))
    }
}

fn row(name: Name, result: &Result<Figures, String>) -> Vec<Value> {
    let mut row: Vec<Value> = vec![name.name().into(), name.release().into()];
    match result {
        Ok(f) => {
            let against = |of: fn(&Against) -> u64| Value::from(f.against.as_ref().map(of));
            row.extend([f.pairs, f.pads, f.late, f.expired].map(Value::from));
            row.extend([
                against(|a| a.pairs_missing),
                against(|a| a.pairs_extra),
                against(|a| a.pads_missing),
                against(|a| a.pads_extra),
                against(|a| a.verdicts),
                f.notes.join("; ").into(),
                Value::Null,
                f.dir.display().to_string().into(),
            ]);
        }
        Err(why) => {
            row.resize(COLUMNS.len(), Value::Null);
            row[COLUMNS.len() - 2] = why.as_str().into();
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_one_says_why_in_its_column() {
        let row = row(Name::Clean, &Err("no".to_owned()));
        assert_eq!(row.len(), COLUMNS.len());
        let at = COLUMNS.iter().position(|c| *c == "refused").unwrap();
        assert_eq!(row[at], "no");
    }
}
