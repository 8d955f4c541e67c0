//! What shows only after months and years.

use super::*;

#[test]
fn a_range_of_years_has_all_its_days() {
    let house = House::new();
    for day in ["2016-01-01", "2026-05-03"] {
        let next = day.parse::<Date>().unwrap().tomorrow().unwrap();
        house.book(day, &next.to_string(), |_| 1.5);
    }
    let told = house.told("2026-05-04T10:00:00Z", "2016..2026", "");
    close(&told["figures"]["energy_kwh"]["value"], 3.0);
    close(&told["figures"]["cost_eur"]["value"], 0.9);
}

#[test]
fn what_was_not_yet_there_has_cost_nothing_that_is_told_and_used_nothing() {
    let house = House::new();
    house.history("2026-05-01T00:00:00Z", "2026-05-04T12:00:00Z", 50.0);
    house.book("2026-05-01", "2026-05-04", |_| 1.2);
    // A day of which only the currency is known: homewatch began at its very end.
    let day = Day {
        currency: Some("EUR".to_owned()),
        ..Day::default()
    };
    let record = serde_json::to_vec(&day).unwrap();
    (house.store)
        .put(Collection::PowerDays, "2026-04-30", &record)
        .unwrap();
    let told = house.told("2026-05-04T10:00:00Z", "month", "");
    let figures = &told["figures"];
    assert!(figures["cost_eur"].get("before").is_none(), "{figures}");
    let standing =
        "[power.tariff.changes.old]\nsince = \"2020-01-01\"\nprice = 0.3\nstanding = 12\n";
    let told = house.told("2026-05-04T10:00:00Z", "month", standing);
    let charge = &told["figures"]["standing_eur"];
    assert!(charge["value"].as_f64() > Some(1.0), "{charge}");
    assert!(charge.get("before").is_none(), "{charge}");
    // The 30th from midnight to six is before all that is known of it.
    house.book("2026-04-30", "2026-05-01", |_| 0.1);
    let told = house.told(
        "2026-05-04T10:00:00Z",
        "2026-05-01T00:00:00Z..2026-05-01T06:00:00Z",
        "",
    );
    for table in ["services", "processes"] {
        let row = &told["tables"][table][0];
        assert!(row.get("before_kwh").is_none_or(Json::is_null), "{row}");
    }
}

/// Berlin's hours from 20 to 22 UTC in winter are those of the night from 21 to 23.
const NIGHT: &str = "[power.tariff.windows.night]\nprice = 0.1\nfrom = \"21:00\"\nto = \"23:00\"\n\
    [power.meters.plug]\ntasmota = \"plug\"\nfeeds = \"node-pc\"\n";

#[test]
fn another_machine_s_months_cost_what_their_hours_cost() {
    let house = House::new();
    let plug = Subject::of_host(Area::Power, "meter-plug", "Plug");
    let (mut energy, mut watt_hours) = (100.0, 0.0);
    let start: Timestamp = "2025-11-03T00:00:00Z".parse().unwrap();
    // 100 W in the two cheap hours of each day, 10 W else, for 80 days.
    for quarter in 0..80 * 96_u32 {
        let at = start
            .checked_add((i64::from(quarter) * 15).minutes())
            .unwrap();
        let is_cheap = (80..88).contains(&(quarter % 96));
        let watts = if is_cheap { 100.0 } else { 10.0 };
        let reading = Reading::new(&plug)
            .with(&POWER, watts)
            .with(&ENERGY, energy);
        let outcome = Outcome {
            collector: "meter",
            result: Ok(vec![reading]),
        };
        let outcomes = vec![outcome];
        house.store.append(&Batch { at, outcomes }).unwrap();
        energy += watts / 4000.0;
        watt_hours += watts / 4.0;
    }
    house.store.sync().unwrap();
    let now = "2026-02-10T10:00:00Z";
    let told = house.told_of(Some("pc"), now, "2025-11-03..2026-01-21", NIGHT);
    let figures = &told["figures"];
    close(
        &figures["energy_kwh"]["value"],
        (watt_hours / 1000.0 * 100.0_f64).round() / 100.0,
    );
    // 0.2 kWh at 0.1 and 0.22 at 0.3 a day.
    let cost = figures["cost_eur"]["value"].as_f64().unwrap();
    assert!((cost - 80.0 * 0.086).abs() < 0.02, "{cost}");
    close(&figures["mean_w"]["value"], 17.5);
    close(&figures["min_w"]["value"], 10.0);
    close(&figures["peak_w"]["value"], 100.0);
}

