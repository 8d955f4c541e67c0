use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;

use super::{Ask, Look, News, Outcome, Session};
use crate::model::{Batch, Timestamp, Value};
use crate::power::{NodePower, PowerSample, Scope, SourceKind, Work};

/// The collectors that tell temperatures of this machine.
const THERMOMETERS: [&str; 2] = ["hwmon", "thermal"];
/// Of a meter's pace so much is of its last two readings.
const NEW: f64 = 0.3;

/// Ties a [`Session`] to those who ask for one and to the model that it teaches.
#[derive(Debug, Default)]
pub(in crate::power) struct Guide {
    asks: Vec<Ask>,
    running: Option<(Session, Ask)>,
    pace: Pace,
}

/// How often the meter of this machine speaks.
#[derive(Debug, Default)]
struct Pace {
    last: Option<(String, Timestamp)>,
    seconds: Option<f64>,
}

impl Pace {
    fn step(&mut self, samples: &[PowerSample]) {
        let mut own = samples.iter().filter(|one| one.scope == Scope::Host);
        let Some(meter) = own.find(|one| one.kind == SourceKind::Meter) else {
            return;
        };
        let told = (meter.source_id.clone(), meter.at);
        let Some((name, at)) = self.last.replace(told) else {
            return;
        };
        let seconds = meter.at.duration_since(at).as_secs_f64();
        if name != meter.source_id {
            self.seconds = None;
        } else if seconds > 0.0 {
            let known = self.seconds.unwrap_or(seconds);
            self.seconds = Some(known + (seconds - known) * NEW);
        }
    }

    fn interval(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.seconds?).ok()
    }
}

impl Guide {
    /// Somebody asks; it is begun at the next look.
    pub(in crate::power) fn ask(&mut self, ask: Ask) {
        self.asks.push(ask);
    }

    /// Goes on with a look; gives what was measured once it has taught `node`.
    pub(in crate::power) fn step(
        &mut self,
        up: Duration,
        batch: &Batch,
        samples: &[PowerSample],
        node: &mut NodePower,
    ) -> Option<Outcome> {
        self.pace.step(samples);
        let look = Look {
            up,
            samples,
            usage_pct: Work::of(batch).usage_pct,
            hottest: hottest(batch),
        };
        for ask in std::mem::take(&mut self.asks) {
            self.begin(&ask, &look, node);
        }
        let (mut session, ask) = self.running.take()?;
        for mut news in session.step(&look) {
            let mut taught = None;
            let is_over = match &mut news {
                News::Done(outcome) => {
                    taught = finish(outcome, &ask, node);
                    true
                }
                News::Stopped { .. } => true,
                News::Begun { .. } | News::Load { .. } | News::Seen { .. } | News::Point { .. } => {
                    false
                }
            };
            let sent = ask.news.try_send(news);
            if is_over || matches!(sent, Err(TrySendError::Closed(_))) {
                return taught;
            }
        }
        self.running = Some((session, ask));
        None
    }

    fn begin(&mut self, ask: &Ask, look: &Look<'_>, node: &NodePower) {
        let busy = self
            .running
            .as_ref()
            .filter(|(_, other)| !other.news.is_closed());
        let begun = match busy {
            Some(_) => Err("another calibration is on its way".to_owned()),
            None => Session::begin(ask.wish, look, node.lag(), self.pace.interval()),
        };
        let news = match begun {
            Ok((session, news)) => {
                self.running = Some((session, ask.clone()));
                news
            }
            Err(why) => vec![News::Stopped { why }],
        };
        for news in news {
            // Who has hung up is noticed at the next look.
            drop(ask.news.try_send(news));
        }
    }
}

/// Compares with what was estimated before, and teaches the model.
fn finish(outcome: &mut Outcome, ask: &Ask, node: &mut NodePower) -> Option<Outcome> {
    let off = outcome.points.iter().filter_map(|(usage_pct, watts)| {
        let work = Work {
            usage_pct: Some(*usage_pct),
            ..Work::default()
        };
        Some((node.estimated_w(&work)? / watts - 1.0).abs() * 100.0)
    });
    let off: Vec<f64> = off.collect();
    let count = off.iter().fold(0.0, |count, _| count + 1.0);
    outcome.before_pct = (count > 0.0).then(|| off.iter().sum::<f64>() / count);
    outcome.kept = !ask.wish.dry_run && node.calibrate(&outcome.points, outcome.error_pct / 100.0);
    outcome.kept.then(|| outcome.clone())
}

