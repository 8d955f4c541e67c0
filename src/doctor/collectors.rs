use std::collections::BTreeMap;

use super::{Finding, Verdict};
use crate::collect::smart::UNREADABLE;
use crate::collect::{self, CollectError, Sampled};
use crate::config::Config;
use crate::host::Host;
use crate::local::{Status, SubjectLine};
use crate::model::{Reading, Unit, Value, figure};

const CHAPTER: &str = "Sensors and collectors";
/// So many sensors are named; the rest is counted.
const NAMED: usize = 12;

pub(super) async fn examine(
    host: &Host,
    config: &Config,
    service: Option<&Status>,
) -> Vec<Finding> {
    let (host, tables) = (host.clone(), config.collect.clone());
    let sample = move || collect::sample_once(&host, &tables);
    match tokio::task::spawn_blocking(sample).await {
        Ok(sampled) => tell(&sampled, service),
        Err(error) => vec![Finding::new(
            CHAPTER,
            Verdict::Broken,
            format!("the collectors have crashed: {error}"),
        )],
    }
}

fn tell(sampled: &[Sampled], service: Option<&Status>) -> Vec<Finding> {
    let mut findings: Vec<_> = sampled.iter().map(|sample| one(sample, service)).collect();
    let readings = sampled
        .iter()
        .filter_map(|(_, result)| result.as_ref().ok())
        .flatten();
    findings.push(sensors(readings));
    findings
}

fn one((name, result): &Sampled, service: Option<&Status>) -> Finding {
    match result {
        Ok(readings) if readings.is_empty() => Finding::new(
            CHAPTER,
            Verdict::Absent,
            match *name {
                "smart" => "smart: no disk has told its health yet; see Disks".to_owned(),
                name => format!("{name}: there is none here, and nothing to be done about it"),
            },
        ),
        Ok(readings) => {
            let lacks = |reading: &&Reading| !has_it(reading, service);
            if let Some((what, help)) = readings.iter().filter(lacks).find_map(lack) {
                let text = format!("{name}: {what}");
                return Finding::new(CHAPTER, Verdict::Hint, text).with(help);
            }
            let label = |one: &'_ Reading| one.subject.label.clone();
            let unread = readings.iter().filter(|one| is_unread(one, service));
            let unread: Vec<_> = unread.map(label).collect();
            if !unread.is_empty() {
                let text = format!("{name}: {} cannot be asked; see Disks", unread.join(", "));
                return Finding::new(CHAPTER, Verdict::Hint, text);
            }
            let labels: Vec<_> = readings.iter().map(label).collect();
            let (first, rest) = labels.split_at(labels.len().min(NAMED));
            let more = match rest.len() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            let text = format!("{name}: {}{more}", first.join(", "));
            Finding::new(CHAPTER, Verdict::Fine, text)
        }
        Err(CollectError::Absent(what) | CollectError::Lacking(what)) => {
            Finding::new(CHAPTER, Verdict::Absent, format!("{name}: {what}"))
        }
        // Nobody asked for it by name: what it lacks is told, but nothing configured is broken.
        Err(CollectError::Transient(text) | CollectError::Broken(text)) => {
            Finding::new(CHAPTER, Verdict::Hint, format!("{name}: {text}"))
        }
    }
}

/// Whether the running service has what is perhaps lacking to this user.
fn has_it(reading: &Reading, service: Option<&Status>) -> bool {
    let key = reading.subject.key();
    service.is_some_and(|status| {
        status.subjects.iter().any(|line| line.key == key)
            && !status.lacking.iter().any(|one| one == key)
    })
}

/// Whether a disk could not be asked, neither now nor by the running service.
fn is_unread(reading: &Reading, service: Option<&Status>) -> bool {
    let is_line = |line: &&SubjectLine| line.key == reading.subject.key() && line.available;
    let told = service.and_then(|service| service.subjects.iter().find(is_line));
    let told = told.and_then(|line| line.figures.first());
    reading.value("verdict") == Some(&Value::from(UNREADABLE))
        && told.is_none_or(|(_, verdict)| verdict == UNREADABLE)
}

