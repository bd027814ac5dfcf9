//! How the four are drawn: a line each, figures under each other, each a link to
//! its records.

use std::path::{Path, PathBuf};

use egui::{Align2, Popup, Rect, Role, Sense, Stroke, Ui, UiBuilder, WidgetInfo, pos2, vec2};
use joinscope_core::engine::step::OutputKind;
use joinscope_core::run::VerdictSet;
use joinscope_operator::pipeline::Semantics;
use joinscope_operator::verdict::Verdict;

use super::job::{Figures, Known};
use super::places::{self, Places};
use crate::window::bars::menu_row;
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::panels::compare::{Choice, Outputs};
use crate::window::table::empty_to;
use crate::window::text::{line, thousands};
use crate::window::theme::fonts::icon;
use crate::window::theme::{INSET, SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, fit, icon_button, mark_row, text};

/// Height of the titles, and of a line, points.
const HEAD: f32 = 44.0;
const LINE: f32 = 54.0;
/// Of the buttons at a line's right.
pub(super) const BUTTONS: f32 = 68.0;
/// The widest that the lines become.
const WIDEST: f32 = 1200.0;

/// What a column counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Pairs,
    Pads,
    Late,
    Expired,
    PairsMissing,
    PairsExtra,
    PadsMissing,
    PadsExtra,
    Verdicts,
}

/// Title, what it is called in a sentence, and what it counts.
pub(super) const COLUMNS: [(&str, &str, Count); 9] = [
    ("Pairs", "pairs", Count::Pairs),
    ("Pads", "pads", Count::Pads),
    ("Late", "late", Count::Late),
    ("Expired", "expired", Count::Expired),
    ("Pairs −", "pairs missing", Count::PairsMissing),
    ("Pairs +", "pairs extra", Count::PairsExtra),
    ("Pads −", "pads missing", Count::PadsMissing),
    ("Pads +", "pads extra", Count::PadsExtra),
    ("Verdicts", "records with another verdict", Count::Verdicts),
];
/// The first column that is about the difference from `clean`.
pub(super) const AGAINST: usize = 4;

impl Count {
    pub(super) fn of(self, f: &Figures) -> Option<u64> {
        Some(match self {
            Self::Pairs => f.pairs,
            Self::Pads => f.pads,
            Self::Late => f.late,
            Self::Expired => f.expired,
            Self::PairsMissing => f.against?.pairs_missing,
            Self::PairsExtra => f.against?.pairs_extra,
            Self::PadsMissing => f.against?.pads_missing,
            Self::PadsExtra => f.against?.pads_extra,
            Self::Verdicts => f.against?.verdicts,
        })
    }

    /// What shows the records that it counts.
    fn opens(self, clean: Option<&Path>) -> Vec<Command> {
        let differ = |choice| {
            let clean = clean.map(|dir| Command::Compare(dir.to_owned()));
            clean.into_iter().chain([Command::ListDifference(choice)]).collect()
        };
        match self {
            Self::Pairs => vec![Command::FilterOutputs(OutputKind::Pair)],
            Self::Pads => vec![Command::FilterOutputs(OutputKind::Pad)],
            Self::Late => vec![Command::Filter(VerdictSet::of(Verdict::Late))],
            Self::Expired => vec![Command::Filter(VerdictSet::of(Verdict::Expired))],
            Self::PairsMissing => differ(Choice::Outputs(Outputs::PairsThere)),
            Self::PairsExtra => differ(Choice::Outputs(Outputs::PairsHere)),
            Self::PadsMissing => differ(Choice::Outputs(Outputs::OthersThere)),
            Self::PadsExtra => differ(Choice::Outputs(Outputs::OthersHere)),
            Self::Verdicts => differ(Choice::All),
        }
    }
}

/// Nothing was run yet.
pub fn nothing(ui: &mut Ui, can_run: bool, commands: &mut Vec<Command>) {
    let room = ui.available_rect_before_wrap();
    // In the middle with the button that stands under it.
    let half = Rect::from_min_max(room.min, pos2(room.right(), room.bottom() - 48.0));
    let mut above = ui.new_child(UiBuilder::new().max_rect(half).id_salt("nothing"));
    let next = if can_run {
        offer()
    } else {
        "They need the recording and the pipeline: open the recording from where it is now"
            .to_owned()
    };
    let below = empty_to(&mut above, "The four semantics side by side", &next);
    let at = Rect::from_min_max(pos2(room.left(), (below + 16.0).round()), room.max);
    let flow = egui::Layout::top_down(egui::Align::Center);
    let mut child = ui.new_child(UiBuilder::new().max_rect(at).layout(flow).id_salt("run"));
    if can_run {
        if button("Run all four").filled_icon(icon::PLAY).primary().show(&mut child).clicked() {
            commands.push(Command::RunSemantics);
        }
        child.add_space(4.0);
        let said = "What a release cannot do is changed for its run, and said";
        text(&mut child, said, fonts::regular(SMALL), Tokens::of(ui.ctx()).second);
    } else if button("Open the recording…").show(&mut child).clicked() {
        commands.push(Command::ShowOpen);
    }
}

