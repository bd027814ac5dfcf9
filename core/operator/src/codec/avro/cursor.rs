//! Avro's primitive encodings, each checked against the bytes that are there.

use super::Bad;

/// A place in a body, and how much work may still be done on it.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    fuel: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        // A schema may nest empty records so that no byte pays for the work.
        Self { bytes, at: 0, fuel: (1 << 20) + 16 * bytes.len() }
    }

    pub fn bad(&self, what: &'static str) -> Bad {
        Bad { what, at: self.at }
    }

    /// One step of work.
    pub fn step(&mut self) -> Result<(), Bad> {
        match self.fuel.checked_sub(1) {
            Some(rest) => {
                self.fuel = rest;
                Ok(())
            }
            None => Err(self.bad("its schema asks for more work than its bytes pay for")),
        }
    }

    pub fn end(&self) -> Result<(), Bad> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.bad("bytes follow after its end"))
        }
    }

    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Bad> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..n).ok_or_else(|| self.bad("a length reaches past its end"))?;
        self.at += n;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8, Bad> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.bad("it ends too early"))?;
        self.at += 1;
        Ok(byte)
    }

    pub fn bool(&mut self) -> Result<bool, Bad> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.bad("a boolean is neither 0 nor 1")),
        }
    }

    /// Zigzag, at most 10 bytes.
    pub fn long(&mut self) -> Result<i64, Bad> {
        let mut n: u64 = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok((n >> 1) as i64 ^ -((n & 1) as i64));
            }
        }
        Err(self.bad("a number is longer than 64 bits"))
    }

    pub fn int(&mut self) -> Result<i64, Bad> {
        let n = self.long()?;
        if i32::try_from(n).is_ok() { Ok(n) } else { Err(self.bad("an int is beyond 32 bits")) }
    }

    pub fn float(&mut self) -> Result<f64, Bad> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(f64::from(f32::from_le_bytes(bytes)))
    }

    pub fn double(&mut self) -> Result<f64, Bad> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(f64::from_le_bytes(bytes))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Bad> {
        let n = self.long()?;
        let n = usize::try_from(n).map_err(|_| self.bad("a length is negative"))?;
        self.take(n)
    }

    pub fn str(&mut self) -> Result<&'a str, Bad> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.bad("a text is not UTF-8"))
    }

    /// Position below `n`: a branch of a union or a symbol of an enum.
    pub fn index(&mut self, n: usize) -> Result<usize, Bad> {
        let i = self.long()?;
        usize::try_from(i)
            .ok()
            .filter(|i| *i < n)
            .ok_or_else(|| self.bad("a union or an enum has no such branch"))
    }

    /// The next block of an array or map: how many items, and where it ends if
    /// it says so. `None`: that was the last.
    pub fn block(&mut self) -> Result<Option<(u64, Option<usize>)>, Bad> {
        let count = self.long()?;
        if count >= 0 {
            return Ok((count > 0).then_some((count as u64, None)));
        }
        let size = self.long()?;
        let end = usize::try_from(size).ok().and_then(|size| self.at.checked_add(size));
        match end {
            Some(end) if end <= self.bytes.len() => Ok(Some((count.unsigned_abs(), Some(end)))),
            _ => Err(self.bad("a block's size reaches past its end")),
        }
    }

    /// Checks that a block ended where it said.
    pub fn block_end(&self, end: Option<usize>) -> Result<(), Bad> {
        match end {
            Some(end) if end != self.at => Err(self.bad("a block's size is not what it says")),
            _ => Ok(()),
        }
    }
}
