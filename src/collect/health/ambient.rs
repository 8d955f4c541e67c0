use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::quantity::TEMPERATURE;
use crate::bus::Bus;
use crate::collect::{Collect, CollectError, Slot};
use crate::config::AmbientConfig;
use crate::model::{Area, FlagMeaning, Metric, Place, Reading, Subject, payload};

static FAULT: Metric = Metric::flag("fault", "Sensor fault", FlagMeaning::Problem).diagnostic();

/// No room is colder or hotter, °C.
const ROOM: std::ops::RangeInclusive<f64> = -60.0..=90.0;

/// The thermometers of rooms that speak on MQTT: `health/ambient-<name>` each. Cheap to clone; all
/// clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Ambient(Arc<Mutex<Vec<Thermometer>>>);

struct Thermometer {
    subject: Arc<Subject>,
    topic: String,
    /// `None`: it is looked for.
    place: Option<Place>,
    fahrenheit: Option<bool>,
    silent_after: Duration,
    heard: Option<(Instant, Result<f64, String>)>,
}

impl fmt::Debug for Thermometer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subject.key())
    }
}

impl Ambient {
    /// Those that are configured; nothing has been heard of them yet.
    pub fn new(configured: &[AmbientConfig]) -> Self {
        let thermometers = configured.iter().map(|one| Thermometer {
            subject: Subject::of_host(Area::Health, &format!("ambient-{}", one.name), &one.label),
            topic: one.topic.clone(),
            place: one.value.as_deref().map(Place::parse),
            fahrenheit: one.fahrenheit,
            silent_after: one.silent_after,
            heard: None,
        });
        Self(Arc::new(Mutex::new(thermometers.collect())))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Thermometer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place in the frame where what was heard last is sampled at each tick.
    pub fn slot(&self) -> Slot {
        let ambient = self.clone();
        Slot::new("ambient", Duration::ZERO, move || Box::new(ambient.clone()))
    }

    /// Takes in a message. One that a broker had kept is none: nobody knows how old it is.
    pub fn hear(&self, topic: &str, payload: &str, retained: bool, at: Instant) {
        if retained {
            return;
        }
        for one in self.lock().iter_mut().filter(|one| one.topic == topic) {
            // A message without a temperature (a battery's, a button's) says nothing of it.
            if let Some(heard) = one.read(payload).transpose() {
                one.heard = Some((at, heard));
            }
        }
    }

    /// Listens until `cancel`.
    pub async fn run(self, bus: Bus, cancel: CancellationToken) {
        let topics = self.lock().iter().map(|one| one.topic.clone()).collect();
        let mut inbox = bus.want(topics);
        while let Some(message) = cancel.run_until_cancelled(inbox.next()).await {
            let text = String::from_utf8_lossy(&message.payload);
            self.hear(&message.topic, &text, message.retained, message.at);
        }
    }
}

impl Collect for Ambient {
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError> {
        let now = Instant::now();
        let known = self.lock();
        Ok(known.iter().filter_map(|one| one.reading(now)).collect())
    }
}

impl Thermometer {
    fn reading(&self, now: Instant) -> Option<Reading> {
        let (at, heard) = self.heard.as_ref()?;
        if now.duration_since(*at) > self.silent_after {
            return None;
        }
        let mut reading = Reading::new(&self.subject)
            .with_known(&TEMPERATURE, heard.as_ref().ok().copied())
            .with(&FAULT, heard.is_err());
        if let Err(text) = heard {
            let detail = [("fault_text".to_owned(), text.as_str().into())];
            reading.detail = Some(Map::from_iter(detail));
        }
        Some(reading)
    }

