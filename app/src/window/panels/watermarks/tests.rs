use egui_kittest::kittest::NodeT as _;
use joinscope_core::run::{Direction, VerdictSet};
use joinscope_operator::verdict::Verdict;

use crate::window::command::Command;
use crate::window::panel::Panel;
use crate::window::testing::{ask, feed, heading, opened};

#[test]
fn the_sentence_names_the_partition_that_was_silent() {
    let mut h = opened(&feed().run());
    // The first late record came when partition 2 had begun to send its backlog.
    ask(&mut h, Command::Start);
    ask(&mut h, Command::Next(VerdictSet::of(Verdict::Late), Direction::Forward));
    let sentence = heading(&h, Panel::Watermarks).accesskit_node().value().unwrap_or_default();
    assert!(sentence.contains("engagements[2]"), "{sentence}");
}
