//! How the rows are laid out, drawn and acted on.

use std::sync::Arc;

use egui::{
    Align2, Color32, Key, Modifiers, Rect, Response, Role, Sense, Stroke, StrokeKind,
    TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};
use joinscope_core::run::{ManifestStart, Range, RowView};
use joinscope_operator::record::Arrival;
use joinscope_operator::verdict::Verdict;

use super::ask::{Counts, Drawn, Question};
use super::bars::{Strip, raster};
use super::epochs::{self, Known};
use super::point::{at_cursor, point, x_of};
use super::rows::{FEW, Opened, Row};
use crate::window::axis::Axis;
use crate::window::cx::Cx;
use crate::window::export;
use crate::window::panels::lane_bar::lane_bar;
use crate::window::panels::watermarks::say::{called_in, unit};
use crate::window::ruler;
use crate::window::text::{plural, thousands};
use crate::window::theme::fonts::icon;
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::{fit, verdict_shape};

/// Rows are as high as the room allows, within these, points: names of neighbours
/// stand apart.
const LOWEST: f32 = 15.8;
const HIGHEST: f32 = 72.0;
/// Room of the sign that folds an input, before the names, points.
pub(super) const NAMES: f32 = 4.0;
/// Between two rows of bars, points.
pub(super) const GAP: f32 = 5.0;
/// Rows read beyond those in sight.
const MORE: usize = 8;

/// What is shown.
pub struct Shown<'a> {
    pub start: &'a ManifestStart,
    pub axis: Axis,
    pub laid: &'a Laid,
    pub drawn: Option<(&'a Question, &'a Drawn)>,
    pub sentence: &'a str,
    pub selected: Option<&'a RowView>,
    /// Of a live job; why they are not known.
    pub epochs: Result<Option<&'a Known>, &'a str>,
}

/// What the user did.
#[derive(Default)]
pub struct Done {
    pub open: Option<(u8, bool)>,
    /// Row of the run, and its arrival.
    pub select: Option<(u64, Arrival)>,
    /// Find a record of the bar with these values.
    pub pick: Option<(Row, Range)>,
}

/// Rows and their places.
pub struct Laid {
    pub rows: Vec<Row>,
    /// Those in sight.
    first: usize,
    end: usize,
    pub height: f32,
    pub area: Rect,
    plot: Rect,
    rect: Rect,
    pub top: f32,
}

impl Laid {
    pub fn at(&self, i: usize) -> Rect {
        let top = self.area.top() + i as f32 * self.height - self.top;
        Rect::from_min_size(pos2(self.area.left(), top), vec2(self.area.width(), self.height))
    }

    /// Rows in sight and some around them, so that scrolling asks little.
    pub fn near(&self) -> Vec<Row> {
        let first = self.first.saturating_sub(MORE) / MORE * MORE;
        let end = (self.end + MORE).next_multiple_of(MORE).min(self.rows.len());
        self.rows.get(first..end).unwrap_or_default().to_vec()
    }
}

/// The bars of one answer as a picture on the graphics card.
struct Picture {
    of: Painted,
    texture: TextureHandle,
}

/// What the picture shows; another one is painted when any of it differs.
#[derive(Clone, Debug, PartialEq)]
struct Painted {
    question: Question,
    dark: bool,
    size: [usize; 2],
    height: f32,
    rows: Vec<Row>,
    scale: (u32, u32),
    /// A run in progress has new counts for the same question.
    sum: [u64; 10],
}

/// What stays between frames.
#[derive(Default)]
pub struct State {
    /// Scrolled down by, points.
    top: f32,
    /// The row that the keyboard stands on.
    active: usize,
    picture: Option<Picture>,
}

impl State {
    /// Places the rows below a head of so many points, and scrolls them.
    pub fn lay_out(&mut self, ui: &Ui, rect: Rect, head: f32, axis: &Axis, rows: Vec<Row>) -> Laid {
        let area = Rect::from_min_max(
            pos2(rect.left(), rect.top() + 4.0 + head),
            pos2(rect.right(), (rect.bottom() - ruler::HEIGHT).max(rect.top() + 5.0 + head)),
        );
        let room = area.height();
        let height = (room / rows.len().max(1) as f32).clamp(LOWEST, HIGHEST);
        let most = (rows.len() as f32 * height - room).max(0.0);
        let gutter = Rect::from_x_y_ranges(rect.left()..=axis.left, area.y_range());
        if ui.rect_contains_pointer(gutter) && most > 0.0 {
            self.top -= ui.input(|i| i.smooth_scroll_delta.y);
        }
        self.active = self.active.min(rows.len().saturating_sub(1));
        self.top = self.top.clamp(0.0, most);
        let first = (self.top / height) as usize;
        let end = (((self.top + room) / height).ceil() as usize).min(rows.len());
        let plot = Rect::from_x_y_ranges(axis.left..=axis.left + axis.width, area.y_range());
        Laid { rows, first: first.min(end), end, height, area, plot, rect, top: self.top }
    }

