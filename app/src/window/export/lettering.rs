//! How a file names the fonts of its texts.

use egui::{Context, FontFamily, Id};

use crate::window::theme::fonts::SEMIBOLD;

/// The families of text and of figures, each with what stands in where it is
/// not installed.
#[derive(Clone)]
pub struct Lettering {
    text: String,
    figures: String,
}

impl Default for Lettering {
    fn default() -> Self {
        Self {
            text: "Inter, Helvetica, Arial, sans-serif".to_owned(),
            figures: "JetBrains Mono, DejaVu Sans Mono, monospace".to_owned(),
        }
    }
}

impl Lettering {
    /// With chosen families before the window's own; `None`: none was chosen.
    #[must_use]
    pub fn of(text: Option<&str>, figures: Option<&str>) -> Self {
        let before = |chosen: Option<&str>, own: String| match chosen {
            Some(name) => format!("'{}', {own}", name.replace('\\', r"\\").replace('\'', r"\'")),
            None => own,
        };
        let own = Self::default();
        Self { text: before(text, own.text), figures: before(figures, own.figures) }
    }

    /// Files that are written from now on name these.
    pub fn keep(self, ctx: &Context) {
        ctx.data_mut(|data| data.insert_temp(Id::unique("lettering"), self));
    }

    /// What the window is drawn with.
    #[must_use]
    pub fn kept(ctx: &Context) -> Self {
        ctx.data(|data| data.get_temp(Id::unique("lettering"))).unwrap_or_default()
    }

    /// The family as a file names it; and whether it is the heavier one.
    #[must_use]
    pub fn family(&self, family: &FontFamily) -> (&str, bool) {
        match family {
            FontFamily::Monospace => (&self.figures, false),
            FontFamily::Name(name) if **name == *SEMIBOLD => (&self.text, true),
            _ => (&self.text, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_families_stand_before_the_window_s_own() {
        let lettering = Lettering::of(Some("Bob's \\ Sans"), None);
        let (text, bold) = lettering.family(&FontFamily::Name(SEMIBOLD.into()));
        assert_eq!(text, r"'Bob\'s \\ Sans', Inter, Helvetica, Arial, sans-serif");
        assert!(bold);
        let (figures, _) = lettering.family(&FontFamily::Monospace);
        assert_eq!(figures, "JetBrains Mono, DejaVu Sans Mono, monospace");
    }
}
