//! What is published of money and CO₂.

use std::sync::{Arc, LazyLock};

use super::metrics;
use crate::model::{Area, Reading, Subject, Timestamp};
use crate::power::metrics::{
    BASIS, CHEAPEST_AT, CO2, CO2_MONTH, CO2_NOW, CO2_TODAY, RETURNED, RETURNED_TODAY,
};
use crate::power::till::Till;

static PRICE: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "price", "Electricity price"));
static FEED_IN: LazyLock<Arc<Subject>> =
    LazyLock::new(|| Subject::of_host(Area::Power, "feed-in", "Feed-in"));

/// What the machine's energy costs and emits, with the rest that is told of it.
pub(super) fn host(at: Timestamp, till: &Till, reading: &mut Reading) {
    let money = till.money();
    let booked = money.booked();
    if let Some(metrics) = metrics(money) {
        reading.push(&metrics.cost, Some(booked.whole.cost));
        reading.push(&metrics.today, Some(booked.today.cost));
        reading.push(&metrics.month, Some(booked.month.cost));
        let quote = till.quote(at);
        reading.push(&metrics.price, quote.map(|quote| quote.price));
        let standing = booked.standing.sums;
        if standing.whole > 0.0 {
            reading.push(&metrics.standing, Some(standing.whole));
            reading.push(&metrics.standing_month, Some(standing.month));
            let total = booked.month.cost + standing.month;
            reading.push(&metrics.total_month, Some(total));
        }
        let basis = quote.filter(|_| till.is_dynamic(at));
        reading.push(&BASIS, basis.map(|quote| quote.basis.word()));
    }
    if let Some(g_per_kwh) = till.g_per_kwh(at) {
        reading.push(&CO2, Some(booked.co2_kg.whole));
        reading.push(&CO2_TODAY, Some(booked.co2_kg.today));
        reading.push(&CO2_MONTH, Some(booked.co2_kg.month));
        reading.push(&CO2_NOW, Some(g_per_kwh));
    }
}

/// What the next hours cost, and what the house earns.
pub(in crate::power) fn ahead(at: Timestamp, till: &mut Till) -> Vec<Reading> {
    let Some(metrics) = metrics(till.money()) else {
        return Vec::new();
    };
    let outlook = till.outlook(at);
    let ahead = outlook.map(|outlook| {
        let (begin, mean) = outlook.cheapest.unzip();
        let mut reading = Reading::new(&PRICE);
        reading.push(&metrics.next, outlook.next_hour);
        reading.push(&CHEAPEST_AT, begin);
        reading.push(&metrics.cheapest, mean);
        reading
    });
    // Of a list that is yet to come nothing is known.
    let ahead = ahead.filter(|reading| !reading.values.is_empty());
    let booked = till.money().booked();
    let (returned, earned) = (booked.returned_kwh, booked.earned);
    let fed = (returned.whole > 0.0).then(|| {
        Reading::new(&FEED_IN)
            .with(&RETURNED, returned.whole)
            .with(&RETURNED_TODAY, returned.today)
            .with(&metrics.earned, earned.whole)
            .with(&metrics.earned_today, earned.today)
            .with(&metrics.earned_month, earned.month)
    });
    ahead.into_iter().chain(fed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;
    use crate::power::{Booked, Draw};

    #[test]
    fn what_the_next_hours_cost_and_what_the_house_earns_is_told_where_it_is_known() {
        use crate::config::{Period, Rates, Standing, TariffConfig, Terms, Window};
        use crate::model::Value;
        use crate::power::till::Returned;

        let mut free = Till::new(None, None, Booked::default(), Returned::new());
        assert!(ahead(Timestamp::UNIX_EPOCH, &mut free).is_empty());
        let night = Window {
            name: "night".to_owned(),
            price: 0.1,
            from: 60,
            to: 240,
            days: [true; 7],
        };
        let terms = Terms {
            rates: Rates {
                price: Some(0.3),
                windows: vec![night],
            },
            standing: Some(Standing {
                charge: 3.1,
                per: Period::Month,
            }),
            ..Terms::default()
        };
        let utc = jiff::tz::TimeZone::UTC;
        let tariff = TariffConfig::new("EUR".to_owned(), utc, vec![terms]);
        let booked = r#"{"returned_kwh":{"whole":5.0},"earned":{"today":0.1,"whole":0.4}}"#;
        let booked = serde_json::from_str(booked).unwrap();
        let mut till = Till::new(Some(tariff), None, booked, Returned::new());
        let at = Timestamp::UNIX_EPOCH;
        let told = ahead(at, &mut till);
        let figure = |reading: &Reading, key: &str| reading.value(key).and_then(Value::as_number);
        assert_eq!(figure(&told[0], "price_next_eur"), Some(0.1));
        let begin = jiff::Timestamp::from_second(3600).unwrap();
        assert_eq!(told[0].value("cheapest_at"), Some(&Value::Moment(begin)));
        assert!((figure(&told[0], "price_cheapest_eur").unwrap() - 0.1).abs() < 1e-9);
        assert_eq!(figure(&told[1], "returned_kwh"), Some(5.0));
        assert_eq!(figure(&told[1], "earned_eur"), Some(0.4));
        till.book(at, at, 0.0);
        let draw = Draw {
            power_w: 10.0,
            band_w: (10.0, 10.0),
            idle_w: 5.0,
            idle_band_w: (4.0, 6.0),
            never_below_pct: None,
            source: Source::Meter,
            basis: None,
            doubt: None,
            dispute: None,
            energy_kwh: 0.0,
        };
        let whole = super::super::host(at, &draw, &till, Some(8.0));
        assert_eq!(figure(&whole, "standby_limit_w"), Some(8.0));
        assert!((figure(&whole, "standing_month_eur").unwrap() - 0.1).abs() < 1e-9);
        assert_eq!(figure(&whole, "price_eur"), Some(0.3));
        assert_eq!(whole.value("price_basis"), None, "it is no dynamic one");
        assert_eq!(figure(&whole, "co2_kg"), None);
    }
}
