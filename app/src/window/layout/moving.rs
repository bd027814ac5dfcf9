//! Moving a panel against another one: what dragging its title does, by name.

use super::tree::{Node, Part, remove};
use crate::window::panel::Panel;

/// Where a panel goes, against another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dock {
    Tabs,
    Left,
    Right,
    Above,
    Below,
}

impl Dock {
    pub const ALL: [Self; 5] = [Self::Tabs, Self::Left, Self::Right, Self::Above, Self::Below];

    /// Before the other one's name.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Tabs => "Into the tabs of",
            Self::Left => "Left of",
            Self::Right => "Right of",
            Self::Above => "Above",
            Self::Below => "Below",
        }
    }

    fn is_across(self) -> bool {
        matches!(self, Self::Left | Self::Right)
    }
}

/// Moves a panel against one that stands in the tree; elsewhere it stays.
pub fn move_to(whole: &mut Option<Node>, panel: Panel, at: Dock, to: Panel) {
    if panel == to || !whole.as_ref().is_some_and(|node| node.contains(to)) {
        return;
    }
    remove(whole, panel);
    let Some(node) = whole else { return };
    if at == Dock::Tabs {
        node.join_tabs(panel, &|there| there == to);
    } else {
        node.make_room(panel, at, to);
    }
}

impl Node {
    /// Whether two panels are tabs of one place.
    #[must_use]
    pub fn shares_tabs(&self, a: Panel, b: Panel) -> bool {
        match self {
            Self::Panel(_) => false,
            Self::Tabs { panels, .. } => panels.contains(&a) && panels.contains(&b),
            Self::Row(parts) | Self::Column(parts) => {
                parts.iter().any(|part| part.node.shares_tabs(a, b))
            }
        }
    }

    fn is_place_of(&self, panel: Panel) -> bool {
        matches!(self, Self::Panel(_) | Self::Tabs { .. }) && self.contains(panel)
    }

    /// Puts `panel` beside the place of `to`, which gives it half of its room;
    /// whether that is in here.
    fn make_room(&mut self, panel: Panel, at: Dock, to: Panel) -> bool {
        if self.is_place_of(to) {
            let there = std::mem::replace(self, Self::Panel(panel));
            let mut both = vec![Part::new(1.0, there), Part::new(1.0, Self::Panel(panel))];
            if matches!(at, Dock::Left | Dock::Above) {
                both.reverse();
            }
            *self = if at.is_across() { Self::Row(both) } else { Self::Column(both) };
            return true;
        }
        let along = matches!(self, Self::Row(_)) == at.is_across();
        let (Self::Row(parts) | Self::Column(parts)) = self else { return false };
        let place = parts.iter().position(|part| along && part.node.is_place_of(to));
        let Some(n) = place else {
            return parts.iter_mut().any(|part| part.node.make_room(panel, at, to));
        };
        let half = Part::new(parts[n].share / 2.0, Self::Panel(panel));
        parts[n].share = half.share;
        let after = usize::from(matches!(at, Dock::Right | Dock::Below));
        parts.insert(n + after, half);
        true
    }
}
