//! The stages' threads and the bounded queues between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Scope};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::batch::{Batch, ShardBatch, ShardOut};
use super::checkpoint::{Checkpointer, Identity, Job};
use super::collector::{Collected, Collector};
use super::control::Control;
use super::decode::{DecodedBatch, Decoders};
use super::failure::Failure;
use super::meter::{Meters, Peak};
use super::routes::Routes;
use super::sequencer::Sequencer;
use super::shard::Shard;
use super::sink::Steps;
use super::source::{Batches, Given, SourceError};
use super::spec::AtEnd;
use super::step::Maker;
use super::summary::{Furthest, RunError};
use crate::edges::rocksdb::{Frozen, Store};
use crate::operator::join::Operator;
use crate::process;

/// Batches that may wait between two stages, and for the sink; how far the stages
/// before the sink go behind it and the checkpoint ([`process::give_way`]).
#[derive(Clone, Copy)]
pub(super) struct Depth {
    stage: usize,
    sink: usize,
    behind: i32,
}

/// Closing a segment of the run store takes as long as 20 to 30 batches (about
/// 1 MB each), and the other stages go on meanwhile.
pub(super) const WHOLE: Depth = Depth { stage: 6, sink: 24, behind: 0 };

/// Live, what waits here has arrived and is not yet given out: behind a backlog
/// it is some 15 batches, a tenth of a second or two. What has arrived goes out
/// before more is taken in.
pub(super) const LIVE: Depth = Depth { stage: 1, sink: 3, behind: 10 };

/// The stages before the sink.
const BEFORE: [&str; 6] = ["read", "decode", "sequence", "join", "collect", "make"];

/// How often memory is sampled.
const SAMPLE: Duration = Duration::from_millis(25);

/// What every stage looks at.
pub(super) struct Common {
    pub control: Control,
    pub failure: Failure,
    pub meters: Meters,
    pub peak: Peak,
    /// The reader ended before the source did.
    pub stopped: AtomicBool,
    pub furthest: Mutex<Option<Furthest>>,
}

/// A batch's way past the shards, with what its snapshot needs.
pub(super) type ToSink = (Collected, Option<Job>);

/// A barrier that a shard has come to, and how long it stood still there.
type Reached = (u64, Duration);

/// A shard's ends: its batches, and where it says that it has reached a barrier.
struct ShardIn {
    batches: Receiver<ShardBatch>,
    reached: Sender<Reached>,
}

/// The shards' other ends.
pub(super) struct ShardOuts {
    outs: Vec<Receiver<ShardOut>>,
    reached: Vec<Receiver<Reached>>,
}

/// The tier below as it stood at a barrier, and how long the join stood still.
type AtBarrier = (Frozen, Duration);

pub(super) struct Threads<'scope, 'env> {
    pub scope: &'scope Scope<'scope, 'env>,
    pub common: &'env Common,
    pub depth: Depth,
}

impl<'scope, 'env> Threads<'scope, 'env> {
    fn spawn(
        &self,
        stage: &'static str,
        body: impl FnOnce(&'env Common) -> Result<(), RunError> + Send + 'scope,
    ) -> std::io::Result<()> {
        let common = self.common;
        let behind = if BEFORE.contains(&stage) { self.depth.behind } else { 0 };
        let work = move || {
            if behind > 0 {
                process::give_way(behind);
            }
            common.failure.guard(stage, || body(common));
        };
        Builder::new().name(format!("joinscope-{stage}")).spawn_scoped(self.scope, work).map(drop)
    }

    /// The reader and the decoders; batch `k` comes out of queue `k % n`.
    pub fn decoders(
        &self,
        decoders: &Decoders,
        n: usize,
        batches: Batches,
    ) -> std::io::Result<Decoded> {
        let (free, empty) = bounded(n * (self.depth.stage + 2));
        let mut to = Vec::with_capacity(n);
        let mut from = Vec::with_capacity(n);
        for _ in 0..n {
            let (records_in, records) = bounded::<Given>(self.depth.stage);
            let (decoded, decoded_out) = bounded::<DecodedBatch>(self.depth.stage);
            let mut decoders = decoders.clone();
            let empty: Receiver<DecodedBatch> = Receiver::clone(&empty);
            self.spawn("decode", move |common| {
                let _meter = common.meters.start("decode");
                let _unwinding = common.failure.unwinding();
                for given in records {
                    let mut out = empty.try_recv().unwrap_or_default();
                    decoders.decode(given, &mut out);
                    if decoded.send(out).is_err() {
                        break;
                    }
                }
                Ok(())
            })?;
            to.push(records_in);
            from.push(decoded_out);
        }
        self.spawn("read", move |common| read(batches, &to, common))?;
        Ok(Decoded { queues: from, free })
    }

    pub fn sequencer(
        &self,
        mut sequencer: Sequencer,
        decoded: Decoded,
        shards: usize,
        ending: Ending,
    ) -> std::io::Result<(Receiver<Batch>, Vec<Receiver<ShardBatch>>)> {
        let (to_collector, collector) = bounded(self.depth.stage + 2);
        let (to_shards, shard_ends): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| bounded(self.depth.stage)).unzip();
        self.spawn("sequence", move |common| {
            let _meter = common.meters.start("sequence");
            let give = |sequencer: &mut Sequencer| {
                while let Some(next) = sequencer.pop() {
                    if to_collector.send(next.batch).is_err() {
                        return false;
                    }
                    for (shard, batch) in to_shards.iter().zip(next.shards) {
                        if shard.send(batch).is_err() {
                            return false;
                        }
                    }
                }
                true
            };
            let queues = decoded.queues.len();
            for turn in 0.. {
                let Ok(mut batch) = decoded.queues[turn % queues].recv() else { break };
                sequencer.take(&mut batch);
                if ending.live && decoded.queues[(turn + 1) % queues].is_empty() {
                    sequencer.give_now();
                }
                // Full only if nobody wants it any more.
                let _ = decoded.free.try_send(batch);
                if !give(&mut sequencer) {
                    return Ok(());
                }
            }
            // In this order: what stopped for a failure is known to have failed.
            let stopped = common.stopped.load(Ordering::Acquire);
            let failed = common.failure.is_set();
            if stopped && !failed && ending.keeps_stop(&common.control) {
                sequencer.leave();
            } else {
                let whole = !stopped && !failed;
                sequencer.end(whole && ending.at_end == AtEnd::Close, whole && ending.snapshots);
            }
            give(&mut sequencer);
            *common.furthest.lock().unwrap_or_else(PoisonError::into_inner) = sequencer.furthest();
            Ok(())
        })?;
        Ok((collector, shard_ends))
    }

