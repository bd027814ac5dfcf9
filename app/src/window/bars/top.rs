//! The top bar: what is open, from left to right, and the figures of its run.

use egui::{Align, Frame, Layout, Margin, Panel, Popup, Role, Stroke, Ui, WidgetInfo};

use super::menus::{self, item};
use crate::window::app::App;
use crate::window::command::{Command, shortcut_text};
use crate::window::doc::{PipelineDoc, RunDoc};
use crate::window::text::{bytes, elide, line, path_line, plural, short_count};
use crate::window::theme::fonts::icon;
use crate::window::theme::{ROW, SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{Button, button, growing, icon_button, text};

const HEIGHT: f32 = 40.0;

/// Shows the bar.
pub fn show(app: &mut App, ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    let frame = Frame::NONE.fill(t.panel).inner_margin(Margin::symmetric(12, 0));
    Panel::top("top").frame(frame).exact_size(HEIGHT).show_separator_line(false).show(ui, |ui| {
        let rect = ui.max_rect();
        let y = rect.bottom() - 0.5;
        ui.painter().hline(rect.x_range().expand(12.0), y, Stroke::new(1.0, t.line));
        ui.horizontal_centered(|ui| {
            ui.spacing_mut().item_spacing.x = 8.0;
            menus::show(app, ui);
            let room = ui.available_width() - room_at_right(ui);
            names(app, ui, room, t);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| right(app, ui, t));
        });
    });
}

fn arrow(ui: &mut Ui, t: &Tokens) {
    let sign = egui::RichText::new(icon::RIGHT).font(fonts::icons(SMALL)).color(t.third);
    let response = ui.label(sign);
    // A letter of the icons' font says nothing to who listens.
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, "then"));
}

/// Signs of recording, pipeline, run and settings at most, and at least.
const MOST: [usize; 4] = [36, 40, 36, 44];
const LEAST: usize = 6;
/// Signs of a name in a menu: a run may be called anything.
const IN_MENU: usize = 60;
/// What stands around the names: room in their buttons, arrows and the buttons
/// that run, points.
const AROUND: f32 = 250.0;
/// Of that what a name takes with it that is not shown, points.
const EACH: f32 = 60.0;

/// Which names there is room for; what the others lead to stands in the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    recording: bool,
    pub pipeline: bool,
    pub run: bool,
}

impl Shown {
    const ALL: Self = Self { recording: true, pipeline: true, run: true };

    /// All, and less and less of them: what is missed least goes first.
    const STEPS: [Self; 4] = [
        Self::ALL,
        Self { recording: false, ..Self::ALL },
        Self { recording: false, pipeline: false, run: true },
        Self { recording: false, pipeline: false, run: false },
    ];

    /// As the bar was shown last.
    pub fn last(ui: &Ui) -> Self {
        ui.data(|data| data.get_temp(Self::id())).unwrap_or(Self::ALL)
    }

    fn id() -> egui::Id {
        egui::Id::unique("top bar, names that are shown")
    }

    /// As many as there is room for, points, with their names as short as they get;
    /// `width` says what some of them take.
    fn fitting(ui: &Ui, room: f32, width: impl Fn(Self) -> f32) -> Self {
        let fits = |shown: &Self| width(*shown) <= room;
        let shown = Self::STEPS.into_iter().find(fits).unwrap_or(Self::STEPS[3]);
        if shown != Self::last(ui) {
            ui.data_mut(|data| data.insert_temp(Self::id(), shown));
            ui.ctx().request_repaint();
        }
        shown
    }

    /// Without those that are not shown.
    fn of<'a>(self, [recording, title, name, settings]: [&'a str; 4]) -> [&'a str; 4] {
        let some = |shown: bool, text: &'a str| if shown { text } else { "" };
        [
            some(self.recording, recording),
            some(self.pipeline, title),
            some(self.run, name),
            some(self.run, settings),
        ]
    }

    /// What stands around them, points.
    fn around(self) -> f32 {
        let gone = [self.recording, self.pipeline, self.run].into_iter().filter(|shown| !shown);
        AROUND - gone.count() as f32 * EACH
    }
}

/// The names as long as there is room for: the longest are cut first.
fn fitting(ui: &Ui, names: [&str; 4], around: f32, room: f32) -> [String; 4] {
    let font = fonts::regular(TEXT);
    let width = |name: &String| {
        let ink = ui.visuals().text_color();
        ui.painter().layout_no_wrap(name.clone(), font.clone(), ink).size().x
    };
    let fits = |chars: &usize| cut(names, *chars).iter().map(width).sum::<f32>() + around <= room;
    let longest = MOST.into_iter().max().unwrap_or(LEAST);
    cut(names, (LEAST..=longest).rev().find(fits).unwrap_or(LEAST))
}

