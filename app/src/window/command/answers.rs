//! What the palette asks where a command needs to be told more, and what is
//! typed there may mean.

use std::ops::RangeInclusive;

use joinscope_core::analyses::compare::Kind;
use joinscope_operator::pipeline::{Pipeline, parse_set};
use joinscope_operator::record::Arrival;
use joinscope_operator::time::{format_duration, parse_duration};
use joinscope_operator::verdict::Verdict;

use super::catalogue::{Entry, List, compared, movable};
use super::{Command, destination};
use crate::cli::filter::Filter;
use crate::window::app::App;
use crate::window::cursor::Speed;
use crate::window::layout::Dock;
use crate::window::panel::Panel;
use crate::window::panels::choose::{Chosen as _, check_path, kept_field};
use crate::window::panels::compare::{Choice, Outputs, word};
use crate::window::panels::late::slider_at;
use crate::window::panels::watermarks::say::called_in;
use crate::window::range::ArrivalRange;
use crate::window::settings::Settings;
use crate::window::text;
use crate::window::times::{Zone, zone_names};

/// What is asked for, in the palette itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    GoTo,
    /// Of playing.
    Speed,
    /// From one arrival or time to another.
    Range,
    Zone,
    WindowScale,
    TextFont,
    FiguresFont,
    CacheMemory,
    RunMemory,
    Note,
    Search,
    /// Conditions on the records.
    Where,
    /// Of which partition.
    PinLine,
    /// At which it is counted what would be late.
    OutOfOrderness,
    /// Of which input it is the out-of-orderness.
    OutOfOrdernessOf,
    /// Which field this table shows as a column.
    FieldColumn(Panel),
    LayoutName,
    /// Another name for this one.
    RenameLayout(String),
    /// Where this one goes.
    MovePanel(Panel),
    CompareWith,
    /// Which kind of difference is listed.
    Difference,
    /// What a run is to stop at.
    Breakpoint,
    /// A setting of the pipeline, changed for a run that is compared.
    Setting,
}

impl Asked {
    /// The field's hint.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::GoTo => "Arrival, time, or record: 48,117 · 08:13:21 · views[1]@391204",
            Self::Speed => "500/s, 2.5x, or 30 s for the whole run",
            Self::Range => "12,000 to 14,000 · 08:13 to 08:15",
            Self::WindowScale => "Percent of the usual size: 125",
            Self::TextFont => "A family as the system names it: DejaVu Sans",
            Self::FiguresFont => "A family as the system names it: DejaVu Sans Mono",
            Self::CacheMemory | Self::RunMemory => "MiB: 512",
            Self::MovePanel(_) => "Below Timeline, left of Records, into the tabs of Outputs",
            Self::Difference => "Pairs, examples, or two verdicts: joined late",
            Self::Zone => "UTC, local, or an IANA name: Europe/Berlin",
            Self::Note => "What happens here",
            Self::LayoutName => "Name of the layout",
            Self::RenameLayout(_) => "Another name for the layout",
            Self::Breakpoint => "verdict=late, key=42, late_by>40s, stalled>30s, state>64MB",
            Self::CompareWith => "Name of a run, or the path of its folder",
            Self::Setting => "join.with.engagements.until = 10m",
            Self::Search => "Part of a key or of a record's name",
            Self::PinLine => "Topic and partition: views[13]",
            Self::OutOfOrderness => "How much later than the latest before: 90s, 5m, 1h",
            Self::OutOfOrdernessOf => "An input, or every input",
            Self::FieldColumn(Panel::Outputs) => "Path of a field: value.views.item",
            Self::FieldColumn(_) => "Path of a field of the value: user.id",
            Self::Where => "late_by>5s, key~53, value.kind=like",
        }
    }

    /// Where the answers are names that what is typed is looked for in: what is
    /// said where none is like it.
    #[must_use]
    pub fn none_found(&self) -> Option<&'static str> {
        match self {
            Self::Zone => Some("This machine knows no such time zone"),
            Self::MovePanel(_) => Some("No panel that is shown is called that"),
            Self::PinLine => Some("No partition is called that"),
            Self::OutOfOrdernessOf => Some("No input is called that"),
            Self::Difference => Some("There is no such kind of difference"),
            _ => None,
        }
    }
}

