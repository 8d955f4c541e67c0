use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outlook::{Case, Due, Finding, Kind};
use super::point::{Point, Regime};
use super::profile::Profile;
use super::scene::{Room, Scene, Seen, days, is_processor};
use super::standing::{Standing, highest, loads};
use super::tracker::Tracker;
use super::trend::{Line, pace, tidy};

/// Dust and dried paste: what load adds to a temperature, held against what it added at first.
///
/// The seasons do not come into it: a temperature is held against the room's where a sensor tells
/// that, else against the machine's coolest sensor, else only what one load adds to another on the same
/// day counts, and then the part must also be hotter than it ever was before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Cooling {
    /// Against the room, once a sensor tells it, and against the machine itself.
    #[serde(default)]
    air: Option<View>,
    #[serde(default)]
    machine: Option<View>,
    /// The temperature itself, °C, by load.
    degrees: Profile,
    /// At which it is critical, °C.
    limit: Option<f64>,
}

/// A temperature held against something.
#[derive(Debug, Serialize, Deserialize)]
struct View {
    /// What it is held against.
    room: Room,
    /// Above that, °C, by load.
    above: Profile,
    /// The last day on which that was known.
    day: f64,
    /// Whether it surely follows the processor's load, though only one load is known.
    #[serde(default)]
    follows: bool,
}

/// Loads up to these are one regime, %; the last is the rest.
const LOADS: [f64; 4] = [12.0, 35.0, 60.0, 85.0];
/// A part that gets hotter by less than this, °C, says nothing.
const SPEAKS: f64 = 6.0;
/// The same above the idle machine: the difference of two figures that both waver.
const SPEAKS_BESIDE: f64 = 10.0;
/// What is got hotter by so many days of creeping by this, as a ratio, is told before it is so:
const SOON: f64 = 45.0;
const BAD: f64 = 1.25;
/// once it has come to this share of what is told otherwise,
const CREEPS: f64 = 0.5;
/// and to so much, °C.
const CREEPING: f64 = 2.5;
/// First days that lie no further apart than this share are usual.
const WAVERS: f64 = 0.03;
/// What has at its least load more than this share of what it has at its highest has mostly a load of its own.
const MOSTLY: f64 = 0.5;
/// What gets hotter from its least load to its highest by less than this, °C, has a load of its own.
const FOLLOWS: f64 = 6.0;
/// And so many degrees.
const DEGREES: f64 = 4.0;
/// A part whose room is not known and that is hotter than at first by so much, °C, is hardly so by the
/// season alone; then it takes less of what load adds.
const SUMMER: f64 = 12.0;
/// What a temperature was held against that is not known for so many days is lost.
const LOST: f64 = 3.0;
/// A part whose room is not known and that is this far from its limit, °C, has time until more is known.
const FAR: f64 = 40.0;
/// What gets hotter by more than this at one blow is no setting.
const BLOW: f64 = 1.3;
/// This far below its limit, °C, a part may stay as it is.
const SAFE: f64 = 12.0;
/// So much.
const WORSE_IN_SUMMER: f64 = 1.15;
/// So much more than at first no slower fan in a cool room makes.
const MUCH: f64 = 1.4;
/// Less than this of what it was at first is another cooler.
const OTHER: f64 = 0.8;
/// What is critical where the chip does not say, °C.
const CRITICAL: f64 = 95.0;
/// From so far below it on a part slows itself down or comes to harm, °C.
const MARGIN: f64 = 3.0;
const ADVICE: &str = "clean the dust out of cooler, fans and filters; if that does not help, \
                      renew the thermal paste";

impl Tracker for Cooling {
    const KIND: Kind = Kind::Cooling;

    fn wants(seen: &Seen<'_>) -> bool {
        // Those of disks follow their own work, which the processor's use does not tell.
        seen.of("temp-") && !seen.of("temp-disk-")
    }

    fn take(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) {
        let (Some(degrees), Some(load)) = (seen.number("temperature_c"), scene.load) else {
            return;
        };
        let limit = seen.number("critical_c").or_else(|| seen.number("max_c"));
        self.limit = limit.filter(|limit| (60.0..=125.0).contains(limit));
        let regime = regime(load);
        let point = Point {
            at: load,
            figure: degrees,
        };
        self.degrees.take(scene.day, scene.minutes, regime, point);
        let mut ended = false;
        if scene.degrees(&Room::Air).is_some() {
            let air = self.air.get_or_insert_with(|| View::of(Room::Air, seen));
            ended |= air.take(scene, regime, point);
        }
        let is_lost =
            |view: &View| view.day + LOST < scene.day && scene.degrees(&view.room).is_none();
        if self.machine.as_ref().is_none_or(is_lost)
            && let Some(best) = scene.machine(seen.subject)
        {
            self.machine = Some(View::of(best, seen));
        }
        if let Some(machine) = &mut self.machine {
            ended |= machine.take(scene, regime, point);
        }
        if ended {
            self.day_ended();
        }
    }