    /// The temperature in °C; `None` if the message has none.
    fn read(&self, text: &str) -> Result<Option<f64>, String> {
        let nonsense = || {
            let start: String = text.chars().take(40).collect();
            format!("\"{start}\" is no temperature: look at topic and value")
        };
        let json = payload::json(text).filter(Json::is_object);
        let found = match (&self.place, &json) {
            (Some(place), _) => place.find(text).map_err(|()| nonsense())?,
            (None, Some(json)) => look_for(json),
            (None, None) => Place::Whole.find(text).map_err(|()| nonsense())?,
        };
        let Some(value) = found else {
            return Ok(None);
        };
        // Tasmota says its unit in the message.
        let told = json.as_ref().and_then(|json| json.get("TempUnit"));
        let told = told.and_then(Json::as_str).map(|unit| unit == "F");
        let degrees = if self.fahrenheit.or(told).unwrap_or(false) {
            (value - 32.0) / 1.8
        } else {
            value
        };
        if ROOM.contains(&degrees) {
            Ok(Some(degrees))
        } else {
            Err(format!("says {value}, which cannot be: is the unit right?"))
        }
    }
}

/// The temperature where Zigbee2MQTT and Tasmota have it: `temperature`, or `Temperature` of a
/// sensor.
fn look_for(json: &Json) -> Option<f64> {
    let own = json.get("temperature").and_then(payload::number);
    own.or_else(|| {
        let parts = json.as_object()?.values();
        parts
            .filter_map(|part| part.get("Temperature"))
            .find_map(payload::number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::State;
    use crate::model::Value;
    use tokio::task::JoinSet;

    fn of(value: Option<&str>, fahrenheit: Option<bool>) -> Ambient {
        Ambient::new(&[AmbientConfig {
            name: "rack".to_owned(),
            label: "Rack".to_owned(),
            topic: "t".to_owned(),
            value: value.map(str::to_owned),
            fahrenheit,
            silent_after: Duration::from_hours(2),
        }])
    }

    /// Temperature and why not, after one message.
    fn told(ambient: &Ambient) -> Option<(Option<f64>, Option<String>)> {
        let reading = ambient.clone().sample().unwrap().pop()?;
        let degrees = reading.value("temperature_c").and_then(Value::as_number);
        let text = reading
            .detail
            .map(|detail| detail["fault_text"].to_string());
        Some((degrees.map(|degrees| TEMPERATURE.round(degrees)), text))
    }

    #[tokio::test(start_paused = true)]
    async fn every_kind_of_message_is_understood_without_being_described() {
        for (value, unit, payload, want) in [
            (
                None,
                None,
                r#"{"temperature":21.34,"humidity":40,"linkquality":90}"#,
                21.34,
            ),
            (
                None,
                None,
                r#"{"Time":"x","AM2301":{"Temperature":19.5,"Humidity":50},"TempUnit":"C"}"#,
                19.5,
            ),
            (
                None,
                None,
                r#"{"DS18B20":{"Id":"0","Temperature":68},"TempUnit":"F"}"#,
                20.0,
            ),
            (None, None, "22.5", 22.5),
            (None, Some(true), "72.5 °F", 22.5),
            (Some("/env/0/t"), None, r#"{"env":[{"t":"18.2"}]}"#, 18.2),
            (
                Some("{{ value_json.t }}"),
                Some(false),
                r#"{"t":18,"TempUnit":"F"}"#,
                18.0,
            ),
        ] {
            let ambient = of(value, unit);
            assert_eq!(told(&ambient), None, "nothing heard yet");
            ambient.hear("t", payload, false, Instant::now());
            assert_eq!(told(&ambient), Some((Some(want), None)), "{payload}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_makes_no_sense_is_told_and_what_is_old_is_no_more() {
        let ambient = of(None, None);
        let now = Instant::now();
        ambient.hear("t", "21", true, now);
        ambient.hear("elsewhere", "21", false, now);
        ambient.hear("t", r#"{"battery":90}"#, false, now);
        assert_eq!(told(&ambient), None);
        for (payload, words) in [("on", "is no temperature"), ("451", "cannot be")] {
            ambient.hear("t", payload, false, now);
            let (degrees, text) = told(&ambient).unwrap();
            assert!(
                degrees.is_none() && text.unwrap().contains(words),
                "{payload}"
            );
        }
        let pointed = of(Some("/t"), None);
        pointed.hear("t", "no json", false, now);
        assert!(told(&pointed).unwrap().1.unwrap().contains("look at topic"));
        ambient.hear("t", "21", false, now);
        tokio::time::advance(Duration::from_hours(2)).await;
        assert!(told(&ambient).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(told(&ambient), None);
        assert_eq!(format!("{:?}", ambient.lock()[0]), "health/ambient-rack");
    }

    #[tokio::test(start_paused = true)]
    async fn it_listens_until_it_is_stopped() {
        let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
        let (ambient, cancel) = (of(None, None), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(ambient.clone().run(bus.clone(), cancel.clone()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        bus.deliver("t", &bytes::Bytes::from_static(b"20.5"), false);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(told(&ambient), Some((Some(20.5), None)));
        assert_eq!(ambient.slot().name(), "ambient");
        cancel.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }
}
