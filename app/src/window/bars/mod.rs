//! The bars above and below the panels.

mod banner;
mod clock;
mod strip;
mod top;

pub use banner::show as banner;
pub use clock::show as clock;
pub use strip::{Strip, ask_clock};
pub use top::show as top;
