//! What every panel has: its ground, and a title followed by the one sentence
//! that matters now.

use egui::{
    Align, Align2, Frame, Layout as Flow, Margin, Popup, Rect, Response, Role, Sense, Stroke, Ui,
    UiBuilder, WidgetInfo, pos2, vec2,
};

use super::bars::MenuRow;
use super::command::{Command, Export};
use super::layout::Tabs;
use super::panel::Panel;
use super::theme::fonts::icon;
use super::theme::{INSET, RADIUS, SMALL, TEXT, TITLE, Tokens, fonts};
use super::widgets::{fit, icon_button, roomy};

/// The frame of a panel that fills its side of the window.
pub fn panel_frame(t: &Tokens) -> Frame {
    Frame::NONE.fill(t.panel).corner_radius(RADIUS).inner_margin(Margin::ZERO)
}

/// What stands in a title bar.
pub struct Title<'a> {
    pub panel: Panel,
    /// The panel's name, or what it shows instead.
    pub text: &'a str,
    /// A figure or a record's name.
    pub mono: bool,
    pub sentence: &'a str,
    pub tabs: &'a Tabs,
}

impl<'a> Title<'a> {
    /// The panel's own name with its sentence.
    #[must_use]
    pub fn of(panel: Panel, sentence: &'a str, tabs: &'a Tabs) -> Self {
        Self { panel, text: panel.title(), mono: false, sentence, tabs }
    }
}

/// Paints the panel's ground and its title bar over the whole of `ui`, then
/// its `body`; `controls` stand at the title's right, from right to left.
/// Says whether the title is being dragged.
pub fn panel(
    ui: &mut Ui,
    title: &Title<'_>,
    commands: &mut Vec<Command>,
    controls: impl FnOnce(&mut Ui, &mut Vec<Command>),
    body: impl FnOnce(&mut Ui, &mut Vec<Command>),
) -> bool {
    let t = Tokens::of(ui.ctx());
    let rect = ui.available_rect_before_wrap();
    ui.painter().rect_filled(rect, RADIUS, t.panel);
    let bar = Rect::from_min_size(rect.min, vec2(rect.width(), TITLE));
    let inner = Rect::from_min_max(pos2(rect.left(), bar.bottom()), rect.max);
    let drag =
        ui.interact(bar, ui.scope_id().with((title.panel, "title")), Sense::CLICK | Sense::DRAG);
    menu(&drag, title.panel, commands);
    let right = {
        let at = bar.shrink2(vec2(6.0, 3.0));
        let flow = Flow::right_to_left(Align::Center);
        let mut child =
            ui.new_child(UiBuilder::new().max_rect(at).layout(flow).id_salt("controls"));
        child.spacing_mut().item_spacing.x = 6.0;
        controls(&mut child, commands);
        child.min_rect().left()
    };
    let mut x = bar.left() + INSET;
    if title.tabs.here.len() > 1 {
        x = tab_row(ui, title, bar, x..right - 8.0, commands, t);
    } else {
        let font = if title.mono { fonts::mono(SMALL + 1.0) } else { fonts::semibold(TEXT) };
        let room = right - 8.0 - x;
        let text = fit(ui, title.text, &font, room);
        let cut = text != super::text::line(title.text);
        let at =
            ui.painter().text(pos2(x, bar.center().y), Align2::LEFT_CENTER, text, font, t.text);
        if cut {
            let id = ui.scope_id().with((title.panel, "name"));
            let at = Rect::from_x_y_ranges(at.x_range(), bar.y_range());
            let whole = super::text::line(title.text);
            ui.interact(at, id, Sense::hover()).on_hover_text(whole);
        }
        x = at.right() + 12.0;
    }
    sentence(ui, title, Rect::from_x_y_ranges(x..=(right - 10.0).max(x), bar.y_range()), t);
    let y = bar.bottom() - 0.5;
    ui.painter().hline(bar.x_range(), y, Stroke::new(1.0, t.line));
    let mut child = ui.new_child(UiBuilder::new().max_rect(inner).id_salt((title.panel, "body")));
    child.shrink_clip_rect(inner);
    body(&mut child, commands);
    ui.advance_cursor_after_rect(rect);
    drag.drag_started()
}

/// What there is to do with a panel, on the right button over its title.
fn menu(response: &Response, panel: Panel, commands: &mut Vec<Command>) {
    Popup::context_menu(response).show(|ui| {
        ui.set_min_width(200.0);
        let mut item = |label: &str, command: Command| {
            if (MenuRow { label, icon: None, checked: None, shortcut: None }).show(ui).clicked() {
                commands.push(command);
                ui.close();
            }
        };
        item("Save a picture…", Command::Export(Export::Picture(panel)));
        if panel.has_lines() {
            item("Export its lines over time…", Command::Export(Export::Lines(panel)));
            item("Export its rows…", Command::Export(Export::Data(panel)));
        } else {
            item("Export its figures…", Command::Export(Export::Data(panel)));
        }
        item("Hide the panel", Command::HidePanel(panel));
    });
}

/// The sentence, cut where it does not fit and whole in its tooltip; also the
/// panel's accessible value.
fn sentence(ui: &mut Ui, title: &Title<'_>, at: Rect, t: &Tokens) {
    let response = ui.interact(at, ui.scope_id().with((title.panel, "sentence")), Sense::hover());
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Heading, true, title.panel.title());
        info.current_text_value = Some(title.sentence.to_owned());
        info
    });
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(title.sentence));
    if title.sentence.is_empty() || at.width() < 24.0 {
        return;
    }
    let text = super::text::line(title.sentence).into_owned();
    let mut job = egui::text::LayoutJob::simple_singleline(text, fonts::regular(TEXT), t.second);
    job.wrap = egui::text::TextWrapping::truncate_at_width(at.width());
    let galley = ui.painter().layout_job(job);
    let cut = galley.elided;
    ui.painter().galley(pos2(at.left(), at.center().y - galley.size().y / 2.0), galley, t.second);
    if cut {
        response.on_hover_text(super::text::line(title.sentence));
    }
}

