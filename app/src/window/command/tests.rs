//! The palette against the list of commands, and panels moved through it.

use std::collections::BTreeSet;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::VerdictSet;
use joinscope_operator::verdict::Verdict;

use super::{Asked, Command, Does, Export, entries, suggestions};
use crate::window::app::App;
use crate::window::headless::{harness_with, settle};
use crate::window::layout::Dock;
use crate::window::panel::{Home, Panel};
use crate::window::selection::Selection;
use crate::window::settings::Places;
use crate::window::testing::{
    Feed, PATIENT, PIPELINE, ask, feed, found, heading, keys, opened, palette, press, rerun, write,
};

/// How the palette offers a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As a line of its own.
    Line,
    /// The same, but only while something goes on or was left.
    Meanwhile,
    /// As an answer to what it asks.
    Answer,
    /// Not at all.
    Not(&'static str),
}

use Way::{Answer, Line, Meanwhile, Not};

/// A new command does not compile before it says its way.
macro_rules! ways {
    ($($way:expr => $($name:ident $(($($args:tt)*))? $({$($fields:tt)*})?),+;)+) => {
        fn way(command: &Command) -> (&'static str, Way) {
            match command {
                $($(
                    Command::$name $(($($args)*))? $({$($fields)*})? => {
                        (stringify!($name), $way)
                    }
                )+)+
            }
        }

        const WAYS: &[(&str, Way)] = &[$($((stringify!($name), $way)),+),+];
    };
}

ways! {
    Line => ShowOpen, Open(..), OpenSample, Close, CloseOpen(..), NextOpen(..), Run(..),
        EditPipeline, NewPipeline, Compare(..), ChangeAndCompare, OpenCompared,
        EnableBreakpoint(..), RemoveBreakpoint(..), NextHit(..), RunSemantics, ToggleTheme,
        Theme(..), ShowSettings, ResetSettings, Zoom(..), ShowShortcuts, ShowErrors, ShowAbout,
        ShowPanel(..), Undo, Redo, ResetLayout, UseLayout(..), DeleteLayout(..), HidePanel(..),
        Quit, Step(..), Start, End, TogglePlay, Speed(..), Scale(..), EventTimeClock, Next(..),
        View(..), ClearRange, RangeFromHere, RangeToHere, Loop(..), FilterToRange(..),
        EditBookmark(..), RemoveBookmark(..), GoToBookmark(..), NextBookmark(..), Select(..),
        Back, Forward, Filter(..), FilterOutputs(..), ClearFilter, ClearOutputsFilter, Column(..),
        FirstColumns(..), PinLine(..), Export(..);
    Meanwhile => Continue, Restore(..), GoOn, CancelSemantics, CancelRun, ShowIncident,
        CloseIncident, CancelExport;
    Answer => RunAndCompare(..), ListDifference(..), AddBreakpoint(..), ScaleTo(..), TextFont(..),
        FiguresFont(..), CacheMemory(..), RunMemory(..), MovePanel(..), SaveLayout(..),
        RenameLayout(..), GoTo(..), Zone(..), SetRange(..), AddBookmark(..), SelectRecord(..),
        Search(..), Where(..), OutOfOrderness(..), OutOfOrdernessOf(..);
    Not("files that are dropped") => OpenAll(..);
    Not("the same as to open it") => UseRecording(..);
    Not("the editor runs and takes over what stands in it") => RunEdited { .. }, TakeFile(..);
    Not("where a panel leads to in another run") => OpenThen(..);
    Not("a question that stands in front of the palette") => RunAnyway, DoNotRun;
    Not("the palette itself, and its own questions") => ShowPalette, Ask(..);
    Not("offered as what it does now: show or hide") => TogglePanel(..);
    Not("written in a dialog that the palette leads to") => AddBookmarkAt(..), SetNote(..),
        SetNotes(..), ExportTo(..), ExportFigures(..);
    Not("of what is pointed at or has the focus") => Copy(..);
    Not("what the window has to say") => Said(..);
}