/// The names with so many signs at most.
fn cut(names: [&str; 4], chars: usize) -> [String; 4] {
    let mut most = MOST.iter();
    names.map(|name| short(name, most.next().copied().unwrap_or(LEAST).min(chars)))
}

/// Room that the run's figures keep beside long names, points: what goes on is
/// not to be hidden.
fn for_figures(app: &App) -> f32 {
    if goes_on(app) { 220.0 } else { 140.0 }
}

fn goes_on(app: &App) -> bool {
    app.running.is_some() || app.stopped.is_some()
}

/// Least room for how far a run is, points.
const PROGRESS: f32 = 90.0;
/// Of a menu that scrolls, points: its longest rows fit.
pub(super) const WIDE_MENU: f32 = 460.0;

/// What the buttons at the right took when they were last shown, points.
fn room_at_right(ui: &Ui) -> f32 {
    ui.data(|data| data.get_temp(at_right())).unwrap_or(270.0)
}

fn at_right() -> egui::Id {
    egui::Id::unique("top bar, room at the right")
}

/// In place of a recording's name, and never cut as one.
const NO_RECORDING: &str = "no recording";

/// Recording, pipeline, run, and the button that runs, in so many points.
fn names(app: &mut App, ui: &mut Ui, room: f32, t: &Tokens) {
    let doc = &app.doc;
    let title = doc.pipeline.as_ref().map(PipelineDoc::title).unwrap_or_default();
    let label = doc.run.as_ref().map(|r| (r.label.name.as_str(), r.label.settings.as_str()));
    let (name, settings) = label.unwrap_or_default();
    let recording = doc.recording.as_ref().map_or(NO_RECORDING, |r| r.name.as_str());
    let mut whole = line(&format!("{name} {settings}")).into_owned();
    if let Some(why) = doc.run.as_ref().and_then(RunDoc::failure) {
        whole = format!("{whole}\nfailed: {}", line(why));
    }
    let all = [recording, title.as_str(), name, settings];
    let shown = shown(app, ui, all, room);
    let room = room - for_figures(app);
    let [recording_name, title_shown, name, settings] =
        fitting(ui, shown.of(all), shown.around(), room);
    // What is not shown the menu has; the window's title names it too.
    if let Some(recording) = app.doc.recording.clone().filter(|_| shown.recording) {
        let response = button(&recording_name).caret().name("Recording").show(ui);
        let response = response.on_hover_text(path_line(recording.recording.path()));
        Popup::menu(&response).show(|ui| recordings_menu(app, ui));
    } else if let Some(run) = app.doc.run.as_ref().filter(|_| shown.recording) {
        let at = path_line(&run.manifest.start.recording.path);
        let hover = format!("Not found: {at}");
        text(ui, NO_RECORDING, fonts::regular(TEXT), t.second).on_hover_text(hover);
    }
    let has_pipeline = app.doc.pipeline.is_some();
    if let Some(pipeline) = app.doc.pipeline.as_ref().filter(|_| shown.pipeline) {
        if shown.recording {
            arrow(ui, t);
        }
        let hover = format!("{title}\n{}\nPress to edit it", line(&pipeline.file));
        let response = button(&title_shown).name("Pipeline").show(ui);
        if response.on_hover_text(hover).clicked() {
            app.commands.push(Command::EditPipeline);
        }
    } else if shown.pipeline
        && !has_pipeline
        && app.doc.recording.is_some()
        && app.doc.run.is_none()
    {
        if shown.recording {
            arrow(ui, t);
        }
        let new = button(NEW).icon(icon::PLUS).primary().show(ui);
        let hover = "Proposes one from the first records of each topic; it opens unsaved";
        if new.on_hover_text(hover).clicked() {
            app.commands.push(Command::NewPipeline);
        }
    }
    if app.doc.run.is_some() && shown.run {
        if shown.recording || shown.pipeline {
            arrow(ui, t);
        }
        let response = button(&name).second(&settings).caret().name("Run").show(ui);
        let response = response.on_hover_text(&whole);
        Popup::menu(&response).show(|ui| {
            ui.set_min_width(240.0);
            runs(app, ui);
        });
    }
    for (button, command) in actions(app) {
        if button.show(ui).clicked() {
            app.commands.push(command);
        }
    }
}

/// The button that proposes a pipeline.
const NEW: &str = "New pipeline…";

