//! What one day's energy went to.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::{Given, Owner, Shares};

/// A day tells so many services one by one, and as many processes; of more, those that used
/// least are told together.
pub const MOST_NAMES: usize = 150;

/// What one local day's energy went to. `idle`, `gpu`, `other` and all `services` add up to
/// `host`; the processes of a service add up to it, but for those that are in `rest`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Day {
    /// The code of the currency of all costs (ISO 4217); `None` without a tariff. Of a day on
    /// which it was changed, the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The machine as a whole.
    pub host: HostDay,
    /// What flowed with nothing to do.
    pub idle: Sum,
    /// What graphics cards drew above their least and nobody is known for.
    #[serde(skip_serializing_if = "Sum::is_nothing")]
    pub gpu: Sum,
    /// What no service is known for, and the services beyond [`MOST_NAMES`].
    pub other: Sum,
    /// Each service, by name.
    pub services: BTreeMap<String, Sum>,
    /// Processes, by their service and command.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub processes: BTreeMap<Owner, Sum>,
    /// The processes beyond [`MOST_NAMES`].
    #[serde(skip_serializing_if = "Sum::is_nothing")]
    pub rest: Sum,
}

/// What the machine as a whole used on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostDay {
    /// Energy, kWh.
    #[serde(serialize_with = "short")]
    pub energy_kwh: f64,
    /// What it cost, in the currency of the day; 0 without a tariff.
    #[serde(serialize_with = "short")]
    pub cost: f64,
    /// The mean of the watts while they were watched, W.
    #[serde(serialize_with = "short")]
    pub mean_w: f64,
    /// The least, W; `None` if it was never watched.
    #[serde(serialize_with = "short_known")]
    pub min_w: Option<f64>,
    /// The most, W; `None` if it was never watched.
    #[serde(serialize_with = "short_known")]
    pub peak_w: Option<f64>,
    /// The least and the most of what was measured, W; `None` if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_w: Option<(f64, f64)>,
    /// For how long it was watched, s.
    #[serde(serialize_with = "short")]
    pub watched_s: f64,
    /// How much of `energy_kwh` was estimated rather than measured, kWh.
    #[serde(serialize_with = "short")]
    pub estimated_kwh: f64,
    /// How much of it a meter counted while nobody watched, kWh.
    #[serde(serialize_with = "short", skip_serializing_if = "is_zero")]
    pub made_up_kwh: f64,
}

/// What one of the parts used on a day. A list of three numbers where it is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    /// Energy, kWh.
    pub energy_kwh: f64,
    /// What it cost, in the currency of the day; 0 without a tariff.
    pub cost: f64,
    /// The most it drew at a time, W.
    pub peak_w: f64,
}

impl HostDay {
    /// How much of the energy was estimated, 0–1; `None` if there was none.
    pub fn estimated_share(&self) -> Option<f64> {
        (self.energy_kwh > 0.0).then(|| (self.estimated_kwh / self.energy_kwh).clamp(0.0, 1.0))
    }

    /// The least and the most, W: as measured on a day that was mostly so, of which an estimate of
    /// a moment (before a meter is heard for the first time) tells nothing.
    pub fn least_and_most(&self) -> (Option<f64>, Option<f64>) {
        let measured = self.estimated_share().is_some_and(|share| share < 0.5);
        match self.measured_w.filter(|_| measured) {
            Some((least, most)) => (Some(least), Some(most)),
            None => (self.min_w, self.peak_w),
        }
    }

    /// Takes in what is known of another part of the same day.
    fn merge(&mut self, more: &Self) {
        self.energy_kwh += more.energy_kwh;
        self.cost += more.cost;
        self.estimated_kwh += more.estimated_kwh;
        self.made_up_kwh += more.made_up_kwh;
        let watched_s = self.watched_s + more.watched_s;
        if watched_s > 0.0 {
            let joules = self.mean_w * self.watched_s + more.mean_w * more.watched_s;
            self.mean_w = joules / watched_s;
        }
        self.watched_s = watched_s;
        let both = |one: Option<f64>, two: Option<f64>, pick: fn(f64, f64) -> f64| match (one, two)
        {
            (Some(one), Some(two)) => Some(pick(one, two)),
            (one, two) => one.or(two),
        };
        self.measured_w = match (self.measured_w, more.measured_w) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, two) => one.or(two),
        };
        self.min_w = both(self.min_w, more.min_w, f64::min);
        self.peak_w = both(self.peak_w, more.peak_w, f64::max);
    }
}

