//! Kafka clusters: topics into a recording ([`record()`]) and back
//! ([`publish()`]). Reading never changes a cluster: no group, no commit, no
//! topic made; writing is only what `publish` does.

mod bench;
mod cluster;
mod convert;
mod error;
mod lanes;
mod merge;
mod publish;
mod range;
mod record;
mod registry;
mod settings;
mod sys;

pub use bench::{Consumed, consume_alone};
pub use cluster::Isolation;
pub use error::KafkaError;
pub use publish::{Pace, PublishOutcome, PublishPlan, PublishSpec, plan, publish};
pub use range::{BadRange, Start, Until};
pub use record::{Outcome, Progress, RecordSpec, record};
pub use registry::RegistrySettings;
pub use settings::Settings;
