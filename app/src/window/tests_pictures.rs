//! Pictures of every panel in both themes, compared with those in
//! `app/tests/pictures`. `UPDATE_SNAPSHOTS=1 cargo test --workspace --lib --bins
//! pictures` renews those that changed; look at them before they are committed.
//!
//! Only the software adapter draws them, so that they are the same everywhere;
//! where it is missing the tests fail.

use egui_kittest::{SnapshotOptions, SnapshotResults, try_image_snapshot_options};

use super::app::App;
use super::command::Command;
use super::headless::{harness, settle};
use super::panel::Panel;
use super::renderer;
use super::testing::sample_run;

/// One picture: a panel alone, with something selected.
struct Shot {
    name: &'static str,
    panel: Panel,
    size: (u32, u32),
    select: &'static str,
}

/// A late engagement of the sample's backlog.
const LATE: &str = "engagements[2]@1300";

/// A new panel is a new line here.
const SHOTS: &[Shot] = &[
    shot("watermarks", Panel::Watermarks, (1000, 380), LATE),
    shot("records", Panel::Records, (1000, 380), LATE),
    shot("outputs", Panel::Outputs, (1000, 380), ""),
    shot("inspector", Panel::Inspector, (352, 860), LATE),
];

const fn shot(
    name: &'static str,
    panel: Panel,
    size: (u32, u32),
    select: &'static str,
) -> Shot {
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
    if !shot.select.is_empty() {
        h.state_mut().command(Command::SelectRecord(shot.select.parse().unwrap()));
        settle(&mut h).unwrap();
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
