//! The section `[join]`: which inputs, within which interval, under whose rules.

use super::super::error::nearest;
use super::super::model::{Emit, InputIndex, Join, Kind, LatePolicy, OutputTime, Secondary};
use super::super::released;
use super::super::section::{Reader, Section};
use super::super::tree::Origin;

pub(super) fn join(
    r: &mut Reader<'_>,
    s: &Section<'_>,
    names: &[&str],
    emit: Option<Emit>,
) -> Option<Join> {
    let known = ["primary", "with", "kind", "semantics", "late", "output_time"];
    let all: Vec<&str> = known.iter().chain(&released::SETTINGS).copied().collect();
    s.only(r, &all);
    let semantics = released::semantics(r, s);
    let released = released::settings(r, s);
    let primary = s.need(r, "primary", "name the input whose rows lead").and_then(|node| {
        let text = s.text_of(r, "primary", node)?;
        known_input(r, &s.at("primary"), &text, names, &node.origin)
    });
    let help = "write with.NAME = { after = \"0s\", until = \"30m\" } for each other input";
    let with = s.need(r, "with", help).and_then(|_| s.section(r, "with"));
    let with_origin = with.as_ref().map_or_else(|| s.origin.clone(), |w| w.origin.clone());
    let primary_at = s.node("primary").map(|node| &node.origin);
    let with = with.map(|w| secondaries(r, &w, names, primary.zip(primary_at))).unwrap_or_default();
    if s.node("with").is_some() && with.is_empty() && r.problems.is_empty() {
        r.problem(&with_origin, "\"join.with\" names no input", help);
    }
    let folds = emit.is_some_and(Emit::folds);
    let kinds = [
        ("inner", Kind::Inner),
        ("left", Kind::Left),
        ("right", Kind::Right),
        ("full", Kind::Full),
    ];
    let kind = match s.choice(r, "kind", &kinds) {
        Some(kind) => {
            if let (true, Some(node)) = (folds && kind != Kind::Left, s.node("kind")) {
                let what = "examples are folded, which needs kind = \"left\"";
                let help = "write kind = \"left\", or examples.emit = \"on-match\"";
                r.problem(&node.origin, what, help);
            }
            kind
        }
        None if folds => Kind::Left,
        None => Kind::Inner,
    };
    let policies = [
        ("drop", LatePolicy::Drop),
        ("join", LatePolicy::Join),
        ("side-output", LatePolicy::SideOutput),
    ];
    let late = s.choice(r, "late", &policies).unwrap_or_default();
    let times = [("larger", OutputTime::Larger), ("primary", OutputTime::Primary)];
    let output_time = s.choice(r, "output_time", &times).unwrap_or_default();
    let primary = primary?;
    for (index, name) in names.iter().enumerate() {
        let index = index as InputIndex;
        if index != primary && !with.iter().any(|w| w.input == index) && r.problems.is_empty() {
            let what = format!("the input \"{name}\" is neither primary nor in \"join.with\"");
            r.problem(&with_origin, what, format!("add with.{name}, or leave the input out"));
        }
    }
    let join = Join { primary, with, kind, semantics, released, late, output_time };
    released::check(r, s, &join, names, folds);
    Some(join)
}

pub(super) fn known_input(
    r: &mut Reader<'_>,
    key: &str,
    name: &str,
    names: &[&str],
    at: &Origin,
) -> Option<InputIndex> {
    let found = names.iter().position(|n| *n == name);
    // Where there is no input at all, that was said.
    if found.is_none() && !names.is_empty() {
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("the inputs are {}", names.join(", ")),
        };
        let shown: String = name.chars().take(64).collect();
        r.problem(at, format!("\"{key}\" names \"{shown}\", which is no input"), help);
    }
    found.map(|i| i as InputIndex)
}

fn secondaries(
    r: &mut Reader<'_>,
    with: &Section<'_>,
    names: &[&str],
    primary: Option<(InputIndex, &Origin)>,
) -> Vec<Secondary> {
    let mut found = Vec::new();
    for entry in &with.table.0 {
        let shown: String = entry.name.chars().take(64).collect();
        let input = known_input(r, "join.with", &shown, names, &entry.origin);
        if let Some((_, at)) = primary.filter(|(primary, _)| input == Some(*primary)) {
            let what = format!("\"{shown}\" is the primary and in \"join.with\"");
            let help = "for a self-join write a second input on the same topic";
            r.problem(entry.origin.blamed([at]), what, help);
        }
        let Some(section) = with.section(r, &entry.name) else { continue };
        section.only(r, &["after", "until"]);
        let after = if section.node("after").is_some() {
            section.duration(r, "after", i64::MIN)
        } else {
            Some(0)
        };
        let until = section
            .need(r, "until", "write how long after the primary it may come, such as \"30m\"")
            .and_then(|_| section.duration(r, "until", i64::MIN));
        let (Some(after), Some(until)) = (after, until) else { continue };
        if after > until {
            let write = crate::time::duration_setting;
            let what = format!(
                "the interval of \"{shown}\" is upside down: it starts {} after the primary and ends {} after it",
                write(after),
                write(until)
            );
            let help =
                format!("swap them: after = \"{}\", until = \"{}\"", write(until), write(after));
            let bounds = ["after", "until"].into_iter().filter_map(|key| section.node(key));
            r.problem(section.origin.blamed(bounds.map(|node| &node.origin)), what, help);
        }
        found.extend(input.map(|input| Secondary { input, after, until }));
    }
    found
}
