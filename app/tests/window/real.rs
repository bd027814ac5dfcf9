//! A real window on a display of its own, and what drives it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Long, since a software renderer is slow on a busy machine.
pub const WAIT: Duration = Duration::from_mins(4);

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

/// Asks again and again for at most [`WAIT`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < WAIT, "{what}: not after {} s", WAIT.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A virtual display with a window manager, numbered by the server.
pub struct Display {
    name: String,
    _manager: Running,
    _server: Running,
}

impl Display {
    pub fn new() -> Self {
        let mut server = start(
            Command::new("Xvfb")
                .args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        );
        let mut line = String::new();
        BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.trim().is_empty(), "Xvfb named no display");
        let name = format!(":{}", line.trim());
        let manager = start(
            Command::new("openbox")
                .env("DISPLAY", &name)
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        Self { name, _manager: manager, _server: server }
    }

    fn xdotool(&self, args: &[&str]) -> Option<String> {
        let done = Command::new("xdotool").env("DISPLAY", &self.name).args(args).output().unwrap();
        let out = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        (done.status.success() && !out.is_empty()).then_some(out)
    }
}

/// The program's window, with a home of its own.
pub struct Window<'a> {
    process: Running,
    display: &'a Display,
    home: PathBuf,
    id: String,
}

impl<'a> Window<'a> {
    /// Opens `args`; found by its title, a pattern.
    pub fn open(display: &'a Display, home: &Path, args: &[&Path], title: &str) -> Self {
        let process = start(
            Command::new(env!("CARGO_BIN_EXE_joinscope"))
                .args(args)
                .env("DISPLAY", &display.name)
                .env_remove("WAYLAND_DISPLAY")
                .env("HOME", home)
                .env("XDG_RUNTIME_DIR", home)
                .env_remove("XDG_CONFIG_HOME")
                .env_remove("XDG_STATE_HOME")
                .env_remove("XDG_DATA_HOME")
                .stderr(Stdio::null()),
        );
        let mut window = Self { process, display, home: home.to_owned(), id: String::new() };
        window.id = until(&format!("a window called {title}"), || {
            if let Some(status) = window.process.0.try_wait().unwrap() {
                panic!("the window ended by itself: {status}");
            }
            let found = display.xdotool(&["search", "--onlyvisible", "--name", title])?;
            found.lines().next().map(ToOwned::to_owned)
        });
        window
    }

    /// Where it keeps how it stands while it is open.
    pub fn sessions(&self) -> PathBuf {
        self.home.join(".local/state/joinscope/sessions")
    }

    /// The session as it is kept now.
    pub fn session(&self) -> Option<Value> {
        let mut found = self.sessions().read_dir().ok()?.flatten().map(|e| e.path());
        let kept = found.find(|p| p.extension().is_some_and(|e| e == "json"))?;
        serde_json::from_slice(&std::fs::read(kept).ok()?).ok()
    }

    /// What of the session is in front.
    pub fn front(&self) -> Option<Value> {
        let session = self.session()?;
        Some(session["open"][session["front"].as_u64()? as usize].clone())
    }

    /// The settings as they are kept now.
    pub fn settings(&self) -> Option<Value> {
        let path = self.home.join(".config/joinscope/settings.json");
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Runs a command of the palette and answers what it asks for, keys following
    /// each other as quickly as the display takes them; again, where nothing is
    /// seen of it within `patience`: the manager gives the focus when it gets to it.
    pub fn tell<T>(
        &self,
        patience: Duration,
        lines: &[&str],
        mut seen: impl FnMut() -> Option<T>,
    ) -> T {
        let mut keys = vec!["key", "--clearmodifiers", "Escape", "Escape", "ctrl+k"];
        for (n, line) in lines.iter().enumerate() {
            // A field may be filled in already.
            keys.extend(["key", "ctrl+a"].iter().take(2 * n.min(1)));
            keys.extend(["type", "--args", "1", "--delay", "2", line, "key", "Return"]);
        }
        until(&format!("{lines:?} to be done"), || {
            self.display.xdotool(&["windowfocus", "--sync", &self.id]);
            self.display.xdotool(&keys);
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
    pub fn close(mut self) {
        let status = until("the window to close", || {
            self.display.xdotool(&["windowfocus", &self.id]);
            self.display.xdotool(&["key", "Escape", "ctrl+q"]);
            std::thread::sleep(Duration::from_millis(200));
            self.process.0.try_wait().unwrap()
        });
        assert!(status.success(), "{status}");
    }
}
