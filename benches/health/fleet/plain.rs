//! A second fleet, of other making and plainer physics than the first, as a cross-check: heat is
//! resistance times watts above a room that follows the day and the year, everything ages in a
//! straight line, and what is planted comes early and within ninety days as well as within a year.

use std::collections::{BTreeMap, BTreeSet};

use homewatch::host::Memory;
use homewatch::model::{Area, Metric, Reading, Subject, Timestamp, Unit};
use homewatch::predict::{Foresight, Nearness};

use super::server::{
    CHARGE, CRITICAL, DEGREES, ERRORS, FREE, HOURS, LOAD, PENDING, PWM, REALLOCATED, RPM, RUNTIME,
    USAGE, USED, WEAR,
};
use super::{Fault, Random, START, Story, seen};

static UNCORRECTABLE: Metric = Metric::gauge("uncorrectable", "Errors", Unit::None);
const SIZE: f64 = 2e12;

/// How the processor's work goes.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// It follows the day.
    Days,
    /// Idle, but for some hours at full load by night.
    Nights,
    /// Up and down without a plan.
    Walk,
}

/// How a filesystem fills.
#[derive(Debug, Clone, Copy)]
enum Filling {
    Straight,
    /// So many days' growth at once.
    Steps(f64),
    /// A burst each day, of this share of all, that the night clears.
    Bursts(f64),
}

/// A plain machine with its fault.
#[derive(Debug)]
pub struct Plain {
    random: Random,
    fault: Option<Fault>,
    /// The day the fault begins, and how many days it takes.
    course: (f64, f64),
    work: Work,
    walk: f64,
    /// Idle and full, W; the resistance, K/W; by what share it grows.
    heat: (f64, f64, f64, f64),
    /// The room's mean, and by how much it follows the year and the day, °C; the day of the year.
    room: (f64, f64, f64, f64),
    has_air: bool,
    has_board: bool,
    critical: Option<f64>,
    has_pwm: bool,
    /// By how much a fan gets slower before it stands still, and how much its speed wavers.
    fan: (f64, f64),
    wear: (f64, f64),
    filling: Filling,
    used: f64,
    bad: [f64; 3],
    errors: f64,
    ups: (f64, f64),
}

impl Plain {
    pub fn new(seed: u64, fault: Option<Fault>, short: bool) -> Self {
        let mut random = Random::new(seed ^ 0x5bd1_e995);
        let random = &mut random;
        random.share();
        let takes: (f64, f64) = match fault {
            Some(Fault::DyingFan) => (30.0, 180.0),
            Some(Fault::BadSectors | Fault::FailingMemory) => (10.0, 60.0),
            Some(Fault::DustyCooler | Fault::WearingSsd) => (60.0, 300.0),
            Some(Fault::FillingDisk) => (20.0, 150.0),
            Some(Fault::AgeingBattery) => (120.0, 400.0),
            None => (1.0, 2.0),
        };
        let begins = random.between(20.0, if short { 28.0 } else { 120.0 });
        let most = if short { 90.0 - begins } else { takes.1 };
        let takes = random.between(takes.0.min(most), takes.1.min(most));
        let full = random.between(45.0, 120.0);
        let indoor = random.between(18.0, 25.0);
        Self {
            fault,
            course: (begins, takes),
            work: match (random.share() * 3.0) as u32 {
                0 => Work::Days,
                1 => Work::Nights,
                _ => Work::Walk,
            },
            walk: 30.0,
            heat: (
                random.between(8.0, 20.0),
                full,
                random.between(30.0, 50.0) / full,
                random.between(0.3, 1.0),
            ),
            room: (
                indoor,
                random.between(0.0, 5.0),
                random.between(0.0, 3.0),
                random.between(0.0, 365.0),
            ),
            has_air: random.chance(0.25),
            has_board: random.chance(0.4),
            critical: random.chance(0.7).then_some(100.0),
            has_pwm: random.chance(0.5),
            fan: (random.between(0.25, 0.6), random.between(0.005, 0.02)),
            wear: (random.between(0.0, 30.0), random.between(0.5, 8.0)),
            filling: match (random.share() * 3.0) as u32 {
                0 => Filling::Straight,
                1 => Filling::Steps(random.between(1.0, 7.0)),
                _ => Filling::Bursts(random.between(0.01, 0.06)),
            },
            used: random.between(0.2, 0.7) * SIZE,
            bad: [if random.chance(0.2) { 8.0 } else { 0.0 }, 0.0, 0.0],
            errors: 0.0,
            ups: (random.between(10.0, 50.0), random.between(900.0, 3_000.0)),
            random: random.clone(),
        }
    }

