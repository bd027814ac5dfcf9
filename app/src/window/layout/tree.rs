//! The arrangement of panels as a plain tree, apart from the crate that draws
//! it: what files keep, what undo compares, and where a panel is put that is
//! shown.

use egui_tiles::{Container, Linear, LinearDir, Tabs, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

use crate::window::panel::{Home, Panel};

/// Height of the tabs against that of one panel above them …
const TABS_SHARE: f32 = 1.45;
/// … and of the timeline by default: two inputs of four partitions each are in sight,
/// with their names apart, also in a window of 800 points.
const TIMELINE_SHARE: f32 = 1.15;

/// The number of the first container's tile: panels come before, shown or not.
const CONTAINERS: u64 = 1000;

/// A part of the window's centre.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    Panel(Panel),
    /// One in front of the others.
    Tabs {
        front: Panel,
        panels: Vec<Panel>,
    },
    /// Side by side.
    Row(Vec<Part>),
    /// One above the other.
    Column(Vec<Part>),
}

/// A part and its share of the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub share: f32,
    pub node: Node,
}

impl Part {
    pub(super) fn new(share: f32, node: Node) -> Self {
        // What files keep and undo compares: no more digits than anyone sees.
        Self { share: ((share * 1000.0).round() / 1000.0).max(0.001), node }
    }
}

impl Node {
    /// The default: panels of the time axis above, one in front below.
    #[must_use]
    pub fn default_of(panels: &[Panel]) -> Option<Self> {
        let mut whole = None;
        for panel in panels {
            insert(&mut whole, *panel);
        }
        if let (Some(node), Some(first)) =
            (&mut whole, panels.iter().find(|p| p.about().home == Home::Tab))
        {
            node.bring_to_front(*first);
        }
        if let Some(Self::Column(parts)) = &mut whole {
            for part in parts.iter_mut().filter(|p| p.node == Self::Panel(Panel::Timeline)) {
                part.share = TIMELINE_SHARE;
            }
        }
        whole
    }

    /// Every panel in it.
    #[must_use]
    pub fn panels(&self) -> Vec<Panel> {
        match self {
            Self::Panel(panel) => vec![*panel],
            Self::Tabs { panels, .. } => panels.clone(),
            Self::Row(parts) | Self::Column(parts) => {
                parts.iter().flat_map(|p| p.node.panels()).collect()
            }
        }
    }

    /// Whether it can be drawn.
    ///
    /// # Errors
    /// A panel stands in it twice, a container is empty, a share is no share.
    pub fn check(&self) -> Result<(), String> {
        let mut panels = self.panels();
        panels.sort_by_key(|p| place(*p));
        if let Some([twice, _]) = panels.array_windows().find(|[a, b]| a == b) {
            return Err(format!("the panel {twice} stands there twice"));
        }
        self.check_parts()
    }

    fn check_parts(&self) -> Result<(), String> {
        match self {
            Self::Panel(_) => Ok(()),
            Self::Tabs { front, panels } if panels.contains(front) => Ok(()),
            Self::Tabs { front, .. } => Err(format!("the front tab {front} is none of the tabs")),
            Self::Row(parts) | Self::Column(parts) if parts.is_empty() => {
                Err("a row or column is empty".to_owned())
            }
            Self::Row(parts) | Self::Column(parts) => {
                for part in parts {
                    if !(0.0001..=10_000.0).contains(&part.share) {
                        return Err(format!("{} is no share of the room", part.share));
                    }
                    part.node.check_parts()?;
                }
                Ok(())
            }
        }
    }

    #[must_use]
    pub fn contains(&self, panel: Panel) -> bool {
        self.panels().contains(&panel)
    }

    /// Brings a panel before its neighbours.
    pub fn bring_to_front(&mut self, panel: Panel) {
        match self {
            Self::Tabs { front, panels } if panels.contains(&panel) => *front = panel,
            Self::Panel(_) | Self::Tabs { .. } => {}
            Self::Row(parts) | Self::Column(parts) => {
                for part in parts {
                    part.node.bring_to_front(panel);
                }
            }
        }
    }

    /// Puts `panel` beside the first panel that `like` names; whether there is one.
    pub(super) fn join_tabs(&mut self, panel: Panel, like: &dyn Fn(Panel) -> bool) -> bool {
        match self {
            Self::Panel(there) if like(*there) => {
                let mut panels = vec![*there, panel];
                panels.sort_by_key(|p| place(*p));
                *self = Self::Tabs { front: panel, panels };
                true
            }
            Self::Tabs { front, panels } if panels.iter().any(|p| like(*p)) => {
                let at = panels.iter().position(|p| place(*p) > place(panel));
                panels.insert(at.unwrap_or(panels.len()), panel);
                *front = panel;
                true
            }
            Self::Panel(_) | Self::Tabs { .. } => false,
            Self::Row(parts) | Self::Column(parts) => {
                parts.iter_mut().any(|p| p.node.join_tabs(panel, like))
            }
        }
    }

