//! How fast playing goes, as it is chosen and as it is written.

use std::str::FromStr;

use crate::window::text::thousands;

/// How fast playing goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// The whole run in so many seconds.
    WholeIn(f64),
    /// Records a second.
    Records(f64),
    /// A multiple of the clock; gaps over 2 s of screen time are skipped.
    Times(f64),
}

impl Speed {
    /// What the clock bar offers.
    pub const ALL: [Self; 8] = [
        Self::WholeIn(60.0),
        Self::WholeIn(10.0),
        Self::Records(1.0),
        Self::Records(10.0),
        Self::Records(1000.0),
        Self::Times(1.0),
        Self::Times(10.0),
        Self::Times(100.0),
    ];

    /// Its words; read again they are the same speed.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::WholeIn(s) => format!("whole in {} s", figure(s)),
            Self::Records(1.0) => "1 record/s".to_owned(),
            Self::Records(n) => format!("{} records/s", figure(n)),
            Self::Times(x) => format!("{}×", figure(x)),
        }
    }
}

fn figure(n: f64) -> String {
    if n.fract() == 0.0 { thousands(n as u64) } else { n.to_string() }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let bare: String =
            typed.to_lowercase().chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
        let speed = if let Some(rate) = bare.strip_suffix("/s") {
            number(rate.trim_end_matches('s').trim_end_matches("record")).map(Self::Records)
        } else if let Some(times) = bare.strip_suffix(['x', '×']) {
            number(times).map(Self::Times)
        } else if let Some(whole) = bare.strip_suffix('s') {
            number(whole.trim_start_matches("wholein")).map(Self::WholeIn)
        } else {
            None
        };
        speed.ok_or_else(|| {
            format!(
                "{typed:?} is no speed: write 500/s (records a second), 2.5x (times the clock) \
                 or 30 s (for the whole run), from 0.001 to 1,000,000,000"
            )
        })
    }
}

/// A number with or without signs between its thousands; a comma stands nowhere else.
fn number(text: &str) -> Option<f64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let mut groups = whole.split(',').skip(1);
    if part.contains(',') || !groups.all(|group| group.len() == 3) {
        return None;
    }
    let n: f64 = text.replace(',', "").parse().ok()?;
    (0.001..=1e9).contains(&n).then_some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_speed_can_be_written_and_a_label_is_read_as_what_it_says() {
        for (typed, speed) in [
            ("500/s", Speed::Records(500.0)),
            ("0.5 records/s", Speed::Records(0.5)),
            ("1 Record / s", Speed::Records(1.0)),
            ("12,500/s", Speed::Records(12_500.0)),
            ("2.5x", Speed::Times(2.5)),
            (" 3 × ", Speed::Times(3.0)),
            ("30 s", Speed::WholeIn(30.0)),
            ("whole in 90s", Speed::WholeIn(90.0)),
        ] {
            assert_eq!(typed.parse(), Ok(speed), "{typed}");
            assert_eq!(speed.label().parse(), Ok(speed), "{}", speed.label());
        }
        for speed in Speed::ALL {
            assert_eq!(speed.label().parse(), Ok(speed), "{}", speed.label());
        }
        assert_eq!(Speed::Times(2.5).label(), "2.5×");
    }

    #[test]
    fn what_is_no_speed_is_said() {
        for typed in [
            "", "fast", "5", "/s", "-1/s", "0x", "2,5x", "2.500,5x", "nan/s", "infx", "1e12/s", "s",
        ] {
            let why = typed.parse::<Speed>().unwrap_err();
            assert!(why.contains("is no speed: write 500/s"), "{why}");
        }
    }
}
