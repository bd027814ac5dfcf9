//! Breakpoints through the accessibility tree.

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::engine::breakpoint::Condition;
use joinscope_core::run::{RunState, VerdictSet};
use joinscope_operator::verdict::Verdict;

use crate::window::app::App;
use crate::window::command::Command;
use crate::window::headless::settle;
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::store::Run;
use crate::window::testing::{ask, feed, heading, opened, press};
use crate::window::text::thousands;

fn added(h: &mut Harness<'_, App>, conditions: &[&str]) {
    for condition in conditions {
        ask(h, Command::AddBreakpoint(condition.parse().unwrap()));
    }
}

#[test]
fn breakpoints_are_written_listed_counted_and_removed() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Breakpoints));
    assert!(h.query_all_by_label_contains("No breakpoint").next().is_some());
    let field = |h: &Harness<'_, App>| {
        h.get_all_by_role(Role::TextInput)
            .find(|n| n.accesskit_node().label().is_some_and(|l| l.starts_with("Condition of")))
            .unwrap()
            .focus();
    };
    let write = |h: &mut Harness<'_, App>, text: &str| {
        field(h);
        h.step();
        h.event(egui::Event::Text(text.to_owned()));
        h.step();
        h.key_press(egui::Key::Enter);
        settle(h).unwrap();
    };
    write(&mut h, "verdict=lat");
    assert!(h.query_all_by_label_contains("did you mean late").next().is_some());
    write(&mut h, "e");
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let late = run.count(VerdictSet::of(Verdict::Late));
    assert!(late > 1);
    let sentence = heading(&h, Panel::Breakpoints).value().unwrap();
    assert_eq!(sentence, format!("1 breakpoint · met {} times in this run", thousands(late)));
    let line = format!("verdict=late: a record is late; met {} times", thousands(late));
    assert!(h.query_all_by_label_contains(&line).next().is_some());
    h.get_by_role_and_label(Role::CheckBox, "verdict=late").click();
    settle(&mut h).unwrap();
    let sentence = heading(&h, Panel::Breakpoints).value().unwrap();
    assert!(sentence.starts_with("0 of 1 breakpoint enabled"), "{sentence}");
    press(&mut h, "Remove the breakpoint verdict=late");
    assert!(h.query_all_by_label_contains("No breakpoint").next().is_some());
}

#[test]
fn a_kept_run_goes_from_hit_to_hit() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let set = VerdictSet::of(Verdict::Late);
    let late = |n| run.row(run.nth(set, n).unwrap().unwrap()).unwrap();
    added(&mut h, &["verdict=late"]);
    ask(&mut h, Command::Start);
    for n in [0, 1] {
        press(&mut h, "Next hit");
        assert_eq!(h.state().cursor().at(), late(n).arrival);
        assert_eq!(h.state().selection(), Some(Selection::Row(late(n).row)));
    }
    press(&mut h, "Previous hit");
    assert_eq!(h.state().cursor().at(), late(0).arrival);
    // Before the first there is none: nothing moves.
    press(&mut h, "Previous hit");
    assert_eq!(h.state().cursor().at(), late(0).arrival);
}

#[test]
fn a_run_stops_at_a_breakpoint_and_goes_on_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("stopped");
    let mut h = opened(&feed().run());
    let plain = h.state().doc().run.as_ref().unwrap().run.clone();
    let set = VerdictSet::of(Verdict::Late);
    let late = plain.row(plain.nth(set, 0).unwrap().unwrap()).unwrap();
    added(&mut h, &["verdict=late"]);
    h.state_mut().run_into = Some(dir.clone());
    ask(&mut h, Command::Run(Vec::new()));
    // It waits there, shown as far as it came.
    let doc = h.state().doc().run.as_ref().unwrap();
    assert_eq!(doc.dir, dir);
    assert_eq!((doc.arrivals, doc.manifest.state), (late.arrival + 1, RunState::Stopped));
    assert_eq!(h.state().cursor().at(), late.arrival);
    assert_eq!(h.state().selection(), Some(Selection::Row(late.row)));
    // Before it is seen to wait there is nothing to go on from.
    let stop = h.state_mut().stopped.take();
    h.state_mut().act(Command::GoOn);
    assert!(h.state().running.as_ref().unwrap().control.stopped().is_some());
    assert_eq!(h.state().cursor().at(), late.arrival);
    h.state_mut().stopped = stop;
    let sentence = heading(&h, Panel::Breakpoints).value().unwrap();
    let said = format!("stopped at arrival {}: verdict=late", thousands(late.arrival));
    assert_eq!(sentence, said);
    assert!(h.query_all_by_label_contains("stopped once").next().is_some());
    // It goes on to the next, also from another run, in which nothing moves.
    ask(&mut h, Command::Open(feed().run()));
    ask(&mut h, Command::GoTo(5));
    let sentence = heading(&h, Panel::Breakpoints).value().unwrap();
    assert!(!sentence.contains("stopped"), "{sentence}");
    press(&mut h, "Go on with the run");
    assert_eq!(h.state().cursor().at(), 5);
    ask(&mut h, Command::Open(dir.clone()));
    let second = plain.row(plain.nth(set, 1).unwrap().unwrap()).unwrap();
    assert_eq!(h.state().cursor().at(), second.arrival);
    assert!(h.query_all_by_label_contains("stopped 2 times").next().is_some());
    // Without breakpoints to its end, which is that of a run that never stopped.
    h.get_by_role_and_label(Role::CheckBox, "verdict=late").click();
    h.step();
    press(&mut h, "Go on with the run");
    let run = Run::open(&dir).unwrap();
    assert_eq!(run.state(), RunState::Done);
    let digest = |run: &Run| run.manifest().end.unwrap().digest;
    assert_eq!(digest(&run), digest(&plain));
    assert_eq!(h.state().cursor().at(), plain.arrivals() - 1);
}

#[test]
fn a_condition_of_any_length_and_signs_is_one_short_line() {
    let mut h = opened(&feed().run());
    let key = format!("a\nb\u{202e}{}", "x".repeat(5_000));
    ask(&mut h, Command::AddBreakpoint(Condition::Key(key)));
    let text = |n: egui_kittest::Node<'_>| n.accesskit_node().label().or_else(|| n.value());
    let all = h.get_all(egui_kittest::kittest::By::new()).filter_map(text);
    let own: Vec<String> = all.filter(|said| said.contains("xxxx")).collect();
    assert!(own.len() >= 3, "{own:?}");
    for said in own {
        assert!(!said.contains(['\n', '\u{202e}']) && said.chars().count() < 1_200, "{said}");
    }
}
