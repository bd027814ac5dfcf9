//! Random runs against a plain model that answers every question by looking
//! at everything.

mod damage;
mod expired;
mod model;
mod questions;
mod resume;
