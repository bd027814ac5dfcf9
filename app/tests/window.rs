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
const WAIT: Duration = Duration::from_mins(4);

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

    /// Runs a command of the palette and answers what it asks for, in one go: keys
    /// follow each other as quickly as the display takes them.
    fn tell(&self, lines: &[&str]) {
        let mut keys = vec!["key", "ctrl+k"];
        for (n, line) in lines.iter().enumerate() {
            // A field may be filled in already.
            keys.extend(["key", "ctrl+a"].iter().take(2 * n.min(1)));
            keys.extend(["type", "--args", "1", "--delay", "2", line, "key", "Return"]);
        }
        xdotool(&self.display, &keys);
    }

    /// Tells it again and again until it shows: the manager gives the focus when it
    /// gets to it. From then on the window hears all that is typed.
    fn first<T>(&self, lines: &[&str], mut seen: impl FnMut() -> Option<T>) -> T {
        self.again(Duration::from_secs(5), lines, &mut seen)
    }

    /// Tells it again where it does not show after a time.
    fn again<T>(
        &self,
        patience: Duration,
        lines: &[&str],
        seen: &mut impl FnMut() -> Option<T>,
    ) -> T {
        until(&format!("{lines:?} to be done"), || {
            xdotool(&self.display, &["windowfocus", &self.id]);
            self.key("Escape");
            self.key("Escape");
            self.tell(lines);
            let told = Instant::now();
            while told.elapsed() < patience {
                if let Some(seen) = seen() {
                    return Some(seen);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
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
fn run_sample(folder: &Path, name: &str) -> PathBuf {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-data/feed");
    let out = folder.join(name);
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
    out
}

#[test]
fn a_parameter_is_changed_run_again_and_what_changed_is_listed_kept_and_restored() {
    let home = tempfile::tempdir().unwrap();
    let usual = run_sample(home.path(), "usual");
    let (_xvfb, display) = display();
    let _openbox = manager(&display);
    // The dashes between are read differently from one locale to the next.
    let title = "feed.mcap .* usual .* Joinscope";
    let window = Window::open(&display, home.path(), &[&usual], title);
    let front = |window: &Window| {
        let session = window.session()?;
        Some(session["open"][session["front"].as_u64()? as usize].clone())
    };

    // Late in the one, joined in the other (sample-data/feed/README.md).
    let name = "engagements[2]@1401";
    window.first(&["go to an arrival a time or a record", name], || {
        (front(&window)?["cursor"] == 47_387).then_some(())
    });
    let setting = "inputs.engagements.watermark.max_out_of_orderness = 10m";
    window.tell(&["change one setting run again and compare", setting]);
    let compared = until("the second run beside the first", || {
        front(&window)?["compared"].as_str().map(PathBuf::from)
    });
    assert_eq!(compared, usual);
    let second = PathBuf::from(front(&window).unwrap()["path"].as_str().unwrap());
    assert_ne!(second, usual);

    let file = home.path().join("changed.csv");
    // There may be nothing to export until both runs were read; it takes a while.
    let export = ["export the rows of compare", file.to_str().unwrap()];
    let csv = window.again(WAIT / 2, &export, &mut || {
        std::fs::read_to_string(&file).ok().filter(|text| text.contains(name))
    });
    window.key("Escape");
    let changed = csv.lines().find(|line| line.contains(name)).unwrap();
    assert!(changed.contains("joined") && changed.contains("late"), "{changed}");
    window.tell(&["go to an arrival a time or a record", name]);
    let before = until("the record in the second run", || {
        (front(&window)?["selection"]["row"] == 47_387).then(|| window.session())?
    });
    window.close();

    let window = Window::open(&display, home.path(), &[], "^Joinscope$");
    let after = window.first(&["continue where you were"], || {
        (front(&window)?["selection"]["row"] == 47_387).then(|| window.session())?
    });
    for part in ["open", "front", "layout"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    window.close();
}
