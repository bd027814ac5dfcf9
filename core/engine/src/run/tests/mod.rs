//! Random runs against a plain model that answers every question by looking
//! at everything.

mod asked;
mod breaking;
mod damage;
mod execute;
mod expired;
mod format;
mod lines;
pub(crate) mod model;
mod questions;
mod resume;
mod schemas;
mod stopped;
mod workbench;
