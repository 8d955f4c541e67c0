use super::{Dialect, json, number};
use crate::meter::figures::{Figures, Heard};

/// `IoTaWatt` by its query API: the mean of the last ten seconds of one input or output. Its log
/// has no counter, so that the energy is what its watts come to.
pub(super) struct Iotawatt {
    url: String,
}

impl Iotawatt {
    pub(super) fn new(url: &str, output: &str) -> Self {
        let query = format!("select=[{output}.watts]&begin=s-10s&end=s&group=all");
        Self {
            url: format!("{url}/query?{query}"),
        }
    }
}

impl Dialect for Iotawatt {
    fn maker(&self) -> &'static str {
        "IoTaWatt"
    }

    fn url(&self) -> Option<String> {
        Some(self.url.clone())
    }

    fn hear(&mut self, _: &str, payload: &str) -> Heard {
        let value = json(payload);
        let figure = value.as_ref().and_then(|value| value.get(0)?.get(0));
        match figure.map(number) {
            None => Heard::unreadable(),
            // The log has a gap there.
            Some(None) => Heard::default(),
            Some(power_w) => Heard::part(
                0,
                Figures {
                    power_w,
                    ..Figures::default()
                },
            ),
        }
    }
}
