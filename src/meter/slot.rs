use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tokio::time::Instant;

use super::track::{Look, View};
use super::{Meter, Meters};
use crate::collect::{Collect, CollectError, Slot};
use crate::model::{Area, Metric, Reading, Source, Subject, Unit, spoken};
use crate::power::PowerSample;
use crate::power::metrics::{
    APPARENT, CURRENT, ENERGY, FACTOR, FAULT, FREQUENCY, MEASURED, REACTIVE, RELAY, RETURNED,
    SENSED, VOLTAGE,
};

static COUNT: Metric = Metric::gauge("meters_count", "Meters", Unit::None).diagnostic();
static SILENT: Metric = Metric::gauge("silent_count", "Silent meters", Unit::None).diagnostic();
static DOUBTFUL: Metric =
    Metric::gauge("doubtful_count", "Doubtful meters", Unit::None).diagnostic();
static FOUND: Metric = Metric::gauge("found_count", "Meters to adopt", Unit::None).diagnostic();

impl Meters {
    /// The place in the frame where all meters' newest figures are sampled at each tick, as
    /// `power/meter-<name>` each; `power/meters` tells how they fare.
    pub fn slot(&self) -> Slot {
        let meters = self.clone();
        Slot::new("meters", std::time::Duration::ZERO, move || {
            Box::new(Sampler {
                meters: meters.clone(),
                subject: Subject::of_host(Area::Power, "meters", "Meters"),
            })
        })
    }
}

struct Sampler {
    meters: Meters,
    subject: Arc<Subject>,
}

impl Collect for Sampler {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let now = Instant::now();
        let known = self.meters.lock();
        let offers = known.offers();
        if known.meters.is_empty() && offers.is_empty() {
            // Not absent: the first one that is heard is to be told at once.
            return Ok(Vec::new());
        }
        let mut readings = Vec::with_capacity(known.meters.len() + 1);
        let mut states = Map::new();
        let (mut silent, mut doubtful) = (0u32, 0u32);
        for meter in &known.meters {
            let look = meter.track.look(now);
            states.insert(meter.name(), meter.fares(&look).into());
            if let Look::Live(view) = look {
                doubtful += u32::from(view.doubt.is_some());
                readings.push(meter.reading(&view));
            }
        }
        silent += u32::try_from(known.meters.len() - readings.len()).unwrap_or(0);
        let count = u32::try_from(known.meters.len()).unwrap_or(u32::MAX);
        let mut summary = Reading::new(&self.subject)
            .with(&COUNT, f64::from(count))
            .with(&SILENT, f64::from(silent))
            .with(&DOUBTFUL, f64::from(doubtful))
            .with(
                &FOUND,
                f64::from(u32::try_from(offers.len()).unwrap_or(u32::MAX)),
            );
        let offers = offers.into_iter().map(Json::from).collect::<Vec<_>>();
        summary.detail = Some(Map::from_iter([
            ("meters".to_owned(), Json::Object(states)),
            ("found".to_owned(), Json::Array(offers)),
        ]));
        readings.push(summary);
        Ok(readings)
    }
}

/// A silence, told so that the text does not change at every tick.
fn rough(time: std::time::Duration) -> String {
    let minutes = time.as_secs() / 60;
    let rounded = if minutes < 60 {
        minutes / 5 * 5
    } else {
        minutes / 60 * 60
    };
    spoken(std::time::Duration::from_mins(rounded.max(1)))
}

impl Meter {
    /// How it fares, in words.
    pub(super) fn fares(&self, look: &Look) -> String {
        let trouble = || {
            let text = self.trouble.as_ref();
            text.map_or(String::new(), |text| format!(": {text}"))
        };
        match look {
            Look::Live(view) => {
                let doubt = view.doubt.as_ref();
                doubt.map_or("fine".to_owned(), ToString::to_string)
            }
            Look::NeverHeard => format!("nothing heard yet{}", trouble()),
            Look::Offline => "says that it is offline".to_owned(),
            Look::Silent(time) => format!("silent for {}{}", rough(*time), trouble()),
        }
    }

    fn reading(&self, view: &View) -> Reading {
        let figures = &view.figures;
        let doubt = view.doubt.map(|doubt| doubt.to_string());
        let mut reading = Reading::new(&self.subject)
            .with_known(&SENSED, figures.power_w)
            .with_known(&ENERGY, figures.energy_kwh)
            .with_known(&RETURNED, figures.returned_kwh)
            .with_known(&VOLTAGE, figures.voltage_v)
            .with_known(&CURRENT, figures.current_a)
            .with_known(&APPARENT, figures.apparent_va)
            .with_known(&REACTIVE, figures.reactive_var)
            .with_known(&FACTOR, figures.factor)
            .with_known(&FREQUENCY, figures.frequency_hz)
            .with_known(&RELAY, figures.relay)
            .with(&FAULT, doubt.is_some())
            .with(&MEASURED, view.at);
        reading.source = Some(Source::Meter);
        reading.detail = Some(PowerSample::detail(&self.scope, doubt.as_deref()));
        reading
    }
}
