//! Where panels stand, apart from what they show: two sides and, between them,
//! a tree of tiles whose panes are names only.

mod gaps;
mod history;
mod moving;
mod named;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;

use egui::{Ui, WidgetText};
use egui_tiles::{
    Behavior, Container, SimplificationOptions, TabState, Tile, TileId, Tiles, Tree, UiResponse,
};
use serde::{Deserialize, Serialize};

pub use self::gaps::Edge;
pub use self::history::Undo;
pub use self::moving::Dock;
pub use self::named::Layouts;
pub use self::tree::Node;
use super::doc::Doc;
use super::panel::{Home, Panel};
use super::theme::GAP;

/// No panel is made smaller, neither wide nor high, points.
const LEAST: f32 = 120.0;

/// A side of the window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    pub shown: bool,
    /// Points.
    pub width: f32,
}

/// The arrangement: what files keep and undo compares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Arrangement {
    /// Sources.
    pub left: Side,
    /// Inspector.
    pub right: Side,
    pub centre: Option<Node>,
}

/// An arrangement as a file has it.
#[derive(Deserialize)]
struct Unchecked {
    left: Side,
    right: Side,
    centre: Option<Node>,
}

impl TryFrom<Unchecked> for Arrangement {
    type Error = String;

    fn try_from(read: Unchecked) -> Result<Self, String> {
        for side in [read.left, read.right] {
            if !(50.0..=5000.0).contains(&side.width) {
                return Err(format!("a side cannot be {} points wide", side.width));
            }
        }
        if let Some(centre) = &read.centre {
            centre.check()?;
            if let Some(panel) = centre.panels().into_iter().find(|p| side_of(*p).is_some()) {
                return Err(format!("the panel {panel} stands at the window's side only"));
            }
        }
        Ok(Self { left: read.left, right: read.right, centre: read.centre })
    }
}

impl Default for Arrangement {
    fn default() -> Self {
        let between: Vec<Panel> = Panel::ALL
            .into_iter()
            .filter(|p| side_of(*p).is_none() && p.about().home != Home::Asked)
            .collect();
        Self {
            left: Side { shown: true, width: 220.0 },
            right: Side { shown: true, width: 352.0 },
            centre: Node::default_of(&between),
        }
    }
}

/// The side that a panel stands at, always.
fn side_of(panel: Panel) -> Option<Home> {
    Some(panel.about().home).filter(|h| matches!(h, Home::Left | Home::Right))
}

/// Where the panels of the window stand.
pub struct Layout {
    tree: Tree<Panel>,
    pub left: Side,
    pub right: Side,
    /// Another number whenever the sides' widths were set from here rather
    /// than dragged.
    pub generation: u64,
}

/// What a panel's title bar shows besides the panel's own: its neighbours in
/// the same place.
#[derive(Clone, Debug, Default)]
pub struct Tabs {
    pub here: Vec<(Panel, bool)>,
}

impl Default for Layout {
    fn default() -> Self {
        Self::of(&Arrangement::default(), 0)
    }
}

impl Layout {
    fn of(arrangement: &Arrangement, generation: u64) -> Self {
        Self {
            tree: tree::to_tiles(arrangement.centre.as_ref()),
            left: arrangement.left,
            right: arrangement.right,
            generation,
        }
    }

    /// As it stands now.
    #[must_use]
    pub fn arrangement(&self) -> Arrangement {
        let rounded = |side: Side| Side { width: side.width.round(), ..side };
        Arrangement {
            left: rounded(self.left),
            right: rounded(self.right),
            centre: tree::of_tiles(&self.tree),
        }
    }

    /// Arranges the panels anew.
    pub fn arrange(&mut self, arrangement: &Arrangement) {
        *self = Self::of(arrangement, self.generation + 1);
    }

    fn change(&mut self, change: impl FnOnce(&mut Option<Node>)) {
        let mut centre = tree::of_tiles(&self.tree);
        change(&mut centre);
        self.tree = tree::to_tiles(centre.as_ref());
    }

    fn side(&mut self, panel: Panel) -> Option<&mut Side> {
        match side_of(panel)? {
            Home::Left => Some(&mut self.left),
            _ => Some(&mut self.right),
        }
    }

    /// Shows a panel: at its place, before its neighbours.
    pub fn show_panel(&mut self, panel: Panel) {
        match self.side(panel) {
            Some(side) => side.shown = true,
            None => self.change(|centre| tree::insert(centre, panel)),
        }
    }

    /// Hides a panel; its neighbours take its room.
    pub fn hide_panel(&mut self, panel: Panel) {
        match self.side(panel) {
            Some(side) => side.shown = false,
            None => self.change(|centre| tree::remove(centre, panel)),
        }
    }

