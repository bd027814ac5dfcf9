//! The TOML, with numbers of lines, and what is wrong at its line.

use egui::text::{CCursor, CCursorRange, LayoutJob, TextFormat};
use egui::text_edit::TextEditState;
use egui::{Align2, Color32, Id, Rect, ScrollArea, TextEdit, Ui, pos2, vec2};

use crate::window::editor::{At, Editor, Wrong};
use crate::window::theme::fonts::icon;
use crate::window::theme::{BUTTON_RADIUS, SMALL, Tokens, fonts};
use crate::window::widgets::button;

/// Of the numbers of lines, points.
const NUMBERS: f32 = 40.0;
/// Mistakes listed at most.
const LISTED: usize = 50;
/// Of the list of mistakes, points.
const MISTAKES: f32 = 84.0;

/// Where the text stands.
#[derive(Default)]
pub struct Source {
    /// A line that is to be brought into sight.
    go_to: Option<(usize, usize)>,
}

impl Source {
    /// Shows the text and, under it, what is wrong.
    pub fn show(&mut self, editor: &mut Editor, ui: &mut Ui, t: &Tokens) {
        let wrong = editor.wrong().to_vec();
        let lines: Vec<&Wrong> = wrong.iter().filter(|w| matches!(w.at, At::Line(..))).collect();
        let all = ui.available_rect_before_wrap();
        let below = if lines.is_empty() { 0.0 } else { MISTAKES };
        let at = Rect::from_min_max(all.min, pos2(all.right(), all.bottom() - below));
        ui.painter().rect_filled(at, BUTTON_RADIUS, t.ground);
        super::part(ui, at, "text", |ui| self.text(editor, ui, &lines, t));
        if !lines.is_empty() {
            let at = Rect::from_min_max(pos2(all.left(), at.bottom() + 6.0), all.max);
            super::part(ui, at, "mistakes", |ui| self.mistakes(ui, &lines));
        }
    }

    fn text(&mut self, editor: &mut Editor, ui: &mut Ui, wrong: &[&Wrong], t: &Tokens) {
        let id = Id::unique("pipeline source");
        if let Some((line, column)) = self.go_to.take() {
            let cursor = CCursor::new(place(editor.text(), line, column));
            let mut state = TextEditState::load(ui.ctx(), id).unwrap_or_default();
            state.cursor.set_char_range(Some(CCursorRange::one(cursor)));
            state.store(ui.ctx(), id);
            ui.memory_mut(|m| m.request_focus(id));
        }
        let mut written = editor.text().to_owned();
        let colours = *t;
        let mut layouter = move |ui: &Ui, text: &dyn egui::TextBuffer, _: f32| {
            ui.fonts_mut(|f| f.layout_job(job(text.as_str(), &colours)))
        };
        ScrollArea::both().auto_shrink(false).show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = 0.0;
                let (gutter, _) = ui.allocate_exact_size(vec2(NUMBERS, 1.0), egui::Sense::hover());
                let edit = TextEdit::multiline(&mut written)
                    .id(id)
                    .code_editor()
                    // Tab leaves it, as everywhere.
                    .lock_focus(false)
                    .frame(egui::Frame::NONE)
                    .background_color(Color32::TRANSPARENT)
                    .desired_width(f32::INFINITY)
                    .desired_rows(20)
                    .layouter(&mut layouter);
                let shown = edit.show(ui);
                let _ = shown.response.response.clone().accessible_name("Pipeline as TOML");
                let mut y = shown.galley_pos.y;
                let painter = ui.painter();
                for (n, row) in shown.galley.rows.iter().enumerate() {
                    let height = row.height();
                    let here = wrong.iter().find(|w| matches!(w.at, At::Line(l, _) if l == n + 1));
                    let right = pos2(gutter.left() + NUMBERS - 12.0, y + height / 2.0);
                    let number = (n + 1).to_string();
                    let ink = if here.is_some() { t.text } else { t.third };
                    painter.text(
                        right,
                        Align2::RIGHT_CENTER,
                        number,
                        fonts::mono(SMALL - 1.0),
                        ink,
                    );
                    if here.is_some() {
                        let sign = pos2(gutter.left() + 8.0, y + height / 2.0);
                        let font = fonts::icons(SMALL + 1.0);
                        painter.text(sign, Align2::CENTER_CENTER, icon::WARNING, font, t.text);
                        let band = Rect::from_min_size(
                            pos2(gutter.left() + NUMBERS - 6.0, y),
                            vec2(4000.0, height),
                        );
                        painter.rect_filled(band, 0, t.selected.gamma_multiply(0.5));
                    }
                    y += height;
                }
            });
        });
        editor.set_text(written);
    }

    fn mistakes(&mut self, ui: &mut Ui, wrong: &[&Wrong]) {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            for wrong in wrong.iter().take(LISTED) {
                let At::Line(line, column) = wrong.at else { continue };
                let message = crate::window::text::line(&wrong.message).into_owned();
                let label = format!("line {line}: {message}");
                let font = fonts::regular(SMALL);
                let shown =
                    crate::window::widgets::fit(ui, &label, &font, ui.available_width() - 48.0);
                let response = button(&shown).plain().icon(icon::WARNING).name(&label).show(ui);
                if response.on_hover_text(&label).clicked() {
                    self.go_to = Some((line, column));
                }
            }
        });
    }
}

/// The number of characters before a line and column.
fn place(text: &str, line: usize, column: usize) -> usize {
    let before: usize =
        text.split('\n').take(line.saturating_sub(1)).map(|l| l.chars().count() + 1).sum();
    (before + column.saturating_sub(1)).min(text.chars().count())
}

/// Comments and sections stand apart from values.
fn job(text: &str, t: &Tokens) -> LayoutJob {
    let mut job = LayoutJob::default();
    let mut append = |text: &str, colour| {
        let format = TextFormat::simple(fonts::mono(SMALL), colour);
        job.append(text, 0.0, format);
    };
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            append(line, t.accent);
            continue;
        }
        match comment(line) {
            Some(at) => {
                append(&line[..at], t.text);
                append(&line[at..], t.third);
            }
            None => append(line, t.text),
        }
    }
    // A row for each line: what is wrong stands at its number.
    job.wrap.max_width = f32::INFINITY;
    job
}

/// Where a comment begins: the first # outside of a text.
fn comment(line: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters() {
        assert_eq!(place("a\nüb\nc", 2, 2), 3);
        assert_eq!(place("a\nüb\nc", 3, 1), 5);
        assert_eq!(place("a", 9, 9), 1);
    }

    #[test]
    fn a_comment_begins_outside_of_texts() {
        assert_eq!(comment("a = \"#1\" # one"), Some(9));
        assert_eq!(comment("a = '#'"), None);
    }
}
