//! How a table's titles and rows are painted and said.

use egui::emath::GuiRounding as _;
use egui::{
    Align, Color32, Galley, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::column::REST;
use super::{BAR, Cell, Column, Laid, RowCells, Sort};
use crate::window::text::elide;
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::{fit, mark_row, verdict_shape};

/// Between columns, points: with room, and at least.
const GAPS: (f32, f32) = (20.0, 10.0);
/// Between columns where the one that takes the rest lacks room for words, points.
const TIGHT: f32 = 8.0;
/// What that one has before names keep their least, points: a few words …
const WORDS: f32 = 110.0;
/// … and what names keep of their least meanwhile: partition and offset of a record.
const KEPT: f32 = 0.8;
/// What may be cut has so much still where nothing else helps, points.
const LEAST: f32 = 36.0;
/// A soft column grows by so much of its width at most …
const GROWTH: f32 = 0.7;
/// … and one whose cells are cut to so many times its width …
const MOST: f32 = 3.0;
/// … as long as the one that takes the rest keeps so much, if it needs it.
const ENOUGH: f32 = 260.0;

/// Narrower than this, points, parts of a whole have no room for their numbers beside
/// them: those are in the tooltip.
const NUMBERED: f32 = 200.0;

/// What is left of the ink of a row that is later than the cursor.
pub const DIMMED: f32 = 0.62;

/// Gives each column its place; `needs` is what the widest cell and the title of
/// each took so far, 0 where that is not known.
pub(super) fn place(columns: &[Column], needs: &[f32], rect: Rect) -> Vec<(Column, Rect)> {
    let room = rect.width() - 2.0 * INSET - BAR;
    let number = columns.len().saturating_sub(1) as f32;
    let rests = columns.iter().filter(|c| c.width == 0.0).count() as f32;
    let sum = |of: &dyn Fn(&Column) -> f32, columns: &[Column]| columns.iter().map(of).sum::<f32>();
    let fixed = |c: &Column| if c.width == 0.0 { c.least } else { c.width };
    // The gaps give way first …
    let gap = ((room - sum(&fixed, columns)) / number.max(1.0)).clamp(GAPS.1, GAPS.0);
    let room = room - gap * number;
    // … then what is empty in columns, in names and keys also where only the one that
    // takes the rest has too little, or another of them …
    let need = |i: usize| needs.get(i).copied().unwrap_or(0.0);
    let rest = columns.iter().enumerate().filter(|(_, c)| c.width == 0.0);
    let all = rest.map(|(i, _)| need(i)).fold(0.0, f32::max);
    let enough = if all > 0.0 { all.clamp(REST, ENOUGH) } else { ENOUGH };
    let all = all.max(enough);
    let short = sum(&fixed, columns) > room;
    let cut = columns.iter().enumerate().any(|(i, c)| c.is_soft() && need(i) > c.width);
    let wanting = cut || sum(&fixed, columns) + rests * (all - REST) > room;
    let columns: Vec<Column> = columns
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let need = need(i);
            let gives = short || wanting && c.is_soft();
            if !gives || need <= 0.0 || c.width == 0.0 || need >= c.width {
                return *c;
            }
            Column { width: need, least: c.least.min(need), ..*c }
        })
        .collect();
    // … then columns that have more than their least, and below it still, the one that
    // takes the rest last: it says why …
    let (gap, room, mut columns) = for_words(columns, all, (gap, room));
    let least = |columns: &[Column]| sum(&|c| c.least, columns);
    let cut = |c: &Column, rest: bool| {
        let gives = if c.width == 0.0 { rest } else { c.is_soft() };
        if gives { Column { least: c.least.min(LEAST), ..*c } } else { *c }
    };
    for rest in [false, true] {
        if least(&columns) > room {
            columns = columns.iter().map(|c| cut(c, rest)).collect();
        }
    }
    let want = sum(&fixed, &columns);
    let spare = sum(&|c| if c.is_soft() { c.width - c.least } else { 0.0 }, &columns);
    let less = ((want - room) / spare.max(1.0)).clamp(0.0, 1.0);
    // … and where that is not enough, all alike.
    let least = want - less * spare;
    let scale = (room / least.max(1.0)).clamp(0.2, 1.0);
    // What is left over goes to what is cut, as far as it lacks, …
    let over = (room - want).max(0.0);
    let (columns, given) = fill(columns, needs, over - if rests > 0.0 { enough } else { 0.0 });
    // … then to the rest, and to what is cut most easily.
    let over = over - given;
    let soft = sum(&|c| if c.is_soft() { c.width } else { 0.0 }, &columns);
    let more = if rests > 0.0 { (over - all).max(0.0) / 2.0 } else { over };
    let grown = (more / soft.max(1.0)).min(GROWTH);
    let rest = (over - grown * soft).max(0.0) / rests.max(1.0);
    let mut x = rect.left() + INSET;
    columns
        .iter()
        .map(|c| {
            let width = match c {
                c if c.width == 0.0 => c.least + rest,
                c if c.is_soft() => c.width * (1.0 + grown) - less * (c.width - c.least),
                c => c.width,
            };
            let at = Rect::from_min_size(pos2(x, rect.top()), vec2(width * scale, rect.height()));
            x += width * scale + gap;
            (*c, at)
        })
        .collect()
}

