//! Looks: colours, fonts, and egui's style made of them.

mod chosen;
#[cfg(test)]
mod contrast;
mod fallback;
pub mod fonts;
mod style;
mod tokens;

pub use chosen::{Chosen, System};
pub use fallback::Fallback;
pub use style::{ThemeChoice, apply};
pub use tokens::Tokens;
#[cfg(test)]
pub use tokens::{DARK, LIGHT};

/// Height of a row of any list or table, in points.
pub const ROW: f32 = 24.0;
/// Between panels, in points.
pub const GAP: f32 = 4.0;
/// Corners of panels, in points.
pub const RADIUS: u8 = 6;
/// Corners of buttons, in points.
pub const BUTTON_RADIUS: u8 = 5;
/// Text, in points.
pub const TEXT: f32 = 13.0;
/// Figures, names of records and labels of groups, in points.
pub const SMALL: f32 = 12.0;
/// Height of a panel's title, in points.
pub const TITLE: f32 = 32.0;
/// Left edge of a panel's content, in points.
pub const INSET: f32 = 12.0;
