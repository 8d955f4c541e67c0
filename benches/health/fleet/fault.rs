use homewatch::predict::Kind;

use super::random::Random;

/// A fault that is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    DustyCooler,
    DyingFan,
    BadSectors,
    WearingSsd,
    FillingDisk,
    AgeingBattery,
    FailingMemory,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::DustyCooler,
        Self::DyingFan,
        Self::BadSectors,
        Self::WearingSsd,
        Self::FillingDisk,
        Self::AgeingBattery,
        Self::FailingMemory,
    ];

    pub const fn kind(self) -> Kind {
        match self {
            Self::DustyCooler => Kind::Cooling,
            Self::DyingFan => Kind::Fan,
            Self::BadSectors => Kind::Disk,
            Self::WearingSsd => Kind::Wear,
            Self::FillingDisk => Kind::Space,
            Self::AgeingBattery => Kind::Battery,
            Self::FailingMemory => Kind::Memory,
        }
    }

    /// How long it takes from its beginning to the failure, days.
    fn takes(self, random: &mut Random) -> f64 {
        match self {
            Self::DustyCooler => random.between(180.0, 400.0),
            Self::DyingFan => random.between(60.0, 200.0),
            Self::BadSectors => random.between(14.0, 60.0),
            Self::WearingSsd => random.between(150.0, 400.0),
            Self::FillingDisk => random.between(25.0, 120.0),
            Self::AgeingBattery => random.between(250.0, 500.0),
            Self::FailingMemory => random.between(12.0, 60.0),
        }
    }

    /// Ageing gets faster (more than 1) or slower.
    fn bends(self, random: &mut Random) -> f64 {
        match self {
            Self::DustyCooler | Self::AgeingBattery => random.between(0.8, 1.6),
            Self::DyingFan => random.between(0.7, 2.5),
            Self::WearingSsd | Self::FillingDisk => random.between(0.8, 1.4),
            Self::BadSectors | Self::FailingMemory => 1.0,
        }
    }
}

/// A fault on its way.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    pub fault: Fault,
    /// By the machine's age, days.
    pub begins: f64,
    pub takes: f64,
    bends: f64,
    /// Somebody mends it at this age.
    pub mended: f64,
}

impl Course {
    pub fn new(fault: Fault, mends: bool, random: &mut Random) -> Self {
        let begins = random.between(60.0, 150.0);
        let takes = fault.takes(random);
        let bends = fault.bends(random);
        // A battery ages by itself as well.
        let late = if fault == Fault::AgeingBattery {
            random.between(0.6, 0.72)
        } else {
            random.between(0.8, 0.95)
        };
        Self {
            fault,
            begins,
            takes,
            bends,
            mended: if mends {
                begins + takes * late
            } else {
                f64::MAX
            },
        }
    }

    /// How far it has come: 0 before it begins and after it was mended, 1 at the failure.
    pub fn progress(&self, age: f64) -> f64 {
        if age < self.begins || age >= self.mended {
            return 0.0;
        }
        ((age - self.begins) / self.takes).powf(self.bends).min(1.5)
    }
}
