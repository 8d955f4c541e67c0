use super::*;
use crate::power::testing::berlin;
use serde_json::json;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn feed() -> Feed {
    let config = FeedConfig {
        topics: vec!["p".to_owned()],
        statestream: Some("ha/sensor/nordpool".to_owned()),
        stale_after: Duration::from_hours(2),
    };
    Feed::new(config, -1000.0..=1000.0)
}

const NOW: &str = "2026-05-01T10:00:00Z";

fn say(feed: &mut Feed, topic: &str, payload: &str) {
    feed.hear(topic, payload.as_bytes(), false, at(NOW), &berlin());
}

/// What the feed knows of a message at moments.
fn heard(payload: &serde_json::Value, moments: &[&str]) -> Vec<Option<f64>> {
    let mut feed = feed();
    say(&mut feed, "p", &payload.to_string());
    assert_eq!(feed.trouble(), None, "{payload}");
    moments.iter().map(|moment| feed.at(at(moment))).collect()
}

#[test]
fn lists_of_every_form_are_read() {
    let want = [None, Some(1.5), Some(1.5), Some(-2.0), None];
    let moments = [
        "2026-05-01T09:59:59Z",
        "2026-05-01T10:00:00Z",
        "2026-05-01T10:59:59Z",
        "2026-05-01T11:00:00Z",
        "2026-05-01T12:00:00Z",
    ];
    let two = |one: serde_json::Value, other: serde_json::Value| json!([one, other]);
    let nordpool = two(
        json!({"start": "2026-05-01T12:00:00+02:00", "end": "2026-05-01T13:00:00+02:00", "value": 1.5}),
        json!({"start": "2026-05-01T13:00:00+02:00", "end": "2026-05-01T14:00:00+02:00", "value": -2.0}),
    );
    let tibber = two(
        json!({"start_time": "2026-05-01 12:00:00+02:00", "price": 1.5}),
        json!({"start_time": "2026-05-01 13:00:00+02:00", "price": "-2.0"}),
    );
    let tibber_api = two(
        json!({"startsAt": "2026-05-01T12:00:00.000+02:00", "total": 1.5, "energy": 1.0}),
        json!({"startsAt": "2026-05-01T13:00:00.000+02:00", "total": -2.0, "energy": 1.0}),
    );
    let awattar = two(
        json!({"start_timestamp": 1_777_629_600_000_i64, "end_timestamp": 1_777_633_200_000_i64, "marketprice": 1.5, "unit": "Eur/MWh"}),
        json!({"start_timestamp": 1_777_633_200_000_i64, "end_timestamp": 1_777_636_800_000_i64, "marketprice": -2.0, "unit": "Eur/MWh"}),
    );
    let epex = two(
        json!({"start_time": "2026-05-01T10:00:00+00:00", "end_time": "2026-05-01T11:00:00+00:00", "price_per_kwh": 1.5}),
        json!({"start_time": "2026-05-01T11:00:00+00:00", "end_time": "2026-05-01T12:00:00+00:00", "price_per_kwh": -2.0}),
    );
    let naive = two(
        json!({"time": "2026-05-01T12:00:00", "price": 1.5}),
        json!({"time": "2026-05-01T13:00:00", "price": -2.0}),
    );
    for list in [&nordpool, &tibber, &tibber_api, &awattar, &epex, &naive] {
        assert_eq!(heard(list, &moments), want, "{list}");
    }
    let nested = json!({"object": "list", "url": 7, "data": awattar});
    assert_eq!(heard(&nested, &moments), want);
    let split = json!({"raw_today": [nordpool[0]], "raw_tomorrow": [nordpool[1]]});
    assert_eq!(heard(&split, &moments), want);
    let homes = json!({"prices": {"My home": tibber}});
    assert_eq!(heard(&homes, &moments), want);
    // Quarters of an hour without ends; the last is as long as the one before.
    let quarters = json!([
        {"start": "2026-05-01T10:00:00Z", "price": 1.0},
        {"start": "2026-05-01T10:15:00Z", "price": 2.0, "end": null},
    ]);
    let found = heard(
        &quarters,
        &[
            "2026-05-01T10:14:59Z",
            "2026-05-01T10:29:59Z",
            "2026-05-01T10:30:00Z",
        ],
    );
    assert_eq!(found, [Some(1.0), Some(2.0), None]);
}

