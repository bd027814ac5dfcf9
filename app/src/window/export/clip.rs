//! Lines and polygons cut at a rectangle: a file's shapes end where the
//! screen's do.

use egui::{Pos2, Rect};

/// The parts of a line that lie within the rectangle.
#[must_use]
pub fn polyline(points: &[Pos2], clip: Rect) -> Vec<Vec<Pos2>> {
    let mut parts: Vec<Vec<Pos2>> = Vec::new();
    let mut open = false;
    for pair in points.windows(2) {
        let Some((a, b)) = segment(pair[0], pair[1], clip) else {
            open = false;
            continue;
        };
        match parts.last_mut().filter(|part| open && part.last() == Some(&a)) {
            Some(part) => part.push(b),
            None => parts.push(vec![a, b]),
        }
        open = b == pair[1];
    }
    parts
}

/// The part of a segment within the rectangle (Liang and Barsky).
fn segment(a: Pos2, b: Pos2, clip: Rect) -> Option<(Pos2, Pos2)> {
    let d = b - a;
    let (mut from, mut to) = (0.0f32, 1.0f32);
    let edges = [
        (-d.x, a.x - clip.left()),
        (d.x, clip.right() - a.x),
        (-d.y, a.y - clip.top()),
        (d.y, clip.bottom() - a.y),
    ];
    for (step, room) in edges {
        if step == 0.0 {
            if room < 0.0 {
                return None;
            }
            continue;
        }
        let at = room / step;
        if step < 0.0 {
            from = from.max(at);
        } else {
            to = to.min(at);
        }
    }
    if from > to {
        return None;
    }
    let start = if from > 0.0 { a + d * from } else { a };
    let end = if to < 1.0 { a + d * to } else { b };
    Some((start, end))
}

/// The part of a convex polygon within the rectangle (Sutherland and Hodgman);
/// empty: none.
#[must_use]
pub fn polygon(points: &[Pos2], clip: Rect) -> Vec<Pos2> {
    // How far a point is within each edge.
    let edges: [&dyn Fn(Pos2) -> f32; 4] = [
        &|p: Pos2| p.x - clip.left(),
        &|p: Pos2| clip.right() - p.x,
        &|p: Pos2| p.y - clip.top(),
        &|p: Pos2| clip.bottom() - p.y,
    ];
    let mut left = points.to_vec();
    for within in edges {
        if left.iter().all(|p| within(*p) >= 0.0) {
            continue;
        }
        let mut kept = Vec::with_capacity(left.len() + 2);
        for (i, p) in left.iter().enumerate() {
            let before = left[(i + left.len() - 1) % left.len()];
            let (was, is) = (within(before), within(*p));
            if (was < 0.0) != (is < 0.0) {
                kept.push(before + (*p - before) * (was / (was - is)));
            }
            if is >= 0.0 {
                kept.push(*p);
            }
        }
        left = kept;
    }
    left
}

#[cfg(test)]
mod tests {
    use egui::pos2;

    use super::*;

    fn clip() -> Rect {
        Rect::from_min_max(pos2(0.0, 0.0), pos2(10.0, 10.0))
    }

    #[test]
    fn a_line_that_leaves_and_comes_back_is_two() {
        let line = [pos2(5.0, 5.0), pos2(15.0, 5.0), pos2(15.0, 8.0), pos2(5.0, 8.0)];
        let parts = polyline(&line, clip());
        assert_eq!(
            parts,
            [vec![pos2(5.0, 5.0), pos2(10.0, 5.0)], vec![pos2(10.0, 8.0), pos2(5.0, 8.0)]]
        );
        assert_eq!(
            polyline(&[pos2(-5.0, 20.0), pos2(15.0, 20.0)], clip()),
            Vec::<Vec<Pos2>>::new()
        );
        let within = [pos2(1.0, 1.0), pos2(2.0, 2.0), pos2(3.0, 1.0)];
        assert_eq!(polyline(&within, clip()), [within.to_vec()]);
    }

    #[test]
    fn a_polygon_is_cut_at_every_edge() {
        let all = [pos2(-5.0, -5.0), pos2(15.0, -5.0), pos2(15.0, 15.0), pos2(-5.0, 15.0)];
        let cut = polygon(&all, clip());
        assert_eq!(Rect::from_points(&cut), clip());
        assert!(polygon(&[pos2(20.0, 0.0), pos2(30.0, 0.0), pos2(30.0, 5.0)], clip()).is_empty());
        let half = polygon(&[pos2(5.0, 5.0), pos2(15.0, 5.0), pos2(5.0, 9.0)], clip());
        assert_eq!(half.len(), 4);
    }
}
