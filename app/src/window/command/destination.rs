//! Where a typed text leads: a record by its name, an arrival by its number, a
//! moment by its time.

use super::Command;
use crate::window::app::App;
use crate::window::text::thousands;
use crate::window::times::parse;

/// The commands that a typed text may stand for, each with what it does in
/// words; the likeliest first.
#[must_use]
pub fn destination(app: &App, typed: &str) -> Vec<(String, Command)> {
    let mut found = Vec::new();
    let typed = typed.trim();
    if typed.is_empty() || app.cursor.len() == 0 {
        return found;
    }
    if let Ok(name) = typed.parse() {
        found.push((format!("Select {name}"), Command::SelectRecord(name)));
        return found;
    }
    let number: Option<u64> = typed.replace([',', '_', ' '], "").parse().ok();
    if let Some(n) = number.filter(|n| *n < app.cursor.len()) {
        found.push((format!("Go to arrival {}", thousands(n)), Command::GoTo(n)));
    }
    if app.clock.is_empty() {
        return found;
    }
    let near = app.clock.time(app.cursor.at() as f64) as i64;
    let Some(ms) = parse(typed, near, &app.settings.zone) else { return found };
    let Some((first, last)) = app.clock.range() else { return found };
    // A small number is an arrival, not a moment of 1970.
    if number.is_some() && !(first..=last).contains(&ms) {
        return found;
    }
    let arrival = app.clock.arrival(ms as f64).round().max(0.0) as u64;
    let title = match ms {
        ms if ms < first => "Go to the start: the run begins after that".to_owned(),
        ms if ms > last => "Go to the end: the run ends before that".to_owned(),
        ms => format!("Go to {}, arrival {}", app.times().exact(ms), thousands(arrival)),
    };
    found.push((title, Command::GoTo(arrival)));
    found
}
