//! The bars above and below the panels.

mod banner;
mod clock;
mod incident;
mod marks;
mod menus;
mod notices;
mod scrub;
mod strip;
mod top;

pub use banner::show as banner;
pub use clock::show as clock;
pub use menus::{Row as MenuRow, choice as menu_choice, item as menu_item, row as menu_row};
pub use notices::show as notices;
pub use strip::{Strip, ask_clock};
pub use top::show as top;