/// Between two tabs, points.
const APART: f32 = 18.0;
/// Width of the button that lists the tabs that have no room, points.
const MORE: f32 = 26.0;

/// Which tabs have room: the one in front, and as many of the first as there is room for.
fn fitting(widths: &[f32], front: usize, room: f32) -> Vec<bool> {
    let all: f32 = widths.iter().map(|width| width + APART).sum();
    if all - APART <= room {
        return vec![true; widths.len()];
    }
    let own = widths.get(front).map_or(0.0, |width| width + APART);
    let mut left = room - MORE - own;
    let fits = |(i, width): (usize, &f32)| {
        if i == front {
            return true;
        }
        left -= width + APART;
        left >= 0.0
    };
    widths.iter().enumerate().map(fits).collect()
}

fn tab_row(
    ui: &mut Ui,
    title: &Title<'_>,
    bar: Rect,
    room: std::ops::Range<f32>,
    commands: &mut Vec<Command>,
    t: &Tokens,
) -> f32 {
    let lay = |text: &str, font| ui.painter().layout_no_wrap(text.to_owned(), font, t.text);
    let laid = |panel: Panel, active: bool, short: bool| match (active, short) {
        (true, _) => lay(panel.title(), fonts::semibold(TEXT)),
        (false, true) => lay(panel.about().icon, fonts::icons(TEXT + 3.0)),
        (false, false) => lay(panel.title(), fonts::regular(TEXT)),
    };
    let here = &title.tabs.here;
    let wide: f32 = here.iter().map(|(p, active)| laid(*p, *active, false).size().x + APART).sum();
    // Where there is no room for all names, those behind are their icons, and where there
    // is none for all icons, a menu has the rest.
    let short = room.start + wide - APART > room.end;
    let galleys: Vec<_> = here.iter().map(|(p, active)| laid(*p, *active, short)).collect();
    let widths: Vec<f32> = galleys.iter().map(|galley| galley.size().x).collect();
    let front = here.iter().position(|(_, active)| *active).unwrap_or(0);
    let fits = fitting(&widths, front, room.end - room.start);
    let cut = fits.contains(&false);
    let (mut x, mut hidden) = (room.start, Vec::new());
    for (((panel, active), galley), fits) in here.iter().zip(galleys).zip(fits) {
        if !fits {
            hidden.push(*panel);
            continue;
        }
        let name = panel.title();
        let most = room.end - room.start - MORE - APART;
        let elided = *active && cut && galley.size().x > most;
        let galley = if elided {
            let font = fonts::semibold(TEXT);
            lay(&fit(ui, name, &font, most), font)
        } else {
            galley
        };
        let at = Rect::from_x_y_ranges(x..=x + galley.size().x, bar.y_range());
        let response =
            ui.interact(at.expand2(vec2(6.0, 0.0)), ui.scope_id().with(panel), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Tab, true, *active, name));
        if response.clicked() {
            commands.push(Command::ShowPanel(*panel));
        }
        let ink =
            if *active || response.hovered() || response.has_focus() { t.text } else { t.second };
        let y = bar.center().y - galley.size().y / 2.0;
        ui.painter().galley_with_override_text_color(pos2(x, y), galley, ink);
        if *active {
            let line = Rect::from_x_y_ranges(at.x_range(), bar.bottom() - 2.0..=bar.bottom());
            ui.painter().rect_filled(line, 1, t.accent);
        }
        x = at.right() + APART;
        if short && !active || elided {
            response.on_hover_text(name);
        }
    }
    if cut {
        let left = x - 6.0;
        x = left + MORE + 6.0;
        let at = Rect::from_x_y_ranges(left..=left + MORE, bar.y_range());
        more(ui, at, title.panel, &hidden, commands);
    }
    x
}

/// The tabs that have no room.
fn more(ui: &mut Ui, at: Rect, panel: Panel, hidden: &[Panel], commands: &mut Vec<Command>) {
    let flow = Flow::left_to_right(Align::Center);
    let place = UiBuilder::new().max_rect(at).layout(flow).id_salt((panel, "more tabs"));
    let mut child = ui.new_child(place);
    let response = icon_button(icon::DOWN, "More panels here").plain().show(&mut child);
    Popup::menu(&response).show(|ui| {
        roomy(ui);
        ui.set_min_width(180.0);
        for panel in hidden {
            let (label, icon) = (panel.title(), Some(panel.about().icon));
            if (MenuRow { label, icon, checked: None, shortcut: None }).show(ui).clicked() {
                commands.push(Command::ShowPanel(*panel));
                ui.close();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn the_tab_in_front_is_always_there_and_of_the_others_the_first() {
        let widths = [60.0, 16.0, 16.0, 16.0];
        assert_eq!(fitting(&widths, 0, 162.0), [true; 4]);
        // Two with the button: 60 + 18, 16 + 18, 26.
        assert_eq!(fitting(&widths, 0, 161.0), [true, true, false, false]);
        assert_eq!(fitting(&widths, 0, 138.0), [true, true, false, false]);
        assert_eq!(fitting(&widths, 0, 137.0), [true, false, false, false]);
        assert_eq!(fitting(&[16.0, 16.0, 60.0, 16.0], 2, 140.0), [true, false, true, false]);
        assert_eq!(fitting(&widths, 3, -20.0), [false, false, false, true]);
    }
}
