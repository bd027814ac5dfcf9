//! What lies at a place of the plot: told to the pointer, selected by a press.

use egui::{Pos2, Response};
use joinscope_core::run::RowView;
use joinscope_operator::record::Arrival;

use super::ask::Place;
use super::draw::{Done, GAP, Shown, name, words};
use super::rows::Row;
use crate::window::axis::Scale;
use crate::window::cx::Cx;
use crate::window::panels::watermarks::say::unit;
use crate::window::text::thousands;

/// First and last value on the axis of the bar at a place.
fn bar_of(s: &Shown<'_>, x: f32) -> (i64, i64) {
    let step = s.drawn.map_or(4.0, |(q, _)| s.axis.width / q.buckets.max(1) as f32);
    let left = s.axis.left + ((x - s.axis.left) / step).floor() * step;
    let first = s.axis.value(left);
    (first, s.axis.value(left + step).max(first))
}

/// What lies within the bar at a place.
pub fn place_of(s: &Shown<'_>, x: f32, cx: &Cx<'_>) -> Place {
    let (first, last) = bar_of(s, x);
    if s.axis.scale == Scale::EventTime {
        return Place::EventTime(first, last);
    }
    let arrival = |value| s.axis.arrival(s.axis.x(value), cx.clock);
    Place::Arrivals(arrival(first), arrival(last))
}

/// Where a record stands: by event time at its own.
pub fn x_of(s: &Shown<'_>, row: &RowView, cx: &Cx<'_>) -> Option<f32> {
    match s.axis.scale {
        Scale::EventTime => row.event_time.map(|ms| s.axis.x(ms)),
        _ => Some(s.axis.x_of(row.arrival, cx.clock)),
    }
}

/// What the pointer is over: told, and selected by a press.
pub fn point(
    cx: &mut Cx<'_>,
    s: &Shown<'_>,
    response: &Response,
    singles: &[(u64, Arrival, Pos2)],
    done: &mut Done,
) {
    let Some(pos) = response.hover_pos() else { return };
    let near = singles.iter().map(|(row, arrival, at)| (at.distance(pos), row, arrival));
    let near = near.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|n| n.0 < 8.0);
    let i = ((pos.y - s.laid.area.top() + s.laid.top) / s.laid.height) as usize;
    let Some(row) = s.laid.rows.get(i).copied() else { return };
    let name = name(s.start, row);
    if let Some((_, number, arrival)) = near {
        *cx.hovers = Some(*number);
        if response.clicked() {
            done.select = Some((*number, *arrival));
        }
        let view = s.drawn.and_then(|(_, d)| d.singles.iter().find(|r| r.row == *number));
        if let Some(view) = view {
            let event = view.event_time.map_or_else(|| "none".to_owned(), |ms| cx.times.full(ms));
            response.clone().on_hover_text_at_pointer(format!(
                "{}\n{}\nevent time {event}\narrived {}, arrival {}",
                view.record,
                view.verdict,
                cx.times.full(view.arrival_ms),
                thousands(view.arrival),
            ));
        }
        return;
    }
    let Some((question, drawn)) = s.drawn.filter(|(q, _)| q.singles.is_none()) else { return };
    let Some(counts) = drawn.rows.iter().find(|c| c.row == row) else { return };
    let step = s.axis.width / question.buckets.max(1) as f32;
    let bucket = ((pos.x - s.axis.left) / step).max(0.0) as usize;
    let Some(here) = counts.buckets.get(bucket) else { return };
    let all: u32 = here.iter().sum();
    let (from, to) = bar_of(s, pos.x);
    if all == 0 {
        return;
    }
    let full = if matches!(row, Row::Input(_)) { drawn.scale.0 } else { drawn.scale.1 };
    let tall = (s.laid.height - GAP) * (all as f32 / full.max(1) as f32).min(1.0);
    let over = pos.y >= s.laid.at(i).bottom() - GAP / 2.0 - tall.max(4.0);
    if response.clicked() && over {
        done.pick = Some((row, place_of(s, pos.x, cx)));
    }
    let written = |value: i64| match s.axis.scale {
        Scale::Arrival => format!("arrival {}", thousands(value.max(0) as u64)),
        _ => cx.times.exact(value),
    };
    let beyond = if all > full { "\nhigher than is drawn" } else { "" };
    response.clone().on_hover_text_at_pointer(format!(
        "{name}\n{} – {}\n{}{beyond}",
        written(from),
        written(to),
        words(&here.map(u64::from), unit(s.start)),
    ));
}
