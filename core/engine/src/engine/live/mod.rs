//! A live source: topics as they grow, in the order in which they are read.
//!
//! 1. Whatever is given to the engine stands in the arrival log before: a live
//!    run is afterwards an ordinary run over that log, byte for byte.
//! 2. What only a clock can say (time goes on, a partition may not be idle) goes
//!    the same way, as an input. What follows of it is the engine's business.
//! 3. A run that goes on reads its log first; only behind its end is an order
//!    chosen anew.

mod align;
mod clock;
mod cut;
mod feed;
mod follow;
mod holding;
mod log;
mod lookup;
mod reader;
mod recent;
mod schemas;
mod source;
mod status;
mod ticks;

pub(crate) use clock::WallClock;
pub use feed::LiveFeed;
pub use lookup::Lookup;
pub use source::{Live, LiveError, LiveSpec};
pub use status::{LiveStatus, Standing};
