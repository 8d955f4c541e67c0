use std::time::Duration;

use super::*;
use crate::power::{PowerSample, Scope, SourceKind};

/// A machine of 20 W and half a watt for each percent, on a plug that speaks every so often.
struct Bench {
    session: Session,
    news: Vec<News>,
    up: u64,
    load: f64,
    every: u64,
}

fn plug(second: u64, watts: f64, age: u64) -> PowerSample {
    PowerSample {
        source_id: "meter-plug".to_owned(),
        label: "Plug".to_owned(),
        kind: SourceKind::Meter,
        scope: Scope::Host,
        at: jiff::Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
        age: Duration::from_secs(age),
        power_w: Some(watts),
        energy_kwh: None,
        suspect: None,
    }
}

const fn look(up: u64, samples: &[PowerSample], usage_pct: Option<f64>) -> Look<'_> {
    Look {
        up: Duration::from_secs(up),
        samples,
        usage_pct,
        hottest: None,
    }
}

impl Bench {
    fn new(wish: Wish, every: u64) -> Self {
        let samples = [plug(0, 20.0, 0)];
        let interval = Some(Duration::from_secs(every));
        let begun = Session::begin(
            wish,
            &look(0, &samples, Some(1.0)),
            Duration::ZERO,
            interval,
        );
        let (session, news) = begun.unwrap();
        Self {
            session,
            news,
            up: 0,
            load: 0.0,
            every,
        }
    }

    fn hear(&mut self) {
        for news in &self.news {
            if let News::Load { load_pct, .. } = news {
                self.load = f64::from(*load_pct);
            }
        }
    }

    /// Until it is over; gives the last of the news and the seconds that it took.
    fn run(&mut self) -> (News, u64) {
        for _ in 0..2_000 {
            self.hear();
            self.up += 10;
            let usage = self.load.mul_add(0.97, 1.0);
            let told = self.up / self.every * self.every;
            let watts = 20.0 + 0.5 * usage;
            let samples = [plug(told, watts, self.up - told)];
            let news = self.session.step(&look(self.up, &samples, Some(usage)));
            self.news = news.clone();
            if let Some(last @ (News::Done(_) | News::Stopped { .. })) = news.last() {
                return (last.clone(), self.up);
            }
        }
        panic!("it has no end");
    }
}

#[test]
fn five_loads_beside_a_quick_plug_take_five_minutes_and_give_the_curve() {
    let mut bench = Bench::new(Wish::default(), 10);
    let (begun, load) = (bench.news[0].clone(), bench.news[1].clone());
    let want = News::Begun {
        meter: "Plug".to_owned(),
        meter_interval_s: Some(10),
        total_s: 300,
    };
    assert_eq!(begun, want);
    let want = News::Load {
        point: (1, 5),
        load_pct: 0,
    };
    assert_eq!(load, want);
    let (last, took) = bench.run();
    let News::Done(outcome) = last else {
        panic!("{last:?}")
    };
    assert_eq!(outcome.points.len(), 5);
    assert!((outcome.idle_w - 20.0).abs() < 0.7, "{outcome:?}");
    assert!((outcome.max_w - 70.0).abs() < 0.7, "{outcome:?}");
    assert!(
        outcome.check_pct < 8.0 && outcome.error_pct < 4.0,
        "{outcome:?}"
    );
    assert!((300..=310).contains(&took), "{took}");
}

#[test]
fn a_slow_meter_takes_longer_and_a_wish_less() {
    let (last, took) = Bench::new(Wish::default(), 300).run();
    assert!(matches!(last, News::Done(_)), "{last:?}");
    assert!(took > 5 * 900, "three readings a point: {took}");
    let wish = Wish {
        seconds_per_point: Some(20),
        dry_run: true,
    };
    let (last, took) = Bench::new(wish, 10).run();
    assert!(matches!(last, News::Done(_)), "{last:?}");
    assert!(took <= 120, "{took}");
}

