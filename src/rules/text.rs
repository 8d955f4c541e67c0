use std::time::Duration;

use crate::model::{Metric, figure, spoken};

use super::judge::Finding;

/// What a sentence is filled with.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) subject: &'a str,
    pub(super) finding: &'a Finding,
    pub(super) held: Duration,
    pub(super) error: Option<&'a str>,
}

/// The longest error that a sentence quotes, in characters.
const MAX_ERROR: usize = 300;

/// Fills the places of `template`; what is not known is left out with the words that lead to it.
pub(super) fn fill(template: &str, facts: &Facts<'_>) -> String {
    let held = (facts.held >= Duration::from_secs(1)).then(|| spoken(facts.held));
    let mut out = template.to_owned();
    put(&mut out, " for {for}", "{for}", held.as_deref());
    let error: Option<String> = facts
        .error
        .map(|error| error.chars().take(MAX_ERROR).collect());
    put(&mut out, ": {error}", "{error}", error.as_deref());
    let finding = facts.finding;
    let value = match (&finding.word, finding.value) {
        (Some(word), _) => Some(word.clone()),
        (None, Some(value)) => Some(figure(finding.metric, value)),
        (None, None) => None,
    };
    put(&mut out, " {value}", "{value}", value.as_deref());
    let limit = finding.limit.map(|limit| limit_of(finding.metric, limit));
    put(&mut out, ", above {limit}", "{limit}", limit.as_deref());
    put(
        &mut out,
        "{metric}: ",
        "{metric}",
        finding.metric.map(|m| m.name),
    );
    // Last, for a subject may be called anything.
    put(&mut out, "{subject}", "{subject}", Some(facts.subject));
    out
}

fn put(text: &mut String, lead: &str, place: &str, value: Option<&str>) {
    if !text.contains(place) {
        return;
    }
    *text = match value {
        Some(value) => text.replace(place, value),
        None => text.replace(lead, "").replace(place, "?"),
    };
}

/// A limit: like a figure, without zeros that nobody configured.
fn limit_of(metric: Option<&'static Metric>, limit: f64) -> String {
    let whole = limit.fract() == 0.0;
    let text = figure(metric, limit);
    match text.split_once(' ') {
        Some((number, unit)) if whole && number.contains('.') => {
            let number = number.trim_end_matches('0').trim_end_matches('.');
            format!("{number} {unit}")
        }
        None if whole && text.contains('.') => {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unit;

    static TEMPERATURE: Metric =
        Metric::gauge("temperature_c", "Temperature", Unit::Celsius).decimals(1);
    static FREE: Metric = Metric::gauge("free_bytes", "Free", Unit::Byte);
    static COUNT: Metric = Metric::gauge("count", "Processes", Unit::None).decimals(1);
    static UPTIME: Metric = Metric::gauge("uptime_s", "Uptime", Unit::Second);
    static RATE: Metric = Metric::gauge("x_bits_per_s", "Rate", Unit::BitPerSecond);

    #[test]
    fn figures_are_written_as_people_write_them() {
        for (metric, value, want) in [
            (&TEMPERATURE, 94.0, "94.0 °C"),
            (&FREE, 512.0, "512 B"),
            (&FREE, 1_610_612_736.0, "1.5 GiB"),
            (&COUNT, 3.0, "3.0"),
            (&UPTIME, 90.0, "1 min 30 s"),
            (&UPTIME, 0.5, "0.5 s"),
            (&RATE, 250_000_000.0, "250.0 Mbit/s"),
        ] {
            assert_eq!(figure(Some(metric), value), want);
        }
        assert_eq!(limit_of(Some(&TEMPERATURE), 90.0), "90 °C");
        assert_eq!(limit_of(Some(&TEMPERATURE), 76.32), "76.3 °C");
        assert_eq!(limit_of(Some(&COUNT), 3.0), "3");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let finding = Finding {
            metric: Some(&TEMPERATURE),
            value: Some(94.0),
            limit: Some(90.0),
            word: None,
        };
        let template = "{subject} is at {value}, above {limit} for {for}";
        let mut facts = Facts {
            subject: "CPU package",
            finding: &finding,
            held: Duration::from_mins(1),
            error: None,
        };
        assert_eq!(
            fill(template, &facts),
            "CPU package is at 94.0 °C, above 90 °C for 1 min"
        );
        facts.held = Duration::ZERO;
        assert_eq!(
            fill(template, &facts),
            "CPU package is at 94.0 °C, above 90 °C"
        );
        let nothing = Finding::default();
        facts.finding = &nothing;
        assert_eq!(
            fill("{subject} has failed: {error}", &facts),
            "CPU package has failed"
        );
        facts.subject = "{value}";
        assert_eq!(fill("{subject} is off", &facts), "{value} is off");
    }
}
