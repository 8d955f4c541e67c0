//! Which series there are: each has a number, by which the history keeps it.

use std::collections::HashMap;

use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::model::{Kind, Metric, Timestamp, Value};

use super::database::Db;
use super::tick::MAX_SERIES;
use super::{StoreError, varint};

pub(super) const SERIES: TableDefinition<'static, u32, &'static [u8]> =
    TableDefinition::new("history_series");

/// What kind of figures a series has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesKind {
    /// A number that goes up and down.
    Gauge,
    /// A number that only grows, but for resets.
    Total,
    /// 0 for no and 1 for yes.
    Flag,
    /// The place of a word in [`SeriesInfo::options`], from 0.
    State,
}

/// What is known of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesInfo {
    /// `<area>/<subject>/<key>`.
    pub id: String,
    /// The unit's symbol; empty if it has none.
    pub unit: String,
    /// What kind of figures it has.
    pub kind: SeriesKind,
    /// Decimals that are kept, 0–6.
    pub decimals: u8,
    /// The words of a state, by number; empty for other kinds.
    pub options: Vec<String>,
    /// When its first sample was taken.
    pub first: Timestamp,
    /// When its last sample was taken.
    pub last: Timestamp,
}

/// Every series, by number; number 0 is none.
#[derive(Debug, Default)]
pub(super) struct Registry {
    numbers: HashMap<String, u32>,
    series: Vec<SeriesInfo>,
    latest: Vec<Option<(i64, i64)>>,
}

/// What a value is in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// This series, this scaled value.
    Known(u32, i64),
    /// The registry must learn of it first.
    Unknown,
    /// Nothing that is kept.
    Nothing,
}

impl Registry {
    /// Reads them all. `last` is what [`Registry::last_seen`] wrote.
    pub(super) fn read(db: &Db, mut last: &[u8]) -> Result<Self, StoreError> {
        let mut registry = Self::default();
        let transaction = db.begin_read()?;
        let table = match transaction.open_table(SERIES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(registry),
            Err(error) => return Err(error.into()),
        };
        let mut seen = 0;
        for entry in table.iter()? {
            let (_, value) = entry?;
            let mut info: SeriesInfo = serde_json::from_slice(value.value())
                .map_err(|error| StoreError::Io(format!("a damaged series: {error}")))?;
            if let Some(step) = varint::take_signed(&mut last) {
                seen += step;
                info.last = Timestamp::from_millisecond(seen).unwrap_or(info.first);
            }
            registry.add(info);
        }
        Ok(registry)
    }

    fn add(&mut self, info: SeriesInfo) {
        self.series.push(info.clone());
        self.latest.push(None);
        let number = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        self.numbers.insert(info.id, number);
    }

    /// The last times of all series as bytes.
    pub(super) fn last_seen(&self) -> Vec<u8> {
        let (mut out, mut seen) = (Vec::new(), 0);
        for info in &self.series {
            let last = info.last.as_millisecond();
            varint::put_signed(&mut out, last - seen);
            seen = last;
        }
        out
    }

    /// What `value` of the series `id` is in the history.
    pub(super) fn find(&self, id: &str, metric: &Metric, value: &Value) -> Found {
        if !metric.is_stored() {
            return Found::Nothing;
        }
        let number = self.numbers.get(id).copied();
        let Some((number, info)) = number.and_then(|n| Some((n, self.info(n)?))) else {
            return Found::Unknown;
        };
        let scaled = match (value, metric.kind) {
            (Value::Text(word), Kind::State(_)) => {
                match info.options.iter().position(|option| **option == **word) {
                    Some(place) => i64::try_from(place).ok(),
                    None => return Found::Unknown,
                }
            }
            _ if metric.decimals > info.decimals => return Found::Unknown,
            _ => value
                .as_number()
                .and_then(|number| scale(number, info.decimals)),
        };
        scaled.map_or(Found::Nothing, |value| Found::Known(number, value))
    }

