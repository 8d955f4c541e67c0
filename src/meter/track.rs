use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::check::{Pace, Still, against_apparent};
use super::counter::{Counter, Taken};
use super::doubt::Doubt;
use super::figures::{Figures, Heard};
use crate::model::Timestamp;

/// Below so many watts less than nothing is noise.
const NOISE: f64 = 1.0;
/// Watts of an outlet that is off are not worth a word below this.
const LEAK: f64 = 0.5;
/// The figures of a device that tells each in a message of its own are all there after this long.
/// Until then its energy is not told: a total that leaps when one more counter is heard of would
/// be taken for energy.
const GATHERING: Duration = Duration::from_secs(90);
/// A counter's jump is told for so long.
const TOLD: Duration = Duration::from_hours(1);

/// What is known of one meter and its outlets. Pure: the time comes with every message.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    limits: Limits,
    parts: BTreeMap<u8, Part>,
    /// What the watts have come to while no part had a counter, kWh.
    integral: f64,
    /// Watts of all parts and when they were told.
    power: Option<(f64, Instant)>,
    heard: Option<(Instant, Timestamp)>,
    /// When its figures were first heard; long past if they were kept from before.
    begun: Begun,
    online: bool,
    wrong: Wrong,
    pace: Pace,
    /// How many counters the pace is of.
    counters: usize,
    still: Still,
}

/// What is wrong with a meter.
#[derive(Debug, Clone, Default)]
struct Wrong {
    /// Why its watts are withheld.
    withheld: Option<Doubt>,
    /// It says watts while it is off.
    relay_off: Option<Doubt>,
    /// None of its figures moves.
    frozen: bool,
    /// When its counter jumped last.
    jumped: Option<Instant>,
    /// Its counter's last figure was none.
    absurd_counter: bool,
    /// Its last message was.
    unreadable: bool,
}

/// Since when a meter is known.
#[derive(Debug, Clone, Copy)]
enum Begun {
    NotYet,
    /// Its figures are being gathered since then.
    At(Instant),
    /// All of them are known.
    Whole,
}

impl Begun {
    fn is_whole(self, now: Instant) -> bool {
        match self {
            Self::NotYet => false,
            Self::At(begun) => now.duration_since(begun) >= GATHERING,
            Self::Whole => true,
        }
    }
}

/// What a meter may say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// More cannot be, W.
    pub(crate) max_w: f64,
    /// Whether energy may flow out.
    pub(crate) feeds_in: bool,
    /// Factor on watts: unit and scale.
    pub(crate) power: f64,
    /// Factor on the counters: unit and scale.
    pub(crate) energy: f64,
    /// Without figures for this long it is silent.
    pub(crate) silent_after: Duration,
}

/// One outlet, phase or tariff.
#[derive(Debug, Clone, Default)]
struct Part {
    figures: Figures,
    power_at: Option<Instant>,
    energy: Option<Counter>,
    returned: Option<Counter>,
}

/// How a meter fares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Look {
    /// Nothing was ever heard of it.
    NeverHeard,
    /// It or its bridge has said that it is away.
    Offline,
    /// Nothing was heard for this long.
    Silent(Duration),
    /// It speaks.
    Live(View),
}

/// What a meter that speaks says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct View {
    /// The rest of the figures, those of a meter with one part as they are; `power_w`,
    /// `energy_kwh` and `returned_kwh` judged and of all parts together.
    pub(crate) figures: Figures,
    /// When it spoke last, by our clock.
    pub(crate) at: Timestamp,
    /// What is wrong with it.
    pub(crate) doubt: Option<Doubt>,
}

/// What is kept over a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    at: Timestamp,
    integral: f64,
    /// By part: total and the device's own figure, of what flowed in and out.
    parts: BTreeMap<u8, [Option<(f64, f64)>; 2]>,
}