/// What the typed text may mean as an answer, the likeliest first; where it
/// means nothing, why.
pub fn suggestions(app: &App, asked: &Asked, typed: &str) -> Result<Vec<Entry>, String> {
    let mut list = List::default();
    let typed = typed.trim();
    match asked {
        Asked::GoTo => {
            for (title, command) in destination(app, typed) {
                list.now("Cursor", title, command);
            }
            if list.entries.is_empty() && !typed.is_empty() {
                return Err(format!(
                    "No arrival below {}, no time and no record's name",
                    text::thousands(app.cursor.len())
                ));
            }
        }
        Asked::LayoutName
        | Asked::RenameLayout(_)
        | Asked::Setting
        | Asked::Breakpoint
        | Asked::Speed
        | Asked::Range
        | Asked::OutOfOrderness
        | Asked::FieldColumn(_)
        | Asked::WindowScale
        | Asked::CacheMemory
        | Asked::RunMemory
            if typed.is_empty() => {}
        Asked::Speed => {
            let speed: Speed = typed.parse()?;
            list.now("Cursor", format!("Play at {}", speed.label()), Command::Speed(speed));
        }
        Asked::Range => {
            let range = range(app, typed).ok_or_else(|| {
                let last = text::thousands(app.cursor.len());
                format!("Write both ends, arrivals below {last} or times: 12,000 to 14,000")
            })?;
            let title = format!("Mark the range {}", range.label());
            list.now("Range", title, Command::SetRange(range.from(), range.to()));
        }
        Asked::WindowScale => {
            let percent = whole(typed, "%", Settings::SCALES)?;
            let title = format!("Show the window at {percent} %");
            list.now("View", title, Command::ScaleTo(percent));
        }
        Asked::CacheMemory => {
            let mib = whole(typed, "MiB", Settings::CACHE)?;
            let title = format!("Let answers take {} MiB", text::thousands(mib.into()));
            list.now("Memory", title, Command::CacheMemory(mib));
        }
        Asked::RunMemory => {
            let mib = whole(typed, "MiB", Settings::RUN)?;
            let title = format!("Let runs keep {} MiB in memory", text::thousands(mib.into()));
            list.now("Memory", title, Command::RunMemory(mib));
        }
        Asked::TextFont => {
            list.now("View", font("text", typed), Command::TextFont(typed.to_owned()));
        }
        Asked::FiguresFont => {
            list.now("View", font("figures", typed), Command::FiguresFont(typed.to_owned()));
        }
        Asked::MovePanel(panel) => docks(app, *panel, &mut list),
        Asked::Difference => differences(app, &mut list),
        Asked::Zone => {
            list.now("View", "UTC", Command::Zone(Zone::Utc));
            list.now("View", "Local time", Command::Zone(Zone::Local));
            for name in zone_names() {
                list.now("View", name.as_str(), Command::Zone(Zone::Named(name.clone())));
            }
        }
        Asked::Note => {
            let at = text::thousands(app.cursor.at());
            let title = format!("Bookmark arrival {at}");
            list.noted("Bookmarks", title, typed, Command::AddBookmark(typed.to_owned()));
        }
        Asked::LayoutName => {
            let there = app.layouts.replaces(typed);
            let verb = if there { "Replace" } else { "Save" };
            let title = format!("{verb} the layout {typed:?}");
            list.now("Layout", title, Command::SaveLayout(typed.to_owned()));
        }
        Asked::RenameLayout(old) => {
            let title = format!("Rename {old:?} to {typed:?}");
            list.now("Layout", title, Command::RenameLayout(old.clone(), typed.to_owned()));
        }
        Asked::Breakpoint => {
            let condition: joinscope_core::engine::breakpoint::Condition = typed.parse()?;
            let title = format!("Stop at {condition}");
            list.now("Run", title, Command::AddBreakpoint(condition));
        }
        Asked::CompareWith => {
            compared(app, &mut list);
            let lower = typed.to_lowercase();
            list.entries.retain(|e| {
                e.title.to_lowercase().contains(&lower) || e.note.to_lowercase().contains(&lower)
            });
            if typed.contains(['/', '\\', '~']) {
                let path = crate::window::dialogs::expand(typed);
                let title = format!("Compare with the run in {typed}");
                list.now("Compare", title, Command::Compare(path));
            }
            if list.entries.is_empty() {
                return Err("No run is called that: write the path of its folder".to_owned());
            }
        }
        Asked::Setting => {
            let set = parse_set(typed)?;
            let (path, value) = (set.0.trim().to_owned(), set.1.trim().to_owned());
            if let Some(pipeline) = &app.doc.pipeline {
                // Said while it is typed, not after it was asked for.
                let one = [(path.clone(), value.clone())];
                Pipeline::parse_with(&pipeline.text, &pipeline.file, &one)
                    .map_err(|e| e.to_string())?;
            }
            let title = format!("Run with {path} = {value} and compare");
            list.now("Compare", title, Command::RunAndCompare(vec![(path, value)]));
        }
        Asked::Where => {
            let title = match typed {
                "" => "Show records whatever they meet".to_owned(),
                _ => typed.parse::<Filter>().map(|_| format!("Show records that meet {typed}"))?,
            };
            list.now("Records", title, Command::Where(typed.to_owned()));
        }
        Asked::PinLine => {
            if let Some(run) = &app.doc.run {
                let start = &run.manifest.start;
                for lane in 0..start.lanes.len() as u32 {
                    let title = format!("Pin the line of {}", called_in(start, lane));
                    list.now("Lines", title, Command::PinLine(Some(lane)));
                }
            }
        }
        Asked::OutOfOrderness => {
            let ms = parse_duration(typed).map_err(|e| e.to_string())?;
            if ms < 0 {
                return Err("An out-of-orderness is 0 or more".to_owned());
            }
            let title = format!("Count what would be late at {}", format_duration(slider_at(ms)));
            list.now("Late", title, Command::OutOfOrderness(ms));
        }
        Asked::OutOfOrdernessOf => {
            list.now("Late", "Every input", Command::OutOfOrdernessOf(None));
            let inputs = app.doc.run.as_ref().map(|run| run.manifest.start.inputs.as_slice());
            for (n, input) in (0..).zip(inputs.unwrap_or_default()) {
                let command = Command::OutOfOrdernessOf(Some(n));
                list.now("Late", input.name.to_string(), command);
            }
        }
        Asked::FieldColumn(panel) => field_column(app, *panel, typed, &mut list)?,
        Asked::Search => {
            let title = match typed {
                "" => "Show all records".to_owned(),
                _ => format!("Show records with {typed:?}"),
            };
            list.now("Records", title, Command::Search(typed.to_owned()));
        }
    }
    Ok(list.entries)
}