    /// Moves a panel against another one of the centre, before its neighbours.
    /// Those at the window's sides stay there.
    pub fn move_panel(&mut self, panel: Panel, at: Dock, to: Panel) {
        if side_of(panel).is_none() {
            self.change(|centre| moving::move_to(centre, panel, at, to));
        }
    }

    /// Panels of the centre, those behind others among them.
    #[must_use]
    pub fn standing(&self) -> Vec<Panel> {
        tree::of_tiles(&self.tree).map(|node| node.panels()).unwrap_or_default()
    }

    /// Whether two panels are tabs of one place.
    #[must_use]
    pub fn shares_tabs(&self, a: Panel, b: Panel) -> bool {
        tree::of_tiles(&self.tree).is_some_and(|node| node.shares_tabs(a, b))
    }

    /// Whether a panel is in sight, not behind another.
    #[must_use]
    pub fn is_in_sight(&self, panel: Panel) -> bool {
        match side_of(panel) {
            Some(Home::Left) => self.left.shown,
            Some(_) => self.right.shown,
            None => self.tree.active_tiles().contains(&tree::tile_of(panel)),
        }
    }

    /// Panels of the centre that are in sight.
    #[cfg(test)]
    #[must_use]
    pub fn in_sight(&self) -> Vec<Panel> {
        let active = self.tree.active_tiles();
        active.iter().filter_map(|id| self.tree.tiles.get_pane(id).copied()).collect()
    }

    /// Panels that have nothing to show of `doc` take no room until they have.
    pub fn fit(&mut self, doc: &Doc) {
        for panel in Panel::ALL {
            self.tree.set_visible(tree::tile_of(panel), panel.is_met_by(doc));
        }
    }

    /// Whether no panel stands in the centre.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tree.root().is_none_or(|root| !self.tree.tiles.is_visible_in_layout(root))
    }

    /// Lays the tiles out and shows each with `show`, which gets its
    /// neighbours and says whether the panel's title is being dragged.
    pub fn ui(&mut self, ui: &mut Ui, show: &mut dyn FnMut(&mut Ui, Panel, &Tabs) -> bool) {
        let tabs = self.tabs();
        let mut shown = Shown { show, tabs, dropped: false };
        self.tree.ui(&mut shown, ui);
        let dropped = shown.dropped;
        gaps::show(&mut self.tree, ui);
        if dropped {
            // A drop may nest what our titles cannot show.
            self.change(|_| {});
        }
    }

    fn tabs(&self) -> HashMap<TileId, Tabs> {
        let tiles = &self.tree.tiles;
        let mut map = HashMap::new();
        for (_, tile) in tiles.iter() {
            let Tile::Container(Container::Tabs(tabs)) = tile else { continue };
            let here: Vec<(Panel, bool)> = tabs
                .children
                .iter()
                .filter(|id| tiles.is_visible(**id))
                .filter_map(|id| Some((*tiles.get_pane(id)?, tabs.is_active(*id))))
                .collect();
            for id in &tabs.children {
                map.insert(*id, Tabs { here: here.clone() });
            }
        }
        map
    }
}

struct Shown<'a> {
    show: &'a mut dyn FnMut(&mut Ui, Panel, &Tabs) -> bool,
    tabs: HashMap<TileId, Tabs>,
    dropped: bool,
}

impl Behavior<Panel> for Shown<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, tile: TileId, panel: &mut Panel) -> UiResponse {
        let tabs = self.tabs.get(&tile).cloned().unwrap_or_default();
        if (self.show)(ui, *panel, &tabs) { UiResponse::DragStarted } else { UiResponse::None }
    }

    fn tab_title_for_pane(&mut self, panel: &Panel) -> WidgetText {
        panel.title().into()
    }

    fn on_edit(&mut self, action: egui_tiles::EditAction) {
        self.dropped |= action == egui_tiles::EditAction::TileDropped;
    }

    /// Tabs stand in the panels' own titles.
    fn is_tab_bar_visible(&self, _: TileId, _: &egui_tiles::Tabs) -> bool {
        false
    }

    fn tab_bar_height(&self, _: &egui::Style) -> f32 {
        0.0
    }

    fn gap_width(&self, _: &egui::Style) -> f32 {
        GAP
    }

    fn min_size(&self) -> f32 {
        LEAST
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions {
            all_panes_must_have_tabs: false,
            ..SimplificationOptions::default()
        }
    }

    fn resize_stroke(&self, style: &egui::Style, state: egui_tiles::ResizeState) -> egui::Stroke {
        match state {
            egui_tiles::ResizeState::Idle => egui::Stroke::NONE,
            _ => egui::Stroke::new(1.0, style.visuals.selection.stroke.color),
        }
    }

    fn tab_bg_color(
        &self,
        visuals: &egui::Visuals,
        _: &Tiles<Panel>,
        _: TileId,
        _: &TabState,
    ) -> egui::Color32 {
        visuals.panel_fill
    }
}
