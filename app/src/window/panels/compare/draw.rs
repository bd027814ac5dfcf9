//! How the compare panel is laid out, and its table.

use std::sync::Arc;

use egui::{Rect, Ui, UiBuilder, pos2};
use joinscope_core::analyses::compare::{Matching, Named};
use joinscope_operator::verdict::Verdict;

use super::ask::{self, Other, PageQuestion, Said, Seen};
use super::export::Names;
use super::job::{Choice, Found, Line, Outputs, look};
use super::{Compare, kinds, plot, said, settings};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::{Answer, DIM_AFTER};
use crate::window::panels::failed;
use crate::window::panels::outputs::labels;
use crate::window::panels::records::{key_line, late_by};
use crate::window::panels::tools::copy_json;
use crate::window::selection::Selection;
use crate::window::table::{Cell, Column, Head, RowCells, VERDICT, empty};
use crate::window::text::{elide_apart, elide_records, line as one_line, thousands};
use crate::window::theme::{Tokens, fonts};
use crate::window::widgets::{button, text};

/// The third and the fourth are titled by the runs.
const RECORDS: [Column; 6] = [
    Column::figure("Arrival", 76.0),
    Column::soft("Record", 172.0, 96.0),
    Column::soft("Key", 150.0, 64.0),
    Column::soft("Other run", 104.0, VERDICT),
    Column::soft("This run", 104.0, VERDICT),
    Column::rest("Why"),
];

const OUTPUTS: [Column; 6] = [
    Column::figure("Arrival", 76.0),
    Column::soft("Record", 172.0, 96.0),
    Column::soft("With", 172.0, 96.0),
    Column::soft("Other run", 140.0, 76.0),
    Column::soft("This run", 140.0, 76.0),
    Column::rest("Key"),
];

/// Width of the list of kinds, points, and how wide a panel has room for it.
const KINDS: f32 = 288.0;
const ROOMY: f32 = 1_100.0;

/// Everything under the title.
pub fn body(
    this: &mut Compare,
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    other: &Other,
    commands: &mut Vec<Command>,
) {
    let t = Tokens::of(ui.ctx());
    let all = ui.available_rect_before_wrap();
    let names = run_names(cx, other);
    let (number, shared) = this.job.shown();
    let (matching, by_name) = {
        let found = look(&shared);
        let matching = found.matching.clone();
        let by_name = matching.as_ref().is_some_and(|m| m.by_name());
        (matching, by_name)
    };
    let bar = settings::height(&other.settings, all.height());
    let top = Rect::from_min_max(all.min, pos2(all.right(), all.top() + bar));
    settings::show(ui, top, &other.settings, (&names.0, &names.1), t);
    if !this.job.is_open() {
        plot::legend(ui.painter(), top, [&names.0, &names.1], t);
    }
    if this.job.is_open() && !this.job.is_stopped() {
        let at = Rect::from_min_max(pos2(top.right() - 76.0, top.top()), top.max);
        let mut child = ui.new_child(UiBuilder::new().max_rect(at).id_salt("stop"));
        if button("Stop").plain().name("Stop comparing").show(&mut child).clicked() {
            this.job.stop();
        }
    }
    let mut y = top.bottom();
    // The table needs its room first.
    let spare = all.bottom() - y - 190.0;
    if spare > 70.0 {
        let high = spare.min(all.height() * 0.34).min(190.0);
        let at = Rect::from_min_max(pos2(all.left(), y), pos2(all.right(), y + high));
        plot::show(this, ui, at, cx, other, by_name);
        y = at.bottom();
    }
    let said = said_of(this, cx, number, other, matching.as_ref());
    // Kept free from the moment of selecting, so that the row stays in sight.
    let selected = matches!(cx.selection, Some(Selection::Row(_)));
    let foot = if selected && all.bottom() - y > 150.0 { said::height(all) } else { 0.0 };
    if let Some(said) = said.filter(|_| foot > 0.0)
        && let Ok(both) = &said.result
    {
        let at = Rect::from_min_max(pos2(all.left(), all.bottom() - foot), all.max);
        said::show(ui, at, both, (&names.0, &names.1), t);
    }
    let rest = Rect::from_min_max(pos2(all.left(), y), pos2(all.right(), all.bottom() - foot));
    // In a narrow panel records' names need what the list does not.
    let most = if rest.width() < ROOMY {
        kinds::width(ui, cx, &look(&shared), (&names.0, &names.1)).min(KINDS)
    } else {
        KINDS
    };
    let wide = most.min(rest.width() * 0.4);
    let left = Rect::from_min_max(rest.min, pos2(rest.left() + wide, rest.bottom()));
    let line = egui::Stroke::new(1.0, t.line);
    ui.painter().hline(rest.x_range(), rest.top() + 0.5, line);
    ui.painter().vline(left.right() - 0.5, rest.y_range(), line);
    let chosen = {
        let at = left.shrink2(egui::vec2(0.0, 2.0));
        let mut child = ui.new_child(UiBuilder::new().max_rect(at).id_salt("kinds"));
        child.shrink_clip_rect(at);
        kinds::show(&mut child, cx, &look(&shared), this.choice, (&names.0, &names.1))
    };
    if let Some(chosen) = chosen {
        this.choose(chosen);
    }
    let right = Rect::from_min_max(pos2(left.right(), rest.top()), rest.max);
    let mut child = ui.new_child(UiBuilder::new().max_rect(right).id_salt("changed"));
    let lines = Lines { number, choice: this.choice, matching: matching.as_ref(), names: &names };
    table(this, &mut child, cx, other, &look(&shared), &lines, commands);
}

