use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; never pushed by default.
    Info,
    /// Somebody should act today.
    Warning,
    /// Somebody should act now.
    Critical,
}

impl Severity {
    /// The word that is published and configured.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Where an alert is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition holds, but not yet for long enough.
    Pending,
    /// The condition has held for long enough.
    Firing,
    /// Somebody has taken note; the condition still holds.
    Acknowledged,
    /// The condition no longer holds.
    Resolved,
}

impl AlertState {
    /// The word that is published.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// One alert, as it is published on `<base>/<node>/alert/<id>` and served by REST.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Stable identity: the same rule on the same subject has the same id; a topic segment.
    pub id: String,
    /// The rule that raised it.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is in its life.
    pub state: AlertState,
    /// What it is about, `<area>/<subject>`.
    pub subject: String,
    /// One sentence for a person.
    pub summary: String,
    /// The figure that broke the rule, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<f64>,
    /// The limit it broke, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub threshold: Option<f64>,
    /// Since when the condition has held.
    #[serde(with = "super::moment::required")]
    pub since: Timestamp,
    /// Who acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged_by: Option<String>,
    /// When it was acknowledged.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        with = "super::moment::optional"
    )]
    pub acknowledged_at: Option<Timestamp>,
    /// What the person said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// No push until then.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        with = "super::moment::optional"
    )]
    pub silenced_until: Option<Timestamp>,
    /// How often it has fired since it was first seen.
    pub count: u32,
}

/// Counts for `<base>/<node>/alerts`; pending and resolved ones are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AlertCounts {
    /// Open critical alerts.
    pub critical: u32,
    /// Open warnings.
    pub warning: u32,
    /// Open notices.
    pub info: u32,
    /// Of all open ones, how many are acknowledged.
    pub acknowledged: u32,
    /// The worst severity among open alerts that are not acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<Severity>,
}

impl AlertCounts {
    /// Counts the open ones among `alerts`.
    pub fn of<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Self {
        let mut counts = Self::default();
        for alert in alerts {
            let acknowledged = match alert.state {
                AlertState::Pending | AlertState::Resolved => continue,
                AlertState::Firing => false,
                AlertState::Acknowledged => true,
            };
            match alert.severity {
                Severity::Critical => counts.critical += 1,
                Severity::Warning => counts.warning += 1,
                Severity::Info => counts.info += 1,
            }
            if acknowledged {
                counts.acknowledged += 1;
            } else {
                counts.worst = counts.worst.max(Some(alert.severity));
            }
        }
        counts
    }
}