impl Sum {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// A share of what was given at one look; what it cost is `price` a kWh.
    fn of(given: &Given, share: f64, price: f64) -> Self {
        let energy_kwh = given.energy_kwh * share;
        Self {
            energy_kwh,
            cost: energy_kwh * price,
            peak_w: given.power_w,
        }
    }

    fn merge(&mut self, more: &Self) {
        self.energy_kwh += more.energy_kwh;
        self.cost += more.cost;
        self.peak_w = self.peak_w.max(more.peak_w);
    }

    /// Takes in what another used beside it: their peaks need not have been at one time.
    fn join(&mut self, other: &Self) {
        self.energy_kwh += other.energy_kwh;
        self.cost += other.cost;
    }
}

impl Day {
    /// The part of the shares of one look that lies on one day: `host` of the whole, of which the
    /// energy is the `share` of what was counted.
    pub(super) fn of(host: HostDay, share: f64, shares: &Shares) -> Self {
        let price = if host.energy_kwh > 0.0 {
            host.cost / host.energy_kwh
        } else {
            0.0
        };
        let sum = |given: &Given| Sum::of(given, share, price);
        let services = shares.services.iter();
        let processes = shares.processes.iter();
        Self {
            currency: None,
            host,
            idle: sum(&shares.idle),
            gpu: sum(&shares.gpu),
            other: sum(&shares.other),
            services: services
                .map(|(name, given)| (name.clone(), sum(given)))
                .collect(),
            processes: processes
                .map(|(owner, given)| (owner.clone(), sum(given)))
                .collect(),
            rest: Sum::default(),
        }
    }

    /// Takes in what is known of another part of the same day.
    pub fn merge(&mut self, more: Self) {
        self.currency = more.currency.or(self.currency.take());
        self.host.merge(&more.host);
        self.idle.merge(&more.idle);
        self.gpu.merge(&more.gpu);
        self.other.merge(&more.other);
        self.rest.merge(&more.rest);
        gather(&mut self.services, more.services);
        gather(&mut self.processes, more.processes);
    }

    /// Tells no more than [`MOST_NAMES`] by name.
    pub(super) fn shorten(&mut self) {
        shorten(&mut self.services, &mut self.other);
        shorten(&mut self.processes, &mut self.rest);
    }
}

fn gather<K: Ord>(into: &mut BTreeMap<K, Sum>, more: BTreeMap<K, Sum>) {
    for (name, sum) in more {
        into.entry(name).or_default().merge(&sum);
    }
}

fn shorten<K: Ord + Clone>(names: &mut BTreeMap<K, Sum>, rest: &mut Sum) {
    let excess = names.len().saturating_sub(MOST_NAMES);
    if excess == 0 {
        return;
    }
    let mut least: Vec<_> = names
        .iter()
        .map(|(name, sum)| (sum.energy_kwh, name.clone()))
        .collect();
    least.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    for (_, name) in least.iter().take(excess) {
        if let Some(sum) = names.remove(name) {
            rest.join(&sum);
        }
    }
}

/// A figure to a tenth of a millionth: 0.1 mWh.
fn rounded(figure: f64) -> f64 {
    (figure * 1e7).round() / 1e7
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_zero(figure: &f64) -> bool {
    *figure <= 0.0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn short<S: Serializer>(figure: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded(*figure))
}

#[expect(clippy::ref_option, reason = "serde hands a reference over")]
fn short_known<S: Serializer>(figure: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    figure.map(rounded).serialize(serializer)
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.energy_kwh, self.cost, self.peak_w]
            .map(rounded)
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [energy_kwh, cost, peak_w] = Deserialize::deserialize(deserializer)?;
        Ok(Self {
            energy_kwh,
            cost,
            peak_w,
        })
    }
}
