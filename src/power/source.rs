//! One look at one thing that measures power, whatever it is.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Batch, Reading, Source, Subject, Value};

/// What kind of thing measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A meter or a smart plug outside the machine.
    Meter,
    /// A UPS that tells its output.
    Ups,
    /// A power supply that tells its figures.
    Psu,
    /// A sensor on the board (`INA226` and the like).
    Hwmon,
    /// The processor's energy counters.
    Rapl,
    /// A battery that is being drained.
    Battery,
    /// A graphics card.
    Gpu,
}

impl SourceKind {
    /// Every kind, the one nearest to the wall first.
    pub const ALL: [Self; 7] = [
        Self::Meter,
        Self::Ups,
        Self::Psu,
        Self::Hwmon,
        Self::Battery,
        Self::Rapl,
        Self::Gpu,
    ];

    /// The source that readings of this kind carry.
    pub const fn source(self) -> Source {
        match self {
            Self::Meter => Source::Meter,
            Self::Ups => Source::Ups,
            Self::Psu => Source::Psu,
            Self::Hwmon => Source::Hwmon,
            Self::Rapl => Source::Rapl,
            Self::Battery => Source::Battery,
            Self::Gpu => Source::Gpu,
        }
    }

    /// The kind of a reading's source; `None` for what is estimated.
    pub const fn of(source: Source) -> Option<Self> {
        match source {
            Source::Meter => Some(Self::Meter),
            Source::Ups => Some(Self::Ups),
            Source::Psu => Some(Self::Psu),
            Source::Hwmon => Some(Self::Hwmon),
            Source::Rapl => Some(Self::Rapl),
            Source::Battery => Some(Self::Battery),
            Source::Gpu => Some(Self::Gpu),
            Source::Calibrated | Source::Model | Source::Prior => None,
        }
    }
}

/// What a figure covers. Written in the key `covers` of the published object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `host`: all that this machine draws at the wall, and nothing else.
    Host,
    /// `host+more`: this machine at the wall together with something else on the same plug.
    Shared,
    /// `board`: this machine behind its power supply or on its battery; the supply's own loss is
    /// not in it.
    Board,
    /// `platform`: RAPL's psys, which holds every package. What it covers differs by board.
    Platform,
    /// `package-N`: one processor, its cores and its uncore part; without memory on servers.
    Package(u32),
    /// `core-N`: the cores of a package; a part of it.
    Cores(u32),
    /// `uncore-N`: the rest of a package (its graphics); a part of it.
    Uncore(u32),
    /// `dram-N`: the memory of a package; beside it, not in it.
    Memory(u32),
    /// `gpu-NAME`: a graphics card of its own.
    Gpu(String),
    /// `node-NAME`: another machine at the wall.
    Node(String),
    /// `house`: all that the house draws from the grid; negative while it feeds in.
    House,
    /// `apart`: something else that has nothing to do with this machine.
    Apart,
}

impl Scope {
    /// The word that is published.
    pub fn word(&self) -> String {
        match self {
            Self::Host => "host".to_owned(),
            Self::Shared => "host+more".to_owned(),
            Self::Board => "board".to_owned(),
            Self::Platform => "platform".to_owned(),
            Self::Package(number) => format!("package-{number}"),
            Self::Cores(number) => format!("core-{number}"),
            Self::Uncore(number) => format!("uncore-{number}"),
            Self::Memory(number) => format!("dram-{number}"),
            Self::Gpu(name) => format!("gpu-{name}"),
            Self::Node(name) => format!("node-{name}"),
            Self::House => "house".to_owned(),
            Self::Apart => "apart".to_owned(),
        }
    }

    /// The scope of a published word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "host" => return Some(Self::Host),
            "host+more" => return Some(Self::Shared),
            "board" => return Some(Self::Board),
            "platform" => return Some(Self::Platform),
            "house" => return Some(Self::House),
            "apart" => return Some(Self::Apart),
            _ => {}
        }
        let (kind, rest) = word.split_once('-')?;
        let number = || rest.parse().ok();
        match kind {
            "package" => number().map(Self::Package),
            "core" => number().map(Self::Cores),
            "uncore" => number().map(Self::Uncore),
            "dram" => number().map(Self::Memory),
            "gpu" => Some(Self::Gpu(rest.to_owned())),
            "node" => Some(Self::Node(rest.to_owned())),
            _ => None,
        }
    }
}

/// One look at one source, as the power core takes it in.
///
/// A source that is silent or broken gives no sample at all; one that speaks but does not know a
/// figure leaves it out.
#[derive(Debug, Clone, PartialEq)]
pub struct PowerSample {
    /// The subject's id (`meter-plug1`, `rapl-package-0`): stable over restarts, unique in a node.
    pub source_id: String,
    /// What a person calls it.
    pub label: String,
    /// What kind of thing measures.
    pub kind: SourceKind,
    /// What the figures cover.
    pub scope: Scope,
    /// When it was measured, by the wall clock; never the clock of the source itself.
    pub at: Timestamp,
    /// How long before the batch that was: subtract it from the monotonic time at which the batch
    /// is heard. Up to ten minutes for a plug that speaks rarely.
    pub age: Duration,
    /// Watts; negative only for [`Scope::House`] while it feeds in.
    pub power_w: Option<f64>,
    /// The source's energy counter, kWh, monotone: resets, roll-backs, wraps and glitches of the
    /// source are already taken out. Goes on over restarts of this program where the source's
    /// own counter does; starts anew from 0 only together with a new `source_id`, or when what
    /// is known of it was lost.
    pub energy_kwh: Option<f64>,
    /// Why the figures are not to be learnt from, if so (a frozen plug, a figure that does not
    /// go with volts and amperes); they are still the best that is known.
    pub suspect: Option<String>,
}

