use super::*;
use crate::model::{Area, FlagMeaning, Outcome, Unit};

static TEMPERATURE: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius)
    .decimals(1)
    .dead_band(0.5);
static SPEED: Metric = Metric::gauge("fan_rpm", "Speed", Unit::Rpm);
static HOT: Metric = Metric::flag("hot", "Hot", FlagMeaning::Problem);
static NAME: Metric = Metric::text("name", "Name");
static SEEN: Metric = Metric::moment("seen", "Seen");

const HEARTBEAT: Duration = Duration::from_mins(5);

struct Bench {
    state: Arc<State>,
    cpu: Arc<Subject>,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

impl Bench {
    fn new() -> Self {
        Self {
            state: State::new(HEARTBEAT),
            cpu: Subject::of_host(Area::Health, "cpu", "CPU"),
        }
    }

    fn outcome(&self, second: i64, result: Result<Vec<Reading>, String>) -> Vec<Changed> {
        self.state.apply(&Batch {
            at: at(second),
            outcomes: vec![Outcome {
                collector: "cpu",
                result,
            }],
        })
    }

    fn read(&self, second: i64, build: impl FnOnce(Reading) -> Reading) -> Option<String> {
        let reading = build(Reading::new(&self.cpu));
        let changed = self.outcome(second, Ok(vec![reading]));
        let payload = changed.first()?.payload.clone()?;
        Some(String::from_utf8(payload.to_vec()).unwrap())
    }

    fn degrees(&self, second: i64, degrees: f64) -> Option<String> {
        self.read(second, |reading| reading.with(&TEMPERATURE, degrees))
    }
}

#[test]
fn a_payload_holds_what_is_known_rounded_and_with_its_source_and_time() {
    let bench = Bench::new();
    let mut detail = Map::new();
    detail.insert("cores".into(), Json::from(vec![1, 2]));
    detail.insert("ts".into(), Json::from("not the time"));
    let payload = bench.read(0, |mut reading| {
        reading.source = Some(Source::Rapl);
        reading.detail = Some(detail);
        reading
            .with(&TEMPERATURE, 41.06)
            .with(&SPEED, 1200.4)
            .with(&HOT, false)
            .with(&NAME, "x\"y")
            .with(&SEEN, at(1))
    });
    assert_eq!(
        payload.unwrap(),
        "{\"cores\":[1,2],\"fan_rpm\":1200,\"hot\":false,\"name\":\"x\\\"y\",\
         \"seen\":\"2027-01-15T08:00:01.000Z\",\"source\":\"rapl\",\"temperature_c\":41.1,\
         \"ts\":\"2027-01-15T08:00:00.000Z\"}"
    );
}

#[test]
fn what_is_not_known_or_no_number_is_left_out_and_never_zero() {
    let bench = Bench::new();
    let payload = bench.read(0, |reading| {
        reading
            .with(&TEMPERATURE, f64::NAN)
            .with(&SPEED, f64::INFINITY)
            .with_known(&HOT, None::<bool>)
    });
    assert_eq!(payload.unwrap(), "{\"ts\":\"2027-01-15T08:00:00.000Z\"}");
    assert!(bench.state.subject("health/cpu").unwrap().values.is_empty());
    let zero = bench.degrees(1, -0.01).unwrap();
    assert!(zero.contains(":0.0,"), "no negative zero: {zero}");
}

#[test]
fn a_change_within_the_dead_band_is_silent_but_known() {
    let bench = Bench::new();
    assert!(bench.degrees(0, 40.0).is_some());
    assert!(bench.degrees(10, 40.4).is_none());
    let known = bench.state.subject("health/cpu").unwrap();
    assert_eq!(known.values[0].1, Value::Number(40.4));
    assert_eq!(known.at, at(10));
    assert!(
        bench.degrees(20, 39.6).is_none(),
        "measured against what was published"
    );
    assert!(bench.degrees(30, 40.5).is_some());
    assert!(bench.degrees(40, 40.5).is_none());
}

#[test]
fn without_a_dead_band_every_change_counts_and_sameness_is_silent() {
    let bench = Bench::new();
    let speed = |second, rpm: f64| bench.read(second, |reading| reading.with(&SPEED, rpm));
    assert!(speed(0, 900.0).is_some());
    assert!(speed(1, 900.2).is_none(), "rounded it is the same");
    assert!(speed(2, 901.0).is_some());
}

#[test]
fn a_slow_drift_is_published_in_the_end() {
    let bench = Bench::new();
    let sent = (0..100_i32)
        .filter(|n| {
            bench
                .degrees(i64::from(*n), 40.0 + 0.1 * f64::from(*n))
                .is_some()
        })
        .count();
    assert!((15..=25).contains(&sent), "{sent}");
}

#[test]
fn an_unchanged_state_is_published_anew_after_the_heartbeat() {
    let bench = Bench::new();
    assert!(bench.degrees(0, 40.0).is_some());
    assert!(bench.degrees(299, 40.0).is_none());
    assert!(bench.degrees(300, 40.0).is_some());
    assert!(bench.degrees(301, 40.0).is_none());
}

#[test]
fn a_clock_that_jumps_back_does_not_stop_publishing() {
    let bench = Bench::new();
    assert!(bench.degrees(100_000, 40.0).is_some());
    assert!(bench.degrees(50, 40.0).is_some(), "with the new time");
    assert!(bench.degrees(60, 40.0).is_none());
    assert!(bench.degrees(40, 40.0).is_some(), "also by a little");
    assert!(bench.degrees(340, 40.0).is_some());
}

#[test]
fn a_figure_that_comes_or_goes_a_source_or_a_detail_that_changes_is_news() {
    let bench = Bench::new();
    assert!(bench.degrees(0, 40.0).is_some());
    let both = |r: Reading| r.with(&TEMPERATURE, 40.0).with(&SPEED, 900.0);
    assert!(bench.read(1, both).is_some());
    assert!(bench.degrees(2, 40.0).is_some());
    let from_model = |mut r: Reading| {
        r.source = Some(Source::Model);
        r.with(&TEMPERATURE, 40.0)
    };
    assert!(bench.read(3, from_model).is_some());
    let with_detail = |mut r: Reading| {
        r.detail = Some(Map::from_iter([("a".to_owned(), Json::from(1))]));
        from_model(r)
    };
    assert!(bench.read(4, with_detail).is_some());
    assert!(bench.read(5, with_detail).is_none());
}

#[test]
fn an_error_makes_all_subjects_of_the_collector_unavailable_until_they_are_read_again() {
    let bench = Bench::new();
    bench.degrees(0, 40.0);
    let changed = bench.outcome(1, Err("no sensor".into()));
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].available, Some(false));
    assert!(changed[0].payload.is_none());
    assert!(
        bench.outcome(2, Err("no sensor".into())).is_empty(),
        "told once"
    );
    assert_eq!(
        bench.state.collectors(),
        [("cpu", Some("no sensor".to_owned()))]
    );
    let reading = Reading::new(&bench.cpu).with(&TEMPERATURE, 40.0);
    let changed = bench.outcome(3, Ok(vec![reading]));
    assert_eq!(changed[0].available, Some(true));
    assert!(
        changed[0].payload.is_some(),
        "even if no figure has changed"
    );
    assert_eq!(bench.state.collectors(), [("cpu", None)]);
}

