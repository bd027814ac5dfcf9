//! Every command that can be asked for now, with its words: what the palette
//! searches.

use joinscope_core::engine::step::OutputKind;
use joinscope_core::run::{Direction, VerdictSet};
use joinscope_operator::verdict::Verdict;

use super::{Asked, Command, Export, bindings};
use crate::window::app::App;
use crate::window::axis::Scale;
use crate::window::cursor::Speed;
use crate::window::doc::file_name;
use crate::window::panel::Panel;
use crate::window::panels::choose::Chosen as _;
use crate::window::panels::outputs::kind_name;
use crate::window::start::was_open;
use crate::window::text;
use crate::window::theme::ThemeChoice;

/// A line of the palette.
#[derive(Clone, Debug)]
pub struct Entry {
    pub group: &'static str,
    pub title: String,
    /// Said at its right: where a file lies, what a run changed.
    pub note: String,
    pub does: Does,
}

/// What choosing it does.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    Now(Command),
    /// It needs to be told more.
    Ask(Asked),
}

/// What there is to do now.
#[must_use]
pub fn entries(app: &App) -> Vec<Entry> {
    let mut list = List::default();
    // The palette is in front already.
    let mut seen = vec![Command::ShowPalette];
    for bound in bindings() {
        if is_possible(app, &bound.command) && !seen.contains(&bound.command) {
            list.now(bound.group, bound.title, bound.command.clone());
            seen.push(bound.command);
        }
    }
    cursor(app, &mut list);
    records(app, &mut list);
    marks(app, &mut list);
    view(app, &mut list);
    compare(app, &mut list);
    breakpoints(app, &mut list);
    files(app, &mut list);
    list.entries
}

/// Entries as they are gathered.
#[derive(Default)]
pub(super) struct List {
    pub entries: Vec<Entry>,
}

impl List {
    pub fn now(&mut self, group: &'static str, title: impl Into<String>, command: Command) {
        self.noted(group, title, "", command);
    }

    pub fn noted(
        &mut self,
        group: &'static str,
        title: impl Into<String>,
        note: impl Into<String>,
        command: Command,
    ) {
        let (title, note) = (title.into(), note.into());
        self.entries.push(Entry { group, title, note, does: Does::Now(command) });
    }

    fn ask(&mut self, group: &'static str, title: &str, asked: Asked) {
        let (title, note) = (title.to_owned(), String::new());
        self.entries.push(Entry { group, title, note, does: Does::Ask(asked) });
    }
}

/// Whether a command with a shortcut does anything now.
fn is_possible(app: &App, command: &Command) -> bool {
    match command {
        Command::Close => !app.doc.is_empty(),
        Command::Export(Export::Incident) => app.doc.recording.is_some(),
        Command::Run(_) => {
            app.doc.pipeline.is_some() && app.doc.recording.is_some() && app.running.is_none()
        }
        Command::EditPipeline => app.doc.pipeline.is_some(),
        Command::GoOn => app.stopped.is_some(),
        Command::NextHit(_) => {
            app.doc.run.is_some()
                && !app.doc.in_progress
                && app.breakpoints.list().iter().any(|b| b.enabled)
        }
        Command::TogglePlay
        | Command::Step(_)
        | Command::Start
        | Command::End
        | Command::RangeFromHere
        | Command::RangeToHere
        | Command::EditBookmark(_) => app.cursor.len() > 0,
        Command::Undo => app.undo.can_undo(),
        Command::Redo => app.undo.can_redo(),
        Command::NextOpen(_) => app.open.next(Direction::Forward).is_some(),
        Command::Back => app.history.can_go_back(),
        Command::Forward => app.history.can_go_forward(),
        Command::NextBookmark(_) => !app.bookmarks.list().is_empty(),
        _ => true,
    }
}

fn cursor(app: &App, list: &mut List) {
    if app.cursor.len() == 0 {
        return;
    }
    list.ask("Cursor", "Go to an arrival, a time or a record…", Asked::GoTo);
    list.ask("Cursor", "Play at another speed…", Asked::Speed);
    for speed in Speed::ALL {
        if app.cursor.speed != speed {
            list.now("Cursor", format!("Play at {}", speed.label()), Command::Speed(speed));
        }
    }
    // Event time has a command of its own, which needs a run.
    for scale in [Scale::Arrival, Scale::ArrivalTime] {
        if app.scale != scale || app.event_time {
            let title = format!("Show the clock as {}", scale.name());
            list.now("Cursor", title, Command::Scale(scale));
        }
    }
    if app.doc.run.is_some() && !app.event_time {
        list.now("Cursor", "Show the clock as event time", Command::EventTimeClock);
    }
    if app.view.is_some() {
        list.now("View", "Show the whole run on the time axes", Command::View(None));
    }
}