#[test]
fn gaps_stay_gaps_and_overlaps_have_one_price() {
    let list = json!([
        {"start": "2026-05-01T10:00:00Z", "end": "2026-05-01T12:00:00Z", "price": 1},
        {"start": "2026-05-01T11:00:00Z", "end": "2026-05-01T12:00:00Z", "price": 2},
        {"start": "2026-05-01T14:00:00Z", "end": "2026-05-01T15:00:00Z", "price": 3},
    ]);
    let moments = [
        "2026-05-01T10:30:00Z",
        "2026-05-01T11:00:00Z",
        "2026-05-01T13:00:00Z",
    ];
    assert_eq!(heard(&list, &moments), [Some(1.0), Some(2.0), None]);
    let mut feed = feed();
    say(&mut feed, "p", &list.to_string());
    assert_eq!(feed.ahead(at("2026-05-01T14:30:00Z")), Some(3.0));
    // A finer list goes before what it covers, and what reaches into it is cut.
    let finer = json!([
        {"start": "2026-05-01T10:30:00Z", "end": "2026-05-01T10:45:00Z", "price": 7},
        {"start": "2026-05-01T10:45:00Z", "end": "2026-05-01T11:30:00Z", "price": 8},
    ]);
    say(&mut feed, "p", &finer.to_string());
    let now: Vec<_> = ["10:29:59", "10:30:00", "11:00:00", "11:45:00", "14:30:00"]
        .iter()
        .map(|time| feed.at(at(&format!("2026-05-01T{time}Z"))))
        .collect();
    assert_eq!(now, [Some(1.0), Some(7.0), Some(8.0), None, Some(3.0)]);
    assert_eq!(feed.heard(), 2);
}

#[test]
fn changes_of_the_clock_leave_an_hour_out_and_make_one_two() {
    let list = |day: &str, times: &[(&str, f64)]| {
        let slots = times
            .iter()
            .map(|(time, price)| json!({"start": format!("{day}T{time}:00"), "price": price}));
        serde_json::Value::Array(slots.collect())
    };
    let mut feed = feed();
    let spring = list("2026-04-26", &[("01:00", 1.0)]);
    say(&mut feed, "p", &spring.to_string());
    let mut feed = self::feed();
    let now = at("2026-03-28T20:00:00Z");
    let spring = list(
        "2026-03-29",
        &[("01:00", 1.0), ("02:00", 2.0), ("03:00", 3.0)],
    );
    feed.hear("p", spring.to_string().as_bytes(), true, now, &berlin());
    assert_eq!(feed.at(at("2026-03-29T00:30:00Z")), Some(1.0));
    assert_eq!(feed.at(at("2026-03-29T01:30:00Z")), Some(3.0));
    assert_eq!(feed.trouble(), Some("1 time on p makes no sense"));
    let mut feed = self::feed();
    let now = at("2026-10-24T20:00:00Z");
    let autumn = list(
        "2026-10-25",
        &[
            ("01:00", 1.0),
            ("02:00", 2.0),
            ("02:00", 2.5),
            ("03:00", 3.0),
        ],
    );
    feed.hear("p", autumn.to_string().as_bytes(), true, now, &berlin());
    let hours = [
        "2026-10-24T23:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T02:30:00Z",
    ];
    let told: Vec<_> = hours.iter().map(|hour| feed.at(at(hour))).collect();
    assert_eq!(told, [Some(1.0), Some(2.0), Some(2.5), Some(3.0)]);
    assert_eq!(feed.trouble(), None);
}

#[test]
fn a_number_holds_until_the_next_and_goes_stale() {
    let mut feed = feed();
    for payload in [
        "0.25",
        " 0.25 ",
        "\"0.25\"",
        r#"{"price": 0.25}"#,
        r#"{"state": "0.25"}"#,
    ] {
        say(&mut feed, "p", payload);
        assert_eq!(feed.at(at(NOW)), Some(0.25), "{payload}");
    }
    assert_eq!(
        feed.at(at("2026-05-01T09:59:59Z")),
        None,
        "before it was told"
    );
    assert_eq!(feed.at(at("2026-05-01T12:00:00Z")), Some(0.25));
    assert_eq!(feed.at(at("2026-05-01T12:00:01Z")), None, "stale");
    feed.hear("p", b"0.5", false, at("2026-05-01T11:00:00Z"), &berlin());
    assert_eq!(
        feed.at(at("2026-05-01T10:59:59Z")),
        Some(0.25),
        "its own time's"
    );
    assert_eq!(feed.at(at("2026-05-01T13:00:00Z")), Some(0.5));
    // Who floods it loses the oldest.
    for second in 0..100 {
        let now = at("2026-05-01T11:00:00Z") + Duration::from_secs(second);
        feed.hear("p", b"1", false, now, &berlin());
    }
    assert_eq!(feed.at(at("2026-05-01T11:00:10Z")), None);
}

