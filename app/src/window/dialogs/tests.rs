use std::path::Path;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_core::run::VerdictSet;
use joinscope_operator::verdict::Verdict;

use crate::window::app::App;
use crate::window::axis::Scale;
use crate::window::command::{Command, bindings};
use crate::window::cursor::Speed;
use crate::window::dialogs::Dialog;
use crate::window::export::Lettering;
use crate::window::headless::{harness_with, settle};
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::settings::Places;
use crate::window::testing::{ask, feed, found, keys, opened, overwrite, palette, press, write};
use crate::window::theme::ThemeChoice;
use crate::window::times::Zone;

#[test]
fn the_palette_finds_a_command_as_it_is_abbreviated_and_runs_it() {
    let mut h = opened(&feed().run());
    palette(&mut h, "hide inspe");
    assert_eq!(found(&h)[0], "Panels: Hide Inspector");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert!(!h.state().layout.is_in_sight(Panel::Inspector));
    assert!(h.query_by_label("Command").is_none(), "the palette is closed");
    // What was used last stands first.
    keys(&mut h, Modifiers::COMMAND | Modifiers::SHIFT, Key::P);
    assert!(h.query_by_label("Command").is_some());
    keys(&mut h, Modifiers::NONE, Key::Escape);
    assert!(h.query_by_label("Command").is_none());
    keys(&mut h, Modifiers::NONE, Key::F1);
    assert!(h.query_by_label("Command").is_some());
}

/// A key as a keyboard sends it, with the text that it writes.
fn stroke(modifiers: Modifiers, key: Key, text: &str) -> Vec<egui::Event> {
    let event =
        |pressed| egui::Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
    let written = (!text.is_empty()).then(|| egui::Event::Text(text.to_owned()));
    [Some(event(true)), written, Some(event(false))].into_iter().flatten().collect()
}

fn typed(text: &str) -> Vec<egui::Event> {
    let of = |c: char| {
        let c = c.to_string();
        let key = if c == " " { Key::Space } else { Key::from_name(&c).unwrap() };
        stroke(Modifiers::NONE, key, &c)
    };
    text.chars().flat_map(of).collect()
}

/// The palette, a command and what it asks for, typed without a pause: with a
/// space, which plays elsewhere, and a bracket, which begins a range there.
fn without_a_pause(question: &str) -> Vec<egui::Event> {
    let enter = || stroke(Modifiers::NONE, Key::Enter, "");
    [
        stroke(Modifiers::COMMAND, Key::K, ""),
        typed("search the records"),
        enter(),
        typed(question),
        enter(),
        stroke(Modifiers::COMMAND, Key::K, ""),
        typed("hide inspe"),
        enter(),
    ]
    .concat()
}

fn was_heard(h: &Harness<'_, App>) {
    let app = h.state();
    assert_eq!(app.panels.records.search(), "[1]");
    assert!(!app.layout.is_in_sight(Panel::Inspector));
    assert!(app.dialog.is_none());
    assert!(app.range.marked.is_none(), "a bracket was taken for a shortcut");
    assert_eq!(app.cursor().state(), crate::window::cursor::State::Paused);
    assert_eq!(app.cursor().at(), 700);
}

#[test]
fn what_is_typed_right_behind_a_key_that_asks_for_a_dialog_is_the_dialogs() {
    // All within one frame, as where frames take long.
    let mut h = opened(&feed().run());
    ask(&mut h, Command::GoTo(700));
    h.input_mut().events.extend(without_a_pause("[1]"));
    h.step();
    settle(&mut h).unwrap();
    was_heard(&h);
    // A frame for each, and a table that has the focus and knows keys itself.
    let mut h = opened(&feed().run());
    ask(&mut h, Command::GoTo(700));
    h.get_all_by_role(Role::Table).next().unwrap().focus();
    settle(&mut h).unwrap();
    for event in without_a_pause("[1]") {
        h.input_mut().events.push(event);
        h.step();
    }
    settle(&mut h).unwrap();
    was_heard(&h);
    // Behind what a dialog takes, keys are the window's again.
    let one = [stroke(Modifiers::COMMAND, Key::K, ""), stroke(Modifiers::NONE, Key::Escape, "")];
    h.input_mut().events.extend(one.concat());
    h.step();
    settle(&mut h).unwrap();
    keys(&mut h, Modifiers::NONE, Key::Home);
    assert_eq!(h.state().cursor().at(), 0);
}

