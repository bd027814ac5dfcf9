//! A record's value: decoded, raw, and its headers. Long values page by 64 KiB;
//! only the lines in sight are painted; Copy gives the whole.

use std::borrow::Cow;

use egui::{Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use joinscope_operator::record::Record;

use super::ask::Value;
use crate::window::command::Command;
use crate::window::text::{bytes, from_bytes, line, plural, thousands};
use crate::window::theme::fonts::icon;
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::widgets::{button, group, icon_button, text};

const PAGE: usize = 64 * 1024;
const LINE: f32 = 17.0;
/// Bytes in a line of hex.
const HEX: usize = 8;

/// What is shown of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Face {
    #[default]
    Decoded,
    Raw,
}

/// The value's state between frames.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    pub face: Face,
    page: usize,
}

impl Shown {
    /// Another record is shown: its first page.
    pub fn first_page(&mut self) {
        self.page = 0;
    }
}

/// Shows value, key and headers.
pub fn show(shown: &mut Shown, ui: &mut Ui, value: &Value, commands: &mut Vec<Command>) {
    let t = Tokens::of(ui.ctx());
    let record = &value.record;
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        text(ui, "Value", fonts::regular(SMALL), t.second);
        let size =
            record.value.as_ref().map_or_else(|| "null".to_owned(), |v| bytes(v.len() as u64));
        text(ui, &size, fonts::mono(SMALL), t.third);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let is_there = record.value.is_some();
            let name =
                if is_there { "Copy the value" } else { "No value to copy: it is a tombstone" };
            if icon_button(icon::COPY, name).plain().enabled(is_there).show(ui).clicked() {
                commands.extend(whole(shown.face, value).map(Command::Copy));
            }
            for (face, name) in [(Face::Raw, "Raw"), (Face::Decoded, "Decoded")] {
                if button(name).plain().selected(shown.face == face).show(ui).clicked() {
                    *shown = Shown { face, page: 0 };
                }
            }
        });
    });
    match (shown.face, &value.decoded, &record.value) {
        (_, _, None) => {
            text(ui, "null: a tombstone", fonts::regular(SMALL), t.second);
        }
        (Face::Decoded, Ok(json), _) => paged_text(shown, ui, json),
        (Face::Decoded, Err(why), Some(raw)) => {
            let why = egui::RichText::new(line(why)).font(fonts::regular(SMALL)).color(t.second);
            ui.add(egui::Label::new(why).wrap());
            // What there is to see of it.
            paged_hex(shown, ui, raw);
        }
        (Face::Raw, _, Some(raw)) => paged_hex(shown, ui, raw),
    }
    headers(ui, record, t);
}

fn headers(ui: &mut Ui, record: &Record, t: &Tokens) {
    /// More are counted.
    const LISTED: usize = 100;
    if record.headers.is_empty() {
        return;
    }
    group(ui, &plural(record.headers.len() as u64, "header"));
    for header in record.headers.iter().take(LISTED) {
        let shown = header.value.as_ref().map_or_else(
            || "null".to_owned(),
            |v| from_bytes(&v[..v.len().min(crate::window::text::LONGEST)]),
        );
        ui.horizontal(|ui| {
            text(ui, &header.key, fonts::mono(SMALL), t.second);
            text(ui, &shown, fonts::mono(SMALL), t.text);
        });
    }
    let more = record.headers.len().saturating_sub(LISTED) as u64;
    if more > 0 {
        let more = format!("and {} more", thousands(more));
        text(ui, &more, fonts::regular(SMALL), t.second);
    }
}

/// All of it; of a tombstone there is nothing.
fn whole(face: Face, value: &Value) -> Option<String> {
    let raw = value.record.value.as_ref()?;
    Some(match (face, &value.decoded) {
        (Face::Decoded, Ok(json)) => json.clone(),
        _ => hex(raw),
    })
}

