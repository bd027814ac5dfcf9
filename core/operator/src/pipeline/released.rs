//! `[join]` under a released semantics: its settings, and what the engine at
//! hand cannot express (3-semantics, "The released engines").

use super::model::{
    InputOrder, Join, Kind, LatePolicy, MAX_KEY_GROUPS, OutputTime, Released, Semantics,
    default_max_parallelism,
};
use super::section::{Reader, Section};
use super::tree::{Node, Value};
use crate::figures::plural;

/// Keys of `[join]` that only released semantics look at.
pub(super) const SETTINGS: [&str; 5] =
    ["grace", "min_cleanup", "parallelism", "max_parallelism", "input_order"];

const MOST_KEY_GROUPS: i64 = MAX_KEY_GROUPS as i64;

pub(super) fn semantics(r: &mut Reader<'_>, s: &Section<'_>) -> Semantics {
    let choices = Semantics::ALL.map(|semantics| (semantics.name(), semantics));
    s.choice(r, "semantics", &choices).unwrap_or_default()
}

/// The settings as they stand; they may stand in a pipeline of any semantics.
pub(super) fn settings(r: &mut Reader<'_>, s: &Section<'_>) -> Released {
    let default = Released::default();
    let orders =
        [("given", InputOrder::Given), ("smallest-timestamp", InputOrder::SmallestTimestamp)];
    let parallelism = whole(r, s, "parallelism", MOST_KEY_GROUPS).unwrap_or(default.parallelism);
    let groups = whole(r, s, "max_parallelism", MOST_KEY_GROUPS)
        .unwrap_or_else(|| default_max_parallelism(parallelism));
    if let (true, Some(node)) = (parallelism > groups, s.node("parallelism")) {
        let what = format!(
            "\"{}\" is {parallelism}, more than the {} of \"{}\"",
            s.at("parallelism"),
            plural(u64::from(groups), "key group"),
            s.at("max_parallelism")
        );
        r.problem(&node.origin, what, "Flink refuses the job; write a smaller one");
    }
    Released {
        grace: s.duration(r, "grace", 0),
        min_cleanup: s.duration(r, "min_cleanup", 0).unwrap_or(default.min_cleanup),
        parallelism,
        max_parallelism: groups,
        input_order: s.choice(r, "input_order", &orders).unwrap_or_default(),
    }
}

/// An integer from 1 to `most`.
fn whole(r: &mut Reader<'_>, s: &Section<'_>, key: &str, most: i64) -> Option<u32> {
    let node: &Node = s.node(key)?;
    // An override comes as text.
    let number = match (&node.value, &node.raw) {
        (Value::Int(n), _) => Some(*n),
        (Value::Text(text), _) => text.trim().parse().ok(),
        _ => None,
    };
    match number {
        Some(n) if (1..=most).contains(&n) => u32::try_from(n).ok(),
        _ => {
            let what = format!("\"{}\" is not a whole number from 1 to {most}", s.at(key));
            r.problem(&node.origin, what, format!("write {key} = 1"));
            None
        }
    }
}

/// Reports what the release could not do with this join.
pub(super) fn check(r: &mut Reader<'_>, s: &Section<'_>, join: &Join, names: &[&str], folds: bool) {
    let semantics = join.semantics;
    let Some(release) = semantics.release() else { return };
    let at = |key: &str| s.node(key).map_or_else(|| s.origin.clone(), |node| node.origin.clone());
    if join.with.len() > 1 {
        let others: Vec<&str> =
            join.with.iter().filter_map(|w| names.get(w.input as usize).copied()).collect();
        let what = format!(
            "{release} joins two inputs in one operator, and this join has {} besides its primary ({}); \
             a chain of its joins gives products of their rows, not the union that folds into examples",
            others.len(),
            others.join(", ")
        );
        let help = "write a pipeline for each pair of inputs, or semantics = \"clean\"";
        r.problem(&at("semantics"), what, help);
    }
    if folds {
        let what = format!("{release} puts out pairs; it does not fold them into examples");
        let help = "write examples.emit = \"on-match\" (outputs are pairs, labels are left out), \
                    or semantics = \"clean\"";
        r.problem(&at("semantics"), what, help);
    }
    if join.output_time == OutputTime::Primary {
        let what = format!(
            "\"{}\" is \"primary\", and the time of an output is {release}'s to give",
            s.at("output_time")
        );
        r.problem(&at("output_time"), what, "leave it out, or write semantics = \"clean\"");
    }
    let takes_all = matches!(semantics, Semantics::FlinkSql | Semantics::KafkaStreams);
    if takes_all && join.late == LatePolicy::SideOutput {
        let what = format!(
            "the join of {release} drops no late row and has no side output for late ones, and \"{}\" is \"side-output\"",
            s.at("late")
        );
        r.problem(&at("late"), what, "write late = \"drop\" (it has no meaning here)");
    }
    match semantics {
        Semantics::FlinkDataStream => {
            if join.kind != Kind::Inner {
                let what = format!(
                    "the interval join of the DataStream API ({release}) is inner only, and \"{}\" is \"{}\"",
                    s.at("kind"),
                    join.kind.name()
                );
                let help =
                    "write kind = \"inner\", or semantics = \"flink-sql\", which has outer joins";
                r.problem(&at("kind"), what, help);
            }
            if join.late == LatePolicy::Join {
                let what =
                    format!("{release} drops a late row or sends it aside; it never joins it");
                let help = "write late = \"drop\" or late = \"side-output\"";
                r.problem(&at("late"), what, help);
            }
        }
        Semantics::KafkaStreams => {
            if join.kind == Kind::Right {
                let what =
                    format!("{release} has inner, left and outer joins of streams, no right one");
                let help =
                    "exchange the inputs and write kind = \"left\", or write kind = \"full\"";
                r.problem(&at("kind"), what, help);
            }
            if join.released.grace.is_none() && s.node("grace").is_none() {
                let what = format!("\"{}\" is missing", s.at("grace"));
                let help = "write how long a window takes late rows, such as grace = \"60s\" \
                            (JoinWindows.ofTimeDifferenceAndGrace)";
                r.problem(&at("semantics"), what, help);
            }
        }
        Semantics::FlinkSql | Semantics::Clean => {}
    }
}
