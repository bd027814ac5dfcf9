//! Runs a pipeline over a cluster and delivers its outputs to it, or goes on
//! with such a job.

use std::sync::Arc;

use super::error::RunError;
use super::keep::RunStore;
use super::layout::{ARRIVALS, MANIFEST};
use super::live::{ExecuteLive, Outlook};
use crate::edges::kafka::{Isolation, KafkaLog, RegistrySettings, register};
use crate::edges::log::{Log, LogError, LogErrorKind};
use crate::engine::delivery::{self, JobEnd, JobError, JobEvent, JobSpec, Parts};
use crate::engine::live::{LiveFeed, LiveSpec, LiveStatus};
use crate::engine::{Control, sources};
use crate::operator::pipeline::{Guarantee, Pipeline, SinkFormat};
use crate::operator::record::TopicPartition;

/// How a job delivers, beside what its pipeline says.
pub struct Deliver {
    /// Makes a checkpoint anew that is missing or damaged.
    pub rebuild: bool,
    /// Told what happens; called from several threads, never for long.
    pub tell: Arc<dyn Fn(JobEvent) + Send + Sync>,
}

/// ms; a transaction is open for an epoch and the commit of the one before.
/// Brokers allow 15 minutes unless they are told otherwise.
fn transaction_timeout(checkpoint_interval: i64) -> u32 {
    checkpoint_interval.saturating_mul(3).clamp(60_000, 900_000) as u32
}

/// The schema of what is written, at the registry; 0: it needs none. Asked before
/// anything is written, so that what cannot be is said before.
fn schema_id(pipeline: &Pipeline, registry: Option<&RegistrySettings>) -> Result<u32, JobError> {
    let Some(sink) = pipeline.sink.as_ref().filter(|s| s.format == SinkFormat::AvroRegistry) else {
        return Ok(0);
    };
    let registry = registry.ok_or_else(|| {
        JobError::Refused(
            "sink.format = \"avro-registry\" needs a schema registry: name it with --registry, \
             or schema.registry.url in the --config file"
                .to_owned(),
        )
    })?;
    let schema = delivery::output_schema(pipeline).map_err(JobError::Refused)?;
    register(registry, &format!("{}-value", sink.topic), &schema).map_err(|e| {
        if e.is_away() { JobError::Away(e.to_string()) } else { JobError::Refused(e.to_string()) }
    })
}

/// Partitions that have nothing and whose inputs can never be idle: they hold the
/// join back. As far as `end`, which says where a partition ends, answers.
fn empty(
    pipeline: &Pipeline,
    partitions: &[TopicPartition],
    end: impl Fn(&TopicPartition) -> Result<i64, LogError>,
) -> Vec<(TopicPartition, String)> {
    let mut empty = Vec::new();
    for (_, input) in pipeline.never_idle() {
        for partition in partitions.iter().filter(|p| p.topic == input.topic) {
            match end(partition) {
                Ok(0) => empty.push((partition.clone(), input.name.to_string())),
                Ok(_) => {}
                // The job itself waits for the brokers, and says so.
                Err(_) => return empty,
            }
        }
    }
    empty
}

/// Of a cluster, before anything began: what only other settings help against is
/// refused, so that nobody starts it again as it is.
fn early(error: LogError) -> JobError {
    if error.kind == LogErrorKind::Fatal {
        JobError::Refused(error.to_string())
    } else {
        error.into()
    }
}