fn hex(raw: &[u8]) -> String {
    use std::fmt::Write as _;
    raw.iter().fold(String::with_capacity(raw.len() * 2), |mut out, b| {
        // Writing into a text cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Which page, where there is more than one.
fn pager(shown: &mut Shown, ui: &mut Ui, len: usize) {
    let pages = len.div_ceil(PAGE).max(1);
    shown.page = shown.page.min(pages - 1);
    if pages == 1 {
        return;
    }
    ui.horizontal(|ui| {
        let t = Tokens::of(ui.ctx());
        if icon_button(icon::LEFT, "Previous 64 KiB").enabled(shown.page > 0).show(ui).clicked() {
            shown.page -= 1;
        }
        let label = format!("{} of {} × 64 KiB", shown.page + 1, thousands(pages as u64));
        text(ui, &label, fonts::mono(SMALL), t.second);
        let more = shown.page + 1 < pages;
        if icon_button(icon::RIGHT, "Next 64 KiB").enabled(more).show(ui).clicked() {
            shown.page += 1;
        }
    });
}

fn paged_text(shown: &mut Shown, ui: &mut Ui, all: &str) {
    pager(shown, ui, all.len());
    let from = all.floor_char_boundary(shown.page * PAGE);
    let to = all.floor_char_boundary(((shown.page + 1) * PAGE).min(all.len()));
    let page = &all[from..to];
    let t = Tokens::of(ui.ctx());
    let width = ui.available_width();
    let lines: Vec<&str> = ui.ctx().fonts_mut(|f| {
        let font = fonts::mono(SMALL);
        let sign = f.glyph_width(&font, '0').max(1.0);
        let cells = ((width / sign) as usize).max(8);
        // Signs of other fonts are wider than this one's.
        let mut wide = |c| (f.glyph_width(&font, c) / sign - 0.01).ceil() as usize;
        page.lines().flat_map(|l| wrapped(l, cells, &mut wide)).collect()
    });
    paint(ui, "Decoded value", page, lines.len(), |i| {
        let part = lines.get(i).copied().unwrap_or_default();
        json_line(part, t)
    });
}

/// A line cut into parts that take at most so many cells each as they are shown;
/// `wide`: how many a character takes that is not escaped.
fn wrapped<'a>(line: &'a str, cells: usize, wide: &mut impl FnMut(char) -> usize) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut rest = line;
    loop {
        let most = rest.char_indices().nth(cells).map_or(rest.len(), |(at, _)| at);
        let at = within(&rest[..most], cells, wide);
        parts.push(&rest[..at]);
        rest = &rest[at..];
        if rest.is_empty() {
            return parts;
        }
    }
}

/// How much of a part fits into so many cells, bytes; at least one character.
fn within(part: &str, cells: usize, wide: &mut impl FnMut(char) -> usize) -> usize {
    if part.is_ascii() && matches!(line(part), Cow::Borrowed(_)) {
        return part.len();
    }
    let mut taken = 0;
    for (at, c) in part.char_indices() {
        let shown = line(c.encode_utf8(&mut [0; 4])).len();
        taken += if shown > c.len_utf8() { shown } else { wide(c) };
        if taken > cells && at > 0 {
            return at;
        }
    }
    part.len()
}

/// Field names in second colour, all else in text's.
fn json_line(part: &str, t: &Tokens) -> egui::text::LayoutJob {
    use egui::text::{LayoutJob, TextFormat};
    let mut job = LayoutJob::default();
    let name_end = part.trim_start().starts_with('"').then(|| part.find("\": ")).flatten();
    let (name, rest) = part.split_at(name_end.map_or(0, |at| at + 2));
    let format = |colour| TextFormat::simple(fonts::mono(SMALL), colour);
    job.append(&line(name), 0.0, format(t.second));
    job.append(&line(rest), 0.0, format(t.text));
    job
}

fn paged_hex(shown: &mut Shown, ui: &mut Ui, raw: &[u8]) {
    pager(shown, ui, raw.len());
    let t = Tokens::of(ui.ctx());
    let from = shown.page * PAGE;
    let page = &raw[from..(from + PAGE).min(raw.len())];
    let head = hex_line(0, &page[..page.len().min(64)]);
    paint(ui, "Raw value", &head, page.len().div_ceil(HEX), |i| {
        let at = i * HEX;
        let row = hex_line(from + at, &page[at..(at + HEX).min(page.len())]);
        let format = egui::text::TextFormat::simple(fonts::mono(SMALL - 0.5), t.text);
        let mut job = egui::text::LayoutJob::default();
        job.append(&row, 0.0, format);
        job
    });
}

/// `00000000  7b 22 76 69 65 77 5f 69  {"view_i`
fn hex_line(at: usize, row: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = format!("{at:06x}  ");
    for i in 0..HEX.max(row.len()) {
        // Writing into a text cannot fail.
        let _ = match row.get(i) {
            Some(b) => write!(out, "{b:02x} "),
            None => write!(out, "   "),
        };
    }
    out.push(' ');
    out.extend(row.iter().map(|b| if (0x20..0x7f).contains(b) { *b as char } else { '.' }));
    out
}

/// Lines of equal height, of which only those in sight are laid out.
fn paint(
    ui: &mut Ui,
    name: &str,
    spoken: &str,
    lines: usize,
    job: impl Fn(usize) -> egui::text::LayoutJob,
) {
    let t = Tokens::of(ui.ctx());
    let size = vec2(ui.available_width(), lines as f32 * LINE);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Code, true, name));
    let spoken: String = spoken.chars().take(4096).collect();
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(spoken.as_str()));
    let seen = ui.clip_rect().intersect(rect);
    if seen.height() <= 0.0 {
        return;
    }
    let first = ((seen.top() - rect.top()) / LINE).floor().max(0.0) as usize;
    let last = (((seen.bottom() - rect.top()) / LINE).ceil() as usize).min(lines);
    for i in first..last {
        let at = Rect::from_min_size(
            pos2(rect.left(), rect.top() + i as f32 * LINE),
            vec2(rect.width(), LINE),
        );
        let galley = ui.painter().layout_job(job(i));
        ui.painter().galley(pos2(at.left(), at.center().y - galley.size().y / 2.0), galley, t.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_hex_with_what_can_be_read() {
        assert_eq!(hex_line(16, b"{\"v\xff"), "000010  7b 22 76 ff              {\"v.");
    }

    #[test]
    fn long_lines_wrap_without_cutting_a_character() {
        assert_eq!(wrapped("äöü", 2, &mut |_| 1), ["äö", "ü"]);
        assert_eq!(wrapped("", 2, &mut |_| 1), [""]);
        assert_eq!(wrapped("abcd", 2, &mut |_| 1), ["ab", "cd"]);
    }

    #[test]
    fn what_is_escaped_or_of_a_wider_font_wraps_by_the_room_that_it_takes() {
        let wide = &mut |c: char| if c == 'é' { 2 } else { 1 };
        assert_eq!(wrapped("aééx", 4, wide), ["aé", "éx"]);
        // `\u{202e}` takes eight.
        let turned = "ab\u{202e}cd\u{202e}\u{202e}";
        let parts = wrapped(turned, 10, wide);
        assert_eq!(parts, ["ab\u{202e}", "cd\u{202e}", "\u{202e}"]);
        assert!(parts.iter().all(|p| line(p).chars().count() <= 10));
        assert_eq!(wrapped("\u{202e}\u{202e}", 4, wide).len(), 2, "no part is empty");
    }
}