/// A field by its path, as a column of a table.
fn field_column(app: &App, panel: Panel, path: &str, list: &mut List) -> Result<(), String> {
    let (columns, table) = match panel {
        Panel::Outputs => (app.panels.outputs.offered(), "outputs"),
        _ => (app.panels.records.offered(), "records"),
    };
    check_path(path)?;
    let kept = kept_field(path);
    if columns.iter().any(|column| column.shown && column.kept == kept) {
        return Err(format!("The {table} have this column already"));
    }
    let title = format!("Show the column {path} of the {table}");
    list.now(panel.title(), title, Command::Column(panel, kept, true));
    Ok(())
}

/// Both ends of a typed range.
fn range(app: &App, typed: &str) -> Option<ArrivalRange> {
    let (from, to) = typed.split_once(" to ").or_else(|| typed.split_once(".."))?;
    Some(ArrivalRange::between(arrival(app, from)?, arrival(app, to)?))
}

fn arrival(app: &App, typed: &str) -> Option<Arrival> {
    destination(app, typed).into_iter().find_map(|(_, command)| match command {
        Command::GoTo(at) => Some(at),
        _ => None,
    })
}

/// A typed whole number within bounds, with or without its unit.
fn whole<T>(typed: &str, unit: &str, bounds: RangeInclusive<T>) -> Result<T, String>
where
    T: Copy + Into<u64> + TryFrom<u64>,
{
    let (least, most): (u64, u64) = ((*bounds.start()).into(), (*bounds.end()).into());
    let bare = typed.strip_suffix(unit).unwrap_or(typed).replace([',', '_', ' '], "");
    let n: Option<u64> = bare.parse().ok().filter(|n| (least..=most).contains(n));
    n.and_then(|n| T::try_from(n).ok()).ok_or_else(|| {
        let (least, most) = (text::thousands(least), text::thousands(most));
        format!("Write a whole number of {unit} from {least} to {most}")
    })
}

fn font(of: &str, family: &str) -> String {
    match family {
        "" => format!("Show {of} in the window's own font"),
        _ => format!("Show {of} in {family:?}"),
    }
}

/// Where a panel can go.
fn docks(app: &App, panel: Panel, list: &mut List) {
    for to in movable(app).into_iter().filter(|to| *to != panel) {
        let together = app.layout.shares_tabs(panel, to);
        for at in Dock::ALL.into_iter().filter(|at| !together || *at != Dock::Tabs) {
            let title = format!("{} {}", at.words(), to.title());
            list.now("Panels", title, Command::MovePanel(panel, at, to));
        }
    }
}

/// Every kind of difference that there may be between two runs.
fn differences(app: &App, list: &mut List) {
    let mut add = |title: String, choice: Choice| {
        list.now("Compare", title, Command::ListDifference(choice));
    };
    add("All that changed".to_owned(), Choice::All);
    for outputs in Outputs::ALL {
        let title = match outputs {
            Outputs::PairsHere => "Pairs in this run only",
            Outputs::PairsThere => "Pairs in the other run only",
            Outputs::OthersHere => "Pads and examples in this run only",
            Outputs::OthersThere => "Pads and examples in the other run only",
            Outputs::Changed => "Examples that differ",
        };
        add(title.to_owned(), Choice::Outputs(outputs));
    }
    let sides = || Verdict::ALL.into_iter().map(Some).chain([None]);
    for (n, input) in (0..).zip(app.panels.compare.inputs()) {
        for (to, from) in sides().flat_map(|to| sides().map(move |from| (to, from))) {
            if to != from {
                let title = format!("{input} {} → {}", word(to), word(from));
                add(title, Choice::Kind(Kind { input: n, from, to }));
            }
        }
    }
}