fn records(app: &App, list: &mut List) {
    if app.doc.run.is_none() {
        return;
    }
    for verdict in Verdict::ALL {
        let set = VerdictSet::of(verdict);
        let title = format!("Next {verdict}");
        list.now("Records", title, Command::Next(set, Direction::Forward));
        let title = format!("Previous {verdict}");
        list.now("Records", title, Command::Next(set, Direction::Backward));
        list.now("Records", format!("Show only {verdict}"), Command::Filter(set));
    }
    if !app.panels.records.filter().is_empty() {
        list.now("Records", "Show all verdicts", Command::Filter(VerdictSet::EMPTY));
    }
    let table = &app.panels.records;
    let filtered =
        !table.filter().is_empty() || !table.search().is_empty() || !table.conditions().is_empty();
    if filtered {
        list.now("Records", "Clear the whole filter", Command::ClearFilter);
    }
    list.ask("Records", "Search the records…", Asked::Search);
    list.ask("Records", "Filter the records by conditions…", Asked::Where);
    if app.panels.outputs.is_filtered() {
        list.now("Outputs", "Clear the filter of the outputs", Command::ClearOutputsFilter);
    }
    if app.doc.run.as_ref().is_some_and(|run| run.outputs > 0) {
        for kind in [OutputKind::Pair, OutputKind::Pad, OutputKind::Example] {
            let title = format!("Show only outputs of the kind {}", kind_name(kind, 0));
            list.now("Outputs", title, Command::FilterOutputs(kind));
        }
    }
    columns(app, list);
    list.ask("Lines", "Pin the line of a partition…", Asked::PinLine);
    if app.panels.watermarks.pinned(app.doc.since).is_some() {
        list.now("Lines", "Let the pinned line go", Command::PinLine(None));
    }
    list.ask(
        "Late",
        "Count what would be late at another out-of-orderness…",
        Asked::OutOfOrderness,
    );
    list.ask("Late", "Choose whose out-of-orderness is changed…", Asked::OutOfOrdernessOf);
    if app.selection.is_some() {
        list.now("Selection", "Select nothing", Command::Select(None, None));
    }
}

/// The columns of the tables whose columns are chosen.
fn columns(app: &App, list: &mut List) {
    let (records, outputs) = (&app.panels.records, &app.panels.outputs);
    let tables = [
        (Panel::Records, "records", records.offered(), records.has_own_columns()),
        (Panel::Outputs, "outputs", outputs.offered(), outputs.has_own_columns()),
    ];
    for (panel, table, columns, own) in tables {
        let group = panel.title();
        for column in columns {
            let verb = if column.shown { "Hide" } else { "Show" };
            let title = format!("{verb} the column {} of the {table}", column.title);
            list.now(group, title, Command::Column(panel, column.kept, !column.shown));
        }
        let title = format!("Show a field as a column of the {table}…");
        list.ask(group, &title, Asked::FieldColumn(panel));
        if own {
            let title = format!("Show the columns of the {table} as at first");
            list.now(group, title, Command::FirstColumns(panel));
        }
    }
}

fn marks(app: &App, list: &mut List) {
    if app.cursor.len() == 0 {
        return;
    }
    list.ask("Range", "Mark a range from one arrival or time to another…", Asked::Range);
    if let Some(range) = app.range.marked {
        list.noted("Range", "Clear the range", range.label(), Command::ClearRange);
        let (looped, filters) = (app.range.looped, app.range.filters);
        let title = if looped { "Play past the range" } else { "Loop the range" };
        list.now("Range", title, Command::Loop(!looped));
        let title = if filters {
            "Show records outside the range"
        } else {
            "Show only what is in the range"
        };
        list.now("Range", title, Command::FilterToRange(!filters));
        let view = Command::View(Some((range.from(), range.to())));
        list.now("Range", "Show the range on the time axes", view);
    }
    list.ask("Bookmarks", "Add a bookmark with a note…", Asked::Note);
    for bookmark in app.bookmarks.list() {
        let note = format!("arrival {}", text::thousands(bookmark.at));
        let title = text::line(&bookmark.title()).into_owned();
        let remove = format!("Remove the bookmark {title}");
        let edit = format!("Edit the note of the bookmark {title}");
        list.noted("Bookmarks", title, &note, Command::GoToBookmark(bookmark.id));
        list.noted("Bookmarks", edit, &note, Command::EditBookmark(Some(bookmark.id)));
        list.noted("Bookmarks", remove, note, Command::RemoveBookmark(bookmark.id));
    }
}

