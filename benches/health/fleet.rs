//! A made-up fleet of home servers that age: a year passes in a second.

use std::collections::BTreeMap;
use std::sync::Arc;

use homewatch::host::Memory;
use homewatch::model::{Area, FlagMeaning, Metric, Reading, Subject, Timestamp, Unit};
use homewatch::predict::{Foresight, Kind, Nearness, Seen};

static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent).decimals(1);
static DEGREES: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius).decimals(1);
static CRITICAL: Metric = Metric::gauge("critical_c", "Critical", Unit::Celsius).decimals(1);
static RPM: Metric = Metric::gauge("fan_rpm", "Speed", Unit::Rpm);
static PWM: Metric = Metric::gauge("pwm_pct", "Drive", Unit::Percent);
static REALLOCATED: Metric = Metric::gauge("reallocated", "Replaced sectors", Unit::None);
static PENDING: Metric = Metric::gauge("pending", "Pending sectors", Unit::None);
static HOURS: Metric = Metric::gauge("power_on_hours", "Power-on hours", Unit::None);
static WEAR: Metric = Metric::gauge("wear_pct", "Wear", Unit::Percent);
static USED: Metric = Metric::gauge("used_bytes", "In use", Unit::Byte);
static FREE: Metric = Metric::gauge("free_bytes", "Free", Unit::Byte);
static CHARGE: Metric = Metric::gauge("charge_pct", "Charge", Unit::Percent);
static LOAD: Metric = Metric::gauge("load_pct", "Load", Unit::Percent);
static RUNTIME: Metric = Metric::gauge("runtime_s", "Time on battery", Unit::Second);
static ERRORS: Metric = Metric::gauge("corrected_errors", "Corrected errors", Unit::None);
static DEGRADED: Metric = Metric::flag("degraded", "Degraded", FlagMeaning::Problem);

/// Midnight of a first of January.
const START: i64 = 1_767_225_600;

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

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.share()
    }

    fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// Around 0, with a deviation of 1.
    pub fn noise(&mut self) -> f64 {
        let sum: f64 = (0..6).map(|_| self.share()).sum();
        (sum - 3.0) * 2_f64.sqrt()
    }
}

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
}

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

/// What became of a machine.
#[derive(Debug, Default)]
pub struct Story {
    pub days: f64,
    /// When the planted fault made something fail, and when it was announced, in days.
    pub failed: Option<f64>,
    pub announced: Option<f64>,
    /// What was announced and was no fault.
    pub false_alarms: Vec<(Kind, String, f64, String)>,
}

/// One server.
pub struct Machine {
    random: Random,
    fault: Option<(Fault, f64, f64)>,
    subjects: BTreeMap<&'static str, Arc<Subject>>,
    has_air: bool,
    has_board: bool,
    has_pwm: bool,
    season: f64,
    daily: f64,
    indoor: f64,
    heat: (f64, f64),
    resistance: f64,
    curve: (f64, f64, f64),
    busy: (f64, f64),
    habits_change: f64,
    curve_changes: f64,
    job: (f64, f64),
    temperature: f64,
    bad: (f64, f64),
    wear: (f64, f64),
    habit: Habit,
    used: f64,
    library: f64,
    errors: f64,
    ups_load: f64,
    aged: f64,
}

fn subject(id: &str) -> Arc<Subject> {
    Subject::of_host(Area::Health, id, id)
}

const SIZE: f64 = 4e12;
const LIMIT: f64 = 97.0;

