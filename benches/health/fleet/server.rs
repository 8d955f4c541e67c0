use std::collections::BTreeMap;
use std::sync::Arc;

use homewatch::model::{Area, FlagMeaning, Metric, Reading, Subject, Unit};

use super::fault::{Course, Fault};
use super::life::Life;
use super::random::Random;
use super::space::{Files, SIZE};

pub static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent).decimals(1);
pub static DEGREES: Metric =
    Metric::gauge("temperature_c", "Temperature", Unit::Celsius).decimals(1);
pub static CRITICAL: Metric = Metric::gauge("critical_c", "Critical", Unit::Celsius).decimals(1);
pub static RPM: Metric = Metric::gauge("fan_rpm", "Speed", Unit::Rpm);
pub static PWM: Metric = Metric::gauge("pwm_pct", "Drive", Unit::Percent);
pub static REALLOCATED: Metric = Metric::gauge("reallocated", "Replaced sectors", Unit::None);
pub static PENDING: Metric = Metric::gauge("pending", "Pending sectors", Unit::None);
pub static HOURS: Metric = Metric::gauge("power_on_hours", "Power-on hours", Unit::None);
pub static WEAR: Metric = Metric::gauge("wear_pct", "Wear", Unit::Percent);
pub static USED: Metric = Metric::gauge("used_bytes", "In use", Unit::Byte);
pub static FREE: Metric = Metric::gauge("free_bytes", "Free", Unit::Byte);
pub static CHARGE: Metric = Metric::gauge("charge_pct", "Charge", Unit::Percent);
pub static LOAD: Metric = Metric::gauge("load_pct", "Load", Unit::Percent);
pub static RUNTIME: Metric = Metric::gauge("runtime_s", "Time on battery", Unit::Second);
pub static ERRORS: Metric = Metric::gauge("corrected_errors", "Corrected errors", Unit::None);
static DEGRADED: Metric = Metric::flag("degraded", "Degraded", FlagMeaning::Problem);

const LIMIT: f64 = 97.0;

/// A moment of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Since the first midnight.
    pub day: f64,
    /// Days it was on.
    pub age: f64,
    /// Days since the last moment.
    pub step: f64,
}

/// What does the work of the processor and cools it.
struct Work {
    heat: (f64, f64),
    resistance: f64,
    curve: (f64, f64, f64),
    busy: (f64, f64),
    /// Until when, how much, and how hot what is done now makes it for its share of the time.
    job: (f64, f64, f64),
    degrees: f64,
    /// Whether the drive of the fan is told.
    has_pwm: bool,
}

/// One server.
pub struct Server {
    pub random: Random,
    pub course: Option<Course>,
    pub life: Life,
    subjects: BTreeMap<&'static str, Arc<Subject>>,
    has_air: bool,
    has_board: bool,
    has_card: bool,
    season: f64,
    daily: f64,
    indoor: f64,
    work: Work,
    bad: f64,
    silent_disk: f64,
    wear: (f64, f64),
    files: Files,
    errors: f64,
    ups_load: f64,
    ups_bend: f64,
    strength_a_year: f64,
}

fn subject(id: &str) -> Arc<Subject> {
    Subject::of_host(Area::Health, id, id)
}

