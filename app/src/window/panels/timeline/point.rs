//! What lies at a place of the plot: told to the pointer, selected by a press.

use egui::{Pos2, Response};
use joinscope_core::run::{Axis, Range, RowView};
use joinscope_operator::record::Arrival;

use super::STEP;
use super::draw::{Done, GAP, Shown, name, words};
use super::rows::Row;
use crate::window::axis::Scale;
use crate::window::cx::Cx;
use crate::window::panels::watermarks::say::unit;
use crate::window::text::thousands;

/// The bars as the run store counts them.
struct Bars {
    range: Range,
    count: i128,
    span: i128,
}

impl Bars {
    fn new(range: Range, count: usize) -> Self {
        let span = (i128::from(range.to) - i128::from(range.from)).max(1);
        Self { range, count: count.max(1) as i128, span }
    }

    fn of(s: &Shown<'_>) -> Self {
        let drawn = s.drawn.map(|(q, _)| Self::new(q.range, q.buckets));
        drawn.unwrap_or_else(|| Self::new(s.axis.range(), (s.axis.width / STEP) as usize))
    }

    /// The bar under a place, as the picture lies on the axis.
    fn under(&self, s: &Shown<'_>, x: f32) -> usize {
        let (left, right) = (s.axis.x(self.range.from), s.axis.x(self.range.to));
        let part = f64::from((x - left) / (right - left).max(1.0)).clamp(0.0, 1.0);
        ((part * self.count as f64) as usize).min(self.count as usize - 1)
    }

    /// The bar that counts what stands at a value.
    fn with(&self, value: i64) -> usize {
        let since = i128::from(value) - i128::from(self.range.from);
        let since = since.clamp(0, self.span - 1);
        let bar = if self.range.axis == Axis::EventTime {
            since * self.count / self.span
        } else {
            // Arrivals are cut at edges that are rounded down.
            ((since + 1) * self.count - 1) / self.span
        };
        bar as usize
    }

    /// First value of a bar and the one past its last.
    fn values(&self, bar: usize) -> Range {
        let edge = |n: usize| {
            let up = if self.range.axis == Axis::EventTime { self.count - 1 } else { 0 };
            (i128::from(self.range.from) + (self.span * n as i128 + up) / self.count) as i64
        };
        Range { axis: self.range.axis, from: edge(bar), to: edge(bar + 1) }
    }
}

/// The values of the bar that counts what arrived at the cursor.
pub fn at_cursor(s: &Shown<'_>, cx: &Cx<'_>) -> Range {
    let bars = Bars::of(s);
    bars.values(bars.with(s.axis.value(s.axis.x_of(cx.cursor.at(), cx.clock))))
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
    let bars = Bars::new(question.range, question.buckets);
    let bar = bars.under(s, pos.x);
    let Some(here) = counts.buckets.get(bar) else { return };
    let all: u32 = here.iter().sum();
    let values = bars.values(bar);
    if all == 0 {
        return;
    }
    let full = if matches!(row, Row::Input(_)) { drawn.scale.0 } else { drawn.scale.1 };
    let tall = (s.laid.height - GAP) * (all as f32 / full.max(1) as f32).min(1.0);
    let over = pos.y >= s.laid.at(i).bottom() - GAP / 2.0 - tall.max(4.0);
    if response.clicked() && over {
        done.pick = Some((row, values));
    }
    let within = if values.axis == Axis::Arrival {
        let arrival = |value: i64| format!("arrival {}", thousands(value.max(0) as u64));
        let (first, last) = (arrival(values.from), arrival(values.to.saturating_sub(1)));
        if first == last { first } else { format!("{first} – {last}") }
    } else {
        format!("{} – {}", cx.times.exact(values.from), cx.times.exact(values.to))
    };
    let beyond = if all > full { "\nhigher than is drawn" } else { "" };
    response.clone().on_hover_text_at_pointer(format!(
        "{name}\n{within}\n{}{beyond}",
        words(&here.map(u64::from), unit(s.start)),
    ));
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Pick, Question, drawn, pick};
    use super::*;
    use crate::window::store::Run;
    use crate::window::testing::feed;

    #[test]
    fn a_press_finds_a_record_that_its_bar_counts() {
        const BARS: usize = 300;
        let run = Run::open(&feed().run()).unwrap();
        let (from, last) = (run.arrival_ms(0).unwrap(), run.arrivals() - 1);
        let to = run.arrival_ms(last).unwrap() + 1;
        let row = Row::Input(1);
        for range in [
            Range { axis: Axis::Arrival, from: 0, to: last as i64 + 1 },
            Range { axis: Axis::ArrivalTime, from, to },
        ] {
            let rows = vec![row];
            let q = Question { revision: 0, range, buckets: BARS, rows, singles: None };
            let drawn = drawn(&run, &q).unwrap();
            let bars = Bars::new(range, BARS);
            for (bar, counts) in drawn.rows[0].buckets.iter().enumerate() {
                let press = Pick { revision: 0, press: 0, row, bar: bars.values(bar) };
                let found = pick(&run, &press).unwrap();
                assert_eq!(found.is_some(), counts.iter().any(|n| *n > 0), "bar {bar}");
                if let Some(found) = found {
                    let of_it = counts[found.verdict as usize];
                    assert!(of_it > 0, "bar {bar}: {} is {}", found.record, found.verdict);
                }
            }
        }
    }

    #[test]
    fn a_bar_holds_what_is_counted_in_it_and_nothing_of_its_neighbours() {
        for (axis, from, to, count) in [
            (Axis::Arrival, 0, 500, 300),
            (Axis::ArrivalTime, 1_000, 1_002, 300),
            (Axis::ArrivalTime, -7, 1_000_003, 13),
            (Axis::EventTime, -3, 497, 300),
            (Axis::EventTime, i64::MIN + 1, i64::MAX - 1, 300),
        ] {
            let bars = Bars::new(Range { axis, from, to }, count);
            let mut end = from;
            for bar in 0..count {
                let values = bars.values(bar);
                assert_eq!(values.from, end, "bar {bar} begins where the last one ended");
                end = values.to;
                if values.from < values.to {
                    let ends = [values.from, values.to - 1];
                    assert_eq!(ends.map(|v| bars.with(v)), [bar, bar], "{axis:?}");
                }
            }
            assert_eq!(end, to);
        }
    }
}
