use super::Section;

/// `[control]`: what commands may do to the machine. Nothing, unless it is named here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlConfig {
    /// Units of systemd that may be restarted.
    pub units: Vec<String>,
    /// Containers that may be restarted.
    pub containers: Vec<String>,
    /// Whether the machine may be restarted.
    pub reboot: bool,
    /// Whether the machine may be switched off.
    pub shutdown: bool,
}

impl ControlConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut names = |key: &str| {
            let names = section.texts(key).unwrap_or_default();
            let odd = |name: &String| {
                let fits = |c: char| c.is_ascii_alphanumeric() || "@._:-".contains(c);
                name.is_empty() || name.starts_with('-') || !name.chars().all(fits)
            };
            if let Some(name) = names.iter().find(|name| odd(name)) {
                section.fault(
                    key,
                    format!("(\"{name}\") must be whole names, without patterns"),
                );
            }
            names
        };
        let units = names("restart_units");
        let containers = names("restart_containers");
        let reboot = section.flag("reboot").unwrap_or(false);
        let shutdown = section.flag("shutdown").unwrap_or(false);
        section.finish();
        Self {
            units,
            containers,
            reboot,
            shutdown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;
    use config::{File, FileFormat, Source as _, Value};

    #[test]
    fn nothing_is_allowed_that_is_not_named() {
        let read = |text: &str| {
            let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
            let problems = Problems::default();
            let section = Section::new("control".to_owned(), Value::from(table), &problems);
            let config = ControlConfig::read(section);
            let told = problems.into_vec();
            let told: Vec<_> = told.iter().map(ToString::to_string).collect();
            (config, told.join("\n"))
        };
        assert_eq!(read(""), (ControlConfig::default(), String::new()));
        let (config, told) =
            read("restart_units = [\"jellyfin\", \"user@1.service\"]\nreboot = true");
        assert_eq!(
            (config.units.len(), config.reboot, config.shutdown, &*told),
            (2, true, false, "")
        );
        for (text, words) in [
            (
                "restart_units = [\"*\"]",
                "control.restart_units: (\"*\") must be whole names",
            ),
            (
                "restart_containers = [\"--all\"]",
                "control.restart_containers",
            ),
            ("restart_units = [\"\"]", "must be whole names"),
            ("reboot = \"maybe\"", "control.reboot"),
        ] {
            assert!(read(text).1.contains(words), "{text}");
        }
    }
}
