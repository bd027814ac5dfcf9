//! The window's one list of commands: buttons, shortcuts, drops and tests act
//! through it, and nothing else changes what is open, the cursor or the
//! selection.

use std::path::PathBuf;

use egui::{Key, KeyboardShortcut, Modifiers};
use joinscope_core::run::{Direction, VerdictSet};
use joinscope_operator::record::{Arrival, RecordName};

use super::axis::Scale;
use super::cursor::Speed;
use super::layout::Panel;
use super::selection::Selection;
use super::times::Zone;

/// One thing that the user can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Shows the dialog that opens files.
    ShowOpen,
    /// Opens a recording (.mcap), a pipeline (.toml) or a run folder.
    Open(PathBuf),
    /// Opens several that were dropped together.
    OpenAll(Vec<PathBuf>),
    /// Opens the sample that ships.
    OpenSample,
    /// Back to the start page.
    Close,
    /// Restores the session that did not end, or forgets it.
    Restore(bool),
    /// Chooses the recording that the pipeline at hand runs over.
    UseRecording(PathBuf),
    /// Runs the pipeline at hand over the recording at hand, with settings
    /// changed as `path = value`. Asks first where the check says no.
    Run(Vec<(String, String)>),
    /// Runs although the check says no.
    RunAnyway,
    /// Forgets the run that was about to start.
    DoNotRun,
    CancelRun,
    ToggleTheme,
    Zoom(i8),
    ShowErrors,
    ShowAbout,
    ShowPanel(Panel),
    Quit,

    GoTo(Arrival),
    Step(i64),
    Start,
    End,
    TogglePlay,
    Speed(Speed),
    Zone(Zone),
    Scale(Scale),
    /// To the next row with such a verdict, selecting it.
    Next(VerdictSet, Direction),
    /// Shows this range of arrivals on every time axis; `None`: all.
    View(Option<(Arrival, Arrival)>),

    /// Selects; the cursor goes to the arrival where one is given.
    Select(Option<Selection>, Option<Arrival>),
    /// Selects a record by its name, in every input that took it: the first.
    SelectRecord(RecordName),
    Back,
    Forward,

    /// Shows only such verdicts in the records table.
    Filter(VerdictSet),
    /// Shows only records whose key or name contains this.
    Search(String),
    /// Shows what hides the selection: all.
    ClearFilter,
    /// Shows only records that meet conditions, as `verdicts --where` takes
    /// them; empty: all.
    Where(String),
    Copy(String),
    /// Something went wrong: where, and what.
    Said(String, String),

    /// Asks where to export to.
    Export(Export),
    /// Writes a file; the last: also where there is one already.
    ExportTo(Export, PathBuf, bool),
    CancelExport,
}

/// What can be written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// The rows that a panel shows.
    Data(Panel),
    Picture(Panel),
}

impl Export {
    #[must_use]
    pub fn panel(self) -> Panel {
        match self {
            Self::Data(panel) | Self::Picture(panel) => panel,
        }
    }
}

/// Commands with a shortcut.
#[must_use]
pub fn shortcuts() -> Vec<(KeyboardShortcut, Command)> {
    let ctrl = |key| KeyboardShortcut::new(Modifiers::COMMAND, key);
    let plain = |key| KeyboardShortcut::new(Modifiers::NONE, key);
    let alt = |key| KeyboardShortcut::new(Modifiers::ALT, key);
    vec![
        (ctrl(Key::O), Command::ShowOpen),
        (ctrl(Key::R), Command::Run(Vec::new())),
        (ctrl(Key::Q), Command::Quit),
        (ctrl(Key::Plus), Command::Zoom(1)),
        (ctrl(Key::Minus), Command::Zoom(-1)),
        (ctrl(Key::Num0), Command::Zoom(0)),
        (alt(Key::ArrowLeft), Command::Back),
        (alt(Key::ArrowRight), Command::Forward),
        (plain(Key::Space), Command::TogglePlay),
        (plain(Key::ArrowLeft), Command::Step(-1)),
        (plain(Key::ArrowRight), Command::Step(1)),
        (plain(Key::Home), Command::Start),
        (plain(Key::End), Command::End),
    ]
}

/// The shortcut of a command, as it is written in menus.
#[must_use]
pub fn shortcut_text(ctx: &egui::Context, command: &Command) -> Option<String> {
    shortcuts().iter().find(|(_, c)| c == command).map(|(s, _)| ctx.format_shortcut(s))
}

/// Takes the shortcuts that were pressed. Keys without a modifier belong to
/// whatever has the focus.
#[must_use]
pub fn pressed(ctx: &egui::Context) -> Vec<Command> {
    let focused = ctx.memory(|m| m.focused().is_some());
    shortcuts()
        .into_iter()
        .filter(|(s, _)| s.modifiers != Modifiers::NONE || !focused)
        .filter(|(s, _)| ctx.input_mut(|i| i.consume_shortcut(s)))
        .map(|(_, command)| command)
        .collect()
}
