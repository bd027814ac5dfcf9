//! JSON as nearly all records have it, in one pass over its bytes: names and
//! texts without escapes, no name twice, not nested too deep. What is not so,
//! or not JSON at all, is left to [`super::json`], which alone refuses.

use std::borrow::Cow;

use super::json::scalar;
use super::needs::{Slots, Want};
use super::value::Got;

/// Objects and arrays within one another; deeper ones are left.
const DEPTH: u32 = 64;

/// Reads the whole text and puts what is wanted into its slots. `None`: the
/// text is none of ours, and what the slots hold means nothing.
pub(super) fn extract<'a>(text: &'a str, wants: &[Want], out: &mut Slots<'a>) -> Option<()> {
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0 };
    scan.space();
    scan.object(wants, out)?;
    scan.space();
    (scan.at == text.len()).then_some(())
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    /// The byte that must come next.
    #[inline]
    fn byte(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// An object of which something is wanted. As deep as what is wanted goes,
    /// which the pipeline limits.
    fn object(&mut self, wants: &[Want], out: &mut Slots<'a>) -> Option<()> {
        self.byte(b'{')?;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        let mut seen = 0_u64;
        loop {
            let name = self.string()?;
            self.space();
            self.byte(b':')?;
            self.space();
            match wants.iter().position(|want| want.name.as_bytes() == name.as_bytes()) {
                None => self.skip()?,
                Some(i) => {
                    // Where a name stands twice, the last one counts: not here.
                    let bit = 1_u64.checked_shl(i as u32)?;
                    if seen & bit != 0 {
                        return None;
                    }
                    seen |= bit;
                    self.wanted(&wants[i], out)?;
                }
            }
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
            self.space();
        }
    }

    /// Each kind is written where it stays: what is put together elsewhere first is
    /// read back before its parts are there.
    fn wanted(&mut self, want: &Want, out: &mut Slots<'a>) -> Option<()> {
        let put = |got: Got<'a>, out: &mut Slots<'a>| {
            if let Some(slot) = want.slot {
                out[slot] = got;
            }
        };
        match self.peek()? {
            b'"' => put(Got::Str(Cow::Borrowed(self.string()?)), out),
            b'{' if !want.children.is_empty() => {
                self.object(&want.children, out)?;
                put(Got::Nested, out);
            }
            _ => {
                if let Some(n) = self.integer() {
                    put(Got::Int(n), out);
                } else {
                    let from = self.at;
                    self.skip()?;
                    put(scalar(&self.text[from..self.at]).ok()?, out);
                }
            }
        }
        Some(())
    }

    /// An integer as nearly all are: of up to 18 digits, and nothing of a number behind
    /// them. Else nothing has happened.
    #[inline]
    fn integer(&mut self) -> Option<i64> {
        let negative = self.peek()? == b'-';
        let from = self.at + usize::from(negative);
        let (mut at, mut n) = (from, 0_i64);
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(at) {
            if at - from == 18 {
                return None;
            }
            n = n * 10 + i64::from(digit - b'0');
            at += 1;
        }
        let leads = at - from > 1 && self.bytes[from] == b'0';
        let more = matches!(self.bytes.get(at), Some(b'.' | b'e' | b'E'));
        if at == from || leads || more || negative && n == 0 {
            return None;
        }
        self.at = at;
        Some(if negative { -n } else { n })
    }

    /// What stands between the quotes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.byte(b'"')?;
        let from = self.at;
        let mut at = from;
        loop {
            if let Some(eight) = self.bytes[at..].first_chunk::<8>() {
                match special(u64::from_le_bytes(*eight)) {
                    8 => {
                        at += 8;
                        continue;
                    }
                    n => at += n,
                }
            }
            match *self.bytes.get(at)? {
                b'"' => break,
                b'\\' | ..0x20 => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some(&self.text[from..at])
    }

    /// Over one value, whatever it is.
    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => self.nested(),
            _ => self.atom(),
        }
    }

    /// A number, `true`, `false` or `null`.
    #[inline]
    fn atom(&mut self) -> Option<()> {
        let word: &[u8] = match self.peek()? {
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => return self.number(),
        };
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    #[inline]
    fn number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// One digit at least. What follows a leading 0 is no digit of a number,
    /// and no end of a value either.
    #[inline]
    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    /// An object or array of which nothing is wanted, and all within it.
    fn nested(&mut self) -> Option<()> {
        // A bit for each that is open: set for an object.
        let (mut open, mut depth) = (0_u64, 0_u32);
        loop {
            // At a value.
            match self.peek()? {
                b @ (b'{' | b'[') => {
                    if depth == DEPTH {
                        return None;
                    }
                    self.at += 1;
                    (open, depth) = (open << 1 | u64::from(b == b'{'), depth + 1);
                    self.space();
                    let empty = self.peek()? == b + 2;
                    if !empty {
                        if b == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b'"' => {
                    self.string()?;
                }
                _ => self.atom()?,
            }
            // Behind a value, or before the end of an empty object or array.
            loop {
                self.space();
                let object = open & 1 == 1;
                match self.peek()? {
                    b'}' if object => self.at += 1,
                    b']' if !object => self.at += 1,
                    b',' => {
                        self.at += 1;
                        self.space();
                        if object {
                            self.name()?;
                        }
                        break;
                    }
                    _ => return None,
                }
                (open, depth) = (open >> 1, depth - 1);
                if depth == 0 {
                    return Some(());
                }
            }
        }
    }

    fn name(&mut self) -> Option<()> {
        self.string()?;
        self.space();
        self.byte(b':')?;
        self.space();
        Some(())
    }
}

/// Which of eight bytes is the first that a text does not just go on with: a
/// quote, a backslash or a control character; 8 for none.
#[inline]
fn special(eight: u64) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    // The highest bit of each byte that is below `n`. Above the first one it
    // may err (borrows), below never.
    let below = |x: u64, n: u64| x.wrapping_sub(ONES * n) & !x & HIGH;
    let is = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
    let found = is(b'"') | is(b'\\') | below(eight, 0x20);
    (found.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json;
    use super::super::json::tests::wants;
    use super::*;

    fn plain(text: &str) -> Option<Vec<Got<'_>>> {
        let mut out: Slots<'_> = smallvec::smallvec![Got::Missing; 3];
        extract(text, &wants(), &mut out).map(|()| out.to_vec())
    }

    fn thorough(text: &str) -> Result<Vec<Got<'_>>, String> {
        let mut out: Slots<'_> = smallvec::smallvec![Got::Missing; 3];
        json::thorough(text, &wants(), &mut out).map_err(|e| e.to_string())?;
        Ok(out.to_vec())
    }

    #[test]
    fn a_plain_record_is_read_here() {
        for text in [
            r#"{"x":"é","a":5,"b":{"d":[1,{"e":[]}],"c":"t"},"y":1.5e-3}"#,
            " {\n \"a\" : -0 , \"b\" : [ { } , [ null , true ] ] } \r\n",
            r#"{"a":"long enough for several words","b":{"c":false}}"#,
            r#"{"a":9223372036854775808,"b":{}}"#,
            r#"{"a":999999999999999999,"b":{"c":-999999999999999999}}"#,
            r#"{"a":1234567890123456789,"b":{"c":-9223372036854775808}}"#,
            r#"{"a":0,"b":{"c":-17}}"#,
            r#"{"a":10.0,"b":{"c":-0.5E+2}}"#,
            "{}",
        ] {
            assert_eq!(plain(text), Some(thorough(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn the_rest_is_left() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(65), "]".repeat(65));
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"b":{"c":1},"b":{}}"#,
            r#"{"\u0061":1}"#,
            r#"{"x":"\n"}"#,
            "5",
            "[]",
            &deep,
        ] {
            assert_eq!(plain(text), None, "{text}");
            assert!(thorough(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_first_special_byte_of_eight() {
        for byte in 0..=255_u8 {
            for at in 0..8 {
                let mut bytes = [0xff; 8];
                bytes[at] = byte;
                bytes[at + 1..].fill(b'"');
                let ends = byte < 0x20 || byte == b'"' || byte == b'\\';
                let expected = if ends { at } else { at + 1 };
                assert_eq!(special(u64::from_le_bytes(bytes)), expected, "{byte} at {at}");
            }
        }
    }

    proptest! {
        /// Whatever is read here, the thorough reader reads the same.
        #[test]
        fn never_more_than_the_thorough_one(
            text in r#"\{("[abcx]":([\[\{]?[0-9]{1,2}(\.[0-9])?([eE][+-]?[0-9])?|"[a\\é\n]{0,9}"|true|nul|\[\{?|\{"c":[0-9\[]|[\]\}]),?[\]\} ]?){0,5}\}?"#,
        ) {
            if let Some(got) = plain(&text) {
                prop_assert_eq!(thorough(&text), Ok(got));
            }
        }

        #[test]
        fn the_same_with_a_byte_changed(at in 0_usize..90, byte in any::<char>()) {
            let whole = r#"{"x":"some text","a":12,"b":{"c":-1.5e3,"d":[null,{}]},"y":[[true],{"z":"w"}],"w":0}"#;
            let mut text: Vec<char> = whole.chars().collect();
            let len = text.len();
            text[at % len] = byte;
            let text: String = text.into_iter().collect();
            if let Some(got) = plain(&text) {
                prop_assert_eq!(thorough(&text), Ok(got));
            }
        }
    }
}
