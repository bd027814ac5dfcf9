//! Little-endian writing and bounded reading of the store's own structures.

/// Appends values.
#[derive(Default)]
pub(crate) struct Out(pub Vec<u8>);

impl Out {
    pub fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub fn u64(&mut self, v: u64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub fn i64(&mut self, v: i64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    /// LEB128.
    pub fn var(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.0.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
    }
    pub fn u64s(&mut self, values: &[u64]) {
        self.u64(values.len() as u64);
        values.iter().for_each(|v| self.u64(*v));
    }
    pub fn u32s(&mut self, values: &[u32]) {
        self.u64(values.len() as u64);
        values.iter().for_each(|v| self.u32(*v));
    }
}

/// Takes values from a slice; `None` once it is too short.
pub(crate) struct In<'a>(pub &'a [u8]);

impl In<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
    pub fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|b| b[0])
    }
    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
    pub fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }
    #[inline]
    pub fn var(&mut self) -> Option<u64> {
        // Mostly one byte or two.
        match *self.0 {
            [a @ 0..0x80, ref rest @ ..] => {
                self.0 = rest;
                Some(a.into())
            }
            [a, b @ 0..0x80, ref rest @ ..] => {
                self.0 = rest;
                Some(u64::from(a & 0x7f) | u64::from(b) << 7)
            }
            _ => self.long_var(),
        }
    }
    #[inline(never)]
    fn long_var(&mut self) -> Option<u64> {
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.u8()?;
            v |= u64::from(b & 0x7f) << shift;
            if b < 0x80 {
                return Some(v);
            }
        }
        None
    }
    /// The length is checked against what is there before anything is allocated.
    pub fn u64s(&mut self) -> Option<Vec<u64>> {
        let n = self.u64()? as usize;
        (n <= self.0.len() / 8).then(|| (0..n).map_while(|_| self.u64()).collect())
    }
    pub fn u32s(&mut self) -> Option<Vec<u32>> {
        let n = self.u64()? as usize;
        (n <= self.0.len() / 4).then(|| (0..n).map_while(|_| self.u32()).collect())
    }
}

/// Fixed-width fields of an entry; the caller has checked the entry's length.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut b = [0; 8];
    b.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(b)
}

pub(crate) fn i64_at(bytes: &[u8], at: usize) -> i64 {
    u64_at(bytes, at) as i64
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut b = [0; 4];
    b.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(b)
}
