/// The same numbers at every run (xorshift).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.share()
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// A day between these with so much of a chance; else never.
    pub fn day(&mut self, share: f64, from: f64, to: f64) -> f64 {
        let day = self.between(from, to);
        if self.chance(share) { day } else { f64::MAX }
    }

    /// Around 0, with a deviation of 1.
    pub fn noise(&mut self) -> f64 {
        let sum: f64 = (0..6).map(|_| self.share()).sum();
        (sum - 3.0) * 2_f64.sqrt()
    }
}