impl Machine {
    pub fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut random = Random::new(seed);
        let fault = fault.map(|fault| {
            let begins = random.between(60.0, 150.0);
            let takes = fault.takes(&mut random);
            (fault, begins, takes)
        });
        let names = [
            ("cpu", "cpu"),
            ("die", "temp-coretemp-package-id-0"),
            ("board", "temp-nct6798-systin"),
            ("air", "ambient-room"),
            ("fan", "fan-nct6798"),
            ("quiet", "fan-nct6798-fan2"),
            ("disk", "disk-wd-1"),
            ("ssd", "disk-ssd-1"),
            ("fs", "fs-srv"),
            ("ups", "ups-rack"),
            ("memory", "memory-errors"),
            ("raid", "raid-md0"),
        ];
        let habit = match (random.share() * 5.0) as u32 {
            0 => Habit::Still,
            1 => Habit::Saw(random.between(3.0, 45.0)),
            2 => Habit::Slow,
            3 => Habit::Library,
            _ => Habit::Backups(random.between(20.0, 90.0)),
        };
        Self {
            subjects: names.iter().map(|(key, id)| (*key, subject(id))).collect(),
            has_air: random.chance(0.3),
            has_board: random.chance(0.6),
            has_pwm: random.chance(0.5),
            season: random.between(2.0, 7.0),
            daily: random.between(0.5, 2.5),
            indoor: random.between(18.0, 23.0),
            heat: (random.between(8.0, 20.0), random.between(45.0, 90.0)),
            resistance: random.between(0.38, 0.5),
            curve: (
                random.between(20.0, 40.0),
                random.between(40.0, 50.0),
                random.between(1.2, 2.5),
            ),
            busy: (random.between(2.0, 15.0), random.between(0.3, 3.0)),
            habits_change: random.between(100.0, 500.0),
            curve_changes: if random.chance(0.2) {
                random.between(60.0, 600.0)
            } else {
                1e9
            },
            job: (0.0, 0.0),
            temperature: 45.0,
            bad: (if random.chance(0.2) { 8.0 } else { 0.0 }, 0.0),
            wear: (random.between(0.0, 40.0), random.between(0.5, 8.0)),
            used: SIZE * random.between(0.3, 0.6),
            habit,
            library: 0.0,
            errors: 0.0,
            ups_load: random.between(10.0, 45.0),
            aged: random.between(0.02, 0.08),
            fault,
            random,
        }
    }

    /// How far a fault of this kind has come: 0 before it begins, 1 at the failure.
    fn progress(&self, fault: Fault, day: f64) -> f64 {
        match self.fault {
            Some((planted, begins, takes)) if planted == fault => {
                ((day - begins) / takes).clamp(0.0, 1.5)
            }
            _ => 0.0,
        }
    }

    fn load(&mut self, day: f64, step: f64) -> f64 {
        let hour = day.fract() * 24.0;
        let (mut base, mut jobs) = self.busy;
        if day > self.habits_change {
            base = (base * 2.0).min(30.0);
            jobs *= 1.5;
        }
        if day > self.job.0 {
            self.job.1 = 0.0;
            // So many jobs a day, mostly by night.
            let share = if (1.0..6.0).contains(&hour) { 3.0 } else { 0.6 };
            if self.random.chance(jobs * share * step) {
                let lasts = self.random.between(0.5, 4.0) / 24.0;
                self.job = (day + lasts, self.random.between(30.0, 100.0));
            }
        }
        let evening = if (18.0..23.0).contains(&hour) {
            base
        } else {
            0.0
        };
        (base + evening + self.job.1 + self.random.noise() * 2.0).clamp(0.5, 100.0)
    }

    fn used(&mut self, day: f64, step: f64) -> f64 {
        let (random, habit) = (&mut self.random, self.habit);
        if random.chance(0.5 * step) {
            self.library += random.between(-0.012, 0.013) * SIZE;
            self.library = self.library.clamp(-0.2 * SIZE, 0.25 * SIZE);
        }
        let noise = random.noise() * 2e9;
        let logs = (day % 1.0) * 3e9;
        let grown = match habit {
            Habit::Still => 0.0,
            Habit::Saw(days) => (day % days) / days * SIZE * 0.15,
            Habit::Slow => day / 365.0 * SIZE * 0.08,
            Habit::Library => self.library,
            Habit::Backups(days) => (day / days).min(1.0) * SIZE * 0.1,
        };
        let filling = self.progress(Fault::FillingDisk, day);
        let left = SIZE * 0.97 - self.used - SIZE * 0.1;
        let planted = if filling > 0.0 {
            left.max(SIZE * 0.1) * filling
        } else {
            0.0
        };
        let still = if filling > 0.0 || matches!(self.fault, Some((Fault::FillingDisk, ..))) {
            0.0
        } else {
            grown
        };
        (self.used + still + planted + noise + logs).clamp(0.0, SIZE)
    }

    /// What the machine tells at a moment, and whether the planted fault has made it fail.
    #[allow(clippy::too_many_lines, reason = "one story told in order")]
    fn tell(&mut self, day: f64, step: f64, readings: &mut Vec<Reading>) -> bool {
        readings.clear();
        let load = self.load(day, step);
        let year = (day / 365.25 * std::f64::consts::TAU - 0.5).cos();
        let air = self.indoor - self.season * year
            + self.daily * ((day.fract() - 0.6) * std::f64::consts::TAU).cos();
        // A hotter processor has a faster fan, and that cools it.
        let (mut low, knee, slope) = self.curve;
        if day > self.curve_changes {
            low += 12.0;
        }
        let drive = (low + (self.temperature - knee).max(0.0) * slope).min(100.0);
        let dying = self.progress(Fault::DyingFan, day);
        let health = if dying >= 1.0 {
            0.0
        } else {
            1.0 - dying * 0.45
        };
        let rpm = (drive / 100.0 * 1_800.0 * health * (1.0 + self.random.noise() * 0.008)).max(0.0);
        let dust = 1.0 + self.progress(Fault::DustyCooler, day) * 1.1;
        let watts = self.heat.0 + (self.heat.1 - self.heat.0) * (load / 100.0).powf(0.9);
        let wind = (700.0 / rpm.max(120.0)).powf(0.3);
        let want = air + 5.0 + watts * self.resistance * wind * dust;
        self.temperature += (want - self.temperature) * 0.9;
        self.temperature = self.temperature.min(105.0);
        let mut shown = (self.temperature + self.random.noise() * 0.7).round();
        if self.random.chance(0.0005) {
            shown += 25.0;
        }
        let of = |key: &str| &self.subjects[key];
        readings.push(Reading::new(of("cpu")).with(&USAGE, load));
        let die = Reading::new(of("die")).with(&DEGREES, shown);
        readings.push(die.with(&CRITICAL, 100.0));
        if self.has_board {
            let board = air + 7.0 + watts * 0.04;
            readings.push(Reading::new(of("board")).with(&DEGREES, board.round()));
        }
        if self.has_air {
            readings.push(Reading::new(of("air")).with(&DEGREES, air));
        }
        let fan = Reading::new(of("fan")).with(&RPM, rpm.round());
        readings.push(if self.has_pwm {
            fan.with(&PWM, drive.round())
        } else {
            fan
        });
        let stands = if drive > 70.0 { 600.0 } else { 0.0 };
        let quiet = Reading::new(of("quiet")).with(&RPM, stands);
        let quiet_drive = if drive > 70.0 { 40.0 } else { 0.0 };
        readings.push(quiet.with(&PWM, quiet_drive));
        // A bad spot in a few years; a disk that dies has ever more.
        if self.random.chance(0.15 / 365.0 * step) {
            self.bad.0 += self.random.between(1.0, 8.0).round();
        }
        let dies = self.progress(Fault::BadSectors, day);
        let planted = if dies > 0.0 {
            ((dies * 6.0).exp() - 1.0) / 4.0
        } else {
            0.0
        };
        let disk =
            Reading::new(of("disk")).with(&REALLOCATED, self.bad.0 + (planted * 0.6).floor());
        let disk = disk.with(&PENDING, (planted * 0.4).floor());
        readings.push(disk.with(&HOURS, day * 24.0 + 9_000.0));
        let wears = self.progress(Fault::WearingSsd, day);
        let wear = self.wear.0 + self.wear.1 * day / 365.0;
        let wear = wear + (100.0 - wear).max(0.0) * wears;
        let ssd = Reading::new(of("ssd")).with(&WEAR, wear.floor());
        readings.push(ssd.with(&HOURS, day * 24.0 + self.wear.0 / self.wear.1 * 8_760.0));
        let used = self.used(day, step);
        let fs = Reading::new(&self.subjects["fs"]).with(&USED, used);
        readings.push(fs.with(&FREE, SIZE - used));
        let ages = self.progress(Fault::AgeingBattery, day) * 0.4;
        let strength = 1.0 - self.aged * day / 365.0 - ages;
        let ups_load = (self.ups_load + load * 0.1 + self.random.noise())
            .max(5.0)
            .round();
        let runtime = 1_500.0 * strength * (50.0 / ups_load).powf(1.2);
        let runtime = (runtime * (1.0 + self.random.noise() * 0.03) / 60.0).round() * 60.0;
        let ups = Reading::new(&self.subjects["ups"]).with(&CHARGE, 100.0);
        readings.push(ups.with(&LOAD, ups_load).with(&RUNTIME, runtime));
        let fails = self.progress(Fault::FailingMemory, day);
        let rate = if fails > 0.0 {
            0.7 + fails * 10.0
        } else {
            1.5 / 365.0
        };
        if self.random.chance(rate * step) {
            self.errors += self.random.between(1.0, 3.0).floor();
        }
        readings.push(Reading::new(&self.subjects["memory"]).with(&ERRORS, self.errors));
        readings.push(Reading::new(&self.subjects["raid"]).with(&DEGRADED, false));
        match self.fault {
            Some((Fault::DustyCooler, ..)) => self.temperature >= LIMIT,
            Some((Fault::AgeingBattery, ..)) => strength <= 0.6,
            Some((Fault::FillingDisk, ..)) => used >= SIZE * 0.99 - 6e9,
            Some((Fault::WearingSsd, ..)) => wear >= 100.0,
            Some((_, begins, takes)) => day >= begins + takes,
            None => false,
        }
    }

    /// Lets it run for `days` in steps of `minutes`, or until its planted fault makes it fail.
    pub fn live(mut self, days: f64, minutes: f64) -> Story {
        let memory = Memory::default();
        let mut foresight = Foresight::new(&memory);
        let mut story = Story::default();
        let step = minutes / 1_440.0;
        let mut readings = Vec::new();
        let mut told: BTreeMap<String, f64> = BTreeMap::new();
        let mut next = 0.0;
        let mut day = 0.0;
        while day < days {
            day += step;
            if self.random.chance(step / 30.0) {
                // A new kernel, about once a month.
                foresight.keep();
                foresight = Foresight::new(&memory);
                self.errors = 0.0;
                day += 5.0 / 1_440.0;
            }
            let fails = self.tell(day, step, &mut readings);
            let at = Timestamp::from_second(START + (day * 86_400.0) as i64).unwrap();
            let seen: Vec<Seen<'_>> = readings
                .iter()
                .map(|reading| Seen {
                    subject: &reading.subject,
                    values: &reading.values,
                })
                .collect();
            foresight.take(at, &seen);
            if day >= next {
                next = day + 0.25;
                for (one, _) in foresight.judge(at).predictions {
                    if one.outlook != Nearness::Withdrawn && !told.contains_key(&one.id) {
                        self.meet(&mut story, &one, day);
                        told.insert(one.id.clone(), day);
                    } else if one.outlook == Nearness::Withdrawn {
                        told.remove(&one.id);
                    }
                }
            }
            if fails {
                story.failed = Some(day);
                break;
            }
        }
        story.days = day;
        story
    }

    fn meet(&self, story: &mut Story, one: &homewatch::predict::Prediction, day: f64) {
        let planted = self
            .fault
            .filter(|(fault, begins, _)| fault.kind() == one.kind && day >= *begins);
        let is_quiet = one.subject.ends_with("fan2") || one.subject.ends_with("systin");
        // A dying fan heats what it cools: that is true as well. So is what a fan lets happen.
        let follows = self.fault.is_some_and(|(fault, begins, _)| {
            fault == Fault::DyingFan && one.kind == Kind::Cooling && day >= begins
        });
        match planted {
            Some(_) if !is_quiet => {
                story.announced.get_or_insert(day);
            }
            _ if follows => {}
            _ => {
                let text = format!("{} {:?}", one.text, one.evidence);
                story
                    .false_alarms
                    .push((one.kind, one.subject.clone(), day, text));
            }
        }
    }
}