/// This run's name and the other's; with their folders where they are the same.
fn run_names(cx: &Cx<'_>, other: &Other) -> (String, String) {
    let (here, there) = (cx.doc.run.as_ref().map(|r| &r.label), &other.doc.label);
    let Some(here) = here else { return (String::new(), there.name.clone()) };
    if here.name == there.name {
        return ("this run".to_owned(), "the other run".to_owned());
    }
    (here.name.clone(), there.name.clone())
}

/// Both sentences about the selected record.
fn said_of(
    this: &mut Compare,
    cx: &Cx<'_>,
    number: u64,
    other: &Other,
    matching: Option<&Arc<Matching>>,
) -> Option<Arc<Answer<(u64, u64), ask::Both>>> {
    let Some(Selection::Row(row)) = cx.selection else { return None };
    let matching = Arc::clone(matching?);
    let (here, there) = (cx.doc.run.as_ref()?.run.clone(), other.doc.run.clone());
    let question = (number, row);
    this.both.ask(cx.jobs, question, move |(_, row)| ask::both(&here, &there, &matching, *row));
    this.both.answer().filter(|a| a.question == question)
}

/// What the table is made from.
struct Lines<'a> {
    number: u64,
    choice: Choice,
    matching: Option<&'a Arc<Matching>>,
    names: &'a (String, String),
}

