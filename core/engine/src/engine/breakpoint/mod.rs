//! Breakpoints: where a run stops. They look at what the engine gives out
//! ([`super::step::Step`]), never into an operator, so that a run that was
//! stopped and went on is the run that never was.

mod condition;
mod watch;

pub use condition::{Condition, EXAMPLES, FieldOp};
pub(crate) use watch::of_step;
pub use watch::{Events, Fallen, Fields, Hit, Watch};

/// A breakpoint of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakpoint {
    /// Its own among those of the list.
    pub id: u64,
    pub enabled: bool,
    pub condition: Condition,
}