    fn rewind(&mut self, day: f64) {
        self.degrees.rewind(day);
        for view in [&mut self.air, &mut self.machine].into_iter().flatten() {
            view.day = view.day.min(day);
            view.above.rewind(day);
        }
    }

    fn judge(&self, now: Timestamp) -> Finding {
        let today = days(now);
        let views = [&self.air, &self.machine].into_iter().flatten();
        let known = views.filter(|view| view.day + LOST >= today);
        let best = known
            .clone()
            .find_map(|view| Some((view, view.standing()?)));
        let Some((view, standing)) = best else {
            // What is learnt and does not follow the load is watched in peace.
            if known.clone().any(|view| view.above.is_learnt()) {
                return Finding::Clear(None);
            }
            let learns = known
                .clone()
                .next()
                .map_or(&self.degrees, |view| &view.above);
            return Finding::Young(learns.missing("at a steady load"));
        };
        let added = standing.now - standing.first;
        // It must be the part itself that gets hotter: in autumn it is the room that gets cooler, and the fan slower.
        let gets_hotter = self.degrees.rises().is_some();
        let creeps = view.creeps(&standing).filter(|_| gets_hotter);
        let is_worse = self.is_worse(view, &standing);
        let (Some(hot), true) = (self.hot(), is_worse || creeps.is_some()) else {
            return Finding::Clear(None);
        };
        let limit = self.limit.unwrap_or(CRITICAL);
        let left = (limit - MARGIN - hot).max(0.0);
        if view.room == Room::Unknown && left > FAR && creeps.is_none() {
            return Finding::Clear(None);
        }
        let due = view.rate(&standing, creeps).and_then(|rates| {
            let [slow, likely, fast] = rates.map(|rate| left / rate);
            Due::within(now, likely, fast, slow)
        });
        let percent = (standing.ratio - 1.0) * 100.0;
        let load = name(standing.at);
        let above = match (&view.room, standing.beside) {
            (Room::Air, _) => "above the room".to_owned(),
            (Room::Coolest(_), _) => "above the machine's coolest sensor".to_owned(),
            (Room::Unknown, 0) => "above the idle machine".to_owned(),
            (Room::Unknown, lower) => format!("above what it has {}", name(lower)),
        };
        let case = Case {
            text: format!(
                "it is cooled worse {}: {load} it gets {added:.0} °C hotter ({percent:.0} % more)",
                if is_worse {
                    "than in its first weeks"
                } else {
                    "from week to week"
                }
            ),
            due,
            pressing: left < 5.0,
            confidence: view.confidence(&standing, is_worse),
            evidence: Vec::new(),
            advice: ADVICE,
        };
        Finding::Foreseen(
            case.shown_by(
                &format!("at first, {above}, {load}"),
                degrees(standing.first),
            )
            .shown_by(&format!("now, {above}, {load}"), degrees(standing.now))
            .shown_by("hottest in the last week, on average", degrees(hot))
            .shown_by("critical", degrees(limit)),
        )
    }
}

impl Cooling {
    fn day_ended(&mut self) {
        let ratio = |both: &_| Some(highest(loads(false, both), 0.0)?.ratio);
        self.degrees.mark(ratio);
        let views = [&mut self.air, &mut self.machine].into_iter().flatten();
        let is_other = views.filter_map(|view| view.note().then_some(())).count() > 0;
        if is_other || self.is_settled() {
            // What was learnt of the former cooler holds for none of the views.
            self.degrees.relearn();
            let views = [&mut self.air, &mut self.machine].into_iter().flatten();
            views.for_each(|view| view.above.relearn());
        }
    }

    /// Whether it has got hotter at one blow and stays so, far from its limit: a quieter fan, more power.
    /// What is not worth telling is no reason to learn anew, which would take dust for usual bit by bit.
    fn is_settled(&self) -> bool {
        let views = [&self.air, &self.machine].into_iter().flatten();
        let mut settled = views.filter_map(|view| Some((view.above.settled()?, view.worse())));
        let limit = self.limit.unwrap_or(CRITICAL) - MARGIN;
        settled.any(|(ratio, worse)| (worse..BLOW).contains(&ratio))
            && self.hot().is_some_and(|hot| hot + SAFE < limit)
    }

    /// At its hottest load, on average, °C.
    fn hot(&self) -> Option<f64> {
        let lately = self.degrees.lately().into_values();
        lately.map(|point| point.figure).reduce(f64::max)
    }

    fn is_worse(&self, view: &View, standing: &Standing) -> bool {
        let added = standing.now - standing.first;
        if added < DEGREES {
            return false;
        }
        if view.room != Room::Unknown {
            return standing.ratio >= view.worse() + view.wavers(standing);
        }
        // A fan that is slower in a cool room lets load add more; then the part is not hotter.
        let both = self.degrees.both();
        let hotter = both
            .get(&standing.at)
            .map_or(0.0, |(first, now)| now - first);
        let worse = match hotter {
            SUMMER.. => WORSE_IN_SUMMER,
            DEGREES.. => view.worse(),
            _ => MUCH,
        };
        standing.ratio >= worse + view.wavers(standing)
    }
}

