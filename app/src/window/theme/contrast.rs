//! Computes from the tokens what the eye needs of them: contrast for every
//! ground, and verdict colours that stay apart for the colour-blind.

use egui::{Color32, Rgba};
use joinscope_operator::verdict::Verdict;

use super::tokens::{DARK, LIGHT, Tokens};
use crate::window::table::DIMMED;

/// Relative luminance (WCAG 2).
fn luminance(colour: Color32) -> f32 {
    let c = Rgba::from(colour);
    0.2126 * c.r() + 0.7152 * c.g() + 0.0722 * c.b()
}

/// Contrast ratio (WCAG 2), 1 to 21.
fn contrast(a: Color32, b: Color32) -> f32 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// How a colour-blind eye sees a colour: Machado, Oliveira, Fernandes (2009),
/// severity 1; linear RGB.
const SIGHTS: [(&str, [[f32; 3]; 3]); 3] = [
    (
        "protan",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deutan",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritan",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

fn seen(colour: Color32, sight: &[[f32; 3]; 3]) -> [f32; 3] {
    let c = Rgba::from(colour);
    let c = [c.r(), c.g(), c.b()];
    sight.map(|row| row.iter().zip(c).map(|(m, c)| m * c).sum::<f32>().clamp(0.0, 1.0))
}

/// CIE L*a*b* of linear RGB, D65.
#[allow(clippy::many_single_char_names)] // as the formula has them
fn lab([r, g, b]: [f32; 3]) -> [f32; 3] {
    let f = |t: f32| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.950_47);
    let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.088_83);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    let (a, b) = (lab(a), lab(b));
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
}

fn themes() -> [(&'static str, &'static Tokens); 2] {
    [("dark", &DARK), ("light", &LIGHT)]
}

