mod budget;
mod co2;
mod meter;
mod tariff;

pub use budget::{BudgetConfig, Limit};
pub use co2::Co2Config;
pub use meter::{Address, EnergyUnit, Fields, MeterConfig, PowerUnit};
pub use tariff::{
    DEAREST, DynamicConfig, FeedConfig, Holiday, Period, Rates, Season, Standing, Step, StepPrice,
    TariffConfig, Terms, Tiers, Window,
};

use super::Section;
use crate::model::slug;

/// `[power]`: watts, kilowatt-hours and what they cost.
#[derive(Debug, Clone, Default)]
pub struct PowerConfig {
    /// The meters that are watched, by name.
    pub meters: Vec<MeterConfig>,
    /// What is known of this machine without a meter.
    pub host: Option<HostPower>,
    /// How many services are told one by one; the rest together.
    pub services: usize,
    /// What a disk at full work draws above one at rest, W.
    pub disk_w: Option<f64>,
    /// How many processes are told one by one.
    pub processes: usize,
    /// Services that are counted together.
    pub groups: Vec<GroupConfig>,
    /// What a kWh costs.
    pub tariff: Option<TariffConfig>,
    /// What a kWh emits.
    pub co2: Option<Co2Config>,
    /// How much may be used.
    pub budgets: Vec<BudgetConfig>,
    /// How much the machine may draw with nothing to do, W.
    pub standby_w: Option<f64>,
}

/// A line of `[power.groups]`: services that are counted as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// What they are called together.
    pub name: String,
    /// Their names; `*` stands for anything.
    pub services: Vec<String>,
}

/// `[power.host]`: this machine at the wall, read off a meter once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostPower {
    /// Watts with nothing to do.
    pub idle_w: f64,
    /// Watts with every core busy.
    pub max_w: f64,
}

impl HostPower {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let idle_w = section.number("idle_w", 0.1..=10_000.0);
        let max_w = section.number("max_w", 0.1..=10_000.0);
        let host = match (idle_w, max_w) {
            (Some(idle_w), Some(max_w)) if idle_w < max_w => Some(Self { idle_w, max_w }),
            (Some(_), Some(_)) => {
                section.fault("max_w", "must be above idle_w");
                None
            }
            (Some(_), None) if !section.has("max_w") => {
                section.fault("idle_w", "needs max_w beside it");
                None
            }
            (None, Some(_)) if !section.has("idle_w") => {
                section.fault("max_w", "needs idle_w beside it");
                None
            }
            (Some(_) | None, _) => None,
        };
        section.finish();
        host
    }
}

impl PowerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let meters = meter::read_all(section.sections("meters"));
        let host = HostPower::read(section.section("host"));
        let mut services = section.section("services");
        let top = services.integer("top", 0..=50).unwrap_or(10);
        let disk_w = services.number("disk_w", 0.1..=100.0);
        services.finish();
        let mut processes = section.section("processes");
        let busiest = processes.integer("top", 0..=50).unwrap_or(5);
        processes.finish();
        let groups = groups(section.section("groups"));
        let tariff = TariffConfig::read(section.section("tariff"));
        let co2 = Co2Config::read(section.section("co2"));
        let budgets = section.sections("budgets");
        let budgets = BudgetConfig::read_all(budgets, tariff.is_some());
        let standby_w = section.number("standby_w", 0.1..=10_000.0);
        section.finish();
        Self {
            meters,
            host,
            services: usize::try_from(top).unwrap_or_default(),
            disk_w,
            processes: usize::try_from(busiest).unwrap_or_default(),
            groups,
            tariff,
            co2,
            budgets,
            standby_w,
        }
    }
}

