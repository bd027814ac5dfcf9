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
    // What is typed is a time of the clock that is shown.
    let by_event = app.event_time && app.clock.has_event_time();
    let at = app.cursor.at() as f64;
    let (near, range) = if by_event {
        (app.clock.event_time(at), app.clock.event_range())
    } else {
        (app.clock.time(at), app.clock.range())
    };
    let Some(ms) = parse(typed, near as i64, &app.settings.zone) else { return found };
    let Some((first, last)) = range else { return found };
    // A small number is an arrival, not a moment of 1970.
    if number.is_some() && !(first..=last).contains(&ms) {
        return found;
    }
    let arrival = if by_event {
        app.clock.arrival_of_event(ms as f64).ceil()
    } else {
        app.clock.arrival(ms as f64).round()
    };
    let arrival = arrival.max(0.0) as u64;
    let whose = if by_event { "the event-time watermark" } else { "the run" };
    let title = match ms {
        ms if ms < first => format!("Go to the start: {whose} begins after that"),
        ms if ms > last => format!("Go to the end: {whose} ends before that"),
        ms => format!("Go to {}, arrival {}", app.times().exact(ms), thousands(arrival)),
    };
    found.push((title, Command::GoTo(arrival)));
    found
}