    /// Puts `panel` under the last panel of the time axis, in its column;
    /// whether there is one.
    fn join_axis(&mut self, panel: Panel) -> bool {
        let is_axis = |node: &Self| matches!(node, Self::Panel(p) if p.about().home == Home::Axis);
        match self {
            Self::Column(parts) if parts.iter().any(|p| is_axis(&p.node)) => {
                let after = |p: &Part| matches!(p.node, Self::Panel(q) if place(q) > place(panel));
                let last = parts.iter().rposition(|p| is_axis(&p.node)).unwrap_or(0);
                let at = parts.iter().position(|p| is_axis(&p.node) && after(p));
                let share = parts[last].share;
                parts.insert(at.unwrap_or(last + 1), Part::new(share, Self::Panel(panel)));
                true
            }
            Self::Row(parts) | Self::Column(parts) => {
                parts.iter_mut().any(|p| p.node.join_axis(panel))
            }
            Self::Panel(there) if there.about().home == Home::Axis => {
                let mut both = [*there, panel];
                both.sort_by_key(|p| place(*p));
                *self = Self::Column(both.map(|p| Part::new(1.0, Self::Panel(p))).into());
                true
            }
            Self::Panel(_) | Self::Tabs { .. } => false,
        }
    }

    fn without(self, gone: Panel) -> Option<Self> {
        match self {
            Self::Panel(panel) => (panel != gone).then_some(Self::Panel(panel)),
            Self::Tabs { front, mut panels } => {
                let at = panels.iter().position(|p| *p == gone);
                panels.retain(|p| *p != gone);
                match panels.as_slice() {
                    [] => None,
                    [one] => Some(Self::Panel(*one)),
                    _ => {
                        // The neighbour that takes its place comes to the front.
                        let next = at.map_or(0, |at| at.min(panels.len() - 1));
                        let front = if front == gone { panels[next] } else { front };
                        Some(Self::Tabs { front, panels })
                    }
                }
            }
            Self::Row(parts) => linear(parts_without(parts, gone), Self::Row),
            Self::Column(parts) => linear(parts_without(parts, gone), Self::Column),
        }
    }
}

fn parts_without(parts: Vec<Part>, gone: Panel) -> Vec<Part> {
    let left = parts.into_iter();
    left.filter_map(|p| Some(Part { share: p.share, node: p.node.without(gone)? })).collect()
}

/// A row or column, or what is left of it.
fn linear(mut parts: Vec<Part>, build: impl Fn(Vec<Part>) -> Node) -> Option<Node> {
    match parts.len() {
        0 => None,
        1 => parts.pop().map(|p| p.node),
        _ => Some(build(parts)),
    }
}

fn place(panel: Panel) -> usize {
    Panel::ALL.iter().position(|p| *p == panel).unwrap_or(usize::MAX)
}

/// Puts a panel that is not in the tree where it belongs: under the panels of
/// the time axis, or before the other tables.
pub fn insert(whole: &mut Option<Node>, panel: Panel) {
    let Some(node) = whole else {
        *whole = Some(Node::Panel(panel));
        return;
    };
    if node.contains(panel) {
        node.bring_to_front(panel);
        return;
    }
    let placed = match panel.about().home {
        Home::Axis => node.join_axis(panel),
        _ => node.join_tabs(panel, &|p| p.about().home == Home::Tab),
    };
    if placed {
        return;
    }
    // The first of its kind: above, or below.
    let old = std::mem::replace(node, Node::Panel(panel));
    let new = Node::Panel(panel);
    *node = if panel.about().home == Home::Axis {
        match old {
            Node::Column(mut parts) => {
                parts.insert(0, Part::new(1.0, new));
                Node::Column(parts)
            }
            other => Node::Column(vec![Part::new(1.0, new), Part::new(TABS_SHARE, other)]),
        }
    } else {
        match old {
            Node::Column(mut parts) => {
                parts.push(Part::new(TABS_SHARE, new));
                Node::Column(parts)
            }
            other => Node::Column(vec![Part::new(1.0, other), Part::new(TABS_SHARE, new)]),
        }
    };
}

/// Takes a panel out of the tree.
pub fn remove(whole: &mut Option<Node>, panel: Panel) {
    *whole = whole.take().and_then(|node| node.without(panel));
}

