use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::outlook::{Case, Finding, Kind, Nearness, Outlook, Prediction};
use super::scene::{Seen, Senses, days};
use super::tracker::{Predictor, each};
use super::{battery, cooling, disk, fan, memory, raid, space, wear};
use crate::host::Memory;
use crate::model::Subject;

/// Every predictor; adding one is its file and its line here.
fn predictors(memory: &Memory) -> Vec<Box<dyn Predictor>> {
    vec![
        each::<cooling::Cooling>(memory),
        each::<fan::Fan>(memory),
        each::<disk::Disk>(memory),
        each::<wear::Wear>(memory),
        each::<space::Space>(memory),
        each::<battery::Battery>(memory),
        each::<memory::Memory>(memory),
        each::<raid::Raid>(memory),
    ]
}

/// The record of what was announced.
const KEY: &str = "predict/announced";
/// The record of the time.
const CLOCK: &str = "predict/clock";
/// What is foreseen at so many judgements in a row is announced.
const AGAIN: u32 = 3;
/// So long a prediction is told to be withdrawn, s.
const TOLD: i64 = 24 * 3_600;
/// What is due within so many days is near.
const NEAR: f64 = 30.0;
/// A prediction that is near stays so until it is so much further off, days.
const NO_LONGER: f64 = 45.0;
/// No more are told at a time.
const MOST: usize = 64;

/// What is known of the future, from one minute to the next. Pure but for the memory, which is
/// given.
pub struct Foresight {
    memory: Memory,
    clock: Clock,
    senses: Senses,
    predictors: Vec<Box<dyn Predictor>>,
    announced: BTreeMap<String, Announced>,
}

/// A prediction that is told, or about to be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Announced {
    /// At how many judgements in a row it was made.
    times: u32,
    /// When it was announced.
    since: Option<Timestamp>,
    /// When it was last made.
    made: Option<Timestamp>,
    /// As it was last told.
    told: Option<Prediction>,
}

/// Everything there is to say at a moment.
#[derive(Debug, Default)]
pub struct Told {
    /// When that is, by the time that ageing is reckoned by.
    pub at: Timestamp,
    /// Predictions, with the subject that each is about, the nearest first.
    pub predictions: Vec<(Prediction, Arc<Subject>)>,
    /// The parts of which there is none.
    pub outlooks: Vec<Outlook>,
}

impl Foresight {
    /// What `memory` knows of before.
    pub fn new(memory: &Memory) -> Self {
        Self {
            predictors: predictors(memory),
            clock: memory.get(CLOCK).unwrap_or_default(),
            senses: Senses::default(),
            announced: memory.get(KEY).unwrap_or_default(),
            memory: memory.clone(),
        }
    }

