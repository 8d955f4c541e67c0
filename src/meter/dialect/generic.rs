use super::Dialect;
use super::esphome::Field;
use crate::config::Fields;
use crate::meter::figures::{Figures, Heard};
use crate::model::Place;

/// Any topics whose payloads hold figures.
pub(super) struct Mqtt {
    fields: Vec<(String, Place, Field)>,
}

/// Any answer by HTTP that holds figures.
pub(super) struct Http {
    url: String,
    fields: Vec<(Place, Field)>,
}

/// Without any field the whole payload is the power.
fn fields(fields: &Fields) -> Vec<(String, Field)> {
    let given = Field::all(fields);
    if given.is_empty() {
        vec![(String::new(), Field::Power)]
    } else {
        given
    }
}

/// What those of `fields` say that are in `payload`.
fn read<'a>(payload: &str, fields: impl Iterator<Item = (&'a Place, Field)>) -> Heard {
    let mut figures = Figures::default();
    let mut unreadable = false;
    for (place, field) in fields {
        match place.find(payload) {
            Ok(Some(value)) => field.put(&mut figures, value),
            Ok(None) => {}
            Err(()) => unreadable = true,
        }
    }
    Heard {
        unreadable,
        ..Heard::part(0, figures)
    }
}

impl Mqtt {
    pub(super) fn new(topic: &str, given: &Fields) -> Self {
        let place = |(text, field): (String, Field)| match text.rsplit_once('#') {
            Some((own, place)) => (own.to_owned(), Place::parse(place), field),
            None => (topic.to_owned(), Place::parse(&text), field),
        };
        Self {
            fields: fields(given).into_iter().map(place).collect(),
        }
    }
}

impl Dialect for Mqtt {
    fn maker(&self) -> &'static str {
        "MQTT"
    }

    fn filters(&self) -> Vec<String> {
        self.fields
            .iter()
            .map(|(topic, ..)| topic.clone())
            .collect()
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Heard {
        let wanted = self.fields.iter().filter(|(name, ..)| name == topic);
        read(payload, wanted.map(|(_, place, field)| (place, *field)))
    }
}

impl Http {
    pub(super) fn new(url: String, given: &Fields) -> Self {
        let place = |(text, field): (String, Field)| (Place::parse(&text), field);
        Self {
            url,
            fields: fields(given).into_iter().map(place).collect(),
        }
    }
}

impl Dialect for Http {
    fn maker(&self) -> &'static str {
        "HTTP"
    }

    fn url(&self) -> Option<String> {
        Some(self.url.clone())
    }

    fn hear(&mut self, _: &str, payload: &str) -> Heard {
        read(
            payload,
            self.fields.iter().map(|(place, field)| (place, *field)),
        )
    }
}
