//! The distribution as rows of a file: for each partition, how many records
//! need an out-of-orderness of how much not to be late.

use serde_json::Value;

use super::bins::edge;
use super::counts::NO_VALUE;
use super::{Late, Target};
use crate::window::cx::Cx;
use crate::window::export::{Listed, Source};
use crate::window::panels::watermarks::say::called_in;

/// `needs_ms`: the smallest out-of-orderness with which so many records more
/// are not late; nothing: no value would be enough. `late_beyond`: how many of
/// the partition would be late with it.
const COLUMNS: [&str; 6] =
    ["partition", "judged", "late_as_run", "needs_ms", "records", "late_beyond"];

/// Why there is no file yet.
const HALF: &str = "the panel has not read through the run yet: show it, and export once it has";

impl Late {
    /// What an export writes.
    #[must_use]
    pub fn data(&self, cx: &Cx<'_>) -> Option<Source> {
        let doc = cx.doc.run.as_ref()?;
        let start = &doc.manifest.start;
        let names: Vec<String> =
            (0..start.lanes.len() as u32).map(|lane| called_in(start, lane)).collect();
        let (found, target): (_, Target) = (self.pass.found(), self.target);
        // Nobody sees in a file that it was written half way.
        let half = doc.arrivals > 0 && (found.of == 0 || self.pass.is_open() && !found.is_whole());
        Some(Listed::source(&COLUMNS, move || {
            if half {
                return Err(HALF.to_owned());
            }
            let mut rows: Vec<Vec<Value>> = Vec::new();
            for (name, known) in names.iter().zip(&found.index.lanes) {
                let Some(needs) = known.needs.get(target.place()) else { continue };
                for (bin, n) in needs.iter() {
                    let needs_ms = (bin != NO_VALUE).then(|| edge(bin));
                    rows.push(vec![
                        name.as_str().into(),
                        known.judged.into(),
                        known.late.into(),
                        needs_ms.into(),
                        n.into(),
                        needs.beyond(bin).into(),
                    ]);
                }
            }
            Ok(rows)
        }))
    }
}
