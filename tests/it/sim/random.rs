//! Random choices by seed: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).

/// A source of choices; the same seed makes the same ones.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("fits");
        usize::try_from(self.next() % bound).expect("below a usize")
    }

    /// A time below `bound`, milliseconds.
    pub fn ms(&mut self, bound: i64) -> i64 {
        let bound = u64::try_from(bound).expect("positive");
        i64::try_from(self.next() % bound).expect("below an i64")
    }

    /// True in `share` of 10,000 cases.
    pub fn chance(&mut self, share: u64) -> bool {
        self.next() % 10_000 < share
    }
}

/// Spreads a number over all 64 bits.
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
