use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::ask::{Question, Source, page};
use crate::window::command::{Asked, Command, suggestions};
use crate::window::headless::settle;
use crate::window::panel::Panel;
use crate::window::panels::choose::Chosen as _;
use crate::window::selection::Selection;
use crate::window::table_view::TableView;
use crate::window::testing::{
    ask, feed, found, heading, keys, opened, palette, press, rows, write,
};

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
fn an_output_that_the_filter_hides_is_said_to_be_and_shown_again() {
    let mut h = opened(&feed().run());
    let hidden = |h: &egui_kittest::Harness<'_, crate::window::app::App>| {
        h.query_by_label("hidden by the filter ·").is_some()
    };
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    let pair = rows(&h).into_iter().find(|r| r.contains("pair")).unwrap();
    press(&mut h, &pair);
    let selected = h.state().selection();
    assert!(!hidden(&h));
    ask(&mut h, Command::FilterOutputs(joinscope_core::engine::step::OutputKind::Pad));
    assert!(hidden(&h));
    // Also where another table stands before it.
    ask(&mut h, Command::ShowPanel(Panel::Records));
    assert!(hidden(&h));
    press(&mut h, "show");
    assert!(!hidden(&h) && !h.state().panels.outputs.is_filtered());
    assert_eq!(h.state().selection(), selected);
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    assert!(rows(&h).contains(&pair), "{pair} in {:?}", rows(&h));
}

#[test]
fn a_record_that_is_selected_has_its_output_in_sight() {
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let all = run.output_page(0, run.outputs() as usize).unwrap();
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    let said = heading(&h, Panel::Outputs).value().unwrap();
    let count = crate::window::text::thousands(run.outputs());
    assert_eq!(said, format!("{count} outputs"));
    // The first of its record, far below what is in sight.
    let last = all.iter().rev().find(|o| run.outputs_of(o.rows[0]).unwrap()[0].n == o.n).unwrap();
    let name = format!("output {}, ", last.n);
    assert!(!rows(&h).iter().any(|r| r.starts_with(&name)), "{:?}", rows(&h));
    let row = run.row(last.rows[0]).unwrap();
    ask(&mut h, Command::Select(Some(Selection::Row(row.row)), Some(row.arrival)));
    assert!(rows(&h).iter().any(|r| r.starts_with(&name)), "{name} in {:?}", rows(&h));
}

/// Titles of the columns in sight.
fn titles(h: &egui_kittest::Harness<'_, crate::window::app::App>) -> Vec<String> {
    h.get_all_by_role(Role::ColumnHeader).filter_map(|n| n.accesskit_node().label()).collect()
}

#[test]
fn a_view_of_labels_only_shows_columns_where_there_are_no_labels() {
    let mut h = opened(&feed().run());
    let columns = vec!["labels".to_owned()];
    let view = TableView { columns, ..TableView::default() };
    assert_eq!(h.state_mut().panels.outputs.set_view(&view), [""; 0]);
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    assert!(titles(&h).contains(&"Kind".to_owned()), "{:?}", titles(&h));
}

#[test]
fn columns_are_chosen_by_hand() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    let at_first = titles(&h);
    assert!(!at_first.contains(&"Epoch".to_owned()), "{at_first:?}");
    let choose = |h: &mut egui_kittest::Harness<'_, crate::window::app::App>, name: &str| {
        press(h, "Columns");
        // Also where the list has to be scrolled to it.
        h.get_by_role_and_label(Role::CheckBox, name).click_accesskit();
        settle(h).unwrap();
        h.key_press(egui::Key::Escape);
        settle(h).unwrap();
    };
    choose(&mut h, "Epoch");
    choose(&mut h, "Kind");
    choose(&mut h, "engagements.kind");
    let chosen = titles(&h);
    assert!(chosen.contains(&"Epoch".to_owned()), "{chosen:?}");
    assert!(!chosen.contains(&"Kind".to_owned()), "{chosen:?}");
    assert_eq!(chosen.last().unwrap(), "engagements.kind");
    let row = h.get_all_by_role(Role::Row).find(|n| {
        n.accesskit_node().label().is_some_and(|l| l.starts_with("output ") && l.contains("pair"))
    });
    let said = row.unwrap().accesskit_node().value().unwrap();
    assert!(said.contains("Epoch ") && said.contains("engagements.kind "), "{said}");
    press(&mut h, "Columns");
    h.get_by_label("Columns as at first").click_accesskit();
    settle(&mut h).unwrap();
    h.key_press(egui::Key::Escape);
    settle(&mut h).unwrap();
    assert_eq!(titles(&h), at_first);
}

