//! The window driven through its accessibility tree: by names, never by
//! positions.

use std::time::Duration;

use egui::accesskit::{Role, Toggled};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use joinscope_operator::record::TopicPartition;

use super::app::App;
use super::command::{Asked, Command, Does, entries, suggestions};
use super::cursor::State;
use super::headless::{NoPicture, Picture, harness, harness_with, picture_file, settle};
use super::panel::Panel;
use super::selection::Selection;
use super::settings::Places;
use super::testing::{Feed, ask, feed, heading, opened, press, rows};

#[test]
fn with_nothing_open_the_start_page_says_what_to_do() {
    let h = harness((1600, 1000), false, None);
    assert!(h.query_by_label("Open a file…").is_some());
    assert!(h.query_by_label("Copy the command").is_some());
    // What is not there is not shown.
    for absent in ["Records", "Play", "Run the pipeline", "Speed"] {
        assert!(h.query_by_label(absent).is_none(), "{absent}");
    }
}

#[test]
fn the_clock_bar_steps_plays_and_changes_its_scale() {
    let mut h = opened(&feed().run());
    press(&mut h, "To the start");
    assert_eq!(h.state().cursor().at(), 0);
    press(&mut h, "One record on");
    assert_eq!(h.state().cursor().at(), 1);
    h.get_by_label("Play").click();
    h.step();
    h.step();
    assert_eq!(h.state().cursor().state(), State::Playing);
    h.state_mut().command(Command::TogglePlay);
    h.step();
    assert_eq!(h.state().cursor().state(), State::Paused);
    ask(&mut h, Command::Scale(super::axis::Scale::Arrival));
    press(&mut h, "To the end");
    assert_eq!(h.state().cursor().at() + 1, h.state().cursor().len());
}

#[test]
fn a_recording_opens_by_itself_without_verdicts() {
    let mut h = opened(&feed().recording());
    assert!(h.query_by_label("next late").is_none());
    assert!(h.query_by_label("Run the pipeline").is_none());
    // It stands at the end, so that no row is dimmed as later, and shows the first rows.
    assert_eq!(h.state().cursor().at() + 1, h.state().cursor().len());
    let found = rows(&h);
    assert!(found[0].starts_with("arrival 0, "), "{found:?}");
    assert!(h.query_all_by_label_contains("read what it holds").next().is_some());
    press(&mut h, &found[3].clone());
    assert_eq!(h.state().cursor().at(), 3);
    assert!(h.query_by_label("Decoded value").is_some());
    // By its name, as the field that asks where to go offers it.
    let recording = h.state().doc().recording.as_ref().unwrap().recording.clone();
    let wanted = recording.page(200, 1).unwrap().remove(0);
    ask(&mut h, Command::SelectRecord(recording.name_of(&wanted)));
    assert_eq!(h.state().selection(), Some(Selection::Row(200)));
    assert_eq!(h.state().cursor().at(), 200);
    h.state_mut().command(Command::SelectRecord("views[9]@7".parse().unwrap()));
    assert!(settle(&mut h).is_err());
    let said = &h.state().errors().newest().unwrap().message;
    assert!(said.contains("views[9]@7 is not in this recording"), "{said}");
}

#[test]
fn a_file_that_is_not_one_is_refused_with_what_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.mcap");
    std::fs::write(&path, b"hello").unwrap();
    let mut h = harness((1200, 800), false, None);
    h.state_mut().command(Command::Open(path));
    assert!(settle(&mut h).is_err());
    h.step();
    assert!(h.query_by_label("notes.mcap was not opened").is_some());
    assert!(h.query_all_by_label_contains("not a recording").next().is_some());
    h.get_by_label("Close").click();
    h.step();
    h.step();
    assert!(h.query_by_label("notes.mcap was not opened").is_none());
    assert!(h.query_by_label("Errors").is_some() || h.query_by_label("1 error").is_some());
}

#[test]
fn with_nothing_changing_no_frame_is_asked_for() {
    // With a session that is kept and a pipeline's file that is watched.
    let feed = Feed::new(300);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let places = Places { config: folder.path().join("config"), state: state.clone() };
    let mut h = harness_with((1600, 1000), Some(places));
    ask(&mut h, Command::Open(feed.recording()));
    h.state_mut().run_into = Some(feed.folder.path().join("second"));
    ask(&mut h, Command::Open(feed.pipeline()));
    let file = h.state().doc().pipeline.as_ref().expect("the run's").file.clone();
    while h.state().watch.says(&file).is_none() {
        h.step();
        std::thread::yield_now();
    }
    // As if it stood for long: a session is kept a second after the one before.
    let later = |h: &mut Harness<'_, App>| {
        let before = h.state().saved_at.checked_sub(Duration::from_secs(2)).unwrap();
        h.state_mut().saved_at = before;
        h.step();
    };
    later(&mut h);
    settle(&mut h).unwrap();
    let sessions = std::fs::read_dir(state.join("sessions")).unwrap().flatten();
    let kept = sessions.filter(|e| e.path().extension().is_some_and(|e| e == "json")).count();
    assert_eq!(kept, 1, "the session is kept");
    (0..8).for_each(|_| later(&mut h));
    assert!(!h.ctx.has_requested_repaint(), "{:?}", h.ctx.repaint_causes());
}