#[test]
fn the_palette_is_walked_by_arrows() {
    let mut h = opened(&feed().run());
    palette(&mut h, "show only");
    let rows = found(&h);
    let at = rows.iter().position(|r| r.ends_with("Show only late")).unwrap();
    for _ in 0..at {
        keys(&mut h, Modifiers::NONE, Key::ArrowDown);
    }
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert_eq!(h.state().panels.records.filter(), VerdictSet::of(Verdict::Late));
}

#[test]
fn what_leads_somewhere_is_gone_to() {
    let mut h = opened(&feed().run());
    palette(&mut h, "1,234");
    assert_eq!(found(&h)[0], "Cursor: Go to arrival 1,234");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert_eq!(h.state().cursor().at(), 1234);
    palette(&mut h, "views[0]@3");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert!(matches!(h.state().selection(), Some(Selection::Row(_))));
}

#[test]
fn a_command_that_needs_more_asks_for_it_and_says_what_it_does_not_understand() {
    let mut h = opened(&feed().run());
    palette(&mut h, "go to an arrival");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    write(&mut h, "Command", "tomorrow");
    assert!(h.query_all_by_label_contains("No arrival below").next().is_some());
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert!(h.query_by_label("Command").is_some(), "it stays open");
    // Escape leaves the question, then the palette.
    keys(&mut h, Modifiers::NONE, Key::Escape);
    assert!(found(&h).len() > 5);
    keys(&mut h, Modifiers::NONE, Key::Escape);
    assert!(h.query_by_label("Command").is_none());
    palette(&mut h, "another zone");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    write(&mut h, "Command", "new york");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    assert_eq!(h.state().settings.zone, Zone::Named("America/New_York".to_owned()));
}

#[test]
fn what_cannot_be_done_is_not_offered() {
    let mut h = crate::window::headless::harness((1200, 800), false, None);
    settle(&mut h).unwrap();
    palette(&mut h, "range");
    assert!(found(&h).iter().all(|r| !r.starts_with("Range")), "{:?}", found(&h));
}

#[test]
fn the_cheat_sheet_lists_every_shortcut() {
    let mut h = opened(&feed().run());
    keys(&mut h, Modifiers::COMMAND, Key::Slash);
    for bound in bindings() {
        assert!(h.query_all_by_label(bound.title).next().is_some(), "{}", bound.title);
    }
    // And the keys of what has the focus, of panels where there are any.
    let axis = "Time axis, causality: move the view";
    assert!(h.query_by_label(axis).is_some());
    press(&mut h, "Close");
    assert!(h.query_by_label("Shortcuts").is_none());
    ask(&mut h, Command::Close);
    keys(&mut h, Modifiers::COMMAND, Key::Slash);
    assert!(h.query_by_label("Escape").is_some() && h.query_by_label(axis).is_none());
}

fn with_places(places: &Places) -> Harness<'static, App> {
    let mut h = harness_with((1400, 900), Some(places.clone()));
    settle(&mut h).unwrap();
    h
}

fn places(folder: &Path) -> Places {
    Places { config: folder.join("config"), state: folder.join("state") }
}

