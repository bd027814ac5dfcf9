//! The few widgets that the window is made of, each with its accessible name.

use egui::{
    Align2, Color32, FontId, Pos2, Rect, Response, Role, ScrollArea, Sense, Shape, Stroke,
    StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use joinscope_operator::verdict::Verdict;

use super::theme::fonts::icon;
use super::theme::{BUTTON_RADIUS, ROW, SMALL, TEXT, Tokens, fonts};

/// A part that scrolls, as high as its content up to `most` points, also where it was
/// less high before: else it would be given what it took last.
pub fn growing<R>(ui: &mut Ui, most: f32, content: impl FnOnce(&mut Ui) -> R) -> R {
    let area = ScrollArea::vertical().max_height(most).min_scrolled_height(most);
    let shown = area.auto_shrink([false, true]).show(ui, content);
    // What it covers for the pointer, and where what is below it stands, follow in the
    // frame after.
    let (height, id) = (shown.inner_rect.height(), shown.id.with("height"));
    let before = ui.data(|data| data.get_temp::<f32>(id));
    if before.is_none_or(|before| (height - before).abs() > 0.5) {
        ui.data_mut(|data| data.insert_temp(id, height));
        ui.ctx().request_repaint();
    }
    shown.inner
}

/// How high a menu's content can be in this window, points.
#[must_use]
pub fn menu_room(ui: &Ui) -> f32 {
    ui.ctx().content_rect().height() - 2.0 * ROW
}

/// A menu of at most so many rows, which is never higher than the window: where they
/// have no room they scroll, and the menu is `wide`, points.
pub fn menu_rows(ui: &mut Ui, rows: usize, wide: f32, content: impl FnOnce(&mut Ui)) {
    let most = menu_room(ui);
    if rows as f32 * (ROW + ui.spacing().item_spacing.y) <= most {
        content(ui);
    } else {
        ui.set_width(wide);
        growing(ui, most, content);
    }
}

/// A button; its text is its accessible name unless another is given.
#[allow(clippy::struct_excessive_bools)] // each is a look of its own
pub struct Button<'a> {
    text: &'a str,
    name: Option<&'a str>,
    second: Option<&'a str>,
    icon: Option<(&'a str, bool)>,
    caret: bool,
    primary: bool,
    plain: bool,
    mono: bool,
    /// `None`: it is no choice.
    selected: Option<bool>,
    enabled: bool,
}

/// Between the parts of a button, points.
const BUTTON_GAP: f32 = 6.0;

/// A part of a button.
enum ButtonPart {
    Text(std::sync::Arc<egui::Galley>),
    /// The sign of a join, which text fonts lack.
    Bowtie,
}

impl ButtonPart {
    fn width(&self) -> f32 {
        match self {
            Self::Text(galley) => galley.size().x,
            Self::Bowtie => 13.0,
        }
    }
}

/// A button with text.
#[must_use]
pub fn button(text: &str) -> Button<'_> {
    Button {
        text,
        name: None,
        second: None,
        icon: None,
        caret: false,
        primary: false,
        plain: false,
        mono: false,
        selected: None,
        enabled: true,
    }
}

/// A button with an icon only; `name` says what it does.
#[must_use]
pub fn icon_button<'a>(icon: &'a str, name: &'a str) -> Button<'a> {
    Button { icon: Some((icon, false)), name: Some(name), ..button("") }
}

impl<'a> Button<'a> {
    /// Text beside the first, in second colour.
    #[must_use]
    pub fn second(self, text: &'a str) -> Self {
        Self { second: Some(text), ..self }
    }

    #[must_use]
    pub fn icon(self, icon: &'a str) -> Self {
        Self { icon: Some((icon, false)), ..self }
    }

    #[must_use]
    pub fn filled_icon(self, icon: &'a str) -> Self {
        Self { icon: Some((icon, true)), ..self }
    }

    #[must_use]
    pub fn name(self, name: &'a str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// It opens a menu.
    #[must_use]
    pub fn caret(self) -> Self {
        Self { caret: true, ..self }
    }

    /// The one thing to do here.
    #[must_use]
    pub fn primary(self) -> Self {
        Self { primary: true, ..self }
    }

    /// Without a ground until hovered.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { plain: true, ..self }
    }

    /// Its text is a figure, which is as wide as others of so many digits.
    #[must_use]
    pub fn mono(self) -> Self {
        Self { mono: true, ..self }
    }

