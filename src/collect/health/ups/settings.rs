use std::time::Duration;

use super::action::Plan;
use super::server::{self, Access};
use crate::config::Section;

/// A command has so long, if nothing else is said.
const TIMEOUT: Duration = Duration::from_mins(1);
/// A condition of the action must hold for so long, if nothing else is said.
const FOR: Duration = Duration::from_secs(30);

/// All of `[collect.ups]`.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) servers: Vec<Access>,
    /// The UPS that this machine and nothing else hangs on.
    pub(super) feeds: Option<String>,
    /// The orderly action, if it is switched on.
    pub(super) act: Option<Act>,
}

/// The orderly action on a low battery.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Act {
    /// The UPS, by its name at its server or its subject's.
    pub(super) ups: String,
    pub(super) plan: Plan,
    /// In their order, each an argument vector.
    pub(super) commands: Vec<Vec<String>>,
    /// Each has so long.
    pub(super) timeout: Duration,
    /// Tells what it would do and does nothing.
    pub(super) dry_run: bool,
}

impl Settings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let servers = server::read(&mut section);
        let feeds = section.text("feeds_host");
        let act = act(section.section("action"), feeds.as_deref());
        section.finish();
        Self {
            servers,
            feeds,
            act,
        }
    }
}

fn act(mut table: Section<'_>, feeds: Option<&str>) -> Option<Act> {
    let enabled = table.flag("enabled").unwrap_or(false);
    let ups = table.text("ups").or_else(|| feeds.map(str::to_owned));
    let low_battery = table.flag("low_battery").unwrap_or(true);
    let charge_below = table.number("charge_below_pct", 1.0..=99.0);
    let hours = |hours| Duration::from_hours(hours);
    let runtime_below = table.duration("runtime_below", Duration::from_secs(10)..=hours(24));
    let for_ = table.duration("for", Duration::ZERO..=hours(1));
    let when_lost = table.flag("when_lost").unwrap_or(false);
    let commands = table.commands("commands").unwrap_or_default();
    let timeout = table.duration("timeout", Duration::from_secs(1)..=hours(1));
    let dry_run = table.flag("dry_run").unwrap_or(false);
    let steps = i64::try_from(commands.len()).unwrap_or(1).max(1);
    let point = table.integer("point_of_no_return", 1..=steps);
    if enabled && commands.is_empty() {
        table.fault("commands", "are missing: the action needs at least one");
    }
    if enabled && ups.is_none() {
        table.fault("ups", "is missing: say which UPS, here or by feeds_host");
    }
    if enabled && !low_battery && charge_below.is_none() && runtime_below.is_none() {
        let text = "must be true, or charge_below_pct or runtime_below be given";
        table.fault("low_battery", text);
    }
    table.finish();
    let plan = Plan {
        low_battery,
        charge_below,
        runtime_below,
        for_: for_.unwrap_or(FOR),
        when_lost,
        steps: commands.len(),
        point: point
            .and_then(|point| usize::try_from(point).ok())
            .unwrap_or(commands.len()),
    };
    let act = Act {
        ups: ups?,
        plan,
        commands,
        timeout: timeout.unwrap_or(TIMEOUT),
        dry_run,
    };
    enabled.then_some(act)
}
