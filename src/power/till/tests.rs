use bytes::Bytes;
use tokio::time::Instant;

use super::*;
use crate::config::{DynamicConfig, FeedConfig};
use crate::model::{Area, Outcome, Reading, Source, Subject};
use crate::power::metrics::RETURNED;
use crate::power::testing::close;

fn feed(topic: &str) -> FeedConfig {
    FeedConfig {
        topics: vec![topic.to_owned()],
        statestream: None,
        stale_after: std::time::Duration::from_hours(1),
    }
}

fn terms() -> Terms {
    Terms {
        dynamic: Some(DynamicConfig {
            feed: feed("p"),
            scale: 0.001,
            factor: 2.0,
            add: 0.1,
        }),
        export_price: Some(0.08),
        ..Terms::flat(0.5)
    }
}

fn till(terms: Terms) -> Till {
    let tariff = TariffConfig::new("EUR".to_owned(), TimeZone::UTC, vec![terms]);
    let co2 = Co2Config {
        g_per_kwh: 400.0,
        feed: Some(feed("c")),
    };
    Till::new(Some(tariff), Some(co2), Booked::default(), Returned::new())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn say(till: &mut Till, topic: &str, payload: &str, now: Timestamp) {
    let message = Foreign {
        topic: topic.to_owned(),
        payload: Bytes::from(payload.to_owned()),
        retained: false,
        at: Instant::now(),
    };
    till.hear(&message, now);
}

#[tokio::test]
async fn a_dynamic_price_is_used_while_it_is_known_and_told_as_a_fallback_when_not() {
    let mut till = till(terms());
    assert_eq!(till.filters(), ["p", "c"]);
    let noon = at("2026-05-01T12:00:00Z");
    let price = |till: &Till, at| till.quote(at).unwrap();
    assert_eq!(price(&till, noon).basis, Basis::Fallback);
    assert_eq!(till.g_per_kwh(noon), Some(400.0));
    say(&mut till, "p", "100", noon);
    say(&mut till, "c", "250", noon);
    let now = price(&till, noon);
    close(now.price, 0.3);
    assert_eq!((now.basis, till.is_dynamic(noon)), (Basis::Dynamic, true));
    assert_eq!(till.g_per_kwh(noon), Some(250.0));
    // An hour with it, and one after it went stale.
    close(
        till.book(noon, at("2026-05-01T14:00:00Z"), 2.0),
        0.3 * 65.0 / 60.0 + 0.5 * 55.0 / 60.0,
    );
    let booked = till.money().booked();
    close(booked.fallback_kwh.today, 55.0 / 60.0);
    close(booked.co2_kg.today, 0.25 * 65.0 / 60.0 + 0.4 * 55.0 / 60.0);
    assert_eq!(
        price(&till, at("2026-05-01T14:00:00Z")).basis,
        Basis::Fallback
    );
    say(&mut till, "p", "dear", noon);
    assert!(till.trouble().unwrap().contains("dear"));
    // More than a kWh may cost.
    say(&mut till, "p", "2000000", noon);
    assert!(till.trouble().unwrap().contains("cannot be"));
}

#[tokio::test]
async fn a_price_that_is_told_in_another_unit_is_not_believed() {
    let mut terms = terms();
    terms.dynamic.as_mut().unwrap().scale = 1.0;
    let mut till = till(terms);
    let noon = at("2026-05-01T12:00:00Z");
    // EUR/MWh where EUR/kWh was said, beside a listed price of 0.5.
    say(&mut till, "p", "85.3", noon);
    assert!(till.trouble().unwrap().contains("see to its unit"));
    assert_eq!(till.quote(noon).unwrap().basis, Basis::Fallback);
    // The dearest hour that an exchange allows is one.
    say(&mut till, "p", "4", noon);
    assert_eq!(till.quote(noon).unwrap().basis, Basis::Dynamic);
    // Without a listed price, in a currency of small coins perhaps, hardly anything is too much.
    assert!((dearest(None) - DEAREST).abs() < 1e-9);
}

#[tokio::test]
async fn the_next_hours_are_told_as_far_as_a_list_goes() {
    let mut till = till(terms());
    let now = at("2026-05-01T12:10:00Z");
    say(&mut till, "p", "100", now);
    let found = till.outlook(now).unwrap();
    assert_eq!(found, Outlook::default(), "a price of now is none of later");
    let hours = (12..20).map(|hour| {
        let price = if hour >= 16 { -50 } else { 100 };
        format!(r#"{{"start":"2026-05-01T{hour}:00:00Z","price":{price}}}"#)
    });
    let list = format!("[{}]", hours.collect::<Vec<_>>().join(","));
    say(&mut till, "p", &list, now);
    let found = till.outlook(now).unwrap();
    close(found.next_hour.unwrap(), 0.3);
    let (begin, mean) = found.cheapest.unwrap();
    assert_eq!(begin, at("2026-05-01T16:00:00Z"));
    close(mean, 0.0);
    assert_eq!(till.outlook(now), Some(found));
    let mut flat = self::till(Terms::flat(0.3));
    assert_eq!((flat.outlook(now), flat.is_dynamic(now)), (None, false));
}

#[tokio::test]
async fn what_was_told_is_kept_once_and_taken_up_again() {
    let mut till = till(terms());
    assert!(till.unkept().is_none());
    let noon = at("2026-05-01T12:00:00Z");
    say(&mut till, "p", "100", noon);
    say(&mut till, "c", "250", noon);
    let kept = till.unkept().unwrap();
    assert!(till.unkept().is_none());
    let kept = serde_json::to_vec(&kept).unwrap();
    let mut again = self::till(terms());
    again.restore(&serde_json::from_slice(&kept).unwrap());
    close(again.quote(noon).unwrap().price, 0.3);
    assert_eq!(again.g_per_kwh(noon), Some(250.0));
    // Other terms, and none of CO₂.
    let mut other = self::till(Terms {
        since: Some("2026-01-01".parse().unwrap()),
        ..terms()
    });
    other.co2 = None;
    other.feeds.carbon = None;
    other.restore(&serde_json::from_slice(&kept).unwrap());
    assert_eq!(other.quote(noon).unwrap().basis, Basis::Fallback);
    assert_eq!(other.g_per_kwh(noon), None);
}

#[tokio::test]
async fn what_the_house_feeds_in_is_paid_for() {
    let mut till = till(terms());
    let look = |till: &mut Till, scope: &Scope, counter: Option<f64>| {
        let grid = Subject::of_host(Area::Power, "meter-grid", "Grid");
        let mut reading = Reading::new(&grid).with(&crate::power::metrics::POWER, -300.0);
        reading.push(&RETURNED, counter);
        reading.source = Some(Source::Meter);
        reading.detail = Some(PowerSample::detail(scope, None));
        till.feed_in(&Batch {
            at: at("2026-05-01T12:00:00Z"),
            outcomes: vec![Outcome {
                collector: "meters",
                result: Ok(vec![reading]),
            }],
        });
        let booked = till.money().booked();
        (booked.returned_kwh.whole, booked.earned.today)
    };
    assert_eq!(look(&mut till, &Scope::House, Some(700.0)), (0.0, 0.0));
    assert_eq!(look(&mut till, &Scope::House, None), (0.0, 0.0));
    let (kwh, earned) = look(&mut till, &Scope::House, Some(702.0));
    close(kwh, 2.0);
    close(earned, 0.16);
    // It began anew; something else feeds in; no price is paid for it.
    assert_eq!(look(&mut till, &Scope::House, Some(1.0)), (kwh, earned));
    assert_eq!(look(&mut till, &Scope::Apart, Some(9.0)), (kwh, earned));
    close(till.returned()["meter-grid"], 1.0);
    // What is told of its price goes before the listed one, and goes stale.
    let told = |kept: Option<KeptFeeds>| {
        let mut told = self::till(Terms {
            export: Some(DynamicConfig {
                feed: feed("x"),
                scale: 0.001,
                factor: 1.0,
                add: 0.01,
            }),
            ..terms()
        });
        told.restore(&kept.unwrap_or_default());
        assert_eq!(told.filters(), ["p", "x", "c"]);
        told
    };
    let mut dynamic = told(None);
    look(&mut dynamic, &Scope::House, Some(1.0));
    close(look(&mut dynamic, &Scope::House, Some(2.0)).1, 0.08);
    say(&mut dynamic, "x", "-30", at("2026-05-01T11:30:00Z"));
    close(look(&mut dynamic, &Scope::House, Some(3.0)).1, 0.06);
    let mut again = told(dynamic.unkept());
    look(&mut again, &Scope::House, Some(3.0));
    close(look(&mut again, &Scope::House, Some(5.0)).1, -0.04);
    let mut unpaid = self::till(Terms::flat(0.3));
    look(&mut unpaid, &Scope::House, Some(1.0));
    assert_eq!(look(&mut unpaid, &Scope::House, Some(2.0)), (0.0, 0.0));
}
