//! Who the watts were for: services and processes over a range of days, and now.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};

use crate::power::{Day, DayBook, Given, HostDay, Owner, Shares, Sum};
use crate::store::{Store, StoreError};

use super::params::Params;
use super::series::Page;
use super::{Api, Problem, answer};

/// A longer range is not read at once.
const LONGEST: i32 = 400;
const KEYS: [&str; 6] = ["from", "to", "period", "limit", "cursor", "fields"];

/// What is told of a service.
const SERVICE: [&str; 6] = [
    "service",
    "power_w",
    "energy_kwh",
    "cost",
    "peak_w",
    "share_pct",
];
/// What is told of a process.
const PROCESS: [&str; 7] = [
    "process",
    "service",
    "power_w",
    "energy_kwh",
    "cost",
    "peak_w",
    "share_pct",
];

/// Where the days are read.
#[derive(Debug, Clone)]
pub struct Days {
    /// The day book.
    pub book: DayBook,
    /// Where it is kept.
    pub store: Store,
    /// By whose clock days begin.
    pub time_zone: TimeZone,
}

/// What every service drew over a range of days and draws now, the greatest first
#[utoipa::path(get, path = "/api/v1/power/services", tag = "power",
    params(super::document::DaysQuery, super::document::PageQuery),
    responses((status = 200, description = "`idle`, `gpu`, `other` and all services add up to `host`; what is not known is left out", body = Json,
        example = json!({"from": "2026-11-01", "to": "2026-11-26", "days": 26, "currency": "EUR",
            "host": {"power_w": 41.0, "energy_kwh": 25.1, "cost": 7.53, "mean_w": 40.2, "min_w": 33.0, "peak_w": 97.5, "watched_s": 2_246_400, "estimated_pct": 0.0},
            "idle": {"power_w": 33.0, "energy_kwh": 20.6, "cost": 6.18, "peak_w": 33.0}, "other": {"power_w": 1.0, "energy_kwh": 0.4, "cost": 0.12, "peak_w": 9.0},
            "items": [{"service": "jellyfin", "power_w": 6.2, "energy_kwh": 2.9, "cost": 0.87, "peak_w": 52.1, "share_pct": 11.6}]}))))]
pub(super) async fn services(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let asked = Asked::read(&api, &uri, &SERVICE)?;
    let (whole, now, mut body) = asked.whole(&api).await?;
    let none = BTreeMap::new();
    let live = now.as_ref().map_or(&none, |now| &now.services);
    let shares = now.as_deref();
    for (key, sum, given) in [
        ("idle", &whole.idle, shares.map(|now| &now.idle)),
        ("gpu", &whole.gpu, shares.map(|now| &now.gpu)),
        ("other", &whole.other, shares.map(|now| &now.other)),
    ] {
        let is_told =
            key != "gpu" || sum.energy_kwh > 0.0 || given.is_some_and(|g| g.power_w > 0.0);
        if is_told {
            body.insert(key.to_owned(), asked.part(&whole, sum, given).into());
        }
    }
    let items = asked.items(&whole, &whole.services, live, |name| {
        vec![("service", name.clone())]
    });
    Ok(asked.answer(&headers, body, items))
}

/// What processes drew over a range of days and draw now, the greatest first
#[utoipa::path(get, path = "/api/v1/power/processes", tag = "power",
    params(super::document::DaysQuery, super::document::PageQuery),
    responses((status = 200, description = "Those of one command in one service count together; `short-lived` is what no living process explains; `rest` are those beyond 150 a day", body = Json,
        example = json!({"from": "2026-11-26", "to": "2026-11-26", "days": 1, "currency": "EUR",
            "host": {"power_w": 41.0, "energy_kwh": 0.6, "cost": 0.18},
            "items": [{"process": "ffmpeg", "service": "jellyfin", "power_w": 5.9, "energy_kwh": 0.05, "cost": 0.015, "peak_w": 51.0, "share_pct": 8.3}]}))))]
