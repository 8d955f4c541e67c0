//! A house of made-up days: what the report says of them is worked out by hand.

mod correlation;
mod nodes;
mod years;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value as Json;

use crate::config::{self, Environment, Sources};
use crate::host::Clock;
use crate::model::{Area, Batch, Metric, Outcome, Reading, Subject, Unit};
use crate::power::{Day, HostDay, Owner, Sum};
use crate::report::{Asked, Basis, Format, Period, Reports};
use crate::store::{Collection, Store};

static POWER: Metric = Metric::gauge("power_w", "Power", Unit::Watt).decimals(1);
static ENERGY: Metric = Metric::total("energy_kwh", "Energy", Unit::KilowattHour).decimals(4);
static COST: Metric = Metric::total("cost_eur", "Cost", Unit::Money).decimals(4);

static TIES: [Metric; 4] = [
    Metric::gauge("cpu_correlation", "Processor", Unit::None).decimals(2),
    Metric::gauge("cpu_lag_s", "Processor", Unit::Second),
    Metric::gauge("disk_correlation", "Disks", Unit::None).decimals(2),
    Metric::gauge("network_correlation", "Network", Unit::None).decimals(2),
];

const TARIFF: &str = "[power.tariff]\ncurrency = \"EUR\"\ntime_zone = \"Europe/Berlin\"\nprice = 0.3\n\
     standing = 0.1\nstanding_per = \"day\"\n";

struct House {
    dir: tempfile::TempDir,
    store: Store,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Self { dir, store }
    }

    /// Each day from `first` to before `end` used what `kwh` says, half of it by nothing, a
    /// quarter by jellyfin.
    fn book(&self, first: &str, end: &str, kwh: impl Fn(Date) -> f64) {
        let (first, end): (Date, Date) = (first.parse().unwrap(), end.parse().unwrap());
        for date in first.series(1.day()).take_while(|date| *date < end) {
            let energy = kwh(date);
            let sum = |share: f64| Sum {
                energy_kwh: energy * share,
                cost: energy * share * 0.3,
                peak_w: 10.0,
            };
            let ffmpeg = Owner {
                service: "jellyfin".to_owned(),
                command: "ffmpeg".to_owned(),
            };
            let day = Day {
                currency: Some("EUR".to_owned()),
                host: HostDay {
                    made_up_kwh: 0.0,
                    energy_kwh: energy,
                    cost: energy * 0.3,
                    mean_w: energy * 1000.0 / 24.0,
                    min_w: Some(20.0),
                    peak_w: Some(60.0 + f64::from(date.day())),
                    measured_w: None,
                    watched_s: 86_400.0,
                    estimated_kwh: energy * 0.1,
                },
                idle: sum(0.5),
                gpu: Sum::default(),
                other: sum(0.15),
                services: BTreeMap::from([
                    ("jellyfin".to_owned(), sum(0.25)),
                    ("<b>odd</b>".to_owned(), sum(0.1)),
                ]),
                processes: BTreeMap::from([(ffmpeg, sum(0.25))]),
                rest: Sum::default(),
            };
            let record = serde_json::to_vec(&day).unwrap();
            self.store
                .put(Collection::PowerDays, &date.to_string(), &record)
                .unwrap();
        }
    }

    /// The history tells `watts` from `from` to `to`, twice an hour.
    fn history(&self, from: &str, to: &str, watts: f64) {
        let (mut at, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
        let host = Subject::of_host(Area::Power, "host", "Node");
        let plug = Subject::of_host(Area::Power, "meter-plug", "Plug");
        let second = Subject::of_host(Area::Power, "meter-second", "Second plug");
        let mut energy = 100.0;
        while at <= to {
            let readings = vec![
                Reading::new(&host)
                    .with(&POWER, watts)
                    .with(&ENERGY, energy)
                    .with(&COST, energy * 0.3),
                Reading::new(&plug)
                    .with(&POWER, watts * 2.0)
                    .with(&ENERGY, energy * 2.0),
                Reading::new(&second)
                    .with(&POWER, watts)
                    .with(&ENERGY, energy),
            ];
            let outcome = Outcome {
                collector: "power",
                result: Ok(readings),
            };
            let outcomes = vec![outcome];
            self.store.append(&Batch { at, outcomes }).unwrap();
            at = at.checked_add(30.minutes()).unwrap();
            energy += watts / 2000.0;
        }
        self.store.sync().unwrap();
    }

    fn reports(&self, now: &str, more: &str) -> Reports {
        let file = self.dir.path().join("homewatch.toml");
        std::fs::write(&file, format!("{more}\n{TARIFF}")).unwrap();
        let config = config::load(&Sources {
            file: Some(file),
            environment: Environment::default(),
            beneath: None,
        });
        let config = Arc::new(config.unwrap_or_else(|problems| panic!("{problems:?}")));
        let clock = Clock::set_to(now.parse().unwrap());
        Reports::new(Basis {
            config,
            ..Basis::plain(&self.store, clock)
        })
    }

    fn told(&self, now: &str, period: &str, more: &str) -> Json {
        self.told_of(None, now, period, more)
    }

    fn told_of(&self, node: Option<&str>, now: &str, period: &str, more: &str) -> Json {
        let asked = Asked {
            period: period.parse::<Period>().unwrap(),
            node: node.map(str::to_owned),
        };
        let document = self.reports(now, more).make("power", &asked).unwrap();
        // Every format takes it.
        for format in [Format::Text, Format::Csv, Format::Html] {
            let shown = format.render(&document);
            assert!(format != Format::Html || !shown.contains("<b>odd"));
        }
        serde_json::from_str(&Format::Json.render(&document)).unwrap()
    }
}