fn table(
    this: &mut Compare,
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    other: &Other,
    found: &Found,
    lines: &Lines<'_>,
    commands: &mut Vec<Command>,
) {
    let len = found.len(lines.choice);
    if len == 0 {
        nothing(ui, found, lines.choice);
        return;
    }
    let outputs = matches!(lines.choice, Choice::Outputs(_));
    if let Choice::Outputs(of) = lines.choice
        && let Some(count) = found.outputs.as_ref().map(|d| of.of(d).0).filter(|n| *n > len)
    {
        let t = Tokens::of(ui.ctx());
        ui.horizontal(|ui| {
            ui.set_min_height(26.0);
            ui.add_space(crate::window::theme::INSET);
            let said = format!("the first {} of {}", thousands(len), thousands(count));
            text(ui, &said, fonts::regular(crate::window::theme::SMALL), t.second);
        });
    }
    if this.revealed != cx.selection {
        match cx.selection {
            Some(Selection::Row(row)) => {
                // Of a record that did not change, what changed next; only once all
                // is known: it may still be found.
                let place = match found.place(lines.choice, row) {
                    Some(Ok(place)) => Some(place),
                    Some(Err(next)) if found.whole => Some(next.min(len - 1)),
                    _ => None,
                };
                if let Some(place) = place {
                    this.table.reveal(place);
                }
                if place.is_some() || found.whole {
                    this.revealed = cx.selection;
                }
            }
            _ => this.revealed = cx.selection,
        }
    }
    let mut columns = if outputs { OUTPUTS } else { RECORDS };
    // Where there is little room, why is said below of the selected one only.
    let mut shown = columns.len();
    if !outputs && ui.available_width() < 820.0 {
        columns[2].width = 0.0;
        shown -= 1;
    }
    let pairs = matches!(lines.choice, Choice::Outputs(Outputs::PairsHere | Outputs::PairsThere));
    if outputs && !pairs {
        // Of one record each.
        columns[2] = Column::firm("", 1.0);
    }
    let columns = &columns[..shown];
    let title = |name: &String| Some(name.clone());
    let mut heads = vec![Head::default(); shown];
    (heads[3].title, heads[4].title) = (title(&lines.names.1), title(&lines.names.0));
    let laid = this.table.lay_out_with(ui, "Changed records", columns, heads, len);
    let (first, count) = ask::around(&laid.rows);
    let question = PageQuestion {
        number: lines.number,
        first,
        lines: found.lines(lines.choice, first, count),
    };
    let Some((matching, run)) = lines.matching.zip(cx.doc.run.as_ref()) else { return };
    let (matching, here, there) = (Arc::clone(matching), run.run.clone(), other.doc.run.clone());
    this.page.ask(cx.jobs, question.clone(), move |q| ask::page(&here, &there, &matching, q));
    if this.page.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    let answer = this.page.answer().filter(|a| a.question.number == lines.number);
    let seen: &[Seen] = match answer.as_ref().map(|a| &a.result) {
        Some(Err(error)) => {
            if failed(ui, error) {
                this.page.again();
            }
            return;
        }
        Some(Ok(seen)) => seen,
        None => &[],
    };
    let from = answer.as_ref().map_or(0, |a| a.question.first);
    // An answer about another choice is no page of this one.
    let fits = |n: usize| {
        seen.get(n).is_some_and(|s| {
            let at = (from + n as u64).checked_sub(first).map(|n| n as usize);
            at.is_some_and(|at| question.lines.get(at) == Some(&s.line))
        })
    };
    let names: Vec<String> =
        seen.iter().map(|s| s.row().map(|r| r.record.to_string()).unwrap_or_default()).collect();
    let keys: Vec<String> = seen
        .iter()
        .map(|s| s.row().and_then(|r| r.key.as_ref()).map_or_else(|| "–".to_owned(), key_line))
        .collect();
    let short_names = elide_records(&names, laid.chars(ui, 1));
    let short_keys = elide_apart(&keys, laid.chars(ui, if outputs { 5 } else { 2 }));
    let events = this.table.paint(ui, &laid, |place| {
        let n = place.checked_sub(from)? as usize;
        if !fits(n) {
            return None;
        }
        let elided = |shown: &[String], whole: &[String]| Cell::Elided {
            shown: shown.get(n).cloned().unwrap_or_default(),
            whole: whole.get(n).cloned().unwrap_or_default(),
        };
        let name = elided(&short_names, &names);
        Some(cells(seen.get(n)?, name, elided(&short_keys, &keys), lines.names, cx))
    });
    let at = |place: u64| seen.get(place.checked_sub(from)? as usize);
    if let Some(line) = events.clicked.and_then(at) {
        match &line.here {
            Some(said) => {
                let selection = Selection::Row(said.row.row);
                commands.push(Command::Select(Some(selection), Some(said.row.arrival)));
            }
            // The cursor follows the nearest earlier record that both have.
            None => {
                if let Some(said) = &line.there {
                    commands.push(Command::GoTo(nearest(lines.matching, said, cx)));
                }
            }
        }
    }
    if let Some(said) = events.hovered.and_then(at).and_then(|line| line.here.as_ref()) {
        *cx.hovers = Some(said.row.row);
    }
    if let Some((line, here)) = events.copied.and_then(at).zip(cx.doc.run.as_ref()) {
        commands.push(copy_json(&Names::of(cx, here, &other.doc).row(line).json));
    }
}

/// The arrival of this run at which a record of the other would stand: by its
/// arrival time, as only records in common have a place in both.
fn nearest(matching: Option<&Arc<Matching>>, said: &Said, cx: &Cx<'_>) -> u64 {
    if matching.is_some_and(|m| !m.by_name()) {
        return said.row.arrival;
    }
    cx.clock.arrival(said.row.arrival_ms as f64).floor().max(0.0) as u64
}

