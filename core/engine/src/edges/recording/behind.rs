//! The thread behind a writer: it hashes, compresses and writes the chunks
//! that the writer has filled, in their order, while the writer fills the next.
//! Forcing data to disk, where nobody waits for it, happens beside both.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::building::Building;
use super::meta::Map;
use super::store::Store;
use super::{Compression, RecordingError};

/// Chunks that may wait to be written.
const WAITING: usize = 4;

enum Task {
    Chunk(Building),
    Attachment(String, Vec<u8>),
    /// How far partitions were read.
    Reached(Map),
    /// How the chunks that follow are compressed.
    Compression(Compression),
    /// Force what came before to disk; who waits is told.
    Force(Option<Sender<()>>),
    /// Who waits is told that what came before has been given to the file system.
    Settled(Sender<()>),
}

/// What went wrong behind the writer, until the writer has said it.
#[derive(Debug, Default)]
struct Trouble {
    is: AtomicBool,
    what: Mutex<Option<RecordingError>>,
}

/// The writer's side.
#[derive(Debug)]
pub struct Behind {
    tasks: Option<Sender<Task>>,
    emptied: Receiver<Building>,
    trouble: Arc<Trouble>,
    thread: Option<JoinHandle<Store>>,
}

impl Behind {
    /// Starts the thread. Data is forced to disk after every `sync_bytes`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(store: Store, sync_bytes: u64) -> Result<Self, RecordingError> {
        let (tasks, todo) = bounded(WAITING);
        let (give_back, emptied) = bounded(WAITING + 2);
        let trouble = Arc::new(Trouble::default());
        let mut worker = Worker {
            synced: store.written(),
            store,
            sync_bytes,
            forcing: None,
            forcing_due: false,
            trouble: Arc::clone(&trouble),
        };
        let path = worker.store.error("", std::io::ErrorKind::Other.into());
        let thread = std::thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || {
                for task in todo {
                    worker.take(task, &give_back);
                }
                worker.end()
            })
            .map_err(|source| match path {
                RecordingError::Io { path, .. } => {
                    RecordingError::io(&path, "start a thread to write", source)
                }
                other => other,
            })?;
        Ok(Self { tasks: Some(tasks), emptied, trouble, thread: Some(thread) })
    }

    /// Whether something went wrong; then [`Behind::trouble`] says what.
    #[inline]
    pub fn failed(&self) -> bool {
        self.trouble.is.load(Ordering::Acquire)
    }

    /// What went wrong, once.
    pub fn trouble(&self) -> Option<RecordingError> {
        self.trouble.what.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn give(&self, task: Task) {
        if let Some(tasks) = &self.tasks {
            // It ends only when it is told to.
            let _ = tasks.send(task);
        }
    }

    /// Takes a full chunk and leaves an empty one; waits while too many are open.
    pub fn chunk(&self, building: &mut Building) {
        let empty = self.emptied.try_recv().unwrap_or_default();
        self.give(Task::Chunk(std::mem::replace(building, empty)));
    }

    /// Writes an attachment.
    pub fn attachment(&self, name: String, data: Vec<u8>) {
        self.give(Task::Attachment(name, data));
    }

    /// Writes how far partitions were read.
    pub fn reached(&self, map: Map) {
        self.give(Task::Reached(map));
    }

    /// Compresses the chunks that follow in another way of the same format.
    pub fn compression(&self, kind: Compression) {
        self.give(Task::Compression(kind));
    }

    /// Forces to disk what was given so far, at some time soon.
    pub fn force(&self) {
        self.give(Task::Force(None));
    }

    /// Waits until the file system has all that was given, or trouble.
    pub fn settle(&self) {
        let (done, wait) = bounded(1);
        self.give(Task::Settled(done));
        let _ = wait.recv();
    }

    /// Waits until all that was given is on disk, or trouble.
    pub fn flush(&self) {
        let (done, wait) = bounded(1);
        self.give(Task::Force(Some(done)));
        let _ = wait.recv();
    }

    /// Ends the thread when all is written.
    pub fn end(&mut self) -> Option<Store> {
        self.tasks = None;
        self.thread.take()?.join().ok()
    }
}

