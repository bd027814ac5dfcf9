//! Looks at the cluster beside the reading: whether it answers, whether the
//! topics are still the same, whether they have got more partitions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::KafkaError;
use super::cluster::Cluster;
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

#[derive(Default)]
struct Shared {
    health: Health,
    error: Option<KafkaError>,
    /// Partitions (by their place) whose ends are wanted, and those found.
    silent: Vec<u32>,
    ends: BTreeMap<u32, i64>,
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
                let mut turn = 0;
                while is_over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    let seen = cluster.look();
                    if matches!(seen, Ok(Some(_))) {
                        look_up_ends(&cluster, &read, &of_thread, &mut turn);
                    }
                    let mut shared = of_thread.lock().unwrap_or_else(PoisonError::into_inner);
                    match seen {
                        Err(error) => {
                            shared.error.get_or_insert(error);
                        }
                        Ok(None) => {
                            shared.health.away_since.get_or_insert(answered);
                        }
                        Ok(Some(topics)) => {
                            answered = Instant::now();
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

    /// A topic that is not what it was.
    pub fn trouble(&self) -> Option<KafkaError> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).error.take()
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

impl Drop for Watcher {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            // It is at most a look away.
            let _ = thread.join();
        }
    }
}
