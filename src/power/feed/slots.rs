//! Lists of times with a figure each, in every form that Home Assistant's integrations, their
//! templates and the suppliers' own interfaces have.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const START: [&str; 11] = [
    "start",
    "start_time",
    "startsAt",
    "starts_at",
    "start_timestamp",
    "from",
    "valid_from",
    "time",
    "timestamp",
    "datetime",
    "date",
];
const END: [&str; 8] = [
    "end",
    "end_time",
    "endsAt",
    "ends_at",
    "end_timestamp",
    "till",
    "to",
    "valid_to",
];
const VALUE: [&str; 10] = [
    "value",
    "price",
    "total",
    "price_per_kwh",
    "marketprice",
    "per_kwh",
    "electricity_price",
    "value_inc_vat",
    "carbonIntensity",
    "intensity",
];

/// Deeper than this nobody nests a list.
const DEEPEST: u8 = 5;
/// Two days of quarters of an hour are 192.
const MOST: usize = 2000;
/// Where no end is told and none follows, s.
const HOUR: i64 = 3600;
/// None is longer than a day, s.
const LONGEST: i64 = 24 * HOUR;

/// Times with a figure each, by their begin: the end, and the figure.
pub(super) type Slots = BTreeMap<Timestamp, (Timestamp, f64)>;

/// What was found in a message.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) slots: Slots,
    /// How many made no sense.
    pub(super) odd: usize,
}

struct Slot {
    start: Timestamp,
    end: Option<Timestamp>,
    value: f64,
}

/// Every slot in `value`. Times without an offset are meant in `zone`; one that a change of the
/// clock leaves out is none, and one that comes twice is the later one when it is told again.
pub(super) fn find(value: &Value, zone: &TimeZone, fits: &dyn Fn(f64) -> bool) -> Found {
    let mut found = Found::default();
    let mut list: Vec<Slot> = Vec::new();
    walk(value, DEEPEST, &mut |object| {
        if list.len() + found.odd >= MOST {
            return;
        }
        let before = list.last().map(|slot| slot.start);
        match slot(object, zone, before).filter(|slot| fits(slot.value)) {
            Some(slot) => list.push(slot),
            None => found.odd += 1,
        }
    });
    // Told twice, the later one counts.
    let by_start: BTreeMap<_, _> = list.iter().map(|slot| (slot.start, slot)).collect();
    let mut length = HOUR;
    let mut following = by_start.keys().skip(1);
    for (start, slot) in &by_start {
        let next = following.next();
        let gap = next.map(|next| next.as_second() - start.as_second());
        let told = slot.end.map(|end| end.as_second() - start.as_second());
        length = told
            .unwrap_or_else(|| gap.unwrap_or(length).min(HOUR))
            .min(gap.unwrap_or(LONGEST));
        let end = Timestamp::from_second(start.as_second() + length).unwrap_or(*start);
        found.slots.insert(*start, (end, slot.value));
    }
    found
}

/// Every object that tells a begin and a figure.
fn walk(value: &Value, depth: u8, each: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    let deeper = depth.saturating_sub(1);
    match value {
        Value::Array(items) if depth > 0 => {
            for item in items {
                walk(item, deeper, each);
            }
        }
        Value::Object(object) if depth > 0 => {
            let has = |keys: &[&str]| keys.iter().any(|key| object.contains_key(*key));
            if has(&START) && has(&VALUE) {
                each(object);
            } else {
                for item in object.values() {
                    walk(item, deeper, each);
                }
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {}
    }
}

fn slot(
    object: &serde_json::Map<String, Value>,
    zone: &TimeZone,
    before: Option<Timestamp>,
) -> Option<Slot> {
    let first = |keys: &[&str]| keys.iter().find_map(|key| object.get(*key));
    let start = moment(first(&START)?, zone, before)?;
    let end = match first(&END) {
        None | Some(Value::Null) => None,
        Some(end) => Some(moment(end, zone, Some(start))?),
    };
    let length = end.map(|end| end.as_second() - start.as_second());
    if length.is_some_and(|length| !(1..=LONGEST).contains(&length)) {
        return None;
    }
    let value = number(first(&VALUE)?)?;
    Some(Slot { start, end, value })
}

/// A number, or one in quotes.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok())?;
    number.is_finite().then_some(number)
}

/// A moment: ISO 8601, or seconds or milliseconds since 1970. `before` is that of the slot before.
fn moment(value: &Value, zone: &TimeZone, before: Option<Timestamp>) -> Option<Timestamp> {
    if let Some(number) = value.as_i64() {
        // In milliseconds this is 1973.
        let is_millisecond = number > 100_000_000_000;
        let moment = if is_millisecond {
            Timestamp::from_millisecond(number)
        } else {
            Timestamp::from_second(number)
        };
        return moment.ok();
    }
    let text = value.as_str()?;
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let local: DateTime = text.parse().ok()?;
    let local = zone.to_ambiguous_timestamp(local);
    match local.offset() {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { .. } => local.compatible().ok(),
        AmbiguousOffset::Fold { .. } => {
            let earlier = local.earlier().ok()?;
            let later = local.later().ok()?;
            // The second time it is told, or right after the first hour of the two.
            let again = before.is_some_and(|before| earlier <= before);
            Some(if again { later } else { earlier })
        }
    }
}

/// Takes `more` into `slots`: what is told anew for a time goes before what was told before.
pub(super) fn merge(slots: &mut Slots, more: Slots) {
    let first = more.keys().next().copied();
    let last = more.values().map(|(end, _)| *end).max();
    let span = first.zip(last);
    let Some((first, last)) = span else { return };
    slots.retain(|start, (end, _)| {
        // One that reaches into the new ones is cut.
        if *start < first && *end > first {
            *end = first;
        }
        *start < first || *start >= last
    });
    slots.extend(more);
}

/// The figure at `at`.
pub(super) fn value_at(slots: &Slots, at: Timestamp) -> Option<f64> {
    let (_, (end, value)) = slots.range(..=at).next_back()?;
    (at < *end).then_some(*value)
}

/// Forgets what ended longer ago than a report of yesterday needs.
pub(super) fn prune(slots: &mut Slots, now: Timestamp) {
    let day = SignedDuration::from_hours(24);
    let near = |at: Timestamp, days: i32| at.duration_since(now).abs() < day.saturating_mul(days);
    slots.retain(|start, (end, _)| near(*start, 9) && (*end >= now || near(*end, 2)));
}