    pub fn shards(
        &self,
        operators: Vec<Box<dyn Operator>>,
        batches: Vec<Receiver<ShardBatch>>,
        (join, watermarks): (i64, &[i64]),
        ahead: bool,
    ) -> std::io::Result<ShardOuts> {
        let mut outs = ShardOuts { outs: Vec::new(), reached: Vec::new() };
        for (operator, batches) in operators.into_iter().zip(batches) {
            let (to_collector, out) = bounded(self.depth.stage);
            let (reached, barrier) = bounded(1);
            let mut shard = Shard::new(operator, join, watermarks.to_vec()).ahead(ahead);
            let ends = ShardIn { batches, reached };
            self.spawn("join", move |common| {
                let _meter = common.meters.start("join");
                let mut last = (0, 0);
                for batch in ends.batches {
                    let snapshot = batch.snapshot;
                    let mut out = ShardOut::like(last);
                    // Where nobody wants it any more, nor is the last piece wanted.
                    let mut give = |piece| {
                        let _ = to_collector.send(piece);
                    };
                    let still = shard.run(batch, &mut out, &mut give)?;
                    last = (out.effects.len(), out.groups.len());
                    if let (Some(epoch), Some(still)) = (snapshot, still)
                        && ends.reached.send((epoch, still)).is_err()
                    {
                        break;
                    }
                    if to_collector.send(out).is_err() {
                        break;
                    }
                }
                Ok(())
            })?;
            outs.outs.push(out);
            outs.reached.push(barrier);
        }
        Ok(outs)
    }