fn breakpoints(app: &App, list: &mut List) {
    // Also before anything ran: the first run stops there.
    if Panel::Breakpoints.is_met_by(&app.doc) {
        list.ask("Run", "Add a breakpoint…", Asked::Breakpoint);
    }
    for breakpoint in app.breakpoints.list() {
        let (id, on, condition) = (breakpoint.id, breakpoint.enabled, &breakpoint.condition);
        let verb = if on { "Disable" } else { "Enable" };
        let title = format!("{verb} the breakpoint {condition}");
        list.now("Run", title, Command::EnableBreakpoint(id, !on));
        let title = format!("Remove the breakpoint {condition}");
        list.now("Run", title, Command::RemoveBreakpoint(id));
    }
}

fn view(app: &App, list: &mut List) {
    for panel in Panel::ALL {
        if panel.is_met_by(&app.doc) {
            let about = panel.about();
            let (verb, command) = if app.layout.is_in_sight(panel) {
                ("Hide", Command::HidePanel(panel))
            } else {
                ("Show", Command::ShowPanel(panel))
            };
            list.noted("Panels", format!("{verb} {}", about.title), about.says, command);
        }
    }
    let movable = movable(app);
    for panel in movable.iter().filter(|_| movable.len() > 1) {
        list.ask("Panels", &format!("Move {}…", panel.title()), Asked::MovePanel(*panel));
    }
    for theme in ThemeChoice::ALL {
        if app.settings.theme != theme {
            let title = format!("Colours: {}", theme.name().to_lowercase());
            list.now("View", title, Command::Theme(theme));
        }
    }
    if !app.doc.is_empty() {
        layouts(app, list);
    }
    exports(app, list);
    list.ask("View", "Show times in another zone…", Asked::Zone);
    list.ask("View", "Show the window at another size…", Asked::WindowScale);
    list.ask("View", "Show text in another font…", Asked::TextFont);
    list.ask("View", "Show figures in another font…", Asked::FiguresFont);
    list.ask("Memory", "Change the memory for answers…", Asked::CacheMemory);
    list.ask("Memory", "Change the memory for runs…", Asked::RunMemory);
    list.now("Help", "Errors since the window was opened", Command::ShowErrors);
    list.now("Help", "About Joinscope", Command::ShowAbout);
}

/// Panels that can be moved, and against which others can be: those in sight first.
pub(super) fn movable(app: &App) -> Vec<Panel> {
    let mut all = app.layout.standing();
    all.retain(|panel| panel.is_met_by(&app.doc));
    all.sort_by_key(|panel| !app.layout.is_in_sight(*panel));
    all
}

fn exports(app: &App, list: &mut List) {
    if app.exports.is_busy() {
        list.now("Export", "Cancel the export", Command::CancelExport);
    }
    for panel in Panel::ALL.into_iter().filter(|p| p.is_met_by(&app.doc)) {
        let title = panel.title();
        if app.doc.run.is_some() {
            if panel.has_lines() {
                let what = Command::Export(Export::Lines(panel));
                list.now("Export", format!("Export the lines over time of {title}…"), what);
            }
            let what = Command::Export(Export::Data(panel));
            list.now("Export", format!("Export the rows of {title}…"), what);
        }
        if app.layout.is_in_sight(panel) {
            let what = Command::Export(Export::Picture(panel));
            list.now("Export", format!("Save a picture of {title}…"), what);
        }
    }
}

