//! Looks at the cluster beside the reading: whether it answers, whether the
//! topics are still the same, whether they have got more partitions, which may wait
//! for a transaction; and, while nobody reads, how far the logs go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::KafkaError;
use super::cluster::Cluster;
use super::stable::Answers;
use super::watch::Watch;
use crate::operator::record::TopicPartition;

/// Between two looks at the cluster.
const LOOK: Duration = Duration::from_secs(3);
/// Ends that are asked for at each of them, in turns.
const ENDS: usize = 16;
/// Between two questions about what waits for a transaction.
const ASK: Duration = Duration::from_secs(1);

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
    /// Of silent partitions, and of those that may wait for a transaction.
    silent: Wanted,
    doubtful: Wanted,
}

/// Partitions (by their place) whose ends are wanted, and those found.
#[derive(Debug, Default)]
struct Wanted {
    lanes: Vec<u32>,
    ends: Answers,
}

impl Wanted {
    /// What was found of `lanes` since they are wanted.
    fn of(&mut self, lanes: &[u32]) -> &Answers {
        if self.lanes != lanes {
            self.lanes = lanes.to_vec();
            self.ends.retain(|lane, _| lanes.contains(lane));
        }
        &self.ends
    }
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
                let (mut turn, mut unread_turn, mut stable_turn) = (0, 0, 0);
                let mut watch = Watch::default();
                let mut looked = asked_at;
                while is_over.recv_timeout(ASK) == Err(RecvTimeoutError::Timeout) {
                    look_up_ends(
                        &cluster,
                        &read,
                        &of_thread,
                        doubtful,
                        &mut stable_turn,
                        usize::MAX,
                    );
                    if looked.elapsed() < LOOK {
                        continue;
                    }
                    looked = Instant::now();
                    let seen = cluster.look();
                    if matches!(seen, Ok(Some(_))) {
                        look_up_ends(&cluster, &read, &of_thread, silent, &mut turn, ENDS);
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
        shared.silent.of(silent).iter().map(|(lane, (end, _))| (*lane, *end)).collect()
    }

    /// The last stable offsets of these partitions, as far as they were asked for: from
    /// now on each second. (They are the ends for a reader of committed records, as which
    /// the cluster's client asks: `rd_kafka_ListOffsetsRequest`.)
    pub fn stable_of(&self, doubtful: &[u32]) -> Answers {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.doubtful.of(doubtful).clone()
    }

    pub fn forget_ends(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.silent = Wanted::default();
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

fn silent(shared: &mut Shared) -> &mut Wanted {
    &mut shared.silent
}

fn doubtful(shared: &mut Shared) -> &mut Wanted {
    &mut shared.doubtful
}

/// Asks for ends that are wanted, `most` of them at a time, in turns.
fn look_up_ends(
    cluster: &Cluster,
    read: &[TopicPartition],
    shared: &Mutex<Shared>,
    of: fn(&mut Shared) -> &mut Wanted,
    turn: &mut usize,
    most: usize,
) {
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let lanes = of(&mut lock()).lanes.clone();
    for _ in 0..lanes.len().min(most) {
        *turn = (*turn + 1) % lanes.len();
        let (lane, asked) = (lanes[*turn], Instant::now());
        // Who does not answer now is asked again.
        let Some(end) = read.get(lane as usize).and_then(|partition| cluster.end_now(partition))
        else {
            return;
        };
        let mut shared = lock();
        let wanted = of(&mut shared);
        if wanted.lanes.contains(&lane) {
            wanted.ends.insert(lane, (end, asked));
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
