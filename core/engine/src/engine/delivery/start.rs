//! Where a job goes on (4-commit, Start), and what has to fit before it may.

use std::collections::BTreeMap;

use super::mark::{Lost, Mark, TopicMark};
use super::progress::{Progress, Waiter, unnamed};
use super::{Feed, JobError, JobEvent, JobSpec, Messages, NewIs, StartAt};
use crate::edges::kafka::Isolation;
use crate::edges::log::{Log, TopicState};
use crate::edges::rocksdb::{self, CheckpointMeta};
use crate::engine::routes::takes_new_partitions;
use crate::engine::step::CheckpointEntry;
use crate::operator::figures::plural;
use crate::operator::pipeline::{Guarantee, Pipeline};
use crate::operator::record::TopicPartition;

/// Where nothing can be made anew.
const RESTORE: &str = "Restore the job's folder from where it is whole, or begin a new job in \
                       another folder under another delivery.job";

/// Where the job ran in another folder.
const ELSEWHERE: &str = "This folder has nothing of the job's state: name the folder that it ran \
                         in (--out), or begin a new job under another delivery.job";

/// What helps where a checkpoint cannot be used. Outputs are suppressed by what
/// the progress record says: under another guarantee there is none.
fn help(exactly_once: bool) -> &'static str {
    if exactly_once {
        "It can be made anew from the arrival log in the job's folder, by replaying it with output \
         suppressed up to there (--rebuild)"
    } else {
        RESTORE
    }
}

/// What the start found.
pub(super) struct Found {
    pub entry: Option<CheckpointEntry>,
    pub at: StartAt,
    /// Where the job first began.
    pub start: BTreeMap<TopicPartition, i64>,
    pub topics: BTreeMap<String, TopicMark>,
    pub guard: BTreeMap<String, String>,
    pub lost: Vec<Lost>,
    /// The checkpoint is made anew up to this progress.
    pub rebuild: Option<Progress>,
    pub digest: String,
}

pub(super) struct Look<'a> {
    pub spec: &'a JobSpec,
    pub log: &'a dyn Log,
    pub waiter: &'a Waiter<'a>,
}

