use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::window::command::Command;
use crate::window::headless::settle;
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::testing::{ask, feed, opened, press, rows};

#[test]
fn outputs_lead_to_their_records_and_back() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    let first = rows(&h).into_iter().find(|r| r.contains("pair")).unwrap();
    press(&mut h, &first);
    assert!(matches!(h.state().selection(), Some(Selection::Output(_))));
    let name = first.rsplit(", ").next().unwrap().to_owned();
    h.get_all_by_role(Role::Link)
        .find(|n| n.accesskit_node().label().as_deref() == Some(&name))
        .unwrap()
        .click();
    settle(&mut h).unwrap();
    assert!(matches!(h.state().selection(), Some(Selection::Row(_))));
}

#[test]
fn outputs_are_searched_sorted_and_filtered_by_their_fields() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let all = run.output_page(0, run.outputs() as usize).unwrap();
    let latest = all.iter().max_by_key(|o| (o.time, std::cmp::Reverse(o.n))).unwrap();
    press(&mut h, "Time");
    press(&mut h, "Time, sorted ascending");
    assert!(rows(&h)[0].starts_with(&format!("output {}, ", latest.n)), "{:?}", rows(&h)[0]);
    press(&mut h, "Time, sorted descending");
    assert!(rows(&h)[0].starts_with("output 0, "));
    // By kind.
    press(&mut h, "Filter the outputs");
    h.get_by_role_and_label(Role::CheckBox, "pair").click();
    settle(&mut h).unwrap();
    assert!(rows(&h).iter().all(|r| r.contains(", pair, ")), "{:?}", rows(&h));
    // By a field of a value.
    h.get_by_label("Conditions").focus();
    h.step();
    h.get_by_label("Conditions").type_text("value.engagements.kind=like");
    settle(&mut h).unwrap();
    press(&mut h, "Apply");
    let shown = rows(&h);
    assert!(!shown.is_empty(), "some pairs are likes");
    let n: u64 = shown[0]["output ".len()..].split(',').next().unwrap().parse().unwrap();
    let json = super::ask::as_json(&run, n).unwrap();
    assert!(json.contains("\"like\""), "{json}");
}