/// Something to type for what is asked; a new question has to say what.
fn typed(asked: &Asked) -> &'static str {
    match asked {
        Asked::GoTo => "700",
        Asked::Speed => "500/s",
        Asked::Range => "10 to 1,000",
        Asked::WindowScale => "125 %",
        Asked::CacheMemory | Asked::RunMemory => "1,024 MiB",
        Asked::TextFont | Asked::FiguresFont => "Inter",
        Asked::LayoutName | Asked::RenameLayout(_) => "mine",
        Asked::Breakpoint => "verdict=late",
        Asked::Setting => "join.with.engagements.until = 10m",
        Asked::Where => "late_by>5s",
        Asked::OutOfOrderness => "90s",
        Asked::FieldColumn(_) => "user.id",
        Asked::Note | Asked::Search => "53",
        Asked::Zone
        | Asked::MovePanel(_)
        | Asked::CompareWith
        | Asked::Difference
        | Asked::OutOfOrdernessOf
        | Asked::PinLine => "",
    }
}

/// What the palette offers now, by lines and by answers.
fn offered(h: &Harness<'_, App>, lines: &mut BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    let mut answers = BTreeSet::new();
    for entry in entries(h.state()) {
        let asked = match entry.does {
            Does::Now(command) => {
                let (name, how) = way(&command);
                assert!(!matches!(how, Not(_) | Answer), "{}: {how:?}", entry.title);
                lines.insert(name);
                continue;
            }
            Does::Ask(asked) => asked,
        };
        let mut given = suggestions(h.state(), &asked, typed(&asked)).unwrap();
        if asked == Asked::GoTo {
            given.extend(suggestions(h.state(), &asked, "views[0]@3").unwrap());
        }
        assert!(!given.is_empty(), "{asked:?}");
        for answer in given {
            let Does::Now(command) = answer.does else { panic!("{} asks again", answer.title) };
            let (name, how) = way(&command);
            assert!(!matches!(how, Not(_)), "{}: {how:?}", answer.title);
            answers.insert(name);
        }
    }
    answers
}

#[test]
fn every_command_is_offered_or_it_is_said_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("patient");
    rerun(&feed().recording(), PIPELINE, PATIENT, &patient);
    let other = Feed::new(300);
    let mut h = opened(&other.run());
    let (mut lines, mut answers) = (BTreeSet::new(), BTreeSet::new());
    let late = VerdictSet::of(Verdict::Late);
    for command in [
        Command::Open(feed().run()),
        Command::Compare(patient),
        Command::AddBreakpoint("verdict=late".parse().unwrap()),
        Command::GoTo(700),
        Command::Column(Panel::Records, "outputs".to_owned(), true),
        Command::PinLine(Some(0)),
        Command::AddBookmark("stalls".to_owned()),
        Command::SetRange(10, 1_000),
        Command::View(Some((10, 1_000))),
        Command::Filter(late),
        Command::FilterOutputs(joinscope_core::engine::step::OutputKind::Pair),
        Command::SaveLayout("late hunt".to_owned()),
        Command::HidePanel(Panel::Timeline),
        Command::Undo,
        Command::Select(Some(Selection::Row(7)), Some(7)),
        Command::Select(Some(Selection::Row(9)), Some(9)),
        Command::Back,
    ] {
        ask(&mut h, command);
        answers.append(&mut offered(&h, &mut lines));
    }
    for (name, how) in WAYS {
        match how {
            Line => assert!(lines.contains(name), "no line is {name}"),
            Answer => assert!(answers.contains(name), "no answer is {name}"),
            Not(why) => assert!(!why.is_empty()),
            Meanwhile => assert!(!lines.contains(name), "{name}, and nothing goes on"),
        }
    }
}

