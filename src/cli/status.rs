use std::io::{self, Write};

use super::{Failure, load, service};
use crate::config::Sources;
use crate::local::{Request, Status, SubjectLine};
use crate::model::AlertState;

/// `homewatch status`: the running service's state on one screen.
pub(super) fn run(sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    let config = load(sources)?;
    let status = service::ask(&config.data_dir, &Request::Status)?;
    write(&status.unwrap_or_default(), out)?;
    Ok(())
}

fn write(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let simulated = if status.simulated { " (simulated)" } else { "" };
    writeln!(
        out,
        "{}{simulated}, homewatch {}",
        status.node, status.version
    )?;
    let open = |state| matches!(state, AlertState::Firing | AlertState::Acknowledged);
    if !status.alerts.iter().any(|alert| open(alert.state)) {
        writeln!(out, "\nno alerts")?;
    }
    if !status.alerts.is_empty() {
        writeln!(out)?;
    }
    for alert in &status.alerts {
        let (severity, state) = (alert.severity.as_str(), alert.state.as_str());
        writeln!(
            out,
            "{severity:<9}{state:<13}{}  [{}]",
            alert.summary, alert.id
        )?;
    }
    if !status.failing.is_empty() {
        writeln!(out)?;
    }
    for part in &status.failing {
        writeln!(out, "failing  {}: {}", part.name, part.error)?;
    }
    if !status.doubts.is_empty() {
        writeln!(out)?;
    }
    for doubt in &status.doubts {
        writeln!(out, "doubtful  power: {doubt}")?;
    }
    let mut area = "";
    // What has only details for those who ask, such as voltages, is left out.
    let told = |subject: &&SubjectLine| !subject.available || !subject.figures.is_empty();
    for subject in status.subjects.iter().filter(told) {
        let (its_area, id) = subject.key.split_once('/').unwrap_or(("", &subject.key));
        if its_area != area {
            area = its_area;
            writeln!(out, "\n{area}")?;
        }
        write_subject(subject, id, out)?;
    }
    Ok(())
}

fn write_subject(subject: &SubjectLine, id: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "  {id:<27} ")?;
    if !subject.available {
        return writeln!(out, "unavailable");
    }
    let figures: Vec<String> = subject
        .figures
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let source = subject.source.as_ref();
    let source = source.map_or_else(String::new, |source| format!(" [{source}]"));
    writeln!(out, "{}{source}", figures.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_nothing_to_tell_takes_no_line_unless_it_is_away() {
        let line = |key: &str, available, figures: &[(&str, &str)]| SubjectLine {
            key: key.to_owned(),
            label: key.to_owned(),
            available,
            source: None,
            figures: figures
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let status = Status {
            node: "nas".to_owned(),
            subjects: vec![
                line("health/cpu", true, &[("CPU usage", "8.0 %")]),
                line("health/ups-a", false, &[]),
                line("health/voltage-a", true, &[]),
            ],
            doubts: vec!["Plug says 0 W while this machine runs".to_owned()],
            ..Status::default()
        };
        let mut out = Vec::new();
        write(&status, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("CPU usage 8.0 %"), "{text}");
        assert!(text.contains("unavailable"), "{text}");
        assert!(!text.contains("voltage"), "{text}");
        assert!(text.contains("doubtful  power: Plug says 0 W"), "{text}");
    }
}