    /// Shows rows, axis and cursor over all room.
    pub fn show(&mut self, ui: &mut Ui, cx: &mut Cx<'_>, s: &Shown<'_>, opened: &Opened) -> Done {
        let t = Tokens::of(ui.ctx());
        let mut done = Done::default();
        let plot = s.laid.plot;
        let response = ui.interact(plot, ui.scope_id().with("plot"), Sense::click_and_drag());
        describe(ui, &response, cx, s);
        ruler::act(ui, cx, &s.axis, &response);
        ruler::range(ui, cx, &s.axis, plot);
        self.keys(ui, cx, s, &response, &mut done, opened);
        ruler::marks(ui, cx, &s.axis, plot, t);
        grid(ui, cx, s, t);
        self.bars(ui, s, t);
        let singles = singles(ui, cx, s, t);
        self.labels(ui, s, &response, opened, &mut done, t);
        mark_selected(ui, cx, s, t);
        let head = Rect::from_x_y_ranges(
            s.laid.rect.x_range(),
            s.laid.rect.top()..=s.laid.rect.top() + epochs::HEIGHT,
        );
        match s.epochs {
            Ok(None) => {}
            Ok(Some(known)) => {
                let placed = epochs::Placed { rect: head, plot, axis: s.axis };
                epochs::show(ui, cx, &placed, known);
            }
            Err(error) => epochs::failed(ui, head, error),
        }
        ruler::cursor(ui, cx, &s.axis, plot, s.laid.rect, t);
        ruler::flags(ui, cx, &s.axis, plot, t);
        point(cx, s, &response, &singles, &mut done);
        let lanes = s.laid.rows.len();
        let said = format!("lane {} of {lanes}", s.laid.first + 1);
        lane_bar(ui, s.laid.area, lanes as f32 * s.laid.height, &mut self.top, &said);
        if response.has_focus() {
            let at = s.laid.at(self.active);
            let line = Stroke::new(1.0, t.accent);
            let at = at.intersect(s.laid.area).shrink(0.5);
            ui.painter().rect_stroke(at, 2, line, StrokeKind::Inside);
        }
        done
    }

