use std::time::Duration;

use super::Section;

const DAY: u64 = 86_400;

/// `[history]`: the history store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryConfig {
    /// How long every single sample is kept. `retention`, default `"400d"`, 1 day to 100 years.
    pub retention: Duration,
    /// How long hourly minimum, maximum and mean are kept. `hourly_retention`, default `"3650d"`.
    pub hourly_retention: Duration,
    /// How large the store's file may grow before the oldest single samples go, in bytes.
    /// `max_size`, default `"5GB"`, from 16 MB.
    pub max_size: u64,
    /// How much of the newest history a power cut may take. `sync_interval`, default `"0s"`:
    /// every tick is on the disk before the next one, at about 40 MB written a day; `"10m"`
    /// writes a quarter of that. 0 s to 1 h.
    pub sync_interval: Duration,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(400 * DAY),
            hourly_retention: Duration::from_secs(3_650 * DAY),
            max_size: 5_000_000_000,
            sync_interval: Duration::ZERO,
        }
    }
}

impl HistoryConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let span = Duration::from_secs(DAY)..=Duration::from_secs(36_500 * DAY);
        let retention = section.duration("retention", span.clone());
        let hourly_retention = section.duration("hourly_retention", span);
        let max_size = section.size("max_size", 16_000_000..=1_000_000_000_000_000);
        let sync = Duration::ZERO..=Duration::from_hours(1);
        let sync_interval = section.duration("sync_interval", sync);
        section.finish();
        let default = Self::default();
        Self {
            retention: retention.unwrap_or(default.retention),
            hourly_retention: hourly_retention.unwrap_or(default.hourly_retention),
            max_size: max_size.unwrap_or(default.max_size),
            sync_interval: sync_interval.unwrap_or(default.sync_interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Problems, Section};

    fn read(toml: &str) -> (HistoryConfig, Vec<String>) {
        let table: config::Map<String, config::Value> = config::Config::builder()
            .add_source(config::File::from_str(toml, config::FileFormat::Toml))
            .build()
            .unwrap()
            .try_deserialize()
            .unwrap();
        let problems = Problems::default();
        let value = config::Value::new(None, config::ValueKind::Table(table));
        let section = Section::new("history".to_owned(), value, &problems);
        let config = HistoryConfig::read(section);
        let texts = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        (config, texts)
    }

    #[test]
    fn every_key_is_read_and_the_rest_has_its_default() {
        assert_eq!(read(""), (HistoryConfig::default(), Vec::new()));
        let (config, problems) = read(
            "retention = \"30d\"\nhourly_retention = \"2000d\"\nmax_size = \"1GB\"\n\
             sync_interval = \"10m\"",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(config.retention, Duration::from_secs(30 * DAY));
        assert_eq!(config.hourly_retention, Duration::from_secs(2_000 * DAY));
        assert_eq!(config.max_size, 1_000_000_000);
        assert_eq!(config.sync_interval, Duration::from_mins(10));
    }

    #[test]
    fn every_fault_is_told() {
        let (_, problems) = read(
            "retention = \"1h\"\nhourly_retention = 5\nmax_size = \"1kB\"\n\
             sync_interval = \"2h\"\nretension = \"1d\"",
        );
        for key in [
            "retention",
            "hourly_retention",
            "max_size",
            "sync_interval",
            "retension",
        ] {
            let key = format!("history.{key}");
            assert!(
                problems.iter().any(|text| text.contains(&key)),
                "{key}: {problems:?}"
            );
        }
        assert_eq!(problems.len(), 5);
    }
}