#[test]
fn settings_are_changed_by_keyboard_and_hold_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut h = with_places(&places);
    keys(&mut h, Modifiers::COMMAND, Key::Comma);
    press(&mut h, "Light");
    assert_eq!(h.ctx.theme(), egui::Theme::Light);
    press(&mut h, "Larger");
    write(&mut h, "IANA time zone", "berlin");
    press(&mut h, "Europe/Berlin");
    let first = |h: &Harness<'_, App>, family: egui::FontFamily| {
        h.ctx.fonts(|f| f.definitions().families[&family][0].clone())
    };
    assert_eq!(first(&h, egui::FontFamily::Proportional), "Inter");
    write(&mut h, "Family for text", "jetbrains");
    settle(&mut h).unwrap();
    press(&mut h, "JetBrains Mono");
    assert_eq!(first(&h, egui::FontFamily::Proportional), "chosen");
    assert_eq!(first(&h, egui::FontFamily::Monospace), "JetBrains Mono");
    keys(&mut h, Modifiers::NONE, Key::Escape);
    drop(h);
    let h = with_places(&places);
    let settings = &h.state().settings;
    assert_eq!((settings.theme, settings.scale), (ThemeChoice::Light, 110));
    assert_eq!(settings.zone, Zone::Named("Europe/Berlin".to_owned()));
    assert_eq!((&*settings.text_font, &*settings.figures_font), ("JetBrains Mono", ""));
    assert_eq!(first(&h, egui::FontFamily::Proportional), "chosen");
    let in_files = Lettering::kept(&h.ctx);
    let (text, _) = in_files.family(&egui::FontFamily::Proportional);
    assert!(text.starts_with("'JetBrains Mono', Inter"), "{text}");
    assert!((h.ctx.zoom_factor() - 1.1).abs() < 1e-3);
}

#[test]
fn a_font_that_is_gone_is_said_and_ours_stands_in() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::create_dir_all(&places.config).unwrap();
    let text = r#"{"version": 1, "text_font": "No Such Font"}"#;
    std::fs::write(places.config.join("settings.json"), text).unwrap();
    let mut h = harness_with((1400, 900), Some(places));
    // What has to be said is listed among the errors, so nothing settles.
    while h.state().errors().list().is_empty() {
        h.step();
        std::thread::yield_now();
    }
    h.step();
    assert!(h.query_by_label("A font was not found").is_some());
    assert!(h.query_all_by_label_contains("no font \"No Such Font\"").next().is_some());
    let in_files = Lettering::kept(&h.ctx);
    let (text, _) = in_files.family(&egui::FontFamily::Proportional);
    assert!(text.starts_with("Inter"), "{text}");
    assert_eq!(h.state().settings.text_font, "No Such Font", "it may come back");
}

#[test]
fn files_that_cannot_be_read_are_said_until_the_notice_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::create_dir_all(&places.config).unwrap();
    std::fs::write(places.config.join("settings.json"), "{").unwrap();
    std::fs::write(places.config.join("layouts.json"), r#"{"version": 7}"#).unwrap();
    let mut h = harness_with((1400, 900), Some(places));
    h.step();
    for title in ["The settings were not read", "The layouts were not read"] {
        assert!(h.query_by_label(title).is_some(), "{title}");
    }
    assert!(h.query_all_by_label_contains("version 7").next().is_some());
    assert_eq!(h.state().errors().list().len(), 2, "and in the list");
    for _ in 0..2 {
        h.get_all_by_label("Close the notice").next().unwrap().click();
        h.step();
        h.step();
    }
    assert!(h.query_by_label("The settings were not read").is_none());
}