/// The buttons behind the names: what runs, or ends what runs.
fn actions(app: &App) -> Vec<(Button<'static>, Command)> {
    if app.running.is_some() {
        let on = button("Go on").filled_icon(icon::PLAY).primary().name("Go on with the run");
        let cancel = (button("Cancel").filled_icon(icon::STOP), Command::CancelRun);
        let on = app.stopped.as_ref().map(|_| (on, Command::GoOn));
        return on.into_iter().chain([cancel]).collect();
    }
    if app.doc.pipeline.is_none() || app.doc.recording.is_none() {
        return Vec::new();
    }
    let run = button("Run").filled_icon(icon::PLAY).primary().name("Run the pipeline");
    vec![(run, Command::Run(Vec::new()))]
}

/// Which of the names fit into so many points with what stands behind them.
fn shown(app: &App, ui: &Ui, names: [&str; 4], room: f32) -> Shown {
    let [recording, title, name, settings] = cut(names, LEAST);
    let between = ui.spacing().item_spacing.x;
    let ink = ui.visuals().text_color();
    let laid = |text: &str, font| {
        ui.painter().layout_no_wrap(text.to_owned(), font, ink).size().x + between
    };
    let arrow = laid(icon::RIGHT, fonts::icons(SMALL));
    let recording = match (&app.doc.recording, &app.doc.run) {
        (Some(_), _) => Some(button(&recording).caret().room(ui)),
        (None, Some(_)) => Some(laid(NO_RECORDING, fonts::regular(TEXT))),
        (None, None) => None,
    };
    let pipeline = if app.doc.pipeline.is_some() {
        Some(button(&title).room(ui))
    } else if app.doc.recording.is_some() && app.doc.run.is_none() {
        Some(button(NEW).icon(icon::PLUS).primary().room(ui))
    } else {
        None
    };
    let run = app.doc.run.as_ref();
    let run = run.map(|_| button(&name).second(&settings).caret().room(ui));
    let behind: f32 = actions(app).into_iter().map(|(button, _)| button.room(ui)).sum();
    // What goes on is said beside them in any case.
    let behind = behind + if goes_on(app) { PROGRESS } else { 0.0 };
    Shown::fitting(ui, room, |shown| {
        let all = [(shown.recording, recording), (shown.pipeline, pipeline), (shown.run, run)];
        let some: Vec<f32> = all.into_iter().filter(|a| a.0).filter_map(|a| a.1).collect();
        some.iter().sum::<f32>() + some.len().saturating_sub(1) as f32 * arrow + behind
    })
}

/// The runs that are known, to open; as many as there are.
pub(super) fn runs(app: &mut App, ui: &mut Ui) {
    // A menu is never higher than the window.
    let most = (ui.ctx().content_rect().height() * 0.4).max(120.0);
    let runs = app.doc.runs.clone();
    let few = runs.len() as f32 * ROW <= most;
    let list = |ui: &mut Ui| {
        for label in runs {
            let text = format!("{}  {}", label.name, label.settings);
            item(app, ui, &elide(&line(&text), IN_MENU), Command::Open(label.dir));
        }
    };
    if few {
        list(ui);
        return;
    }
    ui.set_width(WIDE_MENU);
    growing(ui, most, list);
}

fn recordings_menu(app: &mut App, ui: &mut Ui) {
    ui.set_min_width(240.0);
    for path in app.settings.recent_recordings() {
        let name = crate::window::doc::file_name(&path);
        item(app, ui, &elide(&line(&name), IN_MENU), Command::Open(path));
    }
    item(app, ui, "Open…", Command::ShowOpen);
}

/// Cut in the middle; of joined inputs each, so that all are still named. Where too
/// many are joined for that the first stands for all.
fn short(name: &str, chars: usize) -> String {
    const JOIN: &str = " ⋈ ";
    /// So many are named in any case.
    const FEW: usize = 3;
    let inputs = name.split(JOIN).count();
    let between = JOIN.chars().count();
    let each = ((chars + between) / inputs).saturating_sub(between).max(LEAST);
    let most = if inputs > 1 { each } else { chars };
    let cut = |part| elide(&line(part), most);
    let all = name.split(JOIN).map(cut).collect::<Vec<String>>().join(JOIN);
    if inputs <= FEW || all.chars().count() <= chars {
        return all;
    }
    let more = format!("{JOIN}{} more", inputs - 1);
    let first = name.split(JOIN).next().unwrap_or_default();
    elide(&line(first), chars.saturating_sub(more.chars().count()).max(LEAST)) + &more
}