#[test]
fn the_mean_of_what_is_known_by_the_hour_only_is_that_of_its_samples() {
    let dir = tempfile::tempdir().unwrap();
    let config = crate::config::HistoryConfig {
        retention: std::time::Duration::from_hours(72),
        ..crate::config::HistoryConfig::default()
    };
    let store = Store::open_with(dir.path(), &config).unwrap();
    let house = House { dir, store };
    let plug = Subject::of_host(Area::Power, "meter-plug", "Plug");
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    // Each hour 40 W for a sixth of the time, 10 W else.
    for step in 0..10 * 144_u32 {
        let at = start.checked_add((i64::from(step) * 10).minutes()).unwrap();
        let watts = if step % 6 == 3 { 40.0 } else { 10.0 };
        let outcome = Outcome {
            collector: "meter",
            result: Ok(vec![
                Reading::new(&plug)
                    .with(&POWER, watts)
                    .with(&ENERGY, f64::from(step) * 0.01),
            ]),
        };
        let outcomes = vec![outcome];
        house.store.append(&Batch { at, outcomes }).unwrap();
    }
    house.store.sync().unwrap();
    let plugged = "[node]\ninterval = \"10m\"\n[power.meters.plug]\ntasmota = \"plug\"\nfeeds = \"node-pc\"\n";
    let now = "2026-01-11T10:00:00Z";
    for period in ["2026-01-02", "2026-01-09"] {
        let told = house.told_of(Some("pc"), now, period, plugged);
        close(&told["figures"]["mean_w"]["value"], 15.0);
        close(&told["figures"]["min_w"]["value"], 10.0);
        close(&told["figures"]["peak_w"]["value"], 40.0);
    }
}

#[test]
fn what_a_counter_went_over_the_end_of_a_period_counts_for_its_part() {
    let house = House::new();
    let plug = Subject::of_host(Area::Power, "meter-plug", "Plug");
    let tell = |at: &str, kwh: f64| {
        let outcome = Outcome {
            collector: "meter",
            result: Ok(vec![Reading::new(&plug).with(&ENERGY, kwh)]),
        };
        let (at, outcomes) = (at.parse().unwrap(), vec![outcome]);
        house.store.append(&Batch { at, outcomes }).unwrap();
    };
    // Every hour at ten to; Berlin's 2nd of May is from 22:00 to 22:00.
    tell("2026-05-01T20:50:00Z", 1.0);
    tell("2026-05-01T21:50:00Z", 1.6);
    tell("2026-05-01T22:50:00Z", 2.2);
    tell("2026-05-01T23:50:00Z", 2.2);
    // Nobody knows when it counted in these hours, but in this day.
    tell("2026-05-02T20:50:00Z", 3.2);
    tell("2026-05-02T21:50:00Z", 3.2);
    tell("2026-05-02T22:50:00Z", 3.8);
    house.store.sync().unwrap();
    let energy = |period: &str| {
        let told = house.told("2026-05-04T10:00:00Z", period, "");
        told["tables"]["meters"][0]["energy_kwh"].as_f64()
    };
    let bins = [
        "2026-05-01",
        "2026-05-02",
        "2026-05-03",
        "2026-05-02..2026-05-03",
    ];
    // 50 minutes of the hour over midnight are the new day's.
    house.book("2026-05-01", "2026-05-04", |_| 1.0);
    assert_eq!(
        bins.map(energy),
        [Some(0.7), Some(1.6), Some(0.5), Some(2.1)]
    );
}
