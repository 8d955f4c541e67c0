use std::time::Duration;

use super::{Finding, Verdict};
use crate::config::Config;
use crate::host::Host;
use crate::local::Status;
use crate::meter::{Fares, Survey, survey};

const CHAPTER: &str = "Meters";
/// How long meters are listened to where homewatch does not run: those that speak once in ten
/// seconds are heard.
const LISTEN: Duration = Duration::from_secs(12);

/// Meters speak when they like: the running service knows them best, and without it those on an
/// outside broker and those that answer by HTTP are listened to for a moment.
pub(super) async fn examine(
    host: &Host,
    config: &Config,
    service: Option<&Status>,
) -> Vec<Finding> {
    if let Some(status) = service {
        return tell(status);
    }
    let broker = config.mqtt.broker.as_ref();
    let heard = survey(host, &config.power.meters, broker, LISTEN).await;
    first(&heard, broker.is_some())
}

/// What a moment's listening says.
fn first(heard: &Survey, is_outside: bool) -> Vec<Finding> {
    let mut findings: Vec<_> = heard.meters.iter().map(early).collect();
    findings.extend(heard.offers.iter().map(|line| offer(line)));
    if let Some(why) = &heard.trouble {
        // That the broker cannot be reached is told in its own chapter.
        let text = format!("no meter could be listened for: {why}");
        findings.push(Finding::new(CHAPTER, Verdict::Hint, text));
    }
    if findings.is_empty() {
        let how = if is_outside {
            format!(
                "none was heard on the broker in {} s; those that speak seldom are told while \
                 homewatch runs",
                LISTEN.as_secs()
            )
        } else {
            "those that speak on the embedded broker are told while homewatch runs".to_owned()
        };
        let text = format!("no meter is configured; {how}");
        findings.push(Finding::new(CHAPTER, Verdict::Absent, text));
    }
    findings
}

fn early((name, fares): &(String, Fares)) -> Finding {
    match fares {
        Fares::Heard(text) => one(&(name.clone(), text.clone())),
        Fares::Away(text) => away(name, text),
        Fares::NotYet => {
            let text = format!(
                "{name}: nothing heard in {} s; whether it speaks is told while homewatch runs",
                LISTEN.as_secs()
            );
            Finding::new(CHAPTER, Verdict::Hint, text)
        }
    }
}

fn tell(status: &Status) -> Vec<Finding> {
    let mut findings: Vec<_> = status.meters.iter().map(one).collect();
    let doubts = status.doubts.iter().map(|text| {
        let text = format!("the power of this machine is doubtful: {text}");
        Finding::new(CHAPTER, Verdict::Hint, text)
    });
    findings.extend(doubts);
    findings.extend(status.offers.iter().map(|line| offer(line)));
    if findings.is_empty() {
        let text = "none is configured, and none was heard on the broker since homewatch started";
        findings.push(Finding::new(CHAPTER, Verdict::Absent, text));
    }
    findings
}

fn offer(line: &str) -> Finding {
    let text = "a meter is heard that is not watched";
    Finding::new(CHAPTER, Verdict::Hint, text).with(format!(
        "a file in conf.d beside the configuration with the line: {line}"
    ))
}

fn one((name, fares): &(String, String)) -> Finding {
    let gone = ["nothing heard", "says that it is offline", "silent"];
    if gone.iter().any(|start| fares.starts_with(start)) {
        return away(name, fares);
    }
    let verdict = if fares == "fine" {
        Verdict::Fine
    } else {
        Verdict::Hint
    };
    Finding::new(CHAPTER, verdict, format!("{name}: {fares}"))
}

fn away(name: &str, fares: &str) -> Finding {
    Finding::new(CHAPTER, Verdict::Broken, format!("{name}: {fares}")).with(format!(
        "check that it is on, speaks to the same broker, and is called as in \
         [power.meters.{name}]"
    ))
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Broken, Fine, Hint};
    use super::*;

    #[test]
    fn meters_that_speak_are_told_from_silent_doubtful_and_unknown_ones() {
        let mut status = Status::default();
        assert_eq!(tell(&status)[0].verdict, Verdict::Absent);
        status.doubts.push("Plug says 0 W".to_owned());
        assert!(tell(&status)[0].text.ends_with("Plug says 0 W"));
        status.doubts.clear();
        let line = "power.meters.plug1 = { tasmota = \"plug1\" }";
        status.offers.push(line.to_owned());
        for (name, fares) in [
            ("a", "fine"),
            ("b", "silent for 15 min"),
            (
                "c",
                "says 3 W while its outlet is off: an old figure, taken as 0",
            ),
            ("d", "nothing heard yet"),
        ] {
            status.meters.push((name.to_owned(), fares.to_owned()));
        }
        let findings = tell(&status);
        let verdicts: Vec<_> = findings.iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Fine, Broken, Hint, Broken, Hint]);
        assert!(
            findings[1]
                .remedy
                .as_ref()
                .unwrap()
                .contains("[power.meters.b]")
        );
        assert!(findings[4].remedy.as_ref().unwrap().ends_with(line));
    }

    #[test]
    fn a_moment_s_listening_calls_nobody_broken_who_may_speak_later() {
        assert!(
            first(&Survey::default(), false)[0]
                .text
                .contains("embedded broker")
        );
        assert!(first(&Survey::default(), true)[0].text.contains("12 s"));
        let heard = Survey {
            meters: vec![
                ("a".to_owned(), Fares::Heard("fine".to_owned())),
                (
                    "b".to_owned(),
                    Fares::Away("says that it is offline".to_owned()),
                ),
                ("c".to_owned(), Fares::NotYet),
            ],
            offers: vec!["power.meters.plug1 = { tasmota = \"plug1\" }".to_owned()],
            trouble: Some("the broker has hung up".to_owned()),
        };
        let verdicts: Vec<_> = first(&heard, true).iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Fine, Broken, Hint, Hint, Hint]);
    }
}
