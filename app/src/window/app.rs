//! The window's state, and one frame of it: answers are taken in, everything is
//! drawn, then the commands of this frame are carried out.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::{Context, PointerState, Ui};
use joinscope_core::engine::Stop;
use joinscope_operator::record::Arrival;

use super::axis::Scale;
use super::bars;
use super::bookmarks::{Bookmarks, Numbering};
use super::breakpoints::Breakpoints;
use super::browse::{Browse, Browsing};
use super::command::{self, Command};
use super::cursor::{ClockMap, Cursor};
use super::dialogs::Dialog;
use super::doc::Doc;
use super::errors::Errors;
use super::exporting::Exports;
use super::failures::Failures;
use super::files::Saver;
use super::incident::IncidentDoc;
use super::jobs::{Jobs, Slot};
use super::layout::{Layout, Layouts, Undo};
use super::open_docs::OpenDocs;
use super::opening::Opening;
use super::panel::Panel;
use super::panels::Panels;
use super::range::RangeState;
use super::running::{Checking, Following, Running};
use super::sample::Sample;
use super::seeking::{Found, Seek};
use super::selection::{History, Selection};
use super::session::{self, Left, Marker, Session};
use super::settings::{Places, Settings};
use super::theme::{self, Tokens};
use super::times::{self, Times};
use super::typing::Typing;
use super::watch::Watch;

/// What the window starts with.
pub struct Start {
    pub places: Option<Places>,
    pub browse: Box<dyn Browse>,
    /// Threads for questions.
    pub workers: usize,
    /// Shown alone, without the bars: pictures of one panel.
    pub only: Option<Panel>,
}

/// The window.
pub struct App {
    pub(super) places: Option<Places>,
    pub(super) settings: Settings,
    pub(super) saved_at: Instant,
    pub(super) saver: Saver,
    /// What sessions that did not end had open, the newest first.
    pub(super) left: Vec<Left>,
    /// What the last session that did end had open.
    pub(super) last: Option<Session>,
    /// What has to be said until it is closed: title and message.
    pub(super) notices: Vec<(String, String)>,
    pub(super) ctx: Context,
    pub(super) jobs: Jobs,
    pub(super) errors: Errors,
    pub(super) doc: Doc,
    pub(super) cursor: Cursor,
    pub(super) clock: ClockMap,
    pub(super) scale: Scale,
    /// The clock bar shows event time.
    pub(super) event_time: bool,
    pub(super) view: Option<(Arrival, Arrival)>,
    pub(super) selection: Option<Selection>,
    pub(super) history: History,
    pub(super) range: RangeState,
    pub(super) bookmarks: Bookmarks,
    /// Bookmarks on their way; which are wanted.
    pub(super) reading: Slot<Option<Numbering>, (Bookmarks, Option<String>)>,
    pub(super) layout: Layout,
    pub(super) layouts: Layouts,
    pub(super) undo: Undo,
    pub(super) open: OpenDocs,
    pub(super) panels: Panels,
    pub(super) strip: bars::Strip,
    pub(super) opening: Opening,
    pub(super) sample: Sample,
    /// The pipeline's file.
    pub(super) watch: Watch,
    pub(super) checking: Checking,
    pub(super) running: Option<Running>,
    pub(super) following: Following,
    /// The run that was in front when the one in progress was started.
    pub(super) before: Option<PathBuf>,
    pub(super) breakpoints: Breakpoints,
    /// Where the run in progress waits, once it is shown there.
    pub(super) stopped: Option<Stop>,
    /// What is done once the run in this folder is in front.
    pub(super) then: Option<(PathBuf, Vec<Command>)>,
    /// What is run next is shown compared with the run before it.
    pub(super) compares: bool,
    /// Where the next run goes; `None`: the platform's place.
    pub(super) run_into: Option<PathBuf>,
    pub(super) seek: Slot<Seek, Found>,
    pub(super) seeking: Option<Seek>,
    pub(super) dialog: Option<Dialog>,
    pub(super) typing: Typing,
    pub(super) browsing: Browsing,
    pub(super) exports: Exports,
    pub(super) incident: Option<IncidentDoc>,
    /// What an incident file says of a recording: its digest, and the notes.
    pub(super) notes: (String, String),
    pub(super) commands: Vec<Command>,
    /// Titles of what was chosen in the palette, newest first.
    pub(super) used: Vec<String>,
    pub(super) only: Option<Panel>,
    pub(super) failures: Failures,
    pub(super) fallback: theme::Fallback,
    /// Families that stand before the window's own, for text and for figures.
    pub(super) fonts: [String; 2],
    /// What was found of those that the settings name, and what was not.
    pub(super) font_search: Slot<[String; 2], (theme::Chosen, Vec<String>)>,
    pub(super) hover: Option<u64>,
    last_frame: Instant,
    title: String,
    /// Frames since something stands in front of everything else.
    covered: u8,
    /// The last to be dropped: it removes its file after the saver wrote what waits, which
    /// may be that file.
    pub(super) marker: Option<Marker>,
}

