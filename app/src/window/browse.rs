//! The platform's file dialog, behind a trait: its answer may come late or never.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// The file that was chosen, or why nobody could be asked.
pub type Answer = Result<PathBuf, String>;

/// Something that can ask the user for a file.
pub trait Browse {
    /// Asks; the answer, if one comes, is sent.
    fn ask(&self, answer: SyncSender<Answer>, ctx: egui::Context);
}

/// The platform's own dialog.
pub struct Platform;

impl Browse for Platform {
    fn ask(&self, answer: SyncSender<Answer>, ctx: egui::Context) {
        let (unasked, repaint) = (answer.clone(), ctx.clone());
        let ask = move || {
            HEARD.listen();
            let dialog = rfd::AsyncFileDialog::new()
                .set_title("Open in Joinscope")
                .add_filter("Recordings and pipelines", &["mcap", "toml"]);
            let chosen = wait(dialog.pick_file()).map(|file| file.path().to_owned());
            // Without a file it was closed, or did not come up.
            let Some(said) = chosen.map(Ok).or_else(|| HEARD.failure().map(Err)) else { return };
            // Nobody waits any more: the dialog was closed meanwhile.
            let _ = answer.try_send(said);
            ctx.request_repaint();
        };
        if let Err(error) = std::thread::Builder::new().name("browse".to_owned()).spawn(ask) {
            let _ = unasked.try_send(Err(format!("no thread could be started for it: {error}")));
            repaint.request_repaint();
        }
    }
}

/// What the dialog's crate says to the log: it tells nobody else why no dialog came up.
struct Heard(Mutex<Vec<(Level, String)>>);

static HEARD: Heard = Heard(Mutex::new(Vec::new()));

impl Heard {
    fn all(&self) -> MutexGuard<'_, Vec<(Level, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on; where the program has another log nothing is heard.
    fn listen(&'static self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            if log::set_logger(self).is_ok() {
                log::set_max_level(LevelFilter::Warn);
            }
        });
        self.all().clear();
    }

    /// Why there was no dialog. Where one way to it failed and the next is tried, a
    /// warning follows the error.
    fn failure(&self) -> Option<String> {
        let all = self.all();
        all.last().filter(|(level, _)| *level == Level::Error)?;
        let errors = all.iter().filter(|(level, _)| *level == Level::Error);
        Some(errors.map(|(_, said)| said.as_str()).collect::<Vec<_>>().join("; "))
    }
}

impl Log for Heard {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.level() <= Level::Warn && about.target().starts_with("rfd")
    }

    fn log(&self, record: &Record<'_>) {
        /// Of one dialog.
        const MOST: usize = 16;
        let mut all = self.all();
        if self.enabled(record.metadata()) && all.len() < MOST {
            all.push((record.level(), record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// Waits for a future on this thread, which has nothing else to do.
pub fn wait<F: Future>(future: F) -> F::Output {
    struct Wake(std::thread::Thread);
    impl std::task::Wake for Wake {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Wake(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}

/// A question to the platform's dialog that may be open.
pub struct Browsing {
    browse: Box<dyn Browse>,
    answer: Option<Receiver<Answer>>,
    failed: Option<String>,
}

impl Browsing {
    #[must_use]
    pub fn new(browse: Box<dyn Browse>) -> Self {
        Self { browse, answer: None, failed: None }
    }

    pub fn ask(&mut self, ctx: &egui::Context) {
        let (send, answer) = sync_channel(1);
        (self.answer, self.failed) = (Some(answer), None);
        self.browse.ask(send, ctx.clone());
    }

    /// What was answered, once.
    pub fn taken(&mut self) -> Option<Answer> {
        let answer = self.answer.as_ref()?.try_recv().ok()?;
        (self.answer, self.failed) = (None, answer.as_ref().err().cloned());
        Some(answer)
    }

    /// Why the platform's dialog did not come up when it was asked for last.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Whoever opens a file next has not asked yet.
    pub fn forget_failure(&mut self) {
        self.failed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(heard: &Heard, level: Level, target: &str, said: &str) {
        heard.log(
            &Record::builder().level(level).target(target).args(format_args!("{said}")).build(),
        );
    }

    #[test]
    fn a_dialog_that_did_not_come_up_is_told_from_one_that_was_closed() {
        let heard = Heard(Mutex::new(Vec::new()));
        let portal = "rfd::backend::xdg_desktop_portal";
        assert_eq!(heard.failure(), None);
        say(&heard, Level::Error, "egui_wgpu", "no surface");
        say(&heard, Level::Error, portal, "no session bus");
        say(&heard, Level::Warn, portal, "Using zenity fallback");
        assert_eq!(heard.failure(), None, "another one came up and was closed");
        say(&heard, Level::Error, portal, "no zenity");
        assert_eq!(heard.failure().as_deref(), Some("no session bus; no zenity"));
    }
}
