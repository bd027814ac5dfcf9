//! Looks at the cluster beside the reading: whether it answers, whether the
//! topics are still the same, whether they have got more partitions; and, while
//! nobody reads, how far the logs go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::KafkaError;
use super::cluster::Cluster;
use super::watch::Watch;
use crate::operator::record::TopicPartition;

/// Between two looks at the cluster.
const LOOK: Duration = Duration::from_secs(3);
/// Ends that are asked for at each of them, in turns.
const ENDS: usize = 16;

/// What is known of the cluster now.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// No broker answers: since when.
    pub away_since: Option<Instant>,
    /// Partitions that are there and not read.
    pub unread: Vec<TopicPartition>,
}

#[derive(Debug, Default)]
struct Shared {
    health: Health,
    /// What the connections say of it.
    why_away: String,
    error: Option<KafkaError>,
    /// When the reading last asked for more, and where the logs end, by lane, since
    /// it asks no more.
    read_at: Option<Instant>,
    unread_ends: BTreeMap<u32, i64>,
    /// Partitions (by their place) whose ends are wanted, and those found.
    silent: Vec<u32>,
    ends: BTreeMap<u32, i64>,
}

/// What is known beside the reading, for whoever looks while that waits.
#[derive(Clone, Debug, Default)]
pub struct Beside(Arc<Mutex<Shared>>);

impl Beside {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the cluster.
    #[must_use]
    pub fn health(&self) -> Health {
        self.lock().health.clone()
    }

    /// Why it does not answer.
    #[must_use]
    pub fn why_away(&self) -> String {
        self.lock().why_away.clone()
    }

    /// Where the logs end, by lane, as asked for since nobody reads; empty while
    /// somebody does, who knows better.
    #[must_use]
    pub fn ends(&self) -> BTreeMap<u32, i64> {
        self.lock().unread_ends.clone()
    }

    #[cfg(test)]
    pub fn of(health: Health, why_away: &str, ends: &[(u32, i64)]) -> Self {
        let shared = Shared {
            health,
            why_away: why_away.to_owned(),
            unread_ends: ends.iter().copied().collect(),
            ..Shared::default()
        };
        Self(Arc::new(Mutex::new(shared)))
    }
}

pub(super) struct Watcher {
    shared: Arc<Mutex<Shared>>,
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// `read` are the partitions that are read.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(cluster: Arc<Cluster>, read: Vec<TopicPartition>) -> std::io::Result<Self> {
        let shared = Arc::<Mutex<Shared>>::default();
        let (over, is_over) = bounded::<()>(0);
        let of_thread = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("joinscope-cluster".to_owned()).spawn(move || {
                let asked_at = Instant::now();
                let mut answered = asked_at;
                let (mut turn, mut unread_turn) = (0, 0);
                let mut watch = Watch::default();
                while is_over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    let seen = cluster.look();
                    if matches!(seen, Ok(Some(_))) {
                        look_up_ends(&cluster, &read, &of_thread, &mut turn);
                        look_up_unread(&cluster, &read, &of_thread, &mut unread_turn);
                    }
                    watch.note(cluster.events());
                    let mut shared = of_thread.lock().unwrap_or_else(PoisonError::into_inner);
                    match seen {
                        Err(error) => {
                            shared.error.get_or_insert(error);
                        }
                        Ok(None) => {
                            shared.health.away_since.get_or_insert(answered);
                            shared.why_away = watch.why();
                        }
                        Ok(Some(topics)) => {
                            answered = Instant::now();
                            watch.well();
                            let there = topics.iter().flat_map(|topic| {
                                topic.partitions.iter().map(|partition| TopicPartition {
                                    topic: topic.name.as_str().into(),
                                    partition: *partition,
                                })
                            });
                            shared.health.away_since = None;
                            shared.health.unread = there.filter(|p| !read.contains(p)).collect();
                        }
                    }
                }
            })?;
        Ok(Self { shared, over: Some(over), thread: Some(thread) })
    }

    pub fn health(&self) -> Health {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).health.clone()
    }

    /// The ends of these partitions, as far as they were asked for since they are
    /// silent; a look later there are more.
    pub fn ends_of(&self, silent: &[u32]) -> BTreeMap<u32, i64> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.silent != silent {
            shared.silent = silent.to_vec();
            shared.ends.retain(|lane, _| silent.contains(lane));
        }
        shared.ends.clone()
    }

    pub fn forget_ends(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.silent.clear();
        shared.ends.clear();
    }

    /// For whoever looks while the reading waits.
    pub fn beside(&self) -> Beside {
        Beside(Arc::clone(&self.shared))
    }

    /// The reading asks for more. A topic that is not what it was is an error.
    pub fn reads(&self) -> Option<KafkaError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.read_at = Some(Instant::now());
        shared.unread_ends.clear();
        shared.error.take()
    }
}

/// Asks for the ends of silent partitions, a few at a time.
fn look_up_ends(
    cluster: &Cluster,
    read: &[TopicPartition],
    shared: &Mutex<Shared>,
    turn: &mut usize,
) {
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let silent = lock().silent.clone();
    for _ in 0..silent.len().min(ENDS) {
        *turn = (*turn + 1) % silent.len();
        let lane = silent[*turn];
        // Who does not answer now is asked again.
        let Some(end) = read.get(lane as usize).and_then(|partition| cluster.end_now(partition))
        else {
            return;
        };
        let mut shared = lock();
        if shared.silent.contains(&lane) {
            shared.ends.insert(lane, end);
        }
    }
}

/// Asks where all logs end, if nobody has read for long: a client that waits hears
/// of no end.
fn look_up_unread(
    cluster: &Cluster,
    read: &[TopicPartition],
    shared: &Mutex<Shared>,
    turn: &mut usize,
) {
    let asked = Instant::now();
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let waits = |shared: &Shared| shared.read_at.is_none_or(|at| at + LOOK < asked);
    for _ in 0..read.len() {
        if !waits(&lock()) {
            return;
        }
        *turn = (*turn + 1) % read.len();
        // Who does not answer now is asked again, after the others.
        let Some(end) = cluster.end_now(&read[*turn]) else { return };
        let mut shared = lock();
        if waits(&shared) {
            shared.unread_ends.insert(*turn as u32, end);
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            // It is at most a look away.
            let _ = thread.join();
        }
    }
}