#[test]
fn layouts_are_undone_saved_used_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut h = with_places(&places);
    ask(&mut h, Command::Open(feed().run()));
    ask(&mut h, Command::HidePanel(Panel::Watermarks));
    assert!(!h.state().layout.is_in_sight(Panel::Watermarks));
    keys(&mut h, Modifiers::COMMAND, Key::Z);
    assert!(h.state().layout.is_in_sight(Panel::Watermarks));
    keys(&mut h, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert!(!h.state().layout.is_in_sight(Panel::Watermarks));
    palette(&mut h, "save the layout");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    write(&mut h, "Command", "only tables");
    keys(&mut h, Modifiers::NONE, Key::Enter);
    ask(&mut h, Command::ResetLayout);
    assert!(h.state().layout.is_in_sight(Panel::Watermarks));
    drop(h);
    let mut h = with_places(&places);
    ask(&mut h, Command::Open(feed().run()));
    assert!(h.state().layout.is_in_sight(Panel::Watermarks), "as it stood last");
    press(&mut h, "View");
    press(&mut h, "only tables");
    assert!(!h.state().layout.is_in_sight(Panel::Watermarks));
    ask(&mut h, Command::RenameLayout("only tables".to_owned(), "tables".to_owned()));
    ask(&mut h, Command::DeleteLayout("tables".to_owned()));
    assert!(h.state().layouts.saved().is_empty());
}

#[test]
fn the_last_session_is_offered_and_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut h = with_places(&places);
    assert!(h.query_by_label("Continue").is_none());
    ask(&mut h, Command::Open(feed().recording()));
    ask(&mut h, Command::GoTo(17));
    ask(&mut h, Command::Open(feed().run()));
    ask(&mut h, Command::Select(Some(Selection::Row(500)), Some(500)));
    ask(&mut h, Command::GoTo(700));
    ask(&mut h, Command::SetRange(10, 20));
    ask(&mut h, Command::HidePanel(Panel::Inspector));
    ask(&mut h, Command::EventTimeClock);
    ask(&mut h, Command::Speed(Speed::Times(2.5)));
    h.state_mut().end_session();
    drop(h);
    let mut h = with_places(&places);
    assert!(h.state().doc().is_empty(), "nothing opens by itself");
    press(&mut h, "Continue");
    let app = h.state();
    assert_eq!(app.doc().run.as_ref().unwrap().dir, feed().run());
    assert_eq!((app.cursor().at(), app.selection()), (700, Some(Selection::Row(500))));
    assert_eq!(app.range.marked.unwrap().to(), 20);
    assert_eq!((app.scale, app.event_time), (Scale::EventTime, true));
    assert_eq!(app.cursor().speed, Speed::Times(2.5));
    assert!(!app.layout.is_in_sight(Panel::Inspector));
    assert_eq!(app.open.list().len(), 1, "the run took its recording's place");
}

#[test]
fn several_runs_are_open_at_once_each_with_its_cursor() {
    let other = crate::window::testing::Feed::new(400);
    let mut h = opened(&feed().run());
    ask(&mut h, Command::GoTo(100));
    ask(&mut h, Command::Open(other.run()));
    ask(&mut h, Command::Select(Some(Selection::Row(7)), Some(7)));
    assert_eq!(h.state().open.list().len(), 2);
    keys(&mut h, Modifiers::COMMAND, Key::Tab);
    assert_eq!(h.state().cursor().at(), 100);
    assert_eq!(h.state().selection(), None);
    keys(&mut h, Modifiers::COMMAND | Modifiers::SHIFT, Key::Tab);
    assert_eq!((h.state().cursor().at(), h.state().selection()), (7, Some(Selection::Row(7))));
    ask(&mut h, Command::Close);
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, feed().run());
    ask(&mut h, Command::Close);
    assert!(h.state().doc().is_empty());
}

#[test]
fn the_pipeline_is_edited_as_a_form_and_as_text_and_run_with_overrides() {
    let feed = crate::window::testing::Feed::new(400);
    let mut h = opened(&feed.run());
    keys(&mut h, Modifiers::COMMAND, Key::E);
    overwrite(&mut h, "inputs.views.watermark.max_out_of_orderness", "soon");
    assert!(h.query_all_by_label_contains("line 9: ").next().is_some());
    assert!(h.query_by_label("1 mistake to correct before it can run").is_some());
    overwrite(&mut h, "inputs.views.watermark.max_out_of_orderness", "90s");
    let source = h.get_by_label("Pipeline as TOML").accesskit_node().value().unwrap();
    assert!(source.contains("max_out_of_orderness = \"90s\""), "{source}");
    press(&mut h, "Add an override");
    write(&mut h, "Setting of override 1", "join.with.engagements.until");
    write(&mut h, "Value of override 1", "9m");
    h.state_mut().run_into = Some(feed.folder.path().join("edited"));
    press(&mut h, "Run this pipeline");
    let run = h.state().doc().run.clone().unwrap();
    assert_eq!(run.dir, feed.folder.path().join("edited"));
    assert_eq!(run.manifest.start.inputs[0].max_out_of_orderness, 90_000);
    let over = ("join.with.engagements.until".to_owned(), "9m".to_owned());
    assert_eq!(run.manifest.start.overrides, [over]);
    assert_eq!(h.state().open.list().len(), 2, "the run before stays open");
}