pub(super) async fn processes(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let asked = Asked::read(&api, &uri, &PROCESS)?;
    let (whole, now, mut body) = asked.whole(&api).await?;
    if whole.rest.energy_kwh > 0.0 {
        let rest = asked.part(&whole, &whole.rest, None);
        body.insert("rest".to_owned(), rest.into());
    }
    let none = BTreeMap::new();
    let live = now.as_ref().map_or(&none, |now| &now.processes);
    let items = asked.items(&whole, &whole.processes, live, |owner: &Owner| {
        let mut names = vec![("process", owner.command.clone())];
        if !owner.service.is_empty() {
            names.push(("service", owner.service.clone()));
        }
        names
    });
    Ok(asked.answer(&headers, body, items))
}

/// What is asked for.
struct Asked {
    from: Date,
    to: Date,
    /// Whether that includes today, so that what is drawn now belongs to it.
    is_now: bool,
    page: Page,
}

impl Asked {
    /// Whose items may have the keys `fields`.
    fn read(api: &Api, uri: &Uri, fields: &'static [&'static str]) -> Result<Self, Problem> {
        let params = Params::read(uri.query(), &KEYS)?;
        let today = api.clock.now().to_zoned(api.days.time_zone.clone()).date();
        let (from, to) = range(&params, today)?;
        Ok(Self {
            from,
            to,
            is_now: (from..=to).contains(&today),
            page: Page::read(&params, fields)?.after(is_cursor)?,
        })
    }

    /// All days in one, what is drawn now, and the begin of the answer.
    async fn whole(
        &self,
        api: &Api,
    ) -> Result<(Day, Option<Arc<Shares>>, Map<String, Json>), Problem> {
        let (days, from, to) = (api.days.clone(), self.from, self.to);
        let read = tokio::task::spawn_blocking(move || days.book.days(&days.store, from, to));
        let read = read.await.map_err(|error| error.to_string());
        let days = read.and_then(|days| days.map_err(|error: StoreError| error.to_string()));
        let days = days.map_err(|error| {
            tracing::error!("the day book: {error}");
            let text = "the day book cannot be read; the log says why";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text)
        })?;
        let count = days.len();
        let mut whole = Day::default();
        for day in days.into_values() {
            whole.merge(day);
        }
        let now = api.days.book.now().filter(|_| self.is_now);
        let mut body = Map::new();
        body.insert("from".to_owned(), from.to_string().into());
        body.insert("to".to_owned(), to.to_string().into());
        body.insert("days".to_owned(), count.into());
        if let Some(currency) = &whole.currency {
            body.insert("currency".to_owned(), currency.clone().into());
        }
        let power_w = now.as_ref().map(|now| now.power_w);
        body.insert("host".to_owned(), host(&whole, power_w).into());
        Ok((whole, now, body))
    }

    /// The figures of one part.
    fn part(&self, whole: &Day, sum: &Sum, now: Option<&Given>) -> Map<String, Json> {
        let mut item = Map::new();
        // Who is not among those that draw now draws nothing.
        if self.is_now {
            put(&mut item, "power_w", now.map(|given| given.power_w), 2);
        }
        put(&mut item, "energy_kwh", Some(sum.energy_kwh), 6);
        let cost = whole.currency.is_some().then_some(sum.cost);
        put(&mut item, "cost", cost, 6);
        put(&mut item, "peak_w", Some(sum.peak_w), 2);
        let host = whole.host.energy_kwh;
        let share = (host > 0.0).then(|| (sum.energy_kwh / host).clamp(0.0, 1.0) * 100.0);
        put(&mut item, "share_pct", share, 2);
        item
    }

    /// Everybody that used anything, and who draws something now, the greatest first.
    fn items<K: Ord + Clone>(
        &self,
        whole: &Day,
        sums: &BTreeMap<K, Sum>,
        now: &BTreeMap<K, Given>,
        names: impl Fn(&K) -> Vec<(&'static str, String)>,
    ) -> Vec<(String, Json)> {
        let mut all: BTreeMap<&K, Sum> = sums.iter().map(|(name, sum)| (name, *sum)).collect();
        for (name, _) in now.iter().filter(|(_, given)| given.power_w > 0.0) {
            all.entry(name).or_default();
        }
        let used = all.into_iter().filter(|(name, sum)| {
            sum.energy_kwh > 0.0 || now.get(*name).is_some_and(|given| given.power_w > 0.0)
        });
        let mut used: Vec<_> = used.collect();
        // To a tenth of a millionth of a kWh, as a number that sorts.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and saturates"
        )]
        let greatness = |sum: &Sum| (sum.energy_kwh.max(0.0) * 1e7) as u64;
        used.sort_by_key(|(_, sum)| Reverse(greatness(sum)));
        used.into_iter()
            .map(|(name, sum)| {
                let names = names(name);
                let place = u64::MAX - greatness(&sum);
                let key = names.iter().map(|(_, name)| name.as_str());
                let key = format!("{place:016x}.{}", key.collect::<Vec<_>>().join("/"));
                let mut item: Map<String, Json> = names
                    .into_iter()
                    .map(|(key, name)| (key.to_owned(), name.into()))
                    .collect();
                item.extend(self.part(whole, &sum, now.get(name)));
                (key, item.into())
            })
            .collect()
    }

    fn answer(
        &self,
        headers: &HeaderMap,
        mut body: Map<String, Json>,
        items: Vec<(String, Json)>,
    ) -> Response {
        if let Json::Object(page) = self.page.of(items, "", true) {
            // There are no deltas of sums.
            let page = page.into_iter();
            body.extend(page.filter(|(key, _)| !["cursor", "full"].contains(&key.as_str())));
        }
        answer::once(headers, answer::json(&body.into()))
    }
}