/// What is run, with the releases whose rules are followed.
fn offer() -> String {
    let release = |semantics: Semantics| semantics.release().unwrap_or(semantics.name());
    format!(
        "clean, SQL and DataStream of {}, {} over these very records: four runs",
        release(Semantics::FlinkSql),
        release(Semantics::KafkaStreams)
    )
}

/// The four, or why they could not be run.
pub fn body(ui: &mut Ui, cx: &Cx<'_>, known: &Known, percent: u64, commands: &mut Vec<Command>) {
    let t = Tokens::of(ui.ctx());
    if let Some(Err(error)) = &known.done
        && error != "cancelled"
    {
        // It was listed when it failed, in sight or not.
        if crate::window::panels::in_place(ui, error) {
            commands.push(Command::RunSemantics);
        }
        return;
    }
    egui::ScrollArea::both().auto_shrink([false, false]).show(ui, |ui| {
        // Figures far from their names are hard to read, and so are those on each other.
        let width = ui.available_width().min(WIDEST).max(places::least(ui, known));
        let (all, _) = ui.allocate_exact_size(vec2(width, HEAD + 4.0 * LINE), Sense::hover());
        let places = Places::new(ui, all, known);
        // Lines go on to the panel's edge, as those of tables do.
        let edge = ui.max_rect().right().max(all.right());
        head(ui, all, &places, edge, t);
        for (n, semantics) in Semantics::ALL.into_iter().enumerate() {
            let top = all.top() + HEAD + LINE * n as f32;
            let row = Rect::from_min_size(pos2(all.left(), top), vec2(all.width(), LINE));
            let whole = Rect::from_min_max(row.min, pos2(edge, row.bottom()));
            ground(ui, cx, whole, (semantics, known), t);
            one(ui, row, &places, (semantics, known, percent), commands, t);
        }
        let shared = said_of_all(known);
        let how =
            "− is missing and + is extra against clean; press a figure to list what it counts";
        let pad = "A pad is a row put out with nulls, for want of a match";
        let figures = known.ended.iter().any(|(_, r)| r.is_ok());
        let read = [how, pad].into_iter().filter(|_| figures);
        ui.add_space(8.0);
        for said in shared.as_deref().into_iter().chain(read) {
            ui.horizontal(|ui| {
                ui.add_space(INSET);
                text(ui, said, fonts::regular(SMALL), t.second).on_hover_text(said);
            });
        }
    });
}

/// What holds for all that ran, in a sentence.
fn said_of_all(known: &Known) -> Option<String> {
    let shared = shared(known);
    let ran = known.ended.iter().filter(|(_, r)| r.is_ok()).count();
    let who = if ran == Semantics::ALL.len() { "For all four" } else { "For all that ran" };
    (!shared.is_empty()).then(|| format!("{who}, {}", shared.join(" · ")))
}

/// Notes that all of those that ran have: they are said once.
fn shared(known: &Known) -> Vec<String> {
    let mut ran = known.ended.iter().filter_map(|(_, r)| Some(&r.as_ref().ok()?.notes));
    let Some(first) = ran.next() else { return Vec::new() };
    let others: Vec<&Vec<String>> = ran.collect();
    if others.is_empty() {
        return Vec::new();
    }
    first.iter().filter(|note| others.iter().all(|notes| notes.contains(note))).cloned().collect()
}

fn head(ui: &Ui, all: Rect, places: &Places, edge: f32, t: &Tokens) {
    let painter = ui.painter();
    let y = all.top() + HEAD - 12.0;
    for (i, (title, ..)) in COLUMNS.iter().enumerate() {
        let font = fonts::regular(SMALL);
        painter.text(pos2(places.right(i), y), Align2::RIGHT_CENTER, title, font, t.second);
    }
    let left = places.left(AGAINST) + 10.0;
    let right = places.right(COLUMNS.len() - 1);
    let over = "against clean";
    let at = pos2(f32::midpoint(left, right), all.top() + 13.0);
    let said = painter.text(at, Align2::CENTER_CENTER, over, fonts::regular(SMALL), t.third);
    for x in [left..=said.left() - 8.0, said.right() + 8.0..=right] {
        painter.hline(x, at.y, Stroke::new(1.0, t.line));
    }
    painter.hline(all.left()..=edge, all.top() + HEAD - 0.5, Stroke::new(1.0, t.line));
}