#[test]
fn shortcuts_do_nothing_behind_the_question_before_a_run() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::GoTo(700));
    let nowhere = ("inputs.views.topic".to_owned(), "nowhere".to_owned());
    ask(&mut h, Command::Run(vec![nowhere]));
    assert!(h.query_by_label("Run anyway").is_some());
    keys(&mut h, Modifiers::NONE, Key::Home);
    keys(&mut h, Modifiers::COMMAND, Key::W);
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, feed().run());
    assert_eq!(h.state().cursor().at(), 700);
    assert!(h.query_by_label("Run anyway").is_some());
    press(&mut h, "Do not run");
    keys(&mut h, Modifiers::COMMAND, Key::W);
    assert!(h.state().doc().is_empty());
}

#[test]
fn an_edited_pipeline_is_saved_and_never_over_another_unasked() {
    let feed = crate::window::testing::Feed::new(400);
    let mut h = opened(&feed.run());
    keys(&mut h, Modifiers::COMMAND, Key::E);
    overwrite(&mut h, "join.with.engagements.until", "9m");
    press(&mut h, "Save as…");
    let path = feed.pipeline();
    overwrite(&mut h, "Path to save as", &path.display().to_string());
    press(&mut h, "Save there");
    assert!(h.query_by_label("Replace it").is_some());
    assert!(!std::fs::read_to_string(&path).unwrap().contains("9m"));
    press(&mut h, "Keep it");
    let new = feed.folder.path().join("longer.toml");
    overwrite(&mut h, "Path to save as", &new.display().to_string());
    press(&mut h, "Save there");
    assert!(std::fs::read_to_string(&new).unwrap().contains("until = \"9m\""));
    overwrite(&mut h, "join.with.engagements.until", "8m");
    press(&mut h, "Save");
    assert!(std::fs::read_to_string(&new).unwrap().contains("until = \"8m\""));
    // Nor over what was written there meanwhile, whether that was noticed or not.
    overwrite(&mut h, "join.with.engagements.until", "6m");
    std::fs::write(&new, "# newer").unwrap();
    press(&mut h, "Save");
    assert_eq!(std::fs::read_to_string(&new).unwrap(), "# newer");
    press(&mut h, "Replace it");
    assert!(std::fs::read_to_string(&new).unwrap().contains("until = \"6m\""));
    // Changes are not lost by a key.
    overwrite(&mut h, "join.with.engagements.until", "7m");
    keys(&mut h, Modifiers::NONE, Key::Escape);
    assert!(h.query_by_label("Keep editing").is_some());
    press(&mut h, "Close without saving");
    assert!(h.query_by_label("Pipeline as TOML").is_none());
}

#[test]
fn a_long_message_leaves_the_buttons_in_the_window() {
    let mut h = harness_with((900, 600), None);
    let message = "a line of many\n".repeat(200);
    h.state_mut().dialog = Some(Dialog::Failed { title: "It failed".to_owned(), message });
    h.run_steps(3);
    let close = h.get_by_label("Close").rect();
    assert!(close.bottom() < 600.0, "{close}");
    h.get_by_label("Close").click();
    h.run_steps(3);
    assert!(h.state().dialog.is_none());
}