impl Look<'_> {
    /// `progress` is what the progress topic says (exactly-once).
    pub fn find(
        &self,
        feed: &mut dyn Feed,
        progress: Option<&Progress>,
        mark: Option<&Mark>,
    ) -> Result<Found, JobError> {
        let spec = self.spec;
        // What the job ran under last says which checkpoint counts.
        let last = mark.and_then(Mark::guarantee).unwrap_or(spec.pipeline.delivery.guarantee);
        let exactly = last == Guarantee::ExactlyOnce;
        let topics = self.topics()?;
        let guard = guard(&spec.pipeline);
        let inputs = partitions(&spec.pipeline, &topics);
        let have = rocksdb::list(&spec.folder).map_err(|e| JobError::Io(e.to_string()))?;

        let (known_topics, known_guard, known_start) = match (progress, mark) {
            (Some(p), _) if exactly => (&p.topics, &p.guard, &p.start),
            (_, Some(m)) => (&m.topics, &m.guard, &m.start),
            _ => (&topics, &guard, &BTreeMap::new()),
        };
        check_guard(known_guard, &guard, spec.job())?;
        self.check_topics(known_topics, &topics)?;
        let delivered = mark.map_or(0, |mark| mark.committed);
        if exactly && progress.is_none() && (delivered > 0 || !have.is_empty()) {
            return Err(JobError::Refused(format!(
                "{} has state of job \"{}\" (checkpoint {}), but topic {} knows nothing of it: it \
                 was deleted or this is another cluster. Nothing is reset by itself: name the \
                 cluster that the job ran on, or begin a new job in another folder",
                spec.folder.display(),
                spec.job(),
                delivered.max(have.last().copied().unwrap_or_default()),
                super::progress_topic(spec.job()),
            )));
        }
        let mut start = if known_start.is_empty() {
            self.waiter.input(|| feed.first_offsets())?
        } else {
            unnamed(known_start, &inputs)
        };

        let mut epoch = match last {
            Guarantee::ExactlyOnce => progress.map_or(0, |progress| progress.epoch),
            // Marked only when the run store has it too: a power loss may leave a
            // checkpoint without its segments.
            Guarantee::AtLeastOnce | Guarantee::AtMostOnce => delivered,
        };
        if spec.bugs.adopt_newest {
            epoch = have.last().copied().unwrap_or(0);
        }
        let mut rebuild = None;
        let meta = if epoch == 0 {
            None
        } else {
            match self.verified(epoch, progress.filter(|_| exactly)) {
                Ok(meta) => Some(meta),
                Err(why) => {
                    let Some(delivered) = progress.filter(|_| spec.rebuild && exactly) else {
                        let elsewhere = progress.filter(|_| exactly && mark.is_none());
                        return Err(match elsewhere.filter(|_| have.is_empty()) {
                            Some(last) => JobError::Checkpoint {
                                epoch,
                                why: format!("{why}; {}", who(last)),
                                help: ELSEWHERE,
                            },
                            None => JobError::Checkpoint { epoch, why, help: help(exactly) },
                        });
                    };
                    self.check_guarantee(delivered)?;
                    self.check_logged(feed, delivered)?;
                    rebuild = Some(delivered.clone());
                    None
                }
            }
        };

        let now_ms = meta.as_ref().map_or(i64::MIN, |meta| meta.arrival_ms);
        let mut at = StartAt { now_ms, offsets: start.clone(), ..StartAt::default() };
        if let Some(meta) = &meta {
            at.arrival = meta.arrival;
            let read = meta.offsets.iter().map(|p| {
                (
                    TopicPartition { topic: p.topic.as_str().into(), partition: p.partition },
                    p.offset,
                )
            });
            at.offsets.extend(read);
        }
        if let Some(delivered) = &rebuild {
            // What came before is followed from the arrival log: the topics may have
            // lost it since.
            let read = unnamed(&delivered.offsets, &inputs).into_iter();
            at.offsets.extend(read.filter(|(partition, _)| start.contains_key(partition)));
        }
        let mut lost = Vec::new();
        if spec.pipeline.delivery.guarantee == Guarantee::AtMostOnce {
            // Then the group had offsets.
            let took = last == Guarantee::AtMostOnce && delivered > 0;
            lost = self.skip(&*feed, &inputs, &mut at, took)?;
        }
        self.check_offsets(feed, &inputs, &mut at, &mut start)?;
        Ok(Found {
            digest: meta.as_ref().map(|meta| hex(&meta.digest)).unwrap_or_default(),
            entry: meta.as_ref().map(entry),
            at,
            start,
            topics,
            guard,
            lost,
            rebuild,
        })
    }

    /// The checkpoint, whole and as it was delivered; else why not.
    fn verified(&self, epoch: u64, delivered: Option<&Progress>) -> Result<CheckpointMeta, String> {
        let meta = rocksdb::verify(&self.spec.folder, epoch).map_err(|e| e.to_string())?;
        let other = delivered.is_some_and(|progress| progress.digest != hex(&meta.digest));
        if other && !self.spec.bugs.adopt_newest {
            let why = "its digest is not the one that was committed: it is of another job, was \
                       restored from elsewhere, or came out otherwise when it was made anew";
            return Err(why.to_owned());
        }
        Ok(meta)
    }

    /// Under another guarantee than the one that it was delivered under, nothing holds
    /// back what was; and at-most-once takes what a state from the beginning has not as
    /// lost, and cuts it off the arrival log.
    fn check_guarantee(&self, delivered: &Progress) -> Result<(), JobError> {
        let now = self.spec.pipeline.delivery.guarantee;
        if now == Guarantee::ExactlyOnce {
            return Ok(());
        }
        Err(JobError::Refused(format!(
            "{}: checkpoint {} of job \"{}\" was delivered exactly-once and can be made anew under \
             that guarantee only; delivery.guarantee is {} now. Nothing was written. Run it with \
             delivery.guarantee=exactly-once until it goes on, then change it",
            self.spec.folder.display(),
            delivered.epoch,
            self.spec.job(),
            guarantee_name(now),
        )))
    }

    /// Only the order in which they were taken gives the same outputs again.
    fn check_logged(&self, feed: &dyn Feed, delivered: &Progress) -> Result<(), JobError> {
        let logged = feed.logged()?;
        if logged >= delivered.arrival {
            return Ok(());
        }
        Err(JobError::Refused(format!(
            "{}: checkpoint {} of job \"{}\" cannot be made anew: the arrival log in this folder \
             has {logged} of the {} records whose outputs were delivered; replayed in another \
             order, outputs could differ and be given twice. Nothing was written. Name the folder \
             that the job ran in (--out), or begin a new job under another delivery.job",
            self.spec.folder.display(),
            delivered.epoch,
            self.spec.job(),
            delivered.arrival,
        )))
    }

    /// Every topic of the job as it is now; each has to be there.
    fn topics(&self) -> Result<BTreeMap<String, TopicMark>, JobError> {
        let pipeline = &self.spec.pipeline;
        let mut names: Vec<String> = pipeline.topics().iter().map(ToString::to_string).collect();
        names.extend(Messages::topics(pipeline));
        let asked: Vec<&str> = names.iter().map(String::as_str).collect();
        let found: Vec<TopicState> = self.waiter.until(|| self.log.topics(&asked))?;
        found
            .into_iter()
            .map(|topic| {
                if topic.partitions == 0 {
                    return Err(JobError::Refused(format!(
                        "topic \"{}\" is not on the cluster: create it (a sink topic with as many \
                         partitions as its readers want), or name another in the pipeline",
                        topic.name
                    )));
                }
                let mark = TopicMark { id: topic.id, partitions: topic.partitions };
                Ok((topic.name.to_string(), mark))
            })
            .collect()
    }

    fn check_topics(
        &self,
        known: &BTreeMap<String, TopicMark>,
        now: &BTreeMap<String, TopicMark>,
    ) -> Result<(), JobError> {
        for (name, was) in known {
            let Some(is) = now.get(name) else { continue };
            if was.id.is_some() && is.id.is_some() && was.id != is.id {
                return Err(JobError::Refused(format!(
                    "topic \"{name}\" was made anew since the job began (its id was {}, now {}): \
                     the offsets of the state mean nothing in it. Nothing is reset by itself: \
                     begin a new job in another folder under another delivery.job",
                    was.id.as_deref().unwrap_or_default(),
                    is.id.as_deref().unwrap_or_default(),
                )));
            }
            if is.partitions < was.partitions {
                return Err(JobError::Refused(format!(
                    "topic \"{name}\" has {} and had {} when the job began: it was made anew. \
                     Begin a new job in another folder under another delivery.job",
                    plural(u64::from(is.partitions.unsigned_abs()), "partition"),
                    was.partitions
                )));
            }
            let read = self.spec.pipeline.topics().iter().any(|topic| **topic == **name);
            if read && takes_new_partitions(&self.spec.pipeline) {
                continue;
            }
            let told = if read { NewIs::Unread } else { NewIs::Written };
            for partition in was.partitions..is.partitions {
                let partition = TopicPartition { topic: name.as_str().into(), partition };
                (self.waiter.tell)(JobEvent::NewPartition { partition, is: told });
            }
        }
        Ok(())
    }

    /// Every offset has to be in the topic still, but for what the arrival log has
    /// beyond the state; a partition that is new begins at its first, which is kept in
    /// `start`: what retention removes of it from now on is missed.
    fn check_offsets(
        &self,
        feed: &dyn Feed,
        inputs: &[TopicPartition],
        at: &mut StartAt,
        start: &mut BTreeMap<TopicPartition, i64>,
    ) -> Result<(), JobError> {
        let takes_new = takes_new_partitions(&self.spec.pipeline);
        let mut logged: Option<BTreeMap<TopicPartition, i64>> = None;
        for partition in inputs {
            let (first, end) =
                self.waiter.until(|| self.log.bounds(partition, Isolation::ReadCommitted))?;
            if takes_new && !start.contains_key(partition) {
                let is = NewIs::ReadFrom(*at.offsets.get(partition).unwrap_or(&first));
                start.insert(partition.clone(), first);
                (self.waiter.tell)(JobEvent::NewPartition { partition: partition.clone(), is });
            }
            let mut offset = *at.offsets.entry(partition.clone()).or_insert(first);
            if offset < first && !at.skips {
                // It is followed from there, and the topic read behind it.
                if logged.is_none() {
                    logged = Some(feed.logged_offsets()?);
                }
                let next = logged.as_ref().and_then(|logged| logged.get(partition));
                offset = next.map_or(offset, |next| offset.max(*next));
            }
            if offset < first || offset > end {
                let what = if offset < first {
                    "retention deleted input that the job has not read, unless only markers of \
                     transactions lay there (once they are gone nobody can tell)"
                } else {
                    "the log ends before it: it was cut or made anew"
                };
                return Err(JobError::Refused(format!(
                    "{partition}: the job goes on at offset {offset}, the log holds {first} to \
                     {end}: {what}. Nothing is skipped by itself: begin a new job in another \
                     folder under another delivery.job"
                )));
            }
        }
        Ok(())
    }

    /// At-most-once: what lies between the state and the committed offsets was
    /// taken and is lost. A group without members loses its offsets a while after they were
    /// committed (`offsets.retention.minutes`, by default a week): where a job that `took`
    /// something finds none, it may have taken all that the arrival log has.
    fn skip(
        &self,
        feed: &dyn Feed,
        inputs: &[TopicPartition],
        at: &mut StartAt,
        took: bool,
    ) -> Result<Vec<Lost>, JobError> {
        let mut committed = self.waiter.until(|| self.log.committed(self.spec.job(), inputs))?;
        let gone =
            |of: &&TopicPartition| at.offsets.contains_key(*of) && !committed.contains_key(*of);
        let gone: Vec<TopicPartition> =
            inputs.iter().filter(|_| took).filter(gone).cloned().collect();
        if !gone.is_empty() {
            let logged = feed.logged_offsets()?;
            let read = |of: TopicPartition| logged.get(&of).copied().map(|next| (of, next));
            committed.extend(gone.into_iter().filter_map(read));
        }
        let mut lost = Vec::new();
        for (partition, to) in committed {
            let from = at.offsets.get(&partition).copied().unwrap_or(to);
            if to > from {
                at.skips = true;
                lost.push(Lost {
                    topic: partition.topic.to_string(),
                    partition: partition.partition,
                    from,
                    to,
                });
                at.offsets.insert(partition, to);
            }
        }
        Ok(lost)
    }
}

