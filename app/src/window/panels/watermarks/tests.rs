use egui_kittest::kittest::NodeT as _;

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