struct Worker {
    store: Store,
    sync_bytes: u64,
    /// Bytes that are on disk, or on their way there.
    synced: u64,
    forcing: Option<JoinHandle<std::io::Result<()>>>,
    /// Asked for while another was under way.
    forcing_due: bool,
    trouble: Arc<Trouble>,
}

impl Worker {
    fn take(&mut self, task: Task, give_back: &Sender<Building>) {
        // After an error what comes is dropped: the file ends where it did.
        let failed = self.trouble.is.load(Ordering::Relaxed);
        let result = match task {
            Task::Chunk(mut building) => {
                let result = if failed { Ok(()) } else { self.store.chunk(&mut building) };
                let _ = give_back.try_send(building);
                result.and_then(|()| self.force_if_due())
            }
            Task::Compression(kind) => {
                self.store.set_compression(kind);
                Ok(())
            }
            Task::Attachment(name, data) if !failed => self.store.attachment(&name, &data),
            Task::Reached(map) if !failed => self.store.reached(map),
            Task::Force(None) if !failed => {
                self.forcing_due = true;
                self.force_if_due()
            }
            Task::Force(Some(done)) => {
                let result = if failed { Ok(()) } else { self.force_now() };
                self.note(result);
                let _ = done.send(());
                return;
            }
            Task::Settled(done) => {
                let _ = done.send(());
                return;
            }
            Task::Attachment(..) | Task::Reached(_) | Task::Force(None) => Ok(()),
        };
        self.note(result);
    }

    fn note(&self, result: Result<(), RecordingError>) {
        if let Err(error) = result {
            let mut what = self.trouble.what.lock().unwrap_or_else(PoisonError::into_inner);
            what.get_or_insert(error);
            self.trouble.is.store(true, Ordering::Release);
        }
    }

    fn force_if_due(&mut self) -> Result<(), RecordingError> {
        let open = self.store.written() - self.synced;
        // What is written under a temporary name is of no use before it is whole.
        if self.store.is_temporary() || !(self.forcing_due || open >= self.sync_bytes) {
            return Ok(());
        }
        if self.forcing.as_ref().is_some_and(|forcing| !forcing.is_finished()) {
            return Ok(());
        }
        self.forced()?;
        self.forcing_due = false;
        if open == 0 {
            return Ok(());
        }
        let file: File = self.store.file()?;
        let started = std::thread::Builder::new()
            .name("recording-sync".to_owned())
            .spawn(move || file.sync_data());
        match started {
            Ok(forcing) => {
                self.forcing = Some(forcing);
                self.synced = self.store.written();
                Ok(())
            }
            Err(_) => self.force_now(),
        }
    }

    /// Waits for what is under way.
    fn forced(&mut self) -> Result<(), RecordingError> {
        match self.forcing.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => Err(self.store.error("force to disk", error)),
            _ => Ok(()),
        }
    }

    fn force_now(&mut self) -> Result<(), RecordingError> {
        self.forced()?;
        self.forcing_due = false;
        self.store.sync()?;
        self.synced = self.store.written();
        Ok(())
    }

    fn end(mut self) -> Store {
        let result = self.forced();
        self.note(result);
        self.store
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::Info;

    fn building() -> Building {
        let mut building = Building::default();
        building.other(&[3; 2000]);
        building
    }

    #[test]
    fn a_full_disk_is_said_once_and_nobody_waits_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.mcap");
        let mut store = Store::create(path, false, Compression::None, &Info::default()).unwrap();
        store.fail_from_now_on();
        let mut behind = Behind::start(store, u64::MAX).unwrap();
        for _ in 0..3 * WAITING {
            behind.chunk(&mut building());
        }
        behind.flush();
        assert!(behind.failed());
        let error = behind.trouble().unwrap().to_string();
        assert!(error.contains("r.mcap: cannot write"), "{error}");
        assert!(behind.trouble().is_none());
        behind.chunk(&mut building());
        assert!(behind.end().is_some());
    }

    #[test]
    fn data_is_forced_to_disk_while_chunks_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.mcap");
        let store = Store::create(path, false, Compression::None, &Info::default()).unwrap();
        let start = store.written();
        // After each chunk.
        let mut behind = Behind::start(store, 1).unwrap();
        for _ in 0..20 {
            behind.chunk(&mut building());
            behind.force();
        }
        behind.flush();
        assert!(!behind.failed());
        assert!(behind.end().unwrap().written() > start + 20 * 2000);
    }
}