/// Who has the job, or had it last.
fn who(last: &Progress) -> String {
    format!(
        "its last progress is of process {} on {} (owner {}): if that still runs, it has the job",
        last.pid, last.host, last.owner
    )
}

/// As pipelines write it.
pub(super) fn guarantee_name(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::ExactlyOnce => "exactly-once",
        Guarantee::AtLeastOnce => "at-least-once",
        Guarantee::AtMostOnce => "at-most-once",
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn partitions(pipeline: &Pipeline, topics: &BTreeMap<String, TopicMark>) -> Vec<TopicPartition> {
    let of = |topic: &std::sync::Arc<str>| {
        let partitions = topics.get(&**topic).map_or(0, |mark| mark.partitions);
        let topic = std::sync::Arc::clone(topic);
        (0..partitions).map(move |partition| TopicPartition {
            topic: std::sync::Arc::clone(&topic),
            partition,
        })
    };
    pipeline.topics().iter().flat_map(of).collect()
}

/// The run store's entry of a checkpoint, also of one that it was never told of.
fn entry(meta: &CheckpointMeta) -> CheckpointEntry {
    CheckpointEntry {
        epoch: meta.epoch,
        arrival: meta.arrival,
        row: meta.row,
        output: meta.output,
        arrival_ms: meta.arrival_ms,
        state_rows: meta.state_rows,
        state_bytes: meta.state_bytes,
        path: format!("checkpoints/{}", meta.epoch),
        ..CheckpointEntry::default()
    }
}

/// One digest over [`guard`].
pub(in crate::engine) fn state_digest(pipeline: &Pipeline) -> String {
    let parts: Vec<String> = guard(pipeline).into_iter().map(|(k, v)| format!("{k} {v}")).collect();
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(parts.join("\n").as_bytes()))
}