#[test]
fn a_subject_that_is_no_longer_listed_is_unavailable_and_others_are_left_alone() {
    let bench = Bench::new();
    bench.degrees(0, 40.0);
    let other = Subject::of_host(Area::Health, "fan", "Fan");
    let fan = Reading::new(&other).with(&SPEED, 900.0);
    let changed = bench.outcome(1, Ok(vec![fan]));
    let told: Vec<_> = changed
        .iter()
        .map(|c| (c.subject.key(), c.available))
        .collect();
    assert_eq!(
        told,
        [("health/fan", Some(true)), ("health/cpu", Some(false))]
    );
    let another = Outcome {
        collector: "another",
        result: Err("broken".into()),
    };
    let batch = Batch {
        at: at(2),
        outcomes: vec![another],
    };
    assert!(bench.state.apply(&batch).is_empty());
    assert!(bench.state.subject("health/fan").unwrap().available);
}

#[test]
fn the_revision_grows_with_every_published_change_and_only_then() {
    let bench = Bench::new();
    let mut last = bench.state.revision();
    let mut grows = |yes: bool, what: &str| {
        let now = bench.state.revision();
        assert_eq!(now > last, yes, "{what}");
        last = now;
    };
    bench.degrees(0, 40.0);
    grows(true, "the first reading");
    bench.degrees(1, 40.1);
    grows(false, "within the dead band");
    drop(bench.outcome(2, Err("x".into())));
    grows(true, "unavailable");
    bench.state.forget("health/cpu");
    grows(true, "forgotten");
    bench.state.forget("health/cpu");
    grows(false, "forgotten already");
    assert!(bench.state.subjects().is_empty());
}

#[test]
fn other_nodes_are_known_but_not_without_end() {
    let (bus, _requests) = crate::bus::Bus::new(State::new(Duration::from_mins(5)));
    for number in 0..1_200 {
        bus.node(&format!("node-{number}"), true);
    }
    assert_eq!(bus.state().nodes().len(), 1_000);
    bus.node("node-7", false);
    bus.node("node-1100", false);
    let offline = bus.state().nodes();
    let offline: Vec<_> = offline.iter().filter(|(_, online)| !online).collect();
    assert_eq!(offline.len(), 1, "one that is known is still heard");
}
