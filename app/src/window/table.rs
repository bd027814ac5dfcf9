//! A table over any number of rows. It stands at (row, pixels within it), so
//! every row of 100 million is reached exactly; it paints only the rows in
//! sight and has a scroll bar of its own.

mod column;
mod empty;
mod keys;
mod paint;

use egui::{
    Event, Id, Key, Modifiers, MouseWheelUnit, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui,
    UiBuilder, WidgetInfo, pos2, vec2,
};
use joinscope_operator::verdict::Verdict;

pub use self::column::{Column, TIME, VERDICT, date_room, fill, left_out, without};
pub use self::empty::{empty, empty_to};
pub use self::paint::DIMMED;
use self::paint::{head, paint_row, place, spoken};
use super::text::thousands;
use super::theme::{ROW, SMALL, Tokens, fonts};

/// Height of the column titles, points.
pub const HEAD: f32 = 28.0;
const BAR: f32 = 10.0;
/// Shortest handle of the scroll bar, points.
const HANDLE: f32 = 28.0;

/// What a column's title says besides, where the table can be sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// In place of the column's own title.
    pub title: Option<String>,
    pub sort: Sort,
}

/// Whether a table is sorted by a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// It cannot be.
    #[default]
    Never,
    No,
    Ascending,
    Descending,
}

/// What a cell shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Empty,
    /// A figure or a name, in `JetBrains` Mono.
    Mono(String),
    /// A time to the millisecond, without them where they do not fit: the whole is in
    /// the tooltip then.
    Time(String),
    /// A name whose end matters: elided in the middle where it does not fit.
    Name(String),
    /// The same, elided already; the whole is in the tooltip.
    Elided {
        shown: String,
        whole: String,
    },
    /// Parts of a whole, of the largest in the column, and what they come to.
    Parts {
        parts: [f32; 3],
        text: String,
    },
    /// Words, in second colour.
    Words(String),
    Verdict(Verdict),
}

/// One row in sight.
#[derive(Clone, Debug)]
pub struct RowCells {
    pub cells: Vec<Cell>,
    /// What it says to who cannot see it.
    pub name: String,
    pub selected: bool,
    pub hovered: bool,
    /// Later than the cursor.
    pub dimmed: bool,
}

/// What the user did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    pub clicked: Option<u64>,
    pub hovered: Option<u64>,
    /// The row that is to be copied.
    pub copied: Option<u64>,
    /// The column whose title was pressed.
    pub sorted: Option<usize>,
}

/// Where the table stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    pub row: u64,
    /// Of that row above the upper edge, points; less than [`ROW`].
    pub pixels: f32,
}

impl Position {
    /// Moves by points, never losing whole rows to rounding.
    fn scroll(&mut self, points: f32, last: Position) {
        let all = f64::from(self.pixels) + f64::from(points);
        let rows = (all / f64::from(ROW)).floor();
        self.pixels = (all - rows * f64::from(ROW)) as f32;
        let row = self.row.checked_add_signed(rows as i64);
        match row {
            Some(row) => self.row = row,
            None => *self = Self::default(),
        }
        if (self.row, self.pixels) > (last.row, last.pixels) {
            *self = last;
        }
    }

    /// The lowest position: the last row ends at the lower edge.
    fn last(len: u64, height: f32) -> Self {
        let all = len as f64 * f64::from(ROW) - f64::from(height);
        if all <= 0.0 {
            return Self::default();
        }
        // Counted from the end, so that it is exact for any length.
        let rows_up = (f64::from(height) / f64::from(ROW)).ceil() as u64;
        let pixels = rows_up as f64 * f64::from(ROW) - f64::from(height);
        Self { row: len.saturating_sub(rows_up), pixels: pixels as f32 }
    }
}

/// A table's state between frames.
#[derive(Debug, Default)]
pub struct Table {
    position: Position,
    /// The row that the keyboard stands on.
    active: Option<u64>,
    /// The title that it stands on, of those that sort.
    title: Option<usize>,
    /// Brought into sight at the next layout.
    reveal: Option<u64>,
    /// Where it is to stand once it has so many rows.
    stands: Option<Position>,
    /// Rows are added, and the last one is to stay in sight …
    follows: bool,
    /// … while it is.
    at_end: bool,
    /// What the widest cell and the title of each column took so far, points:
    /// never less, so that columns do not move while rows scroll by.
    needs: Vec<f32>,
    /// Of the columns that `needs` is about.
    titles: Vec<String>,
}

