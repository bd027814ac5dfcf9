//! Pictures of every panel in both themes, compared with those in
//! `app/tests/pictures`. `UPDATE_SNAPSHOTS=1 cargo test --workspace --lib --bins
//! pictures` renews those that changed; look at them before they are committed.
//!
//! Only the software adapter draws them, so that they are the same everywhere;
//! where it is missing the tests fail.

use std::path::Path;

use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults, try_image_snapshot_options};
use image::RgbaImage;
use joinscope_core::run::incident::{About, Incident, SavedRun};
use joinscope_operator::pipeline::Pipeline;

use super::app::App;
use super::command::{Command, Export};
use super::dialogs::{Dialog, ExportDialog, Palette, PipelineDialog, SaveIncident, SettingsDialog};
use super::doc::PipelineDoc;
use super::headless::{harness, settle};
use super::incident::{IncidentDoc, Remade};
use super::panel::Panel;
use super::renderer;
use super::settings::Settings;
use super::testing::{ask, heading, sample_job, sample_patient, sample_run};
use super::theme::ThemeChoice;
use joinscope_core::run::VerdictSet;
use joinscope_operator::verdict::Verdict;

/// One picture: a panel alone, with something selected.
struct Shot {
    name: &'static str,
    panel: Panel,
    size: (u32, u32),
    select: Select,
}

#[derive(Clone, Copy)]
enum Select {
    Nothing,
    /// A late engagement of the sample's backlog.
    Late,
    /// Nothing, and the cursor in the middle.
    Middle,
    /// A late engagement, compared with the run in which it is not late.
    Compared,
    /// The four semantics, run.
    Four,
    /// Breakpoints, and a record.
    Breaks,
    /// A job's run, the cursor near its end.
    Job,
    /// A button of the panel was pressed.
    Press(&'static str),
}
use Select::{Breaks, Compared, Four, Job, Late, Middle, Nothing, Press};

/// A new panel is a new line here.
const SHOTS: &[Shot] = &[
    shot("watermarks", Panel::Watermarks, (1000, 380), Late),
    shot("records", Panel::Records, (1000, 380), Late),
    shot("outputs", Panel::Outputs, (1000, 380), Nothing),
    shot("state", Panel::State, (1000, 420), Middle),
    shot("checkpoints", Panel::Checkpoints, (1000, 320), Middle),
    shot("guarantees", Panel::Guarantees, (1000, 420), Press("crash mid epoch")),
    shot("timeline", Panel::Timeline, (1000, 420), Late),
    shot("epochs", Panel::Timeline, (1000, 420), Job),
    shot("late", Panel::Late, (1000, 620), Nothing),
    shot("causality", Panel::Causality, (1000, 520), Late),
    shot("compare", Panel::Compare, (1000, 520), Compared),
    shot("semantics", Panel::Semantics, (1000, 320), Four),
    shot("breakpoints", Panel::Breakpoints, (1000, 320), Breaks),
    shot("inspector", Panel::Inspector, (352, 860), Late),
    shot("sources", Panel::Sources, (300, 640), Nothing),
];

const fn shot(name: &'static str, panel: Panel, size: (u32, u32), select: Select) -> Shot {
    Shot { name, panel, size, select }
}

/// A pixel may differ by so much (squared YIQ distance); at the edges of letters and
/// lines, where versions of the adapter smooth in different ways, by anything …
const TOLERANCE: f32 = 2.0;
/// … and so many may differ by more, of a picture of any size: fewer than a mark has.
const PIXELS: usize = 30;

fn options() -> SnapshotOptions {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures");
    SnapshotOptions::new().threshold(TOLERANCE).max_failed_pixels(PIXELS).output_path(folder)
}

/// What another machine would measure otherwise, or has besides: recent files, other
/// runs over the sample.
fn steady(app: &mut App) {
    app.settings.recent.clear();
    let Some(run) = &mut app.doc.run else { return };
    app.doc.runs.retain(|other| other.dir == run.dir);
    let mut manifest = (*run.manifest).clone();
    for c in &mut manifest.checkpoints {
        let n = c.epoch;
        (c.delta_ms, c.snapshot_ms, c.sync_ms) = (3 + n % 5, 1 + n % 3, 8 + n * 7 % 11);
        c.written_bytes = 40_000 + n * 2_917 % 30_000;
        c.disk_bytes = Some(190_000 + n * 4_391 % 60_000);
        c.pause_us = 900 + n * 1_371 % 4_000;
    }
    run.manifest = std::sync::Arc::new(manifest);
}

fn shown(shot: &Shot, light: bool) -> Harness<'static, App> {
    let mut h = harness(shot.size, light, Some(shot.panel));
    let run = if matches!(shot.select, Job) { sample_job() } else { sample_run() };
    h.state_mut().command(Command::Open(run.to_owned()));
    settle(&mut h).unwrap();
    steady(h.state_mut());
    match shot.select {
        Nothing => {}
        Breaks => {
            for condition in ["verdict=late", "late_by>5m", "stalled>30s", "state>64MB", "key=7"] {
                ask(&mut h, Command::AddBreakpoint(condition.parse().unwrap()));
            }
            ask(&mut h, Command::EnableBreakpoint(5, false));
            ask(&mut h, Command::Start);
            let forward = joinscope_core::run::Direction::Forward;
            ask(&mut h, Command::NextHit(forward));
        }
        Four => {
            let folder = tempfile::tempdir().unwrap();
            h.state_mut().run_into = Some(folder.path().join("four"));
            ask(&mut h, Command::RunSemantics);
        }
        Late | Compared => {
            if matches!(shot.select, Compared) {
                ask(&mut h, Command::Compare(sample_patient().to_owned()));
            }
            let run = h.state().doc().run.as_ref().unwrap().run.clone();
            let late = run.nth(VerdictSet::of(Verdict::Late), 300).unwrap().unwrap();
            let row = run.row(late).unwrap();
            ask(&mut h, Command::SelectRecord(row.record));
        }
        Press(label) => {
            h.get_by_label(label).click();
            h.step();
        }
        Job => {
            let at = h.state().cursor().len() / 10 * 9;
            ask(&mut h, Command::GoTo(at));
        }
        Middle => {
            let at = h.state().cursor().len() / 2;
            ask(&mut h, Command::GoTo(at));
        }
    }
    settle(&mut h).unwrap();
    h
}

