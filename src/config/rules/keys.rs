use std::time::Duration;

use crate::config::{Section, nearest};
use crate::model::{Area, Severity};

use super::rule::{Condition, Levels, Relative, Rule, Side, Threshold};

/// What a rule without a condition is told.
pub(super) const CONDITIONS: &str =
    "must say when: above, below, percent, is, changes_to or no_data";

const LONGEST: Duration = Duration::from_hours(30 * 24);
const PLACES: [&str; 6] = ["subject", "metric", "value", "limit", "for", "error"];

/// The keys of one rule's table as they are given.
#[derive(Debug, Default)]
pub(super) struct Keys {
    enabled: Option<bool>,
    severity: Option<Severity>,
    series: Option<String>,
    except: Option<Vec<String>>,
    number: Number,
    is: Option<Vec<String>>,
    changes_to: Option<Vec<String>>,
    no_data: Option<String>,
    for_: Option<Duration>,
    clear_for: Option<Duration>,
    summary: Option<String>,
    recovered: Option<String>,
}

/// The keys of a rule about a figure.
#[derive(Debug, Default)]
struct Number {
    above: Option<f64>,
    below: Option<f64>,
    clear: Option<f64>,
    critical: Option<f64>,
    of: Option<String>,
    percent: Option<f64>,
    clear_percent: Option<f64>,
    critical_percent: Option<f64>,
    growth_over: Option<Duration>,
}

impl Keys {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        const SERIES: &str = "<area>/<subject>/<metric> such as \"health/fs-*/used_pct\", with * \
                              in the subject only, the area one of power, health, internet, ddns";
        const SILENT: &str = "<area>/<subject> such as \"health/ups-*\", \"collector/*\" or \
                              \"node/*\"";
        let severities = [
            ("info", Severity::Info),
            ("warning", Severity::Warning),
            ("critical", Severity::Critical),
        ];
        let length = Duration::ZERO..=LONGEST;
        let except = section.texts("except");
        if except.iter().flatten().any(|text| !is_subject(text)) {
            section.fault("except", format!("must be a list of {SILENT}"));
        }
        Self {
            enabled: section.flag("enabled"),
            severity: section.choice("severity", &severities),
            series: section.parsed("series", SERIES, series),
            except,
            number: Number::read(section),
            is: words(section, "is"),
            changes_to: words(section, "changes_to"),
            no_data: section.parsed("no_data", SILENT, |text| {
                is_subject(text).then(|| text.to_owned())
            }),
            for_: section.duration("for", length.clone()),
            clear_for: section.duration("clear_for", length),
            summary: sentence(section, "summary"),
            recovered: sentence(section, "recovered"),
        }
    }

    /// These keys, and those of a built-in rule where these are silent. A key that changes what
    /// is compared takes the place of all that the built-in rule compares.
    pub(super) fn over(self, mut base: Self) -> Self {
        if self.has_condition() {
            if !self.number.is_given() {
                base.number = Number::default();
            }
            (base.is, base.changes_to, base.no_data) = (
                base.is.filter(|_| self.is.is_some()),
                base.changes_to.filter(|_| self.changes_to.is_some()),
                base.no_data.filter(|_| self.no_data.is_some()),
            );
        }
        Self {
            enabled: self.enabled.or(base.enabled),
            severity: self.severity.or(base.severity),
            series: self.series.or(base.series),
            except: self.except.or(base.except),
            number: self.number.over(base.number),
            is: self.is.or(base.is),
            changes_to: self.changes_to.or(base.changes_to),
            no_data: self.no_data.or(base.no_data),
            for_: self.for_.or(base.for_),
            clear_for: self.clear_for.or(base.clear_for),
            summary: self.summary.or(base.summary),
            recovered: self.recovered.or(base.recovered),
        }
    }

    pub(super) fn has_condition(&self) -> bool {
        self.number.is_given()
            || self.is.is_some()
            || self.changes_to.is_some()
            || self.no_data.is_some()
    }

    /// The rule, unless it is switched off or faulty.
    pub(super) fn rule(self, id: &str, section: &Section<'_>) -> Option<Rule> {
        let (subjects, condition) = self.condition(section)?;
        if self.enabled == Some(false) {
            return None;
        }
        let (summary, recovered) = default_sentences(&condition);
        Some(Rule {
            id: id.to_owned(),
            severity: self.severity.unwrap_or(Severity::Warning),
            subjects,
            except: self.except.unwrap_or_default(),
            condition,
            for_: self.for_.unwrap_or_default(),
            clear_for: self.clear_for.unwrap_or_default(),
            summary: self.summary.unwrap_or_else(|| summary.to_owned()),
            recovered: self.recovered.unwrap_or_else(|| recovered.to_owned()),
        })
    }

    fn condition(&self, section: &Section<'_>) -> Option<(String, Condition)> {
        let kinds = [
            ("above, below or percent", self.number.is_given()),
            ("is", self.is.is_some()),
            ("changes_to", self.changes_to.is_some()),
            ("no_data", self.no_data.is_some()),
        ];
        let given: Vec<&str> = kinds.iter().filter(|k| k.1).map(|k| k.0).collect();
        if let [first, second, ..] = given.as_slice() {
            section.fault(second, format!("excludes {first}; keep one of the two"));
            return None;
        }
        if let Some(subjects) = &self.no_data {
            if section.has("series") {
                section.fault("series", "says nothing here: no_data names the subjects");
            }
            return Some((subjects.clone(), Condition::NoData));
        }
        if given.is_empty() {
            return None;
        }
        let (subjects, metric) = self.series.as_ref()?.rsplit_once('/')?;
        let metric = metric.to_owned();
        let condition = match (&self.is, &self.changes_to) {
            (Some(any), _) | (None, Some(any)) => Condition::Word {
                metric,
                any: any.clone(),
                changed: self.changes_to.is_some(),
            },
            (None, None) => Condition::Number(self.number.threshold(metric, section)?),
        };
        Some((subjects.to_owned(), condition))
    }

    /// Whether a rule about a series does not say which.
    pub(super) fn lacks_series(&self) -> bool {
        self.series.is_none() && self.no_data.is_none() && self.has_condition()
    }
}