#[test]
fn a_pipeline_runs_over_the_recording_beside_it_and_its_panels_fill() {
    let feed = Feed::new(500);
    let mut h = harness((1600, 1000), false, None);
    h.state_mut().command(Command::Open(feed.recording()));
    settle(&mut h).unwrap();
    let out = feed.folder.path().join("second");
    h.state_mut().run_into = Some(out.clone());
    h.state_mut().command(Command::Open(feed.pipeline()));
    settle(&mut h).unwrap();
    let doc = h.state().doc();
    let run = doc.run.as_ref().expect("the run is shown");
    assert_eq!(run.dir, out);
    assert!(!doc.in_progress);
    assert_eq!(run.arrivals, doc.recording.as_ref().unwrap().recording.len());
    assert!(!rows(&h).is_empty());
}

#[test]
fn a_pipeline_takes_the_one_recording_beside_it_that_has_its_topics() {
    use joinscope_core::edges::recording::{Writer, WriterOptions};
    let feed = Feed::new(300);
    let other = feed.folder.path().join("a.mcap");
    let mut writer = Writer::create(&other, WriterOptions::default()).unwrap();
    let clicks = TopicPartition { topic: "clicks".into(), partition: 0 };
    writer.partition(clicks).unwrap();
    writer.finish().unwrap();
    std::fs::write(feed.folder.path().join("b.mcap"), "not a recording").unwrap();
    let mut h = harness((1600, 1000), false, None);
    let out = feed.folder.path().join("second");
    h.state_mut().run_into = Some(out.clone());
    ask(&mut h, Command::Open(feed.pipeline()));
    assert_eq!(h.state().doc().run.as_ref().expect("it ran").dir, out);

    // With none that has them it says what is missing, and waits.
    let moved = feed.folder.path().join("feed.moved");
    std::fs::rename(feed.recording(), &moved).unwrap();
    let mut h = harness((1600, 1000), false, None);
    ask(&mut h, Command::Open(feed.pipeline()));
    assert!(h.query_by_label("Open a recording to run this pipeline over").is_some());
    assert!(h.query_by_label("It reads the topics views, engagements").is_some());
    press(&mut h, "Open a recording…");
    assert!(h.state().dialog.is_some());
    let out = feed.folder.path().join("third");
    h.state_mut().run_into = Some(out.clone());
    ask(&mut h, Command::Open(moved));
    assert_eq!(h.state().doc().run.as_ref().expect("it ran").dir, out);
}

#[test]
fn every_picture_is_drawn_in_both_themes() {
    assert!(super::renderer::has_software_adapter(), "install mesa-vulkan-drivers");
    let mut pictures = Vec::new();
    for light in [false, true] {
        let wanted = super::headless::Picture { size: (1200, 700), light, ..Default::default() };
        let image =
            super::headless::picture(&feed().run(), &wanted).map_err(|_| "no picture").unwrap();
        assert_eq!(image.dimensions(), (1200, 700));
        let colours: std::collections::HashSet<_> = image.pixels().map(|p| p.0).collect();
        assert!(colours.len() > 100, "{} colours", colours.len());
        pictures.push(image);
    }
    assert!(pictures[0].get_pixel(2, 350).0[0] < 64, "dark ground");
    assert!(pictures[1].get_pixel(2, 350).0[0] > 192, "light ground");
}

#[test]
fn the_view_menu_shows_every_panel_hides_it_and_brings_it_to_the_front() {
    let mut h = opened(&feed().run());
    for panel in Panel::ALL {
        for _ in 0..3 {
            let before = h.state().layout.is_in_sight(panel);
            press(&mut h, "View");
            h.get_by_role_and_label(Role::CheckBox, panel.title()).click();
            settle(&mut h).unwrap();
            assert_eq!(h.state().layout.is_in_sight(panel), !before, "{panel}");
            // The menu stays open for the next panel; Escape closes it.
            h.key_press(egui::Key::Escape);
            settle(&mut h).unwrap();
        }
        ask(&mut h, Command::ShowPanel(panel));
        if panel != Panel::Sources && panel != Panel::Inspector {
            heading(&h, panel);
        }
    }
}

