mod keys;
mod rule;

pub use rule::{Condition, Levels, Relative, Rule, Side, Threshold};

use std::sync::Arc;
use std::time::Duration;

use config::{File, FileFormat, Source as _, Value};

use super::{Problems, Section, nearest};
use keys::Keys;

/// The rules that every installation starts with.
const BUILTIN: &str = include_str!("rules/builtin.toml");

/// `[rules]`: alert rules, one table a rule, and how alerts live.
#[derive(Debug, Clone)]
pub struct RulesConfig {
    /// Every enabled rule: those that come with homewatch as the configuration changed them,
    /// and its own.
    pub rules: Vec<Arc<Rule>>,
    /// How long an alert that is over but was never acknowledged stays visible.
    pub keep_resolved: Duration,
    /// How long an acknowledged alert stays whose subject tells nothing any more.
    pub forget_after: Duration,
    /// How long an alert stays that nobody has acknowledged and whose subject tells nothing any more.
    pub give_up_after: Duration,
    /// So many beginnings within [`Self::flap_window`] are flapping.
    pub flap_count: usize,
    /// See [`Self::flap_count`].
    pub flap_window: Duration,
    /// A flapping alert stays open until its condition was away for this long.
    pub flap_quiet: Duration,
}

impl Default for RulesConfig {
    /// As with an empty configuration.
    fn default() -> Self {
        Self::read(Section::root(
            Value::new(None, config::ValueKind::Nil),
            &Problems::default(),
        ))
    }
}

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
/// Keys of `[rules]` itself, which are no rules.
const OWN: [&str; 6] = [
    "keep_resolved",
    "forget_after",
    "give_up_after",
    "flap_count",
    "flap_window",
    "flap_quiet",
];

impl RulesConfig {
    /// Reads the table as the configuration does, for the tests of the engine.
    #[cfg(test)]
    pub(crate) fn for_test(section: Section<'_>) -> Self {
        Self::read(section)
    }

    pub(super) fn read(mut section: Section<'_>) -> Self {
        let keep_resolved = section.duration("keep_resolved", Duration::ZERO..=30 * DAY);
        let forget_after = section.duration("forget_after", 60 * MINUTE..=366 * DAY);
        let give_up_after = section.duration("give_up_after", DAY..=366 * DAY);
        let flap_count = section.integer("flap_count", 2..=100);
        let flap_window = section.duration("flap_window", MINUTE..=7 * DAY);
        let flap_quiet = section.duration("flap_quiet", MINUTE..=7 * DAY);
        let rules = rules(&mut section);
        section.finish();
        Self {
            rules,
            keep_resolved: keep_resolved.unwrap_or(DAY),
            forget_after: forget_after.unwrap_or(7 * DAY),
            give_up_after: give_up_after.unwrap_or(30 * DAY),
            flap_count: flap_count
                .and_then(|count| usize::try_from(count).ok())
                .unwrap_or(4),
            flap_window: flap_window.unwrap_or(60 * MINUTE),
            flap_quiet: flap_quiet.unwrap_or(15 * MINUTE),
        }
    }
}

fn rules(section: &mut Section<'_>) -> Vec<Arc<Rule>> {
    // A test sees to it that the built-in rules have no faults.
    let unseen = Problems::default();
    let mut builtin = builtin(&unseen);
    let mut names = builtin.keys();
    let known: Vec<String> = names.clone();
    for name in section.keys() {
        if !OWN.contains(&name.as_str()) && !names.contains(&name) {
            names.push(name);
        }
    }
    let mut rules = Vec::new();
    for name in names {
        let mut own = section.section(&name);
        let mut keys = Keys::read(&mut own);
        if known.contains(&name) {
            let mut table = builtin.section(&name);
            keys = keys.over(Keys::read(&mut table));
        } else if !rule::is_id(&name) {
            own.fault_here(rule::ID);
        } else if !keys.has_condition() {
            let words: Vec<&str> = known.iter().map(String::as_str).chain(OWN).collect();
            let hint = nearest(&name, &words)
                .map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            own.fault_here(format!("{}{hint}", keys::CONDITIONS));
        }
        if keys.lacks_series() && !own.has("series") {
            own.fault("series", "must be given: what the rule watches");
        }
        rules.extend(keys.rule(&name, &own).map(Arc::new));
        own.finish();
    }
    rules
}

fn builtin(problems: &Problems) -> Section<'_> {
    let table = File::from_str(BUILTIN, FileFormat::Toml)
        .collect()
        .map(Value::from);
    Section::root(
        table.unwrap_or_else(|_| Value::new(None, config::ValueKind::Nil)),
        problems,
    )
}

#[cfg(test)]
mod tests;