/// The lines now that are there only while something goes on.
fn of_what_goes_on(h: &Harness<'_, App>) -> BTreeSet<&'static str> {
    let lines = entries(h.state()).into_iter().filter_map(|entry| match entry.does {
        Does::Now(command) => Some(way(&command)),
        Does::Ask(_) => None,
    });
    lines.filter(|(_, how)| *how == Meanwhile).map(|(name, _)| name).collect()
}

#[test]
fn what_goes_on_has_its_commands_for_as_long_as_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    let mut offers = |h: &Harness<'_, App>, names: &[&'static str]| {
        let names: BTreeSet<&'static str> = names.iter().copied().collect();
        assert_eq!(of_what_goes_on(h), names);
        seen.extend(names);
    };

    let mut h = opened(&feed().run());
    ask(&mut h, Command::AddBreakpoint("verdict=late".parse().unwrap()));
    h.state_mut().run_into = Some(folder.path().join("stopped"));
    ask(&mut h, Command::Run(Vec::new()));
    offers(&h, &["CancelRun", "GoOn"]);
    h.state_mut().act(Command::CancelRun);

    let mut h = opened(&feed().run());
    h.state_mut().run_into = Some(folder.path().join("four"));
    h.state_mut().act(Command::RunSemantics);
    offers(&h, &["CancelSemantics"]);
    ask(&mut h, Command::CancelSemantics);
    offers(&h, &[]);

    let mut h = opened(&feed().run());
    // A picture is taken once nothing stands in front.
    ask(&mut h, Command::ShowAbout);
    let (what, png) = (Export::Picture(Panel::Records), folder.path().join("records.png"));
    h.state_mut().command(Command::ExportTo(what, png, false));
    h.run_steps(3);
    offers(&h, &["CancelExport"]);
    ask(&mut h, Command::CancelExport);
    press(&mut h, "Close");
    offers(&h, &[]);

    let incident = folder.path().join("stall.mcap");
    ask(&mut h, Command::ExportTo(Export::Incident, incident.clone(), false));
    let (config, state) = (folder.path().join("config"), folder.path().join("state"));
    let places = Places { config, state };
    let window = || {
        let mut h = harness_with((1600, 1000), Some(places.clone()));
        settle(&mut h).unwrap();
        h
    };
    let mut h = window();
    offers(&h, &[]);
    h.state_mut().run_into = Some(folder.path().join("remade"));
    ask(&mut h, Command::Open(incident));
    offers(&h, &["CloseIncident", "ShowIncident"]);
    ask(&mut h, Command::CloseIncident);
    offers(&h, &["ShowIncident"]);
    h.state_mut().end_session();
    drop(h);

    let mut h = window();
    offers(&h, &["Continue"]);
    ask(&mut h, Command::Open(feed().run()));
    offers(&h, &[]);
    drop(h);
    // As a process that was killed leaves it: a file, and no lock on it.
    let (sessions, last) = (places.state.join("sessions"), places.state.join("last-session.json"));
    std::fs::write(sessions.join("1-0.lock"), "").unwrap();
    std::fs::copy(last, sessions.join("1-0.json")).unwrap();
    offers(&window(), &["Restore"]);

    for (name, _) in WAYS.iter().filter(|(_, how)| *how == Meanwhile) {
        assert!(seen.contains(name), "no line is {name}");
    }
}

#[test]
fn what_cannot_be_read_is_said_while_it_is_typed() {
    let h = opened(&feed().run());
    for (asked, typed, says) in [
        (Asked::Range, "10", "Write both ends"),
        (Asked::Range, "10 to views[0]@3", "Write both ends"),
        (Asked::WindowScale, "20", "from 60 to 200"),
        (Asked::CacheMemory, "1 GiB", "a whole number of MiB from 16 to 8,192"),
        (Asked::RunMemory, "-1", "from 16 to 262,144"),
        (Asked::OutOfOrderness, "-5s", "0 or more"),
    ] {
        let why = suggestions(h.state(), &asked, typed).unwrap_err();
        assert!(why.contains(says), "{typed:?}: {why}");
    }
    let long = "x".repeat(513);
    let why = suggestions(h.state(), &Asked::FieldColumn(Panel::Records), &long).unwrap_err();
    assert!(why.contains("too long"), "{why}");
    let given = suggestions(h.state(), &Asked::Range, "1,000..10").unwrap();
    assert_eq!(given[0].does, Does::Now(Command::SetRange(10, 1_000)));
    // Ends may be times of the clock that is shown.
    let app = h.state();
    let at = |arrival: f64| app.times().exact(app.clock.time(arrival) as i64);
    let typed = format!("{} to {}", at(500.0), at(2_000.0));
    let given = suggestions(app, &Asked::Range, &typed).unwrap();
    let Does::Now(Command::SetRange(from, to)) = given[0].does else { panic!("{given:?}") };
    assert!(from.abs_diff(500) < 256 && to.abs_diff(2_000) < 256, "{from} to {to}");
}