fn groups(mut section: Section<'_>) -> Vec<GroupConfig> {
    let mut groups = Vec::new();
    for name in section.keys() {
        if slug(&name) != name {
            section.fault(
                &name,
                "must be called by lower-case letters, digits and '-'",
            );
        }
        match section.texts(&name) {
            Some(services) if services.is_empty() => {
                section.fault(&name, "must name at least one service");
            }
            Some(services) => groups.push(GroupConfig { name, services }),
            None => {}
        }
    }
    section.finish();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;
    use config::{File, FileFormat, Source as _, Value};

    /// What `[power]` comes to, and its faults, a line each.
    fn read(text: &str) -> (PowerConfig, String) {
        let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
        let problems = Problems::default();
        let section = Section::new("power".to_owned(), Value::from(table), &problems);
        let config = PowerConfig::read(section);
        let told: Vec<_> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        (config, told.join("\n"))
    }

    #[test]
    fn idle_and_full_load_come_together_or_not_at_all() {
        assert_eq!((read("").0.host, read("").1.as_str()), (None, ""));
        let (config, told) = read("[host]\nidle_w = 22\nmax_w = 71.5");
        let host = HostPower {
            idle_w: 22.0,
            max_w: 71.5,
        };
        assert_eq!((config.host, told.as_str()), (Some(host), ""));
        for (text, words) in [
            ("idle_w = 22", "power.host.idle_w: needs max_w"),
            ("max_w = 22", "power.host.max_w: needs idle_w"),
            ("idle_w = 22\nmax_w = 22", "must be above idle_w"),
            ("idle_w = 22\nmax_w = -1", "power.host.max_w: (-1)"),
            ("idle = 22", "power.host.idle: is not a known key"),
        ] {
            let (config, told) = read(&format!("[host]\n{text}"));
            assert_eq!((config.host, told.lines().count()), (None, 1), "{told}");
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn groups_have_names_and_services() {
        let (config, told) =
            read("services.top = 3\n[groups]\nmedia = [\"jelly*\", \"sonarr\"]\nweb = \"caddy\"");
        assert_eq!((config.services, config.groups.len(), &*told), (3, 2, ""));
        assert_eq!(config.groups[1].services, ["caddy"]);
        assert_eq!((read("").0.services, read("").0.processes), (10, 5));
        for (text, words) in [
            (
                "groups.media = []",
                "power.groups.media: must name at least one",
            ),
            ("groups.Media = [\"a\"]", "lower-case"),
            ("groups.media = 3", "power.groups.media: (3)"),
            ("services.top = 99", "from 0 to 50"),
            ("processes.top = -1", "from 0 to 50"),
            ("services.disk_w = 0", "power.services.disk_w: (0)"),
        ] {
            let told = read(text).1;
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn budgets_have_a_time_and_one_limit() {
        let text = "standby_w = 30\n[budgets.month]\nper = \"month\"\nkwh = 40\n\
            [budgets.media]\nper = \"day\"\nmoney = 0.5\nservice = \"jellyfin\"\n\
            [tariff]\ncurrency = \"EUR\"\nprice = 0.3\n[co2]\ng_per_kwh = 380\ntopics = \"co2\"";
        let (config, told) = read(text);
        assert_eq!((told.as_str(), config.standby_w), ("", Some(30.0)));
        assert_eq!(config.budgets[0].limit, Limit::Money(0.5));
        assert_eq!(config.budgets[0].service.as_deref(), Some("jellyfin"));
        assert_eq!(config.budgets[1].per, Period::Month);
        let co2 = config.co2.unwrap();
        assert_eq!(co2.feed.unwrap().stale_after.as_secs(), 6 * 3600);
        for (text, words) in [
            ("budgets.a.kwh = 1", "power.budgets.a.per: is missing"),
            ("budgets.a.per = \"day\"", "power.budgets.a: needs one of"),
            (
                "[budgets.a]\nper = \"day\"\nkwh = 1\nmoney = 1",
                "power.budgets.a: has both \"kwh\" and \"money\"",
            ),
            (
                "[budgets.a]\nper = \"day\"\nmoney = 1",
                "money: needs a [power.tariff]",
            ),
            ("[budgets.A]\nper = \"day\"\nkwh = 1", "lower-case"),
            ("[budgets.a]\nper = \"year\"\nkwh = 1", "per: (\"year\")"),
            ("co2.topics = \"x\"", "power.co2.g_per_kwh: is missing"),
            ("standby_w = -1", "power.standby_w: (-1)"),
        ] {
            let told = read(text).1;
            assert!(told.contains(words), "{told}");
        }
    }
}
