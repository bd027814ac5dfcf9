//! The real window on a virtual display: opened, found by its title, closed.
//! Needs Xvfb, openbox and xdotool, and a driver (Mesa's will do); where one is
//! missing the test fails and says so.
#![allow(clippy::unwrap_used, clippy::panic)] // a test may

use std::io::{BufRead as _, BufReader};
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

#[test]
fn the_window_opens_is_found_by_its_title_and_closes() {
    let home = tempfile::tempdir().unwrap();
    let (_xvfb, display) = display();
    let _openbox = start(
        Command::new("openbox")
            .env("DISPLAY", &display)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let mut window = start(
        Command::new(env!("CARGO_BIN_EXE_joinscope"))
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
        if let Some(status) = window.0.try_wait().unwrap() {
            panic!("the window ended by itself: {status}");
        }
        let found = xdotool(&display, &["search", "--onlyvisible", "--name", "^Joinscope$"])?;
        found.lines().next().map(ToOwned::to_owned)
    });
    let sessions = home.path().join(".local/state/joinscope/sessions");
    assert!(sessions.read_dir().unwrap().next().is_some(), "a session marker is there");
    let status = until("the window to close", || {
        // Asked again until it is heard: focus comes when the manager gives it.
        xdotool(&display, &["windowfocus", &id]);
        xdotool(&display, &["key", "ctrl+q"]);
        window.0.try_wait().unwrap()
    });
    assert!(status.success(), "{status}");
    assert!(sessions.read_dir().unwrap().next().is_none(), "the marker is removed at exit");
}