/// What a line stands on: another ground where its run is the one in front.
fn ground(ui: &Ui, cx: &Cx<'_>, row: Rect, (semantics, known): (Semantics, &Known), t: &Tokens) {
    let ended = known.ended.iter().find(|(s, _)| *s == semantics);
    let dir = ended.and_then(|(_, r)| Some(r.as_ref().ok()?.dir.as_path()));
    if dir.is_some() && dir == cx.doc.run.as_ref().map(|r| r.dir.as_path()) {
        ui.painter().rect_filled(row, 0, t.selected.gamma_multiply(0.6));
        mark_row(ui.painter(), row, t);
    }
    ui.painter().hline(row.x_range(), row.bottom() - 0.5, Stroke::new(1.0, t.line));
}

fn one(
    ui: &mut Ui,
    row: Rect,
    places: &Places,
    (semantics, known, percent): (Semantics, &Known, u64),
    commands: &mut Vec<Command>,
    t: &Tokens,
) {
    let ended = known.ended.iter().find(|(s, _)| *s == semantics).map(|(_, r)| r);
    let figures = ended.and_then(|r| r.as_ref().ok());
    let left = row.left() + INSET;
    let y = row.top() + 18.0;
    let name = fit(ui, semantics.name(), &fonts::semibold(TEXT), places.name - 8.0);
    let font = fonts::semibold(TEXT);
    let at = ui.painter().text(pos2(left, y), Align2::LEFT_CENTER, name, font, t.text);
    // A release stands whole beside the name, else below it.
    let mut release_below = None;
    if let Some(release) = semantics.release() {
        let room = left + places.name - at.right() - 16.0;
        let galley =
            ui.painter().layout_no_wrap(release.to_owned(), fonts::regular(SMALL), t.second);
        if galley.size().x <= room {
            let place = pos2(at.right() + 8.0, y - galley.size().y / 2.0);
            ui.painter().galley(place, galley, t.second);
        } else {
            release_below = Some(release);
        }
    }
    let running = known.at.filter(|(at, _)| *at == semantics);
    let waits = match (ended, running) {
        (Some(Ok(_)), _) => None,
        (Some(Err(why)), _) => Some(format!("refused: {why}")),
        (None, Some((_, Some(percent)))) => Some(format!("compared with clean, {percent} %")),
        (None, Some((_, None))) => Some(format!("running, {percent} %")),
        (None, None) if known.done.is_some() => Some("not run".to_owned()),
        (None, None) => Some("waits".to_owned()),
    };
    let notes = match (&waits, figures) {
        (Some(said), _) => said.clone(),
        (None, Some(f)) => {
            let shared = shared(known);
            let own = f.notes.iter().filter(|note| !shared.contains(note)).cloned();
            let own: Vec<String> = own.collect();
            if own.is_empty() { "as the pipeline says".to_owned() } else { own.join(" · ") }
        }
        (None, None) => String::new(),
    };
    let notes = match release_below {
        Some(release) => format!("{notes} · {release}"),
        None => notes,
    };
    // Under the figures there is nothing else.
    let width = row.width() - 2.0 * INSET - BUTTONS;
    note(ui, row, semantics, &notes, width, t);
    let Some(figures) = figures else { return };
    let clean = known
        .ended
        .iter()
        .find_map(|(s, r)| (*s == Semantics::Clean).then_some(r.as_ref().ok()?.dir.as_path()));
    for (i, (_, called, count)) in COLUMNS.iter().enumerate() {
        let cell = places.cell(i, row);
        match count.of(figures) {
            None => {
                let at = pos2(cell.right(), y);
                ui.painter().text(at, Align2::RIGHT_CENTER, "–", fonts::mono(SMALL), t.third);
            }
            Some(n) => {
                let name = format!("{}: {} {called}", semantics.name(), thousands(n));
                if figure(ui, cell, y, (n, places.figure(n)), &name, t) {
                    let then = count.opens(clean);
                    commands.push(Command::OpenThen(figures.dir.clone(), then));
                }
            }
        }
    }
    buttons(ui, row, semantics, known, &figures.dir, commands);
}

