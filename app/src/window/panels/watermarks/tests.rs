use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::window::command::Command;
use crate::window::panel::Panel;
use crate::window::testing::{BEGIN, ask, feed, heading, opened};

#[test]
fn the_sentence_names_the_partition_that_was_silent() {
    let mut h = opened(&feed().run());
    // Partition 2 is silent from the fifth minute on, and idle 30 s later.
    let at = h.state().clock.arrival((BEGIN + 5 * 60_000 + 25_000) as f64);
    ask(&mut h, Command::GoTo(at as u64));
    let sentence = heading(&h, Panel::Watermarks).accesskit_node().value().unwrap_or_default();
    assert!(sentence.contains("engagements[2]"), "{sentence}");
}

#[test]
fn a_silence_is_said_and_not_only_shaded_also_where_all_are_silent_at_the_end() {
    let h = opened(&feed().run());
    let lines = h.get_by_label("Event-time watermark lines");
    let said = lines.accesskit_node().value().unwrap_or_default();
    let silent: Vec<&str> = said.split("; ").filter(|part| part.contains(" silent for ")).collect();
    assert!(silent.iter().any(|s| s.starts_with("engagements[2] silent for ")), "{said}");
}