/// Where the column that takes the rest has no room for a few words, of the `need` points
/// that its cells take, the gaps and what names have besides give it some; the gap and the
/// room of all columns then.
fn for_words(columns: Vec<Column>, need: f32, (gap, room): (f32, f32)) -> (f32, f32, Vec<Column>) {
    let is_rest = |c: &Column| c.width == 0.0;
    let rests = columns.iter().filter(|c| is_rest(c)).count() as f32;
    let words = need.min(WORDS);
    let others: f32 = columns.iter().map(|c| c.width).sum();
    let gives = columns.iter().any(Column::is_soft);
    if rests == 0.0 || !gives || room - others >= rests * words {
        return (gap, room, columns);
    }
    let gaps = columns.len().saturating_sub(1) as f32;
    let lacks = rests * words - (room - others);
    let wider = (gap - TIGHT).min(lacks / gaps).max(0.0);
    let (gap, room) = (gap - wider, room + wider * gaps);
    let floor = |c: &Column| match c {
        c if c.is_soft() => (KEPT * c.least).max(LEAST).min(c.width),
        c => c.width,
    };
    let left = (room - columns.iter().map(floor).sum::<f32>()) / rests;
    let words = left.min(words).max(REST);
    let fits = columns.iter().map(|c| if is_rest(c) { words } else { c.least }).sum::<f32>();
    let columns = columns.into_iter().map(|c| match c {
        c if is_rest(&c) => Column { least: words, ..c },
        c if fits > room => Column { least: c.least.min(floor(&c)), ..c },
        c => c,
    });
    (gap, room, columns.collect())
}

/// Gives soft columns what their widest cell lacks, out of `room`; how much it was.
fn fill(columns: Vec<Column>, needs: &[f32], room: f32) -> (Vec<Column>, f32) {
    let lack = |i: usize, c: &Column| match needs.get(i) {
        Some(need) if c.is_soft() => (need.min(MOST * c.width) - c.width).max(0.0),
        _ => 0.0,
    };
    let all: f32 = columns.iter().enumerate().map(|(i, c)| lack(i, c)).sum();
    let share = (room / all.max(1.0)).clamp(0.0, 1.0);
    let wider = |(i, c): (usize, Column)| Column { width: c.width + lack(i, &c) * share, ..c };
    (columns.into_iter().enumerate().map(wider).collect(), all * share)
}

/// Paints the titles; says which was pressed. The keyboard stands on `chosen`.
pub(super) fn head(
    ui: &mut Ui,
    laid: &Laid,
    needs: &mut [f32],
    chosen: Option<usize>,
    t: &Tokens,
) -> Option<usize> {
    let mut pressed = None;
    for (i, (column, at)) in laid.columns.iter().enumerate() {
        let head = laid.heads.get(i).cloned().unwrap_or_default();
        let title = head.title.as_deref().unwrap_or(column.title);
        let rect = Rect::from_x_y_ranges(at.x_range(), laid.head.y_range());
        let sortable = head.sort != Sort::Never;
        // By keyboard a title is chosen in the table itself.
        let sense = if sortable { Sense::CLICK } else { Sense::hover() };
        let id = laid.response.id.with(("head", i));
        let response = ui.interact(rect.expand2(vec2(6.0, 0.0)), id, sense);
        let (sign, spoken) = match head.sort {
            Sort::Ascending => (fonts::icon::SORTED_UP, ", sorted ascending"),
            Sort::Descending => (fonts::icon::SORTED_DOWN, ", sorted descending"),
            Sort::No | Sort::Never => ("", ""),
        };
        let name = format!("{title}{spoken}");
        response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, &name));
        if sortable && response.clicked() {
            pressed = Some(i);
        }
        let lit = response.hovered() && sortable || chosen == Some(i);
        let ink = if lit || !sign.is_empty() { t.text } else { t.second };
        let painter = ui.painter_at(rect.expand2(vec2(14.0, 0.0)).intersect(laid.head));
        let mark = painter.layout_no_wrap(sign.to_owned(), fonts::icons(11.0), ink);
        let room = rect.width() - if sign.is_empty() { 0.0 } else { mark.size().x + 3.0 };
        let shown = fit(ui, title, &fonts::regular(SMALL), room);
        let cut = shown != title;
        if let Some(need) = needs.get_mut(i) {
            let whole = painter.layout_no_wrap(title.to_owned(), fonts::regular(SMALL), ink);
            *need = need.max(whole.size().x + mark.size().x + 4.0);
        }
        let galley = painter.layout_no_wrap(shown, fonts::regular(SMALL), ink);
        let x = aligned(column.align, rect, galley.size().x);
        let (y, width) = (laid.head.center().y, galley.size().x);
        painter.galley(pos2(x, y - galley.size().y / 2.0), galley, ink);
        if !sign.is_empty() {
            // Before a title that stands at the right, so that figures stay under it.
            let left = match column.align {
                Align::Max => x - mark.size().x - 3.0,
                _ => x + width + 3.0,
            };
            painter.galley(pos2(left, y - mark.size().y / 2.0), mark, ink);
        }
        if chosen == Some(i) {
            let line = Stroke::new(1.0, t.accent);
            ui.painter().rect_stroke(rect.shrink2(vec2(-4.0, 4.0)), 3, line, StrokeKind::Inside);
        }
        if cut {
            response.on_hover_text(title);
        }
    }
    let y = laid.head.bottom() - 0.5;
    ui.painter().hline(laid.head.x_range(), y, Stroke::new(1.0, t.line));
    pressed
}