    /// It is a choice, which is made or not.
    #[must_use]
    pub fn selected(self, selected: bool) -> Self {
        Self { selected: Some(selected), ..self }
    }

    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    /// What it shows, where its name does not say so: the choice of a menu.
    fn value(&self) -> Option<String> {
        let name = self.name.filter(|_| !self.text.is_empty())?.to_lowercase();
        let shown = [Some(self.text), self.second].into_iter().flatten().collect::<Vec<_>>();
        (!name.contains(&self.text.to_lowercase())).then(|| shown.join(", "))
    }

    /// What it is made of.
    fn parts(&self, ui: &Ui) -> Vec<ButtonPart> {
        let t = Tokens::of(ui.ctx());
        let (primary, ink) = self.ink(t);
        let font = match (primary, self.mono) {
            (true, _) => fonts::semibold(TEXT),
            (false, true) => fonts::mono(SMALL),
            (false, false) => fonts::regular(TEXT),
        };
        let layout = |text: &str, font, colour| {
            ButtonPart::Text(ui.painter().layout_no_wrap(text.to_owned(), font, colour))
        };
        let mut parts = Vec::new();
        if let Some((icon, filled)) = self.icon {
            let font = if filled { fonts::icons_filled(TEXT) } else { fonts::icons(TEXT + 2.0) };
            parts.push(layout(icon, font, ink));
        }
        for (i, text) in self.text.split(" ⋈ ").filter(|t| !t.is_empty()).enumerate() {
            if i > 0 {
                parts.push(ButtonPart::Bowtie);
            }
            parts.push(layout(text, font.clone(), ink));
        }
        if let Some(second) = self.second {
            let colour = if primary { ink } else { t.second };
            parts.push(layout(second, fonts::regular(TEXT), colour));
        }
        if self.caret {
            parts.push(layout(fonts::icon::DOWN, fonts::icons(11.0), t.second));
        }
        parts
    }

    /// Whether it calls for being pressed, and the colour of its text: what cannot be
    /// pressed does not call for it.
    fn ink(&self, t: &Tokens) -> (bool, Color32) {
        let primary = self.primary && self.enabled;
        let ink = match (primary, self.enabled) {
            (true, _) => t.on_accent(),
            (false, true) => t.text,
            (false, false) => t.third,
        };
        (primary, ink)
    }

    /// How wide its parts are with the gaps between them, and the room at either side of
    /// them, points.
    fn widths(&self, parts: &[ButtonPart]) -> (f32, f32) {
        let width = parts.iter().map(ButtonPart::width).sum::<f32>()
            + BUTTON_GAP * parts.len().saturating_sub(1) as f32;
        let only_icon = parts.len() == 1 && self.icon.is_some();
        (width, if only_icon { (26.0 - width) / 2.0 } else { 9.0 })
    }

    /// How wide it is shown, points.
    #[must_use]
    pub fn width(&self, ui: &Ui) -> f32 {
        let (width, pad) = self.widths(&self.parts(ui));
        width + 2.0 * pad
    }

    /// The same with the gap behind it in a row, points.
    #[must_use]
    pub fn room(&self, ui: &Ui) -> f32 {
        self.width(ui) + ui.spacing().item_spacing.x
    }

    /// Lays the button out and paints it.
    pub fn show(self, ui: &mut Ui) -> Response {
        let t = Tokens::of(ui.ctx());
        let (primary, ink) = self.ink(t);
        let painter = ui.painter().clone();
        let parts = self.parts(ui);
        let (width, pad) = self.widths(&parts);
        let sense = if self.enabled { Sense::click() } else { Sense::hover() };
        let (rect, response) = ui.allocate_exact_size(vec2(width + 2.0 * pad, 26.0), sense);
        let name = self.name.unwrap_or(self.text);
        let enabled = self.enabled && ui.is_enabled();
        response.widget_info(|| match self.selected {
            Some(selected) => WidgetInfo::selected(Role::Button, enabled, selected, name),
            None => WidgetInfo::labeled(Role::Button, enabled, name),
        });
        if let Some(value) = self.value() {
            ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(value));
        }
        if ui.is_rect_visible(rect) {
            let hot = response.hovered() || response.has_focus();
            let selected = self.selected == Some(true);
            let fill = match (primary, selected, hot, self.plain) {
                (true, _, true, _) => t.accent.lerp_to_gamma(t.text, 0.15),
                (true, ..) => t.accent,
                (_, true, ..) => t.selected,
                (_, _, true, _) => t.hovered,
                (_, _, _, true) => Color32::TRANSPARENT,
                _ => t.raised,
            };
            let line = match (primary || self.plain, response.has_focus()) {
                (_, true) => Stroke::new(1.5, t.accent),
                (true, _) => Stroke::NONE,
                _ => Stroke::new(1.0, t.line),
            };
            painter.rect(rect, BUTTON_RADIUS, fill, line, StrokeKind::Inside);
            if selected {
                // As under a tab: the ground alone is told by its colour only.
                let x = rect.shrink(f32::from(BUTTON_RADIUS)).x_range();
                let under = Rect::from_x_y_ranges(x, rect.bottom() - 2.0..=rect.bottom());
                painter.rect_filled(under, 1, t.accent);
            }
            let mut x = rect.left() + pad;
            for part in parts {
                let width = part.width();
                match part {
                    ButtonPart::Text(galley) => {
                        let top = rect.center().y - galley.size().y / 2.0;
                        painter.galley(pos2(x, top), galley, ink);
                    }
                    ButtonPart::Bowtie => {
                        let at = pos2(x + width / 2.0, rect.center().y);
                        painter.add(bowtie(at, ink));
                    }
                }
                x += width + BUTTON_GAP;
            }
        }
        match self.name {
            Some(name) if self.text.is_empty() => response.on_hover_text(name),
            _ => response,
        }
    }
}