/// A table that is laid out and waits for its rows.
pub struct Laid {
    /// First row in sight and one past the last.
    pub rows: std::ops::Range<u64>,
    head: Rect,
    body: Rect,
    bar: Rect,
    columns: Vec<(Column, Rect)>,
    heads: Vec<Head>,
    len: u64,
    response: Response,
}

impl Laid {
    /// Signs of `JetBrains` Mono that fit into a column.
    #[must_use]
    pub fn chars(&self, ui: &Ui, column: usize) -> usize {
        let sign = ui.ctx().fonts_mut(|f| f.glyph_width(&fonts::mono(SMALL), '0')).max(1.0);
        self.columns.get(column).map_or(0, |(_, r)| (r.width() / sign).floor() as usize)
    }

    /// Where the room below the last row begins; the lower edge if there is none.
    #[must_use]
    pub fn below(&self) -> f32 {
        (self.body.top() + self.len as f32 * ROW).min(self.body.bottom())
    }
}

impl Table {
    /// Brings a row into sight at the next frame.
    pub fn reveal(&mut self, row: u64) {
        self.reveal = Some(row);
        self.active = Some(row);
    }

    /// To the first row.
    pub fn top(&mut self) {
        self.position = Position::default();
        self.active = None;
        self.stands = None;
    }

    /// Whether the last row stays in sight while rows are added, until another is
    /// looked at; from now on it is in sight.
    pub fn follow(&mut self, follows: bool) {
        self.at_end |= follows && !self.follows;
        self.follows = follows;
    }

    /// Where it stands, or is to stand.
    #[must_use]
    pub fn position(&self) -> Position {
        self.stands.unwrap_or(self.position)
    }

    /// A table that is to stand there, as soon as it has so many rows.
    #[must_use]
    pub fn standing(position: Position) -> Self {
        let stands = (position != Position::default()).then_some(position);
        Self { stands, ..Self::default() }
    }

    /// Takes all room of `ui`, reads wheel, bar and keys, and says which rows
    /// are in sight. `name` is the table's accessible name.
    pub fn lay_out(&mut self, ui: &mut Ui, name: &str, columns: &[Column], len: u64) -> Laid {
        self.lay_out_with(ui, name, columns, Vec::new(), len)
    }

    /// [`Table::lay_out`] with titles that sort: `heads` go with `columns`.
    pub fn lay_out_with(
        &mut self,
        ui: &mut Ui,
        name: &str,
        columns: &[Column],
        heads: Vec<Head>,
        len: u64,
    ) -> Laid {
        let rect = ui.available_rect_before_wrap();
        let id = ui.scope_id().with(name);
        let title = |(i, c): (usize, &Column)| {
            let head = heads.get(i).and_then(|h| h.title.clone());
            head.unwrap_or_else(|| c.title.to_owned())
        };
        let titles: Vec<String> = columns.iter().enumerate().map(title).collect();
        if titles != self.titles {
            (self.needs, self.titles) = (vec![0.0; columns.len()], titles);
            self.title = None;
        }
        let head = Rect::from_min_size(rect.min, vec2(rect.width(), HEAD.min(rect.height())));
        let body = Rect::from_min_max(pos2(rect.left(), head.bottom()), rect.max);
        let bar = Rect::from_min_max(pos2(rect.right() - BAR, body.top()), rect.max);
        let response = ui.interact(body, id, Sense::click());
        response.widget_info(|| {
            WidgetInfo::labeled(Role::Table, true, format!("{name}, {} rows", thousands(len)))
        });
        ui.ctx().accesskit_node_builder(id, |node| node.set_row_count(len as usize));
        ui.advance_cursor_after_rect(rect);

        let last = Position::last(len, body.height());
        if let Some(at) = self.stands
            && (at.row, at.pixels) <= (last.row, last.pixels)
        {
            (self.position, self.stands, self.at_end) = (at, None, false);
        }
        if let Some(row) = self.reveal.take() {
            self.stands = None;
            self.show_row(row.min(len.saturating_sub(1)), len, body.height(), last);
        } else if self.follows && self.at_end {
            self.position = last;
        }
        self.wheel(ui, body, last);
        self.keys(ui, &response, &heads, len, body.height(), last);
        if let Some(title) = self.title.and_then(|i| self.titles.get(i)) {
            let said = format!("title {title}");
            ui.ctx().accesskit_node_builder(id, |node| node.set_value(said));
        }
        self.bar(ui, bar, len, body.height(), last);
        if (self.position.row, self.position.pixels) > (last.row, last.pixels) {
            self.position = last;
        }
        self.at_end = self.position == last;
        let first = self.position.row;
        let count = ((body.height() + self.position.pixels) / ROW).ceil().max(0.0) as u64;
        let rows = first..first.saturating_add(count).min(len);
        Laid {
            rows,
            head,
            body,
            bar,
            columns: place(columns, &self.needs, rect),
            heads,
            len,
            response,
        }
    }