impl Track {
    /// A meter of which nothing is known.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            parts: BTreeMap::new(),
            integral: 0.0,
            power: None,
            heard: None,
            begun: Begun::NotYet,
            online: true,
            wrong: Wrong::default(),
            pace: Pace::default(),
            counters: 0,
            still: Still::default(),
        }
    }

    /// Takes up what was kept; `at` and `now` are the present by both clocks.
    pub(crate) fn restore(&mut self, record: &Record, at: Timestamp, now: Instant) {
        // A clock that was set back tells no age: an hour is allowed for.
        let away = Duration::try_from(at.duration_since(record.at)).unwrap_or_default();
        let away = away + Duration::from_hours(1);
        self.integral = record.integral;
        self.begun = Begun::Whole;
        for (number, counters) in &record.parts {
            let resume = |kept: Option<(f64, f64)>| {
                let (total, raw) = kept.filter(|(total, raw)| total.is_finite() && *raw >= 0.0)?;
                Some(Counter::resume(total, raw, away, now))
            };
            let [energy, returned] = *counters;
            let part = self.parts.entry(*number).or_default();
            part.energy = resume(energy);
            part.returned = resume(returned);
        }
    }

    /// What is to be kept; `None` while there is nothing.
    pub(crate) fn record(&self, at: Timestamp) -> Option<Record> {
        let kept = |counter: &Option<Counter>| counter.as_ref().and_then(Counter::kept);
        let parts = self.parts.iter();
        let parts =
            parts.map(|(number, part)| (*number, [kept(&part.energy), kept(&part.returned)]));
        let integral = self.integral;
        let record = Record {
            at,
            integral,
            parts: parts.collect(),
        };
        (self.heard.is_some() || integral > 0.0 || !self.parts.is_empty()).then_some(record)
    }

    /// Takes a message in. What a broker had kept is of unknown age: it tells whether the device
    /// is there, and nothing else.
    pub(crate) fn hear(&mut self, heard: &Heard, retained: bool, now: Instant, at: Timestamp) {
        if let Some(online) = heard.online {
            self.online = online;
        }
        if retained {
            return;
        }
        self.wrong.unreadable = heard.unreadable;
        if heard.parts.is_empty() {
            return;
        }
        // Whatever was said before, it speaks.
        self.online = true;
        let late = self.begun.is_whole(now);
        if !late {
            // Who says both in one message says all.
            let figures = || heard.parts.iter().map(|(_, figures)| figures);
            let whole = figures().any(|one| one.power_w.is_some())
                && figures().any(|one| one.energy_kwh.is_some());
            self.begun = match self.begun {
                _ if whole => Begun::Whole,
                Begun::NotYet => Begun::At(now),
                begun @ (Begun::At(_) | Begun::Whole) => begun,
            };
        }
        self.heard = Some((now, at));
        self.wrong.absurd_counter = false;
        for (number, figures) in &heard.parts {
            self.take(*number, figures, now, late);
        }
        self.add_up(heard, now);
    }

    /// Takes the figures of one part over those that are known.
    fn take(&mut self, number: u8, new: &Figures, now: Instant, late: bool) {
        let limits = self.limits;
        let part = self.parts.entry(number).or_default();
        let known = &mut part.figures;
        if let Some(power) = new.power_w {
            known.power_w = Some(power * limits.power);
            part.power_at = Some(now);
        }
        for (known, new) in [
            (&mut known.voltage_v, new.voltage_v),
            (&mut known.current_a, new.current_a),
            (&mut known.apparent_va, new.apparent_va),
            (&mut known.reactive_var, new.reactive_var),
            (&mut known.factor, new.factor),
            (&mut known.frequency_hz, new.frequency_hz),
        ] {
            if let Some(new) = new {
                *known = Some(new).filter(|new| new.is_finite());
            }
        }
        known.relay = new.relay.or(known.relay);
        for (counter, raw) in [
            (&mut part.energy, new.energy_kwh),
            (&mut part.returned, new.returned_kwh),
        ] {
            let Some(raw) = raw else { continue };
            let counter = counter.get_or_insert_with(|| {
                // The total of a meter must not leap when one more part is heard of.
                if late {
                    Counter::from_zero()
                } else {
                    Counter::new()
                }
            });
            // A clamp that is turned round turns its power, not its counter's direction.
            match counter.take(raw * limits.energy.abs(), now, limits.max_w) {
                Taken::Counted | Taken::Waiting => {}
                Taken::Reset | Taken::RolledBack => {
                    tracing::info!(part = number, "a meter's energy counter was set back");
                }
                Taken::Jumped => self.wrong.jumped = Some(now),
                Taken::Absurd => self.wrong.absurd_counter = true,
            }
        }
    }

    /// Judges the watts of all parts together and counts them.
    fn add_up(&mut self, heard: &Heard, now: Instant) {
        let before = self.power;
        let judged = self.judge(now);
        let told = heard
            .parts
            .iter()
            .any(|(_, figures)| figures.power_w.is_some());
        self.wrong.withheld = judged.err();
        self.power = judged.ok().flatten().map(|watts| {
            // A message without watts makes the old ones no younger.
            let at = before.map_or(now, |(_, at)| if told { now } else { at });
            (watts, at)
        });
        let grown = match (before, self.power) {
            (Some((old, since)), Some((new, at))) => {
                let time = at.duration_since(since);
                let fills = time <= self.limits.silent_after;
                if fills {
                    (old + new).max(0.0) / 2.0 * time.as_secs_f64() / 3.6e6
                } else {
                    0.0
                }
            }
            _ => 0.0,
        };
        let counters = self.parts.values().filter(|part| part.energy.is_some());
        let counters = counters.count();
        if counters != self.counters {
            // One more counter is no energy.
            self.counters = counters;
            self.pace = Pace::default();
        }
        if let Some(total) = self.counted() {
            let step = self
                .parts
                .values()
                .filter_map(|part| part.energy.as_ref()?.step());
            let step = step.reduce(f64::max);
            self.pace.note(now, grown, (total, step), self.limits.max_w);
        } else {
            self.integral += grown;
        }
        if let [(number, _)] = heard.parts.as_slice() {
            let figures = self.parts.get(number).map(|part| part.figures);
            self.wrong.frozen = figures.is_some_and(|figures| self.still.note(&figures, now));
        }
    }

    /// The watts of all parts, or why they cannot be.
    fn judge(&mut self, now: Instant) -> Result<Option<f64>, Doubt> {
        self.wrong.relay_off = None;
        let mut sum = None;
        for part in self.parts.values() {
            let (Some(mut watts), Some(told)) = (part.figures.power_w, part.power_at) else {
                continue;
            };
            if now.duration_since(told) > self.limits.silent_after {
                continue;
            }
            if !watts.is_finite() {
                return Err(Doubt::NoNumber);
            }
            if part.figures.relay == Some(false) && watts.abs() > LEAK {
                self.wrong.relay_off = Some(Doubt::RelayOff(watts));
                watts = 0.0;
            }
            if let Some(doubt @ Doubt::Kilowatts(..)) = against_apparent(&part.figures) {
                return Err(doubt);
            }
            sum = Some(sum.unwrap_or(0.0) + watts);
        }
        let Some(mut watts) = sum else {
            return Ok(None);
        };
        if watts < 0.0 && !self.limits.feeds_in {
            if watts < -NOISE {
                return Err(Doubt::Negative(watts));
            }
            watts = 0.0;
        }
        if watts.abs() > self.limits.max_w {
            return Err(Doubt::TooMuch(watts, self.limits.max_w));
        }
        Ok(Some(watts))
    }

    /// What all counters have counted, kWh.
    fn counted(&self) -> Option<f64> {
        let totals = self.parts.values();
        let totals = totals.filter_map(|part| part.energy.as_ref()?.total());
        totals.reduce(|sum, total| sum + total)
    }

    /// How it fares at `now`.
    pub(crate) fn look(&self, now: Instant) -> Look {
        let Some((heard, at)) = self.heard else {
            return if self.online {
                Look::NeverHeard
            } else {
                Look::Offline
            };
        };
        if !self.online {
            return Look::Offline;
        }
        let silence = now.duration_since(heard);
        if silence > self.limits.silent_after {
            return Look::Silent(silence);
        }
        let mut parts = self.parts.values().map(|part| part.figures);
        let mut figures = match (parts.next(), parts.next()) {
            (Some(only), None) => only,
            _ => Figures::default(),
        };
        let doubt = self.doubt(now);
        let fresh = |(_, at): &(f64, Instant)| now.duration_since(*at) <= self.limits.silent_after;
        figures.power_w = self.power.filter(fresh).map(|(watts, _)| watts);
        if doubt == Some(Doubt::SlowPower) {
            figures.power_w = None;
        }
        let counted = self.counted();
        let integrated = (self.integral > 0.0 || self.power.is_some()).then_some(self.integral);
        let gathered = self.begun.is_whole(now);
        figures.energy_kwh = match counted {
            _ if !gathered => None,
            Some(_) if doubt == Some(Doubt::FastCounter) => None,
            Some(counted) => Some(counted + self.integral),
            None => integrated,
        };
        let out = self.parts.values();
        let out = out.filter_map(|part| part.returned.as_ref()?.total());
        let out = out.reduce(|sum, total| sum + total);
        figures.returned_kwh = out.filter(|_| gathered);
        Look::Live(View { figures, at, doubt })
    }

    /// The gravest of what is wrong.
    fn doubt(&self, now: Instant) -> Option<Doubt> {
        let any = |is: fn(&Counter) -> bool| {
            let counters = self
                .parts
                .values()
                .flat_map(|part| [&part.energy, &part.returned]);
            counters.flatten().any(is)
        };
        let two = any(Counter::is_of_two);
        let adrift = any(Counter::is_adrift);
        let watts = self.power.map(|(watts, _)| watts);
        let apparent = || {
            let mut parts = self.parts.values();
            parts.find_map(|part| against_apparent(&part.figures))
        };
        let jumped = self
            .wrong
            .jumped
            .is_some_and(|at| now.duration_since(at) < TOLD);
        two.then_some(Doubt::TwoVoices)
            .or_else(|| adrift.then_some(Doubt::FastCounter))
            .or(self.wrong.withheld)
            .or_else(|| self.pace.doubt(watts))
            .or(self.wrong.relay_off)
            .or_else(|| self.wrong.frozen.then_some(Doubt::Frozen(watts?)))
            .or_else(|| jumped.then_some(Doubt::Jumped))
            .or_else(|| self.wrong.absurd_counter.then_some(Doubt::NoCounter))
            .or_else(apparent)
            .or_else(|| self.wrong.unreadable.then_some(Doubt::Unreadable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn track(feeds_in: bool) -> Track {
        Track::new(Limits {
            max_w: 4000.0,
            feeds_in,
            power: 1.0,
            energy: 1.0,
            silent_after: Duration::from_mins(15),
        })
    }

    fn view(track: &Track, now: Instant) -> Option<View> {
        match track.look(now) {
            Look::Live(view) => Some(view),
            Look::NeverHeard | Look::Offline | Look::Silent(_) => None,
        }
    }

    fn wild() -> impl Strategy<Value = Option<f64>> {
        prop_oneof![
            2 => Just(None),
            4 => (0.0..5000.0).prop_map(Some),
            1 => any::<f64>().prop_map(Some),
        ]
    }

    fn figures() -> impl Strategy<Value = Figures> {
        (
            wild(),
            wild(),
            wild(),
            wild(),
            wild(),
            any::<Option<bool>>(),
        )
            .prop_map(
                |(power_w, energy_kwh, returned_kwh, voltage_v, current_a, relay)| Figures {
                    power_w,
                    energy_kwh,
                    returned_kwh,
                    voltage_v,
                    current_a,
                    relay,
                    ..Figures::default()
                },
            )
    }

    proptest! {
        /// Whatever a meter says: what is told of it is a number within its bounds, its energy
        /// never goes back, and silence is silence.
        #[test]
        fn nothing_absurd_is_ever_told(
            said in prop::collection::vec((0u8..3, figures(), 1u64..2000, any::<bool>()), 1..60),
            feeds_in in any::<bool>(),
        ) {
            let mut track = track(feeds_in);
            let (mut now, at) = (Instant::now(), Timestamp::UNIX_EPOCH);
            let (mut energy, mut returned) = (0.0, 0.0);
            for (part, figures, seconds, retained) in said {
                now += Duration::from_secs(seconds);
                let heard = Heard::part(part, figures);
                let empty = heard.parts.is_empty();
                track.hear(&heard, retained, now, at);
                let Some(view) = view(&track, now) else {
                    prop_assert!(retained || empty, "it has just spoken");
                    continue;
                };
                let told = view.figures;
                if let Some(watts) = told.power_w {
                    let least = if feeds_in { -4000.0 } else { 0.0 };
                    prop_assert!((least..=4000.0).contains(&watts), "{watts} W");
                }
                for (last, new) in [(&mut energy, told.energy_kwh), (&mut returned, told.returned_kwh)] {
                    if let Some(new) = new {
                        prop_assert!(new.is_finite() && new >= *last, "{new} after {last}");
                        *last = new;
                    }
                }
                for figure in [told.voltage_v, told.current_a].into_iter().flatten() {
                    prop_assert!(figure.is_finite());
                }
                let later = now + Duration::from_mins(16);
                prop_assert!(matches!(track.look(later), Look::Silent(_)));
            }
        }
    }

    #[test]
    fn what_is_kept_is_taken_up_and_nonsense_is_not() {
        let now = Instant::now();
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let mut before = track(false);
        assert_eq!(before.record(at), None);
        let figures = Figures {
            power_w: Some(60.0),
            energy_kwh: Some(7.0),
            returned_kwh: Some(1.0),
            ..Figures::default()
        };
        before.hear(&Heard::part(0, figures), false, now, at);
        let kept = serde_json::to_string(&before.record(at)).unwrap();
        let record: Record = serde_json::from_str(&kept).unwrap();
        let mut after = track(false);
        after.restore(&record, at, now);
        assert_eq!(view(&after, now), None, "nobody has spoken yet");
        after.hear(&Heard::part(0, figures), false, now, at);
        let told = view(&after, now).unwrap().figures;
        assert_eq!((told.energy_kwh, told.returned_kwh), (Some(7.0), Some(1.0)));
        let odd = r#"{"at":"2020-01-01T00:00:00Z","integral":0.5,"parts":{"0":[[1.0,-5.0],null]}}"#;
        let record: Record = serde_json::from_str(odd).unwrap();
        let mut other = track(false);
        other.restore(&record, at, now);
        other.hear(&Heard::part(0, figures), false, now, at);
        // The counter is a late one then; what was integrated before stays.
        assert_eq!(view(&other, now).unwrap().figures.energy_kwh, Some(0.5));
    }
}
