/// A repeatable source of evenly spread numbers.
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 0 to 1.
    pub fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// About normal, of deviation 1.
    pub fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }

    /// A load (0–1): any, or mostly little, of that mean.
    pub fn load(&mut self, mean: Option<f64>) -> f64 {
        match mean {
            None => self.roll(),
            Some(mean) => (-mean * self.roll().max(1e-9).ln()).min(1.0),
        }
    }
}