fn theme(light: bool) -> &'static str {
    if light { "light" } else { "dark" }
}

#[test]
fn panels_look_as_in_their_pictures() {
    assert!(renderer::has_software_adapter(), "install mesa-vulkan-drivers");
    let mut results = SnapshotResults::new();
    for shot in SHOTS {
        for light in [false, true] {
            let name = format!("{}-{}", shot.name, theme(light));
            let drawn = shown(shot, light).render().unwrap();
            results.add(try_image_snapshot_options(&drawn, name, &options()));
        }
    }
    results.unwrap();
}

#[test]
fn the_start_page_looks_as_in_its_picture() {
    assert!(renderer::has_software_adapter(), "install mesa-vulkan-drivers");
    let size = (1280, 800);
    let mut results = SnapshotResults::new();
    for light in [false, true] {
        let mut h = harness(size, light, None);
        settle(&mut h).unwrap();
        let drawn = h.render().unwrap();
        let name = format!("start-{}", theme(light));
        results.add(try_image_snapshot_options(&drawn, name, &options()));
    }
    results.unwrap();
}

/// Dialogs that have a picture.
const WHICH: [&str; 7] =
    ["incident-save", "incident-about", "pipeline", "export", "settings", "palette", "shortcuts"];

/// The dialogs that have much to say, over the start page.
fn dialog(which: &str) -> Dialog {
    let folder = Path::new("/home/you");
    let sample = include_str!("../../../sample-data/feed/feed.toml");
    match which {
        "incident-save" => {
            let notes = "Partition 2 of the engagements stalls at 08:13.\nIts backlog comes late.";
            Dialog::SaveIncident(SaveIncident::new(folder, "run 3", notes, 0))
        }
        "export" => {
            let what = Export::Picture(Panel::Timeline);
            Dialog::Export(ExportDialog::new(what, folder, "run 3", 0))
        }
        "settings" => Dialog::Settings(SettingsDialog::new(&Settings::default())),
        "palette" => Dialog::Palette(Palette::new(None)),
        "shortcuts" => Dialog::Shortcuts,
        "pipeline" => {
            let text = sample.to_owned();
            let pipeline = Pipeline::parse(&text, "feed.toml").unwrap().into();
            let doc = PipelineDoc { file: "feed.toml".to_owned(), text, pipeline };
            Dialog::Pipeline(Box::new(PipelineDialog::new(&doc, Vec::new())))
        }
        _ => Dialog::Incident,
    }
}

