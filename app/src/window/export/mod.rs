//! What a panel shows, written to a file: its rows as CSV or JSON lines, or its
//! picture. A job of its own thread, with progress and cancel; a file is there
//! whole or not at all.

mod clip;
#[cfg(test)]
pub mod full;
mod lettering;
mod listed;
mod picture;
mod svg;
mod write;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use lettering::Lettering;
pub use listed::Listed;
pub use picture::{Shot, cropped, png_file};
pub use svg::{Drawing, is_svg, remember, to_file as svg_file};
pub use write::{failed, to_file};

use joinscope_core::edges::recording::Job;

use super::jobs::panic_message;
use super::text::{bytes, left, plural, short_count, thousands};

/// One row of a file.
pub struct Row {
    /// The whole, for JSON lines.
    pub json: serde_json::Value,
    /// As [`Data::columns`] name them, for CSV.
    pub cells: Vec<serde_json::Value>,
}

impl Row {
    /// A row in which nothing is known beyond its cells.
    #[must_use]
    pub fn named(columns: &[&str], cells: Vec<serde_json::Value>) -> Self {
        let named = columns.iter().map(|c| (*c).to_owned()).zip(cells.iter().cloned());
        Self { json: serde_json::Value::Object(named.collect()), cells }
    }
}

/// Rows that can be written, page by page.
pub trait Data: Send {
    /// How many there are.
    fn len(&self) -> u64;
    /// Titles of the columns.
    fn columns(&self) -> Vec<String>;
    /// Rows `first..first + n`, as many of them as there are.
    ///
    /// # Errors
    /// They cannot be read.
    fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String>;
}

/// Gives the rows, off the window's thread.
pub type Source = Box<dyn FnOnce(&Meter<'_>) -> Result<Box<dyn Data>, String> + Send>;

/// Writes a file by itself: to where, whether over one that is there; gives its
/// length.
pub type Work = Box<dyn FnOnce(&Path, bool, &Meter<'_>) -> Result<u64, Refused> + Send>;

/// What is written.
pub enum What {
    Rows(Source),
    Picture(Shot),
    /// A picture made of shapes.
    Drawing(Drawing),
    /// An incident file.
    Incident(Work),
}

/// Behind where an incident is.
const BLANKED: &str = "; what looked like a secret in notes, comments or filters is blanked";

/// Longest wait for a file that is no longer wanted.
const LEAVE: Duration = Duration::from_secs(5);

/// What is counted on the way, and said at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rows,
    Picture,
    Incident,
}

/// How a number is written.
type Count = fn(u64) -> String;

#[derive(Default)]
struct Shared {
    done: AtomicU64,
    of: AtomicU64,
    cancel: Arc<AtomicBool>,
    /// What looked like a secret is not in the file.
    blanked: AtomicBool,
    ended: Mutex<Option<Result<u64, Refused>>>,
}

/// Why there is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Cancelled,
    /// Something is there already.
    Exists,
    Failed(String),
}

/// How far a job is; what it calls now and then.
pub struct Meter<'a>(&'a Shared);

impl Meter<'_> {
    /// So many rows of so many are written; says whether to go on.
    #[must_use]
    pub fn at(&self, done: u64, of: u64) -> bool {
        self.0.done.store(done, Ordering::Relaxed);
        self.0.of.store(of, Ordering::Relaxed);
        !self.0.cancel.load(Ordering::Relaxed)
    }

    /// Set once it is to end: for what looks through a run before there are rows.
    #[must_use]
    pub fn cancel(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.cancel)
    }

    /// What looked like a secret is not written: said with how it ended.
    pub fn blanked(&self) {
        self.0.blanked.store(true, Ordering::Relaxed);
    }

    /// Runs an operation on recordings that is followed and stopped by this.
    pub fn job<T>(&self, run: impl FnOnce(&mut Job<'_>) -> T) -> T {
        let mut progress = |done, of| {
            // The operation looks at the flag itself.
            let _ = self.at(done, of);
        };
        run(&mut Job { cancel: &self.0.cancel, progress: &mut progress })
    }
}

/// A file that is being written, or was.
pub struct Exporting {
    pub path: PathBuf,
    begun: Instant,
    shared: Arc<Shared>,
    /// How it ended, once that is known.
    pub ended: Option<Result<u64, Refused>>,
    kind: Kind,
}

