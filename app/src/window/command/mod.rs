//! The window's one list of commands: buttons, shortcuts, drops and tests act
//! through it, and nothing else changes what is open, the cursor or the
//! selection.

mod answers;
mod catalogue;
mod destination;
mod keys;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use answers::{Asked, suggestions};
pub use catalogue::{Does, Entry, entries};
pub use destination::destination;
pub use keys::{asks_for_text, bindings, keys_text, pressed, shortcut_text};

use joinscope_core::engine::breakpoint::Condition;
use joinscope_core::engine::step::OutputKind;
use joinscope_core::run::{Direction, VerdictSet};
use joinscope_operator::record::{Arrival, RecordName};

use crate::window::axis::Scale;
use crate::window::cursor::Speed;
use crate::window::layout::Dock;
use crate::window::panel::Panel;
use crate::window::panels::compare::Choice;
use crate::window::selection::Selection;
use crate::window::theme::ThemeChoice;
use crate::window::times::Zone;

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
    /// Closes what is in front.
    Close,
    /// Closes the one at this place of what is open.
    CloseOpen(usize),
    /// Brings the next of what is open to the front.
    NextOpen(Direction),
    /// Opens again what the last session had open.
    Continue,
    /// Restores one of the sessions that did not end, or forgets it.
    Restore(usize, bool),
    /// Chooses the recording that the pipeline at hand runs over.
    UseRecording(PathBuf),
    /// Runs the pipeline at hand over the recording at hand, with settings
    /// changed as `path = value`. Asks first where the check says no.
    Run(Vec<(String, String)>),
    /// Runs a pipeline as it was edited, with these overrides and no others.
    RunEdited {
        file: String,
        text: String,
        overrides: Vec<(String, String)>,
    },
    /// The form and the TOML of the pipeline at hand.
    EditPipeline,
    /// Proposes a pipeline from the recording at hand, and edits it.
    NewPipeline,
    /// What the pipeline's file says is what is open; it has to say this.
    TakeFile(String),
    /// Compares the run in front with the one in this folder.
    Compare(PathBuf),
    /// Edits the pipeline; the run that follows is compared with this one.
    ChangeAndCompare,
    /// Runs with settings changed, and compares with the run in front.
    RunAndCompare(Vec<(String, String)>),
    /// Brings the run that is compared with to the front, at the same record.
    OpenCompared,
    /// Lists one kind of difference between the two runs.
    ListDifference(Choice),
    /// Brings a run to the front, then does these.
    OpenThen(PathBuf, Vec<Command>),
    /// A run stops where this is met.
    AddBreakpoint(Condition),
    EnableBreakpoint(u64, bool),
    RemoveBreakpoint(u64),
    /// The run that waits at a breakpoint goes on.
    GoOn,
    /// To where an enabled breakpoint is met next, in a run that was kept.
    NextHit(Direction),
    /// Runs the pipeline at hand under all four semantics.
    RunSemantics,
    CancelSemantics,
    /// Runs although the check says no.
    RunAnyway,
    /// Forgets the run that was about to start.
    DoNotRun,
    CancelRun,
    ToggleTheme,
    Theme(ThemeChoice),
    /// Of the whole window, percent.
    ScaleTo(u16),
    /// A family of the system's fonts; empty: the window's own.
    TextFont(String),
    /// The same for figures and names of records.
    FiguresFont(String),
    ShowSettings,
    /// MiB that the answers of the open run may take.
    CacheMemory(u32),
    /// MiB of state that a run of the window keeps in memory.
    RunMemory(u32),
    ResetSettings,
    Zoom(i8),
    /// Every command, to search.
    ShowPalette,
    /// The palette, at a question.
    Ask(Asked),
    /// Every command that has a shortcut.
    ShowShortcuts,
    ShowErrors,
    ShowAbout,
    /// Shows a panel, before its neighbours.
    ShowPanel(Panel),
    /// Moves the first panel against the second.
    MovePanel(Panel, Dock, Panel),
    /// Takes back the last change of layout.
    Undo,
    Redo,
    ResetLayout,
    SaveLayout(String),
    UseLayout(String),
    RenameLayout(String, String),
    DeleteLayout(String),
    HidePanel(Panel),
    /// Hides a panel that is in sight, shows any other.
    TogglePanel(Panel),
    Quit,

    GoTo(Arrival),
    Step(i64),
    Start,
    End,
    TogglePlay,
    Speed(Speed),
    Zone(Zone),
    /// The clock of the time axes and of the clock bar.
    Scale(Scale),
    /// The clock bar shows event time: the join's event-time watermark.
    EventTimeClock,
    /// To the next row with such a verdict, selecting it.
    Next(VerdictSet, Direction),
    /// Shows this range of arrivals on every time axis; `None`: all.
    View(Option<(Arrival, Arrival)>),

    /// Marks the arrivals between these two, both in.
    SetRange(Arrival, Arrival),
    ClearRange,
    /// The range begins at the cursor.
    RangeFromHere,
    /// The range ends at the cursor.
    RangeToHere,
    /// Playing goes round the range, or no longer.
    Loop(bool),
    /// Tables show only what is in the range, or all.
    FilterToRange(bool),

    /// Asks for a note to the bookmark at the cursor, or to this one.
    EditBookmark(Option<u64>),
    /// A bookmark at the cursor, with a note.
    AddBookmark(String),
    /// Adds one there, wherever the cursor is by then.
    AddBookmarkAt(Arrival, String),
    SetNote(u64, String),
    RemoveBookmark(u64),
    /// The cursor goes to a bookmark.
    GoToBookmark(u64),
    NextBookmark(Direction),

    /// Selects; the cursor goes to the arrival where one is given.
    Select(Option<Selection>, Option<Arrival>),
    /// Selects a record by its name, in every input that took it: the first.
    SelectRecord(RecordName),
    Back,
    Forward,

    /// Shows only such verdicts in the records table.
    Filter(VerdictSet),
    /// Shows only outputs of this kind.
    FilterOutputs(OutputKind),
    /// Shows only records whose key or name contains this.
    Search(String),
    /// Shows what hides the selection: all.
    ClearFilter,
    /// The same for an output: all outputs.
    ClearOutputsFilter,
    /// Shows only records that meet conditions, as `verdicts --where` takes
    /// them; empty: all.
    Where(String),
    /// Shows a column of the records or of the outputs, by the name that a view keeps, or
    /// hides it.
    Column(Panel, String, bool),
    /// The columns of the records or of the outputs as at first.
    FirstColumns(Panel),
    /// Pins the line of a lane's event-time watermark; `None`: lets it go.
    PinLine(Option<u32>),
    /// Moves the slider of the late events to an out-of-orderness, ms.
    OutOfOrderness(i64),
    /// Whose out-of-orderness that slider changes: an input's; `None`: every input's.
    OutOfOrdernessOf(Option<u8>),
    Copy(String),
    /// Something went wrong: where, and what.
    Said(String, String),

    /// What is said of the incident that is open, and what became of its run.
    ShowIncident,
    /// Closes the line about it.
    CloseIncident,
    /// The notes that an incident file gets.
    SetNotes(String),
    /// Asks where to export to.
    Export(Export),
    /// Writes a file; the last: also where there is one already.
    ExportTo(Export, PathBuf, bool),
    /// After the next export, a panel's rows as well.
    ExportFigures(Panel, PathBuf),
    /// Ends the export, or forgets how it ended.
    CancelExport,
}

/// What can be written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// The rows that a panel shows.
    Data(Panel),
    /// The figures of its picture: its lines over time where its rows are
    /// something else ([`Panel::has_lines`]).
    Lines(Panel),
    Picture(Panel),
    /// All that is open, in one file.
    Incident,
}

impl Export {
    /// The panel that it is of.
    #[must_use]
    pub fn panel(self) -> Option<Panel> {
        match self {
            Self::Data(panel) | Self::Lines(panel) | Self::Picture(panel) => Some(panel),
            Self::Incident => None,
        }
    }
}
