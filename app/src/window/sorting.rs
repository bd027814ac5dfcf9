//! What listed lines are sorted by, collected in parts.

use joinscope_core::run::SortColumn;
use joinscope_operator::condition::field_text;
use serde_json::Value;

use super::listing::Report;

/// Bytes of texts that are sorted at once; above it the user is asked to filter.
const TEXTS: usize = 256 << 20;

/// Up to here every whole number is a double of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A field of values, to sort by: truths, then numbers, then texts; those that
/// have none last.
#[derive(Default)]
pub struct Fields {
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl Fields {
    /// The next line's.
    pub fn push(&mut self, field: Option<&Value>) {
        match field {
            None | Some(Value::Null) => {}
            Some(Value::Bool(b)) => self.bytes.extend([1, u8::from(*b)]),
            Some(Value::Number(n)) => {
                let near = n.as_f64().unwrap_or(f64::NAN);
                self.bytes.push(2);
                self.bytes.extend(ordered(near).to_be_bytes());
                if near.abs() >= EXACT {
                    // Ids and nanoseconds that share a double differ in the rest.
                    let whole = n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
                    let rest = whole.map_or(0, |whole| (whole - near as i128) as i64);
                    self.bytes.extend((rest ^ i64::MIN).to_be_bytes());
                }
            }
            Some(other) => {
                self.bytes.push(3);
                self.bytes.extend_from_slice(field_text(other).as_bytes());
            }
        }
        self.ends.push(self.bytes.len() as u64);
    }

    #[must_use]
    pub fn column(self) -> SortColumn {
        SortColumn::Bytes { ends: self.ends, bytes: self.bytes }
    }
}

/// Bits that order as the numbers do.
fn ordered(n: f64) -> u64 {
    let bits = n.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// Lines with the values that they are sorted by, collected in parts.
pub struct Sorter {
    descending: bool,
    numbers: Vec<(i64, u32)>,
    texts: Texts,
    lines: Vec<u32>,
    parts: usize,
}

#[derive(Default)]
struct Texts {
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl Texts {
    fn get(&self, i: u32) -> &[u8] {
        let i = i as usize;
        let from = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[from as usize..self.ends[i] as usize]
    }
}

impl Sorter {
    #[must_use]
    pub fn new(descending: bool) -> Self {
        Self {
            descending,
            numbers: Vec::new(),
            texts: Texts::default(),
            lines: Vec::new(),
            parts: 0,
        }
    }

    /// More lines with their values.
    ///
    /// # Errors
    /// Their texts are more than are sorted at once.
    fn add(&mut self, lines: &[u32], column: SortColumn) -> Result<(), String> {
        match column {
            SortColumn::Numbers(values) => {
                let none = if self.descending { i64::MIN } else { i64::MAX };
                let numbers = values.into_iter().zip(lines);
                self.numbers
                    .extend(numbers.map(|(v, line)| (if v == i64::MIN { none } else { v }, *line)));
            }
            SortColumn::Bytes { ends, bytes } => {
                let before = self.texts.bytes.len() as u64;
                if self.texts.bytes.len() + bytes.len() > TEXTS {
                    return Err(format!(
                        "more than {} of texts are not sorted at once: filter the table first",
                        super::text::bytes(TEXTS as u64)
                    ));
                }
                self.texts.ends.extend(ends.into_iter().map(|end| before + end));
                self.texts.bytes.extend_from_slice(&bytes);
                self.lines.extend_from_slice(lines);
            }
        }
        Ok(())
    }

    /// Another part, and what is sorted then; that is sorted anew each time there
    /// are twice as many parts, and at the end.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn report(
        &mut self,
        lines: &[u32],
        column: SortColumn,
        report: &Report,
        (looked, of): (u64, u64),
    ) -> Result<(), String> {
        self.add(lines, column)?;
        self.parts += 1;
        if self.parts.is_power_of_two() || looked == of {
            report.replace(self.sorted(), false, looked, of);
        } else {
            report.progress(looked, of);
        }
        Ok(())
    }

    /// The lines in order; equal ones in their natural order, those without a
    /// value last.
    fn sorted(&mut self) -> Vec<u32> {
        if self.texts.ends.is_empty() {
            if self.descending {
                self.numbers.sort_unstable_by_key(|(v, line)| (std::cmp::Reverse(*v), *line));
            } else {
                self.numbers.sort_unstable();
            }
            return self.numbers.iter().map(|(_, line)| *line).collect();
        }
        let mut places: Vec<u32> = (0..self.lines.len() as u32).collect();
        let texts = &self.texts;
        places.sort_unstable_by(|a, b| {
            let (x, y) = (texts.get(*a), texts.get(*b));
            let by_value = if self.descending { y.cmp(x) } else { x.cmp(y) };
            x.is_empty().cmp(&y.is_empty()).then(by_value).then(a.cmp(b))
        });
        places.into_iter().map(|place| self.lines[place as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_order_by_their_bits() {
        let mut all = [3.5, -1.0, 0.0, 1e300, -1e-3, -7e9];
        all.sort_by_key(|n| ordered(*n));
        assert!(all.is_sorted(), "{all:?}");
    }

    #[test]
    fn whole_numbers_that_share_a_double_are_told_apart() {
        let all: Vec<Value> = [
            "-9007199254740993",
            "-9007199254740992",
            "7.5",
            "9007199254740992",
            "9007199254740993",
            "1763626401480000001",
            "1763626401480000002",
            "18446744073709551614",
            "18446744073709551615",
            "1e300",
        ]
        .map(|n| serde_json::from_str::<Value>(n).unwrap())
        .into();
        // From the last to the first, so that no tie stands right by itself.
        let mut fields = Fields::default();
        all.iter().rev().for_each(|n| fields.push(Some(n)));
        let lines: Vec<u32> = (0..all.len() as u32).rev().collect();
        let mut sorter = Sorter::new(false);
        sorter.add(&lines, fields.column()).unwrap();
        let sorted = sorter.sorted();
        let want: Vec<u32> = (0..all.len() as u32).collect();
        assert_eq!(sorted, want);
    }

    fn texts(all: &[&str]) -> SortColumn {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for text in all {
            bytes.extend_from_slice(text.as_bytes());
            ends.push(bytes.len() as u64);
        }
        SortColumn::Bytes { ends, bytes }
    }

    #[test]
    fn numbers_are_sorted_with_none_last_both_ways() {
        let values = [5, i64::MIN, -1, 5];
        for (descending, want) in [(false, [12, 10, 13, 11]), (true, [10, 13, 12, 11])] {
            let mut s = Sorter::new(descending);
            s.add(&[10, 11], SortColumn::Numbers(values[..2].to_vec())).unwrap();
            let _ = s.sorted();
            s.add(&[12, 13], SortColumn::Numbers(values[2..].to_vec())).unwrap();
            assert_eq!(s.sorted(), want, "descending {descending}");
        }
    }

    #[test]
    fn texts_are_sorted_with_none_last_both_ways() {
        for (descending, want) in [(false, [3, 1, 0, 4, 2]), (true, [4, 0, 1, 3, 2])] {
            let mut s = Sorter::new(descending);
            s.add(&[0, 1, 2], texts(&["b", "ab", ""])).unwrap();
            s.add(&[3, 4], texts(&["a", "c"])).unwrap();
            assert_eq!(s.sorted(), want, "descending {descending}");
        }
    }
}
