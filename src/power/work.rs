//! What the machine is busy with, as far as watts follow from it.

use super::{PowerSample, Scope};
use crate::model::{Batch, Value};

/// What the machine was busy with between two looks; what is not known is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// CPU use, 0–100 %.
    pub usage_pct: Option<f64>,
    /// Mean clock of the cores, MHz.
    pub frequency_mhz: Option<f64>,
    /// How busy all disks are together: two that are always busy make 200 %.
    pub disks_pct: Option<f64>,
    /// What went through all network interfaces in both directions, bytes per second.
    pub network_bytes_per_s: Option<f64>,
}

impl Work {
    /// Reads it out of a tick's batch.
    pub fn of(batch: &Batch) -> Self {
        let cpu = |key: &str| sum(batch, "cpu", "cpu", &[key]);
        Self {
            usage_pct: cpu("usage_pct"),
            frequency_mhz: cpu("frequency_mhz"),
            disks_pct: sum(batch, "disk_io", "io-", &["busy_pct"]),
            network_bytes_per_s: sum(
                batch,
                "network",
                "net-",
                &["rx_bytes_per_s", "tx_bytes_per_s"],
            ),
        }
    }
}

/// The sum of the figures `keys` of a collector's subjects whose id begins with `subjects`; `None`
/// if none of them is known.
fn sum(batch: &Batch, collector: &str, subjects: &str, keys: &[&str]) -> Option<f64> {
    let outcome = batch
        .outcomes
        .iter()
        .find(|one| one.collector == collector)?;
    let readings = outcome.result.as_ref().map_or(&[][..], Vec::as_slice);
    let wanted = readings.iter();
    let wanted = wanted.filter(|reading| {
        let id = &*reading.subject.id;
        id == subjects || subjects.ends_with('-') && id.starts_with(subjects)
    });
    let figures = wanted.flat_map(|reading| keys.iter().filter_map(|key| reading.value(key)));
    let numbers = figures.filter_map(Value::as_number);
    let finite = numbers.filter(|number| number.is_finite());
    finite.reduce(|all, one| all + one)
}

/// How many figures beside the use of the processor are learnt from.
pub(super) const EXTRAS: usize = 4;

/// What is learnt from: [`Work`] with what sensors inside the machine say, each in a unit of
/// which one is worth some watts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Inputs {
    /// CPU use, 0–100 %.
    pub(super) usage_pct: f64,
    /// What the processors' own counters say, W.
    pub(super) rapl_w: Option<f64>,
    /// Clock while in use (GHz times share of use), busy disks, hundreds of MB/s through the
    /// network, watts of graphics cards.
    pub(super) extras: [Option<f64>; EXTRAS],
}

/// The place of the clock among the extras.
pub(super) const CLOCK: usize = 0;
/// The place of disks among the extras.
pub(super) const DISK: usize = 1;
/// The place of graphics cards among the extras.
pub(super) const GRAPHICS: usize = 3;

impl Inputs {
    /// `None` if the use of the processor is not known.
    pub(super) fn of(work: &Work, samples: &[PowerSample]) -> Option<Self> {
        let usage_pct = work.usage_pct.filter(|usage| usage.is_finite())?;
        let clock = work.frequency_mhz.map(|mhz| mhz / 1000.0);
        let extras = [
            clock.map(|ghz| ghz * usage_pct.clamp(0.0, 100.0) / 100.0),
            work.disks_pct.map(|busy| busy / 100.0),
            work.network_bytes_per_s.map(|rate| rate / 1e8),
            total(samples, |scope| matches!(scope, Scope::Gpu(_))),
        ];
        let sane = |extra: Option<f64>| extra.filter(|extra| (0.0..1e4).contains(extra));
        Some(Self {
            usage_pct,
            rapl_w: rapl(samples),
            extras: extras.map(sane),
        })
    }
}

/// What the processors say of themselves and of memory beside them, W; else their platform.
pub(super) fn rapl(samples: &[PowerSample]) -> Option<f64> {
    let packages = total(samples, |scope| matches!(scope, Scope::Package(_)));
    let memory = total(samples, |scope| matches!(scope, Scope::Memory(_)));
    let packages = packages.map(|packages| packages + memory.unwrap_or(0.0));
    packages.or_else(|| total(samples, |scope| *scope == Scope::Platform))
}

