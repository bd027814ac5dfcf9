//! The window's own fonts and their licences (assets/fonts).

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily, FontId};

use super::Chosen;

/// What About lists: the font, its licence's name and its text.
pub const LICENCES: [(&str, &str, &str); 3] = [
    ("Inter", "SIL Open Font License 1.1", include_str!("../../../../assets/fonts/Inter-OFL.txt")),
    (
        "JetBrains Mono",
        "SIL Open Font License 1.1",
        include_str!("../../../../assets/fonts/JetBrainsMono-OFL.txt"),
    ),
    ("Phosphor Icons", "MIT", include_str!("../../../../assets/fonts/Phosphor-LICENSE.txt")),
];

/// Of text, of titles, of figures.
pub const REGULAR: &[u8] = include_bytes!("../../../../assets/fonts/Inter-Regular.otf");
pub const BOLD: &[u8] = include_bytes!("../../../../assets/fonts/Inter-SemiBold.otf");
pub const MONO: &[u8] = include_bytes!("../../../../assets/fonts/JetBrainsMono-Regular.ttf");

/// The name of its family.
pub const SEMIBOLD: &str = "semibold";
const ICONS: &str = "icons";
const ICONS_FILLED: &str = "icons-filled";

/// The window's own fonts.
#[must_use]
pub fn definitions() -> FontDefinitions {
    with(Chosen::default())
}

/// Chosen fonts before ours, and egui's own as the last resort for signs that
/// both lack.
#[must_use]
pub fn with(chosen: Chosen) -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, data: &'static [u8]| {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(data)));
    };
    add("Inter", REGULAR);
    add("Inter SemiBold", BOLD);
    add("JetBrains Mono", MONO);
    add("Phosphor", include_bytes!("../../../../assets/fonts/Phosphor-Regular.ttf"));
    add("Phosphor Fill", include_bytes!("../../../../assets/fonts/Phosphor-Fill.ttf"));
    let (mut text, mut titles, mut figures) = (Vec::new(), Vec::new(), Vec::new());
    if let Some([regular, bold]) = chosen.text {
        fonts.font_data.insert("chosen".to_owned(), regular);
        fonts.font_data.insert("chosen for titles".to_owned(), bold);
        (text, titles) = (vec!["chosen"], vec!["chosen for titles"]);
    }
    if let Some(face) = chosen.figures {
        fonts.font_data.insert("chosen for figures".to_owned(), face);
        figures.push("chosen for figures");
    }
    let rest = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let mut family = |family: FontFamily, mut first: Vec<&str>, own: &[&'static str]| {
        first.extend(own);
        let mut names: Vec<String> = first.into_iter().map(ToOwned::to_owned).collect();
        names.extend(rest.iter().cloned());
        fonts.families.insert(family, names);
    };
    family(FontFamily::Proportional, text, &["Inter", "JetBrains Mono"]);
    family(FontFamily::Monospace, figures, &["JetBrains Mono", "Inter"]);
    family(FontFamily::Name(SEMIBOLD.into()), titles, &["Inter SemiBold", "JetBrains Mono"]);
    family(FontFamily::Name(ICONS.into()), Vec::new(), &["Phosphor"]);
    family(FontFamily::Name(ICONS_FILLED.into()), Vec::new(), &["Phosphor Fill"]);
    fonts
}

/// Inter Regular.
#[must_use]
pub fn regular(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// `Inter SemiBold`: titles and the numbers of a verdict's sentence.
#[must_use]
pub fn semibold(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(SEMIBOLD.into()))
}

/// `JetBrains` Mono: every figure in a column or on an axis, names of records.
#[must_use]
pub fn mono(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

#[must_use]
pub fn icons(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(ICONS.into()))
}

#[must_use]
pub fn icons_filled(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(ICONS_FILLED.into()))
}

/// Icons of Phosphor that the window uses.
pub mod icon {
    pub const PLAY: &str = "\u{e3d0}";
    pub const PAUSE: &str = "\u{e39e}";
    pub const STOP: &str = "\u{e46c}";
    pub const DOWN: &str = "\u{e136}";
    pub const RIGHT: &str = "\u{e13a}";
    pub const LEFT: &str = "\u{e138}";
    pub const FIRST: &str = "\u{e5a4}";
    pub const LAST: &str = "\u{e5a6}";
    pub const CLOSE: &str = "\u{e4f6}";
    pub const OPEN: &str = "\u{e256}";
    pub const BACK: &str = "\u{e058}";
    pub const FORWARD: &str = "\u{e06c}";
    pub const COPY: &str = "\u{e1ca}";
    pub const WARNING: &str = "\u{e4e0}";
    pub const RETRY: &str = "\u{e038}";
    pub const FILTER: &str = "\u{e266}";
    pub const SORTED_UP: &str = "\u{e13c}";
    pub const SORTED_DOWN: &str = "\u{e136}";
    pub const COLUMNS: &str = "\u{e546}";
    pub const EXPORT: &str = "\u{e20c}";
    pub const CHECK: &str = "\u{e182}";
    pub const BOOKMARK: &str = "\u{e0ea}";
    pub const LOOP: &str = "\u{e3f6}";
    pub const SEARCH: &str = "\u{e30c}";
    pub const SOURCES: &str = "\u{e710}";
    pub const WATERMARKS: &str = "\u{e802}";
    pub const RECORDS: &str = "\u{e476}";
    pub const OUTPUTS: &str = "\u{ed3e}";
    pub const STATE: &str = "\u{e1de}";
    pub const CHECKPOINTS: &str = "\u{e248}";
    pub const GUARANTEES: &str = "\u{e40c}";
    pub const INSPECTOR: &str = "\u{e2ce}";
    pub const TIMELINE: &str = "\u{e150}";
    pub const LATE: &str = "\u{e19a}";
    pub const CAUSALITY: &str = "\u{e278}";
    pub const COMPARE: &str = "\u{e27c}";
    pub const SEMANTICS: &str = "\u{e750}";
    pub const BREAKPOINTS: &str = "\u{e38e}";
    pub const PLUS: &str = "\u{e3d4}";
    pub const SWAP: &str = "\u{e0a0}";
    pub const CHANGE: &str = "\u{e434}";
}
