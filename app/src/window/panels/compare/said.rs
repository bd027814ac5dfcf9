//! What both runs say about the selected record, one sentence under the other.

use egui::{Align2, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2};
use joinscope_operator::verdict::Verdict;

use super::ask::Both;
use crate::window::text::{counted, line};
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::{fit, verdict_shape};

/// Height of a sentence of one line, points.
const ROW: f32 = 24.0;
/// What a second line takes, points.
const MORE: f32 = 16.0;

/// Height of the part in a panel over `all`: with two lines for each sentence where
/// one may be too little and the table keeps enough.
pub fn height(all: Rect) -> f32 {
    let wraps = all.width() < 1100.0 && all.height() >= 520.0;
    10.0 + 2.0 * (ROW + if wraps { MORE } else { 0.0 })
}

/// Paints both sentences into `at`.
pub fn show(ui: &mut Ui, at: Rect, both: &Both, names: (&str, &str), t: &Tokens) {
    ui.painter().hline(at.x_range(), at.top() + 0.5, Stroke::new(1.0, t.line));
    let sides = [(names.1, &both.there), (names.0, &both.here)];
    let widest = sides
        .iter()
        .map(|(name, _)| {
            ui.painter()
                .layout_no_wrap(line(name).into_owned(), fonts::regular(SMALL), t.second)
                .size()
                .x
        })
        .fold(0.0f32, f32::max)
        .min(140.0);
    // Which record both are about, at the right end of the first line.
    let font = fonts::mono(SMALL);
    let record = fit(ui, &both.record, &font, at.width() * 0.3);
    let record = ui.painter().layout_no_wrap(record, font, t.second);
    let end = at.right() - INSET - record.size().x;
    let y = at.top() + 5.0 + (ROW - record.size().y) / 2.0;
    ui.painter().galley(pos2(end, y), record, t.second);
    for (n, (name, said)) in sides.into_iter().enumerate() {
        let high = (at.height() - 10.0) / 2.0;
        let top = at.top() + 5.0 + high * n as f32;
        let right = if n == 0 { end } else { at.right() };
        let row = Rect::from_min_max(pos2(at.left(), top), pos2(right, top + high));
        one(ui, row, (name, both), said.as_ref(), widest, t);
    }
}

fn one(
    ui: &mut Ui,
    row: Rect,
    (name, both): (&str, &Both),
    said: Option<&(Verdict, String)>,
    widest: f32,
    t: &Tokens,
) {
    let (verdict, sentence) = match said {
        Some((verdict, sentence)) => (Some(*verdict), counted(sentence)),
        None if both.beyond => (None, "This run ended before this record came".into()),
        None => (None, "This run has no such record".into()),
    };
    let response = ui.interact(row, ui.scope_id().with(("said", name)), Sense::hover());
    let word = super::kinds::word(verdict);
    let spoken = format!("In {name}: {word}. {sentence} ({})", both.record);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    // Of the first line.
    let y = row.top() + ROW / 2.0;
    let x = row.left() + INSET;
    let painter = ui.painter_at(row);
    let label = fit(ui, name, &fonts::regular(SMALL), widest);
    painter.text(pos2(x, y), Align2::LEFT_CENTER, label, fonts::regular(SMALL), t.second);
    let x = x + widest + 14.0;
    if let Some(verdict) = verdict {
        painter.extend(verdict_shape(pos2(x + 4.5, y), 4.5, verdict, t));
    }
    let font = fonts::semibold(SMALL + 0.5);
    let word = painter.text(pos2(x + 16.0, y), Align2::LEFT_CENTER, word, font, t.text);
    // Sentences begin under each other.
    let x = word.right().max(x + 16.0 + 72.0) + 12.0;
    let text = line(&sentence).into_owned();
    let mut job =
        egui::text::LayoutJob::simple_singleline(text, fonts::regular(SMALL + 0.5), t.text);
    job.wrap = egui::text::TextWrapping::truncate_at_width((row.right() - INSET - x).max(20.0));
    if row.height() > ROW + 1.0 {
        (job.wrap.max_rows, job.wrap.break_anywhere) = (2, false);
    }
    let galley = painter.layout_job(job);
    let cut = galley.elided;
    let first = galley.rows.first().map_or(galley.size().y, |line| line.size.y);
    painter.galley(pos2(x, y - first / 2.0), galley, t.text);
    if cut {
        response.on_hover_text(&*sentence);
    }
}