impl Number {
    fn read(section: &mut Section<'_>) -> Self {
        const ANY: std::ops::RangeInclusive<f64> = -1e15..=1e15;
        const SHARE: std::ops::RangeInclusive<f64> = 0.0..=1000.0;
        const HOUR: Duration = Duration::from_hours(1);
        Self {
            above: section.number("above", ANY),
            below: section.number("below", ANY),
            clear: section.number("clear", ANY),
            critical: section.number("critical", ANY),
            of: section.text("of"),
            percent: section.number("percent", SHARE),
            clear_percent: section.number("clear_percent", SHARE),
            critical_percent: section.number("critical_percent", SHARE),
            growth_over: section.duration("growth_over", HOUR / 60..=24 * HOUR),
        }
    }

    const fn is_given(&self) -> bool {
        self.above.is_some() || self.below.is_some() || self.percent.is_some()
    }

    fn over(self, mut base: Self) -> Self {
        if let Some(limit) = self.above.or(self.below) {
            // One figure for all: shares and the other side's limits no longer count.
            if self.percent.is_none() {
                (base.of, base.percent) = (None, None);
                (base.clear_percent, base.critical_percent) = (None, None);
            }
            let same_side = self.above.is_some() == base.above.is_some();
            let side = if self.above.is_some() {
                Side::Above
            } else {
                Side::Below
            };
            base.clear = match (same_side, base.clear, base.above.or(base.below)) {
                // The distance that keeps it from flickering stays.
                (true, Some(clear), Some(old)) => Some(limit - (old - clear)),
                _ => None,
            };
            base.critical = base
                .critical
                .filter(|critical| same_side && side.passes(*critical, limit));
            (base.above, base.below) = (None, None);
        }
        Self {
            above: self.above.or(base.above),
            below: self.below.or(base.below),
            clear: self.clear.or(base.clear),
            critical: self.critical.or(base.critical),
            of: self.of.or(base.of),
            percent: self.percent.or(base.percent),
            clear_percent: self.clear_percent.or(base.clear_percent),
            critical_percent: self.critical_percent.or(base.critical_percent),
            growth_over: self.growth_over.or(base.growth_over),
        }
    }