#[test]
fn with_every_panel_hidden_the_window_says_how_to_get_them_back() {
    let mut h = opened(&feed().run());
    for panel in Panel::ALL {
        ask(&mut h, Command::HidePanel(panel));
    }
    assert!(h.query_all_by_label_contains("No panel is shown here").next().is_some());
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    assert!(!rows(&h).is_empty());
}

/// Names of any length leave the buttons beside them their room.
#[test]
fn long_names_in_the_top_bar_hide_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("an-incident-of-the-homepage-feed-in-eu-central-1.mcap");
    std::fs::copy(feed().recording(), &recording).unwrap();
    let text = super::testing::PIPELINE
        .replace("inputs.views", "inputs.homepage_feed_impressions_views")
        .replace("\"views\"\nwith", "\"homepage_feed_impressions_views\"\nwith")
        .replace("inputs.engagements", "inputs.homepage_feed_impressions_engagements")
        .replace("with.engagements", "with.homepage_feed_impressions_engagements");
    let out = folder.path().join("a-second-run-with-two-minutes-of-out-of-orderness");
    super::testing::rerun(&recording, &text, &[], &out);
    for width in [1280, 1920] {
        let mut h = harness((width, 800), false, None);
        h.state_mut().command(Command::Open(out.clone()));
        settle(&mut h).unwrap();
        let names = ["Menu", "View", "Recording", "Pipeline", "Run", "Run the pipeline"];
        let names = names.into_iter().chain(["Open a file", "Search or run a command"]);
        let at: Vec<egui::Rect> = names.map(|name| h.get_by_label(name).rect()).collect();
        for pair in at.windows(2) {
            assert!(pair[0].right() < pair[1].left(), "at {width}: {at:?}");
        }
        assert!(at.last().unwrap().right() <= width as f32, "at {width}: {at:?}");
        let figures = h.query_all_by_label_contains(" records").next();
        assert!(figures.is_some(), "its records stand beside them");
    }
}

#[test]
fn what_was_set_is_taken_back_from_the_palette() {
    let mut h = opened(&feed().run());
    let offered = |h: &Harness<'_, App>, command: &Command| {
        let does = Does::Now(command.clone());
        entries(h.state()).iter().any(|e| e.does == does)
    };
    assert!(offered(&h, &Command::ResetSettings));
    assert!(!offered(&h, &Command::ClearFilter), "there is no filter");
    ask(&mut h, Command::Search("53".to_owned()));
    assert!(offered(&h, &Command::ClearFilter));
    ask(&mut h, Command::GoTo(7));
    ask(&mut h, Command::AddBookmark("stalls".to_owned()));
    let id = h.state().bookmarks.list()[0].id;
    assert!(offered(&h, &Command::RemoveBookmark(id)));
    ask(&mut h, Command::AddBreakpoint("verdict=late".parse().unwrap()));
    let id = h.state().breakpoints.list()[0].id;
    assert!(offered(&h, &Command::EnableBreakpoint(id, false)));
    assert!(offered(&h, &Command::RemoveBreakpoint(id)));
    let other = Feed::new(300);
    ask(&mut h, Command::Open(other.run()));
    assert!(offered(&h, &Command::CloseOpen(0)) && !offered(&h, &Command::CloseOpen(1)));
}

#[test]
fn tables_are_filtered_and_breakpoints_added_from_the_palette() {
    let mut h = opened(&feed().run());
    let offers = |h: &Harness<'_, App>, does: Does| {
        let all = entries(h.state());
        all.iter().any(|entry| entry.does == does)
    };
    assert!(offers(&h, Does::Ask(Asked::Where)));
    let offered = suggestions(h.state(), &Asked::Where, "late_by>5s").unwrap();
    assert_eq!(offered[0].does, Does::Now(Command::Where("late_by>5s".to_owned())));
    let wrong = suggestions(h.state(), &Asked::Where, "late_by").unwrap_err();
    assert!(wrong.contains("is no condition"), "{wrong}");
    let pads = Command::FilterOutputs(joinscope_core::engine::step::OutputKind::Pad);
    assert!(offers(&h, Does::Now(pads)));
    // What is searched for is seen, also where another table stood before it.
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    ask(&mut h, Command::Search("53".to_owned()));
    assert!(h.state().layout.is_in_sight(Panel::Records));
    // The first run stops, too.
    let h = opened(&feed().recording());
    assert!(offers(&h, Does::Ask(Asked::Breakpoint)));
    assert!(!offers(&h, Does::Ask(Asked::Where)), "there is no run to filter");
    let clocks = |h: &Harness<'_, App>| {
        entries(h.state()).into_iter().filter(|e| e.title == "Show the clock as event time").count()
    };
    assert_eq!(clocks(&h), 0, "nor one with an event time");
    assert_eq!(clocks(&opened(&feed().run())), 1);
}