/// Moves a panel as it is done by keyboard alone.
fn move_panel(h: &mut Harness<'_, App>, panel: Panel, to: &str) {
    palette(h, &format!("move {}", panel.title()));
    assert_eq!(found(h)[0], format!("Panels: Move {}…", panel.title()));
    keys(h, Modifiers::NONE, Key::Enter);
    write(h, "Command", to);
    keys(h, Modifiers::NONE, Key::Enter);
    assert!(h.query_by_label("Command").is_none(), "the palette is closed");
}

#[test]
fn panels_are_moved_by_keyboard_and_back() {
    let mut h = opened(&feed().run());
    let at = |h: &Harness<'_, App>, panel: Panel| heading(h, panel).rect();
    let (lines, time) = (Panel::Watermarks, Panel::Timeline);
    let is_below = |h: &Harness<'_, App>| at(h, lines).top() > at(h, time).bottom();
    assert!(!is_below(&h));
    move_panel(&mut h, lines, "below timeline");
    assert!(is_below(&h));
    keys(&mut h, Modifiers::COMMAND, Key::Z);
    assert!(!is_below(&h));
    keys(&mut h, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert!(is_below(&h));
    move_panel(&mut h, lines, "above timeline");
    assert!(!is_below(&h));
    move_panel(&mut h, time, "left of event-time watermarks");
    let (left, right) = (at(&h, time), at(&h, lines));
    assert!(left.right() < right.left() && (left.top() - right.top()).abs() < 1.0);
    move_panel(&mut h, time, "right of event-time watermarks");
    assert!(at(&h, lines).right() < at(&h, time).left());
    let tabs = |h: &Harness<'_, App>| -> Vec<String> {
        let all = h.query_all_by_role(Role::Tab);
        all.filter_map(|tab| tab.accesskit_node().label()).collect()
    };
    assert!(!tabs(&h).contains(&time.title().to_owned()));
    move_panel(&mut h, time, "into the tabs of records");
    assert!(tabs(&h).contains(&time.title().to_owned()));
    assert!(h.state().layout.is_in_sight(time), "it stands in front of them");
    // Out of the tabs again, beside those that it stood before.
    move_panel(&mut h, time, "right of records");
    assert!(!tabs(&h).contains(&time.title().to_owned()));
    let front = h.state().layout.in_sight().into_iter().find(|p| p.about().home == Home::Tab);
    assert!(at(&h, time).left() > at(&h, front.unwrap()).right());
}

#[test]
fn only_panels_that_stand_somewhere_are_moved_and_not_to_their_own_tabs() {
    let mut h = opened(&feed().run());
    let moves = |h: &Harness<'_, App>, panel: Panel| {
        entries(h.state()).iter().any(|e| e.does == Does::Ask(Asked::MovePanel(panel)))
    };
    assert!(moves(&h, Panel::Records) && moves(&h, Panel::Outputs));
    assert!(!moves(&h, Panel::Inspector), "the window's sides stay");
    assert!(!moves(&h, Panel::Compare), "it is not shown");
    let given = suggestions(h.state(), &Asked::MovePanel(Panel::Records), "").unwrap();
    let has = |at, to| {
        let does = Does::Now(Command::MovePanel(Panel::Records, at, to));
        given.iter().any(|entry| entry.does == does)
    };
    assert!(has(Dock::Right, Panel::Outputs) && !has(Dock::Tabs, Panel::Outputs));
    assert!(has(Dock::Tabs, Panel::Timeline) && !has(Dock::Left, Panel::Records));
    ask(&mut h, Command::HidePanel(Panel::Timeline));
    assert!(!moves(&h, Panel::Timeline));
}