impl View {
    fn of(room: Room, seen: &Seen<'_>) -> Self {
        let above = if room == Room::Unknown {
            Profile::of_pairs()
        } else {
            Profile::default()
        };
        Self {
            room,
            above,
            day: 0.0,
            follows: is_processor(&seen.subject.id),
        }
    }

    /// Takes a minute in; tells whether a day has ended.
    fn take(&mut self, scene: &Scene<'_>, regime: Regime, point: Point) -> bool {
        let Some(room) = scene.degrees(&self.room) else {
            return false;
        };
        self.day = scene.day;
        let above = Point {
            figure: point.figure - room,
            ..point
        };
        self.above.take(scene.day, scene.minutes, regime, above)
    }

    /// Notes how it stands; tells whether this cannot be the same cooler any more.
    fn note(&mut self) -> bool {
        self.above.renew();
        let is_paired = self.above.is_of_pairs();
        let least = self.least();
        let speaks = |both: &_| {
            let highest = highest(loads(is_paired, both), least);
            highest.map(|highest| highest.ratio)
        };
        self.above.mark(speaks);
        let Some(standing) = self.standing() else {
            return false;
        };
        self.above.note(standing.ratio);
        self.above.aged(standing.ratio.max(1.0));
        standing.ratio < OTHER && self.above.is_renewed()
    }

    /// `None` until enough is known, or if it does not follow the load.
    fn standing(&self) -> Option<Standing> {
        let loads = loads(self.above.is_of_pairs(), &self.above.both());
        let (low, high) = loads.first().zip(loads.last())?;
        let is_other = low.at < high.at && low.beside == low.at && high.is_shifted(low, DEGREES);
        if is_other || !self.follows(low, high) {
            return None;
        }
        highest(loads, self.least())
    }

    /// Whether what it is held against is the processor's load: a part with a load of its own is not.
    fn follows(&self, low: &Standing, high: &Standing) -> bool {
        let by_load = high.first - low.first >= FOLLOWS && low.first < high.first * MOSTLY;
        self.follows || self.above.is_of_pairs() || by_load
    }

    /// What gets hotter by less says nothing, °C.
    const fn least(&self) -> f64 {
        if self.above.is_of_pairs() {
            SPEAKS_BESIDE
        } else {
            SPEAKS
        }
    }

    /// What is not told of it, since its first days lay so far apart.
    fn wavers(&self, standing: &Standing) -> f64 {
        let scatter = self.above.scatter(standing.code).unwrap_or(0.0);
        (scatter - WAVERS).max(0.0) * 2.0
    }

    /// How it gets hotter from day to day, if it surely does and that comes to something soon.
    fn creeps(&self, standing: &Standing) -> Option<Line> {
        let soon = |line: &Line| line.level + line.slope * SOON >= BAD;
        let line = self.above.creeps().filter(soon)?;
        let worse = 1.0 + (self.worse() - 1.0) * CREEPS + self.wavers(standing);
        let is_more = standing.now - standing.first >= CREEPING && standing.ratio >= 1.0;
        (line.level >= worse && is_more).then_some(line)
    }

    /// So much more than at first is a matter: the more, the less the room is known.
    const fn worse(&self) -> f64 {
        match self.room {
            Room::Air => 1.15,
            Room::Coolest(_) => 1.18,
            Room::Unknown => 1.25,
        }
    }

    /// Degrees a day by which the hottest load gets hotter: hardly less, likely, hardly more.
    fn rate(&self, standing: &Standing, creeps: Option<Line>) -> Option<[f64; 3]> {
        let line = creeps.or_else(|| pace(self.above.weeks()).filter(|line| line.slope > 0.0))?;
        let rate = |slope: f64| slope * standing.first;
        Some([
            rate(line.least.max(line.slope / 4.0)),
            rate(line.slope),
            rate(line.most.max(line.slope)),
        ])
    }

    fn confidence(&self, standing: &Standing, is_worse: bool) -> u8 {
        let known: u8 = match self.room {
            Room::Air => 85,
            Room::Coolest(_) => 70,
            Room::Unknown => 55,
        };
        let sure = pace(self.above.weeks()).is_some_and(|line| line.rises());
        let hardly = !is_worse || standing.ratio < self.worse() + 0.05;
        known + if sure { 10 } else { 0 } - if hardly { 10 } else { 0 }
    }
}

fn regime(load: f64) -> Regime {
    let above = LOADS.iter().filter(|limit| load > **limit).count();
    Regime::try_from(above).unwrap_or(Regime::MAX)
}

fn name(regime: Regime) -> &'static str {
    match regime {
        0 => "idle",
        1 => "at a light load",
        2 => "at a middling load",
        3 => "at a high load",
        _ => "at full load",
    }
}

fn degrees(figure: f64) -> String {
    format!("{:.1} °C", tidy(figure))
}