/// The part that is nearest to what is critical for it, °C.
fn hottest(batch: &Batch) -> Option<(f64, Option<f64>)> {
    let outcomes = batch.outcomes.iter();
    let told = outcomes.filter(|one| THERMOMETERS.contains(&one.collector));
    let readings = told.filter_map(|one| one.result.as_ref().ok()).flatten();
    let parts = readings.filter_map(|reading| {
        let number = |key: &str| reading.value(key).and_then(Value::as_number);
        let temperature = number("temperature_c").filter(|one| one.is_finite())?;
        Some((temperature, number("critical_c")))
    });
    let room =
        |(temperature, critical): &(f64, Option<f64>)| critical.unwrap_or(100.0) - temperature;
    parts.min_by(|one, other| room(one).total_cmp(&room(other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Area, Metric, Outcome as Told, Reading, Subject, Unit};
    use crate::power::Wish;
    use tokio::sync::mpsc;

    static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent);
    static HOT: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius);
    static CRITICAL: Metric = Metric::gauge("critical_c", "Critical", Unit::Celsius);

    fn batch(usage: f64, hot: f64) -> Batch {
        let of = |id: &str| Reading::new(&Subject::of_host(Area::Health, id, id));
        let outcome = |collector, readings| Told {
            collector,
            result: Ok(readings),
        };
        Batch {
            at: Timestamp::UNIX_EPOCH,
            outcomes: vec![
                outcome("cpu", vec![of("cpu").with(&USAGE, usage)]),
                outcome(
                    "hwmon",
                    vec![
                        of("temp-a").with(&HOT, 70.0).with(&CRITICAL, 110.0),
                        of("temp-b").with(&HOT, hot).with(&CRITICAL, 90.0),
                        of("temp-c").with(&HOT, 50.0),
                        of("fan"),
                    ],
                ),
            ],
        }
    }

    fn plug(name: &str, up: u64, watts: f64) -> PowerSample {
        PowerSample {
            source_id: name.to_owned(),
            label: "Plug".to_owned(),
            kind: SourceKind::Meter,
            scope: Scope::Host,
            at: Timestamp::from_second(i64::try_from(up).unwrap()).unwrap(),
            age: Duration::ZERO,
            power_w: Some(watts),
            energy_kwh: None,
            suspect: None,
        }
    }

    struct Play {
        guide: Guide,
        node: NodePower,
        up: u64,
        load: f64,
    }

    impl Play {
        fn new() -> Self {
            Self {
                guide: Guide::default(),
                node: NodePower::new(None, 0.0),
                up: 0,
                load: 0.0,
            }
        }

        fn ask(&mut self, dry_run: bool) -> mpsc::Receiver<News> {
            let (news, receiver) = mpsc::channel(64);
            let wish = Wish {
                seconds_per_point: Some(20),
                dry_run,
            };
            self.guide.ask(Ask { wish, news });
            receiver
        }

        fn look(&mut self, hot: f64) -> Option<Outcome> {
            self.up += 10;
            let samples = [plug("plug", self.up, 20.0 + 0.5 * self.load)];
            let batch = batch(self.load, hot);
            let up = Duration::from_secs(self.up);
            self.guide.step(up, &batch, &samples, &mut self.node)
        }

        fn run(&mut self, news: &mut mpsc::Receiver<News>) -> (News, Option<Outcome>) {
            for _ in 0..60 {
                let taught = self.look(40.0);
                while let Ok(news) = news.try_recv() {
                    if let News::Load { load_pct, .. } = news {
                        self.load = f64::from(load_pct);
                    }
                    if matches!(news, News::Done(_) | News::Stopped { .. }) {
                        return (news, taught);
                    }
                }
            }
            panic!("it has no end");
        }
    }

    #[test]
    fn what_was_measured_teaches_the_model_and_is_told_unless_it_was_a_rehearsal() {
        let mut play = Play::new();
        play.look(40.0);
        let mut news = play.ask(true);
        let (last, taught) = play.run(&mut news);
        assert_eq!(taught, None);
        assert!(matches!(&last, News::Done(done) if !done.kept && done.before_pct.is_none()));
        let mut news = play.ask(false);
        let (last, taught) = play.run(&mut news);
        let News::Done(done) = last else {
            panic!("{last:?}")
        };
        assert!(done.kept);
        assert_eq!(taught, Some(done));
        let work = Work {
            usage_pct: Some(60.0),
            ..Work::default()
        };
        let told = play.node.estimated_w(&work).unwrap();
        assert!((told - 50.0).abs() < 0.5, "{told}");
        let mut news = play.ask(true);
        let (last, _) = play.run(&mut news);
        assert!(matches!(last, News::Done(done) if done.before_pct.unwrap() < 1.0));
    }

    #[test]
    fn one_at_a_time_and_one_that_nobody_hears_is_given_up() {
        let mut play = Play::new();
        let first = play.ask(false);
        play.look(40.0);
        let mut second = play.ask(false);
        play.look(40.0);
        let refused = second.try_recv().unwrap();
        assert!(matches!(refused, News::Stopped { why } if why.contains("another")));
        drop(first);
        let mut third = play.ask(false);
        let (last, _) = play.run(&mut third);
        assert!(matches!(last, News::Done(_)), "{last:?}");
        let fourth = play.ask(false);
        play.look(40.0);
        drop(fourth);
        play.look(40.0);
        assert!(play.guide.running.is_none());
    }

    #[test]
    fn the_part_that_is_nearest_to_its_limit_stops_it() {
        let mut play = Play::new();
        let mut news = play.ask(false);
        play.look(40.0);
        assert_eq!(play.look(88.0), None);
        let told = std::iter::from_fn(|| news.try_recv().ok()).last().unwrap();
        assert!(matches!(told, News::Stopped { why } if why.contains("88 °C")));
        assert_eq!(
            hottest(&Batch {
                at: Timestamp::UNIX_EPOCH,
                outcomes: Vec::new()
            }),
            None
        );
    }

    #[test]
    fn the_pace_of_a_meter_is_that_of_its_readings() {
        let mut pace = Pace::default();
        pace.step(&[]);
        assert_eq!(pace.interval(), None);
        for up in [0, 60, 60, 120, 180] {
            pace.step(&[plug("a", up, 1.0)]);
        }
        assert_eq!(pace.interval(), Some(Duration::from_mins(1)));
        pace.step(&[plug("b", 200, 1.0)]);
        assert_eq!(pace.interval(), None, "another meter");
    }
}
