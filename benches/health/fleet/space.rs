use super::random::Random;

pub const SIZE: f64 = 4e12;

/// How space comes and goes on a filesystem.
#[derive(Debug, Clone, Copy)]
enum Habit {
    Still,
    /// Grows and is cleared every so many days.
    Saw(f64),
    /// Grows slowly; is full in years.
    Slow,
    /// Large files come, others go.
    Library,
    /// Grows up to what is retained, then no more.
    Backups(f64),
}

/// A filesystem.
pub struct Files {
    habit: Habit,
    base: f64,
    library: f64,
    /// Backups that are cleared every so many days, beside what fills it.
    weekly: (f64, f64),
}

impl Files {
    pub fn new(random: &mut Random) -> Self {
        let habit = match (random.share() * 5.0) as u32 {
            0 => Habit::Still,
            1 => Habit::Saw(random.between(3.0, 45.0)),
            2 => Habit::Slow,
            3 => Habit::Library,
            _ => Habit::Backups(random.between(20.0, 90.0)),
        };
        Self {
            habit,
            base: SIZE * random.between(0.3, 0.6),
            library: 0.0,
            weekly: (
                random.between(2.0, 9.0).round(),
                random.between(0.0, 0.02) * SIZE,
            ),
        }
    }

    /// What is in use on a filesystem of `size`: by its habit, or (`fills`) on its way to be full.
    pub fn used(
        &mut self,
        (day, step): (f64, f64),
        size: f64,
        fills: Option<f64>,
        random: &mut Random,
    ) -> f64 {
        if random.chance(0.5 * step) {
            self.library += random.between(-0.012, 0.013) * SIZE;
            self.library = self.library.clamp(-0.2 * SIZE, 0.25 * SIZE);
        }
        let noise = random.noise() * 2e9;
        let logs = (day % 1.0) * 3e9;
        let (every, each) = self.weekly;
        let weekly = (day % every) / every * each;
        let own = match (fills, self.habit) {
            (Some(progress), _) => {
                let left = SIZE * 0.99 - self.base - each;
                left * progress
            }
            (None, Habit::Still) => 0.0,
            (None, Habit::Saw(days)) => (day % days) / days * SIZE * 0.15,
            (None, Habit::Slow) => day / 365.0 * SIZE * 0.08,
            (None, Habit::Library) => self.library,
            (None, Habit::Backups(days)) => (day / days).min(1.0) * SIZE * 0.1,
        };
        (self.base + own + weekly + noise + logs).clamp(0.0, size)
    }
}
