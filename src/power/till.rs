//! All that money and CO₂ need from tick to tick: what is booked, what is told from outside, and
//! what the next hours cost. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::feed::{Feed, KeptFeed};
use super::money::{Booked, Money, Told};
use super::outlook::Outlook;
use super::price::{Basis, Quote};
use super::{PowerSample, Scope};
use crate::bus::Foreign;
use crate::config::{Co2Config, DEAREST, DynamicConfig, TariffConfig, Terms};
use crate::model::{Batch, Value};

/// No grid emits more for a kWh, g.
const DIRTIEST: f64 = 5000.0;

/// Money and CO₂.
pub(super) struct Till {
    money: Money,
    co2: Option<Co2Config>,
    feeds: Feeds,
    /// What was last worked out of the next hours, and of when it is.
    outlook: (Option<(i64, u64)>, Outlook),
    /// The counters of what the house feeds in, kWh, by meter.
    returned: BTreeMap<String, f64>,
}

/// Prices that are told, by the date of the terms that ask for them.
type Prices = Vec<(Option<Date>, Feed)>;

/// Everything that is told on MQTT.
struct Feeds {
    /// Prices, by the date of the terms that ask for them.
    prices: Prices,
    /// What is paid for what is fed in, likewise.
    exports: Prices,
    carbon: Option<Feed>,
    /// How often they had taken something in when they were last kept.
    kept: u64,
}

type KeptPrices = Vec<(Option<Date>, KeptFeed)>;

/// What is told from outside, as it is kept over restarts. Only ever add fields.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptFeeds {
    prices: KeptPrices,
    exports: KeptPrices,
    carbon: Option<KeptFeed>,
}

/// The counters of what the house feeds in, by meter.
pub(super) type Returned = BTreeMap<String, f64>;

/// The most that a kWh can cost where the listed price is `listed`: exchanges let it come to some ten
/// times that, and whoever takes EUR/MWh for EUR/kWh is a thousand times off.
fn dearest(listed: Option<f64>) -> f64 {
    let listed = listed.filter(|price| *price > 0.0);
    listed.map_or(DEAREST, |price| (price * 30.0).clamp(10.0, DEAREST))
}

impl Feeds {
    fn new(tariff: Option<&TariffConfig>, co2: Option<&Co2Config>) -> Self {
        let prices = |of: fn(&Terms) -> Option<&DynamicConfig>| {
            let terms = tariff.into_iter().flat_map(|tariff| &tariff.terms);
            let prices = terms.filter_map(|terms| {
                let dynamic = of(terms)?;
                let most = dearest(terms.rates.price) / dynamic.scale;
                Some((terms.since, Feed::new(dynamic.feed.clone(), -most..=most)))
            });
            prices.collect()
        };
        let carbon = co2.and_then(|co2| co2.feed.clone());
        Self {
            prices: prices(|terms| terms.dynamic.as_ref()),
            exports: prices(|terms| terms.export.as_ref()),
            carbon: carbon.map(|feed| Feed::new(feed, 0.0..=DIRTIEST)),
            kept: 0,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Feed> {
        let prices = self.prices.iter().chain(&self.exports);
        prices.map(|(_, feed)| feed).chain(&self.carbon)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Feed> {
        let prices = self.prices.iter_mut().chain(&mut self.exports);
        prices.map(|(_, feed)| feed).chain(&mut self.carbon)
    }

    fn heard(&self) -> u64 {
        self.all().map(Feed::heard).sum()
    }

    /// What a kWh costs by what was told, before steps and tax.
    fn price(&self, terms: &Terms, at: Timestamp) -> Option<f64> {
        let dynamic = terms.dynamic.as_ref()?;
        Some(dynamic.price(of(&self.prices, terms)?.at(at)?))
    }

    /// The same for a time to come.
    fn price_ahead(&self, terms: &Terms, at: Timestamp) -> Option<f64> {
        let dynamic = terms.dynamic.as_ref()?;
        Some(dynamic.price(of(&self.prices, terms)?.ahead(at)?))
    }

    /// What is paid for a kWh that is fed in.
    fn export(&self, terms: &Terms, at: Timestamp) -> Option<f64> {
        let told = || {
            let dynamic = terms.export.as_ref()?;
            Some(dynamic.price(of(&self.exports, terms)?.at(at)?))
        };
        told().or(terms.export_price)
    }

    fn g_per_kwh(&self, co2: Option<&Co2Config>, at: Timestamp) -> Option<f64> {
        let told = self.carbon.as_ref().and_then(|feed| feed.at(at));
        told.or_else(|| Some(co2?.g_per_kwh))
    }
}

/// The feed that `terms` ask for.
fn of<'a>(prices: &'a Prices, terms: &Terms) -> Option<&'a Feed> {
    let mut prices = prices.iter();
    let (_, feed) = prices.find(|(since, _)| *since == terms.since)?;
    Some(feed)
}

/// Takes up what was told before a restart.
fn restore(prices: &mut Prices, kept: &KeptPrices) {
    for (since, feed) in prices {
        let of = kept.iter().filter(|(other, _)| other == since);
        of.for_each(|(_, kept)| feed.restore(kept));
    }
}

fn kept(prices: &Prices) -> KeptPrices {
    let prices = prices.iter();
    prices.map(|(since, feed)| (*since, feed.kept())).collect()
}

impl Till {
    /// Goes on from what was kept.
    pub(super) fn new(
        tariff: Option<TariffConfig>,
        co2: Option<Co2Config>,
        booked: Booked,
        returned: Returned,
    ) -> Self {
        let feeds = Feeds::new(tariff.as_ref(), co2.as_ref());
        Self {
            money: Money::new(tariff, TimeZone::system(), booked),
            co2,
            feeds,
            outlook: (None, Outlook::default()),
            returned,
        }
    }