    /// Learns a series or what is new about it; durable when this returns.
    pub(super) fn learn(
        &mut self,
        db: &Db,
        new: &[(String, &'static Metric, Value)],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let transaction = db.begin_write()?;
        let mut infos: Vec<SeriesInfo> = Vec::new();
        {
            let mut table = transaction.open_table(SERIES)?;
            let mut count = u32::try_from(self.series.len()).unwrap_or(MAX_SERIES);
            for (id, metric, value) in new {
                let known = infos.iter().find(|info| info.id == *id).cloned();
                let known = known.or_else(|| {
                    let number = self.numbers.get(id)?;
                    self.info(*number).cloned()
                });
                let number = match self.numbers.get(id) {
                    Some(number) => *number,
                    None if known.is_some() => count,
                    None if count + 1 >= MAX_SERIES => {
                        return Err(StoreError::Io(format!(
                            "more than {MAX_SERIES} series; {id} is not kept"
                        )));
                    }
                    None => {
                        count += 1;
                        count
                    }
                };
                let mut info = known.unwrap_or_else(|| describe(id, metric, at));
                info.decimals = info.decimals.max(metric.decimals.min(6));
                if let (Value::Text(word), Kind::State(_)) = (value, metric.kind)
                    && !info.options.iter().any(|option| **option == **word)
                {
                    info.options.push(word.to_string());
                }
                let json =
                    serde_json::to_vec(&info).map_err(|error| StoreError::Io(error.to_string()))?;
                table.insert(number, json.as_slice())?;
                infos.retain(|other| other.id != info.id);
                infos.push(info);
            }
        }
        transaction.commit()?;
        for info in infos {
            match self.numbers.get(&info.id).and_then(|n| index(*n)) {
                Some(place) => {
                    if let Some(old) = self.series.get_mut(place) {
                        *old = info;
                    }
                }
                None => self.add(info),
            }
        }
        Ok(())
    }

    /// Notes a sample.
    pub(super) fn note(&mut self, number: u32, at: i64, value: i64) {
        let Some(place) = index(number) else { return };
        if let Some(latest) = self.latest.get_mut(place) {
            *latest = Some((at, value));
        }
        if let (Some(info), Ok(at)) = (self.series.get_mut(place), Timestamp::from_millisecond(at))
        {
            info.last = info.last.max(at);
            info.first = info.first.min(at);
        }
    }

    pub(super) fn number(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    pub(super) fn info(&self, number: u32) -> Option<&SeriesInfo> {
        self.series.get(index(number)?)
    }

    /// The newest sample since the start, scaled.
    pub(super) fn latest(&self, number: u32) -> Option<(i64, i64)> {
        *self.latest.get(index(number)?)?
    }

    pub(super) fn all(&self) -> &[SeriesInfo] {
        &self.series
    }
}

fn index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}

fn describe(id: &str, metric: &Metric, at: Timestamp) -> SeriesInfo {
    let (kind, options) = match metric.kind {
        Kind::Gauge | Kind::Moment | Kind::Text => (SeriesKind::Gauge, &[][..]),
        Kind::Total => (SeriesKind::Total, &[][..]),
        Kind::Flag(_) => (SeriesKind::Flag, &[][..]),
        Kind::State(options) => (SeriesKind::State, options),
    };
    SeriesInfo {
        id: id.to_owned(),
        unit: metric.unit.symbol().to_owned(),
        kind,
        decimals: metric.decimals.min(6),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        first: at,
        last: at,
    }
}

/// `number` as a whole number of 10^-decimals; `None` if it is not finite or too great.
pub(super) fn scale(number: f64, decimals: u8) -> Option<i64> {
    let scaled = (number * 10_f64.powi(i32::from(decimals))).round();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "finite and within 63 bits, checked here"
    )]
    (scaled.abs() < 9e18).then_some(scaled as i64)
}

/// The number that [`scale`] made `scaled` of.
#[expect(
    clippy::cast_precision_loss,
    reason = "it came from a floating-point number"
)]
pub(super) fn unscale(scaled: i64, decimals: u8) -> f64 {
    scaled as f64 / 10_f64.powi(i32::from(decimals))
}