fn grounds(t: &Tokens) -> [(&'static str, Color32); 5] {
    [
        ("ground", t.ground),
        ("panel", t.panel),
        ("raised", t.raised),
        ("hovered", t.hovered),
        ("selected", t.selected),
    ]
}

#[test]
fn text_stands_out_on_every_ground() {
    for (theme, t) in themes() {
        for (ground, g) in grounds(t) {
            for (name, c) in [("text", t.text), ("second", t.second), ("third", t.third)] {
                let ratio = contrast(c, g);
                assert!(ratio >= 4.5, "{theme}: {name} on {ground} is {ratio:.2}:1");
            }
        }
        let ratio = contrast(t.on_accent(), t.accent);
        assert!(ratio >= 4.5, "{theme}: text on accent is {ratio:.2}:1");
        for (ground, g) in [("panel", t.panel), ("selected", t.selected)] {
            let ratio = contrast(t.accent, g);
            assert!(ratio >= 4.5, "{theme}: a link on {ground} is {ratio:.2}:1");
        }
    }
}

/// A colour with part of its ink on a ground, as egui blends it.
fn on(colour: Color32, part: f32, ground: Color32) -> Color32 {
    let mix = |a: u8, b: u8| (f32::from(a) * part + f32::from(b) * (1.0 - part)).round() as u8;
    Color32::from_rgb(
        mix(colour.r(), ground.r()),
        mix(colour.g(), ground.g()),
        mix(colour.b(), ground.b()),
    )
}

/// A colour with alpha on a ground: it is kept multiplied by it.
fn over(colour: Color32, ground: Color32) -> Color32 {
    let left = 1.0 - f32::from(colour.a()) / 255.0;
    let mix = |c: u8, g: u8| c.saturating_add((f32::from(g) * left) as u8);
    Color32::from_rgb(
        mix(colour.r(), ground.r()),
        mix(colour.g(), ground.g()),
        mix(colour.b(), ground.b()),
    )
}

#[test]
fn rows_that_are_dimmed_can_be_read_and_handles_be_seen() {
    for (theme, t) in themes() {
        for (ground, g) in [("panel", t.panel), ("hovered", t.hovered)] {
            let ratio = contrast(on(t.text, DIMMED, g), g);
            assert!(ratio >= 4.5, "{theme}: dimmed text on {ground} is {ratio:.2}:1");
        }
        let ratio = contrast(over(t.handle(), t.panel), t.panel);
        assert!(ratio >= 3.0, "{theme}: a scroll handle is {ratio:.2}:1");
    }
}

#[test]
fn marks_of_what_is_chosen_stand_out_on_every_ground() {
    for (theme, t) in themes() {
        for (ground, g) in grounds(t) {
            let ratio = contrast(t.accent, g);
            assert!(ratio >= 3.0, "{theme}: accent on {ground} is {ratio:.2}:1");
        }
    }
}

#[test]
fn what_is_painted_faintly_and_means_something_stands_out() {
    for (theme, t) in themes() {
        let axis = [("shade", over(t.shade(), t.panel)), ("range", over(t.range(), t.panel))];
        for (ground, g) in grounds(t).into_iter().chain(axis) {
            // Lines of other partitions, the strip's bars, parts of dimmed rows.
            let ratio = contrast(over(t.faint(), g), g);
            assert!(ratio >= 3.0, "{theme}: faint on {ground} is {ratio:.2}:1");
        }
        for (ground, g) in [("panel", t.panel)].into_iter().chain(axis) {
            let ratio = contrast(over(t.late_density(), g), g);
            assert!(ratio >= 3.0, "{theme}: late by density on {ground} is {ratio:.2}:1");
        }
    }
}

/// What an area, a part of it, lanes of their own and words make of what is below them.
#[test]
fn what_is_painted_over_other_paint_stands_out() {
    for (theme, t) in themes() {
        let own = over(t.own_lane(), t.panel);
        for (ground, g) in [("panel", t.panel), ("own lane", own)] {
            for (name, c) in [("an arrow", t.arrow()), ("the cursor", t.cursor())] {
                let ratio = contrast(over(c, g), g);
                assert!(ratio >= 3.0, "{theme}: {name} on {ground} is {ratio:.2}:1");
            }
            for verdict in Verdict::ALL {
                let ratio = contrast(t.verdict(verdict), g);
                assert!(ratio >= 3.0, "{theme}: {verdict} on {ground} is {ratio:.2}:1");
                // Of what has not come yet: as under the veil.
                let ratio = contrast(on(t.verdict(verdict), DIMMED, g), g);
                assert!(ratio >= 1.8, "{theme}: dimmed {verdict} on {ground} is {ratio:.2}:1");
            }
        }
        let area = over(t.area(), t.panel);
        let part = over(t.area_part(), area);
        for (ground, g) in [("panel", t.panel), ("area", area)] {
            for (name, c) in [("its edge", t.second), ("a step", t.text), ("a part", part)] {
                let ratio = contrast(c, g);
                assert!(ratio >= 3.0, "{theme}: {name} on {ground} is {ratio:.2}:1");
            }
        }
        let below = [
            ("area", area),
            ("part", part),
            ("arrow", over(t.arrow(), own)),
            ("edge", t.second),
            ("step", t.text),
            ("marked arrow", t.accent),
        ];
        for (name, g) in below {
            let ground = over(t.under_words(), g);
            for (ink, c) in [("text", t.text), ("second", t.second)] {
                let ratio = contrast(c, ground);
                assert!(ratio >= 4.5, "{theme}: {ink} over {name} is {ratio:.2}:1");
            }
        }
    }
}

/// What is later than the cursor is an exception from 3:1: that it stands back is what the
/// veil says, and the cursor moved there shows all of it. It can be seen nevertheless.
#[test]
fn what_is_under_the_veil_can_still_be_seen() {
    for (theme, t) in themes() {
        for verdict in Verdict::ALL {
            let ratio = contrast(over(t.veil(), t.verdict(verdict)), t.panel);
            assert!(ratio >= 1.8, "{theme}: {verdict} under the veil is {ratio:.2}:1");
        }
    }
}

#[test]
fn verdict_shapes_stand_out_on_every_ground() {
    for (theme, t) in themes() {
        for (ground, g) in grounds(t) {
            for verdict in Verdict::ALL {
                let ratio = contrast(t.verdict(verdict), g);
                assert!(ratio >= 3.0, "{theme}: {verdict} on {ground} is {ratio:.2}:1");
            }
        }
    }
}

/// One verdict of each colour (`filtered` has text's colour and a hollow shape).
const COLOURS: [Verdict; 6] = [
    Verdict::Joined,
    Verdict::Unmatched,
    Verdict::Late,
    Verdict::Expired,
    Verdict::Undecodable,
    Verdict::Open,
];

#[test]
fn verdict_colours_stay_apart_for_every_eye() {
    let mut least = f32::INFINITY;
    for (theme, t) in themes() {
        for (sight, matrix) in SIGHTS {
            for (i, a) in COLOURS.iter().enumerate() {
                for b in &COLOURS[i + 1..] {
                    let d = distance(seen(t.verdict(*a), &matrix), seen(t.verdict(*b), &matrix));
                    least = least.min(d);
                    assert!(d >= 10.0, "{theme}, {sight}: {a} and {b} are {d:.1} apart");
                }
            }
        }
    }
    assert!(least.is_finite());
}