#[test]
fn neither_what_is_of_unknown_age_nor_nonsense_is_a_figure() {
    let mut feed = feed();
    feed.hear("p", b"0.25", true, at(NOW), &berlin());
    feed.hear("other", b"0.25", false, at(NOW), &berlin());
    for silent in ["", "unknown", "unavailable", "None", "null", "[]"] {
        say(&mut feed, "p", silent);
    }
    assert_eq!(
        (feed.at(at(NOW)), feed.trouble(), feed.heard()),
        (None, None, 0)
    );
    let deep = "[".repeat(9) + &"]".repeat(9);
    for (payload, words) in [
        ("cheap", "\"cheap\" on p is neither"),
        ("NaN", "neither"),
        ("1e999", "neither"),
        ("true", "neither"),
        ("5000", "\"5000\" on p cannot be"),
        ("[1, 2, 3]", "neither"),
        (r#"[{"start": "yesterday", "price": 1}]"#, "neither"),
        (r#"[{"start": true, "price": 1}]"#, "neither"),
        (
            r#"[{"start": "2026-05-01T10:00:00Z", "price": "x"}]"#,
            "neither",
        ),
        (
            r#"[{"start": "2026-05-01T10:00:00Z", "price": 5000}]"#,
            "neither",
        ),
        (
            r#"[{"start": "2026-05-01T10:00:00Z", "end": "2026-05-01T09:00:00Z", "price": 1}]"#,
            "neither",
        ),
        (
            r#"[{"start": "2026-05-01T10:00:00Z", "end": "2026-05-03T10:00:00Z", "price": 1}]"#,
            "neither",
        ),
        (r#"{"start": "x", "price": 0.1}"#, "cannot be"),
        (&*deep, "neither"),
        ("{\"price\": ", "neither"),
    ] {
        say(&mut feed, "p", payload);
        say(&mut feed, "p", payload);
        let told = feed.trouble().unwrap_or_default();
        assert!(told.contains(words), "{payload}: {told}");
        assert_eq!(feed.at(at(NOW)), None, "{payload}");
    }
    feed.hear("p", &[0xff, 0xfe], false, at(NOW), &berlin());
    assert!(feed.trouble().is_some());
    say(&mut feed, "p", "0.1");
    assert_eq!(feed.trouble(), None, "it makes sense again");
    // A flood of slots is cut.
    let slots = (0..3000).map(|n| json!({"start": 1_777_629_600 + n * 900, "price": n}));
    let list = serde_json::Value::Array(slots.collect());
    say(&mut feed, "p", &list.to_string());
    assert!(feed.kept().slots.len() < 900, "nine days at most");
}

#[test]
fn of_an_entity_a_number_counts_in_its_state_only() {
    let mut feed = feed();
    assert_eq!(feed.filters(), ["p", "ha/sensor/nordpool/+"]);
    say(&mut feed, "ha/sensor/nordpool/average", "9.9");
    say(&mut feed, "ha/sensor/nordpool/unit", "kWh");
    say(&mut feed, "ha/sensor/nordpoolx/state", "9.9");
    assert_eq!((feed.at(at(NOW)), feed.trouble()), (None, None));
    say(&mut feed, "ha/sensor/nordpool/state", "0.3");
    assert_eq!(feed.at(at(NOW)), Some(0.3));
    let list = json!([{"start": NOW, "value": 0.4}]);
    let list = list.to_string();
    feed.hear(
        "ha/sensor/nordpool/raw_today",
        list.as_bytes(),
        true,
        at(NOW),
        &berlin(),
    );
    assert_eq!(feed.at(at(NOW)), Some(0.4), "a list goes before a number");
}

#[test]
fn what_was_heard_survives_a_restart_unless_it_is_of_something_else() {
    let mut feed = feed();
    say(&mut feed, "p", "0.25");
    let list = json!([{"start": "2026-05-01T12:00:00Z", "value": 0.4}]);
    say(&mut feed, "p", &list.to_string());
    let kept = serde_json::to_string(&feed.kept()).unwrap();
    let kept: KeptFeed = serde_json::from_str(&kept).unwrap();
    let mut again = self::feed();
    again.restore(&kept);
    assert_eq!(again.at(at("2026-05-01T11:00:00Z")), Some(0.25));
    assert_eq!(again.at(at("2026-05-01T12:30:00Z")), Some(0.4));
    let mut narrow = feed.clone();
    narrow = Feed::new(narrow.config, 5.0..=6.0);
    narrow.restore(&kept);
    assert_eq!(narrow.at(at("2026-05-01T12:30:00Z")), None);
    let mut other = feed.config.clone();
    other.topics.clear();
    let mut other = Feed::new(other, -1.0..=1.0);
    other.restore(&kept);
    assert_eq!(other.at(at("2026-05-01T11:00:00Z")), None);
}
