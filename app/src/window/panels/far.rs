//! What a scale leaves out because it is far off: how much it is, and the choice to
//! see it.

use egui::Ui;

use crate::window::text::thousands;
use crate::window::widgets::button;

/// What is far off: how much, and in words.
pub struct Off {
    pub count: u64,
    pub said: String,
}

/// The button that shows it, or leaves it out again.
pub fn choose(ui: &mut Ui, off: &Off, whole: &mut bool) {
    let (label, name) = if *whole {
        ("all on the scale".to_owned(), "Leave out what is far off")
    } else {
        (format!("{} beyond the scale", thousands(off.count)), "Show what is beyond the scale")
    };
    let response = button(&label).plain().name(name).show(ui);
    if response.on_hover_text(format!("{name}: {}", off.said)).clicked() {
        *whole = !*whole;
    }
}
