//! A sentence in which every record's name is a link.

use std::ops::Range;
use std::sync::Arc;

use egui::text::{CCursor, LayoutJob, TextFormat};
use egui::{Galley, Rect, Role, Sense, Stroke, Ui, WidgetInfo};
use joinscope_core::run::explain::Candidate;
use joinscope_operator::record::RecordName;

use super::links;
use crate::window::command::Command;
use crate::window::text::counted;
use crate::window::theme::{Tokens, fonts};

const SIZE: f32 = 14.0;
/// From line to line, points.
const LINE: f32 = 19.0;

/// A part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Words(String),
    Record(RecordName),
}

/// Cuts a sentence at the names of records.
fn parts(sentence: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut words = String::new();
    for word in sentence.split_inclusive(' ') {
        let bare =
            word.trim_end().trim_start_matches('(').trim_end_matches([',', '.', ';', ':', ')']);
        match bare.parse::<RecordName>() {
            Ok(name) => {
                let at = word.find(bare).unwrap_or(0);
                words.push_str(&word[..at]);
                if !words.is_empty() {
                    parts.push(Part::Words(std::mem::take(&mut words)));
                }
                parts.push(Part::Record(name));
                words.push_str(&word[at + bare.len()..]);
            }
            Err(_) => words.push_str(word),
        }
    }
    if !words.is_empty() {
        parts.push(Part::Words(words));
    }
    parts
}

/// Whether a sentence has this record in it.
pub fn names(sentence: &str, record: &RecordName) -> bool {
    parts(sentence).iter().any(|part| matches!(part, Part::Record(name) if name == record))
}

/// Shows the sentence, wrapped, as one text with links in it; a name of one of
/// the candidates leads to that row, whichever input took it.
pub fn show(ui: &mut Ui, sentence: &str, candidates: &[Candidate], commands: &mut Vec<Command>) {
    let t = Tokens::of(ui.ctx());
    let mut job = LayoutJob::default();
    job.wrap.max_width = ui.available_width();
    let mut links = Vec::new();
    let mut chars = 0;
    for part in parts(&counted(sentence)) {
        let (text, colour) = match &part {
            Part::Words(words) => (crate::window::text::line(words).into_owned(), t.text),
            Part::Record(name) => (crate::window::text::elide(&name.to_string(), 44), t.accent),
        };
        let from = chars;
        chars += text.chars().count();
        let format = TextFormat {
            line_height: Some(LINE),
            ..TextFormat::simple(fonts::regular(SIZE), colour)
        };
        job.append(&text, 0.0, format);
        if let Part::Record(name) = part {
            links.push((name, text, from..chars));
        }
    }
    let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
    let at = ui.add(egui::Label::new(Arc::clone(&galley)).selectable(false)).rect;
    for (i, (name, text, range)) in links.into_iter().enumerate() {
        let Some(rect) = first_line(&galley, range) else { continue };
        let rect = rect.translate(at.min.to_vec2());
        let response = ui.interact(rect, ui.scope_id().with(("link", i)), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Link, true, &text));
        if response.hovered() || response.has_focus() {
            ui.ctx().set_cursor_icon(egui::CursorIcon::PointingHand);
            ui.painter().hline(rect.x_range(), rect.bottom() - 1.0, Stroke::new(1.0, t.accent));
        }
        if response.on_hover_text(name.to_string()).clicked() {
            let meant = candidates.iter().find(|c| c.record == name);
            let by_name = || Command::SelectRecord(name.clone());
            commands.push(meant.map_or_else(by_name, |c| links::select(&c.row)));
        }
    }
}

/// Where these characters stand on the first line that has any of them.
fn first_line(galley: &Galley, chars: Range<usize>) -> Option<Rect> {
    let at = |i| galley.pos_from_cursor(CCursor::new(i));
    let same = |a: Rect, b: Rect| (a.top() - b.top()).abs() < 1.0;
    let all = chars.map(|i| (at(i), at(i + 1))).filter(|(a, b)| same(*a, *b));
    let mut found: Option<Rect> = None;
    for (from, to) in all {
        match &mut found {
            Some(rect) if same(*rect, from) => *rect = rect.union(to),
            Some(_) => break,
            None => found = Some(from.union(to)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_records_become_links() {
        let found = parts("It would have matched views[1]@391204, 3m 05s earlier.");
        assert_eq!(
            found,
            [
                Part::Words("It would have matched ".to_owned()),
                Part::Record("views[1]@391204".parse().unwrap()),
                Part::Words(", 3m 05s earlier.".to_owned()),
            ]
        );
        assert_eq!(parts("none"), [Part::Words("none".to_owned())]);
        let closed = "The interval closed with engagements[0]@958.";
        let named = |record: &str| names(closed, &record.parse().unwrap());
        assert!(named("engagements[0]@958") && !named("engagements[0]@95"));
    }
}