    /// Takes up what was told before a restart.
    pub(super) fn restore(&mut self, kept: &KeptFeeds) {
        restore(&mut self.feeds.prices, &kept.prices);
        restore(&mut self.feeds.exports, &kept.exports);
        if let (Some(feed), Some(kept)) = (&mut self.feeds.carbon, &kept.carbon) {
            feed.restore(kept);
        }
    }

    /// The topics that are wanted.
    pub(super) fn filters(&self) -> Vec<String> {
        self.feeds.all().flat_map(Feed::filters).collect()
    }

    /// Takes in a message that was heard at `at`.
    pub(super) fn hear(&mut self, message: &Foreign, at: Timestamp) {
        let zone = self.money.time_zone().clone();
        for feed in self.feeds.all_mut() {
            let (topic, payload) = (&message.topic, &message.payload);
            feed.hear(topic, payload, message.retained, at, &zone);
        }
    }

    /// Books energy as [`Money::book`] does.
    pub(super) fn book(&mut self, from: Timestamp, to: Timestamp, energy_kwh: f64) -> f64 {
        let (feeds, co2) = (&self.feeds, self.co2.as_ref());
        let told = Told {
            price: &|terms, at| feeds.price(terms, at),
            g_per_kwh: &|at| feeds.g_per_kwh(co2, at),
        };
        self.money.book(from, to, energy_kwh, told)
    }

    /// The same as [`Money::make_up`] does.
    pub(super) fn make_up(&mut self, from: Timestamp, to: Timestamp, energy_kwh: f64) -> f64 {
        let (feeds, co2) = (&self.feeds, self.co2.as_ref());
        let told = Told {
            price: &|terms, at| feeds.price(terms, at),
            g_per_kwh: &|at| feeds.g_per_kwh(co2, at),
        };
        self.money.make_up(from, to, energy_kwh, told)
    }

    /// Books what meters of the house have fed in since the last look.
    pub(super) fn feed_in(&mut self, batch: &Batch) {
        let readings = batch
            .outcomes
            .iter()
            .filter_map(|one| one.result.as_ref().ok());
        for reading in readings.flatten() {
            let counter = reading.value("returned_kwh").and_then(Value::as_number);
            let house = PowerSample::of(reading, batch.at).map(|sample| sample.scope);
            if let (Some(counter), Some(Scope::House)) = (counter, house) {
                let id = reading.subject.id.clone();
                let last = self.returned.insert(id, counter).unwrap_or(counter);
                if counter > last {
                    let price = |terms: &Terms| self.feeds.export(terms, batch.at);
                    self.money.feed_in(batch.at, counter - last, price);
                }
            }
        }
    }

    /// What a kWh costs at `at`.
    pub(super) fn quote(&self, at: Timestamp) -> Option<Quote> {
        let told = Told {
            price: &|terms, at| self.feeds.price(terms, at),
            ..Told::NOTHING
        };
        self.money.quote(at, told)
    }

    /// What a kWh emits at `at`, g.
    pub(super) fn g_per_kwh(&self, at: Timestamp) -> Option<f64> {
        self.feeds.g_per_kwh(self.co2.as_ref(), at)
    }

    /// Why a price or a figure of CO₂ that was told is none.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.feeds.all().find_map(Feed::trouble)
    }

    /// Whether prices are told from outside at `at`.
    pub(super) fn is_dynamic(&self, at: Timestamp) -> bool {
        let date = self.money.pricing().local(at).date();
        let terms = self.money.tariff().and_then(|tariff| tariff.terms_on(date));
        terms.is_some_and(|terms| terms.dynamic.is_some())
    }

    /// What the next hours cost, as far as that is known; `None` where they all cost the same.
    pub(super) fn outlook(&mut self, now: Timestamp) -> Option<Outlook> {
        let tariff = self.money.tariff().filter(|tariff| tariff.varies())?;
        let hours = tariff.cheapest_hours;
        let of = (now.as_second().div_euclid(900), self.feeds.heard());
        if self.outlook.0 != Some(of) {
            let told = Told {
                price: &|terms, at| self.feeds.price_ahead(terms, at),
                ..Told::NOTHING
            };
            // A fallback is no knowledge of the time to come.
            let price = |at: Timestamp| {
                let quote = self.money.quote(at, told)?;
                (quote.basis != Basis::Fallback).then_some(quote.price)
            };
            self.outlook = (Some(of), Outlook::of(now, hours, &price));
        }
        Some(self.outlook.1)
    }

    pub(super) const fn money(&self) -> &Money {
        &self.money
    }

    pub(super) fn returned(&self) -> Returned {
        self.returned.clone()
    }

    /// What was told, if it is not kept yet.
    pub(super) fn unkept(&mut self) -> Option<KeptFeeds> {
        let heard = self.feeds.heard();
        if heard == self.feeds.kept {
            return None;
        }
        self.feeds.kept = heard;
        Some(KeptFeeds {
            prices: kept(&self.feeds.prices),
            exports: kept(&self.feeds.exports),
            carbon: self.feeds.carbon.as_ref().map(Feed::kept),
        })
    }
}

#[cfg(test)]
mod tests;
