//! What the window keeps between starts: settings, layouts, the session. Each
//! is written soon after it changed, off the window's thread.

use std::path::PathBuf;
use std::time::Duration;

use egui::Context;

use super::app::App;
use super::axis::Scale;
use super::command::Command;
use super::cursor::{Speed, State};
use super::export::Lettering;
use super::layout::{Arrangement, Layouts};
use super::open_docs::path_of;
use super::session::{Opened, Session};
use super::settings::Settings;
use super::theme::{Chosen, fonts};

/// From a change to its being kept.
const AFTER: Duration = Duration::from_secs(1);

impl App {
    /// Says in the window what it has to know, until it is closed.
    pub(super) fn notice(&mut self, title: &str, message: &str) {
        self.errors.add(title, message);
        self.put_notice(title.to_owned(), message.to_owned());
    }

    /// Says it above the panels; what stands there already is not said again.
    pub(super) fn put_notice(&mut self, title: String, message: String) {
        let notice = (title, message);
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// Sets what the settings say of the whole window.
    pub(super) fn apply_settings(&mut self) {
        self.ctx.set_theme(egui::ThemePreference::from(self.settings.theme));
        self.ctx.set_zoom_factor(f32::from(self.settings.scale) / 100.0);
    }

    /// Looks for the chosen fonts in the background, and sets them once they are found.
    pub(super) fn follow_fonts(&mut self) {
        let settings = &self.settings;
        if [&settings.text_font, &settings.figures_font].into_iter().eq(&self.fonts) {
            return;
        }
        let wanted = [settings.text_font.clone(), settings.figures_font.clone()];
        self.font_search
            .ask(&self.jobs, wanted.clone(), |[text, figures]| Ok(Chosen::of(text, figures)));
        let Some(answer) = self.font_search.answer().filter(|a| a.question == wanted) else {
            return;
        };
        self.fonts = wanted;
        match &answer.result {
            Ok((chosen, missing)) => self.set_fonts(chosen.clone(), missing),
            Err(why) => self.notice("The fonts were not read", why),
        }
    }

    fn set_fonts(&mut self, chosen: Chosen, missing: &[String]) {
        let [text, figures] = &self.fonts;
        let text = chosen.text.is_some().then_some(text.as_str());
        let figures = chosen.figures.is_some().then_some(figures.as_str());
        Lettering::of(text, figures).keep(&self.ctx);
        self.ctx.set_fonts(fonts::with(chosen));
        self.fallback.install(&self.ctx);
        for family in missing {
            let why = format!(
                "This system has no font {family:?}, or it has no letters: the window's own \
                 stands in for it. Install it, or choose another one in the settings"
            );
            self.notice("A font was not found", &why);
        }
    }

    /// Keeps what was changed here.
    pub(super) fn save_settings(&self, before: &Settings) {
        if let Some(places) = &self.places {
            self.settings.save(before, places, &self.saver);
        }
    }

    /// Puts what was opened first among the recent files.
    pub(super) fn note_opened(&mut self, path: PathBuf, recording: bool) {
        self.settings.opened(&path, recording);
        if let Some(places) = &self.places {
            Settings::update(places, &self.saver, move |kept| kept.opened(&path, recording));
        }
    }

    /// Every setting as it was at first, also what another window chose.
    pub(super) fn reset_settings(&mut self) {
        self.settings.reset();
        self.apply_settings();
        if let Some(places) = &self.places {
            Settings::update(places, &self.saver, Settings::reset);
        }
    }

    /// Sees whether the user moved a panel, and keeps where they stand.
    pub(super) fn watch_layout(&mut self, ctx: &Context) {
        if self.only.is_some() || self.doc.is_empty() || ctx.input(|i| i.pointer.any_down()) {
            return;
        }
        let now = self.layout.arrangement();
        if !self.undo.watch(now.clone()) || self.doc.run.is_none() {
            // A recording alone shows less than the layout holds.
            return;
        }
        self.layouts.current = Some(now.clone());
        self.update_layouts(move |kept| {
            kept.current = Some(now);
            Ok(())
        });
    }

    /// Changes the layouts that are kept as those in this window were.
    fn update_layouts(
        &self,
        change: impl FnOnce(&mut Layouts) -> Result<(), String> + Send + 'static,
    ) {
        if let Some(places) = &self.places {
            Layouts::update(places, &self.saver, change);
        }
    }

    pub(super) fn arrange(&mut self, arrangement: &Arrangement) {
        self.layout.arrange(arrangement);
    }

    /// Commands about layouts by name.
    pub(super) fn act_on_layouts(&mut self, command: Command) {
        match command {
            Command::Undo => {
                if let Some(before) = self.undo.undo() {
                    self.arrange(&before);
                }
            }
            Command::Redo => {
                if let Some(after) = self.undo.redo() {
                    self.arrange(&after);
                }
            }
            Command::ResetLayout => self.arrange(&Arrangement::default()),
            Command::UseLayout(name) => {
                if let Some(arrangement) = self.layouts.get(&name).cloned() {
                    self.arrange(&arrangement);
                }
            }
            Command::SaveLayout(name) => {
                let here = self.layout.arrangement();
                self.layouts.keep(&name, here.clone());
                self.update_layouts(move |kept| {
                    kept.keep(&name, here);
                    Ok(())
                });
            }
            Command::RenameLayout(old, new) => match self.layouts.rename(&old, &new) {
                Ok(()) => self.update_layouts(move |kept| kept.rename(&old, &new)),
                Err(why) => self.fail("The layout was not renamed", &why),
            },
            Command::DeleteLayout(name) if self.layouts.delete(&name) => {
                self.update_layouts(move |kept| {
                    kept.delete(&name);
                    Ok(())
                });
            }
            _ => {}
        }
    }

    /// Where one stands in what is in front.
    pub(super) fn standing(&self) -> Option<Opened> {
        Some(Opened {
            path: path_of(&self.doc)?,
            cursor: self.cursor.at(),
            selection: self.selection,
            view: self.view,
            range: self.range,
            compared: self.panels.compare.other().map(ToOwned::to_owned),
            tables: Some(self.panels.table_views()),
        })
    }

    fn session(&self) -> Session {
        let mut open: Vec<Opened> = self.open.list().iter().map(|d| d.at.clone()).collect();
        let front = self.open.front();
        if let Some(here) = self.standing()
            && let Some(there) = front.and_then(|n| open.get_mut(n))
        {
            *there = here;
        }
        Session {
            open,
            front: front.unwrap_or(0),
            layout: Some(self.layout.arrangement()),
            breakpoints: self.breakpoints.kept(),
            clock: Some(self.scale.name().to_owned()),
            speed: Some(self.cursor.speed.label()),
        }
    }

    /// Keeps the session while it lasts.
    pub(super) fn save_session(&mut self, ctx: &Context) {
        if self.marker.is_none() {
            return;
        }
        if self.saved_at.elapsed() < AFTER {
            // What this frame shows may have no other after it: one comes to keep it.
            ctx.request_repaint_after(AFTER);
            return;
        }
        let session = self.session();
        if let Some(marker) = &mut self.marker {
            marker.save(&session, &self.saver);
        }
        self.saved_at = std::time::Instant::now();
        if self.cursor.state() == State::Playing {
            ctx.request_repaint_after(AFTER);
        }
    }

    /// The session ends as it should.
    pub(super) fn end_session(&mut self) {
        let session = self.session();
        if let Some(marker) = &self.marker {
            marker.end(&session, &self.saver);
        }
    }

    /// Restores a session that did not end, or forgets it.
    pub(super) fn choose_left(&mut self, n: usize, restore: bool) {
        if n >= self.left.len() {
            return;
        }
        let left = self.left.remove(n);
        if restore && let Some(marker) = &mut self.marker {
            // Kept as this window's own before it is let go there.
            marker.save(&left.session, &self.saver);
        }
        left.forget(&self.saver);
        if restore {
            self.restore(left.session);
        }
    }

    /// Opens again what a session had open, the one in front first.
    pub(super) fn restore(&mut self, session: Session) {
        let Some(front) = session.in_front().map(|o| o.path.clone()) else { return };
        if let Some(layout) = &session.layout {
            self.arrange(layout);
        }
        for why in self.breakpoints.restore(&session.breakpoints) {
            self.notice("A breakpoint was not restored", &why);
        }
        // Both are the window's, not of one run: they hold for whatever comes first.
        if let Some(scale) = session.clock.as_deref().and_then(Scale::from_name) {
            (self.scale, self.event_time) = (scale, scale == Scale::EventTime);
        }
        if let Some(speed) = session.speed.and_then(|speed| speed.parse::<Speed>().ok()) {
            self.cursor.speed = speed;
        }
        self.open.restore(session.open);
        self.commands.push(Command::Open(front));
    }
}