/// Nothing is listed: why, and what to do.
fn nothing(ui: &mut Ui, found: &Found, choice: Choice) {
    if !found.whole {
        let done = format!("{} % {}", found.percent(), found.doing);
        empty(ui, "Nothing that differs was found so far", &done);
        return;
    }
    let same = choice == Choice::All;
    let outputs = found.outputs.as_ref().is_none_or(|o| o.same());
    match (same, outputs) {
        (true, true) => {
            empty(ui, "Both runs say the same", "Every verdict and every output is equal");
        }
        (true, false) => {
            empty(ui, "Every verdict is the same", "Outputs differ: choose a kind at the left");
        }
        _ => empty(ui, "No record changed like that", "Choose another kind at the left"),
    }
}

/// What one side's cell shows of a record or an output; `labels` names those of
/// a mask.
pub fn side(line: &Seen, said: Option<&Said>, mine: bool, labels: impl Fn(u64) -> String) -> Cell {
    match (line.line, said) {
        (_, None) => Cell::Words("absent".to_owned()),
        (Line::Record(_), Some(said)) => Cell::Verdict(said.row.verdict),
        (Line::Output(_, Named::Example(_)), Some(said)) => match said.example {
            None => Cell::Words("no example".to_owned()),
            Some((mask, n)) => {
                let named = labels(mask);
                // Beside the example's own record.
                let folded = format!("{} folded", thousands(n as u64));
                Cell::Words(if named.is_empty() { folded } else { format!("{named}, {folded}") })
            }
        },
        (Line::Output(only_there, named), Some(_)) => {
            let there = matches!(named, Named::Pair(..) | Named::Pad(_)) && only_there != mine;
            Cell::Words(if there { "put out" } else { "not put out" }.to_owned())
        }
    }
}

/// Why the verdicts differ: what this run says; where it has a match and the other
/// has none, what the other says, by its name.
fn why(here: Option<&Said>, there: Option<&Said>, other: &str) -> String {
    let joined = |said: &Said| said.row.verdict == Verdict::Joined;
    let own = here.map(reason).unwrap_or_default();
    let theirs = there.map(reason).filter(|why| !why.is_empty());
    match theirs {
        Some(theirs) if here.is_some_and(joined) && !there.is_some_and(joined) => {
            format!("{other}: {theirs}")
        }
        Some(theirs) if own.is_empty() => theirs,
        _ => own,
    }
}

/// Why one run gave its verdict.
fn reason(said: &Said) -> String {
    match said.row.late_by.filter(|_| said.row.verdict == Verdict::Late) {
        None => said.why.clone(),
        Some(ms) if said.why.is_empty() => format!("late by {}", late_by(ms)),
        Some(ms) => format!("late by {}: {}", late_by(ms), said.why),
    }
}

fn cells(line: &Seen, name: Cell, key: Cell, names: &(String, String), cx: &Cx<'_>) -> RowCells {
    let Some(row) = line.row() else {
        return RowCells {
            cells: Vec::new(),
            name: String::new(),
            selected: false,
            hovered: false,
            dimmed: false,
        };
    };
    let mine = line.here.as_ref().map(|said| said.row.row);
    let arrival = line.here.as_ref().map_or_else(
        || Cell::Words("–".to_owned()),
        |said| Cell::Mono(thousands(said.row.arrival)),
    );
    let named = |mask| labels(mask, cx);
    let there = side(line, line.there.as_ref(), false, named);
    let here = side(line, line.here.as_ref(), true, named);
    let spoken = format!(
        "{}: {} in {}, {} in {}",
        row.record,
        words(&there),
        names.1,
        words(&here),
        names.0
    );
    let cells = match line.line {
        Line::Record(_) => {
            let why = why(line.here.as_ref(), line.there.as_ref(), &names.1);
            vec![arrival, name, key, there, here, Cell::Words(one_line(&why).into_owned())]
        }
        Line::Output(..) => {
            let with = line.with.as_ref().map_or(Cell::Empty, |w| Cell::Name(w.clone()));
            vec![arrival, name, with, there, here, key]
        }
    };
    RowCells {
        cells,
        name: spoken,
        selected: mine.is_some() && cx.selection == mine.map(Selection::Row),
        hovered: mine.is_some() && cx.hover == mine,
        dimmed: line.here.as_ref().is_some_and(|s| s.row.arrival > cx.cursor.at()),
    }
}

/// What such a cell says.
pub fn words(cell: &Cell) -> &str {
    match cell {
        Cell::Verdict(v) => v.name(),
        Cell::Words(text) => text,
        _ => "",
    }
}
