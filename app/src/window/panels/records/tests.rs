use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::{Direction, VerdictSet};
use joinscope_operator::verdict::Verdict;

use crate::window::command::Command;
use crate::window::testing::{ask, feed, opened, press, rows};

#[test]
fn a_run_shows_its_books_and_filters_by_them() {
    let mut h = opened(&feed().run());
    let late = {
        let nodes: Vec<_> = h.get_all_by_role(Role::ListBoxOption).collect();
        let label = |n: &egui_kittest::Node<'_>| n.accesskit_node().label().unwrap_or_default();
        nodes.iter().map(label).find(|l| l.starts_with("late, ")).unwrap()
    };
    let all = h.state().doc().run.as_ref().unwrap().rows;
    press(&mut h, &late);
    let filter = h.state().panels.records.filter();
    assert_eq!(filter, VerdictSet::of(Verdict::Late));
    let rows: Vec<String> = rows(&h);
    assert!(!rows.is_empty() && rows.iter().all(|r| r.ends_with(", late")), "{rows:?}");
    assert!(
        h.query_by_label("Show all verdicts").is_some()
            || h.query_by_label("verdict is late").is_some()
    );
    assert!(all > 3_000);
}

#[test]
fn a_selection_that_the_filter_hides_stays_in_the_inspector() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Next(VerdictSet::of(Verdict::Joined), Direction::Backward));
    let selected = h.state().selection();
    ask(&mut h, Command::Filter(VerdictSet::of(Verdict::Late)));
    assert_eq!(h.state().selection(), selected);
    assert!(h.query_by_label("hidden by the filter ·").is_some());
    press(&mut h, "show");
    assert!(h.state().panels.records.filter().is_empty());
    assert!(h.query_by_label("hidden by the filter ·").is_none());
}

#[test]
fn a_search_finds_records_by_key() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let key = run.row(100).unwrap().key.unwrap().to_string();
    ask(&mut h, Command::Search(key));
    let found = rows(&h);
    assert!(!found.is_empty() && found.len() < 20, "{found:?}");
    ask(&mut h, Command::Search("no such key".to_owned()));
    assert!(h.query_all_by_label_contains("No record is like that").next().is_some());
}
