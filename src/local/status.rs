use serde::{Deserialize, Serialize};

use crate::bus::{State, SubjectState};
use crate::model::{Alert, Category, Value, figure, line};

/// The service's state, as `homewatch status` shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// The program's version.
    pub version: String,
    /// Whether the home is a simulated one.
    pub simulated: bool,
    /// Alerts, the worst first.
    pub alerts: Vec<Alert>,
    /// Parts that fail.
    pub failing: Vec<PartLine>,
    /// Everything that is watched, in the order of its topics.
    pub subjects: Vec<SubjectLine>,
    /// How each meter fares, by name.
    #[serde(default)]
    pub meters: Fares,
    /// The lines of configuration that would adopt the meters that were heard and are not
    /// watched.
    #[serde(default)]
    pub offers: Vec<String>,
    /// The keys of subjects that lack a permission, or something else that has a remedy.
    #[serde(default)]
    pub lacking: Vec<String>,
    /// What is doubtful about the power of this machine, in words.
    #[serde(default)]
    pub doubts: Vec<String>,
}

/// A part that fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartLine {
    /// Its name.
    pub name: String,
    /// Why.
    pub error: String,
}

/// One subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectLine {
    /// `<area>/<id>`.
    pub key: String,
    /// What people call it.
    pub label: String,
    /// Whether its figures hold.
    pub available: bool,
    /// Where its figures come from, if that is worth telling (`model`, `meter`, …).
    pub source: Option<String>,
    /// Its first figures, each a name and a value with its unit.
    pub figures: Vec<(String, String)>,
}

/// So many figures of one subject are shown.
const FIGURES: usize = 4;

impl Status {
    /// Reads it off the state.
    pub(super) fn of(state: &State, node: &str, simulated: bool) -> Self {
        let mut alerts: Vec<_> = state.alerts();
        alerts.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.since));
        let failing = state.collectors().into_iter();
        let (meters, offers) = meters(state).unwrap_or_default();
        Self {
            node: node.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            simulated,
            alerts: alerts
                .iter()
                .map(|alert| Alert {
                    summary: line(&alert.summary),
                    ..Alert::clone(alert)
                })
                .collect(),
            failing: failing
                .filter_map(|(name, error)| {
                    let name = name.to_owned();
                    let error = line(&error?);
                    Some(PartLine { name, error })
                })
                .collect(),
            subjects: state.subjects().iter().map(subject_line).collect(),
            meters,
            offers,
            lacking: state.subjects().iter().filter_map(lacking).collect(),
            doubts: doubts(state),
        }
    }
}

/// Names, and how each of them fares.
type Fares = Vec<(String, String)>;

/// What `power/meters` tells.
fn meters(state: &State) -> Option<(Fares, Vec<String>)> {
    let detail = state.subject("power/meters")?.detail?;
    let fares = detail.get("meters")?.as_object()?.iter();
    let fares = fares.filter_map(|(name, text)| Some((line(name), line(text.as_str()?))));
    let offers = detail.get("found")?.as_array()?.iter();
    let offers = offers.filter_map(|offer| offer.as_str().map(line));
    Some((fares.collect(), offers.collect()))
}

fn lacking(state: &SubjectState) -> Option<String> {
    let detail = state.detail.as_ref()?;
    let key = || state.subject.key().to_owned();
    detail.contains_key("remedy").then(key)
}

/// What `power/host` says against its own figure.
fn doubts(state: &State) -> Vec<String> {
    let detail = state.subject("power/host").and_then(|host| host.detail);
    let texts = ["contradiction", "suspect"].into_iter();
    let known = texts.filter_map(|key| detail.as_ref()?.get(key)?.as_str().map(line));
    known.collect()
}

fn subject_line(state: &SubjectState) -> SubjectLine {
    let of = |category| {
        let all = state.values.iter();
        all.filter(move |(metric, _)| metric.category == category)
    };
    // Those that are looked at every day; of a subject that has none, what it has.
    let shown = of(Category::Primary)
        .chain(of(Category::Diagnostic))
        .take(FIGURES.min(of(Category::Primary).count().max(2)));
    SubjectLine {
        key: state.subject.key().to_owned(),
        label: line(&state.subject.label),
        available: state.available,
        source: state.source.map(|source| source.as_str().to_owned()),
        figures: shown
            .map(|(metric, value)| {
                let text = match value {
                    Value::Number(number) => figure(Some(metric), *number),
                    Value::Flag(true) => "yes".to_owned(),
                    Value::Flag(false) => "no".to_owned(),
                    Value::Text(text) => line(text),
                    Value::Moment(at) => format!("{at:.0}"),
                };
                (metric.name.to_owned(), text)
            })
            .collect(),
    }
}