/// Whether a page may have ended so.
fn is_cursor(text: &str) -> bool {
    let (place, _) = text.split_once('.').unwrap_or_default();
    place.len() == 16 && place.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn host(whole: &Day, power_w: Option<f64>) -> Map<String, Json> {
    let HostDay {
        energy_kwh,
        cost,
        mean_w,
        watched_s,
        ..
    } = whole.host;
    let (min_w, peak_w) = whole.host.least_and_most();
    let mut item = Map::new();
    put(&mut item, "power_w", power_w, 2);
    put(&mut item, "energy_kwh", Some(energy_kwh), 6);
    let cost = whole.currency.is_some().then_some(cost);
    put(&mut item, "cost", cost, 6);
    put(&mut item, "mean_w", (watched_s > 0.0).then_some(mean_w), 2);
    put(&mut item, "min_w", min_w, 2);
    put(&mut item, "peak_w", peak_w, 2);
    put(&mut item, "watched_s", Some(watched_s), 0);
    let share = whole.host.estimated_share().map(|share| share * 100.0);
    put(&mut item, "estimated_pct", share, 1);
    item
}

fn put(item: &mut Map<String, Json>, key: &str, figure: Option<f64>, decimals: i32) {
    if let Some(figure) = figure {
        let scale = 10f64.powi(decimals);
        let rounded = (figure * scale).round() / scale;
        item.insert(key.to_owned(), json!(rounded));
    }
}

/// The first and the last day that are asked for.
fn range(params: &Params, today: Date) -> Result<(Date, Date), Problem> {
    let date = |key: &str| -> Result<Option<Date>, Problem> {
        let Some(text) = params.one(key) else {
            return Ok(None);
        };
        let date = text.parse().map(Some);
        date.map_err(|_| Problem::bad_request(format!("{key} must be a day such as 2026-01-31")))
    };
    let (from, to) = (date("from")?, date("to")?);
    let monday = i32::from(today.weekday().to_monday_zero_offset());
    let week = today.checked_sub(monday.days()).unwrap_or(today);
    let periods = [
        ("day", today),
        ("week", week),
        ("month", today.first_of_month()),
        ("year", today.first_of_year()),
    ];
    let begin = params.choice("period", &periods)?;
    let (from, to) = match (begin, from, to) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            let text = "give either period, or from and to";
            return Err(Problem::bad_request(text));
        }
        (Some(begin), None, None) => (begin, today),
        (None, from, to) => {
            let to = to.unwrap_or(today);
            (from.unwrap_or(to), to)
        }
    };
    let days = from.until(to).map_or(i32::MAX, |span| span.get_days());
    if from > to || days >= LONGEST {
        return Err(Problem::bad_request(format!(
            "from must not be after to, and at most {LONGEST} days lie between them"
        )));
    }
    Ok((from, to))
}