    fn keys(
        &mut self,
        ui: &Ui,
        cx: &Cx<'_>,
        s: &Shown<'_>,
        response: &Response,
        done: &mut Done,
        opened: &Opened,
    ) {
        if !response.has_focus() || s.laid.rows.is_empty() {
            return;
        }
        let pressed = |key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key));
        if pressed(Key::ArrowUp) {
            self.active = self.active.saturating_sub(1);
        }
        if pressed(Key::ArrowDown) {
            self.active = (self.active + 1).min(s.laid.rows.len() - 1);
        }
        let (at, room) = (self.active as f32 * s.laid.height, s.laid.area.height());
        // Where there is less room than a row takes, its upper edge stays in sight.
        self.top = self.top.clamp((at + s.laid.height - room).clamp(0.0, at), at);
        if !pressed(Key::Enter) {
            return;
        }
        let row = s.laid.rows[self.active];
        match row {
            Row::Input(input) if partitions(s.start, input) > 1 => {
                done.open = Some((input, !opened.is_open(input, partitions(s.start, input))));
            }
            row => done.pick = Some((row, at_cursor(s, cx))),
        }
    }

    /// The picture of the bars, painted anew when what it shows has changed.
    fn bars(&mut self, ui: &Ui, s: &Shown<'_>, t: &Tokens) {
        let Some((question, drawn)) = s.drawn else { return };
        if question.singles.is_some() {
            return;
        }
        let dense = ui.ctx().pixels_per_point();
        let seen = &s.laid.rows[s.laid.first..s.laid.end];
        if seen.is_empty() {
            return;
        }
        let x = s.axis.x(question.range.from)..=s.axis.x(question.range.to);
        let top = s.laid.at(s.laid.first).top();
        let tall = seen.len() as f32 * s.laid.height;
        let of = Painted {
            question: question.clone(),
            dark: t.dark,
            size: [
                ((s.axis.width * dense).round() as usize).clamp(1, 8192),
                ((tall * dense).round() as usize).clamp(1, 8192),
            ],
            height: s.laid.height,
            rows: seen.to_vec(),
            scale: drawn.scale,
            sum: drawn.sum,
        };
        if self.picture.as_ref().is_none_or(|p| p.of != of) {
            let image = picture(&of, drawn, dense, t);
            let (kept, how) = (Arc::clone(&image), TextureOptions::NEAREST);
            let texture = match self.picture.take() {
                Some(mut before) => {
                    before.texture.set(image, how);
                    before.texture
                }
                None => ui.ctx().load_texture("timeline", image, how),
            };
            export::remember(ui.ctx(), texture.id(), &kept);
            self.picture = Some(Picture { of, texture });
        }
        if let Some(p) = &self.picture {
            let at = Rect::from_x_y_ranges(x, top..=top + tall);
            let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            let painter = ui.painter_at(s.laid.plot.expand2(vec2(1.0, 0.0)));
            painter.image(p.texture.id(), at, uv, Color32::WHITE);
        }
    }

    /// Names of the rows, and what each says to who cannot see it.
    fn labels(
        &mut self,
        ui: &mut Ui,
        s: &Shown<'_>,
        plot: &Response,
        opened: &Opened,
        done: &mut Done,
        t: &Tokens,
    ) {
        let clip = s.laid.area;
        let mut child = ui.new_child(
            egui::UiBuilder::new().max_rect(clip).id_salt("rows").accessibility_parent(plot.id),
        );
        child.set_clip_rect(clip.intersect(ui.clip_rect()));
        for i in s.laid.first..s.laid.end {
            let row = s.laid.rows[i];
            let at = s.laid.at(i);
            let label = Rect::from_x_y_ranges(at.left()..=s.laid.plot.left() - 8.0, at.y_range());
            let id = child.scope_id().with(row);
            let response = child.interact(label.intersect(clip), id, Sense::click());
            let name = name(s.start, row);
            let value = value(s, row);
            response.widget_info(|| WidgetInfo::labeled(Role::TreeItem, true, &name));
            let parts = match row {
                Row::Input(input) => partitions(s.start, input),
                Row::Lane(_) => 0,
            };
            let open = match row {
                Row::Input(input) => opened.is_open(input, parts),
                Row::Lane(_) => false,
            };
            child.ctx().accesskit_node_builder(response.id, |node| {
                node.set_value(value.as_str());
                node.set_row_index(i);
                if parts > 1 {
                    node.set_expanded(open);
                }
            });
            if response.clicked() {
                self.active = i;
                plot.request_focus();
                if let (Row::Input(input), true) = (row, parts > 1) {
                    done.open = Some((input, !open));
                }
            }
            let painter = child.painter();
            if response.hovered() && parts > 1 {
                painter.rect_filled(label.shrink2(vec2(4.0, 1.0)), 4, t.hovered);
            }
            let x = at.left() + INSET + NAMES;
            let y = at.center().y;
            let input = matches!(row, Row::Input(_));
            let font = if input { fonts::semibold(SMALL) } else { fonts::regular(SMALL - 0.5) };
            let selected = matches!((row, s.selected), (Row::Lane(l), Some(r)) if r.lane == l);
            let ink = if input || selected { t.text } else { t.second };
            if parts > 1 {
                let sign = if open { icon::DOWN } else { icon::RIGHT };
                painter.text(
                    pos2(at.left() + 2.0, y),
                    Align2::LEFT_CENTER,
                    sign,
                    fonts::icons(10.0),
                    t.second,
                );
            }
            let shown = fit(&child, &name, &font, label.right() - x);
            child.painter().text(pos2(x, y), Align2::LEFT_CENTER, &shown, font, ink);
            let hover = if parts > FEW {
                format!("{name}: {} partitions, {value}", thousands(parts as u64))
            } else {
                format!("{name}: {value}")
            };
            response.on_hover_text(hover);
        }
    }
}

fn grid(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, t: &Tokens) {
    let painter = ui.painter_at(s.laid.rect);
    for (x, _) in ruler::ticks(cx, &s.axis) {
        let line = Stroke::new(1.0, t.line.gamma_multiply(0.5));
        painter.vline(x.round() + 0.5, s.laid.area.y_range(), line);
    }
    let painter = ui.painter_at(s.laid.area.expand2(vec2(0.0, 1.0)));
    for i in s.laid.first..s.laid.end {
        let at = s.laid.at(i);
        let y = at.bottom().round() - 0.5;
        painter.hline(s.laid.plot.x_range(), y, Stroke::new(1.0, t.line.gamma_multiply(0.8)));
    }
    let y = s.laid.rect.bottom() - ruler::HEIGHT / 2.0;
    ruler::labels(ui.painter(), cx, &s.axis, y, s.laid.rect.right(), t);
}