#[test]
fn columns_are_chosen_from_the_palette() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    let at_first = titles(&h);
    let tell = |h: &mut egui_kittest::Harness<'_, crate::window::app::App>, line: &str| {
        palette(h, line);
        assert_eq!(found(h)[0], format!("Outputs: {line}"));
        keys(h, egui::Modifiers::NONE, egui::Key::Enter);
    };
    tell(&mut h, "Show the column Epoch of the outputs");
    tell(&mut h, "Hide the column Kind of the outputs");
    let chosen = titles(&h);
    assert!(chosen.contains(&"Epoch".to_owned()), "{chosen:?}");
    assert!(!chosen.contains(&"Kind".to_owned()), "{chosen:?}");
    let field = Asked::FieldColumn(Panel::Outputs);
    tell(&mut h, "Show a field as a column of the outputs…");
    write(&mut h, "Command", "engagements.kind");
    keys(&mut h, egui::Modifiers::NONE, egui::Key::Enter);
    assert_eq!(titles(&h).last().unwrap(), "engagements.kind");
    let why = suggestions(h.state(), &field, "engagements.kind").unwrap_err();
    assert_eq!(why, "The outputs have this column already");
    tell(&mut h, "Show the columns of the outputs as at first");
    assert_eq!(titles(&h), at_first);
    // The last one stays.
    let view = TableView { columns: vec!["key".to_owned()], ..TableView::default() };
    assert_eq!(h.state_mut().panels.outputs.set_view(&view), [""; 0]);
    ask(&mut h, Command::Column(Panel::Outputs, "key".to_owned(), false));
    assert!(titles(&h).contains(&"Key".to_owned()), "{:?}", titles(&h));
    assert!(h.state().panels.outputs.offered().iter().all(|c| !c.shown));
}

/// The first row of the outputs, whatever stands beside them.
fn first(h: &egui_kittest::Harness<'_, crate::window::app::App>) -> String {
    rows(h).into_iter().find(|r| r.starts_with("output ")).unwrap_or_default()
}

#[test]
fn outputs_are_searched_sorted_and_filtered_by_their_fields() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let all = run.output_page(0, run.outputs() as usize).unwrap();
    let latest = all.iter().max_by_key(|o| (o.time, std::cmp::Reverse(o.n))).unwrap();
    press(&mut h, "Event time");
    press(&mut h, "Event time, sorted ascending");
    assert!(first(&h).starts_with(&format!("output {}, ", latest.n)), "{}", first(&h));
    press(&mut h, "Event time, sorted descending");
    assert!(first(&h).starts_with("output 0, "));
    // By kind.
    ask(&mut h, Command::FilterOutputs(joinscope_core::engine::step::OutputKind::Pair));
    assert!(!rows(&h).is_empty());
    let pairs: Vec<String> = rows(&h).into_iter().filter(|r| r.starts_with("output ")).collect();
    assert!(pairs.iter().all(|r| r.contains(", pair, ")), "{pairs:?}");
    // By a field of a value.
    press(&mut h, "Filter the outputs");
    let field = h.get_by_label("Conditions");
    field.focus();
    h.step();
    h.event(egui::Event::Text("value.engagements.kind=like".to_owned()));
    h.step();
    press(&mut h, "Apply");
    assert_eq!(h.state().panels.outputs.conditions, "value.engagements.kind=like");
    h.key_press(egui::Key::Escape);
    settle(&mut h).unwrap();
    let shown: Vec<String> = rows(&h).into_iter().filter(|r| r.starts_with("output ")).collect();
    assert!(!shown.is_empty(), "some pairs are likes");
    let n: u64 = shown[0]["output ".len()..].split(',').next().unwrap().parse().unwrap();
    let json = super::ask::as_json(&run, n).unwrap();
    assert!(json.contains("\"like\""), "{json}");
}

#[test]
fn records_of_an_output_that_are_not_named_are_counted() {
    let h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let all = run.output_page(0, run.outputs() as usize).unwrap();
    let pair = all.iter().find(|o| o.rows.len() == 2).unwrap().n;
    let line = |named: usize| {
        let source = Source::default();
        let q = Question { source, first: pair, count: 1, listed: None, values: false, named };
        page(&run, &q).unwrap().lines.pop().unwrap()
    };
    let whole = line(usize::MAX);
    assert_eq!((whole.records.len(), whole.more), (2, 0));
    assert_eq!(line(1).named(" + "), format!("{} + 1 more", whole.records[0]));
    assert_eq!(whole.named(" + "), whole.records.join(" + "));
}
