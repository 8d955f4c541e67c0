use super::random::Random;

/// What happens to a machine in its years and is no fault.
pub struct Life {
    /// It does more or less, and other work, from this day on: factors of its usual load, of its jobs
    /// and of the watts that they take.
    habits: (f64, [f64; 3]),
    /// Its owner changes the fan curve, by so many percent of drive.
    curve: (f64, f64),
    /// It stands elsewhere, in a room that is so much warmer.
    moved: (f64, f64),
    /// It is off from this day on, for so many days.
    pub off: (f64, f64),
    /// What the usual dust adds in a year, and when it is blown out.
    dust: (f64, f64),
    /// The sensor in the room has an empty battery.
    no_air: f64,
    /// The same is silent for some days now and then: from, to.
    silent: (f64, f64),
    /// The filesystem is made larger, by this factor.
    pub enlarged: (f64, f64),
    /// The SSD takes a backup back, which wears it by so many percent.
    pub restored: (f64, f64),
    /// A shower of particles (or so): memory errors on one evening.
    pub shower: (f64, f64),
    /// The UPS reckons its time anew, by this factor.
    pub reckoned: (f64, f64),
    /// The graphics card gets something to do.
    pub plays: f64,
    /// The season has hot days, from this day of the year on, for so many, so much hotter.
    wave: (f64, f64, f64),
}

impl Life {
    pub fn new(random: &mut Random) -> Self {
        Self {
            habits: (
                random.between(100.0, 500.0),
                [
                    random.between(0.5, 2.5),
                    random.between(0.5, 2.0),
                    random.between(0.93, 1.07),
                ],
            ),
            curve: (random.day(0.2, 60.0, 600.0), random.between(-12.0, 12.0)),
            moved: (random.day(0.2, 60.0, 600.0), random.between(-4.0, 4.0)),
            off: (random.day(0.15, 40.0, 500.0), random.between(10.0, 100.0)),
            dust: (random.between(0.0, 0.05), random.between(200.0, 400.0)),
            no_air: random.day(0.2, 100.0, 600.0),
            silent: (0.0, 0.0),
            enlarged: (random.day(0.2, 30.0, 500.0), random.between(1.3, 3.0)),
            restored: (
                random.day(0.3, 100.0, 500.0),
                random.between(1.0, 5.0).round(),
            ),
            shower: (
                random.day(0.2, 10.0, 600.0),
                random.between(5.0, 400.0).round(),
            ),
            reckoned: (random.day(0.3, 60.0, 500.0), random.between(0.92, 1.08)),
            plays: random.day(0.3, 60.0, 500.0),
            wave: (
                random.between(180.0, 220.0),
                random.between(4.0, 12.0),
                random.between(2.0, 7.0),
            ),
        }
    }

    /// Factors of the usual load, of jobs and of their watts.
    pub fn habits(&self, day: f64) -> [f64; 3] {
        let (from, factors) = self.habits;
        if day > from { factors } else { [1.0; 3] }
    }

    /// Added to the drive of a fan, %.
    pub fn curve(&self, day: f64) -> f64 {
        let (from, by) = self.curve;
        if day > from { by } else { 0.0 }
    }

    /// Added to the room, °C.
    pub fn room(&self, day: f64) -> f64 {
        let (from, by) = self.moved;
        let (wave, lasts, hot) = self.wave;
        let hot = if (wave..wave + lasts).contains(&(day % 365.25)) {
            hot
        } else {
            0.0
        };
        hot + if day > from { by } else { 0.0 }
    }

    /// What usual dust makes of what load adds.
    pub fn dust(&self, age: f64) -> f64 {
        let (a_year, blown) = self.dust;
        1.0 + a_year * (age % blown) / 365.0
    }

    /// Whether the sensor in the room tells something.
    pub fn has_air(&mut self, day: f64, step: f64, random: &mut Random) -> bool {
        if random.chance(step / 90.0) {
            self.silent = (day, day + random.between(0.1, 9.0));
        }
        let (from, to) = self.silent;
        day < self.no_air && !(from..to).contains(&day)
    }

    /// Days of its life on which it was on, until `day`; `None` while it is off.
    pub fn age(&self, day: f64) -> Option<f64> {
        let (from, lasts) = self.off;
        if day < from {
            Some(day)
        } else {
            (day >= from + lasts).then_some(day - lasts)
        }
    }
}
