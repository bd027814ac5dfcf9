//! The bar that names every setting in which the two runs differ.

use egui::{Align2, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use joinscope_core::analyses::compare::SettingDiff;

use crate::window::text::{line, plural};
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::fit;

/// Height of a line of the bar, points.
const LINE: f32 = 22.0;
/// Lines of the bar, where there is room.
const LINES: usize = 3;

/// How high the bar is, points.
pub fn height(settings: &[SettingDiff], room: f32) -> f32 {
    let lines = settings.len().clamp(1, if room > 420.0 { LINES } else { 1 });
    lines as f32 * LINE + 6.0
}

/// `5m` here, `20m` there, in words.
fn spoken(setting: &SettingDiff, here: &str, there: &str) -> String {
    let value = |v: &Option<String>| v.as_deref().map_or("not set", |v| v).to_owned();
    format!("{}: {} in {here}, {} in {there}", setting.path, value(&setting.a), value(&setting.b))
}

/// Paints the bar into `at`; the older run's value stands first.
pub fn show(ui: &mut Ui, at: Rect, settings: &[SettingDiff], names: (&str, &str), t: &Tokens) {
    let said: Vec<String> = settings.iter().map(|s| spoken(s, names.0, names.1)).collect();
    let response = ui.interact(at, ui.scope_id().with("settings"), Sense::hover());
    let name = match settings.len() {
        0 => "No setting differs".to_owned(),
        n => {
            format!("{} {}", plural(n as u64, "setting"), if n == 1 { "differs" } else { "differ" })
        }
    };
    response.widget_info(|| WidgetInfo::labeled(Role::Status, true, &name));
    let value = said.join("; ");
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(value.as_str()));
    let painter = ui.painter_at(at);
    painter.hline(at.x_range(), at.bottom() - 0.5, egui::Stroke::new(1.0, t.line));
    let shown = ((at.height() - 6.0) / LINE).round().max(1.0) as usize;
    let y = |n: usize| at.top() + 3.0 + LINE * (n as f32 + 0.5);
    if settings.is_empty() {
        let said = "No setting differs: recording, pipeline, seed and version are the same";
        let font = fonts::regular(SMALL);
        painter.text(pos2(at.left() + INSET, y(0)), Align2::LEFT_CENTER, said, font, t.second);
        return;
    }
    let more = settings.len().saturating_sub(shown);
    for (n, setting) in settings.iter().take(shown).enumerate() {
        // Beside the legend, or what stops the comparison.
        let beside = if n == 0 { 200.0 } else { 0.0 };
        let room = at.width() - 2.0 * INSET - beside;
        let mut x = at.left() + INSET;
        let mut write = |text: &str, font, colour, room: f32| {
            let text = fit(ui, text, &font, room);
            let galley = painter.layout_no_wrap(text, font, colour);
            let size = galley.size();
            painter.galley(pos2(x, y(n) - size.y / 2.0), galley, colour);
            x += size.x + 10.0;
        };
        write(&setting.path, fonts::mono(SMALL), t.second, room * 0.55);
        let value =
            |v: &Option<String>| v.as_deref().map_or("–".to_owned(), |v| line(v).into_owned());
        write(&value(&setting.b), fonts::mono(SMALL), t.second, room * 0.2);
        write("→", fonts::mono(SMALL), t.third, 20.0);
        write(&value(&setting.a), fonts::mono(SMALL), t.text, room * 0.2);
    }
    if more > 0 {
        let place = pos2(at.right() - INSET, y(shown - 1));
        let place = if shown == 1 { place - vec2(200.0, 0.0) } else { place };
        let font = fonts::regular(SMALL);
        let said = format!("{more} more");
        painter.text(place, Align2::RIGHT_CENTER, said, font, t.second);
    }
    response.on_hover_ui(|ui| {
        ui.spacing_mut().item_spacing = vec2(8.0, 4.0);
        for said in said.iter().take(40) {
            ui.label(line(said).into_owned());
        }
    });
}