/// What a row holds, in words.
fn value(s: &Shown<'_>, row: Row) -> String {
    counts(s, row).map_or_else(|| "reading".to_owned(), |c| words(&c.sum, unit(s.start)))
}

fn picture(of: &Painted, drawn: &Drawn, dense: f32, t: &Tokens) -> Arc<egui::ColorImage> {
    let strips = of.rows.iter().enumerate().filter_map(|(i, row)| {
        let counts = drawn.rows.iter().find(|c| c.row == *row)?;
        let top = ((i as f32 * of.height + GAP / 2.0) * dense).round() as usize;
        let height = ((of.height - GAP) * dense).round().max(1.0) as usize;
        let full = if matches!(row, Row::Input(_)) { drawn.scale.0 } else { drawn.scale.1 };
        Some(Strip { top, height, buckets: &counts.buckets, full })
    });
    Arc::new(raster(of.size, &strips.collect::<Vec<_>>(), dense, t))
}

fn partitions(start: &ManifestStart, input: u8) -> usize {
    start.lanes.iter().filter(|l| l.input == input).count()
}

pub(super) fn name(start: &ManifestStart, row: Row) -> String {
    match row {
        Row::Input(input) => {
            start.inputs.get(usize::from(input)).map(|i| i.name.to_string()).unwrap_or_default()
        }
        Row::Lane(lane) => called_in(start, lane),
    }
}

fn counts<'a>(s: &Shown<'a>, row: Row) -> Option<&'a Counts> {
    s.drawn?.1.rows.iter().find(|c| c.row == row)
}

/// `34 records: 20 joined, 10 unmatched, 4 late`.
pub(super) fn words(counts: &[u64; 10], unit: &str) -> String {
    let all = counts.iter().sum();
    let mut text = plural(all, unit);
    let parts: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|v| counts[*v as usize] > 0)
        .map(|v| format!("{} {v}", thousands(counts[v as usize])))
        .collect();
    if !parts.is_empty() {
        text = format!("{text}: {}", parts.join(", "));
    }
    text
}

/// The panel's one node: its name and its sentence.
fn describe(ui: &Ui, response: &Response, cx: &Cx<'_>, s: &Shown<'_>) {
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "Timeline of records"));
    let value = format!("{}; cursor at arrival {}", s.sentence, thousands(cx.cursor.at()));
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(value.as_str()));
}

/// Place of a record's row, where it is in sight.
fn place(s: &Shown<'_>, row: &RowView) -> Option<Rect> {
    let lane = Row::Lane(row.lane);
    let alone = Row::Input(row.input);
    let seen = &s.laid.rows[s.laid.first..s.laid.end];
    let i =
        seen.iter().position(|r| *r == lane).or_else(|| seen.iter().position(|r| *r == alone))?;
    Some(s.laid.at(s.laid.first + i))
}

/// Records one by one, each its verdict's shape; their places.
fn singles(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, t: &Tokens) -> Vec<(u64, Arrival, egui::Pos2)> {
    let Some((question, drawn)) = s.drawn.filter(|(q, _)| q.singles.is_some()) else {
        return Vec::new();
    };
    let painter = ui.painter_at(s.laid.plot.expand2(vec2(6.0, 0.0)));
    let mut places = Vec::with_capacity(drawn.singles.len());
    let (first, last) = question.singles.unwrap_or_default();
    let apart = s.axis.width / (last - first + 1) as f32;
    let r = (apart / 2.0).clamp(2.5, 5.0);
    for row in &drawn.singles {
        let Some(at) = place(s, row) else { continue };
        let Some(x) = x_of(s, row, cx) else { continue };
        let at = pos2(x, at.center().y);
        let verdict = row.verdict_at(cx.cursor.at()).unwrap_or(row.verdict);
        painter.extend(verdict_shape(at, r, verdict, t));
        if cx.hover == Some(row.row) {
            painter.circle_stroke(at, r + 3.0, Stroke::new(1.5, t.accent));
        }
        places.push((row.row, row.arrival, at));
    }
    places
}

fn mark_selected(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, t: &Tokens) {
    let Some(row) = s.selected else { return };
    let Some(at) = place(s, row) else { return };
    let Some(x) = x_of(s, row, cx) else { return };
    if !s.laid.plot.x_range().contains(x) {
        return;
    }
    let painter = ui.painter_at(s.laid.area);
    let ring = Rect::from_center_size(pos2(x, at.center().y), vec2(10.0, at.height() - 2.0));
    painter.rect_stroke(ring, 3, Stroke::new(1.5, t.accent), StrokeKind::Inside);
}