    /// Takes a minute in.
    pub fn take(&mut self, at: Timestamp, seen: &[Seen<'_>]) {
        let was_ahead = self.clock.look(at);
        let at = self.clock.time(at);
        if was_ahead {
            self.rewind(at);
        }
        let scene = self.senses.feel(at, seen);
        for predictor in &mut self.predictors {
            predictor.take(&scene);
        }
    }

    /// Nothing is later than `at`.
    fn rewind(&mut self, at: Timestamp) {
        for predictor in &mut self.predictors {
            predictor.rewind(days(at));
        }
        for one in self.announced.values_mut() {
            for moment in [&mut one.since, &mut one.made] {
                *moment = moment.map(|moment| moment.min(at));
            }
        }
    }

    /// Judges everything: meant to be asked every ten minutes.
    pub fn judge(&mut self, now: Timestamp) -> Told {
        let now = self.clock.time(now);
        let mut told = Told {
            at: now,
            ..Told::default()
        };
        for predictor in &self.predictors {
            for (kind, subject, finding) in predictor.judge(now) {
                let outlook = |missing, due| Outlook {
                    kind,
                    subject: subject.key().to_owned(),
                    label: subject.label.clone(),
                    missing,
                    due,
                };
                let case = match finding {
                    Finding::Young(missing) => {
                        told.outlooks.push(outlook(Some(missing), None));
                        None
                    }
                    Finding::Clear(due) => {
                        told.outlooks.push(outlook(None, due));
                        None
                    }
                    Finding::Foreseen(case) => Some(case),
                };
                let id = format!("{}-{}", kind.as_str(), subject.id);
                let announced = self.announced.entry(id.clone()).or_default();
                let now_told = announced.step(now, case, (kind, &subject, &id));
                if let Some(prediction) = now_told {
                    told.predictions.push((prediction, subject));
                }
            }
        }
        // What nobody speaks of any more, a part that is gone, is kept no longer than a withdrawal.
        self.announced.retain(|_, one| {
            let made = one.made.map(|made| now.as_second() - made.as_second());
            made.is_some_and(|age| age < LONGEST)
        });
        told.predictions.sort_by_key(|(one, _)| {
            let due = one.due.map(|due| due.likely);
            (
                std::cmp::Reverse(one.outlook),
                due.unwrap_or(Timestamp::MAX),
                one.id.clone(),
            )
        });
        told.predictions.truncate(MOST);
        told
    }

    /// Has the memory keep what was learnt.
    pub fn keep(&self) {
        for predictor in &self.predictors {
            predictor.keep();
        }
        self.memory.put(KEY, &self.announced);
        self.memory.put(CLOCK, &self.clock);
    }
}

impl Announced {
    fn step(
        &mut self,
        now: Timestamp,
        case: Option<Case>,
        who: (Kind, &Subject, &str),
    ) -> Option<Prediction> {
        let Some(case) = case else {
            self.times = 0;
            return self.withdrawn(now, patience(who.0));
        };
        self.times = self.times.saturating_add(1);
        self.made = Some(now);
        // What stands still, or has lost a device, was looked at for long enough.
        let at_once = case.pressing && matches!(who.0, Kind::Fan | Kind::Raid);
        if self.since.is_none() && self.times < AGAIN && !at_once {
            return None;
        }
        let (kind, subject, id) = who;
        let days = case
            .due
            .map(|due| (due.likely.as_second() - now.as_second()).max(0));
        let was_near = self
            .told
            .as_ref()
            .is_some_and(|told| told.outlook == Nearness::Near);
        let limit = if was_near { NO_LONGER } else { NEAR };
        let limit = std::time::Duration::from_secs_f64(limit * 86_400.0).as_secs();
        let is_near = days
            .and_then(|left| u64::try_from(left).ok())
            .is_some_and(|left| left <= limit);
        let prediction = Prediction {
            id: id.to_owned(),
            kind,
            subject: subject.key().to_owned(),
            label: subject.label.clone(),
            outlook: if is_near || case.pressing {
                Nearness::Near
            } else {
                Nearness::Distant
            },
            text: case.text,
            due: case.due,
            confidence_pct: case.confidence,
            lead_days: kind.lead_days(),
            evidence: case.evidence,
            advice: case.advice.to_owned(),
            since: *self.since.get_or_insert(now),
        };
        self.told = Some(prediction.clone());
        Some(prediction)
    }

    /// It is not made now: told as it was for a while, then as withdrawn, then no more.
    fn withdrawn(&mut self, now: Timestamp, patience: i64) -> Option<Prediction> {
        let mut told = self.told.clone()?;
        let age = now.as_second() - self.made?.as_second();
        if age >= patience + TOLD {
            *self = Self::default();
            return None;
        }
        if age >= patience {
            told.outlook = Nearness::Withdrawn;
        }
        Some(told)
    }
}

/// So long a prediction is no longer made before it is withdrawn, s: trends of days may waver, while an
/// array is whole or it is not.
const fn patience(kind: Kind) -> i64 {
    match kind {
        Kind::Raid => 0,
        Kind::Fan => 12 * 3_600,
        Kind::Cooling | Kind::Disk | Kind::Wear | Kind::Space | Kind::Battery | Kind::Memory => {
            36 * 3_600
        }
    }
}

/// What was not made for so long is forgotten, s.
const LONGEST: i64 = 7 * 24 * 3_600;
