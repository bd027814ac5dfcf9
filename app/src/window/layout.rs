//! Where panels stand, apart from what they show: a tree of tiles whose panes
//! are names only.

use std::collections::HashMap;

use egui::{Ui, WidgetText};
use egui_tiles::{
    Behavior, Container, Linear, LinearDir, SimplificationOptions, TabState, Tile, TileId, Tiles,
    Tree, UiResponse,
};

use super::theme::GAP;

/// A panel that can stand in a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Panel {
    Watermarks,
    Records,
    Outputs,
    Inspector,
    Sources,
}

impl Panel {
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Watermarks => "Event-time watermarks",
            Self::Records => "Records",
            Self::Outputs => "Outputs",
            Self::Inspector => "Inspector",
            Self::Sources => "Sources",
        }
    }
}

/// The tiles of what is open.
pub struct Layout {
    tree: Tree<Panel>,
}

/// What a panel's title bar shows besides the panel's own: its neighbours in
/// the same place.
#[derive(Clone, Debug, Default)]
pub struct Tabs {
    pub here: Vec<(Panel, bool)>,
}

impl Layout {
    /// A run: what moved the event-time watermark above, tables below.
    #[must_use]
    pub fn of_run() -> Self {
        let mut tiles = Tiles::default();
        let watermarks = tiles.insert_pane(Panel::Watermarks);
        let records = tiles.insert_pane(Panel::Records);
        let outputs = tiles.insert_pane(Panel::Outputs);
        let tables = tiles.insert_tab_tile(vec![records, outputs]);
        let root = Linear::new_binary(LinearDir::Vertical, [watermarks, tables], 0.4);
        let root = tiles.insert_container(Container::Linear(root));
        Self { tree: Tree::new(egui::Id::unique("run"), root, tiles) }
    }

    /// A recording without a run has no verdicts, outputs or watermarks.
    #[must_use]
    pub fn of_recording() -> Self {
        let mut tiles = Tiles::default();
        let root = tiles.insert_pane(Panel::Records);
        Self { tree: Tree::new(egui::Id::unique("recording"), root, tiles) }
    }

    /// Brings a panel to the front of its place.
    pub fn show_panel(&mut self, panel: Panel) {
        self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(p) if *p == panel));
    }

    /// Panels that are in sight.
    #[cfg(test)]
    #[must_use]
    pub fn in_sight(&self) -> Vec<Panel> {
        let active = self.tree.active_tiles();
        active.iter().filter_map(|id| self.tree.tiles.get_pane(id).copied()).collect()
    }

    /// Lays the tiles out and shows each with `show`, which gets its
    /// neighbours and says whether the panel's title is being dragged.
    pub fn ui(&mut self, ui: &mut Ui, show: &mut dyn FnMut(&mut Ui, Panel, &Tabs) -> bool) {
        let tabs = self.tabs();
        self.tree.ui(&mut Shown { show, tabs }, ui);
    }

    fn tabs(&self) -> HashMap<TileId, Tabs> {
        let tiles = &self.tree.tiles;
        let mut map = HashMap::new();
        for (_, tile) in tiles.iter() {
            let Tile::Container(Container::Tabs(tabs)) = tile else { continue };
            let here: Vec<(Panel, bool)> = tabs
                .children
                .iter()
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
}

impl Behavior<Panel> for Shown<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, tile: TileId, panel: &mut Panel) -> UiResponse {
        let tabs = self.tabs.get(&tile).cloned().unwrap_or_default();
        if (self.show)(ui, *panel, &tabs) { UiResponse::DragStarted } else { UiResponse::None }
    }

    fn tab_title_for_pane(&mut self, panel: &Panel) -> WidgetText {
        panel.title().into()
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
        120.0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_behind_another_comes_to_the_front() {
        let mut layout = Layout::of_run();
        layout.show_panel(Panel::Records);
        assert!(layout.in_sight().contains(&Panel::Records));
        layout.show_panel(Panel::Outputs);
        let seen = layout.in_sight();
        assert!(seen.contains(&Panel::Outputs) && !seen.contains(&Panel::Records));
        assert!(seen.contains(&Panel::Watermarks));
    }

    #[test]
    fn a_recording_shows_no_panel_that_needs_a_run() {
        assert_eq!(Layout::of_recording().in_sight(), [Panel::Records]);
    }
}
