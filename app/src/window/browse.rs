//! The platform's file dialog, behind a trait: its answer may come late or never.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Something that can ask the user for a file.
pub trait Browse {
    /// Asks; the answer, if one comes, is sent.
    fn ask(&self, answer: SyncSender<PathBuf>, ctx: egui::Context);
}

/// The platform's own dialog.
pub struct Platform;

impl Browse for Platform {
    fn ask(&self, answer: SyncSender<PathBuf>, ctx: egui::Context) {
        let ask = move || {
            let dialog = rfd::AsyncFileDialog::new()
                .set_title("Open in Joinscope")
                .add_filter("Recordings and pipelines", &["mcap", "toml"]);
            if let Some(file) = wait(dialog.pick_file()) {
                // Nobody waits any more: the dialog was closed meanwhile.
                let _ = answer.try_send(file.path().to_owned());
                ctx.request_repaint();
            }
        };
        if let Err(error) = std::thread::Builder::new().name("browse".to_owned()).spawn(ask) {
            tracing::error!("no thread for the file dialog: {error}");
        }
    }
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
    answer: Option<Receiver<PathBuf>>,
}

impl Browsing {
    #[must_use]
    pub fn new(browse: Box<dyn Browse>) -> Self {
        Self { browse, answer: None }
    }

    pub fn ask(&mut self, ctx: &egui::Context) {
        let (send, answer) = sync_channel(1);
        self.answer = Some(answer);
        self.browse.ask(send, ctx.clone());
    }

    /// The file that was chosen, once.
    pub fn taken(&mut self) -> Option<PathBuf> {
        let path = self.answer.as_ref()?.try_recv().ok()?;
        self.answer = None;
        Some(path)
    }
}
