//! The list of kinds of change, with how many there are of each: what the table
//! is filtered by.

use egui::{
    Align2, Color32, FontId, Rect, Response, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};
use joinscope_core::analyses::compare::{Kind, Matching};
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::verdict::Verdict;

use super::job::{Choice, Found, Outputs};
use crate::window::cx::Cx;
use crate::window::text::{line, thousands};
use crate::window::theme::{INSET, ROW, SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{fit, mark_row, verdict_shape};

/// What the first line is called.
const ALL: &str = "All that changed";
/// What a side says where a record is not in it.
const ABSENT: &str = "absent";

/// A verdict, or that there is none.
pub fn word(verdict: Option<Verdict>) -> &'static str {
    verdict.map_or(ABSENT, Verdict::name)
}

impl Choice {
    /// As a view keeps it.
    pub fn name(self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Kind(kind) => format!("{} {} {}", kind.input, word(kind.to), word(kind.from)),
            Self::Outputs(outputs) => outputs.name().to_owned(),
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "all" {
            return Some(Self::All);
        }
        if let Some(outputs) = Outputs::ALL.into_iter().find(|o| o.name() == name) {
            return Some(Self::Outputs(outputs));
        }
        let side = |word: &str| match word {
            ABSENT => Some(None),
            word => Verdict::from_name(word).map(Some),
        };
        let parts: Vec<&str> = name.split(' ').collect();
        let [input, to, from] = parts.as_slice() else { return None };
        Some(Self::Kind(Kind { input: input.parse().ok()?, to: side(to)?, from: side(from)? }))
    }
}

impl Outputs {
    /// As a view keeps it.
    fn name(self) -> &'static str {
        match self {
            Self::PairsHere => "pairs-here",
            Self::PairsThere => "pairs-there",
            Self::OthersHere => "others-here",
            Self::OthersThere => "others-there",
            Self::Changed => "changed-outputs",
        }
    }
}

/// The name of an input of either run.
fn input<'a>(kind: Kind, cx: &'a Cx<'_>, matching: Option<&'a Matching>) -> &'a str {
    if let Some(name) = matching.and_then(|m| m.inputs.get(usize::from(kind.input))) {
        return name;
    }
    let inputs = cx.doc.run.as_ref().map(|r| &r.manifest.start.inputs);
    inputs.and_then(|i| i.get(usize::from(kind.input))).map_or("", |i| &*i.name)
}

/// `engagements joined → late`: the other run's verdict, then this one's.
pub fn words(kind: Kind, cx: &Cx<'_>, matching: Option<&Matching>) -> String {
    let input = input(kind, cx, matching);
    format!("{input} {} → {}", word(kind.to), word(kind.from))
}

/// What a kind of output is called; `names`: of this run, and of the other.
fn called(outputs: Outputs, folds: bool, names: (&str, &str)) -> String {
    let what = match outputs {
        Outputs::PairsHere | Outputs::PairsThere => "pairs",
        Outputs::OthersHere | Outputs::OthersThere if folds => "examples",
        Outputs::OthersHere | Outputs::OthersThere => "pads",
        Outputs::Changed => return "examples that differ".to_owned(),
    };
    let name = if outputs.is_there() { names.1 } else { names.0 };
    // It is cut where its line has no room for it, once.
    format!("{what} in {name} only")
}

/// Between what a line says and its count, points.
const APART: f32 = 10.0;

/// How wide the list is where nothing in it is cut, points. `names`: of this run, and of
/// the other.
pub fn width(ui: &Ui, cx: &Cx<'_>, found: &Found, names: (&str, &str)) -> f32 {
    /// Two shapes, and the gaps around them and the arrow.
    const SHAPES: f32 = 40.0;
    let wide = |text: &str, font: FontId| {
        ui.painter().layout_no_wrap(text.to_owned(), font, Color32::WHITE).size().x
    };
    let name = |text: &str| wide(&line(text), fonts::regular(TEXT));
    let change = |kind: Kind| {
        let parts = [word(kind.to), "→", word(kind.from)];
        SHAPES + parts.map(|part| wide(part, fonts::regular(SMALL + 0.5))).iter().sum::<f32>()
    };
    let row = |said: f32, n: u64| said + APART + wide(&thousands(n), fonts::mono(SMALL));
    let mut widest = row(name(ALL), found.changed());
    for (kind, n) in found.kinds() {
        widest = widest.max(row(change(kind), n));
    }
    let folds = cx.doc.pipeline_that_ran().is_some_and(Pipeline::folds);
    let diff = found.outputs.as_deref();
    for outputs in Outputs::ALL {
        let n = diff.map_or(0, |diff| outputs.of(diff).0);
        if n > 0 {
            widest = widest.max(row(name(&called(outputs, folds, names)), n));
        }
    }
    // What is as wide as its room is not to be cut for a rounding.
    widest + 2.0 * INSET + 2.0
}