fn layouts(app: &App, list: &mut List) {
    list.now("Layout", "Reset the layout", Command::ResetLayout);
    list.ask("Layout", "Save the layout as…", Asked::LayoutName);
    for named in app.layouts.saved() {
        let name = &named.name;
        list.now("Layout", format!("Use layout {name}"), Command::UseLayout(name.clone()));
        list.ask("Layout", &format!("Rename layout {name}…"), Asked::RenameLayout(name.clone()));
        list.now("Layout", format!("Delete layout {name}"), Command::DeleteLayout(name.clone()));
    }
}

/// Other runs to compare the one in front with.
pub(super) fn compared(app: &App, list: &mut List) {
    let Some(run) = &app.doc.run else { return };
    let mut seen = vec![run.dir.as_path()];
    for label in &app.doc.runs {
        if !seen.contains(&label.dir.as_path()) {
            seen.push(&label.dir);
            let title = format!("Compare with {}", label.name);
            list.noted("Compare", title, &label.settings, Command::Compare(label.dir.clone()));
        }
    }
    for doc in app.open.list() {
        if doc.is_run(&app.settings) && !seen.contains(&doc.at.path.as_path()) {
            let title = format!("Compare with {}", doc.title());
            list.noted("Compare", title, &doc.note, Command::Compare(doc.at.path.clone()));
        }
    }
}

fn compare(app: &App, list: &mut List) {
    if app.doc.run.is_none() {
        return;
    }
    compared(app, list);
    list.ask("Compare", "Compare with another run…", Asked::CompareWith);
    if app.panels.compare.other().is_some() {
        list.now("Compare", "Open the run that is compared with", Command::OpenCompared);
        list.ask("Compare", "List one kind of difference…", Asked::Difference);
    }
    if app.panels.semantics.is_running() {
        list.now("Compare", "Cancel the four runs", Command::CancelSemantics);
    } else if app.doc.pipeline.is_some() && app.doc.recording.is_some() {
        list.now("Compare", "Run under all four semantics", Command::RunSemantics);
    }
    if app.doc.pipeline.is_some() && app.doc.recording.is_some() && app.running.is_none() {
        list.ask("Compare", "Change one setting, run again and compare…", Asked::Setting);
        let title = "Edit the pipeline, run again and compare";
        list.now("Compare", title, Command::ChangeAndCompare);
    }
}

fn files(app: &App, list: &mut List) {
    // With something open it would take that one's place.
    if app.doc.is_empty() {
        for (n, left) in app.left.iter().enumerate() {
            let what = was_open(&left.session).unwrap_or_default();
            let title = "Restore the session that did not end";
            list.noted("File", title, &what, Command::Restore(n, true));
            let title = "Forget the session that did not end";
            list.noted("File", title, what, Command::Restore(n, false));
        }
        if app.left.is_empty() && app.last.is_some() {
            list.now("File", "Continue where you were", Command::Continue);
        }
    }
    if app.running.is_some() {
        list.now("Run", "Cancel the run", Command::CancelRun);
    }
    for (n, doc) in app.open.list().iter().enumerate() {
        if app.open.front() != Some(n) {
            let path = doc.at.path.clone();
            list.noted("Open", format!("Go to {}", doc.title()), &doc.note, Command::Open(path));
            list.noted("Open", format!("Close {}", doc.title()), &doc.note, Command::CloseOpen(n));
        }
    }
    if let Some(incident) = app.incident.as_ref().filter(|i| i.is_about(&app.doc)) {
        list.now("File", "About the incident that is open", Command::ShowIncident);
        if !incident.quiet {
            list.now("File", "Close the line of the incident", Command::CloseIncident);
        }
    }
    let open = app.doc.run.as_ref().map(|r| &r.dir);
    for label in &app.doc.runs {
        if open != Some(&label.dir) {
            let title = format!("Open {}", label.name);
            list.noted("Run", title, &label.settings, Command::Open(label.dir.clone()));
        }
    }
    if app.doc.recording.is_some() {
        list.now("File", "New pipeline from the recording…", Command::NewPipeline);
    }
    list.now("File", "Reset the settings to their defaults", Command::ResetSettings);
    list.now("File", "Open the sample", Command::OpenSample);
    for path in &app.settings.recent {
        let folder = path.parent().map(|p| p.display().to_string()).unwrap_or_default();
        let title = format!("Open {}", text::line(&file_name(path)));
        list.noted("Recent", title, text::line(&folder), Command::Open(path.clone()));
    }
}
