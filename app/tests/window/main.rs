//! The real window on a virtual display: opened, found by its title, driven by
//! its keyboard, closed, and what it kept restored.
//! Needs Xvfb, openbox and xdotool, and a driver (Mesa's will do); where one is
//! missing the test fails and says so.
#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod real;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use real::{Display, Window};

/// One window at a time: each is drawn by the processor.
static ONE: Mutex<()> = Mutex::new(());

const SOON: Duration = Duration::from_secs(8);

#[test]
fn the_window_opens_is_found_by_its_title_and_closes() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let home = tempfile::tempdir().unwrap();
    let display = Display::new();
    let window = Window::open(&display, home.path(), &[], "^Joinscope$");
    let sessions = window.sessions();
    assert!(sessions.read_dir().unwrap().next().is_some(), "a session marker is there");
    window.close();
    assert!(sessions.read_dir().unwrap().next().is_none(), "the marker is removed at exit");
}

/// Late at first, and joined with ten minutes (sample-data/feed/README.md).
const RECORD: &str = "engagements[2]@1401";
const ARRIVAL: u64 = 47_387;
const GO: &str = "go to an arrival a time or a record";

/// A window on the sample, run into a folder of its home, and that folder.
fn over_the_sample<'a>(display: &'a Display, home: &Path) -> (Window<'a>, PathBuf) {
    let out = home.join("usual");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-data/feed");
    let done = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .arg("run")
        .arg(sample.join("feed.toml"))
        .arg("--recording")
        .arg(sample.join("feed.mcap"))
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // The dashes between are read differently from one locale to the next.
    let title = "feed.mcap .* usual .* Joinscope";
    (Window::open(display, home, &[&out], title), out)
}

#[test]
fn a_setting_and_the_place_in_a_run_are_there_again() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let home = tempfile::tempdir().unwrap();
    let display = Display::new();
    let (window, _) = over_the_sample(&display, home.path());
    window
        .tell(SOON, &["colours light"], || (window.settings()?["theme"] == "light").then_some(()));
    let before = window.tell(SOON, &[GO, RECORD], || {
        (window.front()?["cursor"] == ARRIVAL).then(|| window.session())?
    });
    window.close();

    let window = Window::open(&display, home.path(), &[], "^Joinscope$");
    let after = window.tell(SOON, &["continue where you were"], || {
        (window.front()?["cursor"] == ARRIVAL).then(|| window.session())?
    });
    assert_eq!(window.settings().unwrap()["theme"], "light");
    for part in ["open", "front", "layout"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    window.close();
}

#[test]
fn a_parameter_is_changed_run_again_and_what_changed_is_listed() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let home = tempfile::tempdir().unwrap();
    let display = Display::new();
    let (window, usual) = over_the_sample(&display, home.path());
    let change = "change one setting run again and compare";
    let setting = "inputs.engagements.watermark.max_out_of_orderness = 10m";
    let compared = window.tell(Duration::from_mins(1), &[change, setting], || {
        window.front()?["compared"].as_str().map(PathBuf::from)
    });
    assert_eq!(compared, usual);
    assert_ne!(window.front().unwrap()["path"].as_str().map(Path::new), Some(&*usual));

    let file = home.path().join("changed.csv");
    // There may be nothing to export until both runs were read.
    let export = ["export the rows of compare", file.to_str().unwrap()];
    let csv = window.tell(SOON, &export, || {
        let text = std::fs::read_to_string(&file).ok()?;
        if text.contains(RECORD) {
            return Some(text);
        }
        // Of a run that still goes on; the next is not to ask whether it may replace it.
        let _ = std::fs::remove_file(&file);
        None
    });
    let changed = csv.lines().find(|line| line.contains(RECORD)).unwrap();
    assert!(changed.contains("joined") && changed.contains("late"), "{changed}");
    window.close();
}
