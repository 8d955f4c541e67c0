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
    let mut area = "";
    for subject in &status.subjects {
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
