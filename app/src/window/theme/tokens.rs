//! The window's colours, exactly those of the design's table; nothing else in
//! the window names a colour.

use egui::Color32;
use joinscope_operator::verdict::Verdict;

/// One set of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub dark: bool,
    /// Behind the panels.
    pub ground: Color32,
    pub panel: Color32,
    pub raised: Color32,
    pub hovered: Color32,
    pub line: Color32,
    pub text: Color32,
    pub second: Color32,
    pub third: Color32,
    pub accent: Color32,
    /// Ground of what is selected.
    pub selected: Color32,
    joined: Color32,
    unmatched: Color32,
    late: Color32,
    expired: Color32,
    unread: Color32,
    open: Color32,
}

const fn hex(rgb: u32) -> Color32 {
    Color32::from_rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

pub const DARK: Tokens = Tokens {
    dark: true,
    ground: hex(0x0d_1015),
    panel: hex(0x14_1820),
    raised: hex(0x1b_212b),
    hovered: hex(0x24_2c38),
    line: hex(0x26_2e3a),
    text: hex(0xe7_eaf0),
    second: hex(0xa3_adbb),
    third: hex(0x98_a2b0),
    accent: hex(0x5a_a9ff),
    selected: hex(0x16_324f),
    joined: hex(0x29_b588),
    unmatched: hex(0xa4_a8bf),
    late: hex(0xee_9c29),
    expired: hex(0xe6_6345),
    unread: hex(0x9f_6bb0),
    open: hex(0x5c_c0f9),
};

pub const LIGHT: Tokens = Tokens {
    dark: false,
    ground: hex(0xee_f0f3),
    panel: hex(0xff_ffff),
    raised: hex(0xf5_f6f8),
    hovered: hex(0xe6_e9ee),
    line: hex(0xdc_dfe5),
    text: hex(0x16_1a20),
    second: hex(0x4c_5665),
    third: hex(0x5a_6473),
    accent: hex(0x15_65c0),
    selected: hex(0xdc_eafb),
    joined: hex(0x10_8065),
    unmatched: hex(0x76_758c),
    late: hex(0xa3_5f08),
    expired: hex(0x98_2319),
    unread: hex(0x7e_2e92),
    open: hex(0x4e_80c7),
};

impl Tokens {
    /// The tokens of the theme that `ctx` shows.
    #[must_use]
    pub fn of(ctx: &egui::Context) -> &'static Self {
        match ctx.theme() {
            egui::Theme::Dark => &DARK,
            egui::Theme::Light => &LIGHT,
        }
    }

    /// A verdict's colour; it fills shapes only, words stand in text colours.
    #[must_use]
    pub fn verdict(&self, verdict: Verdict) -> Color32 {
        match verdict {
            Verdict::Joined => self.joined,
            Verdict::Unmatched => self.unmatched,
            Verdict::Late => self.late,
            Verdict::Expired => self.expired,
            Verdict::Undecodable | Verdict::Unkeyed | Verdict::Untimed | Verdict::Tombstone => {
                self.unread
            }
            Verdict::Filtered => self.third,
            Verdict::Open => self.open,
        }
    }

    /// Text on a filled accent button.
    #[must_use]
    pub fn on_accent(&self) -> Color32 {
        if self.dark { self.ground } else { self.panel }
    }

    /// The handle of a scroll bar: it says where a table stands.
    #[must_use]
    pub fn handle(&self) -> Color32 {
        self.third.gamma_multiply(0.7)
    }

    /// Lines and bars that stand back and still mean something.
    #[must_use]
    pub fn faint(&self) -> Color32 {
        self.third.gamma_multiply(if self.dark { 0.67 } else { 0.75 })
    }

    /// Late records by density, where there are too many for a point each.
    #[must_use]
    pub fn late_density(&self) -> Color32 {
        self.late.gamma_multiply(if self.dark { 0.6 } else { 0.8 })
    }

    /// The ground of the marked range on a time axis.
    #[must_use]
    pub fn range(&self) -> Color32 {
        self.selected.gamma_multiply(0.5)
    }

    /// What is below a line that counts.
    #[must_use]
    pub fn area(&self) -> Color32 {
        self.text.gamma_multiply(if self.dark { 0.16 } else { 0.12 })
    }

    /// The part of that which is something else.
    #[must_use]
    pub fn area_part(&self) -> Color32 {
        self.third.gamma_multiply(if self.dark { 0.75 } else { 0.8 })
    }

    /// From cause to effect, where nothing is marked.
    #[must_use]
    pub fn arrow(&self) -> Color32 {
        self.third.gamma_multiply(0.7)
    }

    /// The ground of lanes that are no partition's.
    #[must_use]
    pub fn own_lane(&self) -> Color32 {
        self.raised.gamma_multiply(0.6)
    }

    /// The cursor among arrows.
    #[must_use]
    pub fn cursor(&self) -> Color32 {
        self.accent.gamma_multiply(0.8)
    }

    /// Under words where lines may run.
    #[must_use]
    pub fn under_words(&self) -> Color32 {
        self.panel.gamma_multiply(0.92)
    }

    /// Over what is later than the cursor.
    #[must_use]
    pub fn veil(&self) -> Color32 {
        self.panel.gamma_multiply(0.5)
    }

    /// The ground of a range that is shaded (an idle partition): the late
    /// colour, nearly gone.
    #[must_use]
    pub fn shade(&self) -> Color32 {
        self.late.gamma_multiply(if self.dark { 0.09 } else { 0.08 })
    }
}