/// The sign of a join, ⋈.
fn bowtie(c: Pos2, colour: Color32) -> Shape {
    let (w, h) = (5.5, 4.0);
    let points = vec![c + vec2(-w, -h), c + vec2(-w, h), c + vec2(w, -h), c + vec2(w, h)];
    Shape::closed_line(points, Stroke::new(1.2, colour))
}

/// Text in a colour and font, one line, cut with `…` where it does not fit.
pub fn text(ui: &mut Ui, text: &str, font: FontId, colour: Color32) -> Response {
    ui.add(
        egui::Label::new(egui::RichText::new(super::text::line(text)).font(font).color(colour))
            .truncate(),
    )
}

/// Gives the rows and fields of a menu room around their text; egui takes it away there.
pub fn roomy(ui: &mut Ui) {
    ui.spacing_mut().button_padding = vec2(8.0, 4.0);
}

/// The small label above a group of rows.
pub fn group(ui: &mut Ui, label: &str) {
    let t = Tokens::of(ui.ctx());
    ui.add_space(10.0);
    text(ui, label, fonts::regular(SMALL), t.second);
    ui.add_space(2.0);
}

/// A link: something to jump to.
pub fn link(ui: &mut Ui, label: &str) -> Response {
    let t = Tokens::of(ui.ctx());
    let galley = ui.painter().layout_no_wrap(label.to_owned(), fonts::mono(SMALL), t.accent);
    let (rect, response) = ui.allocate_exact_size(galley.size(), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Link, ui.is_enabled(), label));
    ui.painter().galley(rect.min, galley, t.accent);
    if response.hovered() || response.has_focus() {
        ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, t.accent));
    }
    response.on_hover_cursor(egui::CursorIcon::PointingHand)
}

/// Marks a row that is selected: its ground alone is told by its colour only.
pub fn mark_row(painter: &egui::Painter, row: Rect, t: &Tokens) {
    let y = row.shrink(4.0).y_range();
    painter.rect_filled(Rect::from_x_y_ranges(row.left()..=row.left() + 3.0, y), 1, t.accent);
}

/// A row of a list: a label at the left, a figure at the right.
pub struct ListRow<'a> {
    pub label: &'a str,
    pub figure: &'a str,
    pub indent: f32,
    pub selected: bool,
    pub mark: Mark,
    pub mono_label: bool,
}

/// What stands before a list row's label.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    None,
    Verdict(Verdict),
    /// A recording (hollow square).
    Recording,
    /// A bookmark (its icon).
    Bookmark,
}

/// Part of a list row's room that its figure keeps beside a long label.
const FIGURE: f32 = 0.4;

