//! The engine of Joinscope and the questions asked of its runs; no GUI, no
//! terminal. Floors, from below: `edges`, `engine`, `run`, `analyses`; a
//! module knows only what stands below it.

pub mod analyses;
pub mod edges;
pub mod engine;
pub mod generate;
pub mod process;
pub mod run;

pub use joinscope_operator as operator;
