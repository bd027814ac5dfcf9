//! The list of breakpoints as rows of a file.

use serde_json::Value;

use super::Breakpoints;
use super::draw::words;
use crate::window::cx::Cx;
use crate::window::export::{Listed, Source};

/// `met`: how often in the run that is open; of one in progress in this
/// window, how often it stopped.
const COLUMNS: [&str; 4] = ["condition", "enabled", "says", "met"];

impl Breakpoints {
    /// What an export writes.
    #[must_use]
    pub fn data(&mut self, cx: &Cx<'_>) -> Option<Source> {
        let list = cx.breaks.list;
        if list.is_empty() {
            return None;
        }
        let rows: Vec<Vec<Value>> = list
            .iter()
            .map(|b| {
                vec![
                    b.condition.to_string().into(),
                    b.enabled.into(),
                    words(&b.condition).into(),
                    self.count(cx, b.id).into(),
                ]
            })
            .collect();
        Some(Listed::source(&COLUMNS, move || Ok(rows)))
    }
}
