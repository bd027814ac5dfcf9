//! What a panel may see of the window, and the one way in which it acts: by
//! commands.

use std::collections::BTreeMap;

use joinscope_core::engine::breakpoint::Breakpoint;
use joinscope_operator::record::Arrival;

use super::axis::{Axis, Scale};
use super::bookmarks::Bookmarks;
use super::command::Command;
use super::cursor::{ClockMap, Cursor};
use super::doc::Doc;
use super::jobs::Jobs;
use super::range::RangeState;
use super::selection::Selection;
use super::times::Times;

/// Where runs stop, and where one waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaks<'a> {
    pub list: &'a [Breakpoint],
    /// The run in front waits at a breakpoint: where and at which, in words.
    pub stopped: Option<&'a str>,
    /// The breakpoints that it waits at.
    pub ids: &'a [u64],
    /// How often each stopped the run in progress.
    pub counts: Option<&'a BTreeMap<u64, u64>>,
    /// The run in front goes on in another process: it stops at none of these.
    pub elsewhere: bool,
}

/// Shared by all panels in one frame.
pub struct Cx<'a> {
    pub doc: &'a Doc,
    pub cursor: &'a Cursor,
    pub clock: &'a ClockMap,
    pub scale: Scale,
    /// First and last arrival in sight on the time axes.
    pub view: (Arrival, Arrival),
    pub selection: Option<Selection>,
    /// The marked range and what it is used for ([`super::range::chip`]).
    pub range: &'a RangeState,
    pub bookmarks: &'a Bookmarks,
    pub breaks: Breaks<'a>,
    /// The row that the pointer is over in some panel, as of the last frame.
    pub hover: Option<u64>,
    /// The same for the next frame.
    pub hovers: &'a mut Option<u64>,
    pub times: &'a Times,
    pub jobs: &'a Jobs,
    pub commands: &'a mut Vec<Command>,
    pub can_go_back: bool,
    pub can_go_forward: bool,
}

impl Cx<'_> {
    /// The shared axis, placed on screen.
    #[must_use]
    pub fn axis(&self, left: f32, width: f32) -> Axis {
        Axis::new(self.scale, self.view, self.clock, left, width)
    }
}