/// Runs until the stop flag of `spec` is set, `control` is cancelled or something
/// fails that nothing helps against; blocks. What was committed stays, and the
/// job goes on from there when it is run again. `begins` is told before the
/// first record is read.
///
/// # Errors
/// See [`JobError`].
pub fn execute_job(
    spec: ExecuteLive,
    deliver: Deliver,
    control: &Control,
    begins: impl FnOnce(&Outlook),
) -> Result<JobEnd, JobError> {
    let refused = |e: RunError| JobError::Refused(e.to_string());
    // Before anything is made: nothing half-written is left of a refusal.
    delivery::sink_of(&spec.pipeline.pipeline).map_err(JobError::Refused)?;
    delivery::check_job(&spec.pipeline.pipeline).map_err(JobError::Refused)?;
    spec.before(true).map_err(refused)?;
    let pipeline = Arc::new(spec.pipeline.pipeline.clone());
    let schema_id = schema_id(&pipeline, spec.tail.registry.as_ref())?;
    let interval = pipeline.delivery.checkpoint_interval;
    let mut log = KafkaLog::new(spec.tail.settings.clone(), spec.tail.patience);
    let topics = pipeline.topics();
    let written = delivery::Messages::topics(&pipeline);
    let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
    let mut partitions: Vec<TopicPartition> = log
        .topics(&names)
        .map_err(early)?
        .into_iter()
        .flat_map(|topic| {
            let name = topic.name;
            (0..topic.partitions)
                .map(move |partition| TopicPartition { topic: Arc::clone(&name), partition })
        })
        .collect();
    partitions.sort();
    log.fit(&written);
    // Where nothing is taken for want of them, a broker says nothing but time-outs.
    for few in log.few_replicas(&written) {
        tracing::warn!("{few}");
    }
    if pipeline.delivery.guarantee == Guarantee::ExactlyOnce
        && let Some(deleted) = log.not_kept(&delivery::progress_topic(&spec.job()))
    {
        tracing::warn!("{deleted}");
    }
    // Which of them came later is known when the arrival log is open.
    let start = spec.start(&partitions, &[], log.cluster_id(), true);
    let status = Arc::<LiveStatus>::default();
    let end = |of: &TopicPartition| log.bounds(of, Isolation::ReadUncommitted).map(|b| b.1);
    let empty = empty(&pipeline, &partitions, end);
    let sources = sources::warnings(&pipeline, &partitions);
    begins(&Outlook { status: Arc::clone(&status), resumed_at: None, empty, sources });
    let mut feed = LiveFeed::new(LiveSpec {
        pipeline: Arc::clone(&pipeline),
        tail: spec.tail.clone(),
        folder: spec.dir.join(ARRIVALS),
        stop: Arc::clone(&spec.stop),
        status,
        values: true,
        exact: false,
    });
    let mut keep = RunStore::new(spec.dir.clone(), start, Arc::clone(&pipeline));
    let job = JobSpec {
        seed: spec.seed,
        memory: spec.memory,
        shards: spec.shards,
        rebuild: deliver.rebuild,
        schema_id,
        stop: spec.stop,
        transaction_timeout_ms: transaction_timeout(interval),
        ..JobSpec::new(pipeline, spec.dir)
    };
    let ended = delivery::run(
        &job,
        Parts { log: Arc::new(log), feed: &mut feed, keep: &mut keep, control, tell: deliver.tell },
    );
    match ended {
        Err(JobError::Cluster(error)) if !job.folder.join(MANIFEST).exists() => Err(early(error)),
        ended => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_it_began_what_no_further_start_helps_against_is_refused() {
        let of = |kind| early(LogError::new(kind, "no such property: sasl.pasword"));
        let refused = of(LogErrorKind::Fatal);
        assert!(matches!(&refused, JobError::Refused(w) if w.contains("pasword")), "{refused}");
        let later = of(LogErrorKind::Retriable);
        assert!(matches!(later, JobError::Cluster(_)), "{later}");
    }

    #[test]
    fn an_empty_partition_that_is_never_idle_is_known_beforehand() {
        let text = "name = \"x\"\n\
            [inputs.l]\ntopic = \"left\"\nformat = \"json\"\nkey = \"k\"\n\
            event_time = \"$timestamp\"\nwatermark = { max_out_of_orderness = \"1s\" }\n\
            [inputs.r]\ntopic = \"right\"\nformat = \"json\"\nkey = \"k\"\n\
            event_time = \"$timestamp\"\n\
            watermark = { max_out_of_orderness = \"1s\", idle_timeout = \"1s\" }\n\
            [join]\nprimary = \"l\"\nwith.r = { after = \"0s\", until = \"1s\" }\n";
        let pipeline = Pipeline::parse(text, "p.toml").unwrap();
        let of = |topic: &str, partition| TopicPartition { topic: topic.into(), partition };
        let all = [of("left", 0), of("left", 1), of("right", 0)];
        let end = |of: &TopicPartition| Ok(i64::from(&*of.topic == "left" && of.partition == 0));
        assert_eq!(empty(&pipeline, &all, end), [(of("left", 1), "l".to_owned())]);
        let away = |_: &TopicPartition| Err(LogError::new(LogErrorKind::Retriable, "away"));
        assert!(empty(&pipeline, &all, away).is_empty());
    }
}
