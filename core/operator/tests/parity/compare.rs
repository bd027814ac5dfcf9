//! Everything that comes out is compared, in order.

use serde_json::Value;

use crate::trace::{Given, Trace};

/// Whether two joins gave the same for a trace.
///
/// - That the job fails is compared, not the text that says why.
/// - With more than one key group the release has no order among keys of its
///   own (12-released-joins, E2): there, what one event gives is compared as
///   a multiset.
pub fn same(trace: &Trace, ours: &Given, theirs: &Given) -> bool {
    if ours == theirs {
        return true;
    }
    let (mut ours, mut theirs) = (canonical(ours), canonical(theirs));
    if trace.setting("max_parallelism") > 1 {
        for given in [&mut ours, &mut theirs] {
            given.sort_by_cached_key(|line| (line["i"].as_u64(), line.to_string()));
        }
    }
    ours == theirs
}

fn canonical(given: &Given) -> Vec<Value> {
    let mut lines: Vec<Value> = given
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::from(line.as_str())))
        .collect();
    for line in &mut lines {
        if let Some(error) = line.get_mut("error") {
            *error = Value::Null;
        }
    }
    lines
}

/// A trace and what came of it, for people.
pub fn show(trace: &Trace, ours: &Given, theirs: &Given) -> String {
    let block = |lines: &Given| format!("  {}\n", lines.join("\n  "));
    format!(
        "the trace:\n{}\nJoinscope gives:\n{}\nthe release gives:\n{}",
        trace.text(),
        block(ours),
        block(theirs)
    )
}
/// The pairs and pads of what was given, sorted: `(left, right)`.
pub fn pairs(given: &Given) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = given
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?.get("out").cloned())
        .map(|out| (out["l"].to_string(), out["r"].to_string()))
        .collect();
    pairs.sort();
    pairs
}