#[test]
fn it_does_not_begin_without_a_meter_of_this_machine_that_can_be_believed() {
    let refused = |samples: &[PowerSample], usage| {
        let begun = Session::begin(
            Wish::default(),
            &look(0, samples, usage),
            Duration::ZERO,
            None,
        );
        begun.map(|_| ()).unwrap_err()
    };
    assert!(refused(&[], Some(1.0)).contains("no meter measures this machine"));
    let mut shared = plug(0, 50.0, 0);
    shared.scope = Scope::Shared;
    assert!(refused(&[shared], Some(1.0)).contains("has more on it"));
    let mut package = plug(0, 50.0, 0);
    package.kind = SourceKind::Rapl;
    assert!(refused(&[package], Some(1.0)).contains("no meter"));
    let mut silent = plug(0, 50.0, 0);
    silent.power_w = None;
    assert!(refused(&[silent.clone()], Some(1.0)).contains("no meter"));
    silent.suspect = Some("says 0 W while this machine runs".to_owned());
    assert!(refused(&[silent], Some(1.0)).contains("it says 0 W"));
    let mut frozen = plug(0, 50.0, 0);
    frozen.suspect = Some("has not moved for long".to_owned());
    let doubted = refused(std::slice::from_ref(&frozen), Some(1.0));
    assert!(doubted.contains("cannot be believed: it has not moved"));
    assert!(refused(&[plug(0, 50.0, 0)], None).contains("use is not known"));
    let both = [frozen, plug(0, 50.0, 0)];
    let begun = Session::begin(
        Wish::default(),
        &look(0, &both, Some(1.0)),
        Duration::ZERO,
        None,
    );
    assert!(begun.is_ok(), "of two the one that can be believed");
}

#[test]
fn it_stops_when_it_gets_too_hot_or_the_meter_is_lost_or_nothing_comes_of_it() {
    let why = |news: Vec<News>| match news.as_slice() {
        [News::Stopped { why }] => why.clone(),
        other => panic!("{other:?}"),
    };
    let samples = [plug(10, 20.0, 0)];
    for (hottest, stops) in [
        ((96.5, Some(100.0)), true),
        ((95.0, Some(100.0)), false),
        ((97.5, None), true),
        ((90.0, None), false),
    ] {
        let mut bench = Bench::new(Wish::default(), 10);
        let hot = Look {
            hottest: Some(hottest),
            ..look(10, &samples, Some(1.0))
        };
        let news = bench.session.step(&hot);
        assert_eq!(
            matches!(news[..], [News::Stopped { .. }]),
            stops,
            "{hottest:?}"
        );
        if stops {
            assert!(why(news).contains("too hot"));
        }
    }
    let mut bench = Bench::new(Wish::default(), 10);
    assert_eq!(bench.session.step(&look(30, &[], Some(1.0))), []);
    let lost = why(bench.session.step(&look(40, &[], Some(1.0))));
    assert!(lost.contains("Plug says nothing any more"), "{lost}");
    // A plug that repeats one reading.
    let repeats = until_it_stops(2_000, |_| plug(10, 20.0, 0), 1.0);
    assert!(repeats.contains("too little"), "{repeats}");
    // Nobody makes the load.
    let flat = until_it_stops(400, |up| plug(up, 20.0, 0), 1.0);
    assert!(flat.contains("the load did not rise"), "{flat}");
    // The machine has other work.
    let busy = until_it_stops(400, |up| plug(up, 60.0, 0), 80.0);
    assert!(busy.contains("when it is calm"), "{busy}");
}

/// Why it stops when that plug is seen at that use, whatever load is asked for.
fn until_it_stops(seconds: u64, plug: fn(u64) -> PowerSample, usage: f64) -> String {
    let mut bench = Bench::new(Wish::default(), 10);
    for up in (10..seconds).step_by(10) {
        let news = bench.session.step(&look(up, &[plug(up)], Some(usage)));
        if let [News::Stopped { why }] = news.as_slice() {
            return why.clone();
        }
    }
    panic!("it goes on");
}