/// An incident whose run came out otherwise.
fn incident() -> IncidentDoc {
    let run = SavedRun {
        pipeline_file: "feed.toml".to_owned(),
        overrides: vec![("join.with.engagements.until".to_owned(), "45m".to_owned())],
        at_end: "close".to_owned(),
        program: "0.1.0".to_owned(),
        digest: "eb2227ccd80aa4bcfb3b4fd8d18fad3e".to_owned(),
        recording: "0ddc43a3cdd0bb6a2ba4e5d1eac0f4a9".to_owned(),
        records: 128_911,
        outputs: 96_639,
        ..SavedRun::default()
    };
    let about = About {
        saved_by: "joinscope 0.1.0".to_owned(),
        saved_ms: 1_763_626_080_000,
        notes: "Partition 2 of the engagements stalls at 08:13.\nIts backlog comes late: see the \
                bookmark."
            .to_owned(),
    };
    let how = ["records: 128,911, not 128,910", "engagements late: 904, not 903"];
    let remade = Remade::Differs(how.map(str::to_owned).to_vec());
    IncidentDoc::shown(
        "stall.mcap",
        Incident { about, run: Some(run), ..Incident::default() },
        remade,
    )
}

#[test]
fn dialogs_look_as_in_their_pictures() {
    assert!(renderer::has_software_adapter(), "install mesa-vulkan-drivers");
    let size = (1280, 800);
    let mut results = SnapshotResults::new();
    for which in WHICH {
        for light in [false, true] {
            let mut h = harness(size, light, None);
            settle(&mut h).unwrap();
            if light {
                h.state_mut().settings.theme = ThemeChoice::Light;
            }
            h.state_mut().incident = Some(incident());
            h.state_mut().dialog = Some(dialog(which));
            settle(&mut h).unwrap();
            // The field that has the focus shows no blinking line.
            h.ctx.memory_mut(egui::Memory::stop_text_input);
            settle(&mut h).unwrap();
            let drawn = h.render().unwrap();
            let name = format!("dialog-{which}-{}", theme(light));
            results.add(try_image_snapshot_options(&drawn, name, &options()));
        }
    }
    results.unwrap();
}

/// What changes in a real picture is found: a mark that comes, words that go.
#[test]
fn a_changed_picture_is_found() {
    assert!(renderer::has_software_adapter(), "install mesa-vulkan-drivers");
    let shot = SHOTS.iter().find(|s| s.name == "watermarks").unwrap();
    for light in [false, true] {
        let mut h = shown(shot, light);
        let plain = h.render().unwrap();
        let folder = tempfile::tempdir().unwrap();
        plain.save(folder.path().join("plain.png")).unwrap();
        let options = options().output_path(folder.path());
        let compared = |image: &RgbaImage| try_image_snapshot_options(image, "plain", &options);
        assert!(compared(&plain).is_ok());
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            // Whatever is drawn is right then.
            continue;
        }
        let sentence = heading(&h, shot.panel).rect();
        let (left, top) = (sentence.left() as u32 + 1, sentence.top() as u32 + 1);
        let painted = |width: u32, height: u32, colour| {
            let mut image = plain.clone();
            for at in 0..width * height {
                image.put_pixel(left + at % width, top + at / width, colour);
            }
            image
        };
        let mark = painted(8, 8, image::Rgba([90, 169, 255, 255]));
        assert!(compared(&mark).is_err(), "a mark, {}", theme(light));
        let ground = *plain.get_pixel(left, top);
        let wordless = painted(100, sentence.height() as u32 - 2, ground);
        assert!(compared(&wordless).is_err(), "the sentence's first words, {}", theme(light));
    }
}

/// Every panel that there is has its picture.
#[test]
fn no_panel_is_without_a_picture() {
    for panel in Panel::ALL {
        assert!(SHOTS.iter().any(|s| s.panel == panel), "{panel:?}: add its line to SHOTS");
    }
}
