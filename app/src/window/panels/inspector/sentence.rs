//! A sentence in which every record's name is a link.

use egui::{RichText, Ui};
use joinscope_operator::record::RecordName;

use crate::window::command::Command;
use crate::window::theme::{Tokens, fonts};

const SIZE: f32 = 14.0;

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

/// Shows the sentence, wrapped.
pub fn show(ui: &mut Ui, sentence: &str, commands: &mut Vec<Command>) {
    let t = Tokens::of(ui.ctx());
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        for part in parts(sentence) {
            match part {
                Part::Words(words) => {
                    let words = crate::window::text::line(&words).into_owned();
                    ui.label(RichText::new(words).font(fonts::regular(SIZE)).color(t.text));
                }
                Part::Record(name) => {
                    let label = crate::window::text::elide(&name.to_string(), 44);
                    let label = RichText::new(label).font(fonts::regular(SIZE)).color(t.accent);
                    if ui.add(egui::Link::new(label)).clicked() {
                        commands.push(Command::SelectRecord(name));
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_records_become_links() {
        let found = parts("It would have matched views[1]@391204, 3m 05s after it.");
        assert_eq!(
            found,
            [
                Part::Words("It would have matched ".to_owned()),
                Part::Record("views[1]@391204".parse().unwrap()),
                Part::Words(", 3m 05s after it.".to_owned()),
            ]
        );
        assert_eq!(parts("none"), [Part::Words("none".to_owned())]);
    }
}