    fn show_row(&mut self, row: u64, len: u64, height: f32, last: Position) {
        let whole = (height / ROW).floor().max(1.0) as u64;
        let first = self.position.row + u64::from(self.position.pixels > 0.0);
        if row < first || row >= first + whole {
            // In the middle, with what came before it.
            self.position = Position { row: row.saturating_sub(whole / 2), pixels: 0.0 };
        }
        if len == 0 || (self.position.row, self.position.pixels) > (last.row, last.pixels) {
            self.position = last;
        }
    }

    fn wheel(&mut self, ui: &Ui, body: Rect, last: Position) {
        if !ui.rect_contains_pointer(body) {
            return;
        }
        let (mut points, mut page) = (0.0, 0.0);
        ui.input(|i| {
            for event in &i.events {
                if let Event::MouseWheel { unit, delta, modifiers, .. } = event
                    && !modifiers.ctrl
                {
                    match unit {
                        MouseWheelUnit::Line => points -= delta.y * ROW,
                        MouseWheelUnit::Point => points -= delta.y,
                        MouseWheelUnit::Page => page -= delta.y,
                    }
                }
            }
        });
        let by = points + page * body.height();
        if by != 0.0 {
            self.stands = None;
            self.position.scroll(by, last);
        }
    }

    fn bar(&mut self, ui: &Ui, bar: Rect, len: u64, height: f32, last: Position) {
        if last == Position::default() {
            return;
        }
        // Keys are the table's.
        let sense = Sense::CLICK | Sense::DRAG;
        let response = ui.interact(bar, ui.scope_id().with("scroll bar"), sense);
        response.widget_info(|| WidgetInfo::labeled(Role::ScrollBar, true, "Scroll the rows"));
        let row = self.position.row.min(last.row);
        let said = format!("row {} of {}", thousands(row + 1), thousands(len));
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(said));
        let room = bar.height() - handle(bar, len, height);
        let total = last.row as f64 + f64::from(last.pixels / ROW);
        if response.dragged() && room > 0.0 {
            let rows = f64::from(response.drag_delta().y / room) * total;
            self.position.scroll_rows(rows, last);
        } else if let Some(at) = response.interact_pointer_pos().filter(|_| response.clicked()) {
            let part = f64::from((at.y - bar.top()) / bar.height()).clamp(0.0, 1.0);
            let row = part * total;
            self.position = Position { row: row as u64, pixels: 0.0 };
        }
    }

    /// Paints the rows; `cells` gives those that are read, the others are bars.
    pub fn paint(
        &mut self,
        ui: &mut Ui,
        laid: &Laid,
        mut cells: impl FnMut(u64) -> Option<RowCells>,
    ) -> Events {
        let t = Tokens::of(ui.ctx());
        let title = self.title.filter(|_| laid.response.has_focus());
        let mut sorted = head(ui, laid, &mut self.needs, title, t);
        if title.is_some() && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Space)) {
            sorted = title;
        }
        let mut events = Events { sorted, ..Events::default() };
        let mut child = ui.new_child(
            UiBuilder::new()
                .max_rect(laid.body)
                .id_salt("rows")
                .accessibility_parent(laid.response.id),
        );
        child.set_clip_rect(laid.body.intersect(ui.clip_rect()));
        for (i, row) in laid.rows.clone().enumerate() {
            let top = laid.body.top() + i as f32 * ROW - self.position.pixels;
            let rect =
                Rect::from_min_size(pos2(laid.body.left(), top), vec2(laid.body.width(), ROW));
            let shown = cells(row);
            // The keys, and the focus, are the table's.
            let response = child.interact(rect, row_id(laid.response.id, row), Sense::CLICK);
            let name = shown.as_ref().map_or("reading", |s| s.name.as_str());
            let selected = shown.as_ref().is_some_and(|s| s.selected);
            response.widget_info(|| WidgetInfo::selected(Role::Row, true, selected, name));
            child.ctx().accesskit_node_builder(response.id, |node| {
                node.set_row_index(row as usize);
                if let Some(shown) = &shown {
                    node.set_value(spoken(laid, shown));
                }
            });
            if response.hovered() {
                events.hovered = Some(row);
            }
            if response.clicked() {
                events.clicked = Some(row);
                self.active = Some(row);
                laid.response.request_focus();
            }
            let hot = response.hovered();
            let needs = &mut self.needs;
            let cut = paint_row(&child, laid, rect, shown.as_ref(), hot, needs, t);
            let response = match cut {
                Some(whole) => response.on_hover_text_at_pointer(whole),
                None => response,
            };
            let _ = response;
            if self.active == Some(row) && laid.response.has_focus() {
                let line = Stroke::new(1.0, t.accent);
                child.painter().rect_stroke(rect.shrink(0.5), 0, line, StrokeKind::Inside);
            }
        }
        let marked = title.is_some() || self.active.is_some_and(|row| laid.rows.contains(&row));
        if laid.response.has_focus() && !marked {
            let line = Stroke::new(1.0, t.accent);
            ui.painter().rect_stroke(laid.body.shrink(0.5), 0, line, StrokeKind::Inside);
        }
        if let Some(active) = self.active.filter(|_| laid.response.has_focus())
            && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter))
        {
            events.clicked = Some(active);
        }
        if let Some(active) = self.active.filter(|_| laid.response.has_focus())
            && ui.input(|i| i.events.contains(&Event::Copy))
        {
            events.copied = Some(active);
        }
        self.paint_bar(ui, laid, t);
        events
    }

    fn paint_bar(&self, ui: &Ui, laid: &Laid, t: &Tokens) {
        let last = Position::last(laid.len, laid.body.height());
        if last == Position::default() {
            return;
        }
        let size = handle(laid.bar, laid.len, laid.body.height());
        let total = last.row as f64 + f64::from(last.pixels / ROW);
        let at = self.position.row as f64 + f64::from(self.position.pixels / ROW);
        let top = laid.bar.top() + (at / total) as f32 * (laid.bar.height() - size);
        let rect = Rect::from_min_size(pos2(laid.bar.left() + 3.0, top), vec2(BAR - 5.0, size));
        let hot = ui.rect_contains_pointer(laid.bar);
        ui.painter().rect_filled(rect, 2.5, if hot { t.third } else { t.handle() });
    }
}

impl Position {
    fn scroll_rows(&mut self, rows: f64, last: Position) {
        let at = self.row as f64 + f64::from(self.pixels / ROW) + rows;
        *self = Self { row: at.max(0.0) as u64, pixels: (at.max(0.0).fract() as f32) * ROW };
        if (self.row, self.pixels) > (last.row, last.pixels) {
            *self = last;
        }
    }
}

fn row_id(table: Id, row: u64) -> Id {
    table.with(row)
}

fn handle(bar: Rect, len: u64, height: f32) -> f32 {
    let part = height / (len as f32 * ROW);
    (bar.height() * part).clamp(HANDLE.min(bar.height()), bar.height())
}

#[cfg(test)]
mod tests;
