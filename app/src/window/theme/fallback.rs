//! Other scripts: a sign that the window's fonts lack is looked for among the
//! system's, in the background; until it is found, and where no font has it, it
//! is escaped.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use egui::{Context, FallbackRequest, FontData, FontInsert, FontProvider};
use fontdb::{Database, FaceInfo, Stretch, Style};

use crate::window::jobs::{Jobs, Slot};
use crate::window::text;

/// Looks for a font that has a sign; reads files.
type Finder = Arc<dyn Fn(char) -> Option<FontInsert> + Send + Sync>;

#[derive(Default)]
struct Shared {
    /// What was found, `None`: no font has it.
    found: Mutex<HashMap<char, Option<FontInsert>>>,
    /// Asked for by a text, and not looked for yet.
    wanted: Mutex<BTreeSet<char>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the layout of text asks: it is told what is known, and never waits.
struct Provider(Arc<Shared>);

impl FontProvider for Provider {
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        let sign = request.cluster.chars().next()?;
        if let Some(known) = lock(&self.0.found).get(&sign) {
            return known.clone();
        }
        lock(&self.0.wanted).insert(sign);
        None
    }
}

/// The search for fonts.
pub struct Fallback {
    shared: Arc<Shared>,
    finder: Finder,
    search: Slot<u64, ()>,
    searches: u64,
    /// Whose answer is in the window already.
    taken: u64,
}

impl Default for Fallback {
    fn default() -> Self {
        // The list of fonts is read once, when the first sign is looked for.
        let system: Mutex<Option<Database>> = Mutex::default();
        Self::with(Arc::new(move |sign| {
            let mut system = lock(&system);
            let fonts = system.get_or_insert_with(|| {
                let mut fonts = Database::new();
                fonts.load_system_fonts();
                fonts
            });
            font_with(fonts, sign)
        }))
    }
}

/// The plainest font that has a sign: upright, of usual weight, without serifs
/// where there is one.
fn font_with(fonts: &Database, sign: char) -> Option<FontInsert> {
    let mut faces: Vec<&FaceInfo> = fonts.faces().collect();
    let name = |face: &FaceInfo| face.families.first().map(|f| f.0.clone()).unwrap_or_default();
    faces.sort_by_cached_key(|face| {
        let name = name(face);
        (
            face.style != Style::Normal,
            face.weight.0.abs_diff(400),
            face.stretch != Stretch::Normal,
            name.contains("Serif") && !name.contains("Sans"),
            !name.contains("Sans"),
            face.monospaced,
            name,
        )
    });
    let has = |face: &&&FaceInfo| {
        fonts.with_face_data(face.id, |data, index| {
            let face = ttf_parser::Face::parse(data, index).ok();
            face.is_some_and(|face| face.glyph_index(sign).is_some())
        }) == Some(true)
    };
    let face = faces.iter().find(has)?;
    let (bytes, index) = fonts.with_face_data(face.id, |data, index| (data.to_vec(), index))?;
    let mut data = FontData::from_owned(bytes);
    data.index = index;
    Some(FontInsert {
        name: format!("system {}", face.post_script_name),
        data,
        families: Vec::new(),
    })
}

impl Fallback {
    fn with(finder: Finder) -> Self {
        let (shared, search) = (Arc::default(), Slot::default());
        Self { shared, finder, search, searches: 0, taken: 0 }
    }

    /// Lets the layout of text ask this.
    pub fn install(&self, ctx: &Context) {
        ctx.set_font_providers(vec![Arc::new(Provider(Arc::clone(&self.shared)))]);
    }

    /// Looks for what was asked for since; takes in what was found.
    pub fn follow(&mut self, ctx: &Context, jobs: &Jobs) {
        if let Some(answer) = self.search.answer()
            && answer.question > self.taken
        {
            self.taken = answer.question;
            let missing = lock(&self.shared.found)
                .iter()
                .filter(|(_, f)| f.is_none())
                .map(|(c, _)| *c)
                .collect();
            text::without_font(missing);
            // The layout asks anew, and is told.
            self.install(ctx);
            ctx.request_repaint();
        }
        if self.search.is_open() || lock(&self.shared.wanted).is_empty() {
            return;
        }
        self.searches += 1;
        let (shared, finder) = (Arc::clone(&self.shared), Arc::clone(&self.finder));
        self.search.ask(jobs, self.searches, move |_| {
            for sign in std::mem::take(&mut *lock(&shared.wanted)) {
                // One font has many signs: its neighbours ask for the same.
                let font = finder(sign);
                lock(&shared.found).insert(sign, font);
            }
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::theme::fonts;

    /// A script whose only font is that of the icons.
    fn finder(sign: char) -> Option<FontInsert> {
        let bytes = include_bytes!("../../../../assets/fonts/Phosphor-Regular.ttf");
        let ours = ('\u{e000}'..='\u{ee00}').contains(&sign);
        let data = FontData::from_static(bytes);
        ours.then(|| FontInsert { name: "a script".to_owned(), data, families: Vec::new() })
    }

    #[test]
    fn the_plainest_font_that_has_the_sign_is_taken() {
        let mut system = Database::new();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/fonts");
        system.load_fonts_dir(folder);
        let found = |sign| font_with(&system, sign).map(|f| f.name);
        assert_eq!(found('a').as_deref(), Some("system Inter-Regular"));
        assert_eq!(found('╔').as_deref(), Some("system JetBrainsMono-Regular"));
        assert_eq!(found('\u{f1234}'), None);
    }

    #[test]
    fn a_font_is_found_in_the_background_and_what_none_has_is_escaped() {
        let ctx = Context::default();
        ctx.set_fonts(fonts::definitions());
        let jobs = Jobs::new(&ctx, 1);
        let mut fallback = Fallback::with(Arc::new(finder));
        fallback.install(&ctx);
        let (known, nowhere) = (fonts::icon::PLAY, "key \u{f1234}");
        let has = |ctx: &Context, sign: &str| {
            ctx.fonts_mut(|f| f.has_glyphs(&fonts::regular(13.0), sign))
        };
        let frame = |fallback: &mut Fallback| {
            let _ = ctx.run_ui(egui::RawInput::default(), |ui| {
                ui.label(known);
                ui.label(text::line(nowhere).as_ref());
            });
            fallback.follow(&ctx, &jobs);
        };
        assert_eq!(text::line(nowhere), nowhere);
        frame(&mut fallback);
        assert!(!has(&ctx, known), "nobody waited for it");
        while jobs.open() > 0 {
            std::thread::yield_now();
        }
        frame(&mut fallback);
        frame(&mut fallback);
        assert!(has(&ctx, known));
        assert_eq!(text::line(nowhere), "key \\u{f1234}");
        // Nothing more is asked.
        assert!(lock(&fallback.shared.wanted).is_empty() && !fallback.search.is_open());
    }
}