#[test]
fn a_layout_that_is_replaced_is_named_so_however_it_is_typed() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::SaveLayout("late hunt".to_owned()));
    for (typed, verb) in [("late hunt", "Replace"), (" late  hunt ", "Replace"), ("late", "Save")] {
        let offered = suggestions(h.state(), &Asked::LayoutName, typed).unwrap();
        assert!(offered[0].title.starts_with(verb), "{typed:?}: {}", offered[0].title);
    }
}

#[test]
fn scroll_bars_arrows_and_boxes_have_names() {
    let mut h = opened(&feed().run());
    assert!(h.query_all_by_label("Scroll the rows").next().is_some());
    let arrow = crate::window::theme::fonts::icon::RIGHT;
    assert!(h.query_all_by_label(arrow).next().is_none(), "a glyph is no name");
    ask(&mut h, Command::ShowPanel(Panel::Records));
    press(&mut h, "Filter");
    assert!(h.query_by_label("Field of the condition").is_some());
    assert!(h.query_by_label("How the condition compares").is_some());
}

#[test]
fn no_picture_is_drawn_of_an_arrival_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.svg");
    let (path, last) = (feed().run(), opened(&feed().run()).state().cursor().len() - 1);
    let at = |at| Picture { at: Some(at), ..Picture::default() };
    let Err(NoPicture::Failed(why)) = picture_file(&path, &at(99_999_999), &file, &mut |_| {})
    else {
        panic!("there are fewer arrivals");
    };
    assert!(why.starts_with("--at 99999999: ") && why.ends_with(&format!(" is {last}")), "{why}");
    assert!(!file.exists());
    let mut told: Vec<String> = Vec::new();
    picture_file(&path, &at(last), &file, &mut |doing| told.push(doing.to_owned())).unwrap();
    // It says what it waits for, in turn.
    told.dedup();
    assert_eq!(told, [format!("opening {}", path.display()), "reading what is shown".to_owned()]);
}

#[test]
fn a_menu_is_as_wide_as_its_words() {
    let mut h = opened(&feed().run());
    for (menu, item) in [("Menu", "Quit"), ("View", "Reset the layout")] {
        press(&mut h, menu);
        let wide = h.get_by_label(item).rect().width();
        assert!((200.0..400.0).contains(&wide), "{menu}: {wide}");
        h.key_press(egui::Key::Escape);
        settle(&mut h).unwrap();
    }
}

#[test]
fn a_panel_alone_that_needs_a_run_says_so() {
    for panel in [
        Panel::Causality,
        Panel::State,
        Panel::Checkpoints,
        Panel::Compare,
        Panel::Semantics,
        Panel::Guarantees,
    ] {
        let mut h = harness((700, 300), false, Some(panel));
        ask(&mut h, Command::Open(feed().recording()));
        assert!(h.query_all_by_label_contains("No run. ").next().is_some(), "{panel:?}");
    }
}

#[test]
fn what_is_chosen_in_a_menu_is_told_by_its_check() {
    let mut h = opened(&feed().run());
    press(&mut h, "Speed");
    let on = |h: &Harness<'_, App>, name: &str| {
        h.query_all_by_role(Role::RadioButton).any(|n| {
            let node = n.accesskit_node();
            node.label().as_deref() == Some(name) && node.toggled() == Some(Toggled::True)
        })
    };
    assert!(on(&h, "whole in 60 s") && !on(&h, "1,000 records/s"));
    press(&mut h, "1,000 records/s");
    press(&mut h, "Speed");
    assert!(on(&h, "1,000 records/s") && !on(&h, "whole in 60 s"));
}

#[test]
fn many_notices_leave_the_panels_their_room() {
    let mut h = opened(&feed().run());
    for n in 0..40 {
        h.state_mut().notice("Something was not saved", &format!("file number {n}"));
    }
    h.run_steps(3);
    let height = h.ctx.content_rect().height();
    assert!(h.get_by_label("file number 39").rect().bottom() < height * 0.3, "the newest");
    assert!(heading(&h, Panel::Watermarks).rect().top() < height * 0.4);
}