/// What a reading says that it lacks, and the remedy.
fn lack(reading: &Reading) -> Option<(String, String)> {
    let detail = reading.detail.as_ref()?;
    let text = |key: &str| Some(detail.get(key)?.as_str()?.to_owned());
    Some((text("log")?, text("remedy")?))
}

/// What can be felt here, or kind words that nothing can.
fn sensors<'a>(readings: impl Iterator<Item = &'a Reading>) -> Finding {
    let mut hot = BTreeMap::new();
    for reading in readings {
        for (metric, value) in &reading.values {
            let (true, Value::Number(number)) = (metric.key == "temperature_c", value) else {
                continue;
            };
            debug_assert_eq!(metric.unit, Unit::Celsius);
            hot.insert(reading.subject.label.clone(), figure(Some(metric), *number));
        }
    }
    if hot.is_empty() {
        let text = "no temperature sensors: this machine (a virtual one, or a board without a \
                    driver) tells no temperatures; everything else is watched all the same";
        return Finding::new(CHAPTER, Verdict::Hint, text)
            .with("on real hardware: sudo apt install lm-sensors && sudo sensors-detect --auto");
    }
    let all: Vec<_> = hot
        .iter()
        .map(|(label, value)| format!("{label} {value}"))
        .collect();
    Finding::new(
        CHAPTER,
        Verdict::Fine,
        format!("temperatures: {}", all.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Area, Metric, Subject};

    #[test]
    fn a_disk_that_nobody_can_ask_is_not_fine() {
        static VERDICT: Metric = Metric::text("verdict", "Verdict");
        let subject = Subject::of_host(Area::Health, "disk-a", "A");
        let reading = Reading::new(&subject).with(&VERDICT, UNREADABLE);
        let sample = ("smart", Ok(vec![reading]));
        let runs = |verdict: &str| Status {
            subjects: vec![SubjectLine {
                key: subject.key().to_owned(),
                label: "A".to_owned(),
                available: true,
                source: None,
                figures: vec![("Verdict".to_owned(), verdict.to_owned())],
            }],
            ..Status::default()
        };
        for (service, verdict) in [
            (None, Verdict::Hint),
            (Some(runs(UNREADABLE)), Verdict::Hint),
            (Some(runs("ok")), Verdict::Fine),
        ] {
            assert_eq!(one(&sample, service.as_ref()).verdict, verdict);
        }
    }

    #[test]
    fn what_the_service_may_read_is_fine_though_this_user_may_not() {
        let subject = Subject::of_host(Area::Health, "kernel", "Kernel");
        let mut reading = Reading::new(&subject);
        let detail = [("log", "not permitted"), ("remedy", "a drop-in")];
        let detail = detail.map(|(key, text)| (key.to_owned(), text.into()));
        reading.detail = Some(detail.into_iter().collect());
        let sample = ("kernel", Ok(vec![reading]));
        let line = SubjectLine {
            key: subject.key().to_owned(),
            label: "Kernel".to_owned(),
            available: true,
            source: None,
            figures: Vec::new(),
        };
        let runs = |lacking: &[&str]| Status {
            subjects: vec![line.clone()],
            lacking: lacking.iter().map(|key| (*key).to_owned()).collect(),
            ..Status::default()
        };
        for (service, verdict) in [
            (None, Verdict::Hint),
            (Some(Status::default()), Verdict::Hint),
            (Some(runs(&["health/kernel"])), Verdict::Hint),
            (Some(runs(&[])), Verdict::Fine),
        ] {
            let finding = one(&sample, service.as_ref());
            assert_eq!(finding.verdict, verdict, "{service:?}");
            assert_eq!(finding.remedy.is_some(), verdict == Verdict::Hint);
        }
    }
}
