//! The real window on a virtual display: opened, found by its title, closed.
//! Needs Xvfb, openbox and xdotool, and a driver (Mesa's will do); where one is
//! missing the test fails and says so.
#![allow(clippy::unwrap_used, clippy::panic)] // a test may

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

/// A window of a home of its own on a display of its own.
struct Window {
    home: tempfile::TempDir,
    display: String,
    id: String,
    process: Running,
    _openbox: Running,
    _xvfb: Running,
}

impl Window {
    /// Starts it and waits for its title.
    fn open(home: tempfile::TempDir, args: &[&Path], title: &str) -> Self {
        let (xvfb, display) = display();
        let openbox = start(
            Command::new("openbox")
                .env("DISPLAY", &display)
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        let mut process = start(
            Command::new(env!("CARGO_BIN_EXE_joinscope"))
                .args(args)
                .env("DISPLAY", &display)
                .env_remove("WAYLAND_DISPLAY")
                .env("HOME", home.path())
                .env("XDG_RUNTIME_DIR", home.path())
                .env_remove("XDG_CONFIG_HOME")
                .env_remove("XDG_STATE_HOME")
                .env_remove("XDG_DATA_HOME")
                .stderr(Stdio::null()),
        );
        let id = until("the window's title", || {
            if let Some(status) = process.0.try_wait().unwrap() {
                panic!("the window ended by itself: {status}");
            }
            let found = xdotool(&display, &["search", "--onlyvisible", "--name", title])?;
            found.lines().next().map(ToOwned::to_owned)
        });
        Self { home, display, id, process, _openbox: openbox, _xvfb: xvfb }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn keys(&self, keys: &[&str]) {
        xdotool(&self.display, &["windowfocus", &self.id]);
        xdotool(&self.display, &[&["key", "--delay", "60"], keys].concat());
    }

    fn types(&self, text: &str) {
        xdotool(&self.display, &["type", "--delay", "20", text]);
    }

    /// Does a command by the palette; what it asks for is typed as well.
    fn does(&self, command: &str, answer: Option<&str>) {
        self.keys(&["Escape", "Escape", "ctrl+k"]);
        self.types(command);
        self.keys(&["Return"]);
        if let Some(answer) = answer {
            self.types(answer);
            self.keys(&["Return"]);
        }
    }

    /// Closes it as its user does.
    fn close(mut self) -> tempfile::TempDir {
        let status = until("the window to close", || {
            // Asked again until it is heard: focus comes when the manager gives it.
            self.keys(&["Escape", "Escape", "ctrl+q"]);
            self.process.0.try_wait().unwrap()
        });
        assert!(status.success(), "{status}");
        self.home
    }
}

#[test]
fn the_window_opens_is_found_by_its_title_and_closes() {
    let window = Window::open(tempfile::tempdir().unwrap(), &[], "^Joinscope$");
    let sessions = window.path(".local/state/joinscope/sessions");
    assert!(sessions.read_dir().unwrap().next().is_some(), "a session marker is there");
    let _home = window.close();
    assert!(sessions.read_dir().unwrap().next().is_none(), "the marker is removed at exit");
}

#[test]
fn two_runs_are_compared_and_what_differs_is_written_to_a_file() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name).display().to_string();
    let joinscope = |args: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_joinscope")).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let (feed, pipeline) = (at("feed.mcap"), at("feed.toml"));
    joinscope(&["generate", "feed", "--views", "4000", "-o", &feed]);
    joinscope(&["pipeline", "new", &feed, "-o", &pipeline]);
    let run = ["run", &pipeline, "--recording", &feed, "--out"];
    let less = "inputs.views.watermark.max_out_of_orderness=0s";
    joinscope(&[&run[..], &[&at("strict"), "--set", less]].concat());
    joinscope(&[&run[..], &[&at("usual")]].concat());
    let usual = home.path().join("usual");
    let (strict, seen) = (at("strict"), at("usual"));
    let window = Window::open(home, &[&usual], "usual – Joinscope$");

    let csv = window.path("usual-compare.csv");
    let text = until("what differs in a file", || {
        // Again until all of it was heard.
        window.does("Compare with another run", Some(&strict));
        window.does("Export the rows of Compare", Some(""));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            if let Some(text) = std::fs::read_to_string(&csv).ok().filter(|t| t.ends_with('\n')) {
                return Some(text);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    });
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("arrival,record,input,key,there,here,why_there,why_here"));
    let want = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .args(["diff", &seen, &strict, "--json"])
        .output()
        .unwrap();
    let want: serde_json::Value = serde_json::from_slice(&want.stdout).unwrap();
    let counts = want["changes"].as_array().unwrap().iter().map(|c| c["count"].as_u64().unwrap());
    let changed: u64 = counts.sum();
    assert!(changed > 10, "{want}");
    assert_eq!(lines.count() as u64, changed, "as the command line counts them");

    let home = window.close();
    let last = home.path().join(".local/state/joinscope/last-session.json");
    let last = std::fs::read_to_string(last).unwrap();
    assert!(last.contains("usual") && last.contains("compare"), "{last}");
}