/// What everything that covers such a thing draws together, W.
fn total(samples: &[PowerSample], fits: fn(&Scope) -> bool) -> Option<f64> {
    let watts = samples.iter().filter(|sample| fits(&sample.scope));
    let watts = watts.filter_map(|sample| sample.power_w);
    watts.reduce(|all, one| all + one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Area, Metric, Outcome, Reading, Subject, Timestamp, Unit};
    use crate::power::SourceKind;
    use std::time::Duration;

    static USAGE: Metric = Metric::gauge("usage_pct", "CPU usage", Unit::Percent);
    static FREQUENCY: Metric = Metric::gauge("frequency_mhz", "Frequency", Unit::Megahertz);
    static BUSY: Metric = Metric::gauge("busy_pct", "Busy", Unit::Percent);
    static RX: Metric = Metric::gauge("rx_bytes_per_s", "Received", Unit::BytePerSecond);
    static TX: Metric = Metric::gauge("tx_bytes_per_s", "Sent", Unit::BytePerSecond);

    fn of(id: &str) -> Reading {
        Reading::new(&Subject::of_host(Area::Health, id, id))
    }

    #[test]
    fn work_is_read_out_of_a_tick_and_what_is_not_known_is_left_out() {
        let outcome = |collector, result| Outcome { collector, result };
        let cpu = of("cpu").with(&USAGE, 30.0).with(&FREQUENCY, f64::NAN);
        // With per_core there are more of the kind.
        let core = of("cpu-0").with(&USAGE, 90.0);
        let disks = vec![of("io-a").with(&BUSY, 80.0), of("io-b").with(&BUSY, 40.0)];
        let network = vec![of("net-eth0").with(&RX, 5e6).with(&TX, 1e6), of("other")];
        let batch = Batch {
            at: Timestamp::UNIX_EPOCH,
            outcomes: vec![
                outcome("cpu", Ok(vec![core, cpu])),
                outcome("disk_io", Ok(disks)),
                outcome("network", Ok(network)),
            ],
        };
        let work = Work {
            usage_pct: Some(30.0),
            frequency_mhz: None,
            disks_pct: Some(120.0),
            network_bytes_per_s: Some(6e6),
        };
        assert_eq!(Work::of(&batch), work);
        let broken = Batch {
            at: Timestamp::UNIX_EPOCH,
            outcomes: vec![outcome("cpu", Err("broken".to_owned()))],
        };
        assert_eq!(Work::of(&broken), Work::default());
    }

    fn sample(scope: Scope, watts: f64) -> PowerSample {
        PowerSample {
            source_id: scope.word(),
            label: scope.word(),
            kind: SourceKind::Rapl,
            scope,
            at: Timestamp::UNIX_EPOCH,
            age: Duration::ZERO,
            power_w: Some(watts),
            energy_kwh: None,
            suspect: None,
        }
    }

    #[test]
    fn inputs_are_work_with_what_sensors_inside_say() {
        let work = Work {
            usage_pct: Some(50.0),
            frequency_mhz: Some(3000.0),
            disks_pct: Some(150.0),
            network_bytes_per_s: Some(f64::INFINITY),
        };
        let gpu = |name: &str, watts| sample(Scope::Gpu(name.to_owned()), watts);
        let samples = [
            gpu("a", 20.0),
            gpu("b", 5.0),
            sample(Scope::Package(0), 9.0),
        ];
        let inputs = Inputs::of(&work, &samples).unwrap();
        let extras = [Some(1.5), Some(1.5), None, Some(25.0)];
        assert_eq!((inputs.usage_pct, inputs.rapl_w), (50.0, Some(9.0)));
        assert_eq!(inputs.extras, extras);
        for usage_pct in [None, Some(f64::NAN)] {
            let unknown = Work { usage_pct, ..work };
            assert_eq!(Inputs::of(&unknown, &samples), None);
        }
    }

    #[test]
    fn what_processors_say_is_not_counted_twice() {
        let parts = [
            sample(Scope::Package(0), 20.0),
            sample(Scope::Cores(0), 15.0),
            sample(Scope::Memory(0), 4.0),
            sample(Scope::Package(1), 10.0),
            sample(Scope::Platform, 50.0),
        ];
        assert_eq!(rapl(&parts), Some(34.0));
        assert_eq!(rapl(parts.get(4..).unwrap()), Some(50.0));
        assert_eq!(rapl(&[]), None);
    }
}