/// Paints a list row over the whole width; its name is label and figure.
pub fn list_row(ui: &mut Ui, row: &ListRow<'_>) -> Response {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    response.widget_info(|| {
        let name = if row.figure.is_empty() {
            row.label.to_owned()
        } else {
            format!("{}, {}", row.label, row.figure)
        };
        WidgetInfo::selected(Role::ListBoxOption, ui.is_enabled(), row.selected, name)
    });
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let painter = ui.painter();
    if row.selected {
        painter.rect_filled(rect, 0, t.selected);
        mark_row(painter, rect, t);
    } else if response.hovered() {
        painter.rect_filled(rect, 0, t.hovered);
    }
    if response.has_focus() {
        painter.rect_stroke(rect, 0, Stroke::new(1.0, t.accent), StrokeKind::Inside);
    }
    let mut left = rect.left() + super::theme::INSET + row.indent;
    let centre = pos2(left + 4.0, rect.center().y);
    match row.mark {
        Mark::None => {}
        Mark::Verdict(v) => painter.extend(verdict_shape(centre, 4.0, v, t)),
        Mark::Recording => {
            let square = Rect::from_center_size(centre, Vec2::splat(7.0));
            painter.rect_stroke(square, 1.5, Stroke::new(1.5, t.third), StrokeKind::Middle);
        }
        Mark::Bookmark => {
            let font = fonts::icons(SMALL + 1.0);
            painter.text(centre, Align2::CENTER_CENTER, icon::BOOKMARK, font, t.second);
        }
    }
    if row.mark != Mark::None {
        left += 16.0;
    }
    let font = if row.mono_label { fonts::mono(SMALL) } else { fonts::regular(TEXT) };
    let right = rect.right() - super::theme::INSET;
    // Where not both fit, the figure gives way, down to a part of the room.
    let all = right - 8.0 - left;
    let label =
        painter.layout_no_wrap(super::text::line(row.label).into_owned(), font.clone(), t.text);
    let figure = fit(ui, row.figure, &fonts::mono(SMALL), (all - label.size().x).max(all * FIGURE));
    let figure = painter.layout_no_wrap(figure, fonts::mono(SMALL), t.second);
    let figure_left = right - figure.size().x;
    painter.galley(pos2(figure_left, rect.center().y - figure.size().y / 2.0), figure, t.second);
    let room = figure_left - 8.0 - left;
    let shown = fit(ui, row.label, &font, room);
    painter.text(pos2(left, rect.center().y), Align2::LEFT_CENTER, &shown, font, t.text);
    if shown == row.label {
        response
    } else {
        response.on_hover_text(super::text::line(row.label).into_owned())
    }
}

/// `label` elided in the middle so that it takes at most `room` points.
#[must_use]
pub fn fit(ui: &Ui, label: &str, font: &FontId, room: f32) -> String {
    let label = super::text::line(label);
    let width =
        |s: &str| ui.painter().layout_no_wrap(s.to_owned(), font.clone(), Color32::WHITE).size().x;
    if width(&label) <= room {
        return label.into_owned();
    }
    let (mut least, mut most) = (1, label.chars().count());
    while least < most {
        let half = usize::midpoint(least, most + 1);
        if width(&super::text::elide(&label, half)) <= room {
            least = half;
        } else {
            most = half - 1;
        }
    }
    super::text::elide(&label, least)
}

/// A verdict's shape in its colour (the shape tells it without the colour too).
#[must_use]
pub fn verdict_shape(c: Pos2, r: f32, verdict: Verdict, t: &Tokens) -> Vec<Shape> {
    let colour = t.verdict(verdict);
    let line = Stroke::new(1.6, colour);
    let square = Rect::from_center_size(c, Vec2::splat(2.0 * r - 1.0));
    match verdict {
        Verdict::Joined => vec![Shape::circle_filled(c, r, colour)],
        Verdict::Unmatched => vec![Shape::rect_stroke(square, 1.5, line, StrokeKind::Inside)],
        Verdict::Late => {
            let points = vec![
                c + vec2(0.0, -r),
                c + vec2(r * 1.05, r * 0.85),
                c + vec2(-r * 1.05, r * 0.85),
            ];
            vec![Shape::convex_polygon(points, colour, Stroke::NONE)]
        }
        Verdict::Expired => {
            let d = r * 0.85;
            vec![
                Shape::line_segment([c + vec2(-d, -d), c + vec2(d, d)], Stroke::new(2.0, colour)),
                Shape::line_segment([c + vec2(-d, d), c + vec2(d, -d)], Stroke::new(2.0, colour)),
            ]
        }
        Verdict::Undecodable | Verdict::Unkeyed | Verdict::Untimed | Verdict::Tombstone => {
            vec![Shape::rect_filled(square, 0.5, colour)]
        }
        Verdict::Filtered => {
            let points =
                vec![c + vec2(0.0, -r), c + vec2(r, 0.0), c + vec2(0.0, r), c + vec2(-r, 0.0)];
            vec![Shape::closed_line(points, line)]
        }
        Verdict::Open => vec![Shape::circle_stroke(c, r - 0.8, line)],
    }
}