    /// What has become of it after `days`, looked at every so many minutes.
    pub fn live(mut self, days: f64, minutes: f64) -> Story {
        let memory = Memory::default();
        let mut foresight = Foresight::new(&memory);
        let (mut story, mut readings) = (Story::default(), Vec::new());
        let mut stands = BTreeSet::new();
        let (step, mut day, mut next) = (minutes / 1_440.0, 0.0, 0.0);
        while day < days {
            day += step;
            readings.clear();
            self.tell(day, step, &mut readings);
            let seen = seen(&readings);
            let at = Timestamp::from_second(START + (day * 86_400.0) as i64).unwrap();
            foresight.take(at, &seen);
            if day >= next {
                next = day + 0.25;
                let told = foresight.judge(at).predictions.into_iter();
                let told = told.map(|(one, _)| one);
                let here: BTreeMap<_, _> = told
                    .filter(|one| one.outlook != Nearness::Withdrawn)
                    .map(|one| (one.id.clone(), one))
                    .collect();
                stands.retain(|id| here.contains_key(id));
                for (id, one) in here {
                    if !stands.insert(id) {
                        continue;
                    }
                    let is_planted = self.fault.map(Fault::kind) == Some(one.kind);
                    if is_planted && day >= self.course.0 {
                        story.announced.get_or_insert(day);
                    } else {
                        let text = format!("{} {:?}", one.text, one.evidence);
                        story.false_alarms.push((one.kind, one.subject, day, text));
                    }
                }
            }
            if self.fault.is_some() && self.progress(day) >= 1.0 {
                story.failed = Some(day);
                break;
            }
        }
        story.days = day;
        story
    }

    fn progress(&self, day: f64) -> f64 {
        let (begins, takes) = self.course;
        ((day - begins) / takes).clamp(0.0, 1.0)
    }

    fn of(&self, fault: Fault, day: f64) -> f64 {
        if self.fault == Some(fault) {
            self.progress(day)
        } else {
            0.0
        }
    }

    fn tell(&mut self, day: f64, step: f64, readings: &mut Vec<Reading>) {
        self.heat(day, readings);
        self.disks(day, step, readings);
        self.space(day, step, readings);
        let failing = self.of(Fault::FailingMemory, day);
        let rate = if failing > 0.0 {
            0.5 + failing * 30.0
        } else {
            0.005
        };
        if self.random.chance(rate * step) {
            self.errors += 1.0;
        }
        readings.push(of("memory-errors").with(&ERRORS, self.errors));
        let strength = 1.0 - 0.4 * self.of(Fault::AgeingBattery, day) - 0.03 * day / 365.0;
        let load = self.ups.0 + 4.0 * (day * std::f64::consts::TAU).sin();
        let load = (load + self.random.noise()).max(5.0);
        let runtime = self.ups.1 * strength * 30.0 / load * (1.0 + self.random.noise() * 0.02);
        let ups = of("ups-plain").with(&CHARGE, 100.0);
        readings.push(
            ups.with(&LOAD, load.round())
                .with(&RUNTIME, runtime.round()),
        );
    }