impl Exporting {
    /// Begins to write.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn begin(
        ctx: &egui::Context,
        what: What,
        path: &Path,
        replace: bool,
    ) -> Result<Self, String> {
        let shared = Arc::<Shared>::default();
        let (told, to, repaint) = (Arc::clone(&shared), path.to_owned(), ctx.clone());
        let kind = match what {
            What::Rows(_) => Kind::Rows,
            What::Picture(_) | What::Drawing(_) => Kind::Picture,
            What::Incident(_) => Kind::Incident,
        };
        let work = move || {
            let meter = Meter(&told);
            let done = catch_unwind(AssertUnwindSafe(|| match what {
                What::Rows(source) => {
                    let mut rows = source(&meter).map_err(|why| {
                        let ended = meter.0.cancel.load(Ordering::Relaxed);
                        if ended { Refused::Cancelled } else { Refused::Failed(why) }
                    })?;
                    to_file(&mut *rows, &to, replace, &meter)
                }
                What::Picture(shot) => picture::to_file(&shot, &to, replace).map(|()| 1),
                What::Drawing(drawing) => svg_file(&drawing, &to, replace).map(|()| 1),
                What::Incident(work) => work(&to, replace, &meter),
            }))
            .unwrap_or_else(|panic| Err(Refused::Failed(panic_message(&*panic))));
            *told.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            repaint.request_repaint();
        };
        std::thread::Builder::new()
            .name("export".to_owned())
            .spawn(work)
            .map_err(|e| format!("no thread could be started for the export: {e}"))?;
        Ok(Self { path: path.to_owned(), begun: Instant::now(), shared, ended: None, kind })
    }

    /// Takes in how it ended; says so once.
    pub fn ends_now(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        self.ended = self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.ended.is_some()
    }

    pub fn cancel(&self) {
        self.shared.cancel.store(true, Ordering::Relaxed);
    }

    /// Cancels it, and waits until what was written is gone: its thread would
    /// end with the process, and leave half a file. Not for long: what writes
    /// to a pipe that nobody reads never ends.
    pub fn end(&self) {
        self.cancel();
        let begun = Instant::now();
        let is_open = || self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        while self.ended.is_none() && is_open() && begun.elapsed() < LEAVE {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// `Exporting 48,000 of 1,204,118 · 120 k/s · 9 s left`
    #[must_use]
    pub fn sentence(&self) -> String {
        let name = super::doc::file_name(&self.path);
        match &self.ended {
            Some(Ok(n)) => {
                let path = self.path.display();
                match self.kind {
                    Kind::Rows => format!("{} written to {path}", plural(*n, "row")),
                    Kind::Picture => format!("The picture is in {path}"),
                    Kind::Incident => {
                        let blanked = self.shared.blanked.load(Ordering::Relaxed);
                        let also = if blanked { BLANKED } else { "" };
                        format!("The incident is in {path}, {}{also}", bytes(*n))
                    }
                }
            }
            Some(Err(Refused::Cancelled)) => format!("{name} was not written: cancelled"),
            Some(Err(Refused::Exists)) => format!("{name} is there already"),
            Some(Err(Refused::Failed(why))) => format!("{name} was not written: {why}"),
            None => {
                let (done, of) = (
                    self.shared.done.load(Ordering::Relaxed),
                    self.shared.of.load(Ordering::Relaxed),
                );
                let (count, short): (Count, Count) = match self.kind {
                    Kind::Incident => (bytes, bytes),
                    _ => (thousands, short_count),
                };
                let mut text = format!("Writing {name}: {} of {}", count(done), count(of));
                let seconds = self.begun.elapsed().as_secs_f64();
                if seconds > 0.5 && done > 0 {
                    let rate = done as f64 / seconds;
                    let left = left(of.saturating_sub(done) as f64 / rate);
                    let how = format!(" · {}/s · {left}", short(rate as u64));
                    text.push_str(&how);
                }
                text
            }
        }
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Endless;

    impl Data for Endless {
        fn len(&self) -> u64 {
            u64::MAX
        }
        fn columns(&self) -> Vec<String> {
            vec!["n".to_owned()]
        }
        fn page(&mut self, _: u64, _: usize) -> Result<Vec<Row>, String> {
            std::thread::sleep(Duration::from_millis(20));
            Ok(vec![Row::named(&["n"], vec![1.into()])])
        }
    }

    #[test]
    fn what_ends_with_the_window_leaves_no_half_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let rows: Source = Box::new(|_| Ok(Box::new(Endless) as Box<dyn Data>));
        let ctx = egui::Context::default();
        let exporting = Exporting::begin(&ctx, What::Rows(rows), &path, false).unwrap();
        while !folder.path().join("a.csv.part").exists() {
            std::thread::yield_now();
        }
        exporting.end();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