impl App {
    /// A window with nothing open.
    #[must_use]
    pub fn new(ctx: &Context, start: Start) -> Self {
        theme::apply(ctx);
        let places = start.places.as_ref();
        let (settings, bad_settings) = places.map(Settings::load).unwrap_or_default();
        let (layouts, bad_layouts) = places.map(Layouts::load).unwrap_or_default();
        let (left, bad_left) = places.map(session::left_behind).unwrap_or_default();
        let (last, bad_last) = places.map(session::last).unwrap_or_default();
        let (marker, no_marker) = match places.map(Marker::begin) {
            Some(Ok(marker)) => (Some(marker), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let now = Instant::now();
        let mut layout = Layout::default();
        if let Some(current) = &layouts.current {
            layout.arrange(current);
        }
        let mut this = Self {
            places: start.places,
            settings,
            saved_at: now,
            saver: Saver::default(),
            left,
            last,
            notices: Vec::new(),
            ctx: ctx.clone(),
            jobs: Jobs::new(ctx, start.workers),
            errors: Errors::default(),
            doc: Doc::default(),
            cursor: Cursor::default(),
            clock: ClockMap::default(),
            scale: Scale::default(),
            event_time: false,
            view: None,
            selection: None,
            history: History::default(),
            range: RangeState::default(),
            bookmarks: Bookmarks::default(),
            reading: Slot::default(),
            layout,
            layouts,
            undo: Undo::default(),
            open: OpenDocs::default(),
            panels: Panels::default(),
            strip: bars::Strip::default(),
            opening: Opening::default(),
            sample: Sample::default(),
            watch: Watch::default(),
            checking: Checking::default(),
            running: None,
            following: Following::default(),
            before: None,
            breakpoints: Breakpoints::default(),
            stopped: None,
            then: None,
            compares: false,
            run_into: None,
            seek: Slot::default(),
            seeking: None,
            dialog: None,
            typing: Typing::default(),
            browsing: Browsing::new(start.browse),
            exports: Exports::default(),
            incident: None,
            notes: Default::default(),
            commands: Vec::new(),
            used: Vec::new(),
            only: start.only,
            failures: Failures::default(),
            fallback: theme::Fallback::default(),
            fonts: Default::default(),
            font_search: Slot::default(),
            hover: None,
            last_frame: now,
            title: String::new(),
            covered: 0,
            marker,
        };
        this.fallback.install(ctx);
        times::read_zone_names(&this.jobs);
        // Pictures and tests say themselves how the window looks.
        if this.places.is_some() {
            this.apply_settings();
        }
        if let Some((title, why)) = bad_settings {
            this.notice(&title, &why);
        }
        for (title, why) in [
            ("The layouts were not read", bad_layouts),
            ("The last session was not read", bad_last),
        ] {
            if let Some(why) = why {
                this.notice(title, &why);
            }
        }
        if let Some(error) = no_marker {
            this.say_unkept(&error);
        }
        for why in bad_left {
            this.notice("A session that did not end was not read", &why);
        }
        this
    }

    /// No session can be kept.
    fn say_unkept(&mut self, error: &std::io::Error) {
        let at = self.places.as_ref().map(|p| p.state.display().to_string()).unwrap_or_default();
        let why = format!(
            "{at}: {error}. What is open cannot be restored after a crash; make the folder one \
             that can be written to, and start again"
        );
        self.notice("This session is not kept", &why);
    }

    /// Asks for something; it is carried out at the end of the frame.
    pub fn command(&mut self, command: Command) {
        self.commands.push(command);
        self.ctx.request_repaint();
    }

    /// Whether anything is still being read, opened or checked.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.jobs.open() > 0
            || self.opening.is_open()
            || self.sample.is_wanted()
            || self.checking.is_open()
            || self.seeking.is_some()
            || self.saver.is_open()
            // At a breakpoint it waits for the user.
            || self.running.is_some() && self.stopped.is_none()
            || self.panels.breakpoints.is_seeking()
            || self.panels.semantics.is_running()
            || self.exports.is_busy()
            || self.typing.is_held()
            || !self.commands.is_empty()
    }

    /// Questions asked so far: one may be answered between two looks at
    /// [`Self::is_busy`], and what it says is drawn a frame later.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.jobs.begun()
    }