    fn heat(&mut self, day: f64, readings: &mut Vec<Reading>) {
        let (hour, random) = (day.fract() * 24.0, &mut self.random);
        self.walk =
            (self.walk + random.noise() * 5.0 + (30.0 - self.walk) * 0.02).clamp(1.0, 100.0);
        let load = match self.work {
            Work::Days => 35.0 - 30.0 * (day * std::f64::consts::TAU).cos() + random.noise() * 4.0,
            Work::Nights if (2.0..4.0).contains(&hour) => 95.0 + random.noise() * 3.0,
            Work::Nights => 4.0 + random.noise() * 1.5,
            Work::Walk => self.walk,
        };
        let load = load.clamp(0.5, 100.0);
        let (indoor, year, daily, born) = self.room;
        let turn = std::f64::consts::TAU;
        let air = indoor - year * ((day + born) / 365.25 * turn).cos()
            + daily * ((day - 0.6) * turn).cos();
        let (idle, full, resistance, grows) = self.heat;
        let watts = idle + (full - idle) * load / 100.0;
        let dust = 1.0 + grows * self.of(Fault::DustyCooler, day);
        let die = air + watts * resistance * dust + self.random.noise() * 0.5;
        let fails = self.of(Fault::DyingFan, day);
        let health = if fails >= 1.0 {
            0.0
        } else {
            1.0 - self.fan.0 * fails
        };
        let drive = (30.0 + (die - 40.0).max(0.0) * 1.5).min(100.0);
        let rpm = drive * 20.0 * health * (1.0 + self.random.noise() * self.fan.1);
        readings.push(of("cpu").with(&USAGE, load));
        let cpu = of("temp-coretemp-package-id-0").with(&DEGREES, die.round());
        readings.push(match self.critical {
            Some(critical) => cpu.with(&CRITICAL, critical),
            None => cpu,
        });
        if self.has_air {
            readings.push(of("ambient-room").with(&DEGREES, air));
        }
        if self.has_board {
            readings.push(of("temp-acpitz").with(&DEGREES, (air + 8.0).round()));
        }
        let fan = of("fan-nct6775-fan1").with(&RPM, rpm.max(0.0).round());
        readings.push(if self.has_pwm {
            fan.with(&PWM, drive.round())
        } else {
            fan
        });
    }

    fn disks(&mut self, day: f64, step: f64, readings: &mut Vec<Reading>) {
        let dies = self.of(Fault::BadSectors, day);
        if dies > 0.0 && self.random.chance((0.6 + dies * 6.0) * step) {
            let by = self.random.between(1.0, 4.0).floor();
            let which = (self.random.share() * 2.2) as usize;
            self.bad[which] += by;
        }
        let [replaced, pending, lost] = self.bad;
        let disk = of("disk-plain").with(&REALLOCATED, replaced);
        let disk = disk.with(&PENDING, pending).with(&UNCORRECTABLE, lost);
        readings.push(disk.with(&HOURS, (12_000.0 + day * 24.0).floor()));
        let (worn, a_year) = self.wear;
        let own = worn + a_year * day / 365.0;
        let wear = own + (100.0 - own) * self.of(Fault::WearingSsd, day);
        let hours = worn / a_year * 8_760.0 + day * 24.0;
        let ssd = of("disk-nvme").with(&WEAR, wear.floor());
        readings.push(ssd.with(&HOURS, hours.floor()));
    }

    fn space(&mut self, day: f64, step: f64, readings: &mut Vec<Reading>) {
        let fills = self.of(Fault::FillingDisk, day);
        let (begins, takes) = self.course;
        let burst = match self.filling {
            Filling::Bursts(share) => share * SIZE * day.fract(),
            Filling::Straight | Filling::Steps(_) => 0.0,
        };
        let share = match self.filling {
            Filling::Steps(days) if fills < 1.0 => {
                (((day - begins) / days).floor() * days / takes).clamp(0.0, 1.0)
            }
            Filling::Straight | Filling::Steps(_) | Filling::Bursts(_) => fills,
        };
        let share = if fills > 0.0 { share } else { 0.0 };
        let most = match self.filling {
            Filling::Bursts(share) => SIZE * (1.0 - share),
            Filling::Straight | Filling::Steps(_) => SIZE,
        };
        if self.random.chance(step) && self.fault != Some(Fault::FillingDisk) {
            let by = self.random.between(-0.004, 0.004) * SIZE;
            self.used = (self.used + by).clamp(0.1 * SIZE, 0.8 * SIZE);
        }
        let used = self.used + (most - self.used) * share + burst;
        let used = (used + self.random.noise() * 1e9).clamp(0.0, SIZE);
        readings.push(of("fs-plain").with(&USED, used).with(&FREE, SIZE - used));
    }
}

fn of(id: &str) -> Reading {
    Reading::new(&Subject::of_host(Area::Health, id, id))
}
