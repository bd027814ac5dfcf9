//! The gaps between panels, by which they are made larger. The crate that draws
//! the tiles knows drags only, and egui names every edge of a side alike: here
//! they get names, values and keys.

use egui::accesskit::{Action, ActionRequest, TreeId};
use egui::{Event, EventFilter, Id, IdSalt, Key, Modifiers, Rect, Role, Stroke, Ui, WidgetInfo};
use egui_tiles::{Container, LinearDir, Tile, TileId, Tiles, Tree};

use super::LEAST;
use crate::window::panel::Panel;
use crate::window::theme::Tokens;

/// What a key moves a gap by, points.
const STEP: f32 = 16.0;

/// Between two tiles.
struct Gap {
    id: Id,
    /// The row or column.
    container: TileId,
    dir: LinearDir,
    /// Before it and behind it.
    sides: [TileId; 2],
}

/// Names the gaps that were drawn, and moves the one that keys are for.
pub fn show(tree: &mut Tree<Panel>, ui: &Ui) {
    let mut gaps = Vec::new();
    if let Some(root) = tree.root() {
        find(&tree.tiles, root, ui.scope_id(), &mut gaps);
    }
    for gap in gaps {
        gap.show(&mut tree.tiles, ui);
    }
}

/// The gaps within a tile; `scope` is its parent's. Their ids are those of
/// `egui_tiles`: each tile has a `Ui` with one more in it (`Tree::tile_ui`), where
/// the handles are (`Linear::horizontal_ui`).
fn find(tiles: &Tiles<Panel>, tile: TileId, scope: Id, found: &mut Vec<Gap>) {
    let scope = scope.with(tile).with(IdSalt::new("child"));
    let Some(Tile::Container(container)) = tiles.get(tile) else { return };
    if let Container::Linear(linear) = container {
        let seen: Vec<TileId> =
            linear.children.iter().copied().filter(|id| tiles.is_visible_in_layout(*id)).collect();
        for (i, sides) in seen.array_windows().enumerate() {
            let id = scope.with((tile, "resize", i));
            found.push(Gap { id, container: tile, dir: linear.dir, sides: *sides });
        }
    }
    for child in container.children() {
        find(tiles, *child, scope, found);
    }
}

/// The titles of a tile's panels that are in sight.
fn titles(tiles: &Tiles<Panel>, tile: TileId) -> String {
    match tiles.get(tile) {
        Some(Tile::Pane(panel)) => panel.title().to_owned(),
        Some(Tile::Container(Container::Tabs(tabs))) => {
            tabs.active.map(|front| titles(tiles, front)).unwrap_or_default()
        }
        Some(Tile::Container(container)) => {
            let seen = container.children().filter(|id| tiles.is_visible_in_layout(**id));
            seen.map(|id| titles(tiles, *id)).collect::<Vec<_>>().join(", ")
        }
        None => String::new(),
    }
}

