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
