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