/// What was changed so that it runs, or how far it is.
fn note(ui: &mut Ui, row: Rect, semantics: Semantics, notes: &str, width: f32, t: &Tokens) {
    let at = Rect::from_min_size(
        pos2(row.left() + INSET, row.top() + 29.0),
        vec2(width.max(20.0), 18.0),
    );
    let response = ui.interact(at, ui.scope_id().with(("note", semantics.name())), Sense::hover());
    let spoken = format!("{}: {notes}", semantics.name());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    let mut job = egui::text::LayoutJob::simple_singleline(
        line(notes).into_owned(),
        fonts::regular(SMALL),
        t.second,
    );
    job.wrap = egui::text::TextWrapping::truncate_at_width(at.width());
    let galley = ui.painter().layout_job(job);
    let cut = galley.elided;
    ui.painter().galley(pos2(at.left(), at.center().y - galley.size().y / 2.0), galley, t.second);
    if cut {
        response.on_hover_text(notes);
    }
}

/// A count; whether its records are asked for.
fn figure(
    ui: &mut Ui,
    cell: Rect,
    y: f32,
    (n, shown): (u64, String),
    name: &str,
    t: &Tokens,
) -> bool {
    let font = fonts::mono(SMALL + 0.5);
    if n == 0 {
        let at = pos2(cell.right(), y);
        let said = ui.painter().text(at, Align2::RIGHT_CENTER, "0", font, t.third);
        let response = ui.interact(said, ui.scope_id().with(name), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, name));
        return false;
    }
    let galley = ui.painter().layout_no_wrap(shown, font, t.accent);
    let size = galley.size();
    let at = Rect::from_min_size(pos2(cell.right() - size.x, y - size.y / 2.0), size);
    let id = ui.scope_id().with(name);
    let response = ui.interact(at.expand2(vec2(6.0, 6.0)), id, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, name));
    ui.painter().galley(at.min, galley, t.accent);
    if response.hovered() || response.has_focus() {
        ui.painter().hline(at.x_range(), at.bottom(), Stroke::new(1.0, t.accent));
    }
    let clicked = response.clicked();
    response.on_hover_cursor(egui::CursorIcon::PointingHand).on_hover_text(name);
    clicked
}

/// Opens the run; compares it with another of the four.
fn buttons(
    ui: &mut Ui,
    row: Rect,
    semantics: Semantics,
    known: &Known,
    dir: &Path,
    commands: &mut Vec<Command>,
) {
    let at = Rect::from_min_max(
        pos2(row.right() - BUTTONS, row.top() + 5.0),
        pos2(row.right() - 6.0, row.top() + 31.0),
    );
    let flow = egui::Layout::right_to_left(egui::Align::Center);
    let salt = ("buttons", semantics.name());
    let mut child = ui.new_child(UiBuilder::new().max_rect(at).layout(flow).id_salt(salt));
    child.spacing_mut().item_spacing.x = 2.0;
    let others: Vec<(Semantics, PathBuf)> = known
        .ended
        .iter()
        .filter(|(s, _)| *s != semantics)
        .filter_map(|(s, r)| Some((*s, r.as_ref().ok()?.dir.clone())))
        .collect();
    let name = format!("Compare {} with", semantics.name());
    let response = icon_button(icon::COMPARE, &name).plain().show(&mut child);
    Popup::menu(&response).show(|ui| {
        ui.set_min_width(180.0);
        for (other, path) in &others {
            let label = format!("with {}", other.name());
            if menu_row(&label).show(ui).clicked() {
                let then =
                    vec![Command::Compare(path.clone()), Command::ListDifference(Choice::All)];
                commands.push(Command::OpenThen(dir.to_owned(), then));
                ui.close();
            }
        }
    });
    let name = format!("Open the run under {}", semantics.name());
    if icon_button(icon::OPEN, &name).plain().show(&mut child).clicked() {
        commands.push(Command::OpenThen(dir.to_owned(), Vec::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_those_that_ran_is_not_said_of_all_four() {
        let note = "pairs are compared: nothing is folded into examples";
        let ran = || {
            let figures = Figures {
                dir: PathBuf::new(),
                notes: vec![note.to_owned()],
                pairs: 0,
                pads: 0,
                late: 0,
                expired: 0,
                against: None,
            };
            Ok(figures)
        };
        let of = |n: usize| {
            let mut known = Known::default();
            let each = Semantics::ALL.into_iter().enumerate();
            known.ended.extend(each.map(|(i, semantics)| {
                (semantics, if i < n { ran() } else { Err("it cannot".to_owned()) })
            }));
            said_of_all(&known)
        };
        assert_eq!(of(4), Some(format!("For all four, {note}")));
        assert_eq!(of(3), Some(format!("For all that ran, {note}")));
        assert_eq!(of(1), None, "it stands beside that one");
    }
}
