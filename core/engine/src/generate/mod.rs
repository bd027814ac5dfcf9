//! Recordings that nobody recorded: the reference workload of views and
//! engagements, seeded, with everything that goes wrong in reality.

mod fault;
mod feed;
mod options;
mod random;
mod values;

pub use fault::{BadFault, Fault};
pub use feed::{Feed, feed};
pub use options::FeedOptions;
