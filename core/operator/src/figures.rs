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

/// `1 record`, `8,412 records`.
#[must_use]
pub fn plural(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", thousands(n)) }
}

/// The verb after [`plural`].
#[must_use]
pub fn are(n: u64) -> &'static str {
    if n == 1 { "is" } else { "are" }
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

/// Whether the text of a field is the one that is wanted; of a `number` also where it is
/// written otherwise, as `1.0` is 1.
#[must_use]
pub fn same(own: &str, number: bool, wanted: &str) -> bool {
    own == wanted || number && compared(own, wanted) == Some(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        for (own, number, wanted, is) in [
            ("1.0", true, "1", true),
            ("1000", true, "1e3", true),
            ("9007199254740993", true, "9007199254740992", false),
            ("1.0", false, "1", false),
            ("007", false, "007", true),
            ("1", true, "one", false),
            ("", false, "", true),
        ] {
            assert_eq!(same(own, number, wanted), is, "{own} {wanted}");
        }
    }

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
    fn one_of_a_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| plural(n, "key")), ["0 keys", "1 key", "2 keys"]);
        assert_eq!(plural(8_412, "record"), "8,412 records");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown = [0, 999, 1000, 1_234_567, u64::MAX].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615"]);
    }
}
