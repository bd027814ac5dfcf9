//! What stands where there is nothing to show.

use egui::text::LayoutJob;
use egui::{Align, FontId, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::window::theme::{INSET, SMALL, TEXT, Tokens, fonts};

/// From the first line's middle to the second's, points.
const STEP: f32 = 22.0;
/// Text is never wrapped narrower, points.
const NARROWEST: f32 = 80.0;

/// The table's place when it has nothing to show: what to do next. Words that do not
/// fit beside each other wrap.
pub fn empty(ui: &mut Ui, what: &str, next: &str) {
    empty_to(ui, what, next);
}

/// [`empty`], where something stands below: gives the lower edge of its words.
pub fn empty_to(ui: &mut Ui, what: &str, next: &str) -> f32 {
    let t = Tokens::of(ui.ctx());
    let rect = ui.available_rect_before_wrap();
    let wide = (rect.width() - 2.0 * INSET).max(NARROWEST);
    let mut middle = rect.center() - vec2(0.0, 12.0);
    let mut below = middle.y;
    for (words, font, ink) in
        [(what, fonts::regular(TEXT), t.text), (next, fonts::regular(SMALL), t.second)]
    {
        let galley = ui.painter().layout_job(centred(words, font, ink, wide));
        let line = galley.rows.first().map_or(0.0, |row| row.rect().height());
        let top = middle.y - line / 2.0;
        // What the lines that were wrapped take besides moves what follows.
        let more = galley.size().y - line;
        below = top + galley.size().y;
        ui.painter().galley(pos2(middle.x, top), galley, ink);
        middle.y += STEP + more;
    }
    let response = ui.interact(rect, ui.scope_id().with("empty"), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{what}. {next}")));
    below
}

fn centred(words: &str, font: FontId, ink: egui::Color32, wide: f32) -> LayoutJob {
    let mut job = LayoutJob::simple(words.to_owned(), font, ink, wide);
    job.halign = Align::Center;
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_below_words_that_wrap_stands_lower() {
        let ctx = egui::Context::default();
        let mut edges = Vec::new();
        let _ = ctx.run_ui(egui::RawInput::default(), |ui| {
            for wide in [2_000.0, 160.0] {
                let room = egui::Rect::from_min_size(egui::Pos2::ZERO, vec2(wide, 300.0));
                let builder = egui::UiBuilder::new().max_rect(room).id_salt(edges.len());
                let mut child = ui.new_child(builder);
                edges.push(empty_to(&mut child, "Nothing yet", "Choose above what goes wrong"));
            }
        });
        assert!(edges[0] > 150.0 && edges[1] > edges[0] + 10.0, "{edges:?}");
    }

    #[test]
    fn words_that_do_not_fit_wrap_around_the_middle() {
        let ctx = egui::Context::default();
        let mut sizes = Vec::new();
        let _ = ctx.run_ui(egui::RawInput::default(), |ui| {
            for wide in [2_000.0, 200.0] {
                let words = "Choose above what goes wrong: the recording is then run";
                let job = centred(words, FontId::proportional(12.0), egui::Color32::WHITE, wide);
                let galley = ui.painter().layout_job(job);
                let rect = galley.rect;
                assert!(rect.width() <= wide && rect.center().x.abs() < 1.0, "{rect:?}");
                sizes.push(galley.rows.len());
            }
        });
        assert!(sizes[0] == 1 && sizes[1] > 1, "{sizes:?}");
    }
}
