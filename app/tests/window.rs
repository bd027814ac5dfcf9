//! The real window on a virtual display: opened, found by its title, driven by
//! its keyboard, closed, and what it kept restored.
//! Needs Xvfb, openbox and xdotool, and a driver (Mesa's will do); where one is
//! missing the test fails and says so.
#![allow(clippy::unwrap_used, clippy::panic)] // a test may

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Long, since a software renderer starts slowly on a busy machine.
const WAIT: Duration = Duration::from_mins(2);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Running {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.spawn() {
        Ok(child) => Running(child),
        Err(e) => panic!("{name} cannot be started ({e}); install xvfb openbox xdotool"),
    }
}

/// A display of its own, numbered by the server.
fn display() -> (Running, String) {
    let mut xvfb = start(
        Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null()),
    );
    let mut line = String::new();
    BufReader::new(xvfb.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.trim().is_empty(), "Xvfb named no display");
    (xvfb, format!(":{}", line.trim()))
}

fn xdotool(display: &str, args: &[&str]) -> Option<String> {
    let done = Command::new("xdotool").env("DISPLAY", display).args(args).output().unwrap();
    let out = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    (done.status.success() && !out.is_empty()).then_some(out)
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < WAIT, "{what}: not after {} s", WAIT.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The real window on a display of its own, with a home of its own.
struct Window {
    process: Running,
    display: String,
    state: PathBuf,
    id: String,
}

impl Window {
    /// Opens `args`; found by its title, a pattern.
    fn open(display: &str, home: &Path, args: &[&Path], title: &str) -> Self {
        let process = start(
            Command::new(env!("CARGO_BIN_EXE_joinscope"))
                .args(args)
                .env("DISPLAY", display)
                .env_remove("WAYLAND_DISPLAY")
                .env("HOME", home)
                .env("XDG_RUNTIME_DIR", home)
                .env_remove("XDG_CONFIG_HOME")
                .env_remove("XDG_STATE_HOME")
                .env_remove("XDG_DATA_HOME")
                .stderr(Stdio::null()),
        );
        let state = home.join(".local/state/joinscope");
        let mut window = Self { process, display: display.to_owned(), state, id: String::new() };
        window.id = until(&format!("a window called {title}"), || {
            if let Some(status) = window.process.0.try_wait().unwrap() {
                panic!("the window ended by itself: {status}");
            }
            let found = xdotool(display, &["search", "--onlyvisible", "--name", title])?;
            found.lines().next().map(ToOwned::to_owned)
        });
        window
    }

    fn sessions(&self) -> PathBuf {
        self.state.join("sessions")
    }

    /// The session as the window keeps it while it lasts.
    fn session(&self) -> Option<Value> {
        let mut found = self.sessions().read_dir().ok()?.flatten().map(|e| e.path());
        let kept = found.find(|p| p.extension().is_some_and(|e| e == "json"))?;
        serde_json::from_slice(&std::fs::read(kept).ok()?).ok()
    }

    fn key(&self, key: &str) {
        xdotool(&self.display, &["key", key]);
    }

    /// Runs commands of the palette and answers what they ask, until it shows;
    /// told again where the window was too busy to hear all of it.
    fn tell<T>(&self, lines: &[&str], mut seen: impl FnMut() -> Option<T>) -> T {
        let mut pause = Duration::from_millis(300);
        until(&format!("{lines:?} to be done"), || {
            xdotool(&self.display, &["windowfocus", &self.id]);
            self.key("Escape");
            self.key("Escape");
            self.key("ctrl+k");
            for line in lines {
                std::thread::sleep(pause);
                self.key("ctrl+a");
                xdotool(&self.display, &["type", "--delay", "12", line]);
                std::thread::sleep(pause);
                self.key("Return");
            }
            let told = Instant::now();
            while told.elapsed() < 10 * pause {
                if let Some(seen) = seen() {
                    return Some(seen);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            pause *= 2;
            None
        })
    }

    /// Closes it as a user does.
    fn close(mut self) {
        let status = until("the window to close", || {
            // Asked again until it is heard: focus comes when the manager gives it.
            xdotool(&self.display, &["windowfocus", &self.id]);
            self.key("Escape");
            self.key("ctrl+q");
            self.process.0.try_wait().unwrap()
        });
        assert!(status.success(), "{status}");
    }
}

/// A window manager on a display.
fn manager(display: &str) -> Running {
    start(
        Command::new("openbox").env("DISPLAY", display).stdout(Stdio::null()).stderr(Stdio::null()),
    )
}

#[test]
fn the_window_opens_is_found_by_its_title_and_closes() {
    let home = tempfile::tempdir().unwrap();
    let (_xvfb, display) = display();
    let _openbox = manager(&display);
    let window = Window::open(&display, home.path(), &[], "^Joinscope$");
    let sessions = window.sessions();
    assert!(sessions.read_dir().unwrap().next().is_some(), "a session marker is there");
    window.close();
    assert!(sessions.read_dir().unwrap().next().is_none(), "the marker is removed at exit");
}

/// The sample, run into `folder/NAME`.
fn run_sample(folder: &Path, name: &str, more: &[&str]) -> PathBuf {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-data/feed");
    let out = folder.join(name);
    let done = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .arg("run")
        .arg(sample.join("feed.toml"))
        .arg("--recording")
        .arg(sample.join("feed.mcap"))
        .args(more)
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    out
}

#[test]
fn two_runs_are_compared_a_changed_verdict_selected_closed_and_restored() {
    let home = tempfile::tempdir().unwrap();
    let run = run_sample(home.path(), "usual", &[]);
    let bound = "inputs.engagements.watermark.max_out_of_orderness=10m";
    let patient = run_sample(home.path(), "patient", &["--set", bound]);
    let (_xvfb, display) = display();
    let _openbox = manager(&display);
    let window = Window::open(&display, home.path(), &[&run], "feed.mcap – usual – Joinscope");

    window.tell(&["compare with another run", patient.to_str().unwrap()], || {
        let open = window.session()?["open"][0].clone();
        (open["compared"].as_str()? == patient.to_str().unwrap()).then_some(())
    });
    // Late in the one, joined in the other (sample-data/feed/README.md).
    let name = "engagements[2]@1401";
    let before = window.tell(&["go to an arrival a time or a record", name], || {
        let session = window.session()?;
        (session["open"][0]["cursor"] == 47_387).then_some(session)
    });
    assert_eq!(before["open"][0]["selection"]["row"], 47_387, "{before}");
    let file = home.path().join("changed.csv");
    let csv = window.tell(&["export the rows of compare", file.to_str().unwrap()], || {
        std::fs::read_to_string(&file).ok().filter(|text| text.contains(name))
    });
    let changed = csv.lines().find(|line| line.contains(name)).unwrap();
    assert!(changed.contains("joined") && changed.contains("late"), "{changed}");
    window.close();

    let window = Window::open(&display, home.path(), &[], "^Joinscope$");
    let after = window.tell(&["continue where you were"], || {
        let session = window.session()?;
        (session["open"][0]["cursor"] == 47_387).then_some(session)
    });
    for part in ["open", "front", "layout"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    assert!(
        xdotool(&display, &["search", "--name", "feed.mcap – usual – Joinscope"]).is_some(),
        "the run is in front again"
    );
    window.close();
}
