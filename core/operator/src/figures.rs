//! Figures for people, and as people write them.

use std::cmp::Ordering;

/// `1204118` as `1,204,118`.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// How two texts compare as numbers: whole ones exactly, also beyond 2^53, where several
/// share a double; others as doubles. `None`: one of them is no number.
#[must_use]
pub fn compared(a: &str, b: &str) -> Option<Ordering> {
    if let (Ok(a), Ok(b)) = (a.parse::<i128>(), b.parse::<i128>()) {
        return Some(a.cmp(&b));
    }
    a.parse::<f64>().ok()?.partial_cmp(&b.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_such() {
        for (a, b, order) in [
            ("9007199254740993", "9007199254740992", Some(Ordering::Greater)),
            ("-9223372036854775808", "-9223372036854775807", Some(Ordering::Less)),
            ("18446744073709551615", "18446744073709551615", Some(Ordering::Equal)),
            ("7", "6.5", Some(Ordering::Greater)),
            ("1e3", "1000", Some(Ordering::Equal)),
            ("10", "9", Some(Ordering::Greater)),
            ("ten", "9", None),
            ("1", "", None),
        ] {
            assert_eq!(compared(a, b), order, "{a} {b}");
        }
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown = [0, 999, 1000, 1_234_567, u64::MAX].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615"]);
    }
}