/// The tree as it is drawn. A panel's tile has the same number in every tree,
/// so that it keeps its focus when the tree is built anew.
#[must_use]
pub fn to_tiles(whole: Option<&Node>) -> Tree<Panel> {
    let id = egui::Id::unique("panels");
    let Some(node) = whole else { return Tree::empty(id) };
    let mut tiles = Tiles::default();
    for panel in node.panels() {
        tiles.insert(tile_of(panel), Tile::Pane(panel));
    }
    let mut next = CONTAINERS;
    let root = build(&mut tiles, node, &mut next);
    // What a drop adds stands after these.
    tiles.recompute_next_tile_id();
    Tree::new(id, root, tiles)
}

/// The tile of a panel, in every tree.
#[must_use]
pub fn tile_of(panel: Panel) -> TileId {
    TileId::from_u64(place(panel) as u64 + 1)
}

fn add(tiles: &mut Tiles<Panel>, container: Container, next: &mut u64) -> TileId {
    let id = TileId::from_u64(*next);
    *next += 1;
    tiles.insert(id, Tile::Container(container));
    id
}

fn build(tiles: &mut Tiles<Panel>, node: &Node, next: &mut u64) -> TileId {
    match node {
        Node::Panel(panel) => tile_of(*panel),
        Node::Tabs { front, panels } => {
            let mut tabs = Tabs::new(panels.iter().map(|p| tile_of(*p)).collect());
            tabs.set_active(tile_of(*front));
            add(tiles, Container::Tabs(tabs), next)
        }
        Node::Row(parts) => build_linear(tiles, LinearDir::Horizontal, parts, next),
        Node::Column(parts) => build_linear(tiles, LinearDir::Vertical, parts, next),
    }
}

fn build_linear(
    tiles: &mut Tiles<Panel>,
    dir: LinearDir,
    parts: &[Part],
    next: &mut u64,
) -> TileId {
    let children: Vec<TileId> = parts.iter().map(|p| build(tiles, &p.node, next)).collect();
    let mut linear = Linear::new(dir, children.clone());
    for (child, part) in children.into_iter().zip(parts) {
        linear.shares.set_share(child, part.share);
    }
    add(tiles, Container::Linear(linear), next)
}

/// The plain tree of what is drawn.
#[must_use]
pub fn of_tiles(tree: &Tree<Panel>) -> Option<Node> {
    read(&tree.tiles, tree.root()?)
}

fn read(tiles: &Tiles<Panel>, id: TileId) -> Option<Node> {
    match tiles.get(id)? {
        Tile::Pane(panel) => Some(Node::Panel(*panel)),
        Tile::Container(Container::Tabs(tabs)) => {
            let children: Vec<(TileId, Node)> =
                tabs.children.iter().filter_map(|id| Some((*id, read(tiles, *id)?))).collect();
            read_tabs(tabs, children)
        }
        Tile::Container(Container::Linear(l)) => {
            let total: f32 = l.children.iter().map(|id| l.shares[*id]).sum();
            let many = l.children.len() as f32;
            let parts = l.children.iter().filter_map(|id| {
                let share = l.shares[*id] / total.max(f32::MIN_POSITIVE) * many;
                Some(Part::new(share, read(tiles, *id)?))
            });
            let parts = parts.collect();
            match l.dir {
                LinearDir::Horizontal => linear(parts, Node::Row),
                LinearDir::Vertical => linear(parts, Node::Column),
            }
        }
        Tile::Container(Container::Grid(grid)) => {
            let parts = grid.children().filter_map(|id| Some(Part::new(1.0, read(tiles, *id)?)));
            linear(parts.collect(), Node::Column)
        }
    }
}

/// Tabs stand in the panels' own titles, so only panels can be tabs: what was
/// split inside a tab is moved outside of it, and the others stand with the
/// first panel of it.
fn read_tabs(tabs: &Tabs, children: Vec<(TileId, Node)>) -> Option<Node> {
    let mut panels = Vec::new();
    let mut front = None;
    let mut split: Option<Node> = None;
    for (id, node) in children {
        match node {
            Node::Panel(panel) => {
                if tabs.is_active(id) {
                    front = Some(panel);
                }
                panels.push(panel);
            }
            other if split.is_none() => split = Some(other),
            other => panels.extend(other.panels()),
        }
    }
    if let Some(mut split) = split {
        let first = *split.panels().first()?;
        for panel in panels {
            split.join_tabs(panel, &|p| p == first);
        }
        split.bring_to_front(front.unwrap_or(first));
        return Some(split);
    }
    match panels.as_slice() {
        [] => None,
        [one] => Some(Node::Panel(*one)),
        _ => Some(Node::Tabs { front: front.unwrap_or(panels[0]), panels }),
    }
}
