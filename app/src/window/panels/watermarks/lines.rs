//! Lines: steps where single records are told apart, straight where a bucket
//! has many; broken where offsets are missing.

use egui::{Color32, Mesh, Painter, Pos2, Stroke, pos2};
use joinscope_core::run::MinMax;

use super::ask::{Band, Line};
use super::draw::Shown;
use super::scale::Height;
use crate::window::cx::Cx;
use crate::window::theme::Tokens;

/// With more arrivals in a bucket a step within it would be made up.
const STEPS: u64 = 2;

/// A line through what it had at the start and the end of each bucket; `lane`:
/// whose gaps break it.
pub fn paint(
    painter: &Painter,
    lane: Option<u32>,
    line: &Line,
    s: &Shown<'_>,
    height: &Height,
    stroke: Stroke,
) {
    let place = Place {
        clock: &s.drawn.arrival_ms,
        arrivals: &s.drawn.arrivals,
        x: &|bucket| s.x(bucket),
        y: &|ms, v| height.y(s.vertical.value(ms, v)),
    };
    let missing = |bucket| lane.is_some_and(|lane| is_missing(s, lane, bucket));
    for piece in pieces(line, &place, &missing) {
        painter.line(piece, stroke);
    }
}

/// Where the values of a line stand on screen.
pub struct Place<'a> {
    /// Arrival time of each bucket, ms.
    pub clock: &'a Line,
    /// First arrival of each bucket, and the end.
    pub arrivals: &'a [u64],
    /// Left edge of a bucket.
    pub x: &'a dyn Fn(usize) -> f32,
    /// Of an arrival time and an event time, ms.
    pub y: &'a dyn Fn(i64, i64) -> f32,
}

/// The unbroken pieces of a line.
pub fn pieces(line: &Line, place: &Place<'_>, missing: &dyn Fn(usize) -> bool) -> Vec<Vec<Pos2>> {
    let mut pieces = Vec::new();
    let mut points: Vec<Pos2> = Vec::with_capacity(line.len() * 2);
    for (i, (value, ms)) in line.iter().zip(place.clock).enumerate() {
        let (Some(v), Some(ms)) = (value, ms) else {
            pieces.push(std::mem::take(&mut points));
            continue;
        };
        if missing(i) {
            pieces.push(std::mem::take(&mut points));
            continue;
        }
        for p in corners(i, *v, *ms, place) {
            if points.last() != Some(&p) {
                points.push(p);
            }
        }
    }
    pieces.push(points);
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

/// Whether a bucket lies within a gap of the lane's offsets.
fn is_missing(s: &Shown<'_>, lane: u32, bucket: usize) -> bool {
    let (Some(from), Some(to)) = (s.drawn.arrivals.get(bucket), s.drawn.arrivals.get(bucket + 1))
    else {
        return false;
    };
    let mut gaps = s.drawn.gaps.iter().filter(|g| g.lane == lane);
    gaps.any(|g| g.arrivals.0 < *from && *to <= g.arrivals.1)
}

/// The corners of one bucket: it holds until a record moves it.
fn corners(i: usize, v: MinMax, ms: MinMax, place: &Place<'_>) -> Vec<Pos2> {
    let (left, right) = ((place.x)(i), (place.x)(i + 1));
    let at = |x, ms, v| pos2(x, (place.y)(ms, v));
    let arrivals = match (place.arrivals.get(i), place.arrivals.get(i + 1)) {
        (Some(from), Some(to)) => to.saturating_sub(*from),
        _ => u64::MAX,
    };
    if v.min < v.max && arrivals <= STEPS {
        return vec![at(left, ms.min, v.min), at(right, ms.max, v.min), at(right, ms.max, v.max)];
    }
    vec![at(left, ms.min, v.min), at(right, ms.max, v.max)]
}

/// Where a partition's offsets are missing: a notch at both sides of the break,
/// so that it is not taken for silence.
pub fn notches(painter: &Painter, cx: &Cx<'_>, s: &Shown<'_>, height: &Height, t: &Tokens) {
    for gap in &s.drawn.gaps {
        let Some((_, line)) = s.drawn.lanes.iter().find(|(lane, _)| *lane == gap.lane) else {
            continue;
        };
        for arrival in [gap.arrivals.0, gap.arrivals.1] {
            if arrival < cx.view.0 || arrival > cx.view.1 {
                continue;
            }
            let x = s.axis.x_of(arrival, cx.clock);
            let i = s.bucket(x);
            let value = line.get(i).copied().flatten().zip(s.drawn.arrival_ms[i]);
            let Some((v, ms)) = value else { continue };
            let y = height.y(s.vertical.value(ms.max, v.max));
            let tick = [pos2(x - 2.0, y + 5.0), pos2(x + 2.0, y - 5.0)];
            painter.line_segment(tick, Stroke::new(1.5, t.second));
        }
    }
}

/// The unbroken pieces of a line through one value a bucket.
pub fn middle_lines(values: &[Option<i64>], s: &Shown<'_>, height: &Height) -> Vec<Vec<Pos2>> {
    let clock = &s.drawn.arrival_ms;
    let both = values.iter().zip(clock).enumerate();
    let point = |(i, (v, ms)): (usize, (&Option<i64>, &Option<MinMax>))| {
        let value = s.vertical.value(ms.as_ref()?.max, (*v)?);
        Some(pos2(s.x(i + 1), height.y(value)))
    };
    let points: Vec<Option<Pos2>> = both.map(point).collect();
    let pieces = points.split(Option::is_none);
    pieces.map(|piece| piece.iter().flatten().copied().collect()).collect()
}

pub fn band_mesh(band: &Band, s: &Shown<'_>, height: &Height, colour: Color32) -> Mesh {
    let mut mesh = Mesh::default();
    let low = middle_lines(&band.low, s, height);
    let high = middle_lines(&band.high, s, height);
    for (low, high) in low.iter().zip(&high) {
        for (a, b) in low.windows(2).zip(high.windows(2)) {
            let first = mesh.vertices.len() as u32;
            for p in [a[0], b[0], b[1], a[1]] {
                mesh.colored_vertex(p, colour);
            }
            mesh.add_triangle(first, first + 1, first + 2);
            mesh.add_triangle(first, first + 2, first + 3);
        }
    }
    mesh
}