/// From the top of a text of one line to the line that it stands on.
fn baseline(galley: &Galley) -> Option<f32> {
    let row = galley.rows.first()?;
    Some(row.pos.y + row.glyphs.first()?.pos.y)
}

fn aligned(align: Align, at: Rect, width: f32) -> f32 {
    match align {
        Align::Min => at.left(),
        Align::Center => at.center().x - width / 2.0,
        Align::Max => at.right() - width,
    }
}

/// Paints a row; gives the whole text of the cell under the pointer where that
/// was cut.
pub(super) fn paint_row(
    ui: &Ui,
    laid: &Laid,
    rect: Rect,
    row: Option<&RowCells>,
    hot: bool,
    needs: &mut [f32],
    t: &Tokens,
) -> Option<String> {
    let mut cut = None;
    let painter = ui.painter();
    let Some(row) = row else {
        // Not read yet.
        for (_, at) in &laid.columns {
            let width = (at.width() * 0.6).min(120.0);
            let bar = Rect::from_min_size(pos2(at.left(), rect.center().y - 3.0), vec2(width, 6.0));
            painter.rect_filled(bar, 3, t.hovered);
        }
        return None;
    };
    let ground = match (row.selected, hot || row.hovered) {
        (true, _) => Some(t.selected),
        (_, true) => Some(t.hovered),
        _ => None,
    };
    if let Some(ground) = ground {
        painter.rect_filled(rect, 0, ground);
    }
    if row.selected {
        mark_row(painter, rect, t);
    }
    let dimmed = row.dimmed && !row.selected;
    let ink = |c: Color32| if dimmed { c.gamma_multiply(DIMMED) } else { c };
    let sign = ui.ctx().fonts_mut(|f| f.glyph_width(&fonts::mono(SMALL), '0')).max(1.0);
    // Words and figures stand on one line.
    let zero = painter.layout_no_wrap("0".to_owned(), fonts::mono(SMALL), t.text);
    let half = zero.size().y / 2.0;
    let line = rect.center().y - half + baseline(&zero).unwrap_or(half);
    let line = line.round_to_pixels(ui.pixels_per_point());
    for (i, ((column, at), cell)) in laid.columns.iter().zip(&row.cells).enumerate() {
        let at = Rect::from_x_y_ranges(at.x_range(), rect.y_range());
        let painter = painter.with_clip_rect(at.expand(2.0).intersect(ui.clip_rect()));
        let mut left = 0.0;
        let pointed = hot && ui.rect_contains_pointer(at);
        let name;
        let (text, font, colour) = match cell {
            Cell::Empty => continue,
            Cell::Elided { shown, whole } => {
                if pointed && shown != whole {
                    cut = Some(whole.clone());
                }
                (shown.as_str(), fonts::mono(SMALL), t.text)
            }
            Cell::Name(whole) => {
                name = elide(whole, (at.width() / sign).floor() as usize);
                if pointed && name != *whole {
                    cut = Some(whole.clone());
                }
                (name.as_str(), fonts::mono(SMALL), t.text)
            }
            Cell::Parts { parts, text } if at.width() < NUMBERED => {
                bars(&painter, at, at.width(), parts, dimmed, t);
                if pointed {
                    cut = Some(text.clone());
                }
                continue;
            }
            Cell::Parts { parts, text } => {
                let room = at.width() * 0.5;
                bars(&painter, at, room, parts, dimmed, t);
                left = room + 8.0;
                (text.as_str(), fonts::mono(SMALL), t.text)
            }
            Cell::Mono(text) => (text.as_str(), fonts::mono(SMALL), t.text),
            Cell::Time(exact) => {
                let short = without_millis(exact, (at.width() / sign).floor() as usize);
                if pointed && short != exact {
                    cut = Some(exact.clone());
                }
                (short, fonts::mono(SMALL), t.text)
            }
            Cell::Words(text) => {
                // Second colour, dimmed as well, could not be read.
                let colour = if dimmed { t.text } else { t.second };
                (text.as_str(), fonts::regular(SMALL), colour)
            }
            Cell::Verdict(v) => {
                let centre = pos2(at.left() + 4.5, at.center().y);
                let shapes = verdict_shape(centre, 4.5, *v, t);
                painter.extend(shapes);
                left = 16.0;
                (v.name(), fonts::regular(SMALL + 0.5), t.text)
            }
        };
        let ink = ink(colour);
        let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font.clone(), ink);
        job.wrap.max_width = at.width() - left;
        job.wrap.max_rows = 1;
        job.wrap.break_anywhere = true;
        let galley = painter.layout_job(job);
        if pointed && galley.elided && cut.is_none() {
            cut = Some(text.to_owned());
        }
        if let Some(need) = needs.get_mut(i) {
            let own = match cell {
                Cell::Parts { .. } => column.width,
                Cell::Elided { whole, .. } | Cell::Name(whole) => {
                    whole.chars().count().max(text.chars().count()) as f32 * sign + 1.0
                }
                // Else what had to be left out once would never have room again.
                Cell::Time(exact) => exact.chars().count() as f32 * sign + 1.0,
                _ if galley.elided => {
                    painter.layout_no_wrap(text.to_owned(), font, ink).size().x + left + 1.0
                }
                _ => galley.size().x + left + 1.0,
            };
            if own > *need && own > at.width() {
                // The column was laid out before any of its rows were read.
                ui.ctx().request_repaint();
            }
            *need = need.max(own);
        }
        let x = aligned(column.align, at, galley.size().x) + left;
        let y = line - baseline(&galley).unwrap_or(galley.size().y / 2.0);
        painter.galley(pos2(x, y), galley, t.text);
    }
    cut
}

