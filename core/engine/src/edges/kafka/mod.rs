//! Kafka clusters: topics into a recording ([`record()`]) and back
//! ([`publish()`]), and topics as they grow ([`Tail`]). Reading never changes a cluster: no group, no commit, no
//! topic made; writing is only what `publish` does.

mod asking;
mod bench;
mod bounded;
mod cluster;
mod codes;
mod compacted;
mod convert;
mod deliveries;
mod error;
mod groups;
mod keychain;
mod lacking;
mod lanes;
mod limits;
mod log;
mod merge;
mod producer;
mod publish;
mod range;
mod record;
mod register;
mod registry;
mod registry_tls;
mod replicas;
mod settings;
mod stable;
mod starved;
mod sys;
mod tail;
mod times;
mod topic_settings;
mod undelivered;
mod watch;
mod watcher;

pub use bench::{Consumed, consume_alone};
pub use cluster::Isolation;
pub use deliveries::{Published, Rest};
pub use error::KafkaError;
pub use lacking::{Lacking, lacking_schemas};
pub use log::KafkaLog;
pub use publish::{
    Pace, PlannedTopic, PublishOutcome, PublishPlan, PublishSpec, Times, plan, publish,
};
pub use range::{BadRange, Start, Until};
pub use record::{Outcome, Progress, RecordSpec, Roll, record};
pub use register::register;
pub use registry::RegistrySettings;
pub use settings::Settings;
pub use tail::{Tail, TailLane, TailSpec, first_offsets};
pub use watcher::{Beside, Health};
