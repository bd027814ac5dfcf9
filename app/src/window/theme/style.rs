//! egui's style, made of the tokens; widgets of egui's own then look like ours.

use egui::style::{Selection, WidgetVisuals, Widgets};
use egui::{
    Color32, Context, CornerRadius, Shadow, Stroke, Style, TextStyle, Theme, ThemePreference,
    Visuals,
};
use serde::{Deserialize, Serialize};

use super::tokens::{DARK, LIGHT, Tokens};
use super::{BUTTON_RADIUS, RADIUS, SMALL, TEXT, fonts};

/// Which colours the user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeChoice {
    #[default]
    Dark,
    Light,
    /// As the platform says.
    System,
}

impl ThemeChoice {
    pub const ALL: [Self; 3] = [Self::Dark, Self::Light, Self::System];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dark => "Dark",
            Self::Light => "Light",
            Self::System => "As the system",
        }
    }
}

impl From<ThemeChoice> for ThemePreference {
    fn from(choice: ThemeChoice) -> Self {
        match choice {
            ThemeChoice::Dark => Self::Dark,
            ThemeChoice::Light => Self::Light,
            ThemeChoice::System => Self::System,
        }
    }
}

/// Gives `ctx` the window's fonts and both of its styles.
pub fn apply(ctx: &Context) {
    ctx.set_fonts(fonts::definitions());
    for (theme, tokens) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
        ctx.style_mut_of(theme, |style| set(style, tokens));
    }
}

fn set(style: &mut Style, t: &Tokens) {
    style.text_styles = [
        (TextStyle::Small, fonts::regular(SMALL)),
        (TextStyle::Body, fonts::regular(TEXT)),
        (TextStyle::Button, fonts::regular(TEXT)),
        (TextStyle::Heading, fonts::semibold(TEXT)),
        (TextStyle::Monospace, fonts::mono(SMALL)),
    ]
    .into();
    style.visuals = visuals(t);
    let s = &mut style.spacing;
    s.item_spacing = egui::vec2(8.0, 4.0);
    s.button_padding = egui::vec2(10.0, 4.0);
    s.interact_size = egui::vec2(24.0, 24.0);
    s.menu_margin = egui::Margin::same(4);
    s.window_margin = egui::Margin::same(16);
    s.scroll.floating = true;
    s.scroll.bar_width = 8.0;
    s.scroll.floating_width = 4.0;
    // That there is more below is seen before the pointer is there.
    s.scroll.dormant_handle_opacity = 0.5;
    style.interaction.tooltip_delay = 0.4;
    // Names and sentences can be copied where they are values, not everywhere.
    style.interaction.selectable_labels = false;
}

fn visuals(t: &Tokens) -> Visuals {
    let mut v = if t.dark { Visuals::dark() } else { Visuals::light() };
    let radius = CornerRadius::same(BUTTON_RADIUS);
    let widget = |fill: Color32, line: Color32, text: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, line),
        corner_radius: radius,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    v.widgets = Widgets {
        noninteractive: widget(t.panel, t.line, t.text),
        inactive: widget(t.raised, t.line, t.text),
        hovered: widget(t.hovered, t.line, t.text),
        active: widget(t.hovered, t.accent, t.text),
        open: widget(t.hovered, t.line, t.text),
    };
    v.selection = Selection { bg_fill: t.selected, stroke: Stroke::new(1.0, t.accent) };
    v.hyperlink_color = t.accent;
    v.weak_text_color = Some(t.second);
    v.faint_bg_color = t.raised;
    v.extreme_bg_color = t.ground;
    v.text_edit_bg_color = Some(t.ground);
    v.code_bg_color = t.raised;
    v.warn_fg_color = t.text;
    v.error_fg_color = t.text;
    v.window_fill = t.panel;
    v.window_stroke = Stroke::new(1.0, t.line);
    v.window_corner_radius = CornerRadius::same(RADIUS);
    v.menu_corner_radius = CornerRadius::same(RADIUS);
    v.panel_fill = t.panel;
    let shadow = Shadow {
        offset: [0, 6],
        blur: 20,
        spread: 0,
        color: Color32::from_black_alpha(if t.dark { 120 } else { 40 }),
    };
    v.window_shadow = shadow;
    v.popup_shadow = shadow;
    v.text_cursor.stroke = Stroke::new(1.5, t.accent);
    v
}
