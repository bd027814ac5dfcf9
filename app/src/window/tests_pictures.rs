//! Pictures of every panel in both themes, compared with those in
//! `app/tests/pictures`. `UPDATE_SNAPSHOTS=1 cargo test --workspace --lib --bins
//! pictures` renews those that changed; look at them before they are committed.
//!
//! Only the software adapter draws them, so that they are the same everywhere;
//! where it is missing the tests fail.

use egui_kittest::kittest::Queryable as _;
use egui_kittest::{SnapshotOptions, SnapshotResults, try_image_snapshot_options};

use super::app::App;
use super::command::Command;
use super::headless::{harness, settle};
use super::panel::Panel;
use super::renderer;
use super::testing::{ask, sample_run};
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
    /// A button of the panel was pressed.
    Press(&'static str),
}
use Select::{Late, Middle, Nothing, Press};

/// A new panel is a new line here.
const SHOTS: &[Shot] = &[
    shot("watermarks", Panel::Watermarks, (1000, 380), Late),
    shot("records", Panel::Records, (1000, 380), Late),
    shot("outputs", Panel::Outputs, (1000, 380), Nothing),
    shot("state", Panel::State, (1000, 420), Middle),
    shot("checkpoints", Panel::Checkpoints, (1000, 320), Middle),
    shot("guarantees", Panel::Guarantees, (1000, 420), Press("crash mid epoch")),
    shot("timeline", Panel::Timeline, (1000, 420), Late),
    shot("late", Panel::Late, (1000, 620), Nothing),
    shot("causality", Panel::Causality, (1000, 520), Late),
    shot("inspector", Panel::Inspector, (352, 860), Late),
];

const fn shot(name: &'static str, panel: Panel, size: (u32, u32), select: Select) -> Shot {
    Shot { name, panel, size, select }
}

/// A pixel may differ by so much (squared YIQ distance; a text's edge drawn by
/// another version of the adapter stays below it) …
const TOLERANCE: f32 = 2.0;
/// … and so many of a thousand may differ by more.
const PER_MILLE: u32 = 1;

fn options(size: (u32, u32)) -> SnapshotOptions {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures");
    SnapshotOptions::new()
        .threshold(TOLERANCE)
        .max_failed_pixels((size.0 * size.1 * PER_MILLE / 1000) as usize)
        .output_path(folder)
}

/// What another machine would measure otherwise.
fn steady(app: &mut App) {
    let Some(run) = &mut app.doc.run else { return };
    let mut manifest = (*run.manifest).clone();
    for c in &mut manifest.checkpoints {
        let n = c.epoch;
        (c.delta_ms, c.snapshot_ms, c.sync_ms) = (3 + n % 5, 1 + n % 3, 8 + n * 7 % 11);
        c.written_bytes = 40_000 + n * 2_917 % 30_000;
    }
    run.manifest = std::sync::Arc::new(manifest);
}

fn draw(shot: &Shot, light: bool) -> image::RgbaImage {
    let mut h = harness(shot.size, light, Some(shot.panel));
    h.state_mut().command(Command::Open(sample_run().to_owned()));
    settle(&mut h).unwrap();
    steady(h.state_mut());
    match shot.select {
        Nothing => {}
        Late => {
            let run = h.state().doc().run.as_ref().unwrap().run.clone();
            let late = run.nth(VerdictSet::of(Verdict::Late), 300).unwrap().unwrap();
            let row = run.row(late).unwrap();
            ask(&mut h, Command::SelectRecord(row.record));
        }
        Press(label) => {
            h.get_by_label(label).click();
            h.step();
        }
        Middle => {
            let at = h.state().cursor().len() / 2;
            ask(&mut h, Command::GoTo(at));
        }
    }
    settle(&mut h).unwrap();
    h.render().unwrap()
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
            let drawn = draw(shot, light);
            results.add(try_image_snapshot_options(&drawn, name, &options(shot.size)));
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
        results.add(try_image_snapshot_options(&drawn, name, &options(size)));
    }
    results.unwrap();
}

/// A picture that differs is found: the comparison can fail.
#[test]
fn a_changed_picture_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let options = options((40, 40)).output_path(folder.path());
    let plain = image::RgbaImage::from_pixel(40, 40, image::Rgba([20, 24, 32, 255]));
    plain.save(folder.path().join("plain.png")).unwrap();
    assert!(try_image_snapshot_options(&plain, "plain", &options).is_ok());
    let mut marked = plain.clone();
    for x in 10..20 {
        marked.put_pixel(x, 12, image::Rgba([231, 234, 240, 255]));
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_none() {
        assert!(try_image_snapshot_options(&marked, "plain", &options).is_err());
    }
}

/// Every panel that there is has its picture.
#[test]
fn no_panel_is_without_a_picture() {
    for panel in Panel::ALL {
        // Sources lists the user's own runs and files.
        if panel != Panel::Sources {
            assert!(SHOTS.iter().any(|s| s.panel == panel), "{panel:?}: add its line to SHOTS");
        }
    }
}

/// Pictures to look at: `JOINSCOPE_LOOK_AT=RUN JOINSCOPE_LOOK=DIR cargo test
/// looked_at` draws the window with each tab in front, in both themes at three
/// sizes, from a run.
#[test]
fn looked_at() {
    let (Ok(run), Ok(dir)) = (std::env::var("JOINSCOPE_LOOK_AT"), std::env::var("JOINSCOPE_LOOK"))
    else {
        return;
    };
    let tabs = std::env::var("JOINSCOPE_LOOK_PANELS").unwrap_or_default();
    for panel in tabs.split(',').filter_map(|name| name.parse::<Panel>().ok()) {
        for size in [(1280, 800), (1600, 1000), (3840, 2160)] {
            for light in [false, true] {
                let mut h = harness(size, light, None);
                h.state_mut().command(Command::Open(run.clone().into()));
                settle(&mut h).unwrap();
                let at = h.state().cursor().len() / 2;
                ask(&mut h, Command::GoTo(at));
                let late = VerdictSet::of(Verdict::Late);
                ask(&mut h, Command::Next(late, joinscope_core::run::Direction::Forward));
                ask(&mut h, Command::ShowPanel(panel));
                let name = format!("{panel}-{}-{}.png", size.0, theme(light));
                h.render().unwrap().save(std::path::Path::new(&dir).join(name)).unwrap();
            }
        }
    }
}