    /// Freezes the tier below at each barrier once all shards have come to it:
    /// not behind what waits for the collector, as what they write to that tier
    /// waits for it.
    fn barrier(
        &self,
        reached: Vec<Receiver<Reached>>,
        store: &'env Store,
    ) -> std::io::Result<Receiver<AtBarrier>> {
        /// Whatever ends it, nobody waits for the next one.
        struct Over<'a>(&'a Store);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.no_more_barriers();
            }
        }
        let (to_collector, frozen) = bounded(1);
        self.spawn("barrier", move |_| {
            let _over = Over(store);
            loop {
                let (mut at, mut still) = (0, Duration::ZERO);
                for shard in &reached {
                    let Ok((epoch, stood)) = shard.recv() else { return Ok(()) };
                    (at, still) = (epoch, still.max(stood));
                }
                let frozen = store.freeze(at)?;
                let still = still + frozen.waited();
                if to_collector.send((frozen, still)).is_err() {
                    return Ok(());
                }
            }
        })?;
        Ok(frozen)
    }

    pub fn collector(
        &self,
        mut collector: Collector,
        batches: Receiver<Batch>,
        shards: ShardOuts,
        store: Option<&'env Store>,
        to: Vec<Sender<ToSink>>,
    ) -> std::io::Result<()> {
        let ShardOuts { outs: shards, reached } = shards;
        let barriers = store.map(|store| self.barrier(reached, store)).transpose()?;
        self.spawn("collect", move |common| {
            let _meter = common.meters.start("collect");
            let mut queues = to.iter().cycle();
            let mut give = |collected: Collected, job: Option<Job>| {
                queues.next().is_some_and(|queue| queue.send((collected, job)).is_ok())
            };
            for mut batch in batches {
                let snapshot = batch.snapshot.take();
                let collected = collector.collect(batch, &shards, &mut |piece| give(piece, None));
                let Some((collected, mut outs)) = collected else { return Ok(()) };
                let mut job = None;
                if let (Some(cut), Some(barriers)) = (snapshot, &barriers) {
                    let Ok((frozen, pause)) = barriers.recv() else { return Ok(()) };
                    let changes = outs.iter_mut().filter_map(|out| out.changes.take()).collect();
                    job = Some(Job {
                        frozen,
                        changes,
                        state_rows: collected.state_rows,
                        state_bytes: collected.state_bytes,
                        outputs: 0,
                        digest: super::digest::Digest::default(),
                        counts: Vec::new(),
                        operators: outs.into_iter().map(|out| out.saved).collect(),
                        pause,
                        durable: None,
                        cut,
                    });
                }
                if !give(collected, job) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Where the collector puts the steps, in turn, and where the sink gets them:
    /// behind the makers, if there are any.
    pub fn makers(&self, makers: Vec<Maker>) -> std::io::Result<(Vec<Sender<ToSink>>, Steps)> {
        let mut to = Vec::with_capacity(makers.len());
        let mut from = Vec::with_capacity(makers.len());
        // So that no more waits than without them.
        let depth = (self.depth.sink / (makers.len() + 1)).max(1);
        for mut maker in makers {
            let (steps_in, steps) = bounded::<ToSink>(self.depth.stage);
            let (made, made_out) = bounded::<ToSink>(depth);
            self.spawn("make", move |common| {
                let _meter = common.meters.start("make");
                for (mut collected, job) in steps {
                    maker(&mut collected.step);
                    if made.send((collected, job)).is_err() {
                        break;
                    }
                }
                Ok(())
            })?;
            to.push(steps_in);
            from.push(made_out);
        }
        if to.is_empty() {
            let (to_sink, steps) = bounded(self.depth.sink);
            (to, from) = (vec![to_sink], vec![steps]);
        }
        Ok((to, Steps::new(from)))
    }

    pub fn checkpointer(
        &self,
        checkpointer: Checkpointer,
        store: &'env Store,
        routes: &Arc<Routes>,
        identity: &Identity,
    ) -> std::io::Result<()> {
        let (routes, identity) = (Arc::clone(routes), identity.clone());
        self.spawn("checkpoint", move |common| {
            let _meter = common.meters.start("checkpoint");
            checkpointer.run(store, &routes, &identity);
            Ok(())
        })
    }

    /// Until the other end of `over` is dropped.
    pub fn sampler(&self, over: Receiver<()>) -> std::io::Result<()> {
        self.spawn("memory", move |common| {
            common.peak.sample();
            while over.recv_timeout(SAMPLE) == Err(RecvTimeoutError::Timeout) {
                common.peak.sample();
            }
            Ok(())
        })
    }
}

/// How the sequencer gives out, and what the end means to it.
#[derive(Clone, Copy)]
pub(super) struct Ending {
    pub live: bool,
    pub at_end: AtEnd,
    pub snapshots: bool,
}

impl Ending {
    /// Whether a run that was stopped keeps the state as it is there. A live one does
    /// not: its clock says in the log where it ends (`live/reader.rs`), and a stop
    /// without that is one at once. Nor one that ended at a breakpoint: the state is
    /// ahead of it.
    fn keeps_stop(self, control: &Control) -> bool {
        self.snapshots && !self.live && !control.has_ended_at_a_breakpoint()
    }
}

/// Decoded batches, in order when taken from the queues in turn.
pub(super) struct Decoded {
    queues: Vec<Receiver<DecodedBatch>>,
    free: Sender<DecodedBatch>,
}

fn read(batches: Batches, to: &[Sender<Given>], common: &Common) -> Result<(), RunError> {
    let _meter = common.meters.start("read");
    let _unwinding = common.failure.unwinding();
    let mut queues = to.iter().cycle();
    let mut batches = batches;
    loop {
        if common.control.is_cancelled() || common.failure.is_set() {
            common.stopped.store(true, Ordering::Release);
            return Ok(());
        }
        let Some(batch) = batches.next() else { return Ok(()) };
        let given = match batch {
            Ok(given) => given,
            Err(SourceError(what)) => {
                // Set before the queues close: the sequencer then neither closes
                // nor snapshots.
                common.failure.set(RunError::Source(SourceError(what)));
                return Ok(());
            }
        };
        let sent = queues.next().map(|queue| queue.send(given));
        if !matches!(sent, Some(Ok(()))) {
            return Ok(());
        }
    }
}
