//! Fonts of the system that the user chose to stand before the window's own.

use std::sync::Arc;

use egui::FontData;
use fontdb::{Database, FaceInfo, Family, Query, Stretch, Style, Weight};

use super::fonts;

/// The fonts of the system, and the window's own.
#[derive(Clone, Default)]
pub struct System(Arc<Database>);

impl System {
    /// Reads which there are; takes some tenths of a second.
    #[must_use]
    pub fn read() -> Self {
        let mut found = Database::new();
        found.load_system_fonts();
        // Ours too: each can be chosen for what it is not usually for.
        for own in [fonts::REGULAR, fonts::BOLD, fonts::MONO] {
            found.load_font_data(own.to_vec());
        }
        Self(Arc::new(found))
    }

    /// The names of families in their order, each once; of figures only those
    /// whose signs are all as wide as another: columns rest on it.
    #[must_use]
    pub fn families(&self, figures: bool) -> Vec<String> {
        let faces = self.0.faces().filter(|face| face.monospaced || !figures);
        let names = faces.filter(|face| self.writes(face)).filter_map(|face| face.families.first());
        let mut names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether it can be drawn and has what the window's own words are made of.
    fn writes(&self, face: &FaceInfo) -> bool {
        let has = self.0.with_face_data(face.id, |data, index| {
            let face = ttf_parser::Face::parse(data, index).ok()?;
            Some("aZ09".chars().all(|sign| face.glyph_index(sign).is_some()))
        });
        has.flatten() == Some(true)
    }

    /// The upright face of a family that is nearest to a weight.
    fn face(&self, family: &str, weight: Weight) -> Option<Arc<FontData>> {
        let families = &[Family::Name(family)];
        let (stretch, style) = (Stretch::Normal, Style::Normal);
        let id = self.0.query(&Query { families, weight, stretch, style })?;
        self.0.face(id).filter(|face| self.writes(face))?;
        let (bytes, index) = self.0.with_face_data(id, |data, index| (data.to_vec(), index))?;
        Some(Arc::new(FontData { index, ..FontData::from_owned(bytes) }))
    }
}

/// What stands before the window's own fonts.
#[derive(Clone, Default)]
pub struct Chosen {
    /// For text, and for titles.
    pub text: Option<[Arc<FontData>; 2]>,
    pub figures: Option<Arc<FontData>>,
}

impl Chosen {
    /// The families of these names (empty: the window's own), and the names of
    /// those that the system does not have. Reads the system's fonts.
    #[must_use]
    pub fn of(text: &str, figures: &str) -> (Self, Vec<String>) {
        if text.is_empty() && figures.is_empty() {
            return (Self::default(), Vec::new());
        }
        let system = System::read();
        let mut missing = Vec::new();
        let mut face = |family: &str, weight| {
            let found = (!family.is_empty()).then(|| system.face(family, weight))?;
            if found.is_none() && !missing.iter().any(|name| name == family) {
                missing.push(family.to_owned());
            }
            found
        };
        let regular = face(text, Weight::NORMAL);
        let bold = face(text, Weight::SEMIBOLD);
        let figures = face(figures, Weight::NORMAL);
        (Self { text: regular.zip(bold).map(|(a, b)| [a, b]), figures }, missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_that_write_words_are_offered_and_for_figures_only_even_ones() {
        let system = System::read();
        let (text, figures) = (system.families(false), system.families(true));
        let has = |families: &[String], name: &str| families.iter().any(|f| f == name);
        assert!(has(&text, "Inter") && has(&text, "JetBrains Mono"), "{text:?}");
        assert!(has(&figures, "JetBrains Mono") && !has(&figures, "Inter"), "{figures:?}");
    }

    #[test]
    fn what_the_system_does_not_have_is_named() {
        let (chosen, missing) = Chosen::of("JetBrains Mono", "No Such Font");
        assert!(chosen.text.is_some() && chosen.figures.is_none());
        assert_eq!(missing, ["No Such Font"]);
        let (chosen, missing) = Chosen::of("", "");
        assert!(chosen.text.is_none() && chosen.figures.is_none() && missing.is_empty());
    }
}