impl Gap {
    fn show(&self, tiles: &mut Tiles<Panel>, ui: &Ui) {
        let Some(response) = ui.ctx().read_response(self.id) else { return };
        let along = |tile| {
            tiles.rect(tile).map(|rect| match self.dir {
                LinearDir::Horizontal => rect.width(),
                LinearDir::Vertical => rect.height(),
            })
        };
        let [Some(before), Some(behind)] = self.sides.map(along) else { return };
        let both = before + behind;
        if both <= 0.0 {
            return;
        }
        let [name, next] = self.sides.map(|tile| titles(tiles, tile));
        let part = f64::from(before / both);
        response.widget_info(|| {
            let name = format!("resize: {name} | {next}");
            let mut info = WidgetInfo::labeled(Role::Splitter, true, name);
            info.value = Some(part);
            info
        });
        let percent = (part * 100.0).round();
        ui.ctx().accesskit_node_builder(self.id, |node| {
            node.set_value(format!("{percent} % and {} %", 100.0 - percent));
            node.set_min_numeric_value(0.0);
            node.set_max_numeric_value(1.0);
            node.add_action(Action::Increment);
            node.add_action(Action::Decrement);
        });
        let asked = |action| ui.input(|i| i.num_accesskit_action_requests(self.id, action)) as f32;
        let mut by = STEP * (asked(Action::Increment) - asked(Action::Decrement));
        if response.has_focus() {
            let (less, more) = match self.dir {
                LinearDir::Horizontal => (Key::ArrowLeft, Key::ArrowRight),
                LinearDir::Vertical => (Key::ArrowUp, Key::ArrowDown),
            };
            own_arrows(ui, self.id, self.dir);
            let pressed = |key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key));
            if pressed(less) {
                by -= STEP;
            }
            if pressed(more) {
                by += STEP;
            }
            if pressed(Key::Enter) {
                // As two presses with the mouse do.
                by = both / 2.0 - before;
            }
            mark(ui, response.rect, self.dir);
        }
        if by != 0.0 {
            self.share(tiles, (before + by) / both, both);
            ui.ctx().request_repaint();
        }
    }

    /// Gives the tile before the gap so much of the room of both, points.
    fn share(&self, tiles: &mut Tiles<Panel>, part: f32, room: f32) {
        let Some(Tile::Container(Container::Linear(linear))) = tiles.get_mut(self.container) else {
            return;
        };
        let least = (LEAST / room).min(0.5);
        let part = part.clamp(least, 1.0 - least);
        let [before, behind] = self.sides;
        let both = linear.shares[before] + linear.shares[behind];
        linear.shares.set_share(before, both * part);
        linear.shares.set_share(behind, both * (1.0 - part));
    }
}

/// Arrows along `dir` are the gap's, the others go on to another widget.
fn own_arrows(ui: &Ui, id: Id, dir: LinearDir) {
    let filter = EventFilter {
        horizontal_arrows: dir == LinearDir::Horizontal,
        vertical_arrows: dir == LinearDir::Vertical,
        ..EventFilter::default()
    };
    ui.memory_mut(|m| m.set_focus_lock_filter(id, filter));
}

/// The line along a gap that has the focus.
fn mark(ui: &Ui, gap: Rect, dir: LinearDir) {
    let line = Stroke::new(2.0, Tokens::of(ui.ctx()).accent);
    match dir {
        LinearDir::Horizontal => ui.painter().vline(gap.center().x, gap.y_range(), line),
        LinearDir::Vertical => ui.painter().hline(gap.x_range(), gap.center().y, line),
    };
}

/// The edge of a panel at the window's side.
pub struct Edge {
    id: Id,
    panel: Panel,
}

impl Edge {
    /// Of the panel that is shown in `ui` with this salt: the id of
    /// `egui::Panel`'s handle.
    #[must_use]
    pub fn of(ui: &Ui, salt: (&'static str, u64), panel: Panel) -> Self {
        Self { id: ui.scope_id().with(salt).with("__resize"), panel }
    }

    /// Before the panel is shown: keys become what assistive technology asks for,
    /// which egui takes.
    pub fn keys(&self, ui: &Ui, wider: Key, narrower: Key) {
        if !ui.memory(|m| m.has_focus(self.id)) {
            return;
        }
        own_arrows(ui, self.id, LinearDir::Horizontal);
        for (key, action) in [(wider, Action::Increment), (narrower, Action::Decrement)] {
            if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) {
                let request = ActionRequest {
                    action,
                    target_tree: TreeId::ROOT,
                    target_node: self.id.accesskit_id(),
                    data: None,
                };
                ui.input_mut(|i| i.events.push(Event::AccessKitActionRequest(request)));
                ui.ctx().request_repaint();
            }
        }
    }

    /// Once it is shown: what the edge is called, and how wide the panel is.
    pub fn say(&self, ui: &Ui, width: f32) {
        ui.ctx().accesskit_node_builder(self.id, |node| {
            node.set_label(format!("resize: {}", self.panel.title()));
            node.set_value(format!("{} points wide", width.round()));
        });
        if let Some(response) = ui.ctx().read_response(self.id)
            && response.has_focus()
        {
            mark(ui, response.rect, LinearDir::Horizontal);
        }
    }
}