    #[must_use]
    pub fn errors(&self) -> &Errors {
        &self.errors
    }

    #[cfg(test)]
    #[must_use]
    pub fn doc(&self) -> &Doc {
        &self.doc
    }

    #[cfg(test)]
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    #[cfg(test)]
    #[must_use]
    pub fn selection(&self) -> Option<Selection> {
        self.selection
    }

    /// The row that the pointer is over.
    #[cfg(test)]
    #[must_use]
    pub fn hovered(&self) -> Option<u64> {
        self.hover
    }

    /// One frame without drawing: answers come in, time passes.
    pub fn logic(&mut self, ctx: &Context) {
        self.take_answers();
        let passed = self.last_frame.elapsed().min(Duration::from_millis(250));
        self.last_frame = Instant::now();
        self.cursor.looped = self.range.loop_of();
        if self.cursor.advance(passed.as_secs_f64(), &self.clock) {
            ctx.request_repaint();
        }
        self.typing.begin(ctx, self.dialog.as_ref());
        // What the user is asked before a run stands in front like a dialog.
        if self.dialog.is_none() && !self.checking.asks() {
            self.typing.hold_behind(ctx, command::asks_for_text);
            self.commands.extend(command::pressed(ctx));
        }
        self.take_drops(ctx);
        self.take_exports(ctx);
        self.fallback.follow(ctx, &self.jobs);
        self.follow_fonts();
        match self.browsing.taken() {
            Some(Ok(path)) => self.commands.push(Command::Open(path)),
            Some(Err(why)) => self.errors.add("Asking for a file", why),
            None => {}
        }
        self.save_session(ctx);
        let title = self.doc.title();
        if title != self.title {
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn take_drops(&mut self, ctx: &Context) {
        let dropped: Vec<PathBuf> =
            ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
        if !dropped.is_empty() {
            self.commands.push(Command::OpenAll(dropped));
        }
    }

    /// Draws the window.
    pub fn ui(&mut self, ui: &mut Ui) {
        let t = Tokens::of(ui.ctx());
        ui.painter().rect_filled(ui.max_rect(), 0, t.ground);
        let pointer = self.without_pointer(ui.ctx());
        self.exports.forget_places();
        let hovers = match self.only {
            Some(panel) => self.only_panel(ui, panel),
            None => self.whole(ui),
        };
        if let Some(pointer) = pointer {
            ui.ctx().input_mut(|i| i.pointer = pointer);
        }
        if hovers != self.hover {
            self.hover = hovers;
            ui.ctx().request_repaint();
        }
        self.take_failures(ui.ctx());
        self.take_drawing(ui.ctx());
        self.dialogs(ui.ctx());
        self.watch_layout(ui.ctx());
        // Commands may ask for more commands (opening a run shows its panels).
        for _ in 0..8 {
            let commands = std::mem::take(&mut self.commands);
            if commands.is_empty() {
                break;
            }
            for command in commands {
                self.act(command);
            }
        }
    }

    /// Takes the pointer away from what a dialog has just covered: a tooltip that is
    /// open stays, else, in front of the dialog for as long as the pointer rests over
    /// what it is of.
    fn without_pointer(&mut self, ctx: &Context) -> Option<PointerState> {
        /// The first may only measure the dialog: what is behind it is still hovered
        /// in the one after.
        const FRAMES: u8 = 3;
        let covers = self.dialog.is_some() || self.checking.asks();
        self.covered = if covers { self.covered.saturating_add(1) } else { 0 };
        let taken = || ctx.input_mut(|i| std::mem::take(&mut i.pointer));
        (1..=FRAMES).contains(&self.covered).then(taken)
    }

    /// First and last arrival in sight on the time axes.
    #[must_use]
    pub(super) fn view(&self) -> (Arrival, Arrival) {
        let last = self.cursor.len().saturating_sub(1);
        self.view.map_or((0, last), |(a, b)| (a.min(last), b.min(last)))
    }

    /// How times are written for what is in sight.
    #[must_use]
    pub(super) fn times(&self) -> Times {
        let both = self.clock.range().into_iter().chain(self.clock.event_range());
        Times::over(&self.settings.zone, both.flat_map(|(first, last)| [first, last]))
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, _: &mut eframe::Frame) {
        Self::logic(self, ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        Self::ui(self, ui);
    }

    fn on_exit(&mut self, _: Option<&eframe::glow::Context>) {
        self.exports.end();
        self.end_session();
    }

    fn clear_color(&self, _: &egui::Visuals) -> [f32; 4] {
        Tokens::of(&self.ctx).ground.to_normalized_gamma_f32()
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