/// The key of the published object that says what the figures cover.
pub(crate) const COVERS: &str = "covers";
/// The key of the published object that says why the figures are doubtful.
pub(crate) const SUSPECT: &str = "suspect";
/// The key of the moment of the measurement, where that is not the moment of the batch.
pub(crate) const MEASURED: &str = "measured_at";

impl PowerSample {
    /// The keys by which a reading says what it covers.
    pub fn detail(
        scope: &Scope,
        suspect: Option<&str>,
    ) -> serde_json::Map<String, serde_json::Value> {
        let mut detail = serde_json::Map::new();
        detail.insert(COVERS.to_owned(), scope.word().into());
        if let Some(text) = suspect {
            detail.insert(SUSPECT.to_owned(), text.into());
        }
        detail
    }

    /// Reads a sample out of a reading that was taken at `at`; `None` if it measures no power.
    pub fn of(reading: &Reading, at: Timestamp) -> Option<Self> {
        let subject: &Subject = &reading.subject;
        let detail = reading.detail.as_ref()?;
        let text = |key: &str| detail.get(key).and_then(serde_json::Value::as_str);
        let number = |key: &str| reading.value(key).and_then(Value::as_number);
        let measured = match reading.value(MEASURED) {
            Some(Value::Moment(moment)) => *moment,
            _ => at,
        };
        Some(Self {
            source_id: subject.id.clone(),
            label: subject.label.clone(),
            kind: SourceKind::of(reading.source?)?,
            scope: Scope::parse(text(COVERS)?)?,
            at: measured,
            age: Duration::try_from(at.duration_since(measured)).unwrap_or_default(),
            power_w: number("power_w").filter(|watts| watts.is_finite()),
            energy_kwh: number("energy_kwh").filter(|energy| energy.is_finite()),
            suspect: text(SUSPECT).map(str::to_owned),
        })
    }

    /// Every sample in a batch.
    pub fn all(batch: &Batch) -> impl Iterator<Item = Self> {
        let readings = batch.outcomes.iter();
        readings
            .filter_map(|outcome| outcome.result.as_ref().ok())
            .flatten()
            .filter_map(|reading| Self::of(reading, batch.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Area, Metric, Outcome, Unit};

    static POWER: Metric = Metric::gauge("power_w", "Power", Unit::Watt);
    static ENERGY: Metric = Metric::total("energy_kwh", "Energy", Unit::KilowattHour);
    static AT: Metric = Metric::moment(MEASURED, "Measured");

    #[test]
    fn every_scope_reads_back_as_itself() {
        for scope in [
            Scope::Host,
            Scope::Shared,
            Scope::Board,
            Scope::Platform,
            Scope::Package(0),
            Scope::Cores(1),
            Scope::Uncore(2),
            Scope::Memory(3),
            Scope::Gpu("0000-01-00-0".into()),
            Scope::Node("pi-4".into()),
            Scope::House,
            Scope::Apart,
        ] {
            assert_eq!(Scope::parse(&scope.word()), Some(scope));
        }
        for word in ["", "wall", "package-x", "moon-1"] {
            assert_eq!(Scope::parse(word), None, "{word}");
        }
    }

    #[test]
    fn every_kind_has_a_source_of_its_own_and_estimates_have_none() {
        for kind in SourceKind::ALL {
            assert_eq!(SourceKind::of(kind.source()), Some(kind));
        }
        for source in [Source::Calibrated, Source::Model, Source::Prior] {
            assert_eq!(SourceKind::of(source), None);
        }
    }

    #[test]
    fn a_sample_is_read_out_of_what_is_published_and_nothing_else_is_one() {
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let measured: Timestamp = "2026-01-02T03:03:55Z".parse().unwrap();
        let plug = Subject::of_host(Area::Power, "meter-nas", "NAS plug");
        let mut meter = Reading::new(&plug)
            .with(&POWER, 42.5)
            .with(&ENERGY, f64::NAN)
            .with(&AT, measured);
        meter.source = Some(Source::Meter);
        meter.detail = Some(PowerSample::detail(&Scope::Host, Some("frozen")));
        let mut model = meter.clone();
        model.source = Some(Source::Model);
        let mut plain = meter.clone();
        plain.detail = None;
        let mut package = Reading::new(&plug).with(&POWER, 9.0);
        package.source = Some(Source::Rapl);
        package.detail = Some(PowerSample::detail(&Scope::Package(0), None));
        let outcome = |collector, result| Outcome { collector, result };
        let batch = Batch {
            at,
            outcomes: vec![
                outcome("meters", Ok(vec![meter, model, plain])),
                outcome("x", Err("broken".to_owned())),
                outcome("rapl", Ok(vec![package])),
            ],
        };
        let samples: Vec<PowerSample> = PowerSample::all(&batch).collect();
        let want = PowerSample {
            source_id: "meter-nas".into(),
            label: "NAS plug".into(),
            kind: SourceKind::Meter,
            scope: Scope::Host,
            at: measured,
            age: Duration::from_secs(10),
            power_w: Some(42.5),
            energy_kwh: None,
            suspect: Some("frozen".into()),
        };
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0], want);
        assert_eq!((samples[1].age, samples[1].at), (Duration::ZERO, at));
        assert_eq!(samples[1].kind, SourceKind::Rapl);
    }
}