fn close(told: &Json, want: f64) {
    let told = told
        .as_f64()
        .unwrap_or_else(|| panic!("{told} is no number, {want} is wanted"));
    assert!((told - want).abs() < 0.011, "{told} is not {want}");
}

fn texts(told: &Json) -> String {
    let notes = told["notes"].as_array().unwrap().iter();
    notes
        .map(|note| note["text"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_month_is_summed_up_and_held_against_the_one_before_and_last_year() {
    let house = House::new();
    house.book("2025-05-01", "2025-06-01", |_| 3.0);
    house.book("2026-04-01", "2026-06-01", |date| {
        if date.month() == 4 { 2.0 } else { 1.0 }
    });
    let told = house.told(
        "2026-06-15T10:00:00Z",
        "2026-05",
        "[power.co2]\ng_per_kwh = 400\n",
    );
    let figures = &told["figures"];
    close(&figures["energy_kwh"]["value"], 31.0);
    close(&figures["energy_kwh"]["before"], 60.0);
    close(&figures["energy_kwh"]["last_year"], 93.0);
    close(&figures["cost_eur"]["value"], 9.3);
    close(&figures["mean_w"]["value"], 41.667);
    close(&figures["min_w"]["value"], 20.0);
    close(&figures["peak_w"]["value"], 91.0);
    assert_eq!(figures["peak_w"]["remark"], "on Sun 31 May 2026");
    close(&figures["idle_pct"]["value"], 50.0);
    close(&figures["co2_kg"]["value"], 12.4);
    let services = told["tables"]["services"].as_array().unwrap();
    let names: Vec<_> = services
        .iter()
        .map(|row| row["service"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["(idle)", "jellyfin", "(everything else)", "<b>odd</b>"]
    );
    close(&services[1]["energy_kwh"], 7.75);
    close(&services[1]["before_kwh"], 15.0);
    close(&services[1]["last_year_kwh"], 23.25);
    close(&services[1]["cost_eur"], 2.33);
    let parts: f64 = services
        .iter()
        .map(|row| row["energy_kwh"].as_f64().unwrap())
        .sum();
    assert!(
        (parts - 31.0).abs() < 0.02,
        "the parts add up to the whole: {parts}"
    );
    assert_eq!(told["tables"]["processes"][0]["process"], "ffmpeg");
    let days = &told["charts"]["energy"]["series"];
    assert_eq!(days[0]["values"].as_array().unwrap().len(), 31);
    close(&days[1]["values"][0], 2.0);
    assert_eq!(days[1]["values"][30], Json::Null, "April has no 31st");
    assert!(
        texts(&told).contains("10 % of the energy is estimated"),
        "{}",
        texts(&told)
    );
    assert!(!texts(&told).contains("without data"), "{}", texts(&told));
}

#[test]
fn a_service_s_mean_is_over_the_time_that_was_watched_as_the_machine_s_is() {
    let house = House::new();
    house.book("2026-05-04", "2026-05-05", |_| 0.004);
    let record = house.store.get(Collection::PowerDays, "2026-05-04");
    let mut day: Day = serde_json::from_slice(&record.unwrap().unwrap()).unwrap();
    // Ten minutes of 24 W, and nothing is known of the rest of the day.
    (day.host.watched_s, day.host.mean_w) = (600.0, 24.0);
    let record = serde_json::to_vec(&day).unwrap();
    house
        .store
        .put(Collection::PowerDays, "2026-05-04", &record)
        .unwrap();
    let told = house.told("2026-06-15T10:00:00Z", "2026-05-04..2026-05-05", "");
    close(&told["figures"]["mean_w"]["value"], 24.0);
    close(&told["tables"]["services"][0]["mean_w"], 12.0);
}

#[test]
fn a_part_of_a_day_is_read_from_the_history_and_so_is_what_the_book_does_not_have() {
    let house = House::new();
    house.history("2026-05-01T00:00:00Z", "2026-05-04T12:00:00Z", 50.0);
    house.book("2026-05-03", "2026-05-05", |date| {
        if date.day() == 3 { 1.2 } else { 0.7 }
    });
    // Today as the book has it; yesterday until the same time from the history.
    let told = house.told("2026-05-04T10:00:00Z", "day", "");
    close(&told["figures"]["energy_kwh"]["value"], 0.7);
    close(&told["figures"]["energy_kwh"]["before"], 0.6);
    close(&told["figures"]["cost_eur"]["before"], 0.18);
    close(&told["figures"]["mean_w"]["before"], 50.0);
    let hours = &told["charts"]["energy"]["series"][0]["values"];
    assert_eq!(hours.as_array().unwrap().len(), 24);
    close(&hours[3], 0.05);
    assert_eq!(hours[20], Json::Null, "it has not been yet");
    close(&told["tables"]["services"][1]["before_kwh"], 0.15);
    let told = house.told(
        "2026-05-04T10:00:00Z",
        "2026-05-02T00:00:00Z..2026-05-02T06:00:00Z",
        "",
    );
    close(&told["figures"]["energy_kwh"]["value"], 0.3);
    close(&told["tables"]["meters"][0]["energy_kwh"], 0.6);
    assert_eq!(told["tables"]["meters"][0]["meter"], "plug");
    assert!(
        told["figures"]["idle_pct"].get("value").is_none(),
        "nobody knows what it went to"
    );
}

#[test]
fn where_it_goes_is_told_with_an_interval_or_not_at_all() {
    let house = House::new();
    house.book("2026-05-28", "2026-06-02", |_| 1.0);
    let told = house.told("2026-06-01T21:59:59Z", "month", "");
    let month = &told["figures"]["forecast_month_kwh"];
    assert!(month.get("value").is_none());
    assert_eq!(month["remark"], "4 whole days are known; 7 are needed");
    let trend = &told["figures"]["trend_kwh_per_month"];
    assert!(
        trend["remark"].as_str().unwrap().contains("are needed"),
        "{trend}"
    );

    house.book("2025-12-01", "2026-06-11", |date| {
        let number = f64::from(date.day_of_year());
        1.0 + 0.01 * number + if date.day() % 2 == 0 { 0.1 } else { -0.1 }
    });
    let told = house.told("2026-06-10T21:59:59Z", "month", "");
    let figures = &told["figures"];
    let month = &figures["forecast_month_kwh"];
    let (low, value, high) = (&month["low"], &month["value"], &month["high"]);
    let [low, value, high] = [low, value, high].map(|one| one.as_f64().unwrap());
    assert!(
        low < value && value < high && (70.0..85.0).contains(&value),
        "{month}"
    );
    assert!(figures["forecast_month_eur"]["value"].as_f64().unwrap() > value * 0.29);
    let year = &figures["forecast_year_kwh"];
    assert!(
        year["remark"]
            .as_str()
            .unwrap()
            .contains("seasons are not known yet"),
        "{year}"
    );
    let trend = &figures["trend_kwh_per_month"];
    assert!(
        (trend["value"].as_f64().unwrap() - 0.01 * 30.44 * 30.44).abs() < 1.0,
        "{trend}"
    );
    assert!(
        trend["remark"]
            .as_str()
            .unwrap()
            .starts_with("a month uses more"),
        "{trend}"
    );

    // Another summer is known, in which days used half as much.
    house.book("2025-05-01", "2025-12-01", |date| {
        if date.month() == 5 { 2.0 } else { 1.0 }
    });
    let told = house.told("2026-06-01T00:00:00Z", "year", "");
    let year = &told["figures"]["forecast_year_kwh"];
    assert!(
        year["remark"]
            .as_str()
            .unwrap()
            .contains("the seasons of last year"),
        "{year}"
    );
    assert_eq!(told["charts"]["energy"]["at"].as_array().unwrap().len(), 12);
    let told = house.told("2026-06-01T00:00:00Z", "2025", "");
    assert!(
        texts(&told).contains("h are without data"),
        "{}",
        texts(&told)
    );
}

#[test]
fn of_a_period_of_which_nothing_is_known_nothing_is_claimed() {
    let house = House::new();
    let told = house.told("2026-05-04T10:00:00Z", "2024-02", "");
    assert!(texts(&told).contains("Nothing is known of this period"));
    assert_eq!(told["figures"], serde_json::json!({}));
}

#[test]
fn the_standing_charge_begins_with_the_first_day_that_is_known_as_it_is_booked() {
    let house = House::new();
    house.book("2026-05-03", "2026-05-06", |_| 1.2);
    let told = house.told("2026-05-05T10:00:00Z", "2026-05", "");
    let standing = &told["figures"]["standing_eur"];
    close(&standing["value"], 0.3);
    assert!(standing.get("before").is_none(), "{standing}");
    // Days without data between others are charged all the same.
    house.book("2026-05-08", "2026-05-09", |_| 1.2);
    let told = house.told("2026-05-09T10:00:00Z", "2026-05-06..2026-05-08", "");
    close(&told["figures"]["standing_eur"]["value"], 0.3);
}

/// Half a watt for a day is no nothing.
#[test]
fn what_is_small_is_told_as_it_is() {
    let house = House::new();
    house.book("2026-05-01", "2026-05-02", |_| 0.0048);
    let document = house.reports("2026-05-02T10:00:00Z", "");
    let asked = "2026-05-01".parse::<Period>().unwrap().into();
    let document = document.make("power", &asked).unwrap();
    for (format, words) in [
        (Format::Text, "0.0048 kWh"),
        (Format::Csv, "figure,energy_kwh,value,0.0048,kWh"),
        (Format::Html, "0.0048"),
        (Format::Json, "\"value\": 0.0048"),
    ] {
        let told = format.render(&document);
        assert!(told.contains(words), "{told}");
        assert!(!told.contains("0.00 kWh"), "{told}");
    }
}

const OTHERS: &str = "[power.meters.plug]\ntasmota = \"plug\"\nfeeds = \"node-pc\"\n\
    [power.meters.dead]\ntasmota = \"dead\"\nfeeds = \"node-pi\"\n\
    [power.meters.own]\ntasmota = \"own\"\nfeeds = \"node-nas\"\n";