/// Errors and the run's figures, from right to left.
fn right(app: &mut App, ui: &mut Ui, t: &Tokens) {
    palette(app, ui);
    let unseen = app.errors.unseen();
    if !app.errors.list().is_empty() {
        let label = plural(unseen as u64, "error");
        let shown = if unseen > 0 {
            button(&label).icon(icon::WARNING).show(ui)
        } else {
            icon_button(icon::WARNING, "Errors").plain().show(ui)
        };
        if shown.clicked() {
            app.commands.push(Command::ShowErrors);
        }
    }
    if icon_button(icon::OPEN, "Open a file").plain().show(ui).clicked() {
        app.commands.push(Command::ShowOpen);
    }
    let took = ui.min_rect().width() + ui.spacing().item_spacing.x;
    if (room_at_right(ui) - took).abs() > 0.5 {
        ui.data_mut(|data| data.insert_temp(at_right(), took));
        ui.ctx().request_repaint();
    }
    figures(ui, &status(app), failure(app), t);
}

/// As wide as there is room for.
fn palette(app: &mut App, ui: &mut Ui) {
    const NAME: &str = "Search or run a command";
    let wide = ui.ctx().content_rect().width() > 1200.0;
    let keys = shortcut_text(ui.ctx(), &Command::ShowPalette).unwrap_or_default();
    let shown = if wide { button(NAME).second(&keys) } else { icon_button(icon::SEARCH, NAME) };
    if shown.show(ui).clicked() {
        app.commands.push(Command::ShowPalette);
    }
}

/// A figure as it is shown, and said in full.
type Figure = [String; 2];

/// As many of the figures as there is room for, the first ones first; all in the
/// tooltip, in full, with why the run failed.
fn figures(ui: &mut Ui, parts: &[Figure], why: Option<&str>, t: &Tokens) {
    const BETWEEN: &str = " · ";
    const LEAST_FIGURE: f32 = 36.0;
    let room = ui.available_width();
    // Less than that says nothing; the books have it too.
    if parts.is_empty() || room < LEAST_FIGURE {
        return;
    }
    let font = fonts::regular(TEXT);
    let joined = |n: usize| {
        let shown: Vec<&str> = parts.iter().take(n).map(|[shown, _]| shown.as_str()).collect();
        shown.join(BETWEEN)
    };
    let fits = |n: &usize| {
        let text = joined(*n);
        ui.painter().layout_no_wrap(text, font.clone(), t.second).size().x <= room
    };
    let n = (1..=parts.len()).rev().find(fits).unwrap_or(1);
    let shown = text(ui, &joined(n), font.clone(), t.second);
    let all: Vec<&str> = parts.iter().map(|[_, said]| said.as_str()).collect();
    let all = all.join("\n");
    if let Some(why) = why {
        shown.on_hover_text(format!("{all}\n{}", line(why)));
    } else if parts.len() > 1 {
        shown.on_hover_text(all);
    }
}

/// Why the run failed whose figures are shown.
fn failure(app: &App) -> Option<&str> {
    let other = app.opening.path.is_some() || app.checking.is_open() || app.running.is_some();
    app.doc.run.as_ref().filter(|_| !other)?.failure()
}

fn status(app: &App) -> Vec<Figure> {
    let plain = |text: String| [text.clone(), text];
    if let Some(path) = &app.opening.path {
        return vec![plain(format!("opening {}…", crate::window::doc::file_name(path)))];
    }
    if app.checking.is_open() {
        return vec![plain("checking the pipeline…".to_owned())];
    }
    if let Some(stop) = &app.stopped {
        return vec![plain(app.stop_said(stop))];
    }
    if let Some(running) = &app.running {
        return vec![plain(running.status())];
    }
    let Some(run) = &app.doc.run else {
        let records = app.doc.recording.as_ref().map(|r| r.recording.len());
        return records.map(|n| plain(plural(n, "record"))).into_iter().collect();
    };
    let mut parts = vec![plain(plural(run.arrivals, "record"))];
    // How it ended matters more than how quick it was.
    if let Some(ended) = run.label.ended() {
        parts.push(plain(ended.to_owned()));
    }
    if let Some(end) = &run.manifest.end
        && end.seconds > 0.0
    {
        let rate = run.arrivals as f64 / end.seconds;
        let rate = short_count(rate as u64);
        parts.push([format!("{rate}/s"), format!("{rate} records a second")]);
        if end.peak_memory_bytes > 0 {
            let memory = bytes(end.peak_memory_bytes);
            parts.push([memory.clone(), format!("{memory} of memory at most")]);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_joined_inputs_each_is_named_as_long_as_that_fits() {
        assert_eq!(short("views ⋈ engagements", 40), "views ⋈ engagements");
        assert_eq!(short("views ⋈ engagements", 12), "views ⋈ eng…ts");
        let many: Vec<String> = (0..40).map(|n| format!("tenant-{n:02}")).collect();
        let many = many.join(" ⋈ ");
        assert_eq!(short(&many, 40), "tenant-00 ⋈ 39 more");
        // However little room there is, so that the pipeline can be pressed.
        assert_eq!(short(&many, LEAST), "ten…00 ⋈ 39 more");
    }
}
