//! The semantics panel through its accessibility tree.

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_operator::pipeline::Semantics;
use joinscope_operator::verdict::Verdict;

use crate::window::app::App;
use crate::window::command::Command;
use crate::window::headless::{harness, settle};
use crate::window::panel::Panel;
use crate::window::store::Run;
use crate::window::testing::{PATIENT, PIPELINE, ask, feed, heading, opened, press, rerun, rows};

fn four(folder: &tempfile::TempDir) -> Harness<'static, App> {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Semantics));
    assert_eq!(heading(&h, Panel::Semantics).value().unwrap(), "not run yet");
    for release in [Semantics::FlinkSql, Semantics::KafkaStreams].map(|s| s.release().unwrap()) {
        assert!(h.query_all_by_label_contains(release).next().is_some(), "{release}");
    }
    h.state_mut().run_into = Some(folder.path().join("four"));
    press(&mut h, "Run all four");
    h
}

/// The figure of a semantics, as it is shown.
fn figure(h: &Harness<'_, App>, name: &str, what: &str) -> u64 {
    let start = format!("{name}: ");
    // A figure that is 0 leads nowhere: it is a label, whose text is its value.
    let text = |n: egui_kittest::Node<'_>| n.accesskit_node().label().or_else(|| n.value());
    let labels = h.get_all(egui_kittest::kittest::By::new()).filter_map(text);
    let found: Vec<u64> = labels
        .filter_map(|l| {
            l.strip_prefix(&start)?.strip_suffix(&format!(" {what}"))?.replace(',', "").parse().ok()
        })
        .collect();
    *found.first().unwrap_or_else(|| panic!("no {what} of {name}"))
}

/// The whole name of a link that ends like this.
fn link(h: &Harness<'_, App>, name: &str, what: &str) -> String {
    h.get_all_by_role(Role::Link)
        .filter_map(|n| n.accesskit_node().label())
        .find(|l| l.starts_with(&format!("{name}: ")) && l.ends_with(&format!(" {what}")))
        .unwrap_or_else(|| panic!("no link {what} of {name}"))
}

#[test]
fn all_four_stand_side_by_side_and_each_count_opens_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = four(&folder);
    let sentence = heading(&h, Panel::Semantics).value().unwrap();
    assert!(sentence.contains("differs most from clean in pairs: "), "{sentence}");
    assert!(h.query_all_by_label_contains("A pad is a row").next().is_some());
    for semantics in Semantics::ALL {
        let name = semantics.name();
        let Ok(run) = Run::open(&folder.path().join("four").join(name)) else {
            assert!(h.query_all_by_label_contains(&format!("{name}: refused")).next().is_some());
            continue;
        };
        let set = |v| joinscope_core::run::VerdictSet::of(v);
        assert_eq!(figure(&h, name, "late"), run.count(set(Verdict::Late)), "{name}");
        assert_eq!(figure(&h, name, "expired"), run.count(set(Verdict::Expired)), "{name}");
        if semantics != Semantics::Clean {
            let (pairs, of_clean) = (figure(&h, name, "pairs"), figure(&h, "clean", "pairs"));
            let missing = figure(&h, name, "pairs missing");
            assert_eq!(of_clean - missing + figure(&h, name, "pairs extra"), pairs, "{name}");
        }
    }
    // Extra pairs are listed by the comparison of that run with clean.
    let name = link(&h, "flink-sql", "pairs extra");
    let extra = figure(&h, "flink-sql", "pairs extra");
    press(&mut h, &name);
    let dir = folder.path().join("four");
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, dir.join("flink-sql"));
    assert_eq!(h.state().panels.compare.other(), Some(dir.join("clean").as_path()));
    let listed: Vec<String> = rows(&h).into_iter().filter(|r| r.contains(" in clean, ")).collect();
    assert!(listed.len() as u64 <= extra && !listed.is_empty(), "{listed:?}");
    assert!(
        listed.iter().all(|r| r.ends_with("not put out in clean, put out in flink-sql")),
        "{listed:?}"
    );
    // The figures stay, and late records are those of the records table.
    ask(&mut h, Command::ShowPanel(Panel::Semantics));
    let late = figure(&h, "clean", "late");
    let name = link(&h, "clean", "late");
    press(&mut h, &name);
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, dir.join("clean"));
    let sentence = heading(&h, Panel::Records).value().unwrap();
    assert!(sentence.starts_with(&format!("{late} of ")), "{sentence}");
}

#[test]
fn from_one_of_the_four_the_same_four_are_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = four(&folder);
    let pads = figure(&h, "clean", "pads");
    assert!(pads > 0);
    // It has no pads: what it was changed in is not the pipeline's.
    assert_eq!(figure(&h, "flink-datastream", "pads"), 0);
    press(&mut h, "Open the run under flink-datastream");
    ask(&mut h, Command::ShowPanel(Panel::Semantics));
    h.state_mut().run_into = Some(folder.path().join("again"));
    press(&mut h, "Run all four again");
    assert_eq!(figure(&h, "clean", "pads"), pads);
}

#[test]
fn four_runs_under_other_settings_than_the_run_in_front_are_said_to_be() {
    const OTHER: &str = "under other settings than this run's: ";
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("patient");
    rerun(&feed().recording(), PIPELINE, PATIENT, &patient);
    let mut h = four(&folder);
    let said = |h: &mut Harness<'static, App>, path: std::path::PathBuf| {
        ask(h, Command::Open(path));
        ask(h, Command::ShowPanel(Panel::Semantics));
        heading(h, Panel::Semantics).value().unwrap()
    };
    let there = said(&mut h, patient);
    assert!(there.starts_with(OTHER), "{there}");
    let of_the_four = said(&mut h, folder.path().join("four").join("flink-sql"));
    assert!(!of_the_four.contains(OTHER), "{of_the_four}");
    let here = said(&mut h, feed().run());
    assert!(!here.contains(OTHER), "{here}");
}

#[test]
fn the_four_runs_are_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    h.state_mut().run_into = Some(folder.path().join("four"));
    h.state_mut().command(Command::RunSemantics);
    h.step();
    h.state_mut().command(Command::CancelSemantics);
    settle(&mut h).unwrap();
    let sentence = heading(&h, Panel::Semantics).value().unwrap();
    assert!(sentence.starts_with("cancelled after "), "{sentence}");
    assert!(h.query_by_label("Run all four again").is_some());
}

#[test]
fn in_a_narrow_panel_no_figure_stands_under_a_button() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = harness((520, 360), false, Some(Panel::Semantics));
    ask(&mut h, Command::Open(feed().run()));
    h.state_mut().run_into = Some(folder.path().join("four"));
    press(&mut h, "Run all four");
    let buttons = ["Open the run under flink-sql", "Compare flink-sql with"];
    let buttons = buttons.map(|name| h.get_by_label(name).rect());
    let mut figures = 0;
    for node in h.get_all(egui_kittest::kittest::By::new()) {
        let said = node.accesskit_node().label().or_else(|| node.value()).unwrap_or_default();
        if said.starts_with("flink-sql: ") {
            let at = node.rect();
            assert!(buttons.iter().all(|button| !button.intersects(at)), "{said}: {at:?}");
            figures += 1;
        }
    }
    assert!(figures >= 9, "{figures}");
}
