//! How the window is laid out: bars, the panels at the sides, the tiles between
//! them, and what the panels see of the window.

use std::ops::RangeInclusive;

use egui::{Frame, Key, Margin, Panel as SidePanel, Rect, Ui, UiBuilder, pos2};

use super::app::App;
use super::bars;
use super::cx::{Breaks, Cx};
use super::layout::{Edge, Tabs};
use super::panel::Panel;
use super::panels::Panels;
use super::start;
use super::table;
use super::theme::GAP;

/// A window that is narrower, points, has no room for the sides as they were set.
const NARROW: f32 = 900.0;

/// How wide the sides may be: in a small window, or one that is shown large, they leave
/// the most of it to what stands between them, and are as they were set in a larger one.
struct Sides {
    small: bool,
    /// Of the left side and the right one.
    salts: [&'static str; 2],
    ranges: [RangeInclusive<f32>; 2],
}

impl Sides {
    fn of(ui: &Ui) -> Self {
        let room = ui.available_width();
        if room >= NARROW {
            let ranges = [160.0..=420.0, 260.0..=640.0];
            return Self { small: false, salts: ["sources", "inspector"], ranges };
        }
        let ranges = [120.0..=(room * 0.3).max(140.0), 180.0..=(room * 0.45).max(220.0)];
        Self { small: true, salts: ["small sources", "small inspector"], ranges }
    }

    /// How wide one is at first, where it was `set` so wide.
    fn first(&self, side: usize, set: f32) -> f32 {
        let Some(range) = self.ranges.get(side).filter(|_| self.small) else { return set };
        set.min(range.end() * 2.0 / 3.0).max(*range.start())
    }
}

impl App {
    pub(super) fn whole(&mut self, ui: &mut Ui) -> Option<u64> {
        bars::top(self, ui);
        bars::notices(self, ui);
        if self.doc.is_empty() {
            start::show(self, ui);
            return None;
        }
        bars::clock(self, ui);
        bars::banner(self, ui);
        let frame = |left: f32, right: f32| {
            Frame::NONE.outer_margin(Margin {
                left: left as i8,
                right: right as i8,
                top: GAP as i8,
                bottom: GAP as i8,
            })
        };
        self.layout.fit(&self.doc);
        // A width that was set, not dragged, is another side to egui.
        let generation = self.layout.generation;
        let sides = Sides::of(ui);
        if self.layout.left.shown {
            let salt = (sides.salts[0], generation);
            let edge = Edge::of(ui, salt, Panel::Sources);
            edge.keys(ui, Key::ArrowRight, Key::ArrowLeft);
            let shown = SidePanel::left(salt)
                .frame(frame(GAP, 0.0))
                .default_size(sides.first(0, self.layout.left.width))
                .size_range(sides.ranges[0].clone())
                .show_separator_line(false)
                .show(ui, |ui| self.sources(ui));
            let width = shown.response.rect.width();
            if !sides.small {
                self.layout.left.width = width;
            }
            edge.say(ui, width);
        }
        let mut hovers = None;
        if self.layout.right.shown {
            let salt = (sides.salts[1], generation);
            let edge = Edge::of(ui, salt, Panel::Inspector);
            edge.keys(ui, Key::ArrowLeft, Key::ArrowRight);
            let shown = SidePanel::right(salt)
                .frame(frame(0.0, GAP))
                .default_size(sides.first(1, self.layout.right.width))
                .size_range(sides.ranges[1].clone())
                .show_separator_line(false)
                .show(ui, |ui| self.one(ui, Panel::Inspector, &mut hovers));
            let width = shown.response.rect.width();
            if !sides.small {
                self.layout.right.width = width;
            }
            edge.say(ui, width);
        }
        let rest = ui.available_rect_before_wrap();
        let centre =
            Rect::from_min_max(rest.min + egui::vec2(GAP, GAP), rest.max - egui::vec2(GAP, GAP));
        let mut child = ui.new_child(UiBuilder::new().max_rect(centre).id_salt("tiles"));
        if self.doc.recording.is_none() && self.doc.run.is_none() {
            start::waits(self, &mut child);
            return hovers;
        }
        if self.layout.is_empty() {
            table::empty(&mut child, "No panel is shown here", "The View menu lists every panel");
            return hovers;
        }
        let mut layout = std::mem::take(&mut self.layout);
        layout.ui(&mut child, &mut |ui, panel, tabs| self.panel(ui, panel, tabs, &mut hovers));
        self.layout = layout;
        hovers
    }

    /// Sources stands at the side and sees more of the window than a panel.
    fn sources(&mut self, ui: &mut Ui) {
        self.exports.note_place(Panel::Sources, ui.available_rect_before_wrap());
        super::panels::sources::show(self, ui);
    }

    pub(super) fn only_panel(&mut self, ui: &mut Ui, panel: Panel) -> Option<u64> {
        let all = ui.max_rect();
        let at = Rect::from_min_max(pos2(all.left(), all.top()), all.max).shrink(GAP);
        let mut child = ui.new_child(UiBuilder::new().max_rect(at).id_salt("only"));
        let mut hovers = None;
        // The time axes need the clock, which the clock bar asks for.
        bars::ask_clock(self);
        if panel == Panel::Sources {
            self.sources(&mut child);
        } else {
            self.one(&mut child, panel, &mut hovers);
        }
        hovers
    }

    fn one(&mut self, ui: &mut Ui, panel: Panel, hovers: &mut Option<u64>) {
        self.panel(ui, panel, &Tabs::default(), hovers);
    }

    fn panel(&mut self, ui: &mut Ui, panel: Panel, tabs: &Tabs, hovers: &mut Option<u64>) -> bool {
        self.exports.note_place(panel, ui.available_rect_before_wrap());
        self.with_panels(hovers, |panels, cx| panels.show(ui, panel, tabs, cx))
    }

    /// Acts on the panels with what they may see of the window.
    pub(super) fn with_panels<T>(
        &mut self,
        hovers: &mut Option<u64>,
        act: impl FnOnce(&mut Panels, &mut Cx<'_>) -> T,
    ) -> T {
        let times = self.times();
        let mut panels = std::mem::take(&mut self.panels);
        // The panels are about what is in front: another run may go on behind it.
        let here = self.runs_here();
        let stopped = self.stopped.as_ref().filter(|_| here);
        let said = stopped.map(|stop| self.stop_said(stop));
        let going = self.running.as_ref().filter(|_| here);
        let stop_counts = going.map(|r| r.control.stop_counts()).unwrap_or_default();
        let elsewhere = self.runs_elsewhere();
        let mut cx = Cx {
            doc: &self.doc,
            cursor: &self.cursor,
            clock: &self.clock,
            scale: self.scale,
            view: self.view(),
            selection: self.selection,
            range: &self.range,
            bookmarks: &self.bookmarks,
            breaks: Breaks {
                list: self.breakpoints.list(),
                stopped: said.as_deref(),
                ids: stopped.map(|s| s.ids.as_slice()).unwrap_or_default(),
                counts: Some(&stop_counts),
                elsewhere,
            },
            hover: self.hover,
            hovers,
            times: &times,
            jobs: &self.jobs,
            commands: &mut self.commands,
            can_go_back: self.history.can_go_back(),
            can_go_forward: self.history.can_go_forward(),
        };
        let done = act(&mut panels, &mut cx);
        self.panels = panels;
        done
    }
}
