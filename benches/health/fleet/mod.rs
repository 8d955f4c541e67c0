//! A made-up fleet of home servers that age: a year passes in a second. They are used and changed
//! as such machines are: other work, other rooms, new fan curves, months off, clocks that are wrong at
//! boot, sensors that fall silent, parts that are replaced.

mod fault;
mod life;
mod plain;
mod random;
mod server;
mod space;

use std::collections::BTreeMap;

use homewatch::host::Memory;
use homewatch::model::{Reading, Timestamp};
use homewatch::predict::{Foresight, Kind, Nearness, Prediction, Seen};

pub use fault::Fault;
pub use plain::Plain;
pub use random::Random;
use server::{Moment, Server};

/// Midnight of a first of January.
const START: i64 = 1_767_225_600;
/// What a clock without a battery says, in days from then.
const RESET: f64 = -20_000.0;

/// What became of a machine.
#[derive(Debug, Default)]
pub struct Story {
    pub days: f64,
    /// When the planted fault made something fail, and when it was announced, in days.
    pub failed: Option<f64>,
    pub announced: Option<f64>,
    /// When it was mended, and when that was understood.
    pub mended: Option<f64>,
    pub withdrawn: Option<f64>,
    /// What was announced and was no fault.
    pub false_alarms: Vec<(Kind, String, f64, String)>,
}

/// What is watched of what is told.
fn seen(readings: &[Reading]) -> Vec<Seen<'_>> {
    let seen = readings.iter().map(|reading| Seen {
        subject: &reading.subject,
        values: &reading.values,
    });
    seen.collect()
}

/// A machine that is watched.
pub struct Machine {
    server: Server,
    foresight: Foresight,
    memory: Memory,
    /// What its clock is ahead, days, and until when.
    clock: (f64, f64),
    /// What is told, and since when.
    told: BTreeMap<String, f64>,
    story: Story,
}

impl Machine {
    pub fn new(seed: u64, fault: Option<Fault>) -> Self {
        Self::of(Server::new(seed, fault, false))
    }

    /// One whose fault is mended before anything fails.
    pub fn mended(seed: u64, fault: Fault) -> Self {
        Self::of(Server::new(seed, Some(fault), true))
    }

    fn of(server: Server) -> Self {
        let memory = Memory::default();
        Self {
            server,
            foresight: Foresight::new(&memory),
            memory,
            clock: (0.0, 0.0),
            told: BTreeMap::new(),
            story: Story::default(),
        }
    }

    /// Lets it run for `days` in steps of `minutes`, or until its planted fault makes it fail.
    pub fn live(mut self, days: f64, minutes: f64) -> Story {
        let step = minutes / 1_440.0;
        let mut readings = Vec::new();
        let (mut next, mut day, mut was_on) = (0.0, 0.0, true);
        while day < days {
            day += step;
            let Some(age) = self.server.life.age(day) else {
                was_on = false;
                continue;
            };
            // A new kernel, about once a month.
            if !was_on || self.server.random.chance(step / 30.0) {
                self.boot(day);
                was_on = true;
                day += 5.0 / 1_440.0;
            }
            let fails = self.server.tell(Moment { day, age, step }, &mut readings);
            let ahead = if day < self.clock.1 {
                self.clock.0
            } else {
                0.0
            };
            let seconds = ((day + ahead) * 86_400.0) as i64;
            let at = Timestamp::from_second(START + seconds).unwrap();
            let seen = seen(&readings);
            self.foresight.take(at, &seen);
            if day >= next {
                next = day + 0.25;
                let told = self.foresight.judge(at).predictions;
                self.hear(told.into_iter().map(|(one, _)| one).collect(), day, age);
            }
            if fails {
                self.story.failed = Some(day);
                break;
            }
        }
        self.story.days = day;
        self.story
    }

    /// The clock of some machines is wrong until the network is there.
    fn boot(&mut self, day: f64) {
        self.foresight.keep();
        self.foresight = Foresight::new(&self.memory);
        self.server.boot();
        let random = &mut self.server.random;
        if random.chance(0.1) {
            let ahead = if random.chance(0.5) { RESET } else { 1_000.0 };
            self.clock = (ahead, day + random.between(0.01, 0.5));
        }
    }

    fn hear(&mut self, told: Vec<Prediction>, day: f64, age: f64) {
        let stands: BTreeMap<String, Prediction> = told
            .into_iter()
            .filter(|one| one.outlook != Nearness::Withdrawn)
            .map(|one| (one.id.clone(), one))
            .collect();
        self.told.retain(|id, _| stands.contains_key(id));
        for (id, one) in &stands {
            if !self.told.contains_key(id) {
                self.told.insert(id.clone(), day);
                self.meet(one, day, age);
            }
        }
        let Some(course) = self.server.course.filter(|course| age >= course.mended) else {
            return;
        };
        self.story.mended.get_or_insert(day);
        let kind = course.fault.kind();
        if !stands.values().any(|one| one.kind == kind) {
            self.story.withdrawn.get_or_insert(day);
        }
    }

    fn meet(&mut self, one: &Prediction, day: f64, age: f64) {
        let course = self.server.course;
        let ails = course.filter(|course| (course.begins..course.mended).contains(&age));
        let planted = ails.filter(|course| course.fault.kind() == one.kind);
        let is_other = ["fan2", "systin", "edge"]
            .iter()
            .any(|end| one.subject.ends_with(end));
        // A dying fan heats what it cools: that is true as well.
        let follows = ails.is_some_and(|course| {
            course.fault == Fault::DyingFan && one.kind == Kind::Cooling && !is_other
        });
        match planted {
            Some(_) if !is_other => {
                self.story.announced.get_or_insert(day);
            }
            _ if follows => {}
            _ => {
                let text = format!("{} {:?}", one.text, one.evidence);
                let alarm = (one.kind, one.subject.clone(), day, text);
                self.story.false_alarms.push(alarm);
            }
        }
    }
}