/// Shows the list; gives what was chosen. `names`: of this run, and of the other.
pub fn show(
    ui: &mut Ui,
    cx: &Cx<'_>,
    found: &Found,
    choice: Choice,
    names: (&str, &str),
) -> Option<Choice> {
    let t = Tokens::of(ui.ctx());
    let mut chosen = None;
    let folds = cx.doc.pipeline_that_ran().is_some_and(Pipeline::folds);
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let all = Row { name: ALL, kind: None, count: found.changed() };
        if all.show(ui, choice == Choice::All, t).clicked() {
            chosen = Some(Choice::All);
        }
        let kinds = found.kinds();
        let inputs: std::collections::BTreeSet<u8> = kinds.iter().map(|(k, _)| k.input).collect();
        for of in inputs {
            let own = || kinds.iter().filter(|(kind, _)| kind.input == of);
            let Some((first, _)) = own().next() else { continue };
            let name = input(*first, cx, found.matching.as_deref());
            title(ui, name, t);
            for (kind, count) in own() {
                let row = Row { name, kind: Some(*kind), count: *count };
                if row.show(ui, choice == Choice::Kind(*kind), t).clicked() {
                    chosen = Some(Choice::Kind(*kind));
                }
            }
        }
        let Some(diff) = &found.outputs else { return };
        title(ui, "Outputs", t);
        let same = Row { name: "the same", kind: None, count: diff.same };
        same.paint(ui, Sense::hover(), false, t);
        for outputs in Outputs::ALL {
            let (count, _) = outputs.of(diff);
            if count == 0 {
                continue;
            }
            let row = Row { name: &called(outputs, folds, names), kind: None, count };
            if row.show(ui, choice == Choice::Outputs(outputs), t).clicked() {
                chosen = Some(Choice::Outputs(outputs));
            }
        }
    });
    chosen
}

/// What a group of kinds is about.
fn title(ui: &mut Ui, name: &str, t: &Tokens) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 26.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, name));
    let font = fonts::regular(SMALL);
    let shown = fit(ui, name, &font, rect.width() - 2.0 * INSET);
    let at = pos2(rect.left() + INSET, rect.bottom() - 10.0);
    ui.painter().text(at, Align2::LEFT_CENTER, shown, font, t.second);
}

/// A line of the list.
struct Row<'a> {
    name: &'a str,
    kind: Option<Kind>,
    count: u64,
}

impl Row<'_> {
    fn show(&self, ui: &mut Ui, selected: bool, t: &Tokens) -> Response {
        self.paint(ui, Sense::click(), selected, t)
    }

    fn paint(&self, ui: &mut Ui, sense: Sense, selected: bool, t: &Tokens) -> Response {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), sense);
        let count = thousands(self.count);
        response.widget_info(|| {
            let name = match self.kind {
                None => format!("{}, {count}", self.name),
                Some(k) => {
                    format!("{}, {} to {}, {count}", self.name, word(k.to), word(k.from))
                }
            };
            WidgetInfo::selected(Role::ListBoxOption, true, selected, name)
        });
        if !ui.is_rect_visible(rect) {
            return response;
        }
        let painter = ui.painter();
        if selected {
            painter.rect_filled(rect, 0, t.selected);
            mark_row(painter, rect, t);
        } else if response.hovered() && sense.senses_click() {
            painter.rect_filled(rect, 0, t.hovered);
        }
        if response.has_focus() {
            let line = Stroke::new(1.0, t.accent);
            painter.rect_stroke(rect.shrink(0.5), 0, line, StrokeKind::Inside);
        }
        let y = rect.center().y;
        let figure = painter.layout_no_wrap(count, fonts::mono(SMALL), t.text);
        let mut right = rect.right() - INSET - figure.size().x;
        painter.galley(pos2(right, y - figure.size().y / 2.0), figure, t.text);
        right -= APART;
        let left = rect.left() + INSET;
        let Some(kind) = self.kind else {
            let font = fonts::regular(TEXT);
            let name = fit(ui, self.name, &font, right - left);
            let cut = name != self.name;
            painter.text(pos2(left, y), Align2::LEFT_CENTER, name, font, t.text);
            return if cut { response.on_hover_text(self.name) } else { response };
        };
        let font = fonts::regular(SMALL + 0.5);
        let mut x = left;
        let clipped = ui.painter_at(Rect::from_x_y_ranges(rect.left()..=right, rect.y_range()));
        for (n, verdict) in [kind.to, kind.from].into_iter().enumerate() {
            if n == 1 {
                let arrow =
                    clipped.text(pos2(x, y), Align2::LEFT_CENTER, "→", font.clone(), t.third);
                x = arrow.right() + 6.0;
            }
            if let Some(verdict) = verdict {
                clipped.extend(verdict_shape(pos2(x + 4.5, y), 4.0, verdict, t));
            }
            let at = pos2(x + 14.0, y);
            let said = clipped.text(at, Align2::LEFT_CENTER, word(verdict), font.clone(), t.text);
            x = said.right() + 6.0;
        }
        if x - 6.0 > right {
            let whole = format!("{} → {}", word(kind.to), word(kind.from));
            return response.on_hover_text(whole);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_told_by_its_name() {
        let kind = |from, to| Choice::Kind(Kind { input: 1, from, to });
        let (late, joined) = (Some(Verdict::Late), Some(Verdict::Joined));
        let kinds = [kind(late, joined), kind(None, joined), kind(late, None)];
        let outputs = Outputs::ALL.into_iter().map(Choice::Outputs);
        for choice in [Choice::All].into_iter().chain(kinds).chain(outputs) {
            assert_eq!(Choice::from_name(&choice.name()), Some(choice), "{}", choice.name());
        }
        for name in ["", "some", "1 late", "x late joined", "1 lost joined", "1 late joined 2"] {
            assert_eq!(Choice::from_name(name), None, "{name}");
        }
    }
}