    fn threshold(&self, metric: String, section: &Section<'_>) -> Option<Threshold> {
        let (side, limit, word) = match (self.above, self.below) {
            (Some(_), Some(_)) => {
                section.fault("below", "excludes above; keep one of the two");
                return None;
            }
            (above, None) => (Side::Above, above, "above"),
            (None, below) => (Side::Below, below, "below"),
        };
        let mut fine = self.is_paired(limit.is_some(), section);
        let mut levels = |limit: Option<f64>,
                          clear: Option<f64>,
                          critical: Option<f64>,
                          end: &str,
                          word: &str| {
            let limit = limit?;
            if let Some(clear) = clear.filter(|clear| side.passes(*clear, limit)) {
                let text = format!("({clear}) must not lie beyond {word} ({limit})");
                section.fault(&format!("clear{end}"), text);
                fine = false;
            }
            if let Some(critical) = critical.filter(|critical| !side.passes(*critical, limit)) {
                let text = format!("({critical}) must lie beyond {word} ({limit})");
                section.fault(&format!("critical{end}"), text);
                fine = false;
            }
            Some(Levels {
                limit,
                clear: clear.unwrap_or(limit),
                critical,
            })
        };
        let absolute = levels(limit, self.clear, self.critical, "", word);
        let percent = levels(
            self.percent,
            self.clear_percent,
            self.critical_percent,
            "_percent",
            "percent",
        );
        fine.then(|| Threshold {
            metric,
            side,
            levels: absolute,
            relative: self
                .of
                .clone()
                .zip(percent)
                .map(|(of, percent)| Relative { of, percent }),
            growth_over: self.growth_over,
        })
    }
    /// Whether every key has the one that it says nothing without.
    fn is_paired(&self, limited: bool, section: &Section<'_>) -> bool {
        let (shared, percent) = (self.of.is_some(), self.percent.is_some());
        let pairs = [
            ("of", shared, "percent", percent),
            ("percent", percent, "of", shared),
            ("clear", self.clear.is_some(), "above or below", limited),
            (
                "critical",
                self.critical.is_some(),
                "above or below",
                limited,
            ),
            (
                "clear_percent",
                self.clear_percent.is_some(),
                "percent",
                percent,
            ),
            (
                "critical_percent",
                self.critical_percent.is_some(),
                "percent",
                percent,
            ),
        ];
        let mut fine = true;
        for (key, given, needed, there) in pairs {
            if given && !there {
                section.fault(key, format!("needs {needed}"));
                fine = false;
            }
        }
        fine
    }
}

fn series(text: &str) -> Option<String> {
    let (subject, metric) = text.rsplit_once('/')?;
    let (area, _) = subject.split_once('/')?;
    let fine = is_subject(subject)
        && Area::parse(area).is_some()
        && !metric.is_empty()
        && metric
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    fine.then(|| text.to_owned())
}

/// `<area>/<subject>`, the subject with `*`; collectors and nodes count as areas here.
fn is_subject(text: &str) -> bool {
    let Some((area, id)) = text.split_once('/') else {
        return false;
    };
    (Area::parse(area).is_some() || ["collector", "node"].contains(&area))
        && !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'*')
}

/// Words of a flag or state; flags may be given as such.
fn words(section: &mut Section<'_>, key: &str) -> Option<Vec<String>> {
    section.words(key).map(|mut words| {
        words.retain(|word| !word.is_empty());
        words
    })
}

fn sentence(section: &mut Section<'_>, key: &str) -> Option<String> {
    let text = section.text(key)?;
    let mut rest = text.as_str();
    while let Some((_, tail)) = rest.split_once('{') {
        let (place, next) = tail.split_once('}').unwrap_or((tail, ""));
        if !PLACES.contains(&place) {
            let hint = nearest(place, &PLACES)
                .map_or_else(String::new, |near| format!("; did you mean {{{near}}}?"));
            let list = PLACES.join("}, {");
            section.fault(key, format!("may hold {{{list}}}, not {{{place}}}{hint}"));
            return None;
        }
        rest = next;
    }
    Some(text)
}

const fn default_sentences(condition: &Condition) -> (&'static str, &'static str) {
    match condition {
        Condition::Number(Threshold {
            side: Side::Above, ..
        }) => (
            "{subject}: {metric} is at {value}, above {limit} for {for}",
            "{subject}: {metric} is back at {value}",
        ),
        Condition::Number(_) => (
            "{subject}: {metric} is at {value}, below {limit} for {for}",
            "{subject}: {metric} is back at {value}",
        ),
        Condition::Word { .. } => (
            "{subject}: {metric} is {value} for {for}",
            "{subject}: {metric} is {value} again",
        ),
        Condition::NoData => (
            "{subject} has told nothing for {for}",
            "{subject} tells something again",
        ),
    }
}