/// What guards the state, by part of the pipeline: inputs, join, examples and
/// sink topics. Interval, guarantee, memory and brokers may change.
pub(super) fn guard(pipeline: &Pipeline) -> BTreeMap<String, String> {
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    // Rows name their input by its position.
    let names: Vec<&str> = pipeline.inputs.iter().map(|input| &*input.name).collect();
    parts.insert("inputs".to_owned(), names.join("\n"));
    let mut part = String::new();
    for line in pipeline.to_toml().lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut part);
        } else if !part.is_empty() && part != "delivery" && !line.starts_with("format = ")
            || part.starts_with("inputs.")
        {
            let text = parts.entry(part.clone()).or_default();
            text.push_str(line);
            text.push('\n');
        }
    }
    let digest = |text: String| format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
    parts.into_iter().map(|(name, text)| (name, digest(text))).collect()
}

/// Whether `now` can go on with the state that `was` made for a job.
///
/// # Errors
/// It cannot: the parts of the pipeline that differ.
pub fn same_state(was: &Pipeline, now: &Pipeline, job: &str) -> Result<(), String> {
    check_guard(&guard(was), &guard(now), job).map_err(|refused| refused.to_string())
}

fn check_guard(
    was: &BTreeMap<String, String>,
    is: &BTreeMap<String, String>,
    job: &str,
) -> Result<(), JobError> {
    let mut differs: Vec<&str> =
        was.iter().filter(|(name, d)| is.get(*name) != Some(*d)).map(|(n, _)| n.as_str()).collect();
    differs.extend(is.keys().filter(|name| !was.contains_key(*name)).map(String::as_str));
    if differs.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = differs.iter().map(|name| format!("[{name}]")).collect();
    Err(JobError::Refused(format!(
        "the state of job \"{job}\" was made by another pipeline: {} differ{}. Run it with the \
         pipeline that it began with, or begin a new job in another folder under another \
         delivery.job (interval, guarantee, memory and brokers may change)",
        names.join(", "),
        if names.len() == 1 { "s" } else { "" },
    )))
}

#[cfg(test)]
mod tests;
