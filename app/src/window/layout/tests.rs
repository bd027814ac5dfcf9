use super::moving::move_to;
use super::tree::{insert, of_tiles, remove, to_tiles};
use super::*;

fn whole() -> Option<Node> {
    Arrangement::default().centre
}

#[test]
fn a_panel_behind_another_comes_to_the_front() {
    let mut layout = Layout::default();
    layout.show_panel(Panel::Records);
    assert!(layout.in_sight().contains(&Panel::Records));
    layout.show_panel(Panel::Outputs);
    let seen = layout.in_sight();
    assert!(seen.contains(&Panel::Outputs) && !seen.contains(&Panel::Records));
    assert!(seen.contains(&Panel::Watermarks));
}

#[test]
fn by_default_every_panel_has_a_place_and_the_first_table_is_in_front() {
    let layout = Layout::default();
    let centre = layout.arrangement().centre.unwrap();
    for panel in Panel::ALL {
        match panel.about().home {
            Home::Left | Home::Right => assert!(!centre.contains(panel)),
            Home::Asked => assert!(!layout.is_in_sight(panel)),
            Home::Axis => assert!(layout.is_in_sight(panel), "{panel}"),
            Home::Tab => assert_eq!(layout.is_in_sight(panel), panel == Panel::Records),
        }
    }
}

#[test]
fn a_recording_shows_no_panel_that_needs_a_run() {
    let mut layout = Layout::default();
    layout.fit(&Doc::default());
    assert!(layout.is_empty());
}

#[test]
fn what_is_hidden_comes_back_where_it_stood() {
    for panel in whole().unwrap().panels() {
        let mut changed = whole();
        remove(&mut changed, panel);
        assert!(changed.as_ref().is_none_or(|n| !n.contains(panel)), "{panel}");
        insert(&mut changed, panel);
        let (mut a, mut b) = (whole().unwrap(), changed.unwrap());
        a.bring_to_front(panel);
        b.bring_to_front(panel);
        assert_eq!(a.panels(), b.panels(), "{panel}");
    }
    let mut none = whole();
    for panel in Panel::ALL {
        remove(&mut none, panel);
    }
    assert_eq!(none, None);
    insert(&mut none, Panel::Outputs);
    insert(&mut none, Panel::Watermarks);
    let Some(Node::Column(parts)) = none else { panic!("{none:?}") };
    assert_eq!(parts[0].node, Node::Panel(Panel::Watermarks), "the time axis stands above");
}

#[test]
fn an_arrangement_is_the_same_after_it_was_drawn() {
    let mut layout = Layout::default();
    let before = layout.arrangement();
    layout.arrange(&before);
    assert_eq!(layout.arrangement(), before);
    let text = serde_json::to_string(&before).unwrap();
    assert_eq!(serde_json::from_str::<Arrangement>(&text).unwrap(), before);
}

#[test]
fn what_was_split_inside_a_tab_stands_outside_of_it() {
    let mut tiles = Tiles::default();
    let [a, b, c] =
        [Panel::Records, Panel::Outputs, Panel::Watermarks].map(|p| tiles.insert_pane(p));
    let split = tiles.insert_horizontal_tile(vec![b, c]);
    let root = tiles.insert_tab_tile(vec![a, split]);
    let tree = Tree::new(egui::Id::unique("t"), root, tiles);
    let Some(Node::Row(parts)) = of_tiles(&tree) else { panic!("{:?}", of_tiles(&tree)) };
    assert_eq!(
        parts[0].node,
        Node::Tabs { front: Panel::Records, panels: vec![Panel::Records, Panel::Outputs] }
    );
    assert_eq!(parts[1].node, Node::Panel(Panel::Watermarks));
    assert_eq!(of_tiles(&to_tiles(of_tiles(&tree).as_ref())), of_tiles(&tree));
}

#[test]
fn a_hidden_panel_s_tile_is_no_other_s() {
    for panel in whole().unwrap().panels() {
        let mut layout = Layout::default();
        layout.show_panel(panel);
        layout.hide_panel(panel);
        assert!(!layout.is_in_sight(panel), "{panel}");
    }
}

#[test]
fn a_panel_is_moved_against_every_other_and_stands_once() {
    let sorted = |mut panels: Vec<Panel>| {
        panels.sort_by_key(|p| p.about().name);
        panels
    };
    let all = sorted(whole().unwrap().panels());
    for at in Dock::ALL {
        for panel in all.clone() {
            for to in all.iter().copied().filter(|to| *to != panel) {
                let mut layout = Layout::default();
                layout.move_panel(panel, at, to);
                let centre = layout.arrangement().centre.unwrap();
                assert_eq!(centre.check(), Ok(()), "{panel} {at:?} {to}");
                assert_eq!(sorted(layout.standing()), all, "{panel} {at:?} {to}");
                assert!(layout.is_in_sight(panel), "{panel} {at:?} {to}");
                assert_eq!(layout.shares_tabs(panel, to), at == Dock::Tabs, "{panel} {at:?} {to}");
            }
        }
    }
}

#[test]
fn beside_another_a_panel_takes_half_of_its_room() {
    let mut centre = whole();
    move_to(&mut centre, Panel::Watermarks, Dock::Below, Panel::Timeline);
    let Some(Node::Column(parts)) = &centre else { panic!("{centre:?}") };
    assert_eq!(parts[0].node, Node::Panel(Panel::Timeline));
    assert_eq!(parts[1].node, Node::Panel(Panel::Watermarks));
    assert!((parts[0].share - parts[1].share).abs() < f32::EPSILON && parts.len() == 3);
    // Out of its own tabs, beside what is left of them.
    move_to(&mut centre, Panel::Records, Dock::Right, Panel::Outputs);
    let Some(Node::Column(parts)) = &centre else { panic!("{centre:?}") };
    let Node::Row(row) = &parts[2].node else { panic!("{parts:?}") };
    assert!(matches!(&row[0].node, Node::Tabs { panels, .. } if !panels.contains(&Panel::Records)));
    assert_eq!(row[1].node, Node::Panel(Panel::Records));
    move_to(&mut centre, Panel::Watermarks, Dock::Left, Panel::Records);
    let Some(Node::Column(parts)) = &centre else { panic!("{centre:?}") };
    let Node::Row(row) = &parts[1].node else { panic!("{parts:?}") };
    assert_eq!((row.len(), &row[1].node), (3, &Node::Panel(Panel::Watermarks)));
}

#[test]
fn a_panel_stays_where_it_cannot_be_moved_to() {
    let before = Layout::default().arrangement();
    for (panel, to) in [
        (Panel::Records, Panel::Records),
        (Panel::Records, Panel::Inspector),
        (Panel::Records, Panel::Compare),
        (Panel::Sources, Panel::Records),
    ] {
        let mut layout = Layout::default();
        layout.move_panel(panel, Dock::Left, to);
        assert_eq!(layout.arrangement(), before, "{panel} to {to}");
    }
}