impl Server {
    pub fn new(seed: u64, fault: Option<Fault>, mends: bool) -> Self {
        let mut random = Random::new(seed);
        let course = fault.map(|fault| Course::new(fault, mends, &mut random));
        let names = [
            ("cpu", "cpu"),
            ("die", "temp-coretemp-package-id-0"),
            ("board", "temp-nct6798-systin"),
            ("card", "temp-amdgpu-edge"),
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
        Self {
            subjects: names.iter().map(|(key, id)| (*key, subject(id))).collect(),
            files: Files::new(&mut random),
            has_air: random.chance(0.3),
            has_board: random.chance(0.6),
            has_card: random.chance(0.3),
            season: random.between(2.0, 7.0),
            daily: random.between(0.5, 2.5),
            indoor: random.between(18.0, 23.0),
            work: Work {
                heat: (random.between(8.0, 20.0), random.between(45.0, 90.0)),
                resistance: random.between(0.38, 0.5),
                curve: (
                    random.between(20.0, 40.0),
                    random.between(40.0, 50.0),
                    random.between(1.2, 2.5),
                ),
                busy: (random.between(2.0, 15.0), random.between(0.3, 3.0)),
                job: (0.0, 0.0, 1.0),
                degrees: 45.0,
                has_pwm: random.chance(0.5),
            },
            bad: if random.chance(0.2) { 8.0 } else { 0.0 },
            silent_disk: 0.0,
            wear: (random.between(0.0, 40.0), random.between(0.5, 8.0)),
            errors: 0.0,
            ups_load: random.between(10.0, 45.0),
            ups_bend: random.between(1.0, 1.35),
            strength_a_year: random.between(0.02, 0.08),
            life: Life::new(&mut random),
            course,
            random,
        }
    }

    /// The kernel counts anew.
    pub const fn boot(&mut self) {
        self.errors = 0.0;
    }

    /// What the machine tells at a moment, and whether the planted fault has made it fail.
    pub fn tell(&mut self, at: Moment, readings: &mut Vec<Reading>) -> bool {
        readings.clear();
        let load = self.load(at);
        self.cooling(at, load, readings);
        let wear = self.disks(at, readings);
        let used = self.space(at, readings);
        let strength = self.ups(at, load, readings);
        self.memory(at, readings);
        readings.push(Reading::new(&self.subjects["raid"]).with(&DEGRADED, false));
        match self.course.map(|course| course.fault) {
            Some(Fault::DustyCooler) => self.work.degrees >= LIMIT,
            Some(Fault::AgeingBattery) => strength <= 0.6,
            Some(Fault::FillingDisk) => used >= SIZE * 0.99 - 6e9,
            Some(Fault::WearingSsd) => wear >= 100.0,
            Some(_) => self
                .course
                .is_some_and(|course| course.progress(at.age) >= 1.0),
            None => false,
        }
    }

    /// How far a fault of this kind has come.
    fn progress(&self, fault: Fault, age: f64) -> f64 {
        let course = self.course.filter(|course| course.fault == fault);
        course.map_or(0.0, |course| course.progress(age))
    }

    /// Whether what has this fault was replaced.
    fn replaced(&self, fault: Fault, age: f64) -> bool {
        self.course
            .is_some_and(|course| course.fault == fault && age >= course.mended)
    }

    fn load(&mut self, at: Moment) -> f64 {
        let (work, random) = (&mut self.work, &mut self.random);
        let hour = at.day.fract() * 24.0;
        let [usual, jobs, hotter] = self.life.habits(at.day);
        let base = (work.busy.0 * usual).min(30.0);
        if at.day > work.job.0 {
            work.job = (at.day, 0.0, 1.0);
            // So many jobs a day, mostly by night.
            let share = if (1.0..6.0).contains(&hour) { 3.0 } else { 0.6 };
            if random.chance(work.busy.1 * jobs * share * at.step) {
                let lasts = random.between(0.5, 4.0) / 24.0;
                // What waits for memory keeps the processor as busy as what reckons, and is cooler.
                let kind = random.between(0.92, 1.08) * hotter;
                work.job = (at.day + lasts, random.between(30.0, 100.0), kind);
            }
        }
        let evening = if (18.0..23.0).contains(&hour) {
            base
        } else {
            0.0
        };
        (base + evening + work.job.1 + random.noise() * 2.0).clamp(0.5, 100.0)
    }

    fn cooling(&mut self, at: Moment, load: f64, readings: &mut Vec<Reading>) {
        let year = (at.day / 365.25 * std::f64::consts::TAU - 0.5).cos();
        let air = self.indoor + self.life.room(at.day) - self.season * year
            + self.daily * ((at.day.fract() - 0.6) * std::f64::consts::TAU).cos();
        let dying = self.progress(Fault::DyingFan, at.age);
        let health = if dying >= 1.0 {
            0.0
        } else {
            1.0 - dying * 0.45
        };
        let dust = self.life.dust(at.age) + self.progress(Fault::DustyCooler, at.age) * 1.1;
        let (work, random) = (&mut self.work, &mut self.random);
        // A hotter processor has a faster fan, and that cools it.
        let (low, knee, slope) = work.curve;
        let low = low + self.life.curve(at.day);
        let drive = (low + (work.degrees - knee).max(0.0) * slope).min(100.0);
        let rpm = (drive / 100.0 * 1_800.0 * health * (1.0 + random.noise() * 0.008)).max(0.0);
        let full = (work.heat.1 - work.heat.0) * work.job.2;
        let watts = work.heat.0 + full * (load / 100.0).powf(0.9);
        let wind = (700.0 / rpm.max(120.0)).powf(0.3);
        let want = air + 5.0 + watts * work.resistance * wind * dust;
        work.degrees += (want - work.degrees) * 0.9;
        work.degrees = work.degrees.min(105.0);
        let mut shown = (work.degrees + random.noise() * 0.7).round();
        if random.chance(0.0005) {
            shown += 25.0;
        }
        let hears = self.has_air && self.life.has_air(at.day, at.step, random);
        let of = |key: &str| Reading::new(&self.subjects[key]);
        readings.push(of("cpu").with(&USAGE, load));
        readings.push(of("die").with(&DEGREES, shown).with(&CRITICAL, 100.0));
        if self.has_board {
            let board = air + 7.0 + watts * 0.04;
            readings.push(of("board").with(&DEGREES, board.round()));
        }
        if hears {
            readings.push(of("air").with(&DEGREES, air));
        }
        if self.has_card {
            let plays = at.day > self.life.plays && random.chance(0.3);
            let card = air + 15.0 + watts * 0.05 + if plays { 35.0 } else { 0.0 };
            readings.push(of("card").with(&DEGREES, card.round()));
        }
        let fan = of("fan").with(&RPM, rpm.round());
        readings.push(if self.work.has_pwm {
            fan.with(&PWM, drive.round())
        } else {
            fan
        });
        let stands = if drive > 70.0 { 600.0 } else { 0.0 };
        let quiet_drive = if drive > 70.0 { 40.0 } else { 0.0 };
        readings.push(of("quiet").with(&RPM, stands).with(&PWM, quiet_drive));
    }

    /// A disk and an SSD; tells the wear of the latter, %.
    fn disks(&mut self, at: Moment, readings: &mut Vec<Reading>) -> f64 {
        let random = &mut self.random;
        // A bad spot in a few years; a disk that dies has ever more.
        if random.chance(0.15 / 365.0 * at.step) {
            self.bad += random.between(1.0, 8.0).round();
        }
        // smartctl answers by half for a while.
        if random.chance(at.step / 20.0) {
            self.silent_disk = at.day + random.between(0.02, 1.0);
        }
        let dies = self.progress(Fault::BadSectors, at.age);
        let planted = if dies > 0.0 {
            ((dies * 6.0).exp() - 1.0) / 4.0
        } else {
            0.0
        };
        // What was replaced is called as before, by its place.
        let hours = |fault: Fault, before: f64| match self.course {
            Some(course) if self.replaced(fault, at.age) => (at.age - course.mended) * 24.0,
            _ => at.age * 24.0 + before,
        };
        let bad = if self.replaced(Fault::BadSectors, at.age) {
            0.0
        } else {
            self.bad
        };
        let disk = Reading::new(&self.subjects["disk"]);
        let disk = disk.with(&REALLOCATED, bad + (planted * 0.6).floor());
        let disk = if at.day < self.silent_disk {
            disk
        } else {
            let waits = if bad > 0.0 { 2.0 } else { 0.0 };
            disk.with(&PENDING, waits + (planted * 0.4).floor())
        };
        readings.push(disk.with(&HOURS, hours(Fault::BadSectors, 9_000.0)));
        let wears = self.progress(Fault::WearingSsd, at.age);
        let wear = self.wear.0 + self.wear.1 * at.age / 365.0;
        let (restored, by) = self.life.restored;
        let wear = wear + if at.day > restored { by } else { 0.0 };
        let wear = match self.course {
            Some(course) if self.replaced(Fault::WearingSsd, at.age) => {
                self.wear.1 * (at.age - course.mended) / 365.0
            }
            _ => wear + (100.0 - wear).max(0.0) * wears,
        };
        let before = self.wear.0 / self.wear.1 * 8_760.0;
        let ssd = Reading::new(&self.subjects["ssd"]).with(&WEAR, wear.floor());
        readings.push(ssd.with(&HOURS, hours(Fault::WearingSsd, before)));
        wear
    }

    /// A filesystem; tells what is in use.
    fn space(&mut self, at: Moment, readings: &mut Vec<Reading>) -> f64 {
        let course = self
            .course
            .filter(|course| course.fault == Fault::FillingDisk);
        let (enlarged, factor) = self.life.enlarged;
        // What is about to be full is not enlarged, or it would not fail.
        let is_larger = course.is_none() && at.day > enlarged;
        let size = SIZE * if is_larger { factor } else { 1.0 };
        let fills = course.map(|course| course.progress(at.age));
        let when = (at.day, at.step);
        let used = self.files.used(when, size, fills, &mut self.random);
        let fs = Reading::new(&self.subjects["fs"]).with(&USED, used);
        readings.push(fs.with(&FREE, size - used));
        used
    }

    /// A UPS; tells what is left of its first strength.
    fn ups(&mut self, at: Moment, load: f64, readings: &mut Vec<Reading>) -> f64 {
        let ages = self.progress(Fault::AgeingBattery, at.age) * 0.4;
        let since = match self.course {
            Some(course) if self.replaced(Fault::AgeingBattery, at.age) => at.age - course.mended,
            _ => at.age,
        };
        let strength = 1.0 - self.strength_a_year * since / 365.0 - ages;
        let random = &mut self.random;
        // What else hangs on it changes with the habits.
        let hangs = self.ups_load * self.life.habits(at.day)[0].clamp(0.7, 1.6);
        let ups_load = (hangs + load * 0.1 + random.noise()).max(5.0).round();
        let (reckoned, factor) = self.life.reckoned;
        let tells = if at.day > reckoned { factor } else { 1.0 };
        let runtime = 1_500.0 * strength * tells * (50.0 / ups_load).powf(self.ups_bend);
        let runtime = (runtime * (1.0 + random.noise() * 0.03) / 60.0).round() * 60.0;
        // It tests itself, and charges again.
        let charge = if at.day % 14.0 < 0.2 { 93.0 } else { 100.0 };
        let ups = Reading::new(&self.subjects["ups"]).with(&CHARGE, charge);
        readings.push(ups.with(&LOAD, ups_load).with(&RUNTIME, runtime));
        strength
    }

    fn memory(&mut self, at: Moment, readings: &mut Vec<Reading>) {
        let fails = self.progress(Fault::FailingMemory, at.age);
        let random = &mut self.random;
        let rate = if fails > 0.0 {
            0.7 + fails * 10.0
        } else {
            1.5 / 365.0
        };
        if random.chance(rate * at.step) {
            self.errors += random.between(1.0, 3.0).floor();
        }
        let (shower, many) = self.life.shower;
        if (shower..shower + 0.3).contains(&at.day) && random.chance(0.5) {
            self.errors += (many / 20.0).ceil();
        }
        readings.push(Reading::new(&self.subjects["memory"]).with(&ERRORS, self.errors));
    }
}