/// A time to the second where the whole takes more than `chars`; times that are numbers,
/// outside every calendar, have nothing to leave out.
pub(super) fn without_millis(exact: &str, chars: usize) -> &str {
    let fits = exact.chars().count() <= chars;
    exact.rsplit_once('.').map_or(exact, |(short, _)| if fits { exact } else { short })
}

/// Parts of a whole side by side, told apart by how bright they are, the last by
/// being hollow, and by gaps: colour is the verdicts' and the selection's. The whole of
/// the largest takes `room`.
fn bars(painter: &egui::Painter, at: Rect, room: f32, parts: &[f32; 3], dimmed: bool, t: &Tokens) {
    let (third, text) =
        if dimmed { (t.faint(), t.text.gamma_multiply(DIMMED)) } else { (t.third, t.text) };
    let inks = [(third, true), (text, true), (third, false)];
    let mut x = at.left();
    for (part, (colour, filled)) in parts.iter().zip(inks) {
        let width = part * room;
        if width > 0.0 {
            let bar = Rect::from_min_size(pos2(x, at.center().y - 4.0), vec2(width.max(1.0), 8.0));
            if filled {
                painter.rect_filled(bar, 1, colour);
            } else {
                let line = Stroke::new(1.0, colour);
                painter.rect_stroke(bar, 1, line, StrokeKind::Inside);
            }
            x += width.max(1.0) + 1.0;
        }
    }
}

/// All cells of a row in words: `Key 1024942, Verdict late`.
pub(super) fn spoken(laid: &Laid, row: &RowCells) -> String {
    let cells = row.cells.iter().zip(&laid.columns).enumerate();
    let parts: Vec<String> = cells
        .filter_map(|(i, (cell, (column, _)))| {
            let title = laid.heads.get(i).and_then(|h| h.title.as_deref());
            let text = match cell {
                Cell::Empty => return None,
                Cell::Mono(text)
                | Cell::Time(text)
                | Cell::Name(text)
                | Cell::Words(text)
                | Cell::Parts { text, .. } => text.as_str(),
                Cell::Elided { whole, .. } => whole.as_str(),
                Cell::Verdict(v) => v.name(),
            };
            (!text.is_empty()).then(|| format!("{} {text}", title.unwrap_or(column.title)))
        })
        .collect();
    parts.join(", ")
}
